/* SPDX-License-Identifier: MIT */
/* The mark that a message of the benchmark carries: who sent it, its serial, and when it was due.
 * It stands as text in an attribute or in character data; a server passes it on as it is, so the
 * receiver needs no look at the XML around it. */
#ifndef CLI_BENCH_MARKER_H
#define CLI_BENCH_MARKER_H

#include "base/str.h"

struct marker {
    uint32_t run;    /* drawn for each run: what an earlier one left behind is not ours */
    uint32_t sender; /* number of the connection */
    uint32_t serial; /* counts the sender's messages */
    uint64_t due_ns; /* monotonic clock */
};

/* "jbm." RUN "." SENDER "." SERIAL "." DUE, in hexadecimal. */
enum { MARKER_BYTES = 4 + 8 + 1 + 8 + 1 + 8 + 1 + 16 };
#define MARKER_BLANK "jbm.00000000.00000000.00000000.0000000000000000"

void marker_write(char out[MARKER_BYTES], const struct marker *m);
/* The same message again: changes a written mark's serial and time. */
void marker_renew(char mark[MARKER_BYTES], uint32_t serial, uint64_t due_ns);
/* Finds the first mark in `text`.  *hint is where the last one was found: servers write alike what
 * is alike, so nearly always there is nothing to search. */
bool marker_find(struct jb_str text, uint32_t *hint, struct marker *m);

#endif
