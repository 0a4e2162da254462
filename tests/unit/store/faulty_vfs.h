/* SPDX-License-Identifier: MIT */
/* An SQLite VFS named "faulty" over the default one, for fault tests.
 *
 * It counts writes and syncs of databases and logs, can make them fail, and remembers what a power
 * cut would leave of each file: its content at the last sync. */
#ifndef JB_TESTS_FAULTY_VFS_H
#define JB_TESTS_FAULTY_VFS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_WRITE, /* SQLITE_IOERR_WRITE */
    FAULT_SYNC,  /* SQLITE_IOERR_FSYNC */
    FAULT_FULL,  /* SQLITE_FULL, of writes */
};

/* Registers the VFS; once per process. */
void faulty_register(void);
/* The first `after` calls of the kind succeed; then one fails, or all (`for_ever`). */
void faulty_arm(enum fault_kind kind, long after, bool for_ever);
bool faulty_fired(void); /* since it was armed */
/* From now on each synced file of the folder is copied to `folder`/<name>; NULL: no more. */
void faulty_keep_synced(const char *folder);

#endif
