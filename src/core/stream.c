/* SPDX-License-Identifier: MIT */
#include "core/stream.h"

#include "base/assert.h"
#include "core/stream_roles.h"

static void init(struct jb_stream *s, enum jb_role role, const struct jb_stream_config *config,
                 const struct jb_allocator *alloc)
{
    *s = (struct jb_stream){ .config = config };
    jb_ws_init(&s->ws, role, alloc);
    jb_sendq_init(&s->out, alloc);
    jb_stream_set_config(s, config);
}

void jb_stream_init(struct jb_stream *s, const struct jb_stream_config *config,
                    const struct jb_allocator *alloc)
{
    init(s, JB_ROLE_SERVER, config, alloc);
}

void jb_stream_init_client(struct jb_stream *s, const struct jb_stream_config *config,
                           const struct jb_allocator *alloc)
{
    jb_assert(config->mask_key);
    init(s, JB_ROLE_CLIENT, config, alloc);
}

static bool is_client(const struct jb_stream *s)
{
    return s->ws.role == JB_ROLE_CLIENT;
}

void jb_stream_deinit(struct jb_stream *s)
{
    jb_ws_deinit(&s->ws);
    jb_free(s->out.alloc, s->pong);
    s->pong = NULL;
    jb_sendq_deinit(&s->out);
}

void jb_stream_set_config(struct jb_stream *s, const struct jb_stream_config *config)
{
    const struct jb_limits *l = &config->limits;

    s->config = config;
    jb_ws_set_limits(&s->ws, s->authenticated ? l->stanza_bytes : l->preauth_stanza_bytes,
                     l->ws_fragments);
}

void jb_stream_feed(struct jb_stream *s, char *p, size_t n)
{
    jb_assert(s->in_bytes == 0);
    s->in = p;
    s->in_bytes = n;
}

struct jb_str jb_stream_rest(struct jb_stream *s)
{
    struct jb_str rest = jb_str(s->in, s->in_bytes);

    s->in = NULL;
    s->in_bytes = 0;
    return rest;
}

/* ---- input ---- */

bool jb__stream_fault(struct jb_stream *s, struct jb_stream_event *ev, enum jb_stream_error error,
                      const char *words)
{
    jb_stream_fail(s, error, words);
    ev->kind = JB_STREAM_EVENT_FAULT;
    ev->error = error;
    ev->ws_code = s->ws_close_code;
    ev->words = words;
    return true;
}

/* The limit's name while nobody is authenticated. */
static enum jb_limit limit_now(const struct jb_stream *s, enum jb_limit limit)
{
    if (s->authenticated)
        return limit;
    switch (limit) {
    case JB_LIMIT_stanza_bytes:
        return JB_LIMIT_preauth_stanza_bytes;
    case JB_LIMIT_xml_depth:
        return JB_LIMIT_preauth_depth;
    case JB_LIMIT_xml_elements:
        return JB_LIMIT_preauth_elements;
    default:
        return limit;
    }
}

static bool xml_fault(struct jb_stream *s, struct jb_stream_event *ev, enum jb_xml_fault what)
{
    switch (what) {
    case JB_XML_RESTRICTED:
        return jb__stream_fault(
            s, ev, JB_STREAM_RESTRICTED_XML,
            "DTDs, comments, processing instructions and entities are not allowed");
    case JB_XML_ENCODING:
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_ENCODING, "XML is UTF-8 here");
    case JB_XML_BAD_FORMAT:
        return jb__stream_fault(s, ev, JB_STREAM_BAD_FORMAT, "a message is exactly one element");
    case JB_XML_TOO_BIG:
        ev->limit = limit_now(s, ev->doc.over);
        return jb__stream_fault(
            s, ev, JB_STREAM_POLICY_VIOLATION,
            "too deep, too many elements, attributes or namespaces, or too long a name");
    case JB_XML_NO_MEMORY:
        return jb__stream_fault(s, ev, JB_STREAM_RESOURCE_CONSTRAINT, "out of memory");
    default:
        return jb__stream_fault(s, ev, JB_STREAM_NOT_WELL_FORMED, "the XML is not well-formed");
    }
}

static struct jb_xml_bounds bounds_now(const struct jb_stream *s)
{
    const struct jb_limits *l = &s->config->limits;
    bool authed = s->authenticated;

