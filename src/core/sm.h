/* SPDX-License-Identifier: MIT */
/* Stream management (XEP-0198): what the two sides tell each other about the stanzas they have
 * handled, and what remains of a stream whose connection is gone.
 *
 * The counters of the wire begin at 0 when stream management is enabled.  Inside, stanzas have the
 * numbers that the stream (`received`) and its send queue give them; `in_base` and `out_base` are
 * the difference.  All of it is modulo 2^32. */
#ifndef JB_CORE_SM_H
#define JB_CORE_SM_H

#include "core/sendq.h"

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
    struct jb_str id;       /* `id` or `previd` */
    struct jb_str location; /* where to resume; empty: anywhere */
    struct jb_str condition; /* name of the condition in <failed/> */
    uint32_t h;             /* on the wire */
    uint32_t max_s;         /* seconds a session waits for its resumption; 0: not said */
    bool has_h;
    bool resume;
};

/* The counter that <a/>, <resumed/> and <failed/> tell. */
uint32_t jb_sm_handled_wire(const struct jb_sm *sm);
/* Whether the other side may say that it has handled so much. */
bool jb_sm_may_ack(const struct jb_sm_saved *saved, uint32_t h);

/* The other side has handled so much of what is saved; take it from saved->out.  0; JB_EINVAL: it
 * may not say so. */
JB_NODISCARD int jb_sm_acknowledge(struct jb_sm_saved *saved, uint32_t h);

/* Reads a counter as XML Schema's unsignedInt without sign and white space. */
bool jb__sm_parse_u32(struct jb_str text, uint32_t *value);

#endif
