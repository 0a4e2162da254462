/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/log.h"
#include "base/utf8.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    return pipe(ends);
}

static int close_pipe(void **state)
{
    (void)state;
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, 2);
    jb_log_tap(NULL, NULL);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What one write(2) brought: a whole line. */
static struct jb_str read_line(void)
{
    static char bytes[2 * JB_LOG_LINE_BYTES];
    ssize_t n = read(ends[0], bytes, sizeof bytes);

    assert_true(n > 0 && n <= JB_LOG_LINE_BYTES);
    assert_int_equal(bytes[n - 1], '\n');
    assert_null(memchr(bytes, '\n', (size_t)n - 1));
    assert_true(jb__utf8_valid(jb_str(bytes, (size_t)n)));
    return jb_str(bytes, (size_t)n);
}

static void assert_text(const char *expected)
{
    struct jb_str line = read_line();

    assert_int_equal(line.p[26], 'Z'); /* the stamp of 27 bytes */
    assert_str_equal(jb_str_from(line, 27), expected);
}

static json_t *read_json(void)
{
    struct jb_str line = read_line();
    json_error_t error;
    json_t *object = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &error);

    if (!object)
        fail_msg("%s: %.*s", error.text, JB_STR_ARG(line));
    return object;
}

static void test_text(void **state)
{
    (void)state;
    jb_log_config(JB_LOG_DEBUG, JB_LOG_TEXT, ends[1]);
    jb_log(JB_LOG_INFO, "ready");
    assert_text(" info  ready\n");
    jb_log(JB_LOG_WARN, "stream closed", JB_FZ("jid", "romeo@a.example"), JB_FZ("n", "3"));
    assert_text(" warn  stream closed jid=romeo@a.example n=3\n");
    jb_log(JB_LOG_ERROR, "m", JB_FZ("a", "two words"), JB_FZ("b", ""), JB_F("c", JB_STR_NONE));
    assert_text(" error m a=\"two words\" b=\"\" c=\"\"\n");
    jb_log(JB_LOG_DEBUG, "m", JB_FZ("a", "x=\"y\""), JB_FZ("b", "back\\slash"));
    assert_text(" debug m a=\"x=\\\"y\\\"\" b=back\\\\slash\n");
}

static void test_levels(void **state)
{
    (void)state;
    jb_log_config(JB_LOG_WARN, JB_LOG_TEXT, ends[1]);
    assert_false(jb_log_enabled(JB_LOG_INFO));
    assert_true(jb_log_enabled(JB_LOG_WARN));
    jb_log(JB_LOG_INFO, "not written");
    jb_log(JB_LOG_ERROR, "written");
    assert_text(" error written\n");
}

