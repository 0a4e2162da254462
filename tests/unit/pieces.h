/* SPDX-License-Identifier: MIT */
/* Feeding a parser in pieces: a small random generator with a fixed start, so that a failure comes
 * back, and copies in blocks of exactly their size, so that a sanitizer sees a read past the end.
 */
#ifndef JB_TESTS_PIECES_H
#define JB_TESTS_PIECES_H

#include "base/str.h"

#include <stdlib.h>

struct prng {
    uint64_t state; /* not 0 */
};

/* A number below n (n > 0). */
static inline size_t prng_below(struct prng *r, size_t n)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (size_t)((r->state >> 16) % n);
}

/* The first n bytes of s in a block of their own; free(3) its p. */
static inline struct jb_str exact_copy(struct jb_str s, size_t n)
{
    char *p = malloc(n ? n : 1);

    if (n)
        memcpy(p, s.p, n);
    return jb_str(p, n);
}

/* How a text arrives.  Each way yields the next total, starting from `had`, ending with n. */
enum arrival { WHOLE, BYTEWISE, RANDOM, ARRIVALS };

static inline size_t next_total(enum arrival how, struct prng *r, size_t had, size_t n)
{
    if (how == WHOLE || had >= n)
        return n;
    return how == BYTEWISE ? had + 1 : had + 1 + prng_below(r, n - had);
}

#endif
