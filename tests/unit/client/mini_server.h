/* SPDX-License-Identifier: MIT */
/* A server in the test's own thread: one connection at a time, the server's role of the core, one
 * account.  It says back every message, answers every request, and keeps a session that was cut. */
#ifndef TESTS_UNIT_CLIENT_MINI_SERVER_H
#define TESTS_UNIT_CLIENT_MINI_SERVER_H

#include "../core/sasl_kit.h"

#include "base/arena.h"
#include "base/assert.h"
#include "core/deflate.h"
#include "core/stream.h"
#include "core/ws_handshake.h"
#include "net/sock.h"

#include <stdlib.h>
#include <unistd.h>

enum { MINI_BYTES = 64 * 1024, MINI_MORE_BYTES = 12000 };

struct mini {
    struct kit kit;
    struct jb_stream_config config;
    struct jb__arena arena;
    int listener;
    struct jb__addr at;
    struct jb__sock sock;
    struct jb__sasl_server sasl;
    struct jb_stream stream;
    bool upgraded;
    char in[MINI_BYTES];
    size_t in_bytes;
    struct jb_sm_saved saved; /* of a session that was cut */
    bool has_saved, sm_named;
    bool without_sm;
    bool is_wordy; /* what it says is longer than a block of an arena, when looked at */
    /* SASL 2, for a server that offers it. */
    bool is_sasl2, asked_to_resume;
    uint64_t asked_h; /* what the client has handled, as it says */
    /* Compression, for a client that offers it. */
    bool may_deflate;
    struct jb__codec codec;
    struct jb__inflate inflate;
    struct jb__buf packed;
    struct jb_ws_inflater inflater;
    struct jb_ws_deflater deflater;
    unsigned packed_in, packed_out;     /* compressed messages so far */
    unsigned logins, resumes, messages; /* so far */
    char last_id[64];                   /* of a message, to notice one that comes twice */
};

static inline int mini_inflate(void *ctx, struct jb_str piece, bool last, struct jb__buf *out)
{
    struct mini *m = ctx;

    m->packed_in += last;
    return jb__inflate_feed(&m->codec, &m->inflate, piece, last, out);
}

static inline int mini_deflate(void *ctx, const struct jb_str pieces[3], struct jb__buf *out)
{
    struct mini *m = ctx;

    m->packed_out++;
    return jb__deflate_pieces(&m->codec, pieces, 15, out);
}

static inline void mini_init(struct mini *m)
{
    memset(m, 0, sizeof *m);
    jb__codec_init(&m->codec, &jb_allocator_libc, 1);
    jb__buf_init(&m->packed, &jb_allocator_libc, MINI_BYTES);
    m->inflater = (struct jb_ws_inflater){ mini_inflate, m };
    m->deflater = (struct jb_ws_deflater){ mini_deflate, &m->packed, m };
    kit_init(&m->kit);
    m->kit.ctx.host = JB_STR("localhost");
    m->kit.ctx.offered = JB__SASL_BIT(JB__SASL_SCRAM_SHA_256);
    m->config.limits = jb_limits_default;
    jb__arena_init(&m->arena, &jb_allocator_libc, 16u << 20);
    m->sock = JB__SOCK_NONE;
    jb_assert(jb__addr_parse_port(&m->at, JB_STR("127.0.0.1:0")) == 0);
    jb_assert(jb__listen_open(&m->at, 0, &m->listener) == 0);
}

/* The connection is gone; the session stays when it can. */
static inline void mini_hang_up(struct mini *m)
{
    if (m->upgraded) {
        if (m->stream.sm.on && m->sm_named) {
            jb_stream_sm_handled(&m->stream, m->stream.received);
            jb_stream_sm_detach(&m->stream, &m->saved);
            m->has_saved = true;
        }
        jb__sasl_server_deinit(&m->sasl);
        jb_stream_deinit(&m->stream);
        jb__inflate_end(&m->codec, &m->inflate);
    }
    m->upgraded = m->sm_named = false;
    m->in_bytes = 0;
    jb__sock_close(&m->sock);
}

static inline void mini_forget(struct mini *m)
{
    if (m->has_saved)
        jb_sendq_deinit(&m->saved.out);
    m->has_saved = false;
}

