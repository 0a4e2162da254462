/* SPDX-License-Identifier: MIT */
/* XEP-0012 Last Activity: how long the host has been up, and when a user was last here.
 *
 * Kept: kv of the user, store "last", key "seen": the time of the end of his last session in
 * microseconds, a line end, and the status of the unavailable presence he left with, if any. */
#include "base/clock.h"
#include "modules/contact.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str last_store = JB_STR_INIT("last");
static const struct jb_str seen_key = JB_STR_INIT("seen");

enum { STATUS_BYTES = 1023, STAMP_BYTES = 24, RECORD_BYTES = STAMP_BYTES + STATUS_BYTES };

/* Of a session: how it said good-bye. */
struct farewell {
    char *status; /* of its last presence, when that was unavailable; NULL: none */
    size_t bytes;
};

static void forget(struct farewell *f)
{
    jb_free(alloc, f->status);
    *f = (struct farewell){ 0 };
}

/* Watches presence go by: rfc6121_presence ends its journey afterwards. */
static enum verdict on_out(struct session *s, struct jb_draft *d, struct jb_fault *fault)
{
    struct farewell *f = module_session_data(&xep0012_last_activity, s);

    (void)fault;
    if (d->h.kind != JB_PRESENCE || jb_jid_is_set(d->h.to) ||
        (d->h.type != JB_TYPE_NONE && d->h.type != JB_TYPE_UNAVAILABLE))
        return NEXT;
    forget(f);
    uint16_t node = jb_node_child(d->doc, 0, "status", JB_NS_CLIENT);
    if (d->h.type != JB_TYPE_UNAVAILABLE || !node)
        return NEXT;
    struct jb_str status = jb_node_text(d->doc, node, d->arena);
    if (status.n == 0 || status.n > STATUS_BYTES)
        return NEXT;
    f->status = memcpy(jb_alloc(alloc, status.n), status.p, status.n);
    f->bytes = status.n;
    return NEXT;
}

/* Nobody waits for it: a time that was not kept is an old one, not a wrong one. */
static void keep(struct user *u, const struct farewell *f)
{
    struct store_unit *unit = user_store_unit(u, store_unit_free, NULL);
    char record[RECORD_BYTES];
    int n = snprintf(record, sizeof record, "%" PRId64 "\n", u->reactor->now_us);

    if (f->status)
        memcpy(record + n, f->status, f->bytes);
    store_unit_kv_put(unit, jb_jid_str(u->jid), last_store, seen_key,
                      jb_str(record, (size_t)n + f->bytes));
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit);
}

static enum verdict on_unbound(struct session *s)
{
    struct farewell *f = module_session_data(&xep0012_last_activity, s);
    struct user *u = s->user;

    if (u->session_count == 1 && !u->anonymous && !u->stale)
        keep(u, f);
    forget(f);
    return NEXT;
}

/* ---- answers ---- */

static void answer(struct iq *iq, uint64_t seconds, struct jb_str status)
{
    struct jb_xml *x = iq_result(iq);

    jb_xml_open(x, "query", JB_NS_LAST);
    jb_xml_attr_u64(x, "seconds", seconds);
    jb_xml_text(x, status);
    jb_xml_close(x);
    iq_send(iq);
}

static void on_host(struct iq *iq)
{
    answer(iq, (iq->reactor->now_ms - iq->reactor->server->started_ms) / 1000, JB_STR_NONE);
}

static void on_read(struct store_unit *unit)
{
    struct iq *iq = unit->ctx;
    const struct store_row *row = unit->rc == 0 ? unit->ops->rows : NULL;
    struct jb_str stamp, status;
    uint64_t seen_us;

    if (iq->user->session_count) {
        answer(iq, 0, JB_STR_NONE); /* he came meanwhile */
    } else if (unit->rc != 0) {
        iq_refuse(iq, JB_FAULT(RESOURCE_CONSTRAINT, "the account's data cannot be read now"));
    } else if (!row || !jb_str_cut(row->bytes, '\n', &stamp, &status) ||
               !jb_str_u64(stamp, INT64_MAX, &seen_us)) {
        iq_refuse(iq, JB_FAULT(ITEM_NOT_FOUND, "he has never been here"));
    } else {
        uint64_t now_us = (uint64_t)iq->reactor->now_us;
        answer(iq, now_us > seen_us ? (now_us - seen_us) / 1000000 : 0, status);
    }
    store_unit_free(unit);
}

static void refuse_stranger(struct iq *iq)
{
    iq_refuse(iq, JB_FAULT(FORBIDDEN, NULL));
}

static void on_account(struct iq *iq)
{
    struct user *u = iq->user;

    if (!contact_sees(u, iq->stanza->h.from)) {
        refuse_stranger(iq);
        return;
    }
    if (u->session_count) {
        answer(iq, 0, JB_STR_NONE);
        return;
    }
    struct iq *held = iq_hold(iq);
    struct store_unit *unit = user_store_unit(u, on_read, held);
    store_unit_kv_get(unit, jb_jid_str(u->jid), last_store, seen_key);
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit);
        iq_refuse(held, JB_FAULT(RESOURCE_CONSTRAINT, "the account's data cannot be read now"));
    }
}

/* Section 4: a client is not even asked by whom it does not let see its presence. */
static enum verdict on_in(struct user *u, struct jb_stanza *stanza, struct jb_fault *fault)
{
    const struct jb_doc *doc = &stanza->doc;

    if (stanza->h.kind != JB_IQ || stanza->h.type != JB_TYPE_GET || stanza->h.to.resource == 0 ||
        !jb_node_is(doc, jb_node_first(doc, 0), "query", JB_NS_LAST) ||
        contact_sees(u, stanza->h.from))
        return NEXT;
    *fault = JB_FAULT(FORBIDDEN, NULL);
    return REJECT;
}

const struct module xep0012_last_activity = {
    .name = "last",
    .title = "Last Activity",
    .xep = 12,
    .features = { JB_NS_LAST },
    .iqs = { { JB_NS_LAST, "query", IQ_GET, TO_HOST, on_host },
             { JB_NS_LAST, "query", IQ_GET, TO_ACCOUNT, on_account },
             { JB_NS_LAST, "query", IQ_GET, TO_NOBODY, refuse_stranger } },
    .hooks = { .out_stamp = on_out, .in_guard = on_in, .unbound = on_unbound },
    .session_bytes = sizeof(struct farewell),
};
