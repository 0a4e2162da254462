/* SPDX-License-Identifier: MIT */
/* A unit of work for the store: how it is built, what each operation does, where results go. */
#include "server/store_unit.h"

#include "base/assert.h"
#include "base/big_endian.h"
#include "base/list.h"

#include <stdalign.h>

struct op;

/* Runs one operation and returns the store's code. */
typedef int op_run(struct store_unit *u, struct op *op, struct store_db *db);

struct op_type {
    op_run *run;
    bool writes;
    bool may_miss; /* JB_ENOTFOUND does not fail the unit */
};

/* An operation with its arguments, all in the unit's arena. */
struct op {
    struct store_op result;
    const struct op_type *type;
    int local_rc;             /* a failure of ours, not of the store: the results do not fit */
    struct store_space space; /* owner and store; for accounts owner is the domain */
    struct jb_str key;        /* kv: key; accounts: localpart; lists: after */
    struct jb_str bytes;
    int64_t id;
    uint32_t limit;
    size_t page_bytes; /* 0: no bound */
    union {
        struct store_entry entry;
        struct store_range range;
        struct store_account account;
    };
    enum store_put_mode mode;
    const struct store_op *behind; /* where a range begins; NULL: where it says itself */
};

/* The arena says only that it cannot give n bytes; this says why. */
static int why_not(const struct jb__arena *arena, size_t n)
{
    return n + alignof(max_align_t) > arena->limit - arena->used ? JB_EFULL : JB_ENOMEM;
}

/* ---- results ---- */

struct collector {
    struct store_unit *unit;
    struct op *op;
    const struct store_row **tail; /* where the next row is hooked in */
    size_t bytes;                  /* of the page so far */
};

static struct jb_str put_str(char **at, struct jb_str s)
{
    struct jb_str copy = jb_str(*at, s.n);

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static int collect(void *ctx, const struct store_row *row)
{
    struct collector *c = ctx;
    struct store_op *result = &c->op->result;
    struct jb__arena *arena = &c->unit->arena;
    bool enough = c->op->limit && result->row_count == c->op->limit;
    bool over =
        c->op->page_bytes && result->row_count > 0 && row->bytes.n > c->op->page_bytes - c->bytes;

    if (enough || over) {
        result->more = true;
        return STORE_STOP;
    }
    size_t n = row->key.n + row->with.n + row->with_part.n + row->bytes.n;
    struct store_row *copy = jb__arena_alloc(arena, sizeof(*copy) + n);
    if (!copy) {
        c->op->local_rc = why_not(arena, sizeof(*copy) + n);
        return STORE_STOP;
    }
    char *at = (char *)(copy + 1);
    *copy = *row;
    copy->next = NULL;
    copy->key = put_str(&at, row->key);
    copy->with = put_str(&at, row->with);
    copy->with_part = put_str(&at, row->with_part);
    copy->bytes = put_str(&at, row->bytes);
    *c->tail = copy;
    c->tail = &copy->next;
    c->bytes +=
        row->bytes.n < c->op->page_bytes - c->bytes ? row->bytes.n : c->op->page_bytes - c->bytes;
    result->row_count++;
    return 0;
}

static struct collector collector_of(struct store_unit *u, struct op *op)
{
    return (struct collector){ u, op, &op->result.rows, 0 };
}

/* One row more than asked for tells whether there is more. */
static struct store_page page_of(const struct op *op)
{
    return (struct store_page){ op->key, op->limit ? op->limit + 1 : 0 };
}

/* ---- what each operation does ---- */

static int run_account_get(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);

    return db->ops->account_get(db, op->space.owner, op->key, collect, &c);
}

/* What was on its way to the disk while an account of this name was deleted is not the new one's.
 */
static int clear_owner(struct store_unit *u, const struct store_account *account,
                       struct store_db *db)
{
    size_t n = account->local.n + 1 + account->domain.n;
    char *owner = jb__arena_alloc(&u->arena, n);

    if (!owner)
        return why_not(&u->arena, n);
    memcpy(owner, account->local.p, account->local.n);
    owner[account->local.n] = '@';
    memcpy(owner + account->local.n + 1, account->domain.p, account->domain.n);
    return db->ops->owner_delete(db, jb_str(owner, n));
}

