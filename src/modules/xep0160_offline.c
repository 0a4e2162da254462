/* SPDX-License-Identifier: MIT */
/* XEP-0160 Offline Messages: what nobody can take now is kept until somebody can.
 *
 * Kept: log of the user, store "messages", in the order of arrival; an entry is the sealed stanza.
 * Nothing is copied into memory to wait there: the log is read page by page, a page goes to every
 * session that takes messages, and when the client of one of them has confirmed its arrival, the
 * cursor moves behind it and the entries are trimmed.  So a session that goes away in the middle, a
 * network that swallows what the socket took, or a crash repeats at most one page (with the same
 * stanza-ids) and loses nothing; and a long row never lies in a send queue as a whole.
 *
 * While something is kept that somebody could take, new messages go through the log too: they
 * cannot overtake. */
#include "modules/contact.h"
#include "modules/xep0203_delay.h"
#include "modules/xep0334_hints.h"
#include "modules/xep0359_stanza_id.h"
#include "server/reactor.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str messages_store = JB_STR_INIT("messages");

/* An entry's flags. */
enum message_flags {
    MESSAGE_UNDELIVERED = 1, /* no client has got it yet */
    MESSAGE_TRANSIENT = 2,   /* its sender wishes that it is not kept once it is delivered */
};

enum { PAGE_ROWS = 200, PAGE_BYTES = 256 * JB_KIB, ADDED_BYTES = 16 * JB_KIB };

enum offline_state {
    IDLE,
    READING,  /* a page is on its way from the store */
    ARRIVING, /* it is queued for at least one session, and none has confirmed it */
};

/* Of a user. */
struct offline {
    uint64_t count, bytes;               /* in the store and not handed over */
    uint64_t coming_count, coming_bytes; /* on their way there */
    int64_t cursor;                      /* all entries up to this one were handed over */
    int64_t page_end;                    /* ARRIVING: the last of the page */
    uint64_t page_count, page_bytes;
    uint8_t state;             /* enum offline_state */
    struct store_op *count_op; /* while loading */
};

/* Of a session. */
struct offline_session {
    bool waits; /* a page is queued for it */
};

static struct offline *offline_of(struct user *u)
{
    return module_user_data(&xep0160_offline, u);
}

static struct offline_session *of_session(struct session *s)
{
    return module_session_data(&xep0160_offline, s);
}

/* ---- who takes messages ---- */

/* RFC 6121 section 8.5.2.1.1.  What is queued on a stream that is being closed goes nowhere. */
static bool takes_messages(const struct session *s)
{
    return session_is_available(s) && s->priority >= 0 &&
           (!s->conn || s->conn->stream.state == JB_STREAM_STATE_BOUND);
}

static bool anybody_takes(struct user *u)
{
    jb__list_each(it, next, &u->sessions) if (takes_messages(jb__container_of(it, struct session,
                                                                              node))) return true;
    return false;
}

static bool anybody_waits(struct user *u)
{
    jb__list_each(it, next, &u->sessions) if (of_session(jb__container_of(it, struct session, node))
                                                  ->waits) return true;
    return false;
}

/* ---- handing over ---- */

static void read_page(struct user *u);

static void start(struct user *u)
{
    struct offline *o = offline_of(u);

    if (o->state == IDLE && o->count + o->coming_count > 0)
        read_page(u);
}

static uint64_t less(uint64_t from, uint64_t n)
{
    return from > n ? from - n : 0;
}

static void on_trimmed(struct store_unit *unit)
{
    store_unit_free(unit); /* what is still there is handed over once more after a restart */
}

static void page_done(struct user *u)
{
    struct offline *o = offline_of(u);
    struct store_unit *unit = user_store_unit(u, on_trimmed, NULL);

    o->state = IDLE;
    o->cursor = o->page_end;
    o->count = less(o->count, o->page_count);
    o->bytes = less(o->bytes, o->page_bytes);
    store_unit_log_trim(unit, jb_jid_str(u->jid), messages_store, o->cursor);
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit);
    start(u);
}

static void queue_for(struct session *s, struct jb_stanza *stanza, const struct jb_wrap *wrap)
{
    session_deliver(s, stanza, wrap);
    of_session(s)->waits = true;
}

static void hand_over(struct user *u, struct jb_stanza *stanza, const struct jb_wrap *wrap)
{
    struct session *named = NULL;

    if (stanza->h.to.resource)
        named = user_find_session(u, jb_jid_resource(stanza->h.to));
    if (named && takes_messages(named)) {
        queue_for(named, stanza, wrap);
        return;
    }
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (takes_messages(s))
            queue_for(s, stanza, wrap);
    }
}

