/* SPDX-License-Identifier: MIT */
#include "cli/bench/engine.h"

#include "base/assert.h"
#include "base/random.h"
#include "cli/bench/progress.h"
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, TURN_MS = 50, POLL_MS = 10, SAMPLE_MS = 200 };

static const uint64_t second_ns = 1000000000;

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec;
}

/* -- Workers ---------------------------------------------------------------------------------- */

double worker_part(const struct worker *w)
{
    return (double)w->conn_count / w->bench->options.connections;
}

/* The k-th one is due at the first tick that is not before clock + k / rate. */
static uint64_t due_at(const struct worker *w, double part, uint64_t k)
{
    double after_ns = (double)k / (w->bench->options.rate * part) * (double)second_ns;
    uint64_t ticks = (uint64_t)(after_ns / ENGINE_TICK_NS) + 1;

    return w->clock_ns + ticks * ENGINE_TICK_NS;
}

uint64_t worker_due(const struct worker *w, double part)
{
    uint64_t ticks = (w->now_ns - w->clock_ns) / ENGINE_TICK_NS;
    /* The k-th counts from when due_at() says that it is due, not a whole interval later. */
    uint64_t due = (uint64_t)ceil((double)(ticks * ENGINE_TICK_NS) / (double)second_ns *
                                  w->bench->options.rate * part);

    return due > w->due_count ? due - w->due_count : 0;
}

uint64_t worker_begin(struct worker *w, double part)
{
    return due_at(w, part, w->due_count++);
}

void worker_sent(struct worker *w, uint64_t due_ns, uint64_t deliveries)
{
    counter_add(&w->sent, 1);
    counter_add(&w->expected, deliveries);
    if (w->bench->options.rate > 0 && w->measure_ns)
        histogram_record(&w->lag, w->now_ns > due_ns ? w->now_ns - due_ns : 0);
}

bool worker_mark(struct conn *c, struct jb_str text, struct marker *m)
{
    return marker_find(text, &c->hint, m) && m->run == c->worker->bench->run;
}

void worker_deliver(struct conn *c, struct tally *t, const struct marker *m)
{
    struct worker *w = c->worker;

    switch (tally_see(t, m->serial)) {
    case TALLY_TWICE:
        counter_add(&w->twice, 1);
        return;
    case TALLY_DISORDER:
        counter_add(&w->disorder, 1);
        break;
    case TALLY_GOOD:
        break;
    }
    counter_add(&w->delivered, 1);
    if (w->measure_ns && m->due_ns >= w->measure_ns)
        histogram_record(&w->latency, w->now_ns > m->due_ns ? w->now_ns - m->due_ns : 0);
}

bool engine_gathers(const struct bench *b)
{
    /* What TLS has read ahead of us has no stamp. */
    return b->scenario->gathers && b->options.rate > 0 && !b->options.tls;
}

