/* SPDX-License-Identifier: MIT */
/* Addresses of endpoints: ws://, wss:// and, for discovery, https:// (RFC 6455 section 3). */
#ifndef JB_CLIENT_URL_H
#define JB_CLIENT_URL_H

#include "base/error.h"
#include "base/str.h"

enum { JB__URL_HOST_BYTES = 255, JB__URL_TARGET_BYTES = 511 };

struct jb__url {
    bool tls;
    uint16_t port;
    char host[JB__URL_HOST_BYTES + 1];     /* A-labels or an address, without brackets */
    char target[JB__URL_TARGET_BYTES + 1]; /* path and query */
};

/* 0; JB_EINVAL: not such an address (a fragment, user name, other scheme), or longer than this. */
JB_NODISCARD int jb__url_parse(struct jb_str text, struct jb__url *url);

enum { JB__URL_AUTHORITY_BYTES = JB__URL_HOST_BYTES + 9 };
/* What the Host header says: the port only when it is not the scheme's own. */
struct jb_str jb__url_authority(const struct jb__url *url, char out[JB__URL_AUTHORITY_BYTES]);

#endif
