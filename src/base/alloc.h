/* SPDX-License-Identifier: MIT */
/* Where memory comes from.  The client library takes an allocator from the program and returns
 * JB_ENOMEM when it fails; the server passes jb_allocator_abort, whose failure ends the process
 * (what a peer can make it allocate is bounded before). */
#ifndef JB_BASE_ALLOC_H
#define JB_BASE_ALLOC_H

#include "jabiru/memory.h"

extern const struct jb_allocator jb_allocator_libc;  /* realloc and free */
extern const struct jb_allocator jb_allocator_abort; /* the same; prints and aborts on failure */

void *jb_alloc(const struct jb_allocator *a, size_t n);  /* uninitialised */
void *jb_zalloc(const struct jb_allocator *a, size_t n); /* zeroed */
void *jb_resize(const struct jb_allocator *a, void *p, size_t n);
void jb_free(const struct jb_allocator *a, void *p); /* p may be NULL */

#endif
