/* SPDX-License-Identifier: MIT */
/* Names that look alike, after the skeleton of UTS 39 section 4.
 *
 * The standard's table has ten thousand rows; this one has the letters with which people really
 * imitate Latin names.  It serves one question, whether a new name could be taken for an existing
 * one, and may answer yes too often. */
#include "core/jid.h"

#include "base/utf8.h"
#include "core/precis.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>

/* Sorted; `looks` is one ASCII letter. */
static const struct {
    uint16_t cp;
    char looks;
} look_alikes[] = {
    /* ASCII and Latin; digits of all scripts are reduced to ASCII before */
    { 0x0030, 'o' },
    { 0x0031, 'l' },
    { 0x007c, 'l' },
    { 0x0131, 'i' },
    { 0x0138, 'k' },
    { 0x017f, 'f' },
    { 0x0180, 'b' },
    { 0x018d, 'g' },
    { 0x0192, 'f' },
    { 0x01bd, 's' },
    { 0x01c0, 'l' },
    { 0x0251, 'a' },
    { 0x0261, 'g' },
    { 0x0269, 'i' },
    { 0x026a, 'i' },
    { 0x026f, 'w' },
    { 0x028b, 'u' },
    { 0x028f, 'y' },
    /* Greek */
    { 0x03b1, 'a' },
    { 0x03b2, 'b' },
    { 0x03b3, 'y' },
    { 0x03b5, 'e' },
    { 0x03b7, 'n' },
    { 0x03b9, 'i' },
    { 0x03ba, 'k' },
    { 0x03bd, 'v' },
    { 0x03bf, 'o' },
    { 0x03c1, 'p' },
    { 0x03c3, 'o' },
    { 0x03c4, 't' },
    { 0x03c5, 'u' },
    { 0x03c7, 'x' },
    { 0x03c9, 'w' },
    { 0x03f3, 'j' },
    { 0x03f8, 'p' },
    /* Cyrillic, also the letters that look like small Latin capitals */
    { 0x0430, 'a' },
    { 0x0432, 'b' },
    { 0x0433, 'r' },
    { 0x0435, 'e' },
    { 0x043a, 'k' },
    { 0x043c, 'm' },
    { 0x043d, 'h' },
    { 0x043e, 'o' },
    { 0x043f, 'n' },
    { 0x0440, 'p' },
    { 0x0441, 'c' },
    { 0x0442, 't' },
    { 0x0443, 'y' },
    { 0x0445, 'x' },
    { 0x044c, 'b' },
    { 0x0455, 's' },
    { 0x0456, 'i' },
    { 0x0458, 'j' },
    { 0x0461, 'w' },
    { 0x0475, 'v' },
    { 0x04af, 'y' },
    { 0x04bb, 'h' },
    { 0x04bd, 'e' },
    { 0x04cf, 'l' },
    { 0x0501, 'd' },
    { 0x050d, 'g' },
    { 0x051b, 'q' },
    { 0x051d, 'w' },
    /* Armenian */
    { 0x0561, 'w' },
    { 0x0563, 'q' },
    { 0x0566, 'q' },
    { 0x0570, 'h' },
    { 0x0578, 'n' },
    { 0x057d, 'u' },
    { 0x0581, 'g' },
    { 0x0584, 'f' },
    { 0x0585, 'o' },
    /* Hebrew and Arabic */
    { 0x05d5, 'l' },
    { 0x05df, 'l' },
    { 0x05e1, 'o' },
    { 0x0627, 'l' },
    { 0x0647, 'o' },
};

static uint32_t look_up(uint32_t cp)
{
    size_t low = 0;
    size_t high = sizeof look_alikes / sizeof look_alikes[0];

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (look_alikes[middle].cp == cp)
            return (unsigned char)look_alikes[middle].looks;
        if (look_alikes[middle].cp < cp)
            low = middle + 1;
        else
            high = middle;
    }
    return cp;
}

/* Appends what one folded code point looks like; what fills the buffer is cut, for both names
 * alike. */
static void put_look(struct jb__points *out, uint32_t cp)
{
    int digit = uc_decimal_value(cp);

    if (uc_is_property_default_ignorable_code_point(cp))
        return;
    cp = look_up(digit >= 0 ? (uint32_t)('0' + digit) : cp);
    const char *pair = cp == 'm' ? "rn" : cp == 'w' ? "vv" : NULL;
    for (; pair && *pair && out->n < JB__PRECIS_POINTS; pair++)
        out->v[out->n++] = (unsigned char)*pair;
    if (!pair && out->n < JB__PRECIS_POINTS)
        out->v[out->n++] = cp;
}

static int make_skeleton(struct jb_str name, struct jb__points *out)
{
    uint32_t folded[JB__PRECIS_POINTS];
    size_t n = JB__PRECIS_POINTS;
    int rc = jb__points_decode(name, out);

    if (rc != 0 || out->n == 0)
        return rc;
    uint32_t *result = u32_casefold(out->v, out->n, NULL, UNINORM_NFKD, folded, &n);
    if (!result)
        return JB_ENOMEM;
    out->n = 0;
    for (size_t i = 0; i < n && i < JB__PRECIS_POINTS; i++)
        put_look(out, result[i]);
    if (result != folded)
        free(result);
    return 0;
}

int jb_jid_skeleton(struct jb_str local, struct jb__arena *arena, struct jb_str *out)
{
    struct jb__points points;
    char bytes[4 * JB_JID_PART_BYTES];
    size_t n;
    int rc = make_skeleton(local, &points);

    *out = JB_STR_NONE;
    if (rc == 0)
        rc = jb__points_encode(&points, bytes, sizeof bytes, &n);
    if (rc != 0)
        return rc;
    *out = jb__arena_str(arena, jb_str(bytes, n));
    return out->p ? 0 : JB_ENOMEM;
}

bool jb_jid_confusable(struct jb_str a, struct jb_str b)
{
    struct jb__points x, y;
    int rc_a = make_skeleton(a, &x);
    int rc_b = make_skeleton(b, &y);

    if (rc_a == JB_EINVAL || rc_b == JB_EINVAL)
        return jb_str_eq(a, b);
    if (rc_a != 0 || rc_b != 0)
        return true;
    return x.n == y.n && memcmp(x.v, y.v, x.n * sizeof x.v[0]) == 0;
}
