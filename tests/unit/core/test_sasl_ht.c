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

static void without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__buf out;

    (void)ctx;
    jb__buf_init(&out, &f->alloc, 4096);
    int rc = jb__sasl_ht_first(5, JB_STR("romeo"), JB_STR("token"), JB_STR_NONE, &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
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
        cmocka_unit_test(names),
        cmocka_unit_test(messages),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
