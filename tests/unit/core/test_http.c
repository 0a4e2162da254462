/* SPDX-License-Identifier: MIT */
#include "core/http.h"
#include "core/http_field.h"
#include "pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define HOST "Host: example.org\r\n"

static struct jb_limits limits;

/* What came of feeding a text; free(3) held.p, into which the slices of req point. */
struct fed {
    struct jb__http_request req;
    struct jb__http_fault fault; /* status 0 accepted, 1 incomplete */
    struct jb_str held;
    bool done;
};

static void feed(struct jb_str text, enum arrival how, struct prng *r, struct fed *f)
{
    struct jb__http_parser parser;
    enum jb__http_step step = JB__HTTP_MORE;

    jb__http_parser_init(&parser, &limits);
    f->held = JB_STR_NONE;
    for (size_t n = 0; step == JB__HTTP_MORE && n < text.n;) {
        n = next_total(how, r, n, text.n);
        free((void *)(uintptr_t)f->held.p);
        f->held = exact_copy(text, n);
        step = jb__http_parse_request(&parser, f->held, &f->req);
    }
    f->fault = parser.fault;
    if (step == JB__HTTP_MORE)
        f->fault = (struct jb__http_fault){ 1, "incomplete" };
    f->done = step == JB__HTTP_DONE;
}

static void release(struct fed *f)
{
    free((void *)(uintptr_t)f->held.p);
}

/* The status of the answer: 0 accepted, 1 incomplete; the same in whatever pieces it arrives. */
static unsigned status_of(struct jb_str text)
{
    struct prng r = { 88172645463325252u };
    unsigned first = 0;

    for (int round = 0; round < 8; round++) {
        enum arrival how = round < 2 ? (enum arrival)round : RANDOM;
        struct fed f;
        feed(text, how, &r, &f);
        assert_int_equal(f.done, f.fault.status == 0);
        assert_true(f.done || f.fault.words != NULL);
        if (round == 0)
            first = f.fault.status;
        if (first != f.fault.status)
            fail_msg("%u whole, %u in pieces: %.*s", first, f.fault.status, JB_STR_ARG(text));
        release(&f);
    }
    return first;
}

static void expect(unsigned status, struct jb_str text)
{
    unsigned got = status_of(text);

    if (got != status)
        fail_msg("expected %u, got %u: %.*s", status, got, JB_STR_ARG(text));
}

#define EXPECT(status, text) expect(status, JB_STR(text))

static void reads_a_request(void **state)
{
    static const char text[] = "GET /xmpp-websocket/a%20b?x=1&y=%41 HTTP/1.1\r\n"
                               "Host: example.org:5280\r\n"
                               "X-Empty:\r\n"
                               "connection:  keep-alive , Upgrade \t\r\n\r\nframes";
    struct prng r = { 1 };
    (void)state;

    for (enum arrival how = WHOLE; how < ARRIVALS; how++) {
        struct fed f;
        struct jb_str value;
        feed(jb_str(text, sizeof text - 1), how, &r, &f);
        assert_true(f.done);
        assert_int_equal(f.req.method, JB__HTTP_GET);
        assert_true(jb_str_eqz(f.req.method_name, "GET"));
        assert_true(jb_str_eqz(f.req.target, "/xmpp-websocket/a%20b?x=1&y=%41"));
        assert_true(jb_str_eqz(f.req.path, "/xmpp-websocket/a b"));
        assert_true(jb_str_eqz(f.req.query, "x=1&y=%41"));
        assert_true(jb_str_eqz(f.req.host, "example.org:5280"));
        assert_int_equal(f.req.bytes, sizeof text - 1 - strlen("frames"));
        assert_int_equal(f.req.content_length, 0);
        assert_true(f.req.keep_alive && !f.req.http10 && !f.req.expect_continue);
        assert_int_equal(jb__http_field_count(f.req.fields, JB_STR("HOST")), 1);
        assert_true(jb__http_field_find(f.req.fields, JB_STR("x-empty"), &value));
        assert_int_equal(value.n, 0);
        assert_true(jb__http_field_find(f.req.fields, JB_STR("Connection"), &value));
        assert_true(jb_str_eqz(value, "keep-alive , Upgrade"));
        release(&f);
    }
}

