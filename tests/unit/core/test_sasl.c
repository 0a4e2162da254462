/* SPDX-License-Identifier: MIT */
/* The registry, the server's side, and both sides together.  Numbers in the names of tests are
 * those of the project's table of adversarial cases. */
#include "base/assert.h"
#include "core/sasl.h"
#include "core/sasl_impl.h"
#include "failing_alloc.h"
#include "sasl_kit.h"

#include <stdlib.h>

static void test_names(void **state)
{
    (void)state;
    for (unsigned m = 0; m < JB__SASL_MECH_COUNT; m++)
        assert_int_equal(jb__sasl_mech_find(jb__sasl_mech_name((enum jb__sasl_mech)m)), m);
    assert_int_equal(jb__sasl_mech_find(JB_STR("plain")), JB__SASL_MECH_COUNT);
    assert_int_equal(jb__sasl_mech_find(JB_STR("")), JB__SASL_MECH_COUNT);
    for (unsigned b = 0; b < JB__SASL_BINDING_COUNT; b++)
        assert_int_equal(jb__sasl_binding_find(jb__sasl_binding_name((enum jb__sasl_binding)b)), b);
    assert_int_equal(jb__sasl_binding_find(JB_STR("tls-unique")), JB__SASL_BINDING_COUNT);
    assert_true(jb_str_eqz(jb__sasl_failure_name(JB__SASL_NOT_AUTHORIZED), "not-authorized"));
}

static void test_offer(void **state)
{
    const uint32_t plain = JB__SASL_BIT(JB__SASL_PLAIN);
    const uint32_t scram = JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS;
    struct jb__sasl_facts facts = { 0 };

    (void)state;
    assert_int_equal(jb__sasl_offer(&facts), scram);
    facts.loopback = true;
    assert_int_equal(jb__sasl_offer(&facts), scram | plain);
    facts = (struct jb__sasl_facts){ .tls_outside = true, .binding = { true, true } };
    assert_int_equal(jb__sasl_offer(&facts), scram | plain);
    facts = (struct jb__sasl_facts){ .tls = true };
    assert_int_equal(jb__sasl_offer(&facts), scram | plain);
    facts.binding[JB__SASL_TLS_SERVER_END_POINT] = true;
    assert_int_equal(jb__sasl_offer(&facts), scram | plain | JB__SASL_ANY_PLUS);
    facts.anonymous = true;
    assert_int_equal(jb__sasl_offer(&facts), KIT_ALL);
}

/* -- Published exchanges ---------------------------------------------------------------------- */

struct vector {
    const char *mech, *client_nonce, *server_nonce, *salt;
    const char *first, *challenge, *final, *end; /* the four messages */
};

