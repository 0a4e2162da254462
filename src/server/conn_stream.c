/* SPDX-License-Identifier: MIT */
/* A connection whose WebSocket is open: stream negotiation (RFC 6120 sections 4, 6, 7; RFC 7395)
 * and, once a resource is bound, its session's stanzas. */
#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "server/auth.h"
#include "server/conn.h"
#include "server/module.h"
#include "server/server.h"
#include "server/session_sm.h"

#include <ctype.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { STANZA_BURST_S = 4, CONTROL_BURST_S = 3 };

/* ---- compression (RFC 7692) ---- */

static int feed_inflate(void *ctx, struct jb_str piece, bool last, struct jb__buf *out)
{
    struct conn *c = ctx;

    return jb__inflate_feed(&c->reactor->codec, &c->inflate, piece, last, out);
}

static int deflate_message(void *ctx, const struct jb_str pieces[3], struct jb__buf *out)
{
    struct conn *c = ctx;

    return jb__deflate_pieces(&c->reactor->codec, pieces, c->deflate_bits, out);
}

void conn_stream_begin(struct conn *c, uint8_t deflate_bits, bool echo)
{
    jb_stream_init(&c->stream, &c->reactor->conf->stream, alloc);
    c->stream_open = true;
    c->deflate_bits = deflate_bits;
    if (deflate_bits) {
        c->inflate_ops = (struct jb_ws_inflater){ feed_inflate, c };
        c->deflate_ops = (struct jb_ws_deflater){ deflate_message, &c->reactor->deflated, c };
        c->stream.ws.inflate = &c->inflate_ops;
        c->stream.deflate = &c->deflate_ops;
    }
    c->stanzas.milli = (uint64_t)conn_limits(c)->stanza_rate * STANZA_BURST_S * 1000;
    c->control.milli = (uint64_t)conn_limits(c)->ws_control_rate * CONTROL_BURST_S * 1000;
    if (echo) {
        jb_ws_set_limits(&c->stream.ws, 16 * JB_MIB, UINT32_MAX);
        c->out.max = 64 * JB_MIB;
    }
    conn_set_phase(c, echo ? CONN_ECHO : CONN_STREAM);
}

/* The socket is closed: the session ends with it, or waits for another. */
void conn_stream_end(struct conn *c)
{
    struct user *u = c->user;

    if (!c->stream_open)
        return;
    if (c->session)
        session_lost(c->session);
    jb_assert(!c->session);
    c->user = NULL;
    if (u)
        user_unpin(u);
    jb__inflate_end(&c->reactor->codec, &c->inflate);
    jb_stream_deinit(&c->stream);
    c->stream_open = false;
}

void conn_adopt(struct conn *c)
{
    const struct conf *conf = c->reactor->conf;

    c->deflate_ops.scratch = &c->reactor->deflated;
    if (!c->stream_open)
        return;
    if (c->phase == CONN_STREAM)
        jb_stream_set_config(&c->stream, &conf->stream);
    if (!c->host)
        return;
    c->host = conf_find_host(conf, jb_jid_str(c->host->jid));
    if (!c->host) {
        conn_stream_fail(c, JB_STREAM_HOST_GONE, "this host is no longer served");
        conn_mark_dirty(c);
    }
}

/* ---- negotiation ---- */

void conn_send_features(struct conn *c, bool resuming)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, 64 * 1024);
    jb_xml_begin(&x, &buf);
    jb_xml_open(&x, "stream:features", JB_NS_NONE);
    jb_xml_attr(&x, "xmlns:stream", jb_ns_uri(JB_NS_STREAMS));
    if (!c->authenticated)
        auth_write_features(c, &x);
    else if (!c->session && !resuming)
        jb_xml_leaf(&x, "bind", JB_NS_BIND, JB_STR_NONE);
    (void)hooks_run(features, c->host, (c, resuming, &x));
    jb_xml_close(&x);
    if (jb_xml_end(&x) != 0 || jb_stream_send_raw(&c->stream, jb__buf_str(&buf)) != 0)
        conn_close(c, "no memory for the stream's features");
    jb__buf_deinit(&buf);
}

/* The host a client asks for; NULL when it is not served here or the address is none. */
static const struct host *asked_host(struct conn *c, struct jb_str to)
{
    struct jb_str domain;

    if (to.n == 0 || jb_jid_prep_domain(to, &c->reactor->arena, &domain) != 0)
        return NULL;
    return conf_find_host(c->reactor->conf, domain);
}

void conn_stream_fail(struct conn *c, enum jb_stream_error error, const char *words)
{
    if (!c->reason)
        c->reason = words;
    c->reactor->counters.stream_errors++;
    jb_stream_fail(&c->stream, error, words);
    conn_schedule(c);
}

