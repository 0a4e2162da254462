/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The number behind `key` in a file of lines "Key:   number unit"; 0 when there is none. */
static uint64_t field(const char *path, const char *key)
{
    char line[256];
    uint64_t value = 0;
    size_t n = strlen(key);
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, n) != 0 || line[n] != ':')
            continue;
        value = strtoull(line + n + 1, NULL, 10);
        break;
    }
    if (f)
        fclose(f);
    return value;
}

static uint64_t all_switches(pid_t pid)
{
    char path[320];
    uint64_t sum = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, e->d_name);
        sum += e->d_name[0] == '.' ? 0 : field(path, "voluntary_ctxt_switches");
    }
    if (folder)
        closedir(folder);
    return sum;
}

int process_read(pid_t pid, struct process_use *use)
{
    char path[64];
    clockid_t clock;
    struct timespec cpu;

    /* The scheduler's own account, in nanoseconds: /proc/PID/stat counts hundredths of a second. */
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &cpu) != 0)
        return -1;
    use->cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    use->pss_kib = field(path, "Pss");
    use->anon_kib = field(path, "Pss_Anon");
    use->switches = all_switches(pid);
    return use->pss_kib ? 0 : -1;
}
