/* SPDX-License-Identifier: MIT */
/* The client against a hostile server and a hostile network: cases 40 and 41. */
#include "core/sasl.h"
#include "failing_alloc.h"
#include "sasl_kit.h"

static struct jb__sasl_offered offer(uint32_t mechs, uint32_t bindings)
{
    return (struct jb__sasl_offered){ mechs, bindings, kit_client_nonce };
}

/* What a fresh client chooses; JB__SASL_MECH_COUNT: nothing. */
static enum jb__sasl_mech chosen(const struct jb__sasl_account *account, uint32_t mechs,
                                 uint32_t bindings)
{
    const struct jb__sasl_offered offered = offer(mechs, bindings);
    struct jb__sasl_client c;

    jb__sasl_client_init(&c, account);
    enum jb__sasl_step step = jb__sasl_client_begin(&c, &offered);
    enum jb__sasl_mech mech = c.mech;
    if (step == JB__SASL_FAILURE) {
        assert_int_equal(c.error, JB_ENOTSUP);
        assert_int_equal(mech, JB__SASL_MECH_COUNT);
    }
    jb__sasl_client_deinit(&c);
    return mech;
}

static void test_choice(void **state)
{
    const uint32_t plain = JB__SASL_BIT(JB__SASL_PLAIN);
    const uint32_t unbound = JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS;
    struct kit k;

    (void)state;
    kit_init(&k);
    struct jb__sasl_account *a = &k.account;
    assert_int_equal(chosen(a, KIT_ALL, 0), JB__SASL_SCRAM_SHA_512_PLUS);
    assert_int_equal(chosen(a, KIT_ALL, 1u << JB__SASL_TLS_SERVER_END_POINT),
                     JB__SASL_SCRAM_SHA_512_PLUS);
    assert_int_equal(chosen(a, unbound | plain, 0), JB__SASL_SCRAM_SHA_512);
    assert_int_equal(chosen(a, JB__SASL_BIT(JB__SASL_SCRAM_SHA_1_PLUS) | unbound, 0),
                     JB__SASL_SCRAM_SHA_1_PLUS);
    assert_int_equal(chosen(a, plain, 0), JB__SASL_PLAIN);
    assert_int_equal(chosen(a, 0, 0), JB__SASL_MECH_COUNT);
    assert_int_equal(chosen(a, JB__SASL_BIT(JB__SASL_ANONYMOUS), 0), JB__SASL_MECH_COUNT);
    memset(a->binding, 0, sizeof a->binding);
    assert_int_equal(chosen(a, KIT_ALL, 0), JB__SASL_SCRAM_SHA_512);
    assert_int_equal(chosen(a, JB__SASL_ANY_PLUS, 0), JB__SASL_MECH_COUNT);
    a->user = JB_STR_NONE;
    assert_int_equal(chosen(a, KIT_ALL, 0), JB__SASL_ANONYMOUS);
    assert_int_equal(chosen(a, plain, 0), JB__SASL_MECH_COUNT);
}

static void test_gs2_flag(void **state)
{
    static const struct {
        uint32_t mechs, bindings;
        bool have;
        const char *head;
    } cases[] = {
        { JB__SASL_ANY_SCRAM, 0, true, "p=tls-exporter,,n=" },
        { JB__SASL_ANY_SCRAM, 2, true, "p=tls-server-end-point,,n=" },
        { JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS, 0, true, "y,,n=" },
        { JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS, 0, false, "n,,n=" },
        { JB__SASL_ANY_SCRAM, 0, false, "n,,n=" },
        { JB__SASL_ANY_SCRAM, 1u << 5, true, "n,,n=" }, /* only types that we do not know */
    };
    struct kit k;

    (void)state;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        const struct jb__sasl_offered offered = offer(cases[n].mechs, cases[n].bindings);
        struct jb__sasl_client c;
        kit_init(&k);
        if (!cases[n].have)
            memset(k.account.binding, 0, sizeof k.account.binding);
        jb__sasl_client_init(&c, &k.account);
        assert_int_equal(jb__sasl_client_begin(&c, &offered), JB__SASL_CHALLENGE);
        assert_true(jb_str_starts(kit_raw(c.out), jb_strz(cases[n].head)));
        jb__sasl_client_deinit(&c);
    }
}

