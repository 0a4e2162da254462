/* SPDX-License-Identifier: MIT */
/* Sessions that outlive their connection (XEP-0198).
 *
 * A session with stream management whose connection is lost hibernates: it keeps its place among
 * its user's sessions, what is for it goes onto the send queue it kept, and a new connection of the
 * same user takes it over by the secret it was given when stream management was enabled. */
#ifndef SERVER_SESSION_SM_H
#define SERVER_SESSION_SM_H

#include "base/random.h"
#include "core/stream.h"
#include "server/wheel.h"

struct conn;
struct reactor;
struct session;
struct user;

/* Of a session with stream management. */
struct session_sm {
    struct jb__list node; /* in reactor->hibernating while it has no connection */
    struct session *session;
    char id[JB__RANDOM_ID_BYTES + 1]; /* the secret */
    bool resumable;
    bool overfull;           /* its queue reached a limit; it is closed, or ended, by the timer */
    uint32_t wait_ms;        /* how long it waits for its resumption */
    struct timer timer;      /* without a connection: when that is over */
    struct jb_sm_saved rest; /* without a connection: of its stream */
};

/* Its client wants stream management. */
void session_sm_enable(struct session *s, const struct jb_sm_event *wish);
/* The client of a connection without a session wants to go on with one that is waiting, or whose
 * old connection only looks alive. */
void session_sm_resume(struct conn *c, const struct jb_sm_event *wish);
/* Its stream's owner told of acknowledged stanzas: they are let go. */
void session_sm_acked(struct session *s);
/* A stanza was queued for it: asks for an acknowledgement when it is time, and sees to limits. */
void session_sm_queued(struct session *s, bool tagged);
/* The send queue, whether there is a connection or not. */
struct jb_sendq *session_queue(struct session *s);
/* It ends for good: what nobody will get is answered (XEP-0198 section 4), memory is freed. */
void session_sm_free(struct session *s);

/* Ends the session that has waited longest when at least `most` of them wait; false: they do not. */
bool session_sm_make_room(struct user *u, uint32_t most);

/* Its connection is gone or cannot be used any more: it hibernates, or ends when it cannot. */
void session_lost(struct session *s);

/* The server stops: sessions without a connection end. */
void session_sm_stop(struct reactor *r);

#endif
