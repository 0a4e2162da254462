/* SPDX-License-Identifier: MIT */
#include "core/proxy.h"
#include "base/assert.h"
#include "pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

/* ---- the PROXY protocol ---- */

/* The verdict on `text`, the same in whatever pieces it arrives. */
static enum jb__proxy_step parse(struct jb_str text, struct jb__proxy_header *h)
{
    struct prng r = { 31 };
    enum jb__proxy_step first = JB__PROXY_MORE;

    for (int round = 0; round < 6; round++) {
        enum arrival how = round < 2 ? (enum arrival)round : RANDOM;
        enum jb__proxy_step step = JB__PROXY_MORE;
        for (size_t n = 0; step == JB__PROXY_MORE && n < text.n;) {
            n = next_total(how, &r, n, text.n);
            struct jb_str held = exact_copy(text, n);
            step = jb__proxy_parse(held, h);
            free((void *)(uintptr_t)held.p);
        }
        if (round == 0)
            first = step;
        if (step != first)
            fail_msg("%d whole, %d in pieces: %.*s", first, step, JB_STR_ARG(text));
        assert_int_equal(step == JB__PROXY_FAULT, h->words != NULL);
    }
    return first;
}

static void reads_version_1(void **state)
{
    static const char text[] = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /";
    struct jb__proxy_header h;
    (void)state;

    assert_int_equal(parse(jb_str(text, sizeof text - 1), &h), JB__PROXY_DONE);
    assert_true(h.known && !h.tls);
    assert_string_equal(h.source.text, "192.0.2.1");
    assert_string_equal(h.target.text, "198.51.100.7");
    assert_int_equal(h.source_port, 56324);
    assert_int_equal(h.target_port, 443);
    assert_int_equal(h.bytes, strlen(text) - 5);
    assert_int_equal(parse(JB_STR("PROXY TCP6 2001:DB8:0::1 ::ffff:192.0.2.9 0 65535\r\n"), &h),
                     JB__PROXY_DONE);
    assert_string_equal(h.source.text, "2001:db8::1");
    assert_string_equal(h.target.text, "192.0.2.9");
    assert_int_equal(jb__proxy_parse(JB_STR_NONE, &h), JB__PROXY_MORE);
    assert_int_equal(parse(JB_STR("PROXY UNKNOWN\r\n"), &h), JB__PROXY_DONE);
    assert_false(h.known);
    assert_int_equal(h.bytes, 15);
    assert_int_equal(parse(JB_STR("PROXY UNKNOWN ffff:f any thing\r\nx"), &h), JB__PROXY_DONE);
    assert_false(h.known);
}

static void refuses_malformed_version_1(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXZ",
        "proxy TCP4 1.1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 1 2\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 1 2 3\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 1 2 \r\n",
        "PROXY TCP4  1.1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP5 1.1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP4 1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP4 01.1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.1.1.1 1.1.1.2 1 2\r\n",
        "PROXY TCP6 ::1%lo ::2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.256 1 2\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 65536 2\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.2 -1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY \r\n",
        "PROXY \n",
    };
    struct jb__proxy_header h;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(jb_strz(bad[i]), &h) != JB__PROXY_FAULT)
            fail_msg("not refused: %s", bad[i]);
    assert_int_equal(parse(JB_STR("PROXY TCP4 1.1.1.1\0 1.1.1.2 1 2\r\n"), &h), JB__PROXY_FAULT);
}

static void bounds_version_1(void **state)
{
    char line[120];
    struct jb__proxy_header h;
    (void)state;

    for (size_t n = 106; n <= 108; n++) {
        memset(line, 'x', sizeof line);
        memcpy(line, "PROXY UNKNOWN ", 14);
        memcpy(line + n - 2, "\r\n", 2);
        assert_int_equal(parse(jb_str(line, n), &h), n <= 107 ? JB__PROXY_DONE : JB__PROXY_FAULT);
    }
}

#define V2           "\r\n\r\n\0\r\nQUIT\n"
#define V4_ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb"

