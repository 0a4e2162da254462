/* SPDX-License-Identifier: MIT */
/* From an open WebSocket to a bound resource: SASL (RFC 6120 section 6), a restart, binding
 * (section 7).  What this needs lives as long as the login, no longer. */
#include "client/login.h"

#include "base/random.h"

#include <openssl/crypto.h>
#include <stdio.h>

static const char bind_id[] = "bind";

/* ---- the beginning and the end ---- */

void jb__login_fail(struct jb_client *c, int rc, const char *words)
{
    jb__link_fail_code(c, rc, JB_REASON_PROTOCOL, words);
}

static void open_stream(struct jb_client *c)
{
    /* Who we are goes out encrypted only (RFC 6120 section 4.7.1). */
    struct jb_str from = c->url.tls && !c->is_stranger ? jb_jid_bare_str(c->self) : JB_STR_NONE;
    int rc = jb_stream_open(&c->stream, from, jb_jid_domain(c->self), JB_STR_NONE);

    if (rc != 0)
        jb__login_fail(c, rc, "");
}

void jb__login_text_begin(struct jb_client *c, struct jb__login_text *t)
{
    jb__buf_init(&t->buf, &c->memory, JB__LOGIN_BYTES);
    jb_xml_begin(&t->x, &t->buf);
}

void jb__login_text_send(struct jb_client *c, struct jb__login_text *t)
{
    int rc = jb_xml_end(&t->x);

    if (rc == 0)
        rc = jb_stream_send_raw(&c->stream, jb__buf_str(&t->buf));
    if (t->buf.p)
        OPENSSL_cleanse(t->buf.p, t->buf.n);
    jb__buf_deinit(&t->buf);
    if (rc != 0)
        jb__login_fail(c, rc, "");
}

/* The weakest mechanism that will do.  Without TLS a password never goes out as it is. */
static enum jb__sasl_mech weakest(const struct jb_client *c)
{
    const char *set = c->options[JB_OPTION_MECHANISM];
    enum jb__sasl_mech mech = set ? jb__sasl_mech_find(jb_strz(set)) : JB__SASL_PLAIN;

    if (!c->url.tls && mech > JB__SASL_SCRAM_SHA_1)
        mech = JB__SASL_SCRAM_SHA_1;
    return mech;
}

static void begin_sasl(struct jb_client *c, struct jb__login *l)
{
    size_t n = jb__sock_binding_exporter(&c->sock, l->binding[JB__SASL_TLS_EXPORTER]);

    l->account = (struct jb__sasl_account){ .alloc = &c->memory,
                                            .limits = &c->stream_config.limits,
                                            .user = jb_jid_local(c->self),
                                            .password = jb_strz(c->password),
                                            .weakest = weakest(c) };
    l->account.binding[JB__SASL_TLS_EXPORTER] =
        jb_str((char *)l->binding[JB__SASL_TLS_EXPORTER], n);
    n = jb__sock_binding_end_point(&c->sock, l->binding[JB__SASL_TLS_SERVER_END_POINT]);
    l->account.binding[JB__SASL_TLS_SERVER_END_POINT] =
        jb_str((char *)l->binding[JB__SASL_TLS_SERVER_END_POINT], n);
    jb__sasl_client_init(&l->sasl, &l->account);
}

void jb__login_begin(struct jb_client *c)
{
    c->login = jb_zalloc(&c->memory, sizeof *c->login);
    if (!c->login) {
        jb__login_fail(c, JB_ENOMEM, "");
        return;
    }
    jb__buf_init(&c->login->advertised, &c->memory, JB__LOGIN_BYTES);
    begin_sasl(c, c->login);
    open_stream(c);
}

void jb__login_end(struct jb_client *c)
{
    if (!c->login)
        return;
    jb__sasl_client_deinit(&c->login->sasl);
    jb__buf_deinit(&c->login->advertised);
    OPENSSL_cleanse(c->login, sizeof *c->login);
    jb_free(&c->memory, c->login);
    c->login = NULL;
}

/* ---- authentication ---- */

/* Names as the server advertised them, for XEP-0474; what is beyond these is beyond its protection
 * too, for no server has so many. */
enum { NAMES_MOST = 64 };

struct names {
    struct jb_str name[NAMES_MOST];
    size_t count;
};

static void add_name(struct names *names, struct jb_str name)
{
    size_t k = names->count;

    if (k == NAMES_MOST)
        return;
    for (; k > 0 && jb_str_cmp(name, names->name[k - 1]) < 0; k--)
        names->name[k] = names->name[k - 1];
    names->name[k] = name;
    names->count++;
}

