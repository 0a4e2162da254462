/* SPDX-License-Identifier: MIT */
/* jabiru admin backup|restore: whole copies of the database (docs/decisions/0040).
 *
 * A backup is made by this process on a connection of its own: a running server does not take part,
 * does not wait, and needs no right to write outside of its data folder. */
#include "cli/cli.h"

#include "store/lock.h"
#include "store/sqlite_copy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { PATH_BYTES = CLI_DATA_BYTES + 32 };

static void database_of(const struct cli_args *args, const char *suffix, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/jabiru.db%s", args->data, suffix);
}

static int copy(const char *from, const char *to)
{
    char message[STORE_MESSAGE_BYTES];
    struct stat st;
    int rc = store_sqlite_copy(from, to, message);

    if (rc != 0)
        return cli_fail(cli_status(rc), "%s", message);
    if (stat(to, &st) == 0)
        printf("%s: %lld bytes, checked\n", to, (long long)st.st_size);
    return CLI_OK;
}

static int run_backup(const struct cli_args *args)
{
    char path[PATH_BYTES];

    database_of(args, "", path);
    return copy(path, args->operands[0]);
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || errno != ENOENT;
}

/* With the folder's lock held, so that no server starts meanwhile. */
static int restore_locked(const struct cli_args *args)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char path[PATH_BYTES];

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        database_of(args, suffixes[i], path);
        if (is_there(path))
            return cli_fail(CLI_REFUSED, "%s is there: move it away first", path);
    }
    database_of(args, "", path);
    return copy(args->operands[0], path);
}

static int run_restore(const struct cli_args *args)
{
    char message[STORE_MESSAGE_BYTES];
    struct store_lock lock;

    if (mkdir(args->data, 0700) != 0 && errno != EEXIST)
        return cli_fail(CLI_IO, "cannot make %s: %s", args->data, strerror(errno));
    int rc = store_lock_open(&lock, args->data, message, sizeof message);
    if (rc != 0)
        return cli_fail(CLI_IO, "%s", message);
    int status = restore_locked(args);
    store_lock_close(&lock, true);
    return status;
}

const struct cli_command admin_backup = {
    .name = "backup",
    .usage = "FILE",
    .words = "Copies the database into FILE, while the server runs or not",
    .more = "The copy is of one moment, and is checked.  FILE must not exist.  The server goes on\n"
            "meanwhile.  Certificates (tls/ in the data folder) are not in it.\n\n"
            "  jabiru admin backup /backup/jabiru-$(date +%F).db\n",
    .least = 1,
    .most = 1,
    .run = run_backup,
};

const struct cli_command admin_restore = {
    .name = "restore",
    .usage = "FILE",
    .words = "Puts a backup into a data folder without a database",
    .more = "The server must not run.  A database that is there is not touched: move jabiru.db,\n"
            "jabiru.db-wal and jabiru.db-shm away first, all that there are.\n\n"
            "  jabiru admin restore /backup/jabiru-2026-11-29.db\n",
    .least = 1,
    .most = 1,
    .run = run_restore,
};
