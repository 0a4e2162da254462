/* SPDX-License-Identifier: MIT */
#include "modules/archive.h"

#include "base/assert.h"
#include "modules/xep0334_hints.h"
#include "modules/xep0441_mam_prefs.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

const struct jb_str archive_store = JB_STR_INIT("messages");

/* An entry that has an id and is not committed yet. */
struct pending {
    struct jb__list node;
    int64_t id;
    void (*settled)(struct custody_share *share, int rc); /* whom it is told, too */
};

/* Somebody who waits until nothing up to `last` is pending. */
struct waiting {
    struct jb__list node;
    int64_t last;
    void (*ready)(void *ctx);
    void *ctx;
};

/* Of a user. */
struct archive {
    int64_t last;            /* the highest id given */
    struct jb__list pending; /* by id */
    struct jb__list waiting; /* by `last` */
    struct store_op *last_op; /* while loading */
    bool ready;               /* the lists are initialised */
};

static struct archive *archive_of(struct user *u)
{
    struct archive *a = module_user_data(&archive, u);

    if (!a->ready) {
        jb__list_init(&a->pending);
        jb__list_init(&a->waiting);
        a->ready = true;
    }
    return a;
}

/* ---- what is worth it ---- */

bool archive_has_content(const struct jb_doc *doc)
{
    for (uint16_t c = jb_node_first(doc, 0); c; c = jb_node_next(doc, c)) {
        switch (doc->nodes[c].ns) {
        case JB_NS_CHATSTATES:
        case JB_NS_HINTS:
        case JB_NS_SID:
        case JB_NS_DELAY:
            continue;
        default:
            if (!jb_node_is(doc, c, "thread", JB_NS_CLIENT))
                return true;
        }
    }
    return false;
}

/* A message without a known type is a normal one (RFC 6121 section 5.2.2). */
bool archive_is_conversation(const struct jb_stanza_head *h)
{
    return h->kind == JB_MESSAGE && (h->type == JB_TYPE_NONE || h->type == JB_TYPE_NORMAL ||
                                     h->type == JB_TYPE_CHAT || h->type == JB_TYPE_UNKNOWN);
}

bool archive_is_worth_keeping(const struct jb_stanza *message)
{
    unsigned hints = hints_of(message);

    if (message->h.kind != JB_MESSAGE || (hints & HINT_NO_STORE))
        return false;
    return (hints & HINT_STORE) ||
           (archive_is_conversation(&message->h) && archive_has_content(&message->doc));
}

bool archive_wants(struct user *u, const struct jb_stanza *message, struct jb_jid with)
{
    const struct host *host = user_host(u);

    return host && module_enabled(&xep0313_mam, host) && mam_prefs_want(u, with) &&
           !(hints_of(message) & HINT_NO_PERMANENT_STORE);
}

/* ---- entries ---- */

static void wake(struct archive *a)
{
    while (!jb__list_empty(&a->waiting)) {
        struct waiting *w = jb__container_of(a->waiting.next, struct waiting, node);
        if (!jb__list_empty(&a->pending) &&
            jb__container_of(a->pending.next, struct pending, node)->id <= w->last)
            return;
        jb__list_remove(&w->node);
        w->ready(w->ctx);
        jb_free(alloc, w);
    }
}

void archive_when_settled(struct user *u, void (*ready)(void *ctx), void *ctx)
{
    struct archive *a = archive_of(u);

    if (jb__list_empty(&a->pending)) {
        ready(ctx);
        return;
    }
    struct waiting *w = jb_alloc(alloc, sizeof *w);
    *w = (struct waiting){ .last = a->last, .ready = ready, .ctx = ctx };
    jb__list_push(&a->waiting, &w->node);
}

static void on_settled(struct custody_share *share, int rc)
{
    struct archive *a = archive_of(share->user);

    jb__list_each(it, next, &a->pending)
    {
        struct pending *p = jb__container_of(it, struct pending, node);
        if (p->id != share->id)
            continue;
        jb__list_remove(&p->node);
        if (p->settled)
            p->settled(share, rc);
        jb_free(alloc, p);
        break;
    }
    wake(a);
}

static struct store_entry entry_of(struct user *u, const struct jb_stanza *message, uint32_t flags)
{
    struct jb_jid with = flags & ARCHIVE_SENT ? message->h.to : message->h.from;
    struct store_entry entry = { .now_us = u->reactor->now_us,
                                 .stamp_us = message->stamp_us,
                                 .bytes = jb_str(message->doc.text, message->doc.bytes),
                                 .flags = flags };

    if (entry.stamp_us > entry.now_us) /* stamped by a reactor whose tick began later */
        entry.stamp_us = entry.now_us;
    if (jb_jid_is_set(with)) {
        entry.with = jb_jid_bare_str(with);
        entry.with_part = jb_jid_resource(with);
    }
    return entry;
}

int64_t archive_add(struct user *u, struct jb_stanza *message, uint32_t flags,
                    void (*settled)(struct custody_share *share, int rc))
{
    struct reactor *r = u->reactor;
    struct archive *a = archive_of(u);
    struct custody *here = custody_here(r);
    struct custody *c = here ? here : custody_open(r, message);
    struct store_entry entry = entry_of(u, message, flags);
    struct pending *p = jb_alloc(alloc, sizeof *p);
    struct custody_share share = { .settled = on_settled, .user = u, .stanza = message };

    a->last = a->last >= entry.now_us ? a->last + 1 : entry.now_us;
    entry.id = share.id = a->last;
    *p = (struct pending){ .id = a->last, .settled = settled };
    jb__list_push(&a->pending, &p->node);
    store_unit_log_append(custody_unit(c), jb_jid_str(u->jid), archive_store, &entry);
    custody_add_share(c, &share);
    if (!here)
        custody_close(c);
    return share.id;
}

/* ---- hooks ---- */

/* What a client of ours sends: the sender's side of the archive.  To himself he sends what comes
 * in again. */
static enum verdict on_out(struct session *s, struct jb_stanza *stanza, struct jb_fault *fault)
{
    struct user *u = s->user;
    struct jb_jid to = stanza->h.to;

    (void)fault;
    if (!archive_is_worth_keeping(stanza))
        return NEXT;
    if (s->sm)
        (void)custody_here(u->reactor); /* the recipient may keep it, and then it counts */
    if (!u->anonymous && jb_jid_is_set(to) && !jb_jid_eq_bare(to, u->jid) &&
        archive_is_conversation(&stanza->h) && archive_wants(u, stanza, to))
        (void)archive_add(u, stanza, ARCHIVE_KEPT | ARCHIVE_SENT, NULL);
    return NEXT;
}

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    archive_of(u)->last_op = store_unit_log_last(unit, jb_jid_str(u->jid), archive_store);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct archive *a = archive_of(u);

    (void)unit;
    a->last = a->last_op->id;
    a->last_op = NULL;
    return NEXT;
}

const struct module archive = {
    .name = "archive",
    .title = "The log of messages",
    .hooks = { .out_act = on_out, .load = on_load, .loaded = on_loaded },
    .user_bytes = sizeof(struct archive),
};
