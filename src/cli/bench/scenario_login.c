/* SPDX-License-Identifier: MIT */
/* Log in, log out, and again. */
#include "cli/bench/engine.h"
#include "cli/cli.h"

/* Of a worker: connections that wait until a login is due (open loop). */
struct free_list {
    struct conn **conns;
    uint32_t count;
};

static void on_ready(struct conn *c)
{
    if (c->worker->phase == BENCH_RUN || c->worker->phase == BENCH_MEASURE)
        conn_leave(c);
}

static void on_text(struct conn *c, struct jb_str text)
{
    (void)c;
    (void)text;
}

static bool on_closed(struct conn *c)
{
    struct worker *w = c->worker;
    struct free_list *free_list = w->own;

    if (!free_list) /* the run has not begun: nobody has said goodbye */
        return false;
    if (w->phase == BENCH_DRAIN)
        return true;
    if (w->bench->options.rate == 0)
        conn_want(c, w->now_ns, 0);
    else
        free_list->conns[free_list->count++] = c;
    return true;
}

static void on_phase(struct worker *w, enum bench_phase phase)
{
    if (phase == BENCH_RUN) {
        struct free_list *free_list = jb_zalloc(&jb_allocator_abort, sizeof *free_list);
        free_list->conns =
            jb_zalloc(&jb_allocator_abort, (w->conn_count + 1) * sizeof(struct conn *));
        w->own = free_list;
        for (uint32_t i = 0; i < w->conn_count; i++)
            conn_leave(w->conns[i]);
    }
    if (phase == BENCH_MEASURE) /* the first logins, which hash passwords, do not count */
        memset(&w->login, 0, sizeof w->login);
}

static void on_tick(struct worker *w, uint64_t now_ns)
{
    struct free_list *free_list = w->own;
    double part = worker_part(w);

    (void)now_ns;
    if (w->bench->options.rate == 0)
        return;
    /* What is due while all connections are busy is begun later, and counts from when it was due.
     */
    for (uint64_t n = worker_due(w, part); n > 0 && free_list->count > 0; n--)
        conn_want(free_list->conns[--free_list->count], worker_begin(w, part), 0);
}

static int run(struct bench *b)
{
    int status = engine_connect(b);

    if (status == CLI_OK)
        status = engine_enter(b, BENCH_RUN, "warming up");
    if (status == CLI_OK)
        status = engine_sleep(b, (uint64_t)(b->options.warmup_s * 1000));
    if (status == CLI_OK)
        status = engine_enter(b, BENCH_MEASURE, "measuring");
    engine_mark(b, &b->from);
    if (status == CLI_OK)
        status = engine_sleep(b, (uint64_t)(b->options.duration_s * 1000));
    engine_mark(b, &b->to);
    if (status == CLI_OK)
        status = engine_enter(b, BENCH_DRAIN, "ending");
    if (status != CLI_OK)
        return status;
    engine_login_figures(b, &b->from, &b->to);
    return b->to.totals.logins > b->from.totals.logins
               ? CLI_OK
               : bench_fail(b, CLI_REFUSED, "no login was done");
}

static void defaults(struct bench_options *o)
{
    o->connections = 64;
}

const struct scenario scenario_login = {
    .name = "login",
    .words = "Sessions log in, log out, and log in again",
    .more =
        "A login is: connect, TLS where asked for, upgrade, stream, SASL, resource, roster, first\n"
        "presence.  Each connection has an account of its own.  Passwords are hashed once for\n"
        "each account, before the measurement, as clients do.\n\n"
        "  --connections N         logins at once, at most (64)\n"
        "  --rate N                logins a second that are due (as many as go)\n\n"
        "example: jabiru bench login --url wss://127.0.0.1:5281/xmpp-websocket --insecure\\\n"
        "             --domain localhost --users 'user#' --password-file secret\\\n"
        "             --auth scram-sha-256 --pid $(pidof jabirud)\n",
    .retries = true,
    .defaults = defaults,
    .run = run,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
    .on_tick = on_tick,
    .on_closed = on_closed,
};
