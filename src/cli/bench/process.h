/* SPDX-License-Identifier: MIT */
/* What processes of this machine have used (Linux: /proc). */
#ifndef CLI_BENCH_PROCESS_H
#define CLI_BENCH_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROCESS_ROOTS = 8,    /* processes named by the user */
    PROCESS_MEMBERS = 64, /* they and their descendants */
};

/* A server: the processes named and all that they have started. */
struct process_tree {
    pid_t roots[PROCESS_ROOTS];
    unsigned root_count;
    pid_t members[PROCESS_MEMBERS];
    unsigned count;
};

struct process_use {
    double cpu_s;      /* user and system time of all threads */
    uint64_t rss_kib;  /* resident memory; quick to ask */
    uint64_t pss_kib;  /* resident, shared pages by share; kernel memory is not in it */
    uint64_t anon_kib; /* of that, its own: heap and stacks */
};

/* Looks up the descendants.  0; JB_ENOTFOUND: a root does not run; JB_EFULL. */
JB_NODISCARD int process_find(struct process_tree *t);
/* CPU time and rss_kib of the members.  0 or JB_ENOTFOUND (one is gone, or not ours to look at). */
JB_NODISCARD int process_read(const struct process_tree *t, struct process_use *use);
/* All of it; takes the kernel a while with a large process. */
JB_NODISCARD int process_read_memory(const struct process_tree *t, struct process_use *use);
double process_own_cpu_s(void);

#endif
