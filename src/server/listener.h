/* SPDX-License-Identifier: MIT */
/* Listening sockets, on the first reactor: accepts, asks the gate, and spreads connections over the
 * reactors. */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include "net/sock.h"
#include "server/config.h"

#include <uv.h>

struct conf;
struct server;

struct listener {
    struct server *server;
    const struct config_listener *config; /* of the start; see listener_settings() */
    uint8_t tls;                          /* enum config_tls */
    struct jb__addr at;                   /* where it really listens */
    int fd;
    int reserve;   /* a descriptor to give up when there are no others */
    bool resting;  /* the last try to accept found no descriptor */
    unsigned next; /* reactor that gets the next connection */
    uv_poll_t poll;
    uv_timer_t pause; /* out of descriptors: accepting waits */
    unsigned handles; /* of these two, open */
};

/* One that does not listen: its connections are brought by listener_admit(). */
void listener_init(struct listener *l, struct server *server, const struct config_listener *config);
/* The same, and binds.  0; otherwise it was said on the log why not. */
int listener_open(struct listener *l, struct server *server, const struct config_listener *config);
/* On the first reactor: begins and ends accepting; the end is for good. */
void listener_start(struct listener *l);
void listener_stop(struct listener *l);
void listener_close(struct listener *l);
/* On the first reactor: a connection from `peer`, which the gate lets in or not.  Takes it over. */
void listener_admit(struct listener *l, struct jb__sock sock, const struct jb__addr *peer);
/* What is configured for it now; what it was started with once its section is gone. */
const struct config_listener *listener_settings(const struct listener *l, const struct conf *conf);

#endif
