/* SPDX-License-Identifier: MIT */
/* The client's side of TLS, for the load only: one context, no session is resumed. */
#ifndef CLI_BENCH_TLS_H
#define CLI_BENCH_TLS_H

#include "cli/bench/bench.h"

/* 0; JB_EINVAL: the file of authorities cannot be read; JB_ENOMEM. */
JB_NODISCARD int bench_tls_begin(struct bench *b);
void bench_tls_end(struct bench *b);

/* For a connected socket; the certificate must be the host's, unless --insecure.  NULL: no memory.
 */
struct ssl_st *bench_tls_new(struct ssl_ctx_st *ctx, int fd, const struct bench_options *o);
void bench_tls_free(struct ssl_st *ssl); /* NULL is allowed */
/* 0, JB_EAGAIN, JB_EIO (*why: static words). */
JB_NODISCARD int bench_tls_handshake(struct ssl_st *ssl, const char **why);
/* As recv(2) and send(2), with errno. */
ssize_t bench_tls_read(struct ssl_st *ssl, void *p, size_t n);
ssize_t bench_tls_write(struct ssl_st *ssl, const void *p, size_t n);

#endif
