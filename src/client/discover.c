/* SPDX-License-Identifier: MIT */
/* Where a domain's endpoint is: its web server says so in /.well-known/host-meta.json (XEP-0156,
 * and XEP-0487 when it goes by that) or else in /.well-known/host-meta.
 *
 * Over HTTPS only, with a certificate for the domain: whoever answers may name another host, and
 * that host is then trusted as the domain is (RFC 7395 section 4).  DNS has no say in it. */
#include "client/client_impl.h"

#include "base/random.h"
#include "client/host_meta_read.h"
#include "core/http_field.h"

#include <stdio.h>

static const char *const documents[] = { "/.well-known/host-meta.json", "/.well-known/host-meta" };

enum { DOCUMENTS = 2 };

struct jb__discovery {
    int document;                /* which of them is asked for */
    uint32_t redirects;          /* followed for it */
    struct jb__buf got;          /* of the answer, so far */
    char words[JB__WORDS_BYTES]; /* why the last document was of no use */
};

void jb__discover_end(struct jb_client *c)
{
    if (c->discovery)
        jb__buf_deinit(&c->discovery->got);
    jb_free(&c->memory, c->discovery);
    c->discovery = NULL;
}

/* ---- asking ---- */

static void hang_up(struct jb_client *c)
{
    jb__dial_end(&c->dial);
    jb__sock_close(&c->sock);
    jb_free(&c->memory, c->in);
    c->in = NULL;
    jb__buf_deinit(&c->out);
}

/* Dials the web server that c->url names; what it says is only believed with its certificate. */
static void ask(struct jb_client *c, uint64_t now_ms)
{
    hang_up(c);
    c->discovery->got.n = 0;
    c->addr_count = 0;
    c->keys.count = 0;
    c->is_discovered = false;
    memcpy(c->name, c->url.host, sizeof c->name);
    jb__link_dial(c, now_ms);
}

static void ask_for_document(struct jb_client *c, uint64_t now_ms)
{
    struct jb__url *url = &c->url;

    *url = (struct jb__url){ .tls = true,
                             .port = (uint16_t)jb__setting(c, JB_SETTING_DISCOVERY_PORT) };
    snprintf(url->host, sizeof url->host, "%s", c->domain);
    snprintf(url->target, sizeof url->target, "%s", documents[c->discovery->document]);
    c->discovery->redirects = 0;
    ask(c, now_ms);
}

void jb__discover_begin(struct jb_client *c, uint64_t now_ms)
{
    c->discovery = jb_zalloc(&c->memory, sizeof *c->discovery);
    if (!c->discovery) {
        jb__link_fail_code(c, JB_ENOMEM, JB_REASON_MEMORY, "");
        return;
    }
    jb__buf_init(&c->discovery->got, &c->memory,
                 c->stream_config.limits.http_head_bytes + c->stream_config.limits.http_body_bytes);
    ask_for_document(c, now_ms);
}

/* HTTP/1.0: the answer is one piece, and the connection ends behind it. */
void jb__discover_connected(struct jb_client *c)
{
    char authority[JB__URL_AUTHORITY_BYTES], head[JB__URL_TARGET_BYTES + sizeof authority + 128];

    c->phase = JB__PHASE_ASKING;
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.0\r\nHost: %.*s\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                     c->url.target, JB_STR_ARG(jb__url_authority(&c->url, authority)));
    int rc = jb__buf_append(&c->out, head, (size_t)n);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
}

/* ---- answers ---- */

/* The next document; after the last one, the end. */
static void give_up(struct jb_client *c, uint64_t now_ms, const char *words)
{
    struct jb__discovery *d = c->discovery;

    snprintf(d->words, sizeof d->words, "%s: %.200s", documents[d->document], words);
    if (++d->document < DOCUMENTS) {
        ask_for_document(c, now_ms);
        return;
    }
    char kept[JB__WORDS_BYTES];
    memcpy(kept, d->words, sizeof kept);
    jb__link_fail(c, JB_REASON_DISCOVERY, jb_strz(kept));
}

void jb__discover_on_failure(struct jb_client *c, uint64_t now_ms, int rc, const char *words)
{
    char kept[JB__WORDS_BYTES];

    snprintf(kept, sizeof kept, "%s", words); /* dialling again overwrites them */
    if (rc == JB_ENOMEM)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
    else if (rc == JB_EAUTH)
        jb__link_fail(c, JB_REASON_CERTIFICATE, jb_strz(kept));
    else if (c->discovery->redirects)
        give_up(c, now_ms, kept);
    else
        jb__link_fail(c, JB_REASON_DISCOVERY, jb_strz(kept)); /* the other one is there as well */
}

static bool is_of_first_priority(struct jb__endpoint **list, int count, int k)
{
    for (int j = 0; j < count; j++)
        if (list[j]->priority < list[k]->priority)
            return false;
    return true;
}

