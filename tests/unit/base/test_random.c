/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/random.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_exactly),
        cmocka_unit_test(test_ids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