static void set_clock(struct worker *w, bool on)
{
    struct itimerspec spec = { 0 };

    w->gathering = on && engine_gathers(w->bench);
    w->ticked_ns = w->gathered_ns = w->now_ns;
    if (on && !w->gathering) {
        uint64_t first = w->clock_ns + ENGINE_TICK_NS;
        spec.it_interval.tv_nsec = ENGINE_TICK_NS;
        spec.it_value.tv_sec = (time_t)(first / second_ns);
        spec.it_value.tv_nsec = (long)(first % second_ns);
    }
    timerfd_settime(w->clock_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void begin_phase(struct worker *w, enum bench_phase phase)
{
    struct bench *b = w->bench;

    w->phase = phase;
    if (phase == BENCH_CONNECT)
        for (uint32_t i = 0; i < w->conn_count; i++)
            conn_want(w->conns[i], w->now_ns, 0);
    if (phase == BENCH_RUN) {
        w->clock_ns = w->now_ns;
        w->due_count = 0;
        set_clock(w, b->scenario->on_tick != NULL);
    }
    if (phase == BENCH_MEASURE)
        w->measure_ns = w->now_ns;
    if (phase == BENCH_DRAIN)
        set_clock(w, false);
    for (uint32_t i = 0; phase == BENCH_LEAVE && i < w->conn_count; i++)
        if (w->conns[i]->state == CONN_READY)
            conn_leave(w->conns[i]);
    if (b->scenario->on_phase)
        b->scenario->on_phase(w, phase);
    atomic_fetch_add(&b->at_phase, 1);
}

static void on_wake(struct worker *w)
{
    struct bench *b = w->bench;
    uint64_t count;
    unsigned serial = atomic_load(&b->phase_serial);

    if (read(w->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        bench_fail(b, CLI_IO, "a worker cannot be woken: %s", strerror(errno));
    if (serial != w->phase_serial) {
        w->phase_serial = serial;
        begin_phase(w, (enum bench_phase)atomic_load(&b->phase));
    }
}

static void on_clock(struct worker *w)
{
    uint64_t count;

    if (read(w->clock_fd, &count, sizeof count) > 0 &&
        (w->phase == BENCH_RUN || w->phase == BENCH_MEASURE))
        w->bench->scenario->on_tick(w, w->now_ns);
}

/* Returns how many things have happened. */
static int take_events(struct worker *w, int timeout_ms)
{
    static _Thread_local struct epoll_event events[EVENTS];
    int count = epoll_wait(w->epoll_fd, events, EVENTS, timeout_ms);

    w->now_ns = bench_now_ns();
    for (int i = 0; i < count; i++) {
        void *who = events[i].data.ptr;
        if (who == &w->wake_fd)
            on_wake(w);
        else if (who == &w->clock_fd)
            on_clock(w);
        else
            conn_on_event(who, events[i].events);
    }
    return count;
}

/* How far the clock of the kernel's stamps is ahead of bench_now_ns().  That one is asked last: who
 * has to wait between the two takes arrivals for later, not for earlier, than they were. */
static int64_t ahead_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)((uint64_t)t.tv_sec * second_ns + (uint64_t)t.tv_nsec - bench_now_ns());
}

/* Sleeps until the next tick, sends what is due, takes what has arrived since the last time. */
static void gather(struct worker *w)
{
    uint64_t tick = (w->ticked_ns - w->clock_ns) / ENGINE_TICK_NS + 1;
    uint64_t at_ns = w->clock_ns + tick * ENGINE_TICK_NS;
    struct timespec at = { (time_t)(at_ns / second_ns), (long)(at_ns % second_ns) };

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    w->ticked_ns = w->now_ns = bench_now_ns();
    w->ahead_ns = ahead_ns();
    w->bench->scenario->on_tick(w, w->now_ns);
    uint64_t before_ns = bench_now_ns();
    while (take_events(w, 0) == EVENTS)
        ;
    w->gathered_ns = before_ns;
}

static void *work(void *ctx)
{
    struct worker *w = ctx;
    struct bench *b = w->bench;

    /* A table of descriptors of its own: in one that is shared each call costs the kernel a locked
     * count.  Where it is not allowed, it works all the same. */
#ifndef __SANITIZE_THREAD__ /* which takes one number in two tables for one file */
    (void)unshare(CLONE_FILES);
#endif
    atomic_fetch_add(&b->at_phase, 1);
    while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {
        if (w->gathering)
            gather(w);
        else
            take_events(w, TURN_MS);
        conn_open_waiting(w);
    }
    return NULL;
}

/* -- Start and stop --------------------------------------------------------------------------- */

static bool watch(struct worker *w, int *fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = fd };

    return *fd >= 0 && epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, *fd, &ev) == 0;
}

static int start_worker(struct bench *b, unsigned index)
{
    struct worker *w = &b->workers[index];

    w->bench = b;
    w->index = index;
    w->opening_tail = &w->opening;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    w->scratch = jb_alloc(&jb_allocator_abort, ENGINE_SCRATCH_BYTES);
    w->cork = jb_alloc(&jb_allocator_abort, ENGINE_CORK_BYTES);
    if (w->epoll_fd < 0 || !watch(w, &w->wake_fd) || !watch(w, &w->clock_fd) ||
        pthread_create(&w->thread, NULL, work, w) != 0)
        return bench_fail(b, CLI_IO, "a thread cannot be started: %s", strerror(errno));
    return CLI_OK;
}

