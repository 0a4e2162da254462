/* SPDX-License-Identifier: MIT */
/* XEP-0388 Extensible SASL Profile: authentication, and what the client wants to do next, in one
 * round.
 *
 * What SASL says is the same as in RFC 6120, and so is who drives it (server/auth.c); here are its
 * words, and what follows from success, at the home of the user and in this order:
 *
 *   tokens       a new one is stored before it is told (xep0484_fast.c)
 *   resumption   of the client's session (XEP-0198); when there is none any more,
 *   binding      of a resource (xep0386_bind2.c)
 *   <success/>   with the outcome of all of it, and the features behind it
 *
 * The connection is held meanwhile: what the client sends in between is taken as sent afterwards.
 */
#include "modules/xep0388_sasl2.h"

#include "modules/archive.h"
#include "modules/mam.h"
#include "modules/xep0313_mam.h"
#include "modules/xep0386_bind2.h"
#include "server/server.h"
#include "server/session_sm.h"

#include <openssl/crypto.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { TEXT_BYTES = 4 * JB_MIB, ANSWER_BYTES = 64 * JB_KIB };

/* ---- words ---- */

static void send_and_wipe(struct conn *c, struct jb_xml *x)
{
    struct jb__buf *buf = x->buf;

    if (jb_xml_end(x) != 0 || jb_stream_send_raw(&c->stream, jb__buf_str(buf)) != 0)
        conn_close(c, "no memory for an answer");
    if (buf->p)
        OPENSSL_cleanse(buf->p, buf->n);
    jb__buf_deinit(buf);
    conn_mark_dirty(c);
}

static void on_challenge(struct conn *c, struct jb_str text)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, ANSWER_BYTES);
    jb_xml_begin(&x, &buf);
    jb_xml_leaf(&x, "challenge", JB_NS_SASL2, text);
    send_and_wipe(c, &x);
}

static void drop(struct conn *c)
{
    struct sasl2 *s = c->sasl2;

    if (!s)
        return;
    c->sasl2 = NULL;
    jb__arena_deinit(&s->arena);
    OPENSSL_cleanse(s, sizeof *s);
    jb_free(alloc, s);
}

static void on_failure(struct conn *c, enum jb__sasl_failure failure)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, ANSWER_BYTES);
    jb_xml_begin(&x, &buf);
    jb_xml_open(&x, "failure", JB_NS_SASL2);
    auth_write_condition(failure, &x);
    jb_xml_close(&x);
    send_and_wipe(c, &x);
    drop(c);
}

/* ---- the end of it ---- */

static bool still_waits(const struct conn *c)
{
    return c->phase == CONN_STREAM && c->stream.state == JB_STREAM_STATE_BINDING;
}

/* The connection is its client's again. */
static void leave(struct conn *c)
{
    drop(c);
    conn_mark_dirty(c);
    conn_release(c);
    conn_unref(c);
}

static void give_up(struct conn *c, enum jb_stream_error error, const char *words)
{
    if (still_waits(c))
        conn_stream_fail(c, error, words);
    leave(c);
}

static void write_success(struct conn *c, const struct session_resume_outcome *resumed,
                          const struct store_unit *ends, struct jb_xml *x)
{
    const struct sasl2 *s = c->sasl2;
    struct jb_jid who = resumed ? resumed->jid : c->session ? c->session->jid : c->login;

    jb_xml_open(x, "success", JB_NS_SASL2);
    if (s->data.n)
        jb_xml_leaf(x, "additional-data", JB_NS_NONE, s->data);
    jb_xml_leaf(x, "authorization-identifier", JB_NS_NONE, jb_jid_str(who));
    if (resumed)
        jb_sm_write_resumed(x, resumed->saved, resumed->id);
    else if (s->resume_refused)
        jb_sm_write_failed(x, JB_STANZA_ITEM_NOT_FOUND, s->has_h ? &s->h : NULL);
    if (c->session)
        bind2_write_bound(c, ends, x);
    fast_write_token(&s->token, x);
    jb_xml_close(x);
}

static void send_success(struct conn *c, const struct session_resume_outcome *resumed,
                         const struct store_unit *ends)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, ANSWER_BYTES);
    jb_xml_begin(&x, &buf);
    write_success(c, resumed, ends, &x);
    send_and_wipe(c, &x);
    if (c->phase == CONN_STREAM)
        conn_send_features(c, resumed != NULL);
}

/* ---- binding ---- */

