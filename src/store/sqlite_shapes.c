/* SPDX-License-Identifier: MIT */
/* The shapes on SQLite: account, kv and log as statements of sqlite_sql.h. */
#include "store/sqlite_db.h"

#include "base/assert.h"

/* ---- rows ---- */

typedef void read_row(const struct sql *q, struct store_row *row);

static void read_account(const struct sql *q, struct store_row *row)
{
    *row = (struct store_row){
        .key = sql_column_bytes(q, 0),
        .bytes = sql_column_bytes(q, 1),
        .flags = (uint32_t)sql_column_int(q, 2),
        .stamp_us = sql_column_int(q, 3),
    };
}

static void read_pair(const struct sql *q, struct store_row *row)
{
    *row = (struct store_row){
        .key = sql_column_bytes(q, 0),
        .bytes = sql_column_bytes(q, 1),
    };
}

static void read_entry(const struct sql *q, struct store_row *row)
{
    *row = (struct store_row){
        .id = sql_column_int(q, 0),
        .stamp_us = sql_column_int(q, 1),
        .flags = (uint32_t)sql_column_int(q, 2),
        .with = sql_column_bytes(q, 3),
        .with_part = sql_column_bytes(q, 4),
        .bytes = sql_column_bytes(q, 5),
    };
}

static int visit_all(struct sql *q, read_row *read, store_visit *visit, void *ctx)
{
    struct store_row row;
    int verdict = 0;

    while (verdict == 0 && sql_row(q)) {
        read(q, &row);
        /* A value that needed memory which was not there reads as empty: not to be believed. */
        if (sqlite3_errcode(q->s->handle) == SQLITE_NOMEM)
            q->result = SQLITE_NOMEM;
        else
            verdict = visit(ctx, &row);
    }
    int rc = sql_end(q);
    return rc != 0 || verdict == STORE_STOP ? rc : verdict;
}

static int visit_one(struct sql *q, read_row *read, store_visit *visit, void *ctx)
{
    struct store_row row;

    if (!sql_row(q)) {
        int rc = sql_end(q);
        return rc != 0 ? rc : JB_ENOTFOUND;
    }
    read(q, &row);
    if (sqlite3_errcode(q->s->handle) == SQLITE_NOMEM)
        q->result = SQLITE_NOMEM;
    int verdict = q->result == SQLITE_NOMEM ? 0 : visit(ctx, &row);
    int rc = sql_end(q);
    return rc != 0 || verdict == STORE_STOP ? rc : verdict;
}

/* Runs a statement that changes rows; JB_ENOTFOUND when it changed none. */
static int run_changing(struct sql *q)
{
    int rc = sql_run(q);

    if (rc != 0)
        return rc;
    return sqlite3_changes(q->s->handle) > 0 ? 0 : JB_ENOTFOUND;
}

static int run_with_bytes(struct sqlite *s, enum sqlite_statement which, struct jb_str bytes)
{
    struct sql q = sql_begin(s, which);

    sql_bytes(&q, bytes);
    return sql_run(&q);
}

static int run_with_ints(struct sqlite *s, enum sqlite_statement which, int64_t a, int64_t b)
{
    struct sql q = sql_begin(s, which);

    sql_int(&q, a);
    sql_int(&q, b);
    return sql_run(&q);
}

/* SQLite takes -1 for no limit. */
static void bind_limit(struct sql *q, uint32_t limit)
{
    sql_int(q, limit ? (int64_t)limit : -1);
}

static void bind_page(struct sql *q, const struct store_page *page)
{
    sql_bytes(q, page->after);
    sql_int(q, page->after.n == 0);
    bind_limit(q, page->limit);
}

/* ---- accounts ---- */

int sqlite_account_get(struct store_db *db, struct jb_str domain, struct jb_str local,
                       store_visit *visit, void *ctx)
{
    struct sql q = sql_begin(sqlite_of(db), SQL_ACCOUNT_GET);

    sql_bytes(&q, domain);
    sql_bytes(&q, local);
    return visit_one(&q, read_account, visit, ctx);
}

int sqlite_account_put(struct store_db *db, const struct store_account *account,
                       enum store_put_mode mode)
{
    bool create = mode == STORE_CREATE;
    struct sql q = sql_begin(sqlite_of(db), create ? SQL_ACCOUNT_CREATE : SQL_ACCOUNT_REPLACE);

