/* SPDX-License-Identifier: MIT */
/* A day of a service, compressed: who comes and goes, chats, changes presence, sits in a room.
 *
 * People are in pairs, who chat.  How many are online follows the hour: few in the early morning,
 * most in the evening.  Each worker draws who does what next; what one does in a day is in the
 * table below. Who wants to leave first lets what is under way to him and his partner arrive, so
 * that every message can be accounted for.  The first connections stay in a room, where the server
 * has rooms, all day. */
#include "cli/bench/engine.h"
#include "cli/bench/message.h"
#include "cli/bench/rooms.h"
#include "cli/cli.h"

#include <math.h>

enum kind { MIX_CHAT, MIX_PRESENCE, MIX_COME_OR_GO, MIX_SPEAK, MIX_KINDS };

/* How often a person does it in a day. */
static const double per_day[MIX_KINDS] = {
    [MIX_CHAT] = 120, [MIX_PRESENCE] = 12, [MIX_COME_OR_GO] = 8, [MIX_SPEAK] = 20
};

enum {
    REGULARS = 40, /* in the room; at most a quarter of all */
    /* Who leaves has had the last message for a while.  jabirud delivers again what a client
     * without stream management has had no time to confirm, which takes up to a second. */
    LINGER_MS = 2500,
};

struct person {
    struct message chat, speech;
    struct tally from_partner;
    uint32_t got;        /* chats from the partner */
    bool wants_to_go;    /* he and his partner send nothing until what is under way has arrived */
    uint64_t goes_at_ns; /* 0: not in the line of those who leave */
    bool is_regular;     /* in the room, and stays */
    uint32_t changes;    /* of presence */
    struct tally room[REGULARS];
};

struct mix {
    double owed[MIX_KINDS]; /* actions that are due */
    uint32_t random;
    uint32_t online, regulars;
    struct conn **leaving; /* a ring, in the order of their time */
    uint32_t leaving_at, leaving_count;
};

/* -- Who ------------------------------------------------------------------------------------- */

static struct conn *partner_of(const struct conn *c)
{
    return &c->worker->bench->conns[c->index ^ 1];
}

static uint32_t regulars(const struct bench_options *o)
{
    return o->connections / 4 < REGULARS ? o->connections / 4 : REGULARS;
}

/* xorshift: the same day each time. */
static uint32_t draw(struct mix *m, uint32_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 17;
    m->random ^= m->random << 5;
    return m->random % below;
}

/* The share of people who should be online at this part (0 to 1) of the day: a fifth at six in the
 * morning, all at six in the evening. */
static double online_share(double day)
{
    return 0.6 - 0.4 * cos((day - 0.25) * 2 * 3.14159265);
}

static void on_ready(struct conn *c)
{
    if (!c->own) {
        struct person *p = jb_zalloc(&jb_allocator_abort, sizeof *p);
        p->is_regular = c->index < regulars(&c->worker->bench->options);
        c->own = p;
    }
    if (c->worker->own)
        ((struct mix *)c->worker->own)->online++;
    message_deinit(&((struct person *)c->own)->chat); /* the partner's address is new, or ours */
    if (partner_of(c)->own)
        message_deinit(&((struct person *)partner_of(c)->own)->chat);
}

/* -- What ------------------------------------------------------------------------------------- */

static bool chats(const struct conn *c)
{
    const struct person *p = c->own;

    return c->state == CONN_READY && !p->wants_to_go;
}

static void chat(struct conn *c)
{
    struct person *p = c->own;

    if (!chats(c) || !chats(partner_of(c)))
        return;
    if (!p->chat.frame)
        message_make_chat(&p->chat, &c->worker->bench->options, partner_of(c)->jid);
    message_send(&p->chat, c, c->worker->now_ns, 1);
}

static void change_presence(struct conn *c)
{
    static const char *const shows[] = { "away", "chat", "dnd", "xa" };
    struct person *p = c->own;

    if (c->state == CONN_READY)
        conn_say(c, "<presence xmlns='jabber:client'><show>%s</show></presence>",
                 shows[p->changes++ % 4]);
}

/* Gets into the line of those who leave when nothing is under way any more. */
static void try_to_go(struct conn *c)
{
    struct person *p = c->own, *other = partner_of(c)->own;
    struct mix *m = c->worker->own;

    if (!p->wants_to_go || p->goes_at_ns || c->state != CONN_READY || p->got != other->chat.sent ||
        other->got != p->chat.sent)
        return;
    p->goes_at_ns = c->worker->now_ns + LINGER_MS * 1000000ull;
    m->leaving[(m->leaving_at + m->leaving_count++) % c->worker->conn_count] = c;
}

/* Those who have lingered leave. */
static void let_go(struct worker *w)
{
    struct mix *m = w->own;

    while (m->leaving_count > 0) {
        struct conn *c = m->leaving[m->leaving_at];
        struct person *p = c->own;
        if (p->goes_at_ns > w->now_ns)
            return;
        m->leaving_at = (m->leaving_at + 1) % w->conn_count;
        m->leaving_count--;
        p->goes_at_ns = 0;
        p->wants_to_go = false;
        conn_leave(c);
    }
}