static const struct vector vectors[] = {
    { "SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
      "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" }, /* RFC 5802 section 5 */
    { "SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
      "W22ZaJ0SNY7soEsUEjb6gQ==", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" }, /* RFC 7677 section 3 */
    { "SCRAM-SHA-512", "rOprNGfwEbeRWgbNEkqO", "02431b08-2f89-4bad-a4e6-80c0564ec865",
      "Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      "r=rOprNGfwEbeRWgbNEkqO02431b08-2f89-4bad-a4e6-80c0564ec865,"
      "s=Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=,i=4096",
      "c=biws,r=rOprNGfwEbeRWgbNEkqO02431b08-2f89-4bad-a4e6-80c0564ec865,"
      "p=Hc5yec3NmCD7t+kFRw4/3yD6/F3SQHc7AVYschRja+Bc3sbdjlA0eH1OjJc0DD4ghn1tnXN5/Wr6qm9xmaHt4A==",
      "v=BQuhnKHqYDwQWS5jAw4sZed+C9KFUALsbrq81bB0mh+bcUUbbMPNNmBIupnS2AmyyDnG5CTBQtkjJ9kyY4kzmw="
      "=" },
    /* used by several messaging libraries' tests; no RFC has one */
};

/* The keys of "pencil" with a given salt. */
static struct jb_credentials keys_of(const struct vector *v, enum jb_digest digest)
{
    struct jb_credentials c = { 0 };
    struct jb_scram_key *key = &c.key[digest];
    struct jb_str salt = kit_raw(jb_strz(v->salt));
    struct jb__sasl_hash job = { .digest = digest, .iterations = 4096, .password_bytes = 6 };

    memcpy(job.password, "pencil", 6);
    job.salt_bytes = key->salt_bytes = (uint8_t)salt.n;
    memcpy(job.salt, salt.p, salt.n);
    memcpy(key->salt, salt.p, salt.n);
    key->iterations = 4096;
    jb__sasl_hash_run(&job);
    assert_false(job.failed);
    assert_int_equal(job.password_bytes, 0);
    assert_int_equal(jb__scram_derive(digest, job.salted, key->stored_key, key->server_key), 0);
    return c;
}

static void test_vectors_server(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    k.host_user = JB_STR("user");
    k.ctx.offered &= ~JB__SASL_ANY_PLUS;
    for (size_t n = 0; n < sizeof vectors / sizeof vectors[0]; n++) {
        const struct vector *v = &vectors[n];
        const struct jb__sasl_request request = { jb_strz(v->mech), kit_text(jb_strz(v->first)),
                                                  kit_nonce };
        struct jb__sasl_server s;
        k.credentials = keys_of(v, jb__sasl_digest(jb__sasl_mech_find(jb_strz(v->mech))));
        assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_NEED_CREDENTIALS);
        /* The RFCs' nonces are no base 64 of 24 bytes. */
        struct jb_str nonce = jb_strz(v->server_nonce);
        size_t room = sizeof s.own_nonce;
        if (nonce.n > room) {
            jb__sasl_server_deinit(&s);
            continue; /* the client's test covers it */
        }
        memcpy(s.own_nonce, nonce.p, nonce.n);
        s.own_nonce_bytes = (uint8_t)nonce.n;
        assert_int_equal(kit_serve(&k, &s, JB__SASL_NEED_CREDENTIALS), JB__SASL_CHALLENGE);
        assert_true(kit_raw_is(s.out, v->challenge));
        assert_int_equal(kit_respond(&k, &s, jb_strz(v->final)), JB__SASL_SUCCESS);
        assert_true(kit_raw_is(s.out, v->end));
        assert_true(jb_str_eqz(jb__sasl_server_user(&s), "user"));
        jb__sasl_server_deinit(&s);
    }
}

static void test_vectors_client(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    k.account.user = JB_STR("user");
    k.account.password = JB_STR("pencil");
    memset(k.account.binding, 0, sizeof k.account.binding);
    for (size_t n = 0; n < sizeof vectors / sizeof vectors[0]; n++) {
        const struct vector *v = &vectors[n];
        const struct jb__sasl_offered offered = {
            JB__SASL_BIT(jb__sasl_mech_find(jb_strz(v->mech))), 0, kit_client_nonce
        };
        struct jb__sasl_client c;
        jb__sasl_client_init(&c, &k.account);
        assert_int_equal(jb__sasl_client_begin(&c, &offered), JB__SASL_CHALLENGE);
        /* Put the published nonce in place of ours. */
        struct jb_str nonce = jb_strz(v->client_nonce);
        assert_true(nonce.n <= c.nonce_bytes);
        memcpy(c.keep.p + c.nonce_at, nonce.p, nonce.n);
        c.keep.n = c.nonce_at + nonce.n;
        c.nonce_bytes = (uint32_t)nonce.n;
        assert_true(jb_str_eqz(jb__buf_str(&c.keep), v->first));
        enum jb__sasl_step step = jb__sasl_client_challenge(&c, kit_text(jb_strz(v->challenge)));
        assert_int_equal(kit_client(&c, step), JB__SASL_CHALLENGE);
        assert_true(kit_raw_is(c.out, v->final));
        assert_int_equal(jb__sasl_client_success(&c, kit_text(jb_strz(v->end))), JB__SASL_SUCCESS);
        jb__sasl_client_deinit(&c);
    }
}

/* -- Both sides ------------------------------------------------------------------------------- */

