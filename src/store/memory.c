/* SPDX-License-Identifier: MIT */
/* The memory backend: the reference that the others are compared with.
 *
 * Every account list, kv and log is a `space`: an array of items in order, by key or by id.  Items
 * never change; a write swaps pointers and notes the old and the new one in the undo list, which a
 * rollback replays backwards and a commit drops.  A write first makes room for its note, so that a
 * failed allocation leaves everything as it was and a rollback cannot fail. */
#include "store/store.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/random.h"

#include <stdio.h>

enum kind { ACCOUNTS, PAIRS, ENTRIES };

struct item {
    struct store_row row; /* its slices point into bytes */
    char bytes[];
};

struct space {
    struct space *next; /* of the same owner */
    struct item **items;
    size_t n, cap; /* cap never shrinks: putting back a removed item needs no memory */
    int64_t last;  /* ENTRIES: the highest id ever given */
    enum kind kind;
    struct jb_str store;
    char bytes[];
};

/* Lives until close, as do its spaces: a later write of the same owner finds them again. */
struct owner {
    struct jb__hash_node node;
    struct space *spaces;
    struct jb_str name;
    char bytes[];
};

struct undo {
    struct space *space;
    struct item *old; /* NULL: there was none */
    struct item *new; /* NULL: there is none now */
    int64_t last;     /* space->last before */
};

struct memory {
    struct store_db db;
    const struct jb_allocator *alloc;
    struct jb__hash_key key;
    struct jb__table owners;
    struct undo *undo;
    size_t undo_n, undo_cap;
    size_t mark; /* undo_n at the savepoint */
    bool in_transaction, in_savepoint;
};

static struct memory *memory_of(struct store_db *db)
{
    return jb__container_of(db, struct memory, db);
}

/* ---- items and spaces ---- */

