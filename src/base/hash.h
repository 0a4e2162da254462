/* SPDX-License-Identifier: MIT */
/* Keyed hash (SipHash-2-4) and a hash table of objects that carry their own node.
 *
 * The key comes from the system's random source at start, so that a peer cannot choose names that
 * collide.  The table owns neither keys nor objects. */
#ifndef JB_BASE_HASH_H
#define JB_BASE_HASH_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

struct jb__hash_key {
    uint64_t k0, k1;
};

uint64_t jb__siphash(const struct jb__hash_key *key, const void *p, size_t n);

struct jb__hash_node {
    struct jb__hash_node *next;
    uint64_t hash;
};

struct jb__table {
    const struct jb_allocator *alloc;
    struct jb__hash_node **slots; /* NULL until the first insert */
    size_t mask;                  /* slots - 1 */
    size_t count;
};

/* Says whether the object around `node` has the key `name`. */
typedef bool jb__table_match(const struct jb__hash_node *node, struct jb_str name);

void jb__table_init(struct jb__table *t, const struct jb_allocator *alloc);
void jb__table_deinit(struct jb__table *t); /* objects are the caller's */
struct jb__hash_node *jb__table_find(const struct jb__table *t, uint64_t hash, struct jb_str name,
                                     jb__table_match *match);
/* The name must not be present.  0 or JB_ENOMEM. */
JB_NODISCARD int jb__table_insert(struct jb__table *t, struct jb__hash_node *node, uint64_t hash);
void jb__table_remove(struct jb__table *t, struct jb__hash_node *node); /* must be present */

/* Walks all nodes in no order; start with NULL.  The node returned last may be removed before the
 * next call only if `next` was fetched first. */
struct jb__hash_node *jb__table_next(const struct jb__table *t, const struct jb__hash_node *node);

#endif
