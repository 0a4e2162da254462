/* SPDX-License-Identifier: MIT */
/* TLS on a socket.  OpenSSL reads and writes through a BIO of ours, which sends with MSG_NOSIGNAL:
 * its own would let a closed peer kill the process by SIGPIPE. */
#include "net/sock_impl.h"

#include "base/assert.h"
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>

enum { RECORD_BYTES = 16 * 1024 }; /* payload of a full TLS record */

/* -- The BIO ---------------------------------------------------------------------------------- */

static int bio_fd(BIO *b)
{
    return (int)(intptr_t)BIO_get_data(b);
}

static int bio_write(BIO *b, const char *p, int n)
{
    ssize_t put = send(bio_fd(b), p, (size_t)n, MSG_NOSIGNAL);

    BIO_clear_retry_flags(b);
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(b);
    return (int)put;
}

static int bio_read(BIO *b, char *p, int n)
{
    ssize_t got = recv(bio_fd(b), p, (size_t)n, 0);

    BIO_clear_retry_flags(b);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(b);
    else if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return (int)got;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)num;
    (void)ptr;
    if (cmd == BIO_CTRL_FLUSH)
        return 1;
    return cmd == BIO_CTRL_EOF ? BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0 : 0;
}

BIO_METHOD *jb__sock_tls_io(void)
{
    /* No number of its own: nobody looks for it in a chain, and a process has but 128 of them. */
    BIO_METHOD *io = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "jabiru socket");

    if (!io || !BIO_meth_set_write(io, bio_write) || !BIO_meth_set_read(io, bio_read) ||
        !BIO_meth_set_ctrl(io, bio_ctrl)) {
        BIO_meth_free(io);
        return NULL;
    }
    return io;
}

static BIO *bio_new(const BIO_METHOD *io, int fd)
{
    BIO *b = BIO_new(io);

    if (b) {
        BIO_set_data(b, (void *)(intptr_t)fd);
        BIO_set_init(b, 1);
    }
    return b;
}

/* -- Results ---------------------------------------------------------------------------------- */

/* Before each operation: OpenSSL judges an error by what lies in the thread's queue, and what lies
 * there may be another connection's. */
static void before(void)
{
    ERR_clear_error();
    errno = 0;
}

static int broken(struct jb__sock *s, int rc, const char *words)
{
    s->broken = true;
    return jb__sock_fail(rc, words);
}

static int broken_ssl(struct jb__sock *s)
{
    const unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);

    if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        s->peer_closed = true;
        return s->handshaken ? broken(s, JB_EIO, "cut off without TLS close_notify")
                             : broken(s, JB_ECLOSED, "closed during the TLS handshake");
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL &&
        ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return broken(s, JB_EAUTH, X509_verify_cert_error_string(SSL_get_verify_result(s->ssl)));
    return broken(s, JB_EIO, reason ? reason : "TLS failed");
}

/* The code for an operation that returned r <= 0. */
static int result(struct jb__sock *s, int r)
{
    const int error = errno;

    switch (SSL_get_error(s->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        s->want = JB__WANT_READ;
        return JB_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->want = JB__WANT_WRITE;
        return JB_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        s->peer_closed = true;
        return jb__sock_fail(JB_ECLOSED, "closed by the other side");
    case SSL_ERROR_SYSCALL:
        s->broken = true;
        errno = error;
        return jb__sock_fail_errno(error == EPIPE ? JB_ECLOSED : JB_EIO, "TLS");
    default:
        return broken_ssl(s);
    }
}

/* -- Operations ------------------------------------------------------------------------------- */

int jb__sock_put_tls(struct jb__sock *s, struct jb__tls_ctx *ctx)
{
    jb_assert(s->fd >= 0 && !s->ssl);
    BIO *bio = bio_new(ctx->io, s->fd);
    SSL *ssl = SSL_new(jb__tls_ctx_default(ctx));

    if (!bio || !ssl || !SSL_set_app_data(ssl, ctx)) {
        BIO_free(bio);
        SSL_free(ssl);
        return jb__sock_fail(JB_ENOMEM, "out of memory");
    }
    SSL_set_bio(ssl, bio, bio);
    jb__tls_ctx_ref(ctx);
    s->ssl = ssl;
    s->handshaken = false;
    return 0;
}

int jb__sock_start_tls(struct jb__sock *s, struct jb__tls_ctx *ctx)
{
    int rc = jb__sock_put_tls(s, ctx);

    if (rc == 0)
        SSL_set_accept_state(s->ssl);
    return rc;
}

int jb__sock_handshake(struct jb__sock *s)
{
    if (s->handshaken)
        return 0;
    if (s->broken)
        return JB_EIO;
    before();
    int r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        s->handshaken = true;
        return 0;
    }
    return result(s, r);
}

