/* SPDX-License-Identifier: MIT */
/* The server's: what OpenSSL allocates is counted with the rest (base/alloc.h), and in a test build
 * it can be made to fail. */
#ifndef JB_NET_OPENSSL_MEMORY_H
#define JB_NET_OPENSSL_MEMORY_H

/* Before anything uses OpenSSL. */
void jb__openssl_memory_begin(void);

#endif