    return (struct jb_xml_bounds){ .depth = authed ? l->xml_depth : l->preauth_depth,
                                   .attributes = l->xml_attributes,
                                   .namespaces = l->xml_namespaces,
                                   .elements = authed ? l->xml_elements : l->preauth_elements,
                                   .name_bytes = l->xml_name_bytes };
}

static bool is_white_space(struct jb_str text)
{
    return jb_str_trim(text).n == 0;
}

static bool on_framing(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    if (jb_node_is(&ev->doc, 0, "open", JB_NS_FRAMING))
        return is_client(s) ? jb__stream_client_on_open(s, ev) : jb__stream_on_open(s, arena, ev);
    if (!jb_node_is(&ev->doc, 0, "close", JB_NS_FRAMING))
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_STANZA_TYPE, "neither open nor close");
    s->peer_closed = true;
    ev->kind = JB_STREAM_EVENT_CLOSE;
    /* Who closes first closes the WebSocket too (section 3.6); when it is us, now is the time. */
    if (s->close_sent)
        jb_stream_close_ws(s, JB_WS_NORMAL, NULL);
    else
        jb_stream_close(s, JB_STR_NONE);
    return true;
}

/* Before a resource is bound only an iq passes: the request for one, and its answer (RFC 6120
 * sections 6.4.1, 7.1).  A server hears one of a stranger, too; who may ask what in it is the
 * owner's to say. */
static bool may_pass(const struct jb_stream *s, uint8_t kind)
{
    if (s->state == JB_STREAM_STATE_BOUND)
        return true;
    return kind == JB_IQ &&
           (s->state == JB_STREAM_STATE_BINDING ||
            (s->state == JB_STREAM_STATE_OPEN && s->ws.role == JB_ROLE_SERVER));
}

static bool on_stanza(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    ev->draft = (struct jb_draft){ .arena = arena };
    int rc = jb_stanza_read_head(&ev->doc, arena, &ev->draft.h);

    if (rc == JB_ENOMEM)
        return jb__stream_fault(s, ev, JB_STREAM_RESOURCE_CONSTRAINT, "out of memory");
    if (rc != 0)
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_STANZA_TYPE,
                                "neither message, presence nor iq");
    if (!may_pass(s, ev->draft.h.kind))
        return jb__stream_fault(s, ev, JB_STREAM_NOT_AUTHORIZED,
                                "a stanza before authentication and resource binding");
    ev->draft.doc = &ev->doc;
    ev->kind = JB_STREAM_EVENT_STANZA;
    if (s->state == JB_STREAM_STATE_BOUND)
        s->received++;
    return true;
}

bool jb__stream_on_content(struct jb_stream *s, struct jb__arena *arena,
                           struct jb_stream_event *ev)
{
    const struct jb_node *root = &ev->doc.nodes[0];

    if (root->ns == JB_NS_CLIENT)
        return on_stanza(s, arena, ev);
    if (root->ns == JB_NS_SASL) {
        if (s->state != JB_STREAM_STATE_OPEN)
            return jb__stream_fault(s, ev, JB_STREAM_POLICY_VIOLATION, "authenticated already");
        ev->kind = JB_STREAM_EVENT_SASL;
        return true;
    }
    if (root->ns == JB_NS_SM)
        return jb__sm_on_element(s, arena, ev);
    if (root->ns_bytes == 0)
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_NAMESPACE,
                                "an element without a namespace; each frame declares its own");
    if (root->ns == JB_NS_SERVER) /* RFC 6120 section 4.8.3 */
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_NAMESPACE,
                                "what clients say is of the namespace jabber:client");
    ev->kind = JB_STREAM_EVENT_ELEMENT;
    return true;
}

/* One text message: one element. */
static bool on_text(struct jb_stream *s, struct jb_str text, struct jb__arena *arena,
                    struct jb_stream_event *ev)
{
    struct jb_xml_bounds bounds = bounds_now(s);

