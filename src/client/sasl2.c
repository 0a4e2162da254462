/* SPDX-License-Identifier: MIT */
/* SASL 2 (XEP-0388): authentication, binding (XEP-0386) or resumption (XEP-0198), and a token for
 * the next time (XEP-0484) in one round. */
#include "core/sasl_ht.h"

#include "client/login.h"

#include <openssl/crypto.h>
#include <stdio.h>

static const struct jb_str ns_sasl2 = JB_STR_INIT("urn:xmpp:sasl:2");
static const struct jb_str ns_bind2 = JB_STR_INIT("urn:xmpp:bind:0");
static const struct jb_str ns_fast = JB_STR_INIT("urn:xmpp:fast:0");

static uint16_t child(const struct jb_doc *doc, uint16_t node, const char *name, struct jb_str ns)
{
    uint16_t k = jb_node_first(doc, node);

    while (k && !(jb_str_eqz(jb_node_name(doc, k), name) && jb_str_eq(jb_node_ns(doc, k), ns)))
        k = jb_node_next(doc, k);
    return k;
}

/* ---- what is offered ---- */

static int read_bind(struct jb_client *c, const struct jb_doc *doc, uint16_t bind)
{
    uint16_t inline_at = child(doc, bind, "inline", ns_bind2);
    struct jb_str var;

    c->login->can_bind = true;
    for (uint16_t k = inline_at ? jb_node_first(doc, inline_at) : 0; k; k = jb_node_next(doc, k)) {
        if (jb__attr_of(doc, k, "var", &c->arena, &var) != 0)
            return JB_ENOMEM;
        if (jb_str_eqz(var, "urn:xmpp:sm:3"))
            c->login->can_enable = true;
    }
    return 0;
}

static int read_fast(struct jb_client *c, const struct jb_doc *doc, uint16_t fast)
{
    struct jb_str name;

    for (uint16_t k = jb_node_first(doc, fast); k; k = jb_node_next(doc, k)) {
        if (jb__text_of(doc, k, &c->arena, &name) != 0)
            return JB_ENOMEM;
        unsigned ht = jb__sasl_ht_find(jb_str_trim(name));
        if (ht < JB__SASL_HT_COUNT)
            c->login->tokens_offered |= 1u << ht;
    }
    return 0;
}

static int read_inline(struct jb_client *c, const struct jb_doc *doc, uint16_t list)
{
    uint16_t bind = child(doc, list, "bind", ns_bind2);
    uint16_t fast = child(doc, list, "fast", ns_fast);
    int rc = bind ? read_bind(c, doc, bind) : 0;

    c->login->can_resume = jb_node_child(doc, list, "sm", JB_NS_SM) != 0;
    return rc == 0 && fast ? read_fast(c, doc, fast) : rc;
}

/* ---- tokens ---- */

/* The parts of JB_OPTION_TOKEN: the agent it was given to, the mechanism, the token. */
struct token {
    struct jb_str agent, token;
    unsigned ht;
};

static bool read_token(const struct jb_client *c, struct token *t)
{
    struct jb_str rest, mech;

    return jb_str_cut(jb_strz(c->options[JB_OPTION_TOKEN]), ' ', &t->agent, &rest) &&
           jb_str_cut(rest, ' ', &mech, &t->token) &&
           (t->ht = jb__sasl_ht_find(mech)) < JB__SASL_HT_COUNT;
}

static void forget_token(struct jb_client *c)
{
    char *text = c->options[JB_OPTION_TOKEN];

    if (text)
        OPENSSL_cleanse(text, strlen(text));
    jb_free(&c->memory, text);
    c->options[JB_OPTION_TOKEN] = NULL;
}

static struct jb_str binding_data(const struct jb_client *c, unsigned ht)
{
    enum jb__sasl_binding binding = jb__sasl_ht_binding(ht);

    return binding == JB__SASL_BINDING_COUNT ? JB_STR_NONE : c->login->account.binding[binding];
}

/* A token is good for a channel that has the binding it was made for, and never in the clear: what
 * proves it without a binding could be said again by anybody who heard it.  Who wants nothing
 * weaker than a bound password wants no unbound token either. */
