/* SPDX-License-Identifier: MIT */
#include "server/conn.h"

#include "base/assert.h"
#include "base/log.h"
#include "core/proxy.h"
#include "server/auth.h"
#include "server/server.h"
#include "server/session.h"
#include "server/session_sm.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum {
    INPUT_BURST_S = 8,
    INPUT_BURST_PREAUTH_S = 4,
    READS_A_TURN = 4, /* scratchfuls of one connection before the others get their turn */
};

const struct jb_limits *conn_limits(const struct conn *c)
{
    return &c->reactor->conf->stream.limits;
}

bool conn_is_loopback(const struct conn *c)
{
    return jb__addr_is_loopback(&c->address);
}

struct conn *conn_ref(struct conn *c)
{
    c->refs++;
    return c;
}

void conn_unref(struct conn *c)
{
    jb_assert(c->refs > 0);
    if (--c->refs > 0)
        return;
    jb_assert(c->phase == CONN_CLOSED && !c->session && !c->auth);
    jb__buf_deinit(&c->in);
    jb__buf_deinit(&c->out);
    jb_free(alloc, c->target);
    jb_free(alloc, c->origin);
    if (c->profile)
        c->profile->drop(c);
    jb_free(alloc, (void *)c->claimed.p);
    jb_free(alloc, (void *)c->login.p);
    jb_free(alloc, c);
}

void conn_limit(struct conn *c, enum jb_limit limit)
{
    reactor_count_limit(c->reactor, limit);
}

uint64_t bucket_take(struct bucket *b, uint64_t n, uint32_t rate, uint32_t burst_s, uint64_t now_ms)
{
    uint64_t most = (uint64_t)rate * burst_s * 1000;

    if (now_ms > b->at_ms) {
        uint64_t rest_ms = now_ms - b->at_ms;
        b->milli += rest_ms < burst_s * UINT64_C(1000) ? rest_ms * rate : most;
        b->at_ms = now_ms;
    }
    if (b->milli > most)
        b->milli = most;
    if (b->milli >= n * 1000) {
        b->milli -= n * 1000;
        return 0;
    }
    b->at_ms += (n * 1000 - b->milli + rate - 1) / rate;
    b->milli = 0;
    return b->at_ms - now_ms;
}

void conn_pause(struct conn *c, uint64_t wait_ms)
{
    uint64_t until_ms = c->reactor->now_ms + wait_ms;

    if (c->blocked_until_ms < until_ms)
        c->blocked_until_ms = until_ms;
    conn_schedule(c);
}

/* ---- what to wait for ---- */

static bool output_over_mark(const struct conn *c)
{
    size_t waiting = c->out.n + (c->stream_open ? c->stream.out.bytes_unsent : 0);

    return waiting > conn_limits(c)->sendq_bytes;
}

static bool wants_input(const struct conn *c)
{
    return c->holds == 0 && c->blocked_until_ms == 0 && !output_over_mark(c);
}

