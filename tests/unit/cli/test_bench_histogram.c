/* SPDX-License-Identifier: MIT */
#include "cli/bench/histogram.h"

#include "test.h"

#include <stdlib.h>

enum { RECORDS = 100000 };

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The smallest value that at least `part` of the sorted values do not exceed. */
static uint64_t exact(const uint64_t *sorted, size_t n, double part)
{
    double rank = part * (double)n;
    size_t k = (size_t)rank;

    if ((double)k < rank)
        k++;
    return sorted[k < 1 ? 0 : k - 1];
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void assert_close(uint64_t got, uint64_t want)
{
    uint64_t off = got > want ? got - want : want - got;

    if (off > want / 128)
        fail_msg("percentile is %lu and should be %lu", (unsigned long)got, (unsigned long)want);
}

/* Values over many orders of magnitude: each percentile within one part in 128 of the exact one,
 * and never below it by more than a step. */
static void test_percentiles_are_close_to_exact_ones(void **state)
{
    static const double parts[] = { 0.0001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1 };
    static struct histogram h;
    uint64_t *values = malloc(RECORDS * sizeof *values), random = 88172645463325252ull;

    (void)state;
    assert_non_null(values);
    for (int spread = 4; spread <= 40; spread += 6) {
        h = (struct histogram){ 0 };
        for (int i = 0; i < RECORDS; i++) {
            int bits = (int)(next_random(&random) % (unsigned)spread) + 1;
            values[i] = next_random(&random) & (((uint64_t)1 << bits) - 1);
            histogram_record(&h, values[i]);
        }
        qsort(values, RECORDS, sizeof *values, compare);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            assert_close(histogram_percentile(&h, parts[i]), exact(values, RECORDS, parts[i]));
        assert_int_equal(h.least, values[0]);
        assert_int_equal(h.most, values[RECORDS - 1]);
    }
    free(values);
}

static void test_small_values_are_exact(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    for (uint64_t v = 0; v < 100; v++)
        histogram_record(h, v);
    assert_int_equal(histogram_percentile(h, 0.5), 49);
    assert_int_equal(histogram_percentile(h, 0.99), 98);
    assert_int_equal(histogram_percentile(h, 1), 99);
    assert_true(histogram_mean(h) > 49.4 && histogram_mean(h) < 49.6);
    free(h);
}

/* Every slot ends one below where the next begins, over all of them. */
static void test_slots_have_no_gap(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);
    unsigned slots = 0;

    (void)state;
    assert_non_null(h);
    for (unsigned i = 0; i + 1 < HISTOGRAM_SLOTS; i++) {
        uint64_t most = histogram_slot_most(i);
        assert_true(i == 0 || most > histogram_slot_most(i - 1));
        histogram_record(h, most);
        histogram_record(h, most + 1);
    }
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        slots += h->slots[i] == (i == 0 || i + 1 == HISTOGRAM_SLOTS ? 1 : 2);
    assert_int_equal(slots, HISTOGRAM_SLOTS);
    free(h);
}

static void test_what_is_too_long_counts_as_the_longest(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    histogram_record(h, UINT64_MAX);
    assert_int_equal(h->slots[HISTOGRAM_SLOTS - 1], 1);
    assert_true(histogram_percentile(h, 0.5) == UINT64_MAX);
    free(h);
}

static void test_an_empty_one_says_zero(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    assert_int_equal(histogram_percentile(h, 0.5), 0);
    assert_true(histogram_mean(h) == 0);
    free(h);
}

static void test_merging_is_recording_in_one(void **state)
{
    struct histogram *parts = calloc(4, sizeof *parts), *all = &parts[3];
    uint64_t random = 1234567;

    (void)state;
    assert_non_null(parts);
    for (int i = 0; i < 3000; i++) {
        uint64_t v = next_random(&random) >> (i % 60);
        histogram_record(&parts[i % 2], v);
        histogram_record(all, v);
    }
    histogram_merge(&parts[2], &parts[0]);
    histogram_merge(&parts[2], &parts[1]);
    assert_int_equal(parts[2].count, all->count);
    assert_int_equal(parts[2].least, all->least);
    assert_int_equal(parts[2].most, all->most);
    assert_memory_equal(parts[2].slots, all->slots, sizeof all->slots);
    free(parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_are_close_to_exact_ones),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_slots_have_no_gap),
        cmocka_unit_test(test_what_is_too_long_counts_as_the_longest),
        cmocka_unit_test(test_an_empty_one_says_zero),
        cmocka_unit_test(test_merging_is_recording_in_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
