/* SPDX-License-Identifier: MIT */
#include "base/inject.h"
#include "base/alloc.h"
#include "test.h"

#ifdef JABIRU_TEST_HOOKS

#include <signal.h>

static int reset(void **state)
{
    (void)state;
    for (int i = 0; i < JB__INJECT_COUNT; i++)
        jb__inject_arm((enum jb__inject_point)i, 0, JB__INJECT_ONCE, 0);
    return 0;
}

static void test_counts(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_false(jb__inject(JB__INJECT_SQL));
    assert_int_equal(jb__inject_calls(JB__INJECT_SQL), 5);
    assert_int_equal(jb__inject_hits(JB__INJECT_SQL), 0);
    assert_int_equal(jb__inject_calls(JB__INJECT_READ), 0);
}

static void test_once(void **state)
{
    (void)state;
    jb__inject_arm(JB__INJECT_SQL, 3, JB__INJECT_ONCE, 0);
    for (int call = 1; call <= 6; call++) {
        assert_int_equal(jb__inject(JB__INJECT_SQL), call == 3);
        assert_false(jb__inject(JB__INJECT_READ));
    }
    assert_int_equal(jb__inject_hits(JB__INJECT_SQL), 1);
}

static void test_ever(void **state)
{
    (void)state;
    jb__inject_arm(JB__INJECT_SQL, 3, JB__INJECT_EVER, 0);
    for (int call = 1; call <= 6; call++)
        assert_int_equal(jb__inject(JB__INJECT_SQL), call >= 3);
    assert_int_equal(jb__inject_hits(JB__INJECT_SQL), 4);
    jb__inject_arm(JB__INJECT_SQL, 0, JB__INJECT_ONCE, 0);
    assert_false(jb__inject(JB__INJECT_SQL));
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    signals += number == SIGUSR1;
}

static void test_signal(void **state)
{
    (void)state;
    signals = 0;
    signal(SIGUSR1, on_signal);
    jb__inject_arm(JB__INJECT_SQL, 2, JB__INJECT_SIGNAL, SIGUSR1);
    for (int call = 1; call <= 4; call++) {
        assert_false(jb__inject(JB__INJECT_SQL));
        assert_int_equal(signals, call >= 2);
    }
    signal(SIGUSR1, SIG_DFL);
}

static void test_parse(void **state)
{
    (void)state;
    assert_true(jb__inject_parse(NULL));
    assert_true(jb__inject_parse(""));
    assert_true(jb__inject_parse("sql:1,read:2+,write:1=10"));
    assert_true(jb__inject(JB__INJECT_SQL));
    assert_false(jb__inject(JB__INJECT_SQL));
    assert_false(jb__inject(JB__INJECT_READ));
    assert_true(jb__inject(JB__INJECT_READ));
    assert_true(jb__inject(JB__INJECT_READ));

    static const char *const bad[] = { "sql",    "sql:",    "sql:0",     "sql:x",     "nothing:1",
                                       "sql:1,", "sql:1++", "sql:1=999", "sql:1=KILL" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(jb__inject_parse(bad[i]));
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < JB__INJECT_COUNT; i++) {
        enum jb__inject_point point;
        assert_true(jb__inject_find(jb_strz(jb__inject_name((enum jb__inject_point)i)), &point));
        assert_int_equal(point, i);
    }
}

static void test_allocator(void **state)
{
    (void)state;
    jb__inject_arm(JB__INJECT_ALLOC, 2, JB__INJECT_ONCE, 0);
    void *p = jb_alloc(&jb_allocator_libc, 8);
    assert_non_null(p);
    assert_null(jb_resize(&jb_allocator_libc, p, 16));
    p = jb_resize(&jb_allocator_libc, p, 16); /* the block was left as it was */
    assert_non_null(p);
    jb_free(&jb_allocator_libc, p);
}

#define CASE(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_counts), CASE(test_once),  CASE(test_ever),      CASE(test_signal),
        CASE(test_parse),  CASE(test_names), CASE(test_allocator),
    };

    return cmocka_run_group_tests_name("inject", tests, NULL, NULL);
}

#else

/* A release has no points: asking one is the constant false. */
static void test_release(void **state)
{
    _Static_assert(JB__INJECT_COUNT > 0, "there are points");
    (void)state;
    assert_false(jb__inject(JB__INJECT_SQL));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_release) };

    return cmocka_run_group_tests_name("inject", tests, NULL, NULL);
}

#endif
