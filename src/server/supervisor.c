/* SPDX-License-Identifier: MIT */
#include "server/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/server.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* A round is begun at one look and found complete at the next: four looks within the watchdog's
 * time leave room for a late one. */
enum { LOOKS = 4, US_PER_MS = 1000 };

static int connect_to(const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t n = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || n >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, name, n);
    if (name[0] == '@') /* not a file: a name of its own kind */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* $WATCHDOG_PID names another process when it was inherited from one that is watched itself. */
static uint64_t watchdog_period(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!us || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    uint64_t period = strtoull(us, NULL, 10) / US_PER_MS / LOOKS;
    return period < INT32_MAX ? period : 0;
}

void supervisor_open(struct supervisor *s, struct server *server)
{
    const char *name = getenv("NOTIFY_SOCKET");

    *s = (struct supervisor){ .server = server, .fd = -1 };
    if (!name)
        return;
    s->fd = connect_to(name);
    if (s->fd < 0)
        jb_log(JB_LOG_WARN, "the service manager cannot be told anything", JB_FZ("socket", name),
               JB_FZ("why", strerror(errno)));
    else
        s->period_ms = watchdog_period();
}

void supervisor_tell(struct supervisor *s, const char *lines)
{
    /* Nothing can be done about one that is not taken; the watchdog speaks again. */
    if (s->fd >= 0)
        (void)!send(s->fd, lines, strlen(lines), MSG_NOSIGNAL);
}

void supervisor_reloading(struct supervisor *s)
{
    char lines[80];

    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)jb__clock_mono_ms() * US_PER_MS);
    supervisor_tell(s, lines);
}

/* ---- the watchdog ---- */

struct roll_call {
    struct mail mail;
    struct supervisor *supervisor;
};

static void on_answer(struct reactor *r, struct mail *mail)
{
    struct roll_call *call = jb__container_of(mail, struct roll_call, mail);

    (void)r;
    call->supervisor->silent--;
    jb_free(alloc, call);
}

static void on_call(struct reactor *r, struct mail *mail)
{
    mail->deliver = on_answer;
    reactor_send(r, &r->server->reactors[0], mail);
}

static void call_all(struct supervisor *s)
{
    struct server *server = s->server;

    s->silent = server->reactor_count;
    for (unsigned i = 0; i < server->reactor_count; i++) {
        struct roll_call *call = jb_alloc(alloc, sizeof *call);
        *call = (struct roll_call){ .mail.deliver = on_call, .supervisor = s };
        reactor_send(&server->reactors[0], &server->reactors[i], &call->mail);
    }
}

static void on_look(uv_timer_t *timer)
{
    struct supervisor *s = timer->data;

    if (s->silent > 0)
        return;
    supervisor_tell(s, "WATCHDOG=1");
    call_all(s);
}

void supervisor_start(struct supervisor *s)
{
    if (s->period_ms == 0)
        return;
    uv_timer_init(&s->server->reactors[0].loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_look, s->period_ms, s->period_ms);
    s->watching = true;
}

void supervisor_stop(struct supervisor *s)
{
    if (s->watching)
        uv_close((uv_handle_t *)&s->timer, NULL);
    s->watching = false;
}

void supervisor_close(struct supervisor *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
