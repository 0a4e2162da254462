/* SPDX-License-Identifier: MIT */
#include "cli/bench/tls.h"

#include "net/addr.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

int bench_tls_begin(struct bench *b)
{
    const struct bench_options *o = &b->options;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx)
        return JB_ENOMEM;
    b->tls = ctx;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    int good = o->ca_file ? SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL)
                          : SSL_CTX_set_default_verify_paths(ctx);
    return good == 1 ? 0 : JB_EINVAL;
}

void bench_tls_end(struct bench *b)
{
    SSL_CTX_free(b->tls);
    b->tls = NULL;
}

/* Names go into SNI and are checked; an address is checked as one (RFC 9525). */
static bool set_name(SSL *ssl, const char *host)
{
    struct jb__addr addr;

    if (jb__addr_parse(&addr, jb_strz(host)) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct ssl_st *bench_tls_new(struct ssl_ctx_st *ctx, int fd, const struct bench_options *o)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl && SSL_set_fd(ssl, fd) == 1 && set_name(ssl, o->host)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

void bench_tls_free(struct ssl_st *ssl)
{
    SSL_free(ssl);
}

static bool would_block(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int bench_tls_handshake(struct ssl_st *ssl, const char **why)
{
    ERR_clear_error();
    int result = SSL_do_handshake(ssl);
    if (result == 1)
        return 0;
    if (would_block(ssl, result))
        return JB_EAGAIN;
    long verdict = SSL_get_verify_result(ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    *why = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
           : reason             ? reason
                                : "the server hung up";
    return JB_EIO;
}

/* What SSL_read and SSL_write returned, as recv and send would. */
static ssize_t outcome(SSL *ssl, int result)
{
    if (result > 0)
        return result;
    if (SSL_get_error(ssl, result) == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = would_block(ssl, result) ? EAGAIN : EPROTO;
    return -1;
}

ssize_t bench_tls_read(struct ssl_st *ssl, void *p, size_t n)
{
    ERR_clear_error();
    return outcome(ssl, SSL_read(ssl, p, (int)n));
}

ssize_t bench_tls_write(struct ssl_st *ssl, const void *p, size_t n)
{
    ERR_clear_error();
    return outcome(ssl, SSL_write(ssl, p, (int)(n < INT32_MAX ? n : INT32_MAX)));
}
