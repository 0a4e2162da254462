/* SPDX-License-Identifier: MIT */
#include "server/web.h"

#include "base/assert.h"
#include "core/host_meta.h"
#include "core/http_field.h"
#include "core/http_write.h"
#include "server/claim.h"
#include "server/conn_http.h"
#include "server/server.h"

#include <jansson.h>
#include <stdio.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { PAGE_BYTES = 256 * 1024 };

/* ---- answers ---- */

static void finish(struct conn *c, struct jb__http_writer *w, struct jb_str body)
{
    int rc = conn_http_is_head(c) ? jb__http_end_without_body(w, body.n) : jb__http_end(w, body);

    if (rc != 0)
        conn_close(c, "no memory for an answer");
}

static void send_text(struct conn *c, unsigned status, const char *type, struct jb_str text)
{
    struct jb__http_writer w;

    jb__http_begin(&w, conn_http_answer(c), status);
    jb__http_header(&w, "Content-Type", jb_strz(type));
    jb__http_header(&w, "Cache-Control", JB_STR("no-store"));
    jb__http_security(&w, JB_STR("default-src 'none'"));
    finish(c, &w, text);
}

void web_send_json(struct conn *c, unsigned status, struct jb_str json)
{
    send_text(c, status, "application/json", json);
}

void web_send_template(struct conn *c, const char *template, unsigned status,
                       const struct web_value *values, size_t count)
{
    const struct web_asset *page =
        web_assets_find(c->reactor->server->web.assets, jb_strz(template));
    struct jb__http_writer w;
    struct jb__buf text;

    jb__buf_init(&text, alloc, PAGE_BYTES);
    if (!page || web_asset_fill(page, values, count, &text) != 0) {
        send_text(c, status, "text/plain; charset=utf-8",
                  count ? values[count - 1].value : JB_STR("This page is not built.\n"));
    } else {
        jb__http_begin(&w, conn_http_answer(c), status);
        jb__http_header(&w, "Content-Type", page->content_type);
        jb__http_header(&w, "Cache-Control", JB_STR("no-store"));
        jb__http_security(&w, page->policy);
        finish(c, &w, jb__buf_str(&text));
    }
    jb__buf_deinit(&text);
}

void web_send_error(struct conn *c, unsigned status, const char *words)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%u", status);
    struct web_value values[] = {
        { JB_STR("title"), jb_strz(jb__http_reason(status)) },
        { JB_STR("status"), jb_str(digits, (size_t)n) },
        { JB_STR("words"), jb_strz(words) },
    };

    web_send_template(c, "error.html", status, values, 3);
}

/* ---- pages ---- */

static void send_asset(struct conn *c, const struct jb__http_request *req,
                       const struct web_asset *asset)
{
    struct jb__http_writer w;
    struct jb_str known, accept;

    jb__http_field_find(req->fields, JB_STR("if-none-match"), &known);
    jb__http_field_find(req->fields, JB_STR("accept-encoding"), &accept);
    bool unchanged = known.n && web_asset_is_known(asset, known);
    enum web_coding coding = web_asset_coding(asset, accept);
    struct jb_str body = asset->body[coding];

    jb__http_begin(&w, conn_http_answer(c), unchanged ? 304 : 200);
    jb__http_header(&w, "ETag", asset->etag);
    jb__http_header(&w, "Cache-Control", asset->cache_control);
    jb__http_header(&w, "Vary", JB_STR("Accept-Encoding"));
    if (!unchanged) {
        jb__http_header(&w, "Content-Type", asset->content_type);
        if (coding != WEB_IDENTITY)
            jb__http_header(&w, "Content-Encoding", web_coding_token(coding));
        jb__http_security(&w, asset->policy);
    }
    if (jb__http_end_without_body(&w, body.n) != 0)
        conn_close(c, "no memory for an answer");
    else if (!unchanged && req->method == JB__HTTP_GET)
        conn_http_send_file(c, body);
}

/* ---- discovery (XEP-0156) ---- */

/* "ws://host:port/xmpp-websocket" as this client reaches us. */
static struct jb_str socket_url(struct conn *c, const struct jb__http_request *req)
{
    struct jb_str scheme = c->secure ? JB_STR("wss://") : JB_STR("ws://");
    struct jb_str path = JB_STR(WEB_SOCKET_PATH);
    size_t n = scheme.n + req->host.n + path.n;
    char *url = jb__arena_alloc(&c->reactor->arena, n);

    memcpy(url, scheme.p, scheme.n);
    memcpy(url + scheme.n, req->host.p, req->host.n);
    memcpy(url + scheme.n + req->host.n, path.p, path.n);
    return jb_str(url, n);
}

static void send_host_meta(struct conn *c, const struct jb__http_request *req, bool json)
{
    struct jb_str url = socket_url(c, req);
    struct jb__http_writer w;
    struct jb__buf text;

    jb__buf_init(&text, alloc, PAGE_BYTES);
    int rc = json ? jb__host_meta_json(&url, 1, &text) : jb__host_meta_xml(&url, 1, &text);
    jb_assert(rc == 0);
    jb__http_begin(&w, conn_http_answer(c), 200);
    jb__http_header(&w, "Content-Type",
                    json ? JB_STR(JB__HOST_META_JSON_TYPE) : JB_STR(JB__HOST_META_XML_TYPE));
    jb__http_header(&w, "Access-Control-Allow-Origin", JB_STR("*"));
    jb__http_header(&w, "Cache-Control", JB_STR("no-cache"));
    jb__http_security(&w, JB_STR("default-src 'none'"));
    finish(c, &w, jb__buf_str(&text));
    jb__buf_deinit(&text);
}

