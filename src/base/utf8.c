/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* States name what must follow: one, two or three continuation bytes, the first of them perhaps
 * in a narrower range (no overlong forms, no surrogates, nothing above U+10FFFF). */
enum {
    NEED1 = 1,
    NEED2,
    NEED3,
    NEED2_E0, /* second byte A0..BF */
    NEED2_ED, /* second byte 80..9F */
    NEED3_F0, /* second byte 90..BF */
    NEED3_F4, /* second byte 80..8F */
};

/* c is not ASCII: that has been passed over. */
static jb__utf8_state lead(unsigned char c)
{
    if (c < 0xc2)
        return JB__UTF8_BAD;
    if (c < 0xe0)
        return NEED1;
    if (c < 0xf0)
        return c == 0xe0 ? NEED2_E0 : c == 0xed ? NEED2_ED : NEED2;
    if (c < 0xf5)
        return c == 0xf0 ? NEED3_F0 : c == 0xf4 ? NEED3_F4 : NEED3;
    return JB__UTF8_BAD;
}

static jb__utf8_state follow(jb__utf8_state state, unsigned char c)
{
    static const struct {
        unsigned char low, high;
        jb__utf8_state next;
    } rules[] = {
        [NEED1] = { 0x80, 0xbf, JB__UTF8_OK }, [NEED2] = { 0x80, 0xbf, NEED1 },
        [NEED3] = { 0x80, 0xbf, NEED2 },       [NEED2_E0] = { 0xa0, 0xbf, NEED1 },
        [NEED2_ED] = { 0x80, 0x9f, NEED1 },    [NEED3_F0] = { 0x90, 0xbf, NEED2 },
        [NEED3_F4] = { 0x80, 0x8f, NEED2 },
    };

    if (c < rules[state].low || c > rules[state].high)
        return JB__UTF8_BAD;
    return rules[state].next;
}

jb__utf8_state jb__utf8_check(jb__utf8_state state, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    const unsigned char *end = n ? p + n : p; /* text may be NULL when n is 0 */

    while (p < end) {
        if (state == JB__UTF8_BAD)
            return state;
        if (state != JB__UTF8_OK) {
            state = follow(state, *p++);
            continue;
        }
        /* Eight ASCII bytes at a time: most of what people send. */
        while (end - p >= 8) {
            uint64_t word;
            memcpy(&word, p, 8);
            if (word & 0x8080808080808080u)
                break;
            p += 8;
        }
        while (p < end && *p < 0x80)
            p++;
        if (p < end)
            state = lead(*p++);
    }
    return state;
}

size_t jb__utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

uint32_t jb__utf8_decode(struct jb_str s, size_t *used)
{
    const unsigned char *p = (const unsigned char *)s.p;

    if (p[0] < 0x80) {
        *used = 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *used = 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *used = 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *used = 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
           (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}