    sql_bytes(&q, account->domain);
    sql_bytes(&q, account->local);
    sql_bytes(&q, account->credential);
    sql_int(&q, account->flags);
    if (create)
        sql_int(&q, account->created_us);
    int rc = run_changing(&q);
    return create && rc == JB_ENOTFOUND ? JB_EEXIST : rc;
}

int sqlite_account_delete(struct store_db *db, struct jb_str domain, struct jb_str local)
{
    struct sqlite *s = sqlite_of(db);
    struct sql q = sql_begin(s, SQL_ACCOUNT_DELETE);

    sql_bytes(&q, domain);
    sql_bytes(&q, local);
    int rc = run_changing(&q);
    if (rc != 0)
        return rc;

    size_t n = local.n + 1 + domain.n;
    char *owner = jb_alloc(s->alloc, n);
    if (!owner)
        return JB_ENOMEM;
    if (local.n)
        memcpy(owner, local.p, local.n);
    owner[local.n] = '@';
    if (domain.n)
        memcpy(owner + local.n + 1, domain.p, domain.n);
    rc = sqlite_owner_delete(db, jb_str(owner, n));
    jb_free(s->alloc, owner);
    return rc;
}

int sqlite_account_list(struct store_db *db, struct jb_str domain, const struct store_page *page,
                        store_visit *visit, void *ctx)
{
    struct sql q = sql_begin(sqlite_of(db), SQL_ACCOUNT_LIST);

    sql_bytes(&q, domain);
    bind_page(&q, page);
    return visit_all(&q, read_account, visit, ctx);
}

int sqlite_account_count(struct store_db *db, struct jb_str domain, uint64_t *count)
{
    struct sql q = sql_begin(sqlite_of(db), SQL_ACCOUNT_COUNT);

    sql_bytes(&q, domain);
    *count = sql_row(&q) ? (uint64_t)sql_column_int(&q, 0) : 0;
    return sql_end(&q);
}

/* ---- kv ---- */

static struct sql begin_in_space(struct store_db *db, enum sqlite_statement which,
                                 const struct store_space *space)
{
    struct sql q = sql_begin(sqlite_of(db), which);

    sql_bytes(&q, space->owner);
    sql_bytes(&q, space->store);
    return q;
}

int sqlite_kv_get(struct store_db *db, const struct store_space *space, struct jb_str key,
                  store_visit *visit, void *ctx)
{
    struct sql q = begin_in_space(db, SQL_KV_GET, space);

    sql_bytes(&q, key);
    return visit_one(&q, read_pair, visit, ctx);
}

int sqlite_kv_put(struct store_db *db, const struct store_space *space, struct jb_str key,
                  struct jb_str bytes)
{
    struct sql q = begin_in_space(db, SQL_KV_PUT, space);

    sql_bytes(&q, key);
    sql_bytes(&q, bytes);
    return sql_run(&q);
}

int sqlite_kv_delete(struct store_db *db, const struct store_space *space, struct jb_str key)
{
    struct sql q = begin_in_space(db, SQL_KV_DELETE, space);

    sql_bytes(&q, key);
    return run_changing(&q);
}

int sqlite_kv_list(struct store_db *db, const struct store_space *space,
                   const struct store_page *page, store_visit *visit, void *ctx)
{
    struct sql q = begin_in_space(db, SQL_KV_LIST, space);

    bind_page(&q, page);
    return visit_all(&q, read_pair, visit, ctx);
}

int sqlite_kv_clear(struct store_db *db, const struct store_space *space)
{
    struct sql q = begin_in_space(db, SQL_KV_CLEAR, space);

    return sql_run(&q);
}

int sqlite_owner_delete(struct store_db *db, struct jb_str owner)
{
    struct sqlite *s = sqlite_of(db);
    int rc = run_with_bytes(s, SQL_KV_OWNER, owner);

    if (rc == 0)
        rc = run_with_bytes(s, SQL_LOG_OWNER, owner);
    if (rc == 0)
        rc = run_with_bytes(s, SQL_SPACE_OWNER, owner);
    return rc;
}

