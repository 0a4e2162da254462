/* SPDX-License-Identifier: MIT */
/* The SQLite backend: opening, transactions, and how a statement is run. */
#include "store/sqlite_db.h"

#include "base/assert.h"
#include "base/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A backup or an administrator's shell may hold a lock for a moment. */
enum { BUSY_TIMEOUT_MS = 5000 };

/* The log's length, 32 MiB, at which its pages are moved into the database.  Longer means fewer of
 * these moves, in which pages written often count once; shorter means a smaller log to read back at
 * the start after a crash (some 50 ms for this one). */
enum { CHECKPOINT_PAGES = 8192 };

/* After a crash the log is replayed and the database is whole, by SQLite's design.  What a check of
 * all pages can add is damage by the machine; it costs reading the file, so only small ones (some
 * 100 ms) get it, and only after a start that did not end in order. */
enum { QUICK_CHECK_BYTES = 64 * 1024 * 1024 };

#define PRAGMAS                                                                                  \
    "PRAGMA temp_store=MEMORY;"                                                                  \
    "PRAGMA cache_size=-16384;"           /* KiB */                                              \
    "PRAGMA journal_size_limit=67108864;" /* a log that a burst made long is cut at a checkpoint \
                                           */                                                    \
    "PRAGMA cell_size_check=ON;"                                                                 \
    "PRAGMA trusted_schema=OFF;"

static const char *const statement_text[SQL_COUNT] = {
#define STATEMENT_TEXT(name, text) text,
    STORE_SQL_STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
};

/* ---- failures ---- */

static int code_of(int result, int system_error)
{
    switch (result) {
    case SQLITE_IOERR_NOMEM:
        return JB_ENOMEM;
    case SQLITE_IOERR_SHMSIZE: /* the index of the log is grown before anything is written */
        return JB_EFULL;
    case SQLITE_IOERR_WRITE: /* over the quota is as good as full */
        return system_error == EDQUOT ? JB_EFULL : JB_EIO;
    default:
        break;
    }
    switch (result & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
        return JB_EFULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return JB_EAGAIN;
    case SQLITE_NOMEM:
        return JB_ENOMEM;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return JB_EIO;
    default: /* CORRUPT, NOTADB; and what only tables that others changed can cause */
        return JB_EINVAL;
    }
}

/* Notes why a call fails; returns rc. */
JB_PRINTF(3, 4) static int say(struct sqlite *s, int rc, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->db.message, sizeof(s->db.message), format, args);
    va_end(args);
    return rc;
}

int sqlite_fail(struct sqlite *s, int result, const char *doing)
{
    int rc = code_of(result, s->handle ? sqlite3_system_errno(s->handle) : 0);

    if (rc == 0)
        return 0;
    s->failed = rc;
    s->broken |= rc == JB_EIO || rc == JB_EINVAL;
    return say(s, rc, "database: %s: %s (SQLite result %d)", doing,
               s->handle ? sqlite3_errmsg(s->handle) : sqlite3_errstr(result), result);
}

/* ---- statements ---- */

struct sql sql_begin(struct sqlite *s, enum sqlite_statement which)
{
    return (struct sql){ .s = s, .statement = s->statements[which], .result = SQLITE_OK };
}

void sql_bytes(struct sql *q, struct jb_str bytes)
{
    q->bound++;
    /* A NULL pointer would bind NULL, not the empty blob. */
    if (q->result == SQLITE_OK)
        q->result = sqlite3_bind_blob64(q->statement, q->bound, bytes.n ? bytes.p : "", bytes.n,
                                        SQLITE_STATIC);
}

void sql_int(struct sql *q, int64_t value)
{
    q->bound++;
    if (q->result == SQLITE_OK)
        q->result = sqlite3_bind_int64(q->statement, q->bound, value);
}

bool sql_row(struct sql *q)
{
    if (q->result == SQLITE_OK || q->result == SQLITE_ROW)
        q->result = jb__inject(JB__INJECT_SQL) ? SQLITE_IOERR : sqlite3_step(q->statement);
    return q->result == SQLITE_ROW;
}

int sql_end(struct sql *q)
{
    /* What on_commit returns arrives here only; step said no more than SQLITE_ERROR. */
    int again = sqlite3_reset(q->statement);

    if (q->result == SQLITE_ERROR && again != SQLITE_OK)
        q->result = again;
    int rc = sqlite_fail(q->s, q->result, sqlite3_sql(q->statement));
    sqlite3_clear_bindings(q->statement);
    return rc;
}

int sql_run(struct sql *q)
{
    while (sql_row(q))
        continue;
    return sql_end(q);
}

struct jb_str sql_column_bytes(const struct sql *q, int column)
{
    const char *p = sqlite3_column_blob(q->statement, column);

