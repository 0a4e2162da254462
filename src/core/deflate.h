/* SPDX-License-Identifier: MIT */
/* permessage-deflate (RFC 7692) on zlib, no context takeover on either side: every message is a
 * stream of its own, so a connection owns zlib memory only between the first and the last byte of
 * a compressed message.
 *
 * That memory is in a codec, one per reactor (one per client in the library).
 *
 * Deflaters: one for each window size in use, made at first use (170,000 bytes for 15 bits, 41,000
 * for 9).  Compressing a message is one call, so they are never held.
 *
 * Inflaters (40,000 bytes each): one per message in progress, `deflate_inflaters` at most.  One
 * idle inflater is kept, more are freed.  When all are taken, a new message takes over the one
 * whose message began first: its owner is told at his next piece (JB_ECLOSED) and closes.  Honest
 * messages take milliseconds, so those who begin and never finish lose to everybody else.
 *
 * A chat message of 341 bytes becomes 243 in some 6 us, and itself again in 2 us.  Slower levels
 * make it no smaller, larger tables only cost the time to clear them: hence fastest level, small
 * tables.
 *
 * Not thread-safe: one owner. */
#ifndef JB_CORE_DEFLATE_H
#define JB_CORE_DEFLATE_H

#include "base/buf.h"

struct jb__inflater;
struct z_stream_s;

struct jb__codec {
    const struct jb_allocator *alloc;
    unsigned most;               /* inflaters at most, >= 1 */
    unsigned count;              /* inflaters that exist, busy and idle */
    struct jb__inflater *oldest; /* busy ones, by age */
    struct jb__inflater *newest;
    struct jb__inflater *idle;       /* at most one */
    uint64_t serial;                 /* messages begun */
    struct z_stream_s *deflaters[7]; /* by window bits - 9; NULL until used */
};

/* A message being inflated; serial 0: none.  Held by the connection. */
struct jb__inflate {
    uint64_t serial; /* names the inflater lent to it, as long as nobody took it over */
};

/* `inflaters`: jb_limits.deflate_inflaters. */
void jb__codec_init(struct jb__codec *c, const struct jb_allocator *alloc, unsigned inflaters);
/* No message may be in progress. */
void jb__codec_deinit(struct jb__codec *c);

/* Begins a message.  0, JB_ENOMEM. */
JB_NODISCARD int jb__inflate_begin(struct jb__codec *c, struct jb__inflate *m);
/* Appends what the next piece of compressed payload (unmasked, any size) yields.  `last`: the
 * message ends with it.  out->max is the bound on the whole message.
 *   0
 *   JB_EFULL    the message is longer than out->max; nothing beyond was inflated
 *   JB_EINVAL   not a DEFLATE stream, or the message ends inside a block
 *   JB_ECLOSED  the inflater went to a newer message (see above)
 *   JB_ENOMEM
 * After any error the message is over: call jb__inflate_end(). */
JB_NODISCARD int jb__inflate_piece(struct jb__codec *c, struct jb__inflate *m, struct jb_str piece,
                                   bool last, struct jb__buf *out);
/* Gives the inflater back; *m is all zero.  Does nothing when none is held. */
void jb__inflate_end(struct jb__codec *c, struct jb__inflate *m);
/* The three in one: begins with the first piece of a message, ends with the last or an error. */
JB_NODISCARD int jb__inflate_feed(struct jb__codec *c, struct jb__inflate *m, struct jb_str piece,
                                  bool last, struct jb__buf *out);

/* Appends the pieces, one after the other, compressed as one whole message payload, at most
 * `window_bits` (9..15) of window.  0, JB_ENOMEM, JB_EFULL; on failure the buffer is as before. */
JB_NODISCARD int jb__deflate_pieces(struct jb__codec *c, const struct jb_str pieces[3],
                                    uint8_t window_bits, struct jb__buf *out);
/* The same for a text in one piece. */
JB_NODISCARD int jb__deflate_message(struct jb__codec *c, struct jb_str text, uint8_t window_bits,
                                     struct jb__buf *out);

#endif
