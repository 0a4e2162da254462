/* SPDX-License-Identifier: MIT */
/* HT tokens; the expected messages were made with Python's hmac. */
#include "test.h"

#include "failing_alloc.h"

#include "core/sasl_ht.h"

static void names(void **state)
{
    (void)state;
    for (unsigned ht = 0; ht < JB__SASL_HT_COUNT; ht++)
        assert_int_equal(jb__sasl_ht_find(jb__sasl_ht_name(ht)), ht);
    assert_int_equal(jb__sasl_ht_find(JB_STR("HT-SHA-256-UNIQ")), JB__SASL_HT_COUNT);
    assert_int_equal(jb__sasl_ht_find(JB_STR_NONE), JB__SASL_HT_COUNT);
}

static void messages(void **state)
{
    struct jb__buf out;

    (void)state;
    for (int bound = 0; bound < 2; bound++) {
        unsigned ht =
            jb__sasl_ht_find(bound ? JB_STR("HT-SHA-256-ENDP") : JB_STR("HT-SHA-256-NONE"));
        struct jb_str data = bound ? JB_STR("end point") : JB_STR_NONE;
        jb__buf_init(&out, &jb_allocator_libc, 4096);
        assert_int_equal(jb__sasl_ht_first(ht, JB_STR("romeo"), JB_STR("token"), data, &out), 0);
        assert_str_equal(jb__buf_str(&out),
                         bound ? "cm9tZW8ADvn25T9FtO58v2iLRxfeKusFX0vYiT1LTYDhCCiiFt0="
                               : "cm9tZW8A0k2VSC8NbgNcVueH2sTtgyvdhO4+okKqrdmCJwwzAAY=");
        const struct jb_str answer = bound ? JB_STR("WQUuRO3kamtaRYXESnxwoxYr3YmxzY/+UtBIZF2QYqU=")
                                           : JB_STR("P3z74IGz6eoqqjVhGApgkyKQrporFVMn0DuoGf/+CrY=");
        const struct jb_allocator *a = &jb_allocator_libc;
        assert_int_equal(jb__sasl_ht_check(ht, JB_STR("token"), data, answer, a), 0);
        assert_int_equal(jb__sasl_ht_check(ht, JB_STR("other"), data, answer, a), JB_EAUTH);
        assert_int_equal(jb__sasl_ht_check(ht, JB_STR("token"), JB_STR("x"), answer, a), JB_EAUTH);
        assert_int_equal(jb__sasl_ht_check(ht, JB_STR("token"), data, JB_STR_NONE, a), JB_EAUTH);
        assert_int_equal(
            jb__sasl_ht_check(ht, JB_STR("token"), data, jb_str(answer.p, answer.n - 4), a),
            JB_EAUTH);
        jb__buf_deinit(&out);
    }
}

/* What the client says is what the server checks, and the other way round. */
static void both_sides(void **state)
{
    const struct jb_allocator *a = &jb_allocator_libc;
    struct jb__sasl_ht_claim claim;
    struct jb__buf out, room;

    (void)state;
    for (unsigned ht = 0; ht < JB__SASL_HT_COUNT; ht++) {
        struct jb_str data =
            jb__sasl_ht_binding(ht) == JB__SASL_BINDING_COUNT ? JB_STR_NONE : JB_STR("channel");
        jb__buf_init(&out, a, 4096);
        jb__buf_init(&room, a, 4096);
        assert_int_equal(jb__sasl_ht_first(ht, JB_STR("romeo"), JB_STR("token"), data, &out), 0);
        assert_int_equal(jb__sasl_ht_read(jb__buf_str(&out), &room, &claim), 0);
        assert_str_equal(claim.user, "romeo");
        assert_int_equal(jb__sasl_ht_verify(ht, JB_STR("token"), data, claim.proof, a), 0);
        assert_int_equal(jb__sasl_ht_verify(ht, JB_STR("Token"), data, claim.proof, a), JB_EAUTH);
        assert_int_equal(jb__sasl_ht_verify(ht, JB_STR("token"), JB_STR("x"), claim.proof, a),
                         JB_EAUTH);
        assert_int_equal(
            jb__sasl_ht_verify((ht + 1) % JB__SASL_HT_COUNT, JB_STR("token"), data, claim.proof, a),
            JB_EAUTH);
        struct jb_str shorter = jb_str(claim.proof.p, claim.proof.n - 1);
        assert_int_equal(jb__sasl_ht_verify(ht, JB_STR("token"), data, shorter, a), JB_EAUTH);
        out.n = 0;
        assert_int_equal(jb__sasl_ht_answer(ht, JB_STR("token"), data, &out), 0);
        assert_int_equal(jb__sasl_ht_check(ht, JB_STR("token"), data, jb__buf_str(&out), a), 0);
        jb__buf_deinit(&out);
        jb__buf_deinit(&room);
    }
}

static void first_messages_that_are_none(void **state)
{
    static const struct {
        struct jb_str text;
        int rc;
    } bad[] = {
        { JB_STR_INIT(""), JB_EINVAL },         { JB_STR_INIT("="), JB_EINVAL },
        { JB_STR_INIT("!"), JB_EINVAL },        { JB_STR_INIT("cm9tZW8="), JB_EINVAL },
        { JB_STR_INIT("cm9tZW8A"), JB_EINVAL }, { JB_STR_INIT("AHByb29m"), JB_EINVAL },
    };
    struct jb__sasl_ht_claim claim;
    struct jb__buf room;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        jb__buf_init(&room, &jb_allocator_libc, 64);
        assert_int_equal(jb__sasl_ht_read(bad[i].text, &room, &claim), bad[i].rc);
        jb__buf_deinit(&room);
    }
    jb__buf_init(&room, &jb_allocator_libc, 8);
    assert_int_equal(jb__sasl_ht_read(JB_STR("cm9tZW8AcHJvb2Zwcm9vZg=="), &room, &claim), JB_EFULL);
    jb__buf_deinit(&room);
}

static void without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__buf out;

    (void)ctx;
    jb__buf_init(&out, &f->alloc, 4096);
    int rc = jb__sasl_ht_first(5, JB_STR("romeo"), JB_STR("token"), JB_STR_NONE, &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    out.n = 0;
    if (rc == 0)
        rc = jb__sasl_ht_answer(5, JB_STR("token"), JB_STR_NONE, &out);
    if (rc == 0)
        rc = jb__sasl_ht_verify(5, JB_STR("token"), JB_STR_NONE,
                                JB_STR("12345678901234567890123456789012"), &f->alloc);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : JB_EAUTH);
    jb__buf_deinit(&out);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(without_memory, NULL) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),         cmocka_unit_test(messages),
        cmocka_unit_test(both_sides),    cmocka_unit_test(first_messages_that_are_none),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
