/* SPDX-License-Identifier: MIT */
/* The list of system calls.  Three kinds:
 *
 *   allowed   what serving takes: this code, libuv, OpenSSL, SQLite, the C library
 *   fatal     what only an intruder asks for: the process ends
 *   the rest  fails with ENOSYS, as if the kernel were older.  Libraries try new calls and fall
 *             back; an update of one of them must not end the server. */
#include "server/sandbox.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls that do not exist on this processor have a number below this one's; libseccomp passes over
 * them. */
static const int allowed[] = {
    /* sockets: no bind, no listen, for what there is to bind was bound before */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    /* descriptors */
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(dup3),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(fcntl),
    SCMP_SYS(fcntl64),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* files */
    SCMP_SYS(_llseek),
    SCMP_SYS(access),
    SCMP_SYS(chmod),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fstatfs64),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(ftruncate64),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(rmdir),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(umask),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(mremap),
    SCMP_SYS(msync),
    SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    /* threads, signals, time */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(futex_time64),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(membarrier),
    SCMP_SYS(nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(time),
    /* what one may know about oneself */
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
};

static const int fatal[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(delete_module),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(finit_module),
    SCMP_SYS(fork),
    SCMP_SYS(fsopen),
    SCMP_SYS(init_module),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(mount),
    SCMP_SYS(move_mount),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pivot_root),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(setgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setns),
    SCMP_SYS(setresgid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setuid),
    SCMP_SYS(swapon),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(vfork),
};

/* A call that is allowed while one argument fits. */
struct conditional {
    int call;
    struct scmp_arg_cmp when;
};

#define ARGUMENT(number, mask, value) \
    { .arg = (number), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value) }
#define IS(number, value) ARGUMENT(number, UINT64_MAX, value)

static const struct conditional conditionals[] = {
    /* memory that can be run is not made any more */
    { SCMP_SYS(mmap), ARGUMENT(2, PROT_EXEC, 0) },
    { SCMP_SYS(mmap2), ARGUMENT(2, PROT_EXEC, 0) },
    { SCMP_SYS(mprotect), ARGUMENT(2, PROT_EXEC, 0) },
    /* threads, not processes; clone3, whose flags cannot be seen here, fails: the C library then
     * takes this one */
    { SCMP_SYS(clone), ARGUMENT(0, CLONE_THREAD, CLONE_THREAD) },
    { SCMP_SYS(socket), IS(0, AF_UNIX) },
    { SCMP_SYS(socket), IS(0, AF_INET) },
    { SCMP_SYS(socket), IS(0, AF_INET6) },
    { SCMP_SYS(ioctl), IS(1, FIONBIO) },
    { SCMP_SYS(ioctl), IS(1, FIONREAD) },
    { SCMP_SYS(ioctl), IS(1, FIOCLEX) },
    { SCMP_SYS(ioctl), IS(1, TCGETS) },
    { SCMP_SYS(ioctl), IS(1, TIOCGWINSZ) },
    { SCMP_SYS(prctl), IS(0, PR_SET_NAME) },
    { SCMP_SYS(prlimit64), IS(2, 0) }, /* to ask, not to set */
};

struct filter {
    scmp_filter_ctx ctx;
    int error; /* 0, or the first as libseccomp gives it: a negative errno */
};

static void keep(struct filter *f, int rc)
{
    if (f->error == 0 && rc < 0)
        f->error = rc;
}

static void add(struct filter *f, uint32_t action, int call, const struct scmp_arg_cmp *when)
{
    keep(f, seccomp_rule_add_array(f->ctx, action, call, when ? 1 : 0, when));
}

/* Other families fail as on a kernel without them: a resolver asks for one and goes on. */
static void deny_families(struct filter *f)
{
    const uint32_t unsupported = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    const struct scmp_arg_cmp above = { .arg = 0, .op = SCMP_CMP_GT, .datum_a = AF_INET6 };

    add(f, unsupported, SCMP_SYS(socket), &above);
    for (unsigned family = 0; family < AF_INET6; family++) {
        const struct scmp_arg_cmp is = IS(0, family);
        if (family != AF_UNIX && family != AF_INET)
            add(f, unsupported, SCMP_SYS(socket), &is);
    }
}

static void add_all(struct filter *f)
{
    /* To this process alone: its own signals, and abort(). */
    const struct scmp_arg_cmp self = IS(0, (scmp_datum_t)getpid());

    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        add(f, SCMP_ACT_ALLOW, allowed[i], NULL);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++)
        add(f, SCMP_ACT_KILL_PROCESS, fatal[i], NULL);
    for (size_t i = 0; i < sizeof conditionals / sizeof conditionals[0]; i++)
        add(f, SCMP_ACT_ALLOW, conditionals[i].call, &conditionals[i].when);
    add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), &self);
    add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), &self);
    deny_families(f);
}

int sandbox_filter_calls(void)
{
    struct filter f = { .ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS)) };

    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
        seccomp_release(f.ctx);
        return JB_ENOTSUP;
    }
    if (!f.ctx) {
        errno = ENOMEM;
        return JB_EIO;
    }
    /* Another processor mode's calls; and for all threads, of which there are some by now. */
    keep(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    keep(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1));
    keep(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2));
    add_all(&f);
    if (f.error == 0)
        keep(&f, seccomp_load(f.ctx));
    seccomp_release(f.ctx);
    errno = -f.error;
    return f.error == 0 ? 0 : JB_EIO;
}
