/* SPDX-License-Identifier: MIT */
/* What waits to be sent on a stream: frames in order, and where each of three cursors stands.
 *
 *     acknowledged <= sent <= queued
 *
 * Queued: appended.  Sent: its bytes went to the connection.  Acknowledged: the other side
 * confirmed it.  Stanzas are counted, and each has its number.  What is kept behind the `sent`
 * cursor until it is acknowledged: every stanza while `keep` is set (XEP-0198), else those with a
 * tag; resumption only moves `sent` back to `acknowledged`.
 *
 * A tag is the caller's name for a delivery: when it is acknowledged, he is told. */
#ifndef JB_CORE_SENDQ_H
#define JB_CORE_SENDQ_H

#include "core/stanza.h"

struct jb_sendq_item {
    struct jb_sendq_item *next;
    struct jb_stanza *stanza; /* shared; NULL: `bytes` is the whole frame */
    int64_t tag;              /* 0: none */
    uint32_t number;          /* of a stanza: how many were queued up to it, modulo 2^32 */
    uint32_t middle_at;       /* of the stanza's text: what stands between head and tail */
    uint32_t middle_bytes;
    uint32_t head_bytes;
    uint32_t tail_bytes;
    bool counted; /* a stanza in the sense of XEP-0198 */
    char bytes[]; /* head, then tail */
};

struct jb_sendq {
    const struct jb_allocator *alloc;
    struct jb_sendq_item *first;  /* oldest that is kept or not sent */
    struct jb_sendq_item *unsent; /* oldest that is not sent; NULL: all are */
    struct jb_sendq_item **cut;   /* the link to it: behind the last that is sent and kept */
    struct jb_sendq_item **end;   /* where the next one is linked in */
    uint32_t bytes_unsent;        /* frame payloads behind the `sent` cursor */
    uint32_t bytes_unacked;       /* of what is sent and kept */
    uint32_t kept;                /* how many those are */
    uint32_t queued;              /* number of the newest stanza */
    uint32_t sent;                /* number of the newest that was sent */
    uint32_t acked;               /* number of the newest that was acknowledged */
    uint32_t most;                /* `sent` at its furthest: rewinding does not take that back */
    bool keep;                    /* keep every stanza until it is acknowledged */
};

void jb_sendq_init(struct jb_sendq *q, const struct jb_allocator *alloc);
void jb_sendq_deinit(struct jb_sendq *q);
/* An empty one goes on behind the stanza of this number. */
void jb_sendq_number_from(struct jb_sendq *q, uint32_t number);
/* Takes over everything `from` has, which is as new afterwards; `to` must be empty. */
void jb_sendq_move(struct jb_sendq *to, struct jb_sendq *from);

/* Appends a sealed stanza, in another shape when `wrap` is not NULL; takes its own reference.
 * 0 or JB_ENOMEM (nothing was appended). */
JB_NODISCARD int jb_sendq_push(struct jb_sendq *q, struct jb_stanza *s, const struct jb_wrap *wrap);
/* Appends a frame that is no stanza. */
JB_NODISCARD int jb_sendq_push_raw(struct jb_sendq *q, struct jb_str text);
/* Appends a stanza that is only text any more: one that was saved and is read back. */
JB_NODISCARD int jb_sendq_push_saved(struct jb_sendq *q, struct jb_str text, int64_t tag);

/* Payload bytes of a frame. */
uint64_t jb_sendq_item_bytes(const struct jb_sendq_item *item);
/* The frame's pieces, in order; empty ones included. */
void jb_sendq_item_pieces(const struct jb_sendq_item *item, struct jb_str pieces[3]);
/* The first unsent frame was sent: the cursor moves on. */
void jb_sendq_sent(struct jb_sendq *q);

/* True when `number` is one that may be acknowledged now: not before the last one that was, not
 * behind what was sent. */
bool jb_sendq_may_ack(const struct jb_sendq *q, uint32_t number);
/* All up to this number is acknowledged; asserts that it may be.  What was kept of it waits to be
 * taken by jb_sendq_take_acked(). */
void jb_sendq_ack(struct jb_sendq *q, uint32_t number);
/* Lets go of the oldest stanza that is kept and acknowledged; false: there is none. */
bool jb_sendq_take_acked(struct jb_sendq *q, int64_t *tag);
/* Of a connection that is gone: the other side says that it has all up to this number.  It may be
 * acknowledged afterwards, also when less was sent on that connection than on one before it, which
 * was lost as well.  False: that was never sent, or is not kept any more. */
JB_NODISCARD bool jb_sendq_catch_up(struct jb_sendq *q, uint32_t number);
/* Everything that is kept is to be sent again. */
void jb_sendq_rewind(struct jb_sendq *q);
/* Puts a rewound queue behind what waits in `to`, which keeps nothing and goes on with the numbers
 * of `from`; what waited in it counts no more. */
void jb_sendq_splice(struct jb_sendq *to, struct jb_sendq *from);

#endif
