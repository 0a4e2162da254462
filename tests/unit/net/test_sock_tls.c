/* SPDX-License-Identifier: MIT */
/* TLS connections.  SIGPIPE has its default action here: one signal and the test is dead. */
#include "tls_kit.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void test_handshake_in_steps(void **state)
{
    static const size_t steps[] = { 65536, 1, 7, 1000 };
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    for (int v = 0; v < 2; v++) {
        for (int k = 0; k < 4; k++) {
            struct kit_client c;
            char buf[8];
            kit_client_init(&c, versions[v], NULL);
            c.step = steps[k];
            struct jb__sock s = kit_connect(&c, ctx);
            assert_int_equal(kit_handshake(&c, &s), 0);
            assert_string_equal(jb__sock_tls_version(&s), v ? "TLSv1.3" : "TLSv1.2");
            assert_non_null(jb__sock_tls_cipher(&s));
            assert_int_equal(jb__sock_tls_name(&s).n, 0);
            kit_client_write(&c, "ping", 4);
            assert_int_equal(jb__sock_read(&s, buf, sizeof buf), 4);
            assert_int_equal(jb__sock_read(&s, buf, sizeof buf), JB_EAGAIN);
            assert_int_equal(jb__sock_write(&s, "pong", 4), 4);
            assert_int_equal(kit_client_read(&c, buf, 8), 4);
            jb__sock_close(&s);
            kit_client_deinit(&c);
        }
    }
    jb__tls_ctx_unref(ctx);
}

static void expect_name(struct jb__tls_ctx *ctx, const char *asked, const char *got)
{
    struct kit_client c;

    kit_client_init(&c, 0, asked);
    struct jb__sock s = kit_connect(&c, ctx);
    assert_int_equal(kit_handshake(&c, &s), 0);
    X509 *cert = SSL_get1_peer_certificate(c.ssl);
    assert_int_equal(X509_check_host(cert, got, 0, 0, NULL), 1);
    assert_true(jb_str_eqz(jb__sock_tls_name(&s), asked ? asked : ""));
    X509_free(cert);
    jb__sock_close(&s);
    kit_client_deinit(&c);
}

static void test_server_name(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    expect_name(ctx, "a.example", "a.example");
    expect_name(ctx, "b.example", "b.example");
    expect_name(ctx, "B.Example", "b.example");
    expect_name(ctx, "c.example", "a.example");
    expect_name(ctx, NULL, "a.example");
    jb__tls_ctx_unref(ctx);
}