static void test_40_pinned_minimum(void **state)
{
    const uint32_t plain = JB__SASL_BIT(JB__SASL_PLAIN);
    const uint32_t unbound = JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.account.weakest = JB__SASL_SCRAM_SHA_256;
    assert_int_equal(chosen(&k.account, JB__SASL_BIT(JB__SASL_SCRAM_SHA_1) | plain, 0),
                     JB__SASL_MECH_COUNT);
    assert_int_equal(chosen(&k.account, unbound, 0), JB__SASL_SCRAM_SHA_512);
    k.account.weakest = JB__SASL_SCRAM_SHA_1_PLUS;
    assert_int_equal(chosen(&k.account, unbound | plain, 0), JB__SASL_MECH_COUNT);
    assert_int_equal(chosen(&k.account, KIT_ALL, 0), JB__SASL_SCRAM_SHA_512_PLUS);
}

static void test_40_no_step_down(void **state)
{
    const struct jb__sasl_offered all = offer(KIT_ALL, 0);
    const struct jb__sasl_offered unbound = offer(JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS, 0);
    const struct jb__sasl_offered plain = offer(JB__SASL_BIT(JB__SASL_PLAIN), 0);
    struct jb__sasl_client c;
    struct kit k;

    (void)state;
    kit_init(&k);
    jb__sasl_client_init(&c, &k.account);
    for (int n = 0; n < 3; n++) {
        assert_int_equal(jb__sasl_client_begin(&c, &all), JB__SASL_CHALLENGE);
        assert_int_equal(c.mech, JB__SASL_SCRAM_SHA_512_PLUS + n);
        jb__sasl_client_refused(&c);
        assert_int_equal(jb__sasl_client_begin(&c, &unbound), JB__SASL_FAILURE);
        assert_int_equal(jb__sasl_client_begin(&c, &plain), JB__SASL_FAILURE);
    }
    assert_int_equal(jb__sasl_client_begin(&c, &all), JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
    memset(k.account.binding, 0, sizeof k.account.binding);
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(jb__sasl_client_begin(&c, &all), JB__SASL_CHALLENGE);
    jb__sasl_client_refused(&c);
    assert_int_equal(jb__sasl_client_begin(&c, &plain), JB__SASL_FAILURE);
    assert_int_equal(jb__sasl_client_begin(&c, &unbound), JB__SASL_CHALLENGE);
    assert_int_equal(c.mech, JB__SASL_SCRAM_SHA_256);
    jb__sasl_client_deinit(&c);
}

/* A client that has sent its first message by SCRAM-SHA-256. */
static void begin(struct jb__sasl_client *c, const struct kit *k)
{
    const struct jb__sasl_offered offered = offer(JB__SASL_BIT(JB__SASL_SCRAM_SHA_256), 0);

    jb__sasl_client_init(c, &k->account);
    assert_int_equal(jb__sasl_client_begin(c, &offered), JB__SASL_CHALLENGE);
}

/* Our nonce and a format's rest as the server's challenge; the client's error. */
static int challenge(const char *rest)
{
    struct jb__sasl_client c;
    char message[1024];
    struct kit k;

    kit_init(&k);
    begin(&c, &k);
    int n = snprintf(message, sizeof message, "r=%.*s%s", (int)c.nonce_bytes, c.keep.p + c.nonce_at,
                     rest);
    enum jb__sasl_step step = jb__sasl_client_challenge(&c, kit_text(jb_str(message, (size_t)n)));
    int rc = step == JB__SASL_NEED_HASH ? 0 : c.error;
    assert_true(step == JB__SASL_NEED_HASH || step == JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
    return rc;
}

static void test_41_iterations_and_salt(void **state)
{
    (void)state;
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=4096"), 0);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=100000"), 0);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=4096,x=y"), 0);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=1"), JB_EFULL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=0"), JB_EFULL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=4095"), JB_EFULL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=100001"), JB_EFULL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=2147483647"), JB_EFULL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=99999999999999999999"), JB_EINVAL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=-1"), JB_EINVAL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=4096x"), JB_EINVAL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i="), JB_EINVAL);
    assert_int_equal(challenge("xyz,s=,i=4096"), JB_EINVAL);
    assert_int_equal(challenge("xyz,s====,i=4096"), JB_EINVAL);
    assert_int_equal(challenge("xyz,i=4096"), JB_EINVAL);
    assert_int_equal(challenge("xyz,s=c2FsdA==,i=4096,m=x"), JB_EINVAL);
    assert_int_equal(challenge(",s=c2FsdA==,i=4096"), JB_EINVAL); /* no nonce of its own */
    assert_int_equal(challenge("x y,s=c2FsdA==,i=4096"), JB_EINVAL);
}