/* The stanza as it was kept, with what has become of it behind its last child. */
static void hand_over_row(struct user *u, const struct host *host, const struct store_row *row)
{
    struct reactor *r = u->reactor;
    struct jb_stanza *stanza;
    struct jb_wrap wrap = { .to = JB_JID_NONE };
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

static void take_page(struct user *u, const struct host *host, const struct store_op *page)
{
    struct offline *o = offline_of(u);

    if (!page->rows) { /* whatever we counted is not there */
        o->count = o->bytes = 0;
        start(u);
        return;
    }
    o->page_count = o->page_bytes = 0;
    for (const struct store_row *row = page->rows; row; row = row->next) {
        o->page_end = row->id;
        o->page_count++;
        o->page_bytes += row->bytes.n;
        hand_over_row(u, host, row);
    }
    if (!anybody_waits(u)) {
        page_done(u); /* nothing in it can be read any more */
        return;
    }
    o->state = ARRIVING;
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (of_session(s)->waits)
            session_ask_receipt(s);
    }
}

static void on_page(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    const struct host *host = user_host(u);

    if (u->state == USER_READY) {
        offline_of(u)->state = IDLE;
        if (unit->rc == 0 && host && anybody_takes(u))
            take_page(u, host, unit->ops);
    }
    store_unit_free(unit);
    user_unpin(u);
}

static void read_page(struct user *u)
{
    struct offline *o = offline_of(u);
    struct store_unit *unit = user_store_unit(u, on_page, u);
    struct store_range range = { .after_id = o->cursor,
                                 .flags_mask = MESSAGE_UNDELIVERED,
                                 .flags = MESSAGE_UNDELIVERED,
                                 .limit = PAGE_ROWS };

    store_unit_log_range(unit, jb_jid_str(u->jid), messages_store, &range, PAGE_BYTES);
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit); /* the next presence or message tries again */
        return;
    }
    o->state = READING;
    user_pin(u);
}

/* ---- keeping ---- */

/* A message on its way to the store. */
struct keeping {
    struct user *user; /* pinned */
    struct jb_stanza *stanza;
};

static void on_kept(struct store_unit *unit)
{
    struct keeping *k = unit->ctx;
    struct user *u = k->user;
    struct offline *o = offline_of(u);

    o->coming_count--;
    o->coming_bytes -= k->stanza->doc.bytes;
    if (unit->rc == 0) {
        o->count++;
        o->bytes += k->stanza->doc.bytes;
    } else {
        router_bounce(u->reactor, k->stanza,
                      JB_FAULT(RESOURCE_CONSTRAINT, "the message cannot be stored now"));
    }
    jb_stanza_unref(k->stanza);
    jb_free(alloc, k);
    store_unit_free(unit);
    user_unpin(u);
}

static struct store_entry entry_of(struct user *u, const struct jb_stanza *stanza)
{
    const struct jb_stanza_head *h = &stanza->h;
    struct store_entry entry = { .now_us = u->reactor->now_us,
                                 .stamp_us = stanza->stamp_us,
                                 .bytes = jb_str(stanza->doc.text, stanza->doc.bytes),
                                 .flags = MESSAGE_UNDELIVERED };

    if (entry.stamp_us > entry.now_us) /* stamped by a reactor whose tick began later */
        entry.stamp_us = entry.now_us;
    if (jb_jid_is_set(h->from)) {
        entry.with = jb_jid_bare_str(h->from);
        entry.with_part = jb_jid_resource(h->from);
    }
    if (hints_of(stanza) & HINT_NO_PERMANENT_STORE)
        entry.flags |= MESSAGE_TRANSIENT;
    return entry;
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
static enum verdict keep(struct user *u, struct jb_stanza *stanza, bool taken,
                         struct jb_fault *fault)
{
    struct offline *o = offline_of(u);
    enum jb_limit limit = exceeded(u, stanza->doc.bytes, taken);

