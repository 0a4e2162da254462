/* SPDX-License-Identifier: MIT */
/* PRECIS (RFC 8264): which code points a name may hold, and in which one form it is kept.
 *
 * The properties come from libunistring's Unicode tables; nothing here is a copy of them.  Text is
 * handled as code points, in buffers of a fixed size on the stack (12 KiB each): what does not fit
 * is refused. */
#ifndef JB_CORE_PRECIS_H
#define JB_CORE_PRECIS_H

#include "base/error.h"
#include "base/str.h"

enum { JB__PRECIS_POINTS = 3072 };

struct jb__points {
    size_t n;
    uint32_t v[JB__PRECIS_POINTS];
};

/* The derived property of RFC 8264 section 8. */
enum jb__precis_property {
    JB__PRECIS_VALID,      /* PVALID: in both classes */
    JB__PRECIS_FREEFORM,   /* ID_DIS or FREE_PVAL: in FreeformClass only */
    JB__PRECIS_CONTEXT,    /* CONTEXTJ, CONTEXTO: where a rule of RFC 5892 appendix A allows it */
    JB__PRECIS_DISALLOWED, /* in neither */
    JB__PRECIS_UNASSIGNED, /* not a character yet, as far as our tables know */
};
enum jb__precis_property jb__precis_property(uint32_t cp);

/* A FreeformClass code point that Nodeprep (RFC 6122 appendix A) and our mapping both leave as it
 * is: a symbol, mark or letter-like number without a compatibility or case mapping, no space. */
bool jb__precis_is_inert(uint32_t cp);

/* The contextual rules, for every code point of the string that has one. */
bool jb__precis_context_ok(const uint32_t *v, size_t n);

/* RFC 5893: a string is right-to-left when it holds a code point of class R, AL or AN; the Bidi
 * rule (section 2, six conditions) then says what may stand beside it.  An empty string fails. */
bool jb__precis_is_rtl(const uint32_t *v, size_t n);
bool jb__precis_bidi_ok(const uint32_t *v, size_t n);

/* Steps that the profiles and the domainpart share.  decode: JB_EINVAL when it is not UTF-8, or of
 * more than JB__PRECIS_POINTS bytes (a peer pays for what it makes us look at).  nfc: also
 * JB_ENOMEM.  encode: JB_EINVAL when it needs more than `room` bytes. */
JB_NODISCARD int jb__points_decode(struct jb_str in, struct jb__points *p);
JB_NODISCARD int jb__points_encode(const struct jb__points *p, char *out, size_t room, size_t *n);
JB_NODISCARD int jb__points_nfc(struct jb__points *p);
/* Lower case without regard to context: a final capital sigma becomes the usual small one, as
 * RFC 7622 section 3.5 has it.  JB_EINVAL when it does not fit. */
JB_NODISCARD int jb__points_lower(struct jb__points *p);
void jb__points_map_width(struct jb__points *p); /* full and half width to the usual form */

enum jb__precis_profile {
    JB__PRECIS_USERNAME, /* UsernameCaseMapped, RFC 8265 section 3.3 */
    JB__PRECIS_ADDRESS,  /* the same and inert code points: other servers' older localparts */
    JB__PRECIS_OPAQUE,   /* OpaqueString, RFC 8265 section 4.2 */
};

/* Writes the one form of `in` by the profile, at most `room` bytes, at least one.
 * The rules are repeated until nothing changes (RFC 8264 section 7), so the result is a fixed
 * point.  0, JB_EINVAL, JB_ENOMEM. */
JB_NODISCARD int jb__precis_enforce(enum jb__precis_profile profile, struct jb_str in, char *out,
                                    size_t room, size_t *n);

#endif
