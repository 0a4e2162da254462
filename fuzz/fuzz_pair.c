/* SPDX-License-Identifier: MIT */
/* Both roles of a stream back to back, driven by the input: who says what, in pieces of which size,
 * and when the line is cut and the session resumed (XEP-0198).
 *
 * Neither may ever find fault with the other; and of the stanzas that are sent each arrives exactly
 * once and in order, however often the line was cut. */
#include "fuzz.h"

#include "base/arena.h"
#include "core/stream.h"

#include <stdio.h>
#include <stdlib.h>

enum { OUT_BYTES = 16 * 1024, STANZAS_MOST = 200 };

struct side {
    struct jb_stream stream;
    struct jb_stream_config config;
    struct jb_sm_saved saved;
    bool has_saved;
    unsigned sent, heard; /* messages, numbered from 0 */
};

struct pair {
    const uint8_t *p, *end;
    struct side client, server;
    struct jb__arena arena;
};

static uint32_t mask_seed;

static void mask_key(uint8_t key[4])
{
    mask_seed = mask_seed * 1664525u + 1013904223u;
    memcpy(key, &mask_seed, 4);
}

static unsigned take(struct pair *pair)
{
    return pair->p < pair->end ? *pair->p++ : 0;
}

static void say(struct side *side, const char *xml)
{
    jb_assert(jb_stream_send_raw(&side->stream, jb_strz(xml)) == 0);
}

/* ---- what each does when it hears something ---- */

static void on_message(struct side *side, const struct jb_stream_event *ev)
{
    char id[16];

    snprintf(id, sizeof id, "%u", side->heard);
    jb_assert(jb_str_eqz(ev->draft.h.id, id)); /* the next one, and no other */
    side->heard++;
    jb_stream_sm_handled(&side->stream, side->stream.received);
}

static void take_acked(struct jb_sendq *q)
{
    int64_t tag;

    while (jb_sendq_take_acked(q, &tag))
        continue;
}

