/* SPDX-License-Identifier: MIT */
/* What the files of net share among themselves. */
#ifndef JB_NET_SOCK_IMPL_H
#define JB_NET_SOCK_IMPL_H

#include "net/sock.h"
#include "net/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct jb__tls_host {
    char *name; /* lower case; a client's: NULL */
    SSL_CTX *ctx;
};

struct jb__tls_ctx {
    const struct jb_allocator *alloc;
    BIO_METHOD *io; /* how its connections read and write */
    atomic_size_t refs;
    int64_t expires_s;
    struct jb__tls_keys keys; /* a client's */
    size_t count;
    struct jb__tls_host hosts[]; /* the first is the default */
};

/* The suites that both roles speak. */
extern const char jb__tls_ciphers_12[], jb__tls_ciphers_13[];

/* A context with one reference, whose hosts are yet to be filled; NULL: out of memory. */
struct jb__tls_ctx *jb__tls_ctx_alloc(const struct jb_allocator *alloc, size_t count);

/* Reads and writes a socket for OpenSSL; NULL: out of memory. */
BIO_METHOD *jb__sock_tls_io(void);

/* Puts TLS on a plain socket; 0 or JB_ENOMEM.  Holds a reference to ctx. */
JB_NODISCARD int jb__sock_put_tls(struct jb__sock *s, struct jb__tls_ctx *ctx);

/* Keeps the words for jb__sock_why(); returns rc. */
int jb__sock_fail(int rc, const char *why);
int jb__sock_fail_errno(int rc, const char *what);

/* The TLS halves of the calls in sock.h. */
ssize_t jb__sock_tls_read(struct jb__sock *s, void *p, size_t n);
ssize_t jb__sock_tls_writev(struct jb__sock *s, const struct iovec *iov, int count);
int jb__sock_tls_shutdown(struct jb__sock *s);
void jb__sock_tls_free(struct jb__sock *s);

/* The OpenSSL context that a connection begins with. */
SSL_CTX *jb__tls_ctx_default(struct jb__tls_ctx *ctx);

/* Puts "file: words" into *err; returns rc. */
int jb__tls_fail(struct jb__tls_error *err, int rc, const char *file, const char *words);

#endif
