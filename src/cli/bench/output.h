/* SPDX-License-Identifier: MIT */
/* What a run prints: a table or JSON, and the page. */
#ifndef CLI_BENCH_OUTPUT_H
#define CLI_BENCH_OUTPUT_H

#include "cli/bench/bench.h"

/* `status` is the run's; returns it, or CLI_IO when something could not be written. */
int output_write(struct bench *b, int status);
/* The page (report.c); CLI_OK or CLI_IO after a message. */
int report_write(const struct bench *b);

#endif
