/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "base/inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *libc_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return jb__inject(JB__INJECT_ALLOC) ? NULL : realloc(p, n);
}

static void *abort_resize(void *ctx, void *p, size_t n)
{
    void *q = jb__inject(JB__INJECT_ALLOC) ? NULL : realloc(p, n);

    (void)ctx;
    if (!q) {
        fprintf(stderr, "out of memory (%zu bytes)\n", n);
        abort();
    }
    return q;
}

static void libc_release(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

const struct jb_allocator jb_allocator_libc = { libc_resize, libc_release, NULL };
const struct jb_allocator jb_allocator_abort = { abort_resize, libc_release, NULL };

void *jb_alloc(const struct jb_allocator *a, size_t n)
{
    return a->resize(a->ctx, NULL, n ? n : 1);
}

void *jb_zalloc(const struct jb_allocator *a, size_t n)
{
    void *p = jb_alloc(a, n);

    if (p)
        memset(p, 0, n);
    return p;
}

void *jb_resize(const struct jb_allocator *a, void *p, size_t n)
{
    return a->resize(a->ctx, p, n ? n : 1);
}

void jb_free(const struct jb_allocator *a, void *p)
{
    if (p)
        a->release(a->ctx, p);
}
