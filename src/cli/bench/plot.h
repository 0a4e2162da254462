/* SPDX-License-Identifier: MIT */
/* Line plots as SVG, written into a page. */
#ifndef CLI_BENCH_PLOT_H
#define CLI_BENCH_PLOT_H

#include <stdbool.h>
#include <stdio.h>

struct plot_point {
    double x, y;
};

struct plot {
    const char *title, *x_words, *y_words;
    const struct plot_point *points; /* x never falls */
    unsigned count;
    bool tail; /* x is a share below 1 (a percentile): the axis is stretched towards 1, which must
                  not be reached */
};

/* Writes a <figure>; a sentence instead when there are fewer than two points. */
void plot_write(FILE *to, const struct plot *plot);

/* A round distance of ticks that cuts `most` into three to eight parts: 1, 2 or 5 times a power of
 * ten.  1 when there is nothing to cut. */
double plot_step(double most);

#endif
