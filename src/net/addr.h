/* SPDX-License-Identifier: MIT */
/* Internet addresses: text, networks, and the key by which limits count them. */
#ifndef JB_NET_ADDR_H
#define JB_NET_ADDR_H

#include "base/error.h"
#include "base/str.h"

#include <sys/socket.h>

/* An address and port.  IPv4 is kept as v4-mapped IPv6 (::ffff:a.b.c.d), so that there is one form
 * to compare, count and match; it is written as IPv4. */
struct jb__addr {
    uint8_t ip[16];
    uint16_t port;  /* host order; 0: none */
    bool is_set;    /* false: not an internet address (a Unix socket) or not known */
    uint32_t scope; /* interface of a link-local IPv6 address; 0: none */
};

enum { JB__ADDR_TEXT_BYTES = 64 }; /* room for either text below, with its NUL */

/* From what the system gave; anything but AF_INET and AF_INET6 gives an address that is not set. */
void jb__addr_from_sockaddr(struct jb__addr *a, const struct sockaddr *sa);
/* For bind and connect; IPv4 gives AF_INET.  a must be set.  Returns the length. */
socklen_t jb__addr_to_sockaddr(const struct jb__addr *a, struct sockaddr_storage *out);

/* "192.0.2.1" or "2001:db8::1", with a NUL; "unknown" when not set.  Returns the length. */
size_t jb__addr_text(const struct jb__addr *a, char out[JB__ADDR_TEXT_BYTES]);
/* "192.0.2.1:5280" or "[2001:db8::1]:5280". */
size_t jb__addr_text_port(const struct jb__addr *a, char out[JB__ADDR_TEXT_BYTES]);

/* An address alone, IPv4 dotted or IPv6 (also in brackets), no port, no name.  0 or JB_EINVAL. */
JB_NODISCARD int jb__addr_parse(struct jb__addr *a, struct jb_str text);
/* An address with a port, as jb__addr_text_port writes it; "*:5280" is [::]:5280. */
JB_NODISCARD int jb__addr_parse_port(struct jb__addr *a, struct jb_str text);

bool jb__addr_is_v4(const struct jb__addr *a);
/* 127.0.0.0/8 or ::1.  An address that is not set (a Unix socket) is not. */
bool jb__addr_is_loopback(const struct jb__addr *a);
bool jb__addr_eq_ip(const struct jb__addr *a, const struct jb__addr *b); /* ports aside */

/* What limits by address count: all of IPv4, the first 64 bits of IPv6 (one subscriber). */
struct jb__addr_key {
    uint8_t ip[16];
};
struct jb__addr_key jb__addr_key(const struct jb__addr *a);

/* A network: "10.0.0.0/8", "2001:db8::/32", or a lone address.  One of IPv6 never has an IPv4
 * address in it, not even ::/0. */
struct jb__addr_net {
    uint8_t ip[16];
    uint8_t bits; /* 0 to 128; IPv4 counts from 96 */
};
/* 0; JB_EINVAL: malformed, or bits set behind the mask ("10.0.0.1/8" is a mistake). */
JB_NODISCARD int jb__addr_net_parse(struct jb__addr_net *net, struct jb_str text);
bool jb__addr_net_has(const struct jb__addr_net *net, const struct jb__addr *a);

#endif
