/* SPDX-License-Identifier: MIT */
#include "base/privilege.h"

#include "base/assert.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FOLDERS_OPEN = 16 };

static void fill(const struct passwd *known, struct jb__account *out)
{
    *out = (struct jb__account){ .uid = known->pw_uid, .gid = known->pw_gid };
    snprintf(out->name, sizeof out->name, "%s", known->pw_name);
}

int jb__account_by_name(const char *name, struct jb__account *out)
{
    const struct passwd *known = getpwnam(name);

    if (!known || strlen(known->pw_name) >= sizeof out->name)
        return JB_ENOTFOUND;
    fill(known, out);
    return 0;
}

void jb__account_by_id(uid_t uid, gid_t gid, struct jb__account *out)
{
    const struct passwd *known = getpwuid(uid);

    if (known && strlen(known->pw_name) < sizeof out->name) {
        fill(known, out);
        return;
    }
    *out = (struct jb__account){ .uid = uid, .gid = gid };
    snprintf(out->name, sizeof out->name, "%u", (unsigned)uid);
}

bool jb__privilege_is_root(void)
{
    return geteuid() == 0 || getuid() == 0;
}

int jb__privilege_drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
    struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

    /* An old kernel has no ambient set; then there is nothing to clear. */
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* Whoever has none may also have lost the call that gives them up. */
    if (syscall(SYS_capget, &head, now) == 0 && memcmp(now, none, sizeof none) == 0)
        return 0;
    return syscall(SYS_capset, &head, none) == 0 ? 0 : JB_EIO;
}

static int set_groups(const struct jb__account *to)
{
    return getpwnam(to->name) ? initgroups(to->name, to->gid) : setgroups(0, NULL);
}

int jb__privilege_drop(const struct jb__account *to)
{
    if (to->uid == 0)
        return JB_EINVAL;
    if (set_groups(to) != 0 || setresgid(to->gid, to->gid, to->gid) != 0 ||
        setresuid(to->uid, to->uid, to->uid) != 0)
        return JB_EIO;
    int rc = jb__privilege_drop_capabilities();
    if (rc != 0)
        return rc;
    /* There must be no way back. */
    jb_assert(setresuid(0, 0, 0) != 0 && geteuid() == to->uid && getegid() == to->gid);
    return 0;
}

/* nftw() takes no context. */
static const struct jb__account *new_owner;

static int give_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)at;
    if (kind == FTW_DNR || kind == FTW_NS)
        return -1;
    /* A second name elsewhere, and it may be a file of root's that somebody linked in here. */
    if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
        return JB_ESTATE;
    return lchown(path, new_owner->uid, new_owner->gid) == 0 ? 0 : -1;
}

int jb__privilege_give(const char *folder, const struct jb__account *to)
{
    struct stat st;

    if (lstat(folder, &st) != 0)
        return JB_EIO;
    if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
        return JB_ESTATE;
    new_owner = to;
    /* Depth first: the folder itself goes last, so nobody else can touch it meanwhile. */
    int rc = nftw(folder, give_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    new_owner = NULL;
    return rc == -1 ? JB_EIO : rc;
}

int jb__privilege_become_owner(const char *folder)
{
    struct jb__account owner;
    struct stat st;

    if (!jb__privilege_is_root())
        return 0;
    if (stat(folder, &st) != 0)
        return JB_EIO;
    if (st.st_uid == 0)
        return 0;
    jb__account_by_id(st.st_uid, st.st_gid, &owner);
    return jb__privilege_drop(&owner);
}
