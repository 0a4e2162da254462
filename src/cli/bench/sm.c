/* SPDX-License-Identifier: MIT */
#include "cli/bench/sm.h"

#include "cli/bench/conn.h"
#include "cli/bench/login.h"

#include <stdlib.h>

enum { FIRST_ROOM = 8 };

void sm_begin(struct conn *c)
{
    c->sm.on = true;
}

void sm_end(struct conn *c)
{
    counter_sub(&c->worker->unacked, c->sm.count);
    free(c->sm.messages);
    c->sm = (struct sm){ 0 };
}

bool sm_is_stanza(struct jb_str text)
{
    return jb_str_starts(text, JB_STR("<message")) || jb_str_starts(text, JB_STR("<presence")) ||
           jb_str_starts(text, JB_STR("<iq"));
}

/* -- What is sent ----------------------------------------------------------------------------- */

static void grow(struct sm *s)
{
    uint32_t room = s->room ? 2 * s->room : FIRST_ROOM;
    struct sm_message *messages = jb_alloc(&jb_allocator_abort, room * sizeof *messages);

    for (uint32_t k = 0; k < s->count; k++)
        messages[k] = s->messages[(s->first + k) & (s->room - 1)];
    free(s->messages);
    s->messages = messages;
    s->first = 0;
    s->room = room;
}

static void ask(struct conn *c)
{
    static const struct jb_str request = JB_STR_INIT("<r xmlns='urn:xmpp:sm:3'/>");
    char frame[64];

    if (c->sm.asked)
        return;
    c->sm.asked = true;
    conn_send(c, frame, conn_frame(frame, JB_WS_TEXT, request));
}

void sm_sent(struct conn *c)
{
    c->sm.sent += c->sm.on;
}

void sm_sent_message(struct conn *c, uint64_t due_ns)
{
    struct sm *s = &c->sm;

    if (!s->on)
        return;
    if (s->count == s->room)
        grow(s);
    s->messages[(s->first + s->count++) & (s->room - 1)] =
        (struct sm_message){ .due_ns = due_ns, .number = ++s->sent };
    counter_add(&c->worker->unacked, 1);
    ask(c);
}

/* -- What arrives ----------------------------------------------------------------------------- */

/* The oldest message has been acknowledged. */
static void take_first(struct conn *c)
{
    struct worker *w = c->worker;
    struct sm *s = &c->sm;
    const uint64_t due_ns = s->messages[s->first].due_ns;

    s->first = (s->first + 1) & (s->room - 1);
    s->count--;
    counter_sub(&w->unacked, 1);
    counter_add(&w->acked, 1);
    if (w->measure_ns && due_ns >= w->measure_ns)
        histogram_record(&w->acks, w->now_ns > due_ns ? w->now_ns - due_ns : 0);
}

static void on_acknowledgement(struct conn *c, struct jb_str text)
{
    struct sm *s = &c->sm;
    uint64_t h;

    if (!jb_str_u64(text_attribute(text, "h"), UINT32_MAX, &h) ||
        (uint32_t)h - s->acked > s->sent - s->acked) {
        conn_refused(c, "the server acknowledges what was not sent", text);
        return;
    }
    s->acked = (uint32_t)h;
    s->asked = false;
    while (s->count > 0 && (int32_t)(s->acked - s->messages[s->first].number) >= 0)
        take_first(c);
    if (s->count > 0)
        ask(c); /* for what was sent since */
}

static void answer(struct conn *c)
{
    conn_say(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm.received);
    counter_add(&c->worker->answers, 1);
}

/* <a/> and <r/> have names of one letter. */
static bool is_named(struct jb_str text, char name)
{
    return text.n > 3 && text.p[1] == name && (text.p[2] == ' ' || text.p[2] == '/');
}

bool sm_on_text(struct conn *c, struct jb_str text)
{
    if (!c->sm.on)
        return false;
    if (is_named(text, 'a'))
        on_acknowledgement(c, text);
    else if (is_named(text, 'r'))
        answer(c);
    else
        c->sm.received += sm_is_stanza(text);
    return is_named(text, 'a') || is_named(text, 'r');
}
