/* SPDX-License-Identifier: MIT */
/* One attempt to be online: dialling, the WebSocket's handshake, bytes in and out; and its end. */
#include "client/client_impl.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"
#include "core/ws_handshake.h"
#include "net/tls.h"

#include <stdio.h>

enum { OUT_BYTES = 16 * 1024 };

/* ---- the end of an attempt ---- */

static const char *reason_words(enum jb_reason reason)
{
    static const char *const words[] = {
        [JB_REASON_REQUESTED] = "disconnected as asked",
        [JB_REASON_DISCOVERY] = "the domain does not say where its endpoint is",
        [JB_REASON_NAME] = "the host's name has no address",
        [JB_REASON_UNREACHABLE] = "nobody answers there",
        [JB_REASON_CERTIFICATE] = "the certificate is not to be trusted",
        [JB_REASON_TLS] = "TLS failed",
        [JB_REASON_ENDPOINT] = "no XMPP endpoint answers there",
        [JB_REASON_REDIRECT] = "sent elsewhere too often, or to where it is less safe",
        [JB_REASON_PROTOCOL] = "the server broke a rule",
        [JB_REASON_MECHANISM] = "no way to authenticate that is strong enough",
        [JB_REASON_PASSWORD] = "the server does not take this address and password",
        [JB_REASON_SERVER] = "the server could not prove that it knows the password",
        [JB_REASON_REPLACED] = "another session took this resource",
        [JB_REASON_ERROR] = "the server ended the stream with an error",
        [JB_REASON_CLOSED] = "the server closed the stream",
        [JB_REASON_LOST] = "the connection was lost",
        [JB_REASON_TIMEOUT] = "connecting took too long",
        [JB_REASON_MEMORY] = "out of memory",
    };

    return words[reason];
}

/* What another attempt would not change. */
static bool is_final(enum jb_reason reason)
{
    return reason == JB_REASON_REQUESTED || reason == JB_REASON_MECHANISM ||
           reason == JB_REASON_PASSWORD || reason == JB_REASON_SERVER ||
           reason == JB_REASON_REPLACED;
}

/* Twice as long each time, and by chance: not everybody comes back in the same second. */
static uint32_t backoff_ms(const struct jb_client *c)
{
    const uint64_t most = jb__setting(c, JB_SETTING_BACKOFF_MOST_MS);
    uint64_t range = jb__setting(c, JB_SETTING_BACKOFF_LEAST_MS);
    uint32_t random;

    for (uint32_t k = 0; k < c->attempts && range < most; k++)
        range *= 2;
    if (range > most)
        range = most;
    jb__random(&random, sizeof random);
    return (uint32_t)(range / 2 + random % (range / 2 + 1));
}

/* A connection that has lasted makes good for what was before it.  A login alone does not: whoever
 * lets everybody in and then hangs up would have them all back at once, again and again. */
static void judge_connection(struct jb_client *c)
{
    if (!c->online_ms || jb__clock_mono_ms() - c->online_ms < jb__setting(c, JB_SETTING_STEADY_MS))
        return;
    c->attempts = 0;
    c->redirects = 0;
}

void jb__link_say_why(struct jb_client *c, enum jb_reason reason, struct jb_str words)
{
    if (c->reason != JB_REASON_NONE)
        return;
    c->reason = reason;
    if (words.n == 0)
        words = jb_strz(reason_words(reason));
    snprintf(c->words, sizeof c->words, "%.*s", JB_STR_ARG(words));
}

/* A session that was not closed on purpose can be resumed, if the server gave it a name. */
static void end_stream(struct jb_client *c)
{
    bool is_closed = (c->stream.close_sent || c->stream.peer_closed) && !c->redirect;
    /* One that the program has not heard of had better begin anew, presence and all. */
    bool resumable =
        c->stream.sm.on && c->sm_id && !is_closed && !is_final(c->reason) && !c->tell_online;

    if (resumable) {
        /* Whatever arrived has been told: it is told before more is taken. */
        if (c->untold)
            c->stream.received--;
        jb_stream_sm_handled(&c->stream, c->stream.received);
        jb_stream_sm_detach(&c->stream, &c->saved);
        c->saved_is_live = true;
    } else if (!c->saved_is_live) {
        jb__session_forget(c); /* a resumption that did not come about may be tried again */
    }
    jb_stream_deinit(&c->stream);
}

