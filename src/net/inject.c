/* SPDX-License-Identifier: MIT */
#include "net/inject.h"

#ifdef JABIRU_TEST_HOOKS

#include "base/assert.h"
#include "base/inject.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static void *inject_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return jb__inject(JB__INJECT_TLS_ALLOC) ? NULL : malloc(n);
}

static void *inject_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return jb__inject(JB__INJECT_TLS_ALLOC) ? NULL : realloc(p, n);
}

static void inject_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void jb__net_inject_begin(void)
{
    int done = CRYPTO_set_mem_functions(inject_malloc, inject_realloc, inject_free);

    jb_assert(done);
}

#endif
