/* SPDX-License-Identifier: MIT */
#include "cli/bench/conn.h"

#include "cli/bench/engine.h"
#include "cli/bench/login.h"
#include "cli/bench/tls.h"
#include "cli/cli.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES = 4 * 1024 * 1024, /* the longest that is taken */
    MESSAGE_FRAGMENTS = 100000,
    OUT_BYTES = 16 * 1024 * 1024, /* a server that lets so much wait does not read */
    SAY_BYTES = 4096,
    /* A port range has some 28,000 ports and a server may count by address: the addresses of this
     * machine are used in turn. */
    ADDRESSES = 4000,
    FIRST_ADDRESS = 0x7f010001, /* 127.1.0.1 */
    RETRY_NS = 500 * 1000 * 1000,
    RETRIES_UNASKED = 20, /* of each worker, in BENCH_CONNECT */
};

static const uint8_t no_mask[4];

size_t conn_frame(char *out, enum jb_ws_opcode opcode, struct jb_str text)
{
    size_t head = jb_ws_write_head(out, opcode, false, text.n, no_mask);

    memcpy(out + head, text.p, text.n);
    return head + text.n;
}

/* -- The end ---------------------------------------------------------------------------------- */

static void release(struct conn *c)
{
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct worker *w = c->worker;

    if (c->state == CONN_READY || c->state == CONN_LEAVING)
        counter_sub(&w->ready, 1);
    else if (c->state > CONN_WAITING)
        w->logging_in--;
    if (w->corked == c)
        w->corked = NULL;
    bench_tls_free(c->ssl);
    c->ssl = NULL;
    /* A reset leaves no port behind in TIME_WAIT. */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(c->fd);
    c->fd = -1;
    jb_ws_deinit(&c->ws);
    jb__buf_deinit(&c->out);
    login_free(c->login);
    c->login = NULL;
    free(c->jid);
    c->jid = NULL;
    sm_end(c);
    c->state = CONN_CLOSED;
}

void conn_cut(struct conn *c)
{
    if (c->fd >= 0)
        release(c);
}

/* Any server may say that it is too busy; one under a storm may refuse anything for a while. Before
 * the measurement a few may be dropped without a word. */
static bool may_try_again(const struct conn *c, struct jb_str detail)
{
    const struct worker *w = c->worker;

    if (text_has(detail, "temporary-auth-failure"))
        return true;
    if (w->phase != BENCH_CONNECT)
        return w->bench->scenario->retries;
    return c->state >= CONN_UPGRADING && detail.n == 0 &&
           atomic_load_explicit(&w->retries, memory_order_relaxed) < RETRIES_UNASKED;
}

/* The connection is over, whoever ended it; `why` is in static words. */
static void lost(struct conn *c, const char *why, struct jb_str detail)
{
    struct worker *w = c->worker;
    struct bench *b = w->bench;
    bool in_login = c->state < CONN_READY;
    bool leaves = w->phase == BENCH_LEAVE;
    int status = c->state == CONN_CONNECTING ? CLI_IO : in_login ? CLI_REFUSED : BENCH_UNACCOUNTED;

    if (c->state == CONN_CLOSED)
        return;
    bool again = in_login && !leaves && may_try_again(c, detail);
    release(c);
    if (leaves)
        return;
    if (again) {
        counter_add(&w->retries, 1);
        conn_want(c, c->due_ns, bench_now_ns() + RETRY_NS);
    } else if (in_login || !b->scenario->on_closed || !b->scenario->on_closed(c)) {
        bench_fail(b, status, "connection %u: %s%s%.*s", c->index, why, detail.n ? ": " : "",
                   (int)(detail.n < 200 ? detail.n : 200), detail.n ? detail.p : "");
    }
}

void conn_refused(struct conn *c, const char *why, struct jb_str detail)
{
    lost(c, why, detail);
}

static void failed(struct conn *c, const char *what)
{
    lost(c, what, jb_strz(errno ? strerror(errno) : ""));
}

/* -- Output ----------------------------------------------------------------------------------- */

/* As send(2). */
static ssize_t write_some(struct conn *c, const char *p, size_t n)
{
    return c->ssl ? bench_tls_write(c->ssl, p, n) : send(c->fd, p, n, MSG_NOSIGNAL);
}

