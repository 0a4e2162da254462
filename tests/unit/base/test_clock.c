/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static void test_clocks(void **state)
{
    (void)state;
    uint64_t before = jb__clock_mono_ms();
    int64_t wall = jb__clock_wall_us();
    const struct timespec pause = { 0, 20 * 1000000 };

    nanosleep(&pause, NULL);
    assert_in_range(jb__clock_mono_ms() - before, 19, 10000);
    assert_true(jb__clock_wall_us() > wall);
    assert_true(llabs(wall / 1000000 - (int64_t)time(NULL)) <= 1);
}

#ifdef JABIRU_TEST_HOOKS
static void test_ahead(void **state)
{
    (void)state;
    uint64_t mono = jb__clock_mono_ms();
    int64_t wall = jb__clock_wall_us();

    jb__clock_advance_ms(600000);
    jb__clock_advance_ms(1);
    assert_in_range(jb__clock_mono_ms() - mono, 600001, 610000);
    assert_in_range(jb__clock_wall_us() - wall, 600001000, 610000000);
}

static void test_set_by_somebody(void **state)
{
    (void)state;
    uint64_t mono = jb__clock_mono_ms();
    int64_t wall = jb__clock_wall_us();

    jb__clock_step_ms(-3600000);
    assert_in_range(wall - jb__clock_wall_us(), 3590000000, 3600000000);
    jb__clock_step_ms(7200000);
    assert_in_range(jb__clock_wall_us() - wall, 3600000000, 3610000000);
    jb__clock_step_ms(-3600000);
    assert_in_range(jb__clock_mono_ms() - mono, 0, 10000);
}
#endif

static void test_stamp(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 1, "1970-01-01T00:00:00.000001Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { -1000000, "1969-12-31T23:59:59.000000Z" },
        { 951782400000000, "2000-02-29T00:00:00.000000Z" },
        { 1769903999123456, "2026-01-31T23:59:59.123456Z" },
        { 4102444800000000, "2100-01-01T00:00:00.000000Z" },
        { 253402300799999999, "9999-12-31T23:59:59.999999Z" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[JB__STAMP_BYTES + 1];
        int64_t back;
        jb__clock_stamp(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
        assert_true(jb__clock_parse_stamp(jb_strz(text), &back));
        assert_true(back == rows[i].us);
    }
    char text[JB__STAMP_BYTES + 1];
    jb__clock_stamp(INT64_MAX, text); /* no such year: still a stamp, of the right length */
    assert_int_equal(strlen(text), JB__STAMP_BYTES);
    jb__clock_stamp(INT64_MIN, text);
    assert_int_equal(strlen(text), JB__STAMP_BYTES);
}

/* XEP-0082 section 3.2 and its examples. */
static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        { "1969-07-21T02:56:15Z", -14159025000000 },
        { "1969-07-20T21:56:15-05:00", -14159025000000 },
        { "2002-09-10T23:41:07Z", 1031701267000000 },
        { "1970-01-01T00:00:00.1Z", 100000 },
        { "1970-01-01T00:00:00.123456789Z", 123456 },
        { "1970-01-01T01:00:00+01:00", 0 },
        { "1970-01-01T00:00:00-00:00", 0 },
        { "1970-01-01T13:59:00+13:59", 0 },
        { "2000-02-29T12:00:00Z", 951825600000000 },
        { "2016-12-31T23:59:60Z", 1483228800000000 }, /* a leap second */
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t us;
        assert_true(jb__clock_parse_stamp(jb_strz(rows[i].text), &us));
        assert_true(us == rows[i].us);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2002-09-10",
        "2002-09-10T23:41:07",
        "2002-09-10T23:41:07z",
        "2002-09-10 23:41:07Z",
        "2002-9-10T23:41:07Z",
        "02-09-10T23:41:07Z",
        "2002-00-10T23:41:07Z",
        "2002-13-10T23:41:07Z",
        "2002-09-00T23:41:07Z",
        "2002-09-31T23:41:07Z",
        "2001-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2016-02-30T00:00:60Z",
        "2002-09-10T24:41:07Z",
        "2002-09-10T23:60:07Z",
        "2002-09-10T23:41:61Z",
        "2002-09-10T23:41:07.Z",
        "2002-09-10T23:41:07,5Z",
        "2002-09-10T23:41:07+5:00",
        "2002-09-10T23:41:07+0500",
        "2002-09-10T23:41:07+15:00",
        "2002-09-10T23:41:07+01:60",
        "2002-09-10T23:41:07ZZ",
        "2002-09-10T23:41:07Z ",
        "+002-09-10T23:41:07Z",
    };
    int64_t us;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (jb__clock_parse_stamp(jb_strz(bad[i]), &us))
            fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_stamp),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
#ifdef JABIRU_TEST_HOOKS
        cmocka_unit_test(test_set_by_somebody),
        cmocka_unit_test(test_ahead), /* last: it leaves the clocks ahead */
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
