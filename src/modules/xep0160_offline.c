/* SPDX-License-Identifier: MIT */
/* XEP-0160 Offline Messages: whatever no client has confirmed is kept until one does.
 *
 * Every message worth it goes into the log of its recipient (archive.h), whether he is there or
 * not.  A cursor stands behind the last entry that a client of his has confirmed, by the counter of
 * stream management or by the answer to a ping behind it.  In front of the cursor are
 *
 *   held      entries that are queued for sessions: delivered at once, or from a page
 *   backlog   entries that nobody was there to take, or whose sessions ended without confirming
 *
 * The backlog is read page by page and handed to all who take messages.  While there is one, new
 * messages go through it, too: they cannot overtake.  So a session that goes away in the middle, a
 * network that swallows what the socket took, or a crash repeats something (with the same
 * stanza-id) and loses nothing; and a long row never lies in a send queue as a whole. */
#include "base/assert.h"
#include "modules/archive.h"
#include "modules/contact.h"
#include "modules/xep0160_held.h"
#include "modules/xep0160_offline.h"
#include "modules/xep0203_delay.h"
#include "modules/xep0359_stanza_id.h"
#include "server/reactor.h"
#include "server/server.h"
#include "server/session_sm.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str cursor_store = JB_STR_INIT("offline");
static const struct jb_str cursor_key = JB_STR_INIT("cursor");

enum {
    PAGE_ROWS = 200,
    PAGE_BYTES = 256 * JB_KIB,
    ADDED_BYTES = 16 * JB_KIB,
    SAVE_MS = 1000, /* the cursor goes to the store so long after it moved: a crash repeats more */
    PRUNE_ROWS = 1000,
    AGAIN_MS = 500, /* after a page could not be read */
};

enum offline_state {
    IDLE,
    READING,  /* a page is on its way from the store */
    ARRIVING, /* it is queued, and not all of it is confirmed */
};

/* Of a user. */
struct offline {
    struct user *user;     /* while a timer is set */
    int64_t cursor;        /* all entries up to this one are confirmed */
    int64_t stored;        /* the cursor as the store has it, and all that goes with it gone */
    int64_t saving;        /* the cursor that is on its way to the store; 0: none is */
    int64_t read_to;       /* of the backlog: the last entry that was looked at */
    int64_t behind;        /* READING: the lowest that became backlog meanwhile; 0: none */
    uint32_t page_left;    /* ARRIVING: entries of the page that nobody has confirmed */
    uint64_t count, bytes; /* of the backlog, committed */
    uint64_t coming_count, coming_bytes; /* on their way there */
    struct held_row held;
    struct timer save;
    struct timer again; /* the page could not be read: the store was busy, or out of memory */
    bool prune;         /* something up to the cursor goes with it */
    uint8_t state;      /* enum offline_state */
    struct store_op *cursor_op, *count_op; /* while loading */
};

static struct offline *offline_of(struct user *u)
{
    return module_user_data(&xep0160_offline, u);
}

int64_t offline_cursor(struct user *u)
{
    return offline_of(u)->cursor;
}

/* ---- who takes messages ---- */

/* What is queued on a stream that is being closed goes nowhere. */
static bool is_reachable(const struct session *s)
{
    return !s->conn || s->conn->stream.state == JB_STREAM_STATE_BOUND;
}

/* RFC 6121 section 8.5.2.1.1. */
static bool takes_messages(const struct session *s)
{
    return session_is_available(s) && s->priority >= 0 && is_reachable(s);
}

static bool anybody_takes(struct user *u)
{
    jb__list_each(it, next, &u->sessions)
    {
        if (takes_messages(jb__container_of(it, struct session, node)))
            return true;
    }
    return false;
}

/* ---- the cursor ---- */

/* When the server stops, all who had something confirmed lately come at once. */
static int submit(const struct user *u, struct store_unit *unit)
{
    return u->reactor->stopping ? store_unit_submit_at_last(unit) : store_unit_submit(unit);
}

