/* SPDX-License-Identifier: MIT */
#include "server/gate.h"

#include "base/assert.h"
#include "base/random.h"
#include "server/boot.h"
#include "server/server.h"

enum {
    ACCEPT_BURST_S = 4,
    FAILURE_WINDOW_MS = 10 * 60 * 1000,
    REGISTER_WINDOW_MS = 60 * 60 * 1000,
};

struct address {
    struct jb__hash_node node;
    struct jb__list age; /* in by_age while `connections` is 0 */
    struct jb__addr_key key;
    uint32_t connections;
    uint32_t unauthenticated;
    uint32_t accept_tokens; /* thousandths of a connection */
    uint64_t accept_at_ms;  /* when they were counted */
    uint32_t failures;      /* in the window that began at failures_at_ms */
    uint64_t failures_at_ms;
    uint64_t refused_until_ms;
    uint32_t registrations;
    uint64_t registrations_at_ms;
};

void gate_init(struct gate *g, const struct jb__hash_key *key)
{
    *g = (struct gate){ .alloc = &jb_allocator_abort, .key = *key };
    jb__table_init(&g->addresses, g->alloc);
    jb__list_init(&g->by_age);
}

void gate_deinit(struct gate *g)
{
    struct jb__hash_node *node;

    while ((node = jb__table_next(&g->addresses, NULL))) {
        jb__table_remove(&g->addresses, node);
        jb_free(g->alloc, jb__container_of(node, struct address, node));
    }
    jb__table_deinit(&g->addresses);
}

static bool matches(const struct jb__hash_node *node, struct jb_str key)
{
    const struct address *e = jb__container_of(node, const struct address, node);

    return memcmp(e->key.ip, key.p, sizeof e->key.ip) == 0;
}

static struct address *find(struct gate *g, const struct jb__addr *a, uint64_t *hash,
                            struct jb__addr_key *key)
{
    *key = jb__addr_key(a);
    *hash = jb__siphash(&g->key, key->ip, sizeof key->ip);
    struct jb__hash_node *node = jb__table_find(
        &g->addresses, *hash, jb_str((const char *)key->ip, sizeof key->ip), matches);
    return node ? jb__container_of(node, struct address, node) : NULL;
}

/* The entry of an address; NULL when the table is full of connected ones, unless `force`. */
static struct address *find_or_add(struct gate *g, const struct jb_limits *limits,
                                   const struct jb__addr *a, uint64_t now_ms, bool force)
{
    struct jb__addr_key key;
    uint64_t hash;
    struct address *e = find(g, a, &hash, &key);

    if (e)
        return e;
    bool full = g->addresses.count >= limits->address_table;
    if (full && jb__list_empty(&g->by_age) && !force)
        return NULL;
    if (full && !jb__list_empty(&g->by_age)) {
        e = jb__container_of(g->by_age.next, struct address, age);
        jb__list_remove(&e->age);
        jb__table_remove(&g->addresses, &e->node);
    } else {
        e = jb_alloc(g->alloc, sizeof *e);
    }
    *e = (struct address){ .key = key,
                           .accept_tokens = limits->accept_rate_per_address * ACCEPT_BURST_S * 1000,
                           .accept_at_ms = now_ms };
    jb__list_init(&e->age);
    jb__list_push(&g->by_age, &e->age);
    int rc = jb__table_insert(&g->addresses, &e->node, hash);
    jb_assert(rc == 0);
    return e;
}

static bool take_accept_token(struct address *e, const struct jb_limits *limits, uint64_t now_ms)
{
    uint64_t most = (uint64_t)limits->accept_rate_per_address * ACCEPT_BURST_S * 1000;
    uint64_t tokens =
        e->accept_tokens + (now_ms - e->accept_at_ms) * limits->accept_rate_per_address;

    e->accept_tokens = (uint32_t)(tokens < most ? tokens : most);
    e->accept_at_ms = now_ms;
    if (e->accept_tokens < 1000)
        return false;
    e->accept_tokens -= 1000;
    return true;
}

