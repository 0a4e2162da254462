/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "base/inject.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- counting ---- */

enum { COUNTS = 64, CACHE_LINE_BYTES = 64 };

/* A thread adds to one of them, which it shares with another only when there are more threads: what
 * one has taken another may give back, so only their sum, modulo 2^64, says anything. */
static struct {
    alignas(CACHE_LINE_BYTES) _Atomic size_t bytes;
} counts[COUNTS];
static _Atomic unsigned threads;
static _Thread_local _Atomic size_t *own;

static void count(size_t more)
{
    if (!own)
        own = &counts[atomic_fetch_add(&threads, 1) % COUNTS].bytes;
    atomic_fetch_add_explicit(own, more, memory_order_relaxed);
}

size_t jb__counted_bytes(void)
{
    size_t sum = 0;

    for (int i = 0; i < COUNTS; i++)
        sum += atomic_load_explicit(&counts[i].bytes, memory_order_relaxed);
    return sum;
}

void *jb__counted_realloc(void *p, size_t n)
{
    size_t had = malloc_usable_size(p);

    if (n == 0) {
        jb__counted_free(p);
        return NULL;
    }
    void *q = realloc(p, n);
    if (q)
        count(malloc_usable_size(q) - had);
    return q;
}

void jb__counted_free(void *p)
{
    count(0 - malloc_usable_size(p));
    free(p);
}

/* ---- allocators ---- */

static void *libc_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return jb__inject(JB__INJECT_ALLOC) ? NULL : realloc(p, n);
}

static void *abort_resize(void *ctx, void *p, size_t n)
{
    void *q = jb__inject(JB__INJECT_ALLOC) ? NULL : jb__counted_realloc(p, n);

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

static void counted_release(void *ctx, void *p)
{
    (void)ctx;
    jb__counted_free(p);
}

const struct jb_allocator jb_allocator_libc = { libc_resize, libc_release, NULL };
const struct jb_allocator jb_allocator_abort = { abort_resize, counted_release, NULL };

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