/* The cursor, and what is not kept behind it goes.  False: it is stored, or the store takes nothing. */
static bool save(struct user *u, void (*done)(struct store_unit *unit), void *ctx)
{
    struct offline *o = offline_of(u);
    char bytes[STORE_NUMBER_BYTES];

    if (o->stored == o->cursor)
        return false;
    struct store_unit *unit = user_store_unit(u, done, ctx);
    store_unit_kv_put(unit, jb_jid_str(u->jid), cursor_store, cursor_key,
                      store_number(o->cursor, bytes));
    if (o->prune) {
        struct store_range range = { .after_id = o->stored,
                                     .before_id = o->cursor + 1,
                                     .flags_mask = ARCHIVE_KEPT,
                                     .limit = PRUNE_ROWS };
        store_unit_log_prune(unit, jb_jid_str(u->jid), archive_store, &range);
    }
    if (submit(u, unit) == 0)
        return true;
    store_unit_free(unit);
    return false;
}

static void save_soon(struct user *u)
{
    struct offline *o = offline_of(u);

    o->user = u;
    if (!o->saving && !timer_is_set(&o->save))
        timer_set(&u->reactor->wheel, &o->save, u->reactor->now_ms + SAVE_MS);
}

static void on_saved(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    struct offline *o = offline_of(u);
    const struct store_op *pruned = unit->ops->next;
    bool rest = pruned && pruned->totals.count == PRUNE_ROWS;

    if (unit->rc == 0 && !rest)
        o->stored = o->saving;
    else
        o->prune = o->prune || pruned;
    o->saving = 0;
    store_unit_free(unit);
    if (o->stored != o->cursor)
        save_soon(u);
    user_unpin(u);
}

static void on_save_due(struct timer *t)
{
    struct offline *o = jb__container_of(t, struct offline, save);

    if (!save(o->user, on_saved, o->user)) {
        if (o->stored != o->cursor)
            save_soon(o->user);
        return;
    }
    o->saving = o->cursor;
    o->prune = false;
    user_pin(o->user);
}

static bool has_backlog(const struct offline *o)
{
    return o->count + o->coming_count > 0;
}

static void start(struct user *u);

/* Moves the cursor over what is confirmed, up to the backlog. */
static void advance(struct user *u)
{
    struct offline *o = offline_of(u);
    int64_t before = o->cursor;
    struct held *first;

    while ((first = held_first(&o->held)) && first->confirmed &&
           (o->count == 0 || first->id <= o->read_to)) {
        o->cursor = first->id;
        o->prune = o->prune || !first->kept;
        held_remove(&o->held, first);
    }
    if (o->read_to < o->cursor)
        o->read_to = o->cursor;
    if (o->cursor != before)
        save_soon(u);
    if (o->state == ARRIVING && o->page_left == 0) {
        o->state = IDLE;
        start(u);
    }
}

static void leave_page(struct offline *o, struct held *h)
{
    o->page_left -= h->of_page;
    h->of_page = false;
}

/* Nobody has it any more who could confirm it: it is to be handed over once more. */
static void to_backlog(struct offline *o, struct held *h)
{
    o->count++;
    o->bytes += h->bytes;
    if (o->read_to >= h->id)
        o->read_to = h->id - 1;
    if (o->state == READING && (o->behind == 0 || h->id < o->behind))
        o->behind = h->id;
    leave_page(o, h);
    held_remove(&o->held, h);
}

/* The same before it is in the log: what comes now must not overtake it. */
static void make_orphan(struct offline *o, struct held *h)
{
    h->orphan = true;
    o->coming_count++;
    o->coming_bytes += h->bytes;
}

/* ---- handing over ---- */

static void read_page(struct user *u);

static void start(struct user *u)
{
    struct offline *o = offline_of(u);

    if (o->state == IDLE && o->count > 0 && anybody_takes(u))
        read_page(u);
}

