/* SPDX-License-Identifier: MIT */
/* All connections are cut at once, as when a router restarts, and come back at once. */
#include "cli/bench/engine.h"
#include "cli/cli.h"

static void on_ready(struct conn *c)
{
    (void)c;
}

static void on_text(struct conn *c, struct jb_str text)
{
    (void)c;
    (void)text;
}

static void on_phase(struct worker *w, enum bench_phase phase)
{
    if (phase != BENCH_CUT)
        return;
    memset(&w->login, 0, sizeof w->login); /* only those of the storm count */
    for (uint32_t i = 0; i < w->conn_count; i++)
        conn_cut(w->conns[i]);
    for (uint32_t i = 0; i < w->conn_count; i++)
        conn_want(w->conns[i], w->now_ns, 0);
}

static int run(struct bench *b)
{
    int status = engine_connect(b);
    if (status == CLI_OK)
        status = engine_quiet(b);
    if (status != CLI_OK)
        return status;
    engine_mark(b, &b->from);
    status = engine_enter(b, BENCH_CUT, "all cut, coming back");
    if (status == CLI_OK)
        status = engine_await(b, ENGINE_READY, b->options.connections, "sessions that are back");
    engine_mark(b, &b->to);
    if (status != CLI_OK)
        return status;
    figures_add(&b->figures, (struct figure){ "sessions", "sessions cut", "", 0,
                                              (double)b->options.connections });
    figures_add(&b->figures, (struct figure){ "back_s", "until all were back", "s", 2,
                                              (double)(b->to.at_ns - b->from.at_ns) / 1e9 });
    engine_login_figures(b, &b->from, &b->to);
    return CLI_OK;
}

static void defaults(struct bench_options *o)
{
    o->connections = 1000;
    o->timeout_s = 60;
}

const struct scenario scenario_storm = {
    .name = "storm",
    .words = "All connections are cut at once and come back at once",
    .more =
        "The time until the last one is back, and of each its time since the cut.  A connection\n"
        "that the server refuses is tried again after half a second.\n\n"
        "example: jabiru bench storm --url ws://127.0.0.1:5280/xmpp-websocket --auth anonymous\\\n"
        "             --domain localhost --connections 5000 --pid $(pidof jabirud)\n",
    .retries = true,
    .defaults = defaults,
    .run = run,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
};
