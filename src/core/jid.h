/* SPDX-License-Identifier: MIT */
/* XMPP addresses (RFC 7622): parsing, preparation (PRECIS, IDNA2008), comparison.
 *
 * A struct jb_jid is always canonical: two are the same address exactly when their bytes are equal.
 * It is a view: the text belongs to whoever holds the arena or stanza it points into. */
#ifndef JB_CORE_JID_H
#define JB_CORE_JID_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

enum { JB_JID_PART_BYTES = 1023, JB_JID_BYTES = 3 * 1023 + 2 };

struct jb_jid {
    const char *p;     /* "local@domain/resource", canonical; NULL: no address */
    uint16_t local;    /* bytes of the localpart; 0: none */
    uint16_t domain;   /* bytes of the domainpart; never 0 in an address */
    uint16_t resource; /* bytes of the resourcepart; 0: bare */
};

#define JB_JID_NONE ((struct jb_jid){ NULL, 0, 0, 0 })

static inline bool jb_jid_is_set(struct jb_jid j)
{
    return j.p != NULL;
}

static inline struct jb_str jb_jid_local(struct jb_jid j)
{
    return jb_str(j.p, j.local);
}

static inline struct jb_str jb_jid_domain(struct jb_jid j)
{
    return jb_str(j.p + (j.local ? j.local + 1u : 0u), j.domain);
}

static inline struct jb_str jb_jid_bare_str(struct jb_jid j)
{
    return jb_str(j.p, (j.local ? j.local + 1u : 0u) + j.domain);
}

static inline struct jb_str jb_jid_resource(struct jb_jid j)
{
    size_t bare = jb_jid_bare_str(j).n;
    return j.resource ? jb_str(j.p + bare + 1, j.resource) : JB_STR_NONE;
}

/* The whole address as text. */
static inline struct jb_str jb_jid_str(struct jb_jid j)
{
    return jb_str(j.p, jb_jid_bare_str(j).n + (j.resource ? j.resource + 1u : 0u));
}

/* The same address without its resource: a view into the same text. */
static inline struct jb_jid jb_jid_bare(struct jb_jid j)
{
    j.resource = 0;
    return j;
}

static inline bool jb_jid_eq(struct jb_jid a, struct jb_jid b)
{
    return a.local == b.local && a.domain == b.domain && jb_str_eq(jb_jid_str(a), jb_jid_str(b));
}

static inline bool jb_jid_eq_bare(struct jb_jid a, struct jb_jid b)
{
    return a.local == b.local && jb_str_eq(jb_jid_bare_str(a), jb_jid_bare_str(b));
}

/* Parses and prepares the text of an address (RFC 7622 section 3).
 *
 * The result's text is in the arena, or is `text` itself when that is canonical already (the usual
 * case: a pure ASCII address takes no Unicode path and no allocation).  Before they are prepared
 * parts may be longer than JB_JID_PART_BYTES (three times at most); nothing is ever cut to fit.
 * Localparts of other servers may hold some symbols that RFC 7622 no longer allows
 * (docs/decisions/0002-addresses.md); at a host of ours jb_jid_is_strict decides.
 * Returns 0, JB_EINVAL (not an address; *out is JB_JID_NONE), JB_ENOMEM. */
JB_NODISCARD int jb_jid_parse(struct jb_str text, struct jb__arena *arena, struct jb_jid *out);

/* Makes an address from prepared parts (local and resource may be empty); text in the arena.
 * Returns 0, JB_ENOMEM. */
JB_NODISCARD int jb_jid_make(struct jb_str local, struct jb_str domain, struct jb_str resource,
                             struct jb__arena *arena, struct jb_jid *out);

/* One part alone: localpart by UsernameCaseMapped minus the RFC's exclusions (and as wide as
 * jb_jid_parse), domainpart by IDNA2008 (U-labels) or an IP literal, resourcepart by OpaqueString.
 * The result is canonical: preparing it again changes nothing.  It is `in` itself when that is
 * canonical, else in the arena.  0, JB_EINVAL (also for an empty part), JB_ENOMEM. */
JB_NODISCARD int jb_jid_prep_local(struct jb_str in, struct jb__arena *arena, struct jb_str *out);
JB_NODISCARD int jb_jid_prep_domain(struct jb_str in, struct jb__arena *arena, struct jb_str *out);
JB_NODISCARD int jb_jid_prep_resource(struct jb_str in, struct jb__arena *arena,
                                      struct jb_str *out);

/* Says whether a prepared localpart (it may be empty) is one by RFC 7622 to the letter.  Names of
 * our own accounts and rooms must be; an address at a host of ours that is not is malformed. */
bool jb_jid_is_strict(struct jb_str local);

/* A canonical domainpart as DNS, certificates and HTTP write it: with A-labels ("xn--..."), a NUL
 * behind it; text in the arena.  0, JB_EINVAL (too long for DNS), JB_ENOMEM. */
JB_NODISCARD int jb_jid_domain_ascii(struct jb_str domain, struct jb__arena *arena,
                                     struct jb_str *out);

/* The password profile, OpaqueString of RFC 8265 section 4.2 (at most JB_JID_BYTES bytes).
 * Returns as above; the copy in the arena is secret as well. */
JB_NODISCARD int jb_precis_password(struct jb_str in, struct jb__arena *arena, struct jb_str *out);

/* The skeleton of a localpart, after UTS 39 but rough: two names that a reader could take for each
 * other have the same one (Latin, Greek, Cyrillic and Armenian look-alikes, digits, invisible
 * characters).  To index names by; it is not a name itself.  0, JB_EINVAL (not UTF-8, or too long),
 * JB_ENOMEM. */
JB_NODISCARD int jb_jid_skeleton(struct jb_str local, struct jb__arena *arena, struct jb_str *out);

/* True when the skeletons are equal, and when memory runs out (then the answer is not known and
 * the name had better be refused). */
bool jb_jid_confusable(struct jb_str a, struct jb_str b);

#endif