static void hand_over(struct user *u, struct jb_stanza *stanza, const struct jb_wrap *wrap)
{
    struct session *named = NULL;

    if (stanza->h.to.resource)
        named = user_find_session(u, jb_jid_resource(stanza->h.to));
    if (named && takes_messages(named)) {
        session_deliver(named, stanza, wrap);
        return;
    }
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (takes_messages(s))
            session_deliver(s, stanza, wrap);
    }
}

/* The stanza as it was kept, with what has become of it behind its last child. */
static void hand_over_row(struct user *u, const struct host *host, const struct store_row *row)
{
    struct reactor *r = u->reactor;
    struct jb_stanza *stanza;
    struct jb_wrap wrap = { .to = JB_JID_NONE, .tag = row->id };
    struct jb__buf buf;
    struct jb_xml x;

    if (jb_stanza_new(row->bytes, &r->arena, alloc, row->stamp_us, &stanza) != 0)
        return;
    jb__buf_init(&buf, alloc, ADDED_BYTES);
    jb_xml_begin(&x, &buf);
    delay_write(&x, host->jid, row->stamp_us);
    stanza_id_write(&x, r->server, u->jid, row->id);
    if (jb_xml_end(&x) == 0)
        wrap.added = jb__buf_str(&buf);
    hand_over(u, stanza, &wrap);
    jb__buf_deinit(&buf);
    jb_stanza_unref(stanza);
}

/* One row of the backlog; what cannot be read any more counts as confirmed. */
static void take_row(struct user *u, const struct host *host, const struct store_row *row)
{
    struct offline *o = offline_of(u);

    if (held_find(&o->held, row->id))
        return; /* it is no backlog */
    o->count -= o->count > 0;
    o->bytes -= o->bytes < row->bytes.n ? o->bytes : row->bytes.n;
    struct held *h = held_add(&o->held, row->id, (uint32_t)row->bytes.n);
    h->kept = row->flags & ARCHIVE_KEPT;
    h->committed = true;
    hand_over_row(u, host, row);
    h = held_find(&o->held, row->id);
    h->confirmed = h->holders == 0;
    h->of_page = h->holders > 0;
    o->page_left += h->of_page;
}

static void take_page(struct user *u, const struct host *host, const struct store_op *page)
{
    struct offline *o = offline_of(u);

    if (!page->rows && o->behind == 0) { /* whatever we counted is not there */
        o->count = o->bytes = 0;
        advance(u);
        return;
    }
    for (const struct store_row *row = page->rows; row; row = row->next) {
        take_row(u, host, row);
        o->read_to = row->id;
    }
    o->state = ARRIVING;
    /* The commit of an entry and the page that was read before it come back in any order. */
    if (o->behind && o->read_to >= o->behind)
        o->read_to = o->behind - 1;
    jb__list_each(it, next, &u->sessions)
        session_ask_receipt(jb__container_of(it, struct session, node));
    advance(u);
}

static void on_again(struct timer *t)
{
    start(jb__container_of(t, struct offline, again)->user);
}

static void read_again_later(struct user *u)
{
    struct offline *o = offline_of(u);

    o->user = u;
    timer_set(&u->reactor->wheel, &o->again, u->reactor->now_ms + AGAIN_MS);
}

static void on_page(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    const struct host *host = user_host(u);

    if (u->state == USER_READY) {
        offline_of(u)->state = IDLE;
        if (unit->rc != 0)
            read_again_later(u);
        else if (host && anybody_takes(u))
            take_page(u, host, unit->ops);
    }
    store_unit_free(unit);
    user_unpin(u);
}

static void read_page(struct user *u)
{
    struct offline *o = offline_of(u);
    struct store_unit *unit = user_store_unit(u, on_page, u);
    struct store_range range = { .after_id = o->read_to,
                                 .flags_mask = ARCHIVE_OFFLINE,
                                 .flags = ARCHIVE_OFFLINE,
                                 .limit = PAGE_ROWS };

    store_unit_log_range(unit, jb_jid_str(u->jid), archive_store, &range, PAGE_BYTES);
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit);
        read_again_later(u);
        return;
    }
    o->state = READING;
    o->behind = 0;
    user_pin(u);
}

