/* SPDX-License-Identifier: MIT */
/* Sessions over a restart (XEP-0198): what waits for its resumption when the server stops is written
 * to the store, and is there again when its user is loaded.
 *
 *     kv "sm-session"  key of the session           -> a document: counters, presence, what modules add
 *     kv "sm-queue"    key of the session, number   -> tag and text of a stanza that is not acknowledged
 *     kv "sm-users"    of the server: bare address  -> "" or, of a visitor, "visitor"
 *
 * A crash leaves none of it, but the counters (session_count.h): a session is written once, when
 * the server stops, and taken out when it is read. */
#ifndef SERVER_SESSION_SAVE_H
#define SERVER_SESSION_SAVE_H

#include "core/stanza.h"

struct reactor;
struct server;
struct session;
struct store_unit;
struct user;

/* The reactors have ended, everything is settled: writes down all sessions that wait, and ends them
 * without a word to anybody. */
void session_save_all(struct reactor *r);

/* While a user is loaded: reads, and revives, his saved sessions.  `counts`, all his counters
 * (session_count.h), is the caller's. */
struct session_saved_ops {
    struct store_op *sessions, *queue, *counts;
};
void session_saved_load(struct user *u, struct store_unit *unit, struct session_saved_ops *ops);
void session_saved_revive(struct user *u, const struct session_saved_ops *ops);

/* Before any reactor runs: visitors are there again, and the users with saved sessions are noted,
 * to be loaded one after the other.  0 or the store's code. */
JB_NODISCARD int session_saved_begin(struct server *server);
/* Loads some of them. */
void session_saved_go_on(struct reactor *r);
void session_saved_free(struct reactor *r);

#endif
