/* SPDX-License-Identifier: MIT */
#include "client/client_impl.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/utf8.h"
#include "net/tls.h"

#include <openssl/crypto.h>
#include <stdio.h>

static const struct {
    uint32_t value, least, most;
} settings[JB_SETTING_COUNT] = {
#define ROW(name, def, least, most, words) { def, least, most },
    JB_SETTINGS(ROW)
#undef ROW
};

static void mask_key(uint8_t key[4])
{
    jb__random(key, 4);
}

/* A server may say more before authentication than a client may: all its features; and what it
 * forwards, as large as it takes stanzas, comes in an envelope.  Over a limit the stream ends, and
 * what waits at the server would end the next one, too. */
static void set_limits(struct jb_client *c)
{
    enum { DOCUMENT_BYTES = 64 * 1024 }; /* of a host-meta */
    enum { ENVELOPE_BYTES = 64 * 1024 };
    enum { FEATURES_BYTES = 64 * 1024, FEATURES_ELEMENTS = 512, FEATURES_DEPTH = 12 };
    struct jb_limits *l = &c->stream_config.limits;

    *l = jb_limits_default;
    l->preauth_stanza_bytes = FEATURES_BYTES;
    l->preauth_elements = FEATURES_ELEMENTS;
    l->preauth_depth = FEATURES_DEPTH;
    l->http_body_bytes = DOCUMENT_BYTES;
    l->stanza_bytes = jb__setting(c, JB_SETTING_STANZA_BYTES) + ENVELOPE_BYTES;
    l->xml_depth *= 2;
    l->xml_elements *= 2;
    l->xml_namespaces *= 2;
    l->scram_iterations_least = jb__setting(c, JB_SETTING_ITERATIONS_LEAST);
    l->scram_iterations_most = jb__setting(c, JB_SETTING_ITERATIONS_MOST);
}

/* A random UUID (RFC 9562 section 5.4). */
static void make_agent(char out[37])
{
    uint8_t r[16];

    jb__random(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
             r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13],
             r[14], r[15]);
}

int jb_client_new(struct jb_client **out, const struct jb_allocator *memory)
{
    if (!memory)
        memory = &jb_allocator_libc;
    struct jb_client *c = jb_zalloc(memory, sizeof *c);

    *out = c;
    if (!c)
        return JB_ENOMEM;
    c->memory = *memory;
    for (int k = 0; k < JB_SETTING_COUNT; k++)
        c->settings[k] = settings[k].value;
    set_limits(c);
    c->stream_config.mask_key = mask_key;
    jb__random(&c->seen_key, sizeof c->seen_key);
    make_agent(c->agent);
    c->deadline_ms = UINT64_MAX;
    c->sock = JB__SOCK_NONE;
    c->outbox_end = &c->outbox;
    c->retry_ms = JB__NO_TIME;
    jb__buf_init(&c->out, &c->memory, SIZE_MAX);
    jb__arena_init(&c->arena, &c->memory, 0);
    return 0;
}

static void free_secret(struct jb_client *c, char **secret)
{
    if (*secret)
        OPENSSL_cleanse(*secret, strlen(*secret));
    jb_free(&c->memory, *secret);
    *secret = NULL;
}

static void free_account(struct jb_client *c)
{
    free_secret(c, &c->password);
    jb_free(&c->memory, c->jid);
    jb_free(&c->memory, c->domain);
    jb_free(&c->memory, c->wish_text);
    c->jid = c->domain = c->wish_text = NULL;
    c->wish = JB_STR_NONE;
    c->self = JB_JID_NONE;
}

void jb_client_free(struct jb_client *c)
{
    if (!c)
        return;
    struct jb_allocator memory = c->memory;

    jb__link_end(c);
    jb__session_forget(c);
    jb__request_free(c);
    jb__outbox_free(c);
    jb__tls_ctx_unref(c->tls);
    jb_free(&memory, c->redirect);
    free_account(c);
    for (int k = 0; k < JB_OPTION_COUNT; k++)
        free_secret(c, &c->options[k]); /* one of them is */
    jb__buf_deinit(&c->out);
    jb__arena_deinit(&c->arena);
    jb_free(&memory, c);
}

char *jb__client_copy(struct jb_client *c, struct jb_str text)
{
    char *p = jb_alloc(&c->memory, text.n + 1);

    if (!p)
        return NULL;
    if (text.n)
        memcpy(p, text.p, text.n);
    p[text.n] = '\0';
    return p;
}

int jb_client_set(struct jb_client *c, enum jb_setting setting, uint32_t value)
{
    if ((unsigned)setting >= JB_SETTING_COUNT || value < settings[setting].least ||
        value > settings[setting].most)
        return JB_EINVAL;
    if (setting == JB_SETTING_DEFLATE && value && !jb__deflate_can())
        return JB_ENOTSUP;
    c->settings[setting] = value;
    set_limits(c);
    return 0;
}

