/* SPDX-License-Identifier: MIT */
/* The system's random source, and text made from it. */
#ifndef JB_BASE_RANDOM_H
#define JB_BASE_RANDOM_H

#include <stddef.h>

/* Fills n bytes from getrandom(2); aborts if the system has none (it never happens after boot). */
void jb__random(void *p, size_t n);

enum { JB__RANDOM_ID_BYTES = 26 }; /* characters of a random id: 130 bits, base 32 */
/* Writes a random id of lower-case letters and digits, with a NUL behind it. */
void jb__random_id(char out[JB__RANDOM_ID_BYTES + 1]);

#endif
