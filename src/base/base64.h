/* SPDX-License-Identifier: MIT */
/* Base 64 by RFC 4648 section 4, strict: padding required, no white space, no other letters, and
 * the unused bits of the last letter zero, so that each value has exactly one text. */
#ifndef JB_BASE_BASE64_H
#define JB_BASE_BASE64_H

#include "base/str.h"

#define JB__BASE64_BYTES(n) (((n) + 2) / 3 * 4) /* text bytes for n bytes */

/* Writes JB__BASE64_BYTES(n) bytes to out, no NUL. */
size_t jb__base64_encode(const void *p, size_t n, char *out);
/* Decodes into out (room for text.n / 4 * 3 bytes); false on malformed text. */
bool jb__base64_decode(struct jb_str text, void *out, size_t *n);

#endif
