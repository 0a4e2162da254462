/* SPDX-License-Identifier: MIT */
/* A server in the test's own thread: one connection at a time, the server's role of the core, one
 * account.  It says back every message, answers every request, and keeps a session that was cut. */
#ifndef TESTS_UNIT_CLIENT_MINI_SERVER_H
#define TESTS_UNIT_CLIENT_MINI_SERVER_H

#include "../core/sasl_kit.h"

#include "base/arena.h"
#include "base/assert.h"
#include "core/deflate.h"
#include "core/sasl_ht.h"
#include "core/stream.h"
#include "core/ws_handshake.h"
#include "net/sock.h"

#include <stdlib.h>
#include <unistd.h>

enum { MINI_BYTES = 64 * 1024, MINI_MORE_BYTES = 12000, MINI_TEXT_BYTES = 8 * 1024 };

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
    bool is_odd;   /* so is what it says at a login, and each text of that needs a copy */
    /* SASL 2, for a server that offers it. */
    bool is_sasl2, asked_to_resume;
    uint64_t asked_h; /* what the client has handled, as it says */
    /* TLS; the caller's.  NULL: none. */
    struct jb__tls_ctx *tls;
    bool has_pages; /* and a web server's pages that say where the endpoint is */
    unsigned pages; /* asked for so far */
    /* Tokens, within SASL 2: the last one given counts, and the one before it. */
    bool gives_tokens;
    unsigned tokens, token_logins; /* so far */
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

/* What stands behind a text: blanks that do not count, and as many elements as fill what a parser
 * has in reserve. */
static inline const char *mini_odd(const struct mini *m)
{
    enum { BLANKS = 700, ELEMENTS = 500 };
    static const char space[] = "&#32;", element[] = "<x/>";
    static char text[BLANKS + ELEMENTS * (sizeof element - 1) + sizeof space];
    char *p = text;

    if (!m->is_odd)
        return "";
    memset(p, ' ', BLANKS);
    p += BLANKS;
    memcpy(p, space, sizeof space - 1);
    p += sizeof space - 1;
    for (int k = 0; k < ELEMENTS; k++, p += sizeof element - 1)
        memcpy(p, element, sizeof element);
    return text;
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

static inline void mini_offer_sasl2(struct mini *m)
{
    static const char fast[] = "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE"
                               "</mechanism></fast>";
    char xml[MINI_TEXT_BYTES];

    snprintf(xml, sizeof xml,
             "<f:features xmlns:f='http://etherx.jabber.org/streams'><authentication "
             "xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256%s</mechanism><inline><bind "
             "xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:sm:3'/></inline></bind>"
             "<sm xmlns='urn:xmpp:sm:3'/>%s</inline></authentication></f:features>",
             mini_odd(m), m->gives_tokens ? fast : "");
    mini_say(m, xml);
}

static inline void mini_offer_sasl(struct mini *m)
{
    char xml[MINI_TEXT_BYTES];

    snprintf(xml, sizeof xml,
             "<f:features xmlns:f='http://etherx.jabber.org/streams'><mechanisms "
             "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256%s</mechanism>"
             "</mechanisms></f:features>",
             mini_odd(m));
    mini_say(m, xml);
}

static inline void mini_on_open(struct mini *m)
{
    jb_assert(jb_stream_open(&m->stream, JB_STR("localhost"), JB_STR_NONE, JB_STR("i")) == 0);
    if (m->stream.state == JB_STREAM_STATE_OPEN && m->is_sasl2)
        mini_offer_sasl2(m);
    else if (m->stream.state == JB_STREAM_STATE_OPEN)
        mini_offer_sasl(m);
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
    char xml[MINI_TEXT_BYTES];

    if (jb_node_is(doc, 0, "auth", JB_NS_SASL)) {
        const struct jb__sasl_request request = { jb_node_attr(doc, 0, "mechanism", &m->arena),
                                                  text, kit_nonce };
        jb__sasl_server_deinit(&m->sasl);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_begin(&m->sasl, &m->kit.ctx, &request));
    } else {
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_response(&m->sasl, text));
    }
    jb_assert(step == JB__SASL_CHALLENGE || step == JB__SASL_SUCCESS);
    snprintf(xml, sizeof xml, "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%.*s%s</%s>",
             step == JB__SASL_SUCCESS ? "success" : "challenge", JB_STR_ARG(m->sasl.out),
             mini_odd(m), step == JB__SASL_SUCCESS ? "success" : "challenge");
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

/* The text of a token, as a program or as XML sees it. */
static inline const char *mini_token(unsigned number, bool in_xml)
{
    enum { LONG = 700 }; /* one that an arena has no room for, whatever is left of a block */
    static char text[LONG + 64];

    snprintf(text, sizeof text, "secret-token:a%s%0*u", in_xml ? "&amp;" : "&", LONG, number);
    return text;
}

