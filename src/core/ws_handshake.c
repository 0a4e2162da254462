/* SPDX-License-Identifier: MIT */
#include "core/ws_handshake.h"

#include "base/assert.h"
#include "base/base64.h"
#include "core/http_field.h"
#include "core/http_write.h"

#include <openssl/sha.h>

static const char proxy_words[] =
    "The request asks for a WebSocket, but it has no 'Upgrade: websocket' and "
    "'Connection: Upgrade' headers. Most often a reverse proxy in front of this server removes "
    "them. nginx needs, in the location of this path: proxy_http_version 1.1; proxy_set_header "
    "Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; "
    "Apache needs: ProxyPass ... upgrade=websocket.";

static const char http10_words[] =
    "A WebSocket needs HTTP/1.1, but the request came as HTTP/1.0. Behind nginx, set "
    "'proxy_http_version 1.1;' in the location of this path.";

static const char origin_words[] =
    "Pages of this origin may not connect here. If they should, add the origin "
    "(scheme://host[:port], as the browser sends it) to the option `origins` of the server.";

static const char protocol_words[] =
    "The client must offer the subprotocol 'xmpp' in Sec-WebSocket-Protocol (RFC 7395); in a "
    "browser: new WebSocket(url, 'xmpp').";

/* Header names, spelled once. */
static const struct jb_str h_upgrade = JB_STR_INIT("upgrade");
static const struct jb_str h_connection = JB_STR_INIT("connection");
static const struct jb_str h_key = JB_STR_INIT("sec-websocket-key");
static const struct jb_str h_version = JB_STR_INIT("sec-websocket-version");
static const struct jb_str h_protocol = JB_STR_INIT("sec-websocket-protocol");
static const struct jb_str h_accept = JB_STR_INIT("sec-websocket-accept");
static const struct jb_str h_origin = JB_STR_INIT("origin");

bool jb__ws_handshake_wanted(const struct jb__http_request *req)
{
    return jb__http_field_count(req->fields, h_upgrade) > 0 ||
           jb__http_field_count(req->fields, h_key) > 0 ||
           jb__http_field_count(req->fields, h_version) > 0;
}

int jb__ws_handshake_accept(struct jb_str key, char out[JB__WS_ACCEPT_BYTES])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    enum { KEY_BYTES = JB__BASE64_BYTES(JB__WS_NONCE_BYTES) };
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char text[KEY_BYTES + sizeof guid - 1];

    jb_assert(key.n == KEY_BYTES);
    memcpy(text, key.p, KEY_BYTES);
    memcpy(text + KEY_BYTES, guid, sizeof guid - 1);
    if (!SHA1(text, sizeof text, digest))
        return JB_ENOMEM;
    size_t n = jb__base64_encode(digest, sizeof digest, out);
    jb_assert(n == JB__WS_ACCEPT_BYTES);
    return 0;
}

/* scheme://host[:port] in parts; the port is never missing. */
struct origin {
    struct jb_str scheme, host;
    int port;
};

static bool split_origin(struct jb_str text, struct origin *o)
{
    size_t n = 0;

    while (n < text.n && text.p[n] != ':')
        n++;
    o->scheme = jb_str(text.p, n);
    struct jb_str rest = jb_str_from(text, n);
    if (!jb__http_is_token(o->scheme) || !jb_str_starts(rest, JB_STR("://")))
        return false;
    if (!jb__http_split_host(jb_str_from(rest, 3), &o->host, &o->port))
        return false;
    if (o->port < 0)
        o->port = jb_str_eq_ascii_nocase(o->scheme, JB_STR("https")) ? 443 : 80;
    return true;
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
    return a->port == b->port && jb_str_eq_ascii_nocase(a->scheme, b->scheme) &&
           jb_str_eq_ascii_nocase(a->host, b->host);
}

static bool is_served(const struct jb__ws_origins *rule, struct jb_str host)
{
    for (size_t i = 0; i < rule->host_count; i++)
        if (jb_str_eq_ascii_nocase(rule->hosts[i], host))
            return true;
    return false;
}

/* Names of digits and dots only, and names with colons, are addresses: no DNS answers for them. */
static bool is_address(struct jb_str host)
{
    bool dotted = host.n > 0;

    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == ':')
            return true;
        dotted = dotted && ((host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '.');
    }
    return dotted;
}

static bool is_own_page(const struct jb__ws_origins *rule, const struct origin *o,
                        struct jb_str host_field)
{
    struct jb_str host;
    int port;

    if (!jb__http_split_host(host_field, &host, &port))
        return false;
    if (port < 0)
        port = jb_str_eq_ascii_nocase(o->scheme, JB_STR("https")) ? 443 : 80;
    if (port != o->port || !jb_str_eq_ascii_nocase(host, o->host))
        return false;
    return is_address(host) || jb_str_eq_ascii_nocase(host, JB_STR("localhost")) ||
           is_served(rule, host);
}

