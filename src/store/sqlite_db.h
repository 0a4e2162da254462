/* SPDX-License-Identifier: MIT */
/* Inside the SQLite backend: the handle, and how a statement is run. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include "base/list.h"
#include "store/lock.h"
#include "store/sqlite_sql.h"
#include "store/store.h"

#include <sqlite3.h>

struct sqlite {
    struct store_db db;
    const struct jb_allocator *alloc;
    struct store_lock lock;
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
    int checkpoint_pages;
    int failed;  /* the last failure; 0: none yet */
    bool broken; /* it was JB_EIO or JB_EINVAL once */
};

static inline struct sqlite *sqlite_of(struct store_db *db)
{
    return jb__container_of(db, struct sqlite, db);
}

/* Turns an SQLite result into a code of ours; notes it, and the words in db.message. */
int sqlite_fail(struct sqlite *s, int result, const char *doing);

/* Whether the database is ours, and of this version; JB_ENOTSUP if not.  *fresh: it has no tables of
 * anybody yet.  `path` is for the message. */
int sqlite_identify(struct sqlite *s, const char *path, bool *fresh);
/* Runs a pragma that must answer with `want`. */
int sqlite_expect(struct sqlite *s, const char *text, const char *want);

/* One run of a statement: begin, bind in order, then run, or row until it is false and end.  The
 * first failure sticks and is what run and end return; between begin and end no other run of the
 * same statement may be in progress.  Bound bytes must stay until then. */
struct sql {
    struct sqlite *s;
    sqlite3_stmt *statement;
    int bound;  /* parameters so far */
    int result; /* of SQLite */
};

struct sql sql_begin(struct sqlite *s, enum sqlite_statement which);
void sql_bytes(struct sql *q, struct jb_str bytes);
void sql_int(struct sql *q, int64_t value);
bool sql_row(struct sql *q);
int sql_end(struct sql *q);
/* For statements without rows: all of it. */
int sql_run(struct sql *q);

/* Columns of the current row; bytes are valid until the next sql_row or sql_end. */
struct jb_str sql_column_bytes(const struct sql *q, int column);
int64_t sql_column_int(const struct sql *q, int column);

/* The operations of the shapes, sqlite_shapes.c; they fit the fields of struct store_backend. */
int sqlite_account_get(struct store_db *db, struct jb_str domain, struct jb_str local,
                       store_visit *visit, void *ctx);
int sqlite_account_put(struct store_db *db, const struct store_account *account,
                       enum store_put_mode mode);
int sqlite_account_delete(struct store_db *db, struct jb_str domain, struct jb_str local);
int sqlite_account_list(struct store_db *db, struct jb_str domain, const struct store_page *page,
                        store_visit *visit, void *ctx);
int sqlite_account_count(struct store_db *db, struct jb_str domain, uint64_t *count);
int sqlite_kv_get(struct store_db *db, const struct store_space *space, struct jb_str key,
                  store_visit *visit, void *ctx);
int sqlite_kv_put(struct store_db *db, const struct store_space *space, struct jb_str key,
                  struct jb_str bytes);
int sqlite_kv_delete(struct store_db *db, const struct store_space *space, struct jb_str key);
int sqlite_kv_list(struct store_db *db, const struct store_space *space,
                   const struct store_page *page, store_visit *visit, void *ctx);
int sqlite_kv_clear(struct store_db *db, const struct store_space *space);
int sqlite_log_append(struct store_db *db, const struct store_space *space,
                      const struct store_entry *entry, int64_t *id);
int sqlite_log_last(struct store_db *db, const struct store_space *space, int64_t *id);
int sqlite_log_get(struct store_db *db, const struct store_space *space, int64_t id,
                   store_visit *visit, void *ctx);
int sqlite_log_range(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, store_visit *visit, void *ctx);
int sqlite_log_count(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, struct store_totals *totals);
int sqlite_log_delete(struct store_db *db, const struct store_space *space, int64_t id);
int sqlite_log_trim(struct store_db *db, const struct store_space *space, int64_t id);
int sqlite_log_prune(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, uint64_t *count);
int sqlite_owner_delete(struct store_db *db, struct jb_str owner);

#endif
