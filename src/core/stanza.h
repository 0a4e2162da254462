/* SPDX-License-Identifier: MIT */
/* Stanzas: a draft is being looked at and may be changed, in one thread, until its tick ends; a
 * sealed stanza is one immutable, counted block, valid in any thread for any time.
 *
 * Sealing writes the root's start tag anew, with the addresses the server vouches for, and copies
 * what is inside as it came.  Who delivers a stanza in another shape (another `to`, elements
 * added behind) wraps it: a new head and tail around the shared middle. */
#ifndef JB_CORE_STANZA_H
#define JB_CORE_STANZA_H

#include "core/fault.h"
#include "core/jid.h"
#include "core/xml_parse.h"

#include <stdatomic.h>

enum jb_stanza_kind { JB_MESSAGE, JB_PRESENCE, JB_IQ };

enum jb_stanza_type {
    JB_TYPE_NONE, /* no type attribute; for a message that means normal */
    /* message */
    JB_TYPE_NORMAL,
    JB_TYPE_CHAT,
    JB_TYPE_GROUPCHAT,
    JB_TYPE_HEADLINE,
    /* iq */
    JB_TYPE_GET,
    JB_TYPE_SET,
    JB_TYPE_RESULT,
    /* presence */
    JB_TYPE_UNAVAILABLE,
    JB_TYPE_SUBSCRIBE,
    JB_TYPE_SUBSCRIBED,
    JB_TYPE_UNSUBSCRIBE,
    JB_TYPE_UNSUBSCRIBED,
    JB_TYPE_PROBE,
    /* all */
    JB_TYPE_ERROR,
    JB_TYPE_UNKNOWN, /* a value that the RFCs do not know for this kind */
};

/* What the attributes of a stanza's root say. */
struct jb_stanza_head {
    struct jb_str id;   /* references replaced; empty: none */
    struct jb_jid from; /* unset when absent or malformed */
    struct jb_jid to;
    uint8_t kind;        /* enum jb_stanza_kind */
    uint8_t type;        /* enum jb_stanza_type */
    bool from_malformed; /* there is a from (a to), but it is no address */
    bool to_malformed;
};

/* Reads a root element: JB_EINVAL when it is none of the three kinds in jabber:client. */
JB_NODISCARD int jb_stanza_read_head(const struct jb_doc *doc, struct jb__arena *arena,
                                     struct jb_stanza_head *head);
const char *jb_stanza_kind_name(enum jb_stanza_kind kind);

enum { JB_DRAFT_DROPS = 32 };

/* A stanza on its way to be sealed.  All it points to lives in the tick's arena. */
struct jb_draft {
    struct jb_stanza_head h; /* h.from and h.to may be set: sealing writes them */
    const struct jb_doc *doc;
    struct jb__arena *arena;
    struct jb_str lang;               /* xml:lang for a root without one; empty: none */
    struct jb_str added;              /* XML behind the last child; see jb_draft_add */
    uint16_t dropped[JB_DRAFT_DROPS]; /* children to leave out, ascending */
    uint16_t drops;
};

/* Leaves out a child of the root; in document order.  JB_EFULL past JB_DRAFT_DROPS. */
JB_NODISCARD int jb_draft_drop(struct jb_draft *d, uint16_t child);
/* Adds well-formed XML behind the last child.  JB_ENOMEM. */
JB_NODISCARD int jb_draft_add(struct jb_draft *d, struct jb_str xml);

struct jb_stanza {
    _Atomic uint32_t refs;
    const struct jb_allocator *alloc;
    struct jb_stanza_head h; /* points into this block */
    struct jb_doc doc;       /* likewise */
    int64_t stamp_us;        /* wall time of sealing */
};

/* Makes the sealed form; one reference is the caller's.  JB_ENOMEM, or JB_EFULL when the result is
 * over what the parser takes (it can only be when things were added). */
JB_NODISCARD int jb_draft_seal(const struct jb_draft *d, const struct jb_allocator *alloc,
                               int64_t now_us, struct jb_stanza **out);
/* Makes a sealed stanza from text of our own.  JB_EINVAL when it is no stanza. */
JB_NODISCARD int jb_stanza_new(struct jb_str text, struct jb__arena *arena,
                               const struct jb_allocator *alloc, int64_t now_us,
                               struct jb_stanza **out);

struct jb_stanza *jb_stanza_ref(struct jb_stanza *s);
void jb_stanza_unref(struct jb_stanza *s); /* s may be NULL; any thread */

/* What is inside the root: the raw text between its tags. */
struct jb_str jb_stanza_inner(const struct jb_stanza *s);

/* How a delivery differs from the sealed text. */
struct jb_wrap {
    struct jb_jid to;    /* unset: as sealed */
    struct jb_str added; /* well-formed XML behind the last child; usually empty */
    int64_t tag;         /* what the sender calls it when it is acknowledged; 0: nothing */
};

/* What a root's start tag is written with. */
struct jb_stanza_marks {
    struct jb_jid from, to; /* unset: left out */
    struct jb_str lang;     /* for a root without xml:lang; empty: none.  Letters, digits, '-' */
};
/* Writes the root's start tag with these marks, all else as it stands.  At most
 * jb_stanza_head_bytes(...) bytes go to `out`; returns how many. */
size_t jb_stanza_write_head(const struct jb_doc *doc, const struct jb_stanza_marks *marks,
                            char *out);
size_t jb_stanza_head_bytes(const struct jb_doc *doc, const struct jb_stanza_marks *marks);

/* ---- answers ---- */

/* Writes <kind xmlns='jabber:client' type= from= to= id=>; the caller closes it.  Unset addresses
 * and empty strings are left out. */
void jb_stanza_open(struct jb_xml *x, enum jb_stanza_kind kind, const char *type,
                    struct jb_jid from, struct jb_jid to, struct jb_str id);
/* Writes the whole error answer to a stanza (RFC 6120 section 8.3.1): addresses swapped, id kept,
 * the original's content left out.  `from` unset: the stanza's own `to`. */
void jb_stanza_write_error(struct jb_xml *x, const struct jb_stanza_head *h, struct jb_jid from,
                           const struct jb_fault *fault);

#endif