/* RFC 6120 section 4.7.4: the language of stanzas that do not say theirs. */
static void take_lang(struct conn *c, struct jb_str lang)
{
    bool good = lang.n < sizeof c->lang;

    for (size_t i = 0; good && i < lang.n; i++)
        good = isalnum((unsigned char)lang.p[i]) || lang.p[i] == '-';
    c->lang[0] = '\0';
    if (good && lang.n) {
        memcpy(c->lang, lang.p, lang.n);
        c->lang[lang.n] = '\0';
    }
}

/* Who the client says it is, without a resource; nobody believes it yet.  Remembered until it has
 * authenticated. */
static struct jb_str take_claim(struct conn *c, struct jb_str from)
{
    struct jb_str bare = jb_stream_claim(from, &c->reactor->arena);

    jb_free(alloc, (void *)(uintptr_t)c->claimed.p);
    c->claimed = JB_STR_NONE;
    if (bare.n && !c->authenticated)
        c->claimed = jb_str(memcpy(jb_alloc(alloc, bare.n), bare.p, bare.n), bare.n);
    return bare;
}

/* Our header comes first, to whom the client says it is (RFC 6120 sections 4.7.2, 4.9.1.2). */
static void refuse_open(struct conn *c, const struct jb_stream_event *ev,
                        enum jb_stream_error error, const char *words)
{
    if (jb_stream_open_to_fail(&c->stream, jb_stream_claim(ev->from, &c->reactor->arena)) != 0)
        conn_close(c, "no memory for a stream header");
    else
        conn_stream_fail(c, error, words);
}

static void on_open(struct conn *c, const struct jb_stream_event *ev)
{
    const struct host *host = asked_host(c, ev->to);
    char id[JB__RANDOM_ID_BYTES + 1];

    if (!host) {
        refuse_open(c, ev, ev->to.n ? JB_STREAM_HOST_UNKNOWN : JB_STREAM_IMPROPER_ADDRESSING,
                    "the 'to' of <open/> names no host that is served here");
        return;
    }
    /* Who authenticated is somebody at that host only. */
    if (c->authenticated && host != c->host) {
        refuse_open(c, ev, JB_STREAM_HOST_UNKNOWN, "authenticated at another host");
        return;
    }
    if (c->origin && !web_origin_allowed(host, jb_strz(c->origin))) {
        refuse_open(c, ev, JB_STREAM_POLICY_VIOLATION,
                    "pages of this origin may not connect to this host (option `origins`)");
        return;
    }
    c->host = host;
    take_lang(c, ev->lang);
    struct jb_str claimed = take_claim(c, ev->from);
    jb__random_id(id);
    /* RFC 6120 section 4.7.2: `to` is whom the client said it is, if it said so. */
    if (jb_stream_open(&c->stream, jb_jid_str(host->jid), claimed,
                       jb_str(id, JB__RANDOM_ID_BYTES)) != 0)
        conn_close(c, "no memory for a stream header");
    else
        conn_send_features(c, false);
}

/* ---- resource binding (RFC 6120 section 7) ---- */

struct binding {
    struct conn *conn; /* a reference; it is held */
    struct jb_stanza *request;
};

static void send_bound(struct conn *c, const struct jb_stanza *request)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, c->reactor);

    jb_stanza_open(x, JB_IQ, "result", JB_JID_NONE, JB_JID_NONE, request->h.id);
    jb_xml_open(x, "bind", JB_NS_BIND);
    jb_xml_leaf(x, "jid", JB_NS_NONE, jb_jid_str(c->session->jid));
    jb_xml_close(x);
    jb_xml_close(x);
    struct jb_stanza *answer = router_seal(&o);
    if (jb_stream_send(&c->stream, answer, NULL) != 0)
        conn_close(c, "no memory for an answer");
    jb_stanza_unref(answer);
}

/* RFC 6120 section 7.7.3: another try is possible, up to a limit. */
static void refuse_binding(struct conn *c, const struct jb_stanza_head *h, struct jb_fault fault)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, c->reactor);
    struct jb_stanza_head answered = *h;

    answered.from = JB_JID_NONE; /* it has no address yet */
    jb_stanza_write_error(x, &answered, JB_JID_NONE, &fault);
    struct jb_stanza *answer = router_seal(&o);
    if (jb_stream_send(&c->stream, answer, NULL) != 0)
        conn_close(c, "no memory for an answer");
    jb_stanza_unref(answer);
    c->reactor->counters.bounced++;
    if (++c->failures < conn_limits(c)->bind_attempts)
        return;
    conn_limit(c, JB_LIMIT_bind_attempts);
    conn_stream_fail(c, JB_STREAM_POLICY_VIOLATION, "too many refused resource bindings");
}