static void reads_version_2(void **state)
{
    struct jb__proxy_header h;
    (void)state;

    assert_int_equal(parse(JB_STR(V2 "\x21\x11\0\x0c" V4_ADDRESSES "GET"), &h), JB__PROXY_DONE);
    assert_true(h.known && !h.tls);
    assert_string_equal(h.source.text, "192.0.2.1");
    assert_string_equal(h.target.text, "198.51.100.7");
    assert_int_equal(h.source_port, 56324);
    assert_int_equal(h.target_port, 443);
    assert_int_equal(h.bytes, 28);
    /* an unknown record, then PP2_TYPE_SSL with the client's bit */
    assert_int_equal(parse(JB_STR(V2 "\x21\x11\0\x19" V4_ADDRESSES "\xee\0\2ab"
                                     "\x20\0\5\1\0\0\0\0"),
                           &h),
                     JB__PROXY_DONE);
    assert_true(h.known && h.tls);
    assert_int_equal(parse(JB_STR(V2 "\x21\x21\0\x24"
                                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                                     "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\1\0\2"),
                           &h),
                     JB__PROXY_DONE);
    assert_string_equal(h.source.text, "2001:db8::1");
    assert_string_equal(h.target.text, "127.0.0.1");
    /* LOCAL, whatever else it says; Unix sockets; UDP: the socket's own address counts */
    assert_int_equal(parse(JB_STR(V2 "\x20\xff\0\2ab"), &h), JB__PROXY_DONE);
    assert_false(h.known);
    assert_int_equal(h.bytes, 18);
    assert_int_equal(parse(JB_STR(V2 "\x21\x31\0\0"), &h), JB__PROXY_DONE);
    assert_false(h.known);
    assert_int_equal(parse(JB_STR(V2 "\x21\x12\0\x0c" V4_ADDRESSES), &h), JB__PROXY_DONE);
    assert_false(h.known);
}

static void refuses_malformed_version_2(void **state)
{
    static const struct jb_str bad[] = {
        JB_STR_INIT("\r\n\r\n\r"),
        JB_STR_INIT(V2 "\x11\x11\0\x0c"),
        JB_STR_INIT(V2 "\x22\x11\0\x0c"),
        JB_STR_INIT(V2 "\x21\x11\0\x0b" V4_ADDRESSES),
        JB_STR_INIT(V2 "\x21\x21\0\x0c" V4_ADDRESSES),
        JB_STR_INIT(V2 "\x21\x11\0\x0e" V4_ADDRESSES "\1\0"),
        JB_STR_INIT(V2 "\x21\x11\0\x0f" V4_ADDRESSES "\1\0\1"),
        JB_STR_INIT(V2 "\x21\x11\x02\x09"),
        JB_STR_INIT(V2 "\x20\0\xff\xff"),
    };
    char longest[JB__PROXY_V2_BYTES] = V2 "\x20\0\x02\x08";
    struct jb__proxy_header h;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i], &h) != JB__PROXY_FAULT)
            fail_msg("not refused: %zu", i);
    assert_int_equal(parse(jb_str(longest, sizeof longest - 1), &h), JB__PROXY_MORE);
    assert_int_equal(parse(jb_str(longest, sizeof longest), &h), JB__PROXY_DONE);
}

static void survives_mutation(void **state)
{
    static const char base[] = V2 "\x21\x11\0\x19" V4_ADDRESSES "\xee\0\2ab\x20\0\5\1\0\0\0\0";
    static const char line[] = "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.9 10 65535\r\n";
    struct prng r = { 99 };
    char text[64];
    (void)state;

    for (int round = 0; round < 4000; round++) {
        size_t n = (round & 1 ? sizeof base : sizeof line) - 1;
        struct jb__proxy_header h;
        memcpy(text, round & 1 ? base : line, n);
        text[prng_below(&r, n)] = (char)prng_below(&r, 256);
        text[prng_below(&r, n)] = (char)prng_below(&r, 256);
        if (parse(jb_str(text, n), &h) == JB__PROXY_DONE)
            assert_true(h.bytes <= n);
    }
}

/* ---- headers ---- */

