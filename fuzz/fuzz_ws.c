/* SPDX-License-Identifier: MIT */
/* Frames, whole and in random pieces: the same events.  Memory follows what arrived, a failure or a
 * close is the last event, and a message written by one role is read back by the other. */
#include "fuzz.h"

#include "core/deflate.h"
#include "core/ws_frame.h"

#include <stdlib.h>

enum { EVENTS_MOST = 64, MESSAGE_LIMIT = 2000, FRAGMENT_LIMIT = 5 };

struct seen {
    enum jb_ws_event_kind kind;
    unsigned opcode, code;
    uint64_t digest; /* of the data */
};

struct events {
    struct seen list[EVENTS_MOST];
    size_t count;
};

struct inflater {
    struct jb__codec codec;
    struct jb__inflate message;
    struct jb_ws_inflater hook;
};

static int inflate_piece(void *ctx, struct jb_str piece, bool last, struct jb__buf *out)
{
    struct inflater *i = ctx;
    int rc = i->message.serial ? 0 : jb__inflate_begin(&i->codec, &i->message);

    if (rc == 0)
        rc = jb__inflate_piece(&i->codec, &i->message, piece, last, out);
    if (rc != 0 || last)
        jb__inflate_end(&i->codec, &i->message);
    return rc;
}

static uint64_t digest(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return h;
}

/* Both roles agree about a message. */
static void write_and_read(const struct jb_ws_event *ev, enum jb_role writer)
{
    static const uint8_t key[4] = { 0x12, 0x80, 0xff, 0x01 };
    enum jb_role reader = writer == JB_ROLE_SERVER ? JB_ROLE_CLIENT : JB_ROLE_SERVER;
    char *frame = malloc(JB_WS_HEAD_BYTES + ev->bytes);
    size_t head = jb_ws_write_head(frame, ev->opcode, false, ev->bytes,
                                   writer == JB_ROLE_CLIENT ? key : NULL);
    struct jb_ws ws;
    struct jb_ws_event back;
    char *p = frame;
    size_t n = head + ev->bytes;

    if (ev->bytes)
        memcpy(frame + head, ev->data, ev->bytes);
    if (writer == JB_ROLE_CLIENT)
        jb_ws_mask(frame + head, ev->bytes, key, 0);
    jb_ws_init(&ws, reader, &jb_allocator_abort);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, 1);
    jb_ws_next(&ws, &p, &n, &back);
    jb_assert(back.kind == ev->kind && back.opcode == ev->opcode && back.bytes == ev->bytes);
    jb_assert(n == 0 && (ev->bytes == 0 || memcmp(back.data, ev->data, ev->bytes) == 0));
    jb_ws_deinit(&ws);
    free(frame);
}

static void note(struct events *events, const struct jb_ws_event *ev)
{
    jb_assert(events->count == 0 || events->list[events->count - 1].kind < JB_WS_EVENT_CLOSE);
    if (ev->kind == JB_WS_EVENT_MESSAGE && ev->opcode == JB_WS_TEXT)
        jb_assert(jb__utf8_valid(jb_str(ev->data, ev->bytes)));
    jb_assert(ev->bytes <= MESSAGE_LIMIT);
    if (events->count < EVENTS_MOST)
        events->list[events->count++] =
            (struct seen){ ev->kind, ev->opcode, ev->code, digest(ev->data, ev->bytes) };
}

static void run(const uint8_t *input, size_t n, enum jb_role role, bool deflate, uint32_t seed,
                struct events *events)
{
    struct inflater inflater = { 0 };
    struct jb_ws ws;
    struct jb_ws_event ev;
    size_t arrived = 0;

    events->count = 0;
    jb_ws_init(&ws, role, &jb_allocator_abort);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, FRAGMENT_LIMIT);
    if (deflate) {
        jb__codec_init(&inflater.codec, &jb_allocator_abort, 1);
        inflater.hook = (struct jb_ws_inflater){ inflate_piece, &inflater };
        ws.inflate = &inflater.hook;
    }
    while (arrived < n) {
        seed = seed * 1664525u + 1013904223u;
        size_t most = n - arrived;
        size_t piece = seed && (seed >> 16) % 32 < most ? (seed >> 16) % 32 : most;
        char *copy = malloc(piece ? piece : 1), *p = copy;
        size_t left = piece;
        memcpy(copy, input + arrived, piece);
        arrived += piece;
        while (jb_ws_next(&ws, &p, &left, &ev), ev.kind != JB_WS_EVENT_NONE) {
            note(events, &ev);
            if (ev.kind == JB_WS_EVENT_MESSAGE)
                write_and_read(&ev, role);
        }
        jb_assert(left == 0);
        jb_assert(deflate || ws.message.cap <= 64 + 2 * arrived);
        free(copy);
    }
    jb_ws_deinit(&ws);
    if (deflate) {
        jb__inflate_end(&inflater.codec, &inflater.message);
        jb__codec_deinit(&inflater.codec);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct events whole, pieces;

    if (n < 2)
        return 0;
    enum jb_role role = p[0] & 1 ? JB_ROLE_CLIENT : JB_ROLE_SERVER;
    bool deflate = p[0] & 2;
    run(p + 2, n - 2, role, deflate, 0, &whole);
    run(p + 2, n - 2, role, deflate, 1 + p[1], &pieces);
    jb_assert(whole.count == pieces.count);
    for (size_t i = 0; i < whole.count; i++) {
        const struct seen *a = &whole.list[i], *b = &pieces.list[i];
        jb_assert(a->kind == b->kind && a->opcode == b->opcode && a->digest == b->digest);
        /* Of two things wrong with a compressed message the one that comes first is told. */
        jb_assert(a->code == b->code || (deflate && a->kind == JB_WS_EVENT_FAIL));
    }
    return 0;
}