bool jb__ws_origin_allowed(const struct jb__ws_origins *rule, struct jb_str origin,
                           struct jb_str host)
{
    struct origin o, a;

    if (rule->any)
        return true;
    if (!split_origin(origin, &o))
        return false;
    for (size_t i = 0; i < rule->allowed_count; i++)
        if (split_origin(rule->allowed[i], &a) && same_origin(&o, &a))
            return true;
    if (!jb_str_eq_ascii_nocase(o.scheme, JB_STR("https")) &&
        !jb_str_eq_ascii_nocase(o.scheme, JB_STR("http")))
        return false;
    if (jb_str_eq_ascii_nocase(o.scheme, JB_STR("https")) && o.port == 443 &&
        is_served(rule, o.host))
        return true;
    return is_own_page(rule, &o, host);
}

static bool check_origin(const struct jb__http_request *req, const struct jb__ws_origins *rule)
{
    struct jb_str fields = req->fields;
    struct jb_str value;

    while (jb__http_field_next_named(&fields, h_origin, &value))
        if (!jb__ws_origin_allowed(rule, value, req->host))
            return false;
    return true;
}

/* The value of a header that may stand only once; false when it stands not at all or twice. */
static bool find_single(struct jb_str fields, struct jb_str name, struct jb_str *value)
{
    return jb__http_field_count(fields, name) == 1 && jb__http_field_find(fields, name, value);
}

static bool is_key(struct jb_str key)
{
    unsigned char nonce[JB__BASE64_BYTES(JB__WS_NONCE_BYTES)];
    size_t n;

    return key.n == JB__BASE64_BYTES(JB__WS_NONCE_BYTES) && jb__base64_decode(key, nonce, &n) &&
           n == JB__WS_NONCE_BYTES;
}

/* Offers are tokens (RFC 6455 4.1); `xmpp` must match exactly, letters' case included. */
static bool choose_protocol(struct jb_str fields, enum jb__ws_protocol which, struct jb_str *chosen)
{
    struct jb__http_list walk = { fields, h_protocol, JB_STR_NONE };
    struct jb_str item;

    *chosen = JB_STR_NONE;
    while (jb__http_list_walk(&walk, &item)) {
        if (!jb__http_is_token(item))
            return false;
        if (chosen->n == 0 && (which == JB__WS_PROTOCOL_ANY || jb_str_eqz(item, "xmpp")))
            *chosen = item;
    }
    return chosen->n > 0 || which == JB__WS_PROTOCOL_ANY;
}

static struct jb__http_fault fault(uint16_t status, const char *words)
{
    return (struct jb__http_fault){ status, words, JB_LIMIT_COUNT };
}

static struct jb__http_fault judge(const struct jb__http_request *req,
                                   const struct jb__ws_handshake_options *options,
                                   struct jb__ws_handshake *out)
{
    struct jb_str fields = req->fields;
    struct jb_str version;

    if (req->method != JB__HTTP_GET)
        return fault(400, "A WebSocket is opened with GET.");
    if (req->http10)
        return fault(400, http10_words);
    if (!jb__http_list_has(fields, h_upgrade, JB_STR("websocket")) ||
        !jb__http_list_has(fields, h_connection, h_upgrade))
        return fault(400, proxy_words);
    if (!find_single(fields, h_version, &version) || !jb_str_eqz(version, "13"))
        return fault(426, "This server speaks version 13 of the WebSocket protocol (RFC 6455): "
                          "send 'Sec-WebSocket-Version: 13', once.");
    if (!find_single(fields, h_key, &out->key) || !is_key(out->key))
        return fault(400, "Sec-WebSocket-Key must stand once and be 16 bytes in base 64.");
    if (!check_origin(req, &options->origins))
        return fault(403, origin_words);
    if (!choose_protocol(fields, options->protocol, &out->protocol))
        return fault(400, protocol_words);
    if (!jb__ws_extension_accept(fields, options->deflate, &out->deflate))
        return fault(400, "Sec-WebSocket-Extensions is not a list of extensions.");
    return fault(0, NULL);
}

bool jb__ws_handshake_check(const struct jb__http_request *req,
                            const struct jb__ws_handshake_options *options,
                            struct jb__ws_handshake *out)
{
    *out = (struct jb__ws_handshake){ 0 };
    out->fault = judge(req, options, out);
    return out->fault.status == 0;
}