/* ---- log ---- */

/* A row of table space. */
struct log_space {
    int64_t id;
    int64_t last;
    int64_t lag;
};

static int read_space(struct sql *q, struct log_space *out)
{
    bool found = sql_row(q);

    *out = (struct log_space){ 0 };
    if (found) {
        out->id = sql_column_int(q, 0);
        out->last = sql_column_int(q, 1);
        out->lag = sql_column_int(q, 2);
    }
    int rc = sql_end(q);
    return rc == 0 && !found ? JB_ENOTFOUND : rc;
}

static int find_space(struct store_db *db, const struct store_space *space, struct log_space *out)
{
    struct sql q = begin_in_space(db, SQL_SPACE_GET, space);

    return read_space(&q, out);
}

static int make_space(struct store_db *db, const struct store_space *space, struct log_space *out)
{
    int rc = find_space(db, space, out);

    if (rc != JB_ENOTFOUND)
        return rc;
    struct sql q = begin_in_space(db, SQL_SPACE_CREATE, space);
    return read_space(&q, out);
}

/* The highest id in the log; 0: it is empty. */
static int find_tail(struct sqlite *s, int64_t space, int64_t *tail)
{
    struct sql q = sql_begin(s, SQL_LOG_TAIL);

    sql_int(&q, space);
    *tail = sql_row(&q) ? sql_column_int(&q, 0) : 0;
    return sql_end(&q);
}

static int find_last(struct sqlite *s, const struct log_space *log, int64_t *last)
{
    int rc = find_tail(s, log->id, last);

    if (*last < log->last)
        *last = log->last;
    return rc;
}

int sqlite_log_last(struct store_db *db, const struct store_space *space, int64_t *id)
{
    struct log_space log;
    int rc = find_space(db, space, &log);

    *id = 0;
    if (rc != 0)
        return rc == JB_ENOTFOUND ? 0 : rc;
    return find_last(sqlite_of(db), &log, id);
}

int sqlite_log_append(struct store_db *db, const struct store_space *space,
                      const struct store_entry *entry, int64_t *id)
{
    struct sqlite *s = sqlite_of(db);
    struct log_space log;
    int64_t next = entry->id, last;

    jb_assert(entry->now_us > 0 && entry->stamp_us >= 0 && entry->stamp_us <= entry->now_us);
    int rc = make_space(db, space, &log);
    if (rc == 0 && next == 0) {
        rc = find_last(s, &log, &last);
        next = last >= entry->now_us ? last + 1 : entry->now_us;
    }
    if (rc != 0)
        return rc;
    if (next - entry->stamp_us > log.lag)
        rc = run_with_ints(s, SQL_SPACE_LAG, log.id, next - entry->stamp_us);
    if (rc != 0)
        return rc;

    struct sql q = sql_begin(s, SQL_LOG_APPEND);
    sql_int(&q, log.id);
    sql_int(&q, next);
    sql_int(&q, entry->stamp_us);
    sql_int(&q, entry->flags);
    sql_int(&q, (int64_t)entry->bytes.n);
    sql_bytes(&q, entry->with);
    sql_bytes(&q, entry->with_part);
    sql_bytes(&q, entry->bytes);
    *id = next;
    return sql_run(&q);
}

int sqlite_log_get(struct store_db *db, const struct store_space *space, int64_t id,
                   store_visit *visit, void *ctx)
{
    struct log_space log;
    int rc = find_space(db, space, &log);

    if (rc != 0)
        return rc;
    struct sql q = sql_begin(sqlite_of(db), SQL_LOG_GET);
    sql_int(&q, log.id);
    sql_int(&q, id);
    return visit_one(&q, read_entry, visit, ctx);
}

