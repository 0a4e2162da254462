/* SPDX-License-Identifier: MIT */
/* Slices: a pointer and a length into bytes that somebody else owns.  Not NUL-terminated. */
#ifndef JB_BASE_STR_H
#define JB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct jb_str {
    const char *p; /* may be NULL only when n is 0 */
    size_t n;      /* bytes */
};

/* A string literal as a slice: JB_STR("iq"). */
#define JB_STR(lit) ((struct jb_str){ "" lit, sizeof(lit) - 1 })
#define JB_STR_INIT(lit)        \
    {                           \
        "" lit, sizeof(lit) - 1 \
    } /* the same in a static initialiser */
#define JB_STR_NONE ((struct jb_str){ NULL, 0 })
/* The two printf arguments of "%.*s". */
#define JB_STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct jb_str jb_str(const char *p, size_t n)
{
    return (struct jb_str){ p, n };
}

/* The slice of a C string; NULL gives the empty slice. */
static inline struct jb_str jb_strz(const char *z)
{
    return (struct jb_str){ z, z ? strlen(z) : 0 };
}

/* What has bytes has a pointer: said for analyzers; the sanitizer checks it. */
static inline bool jb__str_same(const char *a, const char *b, size_t n)
{
    if (n == 0)
        return true;
    if (!a || !b)
        __builtin_unreachable();
    return memcmp(a, b, n) == 0;
}

static inline bool jb_str_eq(struct jb_str a, struct jb_str b)
{
    return a.n == b.n && jb__str_same(a.p, b.p, a.n);
}

static inline bool jb_str_eqz(struct jb_str a, const char *z)
{
    return jb_str_eq(a, jb_strz(z));
}

/* True when `a` starts with `prefix`. */
static inline bool jb_str_starts(struct jb_str a, struct jb_str prefix)
{
    return a.n >= prefix.n && jb__str_same(a.p, prefix.p, prefix.n);
}

/* The part from byte `at` on; empty when `at` is past the end. */
static inline struct jb_str jb_str_from(struct jb_str a, size_t at)
{
    return at >= a.n ? JB_STR_NONE : jb_str(a.p + at, a.n - at);
}

/* Compares bytewise, shorter first on a common prefix; <0, 0, >0 as memcmp. */
int jb_str_cmp(struct jb_str a, struct jb_str b);

/* Equal when ASCII letters are folded; other bytes compare as they are. */
bool jb_str_eq_ascii_nocase(struct jb_str a, struct jb_str b);

/* Splits at the first `sep`: true and both parts when found, else false, *left = s, *right empty.
 */
bool jb_str_cut(struct jb_str s, char sep, struct jb_str *left, struct jb_str *right);

/* Without leading and trailing space, tab, CR and LF. */
struct jb_str jb_str_trim(struct jb_str s);

/* Parses decimal digits only (no sign, no space, at least one); false on anything else or
 * when the value exceeds `max`. */
bool jb_str_u64(struct jb_str s, uint64_t max, uint64_t *out);

#endif
