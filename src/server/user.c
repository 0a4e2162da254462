/* SPDX-License-Identifier: MIT */
#include "server/user.h"

#include "base/assert.h"
#include "server/custody.h"
#include "server/module.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* Somebody who waits for the user's data: a stanza, or a callback. */
struct user_waiter {
    struct user_waiter *next;
    struct jb_stanza *stanza;
    struct custody *custody; /* waits with it */
    void (*ready)(struct user *u, void *ctx);
    void *ctx;
};

const struct host *user_host(const struct user *u)
{
    return conf_find_host(u->reactor->conf, jb_jid_domain(u->jid));
}

/* ---- memory ---- */

static bool matches(const struct jb__hash_node *node, struct jb_str bare)
{
    const struct user *u = jb__container_of(node, const struct user, node);

    return jb_str_eq(jb_jid_str(u->jid), bare);
}

static uint64_t hash_of(const struct reactor *r, struct jb_str bare)
{
    return jb__siphash(&r->server->hash_key, bare.p, bare.n);
}

struct user *user_find(struct reactor *r, struct jb_jid bare)
{
    struct jb_str text = jb_jid_bare_str(bare);
    struct jb__hash_node *node = jb__table_find(&r->users, hash_of(r, text), text, matches);

    return node ? jb__container_of(node, struct user, node) : NULL;
}

static struct user *new_user(struct reactor *r, struct jb_jid bare)
{
    struct jb_str text = jb_jid_bare_str(bare);
    size_t data_bytes = modules_user_bytes();
    struct user *u = jb_zalloc(alloc, sizeof *u + data_bytes + text.n);

    u->reactor = r;
    u->data = (unsigned char *)(u + 1);
    u->jid = jb_jid_bare(bare);
    u->jid.p = memcpy(u->data + data_bytes, text.p, text.n);
    u->waiting_end = &u->waiting;
    jb__list_init(&u->sessions);
    jb__list_init(&u->idle);
    int rc = jb__table_insert(&r->users, &u->node, hash_of(r, text));
    jb_assert(rc == 0);
    r->counters.users++;
    return u;
}

static void free_user(struct user *u)
{
    struct reactor *r = u->reactor;

    jb_assert(u->session_count == 0 && !u->waiting && u->pins == 0);
    if (u->state == USER_READY && !u->anonymous)
        (void)hooks_run_all(unload, (u));
    (void)hooks_run_all(freed, (u));
    if (!jb__list_empty(&u->idle)) {
        jb__list_remove(&u->idle);
        r->idle_user_count--;
    }
    if (!u->unlisted)
        jb__table_remove(&r->users, &u->node);
    r->counters.users--;
    jb_free(alloc, u);
}

void user_free_all(struct reactor *r)
{
    struct jb__hash_node *node;

    while ((node = jb__table_next(&r->users, NULL)))
        free_user(jb__container_of(node, struct user, node));
}

/* Nobody needs him now: he stays as a memory of the store until there are too many of those.  So
 * does the memory that there is no such account: asking for it must not take longer, or shorter,
 * than for one that is there. */
static void settle(struct user *u)
{
    struct reactor *r = u->reactor;

    if (u->session_count || u->pins || u->waiting || u->state == USER_LOADING)
        return;
    if (u->load_failed || u->anonymous || u->stale || r->stopping) {
        free_user(u);
        return;
    }
    if (jb__list_empty(&u->idle)) {
        jb__list_push(&r->idle_users, &u->idle);
        r->idle_user_count++;
    }
    while (r->idle_user_count > r->conf->stream.limits.user_cache) {
        reactor_count_limit(r, JB_LIMIT_user_cache);
        free_user(jb__container_of(r->idle_users.next, struct user, idle));
    }
}

static void wake(struct user *u)
{
    if (jb__list_empty(&u->idle))
        return;
    jb__list_remove(&u->idle);
    u->reactor->idle_user_count--;
}

void user_pin(struct user *u)
{
    u->pins++;
    wake(u);
}

void user_unpin(struct user *u)
{
    jb_assert(u->pins > 0);
    u->pins--;
    settle(u);
}