static void bind_now(struct user *u, struct conn *c, const struct jb_stanza *request)
{
    const struct jb_doc *doc = &request->doc;
    uint16_t bind = jb_node_child(doc, 0, "bind", JB_NS_BIND);
    uint16_t wish = jb_node_child(doc, bind, "resource", JB_NS_BIND);
    struct jb__arena *arena = &c->reactor->arena;
    struct jb_str resource = wish ? jb_node_text(doc, wish, arena) : JB_STR_NONE;
    struct jb_fault fault = JB_NO_FAULT;

    if (resource.n && jb_jid_prep_resource(resource, arena, &resource) != 0) {
        refuse_binding(c, &request->h, JB_FAULT(BAD_REQUEST, "not a resource"));
        return;
    }
    struct session *s = session_bind(u, c, resource, &fault);
    if (!s) {
        refuse_binding(c, &request->h, fault);
        return;
    }
    jb_stream_bound(&c->stream);
    send_bound(c, request);
    conn_schedule(c);
    (void)hooks_run_all(bound, (s));
}

static void on_user_ready(struct user *u, void *ctx)
{
    struct binding *b = ctx;
    struct conn *c = b->conn;
    const char *words;

    if (c->phase == CONN_STREAM && c->stream.state == JB_STREAM_STATE_BINDING) {
        if (u->state == USER_READY) {
            bind_now(u, c, b->request);
        } else {
            enum jb_stream_error error = user_absence(u, &words);
            conn_stream_fail(c, error, words);
        }
        conn_mark_dirty(c);
    }
    jb_stanza_unref(b->request);
    jb_free(alloc, b);
    conn_release(c);
    conn_unref(c);
}

static void on_bind_request(struct conn *c, const struct jb_draft *draft)
{
    struct binding *b = jb_alloc(alloc, sizeof *b);

    *b = (struct binding){ .conn = conn_ref(c) };
    int rc = jb_draft_seal(draft, alloc, c->reactor->now_us, &b->request);
    jb_assert(rc == 0);
    conn_hold(c);
    if (user_when_ready(c->user, on_user_ready, b) == 0)
        return;
    refuse_binding(c, &draft->h, JB_FAULT(RESOURCE_CONSTRAINT, "too many wait for this account"));
    jb_stanza_unref(b->request);
    jb_free(alloc, b);
    conn_release(c);
    conn_unref(c);
}

/* An iq before there is a session: binding, or what a module answers to strangers (registration).
 */
static void on_early_iq(struct conn *c, struct jb_draft *draft)
{
    uint16_t payload = jb_node_first(draft->doc, 0);

    if (c->authenticated && draft->h.type == JB_TYPE_SET && payload &&
        jb_node_is(draft->doc, payload, "bind", JB_NS_BIND)) {
        on_bind_request(c, draft);
        return;
    }
    if (!c->authenticated && iq_dispatch_stranger(c, draft))
        return;
    conn_stream_fail(c, JB_STREAM_NOT_AUTHORIZED,
                     "a stanza before authentication and resource binding");
}

/* ---- stanzas ---- */

/* Charges a stanza to the session's rate; over it, input waits until the debt is paid. */
static void charge_stanza(struct conn *c)
{
    uint64_t wait_ms = bucket_take(&c->stanzas, 1, conn_limits(c)->stanza_rate, STANZA_BURST_S,
                                   c->reactor->now_ms);

    if (wait_ms == 0)
        return;
    conn_limit(c, JB_LIMIT_stanza_rate);
    conn_pause(c, wait_ms);
}

/* Pings are cheap to send and cheap to answer, but not in floods. */
static void charge_control(struct conn *c)
{
    if (bucket_take(&c->control, 1, conn_limits(c)->ws_control_rate, CONTROL_BURST_S,
                    c->reactor->now_ms) == 0)
        return;
    conn_limit(c, JB_LIMIT_ws_control_rate);
    c->faulted = true;
    c->reason = "too many control frames";
    jb_stream_abort(&c->stream, JB_WS_POLICY, c->reason);
    conn_schedule(c);
}

static void on_stanza(struct conn *c, struct jb_draft *draft)
{
    c->reactor->counters.stanzas_in++;
    if (!c->session) {
        on_early_iq(c, draft);
        return;
    }
    charge_stanza(c);
    session_on_stanza(c->session, draft);
    if (c->session && c->session->sm)
        session_sm_handled(c->session);
}