static int join(struct jb__buf *out, const struct names *names)
{
    int rc = 0;

    for (size_t k = 0; k < names->count && rc == 0; k++) {
        if (k > 0)
            rc = jb__buf_append(out, "\x1e", 1);
        if (rc == 0)
            rc = jb__buf_append(out, names->name[k].p, names->name[k].n);
    }
    return rc;
}

static int read_mechanisms(struct jb_client *c, const struct jb_doc *doc, uint16_t list)
{
    struct jb__sasl_offered *o = &c->login->offered;
    struct names names = { .count = 0 };
    struct jb_str name;

    for (uint16_t k = list ? jb_node_first(doc, list) : 0; k; k = jb_node_next(doc, k)) {
        if (!jb_str_eqz(jb_node_name(doc, k), "mechanism"))
            continue;
        if (jb__text_of(doc, k, &c->arena, &name) != 0)
            return JB_ENOMEM;
        name = jb_str_trim(name);
        enum jb__sasl_mech mech = jb__sasl_mech_find(name);
        add_name(&names, name);
        if (mech != JB__SASL_MECH_COUNT)
            o->mechs |= JB__SASL_BIT(mech);
    }
    return join(&c->login->advertised, &names);
}

/* XEP-0440. */
static int read_bindings(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t list = jb_node_child(doc, 0, "sasl-channel-binding", JB_NS_CHANNEL_BINDING);
    struct jb__sasl_offered *o = &c->login->offered;
    struct names names = { .count = 0 };
    struct jb_str type;

    if (!list)
        return 0;
    for (uint16_t k = jb_node_first(doc, list); k; k = jb_node_next(doc, k)) {
        if (jb__attr_of(doc, k, "type", &c->arena, &type) != 0)
            return JB_ENOMEM;
        enum jb__sasl_binding binding = jb__sasl_binding_find(type);
        add_name(&names, type);
        if (binding != JB__SASL_BINDING_COUNT)
            o->bindings |= 1u << binding;
    }
    int rc = jb__buf_append(&c->login->advertised, "\x1f", 1);
    return rc == 0 ? join(&c->login->advertised, &names) : rc;
}

int jb__login_read_offer(struct jb_client *c, const struct jb_doc *doc, uint16_t list)
{
    int rc = read_mechanisms(c, doc, list);

    return rc == 0 ? read_bindings(c, doc) : rc;
}

/* Says what SASL has to say in an element of RFC 6120. */
static void send_sasl(struct jb_client *c, const char *name, struct jb_str mech, struct jb_str text)
{
    struct jb__login_text t;

    jb__login_text_begin(c, &t);
    jb_xml_open(&t.x, name, JB_NS_SASL);
    if (mech.n)
        jb_xml_attr(&t.x, "mechanism", mech);
    if (text.n)
        jb_xml_text(&t.x, text);
    jb_xml_close(&t.x);
    jb__login_text_send(c, &t);
}

/* Why SASL cannot go on, as SASL sees it. */
static void on_sasl_failed(struct jb_client *c)
{
    const struct jb__sasl_client *s = &c->login->sasl;
    enum jb_reason reason = JB_REASON_PROTOCOL;

    if (s->error == JB_ENOTSUP || s->error == JB_EFULL)
        reason = JB_REASON_MECHANISM;
    else if (s->error == JB_EAUTH)
        reason = JB_REASON_SERVER;
    jb__link_fail_code(c, s->error, reason, s->why);
}

static void say(struct jb_client *c, bool first, struct jb_str text)
{
    struct jb_str mech = first ? jb__sasl_mech_name(c->login->sasl.mech) : JB_STR_NONE;

    if (c->login->is_sasl2)
        jb__sasl2_say(c, first, mech, text);
    else
        send_sasl(c, first ? "auth" : "response", mech, text);
}

static void take_step(struct jb_client *c, enum jb__sasl_step step, bool first)
{
    struct jb__sasl_client *s = &c->login->sasl;

    if (step == JB__SASL_NEED_HASH) {
        struct jb__sasl_hash job = s->hash;
        jb__sasl_hash_run(&job);
        step = jb__sasl_client_hashed(s, &job);
        jb__sasl_hash_wipe(&job);
    }
    if (step == JB__SASL_FAILURE)
        on_sasl_failed(c);
    else if (step == JB__SASL_CHALLENGE)
        say(c, first, s->out);
}

