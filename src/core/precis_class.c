/* SPDX-License-Identifier: MIT */
#include "core/precis.h"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#define MASK(name) UC_CATEGORY_MASK_##name

static bool is_in(uint32_t cp, uint32_t categories)
{
    return uc_is_general_category_withtable(cp, categories);
}

/* RFC 5892 section 2.6, by value. */
static bool find_exception(uint32_t cp, enum jb__precis_property *property)
{
    switch (cp) {
    case 0x00df: /* sharp s */
    case 0x03c2: /* final sigma */
    case 0x06fd:
    case 0x06fe:
    case 0x0f0b:
    case 0x3007: /* ideographic zero */
        *property = JB__PRECIS_VALID;
        return true;
    case 0x00b7: /* middle dot */
    case 0x0375: /* Greek keraia */
    case 0x05f3: /* Hebrew geresh */
    case 0x05f4: /* Hebrew gershayim */
    case 0x30fb: /* katakana middle dot */
        *property = JB__PRECIS_CONTEXT;
        return true;
    case 0x0640: /* Arabic tatweel */
    case 0x07fa:
    case 0x302e:
    case 0x302f:
    case 0x3031:
    case 0x3032:
    case 0x3033:
    case 0x3034:
    case 0x3035:
    case 0x303b:
        *property = JB__PRECIS_DISALLOWED;
        return true;
    default:
        *property = JB__PRECIS_CONTEXT;
        return (cp >= 0x0660 && cp <= 0x0669) || (cp >= 0x06f0 && cp <= 0x06f9);
    }
}

/* Hangul_Syllable_Type L, V or T: blocks Jamo, Jamo Extended-A and -B. */
static bool is_old_hangul_jamo(uint32_t cp)
{
    return (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97c) ||
           (cp >= 0xd7b0 && cp <= 0xd7c6) || (cp >= 0xd7cb && cp <= 0xd7fb);
}

/* NFKC(cp) != cp.  One code point needs no memory but the buffer here. */
static bool has_compat(uint32_t cp)
{
    uint32_t out[UC_DECOMPOSITION_MAX_LENGTH];
    size_t n = UC_DECOMPOSITION_MAX_LENGTH;
    int tag;

    if (uc_decomposition(cp, &tag, out) < 0)
        return false;
    if (tag != UC_DECOMP_CANONICAL)
        return true;
    const uint32_t *same = u32_normalize(UNINORM_NFKC, &cp, 1, out, &n);
    return same != out || n != 1 || out[0] != cp;
}

enum jb__precis_property jb__precis_property(uint32_t cp)
{
    enum jb__precis_property exception;

    if (find_exception(cp, &exception))
        return exception;
    if (is_in(cp, MASK(Cn)) && !uc_is_property_not_a_character(cp))
        return JB__PRECIS_UNASSIGNED;
    if (cp >= 0x21 && cp <= 0x7e)
        return JB__PRECIS_VALID;
    if (uc_is_property_join_control(cp))
        return JB__PRECIS_CONTEXT;
    if (is_old_hangul_jamo(cp) || uc_is_property_default_ignorable_code_point(cp) ||
        uc_is_property_not_a_character(cp) || is_in(cp, MASK(Cc)))
        return JB__PRECIS_DISALLOWED;
    if (has_compat(cp))
        return JB__PRECIS_FREEFORM;
    if (is_in(cp, MASK(Ll) | MASK(Lu) | MASK(Lo) | MASK(Nd) | MASK(Lm) | MASK(Mn) | MASK(Mc)))
        return JB__PRECIS_VALID;
    if (is_in(cp, MASK(Lt) | MASK(Nl) | MASK(No) | MASK(Me) | MASK(Zs) | MASK(S) | MASK(P)))
        return JB__PRECIS_FREEFORM;
    return JB__PRECIS_DISALLOWED;
}

bool jb__precis_is_inert(uint32_t cp)
{
    uint32_t folded[8];
    size_t n = sizeof folded / sizeof folded[0];

    if (jb__precis_property(cp) != JB__PRECIS_FREEFORM || is_in(cp, MASK(Zs)) || has_compat(cp))
        return false;
    const uint32_t *same = u32_casefold(&cp, 1, NULL, NULL, folded, &n);
    return same == folded && n == 1 && folded[0] == cp;
}

static bool is_script(uint32_t cp, const char *name)
{
    const uc_script_t *script = uc_script(cp);

    return script && strcmp(script->name, name) == 0;
}

