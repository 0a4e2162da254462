/* SPDX-License-Identifier: MIT */
/* An arena: memory for one tick.  Allocation is a pointer bump, nothing is freed alone, reset
 * gives everything back at once.  One block is kept between ticks.  Not thread-safe: one owner. */
#ifndef JB_BASE_ARENA_H
#define JB_BASE_ARENA_H

#include "base/alloc.h"
#include "base/str.h"

struct jb__arena_block;

struct jb__arena {
    const struct jb_allocator *alloc;
    struct jb__arena_block *blocks; /* newest first */
    char *cur;                      /* next free byte of the newest block */
    char *end;
    size_t used;  /* bytes handed out since the last reset */
    size_t limit; /* most bytes between resets */
};

/* `limit`: most bytes between two resets; past it, allocation fails (returns NULL). */
void jb__arena_init(struct jb__arena *a, const struct jb_allocator *alloc, size_t limit);
void jb__arena_deinit(struct jb__arena *a);
void jb__arena_reset(struct jb__arena *a);

/* n bytes aligned for any type; NULL when out of memory or over the limit. */
void *jb__arena_alloc(struct jb__arena *a, size_t n);
/* A copy in the arena (with a NUL behind it); p NULL when out of memory. */
struct jb_str jb__arena_str(struct jb__arena *a, struct jb_str s);
/* Gives back the tail of the newest allocation: `p` was returned last with `had` bytes. */
void jb__arena_trim(struct jb__arena *a, void *p, size_t had, size_t keep);

#endif