static struct jb_str put_str(char **at, struct jb_str s)
{
    struct jb_str copy = jb_str(*at, s.n);

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct item *item_new(struct memory *m, const struct store_row *row)
{
    size_t n = row->key.n + row->with.n + row->with_part.n + row->bytes.n;
    struct item *item = jb_alloc(m->alloc, sizeof(*item) + n);

    if (!item)
        return NULL;
    char *at = item->bytes;
    item->row = *row;
    item->row.next = NULL;
    item->row.key = put_str(&at, row->key);
    item->row.with = put_str(&at, row->with);
    item->row.with_part = put_str(&at, row->with_part);
    item->row.bytes = put_str(&at, row->bytes);
    return item;
}

static int item_cmp(enum kind kind, const struct store_row *a, const struct store_row *b)
{
    if (kind == ENTRIES)
        return a->id < b->id ? -1 : a->id > b->id;
    return jb_str_cmp(a->key, b->key);
}

/* The place of the first item that is not before `row`; *found: it is equal. */
static size_t space_find(const struct space *s, const struct store_row *row, bool *found)
{
    size_t lo = 0;
    size_t hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (item_cmp(s->kind, &s->items[mid]->row, row) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < s->n && item_cmp(s->kind, &s->items[lo]->row, row) == 0;
    return lo;
}

static size_t find_key(const struct space *s, struct jb_str key, bool *found)
{
    return space_find(s, &(struct store_row){ .key = key }, found);
}

/* The place of the first entry with an id >= `id`. */
static size_t find_id(const struct space *s, int64_t id, bool *found)
{
    return space_find(s, &(struct store_row){ .id = id }, found);
}

static bool owner_match(const struct jb__hash_node *node, struct jb_str name)
{
    return jb_str_eq(jb__container_of(node, struct owner, node)->name, name);
}

static struct owner *owner_find(struct memory *m, struct jb_str name)
{
    uint64_t hash = jb__siphash(&m->key, name.p, name.n);
    struct jb__hash_node *node = jb__table_find(&m->owners, hash, name, owner_match);

    return node ? jb__container_of(node, struct owner, node) : NULL;
}

static struct owner *owner_make(struct memory *m, struct jb_str name)
{
    struct owner *o = owner_find(m, name);

    if (o)
        return o;
    o = jb_zalloc(m->alloc, sizeof(*o) + name.n);
    if (!o)
        return NULL;
    char *at = o->bytes;
    o->name = put_str(&at, name);
    if (jb__table_insert(&m->owners, &o->node, jb__siphash(&m->key, name.p, name.n)) != 0) {
        jb_free(m->alloc, o);
        return NULL;
    }
    return o;
}

/* NULL: there is none. */
static struct space *find(struct memory *m, enum kind kind, const struct store_space *name)
{
    struct owner *o = owner_find(m, name->owner);
    struct space *s = o ? o->spaces : NULL;

    while (s && !(s->kind == kind && jb_str_eq(s->store, name->store)))
        s = s->next;
    return s;
}

/* NULL: out of memory. */
static struct space *make(struct memory *m, enum kind kind, const struct store_space *name)
{
    struct space *s = find(m, kind, name);
    struct owner *o = s ? NULL : owner_make(m, name->owner);

    if (!o)
        return s;
    s = jb_zalloc(m->alloc, sizeof(*s) + name->store.n);
    if (!s)
        return NULL;
    char *at = s->bytes;
    s->kind = kind;
    s->store = put_str(&at, name->store);
    s->next = o->spaces;
    o->spaces = s;
    return s;
}

/* ---- writes and their undoing ---- */

static int reserve_undo(struct memory *m, size_t more)
{
    if (m->undo_cap - m->undo_n >= more)
        return 0;
    size_t cap = (m->undo_n + more) * 2;
    struct undo *undo = jb_resize(m->alloc, m->undo, cap * sizeof(*undo));
    if (!undo)
        return JB_ENOMEM;
    m->undo = undo;
    m->undo_cap = cap;
    return 0;
}

static void note(struct memory *m, struct space *s, struct item *old, struct item *new)
{
    jb_assert(m->in_transaction && m->undo_n < m->undo_cap);
    m->undo[m->undo_n++] = (struct undo){ s, old, new, s->last };
}

static void insert_at(struct space *s, size_t at, struct item *item)
{
    jb_assert(s->n < s->cap);
    memmove(s->items + at + 1, s->items + at, (s->n - at) * sizeof(struct item *));
    s->items[at] = item;
    s->n++;
}

static void remove_at(struct space *s, size_t at, size_t count)
{
    if (count == 0)
        return;
    memmove(s->items + at, s->items + at + count, (s->n - at - count) * sizeof(struct item *));
    s->n -= count;
}

/* Stores a copy of the row in its place, which another may hold. */
static int put(struct memory *m, struct space *s, const struct store_row *row)
{
    bool found;
    size_t at = space_find(s, row, &found);

    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 8;
        struct item **items = jb_resize(m->alloc, s->items, cap * sizeof(struct item *));
        if (!items)
            return JB_ENOMEM;
        s->items = items;
        s->cap = cap;
    }
    if (reserve_undo(m, 1) != 0)
        return JB_ENOMEM;
    struct item *item = item_new(m, row);
    if (!item)
        return JB_ENOMEM;
    note(m, s, found ? s->items[at] : NULL, item);
    if (found)
        s->items[at] = item;
    else
        insert_at(s, at, item);
    return 0;
}

static int drop(struct memory *m, struct space *s, size_t at, size_t count)
{
    if (reserve_undo(m, count) != 0)
        return JB_ENOMEM;
    for (size_t i = at; i < at + count; i++)
        note(m, s, s->items[i], NULL);
    remove_at(s, at, count);
    return 0;
}

static void undo_to(struct memory *m, size_t mark)
{
    while (m->undo_n > mark) {
        const struct undo *u = &m->undo[--m->undo_n];
        struct item *item = u->new ? u->new : u->old;
        bool found = false;
        size_t at = item ? space_find(u->space, &item->row, &found) : 0;

        if (u->new && u->old)
            u->space->items[at] = u->old;
        else if (u->new)
            remove_at(u->space, at, 1);
        else if (u->old)
            insert_at(u->space, at, u->old);
        u->space->last = u->last;
        jb_free(m->alloc, u->new);
    }
}

static int memory_begin(struct store_db *db)
{
    struct memory *m = memory_of(db);

    jb_assert(!m->in_transaction);
    m->in_transaction = true;
    return 0;
}

static int memory_commit(struct store_db *db)
{
    struct memory *m = memory_of(db);

    jb_assert(m->in_transaction && !m->in_savepoint);
    for (size_t i = 0; i < m->undo_n; i++)
        jb_free(m->alloc, m->undo[i].old);
    m->undo_n = 0;
    m->in_transaction = false;
    return 0;
}

static void memory_rollback(struct store_db *db)
{
    struct memory *m = memory_of(db);

    undo_to(m, 0);
    m->in_transaction = m->in_savepoint = false;
}

static int memory_savepoint(struct store_db *db)
{
    struct memory *m = memory_of(db);

    jb_assert(m->in_transaction && !m->in_savepoint);
    m->in_savepoint = true;
    m->mark = m->undo_n;
    return 0;
}

static int memory_release(struct store_db *db)
{
    struct memory *m = memory_of(db);

    jb_assert(m->in_savepoint);
    m->in_savepoint = false;
    return 0;
}

static int memory_rollback_to(struct store_db *db)
{
    struct memory *m = memory_of(db);

    jb_assert(m->in_savepoint);
    undo_to(m, m->mark);
    m->in_savepoint = false;
    return 0;
}

/* ---- what the shapes have in common ---- */

static int end_of_visit(int verdict)
{
    return verdict == STORE_STOP ? 0 : verdict;
}

static int get(const struct space *s, struct jb_str key, store_visit *visit, void *ctx)
{
    bool found = false;
    size_t at = s ? find_key(s, key, &found) : 0;

    return found ? end_of_visit(visit(ctx, &s->items[at]->row)) : JB_ENOTFOUND;
}

static int list(const struct space *s, const struct store_page *page, store_visit *visit, void *ctx)
{
    bool found = false;
    size_t at = s && page->after.n ? find_key(s, page->after, &found) : 0;
    size_t most = page->limit ? page->limit : SIZE_MAX;
    int verdict = 0;

    if (found)
        at++;
    for (size_t i = 0; s && at + i < s->n && i < most && verdict == 0; i++)
        verdict = visit(ctx, &s->items[at + i]->row);
    return end_of_visit(verdict);
}

static int delete_key(struct memory *m, struct space *s, struct jb_str key)
{
    bool found = false;
    size_t at = s ? find_key(s, key, &found) : 0;

    return found ? drop(m, s, at, 1) : JB_ENOTFOUND;
}

static int memory_owner_delete(struct store_db *db, struct jb_str name)
{
    struct memory *m = memory_of(db);
    struct owner *o = owner_find(m, name);

    for (struct space *s = o ? o->spaces : NULL; s; s = s->next) {
        if (s->kind == ACCOUNTS)
            continue;
        if (drop(m, s, 0, s->n) != 0 || reserve_undo(m, 1) != 0)
            return JB_ENOMEM;
        note(m, s, NULL, NULL);
        s->last = 0;
    }
    return 0;
}

/* ---- accounts: the space (domain, "") of kind ACCOUNTS ---- */

static struct space *accounts(struct store_db *db, struct jb_str domain)
{
    return find(memory_of(db), ACCOUNTS, &(struct store_space){ domain, JB_STR_NONE });
}

static int memory_account_get(struct store_db *db, struct jb_str domain, struct jb_str local,
                              store_visit *visit, void *ctx)
{
    return get(accounts(db, domain), local, visit, ctx);
}

static int memory_account_put(struct store_db *db, const struct store_account *account,
                              enum store_put_mode mode)
{
    struct memory *m = memory_of(db);
    struct space *s = make(m, ACCOUNTS, &(struct store_space){ account->domain, JB_STR_NONE });
    bool found;

