/* SPDX-License-Identifier: MIT */
#include "core/jid_domain.h"

#include "core/jid.h"
#include "core/precis.h"

#include <arpa/inet.h>
#include <idn2.h>

enum { LABEL_BYTES = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_ldh(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
}

static bool is_ascii(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 0x7f)
            return false;
    return true;
}

/* No ASCII but letters, digits and hyphens; in particular no NUL, where libidn2 would stop. */
static bool is_ldh_or_other(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x7f && !is_ldh(s.p[i]))
            return false;
    return true;
}

static bool is_alabel(struct jb_str label)
{
    return jb_str_starts(label, JB_STR("xn--"));
}

/* Of letters, digits and hyphens: is it a label, and no A-label? */
static bool is_plain_label(struct jb_str label)
{
    return label.n > 0 && label.n <= LABEL_BYTES && label.p[0] != '-' &&
           label.p[label.n - 1] != '-' && !is_alabel(label);
}

/* A last label of digits makes the name an IPv4 address, or nothing (RFC 1123 section 2.1). */
static bool ends_in_number(struct jb_str s)
{
    size_t digits = 0;

    while (digits < s.n && is_digit(s.p[s.n - 1 - digits]))
        digits++;
    return digits > 0 && (digits == s.n || s.p[s.n - 1 - digits] == '.');
}

bool jb__domain_is_plain(struct jb_str s)
{
    size_t start = 0; /* of the label */

    if (s.n == 0 || s.n > JB_JID_PART_BYTES || ends_in_number(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (is_ldh(s.p[i]))
            continue;
        if (s.p[i] != '.' || !is_plain_label(jb_str(s.p + start, i - start)))
            return false;
        start = i + 1;
    }
    return is_plain_label(jb_str(s.p + start, s.n - start));
}

static int error_of(int idn2_code)
{
    return idn2_code == IDN2_OK ? 0 : idn2_code == IDN2_MALLOC ? JB_ENOMEM : JB_EINVAL;
}

/* "xn--..." to its U-label, which must be one by RFC 5891 section 5.3 and 5.4 and lead back here.
 */
static int decode_alabel(const char *alabel, char *out, size_t *n)
{
    uint8_t *again = NULL;
    char *ulabel = NULL;
    int rc = error_of(idn2_register_u8(NULL, (const uint8_t *)alabel, &again, 0));

    if (rc == 0)
        rc = error_of(idn2_to_unicode_8z8z(alabel, &ulabel, 0));
    if (rc == 0) {
        *n = strlen(ulabel);
        if (*n > JB_JID_PART_BYTES || is_ascii(jb_str(ulabel, *n)))
            rc = JB_EINVAL;
        else
            memcpy(out, ulabel, *n);
    }
    idn2_free(again);
    idn2_free(ulabel);
    return rc;
}

/* Is it a U-label whose A-label fits the DNS? */
static int check_ulabel(const char *ulabel)
{
    uint8_t *alabel = NULL;
    int rc = error_of(idn2_register_u8((const uint8_t *)ulabel, NULL, &alabel, 0));

    if (rc == 0 && strlen((const char *)alabel) > LABEL_BYTES)
        rc = JB_EINVAL;
    idn2_free(alabel);
    return rc;
}

/* Appends the canonical form of one mapped label.  `out` has room for a whole domainpart. */
static int put_label(struct jb_str label, char *out, size_t *n)
{
    char z[4 * LABEL_BYTES + 1]; /* no label of 63 letters has more bytes than this */
    char ulabel[JB_JID_PART_BYTES];
    int rc = 0;

    if (label.n == 0 || label.n >= sizeof z || !is_ldh_or_other(label))
        return JB_EINVAL;
    memcpy(z, label.p, label.n);
    z[label.n] = '\0';
    if (is_alabel(label)) {
        rc = decode_alabel(z, ulabel, &label.n);
        label.p = ulabel;
    } else if (is_ascii(label)) {
        rc = is_plain_label(label) ? 0 : JB_EINVAL;
    } else {
        rc = check_ulabel(z);
    }
    if (rc != 0)
        return rc;
    if (label.n > JB_JID_PART_BYTES - *n)
        return JB_EINVAL;
    memcpy(out + *n, label.p, label.n);
    *n += label.n;
    return 0;
}

/* RFC 5895 section 2: lower case, width, NFC, and the ideographic full stop for a dot.  Then the
 * last dot goes (RFC 7622 section 3.2). */
static int map_name(struct jb_str in, struct jb__points *p)
{
    int rc = jb__points_decode(in, p);

    if (rc != 0 || p->n == 0)
        return JB_EINVAL;
    rc = jb__points_lower(p);
    if (rc == 0) {
        jb__points_map_width(p);
        rc = jb__points_nfc(p);
    }
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i] == 0x3002)
            p->v[i] = '.';
    if (p->n > 1 && p->v[p->n - 1] == '.')
        p->n--;
    return 0;
}

