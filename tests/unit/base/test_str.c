/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/str.h"

#include <stdio.h>

static void test_equal(void **state)
{
    (void)state;
    assert_true(jb_str_eq(JB_STR_NONE, JB_STR("")));
    assert_true(jb_str_eq(JB_STR("iq"), jb_strz("iq")));
    assert_false(jb_str_eq(JB_STR("iq"), JB_STR("iQ")));
    assert_false(jb_str_eq(JB_STR("iq"), JB_STR("iqs")));
    assert_true(jb_str_eq(JB_STR("a\0b"), JB_STR("a\0b")));
    assert_false(jb_str_eq(JB_STR("a\0b"), JB_STR("a\0c")));
    assert_true(jb_str_eqz(JB_STR_NONE, NULL));
    assert_int_equal(jb_strz(NULL).n, 0);
}

static void test_starts_and_from(void **state)
{
    (void)state;
    assert_true(jb_str_starts(JB_STR("xn--a"), JB_STR("xn--")));
    assert_false(jb_str_starts(JB_STR("xn-"), JB_STR("xn--")));
    assert_true(jb_str_starts(JB_STR("x"), JB_STR_NONE));
    assert_true(jb_str_starts(JB_STR_NONE, JB_STR_NONE));
    assert_str_equal(jb_str_from(JB_STR("abc"), 1), "bc");
    assert_str_equal(jb_str_from(JB_STR("abc"), 3), "");
    assert_str_equal(jb_str_from(JB_STR("abc"), 99), "");
    assert_str_equal(jb_str_from(JB_STR_NONE, 0), "");
}

static void test_compare_orders_bytes(void **state)
{
    (void)state;
    static const char *const sorted[] = { "", "A", "a", "aa", "ab", "b", "\xc3\xa9" };
    const int count = sizeof sorted / sizeof sorted[0];

    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int c = jb_str_cmp(jb_strz(sorted[i]), jb_strz(sorted[j]));
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
    }
    assert_int_equal(jb_str_cmp(JB_STR_NONE, JB_STR_NONE), 0);
}

static void test_nocase_folds_ascii_letters_only(void **state)
{
    (void)state;

    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char x = (char)a, y = (char)b;
            bool both = (a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z';
            assert_int_equal(jb_str_eq_ascii_nocase(jb_str(&x, 1), jb_str(&y, 1)), a == b || both);
        }
    }
    assert_true(jb_str_eq_ascii_nocase(JB_STR("WebSocket"), JB_STR("websocket")));
    assert_false(jb_str_eq_ascii_nocase(JB_STR("a"), JB_STR("ab")));
}

static void test_cut(void **state)
{
    (void)state;
    struct jb_str left, right;

    assert_true(jb_str_cut(JB_STR("a@b@c"), '@', &left, &right));
    assert_str_equal(left, "a");
    assert_str_equal(right, "b@c");
    assert_true(jb_str_cut(JB_STR("@"), '@', &left, &right));
    assert_str_equal(left, "");
    assert_str_equal(right, "");
    assert_false(jb_str_cut(JB_STR("abc"), '@', &left, &right));
    assert_str_equal(left, "abc");
    assert_str_equal(right, "");
    assert_false(jb_str_cut(JB_STR_NONE, '@', &left, &right));
    struct jb_str same = JB_STR("k=v");
    assert_true(jb_str_cut(same, '=', &left, &same)); /* out may be in */
    assert_str_equal(same, "v");
}

static void test_trim(void **state)
{
    (void)state;
    assert_str_equal(jb_str_trim(JB_STR(" \t\r\n a b \n")), "a b");
    assert_str_equal(jb_str_trim(JB_STR(" \t")), "");
    assert_str_equal(jb_str_trim(JB_STR("\va")), "\va");
    assert_str_equal(jb_str_trim(JB_STR_NONE), "");
}

static void test_u64(void **state)
{
    (void)state;
    static const uint64_t limits[] = {
        0, 1, 5, 9, 10, 99, 100, 255, UINT32_MAX, UINT64_MAX, UINT64_MAX - 1
    };
    uint64_t v;

    for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
        for (uint64_t i = 0; i < 1000; i++) {
            char text[24];
            int n = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
            bool ok = jb_str_u64(jb_str(text, (size_t)n), limits[l], &v);
            assert_int_equal(ok, i <= limits[l]);
            assert_true(!ok || v == i);
        }
    }
    assert_true(jb_str_u64(JB_STR("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_true(jb_str_u64(JB_STR("00000000000000000000000000000007"), 7, &v));
    assert_int_equal(v, 7);
    static const char *const bad[] = { "",    "-1",
                                       "+1",  " 1",
                                       "1 ",  "0x1",
                                       "1a",  "18446744073709551616",
                                       "1.0", "99999999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(jb_str_u64(jb_strz(bad[i]), UINT64_MAX, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_starts_and_from),
        cmocka_unit_test(test_compare_orders_bytes),
        cmocka_unit_test(test_nocase_folds_ascii_letters_only),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_u64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
