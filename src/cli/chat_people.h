/* SPDX-License-Identifier: MIT */
/* The people of a chat: the contact list, and who is online with what. */
#ifndef CLI_CHAT_PEOPLE_H
#define CLI_CHAT_PEOPLE_H

#include "base/str.h"
#include "jabiru/element.h"

enum { CHAT_CONTACTS = 4096, CHAT_PRESENCES = 8192, CHAT_BARE_BYTES = 2048 };

struct chat_contact {
    char *jid, *name; /* name: "" when there is none */
    char *subscription;
};

/* Somebody's client that is online. */
struct chat_presence {
    char *jid;  /* full */
    char *show; /* "", "away", "chat", "dnd", "xa", or whatever was sent */
};

struct chat_people {
    struct chat_contact *contacts;
    struct chat_presence *presences;
    size_t contact_count, presence_count;
};

void chat_people_deinit(struct chat_people *p);

/* The bare address of a full one. */
const char *chat_bare(const char *jid, char out[CHAT_BARE_BYTES]);

/* A contact list (`whole`) or a change of it. */
void chat_people_on_roster(struct chat_people *p, const struct jb_element *query, bool whole);
/* True when somebody (*bare) has come or gone: his first client or his last. */
bool chat_people_on_presence(struct chat_people *p, const struct jb_element *e, bool *came,
                             char bare[CHAT_BARE_BYTES]);
/* The connection is gone: nobody is known to be online. */
void chat_people_forget(struct chat_people *p);

/* NULL: not online.  Else what the first of his clients shows. */
const char *chat_people_show(const struct chat_people *p, const char *bare);
/* The contact; NULL: he is none. */
const struct chat_contact *chat_people_find(const struct chat_people *p, const char *bare);

#endif
