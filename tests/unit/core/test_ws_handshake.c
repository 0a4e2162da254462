/* SPDX-License-Identifier: MIT */
#include "core/ws_handshake.h"
#include "core/http_field.h"
#include "failing_alloc.h"
#include "pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define GET     "GET /xmpp-websocket HTTP/1.1\r\n"
#define HOST    "Host: example.org:5280\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define XMPP    "Sec-WebSocket-Protocol: xmpp\r\n"
#define GOOD    GET HOST UPGRADE VERSION KEY XMPP

static const struct jb_str hosts[] = { JB_STR_INIT("example.org"), JB_STR_INIT("b.example") };
static const struct jb_str allowed[] = { JB_STR_INIT("https://chat.example.net"),
                                         JB_STR_INIT("http://dev.example.net:3000"),
                                         JB_STR_INIT("nonsense"),
                                         JB_STR_INIT("capacitor://localhost") };
static struct jb__ws_handshake_options options;

/* Parses `text` and judges it; the answer is in *out. */
static struct jb__ws_handshake check(const char *text, struct jb__buf *out)
{
    static struct jb__http_request req; /* the verdict points into it */
    struct jb__http_parser parser;
    struct jb__ws_handshake h;

    jb__http_parser_init(&parser, &jb_limits_default);
    if (jb__http_parse_request(&parser, jb_strz(text), &req) != JB__HTTP_DONE)
        fail_msg("%u %s: %s", parser.fault.status, parser.fault.words, text);
    bool accepted = jb__ws_handshake_check(&req, &options, &h);
    assert_int_equal(accepted, h.fault.status == 0);
    if (out) {
        jb__buf_init(out, &jb_allocator_libc, 4096);
        assert_int_equal(jb__ws_handshake_answer(&h, out), 0);
    }
    return h;
}

static void expect(unsigned status, const char *text)
{
    struct jb__ws_handshake h = check(text, NULL);

    if (h.fault.status != status)
        fail_msg("%u: %s", h.fault.status, text);
}

/* The example of RFC 6455 1.3. */
static void accepts_as_in_the_rfc(void **state)
{
    struct jb__buf out;
    (void)state;

    check(GOOD "Origin: https://example.org\r\n\r\n", &out);
    assert_true(jb_str_eqz(jb__buf_str(&out),
                           "HTTP/1.1 101 Switching Protocols\r\n"
                           "Upgrade: websocket\r\n"
                           "Connection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                           "Sec-WebSocket-Protocol: xmpp\r\n\r\n"));
    jb__buf_deinit(&out);
    expect(0, GET HOST
           "upgrade: h2c, WebSocket\r\nConnection: keep-alive, UPGRADE\r\n" VERSION KEY XMPP
           "\r\n");
}

/* Case 4. */
static void refuses_malformed_upgrades(void **state)
{
    (void)state;
    expect(400, "POST / HTTP/1.1\r\n" HOST UPGRADE VERSION KEY XMPP "\r\n");
    expect(400, "GET / HTTP/1.0\r\n" HOST UPGRADE VERSION KEY XMPP "\r\n");
    expect(400, GET HOST VERSION KEY XMPP "\r\n");
    expect(400, GET HOST "Upgrade: websocket\r\n" VERSION KEY XMPP "\r\n");
    expect(400, GET HOST "Connection: Upgrade\r\n" VERSION KEY XMPP "\r\n");
    expect(400, GET HOST "Upgrade: websockets\r\nConnection: Upgrade\r\n" VERSION KEY XMPP "\r\n");
    expect(426, GET HOST UPGRADE KEY XMPP "\r\n");
    expect(426, GET HOST UPGRADE KEY XMPP "Sec-WebSocket-Version: 8\r\n\r\n");
    expect(426, GET HOST UPGRADE KEY XMPP "Sec-WebSocket-Version: 13, 8\r\n\r\n");
    expect(426, GET HOST UPGRADE KEY XMPP VERSION VERSION "\r\n");
    expect(400, GET HOST UPGRADE VERSION XMPP "\r\n");
    expect(400, GET HOST UPGRADE VERSION XMPP KEY KEY "\r\n");
#define WITH_KEY(k) GET HOST UPGRADE VERSION XMPP "Sec-WebSocket-Key: " k "\r\n\r\n"
    expect(400, WITH_KEY(""));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25jZQ="));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25jZQ"));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25jZR=="));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25jZWE="));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25j"));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25jZWFi"));
    expect(400, WITH_KEY("dGhlIHNhbXBsZSBub25j*Q=="));
    expect(400, WITH_KEY("dGhlIHNh bXBsZSBub25jZQ=="));
    expect(400, GOOD "Sec-WebSocket-Extensions: a;\r\n\r\n");
}