static inline void mini_deinit(struct mini *m)
{
    mini_hang_up(m);
    mini_forget(m);
    jb__codec_deinit(&m->codec);
    jb__buf_deinit(&m->packed);
    jb__arena_deinit(&m->arena);
    close(m->listener);
}

static inline void mini_say(struct mini *m, const char *xml)
{
    jb_assert(jb_stream_send_raw(&m->stream, jb_strz(xml)) == 0);
}

static inline void mini_stanza(struct mini *m, const char *xml)
{
    struct jb_stanza *s;

    jb_assert(jb_stanza_new(jb_strz(xml), &m->arena, &jb_allocator_libc, 0, &s) == 0);
    jb_assert(jb_stream_send(&m->stream, s, NULL) == 0);
    jb_stanza_unref(s);
}

static inline void mini_on_open(struct mini *m)
{
    jb_assert(jb_stream_open(&m->stream, JB_STR("localhost"), JB_STR_NONE, JB_STR("i")) == 0);
    if (m->stream.state == JB_STREAM_STATE_OPEN && m->is_sasl2)
        mini_say(m, "<f:features xmlns:f='http://etherx.jabber.org/streams'><authentication "
                    "xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><inline><bind "
                    "xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>"
                    "<sm xmlns='urn:xmpp:sm:3'/></inline></authentication></f:features>");
    else if (m->stream.state == JB_STREAM_STATE_OPEN)
        mini_say(m, "<f:features xmlns:f='http://etherx.jabber.org/streams'><mechanisms "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism>"
                    "</mechanisms></f:features>");
    else if (m->without_sm)
        mini_say(m, "<f:features xmlns:f='http://etherx.jabber.org/streams'><bind "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></f:features>");
    else
        mini_say(m, "<f:features xmlns:f='http://etherx.jabber.org/streams'><bind "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>"
                    "</f:features>");
}

static inline void mini_on_sasl(struct mini *m, const struct jb_doc *doc)
{
    struct jb_str text = jb_node_text(doc, 0, &m->arena);
    enum jb__sasl_step step;
    char xml[4096];

    if (jb_node_is(doc, 0, "auth", JB_NS_SASL)) {
        const struct jb__sasl_request request = { jb_node_attr(doc, 0, "mechanism", &m->arena),
                                                  text, kit_nonce };
        jb__sasl_server_deinit(&m->sasl);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_begin(&m->sasl, &m->kit.ctx, &request));
    } else {
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_response(&m->sasl, text));
    }
    jb_assert(step == JB__SASL_CHALLENGE || step == JB__SASL_SUCCESS);
    snprintf(xml, sizeof xml, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%.*s</%s>",
             step == JB__SASL_SUCCESS ? "success" : "challenge", JB_STR_ARG(m->sasl.out),
             step == JB__SASL_SUCCESS ? "success" : "challenge");
    mini_say(m, xml);
    if (step == JB__SASL_SUCCESS)
        jb_stream_authenticated(&m->stream);
}

static inline uint16_t mini_child(const struct jb_doc *doc, uint16_t node, const char *name)
{
    uint16_t k = jb_node_first(doc, node);

    while (k && !jb_str_eqz(jb_node_name(doc, k), name))
        k = jb_node_next(doc, k);
    return k;
}

/* Who they say they are they are: the session from before goes on, or a new one begins, in one
 * round (XEP-0388, XEP-0386). */
static inline void mini_let_in(struct mini *m)
{
    static const char head[] = "<success xmlns='urn:xmpp:sasl:2'><additional-data>%.*s"
                               "</additional-data><authorization-identifier>romeo@localhost/r"
                               "</authorization-identifier>%s</success>";
    static const char bound[] = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' "
                                "id='name' resume='true'/></bound>";
    char xml[4096], inner[256];
    int64_t tag;

    const bool goes_on = m->asked_to_resume && m->has_saved &&
                         jb_sm_acknowledge(&m->saved, (uint32_t)m->asked_h) == 0;
    snprintf(inner, sizeof inner, "<resumed xmlns='urn:xmpp:sm:3' previd='name' h='%u'/>",
             goes_on ? (unsigned)jb_sm_handled_wire(&m->saved.sm) : 0);
    snprintf(xml, sizeof xml, head, JB_STR_ARG(m->sasl.out), goes_on ? inner : bound);
    jb_stream_authenticated(&m->stream);
    jb_stream_continued(&m->stream);
    mini_say(m, xml);
    m->sm_named = true;
    if (goes_on) {
        while (jb_sendq_take_acked(&m->saved.out, &tag))
            continue;
        jb_stream_sm_go_on(&m->stream, &m->saved);
        m->has_saved = false;
        m->resumes++;
    } else {
        mini_forget(m);
        jb_stream_bound(&m->stream);
        jb_stream_sm_enabled_inline(&m->stream);
        m->logins++;
    }
}

