/* SPDX-License-Identifier: MIT */
/* Everybody has contacts; who changes his presence tells them all. */
#include "cli/bench/engine.h"
#include "cli/bench/login.h"
#include "cli/bench/message.h"
#include "cli/cli.h"

#include <stdio.h>

struct person {
    struct message message;
    uint32_t asked;         /* contacts who have not let us see them yet, in BENCH_PREPARE */
    struct tally tallies[]; /* of what each contact tells, see slot_of() */
};

static void on_ready(struct conn *c)
{
    const struct bench_options *o = &c->worker->bench->options;

    if (!c->own)
        c->own = jb_zalloc(&jb_allocator_abort,
                           sizeof(struct person) + o->contacts * sizeof(struct tally));
}

/* -- Contacts: the neighbours in a ring of all accounts, half of them on each side ------------ */

enum { NO_SLOT = UINT32_MAX };

static uint32_t slot_of(const struct bench_options *o, uint32_t me, uint32_t other)
{
    uint32_t right = (other + o->connections - me) % o->connections;
    uint32_t left = o->connections - right;

    if (right >= 1 && right <= o->contacts / 2)
        return right - 1;
    if (right >= 1 && left <= o->contacts / 2)
        return o->contacts / 2 + left - 1;
    return NO_SLOT;
}

/* Whether we see him already, by the roster. */
static bool sees(struct jb_str roster, const char *jid)
{
    char quoted[600];
    struct jb_str item, rest;

    for (const char *quote = "'\""; *quote; quote++) {
        int n = snprintf(quoted, sizeof quoted, "%c%s%c", *quote, jid, *quote);
        const char *p = memmem(roster.p, roster.n, quoted, (size_t)n);
        if (!p)
            continue;
        while (p > roster.p && *p != '<')
            p--; /* attributes come in any order */
        jb_str_cut(jb_str_from(roster, (size_t)(p - roster.p)), '>', &item, &rest);
        struct jb_str state = text_attribute(item, "subscription");
        return jb_str_eqz(state, "both") || jb_str_eqz(state, "to");
    }
    return false;
}

static void ask_contact(struct conn *c, struct jb_str roster, uint32_t other)
{
    const struct bench_options *o = &c->worker->bench->options;
    char user[256], jid[520];

    login_user(o, other, user, sizeof user);
    snprintf(jid, sizeof jid, "%s@%s", user, o->domain);
    if (sees(roster, jid))
        return;
    ((struct person *)c->own)->asked++;
    conn_say(c, "<presence xmlns='jabber:client' type='subscribe' to='%s'/>", jid);
}

static void ask_contacts(struct conn *c, struct jb_str roster)
{
    const struct bench_options *o = &c->worker->bench->options;

    for (uint32_t i = 1; i <= o->contacts / 2; i++) {
        ask_contact(c, roster, (c->index + i) % o->connections);
        ask_contact(c, roster, (c->index + o->connections - i) % o->connections);
    }
}

/* Asks the next of the worker's people for his roster. */
static void prepare_next(struct worker *w)
{
    if (w->turn < w->conn_count)
        conn_say(w->conns[w->turn++], "<iq xmlns='jabber:client' type='get' id='contacts'>"
                                      "<query xmlns='jabber:iq:roster'/></iq>");
}

static void prepared(struct conn *c)
{
    counter_add(&c->worker->prepared, 1);
    prepare_next(c->worker);
}

static void prepare_on_text(struct conn *c, struct jb_str text)
{
    struct person *me = c->own;
    struct jb_str type = text_attribute(text, "type"), from = text_attribute(text, "from");

    if (jb_str_starts(text, JB_STR("<iq")) && jb_str_eqz(text_attribute(text, "id"), "contacts")) {
        ask_contacts(c, text);
        if (me->asked == 0)
            prepared(c);
    } else if (!jb_str_starts(text, JB_STR("<presence"))) {
        return;
    } else if (jb_str_eqz(type, "subscribe")) {
        conn_say(c, "<presence xmlns='jabber:client' type='subscribed' to='%.*s'/>",
                 JB_STR_ARG(from));
    } else if (jb_str_eqz(type, "subscribed") && me->asked > 0) {
        if (--me->asked == 0)
            prepared(c);
    }
}

/* -- Traffic ---------------------------------------------------------------------------------- */

static void on_phase(struct worker *w, enum bench_phase phase)
{
    if (phase == BENCH_PREPARE) {
        w->turn = 0;
        prepare_next(w);
    }
    for (uint32_t i = 0; phase == BENCH_RUN && i < w->conn_count; i++)
        message_make_presence(&((struct person *)w->conns[i]->own)->message);
}

static void on_text(struct conn *c, struct jb_str text)
{
    struct worker *w = c->worker;
    struct person *me = c->own;
    struct marker m;

    if (w->phase == BENCH_PREPARE) {
        prepare_on_text(c, text);
        return;
    }
    /* Servers may tell us of ourselves, too. */
    if (!worker_mark(c, text, &m) || m.sender == c->index)
        return;
    uint32_t slot = slot_of(&w->bench->options, c->index, m.sender);
    if (slot == NO_SLOT)
        counter_add(&w->strays, 1);
    else
        worker_deliver(c, &me->tallies[slot], &m);
}

static void on_tick(struct worker *w, uint64_t now_ns)
{
    double part = worker_part(w);

    (void)now_ns;
    for (uint64_t n = worker_due(w, part); n > 0; n--) {
        struct conn *c = w->conns[w->turn++ % w->conn_count];
        struct person *me = c->own;
        message_send(&me->message, c, worker_begin(w, part), w->bench->options.contacts);
    }
}

static const char *check(const struct bench_options *o)
{
    if (o->contacts == 0 || o->contacts % 2 || o->contacts >= o->connections)
        return "presence: --contacts must be even, and fewer than --connections";
    if (o->login < BENCH_PLAIN)
        return "presence: contacts need accounts (--auth, --users)";
    return o->rate > 0 ? NULL : "presence: needs a --rate";
}

static int prepare(struct bench *b)
{
    int status = engine_enter(b, BENCH_PREPARE, "making contacts");

    if (status == CLI_OK)
        status = engine_await(b, ENGINE_PREPARED, b->options.connections,
                              "people who have their contacts");
    return status == CLI_OK ? engine_quiet(b) : status;
}

static void defaults(struct bench_options *o)
{
    o->rate = 100;
}

const struct scenario scenario_presence = {
    .name = "presence",
    .words = "Everybody has contacts, who see each change of presence",
    .more =
        "Accounts are in a ring, each has its neighbours as contacts, both ways; subscriptions\n"
        "that are not there are made before the measurement, and stay.  A change that 20\n"
        "contacts see counts as 20 messages.\n\n"
        "  --contacts N            of each account; even (20)\n"
        "  --rate N                changes of presence a second, of all (100)\n\n"
        "example: jabiru bench presence --url ws://127.0.0.1:5280/xmpp-websocket\\\n"
        "             --domain localhost --users 'user#' --password-file secret\\\n"
        "             --connections 200 --contacts 20 --rate 200\n",
    .defaults = defaults,
    .check = check,
    .run = engine_run_traffic,
    .prepare = prepare,
    .on_phase = on_phase,
    .on_ready = on_ready,
    .on_text = on_text,
    .on_tick = on_tick,
};
