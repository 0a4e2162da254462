/* SPDX-License-Identifier: MIT */
/* A client in a libuv loop.  Header-only.
 *
 *     struct jabiru_uv uv;
 *     jabiru_uv_start(&uv, loop, client, on_event, data);
 *     ...
 *     jabiru_uv_stop(&uv);       then run the loop until it is idle
 *     jb_client_free(client);
 *
 * After calls from outside of on_event that may have something to send (jb_client_send() and so
 * on), call jabiru_uv_turn().  libuv does not allow that a descriptor is closed while it is polled,
 * so polling is stopped whenever the client works. */
#ifndef JABIRU_UV_H
#define JABIRU_UV_H

#include <jabiru/jabiru.h>
#include <stdlib.h>
#include <uv.h>

typedef void jabiru_uv_event(struct jb_client *client, const struct jb_event *ev, void *data);

struct jabiru_uv {
    uv_loop_t *loop;
    struct jb_client *client;
    jabiru_uv_event *on_event;
    void *data;
    uv_timer_t timer;
    uv_poll_t *poll; /* NULL: nothing to poll */
    int fd;
    int stopped;
};

static void jabiru_uv_turn(struct jabiru_uv *u);

static void jabiru_uv_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error is found again when the client reads */
    (void)events;
    jabiru_uv_turn(poll->data);
}

static void jabiru_uv_on_timer(uv_timer_t *timer)
{
    jabiru_uv_turn(timer->data);
}

static void jabiru_uv_free(uv_handle_t *handle)
{
    free(handle);
}

static void jabiru_uv_close_poll(struct jabiru_uv *u)
{
    if (u->poll)
        uv_close((uv_handle_t *)u->poll, jabiru_uv_free);
    u->poll = NULL;
    u->fd = -1;
}

/* Waits for what the client wants now. */
static void jabiru_uv_wait(struct jabiru_uv *u)
{
    const int fd = jb_client_fd(u->client), timeout = jb_client_timeout_ms(u->client);
    const unsigned wants = jb_client_wants(u->client);

    if (fd != u->fd)
        jabiru_uv_close_poll(u);
    if (fd >= 0 && !u->poll && (u->poll = malloc(sizeof *u->poll)) != NULL) {
        if (uv_poll_init(u->loop, u->poll, fd) != 0) {
            free(u->poll);
            u->poll = NULL;
        } else {
            u->poll->data = u;
            u->fd = fd;
        }
    }
    if (u->poll && wants)
        uv_poll_start(u->poll,
                      (wants & JB_WANT_READ ? UV_READABLE : 0) |
                          (wants & JB_WANT_WRITE ? UV_WRITABLE : 0),
                      jabiru_uv_on_poll);
    if (timeout >= 0)
        uv_timer_start(&u->timer, jabiru_uv_on_timer, (uint64_t)timeout, 0);
}

static void jabiru_uv_turn(struct jabiru_uv *u)
{
    const struct jb_event *ev;

    if (u->poll)
        uv_poll_stop(u->poll);
    uv_timer_stop(&u->timer);
    jb_client_process(u->client);
    while (!u->stopped && (ev = jb_client_next(u->client)) != NULL)
        u->on_event(u->client, ev, u->data);
    if (!u->stopped)
        jabiru_uv_wait(u);
}

static void jabiru_uv_start(struct jabiru_uv *u, uv_loop_t *loop, struct jb_client *client,
                            jabiru_uv_event *on_event, void *data)
{
    *u = (struct jabiru_uv){
        .loop = loop, .client = client, .on_event = on_event, .data = data, .fd = -1
    };
    uv_timer_init(loop, &u->timer);
    u->timer.data = u;
    jabiru_uv_wait(u);
}

static void jabiru_uv_stop(struct jabiru_uv *u)
{
    u->stopped = 1;
    jabiru_uv_close_poll(u);
    uv_close((uv_handle_t *)&u->timer, NULL);
}

#endif