static bool is_usable(const struct jb_client *c, unsigned ht)
{
    if (!jb__setting(c, JB_SETTING_TOKENS) || !c->url.tls ||
        !((c->login->tokens_offered >> ht) & 1))
        return false;
    if (jb__sasl_ht_binding(ht) == JB__SASL_BINDING_COUNT)
        return !(JB__SASL_BIT(c->login->account.weakest) & JB__SASL_ANY_PLUS);
    return binding_data(c, ht).n > 0;
}

/* The kind of token to ask for; JB__SASL_HT_COUNT: none. */
static unsigned wanted_token(const struct jb_client *c)
{
    unsigned ht = 0;

    while (ht < JB__SASL_HT_COUNT && !is_usable(c, ht))
        ht++;
    return ht;
}

static void begin_with_token(struct jb_client *c, const struct token *t)
{
    struct jb__buf text;

    c->login->step = JB__STEP_AUTH;
    c->login->with_token = true;
    jb__buf_init(&text, &c->memory, JB__LOGIN_BYTES);
    int rc =
        jb__sasl_ht_first(t->ht, jb_jid_local(c->self), t->token, binding_data(c, t->ht), &text);
    if (rc == 0)
        jb__sasl2_say(c, true, jb__sasl_ht_name(t->ht), jb__buf_str(&text));
    else
        jb__login_fail(c, rc, "the token is too long");
    jb__buf_deinit(&text);
}

/* What the server gives for the next time. */
static int keep_token(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t node = child(doc, 0, "token", ns_fast);
    struct jb_str token = JB_STR_NONE;
    struct token old;
    struct jb__buf text;
    char head[64];

    /* The old one may be good for one more login, and there may be no password. */
    if (node && jb__attr_of(doc, node, "token", &c->arena, &token) != 0)
        return JB_ENOMEM;
    if (token.n == 0 || memchr(token.p, ' ', token.n))
        return 0;
    /* One that replaces another is of the same kind. */
    unsigned ht = read_token(c, &old) && c->login->with_token ? old.ht : wanted_token(c);
    if (ht == JB__SASL_HT_COUNT)
        return 0;
    int n = snprintf(head, sizeof head, "%s %.*s ", c->agent, JB_STR_ARG(jb__sasl_ht_name(ht)));
    jb__buf_init(&text, &c->memory, JB__LOGIN_BYTES);
    int rc = jb__buf_append(&text, head, (size_t)n);
    if (rc == 0)
        rc = jb__buf_append(&text, token.p, token.n);
    char *kept = rc == 0 ? jb__client_copy(c, jb__buf_str(&text)) : NULL;
    if (text.p)
        OPENSSL_cleanse(text.p, text.n);
    jb__buf_deinit(&text);
    if (!kept)
        return JB_ENOMEM;
    forget_token(c);
    c->options[JB_OPTION_TOKEN] = kept;
    return 0;
}

/* ---- asking ---- */

static bool wants_bind(const struct jb_client *c)
{
    /* A resource of one's own wish can only be had the old way. */
    return c->login->can_bind && c->wish.n == 0 && !c->options[JB_OPTION_RESOURCE];
}

static bool wants_resume(const struct jb_client *c)
{
    return c->login->can_resume && c->saved_is_live && jb__setting(c, JB_SETTING_RESUME);
}

static void write_agent(const struct jb_client *c, struct jb_xml *x)
{
    jb_xml_open(x, "user-agent", JB_NS_NONE);
    jb_xml_attrz(x, "id", c->agent);
    jb_xml_leaf(x, "software", JB_NS_NONE, JB_STR("libjabiru"));
    jb_xml_close(x);
}

/* What is to be done once we are who we say we are. */
static void write_wishes(const struct jb_client *c, struct jb_xml *x)
{
    unsigned ht = wanted_token(c);

    if (wants_resume(c)) {
        jb_xml_open(x, "resume", JB_NS_SM);
        jb_xml_attrz(x, "previd", c->sm_id);
        jb_xml_attr_u64(x, "h", jb_sm_handled_wire(&c->saved.sm));
        jb_xml_close(x);
    }
    if (wants_bind(c)) {
        jb_xml_open_str(x, "bind", ns_bind2);
        jb_xml_leaf(x, "tag", JB_NS_NONE, JB_STR("libjabiru"));
        if (c->login->can_enable && jb__setting(c, JB_SETTING_RESUME)) {
            jb_xml_open(x, "enable", JB_NS_SM);
            jb_xml_attrz(x, "resume", "true");
            jb_xml_close(x);
        }
        jb_xml_close(x);
    }
    if (c->login->with_token) {
        jb_xml_open_str(x, "fast", ns_fast);
        jb_xml_close(x);
    } else if (ht < JB__SASL_HT_COUNT) {
        jb_xml_open_str(x, "request-token", ns_fast);
        jb_xml_attr(x, "mechanism", jb__sasl_ht_name(ht));
        jb_xml_close(x);
    }
}