/* ---- keeping ---- */

static void on_kept(struct custody_share *share, int rc)
{
    struct user *u = share->user;
    struct offline *o = offline_of(u);

    struct held *h = held_find(&o->held, share->id);

    o->coming_count--;
    o->coming_bytes -= share->stanza->doc.bytes;
    if (!h)
        return; /* the account was deleted meanwhile */
    if (rc == 0)
        to_backlog(o, h);
    else
        held_remove(&o->held, h);
    start(u);
    advance(u);
}

/* Which limit one more message would exceed; JB_LIMIT_COUNT: none.  Who is there, and is being
 * given what was kept, has as much room again for what comes meanwhile. */
static enum jb_limit exceeded(struct user *u, size_t bytes, bool taken)
{
    const struct jb_limits *l = &u->reactor->conf->stream.limits;
    const struct offline *o = offline_of(u);
    uint64_t times = taken ? 2 : 1;

    if (o->count + o->coming_count >= times * l->offline_messages)
        return JB_LIMIT_offline_messages;
    if (o->bytes + o->coming_bytes + bytes > times * l->offline_bytes)
        return JB_LIMIT_offline_bytes;
    return JB_LIMIT_COUNT;
}

/* DONE, or REJECT with the fault: there is no room (section 2, step 3). */
static enum verdict keep(struct user *u, struct jb_stanza *stanza, uint32_t flags, bool taken,
                         struct jb_fault *fault)
{
    struct offline *o = offline_of(u);
    enum jb_limit limit = exceeded(u, stanza->doc.bytes, taken);

    if (limit != JB_LIMIT_COUNT) {
        reactor_count_limit(u->reactor, limit);
        *fault = JB_FAULT(SERVICE_UNAVAILABLE, "no more messages can be kept for this account");
        return REJECT;
    }
    o->coming_count++;
    o->coming_bytes += stanza->doc.bytes;
    (void)held_add(&o->held, archive_add(u, stanza, flags, on_kept), stanza->doc.bytes);
    return DONE;
}

/* ---- delivering at once ---- */

static void on_delivered(struct custody_share *share, int rc)
{
    struct user *u = share->user;
    struct offline *o = offline_of(u);
    struct held *h = held_find(&o->held, share->id);

    if (!h)
        return; /* confirmed already */
    h->committed = true;
    if (h->orphan) {
        o->coming_count--;
        o->coming_bytes -= h->bytes;
    }
    if (rc != 0) /* it is not in the log: its sender was told, whoever got it all the same */
        h->confirmed = true;
    else if (h->holders == 0 && !h->confirmed)
        to_backlog(o, h);
    start(u);
    advance(u);
}

/* What a delivery of this entry carries beside the message. */
static void add_id(struct user *u, struct delivery *d, int64_t id)
{
    struct reactor *r = u->reactor;
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, ADDED_BYTES);
    jb_xml_begin(&x, &buf);
    stanza_id_write(&x, r->server, u->jid, id);
    if (jb_xml_end(&x) == 0) {
        d->wrap.added = jb__arena_str(&r->arena, jb__buf_str(&buf));
        d->wrapped = true;
    }
    jb__buf_deinit(&buf);
}

/* For a session by its name, and it takes no messages but those: nobody else gets it while that
 * session is there, and it waits for no backlog. */
static bool is_for_one(struct user *u, const struct jb_stanza_head *h)
{
    const struct session *named = NULL;

    if (h->to.resource)
        named = user_find_session(u, jb_jid_resource(h->to));
    return named && is_reachable(named) && !takes_messages(named);
}