    if (!s)
        return JB_ENOMEM;
    size_t at = find_key(s, account->local, &found);
    if (found != (mode == STORE_REPLACE))
        return found ? JB_EEXIST : JB_ENOTFOUND;
    return put(m, s,
               &(struct store_row){
                   .key = account->local,
                   .bytes = account->credential,
                   .flags = account->flags,
                   .stamp_us = found ? s->items[at]->row.stamp_us : account->created_us,
               });
}

static int memory_account_delete(struct store_db *db, struct jb_str domain, struct jb_str local)
{
    struct memory *m = memory_of(db);
    int rc = delete_key(m, accounts(db, domain), local);

    if (rc != 0)
        return rc;
    char *name = jb_alloc(m->alloc, local.n + 1 + domain.n);
    if (!name)
        return JB_ENOMEM;
    char *at = name;
    put_str(&at, local);
    put_str(&at, JB_STR("@"));
    put_str(&at, domain);
    rc = memory_owner_delete(db, jb_str(name, (size_t)(at - name)));
    jb_free(m->alloc, name);
    return rc;
}

static int memory_account_list(struct store_db *db, struct jb_str domain,
                               const struct store_page *page, store_visit *visit, void *ctx)
{
    return list(accounts(db, domain), page, visit, ctx);
}

static int memory_account_count(struct store_db *db, struct jb_str domain, uint64_t *count)
{
    const struct space *s = accounts(db, domain);

    *count = s ? s->n : 0;
    return 0;
}

/* ---- kv ---- */

static int memory_kv_get(struct store_db *db, const struct store_space *space, struct jb_str key,
                         store_visit *visit, void *ctx)
{
    return get(find(memory_of(db), PAIRS, space), key, visit, ctx);
}

static int memory_kv_put(struct store_db *db, const struct store_space *space, struct jb_str key,
                         struct jb_str bytes)
{
    struct memory *m = memory_of(db);
    struct space *s = make(m, PAIRS, space);