void jb__sasl2_say(struct jb_client *c, bool first, struct jb_str mech, struct jb_str text)
{
    struct jb__login_text t;

    if (jb_str_eqz(text, "=")) /* an empty message is an empty element here */
        text = JB_STR_NONE;
    jb__login_text_begin(c, &t);
    jb_xml_open_str(&t.x, first ? "authenticate" : "response", ns_sasl2);
    if (first) {
        jb_xml_attr(&t.x, "mechanism", mech);
        jb_xml_leaf(&t.x, "initial-response", JB_NS_NONE, text);
        write_agent(c, &t.x);
        write_wishes(c, &t.x);
    } else if (text.n) {
        jb_xml_text(&t.x, text);
    }
    jb_xml_close(&t.x);
    jb__login_text_send(c, &t);
}

bool jb__sasl2_begin(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t list = child(doc, 0, "authentication", ns_sasl2);
    struct token token;

    if (!list || !jb__setting(c, JB_SETTING_ONE_ROUND))
        return false;
    c->login->is_sasl2 = true;
    int rc = jb__login_read_offer(c, doc, list);
    if (rc != 0) {
        jb__login_fail(c, rc, "more mechanisms than anybody has");
        return true;
    }
    uint16_t inline_at = child(doc, list, "inline", ns_sasl2);
    if (inline_at && read_inline(c, doc, inline_at) != 0) {
        jb__login_fail(c, JB_ENOMEM, "");
        return true;
    }
    if (read_token(c, &token) && token.agent.n == sizeof c->agent - 1) {
        memcpy(c->agent, token.agent.p, token.agent.n); /* tokens are given to one agent */
        if (is_usable(c, token.ht)) {
            begin_with_token(c, &token);
            return true;
        }
    }
    jb__login_begin_exchange(c);
    return true;
}

/* ---- answers ---- */

/* The server knows the password, or the token, as well as we do. */
static bool is_proven(struct jb_client *c, struct jb_str text)
{
    const char *version = jb__sock_tls_version(&c->sock);
    struct token token;

    if (!c->login->with_token)
        return jb__login_is_proven(c, text);
    int rc = JB_EAUTH;
    if (read_token(c, &token))
        rc = jb__sasl_ht_check(token.ht, token.token, binding_data(c, token.ht), text, &c->memory);
    if (rc != 0) {
        jb__link_fail_code(c, rc, JB_REASON_SERVER, "the server does not know the token");
        return false;
    }
    snprintf(c->security, sizeof c->security, "%s %.*s", version ? version : "plain",
             JB_STR_ARG(jb__sasl_ht_name(token.ht)));
    return true;
}

static uint32_t number_of(const struct jb_doc *doc, uint16_t node, bool *has)
{
    struct jb_str raw;
    uint32_t h = 0;

    *has = jb_node_attr_raw(doc, node, "h", &raw) && jb__sm_parse_u32(raw, &h);
    return h;
}

/* The session from before, within <success/>; false: it does not go on. */
static bool take_resumption(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t resumed = jb_node_child(doc, 0, "resumed", JB_NS_SM);
    uint16_t failed = jb_node_child(doc, 0, "failed", JB_NS_SM);
    bool has_h = false;
    uint32_t h = resumed || failed ? number_of(doc, resumed ? resumed : failed, &has_h) : 0;
    struct jb_str id = JB_STR_NONE;

    if (resumed && jb__attr_of(doc, resumed, "previd", &c->arena, &id) != 0) {
        jb__login_fail(c, JB_ENOMEM, ""); /* it may still be resumed */
        return true;
    }
    if (resumed) {
        if (!wants_resume(c) || !has_h || jb__login_take_handled(c, h) != 0 ||
            !jb_str_eqz(id, c->sm_id)) {
            jb__session_forget(c);
            jb__login_fail(c, 0, "the server resumes what we do not know");
            return true;
        }
        jb_stream_sm_go_on(&c->stream, &c->saved);
        c->saved_is_live = false;
        jb__login_go_online(c, true);
        return true;
    }
    if (failed && wants_resume(c) && has_h)
        (void)(jb__login_take_handled(c, h) != 0); /* a lie costs nothing here: all is sent again */
    if (failed || child(doc, 0, "bound", ns_bind2))
        jb__session_forget(c);
    return false;
}

