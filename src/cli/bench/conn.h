/* SPDX-License-Identifier: MIT */
/* One connection of the load: socket, TLS, WebSocket, and the login (login.h).  All functions run
 * on the connection's worker. */
#ifndef CLI_BENCH_CONN_H
#define CLI_BENCH_CONN_H

#include "base/buf.h"
#include "cli/bench/bench.h"
#include "cli/bench/sm.h"
#include "core/ws_frame.h"

struct login;

enum conn_state {
    CONN_CLOSED,
    CONN_WAITING, /* in the worker's queue of those to be opened */
    CONN_CONNECTING,
    CONN_TLS,
    CONN_UPGRADING,
    CONN_LOGIN,
    CONN_READY,
    CONN_LEAVING, /* the close handshake is under way */
};

struct conn {
    struct worker *worker;
    uint32_t index;
    uint32_t hint;      /* where the last mark stood in its message */
    int fd;             /* -1: none */
    uint8_t state;      /* enum conn_state */
    struct ssl_st *ssl; /* NULL: plain */
    struct jb_ws ws;
    struct jb__buf out;           /* what the socket has not taken */
    struct login *login;          /* until READY */
    _Atomic(const char *) awaits; /* in the login: what, in static words, for whoever asks why */
    char *jid;                    /* full address, once bound */
    struct sm sm;
    struct salted *salted;  /* see login.c; kept from login to login */
    uint64_t due_ns;        /* when the login was due */
    uint64_t not_before_ns; /* WAITING: after a refusal */
    struct conn *next;      /* WAITING */
    void *own;              /* the scenario's */
};

/* Puts it into the queue of those that log in; its latency counts from due_ns. */
void conn_want(struct conn *c, uint64_t due_ns, uint64_t not_before_ns);
/* Opens those whose turn it is. */
void conn_open_waiting(struct worker *w);
void conn_on_event(struct conn *c, uint32_t events);

/* Sends whole frames.  What is sent while the connection's own input is taken leaves together. */
void conn_send(struct conn *c, const char *frames, size_t n);
void conn_flush_cork(struct worker *w);
/* Sends one text message; for everything but the hot path. */
void conn_say(struct conn *c, const char *format, ...) JB_PRINTF(2, 3);

/* Says goodbye as a client does; on_closed follows when the server has answered. */
void conn_leave(struct conn *c);
/* Ends it at once, as a pulled cable does as far as the server can tell from a reset; no on_closed.
 */
void conn_cut(struct conn *c);

/* Writes a frame's head and text to `out`, masked with zeroes: the server has the same work with
 * any mask.  Returns its bytes: n and at most JB_WS_HEAD_BYTES more. */
size_t conn_frame(char *out, enum jb_ws_opcode opcode, struct jb_str text);

/* -- For login.c -- */

/* It is logged in. */
void conn_ready(struct conn *c);
/* The login did not work; static words. */
void conn_refused(struct conn *c, const char *why, struct jb_str detail);

#endif