static void server_hears(struct pair *pair, const struct jb_stream_event *ev)
{
    struct side *s = &pair->server;

    switch (ev->kind) {
    case JB_STREAM_EVENT_OPEN:
        jb_assert(jb_stream_open(&s->stream, JB_STR("b"), JB_STR_NONE, JB_STR("i")) == 0);
        say(s, "<f:features xmlns:f='http://etherx.jabber.org/streams'/>");
        break;
    case JB_STREAM_EVENT_SASL:
        say(s, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        jb_stream_authenticated(&s->stream);
        break;
    case JB_STREAM_EVENT_SM_ENABLE:
        jb_assert(jb_stream_sm_enabled(
                      &s->stream, &(struct jb_sm_grant){ .id = JB_STR("n"), .max_s = 60 }) == 0);
        break;
    case JB_STREAM_EVENT_SM_RESUME:
        jb_assert(s->has_saved && jb_sm_acknowledge(&s->saved, ev->sm.h) == 0);
        take_acked(&s->saved.out);
        jb_assert(jb_stream_sm_resumed(&s->stream, &s->saved, ev->sm.id) == 0);
        s->has_saved = false;
        break;
    case JB_STREAM_EVENT_STANZA:
        if (s->stream.state == JB_STREAM_STATE_BINDING) {
            jb_stream_bound(&s->stream);
            say(s, "<iq xmlns='jabber:client' type='result' id='bind'/>");
        } else {
            on_message(s, ev);
        }
        break;
    default:
        break;
    }
}

/* The client's features come twice: before and after it has authenticated. */
static void client_on_features(struct pair *pair)
{
    struct side *c = &pair->client;

    if (c->stream.state == JB_STREAM_STATE_OPEN)
        say(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'>=</auth>");
    else if (c->has_saved)
        jb_assert(jb_stream_sm_resume(&c->stream, &c->saved, JB_STR("n")) == 0);
    else
        say(c, "<iq xmlns='jabber:client' type='set' id='bind'/>");
}

static void client_hears(struct pair *pair, const struct jb_stream_event *ev)
{
    struct side *c = &pair->client;

    switch (ev->kind) {
    case JB_STREAM_EVENT_ELEMENT:
        client_on_features(pair);
        break;
    case JB_STREAM_EVENT_SASL:
        jb_stream_authenticated(&c->stream);
        jb_assert(jb_stream_open(&c->stream, JB_STR_NONE, JB_STR("b"), JB_STR_NONE) == 0);
        break;
    case JB_STREAM_EVENT_SM_RESUMED:
        jb_assert(jb_sm_acknowledge(&c->saved, ev->sm.h) == 0);
        take_acked(&c->saved.out);
        jb_stream_sm_go_on(&c->stream, &c->saved);
        c->has_saved = false;
        break;
    case JB_STREAM_EVENT_STANZA:
        if (c->stream.state == JB_STREAM_STATE_BINDING) {
            jb_stream_bound(&c->stream);
            jb_assert(jb_stream_sm_enable(&c->stream, true) == 0);
        } else {
            on_message(c, ev);
        }
        break;
    default:
        break;
    }
}

/* ---- the line ---- */

static void hear(struct pair *pair, struct side *to, char *p, size_t n)
{
    struct jb_stream_event ev;

    jb_stream_feed(&to->stream, p, n);
    while (jb_stream_next(&to->stream, &pair->arena, &ev), ev.kind != JB_STREAM_EVENT_NONE) {
        jb_assert(ev.kind != JB_STREAM_EVENT_FAULT); /* the two understand each other */
        if (ev.kind == JB_STREAM_EVENT_ACKED || ev.answers_ping)
            take_acked(&to->stream.out);
        else if (to == &pair->client)
            client_hears(pair, &ev);
        else
            server_hears(pair, &ev);
        struct jb_str rest = jb_stream_rest(&to->stream);
        jb_stream_feed(&to->stream, (char *)(uintptr_t)rest.p, rest.n);
        jb__arena_reset(&pair->arena);
    }
    jb_stream_rest(&to->stream);
}

/* Renders once and delivers in pieces; `most`: bytes that arrive before the line is cut. */
static size_t carry(struct pair *pair, struct side *from, struct side *to, size_t piece,
                    size_t most)
{
    char *out = malloc(OUT_BYTES);
    size_t n = jb_stream_render(&from->stream, out, OUT_BYTES), arrive = n < most ? n : most;

    for (size_t at = 0; at < arrive;) {
        size_t some = piece && piece < arrive - at ? piece : arrive - at;
        char *copy = malloc(some);
        memcpy(copy, out + at, some);
        hear(pair, to, copy, some);
        free(copy);
        at += some;
    }
    free(out);
    return n;
}

static void settle(struct pair *pair)
{
    size_t moved;

    do {
        moved = carry(pair, &pair->client, &pair->server, 0, OUT_BYTES);
        moved += carry(pair, &pair->server, &pair->client, 0, OUT_BYTES);
    } while (moved > 0);
}

static void detach(struct side *side)
{
    if (side->stream.sm.on) {
        jb_stream_sm_detach(&side->stream, &side->saved);
        side->has_saved = true;
    }
    jb_stream_deinit(&side->stream);
}

static void dial(struct pair *pair)
{
    jb_stream_init(&pair->server.stream, &pair->server.config, &jb_allocator_abort);
    jb_stream_init_client(&pair->client.stream, &pair->client.config, &jb_allocator_abort);
    jb_assert(jb_stream_open(&pair->client.stream, JB_STR_NONE, JB_STR("b"), JB_STR_NONE) == 0);
    settle(pair);
    jb_assert(pair->client.stream.sm.on && pair->server.stream.sm.on);
}

static void cut(struct pair *pair)
{
    detach(&pair->client);
    detach(&pair->server);
    dial(pair);
}

static void send_message(struct pair *pair, struct side *side)
{
    struct jb_stanza *s;
    char xml[160];

    if (side->sent == STANZAS_MOST)
        return;
    snprintf(xml, sizeof xml, "<message xmlns='jabber:client' id='%u'><body>x</body></message>",
             side->sent++);
    jb_assert(jb_stanza_new(jb_strz(xml), &pair->arena, &jb_allocator_abort, 0, &s) == 0);
    jb_assert(jb_stream_send(&side->stream, s, NULL) == 0);
    jb_stanza_unref(s);
}

static void step(struct pair *pair)
{
    unsigned what = take(pair);
    struct side *from = what & 1 ? &pair->client : &pair->server;
    struct side *to = what & 1 ? &pair->server : &pair->client;

    switch (what >> 1 & 7) {
    case 0:
    case 1:
        send_message(pair, from);
        break;
    case 2:
        jb_stream_sm_ask(&from->stream);
        break;
    case 3:
        jb_stream_ping(&from->stream);
        break;
    case 4: /* some of it arrives, then the line is gone */
        carry(pair, from, to, take(pair), take(pair) * 4);
        cut(pair);
        break;
    case 5:
        jb_stream_sm_tell(&from->stream);
        break;
    default:
        carry(pair, from, to, take(pair), OUT_BYTES);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct pair pair;

    if (n < 1 || n > 4096)
        return 0;
    pair = (struct pair){ .p = p + 1, .end = p + n };
    mask_seed = p[0];
    pair.client.config.limits = pair.server.config.limits = jb_limits_default;
    pair.client.config.mask_key = mask_key;
    /* Counters that wrap around soon (XEP-0198 section 4). */
    pair.client.config.sm_first = pair.server.config.sm_first = p[0] & 1 ? UINT32_MAX - 3 : 0;
    jb__arena_init(&pair.arena, &jb_allocator_abort, 1 << 20);
    dial(&pair);
    while (pair.p < pair.end)
        step(&pair);
    settle(&pair);
    jb_assert(pair.client.heard == pair.server.sent && pair.server.heard == pair.client.sent);
    jb_stream_deinit(&pair.client.stream);
    jb_stream_deinit(&pair.server.stream);
    jb__arena_deinit(&pair.arena);
    return 0;
}
