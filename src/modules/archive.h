/* SPDX-License-Identifier: MIT */
/* The log of a user's messages. */
#ifndef MODULES_ARCHIVE_H
#define MODULES_ARCHIVE_H

/* An entry's flags. */
enum archive_flags {
    ARCHIVE_OFFLINE = 1,   /* came in, and offline delivery hands it over */
    ARCHIVE_TRANSIENT = 2, /* to be deleted once it is delivered */
    ARCHIVE_KEPT = 4,      /* belongs to the message archive: queries see these */
    ARCHIVE_SENT = 8,      /* the owner sent it */
};

#endif