static void write_now(struct conn *c, const char *p, size_t n)
{
    if (c->out.n == 0) {
        ssize_t done = write_some(c, p, n);
        if (done < 0 && errno != EAGAIN) {
            failed(c, "writing");
            return;
        }
        p += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    if (n > 0 && jb__buf_append(&c->out, p, n) != 0)
        lost(c, "the server does not read what it is sent", JB_STR_NONE);
}

static void flush_rest(struct conn *c)
{
    while (c->out.n > 0) {
        ssize_t done = write_some(c, c->out.p, c->out.n);
        if (done < 0 && errno == EAGAIN)
            return;
        if (done < 0) {
            failed(c, "writing");
            return;
        }
        jb__buf_consume(&c->out, (size_t)done);
    }
    jb__buf_deinit(&c->out);
}

void conn_flush_cork(struct worker *w)
{
    struct conn *c = w->corked;

    w->corked = NULL;
    if (c && w->cork_bytes > 0)
        write_now(c, w->cork, w->cork_bytes);
}

void conn_send(struct conn *c, const char *frames, size_t n)
{
    struct worker *w = c->worker;

    if (c->fd < 0)
        return;
    if (w->corked == c && n <= ENGINE_CORK_BYTES - w->cork_bytes) {
        memcpy(w->cork + w->cork_bytes, frames, n);
        w->cork_bytes += n;
        return;
    }
    if (w->corked == c)
        conn_flush_cork(w);
    if (c->fd >= 0)
        write_now(c, frames, n);
}

void conn_say(struct conn *c, const char *format, ...)
{
    char text[SAY_BYTES], frame[SAY_BYTES + JB_WS_HEAD_BYTES];
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was, one line up */
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        lost(c, "an address is too long to be written to", JB_STR_NONE);
    else
        conn_send(c, frame, conn_frame(frame, JB_WS_TEXT, jb_str(text, (size_t)n)));
    if (c->sm.on && sm_is_stanza(jb_strz(text)))
        sm_sent(c);
}

void conn_leave(struct conn *c)
{
    conn_say(c, "<presence xmlns='jabber:client' type='unavailable'/>");
    conn_say(c, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    if (c->state == CONN_READY)
        c->state = CONN_LEAVING;
}

/* -- Input ------------------------------------------------------------------------------------ */

void conn_ready(struct conn *c)
{
    struct worker *w = c->worker;

    c->state = CONN_READY;
    c->awaits = NULL;
    login_free(c->login);
    c->login = NULL;
    w->logging_in--;
    counter_add(&w->ready, 1);
    counter_add(&w->logins, 1);
    w->bench->scenario->on_ready(c);
    if (w->phase == BENCH_LEAVE)
        conn_leave(c);
}

static void on_message(struct conn *c, struct jb_str text)
{
    char frame[JB_WS_HEAD_BYTES + 2];
    bool error = jb_str_starts(text, JB_STR("<stream:error"));

    if (sm_on_text(c, text))
        return;
    if (c->state == CONN_LEAVING) {
        /* RFC 7395 section 3.6; jabberd2 does not know <close/> and takes it for a mistake. */
        if (error || jb_str_starts(text, JB_STR("<close")))
            conn_send(c, frame, conn_frame(frame, JB_WS_CLOSE, JB_STR("\x03\xe8"))); /* 1000 */
    } else if (error) {
        lost(c, "the server ended the stream", text);
    } else if (c->state == CONN_READY) {
        counter_add(&c->worker->stanzas_in, 1);
        c->worker->bench->scenario->on_text(c, text);
    } else if (c->state == CONN_LOGIN) {
        login_on_text(c, text);
    }
}

static void on_frame(struct conn *c, const struct jb_ws_event *ev)
{
    char pong[JB_WS_HEAD_BYTES + 125];
    struct jb_str data = jb_str(ev->data, ev->bytes);

    switch (ev->kind) {
    case JB_WS_EVENT_MESSAGE:
        on_message(c, data);
        break;
    case JB_WS_EVENT_PING:
        conn_send(c, pong, conn_frame(pong, JB_WS_PONG, data));
        break;
    case JB_WS_EVENT_CLOSE:
        lost(c, "the server closed the connection", data);
        break;
    case JB_WS_EVENT_FAIL:
        lost(c, "the server broke WebSocket's rules", jb_strz(ev->words));
        break;
    default:
        break;
    }
}

static void take_input(struct conn *c, char *p, size_t n)
{
    struct worker *w = c->worker;
    struct jb_ws_event ev;

    w->corked = c;
    w->cork_bytes = 0;
    if (c->state == CONN_UPGRADING) {
        size_t used = login_on_head(c, jb_str(p, n));
        p += used;
        n -= used;
    }
    while (c->state >= CONN_LOGIN) {
        jb_ws_next(&c->ws, &p, &n, &ev);
        if (ev.kind == JB_WS_EVENT_NONE)
            break;
        on_frame(c, &ev);
    }
    conn_flush_cork(w);
}

/* When that arrived which recvmsg() has read, by the kernel's stamp. */
static uint64_t arrived_ns(const struct worker *w, struct msghdr *m)
{
    uint64_t now = bench_now_ns(), at;
    struct timespec t;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
            continue;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        at = (uint64_t)((int64_t)t.tv_sec * 1000000000 + t.tv_nsec - w->ahead_ns);
        /* Before that it would have been read the last time, whatever was done to the clock. */
        return at > now ? now : at < w->gathered_ns ? w->gathered_ns : at;
    }
    return now;
}

/* As recv(2); the worker's time is then that of the arrival. */
static ssize_t read_stamped(struct conn *c, char *p, size_t n)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec to = { p, n };
    struct msghdr m = {
        .msg_iov = &to,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    ssize_t got = recvmsg(c->fd, &m, 0);

    c->worker->now_ns = arrived_ns(c->worker, &m);
    return got;
}

static ssize_t read_some(struct conn *c, char *p, size_t n)
{
    if (c->worker->gathering)
        return read_stamped(c, p, n);
    ssize_t got = c->ssl ? bench_tls_read(c->ssl, p, n) : recv(c->fd, p, n, 0);
    if (got > 0)
        c->worker->now_ns = bench_now_ns();
    return got;
}

static void read_all(struct conn *c)
{
    char *scratch = c->worker->scratch;

    /* Edges, not levels: until a read comes back short. */
    for (bool more = true; more && c->fd >= 0;) {
        ssize_t n = read_some(c, scratch, ENGINE_SCRATCH_BYTES);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n == 0)
            lost(c, "the server hung up", JB_STR_NONE);
        else if (n < 0)
            failed(c, "reading");
        else
            take_input(c, scratch, (size_t)n);
        more = c->ssl || n == ENGINE_SCRATCH_BYTES;
    }
}