/* One of the lowest priority, by chance in proportion to the weights (RFC 2782). */
static int pick(struct jb__endpoint **list, int count)
{
    uint64_t sum = 0, at;
    int k = 0, last = 0;

    for (k = 0; k < count; k++)
        sum += is_of_first_priority(list, count, k) ? list[k]->weight + 1u : 0;
    jb__random(&at, sizeof at);
    at %= sum;
    for (k = 0; k < count; k++) {
        if (!is_of_first_priority(list, count, k))
            continue;
        last = k;
        if (at <= list[k]->weight)
            break;
        at -= list[k]->weight + 1u;
    }
    return last;
}

/* Puts them in the order in which they are tried, one in each attempt. */
static void sort(struct jb__endpoint **list, int count)
{
    for (; count > 1; list++, count--) {
        int k = pick(list, count);
        struct jb__endpoint *picked = list[k];
        list[k] = list[0];
        list[0] = picked;
    }
}

static void go(struct jb_client *c, uint64_t now_ms, const struct jb__endpoint *e,
               const struct jb__tls_keys *keys)
{
    c->url = e->url;
    memcpy(c->name, e->name, sizeof c->name);
    memcpy(c->addrs, e->addrs, sizeof c->addrs);
    c->addr_count = e->addr_count;
    c->keys = *keys;
    c->is_discovered = true;
    hang_up(c);
    jb__discover_end(c);
    jb__link_dial(c, now_ms);
}

static void read_document(struct jb_client *c, uint64_t now_ms, struct jb_str body)
{
    const bool is_json = c->discovery->document == 0;
    struct jb__endpoint *all = jb_alloc(&c->memory, JB__ENDPOINTS_MOST * sizeof *all);
    struct jb__endpoint *list[JB__ENDPOINTS_MOST];
    struct jb__tls_keys keys = { .count = 0 };
    int count = JB_ENOMEM;

    if (all)
        count = is_json ? jb__host_meta_read_json(body, all, &keys)
                        : jb__host_meta_read_xml(body, &c->arena, all);
    jb__arena_reset(&c->arena);
    for (int k = 0; k < count; k++)
        list[k] = &all[k];
    sort(list, count);
    if (count > 0)
        go(c, now_ms, list[c->attempts % (unsigned)count], &keys);
    else if (count == JB_ENOMEM)
        jb__link_fail_code(c, JB_ENOMEM, JB_REASON_MEMORY, "");
    else
        give_up(c, now_ms,
                count == 0 ? "no WebSocket endpoint in the answer" : "no sense in the answer");
    jb_free(&c->memory, all);
}

static bool is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* To another page, which must be https as well. */
static void follow(struct jb_client *c, uint64_t now_ms, const struct jb__http_response *response)
{
    struct jb_str to;
    struct jb__url url;

    if (c->discovery->redirects++ >= JB__REDIRECTS ||
        !jb__http_field_find(response->fields, JB_STR("location"), &to) ||
        jb__url_parse(to, &url) != 0 || !url.tls || to.p[0] == 'w' || to.p[0] == 'W') {
        give_up(c, now_ms, "a redirection that is not followed");
        return;
    }
    c->url = url;
    ask(c, now_ms);
}

/* True when the body has arrived: `ended`, or as many bytes as were announced. */
static bool is_whole(const struct jb__http_response *response, struct jb_str body, bool ended)
{
    struct jb_str text;
    uint64_t n;

    if (!jb__http_field_find(response->fields, JB_STR("content-length"), &text) ||
        !jb_str_u64(text, UINT32_MAX, &n))
        return ended;
    return body.n >= n;
}

static void take(struct jb_client *c, uint64_t now_ms, bool ended)
{
    struct jb_str got = jb__buf_str(&c->discovery->got);
    struct jb__http_parser parser;
    struct jb__http_response response;

    jb__http_parser_init(&parser, &c->stream_config.limits);
    enum jb__http_step step = jb__http_parse_response(&parser, got, &response);
    if (step == JB__HTTP_MORE && !ended)
        return;
    if (step != JB__HTTP_DONE) {
        give_up(c, now_ms, "no HTTP in the answer");
        return;
    }
    struct jb_str body = jb_str_from(got, response.bytes);
    if (is_redirect(response.status))
        follow(c, now_ms, &response);
    else if (response.status != 200)
        give_up(c, now_ms, "there is no such page");
    else if (is_whole(&response, body, ended))
        read_document(c, now_ms, body);
    else if (ended)
        give_up(c, now_ms, "half an answer");
}

void jb__discover_on_input(struct jb_client *c, uint64_t now_ms)
{
    int rc = jb__buf_append(&c->discovery->got, c->in + c->in_at, c->in_end - c->in_at);

    jb_free(&c->memory, c->in);
    c->in = NULL;
    if (rc == JB_ENOMEM)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
    else if (rc != 0)
        give_up(c, now_ms, "too long an answer");
    else
        take(c, now_ms, false);
}

void jb__discover_on_end(struct jb_client *c, uint64_t now_ms)
{
    take(c, now_ms, true);
}
