/* SPDX-License-Identifier: MIT */
/* From an address to whoever lives there: host, user here, user on another reactor, elsewhere. */
#ifndef SERVER_ROUTER_H
#define SERVER_ROUTER_H

#include "core/stanza.h"

struct reactor;
struct session;
struct user;

/* Routes a sealed stanza by its `to`; takes its own reference.  Never fails: what cannot be
 * delivered is answered to its sender with an error, or dropped, as RFC 6120 section 10 says. */
void router_send(struct reactor *r, struct jb_stanza *stanza);
/* Answers a stanza with an error, unless it must not be answered (an error, a result, presence that
 * is not a request: RFC 6120 section 8.3.1). */
void router_bounce(struct reactor *r, const struct jb_stanza *stanza, struct jb_fault fault);
/* The home of an address's bare form. */
struct reactor *router_home(struct reactor *r, struct jb_jid address);

/* A stanza of our own: write it, then send it.
 *     struct outgoing o;
 *     struct jb_xml *x = router_begin(&o, r);
 *     jb_stanza_open(x, JB_PRESENCE, "subscribed", from, to, JB_STR_NONE);
 *     jb_xml_close(x);
 *     router_end(&o);                 // routes it
 * or  struct jb_stanza *s = router_seal(&o);   // the caller's reference, to deliver otherwise */
struct outgoing {
    struct reactor *reactor;
    struct jb__buf buf;
    struct jb_xml x;
};
struct jb_xml *router_begin(struct outgoing *o, struct reactor *r);
void router_end(struct outgoing *o);
struct jb_stanza *router_seal(struct outgoing *o);

#endif
