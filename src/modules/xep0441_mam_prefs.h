/* SPDX-License-Identifier: MIT */
/* XEP-0441 Message Archive Management Preferences: with whom messages are archived. */
#ifndef MODULES_XEP0441_MAM_PREFS_H
#define MODULES_XEP0441_MAM_PREFS_H

#include "core/jid.h"

struct user;

/* Whether the user wants messages to and from this address in his archive (section 2.3). */
bool mam_prefs_want(struct user *u, struct jb_jid with);

#endif
