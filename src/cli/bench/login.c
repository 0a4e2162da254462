/* SPDX-License-Identifier: MIT */
#include "cli/bench/login.h"

#include "base/random.h"
#include "cli/cli.h"
#include "core/http.h"
#include "core/sasl.h"
#include "core/ws_handshake.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEAD_BYTES = 64 * 1024, USER_BYTES = 256, TARGET_BYTES = 1024 };

enum login_step {
    STEP_OPENING,        /* <open/> sent, features awaited */
    STEP_AUTHENTICATING, /* <auth/> sent */
    STEP_REOPENING,
    STEP_BINDING,
    STEP_ENABLING, /* stream management, with --sm */
    STEP_SETTLING, /* roster and presence asked for, the answer to a last request awaited */
};

struct login {
    enum login_step step;
    struct jb__ws_client_handshake handshake;
    struct jb__buf head; /* the server's answer to it, while incomplete */
    char target[TARGET_BYTES];
    char user[USER_BYTES];
    struct jb__sasl_account account;
    struct jb__sasl_client sasl;
};

/* What the account's password hashes to.  A client keeps this from one login to the next (RFC 5802
 * section 5.1), and so the load spends its time on what it measures. */
struct salted {
    enum jb_digest digest;
    uint32_t iterations; /* 0: nothing yet */
    uint8_t salt_bytes;
    uint8_t salt[JB_SALT_BYTES];
    uint8_t salted[JB_DIGEST_BYTES];
};

/* -- Searching -------------------------------------------------------------------------------- */

static const char *find(struct jb_str text, const char *needle)
{
    return text.n ? memmem(text.p, text.n, needle, strlen(needle)) : NULL;
}

bool text_has(struct jb_str text, const char *needle)
{
    return find(text, needle) != NULL;
}

struct jb_str text_of(struct jb_str text, const char *element)
{
    char begin[64];
    struct jb_str tag, rest;

    snprintf(begin, sizeof begin, "<%s", element);
    const char *p = find(text, begin);
    if (!p || !jb_str_cut(jb_str_from(text, (size_t)(p - text.p)), '>', &tag, &rest) ||
        tag.p[tag.n - 1] == '/')
        return JB_STR_NONE;
    jb_str_cut(rest, '<', &tag, &rest);
    return tag;
}

struct jb_str text_attribute(struct jb_str text, const char *name)
{
    char begin[64];
    struct jb_str value, rest;

    snprintf(begin, sizeof begin, " %s=", name);
    const char *p = find(text, begin);
    if (!p)
        return JB_STR_NONE;
    rest = jb_str_from(text, (size_t)(p - text.p) + strlen(begin));
    if (rest.n < 2 || !jb_str_cut(jb_str_from(rest, 1), rest.p[0], &value, &rest))
        return JB_STR_NONE;
    return value;
}

/* -- Life ------------------------------------------------------------------------------------- */