/* The option `delivery = committed`: the sessions get it once it is in the log. */
static void on_committed_first(struct custody_share *share, int rc)
{
    struct user *u = share->user;
    struct delivery d = { .stanza = share->stanza, .wrap = { .tag = share->id } };
    bool overtakes = has_backlog(offline_of(u)) && !is_for_one(u, &share->stanza->h);

    if (rc == 0 && u->state == USER_READY && !overtakes) {
        add_id(u, &d, share->id);
        user_deliver(u, &d);
    }
    on_delivered(share, rc);
}

static enum verdict deliver(struct user *u, struct delivery *d, uint32_t flags)
{
    struct offline *o = offline_of(u);
    const struct host *host = user_host(u);
    bool first_commit = host->config->delivery == CONFIG_DELIVERY_COMMITTED;
    int64_t id = archive_add(u, d->stanza, flags, first_commit ? on_committed_first : on_delivered);
    struct held *h = held_add(&o->held, id, d->stanza->doc.bytes);

    h->kept = flags & ARCHIVE_KEPT;
    if (first_commit)
        return DONE;
    d->wrap.tag = id;
    add_id(u, d, id);
    return NEXT;
}

/* ---- hooks ---- */

/* The one who was named is not there, and nobody stands in for him (RFC 6121 section 8.5.3.2). */
static bool comes_back(struct user *u, const struct jb_stanza_head *h)
{
    return h->to.resource && h->type != JB_TYPE_CHAT &&
           !user_find_session(u, jb_jid_resource(h->to));
}

/* In front of the default delivery: what is worth it goes into the log; what must not overtake goes
 * behind the backlog; and what would be queued only on streams that are being closed is kept. */
static enum verdict on_in(struct user *u, struct delivery *d, struct jb_fault *fault)
{
    const struct jb_stanza_head *h = &d->stanza->h;
    bool headline = h->kind == JB_MESSAGE && h->type == JB_TYPE_HEADLINE && h->to.resource == 0;
    uint32_t flags = 0;

    if (u->anonymous || !(archive_is_conversation(h) || headline) ||
        !archive_is_worth_keeping(d->stanza) || comes_back(u, h))
        return NEXT;
    bool taken = anybody_takes(u);
    if (headline && taken)
        return NEXT;
    if (!custody_here(u->reactor) && custody_is_crowded(u->reactor)) {
        reactor_count_limit(u->reactor, JB_LIMIT_custodies);
        *fault = JB_FAULT(RESOURCE_CONSTRAINT, "the message cannot be stored now");
        return REJECT;
    }
    if (archive_is_conversation(h) && archive_wants(u, d->stanza, h->from))
        flags |= ARCHIVE_KEPT;
    flags |= ARCHIVE_OFFLINE;
    if (is_for_one(u, h) || (taken && !has_backlog(offline_of(u))))
        return deliver(u, d, flags);
    enum verdict v = keep(u, d->stanza, flags, taken, fault);
    start(u);
    return v;
}

/* Nobody takes it, and it was not worth keeping.  A stranger must not learn from an error that
 * there is an account; for what says nothing by itself (chat states) nobody waits. */
static enum verdict on_undelivered(struct user *u, struct jb_stanza *stanza, struct jb_fault *fault)
{
    (void)fault;
    if (u->anonymous)
        return NEXT;
    return archive_has_content(&stanza->doc) && contact_sees(u, stanza->h.from) ? NEXT : DONE;
}

/* Nobody waits any more for what is not confirmed of it. */
static void leave_all_of_page(struct offline *o)
{
    for (size_t i = 0; i < o->held.count; i++)
        leave_page(o, &o->held.items[o->held.begin + i]);
    o->state = IDLE;
}

/* Each available presence, not the first alone: it may be the one that brings the priority up.
 * Seen before it is in force; the page arrives afterwards. */
static enum verdict on_out(struct session *s, struct jb_draft *d, struct jb_fault *fault)
{
    struct offline *o = offline_of(s->user);

