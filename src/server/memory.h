/* SPDX-License-Identifier: MIT */
/* Gives back to the system what the allocator keeps of a burst (decision 53).
 *
 * glibc returns what is free at the end of a heap by itself, but not what lies between two blocks
 * that live on: after a thousand clients with full queues, nearly all of it.  The first reactor
 * looks once a second; when what is allocated has been half of the most since the last time or
 * less, and 8 MiB below it, for some seconds, a thread of libuv's pool has it return whole free
 * pages. */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* So many looks in a row must find it fallen: what comes again is left alone. */
enum { MEMORY_LOOK_MS = 1000, MEMORY_CALM_LOOKS = 5 };

struct memory {
    uv_timer_t timer;
    uv_work_t work;
    size_t most;   /* bytes allocated at one of the looks since memory was given back */
    unsigned calm; /* looks in a row that found it fallen */
    bool watching; /* the timer is there */
    bool working;  /* a thread is giving back */
};

/* Before the loop runs, or on its thread. */
void memory_start(struct memory *m, uv_loop_t *loop, uint64_t look_ms);
/* What is being given back meanwhile keeps the loop until it is done. */
void memory_stop(struct memory *m);

/* What the timer does. */
void memory_look(struct memory *m);
/* True when so much less than the most is allocated that the difference is worth giving back. */
bool memory_has_fallen(size_t most, size_t now);

#endif