void user_forget(struct user *u)
{
    u->stale = true;
    user_pin(u);
    user_unpin(u);
}

struct creation {
    struct mail mail;
    struct jb_jid jid; /* text behind the struct */
};

static void on_creation(struct reactor *r, struct mail *mail)
{
    struct creation *c = jb__container_of(mail, struct creation, mail);
    struct user *u = user_find(r, c->jid);

    if (u && u->state == USER_UNKNOWN)
        user_forget(u);
    jb_free(alloc, c);
}

void user_created(struct reactor *r, struct jb_jid bare)
{
    struct jb_str text = jb_jid_bare_str(bare);
    struct creation *c = jb_alloc(alloc, sizeof *c + text.n);

    *c = (struct creation){ .mail.deliver = on_creation, .jid = jb_jid_bare(bare) };
    c->jid.p = memcpy(c + 1, text.p, text.n);
    reactor_send(r, router_home(r, bare), &c->mail);
}

/* ---- loading ---- */

static void serve_waiting(struct user *u)
{
    user_pin(u);
    while (u->waiting) {
        struct user_waiter *w = u->waiting;
        u->waiting = w->next;
        if (!u->waiting)
            u->waiting_end = &u->waiting;
        u->waiting_count--;
        if (w->stanza) {
            custody_borrow(u->reactor, w->custody);
            user_receive(u, w->stanza);
            custody_return(u->reactor);
            jb_stanza_unref(w->stanza);
        } else {
            w->ready(u, w->ctx);
        }
        jb_free(alloc, w);
    }
    user_unpin(u);
}

static bool is_configured_admin(const struct host *host, const struct user *u)
{
    for (size_t i = 0; host && i < host->config->admins.count; i++)
        if (jb_str_eq(host->config->admins.items[i], jb_jid_str(u->jid)))
            return true;
    return false;
}

static void on_loaded(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    const struct host *host = user_host(u);
    const struct store_op *account = unit->ops;
    bool known = unit->rc == 0 && account->rc == 0 && account->rows;

    u->load_failed = unit->rc != 0;
    u->state = known && host ? USER_READY : USER_UNKNOWN;
    if (u->state == USER_READY) {
        u->admin = (account->rows->flags & STORE_ACCOUNT_ADMIN) || is_configured_admin(host, u);
        (void)hooks_run_all(loaded, (u, unit));
    }
    store_unit_free(unit);
    serve_waiting(u);
}

static void load(struct user *u)
{
    struct store_unit *unit = user_store_unit(u, on_loaded, u);

    u->state = USER_LOADING;
    store_unit_account_get(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
    (void)hooks_run_all(load, (u, unit));
    if (store_unit_submit(unit) != 0) {
        reactor_count_limit(u->reactor, JB_LIMIT_store_jobs);
        store_unit_free(unit);
        u->load_failed = true;
        u->state = USER_UNKNOWN;
    }
}

/* The store could not be read for him.  Connections that wait to be told so hold him a little
 * longer, but who comes now must not be refused for it. */
static void give_up(struct user *u)
{
    if (u->pins == 0) {
        free_user(u);
        return;
    }
    jb__table_remove(&u->reactor->users, &u->node);
    u->unlisted = true;
}

struct user *user_get(struct reactor *r, struct jb_jid bare)
{
    struct user *u = user_find(r, bare);

    if (u && u->load_failed) {
        give_up(u);
        u = NULL;
    }
    if (!u) {
        u = new_user(r, bare);
        load(u);
    }
    return u;
}

struct user *user_get_anonymous(struct reactor *r, struct jb_jid bare)
{
    struct user *u = new_user(r, bare);

    u->anonymous = true;
    u->state = USER_READY;
    return u;
}

static int wait_for(struct user *u, struct user_waiter waiter)
{
    if (u->waiting_count >= u->reactor->conf->stream.limits.user_queue) {
        reactor_count_limit(u->reactor, JB_LIMIT_user_queue);
        return JB_EFULL;
    }
    struct user_waiter *w = jb_alloc(alloc, sizeof *w);
    *w = waiter;
    w->next = NULL;
    if (w->stanza) {
        jb_stanza_ref(w->stanza);
        w->custody = custody_lend(u->reactor, w->stanza);
    }
    *u->waiting_end = w;
    u->waiting_end = &w->next;
    u->waiting_count++;
    return 0;
}

int user_when_ready(struct user *u, void (*ready)(struct user *u, void *ctx), void *ctx)
{
    if (u->state == USER_LOADING)
        return wait_for(u, (struct user_waiter){ .ready = ready, .ctx = ctx });
    user_pin(u);
    ready(u, ctx);
    user_unpin(u);
    return 0;
}

enum jb_stream_error user_absence(const struct user *u, const char **words)
{
    *words = u->load_failed ? "the account cannot be read now; come back in a moment"
                            : "the account does not exist any more";
    return u->load_failed ? JB_STREAM_RESOURCE_CONSTRAINT : JB_STREAM_NOT_AUTHORIZED;
}

struct store_unit *user_store_unit(struct user *u, void (*done)(struct store_unit *unit), void *ctx)
{
    return store_unit_new(u->reactor->server->store, &u->reactor->port, done, ctx);
}

/* ---- sessions ---- */

void user_session_added(struct user *u, struct session *s)
{
    jb__list_push(&u->sessions, &s->node);
    u->session_count++;
    wake(u);
}

void user_session_removed(struct user *u, struct session *s)
{
    jb_assert(u->session_count > 0);
    jb__list_remove(&s->node);
    u->session_count--;
    settle(u);
}

struct session *user_find_session(const struct user *u, struct jb_str resource)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (jb_str_eq(jb_jid_resource(s->jid), resource))
            return s;
    }
    return NULL;
}