static void test_bindings(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    uint8_t ours[JB__BINDING_BYTES], theirs[JB__BINDING_BYTES], before[JB__BINDING_BYTES] = { 0 };
    static const char label[] = "EXPORTER-Channel-Binding";

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct kit_client c;
        struct jb__sock s = kit_up(&c, ctx, versions[v]);
        assert_int_equal(jb__sock_binding_exporter(&s, ours), 32);
        assert_int_equal(SSL_export_keying_material(c.ssl, theirs, 32, label, 24, theirs, 0, 1), 1);
        assert_memory_equal(ours, theirs, 32);
        assert_memory_not_equal(ours, before, 32); /* each connection its own */
        memcpy(before, ours, 32);
        X509 *cert = SSL_get1_peer_certificate(c.ssl);
        unsigned n;
        assert_int_equal(X509_digest(cert, EVP_sha256(), theirs, &n), 1);
        assert_int_equal(jb__sock_binding_end_point(&s, ours), n);
        assert_memory_equal(ours, theirs, n);
        X509_free(cert);
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    /* The end point is the certificate that this client saw. */
    struct kit_client c;
    kit_client_init(&c, 0, "b.example");
    struct jb__sock s = kit_connect(&c, ctx);
    assert_int_equal(jb__sock_binding_exporter(&s, ours), 0); /* not before the handshake */
    assert_int_equal(jb__sock_binding_end_point(&s, ours), 0);
    assert_int_equal(kit_handshake(&c, &s), 0);
    assert_int_equal(jb__sock_binding_end_point(&s, ours), 32);
    assert_memory_not_equal(ours, theirs, 32);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    /* TLS 1.2 without extended master secret. */
    kit_client_init(&c, TLS1_2_VERSION, NULL);
    SSL_set_options(c.ssl, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    s = kit_connect(&c, ctx);
    assert_int_equal(kit_handshake(&c, &s), 0);
    assert_int_equal(jb__sock_binding_exporter(&s, ours), 0);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

static void test_refused_handshakes(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    struct jb__sock s;

    (void)state;
    kit_client_init(&c, TLS1_1_VERSION, NULL);
    SSL_CTX_set_security_level(c.ctx, 0);
    SSL_set_security_level(c.ssl, 0);
    s = kit_connect(&c, ctx);
    assert_int_equal(kit_handshake(&c, &s), JB_EIO);
    assert_non_null(strstr(jb__sock_why(), "protocol"));
    assert_int_equal(jb__sock_handshake(&s), JB_EIO);
    assert_int_equal(jb__sock_shutdown(&s), 0); /* no close_notify on what is broken */
    jb__sock_close(&s);
    kit_client_deinit(&c);

    kit_client_init(&c, TLS1_2_VERSION, NULL);
    SSL_set_cipher_list(c.ssl, "AES128-SHA");
    s = kit_connect(&c, ctx);
    assert_int_equal(kit_handshake(&c, &s), JB_EIO);
    jb__sock_close(&s);
    kit_client_deinit(&c);

    kit_client_init(&c, 0, NULL);
    s = kit_connect(&c, ctx);
    assert_int_equal(write(c.fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_int_equal(jb__sock_handshake(&s), JB_EIO);
    assert_non_null(strstr(jb__sock_why(), "http request"));
    jb__sock_close(&s);
    kit_client_deinit(&c);

    kit_client_init(&c, 0, NULL);
    s = kit_connect(&c, ctx);
    assert_int_equal(jb__sock_handshake(&s), JB_EAGAIN);
    assert_int_equal(s.want, JB__WANT_READ);
    close(c.fd);
    c.fd = -1;
    assert_int_equal(jb__sock_handshake(&s), JB_ECLOSED);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

static void test_the_oldest_version(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx_from(JB__TLS_1_3);
    struct kit_client c;
    struct jb__sock s;

    (void)state;
    for (int v = 0; v < 2; v++) {
        kit_client_init(&c, versions[v], "b.example"); /* a rule of all hosts, not of the first */
        s = kit_connect(&c, ctx);
        assert_int_equal(kit_handshake(&c, &s), v ? 0 : JB_EIO);
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

/* OpenSSL tells nobody what it holds; that it was told to let go is what can be seen. */
static void test_idle_connections_keep_no_buffers(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct kit_client c;
        struct jb__sock s = kit_up(&c, ctx, versions[v]);
        assert_true(SSL_get_mode(s.ssl) & SSL_MODE_RELEASE_BUFFERS);
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

static void test_renegotiation_is_refused(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    char buf[8];
    struct jb__sock s = kit_up(&c, ctx, TLS1_2_VERSION);

    (void)state;
    assert_int_equal(SSL_renegotiate(c.ssl), 1);
    for (int k = 0; k < 10; k++) {
        ERR_clear_error();
        (void)SSL_do_handshake(c.ssl);
        while (kit_carry(&c))
            ;
        /* The server reads the request and goes on as if there were none. */
        ssize_t got = jb__sock_read(&s, buf, sizeof buf);
        assert_true(got == JB_EAGAIN || got == JB_EIO || got == JB_ECLOSED);
    }
    assert_int_equal(SSL_num_renegotiations(c.ssl), 1); /* asked */
    assert_false(SSL_is_init_finished(c.ssl));          /* never granted */
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

static void test_alpn(void **state)
{
    static const struct {
        const char *offered, *chosen;
    } cases[] = { { "\x02h2\x08http/1.1", "http/1.1" }, { "\x02h2", "" } };
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    for (int k = 0; k < 2; k++) {
        const unsigned char *chosen;
        unsigned n;
        struct kit_client c;
        kit_client_init(&c, 0, NULL);
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)cases[k].offered,
                            (unsigned)strlen(cases[k].offered));
        struct jb__sock s = kit_connect(&c, ctx);
        assert_int_equal(kit_handshake(&c, &s), 0);
        SSL_get0_alpn_selected(c.ssl, &chosen, &n);
        assert_true(jb_str_eqz(jb_str((const char *)chosen, n), cases[k].chosen));
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

/* A ticket makes the second handshake short; the exporter is the second connection's own. */
static void test_resumption(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    uint8_t first[JB__BINDING_BYTES], second[JB__BINDING_BYTES];
    char buf[8];

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct kit_client c, again;
        struct jb__sock s = kit_up(&c, ctx, versions[v]);
        assert_int_equal(jb__sock_binding_exporter(&s, first), 32);
        assert_int_equal(kit_client_read(&c, buf, 8), -1); /* takes in the ticket */
        SSL_SESSION *session = SSL_get1_session(c.ssl);
        kit_client_init(&again, versions[v], "a.example");
        SSL_set_session(again.ssl, session);
        struct jb__sock s2 = kit_connect(&again, ctx);
        assert_int_equal(kit_handshake(&again, &s2), 0);
        assert_int_equal(SSL_session_reused(again.ssl), 1);
        assert_int_equal(jb__sock_binding_exporter(&s2, second), 32);
        assert_memory_not_equal(first, second, 32);
        assert_int_equal(jb__sock_binding_end_point(&s2, second), 32);
        SSL_SESSION_free(session);
        jb__sock_close(&s);
        jb__sock_close(&s2);
        kit_client_deinit(&c);
        kit_client_deinit(&again);
    }
    jb__tls_ctx_unref(ctx);
}

static void test_no_early_data(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    char buf[8];
    struct jb__sock s = kit_up(&c, ctx, TLS1_3_VERSION);

    (void)state;
    assert_int_equal(kit_client_read(&c, buf, 8), -1);
    assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(c.ssl)), 0);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

/* A megabyte in odd pieces through a socket that is always too full; after each refusal the bytes
 * stand somewhere else. */
static void test_large_writes(void **state)
{
    enum { TOTAL = 1 << 20, PIECES = 5 };
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    struct jb__sock s = kit_up(&c, ctx, 0);
    char *bytes = malloc(TOTAL), *got = malloc(TOTAL);
    size_t sent = 0, received = 0;
    bool refused = false;

    (void)state;
    for (size_t k = 0; k < TOTAL; k++)
        bytes[k] = (char)(k * 31 + (k >> 8));
    while (received < TOTAL) {
        struct iovec iov[PIECES];
        char *copy = NULL;
        size_t at = 0, n = TOTAL - sent < 70001 ? TOTAL - sent : 70001;
        if (n) {
            copy = malloc(n);
            memcpy(copy, bytes + sent, n);
            for (int k = 0; k < PIECES; k++) {
                size_t take = k == PIECES - 1 ? n - at : (n - at) / (size_t)(5 - k) / 2;
                iov[k] = (struct iovec){ copy + at, take };
                at += take;
            }
            ssize_t put = jb__sock_writev(&s, iov, PIECES);
            assert_true(put > 0 || put == JB_EAGAIN);
            refused = refused || put == JB_EAGAIN;
            sent += put > 0 ? (size_t)put : 0;
            if (put > 0 && received == 0 && !refused) {
                free(copy);
                continue; /* fill it up first */
            }
        }
        free(copy);
        int r = kit_client_read(&c, got + received, TOTAL - (int)received);
        received += r > 0 ? (size_t)r : 0;
    }
    assert_true(refused);
    assert_memory_equal(bytes, got, TOTAL);
    free(bytes);
    free(got);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

/* What was read ahead is not forgotten: pending says so until it is all read. */
static void test_pending(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    char buf[8];
    struct jb__sock s = kit_up(&c, ctx, 0);

    (void)state;
    (void)jb__sock_read(&s, buf, sizeof buf);
    assert_int_equal(SSL_write(c.ssl, "one", 3), 3);
    assert_int_equal(SSL_write(c.ssl, "two", 3), 3);
    while (kit_carry(&c))
        ;
    assert_int_equal(jb__sock_read(&s, buf, 2), 2);
    assert_true(jb__sock_pending(&s));
    assert_int_equal(jb__sock_read(&s, buf, 8), 1);
    assert_true(jb__sock_pending(&s));
    assert_int_equal(jb__sock_read(&s, buf, 8), 3);
    assert_memory_equal(buf, "two", 3);
    assert_int_equal(jb__sock_read(&s, buf, 8), JB_EAGAIN);
    assert_false(jb__sock_pending(&s));
    /* Half a record is nothing to read again for. */
    assert_int_equal(SSL_write(c.ssl, "three", 5), 5);
    c.step = 7;
    kit_carry(&c);
    assert_int_equal(jb__sock_read(&s, buf, 8), JB_EAGAIN);
    assert_false(jb__sock_pending(&s));
    while (kit_carry(&c))
        ;
    assert_int_equal(jb__sock_read(&s, buf, 8), 5);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

static void test_orderly_close(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    char buf[8];

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct kit_client c;
        struct jb__sock s = kit_up(&c, ctx, versions[v]);
        assert_int_equal(jb__sock_write(&s, "last", 4), 4);
        assert_int_equal(jb__sock_shutdown(&s), 0);
        assert_int_equal(kit_client_read(&c, buf, 8), 4);
        assert_int_equal(kit_client_read(&c, buf, 8), 0);
        assert_int_equal(SSL_get_shutdown(c.ssl), SSL_RECEIVED_SHUTDOWN);
        /* Reading goes on until they are done. */
        kit_client_write(&c, "ok", 2);
        assert_int_equal(jb__sock_read(&s, buf, 8), 2);
        SSL_shutdown(c.ssl);
        kit_carry(&c);
        assert_int_equal(jb__sock_read(&s, buf, 8), JB_ECLOSED);
        assert_true(s.peer_closed);
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

static void test_cut_off(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    char buf[8];

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct kit_client c;
        struct jb__sock s = kit_up(&c, ctx, versions[v]);
        (void)jb__sock_read(&s, buf, 8);
        close(c.fd);
        c.fd = -1;
        assert_int_equal(jb__sock_write(&s, "x", 1), JB_ECLOSED);
        assert_int_equal(jb__sock_write(&s, "x", 1), JB_EIO);
        assert_int_equal(jb__sock_read(&s, buf, 8), JB_EIO);
        jb__sock_close(&s);
        kit_client_deinit(&c);
        s = kit_up(&c, ctx, versions[v]);
        close(c.fd);
        c.fd = -1;
        assert_int_equal(jb__sock_read(&s, buf, 8), JB_EIO);
        assert_non_null(strstr(jb__sock_why(), "close_notify"));
        assert_int_equal(jb__sock_read(&s, buf, 8), JB_EIO);
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

/* Records that were changed on the way end the connection, each single byte of one. */
static void test_spoilt_records(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    for (int at = 0; at < 27; at++) {
        struct kit_client c;
        char buf[64];
        struct jb__sock s = kit_up(&c, ctx, TLS1_3_VERSION);
        assert_int_equal(SSL_write(c.ssl, "hello", 5), 5);
        int n = BIO_read(c.out, buf, sizeof buf);
        assert_int_equal(n, 27);
        buf[at] = (char)(buf[at] ^ 1);
        assert_int_equal(write(c.fd, buf, (size_t)n), n);
        ssize_t got = jb__sock_read(&s, buf, sizeof buf);
        /* A longer length waits for what never comes. */
        assert_true(got == JB_EIO || (got == JB_EAGAIN && (at == 3 || at == 4)));
        jb__sock_close(&s);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

/* An error that another connection left in this thread's queue is not this one's. */
static void test_stray_error(void **state)
{
    struct jb__tls_ctx *ctx = kit_ctx();
    struct kit_client c;
    char buf[8];
    struct jb__sock s = kit_up(&c, ctx, 0);

    (void)state;
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    assert_int_equal(jb__sock_read(&s, buf, 8), JB_EAGAIN);
    jb__sock_close(&s);
    kit_client_deinit(&c);
    jb__tls_ctx_unref(ctx);
}

static void test_reload(void **state)
{
    struct jb__tls_ctx *old = kit_ctx();
    struct kit_client c, d;
    char buf[8];
    struct jb__sock s = kit_up(&c, old, 0);

    (void)state;
    jb__tls_ctx_unref(old); /* the connection's reference is the last */
    struct jb__tls_ctx *new = kit_ctx();
    struct jb__sock t = kit_up(&d, new, 0);
    for (int k = 0; k < 3; k++) {
        kit_client_write(&c, "old", 3);
        assert_int_equal(jb__sock_read(&s, buf, 8), 3);
        kit_client_write(&d, "new", 3);
        assert_int_equal(jb__sock_read(&t, buf, 8), 3);
    }
    jb__tls_ctx_unref(new);
    jb__sock_close(&s);
    jb__sock_close(&t);
    kit_client_deinit(&c);
    kit_client_deinit(&d);
}

/* -- Without memory --------------------------------------------------------------------------- */

/* OpenSSL's memory: how much of it is in use, and which request fails. */
static struct {
    size_t live, calls, fail_at; /* 0: none fails */
} memory;

static bool must_fail(void)
{
    return ++memory.calls == memory.fail_at;
}

static void *tls_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (must_fail())
        return NULL;
    memory.live++;
    return malloc(n);
}

static void *tls_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (must_fail())
        return NULL;
    memory.live += !p;
    return realloc(p, n);
}

static void tls_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    memory.live -= p != NULL;
    free(p);
}

/* Makes a context and the first connection of it, without OpenSSL's k-th request: none when they
 * need fewer. */
static bool first_connection_without(const struct jb__tls_config *config, size_t k)
{
    struct jb__tls_error err;
    struct jb__tls_ctx *ctx;
    struct jb__sock s;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(jb__sock_adopt(&s, fds[0]), 0);
    assert_int_equal(jb__tls_ctx_new(config, &ctx, &err), 0);
    memory.calls = 0;
    memory.fail_at = k;
    const int rc = jb__sock_start_tls(&s, ctx);
    memory.fail_at = 0;
    const bool failed = memory.calls >= k;
    if (rc != 0) {
        assert_true(failed);
        assert_int_equal(rc, JB_ENOMEM);
        assert_int_equal(jb__sock_start_tls(&s, ctx), 0); /* the next one has what it needs */
    }
    jb__sock_close(&s);
    close(fds[1]);
    jb__tls_ctx_unref(ctx);
    ERR_clear_error();
    return failed;
}

static void test_out_of_memory(void **state)
{
    const struct jb__tls_own *own = kit_files("a.example");
    const struct jb__tls_cert cert = { "a.example", own->cert_file, own->key_file };
    const struct jb__tls_config config = { &jb_allocator_libc, &cert, 1, KIT_NOW_S, JB__TLS_1_2 };
    size_t k = 1;

    (void)state;
    first_connection_without(&config, SIZE_MAX); /* what OpenSSL keeps for later */
    const size_t before = memory.live;
    while (first_connection_without(&config, k)) {
        assert_int_equal(memory.live, before);
        k++;
    }
    assert_true(k > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_in_steps),
        cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_refused_handshakes),
        cmocka_unit_test(test_the_oldest_version),
        cmocka_unit_test(test_idle_connections_keep_no_buffers),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_no_early_data),
        cmocka_unit_test(test_large_writes),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_orderly_close),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_spoilt_records),
        cmocka_unit_test(test_stray_error),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_out_of_memory),
    };

    if (!CRYPTO_set_mem_functions(tls_malloc, tls_realloc, tls_free))
        return 1;
    return cmocka_run_group_tests_name("sock_tls", tests, kit_setup, kit_teardown);
}
