/* SPDX-License-Identifier: MIT */
/* Names to addresses, without blocking: c-ares, whose sockets the caller's loop waits for.  No
 * thread, no signal.  One thread at a time. */
#ifndef JB_NET_RESOLVE_H
#define JB_NET_RESOLVE_H

#include "base/alloc.h"
#include "net/addr.h"

enum { JB__RESOLVE_MOST = 8 }; /* addresses of one name that are tried */

struct ares_channeldata;

struct jb__resolve {
    struct ares_channeldata *channel; /* NULL: no request is on its way */
    int status;                       /* 0: waiting; 1: found; negative: JB_E... */
    uint16_t port;                    /* for the addresses */
    uint8_t count;
    struct jb__addr addrs[JB__RESOLVE_MOST]; /* in the order to try them in (RFC 6724) */
};

/* Asks for the addresses of `host`: a name (A-labels), an address, or "localhost", which needs no
 * asking (RFC 6761 section 6.3).  0 (the answer may be there at once, see step) or JB_ENOMEM. */
JB_NODISCARD int jb__resolve_begin(struct jb__resolve *r, const char *host, uint16_t port);
/* Goes on.  0: addrs is filled; JB_EAGAIN; JB_ENOTFOUND: no such name, or no address; JB_EIO: no
 * answer; JB_ENOMEM. */
JB_NODISCARD int jb__resolve_step(struct jb__resolve *r);
/* What to wait for after JB_EAGAIN: a descriptor (-1: none), JB__WANT_... of it, and the time after
 * which to call step in any case. */
int jb__resolve_wait(const struct jb__resolve *r, uint8_t *want, uint32_t *timeout_ms);
/* Gives up; allowed twice. */
void jb__resolve_end(struct jb__resolve *r);

#endif