static inline void mini_on_sasl2(struct mini *m, const struct jb_doc *doc)
{
    enum jb__sasl_step step;
    char xml[4096];

    if (jb_str_eqz(jb_node_name(doc, 0), "authenticate")) {
        uint16_t first = mini_child(doc, 0, "initial-response");
        uint16_t resume = mini_child(doc, 0, "resume");
        const struct jb__sasl_request request = { jb_node_attr(doc, 0, "mechanism", &m->arena),
                                                  jb_node_text(doc, first, &m->arena), kit_nonce };
        m->asked_to_resume = resume && jb_str_u64(jb_node_attr(doc, resume, "h", &m->arena),
                                                  UINT32_MAX, &m->asked_h);
        jb__sasl_server_deinit(&m->sasl);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_begin(&m->sasl, &m->kit.ctx, &request));
    } else {
        struct jb_str text = jb_node_text(doc, 0, &m->arena);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_response(&m->sasl, text));
    }
    if (step == JB__SASL_SUCCESS) {
        mini_let_in(m);
        return;
    }
    jb_assert(step == JB__SASL_CHALLENGE);
    snprintf(xml, sizeof xml, "<challenge xmlns='urn:xmpp:sasl:2'>%.*s</challenge>",
             JB_STR_ARG(m->sasl.out));
    mini_say(m, xml);
}

/* What makes an answer long. */
static inline const char *mini_more(const struct mini *m)
{
    static const char head[] = "<x xmlns='urn:x'>", tail[] = "</x>";
    static char more[MINI_MORE_BYTES];

    if (!m->is_wordy)
        return "";
    memset(more, 'x', sizeof more);
    memcpy(more, head, sizeof head - 1);
    memcpy(more + sizeof more - sizeof tail, tail, sizeof tail);
    return more;
}

static inline void mini_on_stanza(struct mini *m, const struct jb_stream_event *ev)
{
    static char xml[MINI_MORE_BYTES + 512];
    const struct jb_stanza_head *h = &ev->draft.h;

    if (m->stream.state == JB_STREAM_STATE_BINDING) {
        jb_stream_bound(&m->stream);
        m->logins++;
        snprintf(
            xml, sizeof xml,
            "<iq xmlns='jabber:client' type='result' id='%.*s'><bind "
            "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@localhost/r</jid></bind></iq>",
            JB_STR_ARG(h->id));
        mini_say(m, xml);
    } else if (h->kind == JB_IQ && (h->type == JB_TYPE_GET || h->type == JB_TYPE_SET)) {
        snprintf(xml, sizeof xml,
                 "<iq xmlns='jabber:client' type='result' from='localhost' id='%.*s'><query "
                 "xmlns='jabber:iq:roster'>%s</query></iq>",
                 JB_STR_ARG(h->id), mini_more(m));
        mini_stanza(m, xml);
    } else if (h->kind == JB_MESSAGE) {
        m->messages++;
        snprintf(xml, sizeof xml,
                 "<message xmlns='jabber:client' from='echo@localhost' id='%.*s'><body>a &amp; "
                 "b</body>%s</message>",
                 JB_STR_ARG(h->id), mini_more(m));
        mini_stanza(m, xml);
    }
    jb_stream_sm_handled(&m->stream, m->stream.received);
}