/* Neighbours are on one worker: they talk to each other. */
static void share_out(struct bench *b)
{
    uint32_t n = b->options.connections, threads = b->options.threads;

    jb_assert(threads > 0);
    for (unsigned i = 0; i < threads; i++)
        b->workers[i].conns =
            jb_zalloc(&jb_allocator_abort, (n / threads + 2) * sizeof(struct conn *));
    for (uint32_t i = 0; i < n; i++) {
        struct worker *w = &b->workers[i / 2 % threads];
        b->conns[i] = (struct conn){ .worker = w, .index = i, .fd = -1 };
        w->conns[w->conn_count++] = &b->conns[i];
    }
}

int engine_start(struct bench *b)
{
    int status = CLI_OK;

    b->workers = jb_zalloc(&jb_allocator_abort, b->options.threads * sizeof *b->workers);
    b->conns = jb_zalloc(&jb_allocator_abort, b->options.connections * sizeof *b->conns);
    b->samples = jb_zalloc(&jb_allocator_abort, BENCH_SAMPLES * sizeof *b->samples);
    share_out(b);
    b->began_ns = bench_now_ns();
    jb__random(&b->run, sizeof b->run);
    for (unsigned i = 0; status == CLI_OK && i < b->options.threads; i++)
        status = start_worker(b, i);
    /* All have their table before one opens a connection, or others would keep it open. */
    while (status == CLI_OK && atomic_load(&b->at_phase) < b->options.threads)
        usleep(100);
    return status;
}

void engine_stop(struct bench *b)
{
    atomic_store(&b->stop, true);
    for (unsigned i = 0; i < b->options.threads; i++) {
        struct worker *w = &b->workers[i];
        if (!w->thread)
            continue;
        pthread_join(w->thread, NULL);
        histogram_merge(&b->latency, &w->latency);
        histogram_merge(&b->login, &w->login);
        histogram_merge(&b->lag, &w->lag);
        histogram_merge(&b->acks, &w->acks);
    }
    progress_end(b);
}

/* -- The main thread -------------------------------------------------------------------------- */

struct totals engine_totals(const struct bench *b)
{
    struct totals sum = { 0 };

    for (unsigned i = 0; i < b->options.threads; i++) {
        const struct worker *w = &b->workers[i];
#define ADD(name) sum.name += atomic_load_explicit(&w->name, memory_order_acquire);
        WORKER_COUNTERS(ADD)
#undef ADD
    }
    return sum;
}

static void look(struct bench *b, struct mark *m, bool memory)
{
    const struct process_tree *t = &b->options.server;
    int rc = 0;

    m->server = (struct process_use){ 0 };
    if (t->root_count > 0)
        rc = memory ? process_read_memory(t, &m->server) : process_read(t, &m->server);
    if (rc != 0)
        bench_fail(b, CLI_IO, "a process of the server is gone, or not ours to look at");
    m->own_cpu_s = process_own_cpu_s();
    m->totals = engine_totals(b);
    m->at_ns = bench_now_ns();
}

void engine_mark(struct bench *b, struct mark *m)
{
    look(b, m, false);
}

void engine_mark_memory(struct bench *b, struct mark *m)
{
    look(b, m, true);
}

static void take_sample(struct bench *b)
{
    struct mark m;

    if (b->sample_count == BENCH_SAMPLES)
        return;
    look(b, &m, b->scenario == &scenario_idle);
    uint64_t kib = b->scenario == &scenario_idle ? m.server.pss_kib : m.server.rss_kib;
    b->samples[b->sample_count++] = (struct sample){
        .at_s = (double)(m.at_ns - b->began_ns) / (double)second_ns,
        .delivered = m.totals.delivered,
        .logins = m.totals.logins,
        .ready = m.totals.ready,
        .server_cpu_s = m.server.cpu_s,
        .own_cpu_s = m.own_cpu_s,
        .server_kib = kib,
    };
}

