/* SPDX-License-Identifier: MIT */
/* The results of a run: named numbers, once, for the table, the JSON and the page. */
#ifndef CLI_BENCH_FIGURES_H
#define CLI_BENCH_FIGURES_H

#include "cli/bench/histogram.h"

#include <stdio.h>

enum { FIGURES = 64 };

struct figure {
    const char *key;   /* in JSON, with its unit: "server_cpu_us_per_message" */
    const char *words; /* for people */
    const char *unit;
    int decimals;
    double value;
};

struct figures {
    struct figure list[FIGURES];
    unsigned count;
};

/* Text is static. */
void figures_add(struct figures *f, struct figure figure);
/* p50, p90, p99, p99.9, most and mean of times in nanoseconds, in milliseconds; nothing when there
 * are none.  `key` is "latency" (then figures are latency_p50_ms, ...), "ack" or
 * "login". */
void figures_add_times(struct figures *f, const char *key, const struct histogram *h);
/* NULL when there is none of this name. */
const struct figure *figures_find(const struct figures *f, const char *key);
/* "12,345.67" into `out`; returns it. */
enum { FIGURE_TEXT_BYTES = 64 };
const char *figure_text(const struct figure *figure, char out[FIGURE_TEXT_BYTES]);

#endif