static void reads_addresses(void **state)
{
    static const char *const rows[][2] = {
        { "192.0.2.1", "192.0.2.1" },
        { "192.0.2.1:80", "192.0.2.1" },
        { "2001:DB8::0:1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" },
        { "[2001:db8::1]:80", "2001:db8::1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "[::ffff:c000:201]:1", "192.0.2.1" },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
        { "unknown", NULL },
        { "_hidden", NULL },
        { "", NULL },
        { "192.0.2.1:", NULL },
        { "192.0.2.1:x", NULL },
        { "192.0.2.1:65536", NULL },
        { "192.0.2", NULL },
        { " 192.0.2.1", NULL },
        { "fe80::1%eth0", NULL },
        { "[192.0.2.1]", NULL },
        { "[::1", NULL },
        { "[::1]80", NULL },
        { "[::1]:", NULL },
        { "localhost", NULL },
        { "0x7f.1", NULL },
        { "00000000000000000000000000000000000000000000000001", NULL },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__proxy_address a;
        bool ok = jb__proxy_address(jb_strz(rows[i][0]), &a);
        if (ok != (rows[i][1] != NULL) || (ok && strcmp(a.text, rows[i][1]) != 0))
            fail_msg("%s", rows[i][0]);
    }
}

static bool trusted(void *ctx, struct jb_str address)
{
    (void)ctx;
    return jb_str_starts(address, JB_STR("10.")) || jb_str_eqz(address, "2001:db8::10");
}

/* Case 9. */
static void finds_the_rightmost_untrusted(void **state)
{
    static const struct {
        const char *socket, *fields, *address;
        bool forwarded, https;
    } rows[] = {
        { "10.0.0.1", "", "10.0.0.1", false, false },
        /* a stranger's headers are not looked at */
        { "192.0.2.1", "X-Forwarded-For: 1.2.3.4\r\n", "192.0.2.1", false, false },
        { "192.0.2.1", "Forwarded: for=1.2.3.4;proto=https\r\n", "192.0.2.1", false, false },
        { "192.0.2.1", "X-Forwarded-Proto: https\r\n", "192.0.2.1", false, false },
        { "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4", true, false },
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n", "1.2.3.4", true, false },
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9, 1.2.3.4, 10.0.0.2\r\n", "1.2.3.4", true, false },
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9\r\nA: b\r\nx-forwarded-for: 1.2.3.4,10.1.1.1\r\n",
          "1.2.3.4", true, false },
        { "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3", true, false },
        /* what is no address hides what is left of it */
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9, unknown, 10.0.0.2\r\n", "10.0.0.2", true, false },
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9, unknown\r\n", "10.0.0.1", false, false },
        { "10.0.0.1", "X-Forwarded-For: 9.9.9.9,\r\n", "10.0.0.1", false, false },
        { "10.0.0.1", "X-Forwarded-For:\r\n", "10.0.0.1", false, false },
        /* a quote made up by the client does not hide what the proxy adds */
        { "10.0.0.1", "X-Forwarded-For: \", 1.2.3.4\r\n", "1.2.3.4", true, false },
        { "2001:db8::10", "X-Forwarded-For: ::1, [2001:db8::10]:443\r\n", "::1", true, false },
        { "10.0.0.1", "Forwarded: for=9.9.9.9, for=\"[2001:db8::1]:47011\"\r\n", "2001:db8::1",
          true, false },
        { "10.0.0.1", "Forwarded: for=1.2.3.4;proto=HTTPS;by=10.0.0.1\r\n", "1.2.3.4", true, true },
        { "10.0.0.1", "Forwarded: For=1.2.3.4;proto=https, for=10.0.0.2;proto=http\r\n", "1.2.3.4",
          true, false },
        { "10.0.0.1", "Forwarded: for=9.9.9.9, by=10.0.0.2\r\n", "10.0.0.1", false, false },
        { "10.0.0.1", "Forwarded: for=_secret\r\n", "10.0.0.1", false, false },
        { "10.0.0.1", "Forwarded: for=\"x, for=1.2.3.4\r\n", "10.0.0.1", false, false },
        /* both: believed only when they agree */
        { "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n", "1.2.3.4", true,
          false },
        { "10.0.0.1", "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=9.9.9.9\r\n", "10.0.0.1", false,
          false },
        { "10.0.0.1", "X-Forwarded-For: x\r\nForwarded: for=9.9.9.9\r\n", "10.0.0.1", false,
          false },
        { "10.0.0.1", "X-Forwarded-Proto: https\r\n", "10.0.0.1", false, true },
        { "10.0.0.1", "X-Forwarded-Proto: http, wss\r\n", "10.0.0.1", false, true },
        { "10.0.0.1", "X-Forwarded-Proto: https, http\r\n", "10.0.0.1", false, false },
        { "10.0.0.1", "X-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4;proto=http\r\n",
          "1.2.3.4", true, false },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__proxy_origin o;
        jb__proxy_resolve(jb_strz(rows[i].fields), jb_strz(rows[i].socket), trusted, NULL, &o);
        if (strcmp(o.address.text, rows[i].address) != 0 || o.forwarded != rows[i].forwarded ||
            o.https != rows[i].https)
            fail_msg("%s -> %s %d %d", rows[i].fields, o.address.text, o.forwarded, o.https);
    }
}

