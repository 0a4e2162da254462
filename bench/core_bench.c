/* SPDX-License-Identifier: MIT */
/* What a chat message costs in the core, step by step: core_bench [STEP] [ROUNDS].
 * Prints nanoseconds per message, the best of several runs. */
#include "base/assert.h"
#include "core/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MESSAGE                                                                                 \
    "<message xmlns=\"jabber:client\" to=\"juliet@capulet.example/balcony\" "                   \
    "id=\"6e1f3a52-0a3c-4f0e-9f3b-2f1c5d7a9b10\" type=\"chat\" xml:lang=\"en\">"                \
    "<body>Art thou not Romeo, and a Montague? Neither, fair saint.</body>"                     \
    "<active xmlns=\"http://jabber.org/protocol/chatstates\"/>"                                 \
    "<request xmlns=\"urn:xmpp:receipts\"/><origin-id xmlns=\"urn:xmpp:sid:0\" id=\"6e1f3a\"/>" \
    "</message>"

enum { RUNS = 7, ARENA_BYTES = 1024 * 1024 };

static const struct jb_xml_bounds bounds = {
    .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
};

static struct jb__arena arena;
static const struct jb_str message = JB_STR_INIT(MESSAGE);
static struct jb_draft draft;
static struct jb_doc doc;
static struct jb_stanza *sealed;
static char frame[1024];
static size_t frame_bytes;

static void utf8(void)
{
    jb_assert(jb__utf8_valid(message));
}

static void decode(void)
{
    static struct jb_ws ws;
    struct jb_ws_event ev;
    char copy[sizeof frame], *p = copy;
    size_t n = frame_bytes;

    if (ws.message_limit == 0) {
        jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
        jb_ws_set_limits(&ws, 65536, 16);
    }
    memcpy(copy, frame, frame_bytes);
    jb_ws_next(&ws, &p, &n, &ev);
    jb_assert(ev.kind == JB_WS_EVENT_MESSAGE && ev.bytes == message.n);
}

static void parse(void)
{
    struct jb_doc parsed;

    jb__arena_reset(&arena);
    jb_assert(jb_xml_parse(message, &bounds, &arena, &parsed) == JB_XML_OK);
}

static void read_head(void)
{
    struct jb_stanza_head h;

    jb__arena_reset(&arena);
    jb_assert(jb_stanza_read_head(&doc, &arena, &h) == 0);
}

static void seal(void)
{
    struct jb_stanza *s;

    jb__arena_reset(&arena);
    jb_assert(jb_draft_seal(&draft, &jb_allocator_libc, 0, &s) == 0);
    jb_stanza_unref(s);
}

static void send_one(const struct jb_wrap *wrap)
{
    static struct jb_stream_config config;
    static struct jb_stream stream;
    char out[2048];

    if (!stream.config) {
        config.limits = jb_limits_default;
        jb_stream_init(&stream, &config, &jb_allocator_libc);
    }
    jb_assert(jb_stream_send(&stream, sealed, wrap) == 0);
    jb_assert(jb_stream_render(&stream, out, sizeof out) > 0);
}

static void send_sealed(void)
{
    send_one(NULL);
}

static void send_wrapped(void)
{
    const struct jb_wrap wrap = { .added = JB_STR_INIT("<delay xmlns='urn:xmpp:delay'/>") };

    send_one(&wrap);
}

/* From bytes to bytes, as the server does it for a message of one session to another. */
static void relay(void)
{
    static struct jb_stream_config config;
    static struct jb_stream in, out;
    struct jb_stream_event ev;
    struct jb_stanza *s;
    char copy[sizeof frame], rendered[2048];

    jb__arena_reset(&arena);
    if (!in.config) {
        config.limits = jb_limits_default;
        jb_stream_init(&in, &config, &jb_allocator_libc);
        jb_stream_init(&out, &config, &jb_allocator_libc);
        in.state = JB_STREAM_STATE_OPEN;
        jb_stream_authenticated(&in);
        in.state = JB_STREAM_STATE_BINDING;
        jb_stream_bound(&in);
    }
    memcpy(copy, frame, frame_bytes);
    jb_stream_feed(&in, copy, frame_bytes);
    jb_stream_next(&in, &arena, &ev);
    jb_assert(ev.kind == JB_STREAM_EVENT_STANZA);
    ev.draft.h.from = draft.h.from;
    jb_assert(jb_draft_seal(&ev.draft, &jb_allocator_libc, 0, &s) == 0);
    jb_assert(jb_stream_send(&out, s, NULL) == 0);
    jb_stanza_unref(s);
    jb_assert(jb_stream_render(&out, rendered, sizeof rendered) > 0);
    jb_stream_next(&in, &arena, &ev);
}

static const struct step {
    const char *name;
    void (*run)(void);
} steps[] = {
    { "utf8", utf8 },
    { "decode", decode },
    { "parse", parse },
    { "read_head", read_head },
    { "seal", seal },
    { "send", send_sealed },
    { "send_wrapped", send_wrapped },
    { "relay", relay },
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void set_up(struct jb__arena *lasting)
{
    static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };

    jb__arena_init(lasting, &jb_allocator_abort, ARENA_BYTES);
    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    jb_assert(jb_xml_parse(message, &bounds, lasting, &doc) == JB_XML_OK);
    draft = (struct jb_draft){ .doc = &doc, .arena = &arena };
    jb_assert(jb_stanza_read_head(&doc, lasting, &draft.h) == 0);
    jb_assert(jb_jid_parse(JB_STR("romeo@montague.example/orchard"), lasting, &draft.h.from) == 0);
    jb_assert(jb_draft_seal(&draft, &jb_allocator_abort, 0, &sealed) == 0);
    size_t head = jb_ws_write_head(frame, JB_WS_TEXT, false, message.n, mask);
    memcpy(frame + head, message.p, message.n);
    jb_ws_mask(frame + head, message.n, mask, 0);
    frame_bytes = head + message.n;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 200000;
    struct jb__arena lasting;

    set_up(&lasting);
    printf("%zu bytes\n", message.n);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        double best = 0;
        if (only && strcmp(only, steps[i].name) != 0)
            continue;
        for (int run = 0; run < RUNS; run++) {
            double begun = now_ns();
            for (long k = 0; k < rounds; k++)
                steps[i].run();
            double each = (now_ns() - begun) / (double)rounds;
            best = run == 0 || each < best ? each : best;
        }
        printf("%-13s %7.1f ns\n", steps[i].name, best);
    }
    jb_stanza_unref(sealed);
    jb__arena_deinit(&lasting);
    jb__arena_deinit(&arena);
    return 0;
}
