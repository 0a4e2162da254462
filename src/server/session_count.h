/* SPDX-License-Identifier: MIT */
/* The counter of a session in the store: how many of its client's stanzas are committed.  It is
 * written with each of them, and outlives the session, so that a client who comes back too late, or
 * after a crash, is told which of his stanzas have to be sent again (XEP-0198 section 5, `h` of
 * <failed/>). */
#ifndef SERVER_SESSION_COUNT_H
#define SERVER_SESSION_COUNT_H

#include "base/str.h"

struct store_unit;

/* Of the store: kv, owned by the account, under the hash of the session's id. */
extern const struct jb_str session_count_store;

struct session_count {
    uint32_t h;    /* on the wire */
    int64_t at_us; /* when it was written */
};

enum { SESSION_COUNT_BYTES = 12, SESSION_COUNT_KEY_BYTES = 16 };

void session_count_encode(const struct session_count *count, uint8_t bytes[SESSION_COUNT_BYTES]);
/* False: these are not the bytes of one. */
bool session_count_decode(struct jb_str bytes, struct session_count *count);

/* Which counter it is, and where it stands. */
struct session_counter {
    bool kept;          /* false: there is none in the store, and none comes */
    uint32_t base;      /* on the wire: the session's number of a stanza less this */
    uint32_t committed; /* so many stanzas are, as the session numbers them */
    uint8_t key[SESSION_COUNT_KEY_BYTES]; /* a hash of the secret that resumes the session */
};

/* Adds to the unit that with it all is committed up to the session's stanza `number`. */
void session_count_write(struct store_unit *unit, struct jb_str owner,
                         const struct session_counter *counter, uint32_t number, int64_t now_us);

#endif
