/* SPDX-License-Identifier: MIT */
/* Connections 2k and 2k+1 send each other chat messages. */
#include "cli/bench/engine.h"
#include "cli/bench/message.h"
#include "cli/cli.h"

struct talker {
    struct message message;
    struct tally tally; /* of what the partner sends */
};

static struct conn *partner_of(struct conn *c)
{
    return &c->worker->bench->conns[c->index ^ 1];
}

static void on_ready(struct conn *c)
{
    if (!c->own)
        c->own = jb_zalloc(&jb_allocator_abort, sizeof(struct talker));
}

static void send_one(struct conn *c, uint64_t due_ns)
{
    struct talker *t = c->own;

    message_send(&t->message, c, due_ns, 1);
}

static void begin(struct worker *w)
{
    const struct bench_options *o = &w->bench->options;

    for (uint32_t i = 0; i < w->conn_count; i++) {
        struct talker *t = w->conns[i]->own;
        const char *to = partner_of(w->conns[i])->jid;
        message_make_chat(&t->message, o, to ? to : "nobody@example.org/raw");
    }
    if (o->rate > 0)
        return;
    for (uint32_t i = 0; i < w->conn_count; i += 2)
        for (uint32_t k = 0; k < o->window; k++)
            send_one(w->conns[i], w->now_ns);
}

static void on_phase(struct worker *w, enum bench_phase phase)
{
    if (phase == BENCH_RUN)
        begin(w);
}

static void on_text(struct conn *c, struct jb_str text)
{
    struct worker *w = c->worker;
    struct marker m;

    if (!worker_mark(c, text, &m))
        return;
    if (m.sender != (c->index ^ 1)) {
        counter_add(&w->strays, 1);
        return;
    }
    worker_deliver(c, &((struct talker *)c->own)->tally, &m);
    if (w->bench->options.rate == 0 && w->phase != BENCH_DRAIN)
        send_one(c, w->now_ns);
}

static void on_tick(struct worker *w, uint64_t now_ns)
{
    double part = worker_part(w);

    (void)now_ns;
    if (w->bench->options.rate == 0)
        return;
    for (uint64_t n = worker_due(w, part); n > 0; n--)
        send_one(w->conns[w->turn++ % w->conn_count], worker_begin(w, part));
}

static const char *check(const struct bench_options *o)
{
    return o->connections % 2 ? "pairs: --connections must be even" : NULL;
}

static void defaults(struct bench_options *o)
{
    o->rate = 0;
}

const struct scenario scenario_pairs = {
    .name = "pairs",
    .words = "Connections two by two send each other chat messages",
    .more =
        "Without --rate in a closed loop: at any time --window messages of a pair are under way,\n"
        "whoever gets one sends one; this shows the most that a server can do.  With --rate in an\n"
        "open loop: so many messages a second are due in all, whatever the server does, and\n"
        "latency counts from when a message was due, not from when it could be sent, until the\n"
        "kernel got it for the other one (over TLS: until it was read).\n\n"
        "  --rate N                messages a second in all (closed loop)\n"
        "  --window N              closed loop: messages under way in a pair (1)\n"
        "  --bytes N               of a message (338)\n\n"
        "example: jabiru bench pairs --url ws://127.0.0.1:5280/xmpp-websocket --auth anonymous\\\n"
        "             --domain localhost --connections 1000 --rate 5000 --pid $(pidof jabirud)\n",
    .gathers = true,
    .defaults = defaults,
    .check = check,
    .run = engine_run_traffic,
    .prepare = engine_quiet,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
    .on_tick = on_tick,
};