static void take_binding(struct jb_client *c, const struct jb_doc *doc, uint16_t bound)
{
    uint16_t who = child(doc, 0, "authorization-identifier", ns_sasl2);
    uint16_t enabled = jb_node_child(doc, bound, "enabled", JB_NS_SM);
    struct jb_str text;
    int rc = JB_EINVAL;

    if (wants_bind(c) && who)
        rc = jb__text_of(doc, who, &c->arena, &text);
    if (rc == 0)
        rc = jb__login_take_jid(c, jb_str_trim(text));
    if (rc != 0) {
        jb__login_fail(c, rc, "the server bound no address of ours");
        return;
    }
    jb_stream_bound(&c->stream);
    if (enabled && c->login->can_enable) {
        jb_stream_sm_enabled_inline(&c->stream);
        rc = jb__attr_of(doc, enabled, "id", &c->arena, &text);
        if (rc == 0)
            rc = jb__login_take_sm(c, text, jb_node_attr_is_true(doc, enabled, "resume"));
    }
    if (rc != 0)
        jb__login_fail(c, rc, "");
    else
        jb__login_go_online(c, false);
}

static void on_success(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t data = child(doc, 0, "additional-data", ns_sasl2);
    uint16_t bound = child(doc, 0, "bound", ns_bind2);
    struct jb_str text = JB_STR_NONE;
    int rc = data ? jb__text_of(doc, data, &c->arena, &text) : 0;

    if (rc == 0 && !is_proven(c, jb_str_trim(text)))
        return;
    if (rc == 0)
        rc = keep_token(c, doc);
    if (rc != 0) {
        jb__login_fail(c, rc, "");
        return;
    }
    jb_stream_authenticated(&c->stream);
    jb_stream_continued(&c->stream);
    if (take_resumption(c, doc))
        return;
    if (bound)
        take_binding(c, doc, bound);
    else
        c->login->step = JB__STEP_RESTART; /* features follow, without a restart */
}

static void on_challenge(struct jb_client *c, const struct jb_doc *doc)
{
    struct jb_str text;

    if (jb__text_of(doc, 0, &c->arena, &text) != 0)
        jb__login_fail(c, JB_ENOMEM, "");
    else
        jb__login_on_challenge(c, jb_str_trim(text));
}

/* A token that is refused has had its time: back to the password, if there is one. */
static void on_failure(struct jb_client *c, const struct jb_doc *doc)
{
    uint16_t condition = jb_node_first(doc, 0);
    uint16_t text = child(doc, 0, "text", ns_sasl2);

    if (c->login->with_token) {
        forget_token(c);
        c->login->with_token = false;
        jb__login_begin_exchange(c);
        return;
    }
    jb__login_on_refusal(c, condition ? jb_node_name(doc, condition) : JB_STR_NONE,
                         text ? jb_node_text(doc, text, &c->arena) : JB_STR_NONE);
}

bool jb__sasl2_on_element(struct jb_client *c, const struct jb_doc *doc)
{
    struct jb_str name = jb_node_name(doc, 0);

    if (!jb_str_eq(jb_node_ns(doc, 0), ns_sasl2))
        return false;
    if (!c->login->is_sasl2 || c->login->step != JB__STEP_AUTH)
        jb__login_fail(c, 0, "an answer to no authentication");
    else if (jb_str_eqz(name, "challenge") && !c->login->with_token)
        on_challenge(c, doc);
    else if (jb_str_eqz(name, "success"))
        on_success(c, doc);
    else if (jb_str_eqz(name, "failure"))
        on_failure(c, doc);
    else if (jb_str_eqz(name, "continue"))
        jb__link_fail(c, JB_REASON_MECHANISM,
                      JB_STR("the server wants a second factor, which is not supported"));
    else
        jb__login_fail(c, 0, "neither challenge, success nor failure");
    return true;
}