/* Case 10: what stands behind the head is not part of it. */
static void leaves_pipelined_bytes(void **state)
{
    struct jb__http_parser parser;
    struct jb__http_request req;
    const struct jb_str text =
        JB_STR("GET / HTTP/1.1\r\n" HOST "\r\n\x81\x85GET / HTTP/9.9\r\n\r\n");
    (void)state;

    jb__http_parser_init(&parser, &limits);
    assert_int_equal(jb__http_parse_request(&parser, text, &req), JB__HTTP_DONE);
    assert_int_equal(req.bytes, strlen("GET / HTTP/1.1\r\n" HOST "\r\n"));
}

static void reads_methods_and_versions(void **state)
{
    (void)state;
    EXPECT(0, "GET / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(0, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(0, "BREW /pot HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(0, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(0, "GET / HTTP/1.0\r\n\r\n");
    EXPECT(0, "GET / HTTP/1.7\r\n" HOST "\r\n");
    EXPECT(0, "GET http://example.org/a HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(0, "GET WSS://example.org HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
    EXPECT(505, "PRI * HTTP/2.0\r\n\r\n");
    EXPECT(400, "GET / http/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET / HTTP/1.10\r\n" HOST "\r\n");
    EXPECT(400, "GET / HTTP/1.1 \r\n" HOST "\r\n");
    EXPECT(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET /\r\n" HOST "\r\n");
    EXPECT(400, "GET\r\n" HOST "\r\n");
    EXPECT(400, " GET / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "G(T / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET a HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET * HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET /#a HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "CONNECT example.org:443 HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "\x16\x03\x01\x02");
    EXPECT(400, "<stream:stream");
    EXPECT(1, "GET / HTTP/1.1\r\n" HOST);
    EXPECT(1, "GET / HTTP/1.1\r\n" HOST "\r");
}

/* Case 4: Host. */
static void wants_one_host(void **state)
{
    (void)state;
    EXPECT(400, "GET / HTTP/1.1\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n");
    EXPECT(400, "GET / HTTP/1.0\r\n" HOST HOST "\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost:\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: a:1x\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n");
    EXPECT(0, "GET / HTTP/1.1\r\nHost: [::1]:5280\r\n\r\n");
    EXPECT(0, "GET / HTTP/1.1\r\nHost: a_b.example:\r\n\r\n");
}

static void splits_hosts(void **state)
{
    struct jb_str host;
    int port;
    (void)state;

    assert_true(jb__http_split_host(JB_STR("[2001:db8::1]:5280"), &host, &port));
    assert_true(jb_str_eqz(host, "2001:db8::1") && port == 5280);
    assert_true(jb__http_split_host(JB_STR("a.example"), &host, &port));
    assert_true(jb_str_eqz(host, "a.example") && port == -1);
    assert_true(jb__http_split_host(JB_STR("a:0"), &host, &port));
    assert_int_equal(port, 0);
    assert_false(jb__http_split_host(JB_STR(""), &host, &port));
    assert_false(jb__http_split_host(JB_STR(":80"), &host, &port));
}

/* An absolute target counts, and Host is ignored (RFC 9112 3.2.2). */
static void believes_an_absolute_target(void **state)
{
    struct jb__http_parser parser;
    struct jb__http_request req;
    (void)state;

    jb__http_parser_init(&parser, &limits);
    assert_int_equal(jb__http_parse_request(
                         &parser, JB_STR("GET https://b.example?q HTTP/1.1\r\n" HOST "\r\n"), &req),
                     JB__HTTP_DONE);
    assert_true(jb_str_eqz(req.host, "b.example"));
    assert_true(jb_str_eqz(req.path, "/"));
    assert_true(jb_str_eqz(req.query, "q"));
    EXPECT(400, "GET http:///a HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET http://u@b.example/ HTTP/1.1\r\n" HOST "\r\n");
    EXPECT(400, "GET ftp://b.example/ HTTP/1.1\r\n" HOST "\r\n");
}

/* Case 5: everything two servers could read differently. */
static void refuses_smuggling(void **state)
{
    (void)state;
#define POST "POST / HTTP/1.1\r\n" HOST
    EXPECT(0, POST "Content-Length: 5\r\n\r\n");
    EXPECT(0, POST "\r\n");
    EXPECT(400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n");
    EXPECT(400, POST "Content-Length: 5, 5\r\n\r\n");
    EXPECT(400, POST "Content-Length: +5\r\n\r\n");
    EXPECT(400, POST "Content-Length: 0x5\r\n\r\n");
    EXPECT(400, POST "Content-Length:\r\n\r\n");
    EXPECT(400, POST "Content-Length: 18446744073709551616\r\n\r\n");
    EXPECT(413, POST "Content-Length: 18446744073709551615\r\n\r\n");
    EXPECT(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT(400, POST "Transfer-Encoding: chunked\r\ncontent-length: 0\r\n\r\n");
    EXPECT(411, POST "Transfer-Encoding: chunked\r\n\r\n");
    EXPECT(411, POST "Transfer-Encoding: x\r\n\r\n");
    EXPECT(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    EXPECT(400, "HEAD / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    EXPECT(0, "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    EXPECT(400, POST "Upgrade: websocket\r\nContent-Length: 5\r\n\r\n");
    EXPECT(400, POST "A: b\r\n c\r\n\r\n");
    EXPECT(400, POST "A: b\r\n\tc\r\n\r\n");
    EXPECT(400, POST " A: b\r\n\r\n");
    EXPECT(400, POST "A : b\r\n\r\n");
    EXPECT(400, POST "A\r\n\r\n");
    EXPECT(400, POST ": b\r\n\r\n");
    EXPECT(400, POST "A\x01: b\r\n\r\n");
    EXPECT(400, POST "A: b\rc\r\n\r\n");
    EXPECT(400, POST "A: b\r\r\n\r\n");
    EXPECT(400, POST "A: b\n\r\n");
    EXPECT(400, POST "\n");
    EXPECT(400, POST "A: b\0c\r\n\r\n");
    EXPECT(400, POST "A: b\x7f\r\n\r\n");
    EXPECT(400, POST "A: b\x0b\r\n\r\n");
    EXPECT(0, POST "A: b\tc \xc3\xa4\r\n\r\n");
    EXPECT(400, "GET / HTTP/1.1\r" HOST "\r\n");
    EXPECT(400, "GET /\tHTTP/1.1\r\n" HOST "\r\n");
    EXPECT(417, POST "Expect: cake\r\n\r\n");
    EXPECT(0, POST "Expect: 100-Continue\r\n\r\n");
}

static void decides_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        { "GET / HTTP/1.1\r\n" HOST "\r\n", true },
        { "GET / HTTP/1.1\r\n" HOST "Connection: a, CLOSE\r\n\r\n", false },
        { "GET / HTTP/1.1\r\n" HOST "Connection: a\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__http_parser parser;
        struct jb__http_request req;
        jb__http_parser_init(&parser, &limits);
        assert_int_equal(jb__http_parse_request(&parser, jb_strz(rows[i].text), &req),
                         JB__HTTP_DONE);
        assert_int_equal(req.keep_alive, rows[i].keep);
    }
}

static unsigned path_status(const char *path)
{
    char text[8192];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", path);

    return status_of(jb_str(text, (size_t)n));
}

/* Case 8: a path in any disguise is no path. */
static void refuses_paths_in_disguise(void **state)
{
    static const char *const bad[] = {
        "/..%2f",  "/%2e",       "/%252e",      "//",     "/a//b",    "/;x=y",
        "/a;x=y",  "/%u002e",    "/%3b",        "/%5c",   "/a\\b",    "/.",
        "/..",     "/a/../b",    "/a/./b",      "/a/..",  "/a/.",     "/%",
        "/%4",     "/%4g",       "/%00",        "/%0a",   "/%7f",     "/%ff",
        "/%c0%ae", "/%ed%a0%80", "/a%2fb",      "/a%2Fb", "/%2E%2E/", "/setup/%2e%2e/admin",
        "/%25",    "/a%2eb",     "/a/%2e%2e/b", "/..?x",
    };
    static const char *const good[] = {
        "/",      "/a",      "/a/",      "/a/b",       "/%41", "/...", "/.well-known/host-meta",
        "/a%20b", "/%c3%a4", "/a.b/..c", "/a?//..%2f;"
    };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (path_status(bad[i]) != 404)
            fail_msg("not refused: %s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (path_status(good[i]) != 0)
            fail_msg("refused: %s", good[i]);
}

static void bounds_the_path(void **state)
{
    char path[JB__HTTP_PATH_BYTES * 3 + 8];
    (void)state;

    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[JB__HTTP_PATH_BYTES] = '\0';
    assert_int_equal(path_status(path), 0);
    path[JB__HTTP_PATH_BYTES] = 'a';
    path[JB__HTTP_PATH_BYTES + 1] = '\0';
    assert_int_equal(path_status(path), 414);
    for (size_t i = 0; i < JB__HTTP_PATH_BYTES; i++)
        memcpy(path + 1 + 3 * i, "%61", 4);
    assert_int_equal(path_status(path), 414);
    path[1 + 3 * (JB__HTTP_PATH_BYTES - 1)] = '\0';
    assert_int_equal(path_status(path), 0);
}

/* Cases 4 and 5: limit - 1, limit, limit + 1. */
static void bounds_the_head(void **state)
{
    static const char start[] = "GET / HTTP/1.1\r\n" HOST "A: ";
    char text[9000];
    (void)state;

    for (int over = -1; over <= 1; over++) {
        size_t n = (size_t)((int)limits.http_head_bytes + over);
        memset(text, 'a', sizeof text);
        memcpy(text, start, sizeof start - 1);
        memcpy(text + n - 4, "\r\n\r\n", 4);
        expect(over > 0 ? 431 : 0, jb_str(text, n));
        expect(over > 0 ? 431 : 0, jb_str(text, sizeof text));
    }
    memset(text, 'a', sizeof text);
    expect(414, jb_str(text, sizeof text));
    expect(414, jb_str(text, limits.http_head_bytes));
    expect(1, jb_str(text, limits.http_head_bytes - 1));
}

static void bounds_the_headers(void **state)
{
    char text[4096];
    (void)state;

    for (unsigned count = limits.http_headers - 1; count <= limits.http_headers + 2; count++) {
        int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
        for (unsigned i = 1; i < count; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "a: b\r\n");
        n += snprintf(text + n, sizeof text - (size_t)n, "\r\n");
        expect(count > limits.http_headers ? 431 : 0, jb_str(text, (size_t)n));
    }
}

static void bounds_the_body(void **state)
{
    char text[256];
    (void)state;

    for (int over = -1; over <= 1; over++) {
        int n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                         (int)limits.http_body_bytes + over);
        expect(over > 0 ? 413 : 0, jb_str(text, (size_t)n));
    }
}

/* Whatever a byte is turned into: the same verdict in all pieces, and slices inside the input. */
static void survives_mutation(void **state)
{
    static const char base[] = "GET /a%20b/c?x=1 HTTP/1.1\r\nHost: [::1]:80\r\n"
                               "Connection: Upgrade, x\r\nContent-Length: 0\r\n\r\n";
    static const char bytes[] = "\0\r\n\t :%/.;?#[]\"\\a0\x7f\x80\xff";
    struct prng r = { 4711 };
    char text[sizeof base - 1];
    (void)state;

    for (int round = 0; round < 20000; round++) {
        memcpy(text, base, sizeof text);
        for (size_t k = 1 + prng_below(&r, 3); k > 0; k--)
            text[prng_below(&r, sizeof text)] = bytes[prng_below(&r, sizeof bytes - 1)];
        struct fed a, b;
        feed(jb_str(text, sizeof text), WHOLE, &r, &a);
        feed(jb_str(text, sizeof text), RANDOM, &r, &b);
        assert_int_equal(a.fault.status, b.fault.status);
        if (a.done) {
            struct jb_str fields = a.req.fields;
            assert_true(a.req.path.p[0] == '/' || jb_str_eqz(a.req.path, "*"));
            assert_true(a.req.bytes <= sizeof text && a.req.bytes == b.req.bytes);
            assert_true(fields.p >= a.held.p && fields.p + fields.n <= a.held.p + a.held.n);
        }
        release(&a);
        release(&b);
    }
}

static void reads_a_response(void **state)
{
    struct jb__http_parser parser;
    struct jb__http_response resp;
    struct jb_str value;
    const struct jb_str text = JB_STR("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81");
    static const char *const bad[] = {
        "HTTP/1.1 99 x\r\n\r\n",        "HTTP/1.1 600 x\r\n\r\n",        "HTTP/2.0 101 x\r\n\r\n",
        "HTTP/1.1 1010 x\r\n\r\n",      "HTTP/1.1  101 x\r\n\r\n",       "SIP/1.1 101 x\r\n\r\n",
        "HTTP/1.1 101 x\nA: b\r\n\r\n", "HTTP/1.1 101 x\r\nA b\r\n\r\n", "\r\n\r\n",
    };
    (void)state;

    jb__http_parser_init(&parser, &limits);
    for (size_t n = 0; n < text.n - 2; n++)
        assert_int_equal(jb__http_parse_response(&parser, jb_str(text.p, n), &resp), JB__HTTP_MORE);
    assert_int_equal(jb__http_parse_response(&parser, text, &resp), JB__HTTP_DONE);
    assert_int_equal(resp.status, 101);
    assert_true(jb_str_eqz(resp.reason, "Switching Protocols"));
    assert_int_equal(resp.bytes, text.n - 1);
    assert_true(jb__http_field_find(resp.fields, JB_STR("a"), &value) && jb_str_eqz(value, "b"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        jb__http_parser_init(&parser, &limits);
        if (jb__http_parse_response(&parser, jb_strz(bad[i]), &resp) != JB__HTTP_FAULT)
            fail_msg("not refused: %s", bad[i]);
    }
    jb__http_parser_init(&parser, &limits);
    assert_int_equal(jb__http_parse_response(&parser, JB_STR("HTTP/1.1 200\r\n\r\n"), &resp),
                     JB__HTTP_DONE);
    assert_int_equal(resp.reason.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(leaves_pipelined_bytes),
        cmocka_unit_test(reads_methods_and_versions),
        cmocka_unit_test(wants_one_host),
        cmocka_unit_test(splits_hosts),
        cmocka_unit_test(believes_an_absolute_target),
        cmocka_unit_test(refuses_smuggling),
        cmocka_unit_test(decides_keep_alive),
        cmocka_unit_test(refuses_paths_in_disguise),
        cmocka_unit_test(bounds_the_path),
        cmocka_unit_test(bounds_the_head),
        cmocka_unit_test(bounds_the_headers),
        cmocka_unit_test(bounds_the_body),
        cmocka_unit_test(survives_mutation),
        cmocka_unit_test(reads_a_response),
    };

    limits = jb_limits_default;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
