/* SPDX-License-Identifier: MIT */
/* As whom a process works: giving up root, and giving a folder away before that. */
#ifndef JB_BASE_PRIVILEGE_H
#define JB_BASE_PRIVILEGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { JB__ACCOUNT_NAME_BYTES = 64 };

/* A user of this machine. */
struct jb__account {
    uid_t uid;
    gid_t gid;
    char name[JB__ACCOUNT_NAME_BYTES]; /* the number, when the machine knows no name for it */
};

/* 0 or JB_ENOTFOUND. */
JB_NODISCARD int jb__account_by_name(const char *name, struct jb__account *out);
/* The user with this number; with `gid` when the machine does not know him. */
void jb__account_by_id(uid_t uid, gid_t gid, struct jb__account *out);

bool jb__privilege_is_root(void);

/* Root becomes this user for good, with his groups and without a capability.  One thread only.
 * 0, JB_EINVAL (the user is root himself) or JB_EIO with errno set: then this process must end. */
JB_NODISCARD int jb__privilege_drop(const struct jb__account *to);
/* For a process that is not root: gives up the capabilities it was started with. */
JB_NODISCARD int jb__privilege_drop_capabilities(void);

/* Makes a folder of root's, with all that is in it, the user's.  Refuses (JB_ESTATE) when others
 * could have put something there: then what is in it may not be root's to give.  JB_EIO with errno
 * set.  One thread only. */
JB_NODISCARD int jb__privilege_give(const char *folder, const struct jb__account *to);

/* Root becomes the owner of this folder, unless that is root. */
JB_NODISCARD int jb__privilege_become_owner(const char *folder);

#endif