void jb__login_begin_exchange(struct jb_client *c)
{
    struct jb__login *l = c->login;

    if (!c->is_stranger && !c->password[0]) { /* there was only a token */
        jb__link_fail(c, JB_REASON_PASSWORD,
                      JB_STR("the token is of no use, and there is no password"));
        return;
    }
    jb__random(l->nonce, sizeof l->nonce);
    l->offered.nonce = l->nonce;
    l->offered.advertised = jb__buf_str(&l->advertised);
    l->step = JB__STEP_AUTH;
    take_step(c, jb__sasl_client_begin(&l->sasl, &l->offered), true);
}

static void keep_security(struct jb_client *c)
{
    const struct jb__sasl_client *s = &c->login->sasl;
    const char *version = jb__sock_tls_version(&c->sock);
    bool bound = s->mech < JB__SASL_SCRAM_SHA_512;
    struct jb_str binding =
        bound ? jb__sasl_binding_name((enum jb__sasl_binding)s->bound) : JB_STR_NONE;

    snprintf(c->security, sizeof c->security, "%s %.*s%s%.*s", version ? version : "plain",
             JB_STR_ARG(jb__sasl_mech_name(s->mech)), bound ? " " : "", JB_STR_ARG(binding));
}

bool jb__login_is_proven(struct jb_client *c, struct jb_str text)
{
    if (jb__sasl_client_success(&c->login->sasl, text) != JB__SASL_SUCCESS) {
        on_sasl_failed(c);
        return false;
    }
    keep_security(c);
    return true;
}

static void on_success(struct jb_client *c, struct jb_str text)
{
    if (!jb__login_is_proven(c, text))
        return;
    jb_stream_authenticated(&c->stream);
    c->login->step = JB__STEP_RESTART;
    open_stream(c);
}

void jb__login_on_challenge(struct jb_client *c, struct jb_str text)
{
    take_step(c, jb__sasl_client_challenge(&c->login->sasl, text), false);
}

/* What the conditions of RFC 6120 section 6.5 mean to a person. */
static const char *refusal_words(struct jb_str condition)
{
    static const struct {
        const char *condition, *words;
    } rows[] = {
        { "not-authorized", "wrong password, or no such account" },
        { "account-disabled", "the account is disabled" },
        { "credentials-expired", "the password has expired" },
        { "invalid-authzid", "the account may not be used with this password" },
        { "encryption-required", "the server takes passwords over an encrypted connection only" },
        { "temporary-auth-failure", "the server cannot check passwords for the moment" },
    };

    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (jb_str_eqz(condition, rows[k].condition))
            return rows[k].words;
    return "the server does not take this address and password";
}

/* Another mechanism is only tried when this one was the trouble, not the password: a wrong one
 * would count several times, and whoever sits in between would choose the weakest. */
void jb__login_on_refusal(struct jb_client *c, struct jb_str condition, struct jb_str said)
{
    char words[JB__WORDS_BYTES];

    jb__sasl_client_refused(&c->login->sasl);
    if (jb_str_eqz(condition, "invalid-mechanism") || jb_str_eqz(condition, "mechanism-too-weak")) {
        jb__login_begin_exchange(c);
        return;
    }
    if (condition.n == 0)
        condition = JB_STR("no reason given");
    int n = snprintf(words, sizeof words, "%s (%.*s%s%.*s)", refusal_words(condition),
                     (int)(condition.n < 48 ? condition.n : 48), condition.p, said.n ? ": " : "",
                     (int)(said.n < 96 ? said.n : 96), said.p ? said.p : "");
    bool is_passing = jb_str_eqz(condition, "temporary-auth-failure");
    jb__link_fail(c, is_passing ? JB_REASON_ERROR : JB_REASON_PASSWORD, jb_str(words, (size_t)n));
}

static void on_failure(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t condition = jb_node_first(doc, 0);
    uint16_t text = jb_node_child(doc, 0, "text", JB_NS_SASL);

    jb__login_on_refusal(c, condition ? jb_node_name(doc, condition) : JB_STR_NONE,
                         text ? jb_node_text(doc, text, &c->arena) : JB_STR_NONE);
}

static void on_sasl(struct jb_client *c, const struct jb_doc *doc)
{
    struct jb_str text;

    if (c->login->step != JB__STEP_AUTH || c->login->is_sasl2)
        jb__login_fail(c, 0, "an answer to no authentication");
    else if (jb__text_of(doc, 0, &c->arena, &text) != 0)
        jb__login_fail(c, JB_ENOMEM, "");
    else if (jb_node_is(doc, 0, "challenge", JB_NS_SASL))
        jb__login_on_challenge(c, jb_str_trim(text));
    else if (jb_node_is(doc, 0, "success", JB_NS_SASL))
        on_success(c, jb_str_trim(text));
    else if (jb_node_is(doc, 0, "failure", JB_NS_SASL))
        on_failure(c, doc);
    else
        jb__login_fail(c, 0, "neither challenge, success nor failure");
}

