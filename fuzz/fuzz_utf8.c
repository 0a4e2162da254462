/* SPDX-License-Identifier: MIT */
/* The UTF-8 check against libunistring's: whole, byte by byte, and on every prefix (fail-fast: the
 * state turns bad exactly when no continuation could make the prefix valid). */
#include "fuzz.h"

#include "base/utf8.h"

#include <unistr.h>

/* Can some continuation make these bytes valid text?  Only the second byte of a sequence has a
 * range of its own, and each such range holds 0x80 or 0xbf. */
static bool is_prefix(const uint8_t *p, size_t n)
{
    const uint8_t *tail = u8_check(p, n);
    size_t have = tail ? n - (size_t)(tail - p) : 0;

    if (!tail)
        return true;
    for (size_t total = have + 1; total <= 4; total++) {
        uint8_t low[4], high[4];
        memset(low, 0x80, sizeof low);
        memset(high, 0xbf, sizeof high);
        memcpy(low, tail, have);
        memcpy(high, tail, have);
        if (!u8_check(low, total) || !u8_check(high, total))
            return true;
    }
    return false;
}

static void check_code_points(struct jb_str s)
{
    while (s.n) {
        char again[4];
        size_t used;
        ucs4_t expected;
        uint32_t cp = jb__utf8_decode(s, &used);
        jb_assert(u8_mbtoucr(&expected, (const uint8_t *)s.p, s.n) == (int)used);
        jb_assert(cp == expected);
        jb_assert(jb__utf8_encode(cp, again) == used && memcmp(again, s.p, used) == 0);
        s = jb_str_from(s, used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str s = jb_str((const char *)p, n);
    jb__utf8_state state = JB__UTF8_OK;

    for (size_t i = 0; i < n; i++) {
        state = jb__utf8_check(state, s.p + i, 1);
        jb_assert((state != JB__UTF8_BAD) == is_prefix(p, i + 1));
        jb_assert((state == JB__UTF8_OK) == (u8_check(p, i + 1) == NULL));
    }
    jb_assert(jb__utf8_check(JB__UTF8_OK, s.p, n) == state);
    if (state == JB__UTF8_OK)
        check_code_points(s);
    return 0;
}