static void bind_now(struct conn *c, const struct store_unit *ends)
{
    struct jb_fault fault = JB_NO_FAULT;
    struct session *s = bind2_session(c, &fault);

    if (!s) {
        give_up(c, JB_STREAM_RESOURCE_CONSTRAINT, fault.words);
        return;
    }
    jb_stream_bound(&c->stream);
    send_success(c, NULL, ends);
    if (c->session) { /* the connection may just have failed */
        conn_schedule(c);
        (void)hooks_run_all(bound, (s));
    }
    leave(c);
}

static void on_ends(struct store_unit *unit)
{
    struct conn *c = unit->ctx;
    struct user *u = c->user;

    if (!u || u->state != USER_READY)
        give_up(c, JB_STREAM_NOT_AUTHORIZED, "the account does not exist any more");
    else if (still_waits(c))
        bind_now(c, unit->rc == 0 ? unit : NULL);
    else
        leave(c);
    store_unit_free(unit);
}

/* The first and the last entry of the archive, so that the client knows what it lacks. */
static void ask_ends(void *ctx)
{
    struct conn *c = ctx;

    if (!still_waits(c)) {
        leave(c);
        return;
    }
    struct store_unit *unit = user_store_unit(c->user, on_ends, c);
    mam_add_account_ends(c->user, c->host, unit);
    if (store_unit_submit(unit) == 0)
        return;
    store_unit_free(unit);
    bind_now(c, NULL); /* it can ask for them later */
}

static void go_bind(struct conn *c)
{
    const struct sasl2 *s = c->sasl2;

    if (!s->binds) {
        send_success(c, NULL, NULL);
        leave(c);
    } else if (!c->anonymous && module_enabled(&xep0313_mam, c->host)) {
        archive_when_settled(c->user, ask_ends, c);
    } else {
        bind_now(c, NULL);
    }
}

/* ---- resumption ---- */

static void on_resumption(struct conn *c, const struct session_resume_outcome *outcome)
{
    struct sasl2 *s = c->sasl2;

    switch (outcome->end) {
    case SESSION_RESUMED:
        send_success(c, outcome, NULL);
        leave(c);
        return;
    case SESSION_REFUSED:
        s->resume_refused = true;
        s->has_h = outcome->h != NULL;
        s->h = outcome->h ? *outcome->h : 0;
        go_bind(c);
        return;
    case SESSION_RESUME_OVER:
        leave(c);
        return;
    }
}

static void on_tokens_settled(struct conn *c, bool settled)
{
    const struct sasl2 *s = c->sasl2;

    if (!settled)
        give_up(c, JB_STREAM_RESOURCE_CONSTRAINT, "come back in a moment");
    else if (!still_waits(c))
        leave(c);
    else if (s->resumes)
        session_sm_resume_inline(c, &s->resume, on_resumption);
    else
        go_bind(c);
}

/* ---- authenticated ---- */

static void on_success(struct conn *c, const struct auth_success *how)
{
    struct sasl2 *s = c->sasl2;

    s->data = jb__arena_str(&s->arena, how->text);
    s->has_mark = how->mark != NULL;
    if (how->mark)
        memcpy(s->mark, how->mark, sizeof s->mark);
    if (!c->anonymous)
        c->agent = agent_of(c->reactor->server, jb_jid_str(c->login), s->agent);
    jb_stream_continued(&c->stream);
}

static void on_user_ready(struct user *u, void *ctx)
{
    struct conn *c = ctx;
    const char *words;

    if (u->state != USER_READY) {
        enum jb_stream_error error = user_absence(u, &words);
        give_up(c, error, words);
    } else if (still_waits(c)) {
        fast_settle(c, on_tokens_settled);
    } else {
        leave(c);
    }
}

static void on_home(struct conn *c)
{
    conn_ref(c);
    if (!still_waits(c))
        leave(c);
    else if (user_when_ready(c->user, on_user_ready, c) != 0)
        give_up(c, JB_STREAM_RESOURCE_CONSTRAINT, "too many wait for this account");
}

const struct auth_profile sasl2_profile = {
    .alone = true,
    .challenge = on_challenge,
    .failure = on_failure,
    .success = on_success,
    .home = on_home,
    .drop = drop,
};

/* ---- asking ---- */