    (void)fault;
    if (d->h.kind != JB_PRESENCE || d->h.type != JB_TYPE_NONE || jb_jid_is_set(d->h.to))
        return NEXT;
    /* Whoever has the page may be gone, known to be or not: who comes now does not wait for him. */
    if (o->state == ARRIVING && !takes_messages(s))
        leave_all_of_page(o);
    if (o->state == IDLE && o->count > 0)
        read_page(s->user);
    return NEXT;
}

static enum verdict on_queued(struct session *s, int64_t tag)
{
    struct offline *o = offline_of(s->user);
    struct held *h = held_find(&o->held, tag);

    if (s->user->anonymous)
        return NEXT;
    if (!h && tag > o->cursor) { /* of a session that was saved: it was counted as backlog */
        h = held_add(&o->held, tag, 0);
        h->committed = true;
        o->count -= o->count > 0;
    }
    if (h)
        h->holders++;
    return NEXT;
}

static enum verdict on_acked(struct session *s, int64_t tag)
{
    struct held *h = held_find(&offline_of(s->user)->held, tag);

    if (!h)
        return NEXT;
    h->holders--;
    h->confirmed = true;
    leave_page(offline_of(s->user), h);
    advance(s->user);
    return NEXT;
}

/* What a session has not confirmed, and nobody else has, is backlog again. */
static enum verdict on_unbound(struct session *s)
{
    struct user *u = s->user;
    struct offline *o = offline_of(u);

    if (u->anonymous)
        return NEXT;
    for (const struct jb_sendq_item *i = session_queue(s)->first; i; i = i->next) {
        struct held *h = i->tag ? held_find(&o->held, i->tag) : NULL;
        if (!h)
            continue;
        h->holders--;
        if (h->holders > 0 || h->confirmed)
            continue;
        if (h->committed)
            to_backlog(o, h);
        else
            make_orphan(o, h);
    }
    if (o->state == ARRIVING && o->page_left == 0)
        o->state = IDLE; /* who comes next begins anew */
    if (u->session_count > 1 && !u->stale)
        start(u);
    return NEXT;
}

/* Its queue is what was on its way; the rest of the backlog is behind that. */
static enum verdict on_revived(struct session *s, const struct jb_doc *doc)
{
    (void)doc;
    if (!s->user->anonymous)
        start(s->user);
    return NEXT;
}

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    static const struct store_range offline = { .flags_mask = ARCHIVE_OFFLINE,
                                                .flags = ARCHIVE_OFFLINE };
    struct offline *o = offline_of(u);
    struct jb_str owner = jb_jid_str(u->jid);

    o->cursor_op = store_unit_kv_get(unit, owner, cursor_store, cursor_key);
    o->count_op = store_unit_log_count(unit, owner, archive_store, &offline);
    store_op_begin_behind(o->count_op, o->cursor_op);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct offline *o = offline_of(u);

    (void)unit;
    timer_init(&o->save, on_save_due);
    timer_init(&o->again, on_again);
    o->cursor = store_op_number(o->cursor_op);
    o->stored = o->read_to = o->cursor;
    o->count = o->count_op->totals.count;
    o->bytes = o->count_op->totals.bytes;
    o->cursor_op = o->count_op = NULL;
    return NEXT;
}

static enum verdict on_unload(struct user *u)
{
    struct offline *o = offline_of(u);

    if (!u->stale) /* if that fails: an older cursor repeats what was confirmed after it */
        (void)save(u, store_unit_free, NULL);
    timer_clear(&o->save);
    timer_clear(&o->again);
    held_deinit(&o->held);
    return NEXT;
}

const struct module xep0160_offline = {
    .name = "offline",
    .title = "Best Practices for Handling Offline Messages",
    .xep = 160,
    .features = { JB_NS_OFFLINE },
    .hooks = { .out_stamp = on_out,
               .in_act = on_in,
               .in_undelivered = on_undelivered,
               .queued = on_queued,
               .acked = on_acked,
               .unbound = on_unbound,
               .revived = on_revived,
               .load = on_load,
               .loaded = on_loaded,
               .unload = on_unload },
    .user_bytes = sizeof(struct offline),
};