void jb__link_end(struct jb_client *c)
{
    jb__login_end(c);
    jb__discover_end(c);
    jb__dial_end(&c->dial);
    jb__sock_close(&c->sock);
    if (c->stream_is_live)
        end_stream(c);
    jb__deflate_end(c);
    c->stream_is_live = c->leaving = c->untold = false;
    jb_free(&c->memory, c->in);
    c->in = NULL;
    jb__buf_deinit(&c->out);
    c->deadline_ms = UINT64_MAX;
    c->online_ms = 0;
    c->phase = JB__PHASE_IDLE;
}

static void forget_redirect(struct jb_client *c)
{
    jb_free(&c->memory, c->redirect);
    c->redirect = NULL;
}

void jb__link_fail(struct jb_client *c, enum jb_reason reason, struct jb_str words)
{
    if (c->leaving) { /* however it ends, it was wished, and nobody wants to come back */
        c->reason = JB_REASON_NONE;
        reason = JB_REASON_REQUESTED;
        words = JB_STR_NONE;
    }
    jb__link_say_why(c, reason, words);
    judge_connection(c);
    jb__link_end(c);
    jb__request_abandon(c);
    c->tell_online = c->tell_resumed = false;
    c->tell_offline = true;
    c->retry_ms = JB__NO_TIME;
    if (is_final(c->reason) || !jb__setting(c, JB_SETTING_RECONNECT)) {
        forget_redirect(c);
        return;
    }
    if (c->redirect && c->reason == JB_REASON_CLOSED) {
        c->retry_ms = 0;
    } else {
        forget_redirect(c);
        c->retry_ms = (int)backoff_ms(c);
        c->attempts++;
    }
    c->phase = JB__PHASE_WAITING;
    c->deadline_ms = jb__clock_mono_ms() + (uint32_t)c->retry_ms;
}

void jb__link_fail_code(struct jb_client *c, int rc, enum jb_reason reason, const char *words)
{
    if (rc == JB_ENOMEM) {
        c->short_of_memory = true;
        jb__link_fail(c, JB_REASON_MEMORY, JB_STR_NONE);
    } else {
        jb__link_fail(c, reason, jb_strz(words));
    }
}

void jb__link_close(struct jb_client *c, enum jb_reason reason, struct jb_str words)
{
    jb__link_say_why(c, reason, words);
    jb_stream_close(&c->stream, JB_STR_NONE);
    c->phase = JB__PHASE_CLOSING;
    c->deadline_ms = jb__clock_mono_ms() + jb__setting(c, JB_SETTING_CLOSE_TIMEOUT_MS);
}

/* ---- dialling ---- */

static int make_tls(struct jb_client *c)
{
    struct jb__tls_trust trust = { .alloc = &c->memory,
                                   .ca_file = c->options[JB_OPTION_CA_FILE],
                                   .ca_dir = c->options[JB_OPTION_CA_DIR] };
    struct jb__tls_error err;

    if (c->tls)
        return 0;
    int rc = jb__tls_ctx_new_client(&trust, &c->tls, &err);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_CERTIFICATE, err.text);
    return rc;
}

void jb__link_dial(struct jb_client *c, uint64_t now_ms)
{
    struct jb__dial_target target = { .host = c->url.host,
                                      .port = c->url.port,
                                      .addrs = c->addrs,
                                      .addr_count = c->addr_count,
                                      .names = { c->name, c->is_discovered ? c->domain : NULL } };

    if (c->url.tls && make_tls(c) != 0)
        return;
    target.tls = c->url.tls ? c->tls : NULL;
    if (c->tls)
        jb__tls_ctx_trust_keys(c->tls, &c->keys);
    c->phase = JB__PHASE_DIALLING;
    int rc = jb__dial_begin(&c->dial, &target, now_ms);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_NAME, jb__sock_why());
}

void jb__link_on_redirect(struct jb_client *c, struct jb_str uri)
{
    struct jb__url url;

    judge_connection(c);
    /* Never to where it is less safe; and whoever sends us round in circles gets tired of it, not
     * we.  The certificate there must be for the name we began with. */
    if (jb__url_parse(uri, &url) != 0 || uri.p[0] == 'h' || (c->url.tls && !url.tls) ||
        c->redirects >= jb__setting(c, JB_SETTING_REDIRECTS)) {
        jb__link_say_why(c, JB_REASON_REDIRECT, JB_STR_NONE);
        return;
    }
    forget_redirect(c);
    c->redirect = jb__client_copy(c, uri); /* without memory: just closed */
}