static void test_back_to_back(void **state)
{
    enum jb__sasl_step server;
    struct kit k;

    (void)state;
    kit_init(&k);
    for (unsigned m = 0; m < JB__SASL_MECH_COUNT; m++) {
        for (unsigned bound = 0; bound < JB__SASL_BINDING_COUNT; bound++) {
            struct kit one = k;
            struct jb__sasl_client c;
            one.ctx.offered = JB__SASL_BIT(m);
            memset(one.account.binding, 0, sizeof one.account.binding);
            one.account.binding[bound] = k.ctx.binding[bound];
            if (m == JB__SASL_ANONYMOUS)
                one.account.user = JB_STR_NONE;
            jb__sasl_client_init(&c, &one.account);
            assert_int_equal(kit_login(&one, &c, &server), JB__SASL_SUCCESS);
            assert_int_equal(server, JB__SASL_SUCCESS);
            assert_int_equal(c.mech, m);
            jb__sasl_client_deinit(&c);
            jb__sasl_client_deinit(&c);
        }
    }
}

static void test_wrong_password(void **state)
{
    enum jb__sasl_step server;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.account.password = JB_STR("Wherefore");
    for (unsigned m = 0; m < JB__SASL_ANONYMOUS; m++) {
        struct jb__sasl_client c;
        k.ctx.offered = JB__SASL_BIT(m);
        jb__sasl_client_init(&c, &k.account);
        assert_int_equal(kit_login(&k, &c, &server), JB__SASL_CHALLENGE);
        assert_int_equal(server, JB__SASL_FAILURE);
        jb__sasl_client_deinit(&c);
    }
}

/* A channel that is not the same on both ends is somebody in the middle. */
static void test_other_channel(void **state)
{
    enum jb__sasl_step server;
    struct jb__sasl_client c;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.account.binding[JB__SASL_TLS_EXPORTER] = JB_STR("another channel's exported bytes");
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(kit_login(&k, &c, &server), JB__SASL_CHALLENGE);
    assert_int_equal(server, JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
}

static void test_no_initial_response(void **state)
{
    const struct jb__sasl_request request = { JB_STR("PLAIN"), JB_STR_NONE, kit_nonce };
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_CHALLENGE);
    assert_int_equal(s.out.n, 0);
    assert_int_equal(kit_respond(&k, &s, jb_str("\0romeo\0wherefore", 16)), JB__SASL_SUCCESS);
    assert_int_equal(s.out.n, 0);
    assert_true(jb_str_eqz(jb__sasl_server_user(&s), "romeo"));
    /* It is over: whatever comes now is refused, and nothing breaks. */
    assert_int_equal(kit_respond(&k, &s, JB_STR("x")), JB__SASL_FAILURE);
    assert_int_equal(jb__sasl_server_credentials(&s, NULL), JB__SASL_FAILURE);
    assert_int_equal(jb__sasl_server_hashed(&s, &s.hash), JB__SASL_FAILURE);
    jb__sasl_server_deinit(&s);
    jb__sasl_server_deinit(&s);
}

static void test_response_while_looking_up(void **state)
{
    const struct jb__sasl_request request = { JB_STR("PLAIN"),
                                              kit_text(jb_str("\0romeo\0wherefore", 16)),
                                              kit_nonce };
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_NEED_CREDENTIALS);
    assert_int_equal(jb__sasl_server_response(&s, JB_STR("=")), JB__SASL_FAILURE);
    assert_int_equal(s.failure, JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(jb__sasl_server_credentials(&s, &k.credentials), JB__SASL_FAILURE);
    jb__sasl_server_deinit(&s);
}

static void test_encoding(void **state)
{
    static const char *const bad[] = { "a", "====", "AGE", "AGE=AGE=", "AG E", "AGF=" };
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        const struct jb__sasl_request request = { JB_STR("PLAIN"), jb_strz(bad[n]), kit_nonce };
        assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_FAILURE);
        assert_int_equal(s.failure, JB__SASL_INCORRECT_ENCODING);
        assert_int_equal(s.limit, JB_LIMIT_COUNT);
        jb__sasl_server_deinit(&s);
    }
    assert_int_equal(kit_refuses(&k, "PLAIN", jb_str("\0romeo\0\xff\xfe", 9)),
                     JB__SASL_MALFORMED_REQUEST);
    char *big = calloc(1, 12001);
    memset(big, 'A', 12000);
    const struct jb__sasl_request request = { JB_STR("PLAIN"), jb_str(big, 12000), kit_nonce };
    assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_FAILURE);
    assert_int_equal(s.failure, JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(s.limit, JB_LIMIT_sasl_message_bytes);
    jb__sasl_server_deinit(&s);
    free(big);
}

