/* SPDX-License-Identifier: MIT */
#include "base/guess.h"

#include "../test.h"

static const char *guess(const char *typed)
{
    struct jb__guess g;

    jb__guess_begin(&g, jb_strz(typed));
    jb__guess_offer(&g, "listener");
    jb__guess_offer(&g, "host");
    jb__guess_offer(&g, "hist");
    return g.best;
}

static void test_slips(void **state)
{
    (void)state;
    assert_string_equal(guess("listner"), "listener");   /* left out */
    assert_string_equal(guess("listenner"), "listener"); /* twice */
    assert_string_equal(guess("lsitener"), "listener");  /* swapped */
    assert_string_equal(guess("losteners"), "listener");
    assert_string_equal(guess("hzst"), "host"); /* as near as the other, and first */
    assert_string_equal(guess("hist"), "hist");
}

static void test_too_far(void **state)
{
    char longest[66];

    (void)state;
    assert_null(guess("frob"));
    assert_null(guess(""));
    assert_null(guess("listings are"));
    memset(longest, 'l', 65);
    longest[65] = '\0';
    assert_null(guess(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slips),
        cmocka_unit_test(test_too_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