/* Random early drop: none below a quarter of the limit, 30 of 100 there, then more in proportion, and
 * all at the limit. */
static bool drop_early(uint32_t count, uint32_t limit)
{
    enum { AT_FIRST = 19661, ALL = 65536 }; /* of the faces of the dice */
    uint32_t quarter = limit / 4;
    uint16_t dice;

    if (count < quarter || limit < 8)
        return count >= limit;
    if (count >= limit)
        return true;
    jb__random(&dice, sizeof dice);
    uint64_t more = (uint64_t)(ALL - AT_FIRST) * (count - quarter) / (limit - quarter);
    return dice < AT_FIRST + more;
}

/* What refuses a connection whoever makes it. */
static enum jb_limit refusal_in_all(const struct gate *g, const struct jb_limits *limits)
{
    if (g->connections >= limits->connections)
        return JB_LIMIT_connections;
    if (drop_early(g->unauthenticated, limits->unauthenticated))
        return JB_LIMIT_unauthenticated;
    return JB_LIMIT_COUNT;
}

static enum jb_limit refusal(struct gate *g, const struct jb_limits *limits, struct address *e,
                             uint64_t now_ms)
{
    if (!e)
        return JB_LIMIT_address_table;
    if (now_ms < e->refused_until_ms)
        return JB_LIMIT_auth_failures_per_address;
    if (e->connections >= limits->connections_per_address)
        return JB_LIMIT_connections_per_address;
    if (e->unauthenticated >= limits->unauthenticated_per_address)
        return JB_LIMIT_unauthenticated_per_address;
    enum jb_limit limit = refusal_in_all(g, limits);
    if (limit == JB_LIMIT_COUNT && !take_accept_token(e, limits, now_ms))
        return JB_LIMIT_accept_rate_per_address;
    return limit;
}

static void count_in(struct gate *g, struct address *e)
{
    jb__list_remove(&e->age);
    e->connections++;
    e->unauthenticated++;
    g->connections++;
    g->unauthenticated++;
}

enum jb_limit gate_enter(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                         uint64_t now_ms)
{
    struct address *e = find_or_add(g, limits, a, now_ms, false);
    enum jb_limit limit = refusal(g, limits, e, now_ms);

    if (limit == JB_LIMIT_COUNT)
        count_in(g, e);
    return limit;
}

enum jb_limit gate_enter_proxy(struct gate *g, const struct jb_limits *limits,
                               const struct jb__addr *a, uint64_t now_ms)
{
    enum jb_limit limit = refusal_in_all(g, limits);

    if (limit == JB_LIMIT_COUNT)
        count_in(g, find_or_add(g, limits, a, now_ms, true));
    return limit;
}

enum jb_limit gate_move(struct gate *g, const struct jb_limits *limits, const struct jb__addr *was,
                        const struct jb__addr *is, uint64_t now_ms)
{
    gate_leave(g, was, false);
    struct address *e = find_or_add(g, limits, is, now_ms, true);
    enum jb_limit limit = refusal(g, limits, e, now_ms);

    count_in(g, e);
    return limit;
}

void gate_leave(struct gate *g, const struct jb__addr *a, bool authenticated)
{
    struct jb__addr_key key;
    uint64_t hash;
    struct address *e = find(g, a, &hash, &key);

    jb_assert(e && e->connections > 0 && g->connections > 0);
    e->connections--;
    g->connections--;
    if (!authenticated) {
        e->unauthenticated--;
        g->unauthenticated--;
    }
    if (e->connections == 0)
        jb__list_push(&g->by_age, &e->age);
}

void gate_authenticated(struct gate *g, const struct jb__addr *a)
{
    struct jb__addr_key key;
    uint64_t hash;
    struct address *e = find(g, a, &hash, &key);

    jb_assert(e && e->unauthenticated > 0 && g->unauthenticated > 0);
    e->unauthenticated--;
    g->unauthenticated--;
}

