/* SPDX-License-Identifier: MIT */
/* From a host and port to a connection: name resolution, each address in turn, TLS.  Without
 * blocking and without a loop of its own; one thread at a time.
 *
 *     jb__dial_begin(&d, &target, now);
 *     while ((rc = jb__dial_step(&d, now)) == JB_EAGAIN)
 *         wait for jb__dial_wait(&d, ...);
 *     the connection is d.sock; take it and leave JB__SOCK_NONE */
#ifndef JB_NET_DIAL_H
#define JB_NET_DIAL_H

#include "net/resolve.h"
#include "net/sock.h"

enum { JB__DIAL_NAMES = 2 };

/* Where to.  Texts are the caller's and must live as long as the dialling. */
struct jb__dial_target {
    const char *host; /* A-labels or an address */
    uint16_t port;
    const struct jb__addr *addrs; /* where it is, when that is known already; the name is not asked
                                     for then */
    uint8_t addr_count;           /* at most JB__RESOLVE_MOST */
    struct jb__tls_ctx *tls;      /* NULL: plain */
    const char
        *names[JB__DIAL_NAMES]; /* the certificate must be for one of these; NULL ends them */
};

enum jb__dial_phase {
    JB__DIAL_IDLE,
    JB__DIAL_RESOLVING,
    JB__DIAL_CONNECTING,
    JB__DIAL_TLS,
};

struct jb__dial {
    struct jb__dial_target target;
    struct jb__resolve resolve;
    struct jb__sock sock;
    uint64_t give_up_ms; /* CONNECTING: when to turn to the next address */
    uint8_t phase;       /* enum jb__dial_phase; after a failure: where it was */
    uint8_t next;        /* of resolve.addrs: to try next */
};

/* 0 or JB_ENOMEM. */
JB_NODISCARD int jb__dial_begin(struct jb__dial *d, const struct jb__dial_target *target,
                                uint64_t now_ms);
/* 0: d->sock is connected, and TLS is up; JB_EAGAIN; JB_ENOTFOUND, JB_EIO, JB_ECLOSED, JB_EAUTH
 * (the certificate), JB_ENOMEM: it failed, and jb__sock_why() says why. */
JB_NODISCARD int jb__dial_step(struct jb__dial *d, uint64_t now_ms);
/* What to wait for after JB_EAGAIN; returns the descriptor, or -1. */
int jb__dial_wait(const struct jb__dial *d, uint64_t now_ms, uint8_t *want, uint32_t *timeout_ms);
/* Gives up, or cleans up after it is done; allowed twice, and on a zeroed struct. */
void jb__dial_end(struct jb__dial *d);

#endif