/* Begins the statement, or its form for one peer. */
static struct sql begin_range(struct sqlite *s, enum sqlite_statement which,
                              enum sqlite_statement peer_form, const struct log_space *log,
                              const struct store_range *r)
{
    struct sql q = sql_begin(s, r->with.n ? peer_form : which);
    int64_t end_us = r->end_us ? r->end_us : INT64_MAX;
    int64_t after = r->after_id;
    int64_t before = r->before_id ? r->before_id : INT64_MAX;

    /* stamp <= id <= stamp + lag */
    if (r->start_us > 0 && after < r->start_us - 1)
        after = r->start_us - 1;
    if (end_us < INT64_MAX - 1 - log->lag && before > end_us + log->lag + 1)
        before = end_us + log->lag + 1;
    sql_int(&q, log->id);
    sql_int(&q, after);
    sql_int(&q, before);
    sql_int(&q, r->start_us);
    sql_int(&q, end_us);
    sql_int(&q, r->flags_mask);
    sql_int(&q, r->flags);
    bind_limit(&q, r->limit);
    if (r->with.n) {
        sql_bytes(&q, r->with);
        sql_int(&q, r->with_part.n == 0);
        sql_bytes(&q, r->with_part);
    }
    return q;
}

int sqlite_log_range(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, store_visit *visit, void *ctx)
{
    struct log_space log;
    int rc = find_space(db, space, &log);

    jb_assert(range->with.n || !range->with_part.n);
    if (rc != 0)
        return rc == JB_ENOTFOUND ? 0 : rc;
    struct sql q = range->backwards
                       ? begin_range(sqlite_of(db), SQL_LOG_DOWN, SQL_LOG_PEER_DOWN, &log, range)
                       : begin_range(sqlite_of(db), SQL_LOG_UP, SQL_LOG_PEER_UP, &log, range);
    return visit_all(&q, read_entry, visit, ctx);
}

int sqlite_log_count(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, struct store_totals *totals)
{
    struct log_space log;
    int rc = find_space(db, space, &log);

    jb_assert(range->with.n || !range->with_part.n);
    *totals = (struct store_totals){ 0 };
    if (rc != 0)
        return rc == JB_ENOTFOUND ? 0 : rc;
    struct sql q = begin_range(sqlite_of(db), SQL_LOG_COUNT, SQL_LOG_PEER_COUNT, &log, range);
    if (sql_row(&q)) {
        totals->count = (uint64_t)sql_column_int(&q, 0);
        totals->bytes = (uint64_t)sql_column_int(&q, 1);
    }
    return sql_end(&q);
}

/* Before entries up to `id` go: if the last one is among them, its id must not be given again. */
static int keep_last(struct sqlite *s, const struct log_space *log, int64_t id)
{
    int64_t tail;
    int rc = find_tail(s, log->id, &tail);

    if (rc != 0 || tail > id || tail <= log->last)
        return rc;
    return run_with_ints(s, SQL_SPACE_LAST, log->id, tail);
}

int sqlite_log_delete(struct store_db *db, const struct store_space *space, int64_t id)
{
    struct sqlite *s = sqlite_of(db);
    struct log_space log;
    int rc = find_space(db, space, &log);

    if (rc == 0)
        rc = keep_last(s, &log, id);
    if (rc != 0)
        return rc;
    struct sql q = sql_begin(s, SQL_LOG_DELETE);
    sql_int(&q, log.id);
    sql_int(&q, id);
    return run_changing(&q);
}

int sqlite_log_trim(struct store_db *db, const struct store_space *space, int64_t id)
{
    struct sqlite *s = sqlite_of(db);
    struct log_space log;
    int rc = find_space(db, space, &log);

    if (rc == 0)
        rc = keep_last(s, &log, id);
    if (rc != 0)
        return rc == JB_ENOTFOUND ? 0 : rc;
    return run_with_ints(s, SQL_LOG_TRIM, log.id, id);
}

/* The id of the last entry that is there, whatever its flags, is kept once it may go. */
int sqlite_log_prune(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, uint64_t *count)
{
    struct sqlite *s = sqlite_of(db);
    struct log_space log;
    int rc = find_space(db, space, &log);

    jb_assert(range->with.n || !range->with_part.n);
    *count = 0;
    if (rc == 0)
        rc = keep_last(s, &log, range->before_id ? range->before_id - 1 : INT64_MAX);
    if (rc != 0)
        return rc == JB_ENOTFOUND ? 0 : rc;
    struct sql q = begin_range(s, SQL_LOG_PRUNE, SQL_LOG_PEER_PRUNE, &log, range);
    rc = sql_run(&q);
    *count = rc == 0 ? (uint64_t)sqlite3_changes(s->handle) : 0;
    return rc;
}