ssize_t jb__sock_tls_read(struct jb__sock *s, void *p, size_t n)
{
    size_t got;

    jb_assert(s->handshaken);
    if (s->broken)
        return JB_EIO;
    before();
    int r = SSL_read_ex(s->ssl, p, n, &got);
    s->drained = r != 1;
    return r == 1 ? (ssize_t)got : result(s, r);
}

bool jb__sock_pending(const struct jb__sock *s)
{
    return s->ssl && !s->drained && !s->broken && SSL_has_pending(s->ssl);
}

/* Joins pieces up to one record into buf; returns the bytes. */
static size_t join(char buf[RECORD_BYTES], const struct iovec *iov, int count)
{
    size_t n = 0;

    for (int k = 0; k < count && n < RECORD_BYTES; k++) {
        const size_t room = RECORD_BYTES - n;
        const size_t take = iov[k].iov_len < room ? iov[k].iov_len : room;
        if (take)
            memcpy(buf + n, iov[k].iov_base, take);
        n += take;
    }
    return n;
}

ssize_t jb__sock_tls_writev(struct jb__sock *s, const struct iovec *iov, int count)
{
    char buf[RECORD_BYTES];
    const char *p = iov[0].iov_base;
    size_t n = iov[0].iov_len, put;

    jb_assert(s->handshaken);
    if (s->broken)
        return JB_EIO;
    /* A record costs some 22 bytes and a round of the cipher: small pieces travel together. */
    if (count > 1 && n < RECORD_BYTES) {
        n = join(buf, iov, count);
        p = buf;
    }
    jb_assert(n > 0);
    before();
    int r = SSL_write_ex(s->ssl, p, n, &put);
    return r == 1 ? (ssize_t)put : result(s, r);
}

int jb__sock_tls_shutdown(struct jb__sock *s)
{
    if (!s->handshaken || s->broken || (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN))
        return 0;
    before();
    int r = SSL_shutdown(s->ssl);
    return r >= 0 ? 0 : result(s, r);
}

void jb__sock_tls_free(struct jb__sock *s)
{
    struct jb__tls_ctx *ctx = SSL_get_app_data(s->ssl);

    SSL_free(s->ssl);
    s->ssl = NULL;
    jb__tls_ctx_unref(ctx);
}

/* -- Facts ------------------------------------------------------------------------------------ */

size_t jb__sock_binding_exporter(const struct jb__sock *s, uint8_t out[JB__BINDING_BYTES])
{
    enum { EXPORTED_BYTES = 32 };
    static const char label[] = "EXPORTER-Channel-Binding";

    if (!s->ssl || !s->handshaken)
        return 0;
    /* RFC 9266 section 4.2: before TLS 1.3 the secret is only the channel's own with RFC 7627. */
    if (SSL_version(s->ssl) < TLS1_3_VERSION && SSL_get_extms_support(s->ssl) != 1)
        return 0;
    before();
    const uint8_t none[1] = { 0 };
    return SSL_export_keying_material(s->ssl, out, EXPORTED_BYTES, label, sizeof label - 1, none, 0,
                                      1) == 1
               ? EXPORTED_BYTES
               : 0;
}

size_t jb__sock_binding_end_point(const struct jb__sock *s, uint8_t out[JB__BINDING_BYTES])
{
    int digest_nid, key_nid;
    unsigned n = 0;

    /* The server's certificate, whichever side we are. */
    X509 *cert = NULL;
    if (s->ssl && s->handshaken)
        cert =
            SSL_is_server(s->ssl) ? SSL_get_certificate(s->ssl) : SSL_get0_peer_certificate(s->ssl);
    if (!cert || !OBJ_find_sigid_algs(X509_get_signature_nid(cert), &digest_nid, &key_nid) ||
        digest_nid == NID_undef)
        return 0;
    if (digest_nid == NID_md5 || digest_nid == NID_sha1)
        digest_nid = NID_sha256; /* RFC 5929 section 4.1 */
    const EVP_MD *md = EVP_get_digestbynid(digest_nid);
    before();
    return md && EVP_MD_get_size(md) <= JB__BINDING_BYTES && X509_digest(cert, md, out, &n) ? n : 0;
}

const char *jb__sock_tls_version(const struct jb__sock *s)
{
    return s->ssl ? SSL_get_version(s->ssl) : NULL;
}

const char *jb__sock_tls_cipher(const struct jb__sock *s)
{
    return s->ssl ? SSL_get_cipher_name(s->ssl) : NULL;
}

struct jb_str jb__sock_tls_name(const struct jb__sock *s)
{
    return jb_strz(s->ssl ? SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name) : NULL);
}