/* Goes where we were sent, or where the program said. */
static void go_to(struct jb_client *c, const char *text, uint64_t now_ms)
{
    int rc = jb__url_parse(jb_strz(text), &c->url);

    jb_assert(rc == 0); /* it was looked at when it came */
    c->addr_count = 0;
    if (!c->redirect) {
        memcpy(c->name, c->url.host, sizeof c->name);
        c->is_discovered = false;
        c->keys.count = 0;
    }
    c->redirects = c->redirect ? c->redirects + 1 : 0;
    forget_redirect(c);
    jb__link_dial(c, now_ms);
}

void jb__link_begin(struct jb_client *c, uint64_t now_ms)
{
    c->reason = JB_REASON_NONE;
    c->deadline_ms = now_ms + jb__setting(c, JB_SETTING_CONNECT_TIMEOUT_MS);
    if (c->redirect || c->options[JB_OPTION_URL]) {
        go_to(c, c->redirect ? c->redirect : c->options[JB_OPTION_URL], now_ms);
        return;
    }
    c->redirects = 0;
    jb__discover_begin(c, now_ms);
}

static void on_dial_failed(struct jb_client *c, uint64_t now_ms, int rc)
{
    enum jb_reason reason = JB_REASON_UNREACHABLE;

    if (c->discovery) {
        jb__discover_on_failure(c, now_ms, rc, jb__sock_why());
        return;
    }
    if (c->dial.phase == JB__DIAL_RESOLVING)
        reason = JB_REASON_NAME;
    else if (c->dial.phase == JB__DIAL_TLS)
        reason = rc == JB_EAUTH ? JB_REASON_CERTIFICATE : JB_REASON_TLS;
    jb__link_fail_code(c, rc, reason, jb__sock_why());
}

/* ---- the WebSocket's handshake ---- */

/* Our half of it; the nonce is made from the password's own source, the system's. */
static void describe(struct jb_client *c, struct jb__ws_client_handshake *h, char *authority)
{
    *h = (struct jb__ws_client_handshake){ .host = jb__url_authority(&c->url, authority),
                                           .target = jb_strz(c->url.target),
                                           .protocol = JB_STR_INIT("xmpp"),
                                           .deflate = c->offers_deflate };
    memcpy(h->nonce, c->ws_nonce, sizeof h->nonce);
}

static void on_connected(struct jb_client *c)
{
    struct jb__ws_client_handshake h;
    char authority[JB__URL_AUTHORITY_BYTES];

    c->sock = c->dial.sock;
    c->dial.sock = JB__SOCK_NONE;
    jb__dial_end(&c->dial);
    if (c->discovery) {
        jb__discover_connected(c);
        return;
    }
    c->phase = JB__PHASE_UPGRADING;
    jb__random(c->ws_nonce, sizeof c->ws_nonce);
    c->offers_deflate = jb__setting(c, JB_SETTING_DEFLATE);
    describe(c, &h, authority);
    int rc = jb__ws_handshake_request(&h, &c->out);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_ENDPOINT, "the URL cannot be asked for");
}

static void on_upgraded(struct jb_client *c, size_t head_bytes, const struct jb__ws_deflate *agreed)
{
    c->in_at += head_bytes;
    jb_stream_init_client(&c->stream, &c->stream_config, &c->memory);
    c->stream_is_live = true;
    c->phase = JB__PHASE_LOGIN;
    int rc = jb__deflate_begin(c, agreed);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
    else
        jb__login_begin(c);
}

static void read_upgrade(struct jb_client *c)
{
    struct jb__http_parser parser;
    struct jb__http_response response;
    struct jb__ws_client_handshake h;
    struct jb__ws_deflate deflate;
    char authority[JB__URL_AUTHORITY_BYTES];

    jb__http_parser_init(&parser, &c->stream_config.limits);
    switch (jb__http_parse_response(&parser, jb_str(c->in, c->in_end), &response)) {
    case JB__HTTP_MORE:
        return;
    case JB__HTTP_FAULT:
        jb__link_fail(c, JB_REASON_ENDPOINT, jb_strz(parser.fault.words));
        return;
    default:
        break;
    }
    describe(c, &h, authority);
    const char *why = jb__ws_handshake_response(&h, &response, &deflate);
    if (!why) {
        on_upgraded(c, response.bytes, &deflate);
        return;
    }
    char words[JB__WORDS_BYTES];
    int n = snprintf(words, sizeof words, "%s (status %u)", why, response.status);
    jb__link_fail(c, JB_REASON_ENDPOINT, jb_str(words, (size_t)n));
}