static int poll_once(struct bench *b, uint64_t ms)
{
    uint64_t now;

    if (!atomic_load(&b->failed))
        usleep((useconds_t)ms * 1000);
    now = bench_now_ns();
    if (now - b->sampled_ns >= SAMPLE_MS * 1000000ull) {
        b->sampled_ns = now;
        take_sample(b);
        progress_draw(b);
    }
    if (progress_interrupted())
        return bench_fail(b, CLI_REFUSED, "interrupted");
    return atomic_load(&b->failed) ? b->status : CLI_OK;
}

int engine_sleep(struct bench *b, uint64_t ms)
{
    uint64_t end = bench_now_ns() + ms * 1000000u;
    int status = CLI_OK;

    for (uint64_t now; status == CLI_OK && (now = bench_now_ns()) < end;) {
        uint64_t left_ms = (end - now) / 1000000 + 1;
        /* Seldom: what this thread uses counts as the load's. */
        status = poll_once(b, left_ms < SAMPLE_MS ? left_ms : SAMPLE_MS);
    }
    return status;
}

int engine_quiet(struct bench *b)
{
    uint64_t before, after = engine_totals(b).stanzas_in;
    int status;

    do {
        before = after;
        status = engine_sleep(b, ENGINE_QUIET_MS);
        after = engine_totals(b).stanzas_in;
    } while (status == CLI_OK && after != before);
    return status;
}

int engine_enter(struct bench *b, enum bench_phase phase, const char *doing)
{
    static const uint64_t one = 1;

    b->doing = doing;
    atomic_store(&b->at_phase, 0);
    atomic_store(&b->phase, (int)phase);
    atomic_fetch_add(&b->phase_serial, 1);
    for (unsigned i = 0; i < b->options.threads; i++)
        if (write(b->workers[i].wake_fd, &one, sizeof one) < 0)
            return bench_fail(b, CLI_IO, "a worker cannot be woken: %s", strerror(errno));
    while (atomic_load(&b->at_phase) < b->options.threads) {
        if (atomic_load(&b->failed))
            return b->status;
        usleep(100);
    }
    return CLI_OK;
}

/* What the first connection waits for that is not logged in; NULL: none does. */
static const char *awaited(const struct bench *b)
{
    for (uint32_t i = 0; i < b->options.connections; i++)
        if (b->conns[i].awaits)
            return b->conns[i].awaits;
    return NULL;
}

static int give_up(struct bench *b, const char *what, uint64_t value, uint64_t goal)
{
    const char *words = awaited(b);

    return bench_fail(b, CLI_REFUSED, "%s: %lu of %lu, and no more for %.0f s%s%s", what,
                      (unsigned long)value, (unsigned long)goal, b->options.timeout_s,
                      words ? "; one awaits " : "", words ? words : "");
}

int engine_await(struct bench *b, enum engine_counter counter, uint64_t goal, const char *what)
{
    uint64_t last = 0, moved_ns = bench_now_ns();

    for (;;) {
        struct totals t = engine_totals(b);
        uint64_t value = counter == ENGINE_READY ? t.ready : t.prepared;
        if (value >= goal)
            return CLI_OK;
        int status = poll_once(b, POLL_MS);
        if (status != CLI_OK)
            return status;
        if (value != last)
            moved_ns = bench_now_ns();
        last = value;
        if ((double)(bench_now_ns() - moved_ns) > b->options.timeout_s * (double)second_ns)
            return give_up(b, what, value, goal);
    }
}

int engine_connect(struct bench *b)
{
    int status = engine_enter(b, BENCH_CONNECT, "logging in");

    return status == CLI_OK ? engine_await(b, ENGINE_READY, b->options.connections,
                                           "connections that are logged in")
                            : status;
}

int engine_leave(struct bench *b)
{
    int status = engine_enter(b, BENCH_LEAVE, "leaving");
    const uint64_t end = bench_now_ns() + (uint64_t)(b->options.timeout_s * (double)second_ns);

    while (status == CLI_OK && engine_totals(b).ready > 0 && bench_now_ns() < end)
        status = poll_once(b, POLL_MS);
    return status;
}