/* What a peer chose cannot break a line, move the cursor, or turn text around. */
static void test_no_control_reaches_the_terminal(void **state)
{
    (void)state;
    char all[256 + 1];
    size_t n = 0;

    for (int c = 0; c < 256; c++)
        all[n++] = (char)c;
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, ends[1]);
    jb_log(JB_LOG_INFO, "m", JB_F("v", jb_str(all, n)));
    struct jb_str line = read_line();
    for (size_t i = 0; i + 1 < line.n; i++)
        assert_true((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7f);

    jb_log(JB_LOG_INFO, "m", JB_FZ("v", "a\r\n\x1b[2J"));
    assert_text(" info  m v=\"a\\u000d\\u000a\\u001b[2J\"\n");
    /* CSI as C1, line separator, right-to-left override, isolate */
    jb_log(JB_LOG_INFO, "m", JB_FZ("v", "\xc2\x9b|\xe2\x80\xa8|\xe2\x80\xae|\xe2\x81\xa6"));
    assert_text(" info  m v=\\u009b|\\u2028|\\u202e|\\u2066\n");
    jb_log(JB_LOG_INFO, "m", JB_FZ("v", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"));
    assert_text(" info  m v=\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"\n");
    jb_log(JB_LOG_INFO, "m", JB_FZ("v", "\xff|\xc3|\xed\xa0\x80|\xe2\x82"));
    assert_text(" info  m v=\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|"
                "\xef\xbf\xbd\xef\xbf\xbd\n");
}

static void test_json(void **state)
{
    (void)state;
    static const char value[] = "\x01 \"quoted\" \\ \x7f \xe2\x80\xae \xc3\xa9 \xf0\x9f\x98\x80";
    jb_log_config(JB_LOG_INFO, JB_LOG_JSON, ends[1]);
    jb_log(JB_LOG_INFO, "stream \"closed\"", JB_FZ("jid", value), JB_FZ("empty", ""));
    json_t *o = read_json();
    assert_string_equal(json_string_value(json_object_get(o, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(o, "message")), "stream \"closed\"");
    assert_string_equal(json_string_value(json_object_get(o, "jid")), value);
    assert_string_equal(json_string_value(json_object_get(o, "empty")), "");
    assert_int_equal(strlen(json_string_value(json_object_get(o, "time"))), 27);
    json_decref(o);
}

/* A line too long is cut between escapes, code points and fields, wherever the limit falls. */
static void test_long_lines_stay_well_formed(void **state)
{
    (void)state;
    static const char *const units[] = { "a", "\n", "\"", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff" };
    static char value[JB_LOG_LINE_BYTES + 100];
    const int count = sizeof units / sizeof units[0];

    for (int i = 0; i < count; i++) {
        for (size_t shift = 0; shift < 120; shift++) {
            size_t n = 0;
            for (; n < JB_LOG_LINE_BYTES - 100 - shift; n++)
                value[n] = 'x';
            size_t unit = strlen(units[i]);
            for (; n + unit < sizeof value; n += unit)
                memcpy(value + n, units[i], unit);
            struct jb_str first =
                jb_str(value, JB_LOG_LINE_BYTES - 100 - shift + (shift % 7) * unit);
            jb_log_config(JB_LOG_INFO, JB_LOG_JSON, ends[1]);
            jb_log(JB_LOG_INFO, "m", JB_F("first", first), JB_FZ("second", "a b"));
            json_decref(read_json());
            jb_log(JB_LOG_INFO, "m", JB_F("v", jb_str(value, n)), JB_FZ("second", "a b"));
            json_decref(read_json());
            jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, ends[1]);
            jb_log(JB_LOG_INFO, "m", JB_F("first", first), JB_FZ("second", "a b"));
            struct jb_str line = read_line();
            size_t quotes = 0;
            for (size_t at = 0; at < line.n; at++)
                quotes += line.p[at] == '"' && line.p[at - 1] != '\\';
            assert_int_equal(quotes % 2, 0);
        }
    }
}

enum { THREADS = 4, LINES = 2000 };

static void *write_lines(void *ctx)
{
    char letter = *(char *)ctx;
    char value[200];

    memset(value, letter, sizeof value);
    for (size_t i = 0; i < LINES; i++)
        jb_log(JB_LOG_INFO, "line", JB_F("v", jb_str(value, 100 + i % 100)));
    return NULL;
}

/* Reads the pipe until all lines have come; each must be of one thread. */
static void read_lines(void)
{
    FILE *in = fdopen(dup(ends[0]), "r");
    char line[JB_LOG_LINE_BYTES];

    for (int i = 0; i < THREADS * LINES; i++) {
        assert_non_null(fgets(line, sizeof line, in));
        const char *v = strstr(line, " info  line v=");
        assert_ptr_equal(v, line + 27);
        v += strlen(" info  line v=");
        size_t same = strspn(v, (char[]){ v[0], '\0' });
        assert_in_range(same, 100, 199);
        assert_string_equal(v + same, "\n");
    }
    fclose(in);
}

static void test_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char letters[THREADS] = "abcd";

    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, ends[1]);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
    read_lines();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void count_line(void *ctx, struct jb_str line)
{
    assert_int_equal(line.p[line.n - 1], '\n');
    ++*(int *)ctx;
}

static void test_tap(void **state)
{
    (void)state;
    int lines = 0;

    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, ends[1]);
    jb_log_tap(count_line, &lines);
    jb_log(JB_LOG_INFO, "one");
    jb_log(JB_LOG_DEBUG, "below the level");
    jb_log_tap(NULL, NULL);
    jb_log(JB_LOG_INFO, "two");
    assert_int_equal(lines, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_levels, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_no_control_reaches_the_terminal, open_pipe,
                                        close_pipe),
        cmocka_unit_test_setup_teardown(test_json, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_long_lines_stay_well_formed, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_threads_do_not_mix, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(test_tap, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
