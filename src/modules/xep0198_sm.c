/* SPDX-License-Identifier: MIT */
/* XEP-0198 Stream Management: the offer, and what is in the store of a user's sessions.  Counting is
 * core/sm.c; sessions that outlive their connection are server/session_sm.c. */
#include "modules/modules.h"
#include "server/reactor.h"
#include "server/session_count.h"
#include "server/session_save.h"

/* Of a user, while he is loaded. */
struct loading {
    struct store_op *counts;
    struct session_saved_ops saved;
};

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    if (c->authenticated && !c->stream.sm.on && !resuming)
        jb_xml_leaf(x, "sm", JB_NS_SM, JB_STR_NONE);
    return NEXT;
}

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    struct loading *l = module_user_data(&xep0198_sm, u);

    l->counts =
        store_unit_kv_list(unit, jb_jid_str(u->jid), session_count_store, JB_STR_NONE, 0);
    session_saved_load(u, unit, &l->saved);
    l->saved.counts = l->counts;
    return NEXT;
}

static void on_forgotten(struct store_unit *unit)
{
    store_unit_free(unit);
}

/* Counters of sessions that nobody will ask for any more. */
static void forget_old_counts(struct user *u, const struct store_row *rows)
{
    int64_t keep_us = (int64_t)u->reactor->conf->stream.limits.sm_count_ms * 1000;
    struct store_unit *unit = NULL;
    struct session_count count;

    for (const struct store_row *row = rows; row; row = row->next) {
        if (session_count_decode(row->bytes, &count) && u->reactor->now_us - count.at_us < keep_us)
            continue;
        if (!unit)
            unit = user_store_unit(u, on_forgotten, NULL);
        reactor_count_limit(u->reactor, JB_LIMIT_sm_count_ms);
        store_unit_kv_delete(unit, jb_jid_str(u->jid), session_count_store, row->key);
    }
    if (unit && store_unit_submit(unit) != 0)
        store_unit_free(unit);
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct loading *l = module_user_data(&xep0198_sm, u);

    (void)unit;
    forget_old_counts(u, l->counts->rows);
    session_saved_revive(u, &l->saved);
    *l = (struct loading){ 0 };
    return NEXT;
}

const struct module xep0198_sm = {
    .name = "stream_management",
    .title = "Stream Management",
    .xep = 198,
    .hooks = { .features = on_features, .load = on_load, .loaded = on_loaded },
    .user_bytes = sizeof(struct loading),
};