static inline void mini_on_event(struct mini *m, struct jb_stream_event *ev)
{
    int64_t tag;

    switch (ev->kind) {
    case JB_STREAM_EVENT_OPEN:
        mini_on_open(m);
        break;
    case JB_STREAM_EVENT_SASL:
        mini_on_sasl(m, &ev->doc);
        break;
    case JB_STREAM_EVENT_ELEMENT:
        mini_on_sasl2(m, &ev->doc);
        break;
    case JB_STREAM_EVENT_STANZA:
        mini_on_stanza(m, ev);
        break;
    case JB_STREAM_EVENT_SM_ENABLE:
        mini_forget(m);
        m->sm_named = true;
        jb_assert(jb_stream_sm_enabled(
                      &m->stream, &(struct jb_sm_grant){ .id = JB_STR("name"), .max_s = 60 }) == 0);
        break;
    case JB_STREAM_EVENT_SM_RESUME:
        if (m->has_saved && jb_sm_acknowledge(&m->saved, ev->sm.h) == 0) {
            while (jb_sendq_take_acked(&m->saved.out, &tag))
                continue;
            jb_assert(jb_stream_sm_resumed(&m->stream, &m->saved, ev->sm.id) == 0);
            m->has_saved = false;
            m->sm_named = true;
            m->resumes++;
        } else {
            jb_assert(jb_stream_sm_failed(&m->stream, JB_STANZA_ITEM_NOT_FOUND, NULL) == 0);
        }
        break;
    case JB_STREAM_EVENT_ACKED:
        while (jb_sendq_take_acked(&m->stream.out, &tag))
            continue;
        break;
    default:
        break;
    }
}

static inline void mini_upgrade(struct mini *m)
{
    const struct jb__ws_handshake_options options = { .protocol = JB__WS_PROTOCOL_XMPP,
                                                      .deflate = m->may_deflate };
    static struct jb__http_request request;
    struct jb__http_parser parser;
    struct jb__ws_handshake h;
    struct jb__buf out;

    jb__http_parser_init(&parser, &m->config.limits);
    if (jb__http_parse_request(&parser, jb_str(m->in, m->in_bytes), &request) != JB__HTTP_DONE)
        return;
    jb_assert(jb__ws_handshake_check(&request, &options, &h));
    jb__buf_init(&out, &jb_allocator_libc, MINI_BYTES);
    jb_assert(jb__ws_handshake_answer(&h, &out) == 0);
    jb_assert(jb__sock_write(&m->sock, out.p, out.n) == (ssize_t)out.n);
    jb__buf_deinit(&out);
    m->in_bytes -= request.bytes;
    memmove(m->in, m->in + request.bytes, m->in_bytes);
    memset(&m->sasl, 0, sizeof m->sasl);
    jb_stream_init(&m->stream, &m->config, &jb_allocator_libc);
    if (h.deflate.on) {
        m->stream.ws.inflate = &m->inflater;
        m->stream.deflate = &m->deflater;
    }
    m->upgraded = true;
}

static inline void mini_flush(struct mini *m)
{
    static char out[MINI_BYTES];
    size_t n;

    while (m->upgraded && (n = jb_stream_render(&m->stream, out, sizeof out)) > 0)
        if (jb__sock_write(&m->sock, out, n) != (ssize_t)n)
            return; /* gone: the next read tells */
}

static inline void mini_take(struct mini *m)
{
    struct jb_stream_event ev;

    jb_stream_feed(&m->stream, m->in, m->in_bytes);
    while (jb_stream_next(&m->stream, &m->arena, &ev), ev.kind != JB_STREAM_EVENT_NONE) {
        mini_on_event(m, &ev);
        jb__arena_reset(&m->arena);
    }
    jb_stream_rest(&m->stream);
    m->in_bytes = 0;
}

/* Does what can be done without waiting. */
static inline void mini_step(struct mini *m)
{
    struct jb__addr peer;
    ssize_t n;

    if (m->sock.fd < 0 && jb__sock_accept(m->listener, &m->sock, &peer) != 0)
        return;
    n = jb__sock_read(&m->sock, m->in + m->in_bytes, sizeof m->in - m->in_bytes);
    if (n == JB_EAGAIN) {
        mini_flush(m);
        return;
    }
    if (n < 0) {
        mini_hang_up(m);
        return;
    }
    m->in_bytes += (size_t)n;
    if (!m->upgraded)
        mini_upgrade(m);
    if (m->upgraded)
        mini_take(m);
    mini_flush(m);
    if (m->upgraded && m->stream.state == JB_STREAM_STATE_CLOSED)
        mini_hang_up(m);
}

static inline int mini_fd(const struct mini *m)
{
    return m->sock.fd < 0 ? m->listener : m->sock.fd;
}

#endif
