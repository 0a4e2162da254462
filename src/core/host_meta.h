/* SPDX-License-Identifier: MIT */
/* The documents /.well-known/host-meta (XRD) and host-meta.json that tell a client where the
 * WebSocket is (XEP-0156).  Serve both with Access-Control-Allow-Origin: *. */
#ifndef JB_CORE_HOST_META_H
#define JB_CORE_HOST_META_H

#include "base/buf.h"

#define JB__HOST_META_XML_TYPE  "application/xrd+xml; charset=utf-8"
#define JB__HOST_META_JSON_TYPE "application/json"

/* Append a document that lists `count` URLs ("wss://example.org/xmpp-websocket") in order of
 * preference.  URLs are UTF-8 without control characters.
 * 0, JB_ENOMEM, JB_EFULL, JB_EINVAL (a control character); on failure the buffer is as before. */
JB_NODISCARD int jb__host_meta_xml(const struct jb_str *urls, size_t count, struct jb__buf *out);
JB_NODISCARD int jb__host_meta_json(const struct jb_str *urls, size_t count, struct jb__buf *out);

#endif
