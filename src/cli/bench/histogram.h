/* SPDX-License-Identifier: MIT */
/* A histogram of times with a bounded relative error (as HdrHistogram): recording is one increment,
 * memory is fixed, and no percentile is off by more than one part in 128.
 *
 * One thread records; several histograms are merged when their threads are done. */
#ifndef CLI_BENCH_HISTOGRAM_H
#define CLI_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_BITS = 7,     /* each power of two has 2^7 steps */
    HISTOGRAM_OCTAVES = 42, /* up to 2^42 ns, more than an hour; what is longer counts as that */
    HISTOGRAM_SLOTS = (HISTOGRAM_OCTAVES - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
    uint64_t count;
    uint64_t least, most; /* exact; meaningless while count is 0 */
    double sum;
    uint64_t slots[HISTOGRAM_SLOTS];
};

/* A zeroed struct is an empty histogram. */
void histogram_record(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `part` (0 to 1) of the records do not exceed, by nearest rank; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double part);
double histogram_mean(const struct histogram *h);

/* For plots: the records in slots [from, from + 1), and the slot's highest value. */
uint64_t histogram_slot_most(unsigned slot);

#endif
