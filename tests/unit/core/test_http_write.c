/* SPDX-License-Identifier: MIT */
#include "core/http_write.h"
#include "core/http_field.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

static struct jb__buf out;

static int setup(void **state)
{
    (void)state;
    jb__buf_init(&out, &jb_allocator_libc, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    jb__buf_deinit(&out);
    return 0;
}

static void assert_text(const char *expected)
{
    if (!jb_str_eqz(jb__buf_str(&out), expected))
        fail_msg("%.*s", JB_STR_ARG(jb__buf_str(&out)));
}

static int write_page(struct jb__buf *buf)
{
    struct jb__http_writer w;

    jb__http_begin(&w, buf, 200);
    jb__http_header_date(&w, "Date", 784111777);
    jb__http_header(&w, "Content-Type", JB_STR("text/html"));
    jb__http_header_u64(&w, "Age", 18446744073709551615u);
    jb__http_security(&w, JB_STR("default-src 'self'"));
    return jb__http_end(&w, JB_STR("<p>"));
}

static void writes_a_page(void **state)
{
    (void)state;
    assert_int_equal(write_page(&out), 0);
    assert_text("HTTP/1.1 200 OK\r\n"
                "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                "Content-Type: text/html\r\n"
                "Age: 18446744073709551615\r\n"
                "X-Content-Type-Options: nosniff\r\n"
                "Referrer-Policy: no-referrer\r\n"
                "Content-Security-Policy: default-src 'self'\r\n"
                "Content-Length: 3\r\n"
                "\r\n<p>");
}

static void leaves_out_the_body(void **state)
{
    struct jb__http_writer w;
    (void)state;

    jb__http_begin(&w, &out, 200);
    assert_int_equal(jb__http_end_without_body(&w, 77), 0);
    assert_text("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
    out.n = 0;
    jb__http_begin(&w, &out, 304);
    assert_int_equal(jb__http_end(&w, JB_STR_NONE), 0);
    assert_text("HTTP/1.1 304 Not Modified\r\n\r\n");
    out.n = 0;
    jb__http_begin(&w, &out, 599);
    assert_int_equal(jb__http_end(&w, JB_STR_NONE), 0);
    assert_text("HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n");
    out.n = 0;
    jb__http_begin_request(&w, &out, "GET", JB_STR("/a"));
    assert_int_equal(jb__http_end_without_body(&w, 0), 0);
    assert_text("GET /a HTTP/1.1\r\n\r\n");
}

/* No value, whoever brought it, ends a line. */
static void refuses_split_lines(void **state)
{
    static const struct jb_str bad[] = { JB_STR_INIT("a\r\nSet-Cookie: x"), JB_STR_INIT("a\n"),
                                         JB_STR_INIT("\r"), JB_STR_INIT("a\0b") };
    struct jb__http_writer w;
    (void)state;

    assert_int_equal(jb__buf_append(&out, "x", 1), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        jb__http_begin(&w, &out, 302);
        jb__http_header(&w, "Location", bad[i]);
        assert_int_equal(jb__http_end(&w, JB_STR("body")), JB_EINVAL);
        assert_text("x");
    }
}

static void writes_faults(void **state)
{
    struct jb__http_parser parser;
    struct jb__http_response resp;
    struct jb_str value;
    (void)state;

    assert_int_equal(jb__http_write_fault(&out, (struct jb__http_fault){ 431, "Too much." }), 0);
    jb__http_parser_init(&parser, &jb_limits_default);
    assert_int_equal(jb__http_parse_response(&parser, jb__buf_str(&out), &resp), JB__HTTP_DONE);
    assert_int_equal(resp.status, 431);
    assert_true(jb_str_eqz(jb_str_from(jb__buf_str(&out), resp.bytes), "Too much.\n"));
    assert_true(jb__http_field_find(resp.fields, JB_STR("content-length"), &value));
    assert_true(jb_str_eqz(value, "10"));
    assert_true(jb__http_list_has(resp.fields, JB_STR("connection"), JB_STR("close")));
}

/* Every status that a parser or the handshake answers has its phrase. */
static void has_phrases(void **state)
{
    static const unsigned used[] = { 101, 200, 400, 403, 404, 411, 413, 414, 417, 426, 431, 505 };
    (void)state;

    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        assert_true(jb__http_reason(used[i])[0] != '\0');
    assert_string_equal(jb__http_reason(299), "");
}

static void writes_dates(void **state)
{
    char date[JB__HTTP_DATE_BYTES + 1], expected[64];
    (void)state;

    for (int64_t s = -62167219200; s <= 253402300799; s += 86400 * 17 + 12345) {
        struct tm tm;
        time_t t = (time_t)s;
        assert_non_null(gmtime_r(&t, &tm));
        int year = tm.tm_year + 1900;
        size_t n = strftime(expected, sizeof expected, "%a, %d %b ", &tm);
        snprintf(expected + n, sizeof expected - n, "%04d %02d:%02d:%02d GMT", year, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
        jb__http_date(s, date);
        assert_string_equal(date, expected);
    }
    jb__http_date(INT64_MIN, date);
    assert_string_equal(date, "Sat, 01 Jan 0000 00:00:00 GMT");
    jb__http_date(INT64_MAX, date);
    assert_string_equal(date, "Fri, 31 Dec 9999 23:59:59 GMT");
    jb__http_date(951782400, date);
    assert_string_equal(date, "Tue, 29 Feb 2000 00:00:00 GMT");
}

static void page_scenario(struct failing_alloc *f, void *ctx)
{
    struct jb__buf buf;
    (void)ctx;

    jb__buf_init(&buf, &f->alloc, 4096);
    int rc = write_page(&buf);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_int_equal(buf.n > 0, !f->failed);
    jb__buf_deinit(&buf);
}

static void is_all_or_nothing(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(page_scenario, NULL) > 1);
    assert_int_equal(write_page(&out), 0);
    for (size_t max = 0; max < out.n; max++) {
        struct jb__buf buf;
        jb__buf_init(&buf, &jb_allocator_libc, max);
        assert_int_equal(write_page(&buf), JB_EFULL);
        assert_int_equal(buf.n, 0);
        jb__buf_deinit(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_out_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_split_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_faults, setup, teardown),
        cmocka_unit_test(has_phrases),
        cmocka_unit_test(writes_dates),
        cmocka_unit_test_setup_teardown(is_all_or_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
