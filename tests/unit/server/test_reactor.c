/* SPDX-License-Identifier: MIT */
/* Mailboxes: reactors that post to each other and to themselves, and threads that are none.  Order
 * holds per sender, one wake-up is enough for whatever waits, and nothing is left at the end. Worth
 * most under the thread sanitizer. */
#include "test.h"
#include "base/alloc.h"
#include "core/limits.h"
#include "server/server.h"

#include <dlfcn.h>
#include <pthread.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* ---- every wake-up is counted ---- */

static _Atomic unsigned wakeups;

/* Stands before libuv's own. */
int uv_async_send(uv_async_t *handle)
{
    static int (*real)(uv_async_t * handle);
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&once);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "uv_async_send");
    pthread_mutex_unlock(&once);
    wakeups++;
    return real(handle);
}

/* ---- a server of reactors alone ---- */

enum { MOST = 4 };

static struct conf conf;
static struct server server;

static void make_server(unsigned reactors)
{
    conf = (struct conf){ .refs = 1 };
    conf.stream.limits = jb_limits_default;
    server = (struct server){ .conf = &conf, .reactor_count = reactors };
    server.reactors = jb_zalloc(alloc, reactors * sizeof *server.reactors);
    server.published = jb_zalloc(alloc, reactors * sizeof *server.published);
    for (unsigned i = 0; i < reactors; i++)
        reactor_init(&server.reactors[i], &server, i);
    wakeups = 0;
}

static void start_all(void)
{
    for (unsigned i = 0; i < server.reactor_count; i++)
        assert_int_equal(reactor_start(&server.reactors[i]), 0);
}

static void on_stop(struct reactor *r, struct mail *m)
{
    jb_free(alloc, m);
    reactor_stop(r);
}

static void post_stop(struct reactor *r)
{
    struct mail *m = jb_alloc(alloc, sizeof *m);

    m->deliver = on_stop;
    reactor_post(r, m);
}

static void stop_all(void)
{
    for (unsigned i = 0; i < server.reactor_count; i++)
        post_stop(&server.reactors[i]);
}

static void join_all(void)
{
    for (unsigned i = 0; i < server.reactor_count; i++)
        reactor_join(&server.reactors[i]);
}

/* As boot.c does it. */
static void drain_all(void)
{
    bool found;

    do {
        found = false;
        for (unsigned i = 0; i < server.reactor_count; i++)
            found = reactor_drain(&server.reactors[i]) || found;
    } while (found);
}

static void free_server(void)
{
    for (unsigned i = 0; i < server.reactor_count; i++)
        reactor_deinit(&server.reactors[i]);
    assert_int_equal(conf.refs, 1);
    jb_free(alloc, server.reactors);
    jb_free(alloc, server.published);
}

static void wait_for(_Atomic unsigned *value, unsigned wanted)
{
    while (atomic_load(value) != wanted)
        uv_sleep(1);
}

/* ---- order ---- */

struct numbered {
    struct mail mail;
    unsigned from;
    unsigned number;
};

/* Of each reactor, touched by itself alone: the last number of each sender. */
static unsigned seen[MOST][MOST + 1];
static _Atomic unsigned arrived, out_of_order;

static void on_numbered(struct reactor *r, struct mail *m)
{
    struct numbered *n = jb__container_of(m, struct numbered, mail);

    if (n->number != seen[r->index][n->from] + 1)
        out_of_order++;
    seen[r->index][n->from] = n->number;
    jb_free(alloc, n);
    arrived++;
}

static struct mail *number(unsigned from, unsigned n)
{
    struct numbered *m = jb_alloc(alloc, sizeof *m);

    *m = (struct numbered){ .mail.deliver = on_numbered, .from = from, .number = n };
    return &m->mail;
}

/* Sends a few to everybody, tick after tick. */
struct driver {
    struct mail mail;
    unsigned sent;
    unsigned rounds;
    unsigned a_round;
};

static void on_driver(struct reactor *r, struct mail *m)
{
    struct driver *d = jb__container_of(m, struct driver, mail);

    for (unsigned i = 0; i < d->a_round; i++) {
        d->sent++;
        for (unsigned to = 0; to < server.reactor_count; to++)
            reactor_send(r, &server.reactors[to], number(r->index, d->sent));
    }
    if (--d->rounds > 0)
        reactor_send(r, r, &d->mail);
    else
        jb_free(alloc, d);
}

