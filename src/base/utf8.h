/* SPDX-License-Identifier: MIT */
/* UTF-8 by RFC 3629, checked incrementally: input may stop inside a code point. */
#ifndef JB_BASE_UTF8_H
#define JB_BASE_UTF8_H

#include "base/str.h"

/* 0 between code points; otherwise inside one, or JB__UTF8_BAD for ever. */
typedef uint8_t jb__utf8_state;
enum { JB__UTF8_OK = 0, JB__UTF8_BAD = 0xff };

/* Continues with n bytes.  Bad input is noticed at the first byte that no valid text can hold at
 * its place (fail-fast, RFC 6455 section 8.1). */
jb__utf8_state jb__utf8_check(jb__utf8_state state, const char *p, size_t n);

/* True when the slice is complete, valid UTF-8. */
static inline bool jb__utf8_valid(struct jb_str s)
{
    return jb__utf8_check(JB__UTF8_OK, s.p, s.n) == JB__UTF8_OK;
}

/* Writes a code point (<= 0x10ffff, no surrogate) as 1 to 4 bytes; returns how many. */
size_t jb__utf8_encode(uint32_t cp, char out[4]);
/* Reads one code point of valid UTF-8 at s.p; *used gets its bytes.  s must not be empty. */
uint32_t jb__utf8_decode(struct jb_str s, size_t *used);

#endif