static int run_account_put(struct store_unit *u, struct op *op, struct store_db *db)
{
    int rc = db->ops->account_put(db, &op->account, op->mode);

    return rc == 0 && op->mode == STORE_CREATE ? clear_owner(u, &op->account, db) : rc;
}

static int run_account_delete(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->account_delete(db, op->space.owner, op->key);
}

static int run_account_list(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);
    struct store_page page = page_of(op);

    return db->ops->account_list(db, op->space.owner, &page, collect, &c);
}

static int run_account_count(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->account_count(db, op->space.owner, &op->result.totals.count);
}

static int run_kv_get(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);

    return db->ops->kv_get(db, &op->space, op->key, collect, &c);
}

static int run_kv_put(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->kv_put(db, &op->space, op->key, op->bytes);
}

static int run_kv_delete(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->kv_delete(db, &op->space, op->key);
}

static int run_kv_list(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);
    struct store_page page = page_of(op);

    return db->ops->kv_list(db, &op->space, &page, collect, &c);
}

static int run_kv_clear(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->kv_clear(db, &op->space);
}

static int run_log_append(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->log_append(db, &op->space, &op->entry, &op->result.id);
}

static int run_log_last(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->log_last(db, &op->space, &op->result.id);
}

static int run_log_get(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);

    return db->ops->log_get(db, &op->space, op->id, collect, &c);
}

static struct store_range range_of(const struct op *op)
{
    struct store_range range = op->range;

    if (op->behind)
        range.after_id = store_op_number(op->behind);
    return range;
}

static int run_log_range(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct collector c = collector_of(u, op);
    struct store_range range = range_of(op);

    range.limit = page_of(op).limit;
    return db->ops->log_range(db, &op->space, &range, collect, &c);
}

static int run_log_count(struct store_unit *u, struct op *op, struct store_db *db)
{
    struct store_range range = range_of(op);

    (void)u;
    return db->ops->log_count(db, &op->space, &range, &op->result.totals);
}

static int run_log_delete(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->log_delete(db, &op->space, op->id);
}

static int run_log_trim(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->log_trim(db, &op->space, op->id);
}

static int run_log_prune(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->log_prune(db, &op->space, &op->range, &op->result.totals.count);
}

static int run_owner_delete(struct store_unit *u, struct op *op, struct store_db *db)
{
    (void)u;
    return db->ops->owner_delete(db, op->space.owner);
}

static const struct op_type account_get = { run_account_get, .may_miss = true };
static const struct op_type account_put = { run_account_put, .writes = true };
static const struct op_type account_delete = { run_account_delete, true, true };
static const struct op_type account_list = { run_account_list, .may_miss = true };
static const struct op_type account_count = { run_account_count, .may_miss = true };
static const struct op_type kv_get = { run_kv_get, .may_miss = true };
static const struct op_type kv_put = { run_kv_put, .writes = true };
static const struct op_type kv_delete = { run_kv_delete, true, true };
static const struct op_type kv_take = { run_kv_delete, .writes = true };
static const struct op_type kv_list = { run_kv_list, .may_miss = true };
static const struct op_type kv_clear = { run_kv_clear, .writes = true };
static const struct op_type log_append = { run_log_append, .writes = true };
static const struct op_type log_last = { run_log_last };
static const struct op_type log_get = { run_log_get, .may_miss = true };
static const struct op_type log_range = { run_log_range, .may_miss = true };
static const struct op_type log_count = { run_log_count, .may_miss = true };
static const struct op_type log_delete = { run_log_delete, true, true };
static const struct op_type log_trim = { run_log_trim, .writes = true };
static const struct op_type log_prune = { run_log_prune, .writes = true };
static const struct op_type owner_delete = { run_owner_delete, .writes = true };

static bool concerns_all(int rc)
{
    return rc == JB_EFULL || rc == JB_EAGAIN || rc == JB_EIO || rc == JB_EINVAL;
}

int store_unit_run(struct store_unit *u, struct store_db *db)
{
    u->rc = 0;
    u->arena.limit = u->arena.used + u->result_bytes;
    for (struct store_op *result = u->ops; result; result = result->next) {
        struct op *op = jb__container_of(result, struct op, result);
        *result = (struct store_op){ .next = result->next, .rc = JB_ESTATE };
        op->local_rc = 0;
        if (u->rc != 0)
            continue; /* not run, and says so */
        int rc = op->type->run(u, op, db);
        result->rc = rc != 0 ? rc : op->local_rc;
        if (result->rc != 0 && !(result->rc == JB_ENOTFOUND && op->type->may_miss))
            u->rc = result->rc;
        if (concerns_all(rc))
            return rc;
    }
    return 0;
}

