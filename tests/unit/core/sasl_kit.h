/* SPDX-License-Identifier: MIT */
/* What the tests of SASL share: one account, one channel, and drivers for both roles. */
#ifndef JB_TESTS_SASL_KIT_H
#define JB_TESTS_SASL_KIT_H

#include "base/base64.h"
#include "core/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define KIT_ALL (JB__SASL_BIT(JB__SASL_MECH_COUNT) - 1u)

static const uint8_t kit_nonce[JB__SASL_NONCE_BYTES] = "server nonce of 24 byte";
static const uint8_t kit_client_nonce[JB__SASL_NONCE_BYTES] = "client nonce of 24 byte";
static const uint8_t kit_secret[JB__SASL_SECRET_BYTES] = "the server's own secret, 32 byte";
static const uint8_t kit_random[JB_CREDENTIALS_RANDOM_BYTES] =
    "salt of sha-1...salt of sha-256.salt of sha-512";

struct kit {
    struct jb__sasl_context ctx;
    struct jb__sasl_account account;
    struct jb_credentials credentials; /* of romeo, "wherefore" */
    struct jb_str host_user;           /* the one account there is */
};

static inline void kit_init(struct kit *k)
{
    *k = (struct kit){
        .ctx = { .alloc = &jb_allocator_libc,
                 .limits = &jb_limits_default,
                 .host = JB_STR("example.org"),
                 .offered = KIT_ALL,
                 .binding = { JB_STR("exported bytes, 32 of them......"), JB_STR("end point") },
                 .secret = kit_secret,
                 .iterations = JB_ITERATIONS_LEAST },
        .account = { .alloc = &jb_allocator_libc,
                     .limits = &jb_limits_default,
                     .user = JB_STR("romeo"),
                     .password = JB_STR("wherefore"),
                     .weakest = JB__SASL_ANONYMOUS },
        .host_user = JB_STR("romeo"),
    };
    memcpy(k->account.binding, k->ctx.binding, sizeof k->account.binding);
    static struct jb_credentials made; /* once */
    const struct jb_credentials_recipe recipe = { JB_STR("wherefore"), JB_ITERATIONS_LEAST, 0,
                                                  kit_random };
    if (made.key[0].iterations == 0)
        assert_int_equal(jb_credentials_make(&made, &recipe, &jb_allocator_libc), 0);
    k->credentials = made;
}

/* Text of an element; lives until the eighth call after. */
static inline struct jb_str kit_text(struct jb_str raw)
{
    static char ring[8][16384];
    static unsigned at;
    char *out = ring[at++ % 8];

    assert_true(JB__BASE64_BYTES(raw.n) <= sizeof ring[0]);
    if (raw.n == 0)
        return JB_STR("=");
    return jb_str(out, jb__base64_encode(raw.p, raw.n, out));
}

/* The bytes of a text; the same lifetime. */
static inline struct jb_str kit_raw(struct jb_str text)
{
    static char ring[8][16384];
    static unsigned at;
    char *out = ring[at++ % 8];
    size_t n = 0;

    assert_true(text.n <= sizeof ring[0]);
    assert_true(text.n == 0 || jb__base64_decode(text, out, &n));
    return jb_str(out, n);
}

static inline bool kit_raw_is(struct jb_str text, const char *z)
{
    return jb_str_eqz(kit_raw(text), z);
}

/* Runs a job, or takes its result from one that was the same: hashing is most of the tests' time.
 */
static inline void kit_hash(struct jb__sasl_hash *job)
{
    static struct {
        struct jb__sasl_hash asked, done;
    } memo[16];
    static unsigned used;
    const struct jb__sasl_hash asked = *job;

    for (unsigned n = 0; n < used && n < 16; n++) {
        if (memcmp(&memo[n].asked, &asked, sizeof asked) == 0) {
            *job = memo[n].done;
            return;
        }
    }
    jb__sasl_hash_run(job);
    assert_false(job->failed);
    memo[used % 16].asked = asked;
    memo[used++ % 16].done = *job;
}

/* Answers what the server asks of us until it has something for the client. */
static inline enum jb__sasl_step kit_serve(const struct kit *k, struct jb__sasl_server *s,
                                           enum jb__sasl_step step)
{
    for (;;) {
        if (step == JB__SASL_NEED_CREDENTIALS) {
            const bool known = jb_str_eq(jb__sasl_server_user(s), k->host_user);
            step = jb__sasl_server_credentials(s, known ? &k->credentials : NULL);
        } else if (step == JB__SASL_NEED_HASH) {
            struct jb__sasl_hash copy = s->hash;
            kit_hash(&copy);
            step = jb__sasl_server_hashed(s, &copy);
        } else {
            return step;
        }
    }
}

static inline enum jb__sasl_step kit_begin(const struct kit *k, struct jb__sasl_server *s,
                                           const char *mech, struct jb_str raw)
{
    const struct jb__sasl_request request = { jb_strz(mech), kit_text(raw), kit_nonce };

    return kit_serve(k, s, jb__sasl_server_begin(s, &k->ctx, &request));
}

static inline enum jb__sasl_step kit_respond(const struct kit *k, struct jb__sasl_server *s,
                                             struct jb_str raw)
{
    return kit_serve(k, s, jb__sasl_server_response(s, kit_text(raw)));
}

/* One whole message that must fail at once; the condition. */
static inline enum jb__sasl_failure kit_refuses(const struct kit *k, const char *mech,
                                                struct jb_str raw)
{
    struct jb__sasl_server s;

    assert_int_equal(kit_begin(k, &s, mech, raw), JB__SASL_FAILURE);
    enum jb__sasl_failure failure = s.failure;
    jb__sasl_server_deinit(&s);
    return failure;
}

/* The client's own work until it has something for the server. */
static inline enum jb__sasl_step kit_client(struct jb__sasl_client *c, enum jb__sasl_step step)
{
    if (step != JB__SASL_NEED_HASH)
        return step;
    struct jb__sasl_hash copy = c->hash;
    kit_hash(&copy);
    return jb__sasl_client_hashed(c, &copy);
}

/* Both roles back to back with what `ctx` offers.  The client's last step; *server: the server's.
 */
static inline enum jb__sasl_step kit_login(const struct kit *k, struct jb__sasl_client *c,
                                           enum jb__sasl_step *server)
{
    const struct jb__sasl_offered offered = { k->ctx.offered, 0, kit_client_nonce };
    struct jb__sasl_server s;
    enum jb__sasl_step step = kit_client(c, jb__sasl_client_begin(c, &offered));

    *server = JB__SASL_FAILURE;
    if (step != JB__SASL_CHALLENGE)
        return step;
    const struct jb__sasl_request request = { jb__sasl_mech_name(c->mech), c->out, kit_nonce };
    *server = kit_serve(k, &s, jb__sasl_server_begin(&s, &k->ctx, &request));
    while (*server == JB__SASL_CHALLENGE && step == JB__SASL_CHALLENGE) {
        step = kit_client(c, jb__sasl_client_challenge(c, s.out));
        if (step == JB__SASL_CHALLENGE)
            *server = kit_serve(k, &s, jb__sasl_server_response(&s, c->out));
    }
    if (*server == JB__SASL_SUCCESS)
        step = jb__sasl_client_success(c, s.out);
    jb__sasl_server_deinit(&s);
    return step;
}

#endif
