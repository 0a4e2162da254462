/* SPDX-License-Identifier: MIT */
#include "store/sqlite_copy.h"

#include "store/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 5000 };

struct copying {
    const char *from_path, *to_path;
    struct sqlite from, to;
    char part[PATH_MAX];
    bool part_made;
};

static int say(struct sqlite *s, int rc, const char *what, const char *path)
{
    /* A long path is cut, not the reason behind it. */
    snprintf(s->db.message, sizeof(s->db.message), "%s %.400s: %s", what, path, strerror(errno));
    return rc;
}

static int open_one(struct sqlite *s, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite_fail(s, sqlite3_open_v2(path, &s->handle, flags, NULL), path);

    if (rc == 0)
        sqlite3_busy_timeout(s->handle, BUSY_TIMEOUT_MS);
    return rc;
}

static int execute(struct sqlite *s, const char *text)
{
    return sqlite_fail(s, sqlite3_exec(s->handle, text, NULL, NULL, NULL), text);
}

static int has_log(const char *path)
{
    char wal[PATH_MAX];
    struct stat st;
    int n = snprintf(wal, sizeof(wal), "%s-wal", path);

    return n > 0 && (size_t)n < sizeof(wal) && stat(wal, &st) == 0 && st.st_size > 0;
}

/* From here to the end the source is read as it is now, whatever others commit. */
static int open_source(struct copying *c)
{
    struct sqlite *s = &c->from;
    struct stat st;
    bool fresh = false;

    if (stat(c->from_path, &st) != 0)
        return say(s, errno == ENOENT ? JB_ENOTFOUND : JB_EIO, "cannot read", c->from_path);
    int rc = open_one(s, c->from_path);
    if (rc != 0)
        return rc;
    /* A log that a crash left is for the next start of the server to move, not for us. */
    sqlite3_db_config(s->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, has_log(c->from_path), NULL);
    rc = execute(s, "BEGIN; SELECT count(*) FROM sqlite_schema");
    if (rc == 0)
        rc = sqlite_identify(s, c->from_path, &fresh);
    if (rc == 0 && fresh) {
        snprintf(s->db.message, sizeof(s->db.message), "%s holds no data", c->from_path);
        return JB_ENOTSUP;
    }
    return rc;
}

/* Only the owner may read it, from its first byte on. */
static int open_part(struct copying *c)
{
    struct sqlite *s = &c->to;
    int n = snprintf(c->part, sizeof(c->part), "%s.part", c->to_path);

    errno = ENAMETOOLONG;
    if (n < 0 || (size_t)n >= sizeof(c->part))
        return say(s, JB_EIO, "cannot write", c->to_path);
    errno = EEXIST;
    if (access(c->to_path, F_OK) == 0)
        return say(s, JB_EEXIST, "cannot write", c->to_path);
    int fd = open(c->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return say(s, errno == EEXIST ? JB_EEXIST : JB_EIO, "cannot write", c->part);
    close(fd);
    c->part_made = true;
    return open_one(s, c->part);
}

static int copy_pages(struct copying *c)
{
    sqlite3_backup *b = sqlite3_backup_init(c->to.handle, "main", c->from.handle, "main");

    if (!b)
        return sqlite_fail(&c->to, sqlite3_extended_errcode(c->to.handle), c->part);
    int result = sqlite3_backup_step(b, -1);
    int end = sqlite3_backup_finish(b);
    return sqlite_fail(&c->to, result == SQLITE_DONE ? end : result, c->part);
}

/* A copy of one file, without a log beside it; and one that can be read. */
static int finish_pages(struct copying *c)
{
    int rc = sqlite_expect(&c->to, "PRAGMA journal_mode=DELETE", "delete");

    return rc != 0 ? rc : sqlite_expect(&c->to, "PRAGMA quick_check(1)", "ok");
}

static int sync_path(struct copying *c, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : say(&c->to, JB_EIO, "cannot sync", path);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* link(2), unlike rename(2), replaces nothing. */
static int give_name(struct copying *c)
{
    char folder[PATH_MAX];
    int rc = sync_path(c, c->part, O_RDWR);

    if (rc != 0)
        return rc;
    if (link(c->part, c->to_path) != 0)
        return say(&c->to, errno == EEXIST ? JB_EEXIST : JB_EIO, "cannot write", c->to_path);
    snprintf(folder, sizeof(folder), "%s", c->to_path);
    return sync_path(c, dirname(folder), O_RDONLY | O_DIRECTORY);
}

static int run(struct copying *c)
{
    int rc = open_source(c);

    if (rc == 0)
        rc = open_part(c);
    if (rc == 0)
        rc = copy_pages(c);
    if (rc == 0)
        rc = finish_pages(c);
    sqlite3_close(c->from.handle);
    sqlite3_close(c->to.handle);
    return rc == 0 ? give_name(c) : rc;
}

int store_sqlite_copy(const char *from, const char *to, char message[STORE_MESSAGE_BYTES])
{
    struct copying c = { .from_path = from, .to_path = to };
    int rc = run(&c);

    if (c.part_made)
        unlink(c.part);
    memcpy(message, c.to.db.message[0] ? c.to.db.message : c.from.db.message, STORE_MESSAGE_BYTES);
    return rc;
}