/* ---- building ---- */

struct store_unit *store_unit_new(struct store_front *front, struct store_port *port,
                                  void (*done)(struct store_unit *unit), void *ctx)
{
    const struct store_front_options *settings = store_front_settings(front);
    struct store_unit *u = jb_zalloc(settings->alloc, sizeof(*u));

    if (!u)
        return NULL;
    u->front = front;
    u->port = port;
    u->done = done;
    u->ctx = ctx;
    u->rc = JB_ESTATE;
    jb__arena_init(&u->arena, settings->alloc, settings->limits->store_unit_bytes);
    return u;
}

void store_unit_free(struct store_unit *u)
{
    if (!u)
        return;
    const struct jb_allocator *alloc = u->arena.alloc;
    jb__arena_deinit(&u->arena);
    jb_free(alloc, u);
}

static void build_failed(struct store_unit *u, size_t n)
{
    if (u->build_rc == 0)
        u->build_rc = why_not(&u->arena, n);
}

static struct jb_str keep(struct store_unit *u, struct jb_str s)
{
    struct jb_str copy = s.n ? jb__arena_str(&u->arena, s) : JB_STR_NONE;

    if (s.n && !copy.p)
        build_failed(u, s.n + 1);
    return copy;
}

static struct op *add(struct store_unit *u, const struct op_type *type, struct jb_str owner,
                      struct jb_str store)
{
    struct op *op = jb__arena_alloc(&u->arena, sizeof(*op));

    if (!op) {
        build_failed(u, sizeof(*op));
        return NULL;
    }
    *op = (struct op){ .type = type, .result = { .rc = JB_ESTATE } };
    op->space.owner = keep(u, owner);
    op->space.store = keep(u, store);
    if (u->last_op)
        u->last_op->next = &op->result;
    else
        u->ops = &op->result;
    u->last_op = &op->result;
    u->writes |= type->writes;
    return op;
}

static struct store_op *add_keyed(struct store_unit *u, const struct op_type *type,
                                  const struct store_space *space, struct jb_str key,
                                  uint32_t limit)
{
    struct op *op = add(u, type, space->owner, space->store);

    if (!op)
        return NULL;
    op->key = keep(u, key);
    op->limit = limit;
    return &op->result;
}

static struct store_op *add_numbered(struct store_unit *u, const struct op_type *type,
                                     struct jb_str owner, struct jb_str store, int64_t id)
{
    struct op *op = add(u, type, owner, store);

    if (!op)
        return NULL;
    op->id = id;
    return &op->result;
}

static struct op *add_range(struct store_unit *u, const struct op_type *type,
                            const struct store_space *space, const struct store_range *range)
{
    struct op *op = add(u, type, space->owner, space->store);

    if (!op)
        return NULL;
    op->range = *range;
    op->range.with = keep(u, range->with);
    op->range.with_part = keep(u, range->with_part);
    op->limit = range->limit;
    return op;
}

static struct store_space domain_of(struct jb_str domain)
{
    return (struct store_space){ domain, JB_STR_NONE };
}

struct store_op *store_unit_account_get(struct store_unit *u, struct jb_str domain,
                                        struct jb_str local)
{
    struct store_space space = domain_of(domain);

    return add_keyed(u, &account_get, &space, local, 0);
}

struct store_op *store_unit_account_put(struct store_unit *u, const struct store_account *account,
                                        enum store_put_mode mode)
{
    struct op *op = add(u, &account_put, account->domain, JB_STR_NONE);

    if (!op)
        return NULL;
    op->mode = mode;
    op->account = *account;
    op->account.domain = op->space.owner;
    op->account.local = keep(u, account->local);
    op->account.credential = keep(u, account->credential);
    return &op->result;
}

struct store_op *store_unit_account_delete(struct store_unit *u, struct jb_str domain,
                                           struct jb_str local)
{
    struct store_space space = domain_of(domain);

    return add_keyed(u, &account_delete, &space, local, 0);
}

