/* SPDX-License-Identifier: MIT */
/* Between the two halves of the store's front: units (store_unit.c) and worker (store_queue.c). */
#ifndef SERVER_STORE_UNIT_H
#define SERVER_STORE_UNIT_H

#include "server/store_queue.h"

const struct store_front_options *store_front_settings(const struct store_front *front);

/* Runs the operations; results of an earlier run are dropped.  Sets unit->rc; a unit that failed
 * has to be undone by the caller.  Returns 0, or the code when the store itself failed in a way
 * that concerns all of the transaction (JB_EFULL, JB_EAGAIN, JB_EIO, JB_EINVAL). */
JB_NODISCARD int store_unit_run(struct store_unit *unit, struct store_db *db);

#endif