/* A preflight of any origin for the documents that any origin may read. */
static void send_preflight(struct conn *c)
{
    struct jb__http_writer w;

    jb__http_begin(&w, conn_http_answer(c), 204);
    jb__http_header(&w, "Access-Control-Allow-Origin", JB_STR("*"));
    jb__http_header(&w, "Access-Control-Allow-Methods", JB_STR("GET, HEAD, OPTIONS"));
    jb__http_header(&w, "Access-Control-Max-Age", JB_STR("86400"));
    finish(c, &w, JB_STR_NONE);
}

/* ---- routes ---- */

const struct host *web_host(struct conn *c, struct jb_str authority)
{
    const struct conf *conf = c->reactor->conf;
    const struct host *host = NULL;
    struct jb_str name, domain;
    int port;

    if (jb__http_split_host(authority, &name, &port) &&
        jb_jid_prep_domain(name, &c->reactor->arena, &domain) == 0)
        host = conf_find_host(conf, domain);
    return host ? host : &conf->hosts[0];
}

static void send_chat_config(struct conn *c, const struct jb__http_request *req)
{
    const struct host *host = web_host(c, req->host);
    json_t *config = json_pack("{s:s%, s:s}", "domain", host->config->name.p, host->config->name.n,
                               "websocket", WEB_SOCKET_PATH);
    char *text = json_dumps(config, JSON_COMPACT);

    web_send_json(c, 200, jb_strz(text));
    free(text);
    json_decref(config);
}

struct jb__ws_origins web_origins(const struct conf *conf, struct jb__arena *arena)
{
    const struct config *config = conf->config;
    struct jb__ws_origins o = { .host_count = config->host_count };
    struct jb_str *hosts = jb__arena_alloc(arena, config->host_count * sizeof *hosts);
    size_t allowed = 0;

    for (size_t i = 0; i < config->host_count; i++) {
        hosts[i] = conf->hosts[i].ascii;
        allowed += config->hosts[i].origins.count;
    }
    struct jb_str *list = jb__arena_alloc(arena, (allowed ? allowed : 1) * sizeof *list);
    for (size_t i = 0; i < config->host_count; i++)
        for (size_t k = 0; k < config->hosts[i].origins.count; k++) {
            list[o.allowed_count++] = config->hosts[i].origins.items[k];
            o.any = o.any || jb_str_eqz(config->hosts[i].origins.items[k], "*");
        }
    o.allowed = list;
    o.hosts = hosts;
    return o;
}

bool web_origin_allowed(const struct host *host, struct jb_str origin)
{
    const struct conf_list *list = &host->config->origins;
    const struct jb__ws_origins rule = { .allowed = list->items, .allowed_count = list->count };

    return jb__ws_origin_allowed(&rule, origin, JB_STR_NONE);
}

static bool is_discovery(const struct jb__http_request *req, bool *json)
{
    *json = jb_str_eqz(req->path, "/.well-known/host-meta.json");
    return *json || jb_str_eqz(req->path, "/.well-known/host-meta");
}

static void handle_get(struct conn *c, const struct jb__http_request *req)
{
    const struct web_asset *asset = web_assets_find(c->reactor->server->web.assets, req->path);

    if (jb_str_eqz(req->path, "/chat/config.json"))
        send_chat_config(c, req);
    else if (jb_str_eqz(req->path, "/chat"))
        web_redirect(c, "/chat/");
    else if (asset && req->path.p[0] == '/')
        send_asset(c, req, asset);
    else if (jb_str_eqz(req->path, WEB_SOCKET_PATH))
        send_text(c, 200, "text/plain; charset=utf-8",
                  JB_STR("This is an XMPP WebSocket endpoint (RFC 7395): open it with a client "
                         "that offers the subprotocol `xmpp`.\n"));
    else if (jb_str_eqz(req->path, "/"))
        send_text(c, 200, "text/plain; charset=utf-8",
                  JB_STR("Jabiru is running; its pages are not built.\n"));
    else
        web_send_error(c, 404, "There is nothing at this address.");
}

void web_redirect(struct conn *c, const char *to)
{
    struct jb__http_writer w;

    jb__http_begin(&w, conn_http_answer(c), 308);
    jb__http_header(&w, "Location", jb_strz(to));
    finish(c, &w, JB_STR_NONE);
}

void web_handle(struct conn *c, const struct jb__http_request *req, struct jb_str body)
{
    struct jb_str claim = JB_STR("/claim/");
    bool reads = req->method == JB__HTTP_GET || req->method == JB__HTTP_HEAD;
    bool json;

    if (jb_str_starts(req->path, claim) && (reads || req->method == JB__HTTP_POST))
        claim_handle(c, req, jb_str_from(req->path, claim.n), body);
    else if (is_discovery(req, &json) && req->method == JB__HTTP_OPTIONS)
        send_preflight(c);
    else if (is_discovery(req, &json) && reads)
        send_host_meta(c, req, json);
    else if (reads)
        handle_get(c, req);
    else
        web_send_error(c, 405, "This address can only be read.");
}
