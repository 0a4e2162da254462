/* SPDX-License-Identifier: MIT */
#include "cli/bench/marker.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static const struct marker some = { 0xfedcba98, 0x12ab, 0xffffffff, 0x0123456789abcdef };

static size_t wrap(char *out, size_t room, const char *before, const char *after)
{
    char mark[MARKER_BYTES + 1] = { 0 };

    marker_write(mark, &some);
    return (size_t)snprintf(out, room, "%s%s%s", before, mark, after);
}

static void assert_some(const struct marker *m)
{
    assert_int_equal(m->run, some.run);
    assert_int_equal(m->sender, some.sender);
    assert_int_equal(m->serial, some.serial);
    assert_true(m->due_ns == some.due_ns);
}

static void test_what_is_written_is_found_anywhere(void **state)
{
    static const char *const before[] = { "", "<message id='", "jbm.jbm.jb", "<a jbm.0000 id=\"" };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        struct marker m = { 0 };
        uint32_t hint = 0;
        size_t n = wrap(text, sizeof text, before[i], "'/>");
        assert_true(marker_find(jb_str(text, n), &hint, &m));
        assert_some(&m);
        assert_int_equal(hint, strlen(before[i]));
        m = (struct marker){ 0 };
        assert_true(marker_find(jb_str(text, n), &hint, &m)); /* by the hint */
        assert_some(&m);
    }
}

static void test_renewing_changes_serial_and_time_only(void **state)
{
    char text[256];
    size_t n = wrap(text, sizeof text, "", "");
    struct marker m;
    uint32_t hint = 0;

    (void)state;
    marker_renew(text, 7, 99);
    assert_true(marker_find(jb_str(text, n), &hint, &m));
    assert_int_equal(m.run, some.run);
    assert_int_equal(m.sender, some.sender);
    assert_int_equal(m.serial, 7);
    assert_true(m.due_ns == 99);
}

static void test_a_wrong_hint_does_no_harm(void **state)
{
    char text[256];
    size_t n = wrap(text, sizeof text, "<message id='", "'/>");

    (void)state;
    for (uint32_t wrong = 0; wrong < 300; wrong++) {
        struct marker m = { 0 };
        uint32_t hint = wrong;
        assert_true(marker_find(jb_str(text, n), &hint, &m));
        assert_some(&m);
    }
}

static void test_what_is_cut_off_or_spoilt_is_none(void **state)
{
    char text[256];
    size_t n = wrap(text, sizeof text, "<x>", "");
    struct marker m;

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        /* Of its own size, so that reading past the end is noticed. */
        char *copy = malloc(cut + 1);
        uint32_t hint = 3;
        assert_non_null(copy);
        memcpy(copy, text, cut);
        assert_false(marker_find(jb_str(copy, cut), &hint, &m));
        free(copy);
    }
    for (size_t i = 3; i < n; i++) {
        uint32_t hint = 0;
        char kept = text[i];
        text[i] = '!';
        assert_false(marker_find(jb_str(text, n), &hint, &m));
        text[i] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_found_anywhere),
        cmocka_unit_test(test_renewing_changes_serial_and_time_only),
        cmocka_unit_test(test_a_wrong_hint_does_no_harm),
        cmocka_unit_test(test_what_is_cut_off_or_spoilt_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
