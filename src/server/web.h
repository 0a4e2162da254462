/* SPDX-License-Identifier: MIT */
/* What is served over HTTP besides the WebSocket: pages, discovery, the claim of an account. */
#ifndef SERVER_WEB_H
#define SERVER_WEB_H

#include "base/arena.h"
#include "core/http.h"
#include "core/ws_handshake.h"
#include "server/web_assets.h"

struct conf;
struct conn;
struct host;

#define WEB_SOCKET_PATH "/xmpp-websocket"

struct web {
    struct web_assets *assets; /* NULL: not built */
};

/* Answers a request that is no upgrade, now or later. */
void web_handle(struct conn *c, const struct jb__http_request *req, struct jb_str body);

/* Who may open a WebSocket from a browser: the hosts' `origins` and the hosts themselves. */
struct jb__ws_origins web_origins(const struct conf *conf, struct jb__arena *arena);
/* Whether this host lets pages of an origin in that is none of this server's. */
bool web_origin_allowed(const struct host *host, struct jb_str origin);

/* The host that a request means: the one its Host header names, otherwise the first. */
const struct host *web_host(struct conn *c, struct jb_str authority);

/* ---- answers, for claim.c ---- */
/* JSON text with a status; text is written out at once. */
void web_send_json(struct conn *c, unsigned status, struct jb_str json);
/* A page with the status and `words` in it. */
void web_send_error(struct conn *c, unsigned status, const char *words);
/* A page made from a template of the assets; without built pages the last value as plain text. */
void web_send_template(struct conn *c, const char *template, unsigned status,
                       const struct web_value *values, size_t count);

void web_redirect(struct conn *c, const char *to);

#endif