static bool is_fit(enum jb_option option, struct jb_str text)
{
    struct jb__url url;

    if (option == JB_OPTION_URL)
        return jb__url_parse(text, &url) == 0 && text.p[0] != 'h';
    if (option == JB_OPTION_MECHANISM)
        return jb__sasl_mech_find(text) != JB__SASL_MECH_COUNT;
    return text.n > 0;
}

int jb_client_set_text(struct jb_client *c, enum jb_option option, const char *text)
{
    char *copy = NULL;

    if ((unsigned)option >= JB_OPTION_COUNT || (text && !is_fit(option, jb_strz(text))))
        return JB_EINVAL;
    if (text && !(copy = jb__client_copy(c, jb_strz(text))))
        return JB_ENOMEM;
    free_secret(c, &c->options[option]);
    c->options[option] = copy;
    if (option == JB_OPTION_CA_FILE || option == JB_OPTION_CA_DIR) {
        jb__tls_ctx_unref(c->tls); /* a connection keeps the one it has */
        c->tls = NULL;
    }
    return 0;
}

/* ---- connecting ---- */

/* The account's texts; what was taken is the caller's to free. */
static int take_account(struct jb_client *c, struct jb__arena *arena, struct jb_str jid,
                        const char *password)
{
    struct jb_jid full;
    struct jb_str ascii;
    int rc = jb_jid_parse(jid, arena, &full);

    if (rc == 0)
        rc = jb_jid_domain_ascii(jb_jid_domain(full), arena, &ascii);
    if (rc != 0)
        return rc;
    if (full.local && !password && !c->options[JB_OPTION_TOKEN])
        return JB_EINVAL;
    c->jid = jb__client_copy(c, jb_jid_bare_str(full));
    c->domain = jb__client_copy(c, ascii);
    c->password = jb__client_copy(c, jb_strz(password));
    c->wish_text = jb__client_copy(c, jb_jid_resource(full));
    if (!c->jid || !c->domain || !c->password || !c->wish_text)
        return JB_ENOMEM;
    c->wish = jb_strz(c->wish_text);
    c->is_stranger = full.local == 0;
    c->self = jb_jid_bare(full);
    c->self.p = c->jid;
    return 0;
}

/* Another account: nothing of the last one's is his. */
static void forget_account(struct jb_client *c)
{
    jb__session_forget(c);
    jb__outbox_drop(c);
    memset(c->seen, 0, sizeof c->seen);
}

int jb_client_connect(struct jb_client *c, const char *jid, const char *password)
{
    struct jb__arena arena;

    if (c->phase != JB__PHASE_IDLE)
        return JB_ESTATE;
    char *before = c->jid;
    const size_t before_n = c->jid ? jb_jid_bare_str(c->self).n : 0;
    c->jid = NULL;
    free_account(c);
    jb__arena_init(&arena, &c->memory, jb__arena_most(c));
    int rc = jid && jb__utf8_valid(jb_strz(jid)) ? take_account(c, &arena, jb_strz(jid), password)
                                                 : JB_EINVAL;
    jb__arena_deinit(&arena);
    const bool is_same = c->jid && jb_str_eq(jb_strz(c->jid), jb_str(before, before_n));
    jb_free(&c->memory, before);
    if (rc != 0) {
        free_account(c);
        return rc;
    }
    if (!is_same)
        forget_account(c);
    set_limits(c);
    c->arena.limit = jb__arena_most(c);
    c->attempts = 0;
    c->reason = JB_REASON_NONE;
    c->phase = JB__PHASE_WAITING;
    c->deadline_ms = 0; /* now */
    return 0;
}

void jb_client_disconnect(struct jb_client *c)
{
    switch (c->phase) {
    case JB__PHASE_IDLE:
        return;
    case JB__PHASE_ONLINE:
        if (!jb__outbox_is_settled(c)) {
            c->leaving = true;
            c->deadline_ms = jb__clock_mono_ms() + jb__setting(c, JB_SETTING_CLOSE_TIMEOUT_MS);
            return;
        }
        jb__link_close(c, JB_REASON_REQUESTED, JB_STR_NONE);
        return;
    case JB__PHASE_LOGIN:
        jb__link_close(c, JB_REASON_REQUESTED, JB_STR_NONE);
        return;
    default:
        c->reason = JB_REASON_NONE; /* whatever it was: now it is wished */
        if (c->phase == JB__PHASE_CLOSING)
            jb__link_say_why(c, JB_REASON_REQUESTED, JB_STR_NONE);
        else
            jb__link_fail(c, JB_REASON_REQUESTED, JB_STR_NONE);
        return;
    }
}

/* ---- what to wait for ---- */

int jb_client_fd(const struct jb_client *c)
{
    uint8_t want;
    uint32_t timeout;

    if (c->phase == JB__PHASE_DIALLING)
        return jb__dial_wait(&c->dial, jb__clock_mono_ms(), &want, &timeout);
    return c->sock.fd;
}