/* Forging: whatever a client puts in front, the address it came from comes out. */
static void cannot_be_forged(void **state)
{
    static const char *const parts[] = {
        "1.2.3.4", "10.0.0.9", "unknown", "\"", ",",  " ",  "\\",
        "[::1]:1", ";",        "for=",    "=",  "::", "\t", "a\"b"
    };
    struct prng r = { 5 };
    char fields[512];
    (void)state;

    for (int round = 0; round < 5000; round++) {
        struct jb__proxy_origin o;
        int n = snprintf(fields, sizeof fields, "X-Forwarded-For: ");
        for (size_t k = prng_below(&r, 12); k > 0; k--)
            n += snprintf(fields + n, sizeof fields - (size_t)n, "%s",
                          parts[prng_below(&r, sizeof parts / sizeof parts[0])]);
        n += snprintf(fields + n, sizeof fields - (size_t)n, ", 192.0.2.77\r\n");
        jb__proxy_resolve(jb_str(fields, (size_t)n), JB_STR("10.0.0.1"), trusted, NULL, &o);
        assert_string_equal(o.address.text, "192.0.2.77");
    }
}

/* Reads no more than jb__proxy_wants() says; returns how much of `text` that took. */
static size_t read_exactly(struct jb_str text, enum jb__proxy_step expected)
{
    struct jb__proxy_header h;
    enum jb__proxy_step step = JB__PROXY_MORE;
    size_t n = 0;

    while (step == JB__PROXY_MORE) {
        size_t wants = jb__proxy_wants(jb_str(text.p, n));
        assert_in_range(wants, 1, text.n - n);
        n += wants;
        struct jb_str held = exact_copy(text, n);
        step = jb__proxy_parse(held, &h);
        free((void *)(uintptr_t)held.p);
    }
    assert_int_equal(step, expected);
    return n;
}

/* What follows the header stays unread: it belongs to TLS. */
static void wants_nothing_behind_the_header(void **state)
{
    static const char hello[] = "\x16\x03\x01\x02 and so on, for longer than any header is";
    static const struct jb_str headers[] = {
        JB_STR_INIT("PROXY UNKNOWN\r\n"),
        JB_STR_INIT("PROXY UNKNOWN any thing\r\n"),
        JB_STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
        JB_STR_INIT("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
        JB_STR_INIT("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
        JB_STR_INIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"),
        JB_STR_INIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"
                    "\4\0\2\0\0"),
    };
    char text[256];
    (void)state;

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        memcpy(text, headers[i].p, headers[i].n);
        memcpy(text + headers[i].n, hello, sizeof hello);
        assert_int_equal(read_exactly(jb_str(text, headers[i].n + sizeof hello), JB__PROXY_DONE),
                         headers[i].n);
    }
    read_exactly(JB_STR("GET / HTTP/1.1\r\nHost: a\r\n"), JB__PROXY_FAULT);
    read_exactly(JB_STR("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 and more\r\n"),
                 JB__PROXY_FAULT);
    read_exactly(JB_STR("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff and more"), JB__PROXY_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_version_1),
        cmocka_unit_test(wants_nothing_behind_the_header),
        cmocka_unit_test(refuses_malformed_version_1),
        cmocka_unit_test(bounds_version_1),
        cmocka_unit_test(reads_version_2),
        cmocka_unit_test(refuses_malformed_version_2),
        cmocka_unit_test(survives_mutation),
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(finds_the_rightmost_untrusted),
        cmocka_unit_test(cannot_be_forged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
