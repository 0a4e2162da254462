/* SPDX-License-Identifier: MIT */
/* Copies of an SQLite store, for backup and restore. */
#ifndef STORE_SQLITE_COPY_H
#define STORE_SQLITE_COPY_H

#include "store/store.h"

/* Makes the new file `to` a whole copy of the database `from` as it is at one moment.  Others, a
 * running server too, go on reading and writing `from` meanwhile, and do not wait.  The copy is
 * checked page by page and synced before it gets its name; until then it is `to`.part.
 *
 * 0; JB_ENOTFOUND (no `from`), JB_EEXIST (`to`, or its .part), JB_ENOTSUP (not a database of ours,
 * or of a newer version), JB_EINVAL (damaged), JB_EFULL, JB_EIO, JB_ENOMEM: `message` has the
 * words, and nothing is left behind. */
JB_NODISCARD int store_sqlite_copy(const char *from, const char *to,
                                   char message[STORE_MESSAGE_BYTES]);

#endif
