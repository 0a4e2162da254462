/* SPDX-License-Identifier: MIT */
/* Tells a service manager how we are, by the protocol of sd_notify(3): datagrams to the socket that
 * $NOTIFY_SOCKET names.  Without that variable all of this does nothing.
 *
 * The watchdog is fed only while every reactor turns: one that hangs has the server restarted. */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct server;

struct supervisor {
    struct server *server;
    int fd;             /* -1: nobody wants to know */
    uint64_t period_ms; /* between two looks at the reactors; 0: no watchdog */
    uv_timer_t timer;
    bool watching;      /* the timer is open */
    unsigned silent;    /* reactors that have not answered in this round */
};

/* Before the sandbox and before threads: reads the environment, connects. */
void supervisor_open(struct supervisor *s, struct server *server);
/* On the first reactor, which alone calls what follows. */
void supervisor_start(struct supervisor *s);
/* "READY=1", "STOPPING=1": one or more lines. */
void supervisor_tell(struct supervisor *s, const char *lines);
void supervisor_reloading(struct supervisor *s);
/* Closes the timer; the loop has to turn once more. */
void supervisor_stop(struct supervisor *s);
void supervisor_close(struct supervisor *s);

#endif
