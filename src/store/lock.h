/* SPDX-License-Identifier: MIT */
/* One process per data folder: an flock(2) on FOLDER/lock.
 *
 * The file holds the decimal process id of its holder, and is emptied on an orderly close; it is
 * never removed (two processes could then each lock their own).  The kernel drops the lock when the
 * holder dies, however it dies. */
#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct store_lock {
    int fd;     /* -1: not held */
    bool clean; /* the holder before us closed it in order, or there was none */
};

/* 0; JB_ESTATE: another process (or another lock of this one) holds it; JB_EIO: the file cannot be
 * made or written.  `message` has the words on failure. */
JB_NODISCARD int store_lock_open(struct store_lock *lock, const char *folder, char *message,
                                 size_t message_bytes);
/* `clean`: what the folder holds is in order. */
void store_lock_close(struct store_lock *lock, bool clean);

#endif
