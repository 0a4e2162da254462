/* SPDX-License-Identifier: MIT */
/* Order and files.  The system calls stand in sandbox_seccomp.c. */
#include "server/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED true
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* The rights and scopes that came after the oldest headers we build with. */
#define FS_TRUNCATE        (1ULL << 14) /* since version 3 */
#define FS_IOCTL_DEV       (1ULL << 15) /* since version 5 */
#define SCOPE_ABSTRACT     (1ULL << 0)  /* since version 6 */
#define SCOPE_SIGNAL       (1ULL << 1)
#define FS_FIRST           ((1ULL << 13) - 1) /* all of version 1 */
#define FS_READ            (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_READ_WRITE_FILE (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define FS_KEEP                                                                             \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |              \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                         \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | FS_TRUNCATE)
/* What may be asked of something that is no folder. */
#define FS_OF_FILES (FS_READ_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | FS_TRUNCATE | FS_IOCTL_DEV)

/* The kernel's struct, as of version 6; an older kernel takes it while what it does not know is 0. */
struct ruleset {
    uint64_t fs, net, scoped;
};

/* One thread sets this before others start. */
static struct {
    int landlock; /* the kernel's version; 0: it has none */
    bool files;   /* in force */
} state;

/* ---- Landlock ---- */

/* What resolvers, TLS and clocks read, wherever it is there. */
static const char *const system_files[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/localtime",
    "/etc/ssl",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/zoneinfo",
};

struct rules {
    int fd;
    uint64_t handled;
    int error; /* the first that happened */
};

/* What is not there needs no rule. */
static void add_rule(struct rules *r, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = access & r->handled };
    struct stat st;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0 || r->error)
        return;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= FS_OF_FILES;
    if (syscall(SYS_landlock_add_rule, r->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        r->error = errno;
    close(rule.parent_fd);
}

static void add_folder_of(struct rules *r, const char *path)
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof folder, "%s", path);
    char *slash = n > 0 && (size_t)n < sizeof folder ? strrchr(folder, '/') : NULL;

    if (!slash) {
        add_rule(r, ".", FS_READ);
        return;
    }
    slash[slash == folder] = '\0';
    add_rule(r, folder, FS_READ);
}

/* A file that a reload reads again.  By then another may be there under its name, or behind the
 * link of its name: so it is the folders that are opened, of the name and of the file. */
static void add_configured(struct rules *r, struct jb_str path)
{
    char real[PATH_MAX];

    if (path.n == 0)
        return;
    add_folder_of(r, path.p);
    if (realpath(path.p, real))
        add_folder_of(r, real);
}

static void add_rules(struct rules *r, const struct config *c)
{
    add_rule(r, c->data.p, FS_KEEP);
    add_rule(r, "/dev/null", FS_READ_WRITE_FILE);
    add_rule(r, "/dev/urandom", FS_READ); /* SQLite wants it, and would do without */
    for (size_t i = 0; i < sizeof system_files / sizeof system_files[0]; i++)
        add_rule(r, system_files[i], FS_READ);
    for (size_t i = 0; i < c->files.count; i++)
        add_configured(r, c->files.items[i]);
    for (size_t i = 0; i < c->host_count; i++) {
        add_configured(r, c->hosts[i].tls_certificate);
        add_configured(r, c->hosts[i].tls_key);
    }
}

/* 0: the kernel has none, or it is switched off there.  Negative with errno set: something else. */
static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version >= 0 ? (int)version : errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
}

/* 0 or an errno. */
static int restrict_files(const struct config *c, int version)
{
    struct ruleset set = { .fs = FS_FIRST | LANDLOCK_ACCESS_FS_REFER };
    struct rules rules = { .error = 0 };

    if (version < 2)
        set.fs &= ~LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        set.fs |= FS_TRUNCATE;
    if (version >= 5)
        set.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        set.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
    rules.handled = set.fs;
    rules.fd = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof set, 0);
    if (rules.fd < 0)
        return errno;
    add_rules(&rules, c);
    if (!rules.error && syscall(SYS_landlock_restrict_self, rules.fd, 0) != 0)
        rules.error = errno;
    close(rules.fd);
    return rules.error;
}

/* ---- the order ---- */

static int refuse(const char *what, int error)
{
    jb_log(JB_LOG_ERROR, what, JB_FZ("why", strerror(error)));
    return JB_EIO;
}

/* A core file, or a debugger of the same user, would hold keys and messages. */
static int close_memory(bool debuggable)
{
    const struct rlimit none = { 0, 0 };

    /* Also to allow it: whoever was root before may not be looked at otherwise. */
    if (prctl(PR_SET_DUMPABLE, debuggable ? 1 : 0, 0, 0, 0) != 0)
        return JB_EIO;
    return debuggable || setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : JB_EIO;
}

int sandbox_files(const struct config *config)
{
    if (close_memory(config->debuggable || SANITIZED) != 0)
        return refuse("cannot keep others from reading this process's memory", errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return refuse("cannot give up new privileges", errno);
    if (!config->sandbox || SANITIZED)
        return 0;
    state.landlock = landlock_version();
    int error = state.landlock < 0   ? errno
                : state.landlock > 0 ? restrict_files(config, state.landlock)
                                     : 0;
    if (error != 0)
        return refuse("cannot set up the sandbox's files (sandbox = false starts without)", error);
    state.files = state.landlock > 0;
    return 0;
}

bool sandbox_restricts_files(void)
{
    return state.files;
}

static void say(const char *message, int filter, const struct config *c)
{
    char version[24] = "the kernel has none";

    if (state.landlock)
        snprintf(version, sizeof version, "version %d", state.landlock);
    jb_log(state.files && filter == 0 ? JB_LOG_INFO : JB_LOG_WARN, message,
           JB_FZ("system_calls", filter == 0 ? "seccomp" : "the kernel has no filter"),
           JB_FZ("files_landlock", version),
           JB_FZ("core_dumps", c->debuggable ? "allowed (debuggable)" : "off"));
}

int sandbox_calls(const struct config *config)
{
    if (SANITIZED) {
        jb_log(JB_LOG_WARN, "no sandbox: this build has a sanitizer, which needs more than it allows");
        return 0;
    }
    if (!config->sandbox) {
        jb_log(JB_LOG_WARN, "no sandbox: the option `sandbox` is off");
        return 0;
    }
    int rc = sandbox_filter_calls();
    if (rc != 0 && rc != JB_ENOTSUP)
        return refuse("cannot set up the sandbox's system calls (sandbox = false starts without)",
                      errno);
    say(state.files && rc == 0 ? "the sandbox is in force" : "only part of the sandbox is in force",
        rc, config);
    return 0;
}
