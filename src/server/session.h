/* SPDX-License-Identifier: MIT */
/* A session: one bound resource of a user, on its user's home reactor. */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "base/list.h"
#include "core/stanza.h"
#include "server/agent.h"
#include "server/custody_row.h"

struct conn;
struct session_sm;
struct user;
struct reactor;

struct session {
    /* In user->sessions.  Aligned, so that the modules' room behind the struct is. */
    _Alignas(max_align_t) struct jb__list node;
    struct user *user;
    struct conn *conn; /* carries its stream; NULL: it waits for its resumption (session_sm.h) */
    struct session_sm *sm; /* stream management; NULL: not enabled */
    struct jb_jid jid;     /* full; the text is in this block */
    /* Its last presence broadcast (no `to`); NULL: not available. */
    struct jb_stanza *presence;
    struct agent agent; /* of its client */
    int64_t bound_us;   /* wall clock, when it was bound */
    int8_t priority;    /* of that presence */
    struct custody_row row; /* what its client sent and is not committed yet */
    bool throttled;      /* its connection is held because of that */
    bool interested;     /* asked for the roster (RFC 6121 section 2.2): gets pushes */
    uint32_t serial;     /* tells a session from a later one at the same address */
    unsigned char *data; /* the modules' room */
};

/* Takes a resource for an authenticated connection (RFC 6120 section 7) on the user's home
 * reactor: `resource` is prepared, empty lets the server choose.  NULL and *fault when refused. */
struct session *session_bind(struct user *u, struct conn *c, struct jb_str resource,
                             struct jb_fault *fault);
/* The agent's client begins anew: its sessions that wait for a resumption end, the oldest first,
 * and with `all` those that have a connection, too. */
void session_supersede(struct user *u, const struct agent *agent, bool all);
/* One that was saved, without a connection; the caller fills it in. */
struct session *session_revive(struct user *u, struct jb_str resource);
/* The server stops, and the session is saved: it goes, and nobody is told. */
void session_drop(struct session *s);
/* Ends it: unavailable presence goes out for it, modules are told, memory is freed. */
void session_end(struct session *s);

/* A stanza from its client. */
void session_on_stanza(struct session *s, struct jb_draft *draft);
/* Queues a stanza to its client; `wrap` may be NULL.  One with a tag is kept until the client has
 * confirmed it: by stream management, or by answering a ping that went behind it. */
void session_deliver(struct session *s, struct jb_stanza *stanza, const struct jb_wrap *wrap);
/* Asks for the acknowledgement of what is queued as soon as it is sent, not a while later. */
void session_ask_receipt(struct session *s);
/* Sends an error back to its client for a stanza of his. */
void session_refuse(struct session *s, const struct jb_stanza_head *h, struct jb_fault fault);
/* Closes its stream with an error, which ends it soon; one without a connection stays as it is. */
void session_fail(struct session *s, enum jb_stream_error error, const char *words);

struct reactor *session_reactor(const struct session *s);
/* Available: has sent presence; `priority` decides who gets messages. */
static inline bool session_is_available(const struct session *s)
{
    return s->presence != NULL;
}

#endif