/* ---- binding ---- */

static void send_bind(struct jb_client *c)
{
    struct jb__login_text t;
    const char *set = c->options[JB_OPTION_RESOURCE];
    struct jb_str resource = set ? jb_strz(set) : c->wish;

    c->login->step = JB__STEP_BIND;
    jb__login_text_begin(c, &t);
    jb_xml_open(&t.x, "iq", JB_NS_CLIENT);
    jb_xml_attrz(&t.x, "type", "set");
    jb_xml_attrz(&t.x, "id", bind_id);
    jb_xml_open(&t.x, "bind", JB_NS_BIND);
    if (resource.n)
        jb_xml_leaf(&t.x, "resource", JB_NS_NONE, resource);
    jb_xml_close(&t.x);
    jb_xml_close(&t.x);
    jb__login_text_send(c, &t);
}

/* The address that the server gave, which must be one of ours (a stranger's whole name is the
 * server's to choose). */
int jb__login_take_jid(struct jb_client *c, struct jb_str text)
{
    struct jb_jid jid;
    int rc = jb_jid_parse(text, &c->arena, &jid);

    if (rc == 0 && (!jid.resource || !jb_str_eq(jb_jid_domain(jid), jb_jid_domain(c->self)) ||
                    (!c->is_stranger && !jb_jid_eq_bare(jid, c->self))))
        rc = JB_EINVAL;
    if (rc != 0)
        return rc;
    char *copy = jb__client_copy(c, jb_jid_str(jid));
    if (!copy)
        return JB_ENOMEM;
    jb_free(&c->memory, c->jid);
    c->jid = copy;
    c->self = jid;
    c->self.p = copy;
    return 0;
}

/* ---- stream management ---- */

void jb__login_go_online(struct jb_client *c, bool resumed)
{
    jb__login_end(c);
    jb__session_begin(c, resumed);
}

static void enable_sm(struct jb_client *c)
{
    if (!c->login->has_sm || !jb__setting(c, JB_SETTING_RESUME)) {
        jb__login_go_online(c, false);
        return;
    }
    c->login->step = JB__STEP_ENABLE;
    int rc = jb_stream_sm_enable(&c->stream, true);
    if (rc != 0)
        jb__login_fail(c, rc, "");
}

int jb__login_take_sm(struct jb_client *c, struct jb_str id, bool resume)
{
    if (!resume || id.n == 0)
        return 0;
    c->sm_id = jb__client_copy(c, id);
    return c->sm_id ? 0 : JB_ENOMEM;
}

/* The server's `location` is not followed: the endpoint we know is the one we trust. */
static void on_sm_enabled(struct jb_client *c, const struct jb_sm_event *sm)
{
    if (c->login->step != JB__STEP_ENABLE) {
        jb__login_fail(c, 0, "stream management out of turn");
        return;
    }
    if (jb__login_take_sm(c, sm->id, sm->resume) != 0)
        jb__login_fail(c, JB_ENOMEM, "");
    else
        jb__login_go_online(c, false);
}

int jb__login_take_handled(struct jb_client *c, uint32_t h)
{
    int rc = jb_sm_acknowledge(&c->saved, h);

    if (rc == 0)
        jb__outbox_take_acked(c, &c->saved.out, JB_ACKED_BY_SERVER);
    return rc;
}

static void on_sm_resumed(struct jb_client *c, const struct jb_sm_event *sm)
{
    if (c->login->step != JB__STEP_RESUME || !jb_str_eqz(sm->id, c->sm_id) ||
        jb__login_take_handled(c, sm->h) != 0) {
        jb__session_forget(c);
        jb__login_fail(c, 0, "the server resumes what we do not know");
        return;
    }
    jb_stream_sm_go_on(&c->stream, &c->saved);
    c->saved_is_live = false;
    jb__login_go_online(c, true);
}

static void on_sm_failed(struct jb_client *c, const struct jb_sm_event *sm)
{
    if (c->login->step == JB__STEP_RESUME) {
        if (sm->has_h && jb__login_take_handled(c, sm->h) != 0) {
            jb__session_forget(c);
            jb__login_fail(c, 0, "the server has handled more than was sent");
            return;
        }
        jb__session_forget(c);
        send_bind(c);
    } else if (c->login->step == JB__STEP_ENABLE) {
        jb__login_go_online(c, false);
    }
}

