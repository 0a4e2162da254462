/* SPDX-License-Identifier: MIT */
/* A growing byte buffer with a maximum.  One owner, not thread-safe. */
#ifndef JB_BASE_BUF_H
#define JB_BASE_BUF_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

struct jb__buf {
    const struct jb_allocator *alloc;
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* n never exceeds this */
};

void jb__buf_init(struct jb__buf *b, const struct jb_allocator *alloc, size_t max);
void jb__buf_deinit(struct jb__buf *b); /* frees; the buffer is empty and usable again */

/* Makes room for `more` bytes behind n.  0, JB_EFULL (over max), JB_ENOMEM; contents unchanged. */
JB_NODISCARD int jb__buf_reserve(struct jb__buf *b, size_t more);
/* Appends; same returns, all or nothing. */
JB_NODISCARD int jb__buf_append(struct jb__buf *b, const void *p, size_t n);
/* Drops the first n bytes. */
void jb__buf_consume(struct jb__buf *b, size_t n);

static inline struct jb_str jb__buf_str(const struct jb__buf *b)
{
    return jb_str(b->p, b->n);
}

#endif
