/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/random.h"

#include <stdlib.h>

static void test_fills_exactly(void **state)
{
    (void)state;
    unsigned char bytes[100000];
    unsigned seen[256] = { 0 };

    memset(bytes, 0, sizeof bytes);
    jb__random(bytes, 0);
    assert_int_equal(bytes[0], 0);
    jb__random(bytes, sizeof bytes - 1); /* more than one getrandom gives without interruption */
    assert_int_equal(bytes[sizeof bytes - 1], 0);
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        seen[bytes[i]]++;
    for (int i = 0; i < 256; i++)
        assert_in_range(seen[i], 200, 600); /* 391 expected, deviation 20 */
}

static void test_ids_differ(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char ids[COUNT][JB__RANDOM_ID_BYTES + 1];

    for (int i = 0; i < COUNT; i++) {
        jb__random_id(ids[i]);
        assert_int_equal(strlen(ids[i]), JB__RANDOM_ID_BYTES);
        assert_int_equal(strspn(ids[i], "abcdefghijklmnopqrstuvwxyz234567"), JB__RANDOM_ID_BYTES);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static int compare_keys(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Case 19 of docs/adversarial.md: what masks frames, a million times.  Each bit, and each bit's
 * difference to the one of the key before, is set in half of them (deviation 500); two are alike
 * as often as chance has it (116 times, deviation 11). */
static void test_a_million_keys(void **state)
{
    enum { COUNT = 1000000, HALF = COUNT / 2, SEVEN_DEVIATIONS = 3500 };
    static uint32_t keys[COUNT];
    unsigned alike = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        jb__random(&keys[i], sizeof keys[i]);
    for (int bit = 0; bit < 32; bit++) {
        unsigned set = 0, changed = 0;
        for (int i = 0; i < COUNT; i++) {
            set += (keys[i] >> bit) & 1;
            changed += ((keys[i] ^ keys[i > 0 ? i - 1 : COUNT - 1]) >> bit) & 1;
        }
        assert_in_range(set, HALF - SEVEN_DEVIATIONS, HALF + SEVEN_DEVIATIONS);
        assert_in_range(changed, HALF - SEVEN_DEVIATIONS, HALF + SEVEN_DEVIATIONS);
    }
    qsort(keys, COUNT, sizeof keys[0], compare_keys);
    for (int i = 1; i < COUNT; i++)
        alike += keys[i] == keys[i - 1];
    assert_in_range(alike, 40, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_exactly),
        cmocka_unit_test(test_ids_differ),
        cmocka_unit_test(test_a_million_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
