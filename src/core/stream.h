/* SPDX-License-Identifier: MIT */
/* One XMPP stream over one WebSocket connection (RFC 7395), without I/O.
 *
 * Bytes go in, events come out, bytes to be sent are rendered on demand.  stream.c is what both
 * ends of a stream have in common; stream_server.c says what a server may be told in which state,
 * stream_client.c what a client may be told.
 *
 *     jb_stream_feed(&s, bytes, n);
 *     while (jb_stream_next(&s, arena, &ev), ev.kind != JB_STREAM_EVENT_NONE)
 *         ...
 *     n = jb_stream_render(&s, out, sizeof out);
 *
 * One thread at a time; a stream may move to another thread between two calls. */
#ifndef JB_CORE_STREAM_H
#define JB_CORE_STREAM_H

#include "base/random.h"
#include "core/limits.h"
#include "core/sendq.h"
#include "core/sm.h"
#include "core/ws_frame.h"

enum jb_stream_state {
    JB_STREAM_STATE_START,   /* waiting for <open/> */
    JB_STREAM_STATE_OPEN,    /* opened, not authenticated */
    JB_STREAM_STATE_AUTHED,  /* authenticated, waiting for the restart's <open/> */
    JB_STREAM_STATE_BINDING, /* opened again, no resource yet */
    JB_STREAM_STATE_BOUND,   /* stanzas flow */
    JB_STREAM_STATE_CLOSING, /* our <close/> or close frame is queued; input only ends it */
    JB_STREAM_STATE_CLOSED,  /* both close frames have passed: the socket may go */
};

enum jb_stream_event_kind {
    JB_STREAM_EVENT_NONE,    /* feed more */
    JB_STREAM_EVENT_OPEN,    /* <open/>; answer with jb_stream_open() or jb_stream_fail() */
    JB_STREAM_EVENT_SASL,    /* an element of the SASL namespace */
    JB_STREAM_EVENT_STANZA,  /* draft */
    JB_STREAM_EVENT_ELEMENT, /* another first-level element */
    JB_STREAM_EVENT_CLOSE,   /* the other side ended the stream; it was answered */
    JB_STREAM_EVENT_FAULT,   /* the other side broke a rule; the stream was ended with an error */
    JB_STREAM_EVENT_ALIVE,   /* a ping or pong: only a sign of life */
    JB_STREAM_EVENT_DONE,    /* the WebSocket is closed on both sides */
    /* Stream management (XEP-0198); `sm` has the fields named: */
    JB_STREAM_EVENT_SM_ENABLE, /* wished (resume, max_s): jb_stream_sm_enabled() or _failed() */
    JB_STREAM_EVENT_SM_RESUME, /* wished (id, h): jb_stream_sm_resumed() or _failed() */
    JB_STREAM_EVENT_SM_ASK,    /* the other side asks; it is answered with the next rendering */
    JB_STREAM_EVENT_ACKED,     /* stanzas were acknowledged: jb_sendq_take_acked() */
    /* The same at a client: */
    JB_STREAM_EVENT_SM_ENABLED, /* (resume, id, max_s, location); counting has begun */
    JB_STREAM_EVENT_SM_RESUMED, /* (h): jb_stream_sm_go_on() */
    JB_STREAM_EVENT_SM_FAILED,  /* refused (condition; h when has_h) */
};

struct jb_stream_event {
    enum jb_stream_event_kind kind;
    struct jb_doc doc;          /* OPEN, SASL, ELEMENT */
    struct jb_draft draft;      /* STANZA; its doc is `doc` */
    struct jb_str to;           /* OPEN: the host asked for, as written */
    struct jb_str from;         /* OPEN: who the client says it is, as written */
    struct jb_str lang;         /* OPEN: xml:lang */
    enum jb_stream_error error; /* FAULT; JB_STREAM_OK when framing was broken: see ws_code */
    uint16_t ws_code;           /* FAULT, CLOSE: the WebSocket close code sent, or received */
    const char *words;          /* FAULT: what was wrong; static */
    enum jb_limit limit;        /* FAULT: the limit that was reached; JB_LIMIT_COUNT: none */
    struct jb_sm_event sm;      /* SM_... */
    bool answers_ping;          /* ALIVE: the first answer to a ping of ours */
};