/* Case 3. */
static void chooses_xmpp_exactly(void **state)
{
    struct jb__ws_handshake h;
    (void)state;

#define WITH_PROTOCOL(p) GET HOST UPGRADE VERSION KEY p "\r\n"
    h = check(WITH_PROTOCOL("Sec-WebSocket-Protocol: foo, xmpp\r\n"), NULL);
    assert_true(jb_str_eqz(h.protocol, "xmpp"));
    h = check(WITH_PROTOCOL("Sec-WebSocket-Protocol: foo\r\nA: b\r\n"
                            "sec-websocket-protocol:a ,xmpp,b\r\n"),
              NULL);
    assert_true(jb_str_eqz(h.protocol, "xmpp"));
    expect(400, WITH_PROTOCOL(""));
    expect(400, WITH_PROTOCOL("Sec-WebSocket-Protocol: foo\r\n"));
    expect(400, WITH_PROTOCOL("Sec-WebSocket-Protocol: XMPP\r\n"));
    expect(400, WITH_PROTOCOL("Sec-WebSocket-Protocol: xmpp2, axmpp\r\n"));
    expect(400, WITH_PROTOCOL("Sec-WebSocket-Protocol: xm pp, xmpp\r\n"));
    expect(400, WITH_PROTOCOL("Sec-WebSocket-Protocol:\r\n"));
    options.protocol = JB__WS_PROTOCOL_ANY;
    h = check(WITH_PROTOCOL("Sec-WebSocket-Protocol: foo, xmpp\r\n"), NULL);
    assert_true(h.fault.status == 0 && jb_str_eqz(h.protocol, "foo"));
    h = check(WITH_PROTOCOL(""), NULL);
    assert_true(h.fault.status == 0 && h.protocol.n == 0);
}

static bool allows(const char *origin, const char *host)
{
    return jb__ws_origin_allowed(&options.origins, jb_strz(origin), jb_strz(host));
}

/* Cases 1 and 2. */
static void checks_origins(void **state)
{
    static const char *const good[] = {
        "https://chat.example.net",    "https://chat.example.net:443", "HTTPS://Chat.Example.NET",
        "http://dev.example.net:3000", "https://example.org",          "https://b.example",
        "https://EXAMPLE.org:443",     "capacitor://localhost",
    };
    static const char *const bad[] = {
        "null",
        "",
        "https://evil",
        "https://chat.example.net.evil",
        "https://evilchat.example.net",
        "http://chat.example.net",
        "https://chat.example.net:444",
        "https://chat.example.net:80",
        "http://dev.example.net",
        "https://chat.example.net/",
        "https://chat.example.net@evil",
        "https://chat.example.net, https://evil",
        "https://chat.example.net https://evil",
        "chat.example.net",
        "https:chat.example.net",
        "https:///chat.example.net",
        "://chat.example.net",
        "nonsense",
        "https://example.org:5281",
        "http://b.example",
        "file://",
        "ws://example.org",
        "capacitor://localhost:81",
        "chrome-extension://abcdef",
    };
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!allows(good[i], "example.org:5280"))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (allows(bad[i], "example.org:5280"))
            fail_msg("allowed: %s", bad[i]);
    options.origins.any = true;
    assert_true(allows("null", "example.org"));
}

/* Our own page: the origin is the host and port asked for, and that name is ours. */
static void allows_its_own_page(void **state)
{
    (void)state;
    assert_true(allows("http://example.org:5280", "example.org:5280"));
    assert_true(allows("http://example.org", "Example.org"));
    assert_true(allows("https://example.org:8443", "example.org:8443"));
    assert_true(allows("http://localhost:5280", "localhost:5280"));
    assert_true(allows("http://127.0.0.1:5280", "127.0.0.1:5280"));
    assert_true(allows("http://[::1]:5280", "[::1]:5280"));
    assert_false(allows("http://example.org:5281", "example.org:5280"));
    assert_false(allows("http://127.0.0.1:5280", "127.0.0.2:5280"));
    assert_false(allows("http://localhost:5280", "127.0.0.1:5280"));
    assert_false(allows("http://localhost", ""));
    assert_true(allows("https://example.org:443", "example.org"));
    /* a stranger's name that resolves to us (DNS rebinding) */
    assert_false(allows("http://evil.example:5280", "evil.example:5280"));
    assert_false(allows("http://1.2.3.4.evil.example", "1.2.3.4.evil.example"));
}

