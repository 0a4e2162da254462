/* SPDX-License-Identifier: MIT */
/* Where memory comes from.  The client library takes an allocator from the program and returns
 * JB_ENOMEM when it fails; the server passes jb_allocator_abort, whose failure ends the process
 * (what a peer can make it allocate is bounded before). */
#ifndef JB_BASE_ALLOC_H
#define JB_BASE_ALLOC_H

#include "jabiru/memory.h"

extern const struct jb_allocator jb_allocator_libc;  /* realloc and free */
extern const struct jb_allocator jb_allocator_abort; /* the same; counts, and prints and aborts on
                                                        failure */

void *jb_alloc(const struct jb_allocator *a, size_t n);  /* uninitialised */
void *jb_zalloc(const struct jb_allocator *a, size_t n); /* zeroed */
void *jb_resize(const struct jb_allocator *a, void *p, size_t n);
void jb_free(const struct jb_allocator *a, void *p); /* p may be NULL */

/* realloc(3) and free(3) that count, for a library whose memory is the server's as well.  p may be
 * NULL, n may be 0 (frees). */
void *jb__counted_realloc(void *p, size_t n);
void jb__counted_free(void *p);
/* What jb_allocator_abort and the two above have given out and not taken back: bytes that the
 * blocks hold, which is more than was asked for.  Any thread; while others allocate it is what was
 * true a moment ago. */
size_t jb__counted_bytes(void);

#endif
