/* SPDX-License-Identifier: MIT */
/* What a power cut would leave on the disk.
 *
 * Keeps, for each file it is told of, the content at its last sync, and apart from that every write
 * and cut since.  An image is the first with any part of the second: each change is kept, dropped
 * or torn (some of its sectors), and what is kept arrives in any order.  A file whose name was
 * never synced may be missing; a deleted one may be back.
 *
 * It takes no part in the real files, and assumes what SQLite assumes of a disk: what a sync has
 * confirmed stays, and a write does not harm the bytes beside it. */
#ifndef JB_TESTS_POWER_H
#define JB_TESTS_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum power_cut {
    POWER_DROP,    /* all that was not synced is gone */
    POWER_KEEP,    /* all of it arrived */
    POWER_PREFIX,  /* the disk was interrupted between two changes: earlier ones are there */
    POWER_REORDER, /* each change as a whole arrived or did not, in any order */
    POWER_TEAR_512,
    POWER_TEAR_4096, /* the same, by sectors: of each change some are there, some are not */
    POWER_CUTS,
};

void power_begin(void);
void power_end(void);

void power_write(const char *name, const void *p, size_t n, int64_t at);
void power_truncate(const char *name, int64_t n);
void power_sync(const char *name);
void power_delete(const char *name);

/* Writes the files as a cut at this moment might leave them into `folder`. */
void power_image(const char *folder, enum power_cut cut, uint64_t seed);

#endif
