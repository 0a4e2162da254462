/* SPDX-License-Identifier: MIT */
/* The client's side of TLS: whom it trusts, and for which name (RFC 7590, RFC 9525). */
#include "net/sock_impl.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static const unsigned char http11[] = "\x08http/1.1";

static bool is_trusted_key(const struct jb__tls_keys *keys, X509 *cert)
{
    uint8_t *info = NULL, hash[JB__TLS_KEY_BYTES];
    const int n = keys->count ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &info) : 0;
    bool found = false;

    if (n > 0 && EVP_Digest(info, (size_t)n, hash, NULL, EVP_sha256(), NULL) == 1) {
        for (uint8_t k = 0; !found && k < keys->count; k++)
            found = memcmp(keys->hash[k], hash, sizeof hash) == 0;
    }
    OPENSSL_free(info);
    return found;
}

/* Has the last word on each error of a certificate.  That the server has the key of the one it came
 * with, it proves in the handshake. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct jb__tls_ctx *ctx = SSL_get_app_data(ssl);

    if (ok || !is_trusted_key(&ctx->keys, X509_STORE_CTX_get0_cert(store)))
        return ok;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* Verification, and what the server's context has as well. */
static bool set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
           SSL_CTX_set_cipher_list(ctx, jb__tls_ciphers_12) &&
           SSL_CTX_set_ciphersuites(ctx, jb__tls_ciphers_13) &&
           SSL_CTX_set_alpn_protos(ctx, http11, sizeof http11 - 1) == 0;
}

static int load_trust(SSL_CTX *ctx, const struct jb__tls_trust *trust, struct jb__tls_error *err)
{
    if (!trust->ca_file && !trust->ca_dir)
        return SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? 0
                   : jb__tls_fail(err, JB_EINVAL, "certificates", "the system's cannot be read");
    if (trust->ca_file && SSL_CTX_load_verify_file(ctx, trust->ca_file) != 1)
        return jb__tls_fail(err, JB_EINVAL, trust->ca_file,
                            "unreadable, or no certificate in PEM form is in it");
    if (trust->ca_dir && SSL_CTX_load_verify_dir(ctx, trust->ca_dir) != 1)
        return jb__tls_fail(err, JB_EINVAL, trust->ca_dir, "unreadable");
    return 0;
}

int jb__tls_ctx_new_client(const struct jb__tls_trust *trust, struct jb__tls_ctx **out,
                           struct jb__tls_error *err)
{
    struct jb__tls_ctx *ctx = jb__tls_ctx_alloc(trust->alloc, 1);

    *out = NULL;
    if (!ctx)
        return jb__tls_fail(err, JB_ENOMEM, "TLS", "out of memory");
    ctx->hosts[0].ctx = SSL_CTX_new(TLS_client_method());
    int rc = ctx->hosts[0].ctx && set_rules(ctx->hosts[0].ctx)
                 ? load_trust(ctx->hosts[0].ctx, trust, err)
                 : jb__tls_fail(err, JB_ENOMEM, "TLS", "out of memory");
    ERR_clear_error();
    if (rc != 0) {
        jb__tls_ctx_unref(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

void jb__tls_ctx_trust_keys(struct jb__tls_ctx *ctx, const struct jb__tls_keys *keys)
{
    ctx->keys = *keys;
}

static bool is_ip(const char *name)
{
    unsigned char ip[16];

    return inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
}

/* OpenSSL can look for one of several names, or for an address, not for either: with a name to go
 * by, an address does not count. */
static bool counts(const char *const *names, size_t count, size_t k)
{
    for (size_t j = 0; is_ip(names[k]) && j < count; j++)
        if (!is_ip(names[j]))
            return false;
    return true;
}

/* One of these names must stand in the certificate, as DNS-ID or IP-ID; the common name does not
 * count, a wildcard only for one whole label (RFC 9525 sections 6.3 and 6.4). */
static bool expect_names(SSL *ssl, const char *const *names, size_t count)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    bool ok = true, asked = false;

    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    for (size_t k = 0; ok && k < count; k++) {
        if (!counts(names, count, k))
            continue;
        ok = is_ip(names[k]) ? X509_VERIFY_PARAM_set1_ip_asc(param, names[k]) == 1
                             : SSL_add1_host(ssl, names[k]) == 1;
        if (ok && !asked && !is_ip(names[k]))
            asked = ok = SSL_set_tlsext_host_name(ssl, names[k]) == 1;
    }
    return ok;
}

int jb__sock_start_tls_client(struct jb__sock *s, struct jb__tls_ctx *ctx, const char *const *names,
                              size_t count)
{
    jb_assert(count > 0);
    int rc = jb__sock_put_tls(s, ctx);

    if (rc != 0)
        return rc;
    if (!expect_names(s->ssl, names, count)) {
        jb__sock_tls_free(s);
        s->handshaken = true;
        return jb__sock_fail(JB_ENOMEM, "out of memory");
    }
    SSL_set_connect_state(s->ssl);
    return 0;
}