static void refuses_by_origin(void **state)
{
    struct jb__buf out;
    (void)state;

    expect(403, GOOD "Origin: https://evil\r\n\r\n");
    expect(403, GOOD "Origin: null\r\n\r\n");
    expect(403, GOOD "Origin:\r\n\r\n");
    expect(403, GOOD "Origin: https://example.org\r\nOrigin: https://evil\r\n\r\n");
    expect(0, GOOD "\r\n");
    expect(0, GOOD "Origin: https://example.org\r\nCookie: a=b\r\nAuthorization: x\r\n\r\n");
    check(GOOD "Origin: https://evil\r\n\r\n", &out);
    assert_non_null(memmem(out.p, out.n, "`origins`", 9));
    assert_true(jb_str_starts(jb__buf_str(&out), JB_STR("HTTP/1.1 403 Forbidden\r\n")));
    jb__buf_deinit(&out);
}

static void explains_itself(void **state)
{
    struct jb__buf out;
    (void)state;

    check(GET HOST KEY VERSION XMPP "\r\n", &out);
    assert_non_null(memmem(out.p, out.n, "proxy_set_header", 16));
    jb__buf_deinit(&out);
    check("GET / HTTP/1.0\r\n" HOST KEY VERSION XMPP "\r\n", &out);
    assert_non_null(memmem(out.p, out.n, "proxy_http_version 1.1", 22));
    jb__buf_deinit(&out);
    check(GET HOST UPGRADE KEY XMPP "\r\n", &out);
    assert_true(jb_str_starts(jb__buf_str(&out), JB_STR("HTTP/1.1 426 Upgrade Required\r\n"
                                                        "Sec-WebSocket-Version: 13\r\n")));
    jb__buf_deinit(&out);
}

static void tells_an_upgrade_from_a_page(void **state)
{
    static const struct {
        const char *fields;
        bool wanted;
    } rows[] = {
        { "", false }, { UPGRADE, true }, { KEY, true }, { VERSION, true }, { XMPP, false }
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__http_request req = { .fields = jb_strz(rows[i].fields) };
        assert_int_equal(jb__ws_handshake_wanted(&req), rows[i].wanted);
    }
}

/* Case 17: declined unless turned on. */
static void agrees_on_deflate(void **state)
{
    static const char text[] = GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    struct jb__buf out;
    (void)state;

    assert_false(check(text, &out).deflate.on);
    assert_null(memmem(out.p, out.n, "Extensions", 10));
    jb__buf_deinit(&out);
    options.deflate = true;
    assert_true(check(text, &out).deflate.on);
    assert_non_null(memmem(out.p, out.n, "Extensions: permessage-deflate; server_no_", 42));
    jb__buf_deinit(&out);
}

static const struct jb__ws_client_handshake client = {
    .host = JB_STR_INIT("example.org:5280"),
    .target = JB_STR_INIT("/xmpp-websocket?a=b"),
    .origin = JB_STR_INIT("https://example.org"),
    .protocol = JB_STR_INIT("xmpp"),
    .deflate = true,
    .nonce = "the sample nonc",
};

static const char *judge_response(const struct jb__ws_client_handshake *c, struct jb_str text)
{
    struct jb__http_parser parser;
    struct jb__http_response resp;
    struct jb__ws_deflate deflate;

    jb__http_parser_init(&parser, &jb_limits_default);
    if (jb__http_parse_response(&parser, text, &resp) != JB__HTTP_DONE)
        fail_msg("%s", parser.fault.words);
    return jb__ws_handshake_response(c, &resp, &deflate);
}

static void client_and_server_agree(void **state)
{
    struct jb__buf request, out;
    (void)state;

    options.deflate = true;
    jb__buf_init(&request, &jb_allocator_libc, 4096);
    assert_int_equal(jb__ws_handshake_request(&client, &request), 0);
    assert_int_equal(jb__buf_append(&request, "", 1), 0);
    assert_true(check(request.p, &out).deflate.on);
    assert_null(judge_response(&client, jb__buf_str(&out)));
    /* each byte of the answer's head, changed: refused or of no importance, never a crash */
    for (size_t i = 0; i < out.n; i++) {
        struct jb__http_parser parser;
        struct jb__http_response resp;
        struct jb__ws_deflate deflate;
        char was = out.p[i];
        out.p[i] ^= 1;
        jb__http_parser_init(&parser, &jb_limits_default);
        if (jb__http_parse_response(&parser, jb__buf_str(&out), &resp) == JB__HTTP_DONE)
            jb__ws_handshake_response(&client, &resp, &deflate);
        out.p[i] = was;
    }
    jb__buf_deinit(&request);
    jb__buf_deinit(&out);
}

