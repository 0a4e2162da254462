/* SPDX-License-Identifier: MIT */
#include "server/custody.h"

#include "base/assert.h"
#include "server/module.h"
#include "server/server.h"
#include "server/session_count.h"
#include "server/session_sm.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* ---- one custody ---- */

static struct custody *new_custody(struct reactor *r)
{
    struct custody *c = jb_zalloc(alloc, sizeof *c);

    c->home = r;
    r->custodies++;
    return c;
}

static void free_custody(struct custody *c)
{
    jb_assert(!c->unit && c->waits == 0);
    c->home->custodies--;
    jb_stanza_unref(c->stanza);
    if (c->sender)
        user_unpin(c->sender);
    jb_free(alloc, c);
}

static void on_committed(struct store_unit *unit);

struct store_unit *custody_unit(struct custody *c)
{
    jb_assert(!c->submitted);
    if (!c->unit)
        c->unit = store_unit_new(c->home->server->store, &c->home->port, on_committed, c);
    return c->unit;
}

void custody_add_share(struct custody *c, const struct custody_share *share)
{
    jb_assert(c->share_count < CUSTODY_SHARES);
    c->shares[c->share_count++] = *share;
    user_pin(share->user);
    jb_stanza_ref(share->stanza);
}

/* ---- the outcome ---- */

struct share_mail {
    struct mail mail;
    struct custody_share share;
    int rc;
};

static void settle_share(struct custody_share *share, int rc)
{
    share->settled(share, rc);
    jb_stanza_unref(share->stanza);
    user_unpin(share->user);
}

static void on_share_mail(struct reactor *r, struct mail *mail)
{
    struct share_mail *m = jb__container_of(mail, struct share_mail, mail);

    (void)r;
    settle_share(&m->share, m->rc);
    jb_free(alloc, m);
}

static void settle_shares(struct custody *c)
{
    for (unsigned i = 0; i < c->share_count; i++) {
        struct reactor *there = c->shares[i].user->reactor;
        if (there == c->home) {
            settle_share(&c->shares[i], c->rc);
            continue;
        }
        struct share_mail *m = jb_alloc(alloc, sizeof *m);
        *m = (struct share_mail){ .mail.deliver = on_share_mail,
                                  .share = c->shares[i],
                                  .rc = c->rc };
        reactor_send(c->home, there, &m->mail);
    }
    c->share_count = 0;
}

/* NULL: it was never a session's, or that one has ended. */
static struct session *session_of(const struct custody *c)
{
    return c->row ? c->row->session : NULL;
}

static void refuse(struct custody *c)
{
    static const struct jb_fault fault = { JB_STANZA_RESOURCE_CONSTRAINT, JB_ERROR_TYPE_WAIT,
                                           "the message cannot be stored now" };

    if (!c->stanza)
        return;
    if (session_of(c))
        session_refuse(session_of(c), &c->stanza->h, fault);
    else
        router_bounce(c->home, c->stanza, fault);
}

/* ---- the row of a session ---- */

void custody_row_init(struct custody_row *row, struct session *s)
{
    *row = (struct custody_row){ .session = s };
    row->end = &row->first;
}


/* A session that something is about to be done for that may end it: input that waited is taken, an
 * answer is queued. */
struct watch {
    struct user *user; /* pinned */
    struct session *session;
    uint32_t serial;
};

static struct watch watch_begin(struct session *s)
{
    user_pin(s->user);
    return (struct watch){ s->user, s, s->serial };
}

static bool watch_alive(const struct watch *w)
{
    jb__list_each(it, next, &w->user->sessions)
    {
        const struct session *s = jb__container_of(it, struct session, node);
        if (s == w->session)
            return s->serial == w->serial;
    }
    return false;
}

static void watch_end(struct watch *w)
{
    user_unpin(w->user);
}

/* Reading from a client stops while too much of what he sent is not committed. */
static void throttle(struct session *s)
{
    uint32_t most = session_reactor(s)->conf->stream.limits.custody_stanzas;

    if (!s->throttled && s->conn && s->row.count >= most) {
        s->throttled = true;
        reactor_count_limit(session_reactor(s), JB_LIMIT_custody_stanzas);
        conn_hold(s->conn);
    } else if (s->throttled && s->row.count <= most / 2) {
        s->throttled = false;
        conn_release(s->conn);
    }
}

/* Takes off the head of the row, which is done. */
static void take_head(struct custody_row *row, struct session_sm_progress *progress)
{
    struct custody *c = row->first;

    row->first = c->next;
    if (!row->first)
        row->end = &row->first;
    row->count--;
    if (c->counted && c->rc == 0) {
        progress->committed = true;
        progress->number = c->number;
    }
    progress->failed = c->counted && c->rc != 0;
    free_custody(c);
}

