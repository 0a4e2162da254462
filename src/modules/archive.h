/* SPDX-License-Identifier: MIT */
/* The log of a user's messages: one for everything that is kept of them.  The message archive
 * (XEP-0313) is what a query sees of it, offline delivery (XEP-0160) a cursor in it.
 *
 * Ids are given here, at the home of the user, before an entry is committed: so a message that is
 * delivered at once carries the id under which the archive has it.  Entries may be committed in
 * another order. */
#ifndef MODULES_ARCHIVE_H
#define MODULES_ARCHIVE_H

#include "modules/modules.h"
#include "server/custody.h"

/* An entry's flags. */
enum archive_flags {
    ARCHIVE_OFFLINE = 1, /* came in, and offline delivery hands it over */
    ARCHIVE_KEPT = 4,    /* belongs to the message archive: queries see these, the rest goes once it
                            is delivered */
    ARCHIVE_SENT = 8,    /* the owner sent it */
};

/* Of the store: a log, owned by the account. */
extern const struct jb_str archive_store;

/* Whether somebody would miss it (XEP-0313 section 5.1, XEP-0160 section 3, XEP-0334). */
bool archive_is_worth_keeping(const struct jb_stanza *message);
/* Something a reader would miss: not only chat states, hints, ids and the name of the thread. */
bool archive_has_content(const struct jb_doc *doc);
/* Conversations: types chat and normal. */
bool archive_is_conversation(const struct jb_stanza_head *h);
/* Whether it belongs to the user's message archive. */
bool archive_wants(struct user *u, const struct jb_stanza *message, struct jb_jid with);

/* Adds an entry of the user's to what is committed of the message that is handled now, and tells
 * settled() of the outcome (NULL: nobody wants to know).  Returns the entry's id. */
int64_t archive_add(struct user *u, struct jb_stanza *message, uint32_t flags,
                    void (*settled)(struct custody_share *share, int rc));

/* Calls back, on this reactor, when all entries that have an id by now are committed or given up:
 * what is read then has no gap that may close later.  At once when there are none. */
void archive_when_settled(struct user *u, void (*ready)(void *ctx), void *ctx);

#endif
