/* SPDX-License-Identifier: MIT */
/* A connection that speaks HTTP: requests one after the other, until one becomes a WebSocket. */
#include "server/conn_http.h"

#include "base/assert.h"
#include "core/http_field.h"
#include "core/http_write.h"
#include "core/proxy.h"
#include "core/ws_handshake.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { ANSWER_BYTES = 256 * 1024 }; /* of an answer that is not a file */

struct conn_http {
    struct jb__http_parser parser;
    struct jb__addr peer; /* the socket's own address: a proxy's, perhaps */
    struct jb__buf out;   /* heads and small bodies */
    struct jb_str body;   /* the rest of a file: static */
    bool begun;           /* the first byte of a request has come: its time runs */
    bool answering;       /* a request is being answered, now or later */
    bool close;           /* after the answer */
    bool head_only;       /* the request is HEAD: no body goes out */
    bool continued;       /* 100 Continue was sent for the request in progress */
};

static struct conn_http *http_of(struct conn *c)
{
    if (!c->http) {
        c->http = jb_zalloc(alloc, sizeof *c->http);
        c->http->peer = c->address;
        jb__buf_init(&c->http->out, alloc, ANSWER_BYTES);
        jb__http_parser_init(&c->http->parser, conn_limits(c));
    }
    return c->http;
}

void conn_http_deinit(struct conn *c)
{
    if (!c->http)
        return;
    jb__buf_deinit(&c->http->out);
    jb_free(alloc, c->http);
    c->http = NULL;
}

/* ---- output ---- */

struct jb_str conn_http_output(struct conn *c)
{
    if (!c->http)
        return JB_STR_NONE;
    return c->http->out.n ? jb__buf_str(&c->http->out) : c->http->body;
}

void conn_http_written(struct conn *c, size_t n)
{
    struct conn_http *h = c->http;

    if (h->out.n)
        jb__buf_consume(&h->out, n);
    else
        h->body = jb_str_from(h->body, n);
}

/* ---- requests ---- */

struct jb__buf *conn_http_answer(struct conn *c)
{
    return &http_of(c)->out;
}

void conn_http_send_file(struct conn *c, struct jb_str body)
{
    http_of(c)->body = body;
}

void conn_http_close_after(struct conn *c)
{
    http_of(c)->close = true;
}

bool conn_http_is_head(struct conn *c)
{
    return http_of(c)->head_only;
}

static bool trusted_by_text(void *ctx, struct jb_str address)
{
    const struct conn *c = ctx;
    struct jb__addr a;

    return jb__addr_parse(&a, address) == 0 && conn_trusts(c, &a);
}

/* A request that a trusted proxy passed on: from now on the address it names counts. */
static void take_forwarded_address(struct conn *c, const struct jb__http_request *req)
{
    char text[JB__ADDR_TEXT_BYTES];
    struct jb__proxy_origin origin;
    struct jb__addr is;

    if (!conn_trusts(c, &http_of(c)->peer))
        return;
    size_t n = jb__addr_text(&http_of(c)->peer, text);
    jb__proxy_resolve(req->fields, jb_str(text, n), trusted_by_text, c, &origin);
    if (origin.forwarded && jb__addr_parse(&is, jb_strz(origin.address.text)) == 0)
        conn_set_address(c, &is);
}

static char *copy(struct jb_str text)
{
    char *p = jb_alloc(alloc, text.n + 1);

    if (text.n)
        memcpy(p, text.p, text.n);
    p[text.n] = '\0';
    return p;
}

/* Which host a page of somebody else's wants is known when it opens its stream: then it is asked
 * whether that one has it in its list. */
static void keep_origin(struct conn *c, const struct jb__http_request *req,
                        struct jb__ws_origins rule)
{
    struct jb_str origin;

    rule.any = false;
    rule.allowed_count = 0;
    if (jb__http_field_find(req->fields, JB_STR("origin"), &origin) &&
        !jb__ws_origin_allowed(&rule, origin, req->host))
        c->origin = copy(origin);
}

static void upgrade(struct conn *c, const struct jb__http_request *req, bool echo)
{
    const struct conf *conf = c->reactor->conf;
    struct jb__ws_handshake handshake;
    struct jb__ws_handshake_options options = {
        .origins = web_origins(conf, &c->reactor->arena),
        .protocol = echo ? JB__WS_PROTOCOL_ANY : JB__WS_PROTOCOL_XMPP,
        .deflate = conf->config->websocket.deflate,
    };

    options.origins.any = options.origins.any || echo;
    bool accepted = jb__ws_handshake_check(req, &options, &handshake);
    if (jb__ws_handshake_answer(&handshake, accepted ? &c->out : &http_of(c)->out) != 0) {
        conn_close(c, "no memory for the handshake");
        return;
    }
    if (!accepted) {
        http_of(c)->close = true;
        return;
    }
    c->reactor->counters.upgrades++;
    c->target = copy(req->target);
    keep_origin(c, req, options.origins);
    conn_stream_begin(c, handshake.deflate.on ? handshake.deflate.window_bits : 0, echo);
    conn_http_deinit(c);
}