static int answer_refusal(const struct jb__http_fault *f, struct jb__buf *out)
{
    struct jb__http_writer w;

    if (f->status != 426)
        return jb__http_write_fault(out, *f);
    jb__http_begin(&w, out, f->status);
    jb__http_header(&w, "Sec-WebSocket-Version", JB_STR("13"));
    jb__http_header(&w, "Upgrade", JB_STR("websocket"));
    jb__http_header(&w, "Connection", JB_STR("Upgrade, close"));
    jb__http_header(&w, "Content-Type", JB_STR("text/plain; charset=utf-8"));
    jb__http_security(&w, JB_STR_NONE);
    return jb__http_end(&w, jb_strz(f->words));
}

int jb__ws_handshake_answer(const struct jb__ws_handshake *h, struct jb__buf *out)
{
    char accept[JB__WS_ACCEPT_BYTES];
    char text[JB__WS_EXTENSION_BYTES];
    struct jb_str extensions = jb__ws_extension_answer(&h->deflate, text);
    struct jb__http_writer w;

    if (h->fault.status != 0)
        return answer_refusal(&h->fault, out);
    int rc = jb__ws_handshake_accept(h->key, accept);
    if (rc != 0)
        return rc;
    jb__http_begin(&w, out, 101);
    jb__http_header(&w, "Upgrade", JB_STR("websocket"));
    jb__http_header(&w, "Connection", JB_STR("Upgrade"));
    jb__http_header(&w, "Sec-WebSocket-Accept", jb_str(accept, sizeof accept));
    if (h->protocol.n)
        jb__http_header(&w, "Sec-WebSocket-Protocol", h->protocol);
    if (extensions.n)
        jb__http_header(&w, "Sec-WebSocket-Extensions", extensions);
    return jb__http_end_without_body(&w, 0);
}

/* Visible ASCII only: nothing that could end a word or a line of the request. */
static bool is_visible(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0;
}

static struct jb_str key_of(const struct jb__ws_client_handshake *c,
                            char text[JB__BASE64_BYTES(JB__WS_NONCE_BYTES)])
{
    return jb_str(text, jb__base64_encode(c->nonce, sizeof c->nonce, text));
}

int jb__ws_handshake_request(const struct jb__ws_client_handshake *c, struct jb__buf *out)
{
    char key[JB__BASE64_BYTES(JB__WS_NONCE_BYTES)];
    struct jb__http_writer w;

    if (!is_visible(c->host) || !is_visible(c->target) || c->target.p[0] != '/')
        return JB_EINVAL;
    jb__http_begin_request(&w, out, "GET", c->target);
    jb__http_header(&w, "Host", c->host);
    jb__http_header(&w, "Upgrade", JB_STR("websocket"));
    jb__http_header(&w, "Connection", JB_STR("Upgrade"));
    jb__http_header(&w, "Sec-WebSocket-Version", JB_STR("13"));
    jb__http_header(&w, "Sec-WebSocket-Key", key_of(c, key));
    if (c->protocol.n)
        jb__http_header(&w, "Sec-WebSocket-Protocol", c->protocol);
    if (c->deflate)
        jb__http_header(&w, "Sec-WebSocket-Extensions", jb__ws_extension_offer());
    if (c->origin.n)
        jb__http_header(&w, "Origin", c->origin);
    return jb__http_end_without_body(&w, 0);
}

static bool has_accept(const struct jb__ws_client_handshake *c, struct jb_str fields)
{
    char key[JB__BASE64_BYTES(JB__WS_NONCE_BYTES)];
    char want[JB__WS_ACCEPT_BYTES];
    struct jb_str value;

    return find_single(fields, h_accept, &value) &&
           jb__ws_handshake_accept(key_of(c, key), want) == 0 &&
           jb_str_eq(value, jb_str(want, sizeof want));
}

static bool has_protocol(const struct jb__ws_client_handshake *c, struct jb_str fields)
{
    struct jb_str value;

    if (c->protocol.n == 0)
        return jb__http_field_count(fields, h_protocol) == 0;
    return find_single(fields, h_protocol, &value) && jb_str_eq(value, c->protocol);
}

const char *jb__ws_handshake_response(const struct jb__ws_client_handshake *c,
                                      const struct jb__http_response *resp,
                                      struct jb__ws_deflate *deflate)
{
    *deflate = (struct jb__ws_deflate){ 0 };
    if (resp->status != 101)
        return "the server does not open a WebSocket at this address";
    if (!jb__http_list_has(resp->fields, h_upgrade, JB_STR("websocket")) ||
        !jb__http_list_has(resp->fields, h_connection, h_upgrade))
        return "the server's answer is no upgrade to a WebSocket";
    if (!has_accept(c, resp->fields))
        return "the server's Sec-WebSocket-Accept does not match the request";
    if (!has_protocol(c, resp->fields))
        return "the server did not choose the subprotocol that was asked for";
    return jb__ws_extension_agreed(resp->fields, c->deflate, deflate);
}
