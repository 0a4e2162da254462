/* SPDX-License-Identifier: MIT */
/* A whole server stream.  The input is a play: each step a frame of the client, raw bytes, or
 * something the owner does.  Whatever happens, what the stream says is frames, each text one
 * element, nothing after the close frame, and it never claims to have more to say than it says. */
#include "fuzz.h"

#include "core/stream.h"

#include <stdlib.h>

enum { OUT_BYTES = 64 * 1024, ARENA_BYTES = 16 * 1024 * 1024 };

static const struct jb_xml_bounds any = {
    .depth = 256, .attributes = 64, .namespaces = 256, .elements = 65535, .name_bytes = 1024
};

struct play {
    struct jb_stream stream;
    struct jb_ws reader; /* the client, who understands what the server says */
    struct jb__arena arena;
    const uint8_t *p, *end; /* of the input: what is still to happen */
    bool reader_closed;
    unsigned room; /* bytes the socket takes at once */
};

static unsigned take(struct play *play)
{
    return play->p < play->end ? *play->p++ : 0;
}

static void check_said(struct play *play, char *bytes, size_t n)
{
    struct jb_ws_event ev;
    struct jb_doc doc;

    jb_assert(!play->reader_closed);
    while (jb_ws_next(&play->reader, &bytes, &n, &ev), ev.kind != JB_WS_EVENT_NONE) {
        jb_assert(ev.kind != JB_WS_EVENT_FAIL && !play->reader_closed);
        play->reader_closed = ev.kind == JB_WS_EVENT_CLOSE;
        if (ev.kind != JB_WS_EVENT_MESSAGE)
            continue;
        jb_assert(ev.opcode == JB_WS_TEXT);
        jb_assert(jb_xml_parse(jb_str(ev.data, ev.bytes), &any, &play->arena, &doc) == JB_XML_OK);
    }
}

/* Renders as long as there is something, into little room or much. */
static void drain(struct play *play)
{
    char *out = malloc(OUT_BYTES);
    size_t need;

    while ((need = jb_stream_render_bytes(&play->stream)) > 0) {
        size_t cap = play->room ? need + play->room - 1 : OUT_BYTES;
        jb_assert(need <= OUT_BYTES);
        size_t n = jb_stream_render(&play->stream, out, cap < OUT_BYTES ? cap : OUT_BYTES);
        jb_assert(n > 0 && n <= OUT_BYTES);
        check_said(play, out, n);
    }
    jb_assert(jb_stream_render(&play->stream, out, OUT_BYTES) == 0);
    jb_assert((play->stream.state == JB_STREAM_STATE_CLOSED) ==
              (play->stream.ws_close_sent && play->stream.ws_close_seen));
    free(out);
}

/* Stamps and returns to the sender, through every shape there is. */
static void echo(struct play *play, const struct jb_stream_event *ev)
{
    struct jb_draft draft = ev->draft;
    struct jb_wrap wrap = { .added = JB_STR_INIT("<delay xmlns='urn:xmpp:delay'/>") };
    struct jb_stanza *s;

    jb_assert(jb_jid_parse(JB_STR("a@b/c'<&>"), &play->arena, &draft.h.from) == 0);
    wrap.to = draft.h.from;
    for (uint16_t child = jb_node_first(draft.doc, 0); child && draft.drops < 2;
         child = jb_node_next(draft.doc, child))
        jb_assert(jb_draft_drop(&draft, child) == 0);
    jb_assert(jb_draft_add(&draft, JB_STR("<x xmlns='urn:x'/>")) == 0);
    jb_assert(jb_draft_seal(&draft, &jb_allocator_abort, 0, &s) == 0);
    jb_assert(jb_stream_send(&play->stream, s, NULL) == 0);
    jb_assert(jb_stream_send(&play->stream, s, &wrap) == 0);
    jb_stanza_unref(s);
}

/* XEP-0388: authenticated without a restart, and bound with stream management at once. */
static void in_one_round(struct play *play, const struct jb_doc *doc)
{
    struct jb_stream *s = &play->stream;
    uint16_t bind = jb_node_child(doc, 0, "bind", JB_NS_BIND2);
    uint16_t resume = jb_node_child(doc, 0, "resume", JB_NS_SM);
    struct jb_sm_event wish = { 0 };

    if (s->state != JB_STREAM_STATE_OPEN || !jb_node_is(doc, 0, "authenticate", JB_NS_SASL2))
        return;
    if (resume && jb_sm_read_resume(doc, resume, &play->arena, &wish))
        jb_assert(wish.id.n > 0);
    jb_stream_authenticated(s);
    jb_stream_continued(s);
    uint16_t enable = bind ? jb_node_child(doc, bind, "enable", JB_NS_SM) : 0;
    if (bind)
        jb_stream_bound(s);
    if (enable) {
        jb_sm_read_enable(doc, enable, &wish);
        jb_stream_sm_enabled_inline(s);
    }
    jb_assert(jb_stream_send_raw(s, JB_STR("<success xmlns='urn:xmpp:sasl:2'/>")) == 0);
}

