/* SPDX-License-Identifier: MIT */
/* Stream management (XEP-0198) as clients do it, with --sm: what the server asks is answered, and
 * it is asked behind each message unless it still owes an answer.  All functions run on the
 * connection's worker. */
#ifndef CLI_BENCH_SM_H
#define CLI_BENCH_SM_H

#include "base/str.h"

struct conn;

/* A message that is not acknowledged. */
struct sm_message {
    uint64_t due_ns;
    uint32_t number; /* of the stanzas sent */
};

/* Of a connection; all zero: off. */
struct sm {
    bool on;
    bool asked;            /* the server owes an answer */
    uint32_t sent;         /* stanzas since it is on */
    uint32_t received;     /* likewise */
    uint32_t acked;        /* of those sent */
    uint32_t first, count; /* of the ring below */
    uint32_t room;         /* a power of two, or 0 */
    struct sm_message *messages;
};

/* The server has enabled it: counting begins. */
void sm_begin(struct conn *c);
/* Lets go of everything; what is not acknowledged never will be. */
void sm_end(struct conn *c);
/* What is said of this kind of text counts as a stanza. */
bool sm_is_stanza(struct jb_str text);
/* Counts a stanza that is sent. */
void sm_sent(struct conn *c);
/* The same for a message whose acknowledgement is measured from `due_ns`; asks for it. */
void sm_sent_message(struct conn *c, uint64_t due_ns);
/* Whatever arrives; true when it was for here. */
bool sm_on_text(struct conn *c, struct jb_str text);

#endif
