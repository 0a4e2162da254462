/* SPDX-License-Identifier: MIT */
/* Names of a host that nobody may take any more, by their skeletons (jb_jid_skeleton): those of its
 * accounts, of accounts that are gone, and all that look like them.  An account that was made by
 * other means than registration is put down when it is first read (where registration is on).
 *
 * Kept: kv of the host, store "names", a key per skeleton. */
#ifndef MODULES_XEP0077_NAMES_H
#define MODULES_XEP0077_NAMES_H

#include "server/store_queue.h"

/* Reads whether it, or one that looks like it, is taken: then the operation has a row.  `local` may
 * be any UTF-8. */
struct store_op *names_find(struct store_unit *u, struct jb_str host, struct jb_str local);
struct store_op *names_take(struct store_unit *u, struct jb_str host, struct jb_str local);
/* Undoes names_take() of a name that was free before. */
struct store_op *names_release(struct store_unit *u, struct jb_str host, struct jb_str local);

#endif