    if (limit != JB_LIMIT_COUNT) {
        reactor_count_limit(u->reactor, limit);
        *fault = JB_FAULT(SERVICE_UNAVAILABLE, "no more messages can be kept for this account");
        return REJECT;
    }
    struct keeping *k = jb_alloc(alloc, sizeof *k);
    *k = (struct keeping){ .user = u, .stanza = jb_stanza_ref(stanza) };
    struct store_unit *unit = user_store_unit(u, on_kept, k);
    struct store_entry entry = entry_of(u, stanza);
    store_unit_log_append(unit, jb_jid_str(u->jid), messages_store, &entry);
    user_pin(u);
    o->coming_count++;
    o->coming_bytes += stanza->doc.bytes;
    if (store_unit_submit(unit) != 0) {
        reactor_count_limit(u->reactor, JB_LIMIT_store_jobs);
        unit->rc = JB_EFULL;
        on_kept(unit);
    }
    return DONE;
}

/* ---- what is worth it (section 3, XEP-0334) ---- */

/* Something a reader would miss: not only chat states, hints, ids and the name of the thread. */
static bool has_content(const struct jb_doc *doc)
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
static bool is_conversation(const struct jb_stanza_head *h)
{
    return h->kind == JB_MESSAGE && (h->type == JB_TYPE_NONE || h->type == JB_TYPE_NORMAL ||
                                     h->type == JB_TYPE_CHAT || h->type == JB_TYPE_UNKNOWN);
}

static bool is_worth_keeping(const struct jb_stanza *stanza)
{
    unsigned hints = hints_of(stanza);

    if (hints & HINT_NO_STORE)
        return false;
    return (hints & HINT_STORE) || (is_conversation(&stanza->h) && has_content(&stanza->doc));
}

/* True when it would end up with the sessions that take messages. */
static bool goes_to_all(struct user *u, const struct jb_stanza_head *h)
{
    struct session *named;

    if (h->to.resource == 0)
        return true;
    named = user_find_session(u, jb_jid_resource(h->to));
    return named ? takes_messages(named) : h->type == JB_TYPE_CHAT;
}

/* ---- hooks ---- */

/* In front of the default delivery: what must not overtake goes behind what is kept; and what would
 * be queued only on streams that are being closed is kept as well. */
static enum verdict on_in(struct user *u, struct jb_stanza *stanza, struct jb_fault *fault)
{
    struct offline *o = offline_of(u);
    bool headline = stanza->h.kind == JB_MESSAGE && stanza->h.type == JB_TYPE_HEADLINE &&
                    stanza->h.to.resource == 0;

    if (u->anonymous || !(is_conversation(&stanza->h) || headline))
        return NEXT;
    bool taken = anybody_takes(u);
    if (taken && (headline || o->count + o->coming_count == 0))
        return NEXT;
    if (!is_worth_keeping(stanza) || !goes_to_all(u, &stanza->h))
        return NEXT;
    enum verdict v = keep(u, stanza, taken, fault);
    if (taken)
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
    return has_content(&stanza->doc) && contact_sees(u, stanza->h.from) ? NEXT : DONE;
}

/* Each available presence, not the first alone: it may be the one that brings the priority up.
 * Seen before it is in force; the page arrives afterwards. */
static enum verdict on_out(struct session *s, struct jb_draft *d, struct jb_fault *fault)
{
    (void)fault;
    if (d->h.kind == JB_PRESENCE && d->h.type == JB_TYPE_NONE && !jb_jid_is_set(d->h.to))
        start(s->user);
    return NEXT;
}

static enum verdict on_received(struct session *s)
{
    struct offline_session *os = of_session(s);
    bool waited = os->waits;

    os->waits = false;
    if (waited && offline_of(s->user)->state == ARRIVING &&
        s->conn && s->conn->stream.state == JB_STREAM_STATE_BOUND)
        page_done(s->user);
    return NEXT;
}

static enum verdict on_unbound(struct session *s)
{
    struct user *u = s->user;
    struct offline *o = offline_of(u);

    of_session(s)->waits = false;
    if (o->state == ARRIVING && !anybody_waits(u)) {
        o->state = IDLE; /* nobody got the page */
        if (u->session_count > 1 && !u->stale)
            start(u);
    }
    return NEXT;
}

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    struct store_range range = { .flags_mask = MESSAGE_UNDELIVERED, .flags = MESSAGE_UNDELIVERED };

    offline_of(u)->count_op =
        store_unit_log_count(unit, jb_jid_str(u->jid), messages_store, &range);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct offline *o = offline_of(u);

    (void)unit;
    o->count = o->count_op->totals.count;
    o->bytes = o->count_op->totals.bytes;
    o->count_op = NULL;
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
               .unbound = on_unbound,
               .received = on_received,
               .load = on_load,
               .loaded = on_loaded },
    .user_bytes = sizeof(struct offline),
    .session_bytes = sizeof(struct offline_session),
};