/* False: what it asks for cannot be read. */
static bool read_wishes(struct conn *c, const struct jb_doc *doc)
{
    struct sasl2 *s = c->sasl2;
    uint16_t agent = jb_node_child(doc, 0, "user-agent", JB_NS_SASL2);
    uint16_t resume = jb_node_child(doc, 0, "resume", JB_NS_SM);

    if (agent)
        s->agent = jb__arena_str(&s->arena, jb_node_attr(doc, agent, "id", &s->arena));
    if (resume && module_enabled(&xep0198_sm, c->host)) {
        s->resumes = jb_sm_read_resume(doc, resume, &s->arena, &s->resume);
        s->resume.id = jb__arena_str(&s->arena, s->resume.id);
        if (!s->resumes)
            return false;
    }
    if (module_enabled(&xep0386_bind2, c->host))
        bind2_read(doc, s);
    return !module_enabled(&xep0484_fast, c->host) || fast_read(c, doc, &s->fast);
}

/* As SASL of RFC 6120 wants it: "=" is an initial response that is empty. */
static struct jb_str initial_response(const struct jb_doc *doc, struct jb__arena *arena)
{
    uint16_t node = jb_node_child(doc, 0, "initial-response", JB_NS_SASL2);
    struct jb_str text = node ? jb_str_trim(jb_node_text(doc, node, arena)) : JB_STR_NONE;

    return node && text.n == 0 ? JB_STR("=") : text;
}

static void on_authenticate(struct conn *c, const struct jb_doc *doc)
{
    struct jb__arena *arena = &c->reactor->arena;
    struct jb_str mechanism = jb_node_attr(doc, 0, "mechanism", arena);
    struct jb_str initial = initial_response(doc, arena);

    drop(c);
    c->sasl2 = jb_zalloc(alloc, sizeof *c->sasl2);
    c->profile = &sasl2_profile;
    jb__arena_init(&c->sasl2->arena, alloc, TEXT_BYTES);
    if (!auth_is_private(c))
        auth_fail(c, &sasl2_profile, JB__SASL_ENCRYPTION_REQUIRED);
    else if (!read_wishes(c, doc))
        auth_fail(c, &sasl2_profile, JB__SASL_MALFORMED_REQUEST);
    else if (c->sasl2->fast.uses)
        fast_authenticate(c, mechanism, initial);
    else
        auth_begin(c, &sasl2_profile, mechanism, initial);
}

/* An element of an exchange that is under way. */
static void on_word(struct conn *c, const struct jb_doc *doc)
{
    if (jb_node_is(doc, 0, "response", JB_NS_SASL2)) {
        auth_respond(c, jb_str_trim(jb_node_text(doc, 0, &c->reactor->arena)));
    } else if (jb_node_is(doc, 0, "abort", JB_NS_SASL2)) {
        auth_cancel(c);
        auth_fail(c, &sasl2_profile, JB__SASL_ABORTED);
    } else {
        conn_stream_fail(c, JB_STREAM_POLICY_VIOLATION, "not while you authenticate");
    }
}

static enum verdict on_element(struct conn *c, const struct jb_doc *doc)
{
    if (doc->nodes[0].ns != JB_NS_SASL2)
        return NEXT;
    if (c->authenticated)
        conn_stream_fail(c, JB_STREAM_POLICY_VIOLATION, "authenticated already");
    else if (auth_is_under_way(c, &sasl2_profile))
        on_word(c, doc);
    else if (c->auth)
        conn_stream_fail(c, JB_STREAM_POLICY_VIOLATION, "another authentication is under way");
    else if (jb_node_is(doc, 0, "authenticate", JB_NS_SASL2))
        on_authenticate(c, doc);
    else
        auth_fail(c, &sasl2_profile, JB__SASL_MALFORMED_REQUEST);
    return DONE;
}

/* ---- the offer ---- */

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    (void)resuming;
    if (c->authenticated || !auth_is_private(c))
        return NEXT;
    uint32_t offered = auth_offered(c);
    if (!offered)
        return NEXT;
    jb_xml_open(x, "authentication", JB_NS_SASL2);
    auth_write_mechanisms(offered, x);
    jb_xml_open(x, "inline", JB_NS_NONE);
    if (module_enabled(&xep0198_sm, c->host))
        jb_xml_leaf(x, "sm", JB_NS_SM, JB_STR_NONE);
    bind2_write_offer(c->host, x);
    fast_write_offer(c, x);
    jb_xml_close(x);
    jb_xml_close(x);
    return NEXT;
}

const struct module xep0388_sasl2 = {
    .name = "sasl2",
    .title = "Extensible SASL Profile",
    .xep = 388,
    .hooks = { .features = on_features, .element = on_element },
};
