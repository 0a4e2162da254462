/* SPDX-License-Identifier: MIT */
/* The roster (RFC 6121 section 2): in memory while its user is, kept in the store (kv of the user,
 * store "roster", one entry a contact).  Used by the other RFC 6121 modules. */
#ifndef MODULES_RFC6121_ROSTER_H
#define MODULES_RFC6121_ROSTER_H

#include "base/hash.h"
#include "core/jid.h"

struct user;

/* What stands between a user and a contact (RFC 6121 section 3.1.6 and appendix A). */
enum roster_state {
    ROSTER_TO = 1,         /* the user gets the contact's presence */
    ROSTER_FROM = 2,       /* the contact gets the user's presence */
    ROSTER_ASK = 4,        /* the user asked and was not answered ("pending out") */
    ROSTER_PENDING_IN = 8, /* the contact asked and was not answered */
    ROSTER_APPROVED = 16,  /* the user agreed in advance (section 3.4) */
    ROSTER_LISTED = 32,    /* it is in the roster as the user sees it */
};

struct roster_item {
    struct jb__hash_node node;
    struct jb_jid jid; /* bare */
    struct jb_str name;
    struct jb_str *groups;
    struct jb_str request; /* while PENDING_IN: the <presence/> that asked */
    uint16_t group_count;
    uint8_t state; /* enum roster_state */
};

/* NULL: not known. */
struct roster_item *roster_find(struct user *u, struct jb_jid jid);
/* Walks all, in no order; start with NULL.  Nothing may be changed meanwhile. */
struct roster_item *roster_next(struct user *u, struct roster_item *item);
uint8_t roster_state(struct user *u, struct jb_jid jid); /* 0: not known */

/* Puts a state in force: memory, store, and (when the user sees a difference) a push to his
 * sessions.  An item that means nothing any more is forgotten.  `request` is kept while the state
 * has PENDING_IN.  JB_EFULL: a limit for new items or requests is reached; nothing changed. */
JB_NODISCARD int roster_set_state(struct user *u, struct jb_jid jid, uint8_t state,
                                  struct jb_str request);

#endif