struct store_op *store_unit_account_list(struct store_unit *u, struct jb_str domain,
                                         struct jb_str after, uint32_t limit)
{
    struct store_space space = domain_of(domain);

    return add_keyed(u, &account_list, &space, after, limit);
}

struct store_op *store_unit_account_count(struct store_unit *u, struct jb_str domain)
{
    struct store_space space = domain_of(domain);

    return add_keyed(u, &account_count, &space, JB_STR_NONE, 0);
}

struct store_op *store_unit_kv_get(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                   struct jb_str key)
{
    return add_keyed(u, &kv_get, &(struct store_space){ owner, store }, key, 0);
}

struct store_op *store_unit_kv_put(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                   struct jb_str key, struct jb_str bytes)
{
    struct op *op = add(u, &kv_put, owner, store);

    if (!op)
        return NULL;
    op->key = keep(u, key);
    op->bytes = keep(u, bytes);
    return &op->result;
}

struct store_op *store_unit_kv_delete(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, struct jb_str key)
{
    return add_keyed(u, &kv_delete, &(struct store_space){ owner, store }, key, 0);
}

struct store_op *store_unit_kv_take(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    struct jb_str key)
{
    return add_keyed(u, &kv_take, &(struct store_space){ owner, store }, key, 0);
}

struct store_op *store_unit_kv_list(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    struct jb_str after, uint32_t limit)
{
    return add_keyed(u, &kv_list, &(struct store_space){ owner, store }, after, limit);
}

struct store_op *store_unit_kv_clear(struct store_unit *u, struct jb_str owner, struct jb_str store)
{
    return add_numbered(u, &kv_clear, owner, store, 0);
}

struct store_op *store_unit_log_append(struct store_unit *u, struct jb_str owner,
                                       struct jb_str store, const struct store_entry *entry)
{
    struct op *op = add(u, &log_append, owner, store);

    if (!op)
        return NULL;
    op->entry = *entry;
    op->entry.with = keep(u, entry->with);
    op->entry.with_part = keep(u, entry->with_part);
    op->entry.bytes = keep(u, entry->bytes);
    return &op->result;
}

struct store_op *store_unit_log_get(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    int64_t id)
{
    return add_numbered(u, &log_get, owner, store, id);
}

struct store_op *store_unit_log_range(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range,
                                      size_t page_bytes)
{
    struct op *op = add_range(u, &log_range, &(struct store_space){ owner, store }, range);

    if (!op)
        return NULL;
    op->page_bytes = page_bytes;
    return &op->result;
}

struct store_op *store_unit_log_count(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range)
{
    struct op *op = add_range(u, &log_count, &(struct store_space){ owner, store }, range);

    return op ? &op->result : NULL;
}

struct store_op *store_unit_log_last(struct store_unit *u, struct jb_str owner, struct jb_str store)
{
    return add_numbered(u, &log_last, owner, store, 0);
}

struct store_op *store_unit_log_delete(struct store_unit *u, struct jb_str owner,
                                       struct jb_str store, int64_t id)
{
    return add_numbered(u, &log_delete, owner, store, id);
}

struct store_op *store_unit_log_trim(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                     int64_t id)
{
    return add_numbered(u, &log_trim, owner, store, id);
}

struct store_op *store_unit_log_prune(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range)
{
    struct op *op = add_range(u, &log_prune, &(struct store_space){ owner, store }, range);

    return op ? &op->result : NULL;
}

void store_op_begin_behind(struct store_op *op, const struct store_op *number)
{
    if (op)
        jb__container_of(op, struct op, result)->behind = number;
}

struct jb_str store_number(int64_t number, char bytes[STORE_NUMBER_BYTES])
{
    jb__put_number(bytes, (uint64_t)number, STORE_NUMBER_BYTES);
    return jb_str(bytes, STORE_NUMBER_BYTES);
}

int64_t store_number_read(struct jb_str bytes)
{
    return bytes.n == STORE_NUMBER_BYTES ? (int64_t)jb__get_number(bytes.p, STORE_NUMBER_BYTES) : 0;
}

int64_t store_op_number(const struct store_op *op)
{
    return op && op->rows ? store_number_read(op->rows->bytes) : 0;
}

struct store_op *store_unit_owner_delete(struct store_unit *u, struct jb_str owner)
{
    return add_numbered(u, &owner_delete, owner, JB_STR_NONE, 0);
}