void user_kick(struct user *u, enum jb_stream_error error, const char *words)
{
    user_pin(u);
    while (!jb__list_empty(&u->sessions)) {
        struct session *s = jb__container_of(u->sessions.next, struct session, node);
        session_fail(s, error, words);
        session_end(s);
    }
    user_unpin(u);
}

void user_remove(struct user *u)
{
    jb_assert(u->state == USER_READY && u->stale && u->session_count == 0);
    user_pin(u);
    (void)hooks_run_all(unload, (u));
    u->state = USER_UNKNOWN;
    user_unpin(u);
}

/* ---- stanzas for him (RFC 6121 section 8.5) ---- */

static const struct jb_fault unavailable = { JB_STANZA_SERVICE_UNAVAILABLE, JB_ERROR_TYPE_USUAL,
                                             NULL };

static void bounce(struct user *u, struct jb_stanza *stanza)
{
    router_bounce(u->reactor, stanza, unavailable);
}

static bool is_request(const struct jb_stanza_head *h)
{
    return h->kind == JB_IQ && (h->type == JB_TYPE_GET || h->type == JB_TYPE_SET);
}

/* What somebody who is there, but not online, would have bounced (8.5.4). */
static bool bounces_offline(const struct jb_stanza_head *h)
{
    return h->kind == JB_MESSAGE &&
           (h->type == JB_TYPE_GROUPCHAT || (h->to.resource && h->type != JB_TYPE_CHAT));
}

/* 8.5.1: nobody of that name.  The answers are those that a stranger gets from somebody who is
 * there but does not know him, so that nobody can be found out by asking. */
static void receive_unknown(struct user *u, const struct host *host, struct jb_stanza *stanza)
{
    struct outgoing o;

    if (u->load_failed) {
        router_bounce(u->reactor, stanza,
                      JB_FAULT(RESOURCE_CONSTRAINT, "the account's data cannot be read now"));
    } else if (is_request(&stanza->h)) {
        if (!host || !iq_dispatch(u->reactor, host, u, NULL, stanza))
            bounce(u, stanza);
    } else if (bounces_offline(&stanza->h)) {
        bounce(u, stanza);
    } else if (stanza->h.kind == JB_PRESENCE && stanza->h.type == JB_TYPE_PROBE) {
        struct jb_xml *x = router_begin(&o, u->reactor);
        jb_stanza_open(x, JB_PRESENCE, "unsubscribed", u->jid, jb_jid_bare(stanza->h.from),
                       stanza->h.id);
        jb_xml_close(x);
        router_end(&o);
    }
}

