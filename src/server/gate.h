/* SPDX-License-Identifier: MIT */
/* Who may come in: limits by address.
 *
 * The table lives on the first reactor, which accepts; others tell it by mail what became of a
 * connection.  IPv6 addresses count by their /64. */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include "base/hash.h"
#include "base/list.h"
#include "core/limits.h"
#include "net/addr.h"

struct reactor;

struct gate {
    const struct jb_allocator *alloc;
    struct jb__hash_key key;
    struct jb__table addresses;
    struct jb__list by_age;   /* entries that nobody is connected from, oldest first */
    uint32_t connections;     /* in all */
    uint32_t unauthenticated; /* in all */
};

void gate_init(struct gate *g, const struct jb__hash_key *key);
void gate_deinit(struct gate *g);

/* A connection from `a` wants in; counts it unless refused.  Returns the limit that refuses it, or
 * JB_LIMIT_COUNT.  Between the half of `unauthenticated` and all of it the newest are refused at
 * random, ever more of them, so that a flood does not lock out everybody else. */
enum jb_limit gate_enter(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                         uint64_t now_ms);
/* The same for a proxy whose word about its clients is believed.  Limits by address are not for it:
 * they wait until the client's own address is known, for gate_move(). */
enum jb_limit gate_enter_proxy(struct gate *g, const struct jb_limits *limits,
                               const struct jb__addr *a, uint64_t now_ms);
/* It left again; `authenticated`: gate_authenticated() was called for it. */
void gate_leave(struct gate *g, const struct jb__addr *a, bool authenticated);
/* A counted connection turned out to come from another address: counts it there, whatever the
 * verdict, which is returned as by gate_enter(). */
enum jb_limit gate_move(struct gate *g, const struct jb_limits *limits, const struct jb__addr *was,
                        const struct jb__addr *is, uint64_t now_ms);
void gate_authenticated(struct gate *g, const struct jb__addr *a);
/* A failed login; past the limit the address is refused for ten minutes. */
void gate_auth_failed(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                      uint64_t now_ms);
/* True when one more registration this hour is allowed; counts it. */
bool gate_register(struct gate *g, const struct jb_limits *limits, const struct jb__addr *a,
                   uint64_t now_ms);

/* ---- from any reactor, by mail ---- */
enum gate_event { GATE_LEFT, GATE_LEFT_AUTHENTICATED, GATE_AUTHENTICATED, GATE_AUTH_FAILED };
void gate_tell(struct reactor *from, enum gate_event event, const struct jb__addr *a);
/* gate_move() for a connection behind a proxy; calls back on `from` with
 * the limit that refuses it, or JB_LIMIT_COUNT. */
void gate_ask(struct reactor *from, const struct jb__addr *was, const struct jb__addr *is,
              void (*answer)(void *ctx, enum jb_limit refused), void *ctx);
/* gate_register(), in the same way. */
void gate_ask_register(struct reactor *from, const struct jb__addr *a,
                       void (*answer)(void *ctx, enum jb_limit refused), void *ctx);

#endif
