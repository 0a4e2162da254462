/* SPDX-License-Identifier: MIT */
/* A connection: a socket, what is read from it, and what is written to it.
 *
 * Its life: PROXY header (where configured), TLS (where configured), HTTP requests, and, after an
 * upgrade, a WebSocket with an XMPP stream.  It is accepted by the first reactor, lives on any, and
 * moves once to the home of its user.  Continuations hold a reference; a closed connection stays in
 * memory until the last is dropped. */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "core/deflate.h"
#include "core/stream.h"
#include "net/sock.h"
#include "server/agent.h"
#include "server/host.h"
#include "server/wheel.h"

#include <uv.h>

struct auth;
struct auth_profile;
struct conn_http;
struct listener;
struct reactor;
struct resumption;
struct sasl2;
struct session;
struct user;

enum conn_phase {
    CONN_PROXY, /* a PROXY protocol header is awaited */
    CONN_TLS,   /* the handshake goes on */
    CONN_HTTP,
    CONN_STREAM, /* XMPP over WebSocket */
    CONN_ECHO,   /* WebSocket echo, in test builds */
    CONN_LINGER, /* all is said; what the client still sends is thrown away */
    CONN_CLOSED, /* the socket is gone; references may remain */
};

/* Whether a ping is to ask for the confirmation of what was sent. */
enum conn_confirm {
    CONFIRM_NOT,
    CONFIRM_LATER,   /* at confirm_ms */
    CONFIRM_FLUSHED, /* as soon as the socket has taken everything */
};

enum { CONN_LANG_BYTES = 36 }; /* RFC 5646 section 4.4.1: 35 letters are enough */

/* A rate with a burst, and with credit: what came in is taken, and paid for by a pause. */
struct bucket {
    uint64_t milli; /* thousandths of a token there are */
    uint64_t at_ms; /* when they were counted; in the future: when the debt will be paid */
};

struct conn {
    struct jb__list node;  /* in reactor->conns */
    struct jb__list dirty; /* in reactor->dirty while something is to be sent */
    struct reactor *reactor;
    struct reactor *moving_to; /* while moving */
    const struct listener *listener;
    uint32_t refs;  /* the reactor's own and those of continuations */
    uint32_t holds; /* while > 0 input waits in `in` */
    struct jb__sock sock;
    uv_poll_t poll;
    struct timer timer;
    uint64_t serial;           /* unique in this process, for logs and admin */
    uint64_t opened_ms;        /* when the current phase began */
    uint64_t heard_ms;         /* last sign of life */
    uint64_t blocked_until_ms; /* over a rate: no reading until then; 0: not */
    struct bucket bytes;       /* of input */
    struct bucket control;     /* of pings, pongs and white space */
    struct bucket stanzas;     /* of the session */
    struct jb__addr address;   /* the client's, as far as it can be believed */
    uint8_t phase;             /* enum conn_phase */
    uint8_t polled;            /* uv_poll events asked for */
    bool write_blocked;        /* the socket takes no more for now */
    bool over_mark;            /* so much waits for it that nothing is read */
    bool secure;               /* TLS ended here or, as configured, in front of us */
    bool authenticated;
    bool pinged;                /* since heard_ms */
    bool moving;                /* on its way to another reactor */
    bool faulted;               /* the client broke a rule: he may still be sending */
    bool told_gate;             /* that it authenticated */
    uint8_t failures;           /* of authentication, and then of binding */
    struct jb__buf in;          /* input that waits: a head in parts, or what came while held */
    struct jb__buf out;         /* rendered and not taken by the socket yet */
    struct conn_http *http;     /* in phase HTTP */
    struct jb_stream stream;    /* in phase STREAM and ECHO */
    bool stream_open;           /* `stream` is initialised */
    struct jb__inflate inflate; /* a compressed message in progress */
    struct jb_ws_inflater inflate_ops;
    struct jb_ws_deflater deflate_ops;
    uint8_t deflate_bits;               /* window of what we send; 0: not negotiated */
    const struct host *host;            /* once the stream is open; of reactor->conf */
    uint64_t closing_ms;                /* when the stream began to close; 0: it has not */
    struct auth *auth;                  /* a SASL exchange in progress */
    const struct auth_profile *profile; /* how its client authenticates; NULL: not begun */
    struct sasl2 *sasl2;                /* XEP-0388: what is to be done with the authentication */
    struct agent agent;                 /* of its client, once authenticated */
    struct jb_str claimed; /* bare address in the `from` of its <open/>; ours; empty: none */
    struct jb_jid login;   /* bare, once authenticated; the text is ours */
    bool anonymous;        /* by SASL ANONYMOUS */
    struct user *user;     /* once authenticated and home: pinned */
    struct session *session;
    uint64_t confirm_ms;           /* CONFIRM_LATER: when */
    uint8_t confirm;               /* enum conn_confirm */
    struct resumption *resumption; /* on its way to the session it goes on with */
    /* Path and query of the upgrade, whole, as the client wrote them: for modules that
     * authenticate by them.  Set from the upgrade on.  A query may hold a secret: no log has it. */
    char *target;
    char *origin; /* of the page that connected, where it is not of this server; NULL: none */
    char lang[CONN_LANG_BYTES]; /* xml:lang of its stream header; empty: none */
    const char *reason;         /* why it ended, in plain words; static; NULL: not said yet */
};