size_t login_user(const struct bench_options *o, uint32_t index, char *out, size_t room)
{
    struct jb_str before, after;

    jb_str_cut(jb_strz(o->users), '#', &before, &after);
    int n = snprintf(out, room, "%.*s%u%.*s", JB_STR_ARG(before), o->first_user + index,
                     JB_STR_ARG(after));
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

struct login *login_new(struct conn *c)
{
    const struct bench_options *o = &c->worker->bench->options;
    struct login *l = jb_zalloc(&jb_allocator_abort, sizeof *l);
    size_t user_bytes = 0;

    jb__buf_init(&l->head, &jb_allocator_abort, HEAD_BYTES);
    if (o->login >= BENCH_PLAIN)
        user_bytes = login_user(o, c->index, l->user, sizeof l->user);
    l->account = (struct jb__sasl_account){
        .alloc = &jb_allocator_abort,
        .limits = &jb_limits_default,
        .user = jb_str(l->user, user_bytes),
        .password = jb_strz(o->password),
        .weakest = JB__SASL_ANONYMOUS,
    };
    jb__sasl_client_init(&l->sasl, &l->account);
    return l;
}

void login_free(struct login *l)
{
    if (!l)
        return;
    jb__sasl_client_deinit(&l->sasl);
    jb__buf_deinit(&l->head);
    free(l);
}

/* -- Upgrade ---------------------------------------------------------------------------------- */

static void go_to(struct conn *c, enum login_step step)
{
    static const char *const words[] = {
        [STEP_OPENING] = "stream features",
        [STEP_AUTHENTICATING] = "the end of authentication",
        [STEP_REOPENING] = "stream features after authentication",
        [STEP_BINDING] = "a resource",
        [STEP_ENABLING] = "stream management",
        [STEP_SETTLING] = "the answer to a first ping",
    };

    c->login->step = step;
    c->awaits = words[step];
}

static void send_open(struct conn *c, enum login_step next)
{
    go_to(c, next);
    conn_say(c, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>",
             c->worker->bench->options.domain);
}

void login_send_head(struct conn *c)
{
    const struct bench_options *o = &c->worker->bench->options;
    struct login *l = c->login;
    struct jb__buf request;

    /* bench/floor joins the two connections that name the same number. */
    if (o->login == BENCH_RAW)
        snprintf(l->target, sizeof l->target, "%s?%u", o->path, c->index / 2);
    else
        snprintf(l->target, sizeof l->target, "%s", o->path);
    l->handshake = (struct jb__ws_client_handshake){ .host = jb_strz(o->host_port),
                                                     .target = jb_strz(l->target),
                                                     .protocol = JB_STR("xmpp") };
    jb__random(l->handshake.nonce, sizeof l->handshake.nonce);
    jb__buf_init(&request, &jb_allocator_abort, HEAD_BYTES);
    int rc = jb__ws_handshake_request(&l->handshake, &request);
    if (rc == 0)
        conn_send(c, request.p, request.n);
    else
        conn_refused(c, "the address cannot be asked for", jb_strz(o->path));
    jb__buf_deinit(&request);
}

size_t login_on_head(struct conn *c, struct jb_str in)
{
    struct login *l = c->login;
    struct jb__http_parser parser;
    struct jb__http_response response;
    struct jb__ws_deflate deflate;
    size_t before = l->head.n;

    if (jb__buf_append(&l->head, in.p, in.n) != 0) {
        conn_refused(c, "the answer to the upgrade is endless", JB_STR_NONE);
        return in.n;
    }
    jb__http_parser_init(&parser, &jb_limits_default);
    enum jb__http_step step = jb__http_parse_response(&parser, jb__buf_str(&l->head), &response);
    if (step == JB__HTTP_MORE)
        return in.n;
    if (step == JB__HTTP_FAULT) {
        conn_refused(c, "no HTTP answer", jb_strz(parser.fault.words));
        return in.n;
    }
    size_t used = response.bytes - before;
    const char *why = jb__ws_handshake_response(&l->handshake, &response, &deflate);
    if (why) {
        conn_refused(c, "no WebSocket", jb_strz(why));
        return in.n;
    }
    c->state = CONN_LOGIN;
    if (c->worker->bench->options.login == BENCH_RAW)
        conn_ready(c);
    else
        send_open(c, STEP_OPENING);
    return used;
}

/* -- SASL ------------------------------------------------------------------------------------- */

static void send_sasl(struct conn *c, const char *element)
{
    struct login *l = c->login;
    struct jb_str mech = jb__sasl_mech_name(l->sasl.mech);

    if (element[0] == 'a')
        conn_say(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%.*s'>%.*s</auth>",
                 JB_STR_ARG(mech), JB_STR_ARG(l->sasl.out));
    else
        conn_say(c, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%.*s</response>",
                 JB_STR_ARG(l->sasl.out));
}

static enum jb__sasl_mech wanted(const struct bench_options *o)
{
    static const enum jb__sasl_mech mechs[] = {
        [BENCH_RAW] = JB__SASL_MECH_COUNT,
        [BENCH_ANONYMOUS] = JB__SASL_ANONYMOUS,
        [BENCH_PLAIN] = JB__SASL_PLAIN,
        [BENCH_SCRAM_SHA_1] = JB__SASL_SCRAM_SHA_1,
        [BENCH_SCRAM_SHA_256] = JB__SASL_SCRAM_SHA_256,
    };

    return mechs[o->login];
}

static void begin_sasl(struct conn *c, struct jb_str features)
{
    struct login *l = c->login;
    enum jb__sasl_mech mech = wanted(&c->worker->bench->options);
    struct jb_str name = jb__sasl_mech_name(mech);
    struct jb__sasl_offered offered = { .mechs = JB__SASL_BIT(mech) };
    uint8_t nonce[JB__SASL_NONCE_BYTES];
    char element[64];

    snprintf(element, sizeof element, ">%.*s</mechanism>", JB_STR_ARG(name));
    if (!text_has(features, element)) {
        conn_refused(c, "the server does not offer the login asked for with --auth", name);
        return;
    }
    jb__random(nonce, sizeof nonce);
    offered.nonce = nonce;
    go_to(c, STEP_AUTHENTICATING);
    if (jb__sasl_client_begin(&l->sasl, &offered) == JB__SASL_CHALLENGE)
        send_sasl(c, "auth");
    else
        conn_refused(c, "SASL", jb_strz(l->sasl.why));
}

static bool fits(const struct salted *s, const struct jb__sasl_hash *job)
{
    return s && s->digest == job->digest && s->iterations == job->iterations &&
           s->salt_bytes == job->salt_bytes && memcmp(s->salt, job->salt, s->salt_bytes) == 0;
}

static void keep(struct conn *c, const struct jb__sasl_hash *job)
{
    struct salted *s = c->salted;

    *s = (struct salted){ .digest = job->digest,
                          .iterations = job->iterations,
                          .salt_bytes = job->salt_bytes };
    memcpy(s->salt, job->salt, sizeof s->salt);
    memcpy(s->salted, job->salted, sizeof s->salted);
    c->worker->salted = s;
}

static enum jb__sasl_step hash_password(struct conn *c)
{
    struct jb__sasl_hash *job = &c->login->sasl.hash;
    const struct salted *shared = c->worker->salted; /* accounts may have one salt in common */

    if (!c->salted)
        c->salted = jb_zalloc(&jb_allocator_abort, sizeof *c->salted);
    if (!fits(c->salted, job) && fits(shared, job))
        *c->salted = *shared;
    if (fits(c->salted, job)) {
        memcpy(job->salted, c->salted->salted, sizeof job->salted);
    } else {
        jb__sasl_hash_run(job);
        keep(c, job);
    }
    return jb__sasl_client_hashed(&c->login->sasl, job);
}

static void on_challenge(struct conn *c, struct jb_str text)
{
    struct login *l = c->login;
    enum jb__sasl_step step = jb__sasl_client_challenge(&l->sasl, text_of(text, "challenge"));

    if (step == JB__SASL_NEED_HASH)
        step = hash_password(c);
    if (step == JB__SASL_CHALLENGE)
        send_sasl(c, "response");
    else
        conn_refused(c, "SASL", jb_strz(l->sasl.why));
}

static void on_success(struct conn *c, struct jb_str text)
{
    struct login *l = c->login;

    if (jb__sasl_client_success(&l->sasl, text_of(text, "success")) == JB__SASL_SUCCESS)
        send_open(c, STEP_REOPENING);
    else
        conn_refused(c, "SASL", jb_strz(l->sasl.why));
}

/* -- The session ------------------------------------------------------------------------------ */

static void send_bind(struct conn *c, struct jb_str features)
{
    if (c->worker->bench->options.sm && !text_has(features, "urn:xmpp:sm:3")) {
        conn_refused(c, "the server has no stream management (--sm)", JB_STR_NONE);
        return;
    }
    go_to(c, STEP_BINDING);
    conn_say(c, "<iq xmlns='jabber:client' type='set' id='bind'>"
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    /* RFC 3921: servers of that time want it asked for. */
    if (text_has(features, "<session") && !text_has(features, "<optional"))
        conn_say(c, "<iq xmlns='jabber:client' type='set' id='session'>"
                    "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>");
}

/* As a client does: roster, presence, and a request whose answer comes after all that. */
static void settle(struct conn *c)
{
    go_to(c, STEP_SETTLING);
    conn_say(c, "<iq xmlns='jabber:client' type='get' id='roster'>"
                "<query xmlns='jabber:iq:roster'/></iq>");
    conn_say(c, "<presence xmlns='jabber:client'/>");
    conn_say(c,
             "<iq xmlns='jabber:client' type='get' id='settled' to='%s'>"
             "<ping xmlns='urn:xmpp:ping'/></iq>",
             c->worker->bench->options.domain);
}

static void on_bound(struct conn *c, struct jb_str text)
{
    struct jb_str jid = text_of(text, "jid");

    if (jid.n == 0) {
        conn_refused(c, "no resource was bound", text);
        return;
    }
    c->jid = strndup(jid.p, jid.n);
    if (!c->worker->bench->options.sm) {
        settle(c);
        return;
    }
    go_to(c, STEP_ENABLING);
    conn_say(c, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
}

static void on_enabled(struct conn *c)
{
    sm_begin(c);
    settle(c);
}

static bool has_id(struct jb_str text, const char *id)
{
    return jb_str_starts(text, JB_STR("<iq")) && jb_str_eqz(text_attribute(text, "id"), id);
}

static void on_settling(struct conn *c, struct jb_str text)
{
    if (!has_id(text, "settled"))
        return;
    histogram_record(&c->worker->login, c->worker->now_ns - c->due_ns);
    conn_ready(c);
}

void login_on_text(struct conn *c, struct jb_str text)
{
    struct login *l = c->login;
    bool features = text_has(text, "features") && !text_has(text, "<iq");

    if (text_has(text, "stream:error") || jb_str_starts(text, JB_STR("<fail")))
        conn_refused(c, "the server refuses the login", text);
    else if (l->step == STEP_OPENING && features)
        begin_sasl(c, text);
    else if (l->step == STEP_AUTHENTICATING && jb_str_starts(text, JB_STR("<challenge")))
        on_challenge(c, text);
    else if (l->step == STEP_AUTHENTICATING && jb_str_starts(text, JB_STR("<success")))
        on_success(c, text);
    else if (l->step == STEP_REOPENING && features)
        send_bind(c, text);
    else if (l->step == STEP_BINDING && has_id(text, "bind"))
        on_bound(c, text);
    else if (l->step == STEP_ENABLING && jb_str_starts(text, JB_STR("<enabled")))
        on_enabled(c);
    else if (l->step == STEP_SETTLING)
        on_settling(c, text);
}
