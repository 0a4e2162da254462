/* SPDX-License-Identifier: MIT */
/* Stream management (XEP-0198): what the two sides tell each other about the stanzas they have
 * handled, and what remains of a stream whose connection is gone.
 *
 * The counters of the wire begin at 0 when stream management is enabled.  Inside, stanzas have the
 * numbers that the stream (`received`) and its send queue give them; `in_base` and `out_base` are
 * the difference.  All of it is modulo 2^32. */
#ifndef JB_CORE_SM_H
#define JB_CORE_SM_H

#include "base/arena.h"
#include "core/fault.h"
#include "core/sendq.h"
#include "core/xml_parse.h"
#include "core/xml_write.h"

/* Of a stream. */
struct jb_sm {
    bool on;           /* enabled */
    bool ack_due;      /* an <a/> is to be sent */
    bool ask_due;      /* an <r/> is to be sent */
    bool asked;        /* an <r/> was sent and not answered yet */
    uint32_t in_base;  /* wire = received - in_base */
    uint32_t out_base; /* wire = number - out_base */
    uint32_t handled;  /* what <a/> says, as a number of `received` */
    uint32_t told;     /* what the last <a/> said, likewise */
};

/* What a stream leaves behind for the one that resumes it. */
struct jb_sm_saved {
    struct jb_sendq out;
    struct jb_sm sm;
    uint32_t received;
};

/* What an element of stream management says; which fields, see jb_stream_event_kind. */
struct jb_sm_event {
    struct jb_str id;        /* `id` or `previd` */
    struct jb_str location;  /* where to resume; empty: anywhere */
    struct jb_str condition; /* name of the condition in <failed/> */
    uint32_t h;              /* on the wire */
    uint32_t max_s;          /* seconds a session waits for its resumption; 0: not said */
    bool has_h;
    bool resume;
};

/* What a client that enables it is given. */
struct jb_sm_grant {
    struct jb_str id;       /* to resume with; empty: it cannot be resumed */
    struct jb_str location; /* where; empty: anywhere */
    uint32_t max_s;         /* how long the session waits */
};

/* The answers, as elements of their own or within others (XEP-0386, XEP-0388). */
void jb_sm_write_enabled(struct jb_xml *x, const struct jb_sm_grant *grant);
void jb_sm_write_resumed(struct jb_xml *x, const struct jb_sm_saved *saved, struct jb_str id);
/* `h`, on the wire, is what is known of the old stream, or NULL. */
void jb_sm_write_failed(struct jb_xml *x, enum jb_stanza_error condition, const uint32_t *h);
/* The wishes of an <enable/>, and of a <resume/>; false: it lacks what it must have. */
void jb_sm_read_enable(const struct jb_doc *doc, uint16_t node, struct jb_sm_event *wish);
JB_NODISCARD bool jb_sm_read_resume(const struct jb_doc *doc, uint16_t node,
                                    struct jb__arena *arena, struct jb_sm_event *wish);

/* The counter that <a/>, <resumed/> and <failed/> tell. */
uint32_t jb_sm_handled_wire(const struct jb_sm *sm);
/* What the other side says it has is taken for sent; false: so much never was (see
 * jb_sendq_catch_up()). */
JB_NODISCARD bool jb_sm_catch_up(struct jb_sm_saved *saved, uint32_t h);
/* Whether the other side may say that it has handled so much. */
bool jb_sm_may_ack(const struct jb_sm_saved *saved, uint32_t h);

/* The other side has handled so much of what is saved; take it from saved->out.  0; JB_EINVAL: it
 * may not say so. */
JB_NODISCARD int jb_sm_acknowledge(struct jb_sm_saved *saved, uint32_t h);

/* Reads a counter as XML Schema's unsignedInt without sign and white space. */
bool jb__sm_parse_u32(struct jb_str text, uint32_t *value);

#endif