    if (s->peer_closed)
        return false;
    if (!s->config->rfc7395_strict && is_white_space(text)) {
        ev->kind = JB_STREAM_EVENT_ALIVE;
        return true;
    }
    enum jb_xml_fault what = jb_xml_parse(text, &bounds, arena, &ev->doc);
    if (s->state == JB_STREAM_STATE_CLOSING) {
        if (what == JB_XML_OK && jb_node_is(&ev->doc, 0, "close", JB_NS_FRAMING))
            return on_framing(s, arena, ev);
        return false; /* what crosses our <close/> is not answered */
    }
    if (what != JB_XML_OK)
        return xml_fault(s, ev, what);
    if (!s->authenticated && ++s->elements > s->config->limits.preauth_elements) {
        ev->limit = JB_LIMIT_preauth_elements;
        return jb__stream_fault(s, ev, JB_STREAM_POLICY_VIOLATION,
                                "too much talk before authentication");
    }
    if (ev->doc.nodes[0].ns == JB_NS_FRAMING)
        return on_framing(s, arena, ev);
    return is_client(s) ? jb__stream_client_on_element(s, arena, ev)
                        : jb__stream_on_element(s, arena, ev);
}

enum { PING_BYTES = 4 }; /* of our pings' payload: their number, big-endian */

static void remember_pong(struct jb_stream *s, const struct jb_ws_event *ping)
{
    /* Only the newest ping is answered (RFC 6455 section 5.5.3): a flood costs one pong. */
    jb_free(s->out.alloc, s->pong);
    s->pong = ping->bytes ? jb_alloc(s->out.alloc, ping->bytes) : NULL;
    s->pong_bytes = s->pong ? (uint8_t)ping->bytes : 0;
    if (s->pong)
        memcpy(s->pong, ping->data, ping->bytes);
    s->pong_due = s->pong || ping->bytes == 0;
}

static bool on_ws_close(struct jb_stream *s, const struct jb_ws_event *wev,
                        struct jb_stream_event *ev)
{
    bool was_done = s->ws_close_sent;

    s->ws_close_seen = true;
    jb_stream_close_ws(s, wev->code == JB_WS_NO_CODE ? JB_WS_NORMAL : wev->code, NULL);
    if (was_done)
        s->state = JB_STREAM_STATE_CLOSED;
    ev->kind = was_done ? JB_STREAM_EVENT_DONE : JB_STREAM_EVENT_CLOSE;
    ev->ws_code = wev->code;
    return true;
}

/* Framing that cannot be trusted any more: a stream error first where words still help. */
static bool on_ws_fail(struct jb_stream *s, const struct jb_ws_event *wev,
                       struct jb_stream_event *ev)
{
    if (wev->code == JB_WS_TOO_BIG && s->open_sent && s->state < JB_STREAM_STATE_CLOSING) {
        jb_stream_fail(s, JB_STREAM_POLICY_VIOLATION, wev->words);
        ev->error = JB_STREAM_POLICY_VIOLATION;
    }
    jb_stream_abort(s, wev->code, wev->words);
    if (wev->over != JB_LIMIT_COUNT)
        ev->limit = limit_now(s, wev->over);
    ev->kind = JB_STREAM_EVENT_FAULT;
    ev->ws_code = wev->code;
    ev->words = wev->words;
    return true;
}

static void write_number(uint32_t number, char out[PING_BYTES])
{
    for (int i = 0; i < PING_BYTES; i++)
        out[i] = (char)(number >> (8 * (PING_BYTES - 1 - i)));
}

/* True when a ping of ours is answered that was not before.  The newest may be answered alone: what
 * went before it has arrived, and that is an acknowledgement where there is no better one. */
static bool take_pong(struct jb_stream *s, const struct jb_ws_event *pong)
{
    uint32_t number = 0;

    if (pong->bytes != PING_BYTES)
        return false;
    for (int i = 0; i < PING_BYTES; i++)
        number = number << 8 | (uint8_t)pong->data[i];
    /* Later than the last that was answered, and not one that was never sent. */
    if (number == s->ponged || number - s->ponged > s->pings - s->ponged)
        return false;
    s->ponged = number;
    if (!s->sm.on && number == s->pings && !s->ping_due && jb_sendq_may_ack(&s->out, s->pinged))
        jb_sendq_ack(&s->out, s->pinged);
    return true;
}