/* -- The beginning ---------------------------------------------------------------------------- */

static void upgrade(struct conn *c)
{
    c->state = CONN_UPGRADING;
    c->awaits = "the WebSocket upgrade";
    login_send_head(c);
}

static void on_connected(struct conn *c)
{
    struct bench *b = c->worker->bench;
    socklen_t n = sizeof errno;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errno, &n) != 0 || errno != 0) {
        failed(c, "connecting");
        return;
    }
    if (!b->options.tls) {
        upgrade(c);
        return;
    }
    c->state = CONN_TLS;
    c->awaits = "the TLS handshake";
    c->ssl = bench_tls_new(b->tls, c->fd, &b->options);
    if (!c->ssl)
        lost(c, "out of memory for TLS", JB_STR_NONE);
}

static void go_on_with_tls(struct conn *c)
{
    const char *why;
    int rc = bench_tls_handshake(c->ssl, &why);

    if (rc == 0)
        upgrade(c);
    else if (rc != JB_EAGAIN)
        lost(c, "TLS", jb_strz(why));
}

void conn_on_event(struct conn *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->state == CONN_CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        on_connected(c);
    if (c->state == CONN_TLS)
        go_on_with_tls(c);
    if (c->state >= CONN_UPGRADING && (events & EPOLLOUT) && c->out.n > 0)
        flush_rest(c);
    if (c->state >= CONN_UPGRADING && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        read_all(c);
}

static void bind_source(int fd, struct worker *w)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    uint32_t n = (w->opens * w->bench->options.threads + w->index) % ADDRESSES;
    int on = 1;

    from.sin_addr.s_addr = htonl(FIRST_ADDRESS + n);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    /* Where it is not allowed, the usual address does for a few thousand connections. */
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        return;
}

static void open_one(struct conn *c)
{
    struct worker *w = c->worker;
    const struct bench_options *o = &w->bench->options;
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    int on = 1;

    c->state = CONN_CONNECTING;
    c->awaits = "the connection";
    w->logging_in++;
    c->hint = 0;
    if (w->phase == BENCH_CONNECT) /* the queue before it is of our own making */
        c->due_ns = bench_now_ns();
    jb_ws_init(&c->ws, JB_ROLE_CLIENT, &jb_allocator_abort);
    jb_ws_set_limits(&c->ws, MESSAGE_BYTES, MESSAGE_FRAGMENTS);
    jb__buf_init(&c->out, &jb_allocator_abort, OUT_BYTES);
    c->login = login_new(c);
    c->fd = socket(o->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
        failed(c, "a socket");
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (engine_gathers(w->bench) &&
        setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
        failed(c, "time stamps of arrivals");
        return;
    }
    /* Some systems pace by default, which costs a timer for each message and tells nothing here. */
    setsockopt(c->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    if (o->loopback && o->to.ss_family == AF_INET)
        bind_source(c->fd, w);
    w->opens++;
    if (connect(c->fd, (const struct sockaddr *)&o->to, o->to_bytes) != 0 && errno != EINPROGRESS)
        failed(c, "connecting");
}

void conn_want(struct conn *c, uint64_t due_ns, uint64_t not_before_ns)
{
    struct worker *w = c->worker;

    c->due_ns = due_ns;
    c->not_before_ns = not_before_ns;
    c->state = CONN_WAITING;
    c->next = NULL;
    *w->opening_tail = c;
    w->opening_tail = &c->next;
}

void conn_open_waiting(struct worker *w)
{
    const struct bench_options *o = &w->bench->options;
    uint32_t most = w->phase == BENCH_CONNECT ? (o->logins_at_once + o->threads - 1) / o->threads
                                              : UINT32_MAX; /* the scenario knows what it wants */

    while (w->opening && w->phase != BENCH_LEAVE && w->logging_in < most &&
           w->opening->not_before_ns <= w->now_ns) {
        struct conn *c = w->opening;
        w->opening = c->next;
        if (!w->opening)
            w->opening_tail = &w->opening;
        open_one(c);
    }
}
