/* SPDX-License-Identifier: MIT */
/* What a message costs before any XMPP: a relay of WebSocket messages, the limit to measure
 * against.
 *
 *     floor ADDRESS:PORT
 *
 * The two connections that ask for the same number (GET /?7) are joined: each text message that one
 * sends goes to the other.  One thread, epoll, the framing of src/core, one read and one write per
 * readiness: the least that a server can do. */
#include "core/http.h"
#include "core/ws_frame.h"
#include "core/ws_handshake.h"
#include "net/sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum {
    SCRATCH_BYTES = 64 * 1024,
    OUT_BYTES = 16 * 1024 * 1024,
    EVENTS = 1024,
    PAIRS = 5000000,
};

struct side {
    struct jb__sock sock;
    struct jb_ws ws;
    struct side *partner; /* NULL: not there yet, or gone */
    uint32_t pair;        /* its number, once upgraded */
    bool upgraded;
    bool wants_write;   /* epoll was asked for it */
    struct jb__buf in;  /* the request's head while it is incomplete */
    struct jb__buf out; /* what the socket has not taken yet */
};

static int epoll_fd;
static struct side *waiting[PAIRS]; /* whose partner is not there yet, by number */
static char scratch[SCRATCH_BYTES];
static const struct jb_allocator *const alloc = &jb_allocator_abort;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int op, int fd, uint32_t events, void *ctx)
{
    struct epoll_event ev = { .events = events, .data.ptr = ctx };

    if (epoll_ctl(epoll_fd, op, fd, &ev) != 0)
        die("epoll_ctl");
}

static void end(struct side *s)
{
    if (s->partner)
        s->partner->partner = NULL;
    if (waiting[s->pair] == s)
        waiting[s->pair] = NULL;
    jb__sock_close(&s->sock);
    jb_ws_deinit(&s->ws);
    jb__buf_deinit(&s->in);
    jb__buf_deinit(&s->out);
    jb_free(alloc, s);
}

/* Sends what waits; what the socket does not take waits for its turn. */
static void flush(struct side *s)
{
    while (s->out.n > 0) {
        ssize_t n = jb__sock_write(&s->sock, s->out.p, s->out.n);
        if (n < 0)
            break; /* gone: reading will tell */
        jb__buf_consume(&s->out, (size_t)n);
    }
    bool wants_write = s->out.n > 0;
    if (wants_write != s->wants_write)
        watch(EPOLL_CTL_MOD, s->sock.fd, EPOLLIN | (wants_write ? EPOLLOUT : 0), s);
    s->wants_write = wants_write;
}

static void put(struct side *s, const void *p, size_t n)
{
    if (jb__buf_append(&s->out, p, n) != 0) {
        fprintf(stderr, "floor: a client does not read\n");
        exit(1);
    }
}

static void put_frame(struct side *s, const struct jb_ws_event *ev, enum jb_ws_opcode opcode)
{
    char head[JB_WS_HEAD_BYTES];

    put(s, head, jb_ws_write_head(head, opcode, false, ev->bytes, NULL));
    put(s, ev->data, ev->bytes);
}

/* False: it is over. */
static bool relay(struct side *s, char *p, size_t n)
{
    struct jb_ws_event ev;

    for (jb_ws_next(&s->ws, &p, &n, &ev); ev.kind != JB_WS_EVENT_NONE;
         jb_ws_next(&s->ws, &p, &n, &ev)) {
        if (ev.kind == JB_WS_EVENT_FAIL || ev.kind == JB_WS_EVENT_CLOSE)
            return false;
        if (ev.kind == JB_WS_EVENT_PING)
            put_frame(s, &ev, JB_WS_PONG);
        else if (ev.kind == JB_WS_EVENT_MESSAGE && s->partner)
            put_frame(s->partner, &ev, ev.opcode);
    }
    if (s->out.n > 0)
        flush(s);
    if (s->partner && s->partner->out.n > 0)
        flush(s->partner);
    return true;
}

/* False: the query is no number. */
static bool join(struct side *s, struct jb_str query)
{
    uint64_t pair;

    if (!jb_str_u64(query, PAIRS - 1, &pair))
        return false;
    s->pair = (uint32_t)pair;
    s->partner = waiting[pair];
    waiting[pair] = s->partner ? NULL : s;
    if (s->partner)
        s->partner->partner = s;
    return true;
}

static bool upgrade(struct side *s, const char *p, size_t n)
{
    struct jb__ws_handshake_options options = { .origins.any = true,
                                                .protocol = JB__WS_PROTOCOL_ANY };
    struct jb__ws_handshake handshake;
    struct jb__http_parser parser;
    struct jb__http_request req;

    if (jb__buf_append(&s->in, p, n) != 0)
        return false;
    jb__http_parser_init(&parser, &jb_limits_default);
    enum jb__http_step step = jb__http_parse_request(&parser, jb__buf_str(&s->in), &req);
    if (step == JB__HTTP_MORE)
        return true;
    if (step == JB__HTTP_FAULT || !jb__ws_handshake_check(&req, &options, &handshake) ||
        !join(s, req.query) || jb__ws_handshake_answer(&handshake, &s->out) != 0)
        return false;
    s->upgraded = true;
    flush(s);
    bool ok = relay(s, s->in.p + req.bytes, s->in.n - req.bytes);
    jb__buf_deinit(&s->in);
    return ok;
}

static void on_readable(struct side *s)
{
    ssize_t n = jb__sock_read(&s->sock, scratch, sizeof scratch);

    if (n == JB_EAGAIN)
        return;
    if (n < 0 || !(s->upgraded ? relay(s, scratch, (size_t)n) : upgrade(s, scratch, (size_t)n)))
        end(s);
}

static void accept_all(int listener)
{
    struct jb__addr peer;
    struct jb__sock sock;

    while (jb__sock_accept(listener, &sock, &peer) == 0) {
        struct side *s = jb_zalloc(alloc, sizeof *s);
        s->sock = sock;
        jb_ws_init(&s->ws, JB_ROLE_SERVER, alloc);
        jb_ws_set_limits(&s->ws, jb_limits_default.stanza_bytes, jb_limits_default.ws_fragments);
        jb__buf_init(&s->in, alloc, jb_limits_default.http_head_bytes);
        jb__buf_init(&s->out, alloc, OUT_BYTES);
        watch(EPOLL_CTL_ADD, sock.fd, EPOLLIN, s);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    struct jb__addr at;
    int listener;

    if (argc != 2 || jb__addr_parse_port(&at, jb_strz(argv[1])) != 0) {
        fprintf(stderr, "usage: floor ADDRESS:PORT\n");
        return 2;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || jb__listen_open(&at, 0, &listener) != 0)
        die("listening");
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct side *s = events[i].data.ptr;
            if (!s)
                accept_all(listener);
            else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                on_readable(s);
            else
                flush(s);
        }
    }
}
