/* SPDX-License-Identifier: MIT */
/* Custody: what a stanza of a client asks of the store, and when the client may hear that his
 * stanza is handled.
 *
 * All that has to be kept of one stanza - in the sender's log, in the recipient's, the sender's
 * counter of XEP-0198 - is one unit of the store: it is committed as a whole or not at all.  The
 * unit travels with the stanza from the sender's reactor to the recipient's and back; whoever has
 * it adds to it.  Units of one session are submitted in the order of its stanzas, so that the
 * counter in the store is, after whatever end, that of a stanza with nothing missing before it.
 *
 *     custody_begin(s, stanza);            session.c: a stanza is handled here and now
 *         c = custody_here(r);             a module has something to keep of it
 *         store_unit_log_append(custody_unit(c), ...);
 *         custody_add_share(c, &share);    and wants to hear of the outcome
 *         m->custody = custody_lend(r, stanza);   router.c: it goes elsewhere with the stanza
 *             custody_borrow(r, c); user_receive(...); custody_return(r);
 *     custody_end(r);                      nothing more is added here: submitted once it is back
 *
 * Everything runs on the reactor that has the custody at that time. */
#ifndef SERVER_CUSTODY_H
#define SERVER_CUSTODY_H

#include "core/stanza.h"
#include "server/custody_row.h"
#include "server/reactor.h"
#include "server/store_queue.h"

struct session;
struct user;

/* Somebody who added to the unit, to be told of the outcome on his reactor. */
struct custody_share {
    void (*settled)(struct custody_share *share, int rc);
    struct user *user; /* pinned by custody_add_share() until settled() has returned */
    int64_t id;        /* of the entry in his log */
    struct jb_stanza *stanza; /* likewise referenced */
    uint32_t flags;           /* of the entry */
};

enum { CUSTODY_SHARES = 2 };

struct custody {
    struct mail mail;      /* on its way */
    struct custody_row *row; /* of its session; NULL: it was never a session's */
    struct custody *next;    /* in the row */
    struct custody *next_parked; /* in its reactor's row of those the store had no room for */
    struct reactor *home;  /* the sender's */
    struct user *sender;     /* pinned; NULL: nobody */
    struct jb_stanza *stanza; /* answered with an error when it cannot be kept; may be NULL */
    struct store_unit *unit;  /* NULL: nothing to write so far */
    uint32_t number;          /* of the session's received stanzas, this one included */
    uint32_t waits;           /* units of modules that are not back yet */
    bool handled;             /* nothing is added at home any more */
    bool away;                /* it is at another reactor, or waits with the stanza */
    bool submitted;
    bool counted; /* the session's counter is written with it */
    bool done;    /* the unit is back, or there is none */
    int rc;       /* its outcome */
    uint8_t share_count;
    struct custody_share shares[CUSTODY_SHARES];
};

/* ---- for the server ---- */

/* A stanza of this session is being handled, on its reactor, until custody_end(). */
void custody_begin(struct session *s, struct jb_stanza *stanza);
void custody_end(struct reactor *r);
/* Takes the custody of this stanza away with it; NULL: there is none. */
struct custody *custody_lend(struct reactor *r, const struct jb_stanza *stanza);
/* It arrived with its stanza, which is handled until custody_return(). */
void custody_borrow(struct reactor *r, struct custody *c);
void custody_return(struct reactor *r);
void custody_row_init(struct custody_row *row, struct session *s);
/* The session ends: what is on its way is finished without it, in the same order. */
void custody_session_ended(struct session *s);
/* Commits the counter of a session that has handled more than is committed. */
void custody_commit_count(struct session *s);
/* A unit that was submitted by custody_submit() is back, and its done() has run. */
void custody_unit_back(struct reactor *r, struct custody *c);
/* The store has room again. */
void custody_unpark(struct reactor *r);

/* ---- for modules ---- */

/* The custody of the stanza that is handled here and now; NULL: it is not a client's. */
struct custody *custody_here(struct reactor *r);
/* One of its own, for what no client of ours sent or nobody counts; finished by custody_close().
 * `stanza` is answered with an error when it cannot be kept. */
struct custody *custody_open(struct reactor *r, struct jb_stanza *stanza);
/* The store is so far behind that nothing more may be opened. */
bool custody_is_crowded(const struct reactor *r);
void custody_close(struct custody *c);
/* To be added to, on this reactor. */
struct store_unit *custody_unit(struct custody *c);
void custody_add_share(struct custody *c, const struct custody_share *share);
/* Submits a unit of the module's own, for what a client's stanza changes: the client does not hear
 * that the stanza is handled before the unit is back.  Returns as store_unit_submit(). */
JB_NODISCARD int custody_submit(struct reactor *r, struct store_unit *unit);

#endif