    return s ? put(m, s, &(struct store_row){ .key = key, .bytes = bytes }) : JB_ENOMEM;
}

static int memory_kv_delete(struct store_db *db, const struct store_space *space, struct jb_str key)
{
    struct memory *m = memory_of(db);

    return delete_key(m, find(m, PAIRS, space), key);
}

static int memory_kv_list(struct store_db *db, const struct store_space *space,
                          const struct store_page *page, store_visit *visit, void *ctx)
{
    return list(find(memory_of(db), PAIRS, space), page, visit, ctx);
}

static int memory_kv_clear(struct store_db *db, const struct store_space *space)
{
    struct memory *m = memory_of(db);
    struct space *s = find(m, PAIRS, space);

    return s ? drop(m, s, 0, s->n) : 0;
}

/* ---- log ---- */

static int memory_log_append(struct store_db *db, const struct store_space *space,
                             const struct store_entry *entry, int64_t *id)
{
    struct memory *m = memory_of(db);
    struct space *s = make(m, ENTRIES, space);

    jb_assert(entry->now_us > 0 && entry->stamp_us >= 0 && entry->stamp_us <= entry->now_us);
    if (!s)
        return JB_ENOMEM;
    int64_t next = entry->id ? entry->id
                   : s->last >= entry->now_us ? s->last + 1
                                              : entry->now_us;
    int rc = put(m, s,
                 &(struct store_row){
                     .id = next,
                     .stamp_us = entry->stamp_us,
                     .with = entry->with,
                     .with_part = entry->with_part,
                     .bytes = entry->bytes,
                     .flags = entry->flags,
                 });
    if (rc != 0)
        return rc;
    *id = next;
    if (s->last < next)
        s->last = next;
    return 0;
}

static int memory_log_last(struct store_db *db, const struct store_space *space, int64_t *id)
{
    const struct space *s = find(memory_of(db), ENTRIES, space);

    *id = s ? s->last : 0;
    return 0;
}

static int memory_log_get(struct store_db *db, const struct store_space *space, int64_t id,
                          store_visit *visit, void *ctx)
{
    const struct space *s = find(memory_of(db), ENTRIES, space);
    bool found = false;
    size_t at = s ? find_id(s, id, &found) : 0;

    return found ? end_of_visit(visit(ctx, &s->items[at]->row)) : JB_ENOTFOUND;
}

static bool selects(const struct store_range *r, const struct store_row *row)
{
    return row->stamp_us >= r->start_us && (!r->end_us || row->stamp_us <= r->end_us) &&
           (!r->with.n || jb_str_eq(row->with, r->with)) &&
           (!r->with_part.n || jb_str_eq(row->with_part, r->with_part)) &&
           (row->flags & r->flags_mask) == r->flags;
}

/* The places [*from, *to) of the ids the range allows. */
static void bounds(const struct space *s, const struct store_range *r, size_t *from, size_t *to)
{
    bool found = false;

    *from = find_id(s, r->after_id, &found);
    if (found)
        ++*from;
    *to = r->before_id ? find_id(s, r->before_id, &found) : s->n;
}

static int memory_log_range(struct store_db *db, const struct store_space *space,
                            const struct store_range *r, store_visit *visit, void *ctx)
{
    const struct space *s = find(memory_of(db), ENTRIES, space);
    size_t left = r->limit ? r->limit : SIZE_MAX;
    int verdict = 0;
    size_t from, to;

    if (!s)
        return 0;
    bounds(s, r, &from, &to);
    while (from < to && left > 0 && verdict == 0) {
        const struct store_row *row = &s->items[r->backwards ? --to : from++]->row;
        if (!selects(r, row))
            continue;
        left--;
        verdict = visit(ctx, row);
    }
    return end_of_visit(verdict);
}

static int memory_log_count(struct store_db *db, const struct store_space *space,
                            const struct store_range *r, struct store_totals *totals)
{
    const struct space *s = find(memory_of(db), ENTRIES, space);
    size_t from, to;

    *totals = (struct store_totals){ 0 };
    if (!s)
        return 0;
    for (bounds(s, r, &from, &to); from < to; from++) {
        if (!selects(r, &s->items[from]->row))
            continue;
        if (r->limit && totals->count == r->limit)
            break;
        totals->count++;
        totals->bytes += s->items[from]->row.bytes.n;
    }
    return 0;
}

static int memory_log_delete(struct store_db *db, const struct store_space *space, int64_t id)
{
    struct memory *m = memory_of(db);
    struct space *s = find(m, ENTRIES, space);
    bool found = false;
    size_t at = s ? find_id(s, id, &found) : 0;

    return found ? drop(m, s, at, 1) : JB_ENOTFOUND;
}

static int memory_log_trim(struct store_db *db, const struct store_space *space, int64_t id)
{
    struct memory *m = memory_of(db);
    struct space *s = find(m, ENTRIES, space);
    bool found;

    if (!s)
        return 0;
    size_t to = find_id(s, id, &found);
    return drop(m, s, 0, found ? to + 1 : to);
}

static int memory_log_prune(struct store_db *db, const struct store_space *space,
                            const struct store_range *r, uint64_t *count)
{
    struct memory *m = memory_of(db);
    struct space *s = find(m, ENTRIES, space);
    size_t at, to;

    *count = 0;
    if (!s)
        return 0;
    bounds(s, r, &at, &to);
    while (at < to && (!r->limit || *count < r->limit)) {
        if (!selects(r, &s->items[at]->row)) {
            at++;
            continue;
        }
        if (drop(m, s, at, 1) != 0)
            return JB_ENOMEM;
        to--;
        ++*count;
    }
    return 0;
}

/* ---- opening and closing ---- */

static int memory_open(const struct store_options *options, struct store_db **out,
                       char message[STORE_MESSAGE_BYTES])
{
    struct memory *m = jb_zalloc(options->alloc, sizeof(*m));

    *out = NULL;
    if (!m) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s", jb_strerror(JB_ENOMEM));
        return JB_ENOMEM;
    }
    m->db.ops = &store_memory;
    m->alloc = options->alloc;
    jb__random(&m->key, sizeof(m->key));
    jb__table_init(&m->owners, options->alloc);
    *out = &m->db;
    return 0;
}