static void deliver_to(struct session *s, const struct delivery *d)
{
    session_deliver(s, d->stanza, d->wrapped ? &d->wrap : NULL);
}

/* To every session that takes messages; false when there is none. */
static bool deliver_message(struct user *u, const struct delivery *d)
{
    bool delivered = false;

    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (!session_is_available(s) || s->priority < 0)
            continue;
        deliver_to(s, d);
        delivered = true;
    }
    return delivered;
}

/* 8.5.2.1.1 and 8.5.2.2.1: to the bare address. */
static void receive_message(struct user *u, const struct host *host, const struct delivery *d)
{
    struct jb_fault fault = unavailable;

    switch (d->stanza->h.type) {
    case JB_TYPE_ERROR:
        return;
    case JB_TYPE_GROUPCHAT:
        bounce(u, d->stanza);
        return;
    case JB_TYPE_HEADLINE:
        deliver_message(u, d);
        return;
    default:
        break;
    }
    if (deliver_message(u, d))
        return;
    enum verdict v = hooks_run(in_undelivered, host, (u, d->stanza, &fault));
    if (v != DONE)
        router_bounce(u->reactor, d->stanza, fault);
}

/* 8.5.2.1.2: to everybody who is available. */
static void receive_presence(struct user *u, const struct delivery *d)
{
    if (d->stanza->h.type != JB_TYPE_NONE && d->stanza->h.type != JB_TYPE_UNAVAILABLE)
        return;
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (session_is_available(s))
            deliver_to(s, d);
    }
}

static void receive_bare(struct user *u, const struct host *host, const struct delivery *d)
{
    if (d->stanza->h.kind == JB_MESSAGE)
        receive_message(u, host, d);
    else if (d->stanza->h.kind == JB_PRESENCE)
        receive_presence(u, d);
    else if (is_request(&d->stanza->h) && !iq_dispatch(u->reactor, host, u, NULL, d->stanza))
        bounce(u, d->stanza);
}

/* 8.5.3.2: to a resource that is not there. */
static void receive_absent(struct user *u, const struct host *host, const struct delivery *d)
{
    const struct jb_stanza_head *h = &d->stanza->h;

    if (h->kind == JB_MESSAGE && h->type == JB_TYPE_CHAT)
        receive_message(u, host, d);
    else if (h->kind == JB_MESSAGE && h->type != JB_TYPE_ERROR)
        bounce(u, d->stanza);
    else if (is_request(h))
        bounce(u, d->stanza);
}

void user_deliver(struct user *u, const struct delivery *d)
{
    const struct host *host = user_host(u);
    struct session *s = NULL;

    if (!host)
        return;
    if (d->stanza->h.to.resource == 0) {
        receive_bare(u, host, d);
        return;
    }
    s = user_find_session(u, jb_jid_resource(d->stanza->h.to));
    if (s)
        deliver_to(s, d);
    else
        receive_absent(u, host, d);
}

static void receive_ready(struct user *u, const struct host *host, struct jb_stanza *stanza)
{
    struct jb_fault fault = unavailable;
    struct delivery d = { .stanza = stanza };
    enum verdict v = hooks_run(in_guard, host, (u, stanza, &fault));

    if (v == NEXT)
        v = hooks_run(in_act, host, (u, &d, &fault));
    if (v == REJECT)
        router_bounce(u->reactor, stanza, fault);
    else if (v == NEXT)
        user_deliver(u, &d);
}

void user_receive(struct user *u, struct jb_stanza *stanza)
{
    const struct host *host = user_host(u);

    if (u->state == USER_LOADING) {
        struct user_waiter w = { .stanza = stanza };
        if (wait_for(u, w) == 0)
            return;
        router_bounce(u->reactor, stanza,
                      JB_FAULT(RESOURCE_CONSTRAINT, "too many wait for this account"));
        return;
    }
    user_pin(u);
    if (u->state == USER_UNKNOWN || !host)
        receive_unknown(u, host, stanza);
    else
        receive_ready(u, host, stanza);
    user_unpin(u);
}
