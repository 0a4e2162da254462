/* SPDX-License-Identifier: MIT */
#include "cli/bench/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* -- The tree --------------------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
    char path[64], line[512];
    long parent = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    /* "PID (NAME) STATE PARENT ...", and NAME may be anything. */
    const char *p = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    if (p && strlen(p) > 4)
        parent = strtol(p + 4, NULL, 10);
    if (f)
        fclose(f);
    return (pid_t)parent;
}

static bool is_member(const struct process_tree *t, pid_t pid)
{
    for (unsigned i = 0; i < t->count; i++)
        if (t->members[i] == pid)
            return true;
    return false;
}

static int add(struct process_tree *t, pid_t pid)
{
    if (t->count == PROCESS_MEMBERS)
        return JB_EFULL;
    t->members[t->count++] = pid;
    return 0;
}

/* One pass over all processes; *grown when there was a new one. */
static int add_children(struct process_tree *t, bool *grown)
{
    int rc = 0;
    DIR *folder = opendir("/proc");

    *grown = false;
    if (!folder)
        return JB_EIO;
    for (struct dirent *e; rc == 0 && (e = readdir(folder));) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        if (pid <= 0 || is_member(t, pid) || !is_member(t, parent_of(pid)))
            continue;
        *grown = true;
        rc = add(t, pid);
    }
    closedir(folder);
    return rc;
}

int process_find(struct process_tree *t)
{
    bool grown = true;
    int rc = 0;

    t->count = 0;
    for (unsigned i = 0; rc == 0 && i < t->root_count; i++)
        rc = parent_of(t->roots[i]) || t->roots[i] == 1 ? add(t, t->roots[i]) : JB_ENOTFOUND;
    while (rc == 0 && grown)
        rc = add_children(t, &grown);
    return rc;
}

/* -- What they used --------------------------------------------------------------------------- */

/* Adds the numbers behind `Pss:` and `Pss_Anon:`; false when there are none. */
static bool add_rollup(pid_t pid, struct process_use *use)
{
    char path[64], line[256];
    bool found = false;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "Pss:", 4) == 0) {
            use->pss_kib += strtoull(line + 4, NULL, 10);
            found = true;
        } else if (strncmp(line, "Pss_Anon:", 9) == 0) {
            use->anon_kib += strtoull(line + 9, NULL, 10);
        }
    }
    if (f)
        fclose(f);
    return found;
}

static void add_rss(pid_t pid, struct process_use *use)
{
    char path[64], line[128];
    char *rest;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f)) {
        strtoull(line, &rest, 10);
        use->rss_kib += strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
    }
    if (f)
        fclose(f);
}

int process_read(const struct process_tree *t, struct process_use *use)
{
    *use = (struct process_use){ 0 };
    for (unsigned i = 0; i < t->count; i++) {
        clockid_t clock;
        struct timespec cpu;
        /* The scheduler's own account, in nanoseconds: /proc/PID/stat counts hundredths of a
         * second. */
        if (clock_getcpuclockid(t->members[i], &clock) != 0 || clock_gettime(clock, &cpu) != 0)
            return JB_ENOTFOUND;
        use->cpu_s += (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
        add_rss(t->members[i], use);
    }
    return 0;
}

int process_read_memory(const struct process_tree *t, struct process_use *use)
{
    int rc = process_read(t, use);

    for (unsigned i = 0; rc == 0 && i < t->count; i++)
        if (!add_rollup(t->members[i], use))
            rc = JB_ENOTFOUND;
    return rc;
}

double process_own_cpu_s(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
}
