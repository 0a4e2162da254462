/* SPDX-License-Identifier: MIT */
/* Sec-WebSocket-Extensions (RFC 6455 9.1) and what we agree on in it: permessage-deflate
 * (RFC 7692), without context takeover on either side, so that no connection owns zlib memory.
 *
 * Windows: an inflater of 15 bits reads what any smaller window wrote, so the client's window
 * never matters to us and client_max_window_bits is understood but not answered.  Our own window
 * is what server_max_window_bits asks for, 9 to 15; an offer that asks for 8 is declined, because
 * zlib cannot write a raw stream of 8 bits. */
#ifndef JB_CORE_WS_EXTENSION_H
#define JB_CORE_WS_EXTENSION_H

#include "base/str.h"

enum { JB__WS_WINDOW_BITS_MIN = 9, JB__WS_WINDOW_BITS_MAX = 15 };

/* What was agreed.  All zero: no compression. */
struct jb__ws_deflate {
    bool on;
    uint8_t window_bits; /* the largest window we may compress with, 9..15 */
    bool answer_bits;    /* the answer must name window_bits */
};

/* Server: reads all offers; the first acceptable one wins.  Offers of unknown extensions, and
 * offers of permessage-deflate with unknown, repeated or ill-valued parameters, are declined
 * (RFC 7692 7).  `enabled` false declines all.
 * Returns false only when a header breaks the grammar: the handshake must then fail. */
bool jb__ws_extension_accept(struct jb_str fields, bool enabled, struct jb__ws_deflate *out);
/* The value of the answer's header, made in `text`; empty when compression is off. */
enum { JB__WS_EXTENSION_BYTES = 128 };
struct jb_str jb__ws_extension_answer(const struct jb__ws_deflate *d,
                                      char text[JB__WS_EXTENSION_BYTES]);

/* Client: the offer that goes with jb__ws_extension_agreed(). */
struct jb_str jb__ws_extension_offer(void);
/* Client: checks the server's answer to our offer (`offered` false: to none).  NULL when it can be
 * lived with; otherwise the connection must fail, and these static words say why. */
const char *jb__ws_extension_agreed(struct jb_str fields, bool offered, struct jb__ws_deflate *out);

#endif
