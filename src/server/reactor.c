/* SPDX-License-Identifier: MIT */
#include "server/reactor.h"

#include "base/assert.h"
#include "base/clock.h"
#include "server/conn.h"
#include "server/custody.h"
#include "server/profile.h"
#include "server/server.h"
#include "server/session_save.h"
#include "server/user.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { TICK_EVENTS = 64 };
enum { ARENA_BYTES = 512 * 1024 * 1024 }; /* of one tick; what can fill it is bounded elsewhere */

/* ---- mail ---- */

/* Puts a chain (newest first) in front of what waits; true when nothing waited. */
static bool push_chain(_Atomic(struct mail *) *box, struct mail *newest, struct mail *oldest)
{
    struct mail *waiting = atomic_load_explicit(box, memory_order_relaxed);

    do {
        oldest->next = waiting;
    } while (!atomic_compare_exchange_weak_explicit(box, &waiting, newest, memory_order_release,
                                                    memory_order_relaxed));
    return waiting == NULL;
}

void reactor_post(struct reactor *to, struct mail *m)
{
    if (push_chain(&to->mailbox, m, m))
        uv_async_send(&to->wake);
}

void reactor_send(struct reactor *from, struct reactor *to, struct mail *m)
{
    m->next = from->outbox[to->index];
    from->outbox[to->index] = m;
    from->counters.mails++;
}

static struct mail *reverse(struct mail *m)
{
    struct mail *reversed = NULL;

    while (m) {
        struct mail *next = m->next;
        m->next = reversed;
        reversed = m;
        m = next;
    }
    return reversed;
}

/* Delivers what has arrived, oldest first, and calls `after` behind each, unless it is NULL. */
static void deliver_mail(struct reactor *r, void (*after)(struct reactor *r))
{
    struct mail *m = reverse(atomic_exchange_explicit(&r->mailbox, NULL, memory_order_acquire));

    while (m) {
        struct mail *next = m->next;
        m->deliver(r, m);
        if (after)
            after(r);
        m = next;
    }
}

void reactor_hear(struct reactor *r)
{
    deliver_mail(r, NULL);
}

/* True when there was something. */
static bool post_outbox(struct reactor *r)
{
    bool posted = false;

    for (unsigned i = 0; i < r->server->reactor_count; i++) {
        struct mail *newest = r->outbox[i];
        struct mail *oldest = newest;
        if (!newest)
            continue;
        while (oldest->next)
            oldest = oldest->next;
        r->outbox[i] = NULL;
        posted = true;
        if (push_chain(&r->server->reactors[i].mailbox, newest, oldest))
            uv_async_send(&r->server->reactors[i].wake);
    }
    return posted;
}

/* ---- the store's answers ---- */

static void on_store_post(struct store_port *port, struct store_unit *unit)
{
    struct reactor *r = jb__container_of(port, struct reactor, port);
    struct store_unit *waiting = atomic_load_explicit(&r->finished, memory_order_relaxed);

    do {
        unit->next = waiting;
    } while (!atomic_compare_exchange_weak_explicit(&r->finished, &waiting, unit,
                                                    memory_order_release, memory_order_relaxed));
    if (!waiting)
        uv_async_send(&r->wake);
}

static void take_finished(struct reactor *r)
{
    struct store_unit *newest = atomic_exchange_explicit(&r->finished, NULL, memory_order_acquire);
    struct store_unit *u = NULL;

    while (newest) {
        struct store_unit *next = newest->next;
        newest->next = u;
        u = newest;
        newest = next;
    }
    while (u) {
        struct store_unit *next = u->next;
        struct custody *c = u->custody;
        u->done(u);
        if (c)
            custody_unit_back(r, c);
        u = next;
    }
    custody_unpark(r);
}

/* ---- the loop ---- */

/* The end of a tick: one post per reactor, one write per connection that has something to send, and
 * the arena is empty again.  It ends before the loop blocks, and after TICK_EVENTS (decision 54).
 * What others are told of a client (that his login failed) is told before he is; writing may have
 * something to tell, too. */
static void end_tick(struct reactor *r)
{
    post_outbox(r);
    conn_flush_dirty(r);
    post_outbox(r);
    jb__arena_reset(&r->arena);
    r->events = 0;
}

void reactor_event_done(struct reactor *r)
{
    if (++r->events >= TICK_EVENTS)
        end_tick(r);
}

void reactor_tick(struct reactor *r)
{
    r->now_ms = jb__clock_mono_ms();
    r->now_us = jb__clock_wall_us();
}

static void on_wake(uv_async_t *wake)
{
    struct reactor *r = wake->data;

    reactor_tick(r);
    take_finished(r);
    deliver_mail(r, reactor_event_done);
}