struct poster {
    pthread_t thread;
    unsigned to;
    unsigned count;
};

static void *post_many(void *arg)
{
    const struct poster *p = arg;

    for (unsigned n = 1; n <= p->count; n++)
        reactor_post(&server.reactors[p->to], number(MOST, n));
    return NULL;
}

static void test_order(void **state)
{
    enum { ROUNDS = 400, A_ROUND = 5, POSTED = 2000 };
    struct poster posters[MOST];

    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(MOST);
    start_all();
    for (unsigned i = 0; i < MOST; i++) {
        struct driver *d = jb_alloc(alloc, sizeof *d);
        *d = (struct driver){ .mail.deliver = on_driver, .rounds = ROUNDS, .a_round = A_ROUND };
        reactor_post(&server.reactors[i], &d->mail);
        posters[i] = (struct poster){ .to = i, .count = POSTED };
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    for (unsigned i = 0; i < MOST; i++)
        pthread_join(posters[i].thread, NULL);
    wait_for(&arrived, MOST * (MOST * ROUNDS * A_ROUND + POSTED));
    stop_all();
    join_all();
    drain_all();
    assert_int_equal(out_of_order, 0);
    for (unsigned i = 0; i < MOST; i++) {
        for (unsigned from = 0; from < MOST; from++)
            assert_int_equal(seen[i][from], ROUNDS * A_ROUND);
        assert_int_equal(seen[i][MOST], POSTED);
    }
    free_server();
}

/* ---- wake-ups ---- */

static void test_one_wakeup_for_many(void **state)
{
    enum { COUNT = 1000 };

    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(1);
    for (unsigned n = 1; n <= COUNT; n++)
        reactor_post(&server.reactors[0], number(0, n));
    assert_int_equal(wakeups, 1);
    start_all();
    wait_for(&arrived, COUNT);
    assert_int_equal(out_of_order, 0);
    stop_all();
    join_all();
    free_server();
}

static void on_burst(struct reactor *r, struct mail *m)
{
    for (unsigned n = 1; n <= 1000; n++)
        reactor_send(r, &server.reactors[1], number(r->index, n));
    jb_free(alloc, m);
}

/* What a tick collects for another reactor is one post. */
static void test_one_post_a_tick(void **state)
{
    struct mail *m = jb_alloc(alloc, sizeof *m);

    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(2);
    m->deliver = on_burst;
    reactor_post(&server.reactors[0], m);
    start_all();
    wait_for(&arrived, 1000);
    stop_all();
    join_all();
    drain_all();
    /* One for the burst's mail, one for the burst, one for each stop; and what tells figures. */
    assert_in_range(wakeups, 4, 12);
    assert_int_equal(out_of_order, 0);
    free_server();
}

/* ---- the clock ---- */

static _Atomic unsigned fired;

static void on_timer(struct timer *t)
{
    (void)t;
    fired++;
}

static struct timer alarm_timer;

static void on_set_alarm(struct reactor *r, struct mail *m)
{
    jb_free(alloc, m);
    timer_init(&alarm_timer, on_timer);
    timer_set(&r->wheel, &alarm_timer, r->now_ms + 20);
}

static void test_wheel_turns(void **state)
{
    struct mail *m = jb_alloc(alloc, sizeof *m);

    (void)state;
    fired = 0;
    make_server(1);
    m->deliver = on_set_alarm;
    reactor_post(&server.reactors[0], m);
    start_all();
    wait_for(&fired, 1);
    stop_all();
    join_all();
    free_server();
}

/* ---- the store's answers take the same way ---- */

struct answer {
    struct store_unit unit;
    unsigned number;
};

static unsigned last_answer;

static void on_answer(struct store_unit *u)
{
    struct answer *a = jb__container_of(u, struct answer, unit);

    if (a->number != last_answer + 1)
        out_of_order++;
    last_answer = a->number;
    jb_free(alloc, a);
    arrived++;
}

static void *answer_many(void *arg)
{
    struct store_port *port = arg;

    for (unsigned n = 1; n <= 2000; n++) {
        struct answer *a = jb_zalloc(alloc, sizeof *a);
        a->unit.done = on_answer;
        a->number = n;
        port->post(port, &a->unit);
    }
    return NULL;
}

static void test_store_port(void **state)
{
    pthread_t worker;

    (void)state;
    arrived = out_of_order = last_answer = 0;
    make_server(1);
    start_all();
    assert_int_equal(pthread_create(&worker, NULL, answer_many, &server.reactors[0].port), 0);
    pthread_join(worker, NULL);
    stop_all();
    join_all();
    drain_all(); /* what came after the stop */
    assert_int_equal(arrived, 2000);
    assert_int_equal(out_of_order, 0);
    free_server();
}

/* ---- the end ---- */

static void test_mail_after_stop(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(2);
    start_all();
    stop_all();
    join_all();
    for (unsigned n = 1; n <= 100; n++)
        reactor_post(&server.reactors[1], number(0, n));
    assert_int_equal(arrived, 0);
    drain_all();
    assert_int_equal(arrived, 100);
    assert_int_equal(out_of_order, 0);
    free_server();
}

/* The last tick of a reactor: it stops, and sends. */
static void on_stop_and_send(struct reactor *r, struct mail *m)
{
    jb_free(alloc, m);
    reactor_stop(r);
    for (unsigned to = 0; to < server.reactor_count; to++)
        reactor_send(r, &server.reactors[to], number(r->index, 1));
}

static void test_mail_of_last_tick(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(MOST);
    start_all();
    for (unsigned i = 0; i < MOST; i++) {
        struct mail *m = jb_alloc(alloc, sizeof *m);
        m->deliver = on_stop_and_send;
        reactor_post(&server.reactors[i], m);
    }
    join_all();
    drain_all();
    assert_int_equal(arrived, MOST * MOST);
    assert_int_equal(out_of_order, 0);
    free_server();
}

static void on_stop_and_send_down(struct reactor *r, struct mail *m)
{
    jb_free(alloc, m);
    reactor_stop(r);
    reactor_send(r, &server.reactors[0], number(r->index, 1));
}

/* The same where nothing else waits anywhere. */
static void test_lone_mail_of_last_tick(void **state)
{
    struct mail *m = jb_alloc(alloc, sizeof *m);

    (void)state;
    memset(seen, 0, sizeof seen);
    arrived = out_of_order = 0;
    make_server(2);
    start_all();
    post_stop(&server.reactors[0]);
    m->deliver = on_stop_and_send_down;
    reactor_post(&server.reactors[1], m);
    join_all();
    drain_all();
    assert_int_equal(arrived, 1);
    free_server();
}

/* Mail whose delivery sends mail, round after round, while all is being taken down. */
static void on_hop(struct reactor *r, struct mail *m)
{
    struct driver *d = jb__container_of(m, struct driver, mail);

    if (d->rounds-- == 0) {
        jb_free(alloc, d);
        arrived++;
        return;
    }
    /* Downwards, so that each pass over the reactors comes too late for it. */
    unsigned to = (r->index + server.reactor_count - 1) % server.reactor_count;
    reactor_send(r, &server.reactors[to], &d->mail);
}

static void test_drain_follows_mail(void **state)
{
    struct driver *d = jb_alloc(alloc, sizeof *d);

    (void)state;
    arrived = 0;
    make_server(MOST);
    start_all();
    stop_all();
    join_all();
    *d = (struct driver){ .mail.deliver = on_hop, .rounds = 50 };
    reactor_post(&server.reactors[MOST - 1], &d->mail);
    drain_all();
    assert_int_equal(arrived, 1);
    free_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_one_wakeup_for_many),
        cmocka_unit_test(test_one_post_a_tick),
        cmocka_unit_test(test_wheel_turns),
        cmocka_unit_test(test_store_port),
        cmocka_unit_test(test_mail_after_stop),
        cmocka_unit_test(test_mail_of_last_tick),
        cmocka_unit_test(test_lone_mail_of_last_tick),
        cmocka_unit_test(test_drain_follows_mail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