static void react(struct play *play, const struct jb_stream_event *ev)
{
    struct jb_stream *s = &play->stream;

    jb_assert(s->state != JB_STREAM_STATE_BOUND || ev->kind != JB_STREAM_EVENT_SASL);
    switch (ev->kind) {
    case JB_STREAM_EVENT_OPEN:
        jb_assert(jb_stream_open(s, ev->to, ev->from, JB_STR("1")) == 0);
        jb_assert(jb_stream_send_raw(
                      s, JB_STR("<f:features xmlns:f='http://etherx.jabber.org/streams'/>")) == 0);
        break;
    case JB_STREAM_EVENT_SASL:
        jb_assert(s->state == JB_STREAM_STATE_OPEN);
        if (jb_node_is(&ev->doc, 0, "auth", JB_NS_SASL))
            jb_stream_authenticated(s);
        break;
    case JB_STREAM_EVENT_STANZA:
        if (s->state == JB_STREAM_STATE_BINDING && ev->draft.h.type == JB_TYPE_SET)
            jb_stream_bound(s);
        echo(play, ev);
        break;
    case JB_STREAM_EVENT_ELEMENT:
        in_one_round(play, &ev->doc);
        break;
    case JB_STREAM_EVENT_FAULT:
    case JB_STREAM_EVENT_CLOSE:
        jb_assert(s->state >= JB_STREAM_STATE_CLOSING);
        break;
    case JB_STREAM_EVENT_DONE:
        jb_assert(s->state == JB_STREAM_STATE_CLOSED);
        break;
    default:
        break;
    }
}

/* Bytes of the client, given in pieces of `step`. */
static void feed(struct play *play, char *p, size_t n, size_t step)
{
    struct jb_stream_event ev;

    for (size_t at = 0; at < n;) {
        size_t piece = step && step < n - at ? step : n - at;
        jb_stream_feed(&play->stream, p + at, piece);
        while (jb_stream_next(&play->stream, &play->arena, &ev), ev.kind != JB_STREAM_EVENT_NONE) {
            react(play, &ev);
            struct jb_str rest = jb_stream_rest(&play->stream); /* as who pauses does */
            jb_stream_feed(&play->stream, (char *)(uintptr_t)rest.p, rest.n);
            jb__arena_reset(&play->arena);
        }
        at += piece;
    }
}

/* A masked frame around the next bytes of the input. */
static void send_frame(struct play *play, unsigned first)
{
    static const uint8_t key[4] = { 1, 2, 3, 4 };
    size_t n = take(play);
    unsigned step = take(play) % 16;

    n = n << 2 < (size_t)(play->end - play->p) ? n << 2 : (size_t)(play->end - play->p);
    const uint8_t *zero = memchr(play->p, 0, n);
    n = zero ? (size_t)(zero - play->p) : n;
    char *frame = malloc(JB_WS_HEAD_BYTES + n);
    size_t head = jb_ws_write_head(frame, first & 15, false, n, key);
    frame[0] = (char)first;
    if (n)
        memcpy(frame + head, play->p, n);
    jb_ws_mask(frame + head, n, key, 0);
    play->p += zero ? n + 1 : n;
    feed(play, frame, head + n, step);
    free(frame);
}

static void send_raw_bytes(struct play *play)
{
    size_t n = take(play);
    char *copy = malloc(n + 1);

    n = n < (size_t)(play->end - play->p) ? n : (size_t)(play->end - play->p);
    if (n)
        memcpy(copy, play->p, n);
    play->p += n;
    feed(play, copy, n, 0);
    free(copy);
}

/* One of: a text frame, any frame, raw bytes, something the owner does. */
static void step(struct play *play)
{
    struct jb_stream *s = &play->stream;
    unsigned what = take(play);

    if (what == '<' || what == 't')
        send_frame(play, 0x80 | JB_WS_TEXT);
    else if (what == 'f')
        send_frame(play, take(play));
    else if (what == 'r')
        send_raw_bytes(play);
    else if (what == 'c')
        jb_stream_close(s, take(play) & 1 ? JB_STR("wss://b/") : JB_STR_NONE);
    else if (what == 'e')
        jb_stream_fail(s, 1 + take(play) % JB_STREAM_UNSUPPORTED_VERSION, "words <&'\">");
    else if (what == 'w')
        jb_stream_close_ws(s, JB_WS_GOING_AWAY, "bye");
    else if (what == 'p')
        jb_stream_ping(s);
    else if (what == 'o')
        jb_assert(jb_stream_send_raw(s, JB_STR("<a xmlns='b'/>")) == 0);
    else if (what == 'd')
        drain(play);
    else if (what == 'm')
        play->room = take(play);
}

static void set_state(struct play *play, unsigned state)
{
    struct jb_stream *s = &play->stream;

    if (state == JB_STREAM_STATE_START)
        return;
    jb_assert(jb_stream_open(s, JB_STR("b"), JB_STR_NONE, JB_STR("0")) == 0);
    s->state = JB_STREAM_STATE_OPEN;
    if (state == JB_STREAM_STATE_OPEN)
        return;
    jb_stream_authenticated(s);
    if (state == JB_STREAM_STATE_AUTHED)
        return;
    s->state = JB_STREAM_STATE_BINDING;
    if (state == JB_STREAM_STATE_BOUND)
        jb_stream_bound(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct play play;
    struct jb_stream_config config = { .limits = jb_limits_default };

    if (n < 2 || n > OUT_BYTES / 8)
        return 0;
    play = (struct play){ .p = p + 1, .end = p + n };
    config.limits.preauth_stanza_bytes = config.limits.stanza_bytes = 1000;
    config.rfc7395_strict = p[0] & 8;
    jb_stream_init(&play.stream, &config, &jb_allocator_abort);
    jb_ws_init(&play.reader, JB_ROLE_CLIENT, &jb_allocator_abort);
    jb_ws_set_limits(&play.reader, OUT_BYTES, 1);
    jb__arena_init(&play.arena, &jb_allocator_abort, ARENA_BYTES);
    set_state(&play, (p[0] & 7) % (JB_STREAM_STATE_BOUND + 1));
    while (play.p < play.end)
        step(&play);
    drain(&play);
    jb__arena_deinit(&play.arena);
    jb_ws_deinit(&play.reader);
    jb_stream_deinit(&play.stream);
    return 0;
}