static bool is_websocket_path(const struct jb__http_request *req, bool *echo)
{
    *echo = false;
#ifdef JABIRU_TEST_HOOKS
    *echo = jb_str_eqz(req->path, "/echo");
#endif
    return *echo || jb_str_eqz(req->path, WEB_SOCKET_PATH);
}

static void handle(struct conn *c, const struct jb__http_request *req, struct jb_str body)
{
    struct conn_http *h = http_of(c);
    bool echo;

    c->reactor->counters.http_requests++;
    h->answering = true;
    h->head_only = req->method == JB__HTTP_HEAD;
    h->close = !req->keep_alive || c->reactor->stopping;
    take_forwarded_address(c, req);
    if (is_websocket_path(req, &echo) && jb__ws_handshake_wanted(req))
        upgrade(c, req, echo);
    else
        web_handle(c, req, body);
}

static void refuse(struct conn *c, struct jb__http_fault fault)
{
    struct conn_http *h = http_of(c);

    if (fault.limit != JB_LIMIT_COUNT)
        conn_limit(c, fault.limit);
    h->answering = h->close = true;
    if (jb__http_write_fault(&h->out, fault) != 0)
        conn_close(c, fault.words);
    c->reason = fault.words;
}

static void send_continue(struct conn *c)
{
    struct conn_http *h = http_of(c);

    if (!h->continued && jb__buf_append(&h->out, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 0)
        conn_close(c, "no memory for an answer");
    h->continued = true;
    conn_mark_dirty(c);
}

/* One request from what has arrived; false when it is not all there. */
static bool take_request(struct conn *c)
{
    struct conn_http *h = http_of(c);
    struct jb__http_request req;
    struct jb_str in = jb__buf_str(&c->in);

    switch (jb__http_parse_request(&h->parser, in, &req)) {
    case JB__HTTP_MORE:
        return false;
    case JB__HTTP_FAULT:
        refuse(c, h->parser.fault);
        jb__buf_consume(&c->in, c->in.n);
        return true;
    case JB__HTTP_DONE:
        break;
    }
    jb__http_parser_init(&h->parser, conn_limits(c));
    if (in.n - req.bytes < req.content_length) {
        if (req.expect_continue)
            send_continue(c);
        return false; /* the head is read again when more is there: both are small */
    }
    size_t whole = req.bytes + (size_t)req.content_length;
    handle(c, &req, jb_str(in.p + req.bytes, (size_t)req.content_length));
    if (c->phase == CONN_CLOSED)
        return true;
    if (c->http)
        c->http->continued = false;
    jb__buf_consume(&c->in, whole);
    if (c->in.n == 0)
        jb__buf_deinit(&c->in);
    return true;
}

void conn_http_input(struct conn *c, char *p, size_t n)
{
    if (n && jb__buf_append(&c->in, p, n) != 0) {
        conn_close(c, "too much input while a request was being answered");
        return;
    }
    if (!http_of(c)->begun && c->in.n > 0) {
        c->http->begun = true;
        c->opened_ms = c->reactor->now_ms;
        conn_schedule(c);
    }
    while (c->phase == CONN_HTTP && c->in.n > 0 && c->holds == 0 && !http_of(c)->answering)
        if (!take_request(c))
            break;
    conn_mark_dirty(c);
}

void conn_http_timeout(struct conn *c)
{
    if (c->in.n > 0)
        conn_limit(c, JB_LIMIT_http_timeout_ms);
    conn_close(c, c->in.n > 0 ? "the HTTP request took too long" : "no further HTTP request");
}

void conn_http_answer_later(struct conn *c)
{
    conn_hold(conn_ref(c));
}

void conn_http_answered(struct conn *c)
{
    conn_mark_dirty(c);
    conn_release(c);
    conn_unref(c);
}

/* The answer is out: the next request may come. */
void conn_http_flushed(struct conn *c)
{
    struct conn_http *h = c->http;

    if (!h || !h->answering || c->holds > 0)
        return;
    h->answering = h->begun = false;
    jb__buf_deinit(&h->out);
    if (h->close) {
        conn_linger(c, c->reason ? c->reason : "the HTTP exchange is over");
        return;
    }
    c->opened_ms = c->reactor->now_ms;
    conn_schedule(c);
    if (c->in.n > 0)
        conn_http_input(c, NULL, 0);
}
