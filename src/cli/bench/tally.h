/* SPDX-License-Identifier: MIT */
/* Keeps account of the messages of one sender to one receiver: serials 0, 1, 2, ... */
#ifndef CLI_BENCH_TALLY_H
#define CLI_BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

enum { TALLY_SPAN = 64 }; /* a serial so far behind is not told from one that came before */

struct tally {
    uint32_t next;   /* one more than the highest serial seen */
    uint64_t before; /* bit i: the serial next - 1 - i was seen */
};

enum tally_verdict {
    TALLY_GOOD,     /* new, and none after it was seen before */
    TALLY_DISORDER, /* new, but a later one came first */
    TALLY_TWICE,    /* seen before (or older than TALLY_SPAN) */
};

/* A zeroed struct has seen nothing.  What is lost shows at the end: sent, but neither GOOD nor
 * DISORDER. */
enum tally_verdict tally_see(struct tally *t, uint32_t serial);

#endif
