/* SPDX-License-Identifier: MIT */
/* The rates of a connection (conn.h): a burst, then the rate, and no more than that in the long
 * run. */
#include "test.h"
#include "core/limits.h"
#include "server/conn.h"

enum { RATE = 100, BURST_S = 4, START_MS = 5000000 };

static struct bucket full(uint32_t rate)
{
    return (struct bucket){ .milli = (uint64_t)rate * BURST_S * 1000, .at_ms = START_MS };
}

static void test_burst(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    for (int i = 0; i < RATE * BURST_S; i++)
        assert_int_equal(bucket_take(&b, 1, RATE, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, 1, RATE, BURST_S, START_MS), 1000 / RATE);
}

static void test_exact_amounts(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    assert_int_equal(bucket_take(&b, RATE * BURST_S - 1, RATE, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, 1, RATE, BURST_S, START_MS), 0);
    b = full(RATE);
    assert_int_equal(bucket_take(&b, RATE * BURST_S, RATE, BURST_S, START_MS), 0);
    b = full(RATE);
    assert_int_equal(bucket_take(&b, RATE * BURST_S + 1, RATE, BURST_S, START_MS), 1000 / RATE);
}

/* What is earned while the debt is paid has been spent: none of it is there afterwards. */
static void test_debt_is_paid_once(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    assert_int_equal(bucket_take(&b, RATE * BURST_S, RATE, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS), 1000);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS + 1000), 1000);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS + 2000), 1000);
    /* Late by half a second: that half is earned. */
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS + 3500), 500);
}

static void test_debts_add_up(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    assert_int_equal(bucket_take(&b, RATE * BURST_S, RATE, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS), 1000);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS + 300), 1700);
}

static void test_rounded_up(void **state)
{
    struct bucket b = { .milli = 0, .at_ms = START_MS };

    (void)state;
    assert_int_equal(bucket_take(&b, 1, 3, BURST_S, START_MS), 334);
    assert_int_equal(bucket_take(&b, 0, 3, BURST_S, START_MS), 0);
}

static void test_silence_earns_one_burst(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    assert_int_equal(bucket_take(&b, RATE * BURST_S, RATE, BURST_S, START_MS), 0);
    assert_int_equal(
        bucket_take(&b, RATE * BURST_S, RATE, BURST_S, START_MS + UINT64_C(1000) * 86400), 0);
    assert_int_equal(bucket_take(&b, RATE, RATE, BURST_S, START_MS + UINT64_C(1000) * 86400), 1000);
}

/* A reload to a smaller rate takes away what is too much. */
static void test_smaller_rate(void **state)
{
    struct bucket b = full(RATE);

    (void)state;
    assert_int_equal(bucket_take(&b, 10 * BURST_S, 10, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, 1, 10, BURST_S, START_MS), 100);
}

/* The largest rate, and an age that would overflow if it were multiplied out. */
static void test_largest(void **state)
{
    uint32_t rate = jb_limit_info[JB_LIMIT_input_rate].most;
    struct bucket b = full(rate);

    (void)state;
    assert_int_equal(bucket_take(&b, (uint64_t)rate * BURST_S, rate, BURST_S, START_MS), 0);
    assert_int_equal(bucket_take(&b, (uint64_t)rate * BURST_S, rate, BURST_S, UINT64_MAX / 2), 0);
    assert_int_equal(bucket_take(&b, 1, rate, BURST_S, UINT64_MAX / 2), 1);
}

/* Somebody who always sends as soon as he may gets the burst and the rate, and not a token more. */
static void test_long_run(void **state)
{
    enum { SECONDS = 600, SPENT = RATE * BURST_S };
    struct bucket b = full(RATE);
    uint64_t seed = 3, now = START_MS, taken = 0;

    (void)state;
    while (now < START_MS + SECONDS * 1000u) {
        uint64_t n = 1 + test_random(&seed) % (2 * SPENT);
        taken += n;
        now += bucket_take(&b, n, RATE, BURST_S, now);
    }
    uint64_t earned = SPENT + (now - START_MS) * RATE / 1000;
    assert_in_range(taken, earned - earned / 100, earned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst),
        cmocka_unit_test(test_exact_amounts),
        cmocka_unit_test(test_debt_is_paid_once),
        cmocka_unit_test(test_debts_add_up),
        cmocka_unit_test(test_rounded_up),
        cmocka_unit_test(test_silence_earns_one_burst),
        cmocka_unit_test(test_smaller_rate),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_long_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