/* TLS reads ahead: input waits inside of it that no poll will ever report. */
static bool read_ahead(const struct conn *c)
{
    return c->phase != CONN_TLS && wants_input(c) && jb__sock_pending(&c->sock);
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void update_poll(struct conn *c)
{
    int events = 0;

    if (c->phase == CONN_CLOSED || c->moving)
        return;
    if (c->phase == CONN_TLS) {
        events = c->sock.want == JB__WANT_WRITE ? UV_WRITABLE : UV_READABLE;
    } else if (c->phase == CONN_LINGER) {
        events = UV_READABLE;
    } else {
        events = wants_input(c) ? UV_READABLE : 0;
        /* A socket is nearly always writable: that brings us back at once, after the others. */
        if (c->write_blocked || read_ahead(c))
            events |= UV_WRITABLE;
    }
    if (events == c->polled)
        return;
    c->polled = (uint8_t)events;
    int rc = events ? uv_poll_start(&c->poll, events, on_ready) : uv_poll_stop(&c->poll);
    jb_assert(rc == 0);
}

void conn_hold(struct conn *c)
{
    c->holds++;
}

/* ---- closing ---- */

static void on_poll_closed(uv_handle_t *handle)
{
    conn_unref(handle->data);
}

static void log_end(const struct conn *c)
{
    char address[JB__ADDR_TEXT_BYTES];
    struct jb_str jid = c->session ? jb_jid_str(c->session->jid) : jb_jid_str(c->login);

    jb__addr_text_port(&c->address, address);
    jb_log(c->stream_open ? JB_LOG_INFO : JB_LOG_DEBUG, "connection closed",
           JB_FZ("address", address), JB_F("jid", jid.n ? jid : JB_STR("-")),
           JB_FZ("reason", c->reason));
}

void conn_close(struct conn *c, const char *reason)
{
    struct reactor *r = c->reactor;

    jb_assert(!c->moving);
    if (c->phase == CONN_CLOSED)
        return;
    if (!c->reason)
        c->reason = reason;
    log_end(c);
    conn_ref(c);
    conn_http_deinit(c);
    auth_cancel(c);
    c->phase = CONN_CLOSED;
    conn_stream_end(c);
    timer_clear(&c->timer);
    jb__list_remove(&c->dirty);
    jb__list_remove(&c->node);
    gate_tell(r, c->told_gate ? GATE_LEFT_AUTHENTICATED : GATE_LEFT, &c->address);
    r->counters.connections--;
    /* The reference of the poll handle goes when libuv lets go of it.  It forgets the descriptor at
     * once, and that must come before the close: then the number may be another thread's. */
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    jb__sock_close(&c->sock);
    conn_unref(c);
}

void conn_finish(struct conn *c, const char *reason)
{
    /* Behind half of a record nothing can be said. */
    bool in_order = c->phase != CONN_CLOSED && c->sock.ssl && c->out.n == 0;

    if (in_order && jb__sock_shutdown(&c->sock) != 0)
        jb_log(JB_LOG_DEBUG, "TLS was not closed in order", JB_FZ("why", jb__sock_why()));
    conn_close(c, reason);
}

void conn_linger(struct conn *c, const char *reason)
{
    if (c->phase == CONN_CLOSED || c->phase == CONN_LINGER)
        return;
    if (!c->reason)
        c->reason = reason;
    conn_http_deinit(c);
    auth_cancel(c);
    conn_stream_end(c);
    int rc = jb__sock_shutdown(&c->sock);
    if (rc != 0 && rc != JB_EAGAIN) {
        conn_close(c, reason);
        return;
    }
    c->in.n = 0;
    c->blocked_until_ms = 0;
    conn_set_phase(c, CONN_LINGER);
}

/* ---- output ---- */

void conn_mark_dirty(struct conn *c)
{
    /* On its way to another reactor nothing may touch it: what is queued is written there. */
    if (c->phase != CONN_CLOSED && !c->moving && jb__list_empty(&c->dirty))
        jb__list_push(&c->reactor->dirty, &c->dirty);
}

/* Writes; 1: all of it, 0: the socket is full, -1: closed.  *done: bytes taken. */
static int write_some(struct conn *c, struct jb_str bytes, size_t *done)
{
    *done = 0;
    while (*done < bytes.n) {
        ssize_t n = jb__sock_write(&c->sock, bytes.p + *done, bytes.n - *done);
        if (n > 0) {
            *done += (size_t)n;
            c->reactor->counters.bytes_out += (uint64_t)n;
            continue;
        }
        if (n == JB_EAGAIN) {
            c->write_blocked = true;
            return 0;
        }
        conn_close(c, n == JB_ECLOSED ? "the client went away" : "writing to the client failed");
        return -1;
    }
    return 1;
}

/* What earlier ticks left behind. */
static int write_left(struct conn *c)
{
    size_t done;
    int rc = c->out.n ? write_some(c, jb__buf_str(&c->out), &done) : 1;

    if (rc < 0 || c->out.n == 0)
        return rc;
    jb__buf_consume(&c->out, done);
    if (c->out.n == 0)
        jb__buf_deinit(&c->out); /* an idle connection owns no buffer */
    return rc;
}

static int write_http(struct conn *c)
{
    struct jb_str bytes;
    size_t done;
    int rc = 1;

    while (rc == 1 && c->phase == CONN_HTTP && (bytes = conn_http_output(c)).n > 0) {
        rc = write_some(c, bytes, &done);
        if (rc >= 0)
            conn_http_written(c, done);
    }
    return rc;
}

/* Renders what the stream has queued into the reactor's scratch and writes it: one system call for
 * all frames that fit. */
static int write_stream(struct conn *c)
{
    struct reactor *r = c->reactor;
    size_t n, done;
    int rc;

    while ((n = jb_stream_render(&c->stream, r->out, REACTOR_SCRATCH_BYTES)) > 0) {
        rc = write_some(c, jb_str(r->out, n), &done);
        if (rc < 0)
            return rc;
        if (done < n && jb__buf_append(&c->out, r->out + done, n - done) != 0) {
            conn_close(c, "too much output waits for the client");
            return -1;
        }
        if (rc == 0)
            return 0;
    }
    size_t need = jb_stream_render_bytes(&c->stream);
    if (need == 0)
        return 1;
    /* One frame larger than the scratch. */
    if (jb__buf_reserve(&c->out, need) != 0) {
        conn_close(c, "too much output waits for the client");
        return -1;
    }
    c->out.n += jb_stream_render(&c->stream, c->out.p + c->out.n, need);
    rc = write_left(c);
    return rc == 1 ? write_stream(c) : rc;
}

static void flushed(struct conn *c)
{
    if (c->phase == CONN_HTTP)
        conn_http_flushed(c);
    else if (c->phase == CONN_STREAM || c->phase == CONN_ECHO)
        conn_stream_flushed(c);
}

/* More waits for the client than may, or it has more than it may without confirming it; with stream
 * management session_sm.c sees to that. */
static bool closed_for_its_queue(struct conn *c)
{
    const struct jb_limits *l = conn_limits(c);
    const struct jb_stream *s = &c->stream;

    if (c->phase != CONN_STREAM)
        return false;
    if (c->out.n + s->out.bytes_unsent > l->sendq_hard_bytes &&
        !(c->session && session_sm_has_more(c->session))) {
        conn_limit(c, JB_LIMIT_sendq_hard_bytes);
        conn_close(c, "the client does not read what is sent to it");
        return true;
    }
    if (!s->sm.on && s->out.bytes_unacked > l->sm_queue_bytes) {
        conn_limit(c, JB_LIMIT_sm_queue_bytes);
        conn_close(c, "the client confirms too little of what it is sent");
        return true;
    }
    return false;
}

/* Sends what is queued, as far as the socket takes it. */
static void conn_flush(struct conn *c)
{
    bool over_mark;

    c->write_blocked = false;
    int rc = write_left(c);
    if (rc == 1 && c->phase == CONN_HTTP)
        rc = write_http(c);
    if (rc == 1 && (c->phase == CONN_STREAM || c->phase == CONN_ECHO))
        rc = write_stream(c);
    if (rc < 0)
        return;
    if (rc == 1)
        flushed(c);
    if (closed_for_its_queue(c))
        return;
    if (c->stream_open && c->stream.state >= JB_STREAM_STATE_CLOSING && !c->closing_ms)
        conn_schedule(c);
    over_mark = output_over_mark(c);
    if (over_mark && !c->over_mark)
        conn_limit(c, JB_LIMIT_sendq_bytes);
    c->over_mark = over_mark;
    update_poll(c);
}

void conn_flush_dirty(struct reactor *r)
{
    while (!jb__list_empty(&r->dirty)) {
        struct conn *c = jb__container_of(r->dirty.next, struct conn, dirty);
        jb__list_remove(&c->dirty);
        conn_flush(c);
    }
}

/* ---- input ---- */

static void keep_input(struct conn *c, const char *p, size_t n)
{
    if (n && jb__buf_append(&c->in, p, n) != 0)
        conn_close(c, "too much input while it could not be taken");
}

bool conn_trusts(const struct conn *c, const struct jb__addr *a)
{
    return config_is_trusted(listener_settings(c->listener, c->reactor->conf), a);
}

static void begin_transport(struct conn *c)
{
    if (c->listener->tls == CONFIG_TLS_OWN) {
        c->secure = true;
        if (jb__sock_start_tls(&c->sock, c->reactor->conf->tls) != 0) {
            conn_close(c, "no memory for TLS");
            return;
        }
        conn_set_phase(c, CONN_TLS);
        return;
    }
    conn_set_phase(c, CONN_HTTP);
}

static void on_readdressed(void *ctx, enum jb_limit refused)
{
    struct conn *c = ctx;

    if (refused != JB_LIMIT_COUNT && c->phase != CONN_CLOSED) {
        conn_limit(c, refused);
        conn_close(c, "a limit for its address refuses it");
    }
    conn_release(c);
    conn_unref(c);
}

void conn_set_address(struct conn *c, const struct jb__addr *is)
{
    struct jb__addr was = c->address;

    if (jb__addr_eq_ip(&was, is))
        return;
    c->address = *is;
    conn_hold(c);
    gate_ask(c->reactor, &was, is, on_readdressed, conn_ref(c));
}

/* The header comes before anything of TLS, perhaps in one packet with it; it is read to the byte,
 * so that TLS finds its own in the socket. */
static void proxy_input(struct conn *c, char *p, size_t n)
{
    struct jb__proxy_header header;
    struct jb__addr is;

    keep_input(c, p, n);
    if (c->phase == CONN_CLOSED)
        return;
    enum jb__proxy_step step = jb__proxy_parse(jb__buf_str(&c->in), &header);
    if (step == JB__PROXY_FAULT) {
        conn_close(c, header.words);
        return;
    }
    if (step == JB__PROXY_MORE)
        return;
    jb__buf_consume(&c->in, header.bytes);
    begin_transport(c);
    if (header.known && jb__addr_parse(&is, jb_strz(header.source.text)) == 0) {
        is.port = header.source_port;
        conn_set_address(c, &is);
    }
}

static void dispatch_input(struct conn *c, char *p, size_t n)
{
    switch (c->phase) {
    case CONN_PROXY:
        proxy_input(c, p, n);
        break;
    case CONN_HTTP:
        conn_http_input(c, p, n);
        break;
    case CONN_STREAM:
    case CONN_ECHO:
        conn_stream_input(c, p, n);
        break;
    default:
        break;
    }
}

/* Takes what waits in c->in, as long as something can be taken of it. */
static void take_waiting(struct conn *c)
{
    while (c->holds == 0 && c->in.n > 0 && c->phase != CONN_CLOSED && c->phase != CONN_TLS &&
           c->blocked_until_ms == 0) {
        struct jb__buf waiting = c->in;
        size_t before = waiting.n;
        uint8_t phase = c->phase;
        jb__buf_init(&c->in, alloc, waiting.max);
        dispatch_input(c, waiting.p, waiting.n);
        jb__buf_deinit(&waiting);
        if (c->in.n == before && c->phase == phase)
            break; /* it needs more */
    }
}

void conn_release(struct conn *c)
{
    jb_assert(c->holds > 0);
    if (--c->holds > 0 || c->phase == CONN_CLOSED)
        return;
    conn_ref(c);
    take_waiting(c);
    if (c->phase != CONN_CLOSED) {
        conn_mark_dirty(c);
        update_poll(c);
        conn_schedule(c);
    }
    conn_unref(c);
}

/* Charges input to its rate; over it, reading pauses until the debt is paid. */
static void charge_input(struct conn *c, size_t n)
{
    const struct jb_limits *l = conn_limits(c);
    uint32_t rate = c->authenticated ? l->input_rate : l->input_rate_preauth;
    uint32_t burst_s = c->authenticated ? INPUT_BURST_S : INPUT_BURST_PREAUTH_S;
    uint64_t wait_ms;

    if (c->phase == CONN_ECHO)
        return;
    wait_ms = bucket_take(&c->bytes, n, rate, burst_s, c->reactor->now_ms);
    if (wait_ms == 0)
        return;
    conn_limit(c, c->authenticated ? JB_LIMIT_input_rate : JB_LIMIT_input_rate_preauth);
    conn_pause(c, wait_ms);
}

/* How much may be read in one go: before authentication little, so that a flood is noticed. */
static size_t read_size(const struct conn *c)
{
    size_t most = (size_t)conn_limits(c)->input_rate_preauth * INPUT_BURST_PREAUTH_S;

    if (c->authenticated || c->phase == CONN_ECHO || most > REACTOR_SCRATCH_BYTES)
        return REACTOR_SCRATCH_BYTES;
    return most;
}

static void conn_on_readable(struct conn *c)
{
    struct reactor *r = c->reactor;

    for (int i = 0; c->phase == CONN_LINGER && i < READS_A_TURN; i++) {
        ssize_t n = jb__sock_read(&c->sock, r->in, REACTOR_SCRATCH_BYTES);
        if (n == JB_EAGAIN)
            return;
        if (n < 0)
            conn_close(c, NULL);
    }
    for (int i = 0; i < READS_A_TURN && c->phase != CONN_CLOSED && wants_input(c); i++) {
        size_t size = c->phase == CONN_PROXY ? jb__proxy_wants(jb__buf_str(&c->in)) : read_size(c);
        ssize_t n = jb__sock_read(&c->sock, r->in, size);
        if (n == JB_EAGAIN)
            return;
        if (n < 0) {
            conn_close(c, n == JB_ECLOSED ? "the client closed the connection"
                                          : "reading from the client failed");
            return;
        }
        r->counters.bytes_in += (uint64_t)n;
        c->heard_ms = r->now_ms;
        c->pinged = false;
        charge_input(c, (size_t)n);
        /* Input that waits comes first. */
        if (c->in.n > 0 && c->phase != CONN_PROXY && c->phase != CONN_HTTP)
            keep_input(c, r->in, (size_t)n);
        else
            dispatch_input(c, r->in, (size_t)n);
        if (c->phase != CONN_PROXY && c->phase != CONN_HTTP)
            take_waiting(c); /* these two keep what they wait for there themselves */
        if (c->phase == CONN_TLS || ((size_t)n < size && !jb__sock_pending(&c->sock)))
            return;
    }
}

static void handshake(struct conn *c)
{
    char address[JB__ADDR_TEXT_BYTES];
    int rc = jb__sock_handshake(&c->sock);

    if (rc == JB_EAGAIN)
        return;
    if (rc != 0) {
        jb__addr_text_port(&c->address, address);
        jb_log(JB_LOG_DEBUG, "TLS handshake failed", JB_FZ("address", address),
               JB_FZ("why", jb__sock_why()));
        conn_close(c, "the TLS handshake failed");
        return;
    }
    conn_set_phase(c, CONN_HTTP);
    conn_on_readable(c); /* the request may have come with the last of the handshake */
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    struct reactor *r = c->reactor;

    conn_ref(c);
    reactor_tick(r);
    if (status < 0) {
        conn_close(c, "polling the socket failed");
    } else if (c->phase == CONN_TLS) {
        handshake(c);
    } else {
        if (events & UV_WRITABLE)
            conn_flush(c);
        if (c->phase != CONN_CLOSED && ((events & UV_READABLE) || read_ahead(c)))
            conn_on_readable(c);
    }
    if (c->phase != CONN_CLOSED) {
        conn_mark_dirty(c);
        update_poll(c);
    }
    conn_unref(c);
    reactor_event_done(r);
}

/* ---- deadlines ---- */

static uint64_t phase_deadline(const struct conn *c)
{
    const struct jb_limits *l = conn_limits(c);

    switch (c->phase) {
    case CONN_PROXY:
    case CONN_TLS:
        return c->opened_ms + l->tls_timeout_ms;
    case CONN_HTTP:
        return c->opened_ms + l->http_timeout_ms;
    case CONN_LINGER:
        return c->opened_ms + l->ws_close_timeout_ms;
    default:
        return conn_stream_deadline(c);
    }
}

void conn_schedule(struct conn *c)
{
    if (c->phase == CONN_CLOSED || c->moving)
        return;
    if (c->stream_open && c->stream.state >= JB_STREAM_STATE_CLOSING && !c->closing_ms)
        c->closing_ms = c->reactor->now_ms;
    uint64_t due = phase_deadline(c);
    if (c->blocked_until_ms && c->blocked_until_ms < due)
        due = c->blocked_until_ms;
    timer_set(&c->reactor->wheel, &c->timer, due);
}

static void on_timer(struct timer *t)
{
    struct conn *c = jb__container_of(t, struct conn, timer);
    uint64_t now_ms = c->reactor->now_ms;

    conn_ref(c);
    if (c->blocked_until_ms && c->blocked_until_ms <= now_ms) {
        c->blocked_until_ms = 0;
        take_waiting(c);
    }
    if (c->phase != CONN_CLOSED && phase_deadline(c) <= now_ms) {
        if (c->phase == CONN_TLS || c->phase == CONN_PROXY) {
            conn_limit(c, JB_LIMIT_tls_timeout_ms);
            conn_close(c, "the TLS handshake took too long");
        } else if (c->phase == CONN_LINGER) {
            conn_close(c, NULL);
        } else if (c->phase == CONN_HTTP) {
            conn_http_timeout(c);
        } else {
            conn_stream_timeout(c);
        }
    }
    if (c->phase != CONN_CLOSED) {
        conn_mark_dirty(c);
        update_poll(c);
        conn_schedule(c);
    }
    conn_unref(c);
}

void conn_set_phase(struct conn *c, enum conn_phase phase)
{
    c->phase = (uint8_t)phase;
    c->opened_ms = c->reactor->now_ms;
    conn_schedule(c);
    update_poll(c);
}

/* ---- coming and going ---- */

static void poll_open(struct conn *c)
{
    int rc = uv_poll_init(&c->reactor->loop, &c->poll, c->sock.fd);

    jb_assert(rc == 0);
    c->poll.data = c;
    c->polled = 0;
}

void conn_open(struct reactor *r, const struct listener *l, struct jb__sock sock,
               const struct jb__addr *peer)
{
    static _Atomic uint64_t serials;
    struct conn *c = jb_zalloc(alloc, sizeof *c);
    const struct jb_limits *limits = &r->conf->stream.limits;

    c->reactor = r;
    c->listener = l;
    c->refs = 1;
    c->sock = sock;
    c->address = *peer;
    c->serial = ++serials;
    c->heard_ms = c->opened_ms = r->now_ms;
    c->bytes.milli = (uint64_t)limits->input_rate_preauth * INPUT_BURST_PREAUTH_S * 1000;
    c->bytes.at_ms = c->stanzas.at_ms = c->control.at_ms = r->now_ms;
    c->secure = l->tls == CONFIG_TLS_OUTSIDE;
    jb__buf_init(&c->in, alloc,
                 (size_t)limits->http_head_bytes + limits->http_body_bytes + REACTOR_SCRATCH_BYTES);
    jb__buf_init(&c->out, alloc,
                 (size_t)limits->sendq_hard_bytes + limits->stanza_bytes + REACTOR_SCRATCH_BYTES);
    timer_init(&c->timer, on_timer);
    jb__list_init(&c->dirty);
    jb__list_push(&r->conns, &c->node);
    r->counters.connections++;
    poll_open(c);
    if (listener_settings(l, r->conf)->proxy_protocol && conn_trusts(c, &c->address))
        conn_set_phase(c, CONN_PROXY);
    else
        begin_transport(c);
}

struct arrival {
    struct mail mail;
    struct conn *conn;
    void (*arrived)(struct conn *c);
};

static void on_arrival(struct reactor *r, struct mail *mail)
{
    struct arrival *a = jb__container_of(mail, struct arrival, mail);
    struct conn *c = a->conn;
    void (*arrived)(struct conn * c) = a->arrived;

    jb_free(alloc, a);
    c->reactor = r;
    c->moving = false;
    jb__list_push(&r->conns, &c->node);
    r->counters.connections++;
    poll_open(c);
    conn_adopt(c);
    conn_schedule(c);
    conn_mark_dirty(c);
    if (r->stopping)
        conn_close(c, "the server is shutting down");
    arrived(c);
}

/* libuv has let go of the descriptor here; now it may be given to another loop. */
static void on_poll_left(uv_handle_t *handle)
{
    struct arrival *a = handle->data;
    struct conn *c = a->conn;

    reactor_send(c->reactor, c->moving_to, &a->mail);
}

void conn_move(struct conn *c, struct reactor *to, void (*arrived)(struct conn *c))
{
    jb_assert(c->holds > 0 && !c->session && !c->auth);
    if (to == c->reactor) {
        arrived(c);
        return;
    }
    struct arrival *a = jb_alloc(alloc, sizeof *a);
    *a = (struct arrival){ .mail.deliver = on_arrival, .conn = c, .arrived = arrived };
    c->moving = true;
    c->moving_to = to;
    timer_clear(&c->timer);
    jb__list_remove(&c->dirty);
    jb__list_remove(&c->node);
    c->reactor->counters.connections--;
    c->poll.data = a;
    uv_close((uv_handle_t *)&c->poll, on_poll_left);
}
