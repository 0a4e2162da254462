/* SPDX-License-Identifier: MIT */
/* The line that is drawn while it runs, when stderr is a terminal; and the wish to stop. */
#ifndef CLI_BENCH_PROGRESS_H
#define CLI_BENCH_PROGRESS_H

#include "cli/bench/bench.h"

/* SIGINT and SIGTERM end the run in order. */
void progress_begin(void);
bool progress_interrupted(void);
void progress_draw(struct bench *b);
void progress_end(struct bench *b); /* the line is clear again */

#endif
