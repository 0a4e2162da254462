/* SPDX-License-Identifier: MIT */
/* XEP-0313 Message Archive Management: the archives of accounts. */
#ifndef MODULES_XEP0313_MAM_H
#define MODULES_XEP0313_MAM_H

#include "modules/xep0441_mam_prefs.h"

struct host;
struct iq;
struct store_unit;
struct user;

/* Answers whoever asks about an archive that is not his, whether there is one or not. */
void mam_refuse_stranger(struct iq *iq);
/* The ends of an account's archive, for mam_write_ends(): adds the reads to the unit. */
void mam_add_account_ends(struct user *u, const struct host *host, struct store_unit *unit);

#endif
