/* SPDX-License-Identifier: MIT */
/* The echo endpoint of test builds: the production framing code without XMPP, for conformance
 * suites that send any bytes. */
#include "base/assert.h"
#include "server/conn.h"
#include "server/reactor.h"

#ifdef JABIRU_TEST_HOOKS

static void put_frame(struct conn *c, enum jb_ws_opcode opcode, bool rsv1, struct jb_str payload)
{
    char head[JB_WS_HEAD_BYTES];
    size_t n = jb_ws_write_head(head, opcode, rsv1, payload.n, NULL);

    if (jb__buf_append(&c->out, head, n) != 0 || jb__buf_append(&c->out, payload.p, payload.n) != 0)
        conn_close(c, "too much output waits for the client");
}

static void put_close(struct conn *c, unsigned code)
{
    char payload[2] = { (char)(code >> 8), (char)(code & 0xff) };

    put_frame(c, JB_WS_CLOSE, false, jb_str(payload, code == JB_WS_NO_CODE ? 0 : 2));
    c->stream.state = JB_STREAM_STATE_CLOSED; /* the socket goes when this is flushed */
}

static void put_message(struct conn *c, const struct jb_ws_event *ev)
{
    struct jb_str text = jb_str(ev->data, ev->bytes);
    struct jb__buf *packed = &c->reactor->deflated;

    packed->n = 0;
    if (c->deflate_bits &&
        jb__deflate_message(&c->reactor->codec, text, c->deflate_bits, packed) == 0)
        put_frame(c, ev->opcode, true, jb__buf_str(packed));
    else
        put_frame(c, ev->opcode, false, text);
}

void echo_input(struct conn *c, char *p, size_t n)
{
    struct jb_ws_event ev;

    do {
        jb_ws_next(&c->stream.ws, &p, &n, &ev);
        if (ev.kind == JB_WS_EVENT_MESSAGE)
            put_message(c, &ev);
        else if (ev.kind == JB_WS_EVENT_PING)
            put_frame(c, JB_WS_PONG, false, jb_str(ev.data, ev.bytes));
        else if (ev.kind == JB_WS_EVENT_CLOSE || ev.kind == JB_WS_EVENT_FAIL)
            put_close(c, ev.code);
    } while (c->phase == CONN_ECHO && c->stream.state != JB_STREAM_STATE_CLOSED &&
             ev.kind != JB_WS_EVENT_NONE);
    conn_mark_dirty(c);
}

#endif