static void tell(struct session *s, const struct session_sm_progress *progress)
{
    struct watch w = watch_begin(s);

    if (s->sm)
        session_sm_progressed(s, progress);
    if (watch_alive(&w))
        throttle(s);
    watch_end(&w);
}

/* Lets go of what is done at the head of the row, and tells the client. */
static void retire(struct custody_row *row)
{
    struct session_sm_progress progress = { 0 };

    while (row->first && row->first->done && row->first->waits == 0)
        take_head(row, &progress);
    if (row->session)
        tell(row->session, &progress);
    else if (!row->first)
        jb_free(alloc, row);
}

/* It may be that nothing is left to wait for. */
static void let_go(struct custody *c)
{
    if (!c->done || c->waits > 0)
        return;
    if (c->row)
        retire(c->row);
    else
        free_custody(c);
}

static void complete(struct custody *c, int rc)
{
    c->rc = rc;
    if (rc != 0)
        refuse(c);
    settle_shares(c);
    c->done = true;
    let_go(c);
}

static void on_committed(struct store_unit *unit)
{
    struct custody *c = unit->ctx;
    int rc = unit->rc;

    c->unit = NULL;
    store_unit_free(unit);
    complete(c, rc);
}

/* ---- submitting ---- */

/* Hands the unit over; false: the store takes no more for now. */
static bool hand_over(struct custody *c)
{
    int rc = c->unit->build_rc ? c->unit->build_rc : store_unit_submit(c->unit);

    if (rc == JB_EFULL && c->unit->build_rc == 0)
        return false;
    if (rc != 0) {
        store_unit_free(c->unit);
        c->unit = NULL;
        complete(c, rc);
    }
    return true;
}

/* What the client sent before stream management was enabled it does not count. */
static bool is_behind(const struct custody *c, const struct session_counter *counter)
{
    return counter->kept && (int32_t)(c->number - counter->committed) > 0;
}

static bool write_count(struct custody *c)
{
    const struct custody_row *row = c->row;
    struct session_counter counter = row->session ? session_sm_counter(row->session) : row->counter;

    if (!is_behind(c, &counter))
        return false;
    session_count_write(c->unit, jb_jid_str(c->sender->jid), &counter, c->number, c->home->now_us);
    if (row->session)
        row->session->sm->stored = true;
    return true;
}

static void submit(struct custody *c)
{
    struct reactor *r = c->home;

    c->submitted = true;
    if (!c->unit) {
        complete(c, 0);
        return;
    }
    c->counted = c->row && write_count(c);
    /* Nobody overtakes: the order of a session's units is that of its stanzas. */
    if (r->parked || !hand_over(c)) {
        reactor_count_limit(r, JB_LIMIT_store_jobs);
        *r->parked_end = c;
        r->parked_end = &c->next_parked;
    }
}

void custody_unpark(struct reactor *r)
{
    while (r->parked) {
        struct custody *c = r->parked, *next = c->next_parked;
        r->parked = next;
        if (!next)
            r->parked_end = &r->parked;
        c->next_parked = NULL;
        if (hand_over(c))
            continue;
        c->next_parked = r->parked;
        r->parked = c;
        if (!c->next_parked)
            r->parked_end = &c->next_parked;
        return;
    }
}

static bool is_ready(const struct custody *c)
{
    return c->handled && !c->away;
}

/* What is submitted may be done at once, and the row goes with the last of it. */
static void submit_rest(struct custody_row *rest)
{
    struct custody *c = rest->todo;

    while (c && is_ready(c)) {
        struct custody *next = c->next;
        rest->todo = next;
        if (!next)
            c->sender->rests--;
        submit(c);
        c = next;
    }
}

static void submit_ready(struct custody_row *row)
{
    struct custody *c;

    if (!row->session) {
        submit_rest(row);
        return;
    }
    struct watch w = watch_begin(row->session);
    while (watch_alive(&w) && (c = row->todo) && is_ready(c)) {
        row->todo = c->next;
        submit(c);
    }
    watch_end(&w);
}

/* It may be finished now. */
static void advance(struct custody *c)
{
    if (c->row)
        submit_ready(c->row);
    else if (is_ready(c) && !c->submitted)
        submit(c);
}

static void enqueue(struct session *s, struct custody *c)
{
    struct custody_row *row = &s->row;

    c->row = row;
    c->sender = s->user;
    user_pin(c->sender);
    *row->end = c;
    row->end = &c->next;
    if (!row->todo)
        row->todo = c;
    row->count++;
}

/* A row of its own for what is left. */
static struct custody_row *detach(struct session *s)
{
    struct custody_row *rest = jb_alloc(alloc, sizeof *rest);

