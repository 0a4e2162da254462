/* SPDX-License-Identifier: MIT */
/* One client connection of the load generator: connects, upgrades, logs in, cuts what arrives into
 * frames.  Blocking nowhere; the caller polls `fd` for input. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "core/jid.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum peer_login {
    PEER_RAW,       /* WebSocket only */
    PEER_ANONYMOUS, /* SASL ANONYMOUS */
    PEER_PLAIN,     /* SASL PLAIN as user0, user1, ... */
};

/* Shared by all. */
struct peer_options {
    struct sockaddr_in to;
    const char *host_port; /* for Host */
    const char *path;
    const char *domain; /* the XMPP host */
    const char *password;
    enum peer_login login;
};

enum peer_state {
    PEER_UPGRADING,
    PEER_OPENING,        /* <open/> sent, features awaited */
    PEER_AUTHENTICATING, /* <auth/> sent */
    PEER_REOPENING,
    PEER_BINDING,
    PEER_SETTLING, /* roster and presence sent, the answer to a last request awaited */
    PEER_READY,
    PEER_FAILED, /* see why */
};

struct peer {
    int fd;
    uint32_t index;
    enum peer_state state;
    char *rest; /* the beginning of a frame that has not arrived whole; NULL: none */
    uint32_t rest_bytes;
    char jid[160];   /* full address, once bound */
    const char *why; /* FAILED; static */
};

/* 0 or -1 (then errno says why). */
int peer_open(struct peer *p, uint32_t index, const struct peer_options *options);
void peer_close(struct peer *p);

/* Reads and goes on with the login.  Frames that arrive once it is READY are given to `on_text`,
 * pings are answered.  False: the connection is lost (see why). */
bool peer_on_readable(struct peer *p, const struct peer_options *options,
                      void (*on_text)(struct peer *p, const char *text, size_t n));

/* Writes a text frame masked with zeroes (the server has the same work with any mask) to `out`;
 * returns its bytes: n and at most PEER_HEAD_BYTES more. */
enum { PEER_HEAD_BYTES = 14 };
size_t peer_frame(char *out, const char *text, size_t n);
/* Sends frames; false: not all of them were taken. */
bool peer_send(struct peer *p, const char *frames, size_t n);

#endif