/* Frozen; shared by all streams of a configuration. */
struct jb_stream_config {
    struct jb_limits limits;
    bool rfc7395_strict; /* refuse even white space between stanzas (section 3.8) */
    /* For the <open/> of a stream that fails before its owner opened it (RFC 6120 section 4.9.1.2):
     * who we are, and what makes its id.  Empty, NULL: left out. */
    struct jb_str fail_from;
    void (*fail_id)(char id[JB__RANDOM_ID_BYTES + 1]);
    uint32_t sm_first; /* where the counters of XEP-0198 begin: 0 but in tests */
    /* A client's: makes the masking key of a frame, from a strong random source. */
    void (*mask_key)(uint8_t key[4]);
};

/* Of 0.x there was 0.9 only, which is said by saying nothing, or so. */
enum jb__stream_version {
    JB__STREAM_VERSION_1_0,
    JB__STREAM_VERSION_0_9,
    JB__STREAM_VERSION_NONE,
};

struct jb_stream {
    const struct jb_stream_config *config;
    struct jb_ws ws;
    struct jb_sendq out;
    const struct jb_ws_deflater *deflate; /* NULL: nothing is compressed */
    char *in;                             /* input fed and not yet taken; the caller's memory */
    size_t in_bytes;
    uint8_t state;        /* enum jb_stream_state */
    uint8_t version;      /* enum jb__stream_version: what our next <open/> says */
    bool authenticated;   /* the larger limits hold */
    bool open_sent;       /* our <open/> of the current stream is queued */
    bool close_sent;      /* our <close/> is queued */
    bool peer_closed;     /* their <close/> has arrived */
    bool ws_close_queued; /* our close frame is to follow what is queued */
    bool ws_close_sent;
    bool ws_close_seen; /* theirs has arrived */
    bool pong_due;      /* a pong with the payload below is to be sent */
    bool ping_due;
    uint32_t pings;  /* the number of our newest ping */
    uint32_t ponged; /* the newest of them that was answered */
    uint8_t pong_bytes;
    uint16_t ws_close_code;
    const char *ws_close_words; /* static; at most 120 bytes */
    char *pong;        /* payload of the pong due; allocated while it is due and not empty */
    uint32_t elements; /* before authentication: first-level elements so far */
    uint32_t received; /* stanzas received while bound, modulo 2^32 (XEP-0198) */
    uint32_t pinged;   /* what was sent when our newest ping was: out.sent */
    struct jb_sm sm;
};

/* Compresses one message (RFC 7692); given by the owner when it was negotiated. */
struct jb_ws_deflater {
    /* Compresses the pieces as one message, appended to out; 0 or negative. */
    int (*message)(void *ctx, const struct jb_str pieces[3], struct jb__buf *out);
    struct jb__buf *scratch; /* where a compressed message is put before it is sent */
    void *ctx;
};

/* Both WebSocket sides are open; the stream is not. */
void jb_stream_init(struct jb_stream *s, const struct jb_stream_config *config,
                    const struct jb_allocator *alloc);
/* The same for the client's side; config->mask_key must be there.  The owner begins with
 * jb_stream_open(), and again after jb_stream_authenticated(). */
void jb_stream_init_client(struct jb_stream *s, const struct jb_stream_config *config,
                           const struct jb_allocator *alloc);
void jb_stream_deinit(struct jb_stream *s);
/* A reload: takes effect with the next message. */
void jb_stream_set_config(struct jb_stream *s, const struct jb_stream_config *config);

/* Gives input; it is written to and must stay until jb_stream_next() said NONE (then all is taken)
 * or jb_stream_rest() was fetched.  Asserts that the last input was taken. */
void jb_stream_feed(struct jb_stream *s, char *p, size_t n);
/* The input not taken yet: whoever stops in the middle keeps it and feeds it again. */
struct jb_str jb_stream_rest(struct jb_stream *s);

/* The next event; what it points to is in the input, the stream or the arena. */
void jb_stream_next(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev);

/* Writes frames to `out`, in order, as many as fit (a frame larger than `cap` never does: see
 * jb_stream_render_bytes); returns bytes written, 0 when there is nothing to send. */
size_t jb_stream_render(struct jb_stream *s, char *out, size_t cap);
/* Room that the next frame needs; 0: nothing to send. */
size_t jb_stream_render_bytes(const struct jb_stream *s);

/* ---- what the owner says ---- */

/* Nothing is queued any more once the stream is closing: the next three then return 0. */

/* Queues our <open/>; from, to, id may be empty. */
JB_NODISCARD int jb_stream_open(struct jb_stream *s, struct jb_str from, struct jb_str to,
                                struct jb_str id);
/* The same of a stream that is about to fail: from `fail_from`, with an id of `fail_id`. */
JB_NODISCARD int jb_stream_open_to_fail(struct jb_stream *s, struct jb_str to);
/* Whom the answer to an <open/> of this `from` is to: who the client says it is, without a resource
 * (RFC 6120 section 4.7.2).  Empty when it does not say so.  In the arena. */