/* The token for the next time, an element; "": none. */
static inline const char *mini_give_token(struct mini *m)
{
    static char xml[MINI_TEXT_BYTES];

    if (!m->gives_tokens)
        return "";
    snprintf(xml, sizeof xml,
             "<token xmlns='urn:xmpp:fast:0' expiry='2099-01-01T00:00:00Z' token='%s'/>",
             mini_token(++m->tokens, true));
    return xml;
}

/* Who they say they are they are: the session from before goes on, or a new one begins, in one
 * round (XEP-0388, XEP-0386).  `data` is our own proof. */
static inline void mini_let_in(struct mini *m, struct jb_str data)
{
    static const char head[] = "<success xmlns='urn:xmpp:sasl:2'><additional-data>%.*s%s"
                               "</additional-data><authorization-identifier>romeo@localhost/r"
                               "</authorization-identifier>%s%s</success>";
    static const char bound[] = "<bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' "
                                "id='name' resume='true'/></bound>";
    char xml[2 * MINI_TEXT_BYTES], inner[256];
    int64_t tag;

    const bool goes_on = m->asked_to_resume && m->has_saved &&
                         jb_sm_acknowledge(&m->saved, (uint32_t)m->asked_h) == 0;
    snprintf(inner, sizeof inner, "<resumed xmlns='urn:xmpp:sm:3' previd='name' h='%u'/>",
             goes_on ? (unsigned)jb_sm_handled_wire(&m->saved.sm) : 0);
    snprintf(xml, sizeof xml, head, JB_STR_ARG(data), mini_odd(m), goes_on ? inner : bound,
             mini_give_token(m));
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

/* A first message that claims to know a token (XEP-0484). */
static inline void mini_on_token(struct mini *m, unsigned ht, struct jb_str text)
{
    struct jb__sasl_ht_claim claim;
    struct jb__buf room, answer;
    int rc = JB_EAUTH;

    jb__buf_init(&room, &jb_allocator_libc, MINI_BYTES);
    jb__buf_init(&answer, &jb_allocator_libc, MINI_BYTES);
    jb_assert(jb__sasl_ht_read(text, &room, &claim) == 0);
    for (unsigned k = 0; rc != 0 && k < 2 && k < m->tokens; k++) {
        struct jb_str token = jb_strz(mini_token(m->tokens - k, false));
        rc = jb__sasl_ht_verify(ht, token, JB_STR_NONE, claim.proof, &jb_allocator_libc);
        if (rc == 0)
            rc = jb__sasl_ht_answer(ht, token, JB_STR_NONE, &answer);
    }
    jb_assert(rc == 0);
    m->token_logins++;
    mini_let_in(m, jb__buf_str(&answer));
    jb__buf_deinit(&room);
    jb__buf_deinit(&answer);
}

static inline void mini_on_sasl2(struct mini *m, const struct jb_doc *doc)
{
    enum jb__sasl_step step;
    char xml[MINI_TEXT_BYTES];

    if (jb_str_eqz(jb_node_name(doc, 0), "authenticate")) {
        uint16_t first = mini_child(doc, 0, "initial-response");
        uint16_t resume = mini_child(doc, 0, "resume");
        const struct jb__sasl_request request = { jb_node_attr(doc, 0, "mechanism", &m->arena),
                                                  jb_node_text(doc, first, &m->arena), kit_nonce };
        const unsigned ht = jb__sasl_ht_find(request.mech);
        m->asked_to_resume = resume && jb_str_u64(jb_node_attr(doc, resume, "h", &m->arena),
                                                  UINT32_MAX, &m->asked_h);
        if (ht < JB__SASL_HT_COUNT) {
            mini_on_token(m, ht, request.initial);
            return;
        }
        jb__sasl_server_deinit(&m->sasl);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_begin(&m->sasl, &m->kit.ctx, &request));
    } else {
        struct jb_str text = jb_node_text(doc, 0, &m->arena);
        step = kit_serve(&m->kit, &m->sasl, jb__sasl_server_response(&m->sasl, text));
    }
    if (step == JB__SASL_SUCCESS) {
        mini_let_in(m, m->sasl.out);
        return;
    }
    jb_assert(step == JB__SASL_CHALLENGE);
    snprintf(xml, sizeof xml, "<challenge xmlns='urn:xmpp:sasl:2'>%.*s%s</challenge>",
             JB_STR_ARG(m->sasl.out), mini_odd(m));
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

/* Says a message back.  When odd, as after a crash: twice, by the name it has in the archive; and
 * with somebody's lie in between. */
static inline void mini_echo(struct mini *m, struct jb_str id)
{
    static const char lie[] = "<message xmlns='jabber:client' from='mallory@localhost'><event "
                              "xmlns='http://jabber.org/protocol/pubsub#event'><items node='"
                              "storage&#58;bookmarks'/></event>%s%s</message>";
    static char xml[MINI_MORE_BYTES + MINI_TEXT_BYTES], stanza_id[256];

    m->messages++;
    snprintf(stanza_id, sizeof stanza_id,
             "<stanza-id xmlns='urn:xmpp:sid:0' by='romeo&#64;localhost' id='a&amp;%u'/>",
             m->messages);
    snprintf(xml, sizeof xml,
             "<message xmlns='jabber:client' from='echo@localhost' id='%.*s'><body>a &amp; "
             "b</body>%s%s%s%s</message>",
             JB_STR_ARG(id), m->is_odd ? stanza_id : "", mini_more(m), mini_odd(m), mini_odd(m));
    mini_stanza(m, xml);
    if (!m->is_odd)
        return;
    mini_stanza(m, xml);
    snprintf(xml, sizeof xml, lie, mini_odd(m), mini_odd(m));
    mini_stanza(m, xml);
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
            "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@localhost/r%s</jid></bind></iq>",
            JB_STR_ARG(h->id), mini_odd(m));
        mini_say(m, xml);
    } else if (h->kind == JB_IQ && (h->type == JB_TYPE_GET || h->type == JB_TYPE_SET)) {
        snprintf(xml, sizeof xml,
                 "<iq xmlns='jabber:client' type='result' from='localhost' id='%.*s'><query "
                 "xmlns='jabber:iq:roster'>%s</query></iq>",
                 JB_STR_ARG(h->id), mini_more(m));
        mini_stanza(m, xml);
    } else if (h->kind == JB_MESSAGE) {
        mini_echo(m, h->id);
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

/* All of it; TLS takes a record at a time.  Who is gone is noticed by the next read. */
static inline void mini_write(struct mini *m, const char *p, size_t n)
{
    ssize_t put;

    for (; n > 0 && (put = jb__sock_write(&m->sock, p, n)) > 0; p += put)
        n -= (size_t)put;
}

/* Where the endpoint is; in JSON only when somebody has logged in before. */
static inline void mini_page(struct mini *m, struct jb_str path)
{
    static const char rel[] = "urn:xmpp:alt-connections:websocket";
    const bool is_json = jb_str_eqz(path, "/.well-known/host-meta.json");
    char page[512], text[1024];

    m->pages++;
    if (is_json)
        snprintf(page, sizeof page,
                 "{\"links\":[{\"rel\":\"%s\",\"href\":\"wss://localhost:%u/x?a&b\"}]}", rel,
                 m->at.port);
    else
        snprintf(page, sizeof page,
                 "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'><Link rel='%s' "
                 "href='wss://localhost:%u/x?a&amp;b'/></XRD>",
                 rel, m->at.port);
    const bool found = !is_json || m->logins > 0;
    int n =
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                 found ? "200 OK" : "404 Not Found", found ? strlen(page) : 0, found ? page : "");
    mini_write(m, text, (size_t)n);
    m->in_bytes = 0;
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
    if (m->has_pages && jb_str_starts(request.path, JB_STR("/.well-known/"))) {
        mini_page(m, request.path);
        return;
    }
    jb_assert(jb__ws_handshake_check(&request, &options, &h));
    jb__buf_init(&out, &jb_allocator_libc, MINI_BYTES);
    jb_assert(jb__ws_handshake_answer(&h, &out) == 0);
    mini_write(m, out.p, out.n);
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
        mini_write(m, out, n);
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

static inline void mini_read(struct mini *m)
{
    ssize_t n = jb__sock_read(&m->sock, m->in + m->in_bytes, sizeof m->in - m->in_bytes);

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

static inline int mini_accept(struct mini *m)
{
    struct jb__addr peer;
    int rc = jb__sock_accept(m->listener, &m->sock, &peer);

    return rc == 0 && m->tls ? jb__sock_start_tls(&m->sock, m->tls) : rc;
}

/* Does what can be done without waiting. */
static inline void mini_step(struct mini *m)
{
    if (m->sock.fd < 0 && mini_accept(m) != 0)
        return;
    int rc = jb__sock_handshake(&m->sock);
    if (rc == JB_EAGAIN)
        return;
    if (rc != 0) {
        mini_hang_up(m);
        return;
    }
    do
        mini_read(m);
    while (m->sock.fd >= 0 && jb__sock_pending(&m->sock));
}

static inline int mini_fd(const struct mini *m)
{
    return m->sock.fd < 0 ? m->listener : m->sock.fd;
}

#endif
