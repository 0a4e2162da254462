/* SPDX-License-Identifier: MIT */
#include "server/sandbox_probe.h"

#include "server/control.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Each returns a negative number with errno set, or not. */

static int try_execve(const char *path)
{
    char *const none[] = { NULL };

    return execve(path, none, none);
}

static int try_ptrace(const char *path)
{
    (void)path;
    return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int try_fork(const char *path)
{
    (void)path;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

static int try_socket(const char *path)
{
    (void)path;
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int try_bind(const char *path)
{
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)path;
    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&any, sizeof any.sun_family);
}

static int try_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int try_write(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int try_exec_memory(const char *path)
{
    (void)path;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? -1
               : 0;
}

/* ---- a reactor that hangs, for the watchdog ---- */

static void on_hang(struct reactor *r, struct mail *mail)
{
    enum { HANG_MS = 2500 };

    (void)r;
    jb_free(&jb_allocator_abort, mail);
    usleep(HANG_MS * 1000);
}

/* The last reactor; not the first, which answers here. */
static void hang(struct control_call *call)
{
    struct server *s = control_call_ctx(call);
    struct mail *m = jb_alloc(&jb_allocator_abort, sizeof *m);

    m->deliver = on_hang;
    reactor_send(&s->reactors[0], &s->reactors[s->reactor_count - 1], m);
    control_reply(call, json_pack("{s:s}", "errno", "done"));
}

static const struct {
    const char *name;
    int (*run)(const char *path);
} tries[] = {
    { "execve", try_execve },
    { "ptrace", try_ptrace },
    { "fork", try_fork },
    { "socket", try_socket },
    { "bind", try_bind },
    { "read", try_read },
    { "write", try_write },
    { "exec-memory", try_exec_memory },
};

void sandbox_probe(struct control_call *call)
{
    struct jb_str name = control_call_str(call, "try"), path = control_call_str(call, "path");
    const char *where = path.n ? path.p : "/bin/true";

    if (jb_str_eqz(name, "hang")) {
        hang(call);
        return;
    }
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        if (!jb_str_eqz(name, tries[i].name))
            continue;
        bool stopped = tries[i].run(where) < 0;
        control_reply(call, json_pack("{s:s}", "errno", stopped ? strerrorname_np(errno) : "done"));
        return;
    }
    control_refuse(call, CONTROL_BAD_REQUEST, "no such try");
}