/* -- Adversarial cases ------------------------------------------------------------------------ */

#define RAW(lit) jb_str("" lit, sizeof(lit) - 1)

static void test_34_identities(void **state)
{
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.ctx.offered &= ~JB__SASL_ANY_PLUS;
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("juliet@example.org\0romeo\0wherefore")),
                     JB__SASL_INVALID_AUTHZID);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("romeo@example.com\0romeo\0wherefore")),
                     JB__SASL_INVALID_AUTHZID);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("romeo@example.org/x\0romeo\0wherefore")),
                     JB__SASL_INVALID_AUTHZID);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("romeo\0romeo\0wherefore")),
                     JB__SASL_INVALID_AUTHZID);
    assert_int_equal(kit_refuses(&k, "SCRAM-SHA-1", RAW("n,a=juliet@example.org,n=romeo,r=abc")),
                     JB__SASL_INVALID_AUTHZID);
    assert_int_equal(kit_begin(&k, &s, "PLAIN", RAW("romeo@example.org\0romeo\0wherefore")),
                     JB__SASL_SUCCESS);
    jb__sasl_server_deinit(&s);
    assert_int_equal(kit_begin(&k, &s, "SCRAM-SHA-1", RAW("n,a=romeo@example.org,n=romeo,r=abc")),
                     JB__SASL_CHALLENGE);
    jb__sasl_server_deinit(&s);

    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("romeo\0wherefore")), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("\0romeo\0where\0fore")),
                     JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("\0romeo\0wherefore\0")),
                     JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("\0romeo\0")), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("\0\0wherefore")), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("")), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "PLAIN", RAW("\0ro@meo\0wherefore")), JB__SASL_NOT_AUTHORIZED);
}

static void test_35_not_offered(void **state)
{
    static const char *const names[] = { "anonymous",     "ANONYMOUS", "PLAIN", "SCRAM-SHA-1-PLUS",
                                         "SCRAM-SHA-384", "",          "PLAIN " };
    struct kit k;

    (void)state;
    kit_init(&k);
    k.ctx.offered = jb__sasl_offer(&(struct jb__sasl_facts){ 0 });
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        assert_int_equal(kit_refuses(&k, names[n], RAW("\0romeo\0wherefore")),
                         JB__SASL_INVALID_MECHANISM);
}

/* Two exchanges for a name; both challenges. */
static void challenge_of(const struct kit *k, const char *mech, const char *first, char out[512])
{
    struct jb__sasl_server s;

    assert_int_equal(kit_begin(k, &s, mech, jb_strz(first)), JB__SASL_CHALLENGE);
    struct jb_str raw = kit_raw(s.out);
    assert_true(raw.n < 512);
    memcpy(out, raw.p, raw.n);
    out[raw.n] = '\0';
    jb__sasl_server_deinit(&s);
}

static void test_37_unknown_users(void **state)
{
    char real[512], fake[512], again[512], plus[512], other[512];
    struct kit k;

    (void)state;
    kit_init(&k);
    challenge_of(&k, "SCRAM-SHA-256", "n,,n=romeo,r=abc", real);
    challenge_of(&k, "SCRAM-SHA-256", "n,,n=tybalt,r=abc", fake);
    assert_int_equal(strlen(real), strlen(fake));
    assert_string_equal(strrchr(real, ','), strrchr(fake, ','));
    for (int n = 0; n < 1000; n++) {
        challenge_of(&k, "SCRAM-SHA-256", "n,,n=tybalt,r=abc", again);
        assert_string_equal(fake, again);
    }
    /* As a real account's: the same with -PLUS, another with another digest, name or host. */
    challenge_of(&k, "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=tybalt,r=abc", plus);
    assert_string_equal(fake, plus);
    challenge_of(&k, "SCRAM-SHA-1", "n,,n=tybalt,r=abc", other);
    assert_string_not_equal(fake, other);
    challenge_of(&k, "SCRAM-SHA-256", "n,,n=tybald,r=abc", other);
    assert_string_not_equal(fake, other);
    k.ctx.host = JB_STR("example.com");
    challenge_of(&k, "SCRAM-SHA-256", "n,,n=tybalt,r=abc", other);
    assert_string_not_equal(fake, other);
}