static void client_refuses_bad_answers(void **state)
{
#define SWITCH "HTTP/1.1 101 x\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    struct jb__ws_client_handshake c = client;
    (void)state;

    c.nonce[15] = 'e';
    c.deflate = false;
    assert_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT XMPP "\r\n")));
    assert_non_null(judge_response(&c, JB_STR("HTTP/1.1 200 x\r\n" UPGRADE ACCEPT XMPP "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH ACCEPT XMPP "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH "Upgrade: websocket\r\n" ACCEPT XMPP "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH UPGRADE XMPP "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT ACCEPT XMPP "\r\n")));
    assert_non_null(judge_response(
        &c, JB_STR(SWITCH UPGRADE "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" XMPP
                                  "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT XMPP XMPP "\r\n")));
    assert_non_null(judge_response(
        &c, JB_STR(SWITCH UPGRADE ACCEPT XMPP "Sec-WebSocket-Extensions: x\r\n\r\n")));
    c.protocol = JB_STR_NONE;
    assert_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT "\r\n")));
    assert_non_null(judge_response(&c, JB_STR(SWITCH UPGRADE ACCEPT XMPP "\r\n")));
}

static void client_refuses_bad_addresses(void **state)
{
    static const struct jb_str bad[] = { JB_STR_INIT(""), JB_STR_INIT("/a b"),
                                         JB_STR_INIT("/a\r\nX: y"), JB_STR_INIT("a") };
    struct jb__buf out;
    (void)state;

    jb__buf_init(&out, &jb_allocator_libc, 4096);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct jb__ws_client_handshake c = client;
        c.target = bad[i];
        assert_int_equal(jb__ws_handshake_request(&c, &out), JB_EINVAL);
    }
    struct jb__ws_client_handshake c = client;
    c.origin = JB_STR("https://a\r\nX: y");
    assert_int_equal(jb__ws_handshake_request(&c, &out), JB_EINVAL);
    c = client;
    c.host = JB_STR("a\r\nX: y");
    assert_int_equal(jb__ws_handshake_request(&c, &out), JB_EINVAL);
    assert_int_equal(out.n, 0);
    jb__buf_deinit(&out);
}

static void handshake_scenario(struct failing_alloc *f, void *ctx)
{
    const struct jb__ws_handshake bad = { .fault = { 426, "words" } };
    struct jb__buf out;

    jb__buf_init(&out, &f->alloc, 8192);
    int rc = jb__ws_handshake_answer(ctx, &out);
    if (rc == 0)
        rc = jb__ws_handshake_answer(&bad, &out);
    if (rc == 0)
        rc = jb__ws_handshake_request(&client, &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    jb__buf_deinit(&out);
}

static void survives_no_memory(void **state)
{
    struct jb__ws_handshake good = check(GOOD "\r\n", NULL);
    (void)state;

    assert_true(failing_alloc_loop(handshake_scenario, &good) > 1);
}

static int setup(void **state)
{
    (void)state;
    options = (struct jb__ws_handshake_options){ .origins = { allowed, 4, hosts, 2, false } };
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepts_as_in_the_rfc, setup),
        cmocka_unit_test_setup(refuses_malformed_upgrades, setup),
        cmocka_unit_test_setup(chooses_xmpp_exactly, setup),
        cmocka_unit_test_setup(checks_origins, setup),
        cmocka_unit_test_setup(allows_its_own_page, setup),
        cmocka_unit_test_setup(refuses_by_origin, setup),
        cmocka_unit_test_setup(explains_itself, setup),
        cmocka_unit_test_setup(tells_an_upgrade_from_a_page, setup),
        cmocka_unit_test_setup(agrees_on_deflate, setup),
        cmocka_unit_test_setup(client_and_server_agree, setup),
        cmocka_unit_test_setup(client_refuses_bad_answers, setup),
        cmocka_unit_test_setup(client_refuses_bad_addresses, setup),
        cmocka_unit_test_setup(survives_no_memory, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
