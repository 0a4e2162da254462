/* SPDX-License-Identifier: MIT */
#include "net/tls.h"

#include "base/assert.h"
#include "net/sock_impl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

SSL_CTX *jb__tls_ctx_default(struct jb__tls_ctx *ctx)
{
    return ctx->hosts[0].ctx;
}

/* -- Rules ------------------------------------------------------------------------------------ */

/* Forward secrecy and authenticated encryption only; the order is the client's, who knows whether
 * it has AES in hardware. */
const char jb__tls_ciphers_12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
const char jb__tls_ciphers_13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/* An unknown name gets the default certificate: the client will see that it does not fit, which
 * says more than an alert. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct jb__tls_ctx *ctx = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (size_t k = 0; name && k < ctx->count; k++) {
        if (strcasecmp(ctx->hosts[k].name, name) != 0)
            continue;
        return SSL_set_SSL_CTX(ssl, ctx->hosts[k].ctx) ? SSL_TLSEXT_ERR_OK
                                                       : SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                   const unsigned char *in, unsigned in_n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Nobody sits at a terminal to type the key's password. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static SSL_CTX *make_rules(struct jb__tls_ctx *owner, enum jb__tls_version minimum)
{
    static const unsigned char session_context[] = "jabiru";
    const int version = minimum == JB__TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA);
    /* An idle connection keeps no record buffers; a write goes on from another address. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1); /* one system call for a record's head and body */
    /* Tickets hold the session; a cache of ours would only grow. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0); /* early data can be replayed */
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, owner);
    if (!SSL_CTX_set_min_proto_version(ctx, version) ||
        !SSL_CTX_set_cipher_list(ctx, jb__tls_ciphers_12) ||
        !SSL_CTX_set_ciphersuites(ctx, jb__tls_ciphers_13) ||
        !SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") || !SSL_CTX_set_num_tickets(ctx, 1) ||
        !SSL_CTX_set_session_id_context(ctx, session_context, sizeof session_context - 1)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* -- Files ------------------------------------------------------------------------------------ */

int jb__tls_fail(struct jb__tls_error *err, int rc, const char *file, const char *words)
{
    /* Both together may be longer than the text: the end of the words is what can go. */
    snprintf(err->text, sizeof err->text, "%.350s: %.150s", file, words);
    return rc;
}

/* Says in the system's words why a file cannot be read, where OpenSSL would say less. */
static int check_readable(const char *file, struct jb__tls_error *err)
{
    char text[128];
    FILE *f = fopen(file, "re");

    if (!f)
        return jb__tls_fail(err, JB_EINVAL, file, strerror_r(errno, text, sizeof text));
    const int c = fgetc(f);
    const char *words = ferror(f) ? strerror_r(errno, text, sizeof text) : "the file is empty";
    fclose(f);
    return c == EOF ? jb__tls_fail(err, JB_EINVAL, file, words) : 0;
}

static int fail_key(const struct jb__tls_cert *cert, struct jb__tls_error *err)
{
    bool mismatch = false, encrypted = false;
    unsigned long error;
    char words[256];

    while ((error = ERR_get_error()) != 0) {
        const int reason = ERR_GET_REASON(error);
        mismatch = mismatch ||
                   (ERR_GET_LIB(error) == ERR_LIB_X509 &&
                    (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH));
        encrypted =
            encrypted || (ERR_GET_LIB(error) == ERR_LIB_PEM && reason == PEM_R_BAD_PASSWORD_READ);
    }
    if (mismatch) {
        snprintf(words, sizeof words, "the key does not belong to the certificate in %.150s",
                 cert->cert_file);
        return jb__tls_fail(err, JB_EINVAL, cert->key_file, words);
    }
    return jb__tls_fail(err, JB_EINVAL, cert->key_file,
                        encrypted ? "the key is encrypted with a password; store it without one"
                                  : "no private key in PEM form is in it");
}

/* When a certificate ends; -1 when it does not say so in order. */
static int64_t ends_at(const X509 *cert)
{
    struct tm tm = { 0 };

    return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 ? (int64_t)timegm(&tm) : -1;
}

static int check_expiry(struct jb__tls_ctx *ctx, const struct jb__tls_config *config, size_t k,
                        struct jb__tls_error *err)
{
    const int64_t end = ends_at(SSL_CTX_get0_certificate(ctx->hosts[k].ctx));
    char words[64] = "the certificate has no valid end date", day[16];
    const time_t end_s = (time_t)end;
    struct tm tm;

    if (end > config->now_s) {
        if (end < ctx->expires_s)
            ctx->expires_s = end;
        return 0;
    }
    if (end >= 0 && gmtime_r(&end_s, &tm) && strftime(day, sizeof day, "%Y-%m-%d", &tm) > 0)
        snprintf(words, sizeof words, "the certificate expired on %s", day);
    return jb__tls_fail(err, JB_EINVAL, config->certs[k].cert_file, words);
}

static int load(struct jb__tls_ctx *ctx, const struct jb__tls_config *config, size_t k,
                struct jb__tls_error *err)
{
    const struct jb__tls_cert *cert = &config->certs[k];
    struct jb__tls_host *host = &ctx->hosts[k];
    const size_t n = strlen(cert->host) + 1;

    host->name = jb_alloc(ctx->alloc, n);
    host->ctx = make_rules(ctx, config->minimum);
    if (!host->name || !host->ctx)
        return jb__tls_fail(err, JB_ENOMEM, cert->cert_file, "out of memory");
    memcpy(host->name, cert->host, n);
    int rc = check_readable(cert->cert_file, err);
    if (rc == 0)
        rc = check_readable(cert->key_file, err);
    if (rc != 0)
        return rc;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(host->ctx, cert->cert_file) != 1)
        return jb__tls_fail(err, JB_EINVAL, cert->cert_file, "no certificate in PEM form is in it");
    if (SSL_CTX_use_PrivateKey_file(host->ctx, cert->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(host->ctx) != 1)
        return fail_key(cert, err);
    return check_expiry(ctx, config, k, err);
}

/* -- Lifetime --------------------------------------------------------------------------------- */

struct jb__tls_ctx *jb__tls_ctx_alloc(const struct jb_allocator *alloc, size_t count)
{
    struct jb__tls_ctx *ctx = jb_zalloc(alloc, sizeof *ctx + count * sizeof ctx->hosts[0]);

    if (!ctx)
        return NULL;
    ctx->alloc = alloc;
    ctx->io = jb__sock_tls_io();
    ctx->count = count;
    ctx->expires_s = INT64_MAX;
    atomic_init(&ctx->refs, 1);
    if (ctx->io)
        return ctx;
    jb__tls_ctx_unref(ctx);
    return NULL;
}

/* OpenSSL sets up all algorithms of a kind at the first use of one, and if memory fails it in that
 * moment, never again: no handshake would ever succeed.  These are the kinds that a context alone
 * does not use; an algorithm that is not there does not matter. */
static void set_up_algorithms(void)
{
    EVP_KDF_free(EVP_KDF_fetch(NULL, "TLS13-KDF", NULL));
    EVP_MAC_free(EVP_MAC_fetch(NULL, "HMAC", NULL));
    EVP_KEYEXCH_free(EVP_KEYEXCH_fetch(NULL, "X25519", NULL));
    EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL));
}