/* ---- bytes ---- */

static void on_read_failed(struct jb_client *c, int rc)
{
    if (c->phase == JB__PHASE_CLOSING)
        jb__link_fail(c, c->reason, JB_STR_NONE);
    else if (c->phase == JB__PHASE_ASKING)
        jb__discover_on_end(c, jb__clock_mono_ms());
    else if (c->phase == JB__PHASE_UPGRADING)
        jb__link_fail(c, JB_REASON_ENDPOINT, jb_strz(jb__sock_why()));
    else
        jb__link_fail_code(c, rc, JB_REASON_LOST, jb__sock_why());
}

/* Reads once, behind what is there.  True when there is more than before. */
static bool read_more(struct jb_client *c)
{
    if (!c->in) {
        c->in = jb_alloc(&c->memory, JB__IN_BYTES);
        c->in_at = c->in_end = 0;
        if (!c->in) {
            jb__link_fail_code(c, JB_ENOMEM, JB_REASON_MEMORY, "");
            return false;
        }
    }
    ssize_t n = JB_EFULL;
    if (c->in_end < JB__IN_BYTES)
        n = jb__sock_read(&c->sock, c->in + c->in_end, JB__IN_BYTES - c->in_end);
    if (n > 0) {
        c->in_end += (size_t)n;
        return true;
    }
    if (c->in_end == 0) {
        jb_free(&c->memory, c->in);
        c->in = NULL;
    }
    if (n != JB_EAGAIN)
        on_read_failed(c, (int)n);
    return false;
}

/* Renders into `out` when that is empty; false when there is nothing to write. */
static bool fill_out(struct jb_client *c)
{
    if (c->out.n > 0 || !c->stream_is_live)
        return c->out.n > 0;
    size_t need = jb_stream_render_bytes(&c->stream);
    if (need == 0)
        return false;
    size_t room = need > OUT_BYTES ? need : OUT_BYTES;
    int rc = jb__buf_reserve(&c->out, room);
    if (rc != 0) {
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
        return false;
    }
    c->out.n = jb_stream_render(&c->stream, c->out.p, room);
    jb_assert(c->out.n > 0);
    return true;
}

void jb__link_flush(struct jb_client *c)
{
    if (c->phase <= JB__PHASE_DIALLING)
        return;
    while (fill_out(c)) {
        ssize_t n = jb__sock_write(&c->sock, c->out.p, c->out.n);
        if (n == JB_EAGAIN)
            return;
        if (n < 0) {
            on_read_failed(c, (int)n);
            return;
        }
        jb__buf_consume(&c->out, (size_t)n);
    }
    if (c->out.n == 0)
        jb__buf_deinit(&c->out); /* an idle connection owns no buffer */
    jb__deflate_rest(c);
}

void jb__link_advance(struct jb_client *c, uint64_t now_ms)
{
    if (c->phase == JB__PHASE_WAITING && now_ms >= c->deadline_ms && !c->tell_offline)
        jb__link_begin(c, now_ms);
    if (c->phase == JB__PHASE_DIALLING) {
        int rc = jb__dial_step(&c->dial, now_ms);
        if (rc == JB_EAGAIN)
            return;
        if (rc != 0)
            on_dial_failed(c, now_ms, rc);
        else
            on_connected(c);
    }
    if (c->phase == JB__PHASE_ASKING) {
        jb__link_flush(c);
        if (c->phase == JB__PHASE_ASKING && read_more(c))
            jb__discover_on_input(c, now_ms);
    } else if (c->phase == JB__PHASE_UPGRADING) {
        jb__link_flush(c);
        if (c->phase == JB__PHASE_UPGRADING && read_more(c))
            read_upgrade(c);
    } else if (c->phase >= JB__PHASE_LOGIN && !c->in) {
        if (read_more(c)) {
            c->heard_ms = now_ms;
            c->pinged_ms = 0;
        }
    }
}
