/* SPDX-License-Identifier: MIT */
#include "base/str.h"

int jb_str_cmp(struct jb_str a, struct jb_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;

    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

static unsigned char fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool jb_str_eq_ascii_nocase(struct jb_str a, struct jb_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.p[i]) != fold(b.p[i]))
            return false;
    return true;
}

bool jb_str_cut(struct jb_str s, char sep, struct jb_str *left, struct jb_str *right)
{
    const char *at = s.n ? memchr(s.p, sep, s.n) : NULL;

    if (!at) {
        *left = s;
        *right = JB_STR_NONE;
        return false;
    }
    *left = jb_str(s.p, (size_t)(at - s.p));
    *right = jb_str(at + 1, s.n - left->n - 1);
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct jb_str jb_str_trim(struct jb_str s)
{
    while (s.n && is_space(s.p[0]))
        s = jb_str(s.p + 1, s.n - 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool jb_str_u64(struct jb_str s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (max - (digit < max ? digit : max)) / 10 || v * 10 > max - digit || digit > max)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}