/* The session from before, if there is one; else a new one. */
static void resume_or_bind(struct jb_client *c)
{
    if (!c->saved_is_live || !c->login->has_sm || !jb__setting(c, JB_SETTING_RESUME)) {
        jb__session_forget(c);
        send_bind(c);
        return;
    }
    c->login->step = JB__STEP_RESUME;
    int rc = jb_stream_sm_resume(&c->stream, &c->saved, jb_strz(c->sm_id));
    if (rc != 0)
        jb__login_fail(c, rc, "");
}

static void on_bind_refused(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t error = jb_node_child(doc, 0, "error", JB_NS_CLIENT);
    uint16_t condition = error ? jb_node_first(doc, error) : 0;
    char words[JB__WORDS_BYTES];
    struct jb_str name = condition ? jb_node_name(doc, condition) : JB_STR("no reason");

    int n = snprintf(words, sizeof words, "no resource: %.*s", (int)(name.n < 64 ? name.n : 64),
                     name.p);
    jb__link_fail(c, JB_REASON_ERROR, jb_str(words, (size_t)n));
}

static void on_bound(struct jb_client *c, const struct jb_stream_event *ev)
{
    const struct jb_doc *doc = &ev->doc;
    uint16_t bind = jb_node_child(doc, 0, "bind", JB_NS_BIND);
    uint16_t jid = bind ? jb_node_child(doc, bind, "jid", JB_NS_BIND) : 0;

    if (c->login->step != JB__STEP_BIND || !jb_str_eqz(ev->draft.h.id, bind_id)) {
        jb__login_fail(c, 0, "an iq before the resource");
        return;
    }
    if (ev->draft.h.type == JB_TYPE_ERROR) {
        on_bind_refused(c, doc);
        return;
    }
    struct jb_str text;
    int rc = JB_EINVAL;
    if (ev->draft.h.type == JB_TYPE_RESULT && jid)
        rc = jb__text_of(doc, jid, &c->arena, &text);
    if (rc == 0)
        rc = jb__login_take_jid(c, jb_str_trim(text));
    if (rc != 0) {
        jb__login_fail(c, rc, "the server bound no address of ours");
        return;
    }
    jb_stream_bound(&c->stream);
    enable_sm(c);
}

/* ---- what arrives ---- */

static void on_features(struct jb_client *c, const struct jb_doc *doc)
{
    struct jb__login *l = c->login;
    uint16_t mechanisms = jb_node_child(doc, 0, "mechanisms", JB_NS_SASL);

    if (c->stream.state == JB_STREAM_STATE_OPEN && l->step == JB__STEP_FEATURES) {
        if (jb__sasl2_begin(c, doc))
            return;
        int rc = jb__login_read_offer(c, doc, mechanisms);
        if (rc != 0)
            jb__login_fail(c, rc, "more mechanisms than anybody has");
        else
            jb__login_begin_exchange(c);
    } else if (c->stream.state == JB_STREAM_STATE_BINDING && l->step == JB__STEP_RESTART) {
        l->has_sm = jb_node_child(doc, 0, "sm", JB_NS_SM) != 0;
        if (jb_node_child(doc, 0, "bind", JB_NS_BIND))
            resume_or_bind(c);
        else
            jb__login_fail(c, 0, "the server offers no resource binding");
    } else {
        jb__login_fail(c, 0, "features out of turn");
    }
}

void jb__login_on_event(struct jb_client *c, struct jb_stream_event *ev)
{
    switch (ev->kind) {
    case JB_STREAM_EVENT_SASL:
        on_sasl(c, &ev->doc);
        return;
    case JB_STREAM_EVENT_STANZA:
        on_bound(c, ev);
        return;
    case JB_STREAM_EVENT_ELEMENT:
        if (jb_node_is(&ev->doc, 0, "features", JB_NS_STREAMS))
            on_features(c, &ev->doc);
        else
            jb__sasl2_on_element(c, &ev->doc); /* what it does not know either is passed over */
        return;
    case JB_STREAM_EVENT_SM_ENABLED:
        on_sm_enabled(c, &ev->sm);
        return;
    case JB_STREAM_EVENT_SM_RESUMED:
        on_sm_resumed(c, &ev->sm);
        return;
    case JB_STREAM_EVENT_SM_FAILED:
        on_sm_failed(c, &ev->sm);
        return;
    default:
        return;
    }
}