    return jb_str(p, p ? (size_t)sqlite3_column_bytes(q->statement, column) : 0);
}

int64_t sql_column_int(const struct sql *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

/* ---- transactions ---- */

static int run(struct store_db *db, enum sqlite_statement which)
{
    struct sql q = sql_begin(sqlite_of(db), which);

    return sql_run(&q);
}

/* SQLite ends a transaction by itself on some failures (disk full, I/O, memory). */
static bool in_transaction(struct store_db *db)
{
    return sqlite3_get_autocommit(sqlite_of(db)->handle) == 0;
}

/* Why the transaction that the caller believes in is gone. */
static int lost(struct store_db *db)
{
    jb_assert(sqlite_of(db)->failed != 0);
    return sqlite_of(db)->failed;
}

static int sqlite_begin(struct store_db *db)
{
    jb_assert(!in_transaction(db));
    return run(db, SQL_BEGIN);
}

static int sqlite_commit(struct store_db *db)
{
    return in_transaction(db) ? run(db, SQL_COMMIT) : lost(db);
}

static void sqlite_rollback(struct store_db *db)
{
    if (in_transaction(db))
        (void)run(db, SQL_ROLLBACK);
}

static int sqlite_savepoint(struct store_db *db)
{
    jb_assert(in_transaction(db));
    return run(db, SQL_SAVEPOINT);
}

static int sqlite_release(struct store_db *db)
{
    return in_transaction(db) ? run(db, SQL_RELEASE) : lost(db);
}

static int sqlite_rollback_to(struct store_db *db)
{
    int rc = in_transaction(db) ? run(db, SQL_ROLLBACK_TO) : lost(db);

    return rc != 0 ? rc : run(db, SQL_RELEASE);
}

/* Moves the log into the database once it is long.  SQLite's own hook would do the same, but keep
 * silent about a failed sync and sync again at the next occasion.  What this returns, COMMIT does:
 * so only what is fatal, for the commit itself has succeeded. */
static int on_commit(void *ctx, sqlite3 *handle, const char *database, int pages)
{
    const struct sqlite *s = ctx;

    if (pages < s->checkpoint_pages)
        return SQLITE_OK;
    int result = sqlite3_wal_checkpoint_v2(handle, database, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    int rc = code_of(result, sqlite3_system_errno(handle));
    return rc == JB_EIO || rc == JB_EINVAL ? result : SQLITE_OK;
}

/* ---- opening ---- */

static int read_pragma(struct sqlite *s, const char *text, int64_t *value)
{
    sqlite3_stmt *st = NULL;
    int result = sqlite3_prepare_v2(s->handle, text, -1, &st, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(st);
    if (result == SQLITE_ROW)
        *value = sqlite3_column_int64(st, 0);
    int rc = sqlite_fail(s, result, text);
    sqlite3_finalize(st);
    return rc;
}

static int execute(struct sqlite *s, const char *text)
{
    return sqlite_fail(s, sqlite3_exec(s->handle, text, NULL, NULL, NULL), text);
}

/* A path made of the folder and two names; false: too long. */
static bool join(char path[PATH_MAX], const char *folder, const char *name, const char *suffix)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s", folder, name, suffix);

    return n > 0 && n < PATH_MAX;
}

static off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* Finds the file, or makes an empty one that only its owner may read.  *bytes is its size. */
static int prepare_file(struct sqlite *s, const char *folder, char path[PATH_MAX], off_t *bytes)
{
    char wal[PATH_MAX];

    if (!join(path, folder, "jabiru.db", "") || !join(wal, folder, "jabiru.db", "-wal")) {
        return say(s, JB_EIO, "the data folder's name is too long");
    }
    *bytes = size_of(path);
    if (*bytes == 0 && size_of(wal) > 0) {
        /* SQLite would take the database for new and drop the log. */
        return say(
            s, JB_EINVAL,
            "%s is missing or empty, but its log jabiru.db-wal is not: restore both from the "
            "same moment, or move both away to begin anew",
            path);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return say(s, JB_EIO, "cannot open %s: %s", path, strerror(errno));
    }
    close(fd);
    return 0;
}

int sqlite_identify(struct sqlite *s, const char *path, bool *fresh)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int rc = read_pragma(s, "PRAGMA application_id", &application);

    if (rc == 0)
        rc = read_pragma(s, "PRAGMA user_version", &version);
    if (rc == 0)
        rc = read_pragma(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != 0)
        return rc;
    *fresh = application == 0 && version == 0 && tables == 0;
    if (*fresh)
        return 0;
    if (application != STORE_SQL_APPLICATION_ID) {
        return say(s, JB_ENOTSUP, "%s belongs to another program", path);
    }
    if (version != STORE_SQL_USER_VERSION) {
        return say(s, JB_ENOTSUP,
                   "%s was written by a newer version (format %lld, this one knows %d)", path,
                   (long long)version, STORE_SQL_USER_VERSION);
    }
    return 0;
}

int sqlite_expect(struct sqlite *s, const char *text, const char *want)
{
    sqlite3_stmt *st = NULL;
    int result = sqlite3_prepare_v2(s->handle, text, -1, &st, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_step(st);
    int rc = sqlite_fail(s, result, text);
    const char *answer = rc == 0 ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (rc == 0 && (!answer || strcmp(answer, want) != 0))
        rc = say(s, JB_EINVAL, "database: %s: %s", text, answer ? answer : "no answer");
    sqlite3_finalize(st);
    return rc;
}

static int set_up(struct sqlite *s, const struct store_options *options, bool fresh)
{
    bool power = options->durability == STORE_DURABLE_POWER;
    int rc = execute(s, PRAGMAS);

    if (rc == 0)
        rc = sqlite_expect(s, "PRAGMA journal_mode=WAL", "wal");
    if (rc == 0)
        rc = execute(s, power ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    if (rc == 0 && fresh)
        rc = execute(s, "BEGIN IMMEDIATE;" STORE_SQL_SCHEMA "COMMIT;");
    for (int i = 0; i < SQL_COUNT && rc == 0; i++)
        rc = sqlite_fail(s,
                         sqlite3_prepare_v3(s->handle, statement_text[i], -1,
                                            SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL),
                         statement_text[i]);
    return rc;
}

static int open_database(struct sqlite *s, const struct store_options *options)
{
    char path[PATH_MAX];
    off_t bytes = 0;
    bool fresh = false;
    int rc = store_lock_open(&s->lock, options->folder, s->db.message, sizeof(s->db.message));

    if (rc == 0)
        rc = prepare_file(s, options->folder, path, &bytes);
    if (rc != 0)
        return rc;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    rc = sqlite_fail(s, sqlite3_open_v2(path, &s->handle, flags, options->vfs), path);
    if (rc != 0)
        return rc;
    sqlite3_busy_timeout(s->handle, BUSY_TIMEOUT_MS);
    sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_wal_hook(s->handle, on_commit, s);
    rc = sqlite_identify(s, path, &fresh);
    if (rc == 0 && !s->lock.clean && bytes < QUICK_CHECK_BYTES)
        rc = sqlite_expect(s, "PRAGMA quick_check(1)", "ok");
    if (rc == 0)
        rc = set_up(s, options, fresh);
    return rc;
}

/* `clean`: the database is ours and whole, so the log may be moved into it.  Otherwise the files
 * stay as they are: a foreign one is not ours to change, and after a failed sync only a new start
 * can tell what the disk has. */
static void close_database(struct sqlite *s, bool clean)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    if (clean)
        sqlite3_db_config(s->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_close(s->handle);
    store_lock_close(&s->lock, clean);
    jb_free(s->alloc, s);
}

static int sqlite_open(const struct store_options *options, struct store_db **out,
                       char message[STORE_MESSAGE_BYTES])
{
    struct sqlite *s = jb_zalloc(options->alloc, sizeof(*s));

    *out = NULL;
    if (!s) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s", jb_strerror(JB_ENOMEM));
        return JB_ENOMEM;
    }
    s->db.ops = &store_sqlite;
    s->alloc = options->alloc;
    s->lock.fd = -1;
    s->checkpoint_pages =
        options->checkpoint_pages ? (int)options->checkpoint_pages : CHECKPOINT_PAGES;
    int rc = open_database(s, options);
    if (rc != 0) {
        memcpy(message, s->db.message, STORE_MESSAGE_BYTES);
        close_database(s, false);
        return rc;
    }
    *out = &s->db;
    return 0;
}

static void sqlite_close(struct store_db *db)
{
    struct sqlite *s = sqlite_of(db);

    sqlite_rollback(db);
    close_database(s, !s->broken);
}

const struct store_backend store_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to = sqlite_rollback_to,
    .account_get = sqlite_account_get,
    .account_put = sqlite_account_put,
    .account_delete = sqlite_account_delete,
    .account_list = sqlite_account_list,
    .account_count = sqlite_account_count,
    .kv_get = sqlite_kv_get,
    .kv_put = sqlite_kv_put,
    .kv_delete = sqlite_kv_delete,
    .kv_list = sqlite_kv_list,
    .kv_clear = sqlite_kv_clear,
    .log_append = sqlite_log_append,
    .log_last = sqlite_log_last,
    .log_get = sqlite_log_get,
    .log_range = sqlite_log_range,
    .log_count = sqlite_log_count,
    .log_delete = sqlite_log_delete,
    .log_trim = sqlite_log_trim,
    .log_prune = sqlite_log_prune,
    .owner_delete = sqlite_owner_delete,
};
