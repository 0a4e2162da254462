/* SPDX-License-Identifier: MIT */
/* WebSocket framing (RFC 6455 section 5), both roles, no I/O.
 *
 * Bytes are fed as they arrive; whole messages come out.  A text message that arrives whole in one
 * piece is unmasked where it lies and handed out without a copy.  One that does not is collected in
 * a buffer that grows with what arrives, never with what a header promises.  UTF-8 is checked as
 * bytes arrive, limits before anything is stored. */
#ifndef JB_CORE_WS_FRAME_H
#define JB_CORE_WS_FRAME_H

#include "base/buf.h"
#include "base/utf8.h"
#include "core/limits.h"

enum jb_role { JB_ROLE_SERVER, JB_ROLE_CLIENT };

enum jb_ws_opcode {
    JB_WS_CONTINUATION = 0,
    JB_WS_TEXT = 1,
    JB_WS_BINARY = 2,
    JB_WS_CLOSE = 8,
    JB_WS_PING = 9,
    JB_WS_PONG = 10,
};

/* RFC 6455 section 7.4.1. */
enum jb_ws_code {
    JB_WS_NORMAL = 1000,
    JB_WS_GOING_AWAY = 1001,
    JB_WS_PROTOCOL_ERROR = 1002,
    JB_WS_UNSUPPORTED = 1003,
    JB_WS_NO_CODE = 1005, /* never on the wire: the close frame was empty */
    JB_WS_BAD_DATA = 1007,
    JB_WS_POLICY = 1008,
    JB_WS_TOO_BIG = 1009,
    JB_WS_INTERNAL = 1011,
};

/* What to do with messages whose RSV1 bit is set (RFC 7692); given by the owner when
 * permessage-deflate was negotiated.  Feeds compressed bytes, appends plain ones to `out`. */
struct jb_ws_inflater {
    /* 0, JB_EFULL (over out's maximum), JB_EINVAL (no valid deflate data), JB_ENOMEM.
     * `last`: the message ends with this piece. */
    int (*feed)(void *ctx, struct jb_str piece, bool last, struct jb__buf *out);
    void *ctx;
};

struct jb_ws {
    const struct jb_ws_inflater *inflate; /* NULL: RSV1 is an error */
    struct jb__buf message;  /* the message being collected; no memory while there is none */
    uint64_t frame_left;     /* payload bytes of the current frame still to come */
    uint32_t message_limit;  /* bytes of the next message; of the current one: message.max */
    uint32_t fragment_limit; /* frames of a message */
    uint32_t fragments;      /* frames of the current message so far */
    uint16_t fail_code;      /* enum jb_ws_code once failed; nothing is decoded after that */
    uint8_t role;            /* enum jb_role: which side we are */
    uint8_t head[14];        /* the current frame's head, while it is incomplete */
    uint8_t head_bytes;      /* of it, here so far */
    uint8_t mask[4];         /* key of the current frame */
    uint8_t mask_at;         /* position in the key, 0..3 */
    uint8_t frame_opcode;    /* of the current frame */
    uint8_t message_opcode;  /* TEXT or BINARY while a message is in progress, else 0 */
    uint8_t control_bytes;   /* of the current control frame's payload, here so far */
    jb__utf8_state utf8;     /* of the text message in progress */
    bool in_payload;         /* the head is complete */
    bool fin;                /* of the current frame */
    bool compressed;         /* the message in progress is */
    bool handed_out;         /* `message` was handed out and is freed with the next call */
    bool close_seen;         /* a close frame arrived: what follows is ignored */
    char control[125];       /* payload of the current control frame */
};

enum jb_ws_event_kind {
    JB_WS_EVENT_NONE,    /* all input is used up */
    JB_WS_EVENT_MESSAGE, /* opcode TEXT or BINARY, data is the whole message */
    JB_WS_EVENT_PING,
    JB_WS_EVENT_PONG,
    JB_WS_EVENT_CLOSE, /* code, and data is the reason */
    JB_WS_EVENT_FAIL,  /* the other side broke the protocol or a limit: close with `code` */
};

struct jb_ws_event {
    enum jb_ws_event_kind kind;
    enum jb_ws_opcode opcode;
    uint16_t code;
    enum jb_limit
        over;          /* FAIL: the limit reached (stanza_bytes, ws_fragments), or JB_LIMIT_COUNT */
    const char *words; /* FAIL: what was wrong, for the log and the close reason; static */
    char *data;        /* writable; valid until the next call or until the input goes away */
    size_t bytes;
};

void jb_ws_init(struct jb_ws *ws, enum jb_role role, const struct jb_allocator *alloc);
void jb_ws_deinit(struct jb_ws *ws);
/* 0 < message_limit; a message in progress keeps the limit it began with. */
void jb_ws_set_limits(struct jb_ws *ws, uint32_t message_limit, uint32_t fragment_limit);

/* Takes input at *p (moved forward, *n shrinks) until something is to be told or nothing is left.
 * The input is written to (unmasking). */
void jb_ws_next(struct jb_ws *ws, char **p, size_t *n, struct jb_ws_event *ev);

enum { JB_WS_HEAD_BYTES = 14 };
/* Writes a frame's head: FIN set; rsv1 for a compressed message; `mask` (4 bytes) for the client
 * role, NULL for the server.  Returns its bytes. */
size_t jb_ws_write_head(char out[JB_WS_HEAD_BYTES], enum jb_ws_opcode opcode, bool rsv1,
                        uint64_t payload_bytes, const uint8_t *mask);
/* Masks or unmasks in place; `at`: position in the payload modulo 4. */
void jb_ws_mask(char *p, size_t n, const uint8_t mask[4], unsigned at);
/* True when a close frame may carry this code (RFC 6455 section 7.4). */
bool jb_ws_code_allowed(unsigned code);

#endif
