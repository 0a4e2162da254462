/* SPDX-License-Identifier: MIT */
/* Who is really there, when a proxy stands in front: the PROXY protocol (versions 1 and 2, before
 * the first byte of anything else) and the headers X-Forwarded-For, Forwarded (RFC 7239) and
 * X-Forwarded-Proto.  Whether to believe a socket is the caller's knowledge: call jb__proxy_parse
 * only for connections from configured networks; jb__proxy_resolve asks for each address. */
#ifndef JB_CORE_PROXY_H
#define JB_CORE_PROXY_H

#include "base/str.h"

enum {
    JB__PROXY_ADDRESS_BYTES = 46, /* an IPv6 address as text, with a NUL */
    JB__PROXY_V1_BYTES = 107,     /* the longest line of version 1, by its specification */
    JB__PROXY_V2_BYTES = 536      /* the longest header of version 2 taken: fits any first packet */
};

/* The text of an IP address in canonical form (RFC 5952), an IPv4 address in IPv6 as IPv4. */
struct jb__proxy_address {
    char text[JB__PROXY_ADDRESS_BYTES];
};

enum jb__proxy_step { JB__PROXY_MORE, JB__PROXY_DONE, JB__PROXY_FAULT };

struct jb__proxy_header {
    size_t bytes; /* of the header; what follows is the connection's own */
    bool known;   /* false: LOCAL, UNKNOWN or a Unix socket; the socket's own address counts */
    struct jb__proxy_address source;
    uint16_t source_port;
    struct jb__proxy_address target; /* where the client connected to */
    uint16_t target_port;
    bool tls;          /* version 2 says that the client came over TLS (PP2_TYPE_SSL) */
    const char *words; /* with FAULT: what was wrong, static */
};

/* Looks at everything that arrived so far.  Nothing is remembered between calls: the header is at
 * most 536 bytes.  It fails at the first byte that no header can hold at its place. */
enum jb__proxy_step jb__proxy_parse(struct jb_str in, struct jb__proxy_header *out);
/* After JB__PROXY_MORE (or before anything arrived): how many bytes belong to the header for
 * certain and may be read next.  Who reads no more than that leaves what follows in the socket,
 * where TLS expects it. */
size_t jb__proxy_wants(struct jb_str in);

/* Reads an address as the headers carry it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
 * "[2001:db8::1]:80".  False for anything else ("unknown", "_hidden", zones). */
bool jb__proxy_address(struct jb_str text, struct jb__proxy_address *out);

/* Says whether a proxy at this address (canonical text) is to be believed. */
typedef bool jb__proxy_trusted(void *ctx, struct jb_str address);

struct jb__proxy_origin {
    struct jb__proxy_address address; /* for limits, logs and admin */
    bool forwarded;                   /* false: it is the socket's own */
    bool https; /* the proxy nearest to us says that the client speaks TLS (for `tls_outside`) */
};

/* The rightmost address that is not a trusted proxy.
 *
 * `socket`: the peer's address (as text, or as the PROXY protocol gave it).  When it is not
 * trusted, no header is looked at.  Otherwise the list is walked from its end: a trusted address
 * is a proxy, the first other one is the client; at something that is no address, the proxy that
 * reported it counts; when all are trusted, the leftmost.
 *
 * When X-Forwarded-For and Forwarded are both there and do not lead to the same address, one of
 * them was made up by the client and passed through: the socket's address counts. */
void jb__proxy_resolve(struct jb_str fields, struct jb_str socket, jb__proxy_trusted *trusted,
                       void *ctx, struct jb__proxy_origin *out);

#endif