    *rest = s->row;
    rest->session = NULL;
    rest->counter = session_sm_counter(s);
    for (struct custody *c = rest->first; c; c = c->next)
        c->row = rest;
    custody_row_init(&s->row, s);
    if (rest->todo)
        s->user->rests++;
    return rest;
}

void custody_session_ended(struct session *s)
{
    struct reactor *r = session_reactor(s);

    if (r->inbound == s)
        r->inbound = NULL;
    if (s->row.first)
        submit_rest(detach(s));
}

void custody_commit_count(struct session *s)
{
    struct custody *c = new_custody(session_reactor(s));

    c->number = *session_received(s);
    c->handled = true;
    enqueue(s, c);
    (void)custody_unit(c);
    submit_ready(&s->row);
}

/* ---- while a stanza is handled ---- */

void custody_begin(struct session *s, struct jb_stanza *stanza)
{
    struct reactor *r = session_reactor(s);

    jb_assert(!r->inbound && !r->custody);
    r->inbound = s;
    r->inbound_stanza = stanza;
}

struct custody *custody_here(struct reactor *r)
{
    struct session *s = r->inbound;

    if (r->custody || !s || r->inbound_lent)
        return r->custody;
    r->custody = new_custody(r);
    r->custody->stanza = jb_stanza_ref(r->inbound_stanza);
    r->custody->number = *session_received(s);
    enqueue(s, r->custody);
    r->inbound_custody = r->custody;
    return r->custody;
}

void custody_end(struct reactor *r)
{
    struct session *s = r->inbound;
    struct custody *c = r->inbound_custody;

    r->inbound = NULL;
    r->inbound_stanza = NULL;
    r->inbound_custody = r->custody = NULL;
    r->inbound_lent = false;
    if (!c)
        return;
    c->handled = true;
    if (!s) {
        advance(c);
        return;
    }
    struct watch w = watch_begin(s);
    advance(c);
    if (watch_alive(&w))
        throttle(s);
    watch_end(&w);
}

struct custody *custody_lend(struct reactor *r, const struct jb_stanza *stanza)
{
    struct custody *c = r->custody;

    if (!c || c->stanza != stanza)
        return NULL; /* something else that the stanza set off */
    if (c->home == r)
        c->away = true; /* elsewhere it is already, and its home may look at that */
    r->custody = NULL;
    r->inbound_lent = r->inbound != NULL;
    return c;
}

void custody_borrow(struct reactor *r, struct custody *c)
{
    jb_assert(!r->custody && !r->inbound);
    r->custody = c;
}

static void come_home(struct reactor *r, struct mail *mail)
{
    struct custody *c = jb__container_of(mail, struct custody, mail);

    (void)r;
    c->away = false;
    advance(c);
}

void custody_return(struct reactor *r)
{
    struct custody *c = r->custody;

    r->custody = NULL;
    if (!c)
        return; /* nothing came, or it waits with its stanza again */
    if (c->home == r) {
        come_home(r, &c->mail);
        return;
    }
    c->mail.deliver = come_home;
    reactor_send(r, c->home, &c->mail);
}

/* ---- for modules ---- */

struct custody *custody_open(struct reactor *r, struct jb_stanza *stanza)
{
    struct custody *c = new_custody(r);

    c->stanza = jb_stanza_ref(stanza);
    return c;
}

bool custody_is_crowded(const struct reactor *r)
{
    return r->custodies >= (size_t)r->conf->stream.limits.custodies;
}

void custody_close(struct custody *c)
{
    c->handled = true;
    advance(c);
}

struct unit_mail {
    struct mail mail;
    struct custody *custody;
};

static void unit_back(struct custody *c)
{
    jb_assert(c->waits > 0);
    c->waits--;
    let_go(c);
}

static void on_unit_mail(struct reactor *r, struct mail *mail)
{
    struct unit_mail *m = jb__container_of(mail, struct unit_mail, mail);

    (void)r;
    unit_back(m->custody);
    jb_free(alloc, m);
}

void custody_unit_back(struct reactor *r, struct custody *c)
{
    if (c->home == r) {
        unit_back(c);
        return;
    }
    struct unit_mail *m = jb_alloc(alloc, sizeof *m);
    *m = (struct unit_mail){ .mail.deliver = on_unit_mail, .custody = c };
    reactor_send(r, c->home, &m->mail);
}

int custody_submit(struct reactor *r, struct store_unit *unit)
{
    struct custody *c = custody_here(r);

    if (c)
        c->waits++;
    unit->custody = c;
    int rc = store_unit_submit(unit);
    if (rc != 0 && c)
        c->waits--;
    return rc;
}
