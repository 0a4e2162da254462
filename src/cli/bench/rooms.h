/* SPDX-License-Identifier: MIT */
/* Finding the service of rooms, making one, and entering it (XEP-0030, XEP-0045). */
#ifndef CLI_BENCH_ROOMS_H
#define CLI_BENCH_ROOMS_H

#include "cli/bench/conn.h"

/* Main thread, all being logged in: connection 0 finds the service and makes a room (BENCH_FIND),
 * then the first `occupants` connections enter it (BENCH_PREPARE).  CLI_OK, also when the server
 * has no rooms (then their state is ROOMS_NONE); a status after bench_fail(). */
int rooms_prepare(struct bench *b, uint32_t occupants);

/* The scenario hands on these two phases, and what arrives in them. */
void rooms_on_phase(struct worker *w, enum bench_phase phase);
void rooms_on_text(struct conn *c, struct jb_str text);

#endif
