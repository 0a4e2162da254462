/* SPDX-License-Identifier: MIT */
/* Reading what a domain says of its endpoints: host-meta as JSON (XEP-0156, XEP-0487) and as XML.
 */
#ifndef JB_CLIENT_HOST_META_READ_H
#define JB_CLIENT_HOST_META_READ_H

#include "base/arena.h"
#include "client/url.h"
#include "net/resolve.h"
#include "net/tls.h"

/* One endpoint for clients over WebSocket and TLS. */
struct jb__endpoint {
    struct jb__url url;
    char name[JB__URL_HOST_BYTES +
              1]; /* to ask for in TLS; the certificate is for it or the domain */
    struct jb__addr addrs[JB__RESOLVE_MOST]; /* without a port; empty: ask for the host's */
    uint8_t addr_count;
    uint32_t priority, weight; /* RFC 2782: lower first; among equals, by chance */
};

enum { JB__ENDPOINTS_MOST = 8 };

/* Both fill `out` in the document's order, and return how many there are; JB_EINVAL: the document
 * is malformed; JB_ENOMEM.  What is no wss:// endpoint is passed over, and so is what comes behind
 * the first JB__ENDPOINTS_MOST.  `keys` are those that the domain pins (XEP-0487), the first
 * JB__TLS_KEYS_MOST of them. */
JB_NODISCARD int jb__host_meta_read_json(struct jb_str text, struct jb__endpoint *out,
                                         struct jb__tls_keys *keys);
JB_NODISCARD int jb__host_meta_read_xml(struct jb_str text, struct jb__arena *arena,
                                        struct jb__endpoint *out);

#endif
