/* SPDX-License-Identifier: MIT */
/* What the tests of TLS share: certificates in a folder of their own, and a client by OpenSSL whose
 * bytes the test carries to the server's socket in steps of its choosing. */
#ifndef JB_TESTS_TLS_KIT_H
#define JB_TESTS_TLS_KIT_H

#include "net/sock.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { KIT_NOW_S = 1790000000 }; /* in 2026 */

static char kit_dir[] = "/tmp/jabiru-tls-XXXXXX";

static inline int kit_setup(void **state)
{
    (void)state;
    return mkdtemp(kit_dir) ? 0 : -1;
}

static inline int kit_teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", kit_dir);
    return system(command);
}

/* The files of a host, made at the first call. */
static inline struct jb__tls_own *kit_files(const char *host)
{
    static struct jb__tls_own ring[4];
    static unsigned at;
    static const char *names[4];
    struct jb__tls_own *own = &ring[at % 4];
    struct jb__tls_error err = { "" };

    names[at % 4] = host;
    *own = (struct jb__tls_own){
        .dir = kit_dir, .hosts = &names[at % 4], .count = 1, .now_s = KIT_NOW_S
    };
    at++;
    if (jb__tls_own_certificate(own, &err) != 0)
        fail_msg("%s", err.text);
    return own;
}

/* A context for a.example (the default) and b.example. */
static inline struct jb__tls_ctx *kit_ctx_from(enum jb__tls_version minimum)
{
    struct jb__tls_own *a = kit_files("a.example"), *b = kit_files("b.example");
    const struct jb__tls_cert certs[] = { { "a.example", a->cert_file, a->key_file },
                                          { "b.example", b->cert_file, b->key_file } };
    const struct jb__tls_config config = { &jb_allocator_libc, certs, 2, KIT_NOW_S, minimum };
    struct jb__tls_error err = { "" };
    struct jb__tls_ctx *ctx;

    if (jb__tls_ctx_new(&config, &ctx, &err) != 0)
        fail_msg("%s", err.text);
    return ctx;
}

static inline struct jb__tls_ctx *kit_ctx(void)
{
    return kit_ctx_from(JB__TLS_1_2);
}

struct kit_client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* what the client reads, what it has written */
    int fd;        /* the other end of the server's socket */
    size_t step;   /* most bytes carried at a time, either way */
};

/* `version`: 0 or the only one to speak; `name`: SNI or NULL. */
static inline void kit_client_init(struct kit_client *c, int version, const char *name)
{
    *c = (struct kit_client){ .ctx = SSL_CTX_new(TLS_client_method()), .fd = -1, .step = 65536 };
    SSL_CTX_set_min_proto_version(c->ctx, version);
    SSL_CTX_set_max_proto_version(c->ctx, version);
    c->ssl = SSL_new(c->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(c->in, -1);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_connect_state(c->ssl);
    if (name)
        SSL_set_tlsext_host_name(c->ssl, name);
}

static inline void kit_client_deinit(struct kit_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    if (c->fd >= 0)
        close(c->fd);
    *c = (struct kit_client){ .fd = -1 };
}

/* A server socket with this client at its other end. */
static inline struct jb__sock kit_connect(struct kit_client *c, struct jb__tls_ctx *ctx)
{
    struct jb__sock s;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(jb__sock_adopt(&s, fds[0]), 0);
    assert_int_equal(jb__sock_start_tls(&s, ctx), 0);
    c->fd = fds[1];
    return s;
}

/* Carries one step each way; whether anything moved. */
static inline bool kit_carry(struct kit_client *c)
{
    char buf[65536];
    bool moved = false;
    int n = BIO_read(c->out, buf, (int)c->step);

    if (n > 0) {
        assert_int_equal(write(c->fd, buf, (size_t)n), n);
        moved = true;
    }
    ssize_t got = read(c->fd, buf, c->step);
    if (got > 0) {
        assert_int_equal(BIO_write(c->in, buf, (int)got), got);
        moved = true;
    }
    return moved;
}

/* Both handshakes to their end: the server's code. */
static inline int kit_handshake(struct kit_client *c, struct jb__sock *s)
{
    for (;;) {
        ERR_clear_error();
        (void)SSL_do_handshake(c->ssl);
        const bool moved = kit_carry(c);
        const int rc = jb__sock_handshake(s);
        if (rc != 0 && rc != JB_EAGAIN)
            return rc;
        if (rc == 0 && SSL_is_init_finished(c->ssl) && !moved)
            return 0;
        if (rc == JB_EAGAIN)
            assert_true(s->want == JB__WANT_READ || s->want == JB__WANT_WRITE);
    }
}

/* What the server wrote, as the client sees it; -1: nothing yet. */
static inline int kit_client_read(struct kit_client *c, void *p, int n)
{
    while (kit_carry(c))
        ;
    ERR_clear_error();
    return SSL_read(c->ssl, p, n);
}

static inline void kit_client_write(struct kit_client *c, const void *p, int n)
{
    ERR_clear_error();
    assert_int_equal(SSL_write(c->ssl, p, n), n);
    while (kit_carry(c))
        ;
}

/* A connection that is up. */
static inline struct jb__sock kit_up(struct kit_client *c, struct jb__tls_ctx *ctx, int version)
{
    kit_client_init(c, version, "a.example");
    struct jb__sock s = kit_connect(c, ctx);
    assert_int_equal(kit_handshake(c, &s), 0);
    return s;
}

#endif
