/* SPDX-License-Identifier: MIT */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PID_BYTES = 24 };

/* The process id in the file; empty: it says none. */
static void read_pid(int fd, char pid[PID_BYTES])
{
    ssize_t n = pread(fd, pid, PID_BYTES - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
}

static int write_pid(int fd)
{
    char pid[PID_BYTES];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) != 0)
        return -1;
    return pwrite(fd, pid, (size_t)n, 0) == n ? 0 : -1;
}

int store_lock_open(struct store_lock *lock, const char *folder, char *message,
                    size_t message_bytes)
{
    char path[PATH_MAX];
    char pid[PID_BYTES];
    int n = snprintf(path, sizeof(path), "%s/lock", folder);
    int fd = -1;

    lock->fd = -1;
    errno = ENAMETOOLONG;
    if (n > 0 && (size_t)n < sizeof(path))
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        snprintf(message, message_bytes, "cannot open %s: %s", path, strerror(errno));
        return JB_EIO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        read_pid(fd, pid);
        close(fd);
        if (error != EWOULDBLOCK) {
            snprintf(message, message_bytes, "cannot lock %s: %s", path, strerror(error));
            return JB_EIO;
        }
        snprintf(message, message_bytes, "the data folder %s is in use by %s%s", folder,
                 pid[0] ? "process " : "another process", pid);
        return JB_ESTATE;
    }
    read_pid(fd, pid);
    if (write_pid(fd) != 0) {
        snprintf(message, message_bytes, "cannot write %s: %s", path, strerror(errno));
        close(fd);
        return JB_EIO;
    }
    *lock = (struct store_lock){ .fd = fd, .clean = pid[0] == '\0' };
    return 0;
}

void store_lock_close(struct store_lock *lock, bool clean)
{
    if (lock->fd < 0)
        return;
    /* A file that could not be emptied only costs the next start a check. */
    if (clean && ftruncate(lock->fd, 0) != 0)
        (void)0;
    close(lock->fd);
    lock->fd = -1;
}
