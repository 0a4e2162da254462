/* SPDX-License-Identifier: MIT */
#include "cli/bench/rooms.h"

#include "base/random.h"
#include "cli/bench/engine.h"
#include "cli/bench/login.h"
#include "cli/cli.h"

#include <stdio.h>

enum { ENTER_AT_ONCE = 16 }; /* of each worker: who enters is told of all who are there */

/* -- Finding and making: connection 0 --------------------------------------------------------- */

static void ask_items(struct conn *c)
{
    conn_say(c,
             "<iq xmlns='jabber:client' type='get' id='items' to='%s'>"
             "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
             c->worker->bench->options.domain);
}

/* Asks each of the items what it is. */
static void ask_each(struct conn *c, struct jb_str items)
{
    struct bench_rooms *r = &c->worker->bench->rooms;

    for (const char *p; items.n && (p = memmem(items.p, items.n, "<item", 5));) {
        items = jb_str_from(items, (size_t)(p - items.p) + 1);
        struct jb_str jid = text_attribute(items, "jid");
        if (jid.n == 0 || jid.n >= sizeof r->address / 2)
            continue;
        r->asked++;
        conn_say(c,
                 "<iq xmlns='jabber:client' type='get' id='info' to='%.*s'>"
                 "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
                 JB_STR_ARG(jid));
    }
    if (r->asked == 0)
        r->state = ROOMS_NONE;
}

static void enter(struct conn *c)
{
    conn_say(c,
             "<presence xmlns='jabber:client' to='%s/n%u'>"
             "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
             c->worker->bench->rooms.address, c->index);
}

static void make_room(struct conn *c, struct jb_str service)
{
    struct bench_rooms *r = &c->worker->bench->rooms;
    char name[JB__RANDOM_ID_BYTES + 1];

    jb__random_id(name);
    snprintf(r->address, sizeof r->address, "bench-%s@%.*s", name, JB_STR_ARG(service));
    r->state = ROOMS_MAKING;
    enter(c);
}

static bool is_self_presence(struct jb_str text)
{
    return jb_str_starts(text, JB_STR("<presence")) &&
           (text_has(text, "code='110'") || text_has(text, "code=\"110\""));
}

static bool is_refusal(struct jb_str text)
{
    return jb_str_starts(text, JB_STR("<presence")) &&
           jb_str_eqz(text_attribute(text, "type"), "error");
}

/* The room is ours, and locked until its form is sent (section 10.1.2). */
static void unlock(struct conn *c)
{
    c->worker->bench->rooms.state = ROOMS_UNLOCKING;
    conn_say(c,
             "<iq xmlns='jabber:client' type='set' id='unlock' to='%s'>"
             "<query xmlns='http://jabber.org/protocol/muc#owner'>"
             "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
             c->worker->bench->rooms.address);
}

static void on_info(struct conn *c, struct jb_str text)
{
    struct bench_rooms *r = &c->worker->bench->rooms;
    bool rooms =
        text_has(text, "category='conference'") || text_has(text, "category=\"conference\"");

    r->answered++;
    if (r->state == ROOMS_ASKING && rooms && text_has(text, "http://jabber.org/protocol/muc"))
        make_room(c, text_attribute(text, "from"));
    else if (r->state == ROOMS_ASKING && r->answered == r->asked)
        r->state = ROOMS_NONE;
}

/* The steps of connection 0, until the room is open. */
static void make_on_text(struct conn *c, struct jb_str text)
{
    struct bench_rooms *r = &c->worker->bench->rooms;
    struct jb_str id = text_attribute(text, "id");
    bool iq = jb_str_starts(text, JB_STR("<iq"));

    if (iq && r->state == ROOMS_ASKING && jb_str_eqz(id, "items"))
        ask_each(c, text);
    else if (iq && jb_str_eqz(id, "info"))
        on_info(c, text);
    else if (r->state == ROOMS_MAKING && is_self_presence(text))
        unlock(c);
    else if (iq && r->state == ROOMS_UNLOCKING && jb_str_eqz(id, "unlock"))
        r->state = ROOMS_OPEN;
    else if (is_refusal(text))
        r->state = ROOMS_REFUSED;
    if (r->state == ROOMS_OPEN || r->state == ROOMS_NONE || r->state == ROOMS_REFUSED)
        counter_add(&c->worker->prepared, 1);
}

/* -- Entering --------------------------------------------------------------------------------- */

static void enter_next(struct worker *w)
{
    while (w->turn < w->conn_count && w->conns[w->turn]->index < w->bench->rooms.occupants) {
        struct conn *c = w->conns[w->turn++];
        if (c->index == 0)
            continue; /* is in there */
        enter(c);
        return;
    }
}

void rooms_on_phase(struct worker *w, enum bench_phase phase)
{
    if (phase == BENCH_FIND && w->conns[0]->index == 0) {
        if (w->bench->options.rooms)
            make_room(w->conns[0], jb_strz(w->bench->options.rooms));
        else
            ask_items(w->conns[0]);
    }
    if (phase != BENCH_PREPARE)
        return;
    w->turn = 0;
    for (int i = 0; i < ENTER_AT_ONCE; i++)
        enter_next(w);
}

void rooms_on_text(struct conn *c, struct jb_str text)
{
    struct worker *w = c->worker;

    if (w->phase == BENCH_FIND) {
        if (c->index == 0)
            make_on_text(c, text);
    } else if (is_self_presence(text)) {
        counter_add(&w->prepared, 1);
        enter_next(w);
    } else if (is_refusal(text)) {
        bench_fail(w->bench, CLI_REFUSED, "the room does not let connection %u in: %.*s", c->index,
                   (int)(text.n < 300 ? text.n : 300), text.p);
    }
}

/* -- The main thread -------------------------------------------------------------------------- */

int rooms_prepare(struct bench *b, uint32_t occupants)
{
    int status = engine_enter(b, BENCH_FIND, "looking for rooms");

    if (status == CLI_OK)
        status = engine_await(b, ENGINE_PREPARED, 1, "answers about rooms");
    if (status != CLI_OK)
        return status;
    if (b->rooms.state == ROOMS_NONE)
        return CLI_OK;
    if (b->rooms.state == ROOMS_REFUSED)
        return bench_fail(b, CLI_REFUSED, "the server does not let us make the room %s",
                          b->rooms.address);
    b->rooms.occupants = occupants;
    status = engine_enter(b, BENCH_PREPARE, "entering the room");
    if (status == CLI_OK)
        status = engine_await(b, ENGINE_PREPARED, occupants, "connections that entered the room");
    return status == CLI_OK ? engine_quiet(b) : status;
}