static void come_or_go(struct conn *c)
{
    struct worker *w = c->worker;
    struct mix *m = w->own;
    struct person *p = c->own;
    double day = (double)(w->now_ns - w->clock_ns) / (w->bench->options.duration_s * 1e9);
    bool too_many = (double)m->online > online_share(day) * w->conn_count;

    if (p->is_regular)
        return;
    if (c->state == CONN_READY && too_many && !p->wants_to_go) {
        p->wants_to_go = true;
        m->online--;
        try_to_go(c);
    } else if (c->state == CONN_CLOSED && !too_many) {
        conn_want(c, w->now_ns, 0);
    }
}

static void speak(struct conn *c)
{
    struct bench *b = c->worker->bench;
    struct person *p = c->own;

    if (!p->is_regular || b->rooms.state != ROOMS_OPEN)
        return;
    if (!p->speech.frame)
        message_make_groupchat(&p->speech, &b->options, b->rooms.address);
    message_send(&p->speech, c, c->worker->now_ns, b->rooms.occupants);
}

static void on_tick(struct worker *w, uint64_t now_ns)
{
    static void (*const act[MIX_KINDS])(struct conn * c) = { chat, change_presence, come_or_go,
                                                             speak };
    struct mix *m = w->own;
    uint64_t ticks = (now_ns - w->clock_ns) / ENGINE_TICK_NS - w->due_count;
    double day_part = (double)ticks * ENGINE_TICK_NS / (w->bench->options.duration_s * 1e9);

    w->due_count += ticks;
    let_go(w);
    for (int kind = 0; kind < MIX_KINDS; kind++) {
        uint32_t people = kind == MIX_SPEAK ? m->regulars : w->conn_count;
        m->owed[kind] += per_day[kind] * people * day_part;
        while (m->owed[kind] >= 1) {
            m->owed[kind] -= 1;
            act[kind](w->conns[draw(m, people)]);
        }
    }
}

/* -- The rest --------------------------------------------------------------------------------- */

static void on_phase(struct worker *w, enum bench_phase phase)
{
    rooms_on_phase(w, phase);
    if (phase != BENCH_RUN)
        return;
    struct mix *m = jb_zalloc(&jb_allocator_abort, sizeof *m);
    m->random = 2463534242u + w->index;
    m->online = w->conn_count;
    m->leaving = jb_zalloc(&jb_allocator_abort, w->conn_count * sizeof(struct conn *));
    while (m->regulars < w->conn_count && ((struct person *)w->conns[m->regulars]->own)->is_regular)
        m->regulars++;
    w->own = m;
}

static void on_text(struct conn *c, struct jb_str text)
{
    struct worker *w = c->worker;
    struct person *p = c->own;
    struct marker m;

    if (w->phase == BENCH_FIND || w->phase == BENCH_PREPARE) {
        rooms_on_text(c, text);
    } else if (!worker_mark(c, text, &m)) {
        return;
    } else if (text.n > 0 && memmem(text.p, text.n, "groupchat", 9)) {
        if (m.sender < REGULARS)
            worker_deliver(c, &p->room[m.sender], &m);
    } else if (m.sender != (c->index ^ 1)) {
        counter_add(&w->strays, 1);
    } else {
        p->got++;
        worker_deliver(c, &p->from_partner, &m);
        try_to_go(c);
        try_to_go(partner_of(c));
    }
}

static bool on_closed(struct conn *c)
{
    return c->worker->own != NULL; /* before the day nobody goes */
}

static const char *check(const struct bench_options *o)
{
    return o->connections % 2 || o->connections < 4 ? "mix: --connections must be even, 4 or more"
                                                    : NULL;
}

static int prepare(struct bench *b)
{
    int status = rooms_prepare(b, regulars(&b->options));

    figures_add(&b->figures, (struct figure){ "rooms", "rooms (1: the server has them)", "", 0,
                                              b->rooms.state == ROOMS_OPEN });
    return status;
}

static int run(struct bench *b)
{
    int status = engine_run_traffic(b);

    if (status == CLI_OK)
        figures_add(&b->figures,
                    (struct figure){ "logins", "logins in the day", "", 0,
                                     (double)(b->to.totals.logins - b->from.totals.logins) });
    return status;
}

static void defaults(struct bench_options *o)
{
    o->connections = 500;
    o->duration_s = 60;
    o->warmup_s = 0;
}

const struct scenario scenario_mix = {
    .name = "mix",
    .words = "A day of a service, compressed: coming and going, chats, presence, a room",
    .more =
        "People chat in pairs, change presence, come and go with the hours; some sit in a room,\n"
        "where the server has rooms.  In a day each of them sends 120 chats at most (when both\n"
        "are online), 12 presences, comes or goes 8 times; who is in the room speaks 20 times.\n"
        "Who goes has had his last message for 2.5 seconds.\n\n"
        "  --connections N         people (500)\n"
        "  --duration SECONDS      of the day (60)\n\n"
        "example: jabiru bench mix --url ws://127.0.0.1:5280/xmpp-websocket --auth anonymous\\\n"
        "             --domain localhost --pid $(pidof jabirud)\n",
    .defaults = defaults,
    .check = check,
    .run = run,
    .prepare = prepare,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
    .on_tick = on_tick,
    .on_closed = on_closed,
};
