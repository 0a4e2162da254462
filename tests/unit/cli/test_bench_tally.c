/* SPDX-License-Identifier: MIT */
#include "cli/bench/tally.h"

#include "test.h"

#include <stdlib.h>

static void test_in_order_all_is_good(void **state)
{
    struct tally t = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(tally_see(&t, i), TALLY_GOOD);
}

static void test_the_same_again_came_twice(void **state)
{
    struct tally t = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(tally_see(&t, i), TALLY_GOOD);
        assert_int_equal(tally_see(&t, i), TALLY_TWICE);
        assert_int_equal(tally_see(&t, i / 2), TALLY_TWICE);
    }
}

static void test_a_late_one_is_out_of_order_once(void **state)
{
    struct tally t = { 0 };

    (void)state;
    assert_int_equal(tally_see(&t, 0), TALLY_GOOD);
    assert_int_equal(tally_see(&t, 3), TALLY_GOOD); /* 1 and 2 are missing */
    assert_int_equal(tally_see(&t, 2), TALLY_DISORDER);
    assert_int_equal(tally_see(&t, 2), TALLY_TWICE);
    assert_int_equal(tally_see(&t, 4), TALLY_GOOD);
    assert_int_equal(tally_see(&t, 1), TALLY_DISORDER);
    assert_int_equal(tally_see(&t, 1), TALLY_TWICE);
}

static void test_gaps_of_every_width(void **state)
{
    (void)state;
    for (uint32_t gap = 1; gap < 3 * TALLY_SPAN; gap++) {
        struct tally t = { 0 };
        assert_int_equal(tally_see(&t, 0), TALLY_GOOD);
        assert_int_equal(tally_see(&t, gap), TALLY_GOOD);
        assert_int_equal(tally_see(&t, 0), TALLY_TWICE);
        for (uint32_t late = 1; late < gap; late++)
            assert_int_equal(tally_see(&t, late),
                             gap - late < TALLY_SPAN ? TALLY_DISORDER : TALLY_TWICE);
        assert_int_equal(tally_see(&t, gap + 1), TALLY_GOOD);
    }
}

/* Shuffled within a span: every serial counts exactly once. */
static void test_shuffled_each_counts_once(void **state)
{
    struct tally t = { 0 };
    unsigned good = 0, disorder = 0, twice = 0;

    (void)state;
    for (uint32_t block = 0; block < 100; block++)
        for (uint32_t i = 0; i < 2 * 16; i++) {
            uint32_t serial = block * 16 + (i * 7) % 16; /* each comes twice */
            enum tally_verdict v = tally_see(&t, serial);
            good += v == TALLY_GOOD;
            disorder += v == TALLY_DISORDER;
            twice += v == TALLY_TWICE;
        }
    assert_int_equal(good + disorder, 1600);
    assert_int_equal(twice, 1600);
    assert_true(disorder > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_all_is_good),
        cmocka_unit_test(test_the_same_again_came_twice),
        cmocka_unit_test(test_a_late_one_is_out_of_order_once),
        cmocka_unit_test(test_gaps_of_every_width),
        cmocka_unit_test(test_shuffled_each_counts_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
