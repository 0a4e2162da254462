/* SPDX-License-Identifier: MIT */
/* An SQLite VFS named "faulty" over the default one, for fault tests; and "unsynced", which is the
 * default one without its waits for the disk, to look at what "faulty" left.
 *
 * It counts writes and syncs of databases and logs, can make them fail, and tells power.h of every
 * change, so that a test can cut the power before any of them. */
#ifndef JB_TESTS_FAULTY_VFS_H
#define JB_TESTS_FAULTY_VFS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_WRITE, /* SQLITE_IOERR_WRITE */
    FAULT_SYNC,  /* SQLITE_IOERR_FSYNC */
    FAULT_FULL,  /* SQLITE_FULL, of writes */
};

/* Registers both; once per process. */
void faulty_register(void);
/* The first `after` calls of the kind succeed; then one fails, or all (`for_ever`). */
void faulty_arm(enum fault_kind kind, long after, bool for_ever);
bool faulty_fired(void); /* since it was armed */
/* Called before each write, cut, sync and deletion, on the thread that makes it; NULL: no more. */
void faulty_before_change(void (*call)(void *ctx), void *ctx);

#endif