/* RFC 5892 appendix A.1: between letters that join across it, or behind a virama. */
static bool zwnj_ok(const uint32_t *v, size_t n, size_t at)
{
    size_t left = at;
    size_t right = at + 1;

    if (at > 0 && uc_combining_class(v[at - 1]) == UC_CCC_VR)
        return true;
    while (left > 0 && uc_joining_type(v[left - 1]) == UC_JOINING_TYPE_T)
        left--;
    while (right < n && uc_joining_type(v[right]) == UC_JOINING_TYPE_T)
        right++;
    if (left == 0 || right == n)
        return false;
    int before = uc_joining_type(v[left - 1]);
    int after = uc_joining_type(v[right]);
    return (before == UC_JOINING_TYPE_L || before == UC_JOINING_TYPE_D) &&
           (after == UC_JOINING_TYPE_R || after == UC_JOINING_TYPE_D);
}

/* What the rules ask of the string as a whole, looked at once. */
struct overview {
    bool kana_or_han;
    bool arabic_indic;   /* digits 0660..0669 */
    bool extended_indic; /* digits 06F0..06F9 */
};

static struct overview look_over(const uint32_t *v, size_t n)
{
    struct overview o = { 0 };

    for (size_t i = 0; i < n; i++) {
        o.arabic_indic |= v[i] >= 0x0660 && v[i] <= 0x0669;
        o.extended_indic |= v[i] >= 0x06f0 && v[i] <= 0x06f9;
        o.kana_or_han = o.kana_or_han || is_script(v[i], "Hiragana") ||
                        is_script(v[i], "Katakana") || is_script(v[i], "Han");
    }
    return o;
}

static bool rule_ok(const uint32_t *v, size_t n, size_t at, const struct overview *o)
{
    uint32_t before = at > 0 ? v[at - 1] : 0;
    uint32_t after = at + 1 < n ? v[at + 1] : 0;

    switch (v[at]) {
    case 0x200c:
        return zwnj_ok(v, n, at);
    case 0x200d:
        return at > 0 && uc_combining_class(before) == UC_CCC_VR;
    case 0x00b7:
        return before == 'l' && after == 'l';
    case 0x0375:
        return is_script(after, "Greek");
    case 0x05f3:
    case 0x05f4:
        return is_script(before, "Hebrew");
    case 0x30fb:
        return o->kana_or_han;
    default:
        return !(o->arabic_indic && o->extended_indic);
    }
}

static bool has_rule(uint32_t cp)
{
    return cp >= 0x00b7 && jb__precis_property(cp) == JB__PRECIS_CONTEXT;
}

bool jb__precis_context_ok(const uint32_t *v, size_t n)
{
    struct overview o;
    bool looked = false;

    for (size_t i = 0; i < n; i++) {
        if (!has_rule(v[i]))
            continue;
        if (!looked)
            o = look_over(v, n);
        looked = true;
        if (!rule_ok(v, n, i, &o))
            return false;
    }
    return true;
}

bool jb__precis_is_rtl(const uint32_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int class = v[i] < 0x0590 ? UC_BIDI_L : uc_bidi_class(v[i]);
        if (class == UC_BIDI_R || class == UC_BIDI_AL || class == UC_BIDI_AN)
            return true;
    }
    return false;
}

#define BIT(class) (1u << (class))

bool jb__precis_bidi_ok(const uint32_t *v, size_t n)
{
    const unsigned anywhere = BIT(UC_BIDI_EN) | BIT(UC_BIDI_ES) | BIT(UC_BIDI_CS) |
                              BIT(UC_BIDI_ET) | BIT(UC_BIDI_ON) | BIT(UC_BIDI_BN) |
                              BIT(UC_BIDI_NSM);
    unsigned seen = 0;

    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        seen |= BIT(uc_bidi_class(v[i]));
    while (n > 1 && uc_bidi_class(v[n - 1]) == UC_BIDI_NSM)
        n--;
    unsigned first = BIT(uc_bidi_class(v[0]));
    unsigned last = BIT(uc_bidi_class(v[n - 1]));
    if (first == BIT(UC_BIDI_L))
        return !(seen & ~(anywhere | BIT(UC_BIDI_L))) &&
               (last & (BIT(UC_BIDI_L) | BIT(UC_BIDI_EN)));
    const unsigned rtl = BIT(UC_BIDI_R) | BIT(UC_BIDI_AL);
    const unsigned digits = BIT(UC_BIDI_EN) | BIT(UC_BIDI_AN);
    return (first & rtl) && !(seen & ~(anywhere | rtl | digits)) && (last & (rtl | digits)) &&
           (seen & digits) != digits;
}
