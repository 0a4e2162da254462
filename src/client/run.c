/* SPDX-License-Identifier: MIT */
/* A loop for programs that have none. */
#include "client/client_impl.h"

#include <errno.h>
#include <poll.h>

static int wait(const struct jb_client *c)
{
    const unsigned wants = jb_client_wants(c);
    struct pollfd p = {
        .fd = jb_client_fd(c), /* poll(2) passes over a negative one */
        .events =
            (short)((wants & JB_WANT_READ ? POLLIN : 0) | (wants & JB_WANT_WRITE ? POLLOUT : 0)),
    };

    return poll(&p, 1, jb_client_timeout_ms(c)) < 0 && errno != EINTR ? JB_EIO : 0;
}

int jb_client_run(struct jb_client *client,
                  int (*on_event)(struct jb_client *client, const struct jb_event *ev, void *ctx),
                  void *ctx)
{
    const struct jb_event *ev;
    int rc = 0;

    for (;;) {
        jb_client_process(client); /* short of memory: OFFLINE says so */
        while ((ev = jb_client_next(client)) != NULL) {
            rc = on_event(client, ev, ctx);
            if (rc != 0)
                return rc;
        }
        if (jb_client_is_over(client))
            return 0;
        rc = wait(client);
        if (rc != 0)
            return rc;
    }
}
