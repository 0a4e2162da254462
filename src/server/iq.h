/* SPDX-License-Identifier: MIT */
/* Requests that the server answers itself, for a host or on behalf of an account. */
#ifndef SERVER_IQ_H
#define SERVER_IQ_H

#include "core/stanza.h"

struct conn;
struct host;
struct reactor;
struct session;
struct user;

enum iq_kind { IQ_GET = 1, IQ_SET = 2 };
enum iq_target {
    TO_HOST = 1,     /* addressed to the domain itself */
    TO_ACCOUNT = 2,  /* to a bare address with an account here (or, with TO_OWN, one's own) */
    TO_OWN = 4,      /* without a to, or to one's own bare address */
    TO_STRANGER = 8, /* from a connection that has not authenticated */
    TO_NOBODY = 16,  /* to an address without an account, bare or full: must be answered as a
                        stranger is at an account.  Nothing of the user is loaded */
};

struct iq;

struct iq_rule {
    enum jb_ns ns;    /* of the payload */
    const char *name; /* of the payload */
    unsigned kinds;   /* IQ_GET | IQ_SET */
    unsigned targets; /* TO_HOST | ... */
    /* Must lead to exactly one iq_send(), iq_refuse() or iq_hold(). */
    void (*handler)(struct iq *iq);
};

/* A request.  Lives during the handler; iq_hold() makes one that lives on. */
struct iq {
    struct reactor *reactor;
    const struct host *host; /* asked, or the account's */
    struct user *user;       /* TO_ACCOUNT, TO_OWN, TO_NOBODY: whose; otherwise NULL */
    struct session *session; /* TO_OWN: the one that asks; otherwise NULL */
    struct conn *conn;       /* TO_STRANGER: who asks; otherwise NULL */
    struct jb_stanza *stanza;
    uint16_t payload; /* node index of the payload */
    bool held;        /* made by iq_hold() */
    bool answered;
    uint32_t session_serial; /* held: tells the session from a later one */
    /* The answer in the making. */
    struct jb__buf buf;
    struct jb_xml x;
};

/* The parsed request, to be looked at with jb_node_*. */
static inline const struct jb_doc *iq_doc(const struct iq *iq)
{
    return &iq->stanza->doc;
}

/* Begins a result; the caller writes the payload, if any, and calls iq_send(). */
struct jb_xml *iq_result(struct iq *iq);
/* Sends what was begun; an error since iq_result() becomes an error answer. */
void iq_send(struct iq *iq);
/* An empty result. */
void iq_done(struct iq *iq);
/* An error answer: iq_refuse(iq, JB_FAULT(FORBIDDEN, "...")). */
void iq_refuse(struct iq *iq, struct jb_fault fault);

/* For a handler that must wait: a copy that outlives it and must be answered, and is then freed by
 * iq_send(), iq_done() or iq_refuse().  Its user stays in memory; its session may be gone, then
 * `session` is NULL: look before each use, with iq_session(). */
struct iq *iq_hold(struct iq *iq);
struct session *iq_session(struct iq *held);

/* ---- for the server ---- */

/* Dispatches a request addressed to a host or an account; false: no module answers it. */
bool iq_dispatch(struct reactor *r, const struct host *host, struct user *u, struct session *own,
                 struct jb_stanza *stanza);
/* The same for a connection that has not authenticated. */
bool iq_dispatch_stranger(struct conn *c, struct jb_draft *draft);

#endif
