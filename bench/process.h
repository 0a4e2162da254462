/* SPDX-License-Identifier: MIT */
/* What another process of this machine has used. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct process_use {
    double cpu_s;      /* user and system time of all threads */
    uint64_t pss_kib;  /* its share of memory (smaps_rollup); kernel memory is not in it */
    uint64_t anon_kib; /* of that, its own: heap and stacks */
    uint64_t switches; /* times that its threads gave up the processor by themselves */
};

/* 0; -1: there is no such process, or it is not ours to look at. */
int process_read(pid_t pid, struct process_use *use);

#endif