static bool has_output(const struct jb_client *c)
{
    return c->out.n > 0 || (c->stream_is_live && jb_stream_render_bytes(&c->stream) > 0);
}

unsigned jb_client_wants(const struct jb_client *c)
{
    uint8_t want = 0;
    uint32_t timeout;

    if (c->phase == JB__PHASE_DIALLING)
        jb__dial_wait(&c->dial, jb__clock_mono_ms(), &want, &timeout);
    else if (c->sock.fd >= 0)
        want = (uint8_t)((c->in ? 0 : JB_WANT_READ) | (has_output(c) ? JB_WANT_WRITE : 0));
    return want;
}

/* When the other side has been silent for too long, or will have been. */
static uint64_t silence_deadline(const struct jb_client *c)
{
    if (c->phase != JB__PHASE_ONLINE || jb__setting(c, JB_SETTING_PING_INTERVAL_MS) == 0)
        return UINT64_MAX;
    return c->pinged_ms ? c->pinged_ms + jb__setting(c, JB_SETTING_PING_TIMEOUT_MS)
                        : c->heard_ms + jb__setting(c, JB_SETTING_PING_INTERVAL_MS);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool has_something_to_do(const struct jb_client *c)
{
    return c->tell_online || c->tell_resumed || c->tell_offline || c->in ||
           (c->outbox && c->outbox->state >= JB__OUT_ACKED) ||
           (c->sock.fd >= 0 && c->sock.handshaken && jb__sock_pending(&c->sock));
}

int jb_client_timeout_ms(const struct jb_client *c)
{
    uint64_t now = jb__clock_mono_ms();
    uint64_t due = sooner(sooner(c->deadline_ms, silence_deadline(c)), jb__request_deadline(c));
    uint32_t timeout;
    uint8_t want;

    due = sooner(due, jb__outbox_ask_deadline(c));
    if (has_something_to_do(c))
        return 0;
    if (c->phase == JB__PHASE_DIALLING) {
        jb__dial_wait(&c->dial, now, &want, &timeout);
        due = sooner(due, now + timeout);
    }
    if (due == UINT64_MAX)
        return -1;
    if (due <= now)
        return 0;
    return due - now > INT32_MAX ? INT32_MAX : (int)(due - now);
}

/* ---- going on ---- */

/* A phase took too long. */
static void on_deadline(struct jb_client *c)
{
    if (c->phase == JB__PHASE_CLOSING)
        jb__link_fail(c, c->reason, JB_STR_NONE);
    else if (c->phase == JB__PHASE_ONLINE) /* no acknowledgement came: leave without */
        jb__link_close(c, JB_REASON_REQUESTED, JB_STR_NONE);
    else if (c->phase != JB__PHASE_WAITING)
        jb__link_fail(c, JB_REASON_TIMEOUT, JB_STR_NONE);
}

/* All that was sent is with the server: goodbye. */
static void check_leaving(struct jb_client *c)
{
    if (c->leaving && c->phase == JB__PHASE_ONLINE && jb__outbox_is_settled(c))
        jb__link_close(c, JB_REASON_REQUESTED, JB_STR_NONE);
}

static void check_silence(struct jb_client *c, uint64_t now_ms)
{
    if (now_ms < silence_deadline(c))
        return;
    if (c->pinged_ms) {
        jb__link_fail(c, JB_REASON_LOST, JB_STR("the server went silent"));
        return;
    }
    c->pinged_ms = now_ms;
    jb_stream_ping(&c->stream);
}

int jb_client_process(struct jb_client *c)
{
    uint64_t now = jb__clock_mono_ms();

    c->short_of_memory = false;
    if (now >= c->deadline_ms)
        on_deadline(c);
    jb__request_expire(c, now);
    jb__link_advance(c, now);
    check_silence(c, now);
    check_leaving(c);
    jb__outbox_ask(c);
    jb__link_flush(c);
    return c->short_of_memory ? JB_ENOMEM : 0;
}

/* ---- small answers ---- */

int jb_client_is_online(const struct jb_client *c)
{
    return c->phase == JB__PHASE_ONLINE;
}

int jb_client_is_over(const struct jb_client *c)
{
    return c->phase == JB__PHASE_IDLE && jb_client_timeout_ms(c) < 0;
}

const char *jb_client_jid(const struct jb_client *c)
{
    return c->jid ? c->jid : "";
}

const char *jb_client_security(const struct jb_client *c)
{
    return jb_client_is_online(c) ? c->security : "";
}

const char *jb_client_token(const struct jb_client *c)
{
    return c->options[JB_OPTION_TOKEN] ? c->options[JB_OPTION_TOKEN] : "";
}

const char *jb_version(void)
{
    return JABIRU_VERSION;
}