static void on_fault(struct conn *c, const struct jb_stream_event *ev)
{
    c->reactor->counters.stream_errors++;
    c->faulted = true;
    if (!c->reason)
        c->reason = ev->words;
    if (ev->limit != JB_LIMIT_COUNT)
        conn_limit(c, ev->limit);
    conn_schedule(c);
}

/* The other side closed the stream, by an error perhaps, or only its WebSocket; the socket follows.
 */
static void on_close(struct conn *c)
{
    if (!c->reason)
        c->reason = c->stream.peer_closed     ? "the client ended the stream"
                    : c->stream.ws_close_seen ? "the client closed the WebSocket"
                                              : "the client ended the stream with an error";
    conn_schedule(c);
}

/* XEP-0388 section 2.5: what may not come while somebody authenticates. */
static bool interrupts(const struct conn *c, const struct jb_stream_event *ev)
{
    if (!auth_is_alone(c))
        return false;
    return ev->kind == JB_STREAM_EVENT_SASL || ev->kind == JB_STREAM_EVENT_STANZA ||
           (ev->kind == JB_STREAM_EVENT_ELEMENT && ev->doc.nodes[0].ns != JB_NS_SASL2);
}

/* Neither a stanza nor of a protocol that the stream itself knows: some module's. */
static void on_element(struct conn *c, const struct jb_stream_event *ev)
{
    if (hooks_run(element, c->host, (c, &ev->doc)) == NEXT)
        conn_stream_fail(c, JB_STREAM_UNSUPPORTED_STANZA_TYPE,
                         "an element nobody here understands");
}

/* For a session that has gone to another connection, or waits for one, or has ended: it is not
 * acknowledged, and is sent again where that goes on. */
static bool comes_too_late(const struct conn *c, const struct jb_stream_event *ev)
{
    if (c->session || c->stream.state != JB_STREAM_STATE_BOUND)
        return false;
    return ev->kind == JB_STREAM_EVENT_STANZA || ev->kind == JB_STREAM_EVENT_ELEMENT ||
           ev->kind == JB_STREAM_EVENT_SM_ENABLE || ev->kind == JB_STREAM_EVENT_SM_ASK ||
           ev->kind == JB_STREAM_EVENT_ACKED;
}

static void on_event(struct conn *c, struct jb_stream_event *ev)
{
    if (comes_too_late(c, ev))
        return;
    if (interrupts(c, ev)) {
        conn_stream_fail(c, JB_STREAM_POLICY_VIOLATION, "not while you authenticate");
        return;
    }
    switch (ev->kind) {
    case JB_STREAM_EVENT_OPEN:
        on_open(c, ev);
        break;
    case JB_STREAM_EVENT_SASL:
        auth_on_element(c, ev);
        break;
    case JB_STREAM_EVENT_STANZA:
        on_stanza(c, &ev->draft);
        break;
    case JB_STREAM_EVENT_ELEMENT:
        on_element(c, ev);
        break;
    case JB_STREAM_EVENT_SM_ENABLE:
        session_sm_enable(c->session, &ev->sm);
        break;
    case JB_STREAM_EVENT_SM_RESUME:
        session_sm_resume(c, &ev->sm);
        break;
    case JB_STREAM_EVENT_SM_ASK:
        charge_stanza(c);
        session_sm_asked(c->session);
        break;
    case JB_STREAM_EVENT_ACKED:
        session_sm_acked(c->session);
        break;
    case JB_STREAM_EVENT_SM_ENABLED: /* told to clients only, as the next two are */
    case JB_STREAM_EVENT_SM_RESUMED:
    case JB_STREAM_EVENT_SM_FAILED:
        break;
    case JB_STREAM_EVENT_CLOSE:
        on_close(c);
        break;
    case JB_STREAM_EVENT_FAULT:
        on_fault(c, ev);
        break;
    case JB_STREAM_EVENT_DONE:
        conn_finish(c, "the WebSocket was closed");
        break;
    case JB_STREAM_EVENT_ALIVE:
        if (!ev->answers_ping)
            charge_control(c);
        else if (c->session)
            session_sm_acked(c->session);
        break;
    case JB_STREAM_EVENT_NONE:
        break;
    }
}

