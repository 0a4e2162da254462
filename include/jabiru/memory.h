/* SPDX-License-Identifier: MIT */
/* Where memory comes from.  A program may give its own; everything the library takes for itself
 * comes from there (OpenSSL and the name resolver have their own). */
#ifndef JABIRU_MEMORY_H
#define JABIRU_MEMORY_H

#include <stddef.h>

/* Three words that are copied; `ctx` is passed to both functions. */
struct jb_allocator {
    /* As realloc(3): p NULL allocates; returns NULL on failure.  n is never 0. */
    void *(*resize)(void *ctx, void *p, size_t n);
    /* As free(3); p is never NULL. */
    void (*release)(void *ctx, void *p);
    void *ctx;
};

#endif