struct jb_str jb_stream_claim(struct jb_str from, struct jb__arena *arena);
/* Queues a first-level element that is no stanza (features, SASL, ...). */
JB_NODISCARD int jb_stream_send_raw(struct jb_stream *s, struct jb_str xml);
/* Queues a stanza. */
JB_NODISCARD int jb_stream_send(struct jb_stream *s, struct jb_stanza *stanza,
                                const struct jb_wrap *wrap);
/* Authentication succeeded: a restart is awaited, the larger limits hold. */
void jb_stream_authenticated(struct jb_stream *s);
/* Authenticated by SASL 2 (XEP-0388), right after jb_stream_authenticated(): there is no restart,
 * the stream goes on. */
void jb_stream_continued(struct jb_stream *s);
/* A resource is bound: stanzas pass. */
void jb_stream_bound(struct jb_stream *s);
/* Asks the other side for a sign of life.  Without stream management its answer (event
 * ALIVE, answers_ping) also acknowledges what was sent before it (RFC 6455 section 5.5.2). */
void jb_stream_ping(struct jb_stream *s);
/* ---- stream management (XEP-0198; sm.c) ---- */

/* Answers SM_ENABLE; counting begins. */
JB_NODISCARD int jb_stream_sm_enabled(struct jb_stream *s, const struct jb_sm_grant *grant);
/* Refuses SM_ENABLE or SM_RESUME; `h`, on the wire, is what is known of the old stream, or NULL. */
JB_NODISCARD int jb_stream_sm_failed(struct jb_stream *s, enum jb_stanza_error condition,
                                     const uint32_t *h);
/* The connection is gone, the stream is not: takes what the next one goes on with. */
void jb_stream_sm_detach(struct jb_stream *s, struct jb_sm_saved *saved);
/* Answers SM_RESUME: goes on as the stream that left `saved`, whose queue is taken over and sent
 * again from what is not acknowledged.  It counts as bound. */
JB_NODISCARD int jb_stream_sm_resumed(struct jb_stream *s, struct jb_sm_saved *saved,
                                      struct jb_str id);
/* Ends the stream because SM_RESUME acknowledges more than the `sent` stanzas there were. */
void jb_stream_sm_too_high(struct jb_stream *s, uint32_t h, uint32_t sent);
/* The same where the answer was within another element (XEP-0388; jb_sm_write_resumed()), and at a
 * client after SM_RESUMED, jb_sm_acknowledge() and jb_sendq_take_acked(): goes on as that stream;
 * what was not acknowledged is sent again.  It counts as bound. */
void jb_stream_sm_go_on(struct jb_stream *s, struct jb_sm_saved *saved);
/* It was enabled within another element (XEP-0386; jb_sm_write_enabled()): counting begins. */
void jb_stream_sm_enabled_inline(struct jb_stream *s);
/* The client's side (sm_client.c).  Asks to enable it; no stanza may be sent before the answer. */
JB_NODISCARD int jb_stream_sm_enable(struct jb_stream *s, bool resume);
/* Asks to go on as the stream that left `saved`, whose name was `id`. */
JB_NODISCARD int jb_stream_sm_resume(struct jb_stream *s, const struct jb_sm_saved *saved,
                                     struct jb_str id);

/* All up to this number of `received` is handled: what the next <a/> says. */
void jb_stream_sm_handled(struct jb_stream *s, uint32_t received);
/* Says it with the next rendering, unasked. */
void jb_stream_sm_tell(struct jb_stream *s);
/* Asks what the other side has handled, unless that is asked already. */
void jb_stream_sm_ask(struct jb_stream *s);

/* Ends the stream with an error (RFC 7395 section 3.5), our <open/> first when it was not sent;
 * then <close/> and the WebSocket's close.  Once closing, nothing more. */
void jb_stream_fail(struct jb_stream *s, enum jb_stream_error error, const char *words);
/* Ends it with a close frame of this code, as if the framing had been broken: nothing more is read.
 */
void jb_stream_abort(struct jb_stream *s, enum jb_ws_code code, const char *words);
/* Ends the stream (section 3.6); `see_other_uri` may be empty. */
void jb_stream_close(struct jb_stream *s, struct jb_str see_other_uri);
/* Sends the WebSocket's close frame after what is queued, without waiting for their <close/>. */
void jb_stream_close_ws(struct jb_stream *s, enum jb_ws_code code, const char *words);

#endif
