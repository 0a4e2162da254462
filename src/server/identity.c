/* SPDX-License-Identifier: MIT */
#include "server/identity.h"

#include "base/log.h"
#include "base/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who serves when root starts us and nothing says for whom: a user made for this, or nobody. */
static const char own_name[] = "jabiru", last_name[] = "nobody";
enum { LAST_ID = 65534 }; /* of nobody, where no file lists the users */

static int refuse(const char *what, const char *name, const char *folder)
{
    int error = errno;

    jb_log(JB_LOG_ERROR, what, JB_FZ("user", name), JB_FZ("folder", folder),
           JB_FZ("why", strerror(error)));
    return JB_EIO;
}

/* The owner of the folder that a new data folder stands in: with sudo in one's own checkout this is
 * who typed it. */
static bool parent_owner(const char *folder, struct jb__account *out)
{
    struct stat st;
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool found = fd >= 0 && fstatat(fd, "..", &st, 0) == 0 && st.st_uid != 0;

    if (fd >= 0)
        close(fd);
    if (found)
        jb__account_by_id(st.st_uid, st.st_gid, out);
    return found;
}

static int choose(const struct config *c, const struct stat *st, bool fresh,
                  struct jb__account *out)
{
    if (c->user.n) {
        if (jb__account_by_name(c->user.p, out) == 0 && out->uid != 0)
            return 0;
        jb_log(JB_LOG_ERROR, "the option `user` names nobody, or root; name a user of this machine",
               JB_F("user", c->user));
        return JB_EINVAL;
    }
    if (st->st_uid != 0)
        jb__account_by_id(st->st_uid, st->st_gid, out);
    else if (fresh && parent_owner(c->data.p, out))
        return 0;
    else if (jb__account_by_name(own_name, out) != 0 && jb__account_by_name(last_name, out) != 0)
        jb__account_by_id(LAST_ID, LAST_ID, out);
    return 0;
}

static int leave_root(const struct config *c, bool fresh)
{
    struct jb__account to;
    struct stat st;

    if (stat(c->data.p, &st) != 0)
        return refuse("cannot look at the data folder", "root", c->data.p);
    int rc = choose(c, &st, fresh, &to);
    if (rc != 0)
        return rc;
    if (st.st_uid == 0 && (rc = jb__privilege_give(c->data.p, &to)) != 0) {
        errno = rc == JB_ESTATE ? EPERM : errno;
        return refuse("the data folder belongs to root, and others could write to it: look at what "
                      "is in it, then give it to a user with chown -R",
                      to.name, c->data.p);
    }
    if (jb__privilege_drop(&to) != 0)
        return refuse("cannot stop being root; start as another user, or set `user`", to.name,
                      c->data.p);
    if (strcmp(to.name, last_name) == 0)
        jb_log(JB_LOG_WARN, "the server works as nobody, whom other services may share; make a "
                            "user of its own: useradd --system jabiru");
    jb_log(JB_LOG_INFO, "root was given up", JB_FZ("user", to.name), JB_F("folder", c->data));
    return 0;
}

static int stay(const struct config *c)
{
    struct jb__account me;

    jb__account_by_id(geteuid(), getegid(), &me);
    if (c->user.n && !jb_str_eqz(c->user, me.name)) {
        jb_log(JB_LOG_ERROR, "only root can become another user; start as that user, or as root",
               JB_F("user", c->user), JB_FZ("now", me.name));
        return JB_ESTATE;
    }
    if (jb__privilege_drop_capabilities() != 0)
        return refuse("cannot give up capabilities", me.name, c->data.p);
    return 0;
}

/* A folder above the data folder may be closed to the user that the server became.  The path is
 * tried from the top, because the database takes it so. */
static int check_reach(const struct config *c)
{
    char whole[PATH_MAX];
    const char *path = realpath(c->data.p, whole);

    if (path && access(path, R_OK | W_OK | X_OK) == 0)
        return 0;
    jb_log(JB_LOG_ERROR,
           "this user cannot reach the data folder; give --data a folder that can be reached, "
           "such as /var/lib/jabiru",
           JB_F("folder", c->data), JB_FZ("why", strerror(errno)));
    return JB_EIO;
}

int identity_settle(const struct config *config, bool fresh)
{
    int rc = jb__privilege_is_root() ? leave_root(config, fresh) : stay(config);

    return rc == 0 ? check_reach(config) : rc;
}
