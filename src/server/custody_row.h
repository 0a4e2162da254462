/* SPDX-License-Identifier: MIT */
/* What a session's client sent and is not committed yet, in order (custody.h).  A part of the
 * session; when that ends, what is left goes into a row of its own. */
#ifndef SERVER_CUSTODY_ROW_H
#define SERVER_CUSTODY_ROW_H

#include "server/session_count.h"

struct custody;
struct session;

struct custody_row {
    struct session *session; /* NULL: it has ended */
    struct custody *first;
    struct custody *todo; /* the first that is not submitted */
    struct custody **end;
    uint32_t count;
    struct session_counter counter; /* of a session that has ended */
};

#endif