/* A socket was accepted; takes it over.  Runs on the reactor it shall live on. */
void conn_open(struct reactor *r, const struct listener *l, struct jb__sock sock,
               const struct jb__addr *peer);
/* Closes the socket now.  `reason` in plain words is logged; the first one counts. */
void conn_close(struct conn *c, const char *reason);

/* The same where all was said: with TLS the client is told that nothing is missing (close_notify: RFC
 * 6120 section 4.4).  His is not waited for: a server closes at once (RFC 6455 section 5.5.1). */
void conn_finish(struct conn *c, const char *reason);
/* The same once what was written has reached the client: our side is shut first, and what he still
 * sends is read and dropped for a moment, because closing on unread input would destroy it. */
void conn_linger(struct conn *c, const char *reason);

struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn *c);

/* Something was queued: it is sent at the end of this tick. */
void conn_mark_dirty(struct conn *c);
void conn_flush_dirty(struct reactor *r);

/* Over a rate: no input for so long.  Of two pauses the one that ends later counts. */
void conn_pause(struct conn *c, uint64_t wait_ms);

/* Stops taking input, until released as often; what comes meanwhile waits. */
void conn_hold(struct conn *c);
void conn_release(struct conn *c);

/* Moves a held connection to another reactor; `arrived` runs there, still held (and perhaps closed:
 * see phase).  No session, no SASL exchange and no other continuation may know it. */
void conn_move(struct conn *c, struct reactor *to, void (*arrived)(struct conn *c));

/* A limit was reached by this connection: counted, and blamed when it ends. */
void conn_limit(struct conn *c, enum jb_limit limit);

/* Its client is behind a proxy at the address known so far: the true one, for limits and logs.
 * Held until the gate has spoken. */
void conn_set_address(struct conn *c, const struct jb__addr *is);
/* True when what a proxy at this address says about others' addresses is believed. */
bool conn_trusts(const struct conn *c, const struct jb__addr *a);

/* Gives the deadline of its phase to the wheel anew. */
void conn_schedule(struct conn *c);
/* Begins a phase: its deadline counts from now. */
void conn_set_phase(struct conn *c, enum conn_phase phase);

/* Ends the stream with an error. */
void conn_stream_fail(struct conn *c, enum jb_stream_error error, const char *words);
/* Queues <stream:features/>: what can be negotiated now; `resuming`: the session that the stream
 * goes on with is there already. */
void conn_send_features(struct conn *c, bool resuming);
/* True when PLAIN and the like may be used (TLS, TLS outside, or this machine). */
bool conn_is_loopback(const struct conn *c);

/* A reload: points it at the configuration now in force. */
void conn_adopt(struct conn *c);

const struct jb_limits *conn_limits(const struct conn *c);

/* What was queued is to be confirmed by the answer to a ping behind it: within about a second, or
 * as soon as it is sent. */
void conn_confirm_soon(struct conn *c);
void conn_confirm(struct conn *c);

/* ---- between conn.c and the phases ---- */
/* Input has arrived; takes what it can.  What it does not take must go to c->in. */
void conn_http_input(struct conn *c, char *p, size_t n);
void conn_stream_input(struct conn *c, char *p, size_t n);
/* More output of the phase: NULL and 0 when there is none.  The bytes stay until the next call. */
struct jb_str conn_http_output(struct conn *c);
void conn_http_written(struct conn *c, size_t n);
void conn_http_deinit(struct conn *c);
/* Its time is over. */
void conn_http_timeout(struct conn *c);
/* The socket took everything that was queued. */
void conn_http_flushed(struct conn *c);
void conn_stream_flushed(struct conn *c);
/* Upgraded: the handshake's answer is in c->out; `deflate_bits` 0: no compression. */
void conn_stream_begin(struct conn *c, uint8_t deflate_bits, bool echo);
void conn_stream_end(struct conn *c);
/* Its deadline passed. */
void conn_stream_timeout(struct conn *c);
uint64_t conn_stream_deadline(const struct conn *c);

/* Test builds: the echo endpoint. */
void echo_input(struct conn *c, char *p, size_t n);

/* Takes n tokens; returns how long it takes until those are earned that were not there.  What is
 * earned up to then has been spent. */
uint64_t bucket_take(struct bucket *b, uint64_t n, uint32_t rate, uint32_t burst_s,
                     uint64_t now_ms);

#endif