void conn_stream_input(struct conn *c, char *p, size_t n)
{
    struct jb_stream_event ev;

#ifdef JABIRU_TEST_HOOKS
    if (c->phase == CONN_ECHO) {
        echo_input(c, p, n);
        return;
    }
#endif
    jb_stream_feed(&c->stream, p, n);
    do {
        jb_stream_next(&c->stream, &c->reactor->arena, &ev);
        on_event(c, &ev);
        if (c->phase != CONN_STREAM)
            return;
        /* What is for the session now would be lost on a stream that ends. */
        if (c->session && c->stream.state >= JB_STREAM_STATE_CLOSING)
            session_lost(c->session);
    } while (ev.kind != JB_STREAM_EVENT_NONE && c->holds == 0 && c->blocked_until_ms == 0);
    struct jb_str rest = jb_stream_rest(&c->stream);
    if (rest.n && jb__buf_append(&c->in, rest.p, rest.n) != 0)
        conn_close(c, "too much input while it could not be taken");
    conn_mark_dirty(c);
}

void conn_stream_flushed(struct conn *c)
{
    if (c->confirm == CONFIRM_FLUSHED) {
        c->confirm = CONFIRM_NOT;
        jb_stream_ping(&c->stream);
        conn_mark_dirty(c);
    }
    if (c->stream.state != JB_STREAM_STATE_CLOSED)
        return;
    /* After a fault the client may still be sending: what we said must reach him. */
    if (c->faulted)
        conn_linger(c, "the client broke the protocol");
    else
        conn_finish(c, "the WebSocket was closed");
}

/* ---- confirmation (of clients without stream management) ---- */

enum { CONFIRM_MS = 1000 }; /* one ping for all that is sent within so long */

static bool ping_is_open(const struct conn *c)
{
    return c->stream.ponged != c->stream.pings;
}

void conn_confirm_soon(struct conn *c)
{
    /* It is sent much, of which only so much may be unconfirmed (conn.c): it is asked at once. */
    if (c->stream.out.bytes_unacked > conn_limits(c)->sm_queue_bytes / 4 && !ping_is_open(c)) {
        jb_stream_ping(&c->stream);
        conn_mark_dirty(c);
    }
    if (c->confirm != CONFIRM_NOT)
        return;
    c->confirm = CONFIRM_LATER;
    c->confirm_ms = c->reactor->now_ms + CONFIRM_MS;
    conn_schedule(c);
}

void conn_confirm(struct conn *c)
{
    c->confirm = CONFIRM_FLUSHED;
    conn_mark_dirty(c);
}

/* The answer to the newest ping alone confirms anything: another one before it has come, and who is
 * more than a second away would never confirm what is sent to him all the time. */
static void confirm_now_or_later(struct conn *c)
{
    if (ping_is_open(c))
        c->confirm_ms = c->reactor->now_ms + CONFIRM_MS;
    else
        conn_confirm(c);
}

/* ---- deadlines ---- */

uint64_t conn_stream_deadline(const struct conn *c)
{
    const struct jb_limits *l = conn_limits(c);

    if (c->stream.state >= JB_STREAM_STATE_CLOSING)
        return c->closing_ms + l->ws_close_timeout_ms;
    if (c->phase == CONN_STREAM && !c->session)
        return c->opened_ms + l->auth_timeout_ms;
    uint64_t due_ms = c->heard_ms + l->ws_ping_timeout_ms;
    uint64_t ping_ms = c->heard_ms + l->ws_ping_interval_ms;
    if (l->ws_ping_interval_ms && !c->pinged && ping_ms < due_ms)
        due_ms = ping_ms;
    if (c->confirm == CONFIRM_LATER && c->confirm_ms < due_ms)
        due_ms = c->confirm_ms;
    return due_ms;
}

void conn_stream_timeout(struct conn *c)
{
    const struct jb_limits *l = conn_limits(c);

    if (c->stream.state == JB_STREAM_STATE_CLOSING && !c->stream.ws_close_sent &&
        !c->stream.ws_close_queued) {
        /* They had their time to close the WebSocket; now we do. */
        c->closing_ms = c->reactor->now_ms;
        jb_stream_close_ws(&c->stream, JB_WS_NORMAL, NULL);
    } else if (c->stream.state >= JB_STREAM_STATE_CLOSING) {
        conn_close(c, "the client did not finish the close");
    } else if (c->phase == CONN_STREAM && !c->session) {
        conn_limit(c, JB_LIMIT_auth_timeout_ms);
        conn_stream_fail(c, JB_STREAM_CONNECTION_TIMEOUT, "no login in time");
    } else if (c->reactor->now_ms - c->heard_ms >= l->ws_ping_timeout_ms) {
        conn_limit(c, JB_LIMIT_ws_ping_timeout_ms);
        conn_close(c, "no sign of life from the client");
    } else if (c->confirm == CONFIRM_LATER && c->confirm_ms <= c->reactor->now_ms) {
        confirm_now_or_later(c);
    } else {
        c->pinged = true;
        jb_stream_ping(&c->stream);
    }
}
