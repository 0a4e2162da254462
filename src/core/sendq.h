/* SPDX-License-Identifier: MIT */
/* What waits to be sent on a stream: frames in order, and where each of three cursors stands.
 *
 *     acknowledged <= sent <= queued
 *
 * Queued: appended.  Sent: its bytes went to the connection.  Acknowledged: the other side
 * confirmed it (XEP-0198).  Without stream management a frame is done when it is sent.  With it,
 * stanzas stay until they are acknowledged, and resumption only moves `sent` back to
 * `acknowledged`. */
#ifndef JB_CORE_SENDQ_H
#define JB_CORE_SENDQ_H

#include "core/stanza.h"

struct jb_sendq_item {
    struct jb_sendq_item *next;
    struct jb_stanza *stanza; /* shared; NULL: `bytes` is the whole frame */
    uint32_t middle_at;       /* of the stanza's text: what stands between head and tail */
    uint32_t middle_bytes;
    uint32_t head_bytes;
    uint32_t tail_bytes;
    bool counted; /* a stanza in the sense of XEP-0198 */
    char bytes[]; /* head, then tail */
};

struct jb_sendq {
    const struct jb_allocator *alloc;
    struct jb_sendq_item *first;  /* oldest that is not acknowledged */
    struct jb_sendq_item *unsent; /* oldest that is not sent; NULL: all are */
    struct jb_sendq_item **end;   /* where the next one is linked in */
    uint32_t bytes_unsent;        /* frame payloads behind the `sent` cursor */
    uint32_t bytes_unacked;       /* between `acknowledged` and `sent` */
    uint32_t sent;                /* counted stanzas sent, modulo 2^32 */
    uint32_t acked;               /* counted stanzas acknowledged, modulo 2^32 */
    bool keep;                    /* keep what is sent until it is acknowledged */
};

void jb_sendq_init(struct jb_sendq *q, const struct jb_allocator *alloc);
void jb_sendq_deinit(struct jb_sendq *q);

/* Appends a sealed stanza, in another shape when `wrap` is not NULL; takes its own reference.
 * 0 or JB_ENOMEM (nothing was appended). */
JB_NODISCARD int jb_sendq_push(struct jb_sendq *q, struct jb_stanza *s, const struct jb_wrap *wrap);
/* Appends a frame that is no stanza. */
JB_NODISCARD int jb_sendq_push_raw(struct jb_sendq *q, struct jb_str text);

/* Payload bytes of a frame. */
uint64_t jb_sendq_item_bytes(const struct jb_sendq_item *item);
/* The frame's pieces, in order; empty ones included. */
void jb_sendq_item_pieces(const struct jb_sendq_item *item, struct jb_str pieces[3]);
/* The first unsent frame was sent: the cursor moves on. */
void jb_sendq_sent(struct jb_sendq *q);

#endif
