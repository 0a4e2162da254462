/* SPDX-License-Identifier: MIT */
/* Listening sockets, on the first reactor: accepts, asks the gate, and spreads connections over the
 * reactors. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "net/addr.h"
#include "server/config.h"

#include <uv.h>

struct server;

struct listener {
    struct server *server;
    const struct config_listener *config; /* of the start: a reload does not change it */
    uint8_t tls;                          /* enum config_tls */
    bool proxy_protocol;
    const struct jb__addr_net *networks; /* trusted proxies */
    size_t network_count;
    struct jb__addr at; /* where it really listens */
    int fd;
    int reserve;   /* a descriptor to give up when there are no others */
    unsigned next; /* reactor that gets the next connection */
    uv_poll_t poll;
    uv_timer_t pause; /* out of descriptors: accepting waits */
    unsigned handles; /* of these two, open */
};

/* Binds.  0; otherwise it was said on the log why not. */
int listener_open(struct listener *l, struct server *server, const struct config_listener *config);
/* On the first reactor: begins and ends accepting. */
void listener_start(struct listener *l);
void listener_stop(struct listener *l);
void listener_close(struct listener *l);
/* True when what a proxy at this address says about others' addresses is believed. */
bool listener_trusts(const struct listener *l, const struct jb__addr *a);

#endif
