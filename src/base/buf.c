/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/assert.h"

void jb__buf_init(struct jb__buf *b, const struct jb_allocator *alloc, size_t max)
{
    *b = (struct jb__buf){ .alloc = alloc, .max = max };
}

void jb__buf_deinit(struct jb__buf *b)
{
    jb_free(b->alloc, b->p);
    b->p = NULL;
    b->n = b->cap = 0;
}

int jb__buf_reserve(struct jb__buf *b, size_t more)
{
    if (more > b->max - b->n)
        return JB_EFULL;
    size_t need = b->n + more;
    if (need <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    char *p = jb_resize(b->alloc, b->p, cap);
    if (!p)
        return JB_ENOMEM;
    b->p = p;
    b->cap = cap;
    return 0;
}

int jb__buf_append(struct jb__buf *b, const void *p, size_t n)
{
    int rc = jb__buf_reserve(b, n);

    if (rc != 0)
        return rc;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

void jb__buf_consume(struct jb__buf *b, size_t n)
{
    jb_assert(n <= b->n);
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}