static void test_37_unknown_users_fail_the_same(void **state)
{
    enum jb__sasl_step server;
    struct jb__sasl_client c;
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.account.user = JB_STR("tybalt");
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(kit_login(&k, &c, &server), JB__SASL_CHALLENGE);
    assert_int_equal(server, JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
    /* PLAIN costs a hash for both. */
    static const struct jb_str users[] = { JB_STR_INIT("\0tybalt\0wherefore"),
                                           JB_STR_INIT("\0romeo\0whatfor") };
    for (int n = 0; n < 2; n++) {
        const struct jb__sasl_request request = { JB_STR("PLAIN"), kit_text(users[n]), kit_nonce };
        assert_int_equal(jb__sasl_server_begin(&s, &k.ctx, &request), JB__SASL_NEED_CREDENTIALS);
        assert_int_equal(jb__sasl_server_credentials(&s, n ? &k.credentials : NULL),
                         JB__SASL_NEED_HASH);
        assert_int_equal(s.hash.digest, JB_DIGEST_SHA256);
        assert_int_equal(s.hash.iterations, JB_ITERATIONS_LEAST);
        assert_int_equal(kit_serve(&k, &s, JB__SASL_NEED_HASH), JB__SASL_FAILURE);
        assert_int_equal(s.failure, JB__SASL_NOT_AUTHORIZED);
        jb__sasl_server_deinit(&s);
    }
    /* An account without the digest in question is like no account. */
    memset(&k.credentials.key[JB_DIGEST_SHA512], 0, sizeof k.credentials.key[0]);
    k.account.user = JB_STR("romeo");
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(kit_login(&k, &c, &server), JB__SASL_CHALLENGE);
    assert_int_equal(server, JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
}

/* A right final message for the server's challenge, by the client's own code. */
struct dialogue {
    struct kit k;
    struct jb__sasl_client c;
    struct jb__sasl_server s;
    char final[512];
};

static void dialogue_begin(struct dialogue *d, const char *mech)
{
    kit_init(&d->k);
    const struct jb__sasl_offered offered = { JB__SASL_BIT(jb__sasl_mech_find(jb_strz(mech))), 0,
                                              kit_client_nonce };
    if (!strstr(mech, "PLUS")) { /* so that the client says "n" */
        memset(d->k.account.binding, 0, sizeof d->k.account.binding);
    }
    jb__sasl_client_init(&d->c, &d->k.account);
    assert_int_equal(jb__sasl_client_begin(&d->c, &offered), JB__SASL_CHALLENGE);
    assert_int_equal(kit_begin(&d->k, &d->s, mech, kit_raw(d->c.out)), JB__SASL_CHALLENGE);
    assert_int_equal(kit_client(&d->c, jb__sasl_client_challenge(&d->c, d->s.out)),
                     JB__SASL_CHALLENGE);
    struct jb_str raw = kit_raw(d->c.out);
    assert_true(raw.n < sizeof d->final);
    memcpy(d->final, raw.p, raw.n);
    d->final[raw.n] = '\0';
}

static void dialogue_end(struct dialogue *d)
{
    jb__sasl_client_deinit(&d->c);
    jb__sasl_server_deinit(&d->s);
}

/* Even with the right proof for the key in hand, no account means no. */
static void test_37_no_account_no_success(void **state)
{
    struct jb__sasl_server s;
    struct dialogue d;

    (void)state;
    dialogue_begin(&d, "SCRAM-SHA-256");
    d.s.known = false;
    assert_int_equal(kit_respond(&d.k, &d.s, jb_strz(d.final)), JB__SASL_FAILURE);
    assert_int_equal(d.s.failure, JB__SASL_NOT_AUTHORIZED);
    const struct jb__sasl_request request = { JB_STR("PLAIN"), kit_text(RAW("\0romeo\0wherefore")),
                                              kit_nonce };
    assert_int_equal(jb__sasl_server_begin(&s, &d.k.ctx, &request), JB__SASL_NEED_CREDENTIALS);
    assert_int_equal(jb__sasl_server_credentials(&s, &d.k.credentials), JB__SASL_NEED_HASH);
    s.known = false;
    assert_int_equal(kit_serve(&d.k, &s, JB__SASL_NEED_HASH), JB__SASL_FAILURE);
    assert_int_equal(s.failure, JB__SASL_NOT_AUTHORIZED);
    jb__sasl_server_deinit(&s);
    dialogue_end(&d);
}

static void test_39_first_message(void **state)
{
    static const struct {
        const char *mech, *message;
        enum jb__sasl_failure failure;
    } cases[] = {
        { "SCRAM-SHA-1", "y,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED }, /* we did offer -PLUS */
        { "SCRAM-SHA-1", "p=tls-exporter,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1-PLUS", "n,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1-PLUS", "y,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1-PLUS", "p=tls-unique,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1-PLUS", "p=,,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1", "n,,m=x,n=romeo,r=abc", JB__SASL_NOT_AUTHORIZED },
        { "SCRAM-SHA-1", "n,,n=romeo,r=abc,m=x", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "x,,n=romeo,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,n=romeo,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,a=,n=romeo,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,r=abc,n=romeo", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=abc,", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=a\x7f", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=a b", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=a\xc3\xa9", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=ro=meo,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=ro=2cmeo,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo=,r=abc", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n,,n=romeo,r=abc,1=x", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "n", JB__SASL_MALFORMED_REQUEST },
        { "SCRAM-SHA-1", "", JB__SASL_MALFORMED_REQUEST },
    };
    struct jb__sasl_server s;
    char nonce[300] = "n,,n=romeo,r=";
    struct kit k;

    (void)state;
    kit_init(&k);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++)
        assert_int_equal(kit_refuses(&k, cases[n].mech, jb_strz(cases[n].message)),
                         cases[n].failure);
    assert_int_equal(kit_refuses(&k, "SCRAM-SHA-1", RAW("n,,n=ro\0meo,r=abc")),
                     JB__SASL_MALFORMED_REQUEST);
    memset(nonce + 13, 'x', 257);
    assert_int_equal(kit_refuses(&k, "SCRAM-SHA-1", jb_str(nonce, 13 + 257)),
                     JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_begin(&k, &s, "SCRAM-SHA-1", jb_str(nonce, 13 + 256)), JB__SASL_CHALLENGE);
    jb__sasl_server_deinit(&s);
    /* Extensions that need not be understood are not. */
    assert_int_equal(kit_begin(&k, &s, "SCRAM-SHA-1", RAW("n,,n=romeo,r=abc,x=y,Z=,=")),
                     JB__SASL_FAILURE);
    jb__sasl_server_deinit(&s);
    assert_int_equal(kit_begin(&k, &s, "SCRAM-SHA-1", RAW("n,,n=romeo,r=abc,x=y,Z==")),
                     JB__SASL_CHALLENGE);
    jb__sasl_server_deinit(&s);
    /* "y" is right when we did not offer -PLUS. */
    k.ctx.offered &= ~JB__SASL_ANY_PLUS;
    assert_int_equal(kit_begin(&k, &s, "SCRAM-SHA-1", RAW("y,,n=romeo,r=abc")), JB__SASL_CHALLENGE);
    jb__sasl_server_deinit(&s);
    /* A binding that we know but this connection does not have. */
    kit_init(&k);
    k.ctx.binding[JB__SASL_TLS_EXPORTER] = JB_STR_NONE;
    assert_int_equal(kit_refuses(&k, "SCRAM-SHA-1-PLUS", RAW("p=tls-exporter,,n=romeo,r=abc")),
                     JB__SASL_NOT_AUTHORIZED);
}

static enum jb__sasl_failure final_refused(const char *mech, void (*spoil)(char *final))
{
    struct dialogue d;

    dialogue_begin(&d, mech);
    spoil(d.final);
    assert_int_equal(kit_respond(&d.k, &d.s, jb_strz(d.final)), JB__SASL_FAILURE);
    enum jb__sasl_failure failure = d.s.failure;
    dialogue_end(&d);
    return failure;
}

static char *proof_in(char *final)
{
    char *at = strstr(final, ",p=");

    jb_assert(at);
    return at;
}

static void spoil_nonce(char *final)
{
    char *at = strstr(final, ",r=") + 10;
    *at = *at == 'x' ? 'y' : 'x';
}

static void spoil_nonce_end(char *final)
{
    char *at = proof_in(final);
    memmove(at - 1, at, strlen(at) + 1);
}

static void spoil_binding(char *final)
{
    memcpy(final, "c=eSws", 6); /* "y,," */
}

static void spoil_binding_text(char *final)
{
    memcpy(final, "c=n,,.", 6);
}

static void spoil_proof(char *final)
{
    char *at = proof_in(final) + 5;
    *at = *at == 'A' ? 'B' : 'A';
}

static void spoil_proof_text(char *final)
{
    proof_in(final)[4] = '!';
}

static void spoil_proof_short(char *final)
{
    memcpy(proof_in(final), ",p=AAAA", 8);
}

static void spoil_without_proof(char *final)
{
    *proof_in(final) = '\0';
}

static void spoil_tail(char *final)
{
    memcpy(final + strlen(final), ",x=y", 5);
}

static void spoil_order(char *final)
{
    final[0] = 'r';
}

static void spoil_extension(char *final)
{
    size_t at = (size_t)(proof_in(final) - final);

    memmove(final + at + 4, final + at, strlen(final + at) + 1);
    memcpy(final + at, ",m=1", 4);
}

static void test_39_last_message(void **state)
{
    (void)state;
    assert_int_equal(final_refused("SCRAM-SHA-256", spoil_nonce), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-256", spoil_nonce_end), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-256", spoil_binding), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-256", spoil_proof), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-512-PLUS", spoil_binding), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-512-PLUS", spoil_proof), JB__SASL_NOT_AUTHORIZED);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_binding_text), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_proof_text), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_proof_short), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_without_proof), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_tail), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_order), JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(final_refused("SCRAM-SHA-1", spoil_extension), JB__SASL_MALFORMED_REQUEST);
}

/* A right exchange, overheard, is worth nothing against another nonce of the server. */
static void test_39_replay(void **state)
{
    static const uint8_t next[JB__SASL_NONCE_BYTES] = "another nonce, 24 bytes";
    struct dialogue d;
    struct jb__sasl_server s;

    (void)state;
    dialogue_begin(&d, "SCRAM-SHA-256");
    assert_int_equal(kit_respond(&d.k, &d.s, jb_strz(d.final)), JB__SASL_SUCCESS);
    struct jb_str first = jb_str(d.c.keep.p, 3 + 2 + 5 + 3 + 32); /* "n,,n=romeo,r=" nonce */
    const struct jb__sasl_request request = { JB_STR("SCRAM-SHA-256"), kit_text(first), next };
    assert_int_equal(kit_serve(&d.k, &s, jb__sasl_server_begin(&s, &d.k.ctx, &request)),
                     JB__SASL_CHALLENGE);
    assert_int_equal(kit_respond(&d.k, &s, jb_strz(d.final)), JB__SASL_FAILURE);
    assert_int_equal(s.failure, JB__SASL_NOT_AUTHORIZED);
    /* Nor twice in the same exchange. */
    assert_int_equal(kit_respond(&d.k, &d.s, jb_strz(d.final)), JB__SASL_FAILURE);
    jb__sasl_server_deinit(&s);
    dialogue_end(&d);
}

static void test_anonymous(void **state)
{
    char trace[800];
    struct jb__sasl_server s;
    struct kit k;

    (void)state;
    kit_init(&k);
    assert_int_equal(kit_begin(&k, &s, "ANONYMOUS", RAW("sirhc@example.org")), JB__SASL_SUCCESS);
    assert_int_equal(jb__sasl_server_user(&s).n, 0);
    jb__sasl_server_deinit(&s);
    assert_int_equal(kit_begin(&k, &s, "ANONYMOUS", RAW("")), JB__SASL_SUCCESS);
    jb__sasl_server_deinit(&s);
    for (size_t n = 0; n < 256; n++)
        memcpy(trace + 3 * n, "\xe2\x82\xac", 3);
    assert_int_equal(kit_begin(&k, &s, "ANONYMOUS", jb_str(trace, 255 * 3)), JB__SASL_SUCCESS);
    jb__sasl_server_deinit(&s);
    assert_int_equal(kit_refuses(&k, "ANONYMOUS", jb_str(trace, 256 * 3)),
                     JB__SASL_MALFORMED_REQUEST);
    assert_int_equal(kit_refuses(&k, "ANONYMOUS", RAW("a\0b")), JB__SASL_MALFORMED_REQUEST);
}

/* -- Memory and noise ------------------------------------------------------------------------- */

static void login_scenario(struct failing_alloc *f, void *ctx)
{
    struct kit k = *(const struct kit *)ctx;
    enum jb__sasl_step server;
    struct jb__sasl_client c;

    k.ctx.alloc = k.account.alloc = &f->alloc;
    jb__sasl_client_init(&c, &k.account);
    enum jb__sasl_step step = kit_login(&k, &c, &server);
    if (!f->failed)
        assert_int_equal(step, JB__SASL_SUCCESS);
    else if (step == JB__SASL_FAILURE)
        assert_int_equal(c.error, JB_ENOMEM);
    jb__sasl_client_deinit(&c);
}

static void test_out_of_memory(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    for (unsigned m = 0; m < JB__SASL_ANONYMOUS; m++) {
        k.ctx.offered = JB__SASL_BIT(m);
        assert_true(failing_alloc_loop(login_scenario, &k) > 0);
    }
}

/* Right messages with some bytes changed: no success, no crash. */
static void test_mutations(void **state)
{
    static const char *const mechs[] = { "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS" };
    struct dialogue d;
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 400; round++) {
        dialogue_begin(&d, mechs[round % 2]);
        struct jb_str first = kit_raw(kit_text(jb_strz("n,,n=romeo,r=abcdefgh")));
        char bytes[512];
        memcpy(bytes, first.p, first.n);
        for (int change = 0; change < 1 + round % 3; change++) {
            seed = seed * 1664525 + 1013904223;
            bytes[(seed >> 8) % first.n] = (char)(seed >> 24);
            char *at = d.final + (seed >> 4) % strlen(d.final);
            *at = *at == (char)(seed >> 16) || (seed >> 16 & 0xff) == 0 ? '~' : (char)(seed >> 16);
        }
        struct jb__sasl_server s;
        (void)kit_begin(&d.k, &s, "SCRAM-SHA-1", jb_str(bytes, first.n));
        jb__sasl_server_deinit(&s);
        assert_int_equal(kit_respond(&d.k, &d.s, jb_strz(d.final)), JB__SASL_FAILURE);
        dialogue_end(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_offer),
        cmocka_unit_test(test_vectors_server),
        cmocka_unit_test(test_vectors_client),
        cmocka_unit_test(test_back_to_back),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_other_channel),
        cmocka_unit_test(test_no_initial_response),
        cmocka_unit_test(test_response_while_looking_up),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_34_identities),
        cmocka_unit_test(test_35_not_offered),
        cmocka_unit_test(test_37_unknown_users),
        cmocka_unit_test(test_37_unknown_users_fail_the_same),
        cmocka_unit_test(test_37_no_account_no_success),
        cmocka_unit_test(test_39_first_message),
        cmocka_unit_test(test_39_last_message),
        cmocka_unit_test(test_39_replay),
        cmocka_unit_test(test_anonymous),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