/* True when there is something to tell. */
static bool on_ws_event(struct jb_stream *s, const struct jb_ws_event *wev, struct jb__arena *arena,
                        struct jb_stream_event *ev)
{
    switch (wev->kind) {
    case JB_WS_EVENT_MESSAGE:
        if (wev->opcode == JB_WS_BINARY) {
            struct jb_ws_event refusal = { .code = JB_WS_UNSUPPORTED,
                                           .over = JB_LIMIT_COUNT,
                                           .words = "XMPP is sent as text" };
            return on_ws_fail(s, &refusal, ev);
        }
        return on_text(s, jb_str(wev->data, wev->bytes), arena, ev);
    case JB_WS_EVENT_PING:
        remember_pong(s, wev);
        ev->kind = JB_STREAM_EVENT_ALIVE;
        return true;
    case JB_WS_EVENT_PONG:
        ev->kind = JB_STREAM_EVENT_ALIVE;
        ev->answers_ping = take_pong(s, wev);
        return true;
    case JB_WS_EVENT_CLOSE:
        return on_ws_close(s, wev, ev);
    case JB_WS_EVENT_FAIL:
        return on_ws_fail(s, wev, ev);
    default:
        return false;
    }
}

void jb_stream_next(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    struct jb_ws_event wev;

    *ev = (struct jb_stream_event){ .kind = JB_STREAM_EVENT_NONE, .limit = JB_LIMIT_COUNT };
    do {
        jb_ws_next(&s->ws, &s->in, &s->in_bytes, &wev);
        if (on_ws_event(s, &wev, arena, ev))
            return;
    } while (wev.kind != JB_WS_EVENT_NONE);
}

/* ---- what the owner says ---- */

int jb_stream_send_raw(struct jb_stream *s, struct jb_str xml)
{
    return jb__stream_is_ending(s) ? 0 : jb_sendq_push_raw(&s->out, xml);
}

int jb_stream_send(struct jb_stream *s, struct jb_stanza *stanza, const struct jb_wrap *wrap)
{
    return jb__stream_is_ending(s) ? 0 : jb_sendq_push(&s->out, stanza, wrap);
}

void jb__stream_text_begin(struct jb__stream_text *t, const struct jb_stream *s)
{
    jb__buf_init(&t->buf, s->out.alloc, 16 * 1024);
    jb_xml_begin(&t->x, &t->buf);
}

int jb__stream_text_send(struct jb__stream_text *t, struct jb_stream *s)
{
    int rc = jb_xml_end(&t->x);

    if (rc == 0)
        rc = jb_sendq_push_raw(&s->out, jb__buf_str(&t->buf));
    jb__buf_deinit(&t->buf);
    return rc;
}

static void write_opt(struct jb_xml *x, const char *name, struct jb_str value)
{
    if (value.n)
        jb_xml_attr(x, name, value);
}

int jb_stream_open(struct jb_stream *s, struct jb_str from, struct jb_str to, struct jb_str id)
{
    struct jb__stream_text t;

    if (jb__stream_is_ending(s))
        return 0;
    jb__stream_text_begin(&t, s);
    jb_xml_open(&t.x, "open", JB_NS_FRAMING);
    write_opt(&t.x, "from", from);
    write_opt(&t.x, "to", to);
    write_opt(&t.x, "id", id);
    jb_xml_attrz(&t.x, "xml:lang", "en");
    if (s->version != JB__STREAM_VERSION_NONE)
        jb_xml_attrz(&t.x, "version", s->version == JB__STREAM_VERSION_1_0 ? "1.0" : "0.9");
    jb_xml_close(&t.x);
    int rc = jb__stream_text_send(&t, s);
    if (rc == 0)
        s->open_sent = true;
    return rc;
}

void jb_stream_authenticated(struct jb_stream *s)
{
    jb_assert(s->state == JB_STREAM_STATE_OPEN);
    s->state = JB_STREAM_STATE_AUTHED;
    s->authenticated = true;
    s->open_sent = false; /* that stream is replaced by the one to come */
    jb_stream_set_config(s, s->config);
}

void jb_stream_continued(struct jb_stream *s)
{
    jb_assert(s->state == JB_STREAM_STATE_AUTHED);
    s->state = JB_STREAM_STATE_BINDING;
    s->open_sent = true;
}

void jb_stream_bound(struct jb_stream *s)
{
    jb_assert(s->state == JB_STREAM_STATE_BINDING);
    s->state = JB_STREAM_STATE_BOUND;
}

void jb_stream_ping(struct jb_stream *s)
{
    s->ping_due = !s->ws_close_sent;
    s->pings++;
}

