/* SPDX-License-Identifier: MIT */
/* What arrives in one piece is taken whole, with no help from the client: bursts of small TLS
 * records, which one poll reports and TLS reads ahead, and a PROXY header with more of the
 * connection behind it.
 *
 * A reactor runs on the test's own thread; the client's bytes are carried by hand. */
#include "../net/tls_kit.h"
#include "test.h"
#include "base/log.h"
#include "server/conn.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

static const char conf_text[] = "storage = memory\n"
                                "host \"a.example\" { }\n"
                                "listener \"web\" { tls = own }\n"
                                "listener \"plain\" { port = 5281 }\n"
                                "listener \"proxied\" { port = 5282 tls = own\n"
                                "    trusted_proxies = { \"127.0.0.1\" } proxy_protocol = true }\n"
                                "listener \"both\" { port = 5283\n"
                                "    trusted_proxies = { \"127.0.0.1\" } proxy_protocol = true }\n"
                                "limits { input_rate_preauth = 1048576 }\n";
enum { WEB, PLAIN, PROXIED, PLAIN_PROXIED, LISTENERS };

static const char request[] = "GET /.well-known/host-meta HTTP/1.1\r\nHost: a.example\r\n\r\n";
static const char answer[] = "HTTP/1.1 200";

static struct server server;
static struct reactor reactor;
static struct listener listeners[LISTENERS];
static const struct jb__addr proxy = { .ip = { [10] = 0xff, 0xff, 127, 0, 0, 1 },
                                       .port = 40000,
                                       .is_set = true };

static struct conf *load(void)
{
    const struct config_modules none = { NULL, 0 };
    const struct config *config;
    struct config_error error;
    char path[64];