/* ---- figures ---- */

struct figures {
    struct mail mail;
    unsigned index;
    struct counters counters;
};

static void on_figures(struct reactor *r, struct mail *mail)
{
    struct figures *f = jb__container_of(mail, struct figures, mail);

    r->server->published[f->index] = f->counters;
    jb_free(alloc, f);
}

/* Tells the first reactor, which answers for all, what was counted here. */
static void publish(struct reactor *r)
{
    struct figures *f;

    if (memcmp(&r->told, &r->counters, sizeof r->told) == 0)
        return;
    f = jb_alloc(alloc, sizeof *f);
    *f = (struct figures){ .mail.deliver = on_figures, .index = r->index, .counters = r->counters };
    r->told = r->counters;
    reactor_send(r, &r->server->reactors[0], &f->mail);
    r->counters.mails = r->told.mails; /* this one does not call for another */
}

static void on_notch(uv_timer_t *timer)
{
    struct reactor *r = timer->data;

    reactor_tick(r);
    wheel_turn(&r->wheel, r->now_ms);
    custody_unpark(r);
    session_saved_go_on(r);
    publish(r);
}

static void on_flush(uv_prepare_t *prepare)
{
    end_tick(prepare->data);
}

static void init_handles(struct reactor *r)
{
    int rc = uv_loop_init(&r->loop);

    jb_assert(rc == 0);
    rc |= uv_async_init(&r->loop, &r->wake, on_wake);
    rc |= uv_prepare_init(&r->loop, &r->flush);
    rc |= uv_timer_init(&r->loop, &r->notch);
    rc |= uv_prepare_start(&r->flush, on_flush);
    rc |= uv_timer_start(&r->notch, on_notch, WHEEL_NOTCH_MS, WHEEL_NOTCH_MS);
    jb_assert(rc == 0);
    r->wake.data = r->flush.data = r->notch.data = r;
}

static void run(void *arg)
{
    struct reactor *r = arg;

    reactor_tick(r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
}

void reactor_init(struct reactor *r, struct server *server, unsigned index)
{
    *r = (struct reactor){ .server = server, .index = index, .conf = conf_ref(server->conf) };
    r->port.post = on_store_post;
    r->outbox = jb_zalloc(alloc, server->reactor_count * sizeof(struct mail *));
    r->in = jb_alloc(alloc, REACTOR_SCRATCH_BYTES);
    r->out = jb_alloc(alloc, REACTOR_SCRATCH_BYTES);
    jb__arena_init(&r->arena, alloc, ARENA_BYTES);
    jb__codec_init(&r->codec, alloc, r->conf->stream.limits.deflate_inflaters);
    jb__buf_init(&r->deflated, alloc, 2 * (size_t)r->conf->stream.limits.stanza_bytes);
    reactor_tick(r);
    wheel_init(&r->wheel, r->now_ms);
    jb__list_init(&r->conns);
    jb__list_init(&r->dirty);
    jb__table_init(&r->users, alloc);
    jb__list_init(&r->idle_users);
    jb__list_init(&r->hibernating);
    r->parked_end = &r->parked;
    init_handles(r);
}

int reactor_start(struct reactor *r)
{
    return uv_thread_create(&r->thread, run, r) == 0 ? 0 : JB_EAGAIN;
}

void reactor_stop(struct reactor *r)
{
    uv_close((uv_handle_t *)&r->wake, NULL);
    uv_close((uv_handle_t *)&r->flush, NULL);
    uv_close((uv_handle_t *)&r->notch, NULL);
}

void reactor_join(struct reactor *r)
{
    uv_thread_join(&r->thread);
}

bool reactor_drain(struct reactor *r)
{
    bool found = atomic_load(&r->mailbox) || atomic_load(&r->finished);

    take_finished(r);
    reactor_hear(r);
    found = post_outbox(r) || found; /* of the last tick, too, when that stopped the loop */
    jb__arena_reset(&r->arena);
    return found;
}

void reactor_deinit(struct reactor *r)
{
    int rc = uv_loop_close(&r->loop);

    jb_assert(rc == 0);
    session_saved_free(r);
    user_free_all(r);
    profile_free_all(r);
    conf_unref(r->conf);
    jb__table_deinit(&r->users);
    jb__codec_deinit(&r->codec);
    jb__buf_deinit(&r->deflated);
    jb__arena_deinit(&r->arena);
    jb_free(alloc, r->in);
    jb_free(alloc, r->out);
    jb_free(alloc, r->outbox);
}

void reactor_count_limit(struct reactor *r, enum jb_limit limit)
{
    r->counters.limit[limit]++;
}