void gate_auth_failed(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                      uint64_t now_ms)
{
    struct jb__addr_key key;
    uint64_t hash;
    struct address *e = find(g, a, &hash, &key);

    if (!e)
        return;
    if (now_ms - e->failures_at_ms > FAILURE_WINDOW_MS) {
        e->failures_at_ms = now_ms;
        e->failures = 0;
    }
    if (++e->failures > limits->auth_failures_per_address)
        e->refused_until_ms = now_ms + FAILURE_WINDOW_MS;
}

bool gate_register(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                   uint64_t now_ms)
{
    struct address *e = find_or_add(g, limits, a, now_ms, false);

    if (!e)
        return false;
    if (now_ms - e->registrations_at_ms > REGISTER_WINDOW_MS) {
        e->registrations_at_ms = now_ms;
        e->registrations = 0;
    }
    return ++e->registrations <= limits->registration_rate;
}

/* ---- mail ---- */

struct gate_mail {
    struct mail mail;
    enum gate_event event;
    struct jb__addr address;
};

static void on_told(struct reactor *r, struct mail *mail)
{
    struct gate_mail *m = jb__container_of(mail, struct gate_mail, mail);
    struct gate *g = &r->server->gate;

    if (m->event == GATE_AUTHENTICATED)
        gate_authenticated(g, &m->address);
    else if (m->event == GATE_AUTH_FAILED)
        gate_auth_failed(g, &r->conf->stream.limits, &m->address, r->now_ms);
    else
        gate_leave(g, &m->address, m->event == GATE_LEFT_AUTHENTICATED);
    jb_free(g->alloc, m);
    if (g->connections == 0 && r->stopping)
        boot_all_gone(r->server);
}

void gate_tell(struct reactor *from, enum gate_event event, const struct jb__addr *a)
{
    struct gate_mail *m = jb_alloc(&jb_allocator_abort, sizeof *m);

    *m = (struct gate_mail){ .mail.deliver = on_told, .event = event, .address = *a };
    reactor_send(from, &from->server->reactors[0], &m->mail);
}

struct gate_question {
    struct mail mail;
    struct reactor *asker;
    struct jb__addr was, is;
    bool registers; /* `is` wants to register; `was` has no meaning */
    enum jb_limit refused;
    void (*answer)(void *ctx, enum jb_limit refused);
    void *ctx;
};

static void on_answered(struct reactor *r, struct mail *mail)
{
    struct gate_question *q = jb__container_of(mail, struct gate_question, mail);

    (void)r;
    q->answer(q->ctx, q->refused);
    jb_free(&jb_allocator_abort, q);
}

static void on_asked(struct reactor *r, struct mail *mail)
{
    struct gate_question *q = jb__container_of(mail, struct gate_question, mail);
    struct gate *g = &r->server->gate;

    if (!q->registers)
        q->refused = gate_move(g, &r->conf->stream.limits, &q->was, &q->is, r->now_ms);
    else if (!gate_register(g, &r->conf->stream.limits, &q->is, r->now_ms))
        q->refused = JB_LIMIT_registration_rate;
    q->mail.deliver = on_answered;
    reactor_send(r, q->asker, &q->mail);
}

static void ask(const struct gate_question *question)
{
    struct gate_question *q = jb_alloc(&jb_allocator_abort, sizeof *q);

    *q = *question;
    q->mail.deliver = on_asked;
    q->refused = JB_LIMIT_COUNT;
    reactor_send(q->asker, &q->asker->server->reactors[0], &q->mail);
}

void gate_ask(struct reactor *from, const struct jb__addr *was, const struct jb__addr *is,
              void (*answer)(void *ctx, enum jb_limit refused), void *ctx)
{
    ask(&(struct gate_question){
        .asker = from, .was = *was, .is = *is, .answer = answer, .ctx = ctx });
}

void gate_ask_register(struct reactor *from, const struct jb__addr *a,
                       void (*answer)(void *ctx, enum jb_limit refused), void *ctx)
{
    ask(&(struct gate_question){
        .asker = from, .is = *a, .registers = true, .answer = answer, .ctx = ctx });
}
