/* SPDX-License-Identifier: MIT */
#include "server/custody.h"

#include "base/assert.h"
#include "server/module.h"
#include "server/server.h"
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

static void refuse(struct custody *c)
{
    static const struct jb_fault fault = { JB_STANZA_RESOURCE_CONSTRAINT, JB_ERROR_TYPE_WAIT,
                                           "the message cannot be stored now" };

    if (!c->stanza)
        return;
    if (c->session)
        session_refuse(c->session, &c->stanza->h, fault);
    else
        router_bounce(c->home, c->stanza, fault);
}

/* ---- the queue of a session ---- */

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

    if (!s->throttled && s->conn && s->custody_count >= most) {
        s->throttled = true;
        reactor_count_limit(session_reactor(s), JB_LIMIT_custody_stanzas);
        conn_hold(s->conn);
    } else if (s->throttled && s->custody_count <= most / 2) {
        s->throttled = false;
        conn_release(s->conn);
    }
}

/* Lets go of what is done at the head of the queue, and tells the client. */
static void retire(struct session *s)
{
    struct watch w = watch_begin(s);
    struct session_sm_progress progress = { 0 };

    while (s->custody && s->custody->done && s->custody->waits == 0) {
        struct custody *c = s->custody;
        s->custody = c->next;
        if (!s->custody)
            s->custody_end = &s->custody;
        s->custody_count--;
        if (c->counted && c->rc == 0) {
            progress.committed = true;
            progress.number = c->number;
        }
        progress.failed = c->counted && c->rc != 0;
        free_custody(c);
    }
    if (s->sm)
        session_sm_progressed(s, &progress);
    if (watch_alive(&w))
        throttle(s);
    watch_end(&w);
}

static void complete(struct custody *c, int rc)
{
    c->rc = rc;
    if (rc != 0)
        refuse(c);
    settle_shares(c);
    c->done = true;
    if (c->session)
        retire(c->session);
    else if (c->waits == 0)
        free_custody(c);
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

/* The client counts it; what it sent before stream management was enabled it does not. */
static bool is_counted(const struct custody *c)
{
    const struct session *s = c->session;

    return s && s->sm && (int32_t)(c->number - s->sm->committed) > 0;
}

static void submit(struct custody *c)
{
    struct reactor *r = c->home;

    c->submitted = true;
    if (!c->unit) {
        complete(c, 0);
        return;
    }
    if (is_counted(c))
        c->counted = session_sm_write_count(c->session, c->unit, c->number);
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

static void submit_ready(struct session *s)
{
    struct watch w = watch_begin(s);
    struct custody *c;

    while (watch_alive(&w) && (c = s->custody_todo) && c->handled && !c->away) {
        s->custody_todo = c->next;
        submit(c);
    }
    watch_end(&w);
}

/* It may be finished now. */
static void advance(struct custody *c)
{
    if (c->session)
        submit_ready(c->session);
    else if (c->handled && !c->away && !c->submitted)
        submit(c);
}

static void enqueue(struct session *s, struct custody *c)
{
    c->session = s;
    c->sender = s->user;
    user_pin(c->sender);
    *s->custody_end = c;
    s->custody_end = &c->next;
    if (!s->custody_todo)
        s->custody_todo = c;
    s->custody_count++;
}

void custody_session_ended(struct session *s)
{
    struct reactor *r = session_reactor(s);
    struct custody *next;

    if (r->inbound == s)
        r->inbound = NULL;
    s->custody_todo = NULL;
    for (struct custody *c = s->custody; c; c = next) {
        next = c->next;
        c->session = NULL;
        c->next = NULL;
        if (c->done && c->waits == 0)
            free_custody(c);
        else
            advance(c);
    }
    s->custody = NULL;
    s->custody_count = 0;
}

void custody_commit_count(struct session *s)
{
    struct custody *c = new_custody(session_reactor(s));

    c->number = *session_received(s);
    c->handled = true;
    enqueue(s, c);
    (void)custody_unit(c);
    submit_ready(s);
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
    if (c->waits > 0 || !c->done)
        return;
    if (c->session)
        retire(c->session);
    else
        free_custody(c);
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
