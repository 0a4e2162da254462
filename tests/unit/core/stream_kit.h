/* SPDX-License-Identifier: MIT */
/* A scripted client against the server's stream.  What goes in is text; what comes out is compared
 * frame by frame: `[text]` for a message, `ping`, `pong 'p'`, `close 1000 'words'`. */
#ifndef TESTS_UNIT_CORE_STREAM_KIT_H
#define TESTS_UNIT_CORE_STREAM_KIT_H

#include "xml_kit.h"

#include "core/stream.h"
#include "ws_kit.h"

#include <stdio.h>

#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define OPEN    "<open " FRAMING " to='b' version='1.0'/>"
#define CLOSE   "<close " FRAMING "/>"
#define AUTH    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGE=</auth>"
#define IQ      "<iq xmlns='jabber:client' type='set' id='1'><a xmlns='b'/></iq>"
#define MESSAGE "<message xmlns='jabber:client'><body>hi</body></message>"
/* What the stream says. */
#define OUR_OPEN      "[<open " FRAMING " from='b' id='i' xml:lang='en' version='1.0'/>] "
#define NAMELESS_OPEN "[<open " FRAMING " xml:lang='en' version='1.0'/>] "
#define ERROR(name, words)                                                                        \
    "[<stream:error xmlns:stream='http://etherx.jabber.org/streams'><" name                       \
    " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text "                                        \
    "xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>" words "</text></stream:error>] " \
    "[" CLOSE "] close 1000 '' "

struct play {
    struct jb_stream_config config;
    struct jb_stream s;
    struct prng random;
    enum arrival how;
    size_t room;       /* for one rendering; 0: plenty */
    char events[2048]; /* what next() told since the last look */
    char said[8192];   /* what was rendered since the last look */
};

static struct play play;

static inline void begin(enum jb_stream_state state)
{
    play = (struct play){ .config.limits = jb_limits_default, .random = { 11 } };
    jb_stream_init(&play.s, &play.config, &jb_allocator_libc);
    if (state == JB_STREAM_STATE_START)
        return;
    play.s.state = JB_STREAM_STATE_OPEN;
    play.s.open_sent = true;
    if (state == JB_STREAM_STATE_OPEN)
        return;
    jb_stream_authenticated(&play.s);
    if (state == JB_STREAM_STATE_AUTHED)
        return;
    play.s.state = JB_STREAM_STATE_BINDING;
    play.s.open_sent = true;
    if (state == JB_STREAM_STATE_BOUND)
        jb_stream_bound(&play.s);
}

static inline void end(void)
{
    jb_stream_deinit(&play.s);
}

static inline JB_PRINTF(3, 4) void note(char *line, size_t cap, const char *format, ...)
{
    size_t n = strlen(line);
    va_list args;

    va_start(args, format);
    vsnprintf(line + n, cap - n, format, args);
    va_end(args);
}

static inline void note_event(const struct jb_stream_event *ev)
{
    static const char *const names[] = { "",      "open",  "sasl",  "stanza", "element",
                                         "close", "fault", "alive", "done",
                                         "enable", "resume", "ask", "acked" };

    note(play.events, sizeof play.events, "%s", ev->answers_ping ? "answer" : names[ev->kind]);
    if (ev->kind == JB_STREAM_EVENT_FAULT && ev->error)
        note(play.events, sizeof play.events, " %s", jb_stream_error_name(ev->error));
    if (ev->kind == JB_STREAM_EVENT_FAULT || ev->kind == JB_STREAM_EVENT_CLOSE ||
        ev->kind == JB_STREAM_EVENT_DONE)
        note(play.events, sizeof play.events, " %u", ev->ws_code);
    if (ev->kind == JB_STREAM_EVENT_OPEN)
        note(play.events, sizeof play.events, " %.*s", JB_STR_ARG(ev->to));
    if (ev->limit != JB_LIMIT_COUNT)
        note(play.events, sizeof play.events, " over %s", jb_limit_info[ev->limit].name);
    note(play.events, sizeof play.events, "; ");
}

static inline void feed(struct wire *w)
{
    struct jb_stream_event ev;

    for (size_t had = 0; had < w->n;) {
        size_t total = next_total(play.how, &play.random, had, w->n);
        struct jb_str piece = exact_copy(jb_str(w->p + had, w->n - had), total - had);
        jb_stream_feed(&play.s, (char *)(uintptr_t)piece.p, piece.n);
        while (jb_stream_next(&play.s, &arena, &ev), ev.kind != JB_STREAM_EVENT_NONE)
            note_event(&ev);
        assert_int_equal(jb_stream_rest(&play.s).n, 0); /* NONE: all is taken */
        free((void *)(uintptr_t)piece.p);
        had = total;
    }
    wire_free(w);
}

static inline void hear_frame(unsigned first, struct jb_str data)
{
    struct wire w = { 0 };

    wire_frame(&w, JB_ROLE_CLIENT, first, data);
    feed(&w);
}

static inline void hear(const char *text)
{
    hear_frame(0x81, jb_strz(text));
}

/* What was told since last time. */
static inline void expect_events(const char *wanted)
{
    assert_string_equal(play.events, wanted);
    play.events[0] = '\0';
}

static inline void note_said(struct jb_ws *client, char *p, size_t n)
{
    struct jb_ws_event ev;

    while (jb_ws_next(client, &p, &n, &ev), ev.kind != JB_WS_EVENT_NONE) {
        struct jb_str data = jb_str(ev.data, ev.bytes);
        assert_int_not_equal(ev.kind, JB_WS_EVENT_FAIL);
        if (ev.kind == JB_WS_EVENT_MESSAGE)
            note(play.said, sizeof play.said, "[%.*s] ", JB_STR_ARG(data));
        else if (ev.kind == JB_WS_EVENT_CLOSE)
            note(play.said, sizeof play.said, "close %u '%.*s' ", ev.code, JB_STR_ARG(data));
        else if (ev.kind == JB_WS_EVENT_PONG)
            note(play.said, sizeof play.said, "pong '%.*s' ", JB_STR_ARG(data));
        else
            note(play.said, sizeof play.said, "ping ");
    }
}

/* All that there is to say, rendered until there is no more. */
static inline void expect_said(const char *wanted)
{
    struct jb_ws client;
    size_t need;

    jb_ws_init(&client, JB_ROLE_CLIENT, &jb_allocator_libc);
    jb_ws_set_limits(&client, sizeof play.said, 1);
    while ((need = jb_stream_render_bytes(&play.s)) > 0) {
        size_t cap = play.room ? need + play.room - 1 : sizeof play.said;
        char *out = malloc(cap);
        size_t n = jb_stream_render(&play.s, out, cap);
        assert_true(n > 0 && n <= cap);
        note_said(&client, out, n);
        free(out);
    }
    assert_int_equal(jb_stream_render(&play.s, play.said, 0), 0);
    assert_string_equal(play.said, wanted);
    play.said[0] = '\0';
    jb_ws_deinit(&client);
}

static inline void answer_open(void)
{
    assert_int_equal(jb_stream_open(&play.s, JB_STR("b"), JB_STR_NONE, JB_STR("i")), 0);
}

#endif
