/* SPDX-License-Identifier: MIT */
/* The counter of a session in the store: how many of its client's stanzas are committed.  It is
 * written with each of them, and outlives the session, so that a client who comes back too late, or
 * after a crash, is told which of his stanzas have to be sent again (XEP-0198 section 5, `h` of
 * <failed/>). */
#ifndef SERVER_SESSION_COUNT_H
#define SERVER_SESSION_COUNT_H

#include "base/str.h"

/* Of the store: kv, owned by the account, under the hash of the session's id. */
extern const struct jb_str session_count_store;

struct session_count {
    uint32_t h;    /* on the wire */
    int64_t at_us; /* when it was written */
};

enum { SESSION_COUNT_BYTES = 12 };

void session_count_encode(const struct session_count *count, uint8_t bytes[SESSION_COUNT_BYTES]);
/* False: these are not the bytes of one. */
bool session_count_decode(struct jb_str bytes, struct session_count *count);

#endif
