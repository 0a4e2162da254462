/* SPDX-License-Identifier: MIT */
/* SASL from both sides and the stored form of credentials.  The first byte chooses what is fed; for
 * an exchange the second chooses the mechanism and the rest are its messages, split at bytes 0x1e.
 * A stranger who does not know the password never gets in, neither as a client nor as a server. */
#include "fuzz.h"

#include "base/base64.h"
#include "core/sasl.h"
#include "core/sasl_ht.h"

static const uint8_t random_bytes[JB_CREDENTIALS_RANDOM_BYTES] = "not random at all, but it does";

static struct jb_credentials credentials;

/* Keys that no password has: making real ones would be all the time there is. */
static void prepare(void)
{
    for (int d = 0; d < JB_DIGEST_COUNT; d++) {
        credentials.key[d].iterations = JB_ITERATIONS_LEAST;
        credentials.key[d].salt_bytes = JB_SALT_LEAST_BYTES;
        memset(credentials.key[d].stored_key, 0x55, JB_DIGEST_BYTES);
    }
}

static struct jb_str next_message(struct jb_str *rest, char text[16384])
{
    struct jb_str message;

    jb_str_cut(*rest, 0x1e, &message, rest);
    if (message.n > 9000)
        message.n = 9000;
    return jb_str(text, jb__base64_encode(message.p, message.n, text));
}

static void feed_server(unsigned mech, struct jb_str rest, bool raw)
{
    static char text[16384];
    const struct jb__sasl_context ctx = {
        .alloc = &jb_allocator_abort,
        .limits = &jb_limits_default,
        .host = JB_STR("example.org"),
        .offered = mech & 1 ? JB__SASL_BIT(JB__SASL_MECH_COUNT) - 1u : JB__SASL_BIT(mech),
        .binding = { JB_STR("exported"), JB_STR("end point") },
        .secret = random_bytes,
        .iterations = JB_ITERATIONS_LEAST,
    };
    const struct jb__sasl_request request = {
        jb__sasl_mech_name((enum jb__sasl_mech)mech),
        raw ? rest : next_message(&rest, text),
        random_bytes,
    };
    struct jb__sasl_server s;
    enum jb__sasl_step step = jb__sasl_server_begin(&s, &ctx, &request);

    while (step != JB__SASL_FAILURE && step != JB__SASL_SUCCESS) {
        if (step == JB__SASL_NEED_CREDENTIALS) {
            jb_assert(jb__sasl_server_user(&s).n > 0);
            step = jb__sasl_server_credentials(&s, mech & 2 ? &credentials : NULL);
        } else if (step == JB__SASL_NEED_HASH) {
            memset(s.hash.salted, 0x77, sizeof s.hash.salted);
            step = jb__sasl_server_hashed(&s, &s.hash);
        } else if (rest.n > 0) {
            step = jb__sasl_server_response(&s, next_message(&rest, text));
        } else {
            break;
        }
    }
    jb_assert(step != JB__SASL_SUCCESS || mech == JB__SASL_ANONYMOUS);
    jb__sasl_server_deinit(&s);
}

static void feed_client(unsigned mech, struct jb_str rest)
{
    static char text[16384];
    const struct jb__sasl_account account = {
        .alloc = &jb_allocator_abort,
        .limits = &jb_limits_default,
        .user = JB_STR("romeo"),
        .password = JB_STR("wherefore"),
        .binding = { JB_STR("exported"), JB_STR("end point") },
        .weakest = JB__SASL_SCRAM_SHA_1,
    };
    const struct jb__sasl_offered offered = { JB__SASL_BIT(mech), 0, random_bytes };
    struct jb__sasl_client c;

    jb__sasl_client_init(&c, &account);
    enum jb__sasl_step step = jb__sasl_client_begin(&c, &offered);
    while (step != JB__SASL_FAILURE && rest.n > 0) {
        if (step == JB__SASL_NEED_HASH) {
            jb_assert(c.hash.iterations >= JB_ITERATIONS_LEAST && c.hash.iterations <= 100000);
            memset(c.hash.salted, 0x77, sizeof c.hash.salted);
            step = jb__sasl_client_hashed(&c, &c.hash);
        } else if (rest.p[0] == 's') {
            step = jb__sasl_client_success(&c, next_message(&rest, text));
            jb_assert(step == JB__SASL_FAILURE);
        } else {
            step = jb__sasl_client_challenge(&c, next_message(&rest, text));
        }
    }
    jb__sasl_client_deinit(&c);
}

static void feed_decode(struct jb_str bytes)
{
    uint8_t again[JB_CREDENTIALS_BYTES], third[JB_CREDENTIALS_BYTES];
    struct jb_credentials c, back;

    if (jb_credentials_decode(&c, bytes.p, bytes.n) != 0)
        return;
    const size_t n = jb_credentials_encode(&c, again);
    jb_assert(n == bytes.n && jb_credentials_decode(&back, again, n) == 0);
    /* By their encoding: the structs have gaps. */
    jb_assert(jb_credentials_encode(&back, third) == n && memcmp(third, again, n) == 0);
}

/* SASL HT: nobody who does not know the token proves that he does. */
static void feed_token(unsigned ht, struct jb_str rest)
{
    static char text[16384];
    struct jb__sasl_ht_claim claim;
    struct jb__buf room;

    jb__buf_init(&room, &jb_allocator_abort, sizeof text);
    if (jb__sasl_ht_read(next_message(&rest, text), &room, &claim) == 0) {
        jb_assert(claim.user.n > 0 && !memchr(claim.user.p, 0, claim.user.n));
        jb_assert(jb__sasl_ht_verify(ht, JB_STR("a token"), JB_STR("exported"), claim.proof,
                                     &jb_allocator_abort) == JB_EAUTH);
    }
    jb__buf_deinit(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str rest = jb_str((const char *)p, n);

    if (n < 2)
        return 0;
    prepare();
    const unsigned mech = p[1] % JB__SASL_MECH_COUNT;
    rest = jb_str_from(rest, 2);
    if (p[0] == 'd')
        feed_decode(rest);
    else if (p[0] == 'c')
        feed_client(mech, rest);
    else if (p[0] == 'h')
        feed_token(p[1] % JB__SASL_HT_COUNT, rest);
    else
        feed_server(mech, rest, p[0] == 'r');
    return 0;
}