void jb_stream_close_ws(struct jb_stream *s, enum jb_ws_code code, const char *words)
{
    if (s->state != JB_STREAM_STATE_CLOSED)
        s->state = JB_STREAM_STATE_CLOSING;
    if (s->ws_close_queued || s->ws_close_sent)
        return;
    s->ws_close_queued = true;
    s->ws_close_code = (uint16_t)code;
    s->ws_close_words = words;
}

void jb_stream_abort(struct jb_stream *s, enum jb_ws_code code, const char *words)
{
    s->ws_close_seen = true; /* theirs will not be read any more */
    s->ws_close_queued = false;
    jb_stream_close_ws(s, code, words);
    if (s->ws_close_sent)
        s->state = JB_STREAM_STATE_CLOSED;
}

void jb_stream_close(struct jb_stream *s, struct jb_str see_other_uri)
{
    struct jb__stream_text t;

    if (s->close_sent || s->ws_close_queued || s->ws_close_sent)
        return;
    jb__stream_text_begin(&t, s);
    jb_xml_open(&t.x, "close", JB_NS_FRAMING);
    write_opt(&t.x, "see-other-uri", see_other_uri);
    jb_xml_close(&t.x);
    s->close_sent = true;
    s->state = JB_STREAM_STATE_CLOSING;
    /* Without memory for the farewell the WebSocket is closed without one. */
    if (jb__stream_text_send(&t, s) != 0)
        jb_stream_close_ws(s, JB_WS_INTERNAL, NULL);
}

int jb_stream_open_to_fail(struct jb_stream *s, struct jb_str to)
{
    char id[JB__RANDOM_ID_BYTES + 1] = "";

    if (s->config->fail_id)
        s->config->fail_id(id);
    return jb_stream_open(s, s->config->fail_from, to, jb_strz(id));
}

void jb_stream_fail(struct jb_stream *s, enum jb_stream_error error, const char *words)
{
    jb__stream_fail_more(s, error, words, JB_STR_NONE);
}

void jb__stream_fail_more(struct jb_stream *s, enum jb_stream_error error, const char *words,
                          struct jb_str more)
{
    struct jb__stream_text t;
    int rc = 0;

    if (jb__stream_is_ending(s))
        return;
    if (!s->open_sent)
        rc = jb_stream_open_to_fail(s, JB_STR_NONE);
    jb__stream_text_begin(&t, s);
    jb_stream_error_write(&t.x, error, words, more);
    if (jb__stream_text_send(&t, s) == 0 && rc == 0)
        jb_stream_close(s, JB_STR_NONE);
    jb_stream_close_ws(s, error == JB_STREAM_SYSTEM_SHUTDOWN ? JB_WS_GOING_AWAY : JB_WS_NORMAL,
                       NULL);
}

/* ---- output ---- */

enum { CONTROL_MOST = JB_WS_HEAD_BYTES + 125 };

/* A client masks each frame with a key of its own that nobody can foresee (RFC 6455 section 5.3);
 * a server masks none: NULL. */
static const uint8_t *new_mask(const struct jb_stream *s, uint8_t key[4])
{
    if (!is_client(s))
        return NULL;
    s->config->mask_key(key);
    return key;
}

/* A frame with a short payload; nothing when it does not fit. */
static size_t put_control(const struct jb_stream *s, enum jb_ws_opcode opcode,
                          struct jb_str payload, char *out, size_t cap)
{
    uint8_t key[4];

    if (cap < CONTROL_MOST)
        return 0;
    const uint8_t *mask = new_mask(s, key);
    size_t n = jb_ws_write_head(out, opcode, false, payload.n, mask);
    if (payload.n)
        memcpy(out + n, payload.p, payload.n);
    if (mask)
        jb_ws_mask(out + n, payload.n, mask, 0);
    return n + payload.n;
}

static size_t put_close(struct jb_stream *s, char *out, size_t cap)
{
    char payload[125];
    size_t words = s->ws_close_words ? strlen(s->ws_close_words) : 0;

    jb_assert(words <= sizeof payload - 2);
    payload[0] = (char)(s->ws_close_code >> 8);
    payload[1] = (char)(s->ws_close_code & 0xff);
    if (words)
        memcpy(payload + 2, s->ws_close_words, words);
    size_t n = put_control(s, JB_WS_CLOSE, jb_str(payload, words + 2), out, cap);
    if (n) {
        s->ws_close_sent = true;
        s->ws_close_queued = false;
        if (s->ws_close_seen)
            s->state = JB_STREAM_STATE_CLOSED;
    }
    return n;
}