    snprintf(path, sizeof path, "%s/jabirud.conf", kit_dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(conf_text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    if (config_load(path, NULL, &none, &config, &error) != 0)
        fail_msg("%s", error.text);
    struct conf *conf = conf_new(config);
    conf->tls = kit_ctx();
    return conf;
}

static int begin(void **state)
{
    static const struct jb__hash_key key = { 1, 2 };

    (void)state;
    jb_log_config(JB_LOG_ERROR, JB_LOG_TEXT, 2);
    server = (struct server){ .conf = load(), .reactors = &reactor, .reactor_count = 1 };
    server.published = jb_zalloc(alloc, sizeof *server.published);
    gate_init(&server.gate, &key);
    for (int i = 0; i < LISTENERS; i++) {
        const struct config_listener *config = &server.conf->config->listeners[i];
        listeners[i] =
            (struct listener){ .server = &server, .config = config, .tls = (uint8_t)config->tls };
    }
    reactor_init(&reactor, &server, 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    uv_run(&reactor.loop, UV_RUN_NOWAIT);
    assert_int_equal(server.gate.connections, 0);
    reactor_stop(&reactor);
    uv_run(&reactor.loop, UV_RUN_DEFAULT);
    (void)reactor_drain(&reactor);
    reactor_deinit(&reactor);
    gate_deinit(&server.gate);
    jb_free(alloc, server.published);
    conf_unref(server.conf);
    return 0;
}

/* A connection to one of the listeners; returns the client's end. */
static int open_conn(int listener)
{
    struct jb__sock sock;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(jb__sock_adopt(&sock, fds[0]), 0);
    reactor_tick(&reactor);
    assert_int_equal(gate_enter_proxy(&server.gate, &reactor.conf->stream.limits, &proxy, 0),
                     JB_LIMIT_COUNT);
    conn_open(&reactor, &listeners[listener], sock, &proxy);
    return fds[1];
}

/* Lets the reactor do what it can; the wheel's timer is no reason to go on. */
static void run(void)
{
    for (int i = 0; i < 100; i++)
        uv_run(&reactor.loop, UV_RUN_NOWAIT);
}

static size_t count(const char *text, size_t n, const char *what)
{
    size_t found = 0;

    for (size_t i = 0; i + strlen(what) <= n; i++)
        found += memcmp(text + i, what, strlen(what)) == 0;
    return found;
}

static void finish(int fd)
{
    if (fd >= 0)
        close(fd);
    run();
    assert_true(jb__list_empty(&reactor.conns));
}

/* ---- TLS ---- */

/* Shakes hands; `before` goes out in one piece with the first flight. */
static void shake_hands(struct kit_client *c, struct jb_str before)
{
    char first[4096];

    ERR_clear_error();
    (void)SSL_do_handshake(c->ssl);
    assert_true(before.n < sizeof first / 2);
    if (before.n)
        memcpy(first, before.p, before.n);
    int n = BIO_read(c->out, first + before.n, (int)(sizeof first - before.n));
    assert_true(n > 0);
    assert_int_equal(write(c->fd, first, before.n + (size_t)n), before.n + (size_t)n);
    for (int i = 0; i < 20 && !SSL_is_init_finished(c->ssl); i++) {
        run();
        (void)kit_carry(c);
        ERR_clear_error();
        (void)SSL_do_handshake(c->ssl);
    }
    assert_true(SSL_is_init_finished(c->ssl));
    (void)kit_carry(c);
    run();
}

/* Everything the server has to say; more than its socket takes at once comes in parts. */
static size_t read_all(struct kit_client *c, char *p, size_t most)
{
    size_t n = 0, before;
    int got;

    do {
        before = n;
        while (n < most && (got = kit_client_read(c, p + n, (int)(most - n))) > 0)
            n += (size_t)got;
        run();
    } while (n > before);
    return n;
}

static void send_records(struct kit_client *c, int records)
{
    for (int i = 0; i < records; i++)
        assert_int_equal(SSL_write(c->ssl, request, (int)sizeof request - 1), sizeof request - 1);
    while (kit_carry(c)) /* all of it before the server looks */
        ;
    run();
}

static void test_burst_of_records(void **state)
{
    static const int bursts[] = { 1, 3, 4, 5, 6, 50 };
    static char text[100000];

    (void)state;
    for (size_t i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
        struct kit_client c;
        kit_client_init(&c, 0, "a.example");
        c.fd = open_conn(WEB);
        shake_hands(&c, JB_STR_NONE);
        send_records(&c, bursts[i]);
        size_t n = read_all(&c, text, sizeof text);
        assert_int_equal(count(text, n, answer), bursts[i]);
        kit_client_deinit(&c);
        finish(-1);
    }
}

/* The same while the connection was held, as by a login or a claim. */
static void test_burst_while_held(void **state)
{
    static char text[100000];
    struct kit_client c;

    (void)state;
    kit_client_init(&c, 0, "a.example");
    c.fd = open_conn(WEB);
    shake_hands(&c, JB_STR_NONE);
    struct conn *conn = jb__container_of(reactor.conns.next, struct conn, node);
    send_records(&c, 1); /* so that something was read ahead before, too */
    conn_hold(conn);
    send_records(&c, 20);
    assert_int_equal(count(text, read_all(&c, text, sizeof text), answer), 1);
    conn_release(conn);
    run();
    assert_int_equal(count(text, read_all(&c, text, sizeof text), answer), 20);
    kit_client_deinit(&c);
    finish(-1);
}

/* ---- the PROXY protocol ---- */

static const struct jb_str headers[] = {
    JB_STR_INIT("PROXY UNKNOWN\r\n"),
    JB_STR_INIT("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"),
    JB_STR_INIT("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
    JB_STR_INIT("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\7\xdc\4\1\xbb"),
};

static void test_proxy_header_with_hello(void **state)
{
    char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct kit_client c;
        kit_client_init(&c, 0, "a.example");
        c.fd = open_conn(PROXIED);
        shake_hands(&c, headers[i]);
        send_records(&c, 1);
        assert_int_equal(count(text, read_all(&c, text, sizeof text), answer), 1);
        kit_client_deinit(&c);
        finish(-1);
    }
}

static void test_proxy_header_with_request(void **state)
{
    char text[4096];

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        int fd = open_conn(PLAIN_PROXIED);
        memcpy(text, headers[i].p, headers[i].n);
        memcpy(text + headers[i].n, request, sizeof request - 1);
        size_t n = headers[i].n + sizeof request - 1;
        assert_int_equal(write(fd, text, n), n);
        run();
        ssize_t got = read(fd, text, sizeof text);
        assert_true(got > 0);
        assert_int_equal(count(text, (size_t)got, answer), 1);
        finish(fd);
    }
}

/* ---- neither ---- */

static void test_burst_of_requests(void **state)
{
    static char text[100000];
    int fd = open_conn(PLAIN);

    (void)state;
    for (int i = 0; i < 50; i++)
        assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    run();
    ssize_t got = read(fd, text, sizeof text);
    assert_true(got > 0);
    assert_int_equal(count(text, (size_t)got, answer), 50);
    finish(fd);
}

#define conn_test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        conn_test(test_burst_of_records),        conn_test(test_burst_while_held),
        conn_test(test_proxy_header_with_hello), conn_test(test_proxy_header_with_request),
        conn_test(test_burst_of_requests),
    };

    return cmocka_run_group_tests(tests, kit_setup, kit_teardown);
}
