/* SPDX-License-Identifier: MIT */
/* The opening handshake of a WebSocket (RFC 6455 section 4), both sides, on parsed heads.
 *
 * Server: jb__ws_handshake_wanted() tells an upgrade from a plain GET, jb__ws_handshake_check()
 * judges it, jb__ws_handshake_answer() writes 101 or a refusal whose body says in plain words what
 * was wrong and how to mend it. */
#ifndef JB_CORE_WS_HANDSHAKE_H
#define JB_CORE_WS_HANDSHAKE_H

#include "base/buf.h"
#include "core/http.h"
#include "core/ws_extension.h"

enum jb__ws_protocol {
    JB__WS_PROTOCOL_XMPP, /* `xmpp` must be offered (RFC 7395 3.1) */
    JB__WS_PROTOCOL_ANY   /* the first one offered, or none: the echo endpoint of a test build */
};

/* Who may connect from a browser.  A request without Origin comes from no browser and passes.
 * An origin passes when
 *   - `any` is set, or
 *   - it equals one of `allowed`: scheme, host and port, default ports made explicit, or
 *   - it is https on its default port at one of `hosts`, or
 *   - it is the very host and port the request names in Host, and that host is in `hosts`, is
 *     `localhost` or is an IP address (a name that anybody can point at us does not count: DNS
 *     rebinding).
 * `null` and anything that is not scheme://host[:port] passes only with `any`. */
struct jb__ws_origins {
    const struct jb_str *allowed; /* "https://chat.example.org", "http://localhost:3000" */
    size_t allowed_count;
    const struct jb_str *hosts; /* names served here, ASCII form */
    size_t host_count;
    bool any;
};

struct jb__ws_handshake_options {
    struct jb__ws_origins origins;
    enum jb__ws_protocol protocol;
    bool deflate; /* permessage-deflate may be agreed on */
};

/* The verdict.  Slices point into the request. */
struct jb__ws_handshake {
    struct jb__http_fault fault; /* status 0: accepted; otherwise 400, 403, 426 */
    struct jb_str key;           /* Sec-WebSocket-Key */
    struct jb_str protocol;      /* the answer's Sec-WebSocket-Protocol; empty: no such header */
    struct jb__ws_deflate deflate;
};

/* True when the request has any mark of an upgrade (Upgrade or Sec-WebSocket-Key or -Version), so
 * that the answer to a failed one is a refusal and not a web page. */
bool jb__ws_handshake_wanted(const struct jb__http_request *req);

/* Judges; true when accepted (out->fault.status is 0).  Cookies and Authorization are not looked
 * at: they never become an identity. */
bool jb__ws_handshake_check(const struct jb__http_request *req,
                            const struct jb__ws_handshake_options *options,
                            struct jb__ws_handshake *out);

/* Appends the whole answer.  0, JB_ENOMEM, JB_EFULL; on failure nothing is appended. */
JB_NODISCARD int jb__ws_handshake_answer(const struct jb__ws_handshake *h, struct jb__buf *out);

/* The origin rule alone.  `host` is the request's Host. */
bool jb__ws_origin_allowed(const struct jb__ws_origins *rule, struct jb_str origin,
                           struct jb_str host);

/* Sec-WebSocket-Accept for a key (RFC 6455 4.2.2), no NUL.  0 or JB_ENOMEM. */
enum { JB__WS_ACCEPT_BYTES = 28, JB__WS_NONCE_BYTES = 16 };
JB_NODISCARD int jb__ws_handshake_accept(struct jb_str key, char out[JB__WS_ACCEPT_BYTES]);

/* Client. */
struct jb__ws_client_handshake {
    struct jb_str host;                /* Host: name or name:port */
    struct jb_str target;              /* path and query, "/xmpp-websocket" */
    struct jb_str origin;              /* empty: none is sent */
    struct jb_str protocol;            /* "xmpp"; empty: none is asked for */
    bool deflate;                      /* offer permessage-deflate */
    uint8_t nonce[JB__WS_NONCE_BYTES]; /* fresh random bytes for each attempt */
};

/* Appends the request.  0, JB_ENOMEM, JB_EFULL, JB_EINVAL (a slice holds CR, LF, NUL or a space
 * where none may be). */
JB_NODISCARD int jb__ws_handshake_request(const struct jb__ws_client_handshake *c,
                                          struct jb__buf *out);
/* Checks the response (section 4.1).  NULL when the connection is open, then *deflate is what was
 * agreed; otherwise why not, in static words. */
const char *jb__ws_handshake_response(const struct jb__ws_client_handshake *c,
                                      const struct jb__http_response *resp,
                                      struct jb__ws_deflate *deflate);

#endif
