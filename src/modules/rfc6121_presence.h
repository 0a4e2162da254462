/* SPDX-License-Identifier: MIT */
/* Presence (RFC 6121 sections 3 and 4): what the roster asks of it. */
#ifndef MODULES_RFC6121_PRESENCE_H
#define MODULES_RFC6121_PRESENCE_H

#include "core/jid.h"

struct user;

/* A contact has left the roster: takes back every subscription that `state` (enum roster_state)
 * had, both ways (section 2.5.2). */
void presence_part(struct user *u, struct jb_jid contact, uint8_t state);
/* A subscription came into force without being asked for: sends the user's presence and asks for
 * the contact's. */
void presence_join(struct user *u, struct jb_jid contact);

#endif
