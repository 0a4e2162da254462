/* SPDX-License-Identifier: MIT */
#include "core/precis.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

int jb__points_decode(struct jb_str in, struct jb__points *p)
{
    p->n = 0;
    if (in.n > JB__PRECIS_POINTS || !jb__utf8_valid(in))
        return JB_EINVAL;
    while (in.n) {
        size_t used;
        p->v[p->n++] = jb__utf8_decode(in, &used);
        in = jb_str_from(in, used);
    }
    return 0;
}

int jb__points_encode(const struct jb__points *p, char *out, size_t room, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < p->n; i++) {
        char bytes[4];
        size_t more = jb__utf8_encode(p->v[i], bytes);
        if (more > room - *n)
            return JB_EINVAL;
        memcpy(out + *n, bytes, more);
        *n += more;
    }
    return 0;
}

int jb__points_nfc(struct jb__points *p)
{
    uint32_t out[JB__PRECIS_POINTS];
    size_t n = JB__PRECIS_POINTS;
    uint32_t *result = u32_normalize(UNINORM_NFC, p->v, p->n, out, &n);

    if (!result)
        return JB_ENOMEM;
    bool fits = result == out;
    if (fits) {
        memcpy(p->v, out, n * sizeof out[0]);
        p->n = n;
    } else {
        free(result);
    }
    return fits ? 0 : JB_EINVAL;
}

int jb__points_lower(struct jb__points *p)
{
    enum { CAPITAL_I_WITH_DOT = 0x130, DOT_ABOVE = 0x307 };
    size_t from = p->n;
    size_t to = p->n;

    /* The one letter whose lower case is two code points, whatever the language. */
    for (size_t i = 0; i < p->n; i++)
        to += p->v[i] == CAPITAL_I_WITH_DOT;
    if (to > JB__PRECIS_POINTS)
        return JB_EINVAL;
    p->n = to;
    while (from > 0) {
        uint32_t cp = p->v[--from];
        if (cp == CAPITAL_I_WITH_DOT)
            p->v[--to] = DOT_ABOVE;
        p->v[--to] = cp == CAPITAL_I_WITH_DOT ? 'i' : uc_tolower(cp);
    }
    return 0;
}

void jb__points_map_width(struct jb__points *p)
{
    for (size_t i = 0; i < p->n; i++) {
        ucs4_t mapped[UC_DECOMPOSITION_MAX_LENGTH];
        int tag;
        /* All wide and narrow forms stand in two places of the code space. */
        if (p->v[i] != 0x3000 && (p->v[i] < 0xff01 || p->v[i] > 0xffee))
            continue;
        if (uc_decomposition(p->v[i], &tag, mapped) == 1 &&
            (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
            p->v[i] = mapped[0];
    }
}

static bool is_allowed(uint32_t cp, enum jb__precis_profile profile)
{
    enum jb__precis_property property = jb__precis_property(cp);

    if (property == JB__PRECIS_FREEFORM)
        return profile == JB__PRECIS_OPAQUE ||
               (profile == JB__PRECIS_ADDRESS && jb__precis_is_inert(cp));
    return property == JB__PRECIS_VALID || property == JB__PRECIS_CONTEXT;
}

static bool all_allowed(const struct jb__points *p, enum jb__precis_profile profile)
{
    for (size_t i = 0; i < p->n; i++)
        if (!is_allowed(p->v[i], profile))
            return false;
    return true;
}

static void map_spaces(struct jb__points *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i] > 0x7f && uc_is_general_category_withtable(p->v[i], UC_CATEGORY_MASK_Zs))
            p->v[i] = ' ';
}

/* The rules once, in the order of RFC 8264 section 7.  What a code point must be is asked before
 * anything but its width is mapped: else a Kelvin sign would pass as the letter k. */
static int apply_rules(enum jb__precis_profile profile, struct jb__points *p)
{
    if (profile != JB__PRECIS_OPAQUE)
        jb__points_map_width(p);
    if (!all_allowed(p, profile))
        return JB_EINVAL;
    if (profile == JB__PRECIS_OPAQUE)
        map_spaces(p);
    else if (jb__points_lower(p) != 0)
        return JB_EINVAL;
    return jb__points_nfc(p);
}

/* The rules until nothing changes; four rounds must do, as RFC 8264 section 7 advises. */
static int settle(enum jb__precis_profile profile, struct jb__points *p)
{
    uint32_t before[JB__PRECIS_POINTS];

    for (int round = 0; round < 4; round++) {
        size_t n = p->n;
        memcpy(before, p->v, n * sizeof before[0]);
        int rc = apply_rules(profile, p);
        if (rc != 0)
            return rc;
        if (n == p->n && memcmp(before, p->v, n * sizeof before[0]) == 0)
            return 0;
    }
    return JB_EINVAL;
}

int jb__precis_enforce(enum jb__precis_profile profile, struct jb_str in, char *out, size_t room,
                       size_t *n)
{
    struct jb__points p;
    int rc = jb__points_decode(in, &p);

    if (rc == 0)
        rc = p.n ? settle(profile, &p) : JB_EINVAL;
    if (rc != 0)
        return rc;
    /* Rules about neighbours hold for the form that is kept, not for the way it was typed. */
    if (!jb__precis_context_ok(p.v, p.n))
        return JB_EINVAL;
    if (profile != JB__PRECIS_OPAQUE && jb__precis_is_rtl(p.v, p.n) &&
        !jb__precis_bidi_ok(p.v, p.n))
        return JB_EINVAL;
    return jb__points_encode(&p, out, room, n);
}