static void space_free(struct memory *m, struct space *s)
{
    for (size_t i = 0; i < s->n; i++)
        jb_free(m->alloc, s->items[i]);
    jb_free(m->alloc, s->items);
    jb_free(m->alloc, s);
}

static void memory_close(struct store_db *db)
{
    struct memory *m = memory_of(db);
    struct jb__hash_node *next;

    memory_rollback(db);
    for (struct jb__hash_node *node = jb__table_next(&m->owners, NULL); node; node = next) {
        struct owner *o = jb__container_of(node, struct owner, node);
        next = jb__table_next(&m->owners, node);
        while (o->spaces) {
            struct space *s = o->spaces;
            o->spaces = s->next;
            space_free(m, s);
        }
        jb__table_remove(&m->owners, node);
        jb_free(m->alloc, o);
    }
    jb__table_deinit(&m->owners);
    jb_free(m->alloc, m->undo);
    jb_free(m->alloc, m);
}

const struct store_backend store_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .savepoint = memory_savepoint,
    .release = memory_release,
    .rollback_to = memory_rollback_to,
    .account_get = memory_account_get,
    .account_put = memory_account_put,
    .account_delete = memory_account_delete,
    .account_list = memory_account_list,
    .account_count = memory_account_count,
    .kv_get = memory_kv_get,
    .kv_put = memory_kv_put,
    .kv_delete = memory_kv_delete,
    .kv_list = memory_kv_list,
    .kv_clear = memory_kv_clear,
    .log_append = memory_log_append,
    .log_last = memory_log_last,
    .log_get = memory_log_get,
    .log_range = memory_log_range,
    .log_count = memory_log_count,
    .log_delete = memory_log_delete,
    .log_trim = memory_log_trim,
    .log_prune = memory_log_prune,
    .owner_delete = memory_owner_delete,
};