static void test_foreign_nonce(void **state)
{
    static const char *const bad[] = {
        "r=xyz,s=c2FsdA==,i=4096", "m=x,r=xyz,s=c2FsdA==,i=4096", "e=other-error", "v=abcd", "", "r"
    };
    struct jb__sasl_client c;
    struct kit k;

    (void)state;
    kit_init(&k);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        begin(&c, &k);
        assert_int_equal(jb__sasl_client_challenge(&c, kit_text(jb_strz(bad[n]))),
                         JB__SASL_FAILURE);
        assert_int_equal(c.error, JB_EINVAL);
        jb__sasl_client_deinit(&c);
    }
    begin(&c, &k);
    assert_int_equal(jb__sasl_client_challenge(&c, JB_STR("not base 64")), JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
}

/* A client that has sent its proof; `end` gets the right "v=...". */
static void prove(struct jb__sasl_client *c, const struct kit *k, char end[128])
{
    struct jb__sasl_server s;

    begin(c, k);
    assert_int_equal(kit_begin(k, &s, "SCRAM-SHA-256", kit_raw(c->out)), JB__SASL_CHALLENGE);
    assert_int_equal(kit_client(c, jb__sasl_client_challenge(c, s.out)), JB__SASL_CHALLENGE);
    assert_int_equal(kit_respond(k, &s, kit_raw(c->out)), JB__SASL_SUCCESS);
    struct jb_str raw = kit_raw(s.out);
    assert_true(raw.n < 128);
    memcpy(end, raw.p, raw.n);
    end[raw.n] = '\0';
    jb__sasl_server_deinit(&s);
}

static void test_40_server_signature(void **state)
{
    struct jb__sasl_client c;
    char end[128];
    struct kit k;

    (void)state;
    kit_init(&k);
    k.ctx.offered &= ~JB__SASL_ANY_PLUS; /* the client says "y" here */
    prove(&c, &k, end);
    assert_int_equal(jb__sasl_client_success(&c, kit_text(jb_strz(end))), JB__SASL_SUCCESS);
    /* Once more is once too often. */
    assert_int_equal(jb__sasl_client_success(&c, kit_text(jb_strz(end))), JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
    /* Missing, empty, wrong, cut short. */
    for (int n = 0; n < 4; n++) {
        static const char *const texts[] = { "", "=", NULL, "dj1BQUFB" };
        prove(&c, &k, end);
        end[5] = end[5] == 'A' ? 'B' : 'A';
        struct jb_str text = texts[n] ? jb_strz(texts[n]) : kit_text(jb_strz(end));
        assert_int_equal(jb__sasl_client_success(&c, text), JB__SASL_FAILURE);
        assert_int_equal(c.error, JB_EAUTH);
        jb__sasl_client_deinit(&c);
    }
    /* <success/> before any proof. */
    begin(&c, &k);
    assert_int_equal(jb__sasl_client_success(&c, JB_STR("")), JB__SASL_FAILURE);
    assert_int_equal(c.error, JB_EAUTH);
    jb__sasl_client_deinit(&c);
    /* The signature in a last challenge, as RFC 5802 has it. */
    prove(&c, &k, end);
    assert_int_equal(jb__sasl_client_challenge(&c, kit_text(jb_strz(end))), JB__SASL_CHALLENGE);
    assert_int_equal(c.out.n, 0);
    assert_int_equal(jb__sasl_client_success(&c, JB_STR("")), JB__SASL_SUCCESS);
    jb__sasl_client_deinit(&c);
    prove(&c, &k, end);
    assert_int_equal(jb__sasl_client_challenge(&c, kit_text(JB_STR("e=x"))), JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
}

static void test_plain_gets_no_challenge(void **state)
{
    const struct jb__sasl_offered plain = offer(JB__SASL_BIT(JB__SASL_PLAIN), 0);
    struct jb__sasl_client c;
    struct kit k;

    (void)state;
    kit_init(&k);
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(jb__sasl_client_begin(&c, &plain), JB__SASL_CHALLENGE);
    assert_true(jb_str_eq(kit_raw(c.out), jb_str("\0romeo\0wherefore", 16)));
    assert_int_equal(jb__sasl_client_challenge(&c, JB_STR("")), JB__SASL_FAILURE);
    jb__sasl_client_deinit(&c);
    k.account.password = JB_STR("");
    jb__sasl_client_init(&c, &k.account);
    assert_int_equal(jb__sasl_client_begin(&c, &plain), JB__SASL_FAILURE);
    assert_int_equal(c.error, JB_EINVAL);
    jb__sasl_client_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_gs2_flag),
        cmocka_unit_test(test_40_pinned_minimum),
        cmocka_unit_test(test_40_no_step_down),
        cmocka_unit_test(test_41_iterations_and_salt),
        cmocka_unit_test(test_foreign_nonce),
        cmocka_unit_test(test_40_server_signature),
        cmocka_unit_test(test_plain_gets_no_challenge),
    };

    return cmocka_run_group_tests_name("sasl_client", tests, NULL, NULL);
}
