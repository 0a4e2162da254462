/* SPDX-License-Identifier: MIT */
/* XEP-0198 Stream Management: the offer, and what is in the store of a user's sessions.  Counting is
 * core/sm.c; sessions that outlive their connection are server/session_sm.c. */
#include "modules/modules.h"
#include "server/reactor.h"
#include "server/session_count.h"
#include "server/session_save.h"
#include "server/session_sm.h"

#include <stdlib.h>

/* Of a user. */
struct kept_counters {
    struct session_saved_ops saved; /* while he is loaded */
    uint32_t kept;                  /* counters in the store, at most */
    bool listing;                   /* they are counted anew, and the oldest go */
};

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    if (c->authenticated && !c->stream.sm.on && !resuming)
        jb_xml_leaf(x, "sm", JB_NS_SM, JB_STR_NONE);
    return NEXT;
}

static struct store_op *list_counters(const struct user *u, struct store_unit *unit)
{
    return store_unit_kv_list(unit, jb_jid_str(u->jid), session_count_store, JB_STR_NONE, 0);
}

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    struct kept_counters *c = module_user_data(&xep0198_sm, u);

    session_saved_load(u, unit, &c->saved);
    c->saved.counts = list_counters(u, unit);
    return NEXT;
}

/* ---- counters that nobody will ask for any more ---- */

static int newer_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x < y) - (x > y);
}

/* Counters up to this time go because there are too many: half of what may be stays. */
static int64_t crowded_us(struct reactor *r, const struct store_row *rows)
{
    uint32_t most = r->conf->stream.limits.sm_counts;
    struct session_count count;
    size_t n = 0;

    for (const struct store_row *row = rows; row; row = row->next)
        n++;
    if (n <= most)
        return INT64_MIN;
    int64_t *times = jb__arena_alloc(&r->arena, n * sizeof *times);
    n = 0;
    for (const struct store_row *row = rows; row; row = row->next)
        times[n++] = session_count_decode(row->bytes, &count) ? count.at_us : INT64_MIN;
    qsort(times, n, sizeof *times, newer_first);
    return times[most / 2];
}

/* What is still there afterwards goes the next time. */
static void forget_old(struct user *u, const struct store_row *rows)
{
    struct kept_counters *c = module_user_data(&xep0198_sm, u);
    struct reactor *r = u->reactor;
    int64_t old_us = r->now_us - (int64_t)r->conf->stream.limits.sm_count_ms * 1000;
    int64_t too_many_us = crowded_us(r, rows);
    struct store_unit *unit = NULL;
    struct session_count count;

    c->kept = 0;
    for (const struct store_row *row = rows; row; row = row->next) {
        bool old = !session_count_decode(row->bytes, &count) || count.at_us <= old_us;
        if (!old && count.at_us > too_many_us) {
            c->kept++;
            continue;
        }
        if (!unit)
            unit = user_store_unit(u, store_unit_free, NULL);
        reactor_count_limit(r, old ? JB_LIMIT_sm_count_ms : JB_LIMIT_sm_counts);
        store_unit_kv_delete(unit, jb_jid_str(u->jid), session_count_store, row->key);
    }
    if (unit && store_unit_submit(unit) != 0)
        store_unit_free(unit);
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct kept_counters *c = module_user_data(&xep0198_sm, u);

    (void)unit;
    forget_old(u, c->saved.counts->rows);
    session_saved_revive(u, &c->saved);
    c->saved = (struct session_saved_ops){ 0 };
    return NEXT;
}

static void on_listed(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    struct kept_counters *c = module_user_data(&xep0198_sm, u);

    c->listing = false;
    if (unit->rc == 0)
        forget_old(u, unit->ops->rows);
    store_unit_free(unit);
    user_unpin(u);
}

/* Its counter outlives it. */
static enum verdict on_unbound(struct session *s)
{
    struct user *u = s->user;
    struct kept_counters *c = module_user_data(&xep0198_sm, u);

    if (!s->sm || !s->sm->stored || u->stale || c->listing)
        return NEXT;
    if (++c->kept <= u->reactor->conf->stream.limits.sm_counts)
        return NEXT;
    struct store_unit *unit = user_store_unit(u, on_listed, u);
    (void)list_counters(u, unit);
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit); /* the next one that ends tries again */
        return NEXT;
    }
    c->listing = true;
    user_pin(u);
    return NEXT;
}

const struct module xep0198_sm = {
    .name = "stream_management",
    .title = "Stream Management",
    .xep = 198,
    .hooks = { .features = on_features,
               .load = on_load,
               .loaded = on_loaded,
               .unbound = on_unbound },
    .user_bytes = sizeof(struct kept_counters),
};