int jb__tls_ctx_new(const struct jb__tls_config *config, struct jb__tls_ctx **out,
                    struct jb__tls_error *err)
{
    jb_assert(config->count >= 1 && config->count < SIZE_MAX / sizeof(struct jb__tls_host) / 2);
    struct jb__tls_ctx *ctx = jb__tls_ctx_alloc(config->alloc, config->count);
    int rc = ctx ? 0 : jb__tls_fail(err, JB_ENOMEM, config->certs[0].cert_file, "out of memory");

    *out = NULL;
    if (!ctx)
        return rc;
    set_up_algorithms();
    for (size_t k = 0; rc == 0 && k < config->count; k++)
        rc = load(ctx, config, k, err);
    ERR_clear_error();
    if (rc != 0) {
        jb__tls_ctx_unref(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

struct jb__tls_ctx *jb__tls_ctx_ref(struct jb__tls_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

void jb__tls_ctx_unref(struct jb__tls_ctx *ctx)
{
    if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t k = 0; k < ctx->count; k++) {
        SSL_CTX_free(ctx->hosts[k].ctx);
        jb_free(ctx->alloc, ctx->hosts[k].name);
    }
    BIO_meth_free(ctx->io);
    jb_free(ctx->alloc, ctx);
}

int64_t jb__tls_ctx_expires_s(const struct jb__tls_ctx *ctx)
{
    return ctx->expires_s;
}
