/* SPDX-License-Identifier: MIT */
#include "server/listener.h"

#include "base/assert.h"
#include "base/log.h"
#include "server/conn.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { ACCEPTS_A_TURN = 64, PAUSE_MS = 100 };

void listener_init(struct listener *l, struct server *server, const struct config_listener *config)
{
    *l = (struct listener){
        .server = server, .config = config, .tls = (uint8_t)config->tls, .fd = -1, .reserve = -1
    };
    int rc = jb__addr_parse(&l->at, config->address);
    jb_assert(rc == 0);
    l->at.port = (uint16_t)config->port;
}

int listener_open(struct listener *l, struct server *server, const struct config_listener *config)
{
    char text[JB__ADDR_TEXT_BYTES];

    listener_init(l, server, config);
    int rc = jb__listen_open(&l->at, 0, &l->fd);
    jb__addr_text_port(&l->at, text);
    if (rc != 0) {
        jb_log(JB_LOG_ERROR, "cannot listen", JB_FZ("address", text),
               JB_FZ("why", rc == JB_EEXIST ? "another program listens there; --listen ADDR:PORT "
                                              "or the option `port` chooses another port"
                                            : strerror(errno)));
        return rc;
    }
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return 0;
}

void listener_close(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->reserve >= 0)
        close(l->reserve);
    l->fd = l->reserve = -1;
}

const struct config_listener *listener_settings(const struct listener *l, const struct conf *conf)
{
    const struct config *config = conf->config;

    for (size_t i = 0; i < config->listener_count; i++)
        if (jb_str_eq(config->listeners[i].name, l->config->name))
            return &config->listeners[i];
    return l->config;
}

struct newcomer {
    struct mail mail;
    const struct listener *listener;
    struct jb__sock sock;
    struct jb__addr peer;
};

static void on_newcomer(struct reactor *r, struct mail *mail)
{
    struct newcomer *n = jb__container_of(mail, struct newcomer, mail);

    conn_open(r, n->listener, n->sock, &n->peer);
    jb_free(alloc, n);
}

static void hand_over(struct listener *l, struct jb__sock sock, const struct jb__addr *peer)
{
    struct server *server = l->server;
    struct reactor *first = &server->reactors[0];
    struct reactor *to = &server->reactors[l->next];

    l->next = (l->next + 1) % server->reactor_count;
    if (to == first) {
        conn_open(first, l, sock, peer);
        return;
    }
    struct newcomer *n = jb_alloc(alloc, sizeof *n);
    *n = (struct newcomer){
        .mail.deliver = on_newcomer, .listener = l, .sock = sock, .peer = *peer
    };
    reactor_send(first, to, &n->mail);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct listener *l = timer->data;

    uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

/* No descriptor is left.  The reserve lets one client in to be turned away, so that he does not
 * wait for an answer that cannot come; then accepting rests. */
static void pause_accepting(struct listener *l)
{
    struct jb__sock sock;
    struct jb__addr peer;

    if (l->reserve >= 0) {
        close(l->reserve);
        if (jb__sock_accept(l->fd, &sock, &peer) == 0)
            jb__sock_close(&sock);
        l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    l->server->reactors[0].counters.refused++;
    if (!l->resting) /* once, not with each try */
        jb_log(JB_LOG_WARN, "out of descriptors; accepting rests",
               JB_F("listener", l->config->name));
    l->resting = true;
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

void listener_admit(struct listener *l, struct jb__sock sock, const struct jb__addr *peer)
{
    struct reactor *r = &l->server->reactors[0];
    const struct jb_limits *limits = &r->conf->stream.limits;
    struct gate *gate = &l->server->gate;
    enum jb_limit refused;
    char address[JB__ADDR_TEXT_BYTES];

    reactor_hear(r); /* who was refused a moment ago may be back already */
    refused = config_is_trusted(listener_settings(l, r->conf), peer)
                  ? gate_enter_proxy(gate, limits, peer, r->now_ms)
                  : gate_enter(gate, limits, peer, r->now_ms);

    if (refused == JB_LIMIT_COUNT) {
        r->counters.accepted++;
        hand_over(l, sock, peer);
        return;
    }
    jb__addr_text_port(peer, address);
    jb_log(JB_LOG_DEBUG, "connection refused", JB_FZ("address", address),
           JB_FZ("limit", jb_limit_info[refused].name));
    r->counters.refused++;
    reactor_count_limit(r, refused);
    jb__sock_close(&sock);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    struct jb__sock sock;
    struct jb__addr peer;

    (void)status;
    (void)events;
    reactor_tick(&l->server->reactors[0]);
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int rc = jb__sock_accept(l->fd, &sock, &peer);
        if (rc == JB_EFULL)
            pause_accepting(l);
        if (rc != 0)
            return;
        if (l->resting)
            jb_log(JB_LOG_INFO, "accepting again", JB_F("listener", l->config->name));
        l->resting = false;
        listener_admit(l, sock, &peer);
    }
}

static void say_where(const struct listener *l)
{
    char text[JB__ADDR_TEXT_BYTES], message[JB__ADDR_TEXT_BYTES + 16];

    jb__addr_text_port(&l->at, text);
    snprintf(message, sizeof message, "listening on %s", text);
    jb_log(JB_LOG_INFO, message, JB_F("listener", l->config->name),
           JB_FZ("tls", l->tls == CONFIG_TLS_OWN       ? "own"
                        : l->tls == CONFIG_TLS_OUTSIDE ? "outside"
                                                       : "off"));
}

void listener_start(struct listener *l)
{
    uv_loop_t *loop = &l->server->reactors[0].loop;

    if (l->fd < 0)
        return;
    int rc = uv_poll_init(loop, &l->poll, l->fd);
    rc |= uv_timer_init(loop, &l->pause);
    rc |= uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
    jb_assert(rc == 0);
    l->poll.data = l->pause.data = l;
    l->handles = 2;
    say_where(l);
}

void listener_stop(struct listener *l)
{
    if (l->handles == 0)
        return;
    l->handles = 0;
    uv_close((uv_handle_t *)&l->poll, NULL);
    uv_close((uv_handle_t *)&l->pause, NULL);
    /* Whoever comes now is told so, instead of waiting in a queue that nobody takes him from. */
    listener_close(l);
}
