/* SPDX-License-Identifier: MIT */
/* Who may learn that an account exists and when its owner is there: he himself, and whoever he
 * lets see his presence (RFC 6121 section 3).  Everybody else is answered as if there were nobody.
 */
#ifndef MODULES_CONTACT_H
#define MODULES_CONTACT_H

#include "modules/modules.h"
#include "modules/rfc6121_roster.h"

static inline bool contact_sees(struct user *u, struct jb_jid who)
{
    return jb_jid_eq_bare(who, u->jid) || (roster_state(u, who) & ROSTER_FROM);
}

#endif
