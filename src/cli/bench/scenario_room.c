/* SPDX-License-Identifier: MIT */
/* One room (XEP-0045), everybody in it, some speak. */
#include "cli/bench/engine.h"
#include "cli/bench/message.h"
#include "cli/bench/rooms.h"
#include "cli/cli.h"

struct occupant {
    struct message message;
    struct tally tallies[]; /* of what each of the speakers says */
};

static uint32_t speakers(const struct bench_options *o)
{
    return o->senders < o->connections ? o->senders : o->connections;
}

static void on_ready(struct conn *c)
{
    const struct bench_options *o = &c->worker->bench->options;

    if (!c->own)
        c->own = jb_zalloc(&jb_allocator_abort,
                           sizeof(struct occupant) + speakers(o) * sizeof(struct tally));
}

static void speak(struct conn *c, uint64_t due_ns)
{
    struct occupant *me = c->own;

    message_send(&me->message, c, due_ns, c->worker->bench->options.connections);
}

static bool is_speaker(const struct conn *c)
{
    return c->index < speakers(&c->worker->bench->options);
}

static void begin(struct worker *w)
{
    struct bench *b = w->bench;

    for (uint32_t i = 0; i < w->conn_count && is_speaker(w->conns[i]); i++) {
        struct occupant *me = w->conns[i]->own;
        message_make_groupchat(&me->message, &b->options, b->rooms.address);
        if (b->options.rate == 0)
            speak(w->conns[i], w->now_ns);
    }
}

static void on_phase(struct worker *w, enum bench_phase phase)
{
    rooms_on_phase(w, phase);
    if (phase == BENCH_RUN)
        begin(w);
}

static void on_text(struct conn *c, struct jb_str text)
{
    struct worker *w = c->worker;
    struct occupant *me = c->own;
    struct marker m;

    if (w->phase == BENCH_FIND || w->phase == BENCH_PREPARE) {
        rooms_on_text(c, text);
        return;
    }
    if (!worker_mark(c, text, &m))
        return;
    if (m.sender >= speakers(&w->bench->options)) {
        counter_add(&w->strays, 1);
        return;
    }
    worker_deliver(c, &me->tallies[m.sender], &m);
    if (m.sender == c->index && w->bench->options.rate == 0 && w->phase != BENCH_DRAIN)
        speak(c, w->now_ns);
}

static void on_tick(struct worker *w, uint64_t now_ns)
{
    const struct bench_options *o = &w->bench->options;
    uint32_t mine = 0;

    (void)now_ns;
    while (mine < w->conn_count && is_speaker(w->conns[mine]))
        mine++;
    double part = (double)mine / speakers(o);
    if (o->rate == 0 || mine == 0)
        return;
    for (uint64_t n = worker_due(w, part); n > 0; n--)
        speak(w->conns[w->turn++ % mine], worker_begin(w, part));
}

static const char *check(const struct bench_options *o)
{
    return o->senders == 0 ? "room: somebody must speak (--senders)" : NULL;
}

static int prepare(struct bench *b)
{
    int status = rooms_prepare(b, b->options.connections);

    if (status == CLI_OK && b->rooms.state == ROOMS_NONE)
        status = bench_fail(b, CLI_REFUSED,
                            "the server has no rooms: none of the items of %s is a service of them "
                            "(XEP-0045); --rooms DOMAIN names one",
                            b->options.domain);
    return status;
}

static void defaults(struct bench_options *o)
{
    o->rate = 50;
    o->senders = 10;
}

const struct scenario scenario_room = {
    .name = "room",
    .words = "Everybody is in one room (XEP-0045), some speak",
    .more =
        "Each message must come to each occupant once and in order, also back to the speaker.\n"
        "A message delivered to 100 occupants counts as 100.\n\n"
        "  --connections N         occupants (100)\n"
        "  --senders N             of them speak (10)\n"
        "  --rate N                messages a second of all speakers (50); 0: a closed loop, each\n"
        "                          speaks again when it hears itself\n"
        "  --rooms DOMAIN          where rooms are (asked from the server)\n\n"
        "example: jabiru bench room --url ws://127.0.0.1:5443/ws --domain localhost\\\n"
        "             --users 'user#' --password-file secret --connections 200 --rate 20\n",
    .defaults = defaults,
    .check = check,
    .run = engine_run_traffic,
    .prepare = prepare,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
    .on_tick = on_tick,
};
