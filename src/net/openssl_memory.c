/* SPDX-License-Identifier: MIT */
#include "net/openssl_memory.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/inject.h"

#include <openssl/crypto.h>

static void *counted_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return jb__inject(JB__INJECT_TLS_ALLOC) ? NULL : jb__counted_realloc(NULL, n);
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return jb__inject(JB__INJECT_TLS_ALLOC) ? NULL : jb__counted_realloc(p, n);
}

static void counted_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    jb__counted_free(p);
}

void jb__openssl_memory_begin(void)
{
    int done = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free);

    jb_assert(done);
}