/* Pings and pongs do not wait behind stanzas. */
static size_t put_due(struct jb_stream *s, char *out, size_t cap)
{
    size_t n = 0;

    if (s->pong_due && !s->ws_close_sent) {
        n += put_control(s, JB_WS_PONG, jb_str(s->pong, s->pong_bytes), out, cap);
        if (n) {
            s->pong_due = false;
            jb_free(s->out.alloc, s->pong);
            s->pong = NULL;
            s->pong_bytes = 0;
        }
    }
    if (s->ping_due && !s->ws_close_sent) {
        char number[PING_BYTES];
        write_number(s->pings, number);
        size_t ping = put_control(s, JB_WS_PING, jb_str(number, PING_BYTES), out + n, cap - n);
        s->ping_due = ping == 0;
        if (ping)
            s->pinged = s->out.sent;
        n += ping;
    }
    return n;
}

static size_t put_frame(struct jb_stream *s, const struct jb_sendq_item *item, char *out)
{
    struct jb_str pieces[3];
    uint64_t bytes = jb_sendq_item_bytes(item);
    bool rsv1 = false;
    uint8_t key[4];

    jb_sendq_item_pieces(item, pieces);
    if (s->deflate && bytes >= s->config->limits.deflate_threshold_bytes) {
        struct jb__buf *packed = s->deflate->scratch;
        packed->n = 0;
        /* A message that does not get smaller is sent as it is. */
        if (s->deflate->message(s->deflate->ctx, pieces, packed) == 0 && packed->n < bytes) {
            pieces[0] = jb__buf_str(packed);
            pieces[1] = pieces[2] = JB_STR_NONE;
            bytes = packed->n;
            rsv1 = true;
        }
    }
    const uint8_t *mask = new_mask(s, key);
    size_t n = jb_ws_write_head(out, JB_WS_TEXT, rsv1, bytes, mask);
    char *payload = out + n;
    for (int i = 0; i < 3; i++) {
        if (pieces[i].n)
            memcpy(out + n, pieces[i].p, pieces[i].n);
        n += pieces[i].n;
    }
    if (mask)
        jb_ws_mask(payload, (size_t)bytes, mask, 0);
    return n;
}

size_t jb_stream_render_bytes(const struct jb_stream *s)
{
    if (s->ws_close_sent)
        return 0; /* a ping that came after it is not answered */
    if (s->out.unsent)
        return JB_WS_HEAD_BYTES + (size_t)jb_sendq_item_bytes(s->out.unsent);
    if (jb__sm_due_bytes(s))
        return jb__sm_due_bytes(s);
    return s->pong_due || s->ping_due || s->ws_close_queued ? CONTROL_MOST : 0;
}

/* What is due of stream management, behind all that is queued: <resumed/> comes first. */
static size_t put_sm(struct jb_stream *s, char *out, size_t cap)
{
    char buffer[JB__SM_DUE_BYTES];
    struct jb_str text;
    uint8_t key[4];
    size_t n = 0;

    if (jb__sm_due_bytes(s) == 0 || jb__sm_due_bytes(s) > cap)
        return 0;
    while ((text = jb__sm_next_due(s, buffer)).n > 0) {
        const uint8_t *mask = new_mask(s, key);
        n += jb_ws_write_head(out + n, JB_WS_TEXT, false, text.n, mask);
        memcpy(out + n, text.p, text.n);
        if (mask)
            jb_ws_mask(out + n, text.n, mask, 0);
        n += text.n;
    }
    return n;
}

size_t jb_stream_render(struct jb_stream *s, char *out, size_t cap)
{
    size_t n = put_due(s, out, cap);

    while (s->out.unsent && !s->ws_close_sent) {
        if (JB_WS_HEAD_BYTES + jb_sendq_item_bytes(s->out.unsent) > cap - n)
            return n;
        n += put_frame(s, s->out.unsent, out + n);
        jb_sendq_sent(&s->out);
    }
    n += put_sm(s, out + n, cap - n);
    if (s->ws_close_queued)
        n += put_close(s, out + n, cap - n);
    return n;
}
