/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "base/assert.h"

#include <stdalign.h>

enum { BLOCK_BYTES = 16 * 1024, ALIGN = alignof(max_align_t) };

struct jb__arena_block {
    struct jb__arena_block *next;
    size_t size; /* bytes behind this head */
    alignas(max_align_t) char bytes[];
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void jb__arena_init(struct jb__arena *a, const struct jb_allocator *alloc, size_t limit)
{
    *a = (struct jb__arena){ .alloc = alloc, .limit = limit };
}

void jb__arena_deinit(struct jb__arena *a)
{
    while (a->blocks) {
        struct jb__arena_block *next = a->blocks->next;
        jb_free(a->alloc, a->blocks);
        a->blocks = next;
    }
    a->cur = a->end = NULL;
}

void jb__arena_reset(struct jb__arena *a)
{
    struct jb__arena_block *keep = NULL;

    /* Keep one block of the usual size; a large one was for a large stanza and goes. */
    while (a->blocks) {
        struct jb__arena_block *b = a->blocks;
        a->blocks = b->next;
        if (!keep && b->size == BLOCK_BYTES)
            keep = b;
        else
            jb_free(a->alloc, b);
    }
    if (keep)
        keep->next = NULL;
    a->blocks = keep;
    a->cur = keep ? keep->bytes : NULL;
    a->end = keep ? keep->bytes + keep->size : NULL;
    a->used = 0;
}

static int add_block(struct jb__arena *a, size_t n)
{
    size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    struct jb__arena_block *b = jb_alloc(a->alloc, sizeof(*b) + size);

    if (!b)
        return -1;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    a->cur = b->bytes;
    a->end = b->bytes + size;
    return 0;
}

void *jb__arena_alloc(struct jb__arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        return NULL;
    n = round_up(n ? n : 1);
    if (n > a->limit - a->used || (n > (size_t)(a->end - a->cur) && add_block(a, n) != 0))
        return NULL;
    void *p = a->cur;
    a->cur += n;
    a->used += n;
    return p;
}

struct jb_str jb__arena_str(struct jb__arena *a, struct jb_str s)
{
    char *p = jb__arena_alloc(a, s.n + 1);

    if (!p)
        return JB_STR_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return jb_str(p, s.n);
}

void jb__arena_trim(struct jb__arena *a, void *p, size_t had, size_t keep)
{
    size_t taken = round_up(had ? had : 1); /* as jb__arena_alloc rounds */

    jb_assert((char *)p + taken == a->cur && keep <= had);
    size_t back = taken - round_up(keep ? keep : 1);
    a->cur -= back;
    a->used -= back;
}