/* RFC 5893 binds all labels of a name as soon as one of them is right-to-left. */
static bool bidi_ok(struct jb_str name)
{
    struct jb__points p;
    size_t start = 0;

    if (jb__points_decode(name, &p) != 0)
        return false;
    if (!jb__precis_is_rtl(p.v, p.n))
        return true;
    for (size_t i = 0; i <= p.n; i++) {
        if (i < p.n && p.v[i] != '.')
            continue;
        if (!jb__precis_bidi_ok(p.v + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

static bool is_ipv4(struct jb_str s)
{
    char z[INET_ADDRSTRLEN];
    struct in_addr address;

    if (s.n >= sizeof z)
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return inet_pton(AF_INET, z, &address) == 1;
}

static int prep_name(struct jb_str in, char *out, size_t *n)
{
    struct jb__points points;
    char mapped[JB_JID_BYTES];
    struct jb_str rest = { mapped, 0 };
    bool more = true;
    int rc = map_name(in, &points);

    if (rc == 0)
        rc = jb__points_encode(&points, mapped, sizeof mapped, &rest.n);
    *n = 0;
    while (rc == 0 && more) {
        struct jb_str label;
        more = jb_str_cut(rest, '.', &label, &rest);
        rc = put_label(label, out, n);
        if (rc == 0 && more && *n == JB_JID_PART_BYTES)
            rc = JB_EINVAL;
        if (rc == 0 && more)
            out[(*n)++] = '.';
    }
    if (rc != 0)
        return rc;
    struct jb_str name = jb_str(out, *n);
    return bidi_ok(name) && (!ends_in_number(name) || is_ipv4(name)) ? 0 : JB_EINVAL;
}

/* "[2001:DB8::1]" as RFC 5952 writes it; no zone, which means nothing to anybody else. */
static int prep_ipv6(struct jb_str in, char *out, size_t *n)
{
    char z[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (in.n < 4 || in.n - 2 >= sizeof z || in.p[in.n - 1] != ']')
        return JB_EINVAL;
    memcpy(z, in.p + 1, in.n - 2);
    z[in.n - 2] = '\0';
    if (strlen(z) != in.n - 2 || inet_pton(AF_INET6, z, &address) != 1 ||
        !inet_ntop(AF_INET6, &address, z, sizeof z))
        return JB_EINVAL;
    size_t bytes = strlen(z);
    out[0] = '[';
    memcpy(out + 1, z, bytes);
    out[bytes + 1] = ']';
    *n = bytes + 2;
    return 0;
}

int jb__domain_prep(struct jb_str in, char *out, size_t *n)
{
    char again[JB_JID_PART_BYTES];
    size_t again_n;

    if (in.n && in.p[0] == '[')
        return prep_ipv6(in, out, n);
    int rc = prep_name(in, out, n);
    if (rc != 0)
        return rc;
    /* A few A-labels decode to letters that our mapping would change (old Cherokee capitals): such
     * a name has no single form and is refused. */
    rc = prep_name(jb_str(out, *n), again, &again_n);
    if (rc != 0)
        return rc;
    return jb_str_eq(jb_str(out, *n), jb_str(again, again_n)) ? 0 : JB_EINVAL;
}

int jb_jid_domain_ascii(struct jb_str domain, struct jb__arena *arena, struct jb_str *out)
{
    struct jb_str text = jb__arena_str(arena, domain); /* libidn2 wants a NUL behind it */
    uint8_t *ascii = NULL;

    if (!text.p)
        return JB_ENOMEM;
    if (is_ascii(domain)) {
        *out = text;
        return 0;
    }
    int rc = idn2_lookup_u8((const uint8_t *)text.p, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        return rc == IDN2_MALLOC ? JB_ENOMEM : JB_EINVAL;
    *out = jb__arena_str(arena, jb_strz((const char *)ascii));
    idn2_free(ascii);
    return out->p ? 0 : JB_ENOMEM;
}
