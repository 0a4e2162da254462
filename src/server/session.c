/* SPDX-License-Identifier: MIT */
#include "server/session.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "server/custody.h"
#include "server/module.h"
#include "server/reactor.h"
#include "server/session_sm.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct reactor *session_reactor(const struct session *s)
{
    return s->user->reactor;
}

/* ---- binding ---- */

static struct session *new_session(struct user *u, struct conn *c, struct jb_str resource)
{
    static _Atomic uint32_t serials;
    struct jb_str bare = jb_jid_bare_str(u->jid);
    size_t data_bytes = modules_session_bytes();
    size_t jid_bytes = bare.n + 1 + resource.n;
    struct session *s = jb_zalloc(alloc, sizeof *s + data_bytes + jid_bytes);
    char *text = (char *)(s + 1) + data_bytes;

    s->data = (unsigned char *)(s + 1);
    memcpy(text, bare.p, bare.n);
    text[bare.n] = '/';
    memcpy(text + bare.n + 1, resource.p, resource.n);
    s->jid = u->jid;
    s->jid.p = text;
    s->jid.resource = (uint16_t)resource.n;
    s->user = u;
    s->conn = c;
    s->serial = ++serials;
    s->bound_us = u->reactor->now_us;
    custody_row_init(&s->row, s);
    return s;
}

/* What the policy says about a resource in use (RFC 6120 section 7.7.2.2).  False: refused. */
static bool settle_conflict(struct user *u, struct session *other, struct jb_str *resource,
                            struct jb_fault *fault)
{
    if (!other->conn) { /* its client came back without resuming it: nobody is replaced */
        session_end(other);
        return true;
    }
    switch (u->reactor->conf->config->conflict_policy) {
    case CONFIG_CONFLICT_REFUSE:
        *fault = JB_FAULT(CONFLICT, "the resource is in use");
        return false;
    case CONFIG_CONFLICT_RENAME:
        *resource = JB_STR_NONE;
        return true;
    default:
        session_fail(other, JB_STREAM_CONFLICT, "replaced by a new session of the same resource");
        session_end(other);
        return true;
    }
}

static struct session *find_superseded(const struct user *u, const struct agent *agent, bool all)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (agent_same(&s->agent, agent) && (all || !s->conn))
            return s;
    }
    return NULL;
}

void session_supersede(struct user *u, const struct agent *agent, bool all)
{
    struct session *s;

    while ((s = find_superseded(u, agent, all))) {
        jb_log(JB_LOG_INFO, "its client begins anew", JB_F("jid", jb_jid_str(s->jid)));
        session_fail(s, JB_STREAM_CONFLICT, "replaced by a new session of the same client");
        session_end(s);
    }
}

struct session *session_bind(struct user *u, struct conn *c, struct jb_str resource,
                             struct jb_fault *fault)
{
    char id[JB__RANDOM_ID_BYTES + 1];

    session_supersede(u, &c->agent, false);
    struct session *other = resource.n ? user_find_session(u, resource) : NULL;

    if (other && !settle_conflict(u, other, &resource, fault))
        return NULL;
    uint32_t most = u->reactor->conf->stream.limits.resources;
    while (u->session_count >= most && session_sm_make_room(u, 1))
        continue;
    if (u->session_count >= most) {
        conn_limit(c, JB_LIMIT_resources);
        *fault = JB_FAULT(RESOURCE_CONSTRAINT, "too many sessions of this account");
        return NULL;
    }
    if (resource.n == 0) {
        jb__random_id(id);
        resource = jb_str(id, JB__RANDOM_ID_BYTES);
    }
    struct session *s = new_session(u, c, resource);
    s->agent = c->agent;
    c->session = s;
    user_session_added(u, s);
    u->reactor->counters.sessions++;
    return s;
}

struct session *session_revive(struct user *u, struct jb_str resource)
{
    struct session *s = new_session(u, NULL, resource);

    user_session_added(u, s);
    u->reactor->counters.sessions++;
    return s;
}

static void take_apart(struct session *s)
{
    struct user *u = s->user;
    struct conn *held = s->throttled ? s->conn : NULL;

    custody_session_ended(s);
    if (s->sm)
        session_sm_free(s);
    if (s->conn)
        s->conn->session = NULL;
    user_session_removed(u, s);
    u->reactor->counters.sessions--;
    jb_stanza_unref(s->presence);
    jb_free(alloc, s);
    /* Last: the input that waited is taken at once, and must find no session. */
    if (held)
        conn_release(held);
}

void session_end(struct session *s)
{
    struct user *u = s->user;

    user_pin(u);
    (void)hooks_run_all(unbound, (s));
    if (s->sm)
        session_sm_bounce(s);
    take_apart(s);
    user_unpin(u);
}

void session_drop(struct session *s)
{
    struct user *u = s->user;

    user_pin(u);
    (void)hooks_run_all(dropped, (s));
    take_apart(s);
    user_unpin(u);
}

/* ---- out of the session ---- */

/* RFC 6120 section 8.1.2.1: the `from` is the session's own, or absent. */
static bool from_is_own(const struct session *s, const struct jb_stanza_head *h)
{
    if (h->from_malformed)
        return false;
    return !jb_jid_is_set(h->from) || jb_jid_eq(h->from, s->jid) ||
           jb_jid_eq(h->from, jb_jid_bare(s->jid));
}

/* RFC 6120 sections 8.2.3 and 8.3: what makes a stanza one that can be handled at all. */
static struct jb_fault check_shape(const struct jb_draft *d)
{
    const struct jb_stanza_head *h = &d->h;

    if (h->to_malformed)
        return JB_FAULT(JID_MALFORMED, "the 'to' is not an address");
    if (h->kind == JB_PRESENCE && h->type == JB_TYPE_UNKNOWN)
        return JB_FAULT(BAD_REQUEST, "unknown type of presence");
    if (h->kind != JB_IQ)
        return JB_NO_FAULT;
    if (h->type == JB_TYPE_NONE || h->type == JB_TYPE_UNKNOWN)
        return JB_FAULT(BAD_REQUEST, "an iq is get, set, result or error");
    if (h->id.n == 0)
        return JB_FAULT(BAD_REQUEST, "an iq has an id");
    uint16_t payload = jb_node_first(d->doc, 0);
    if ((h->type == JB_TYPE_GET || h->type == JB_TYPE_SET) &&
        (!payload || jb_node_next(d->doc, payload)))
        return JB_FAULT(BAD_REQUEST, "a request has exactly one child element");
    return JB_NO_FAULT;
}

static bool is_subscription(const struct jb_stanza_head *h)
{
    return h->kind == JB_PRESENCE &&
           (h->type == JB_TYPE_SUBSCRIBE || h->type == JB_TYPE_SUBSCRIBED ||
            h->type == JB_TYPE_UNSUBSCRIBE || h->type == JB_TYPE_UNSUBSCRIBED);
}

void session_refuse(struct session *s, const struct jb_stanza_head *h, struct jb_fault fault)
{
    struct outgoing o;
    struct jb_stanza_head answered = *h;

    /* Answers are not answered (RFC 6120 section 8.3.1). */
    if (h->type == JB_TYPE_ERROR || (h->kind == JB_IQ && h->type == JB_TYPE_RESULT))
        return;
    answered.from = s->jid;
    session_reactor(s)->counters.bounced++;
    jb_stanza_write_error(router_begin(&o, session_reactor(s)), &answered, JB_JID_NONE, &fault);
    struct jb_stanza *answer = router_seal(&o);
    session_deliver(s, answer, NULL);
    jb_stanza_unref(answer);
}

/* RFC 6120 section 10.3: to nobody means to one's own account. */
static void on_own(struct session *s, struct jb_stanza *stanza)
{
    const struct host *host = user_host(s->user);
    bool request = stanza->h.type == JB_TYPE_GET || stanza->h.type == JB_TYPE_SET;

    if (stanza->h.kind == JB_MESSAGE)
        user_receive(s->user, stanza);
    else if (stanza->h.kind == JB_IQ && request &&
             !iq_dispatch(s->user->reactor, host, s->user, s, stanza))
        session_refuse(s, &stanza->h, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
}

/* After the hooks: the default behaviour. */
static void send_on(struct session *s, struct jb_stanza *stanza)
{
    const struct jb_stanza_head *h = &stanza->h;

    if (!jb_jid_is_set(h->to) || (h->kind != JB_PRESENCE && jb_jid_eq(h->to, jb_jid_bare(s->jid))))
        on_own(s, stanza);
    else
        router_send(session_reactor(s), stanza);
}

/* Hooks that refuse or take the draft; true when it goes on. */
static bool pass_guards(struct session *s, const struct host *host, struct jb_draft *d)
{
    struct jb_fault fault = JB_NO_FAULT;
    enum verdict v = hooks_run(out_guard, host, (s, d, &fault));

    if (v == NEXT)
        v = hooks_run(out_stamp, host, (s, d, &fault));
    if (v == REJECT)
        session_refuse(s, &d->h, fault);
    return v == NEXT;
}

void session_on_stanza(struct session *s, struct jb_draft *d)
{
    struct reactor *r = session_reactor(s);
    const struct host *host = user_host(s->user);
    struct jb_fault fault = check_shape(d);
    struct jb_stanza *stanza;

    if (!from_is_own(s, &d->h)) {
        session_fail(s, JB_STREAM_INVALID_FROM, "the 'from' is not the session's own");
        return;
    }
    d->lang = jb_strz(s->conn->lang);
    d->h.from = is_subscription(&d->h) ? jb_jid_bare(s->jid) : s->jid;
    if (fault.condition != JB_STANZA_OK) {
        session_refuse(s, &d->h, fault);
        return;
    }
    if (!host || !pass_guards(s, host, d))
        return;
    int rc = jb_draft_seal(d, alloc, r->now_us, &stanza);
    jb_assert(rc == 0 || rc == JB_EFULL);
    if (rc != 0) {
        session_refuse(s, &d->h, JB_FAULT(RESOURCE_CONSTRAINT, "too many elements"));
        return;
    }
    custody_begin(s, stanza);
    enum verdict v = hooks_run(out_act, host, (s, stanza, &fault));
    if (v == REJECT)
        session_refuse(s, &stanza->h, fault);
    else if (v == NEXT)
        send_on(s, stanza);
    custody_end(r);
    jb_stanza_unref(stanza);
}

/* ---- into the session ---- */

void session_deliver(struct session *s, struct jb_stanza *stanza, const struct jb_wrap *wrap)
{
    int64_t tag = wrap ? wrap->tag : 0;
    int rc = s->conn ? jb_stream_send(&s->conn->stream, stanza, wrap)
                     : jb_sendq_push(&s->sm->rest.out, stanza, wrap);

    if (rc != 0)
        return; /* the server's allocator does not come back with nothing */
    session_reactor(s)->counters.stanzas_out++;
    if (tag)
        (void)hooks_run_all(queued, (s, tag));
    if (s->sm)
        session_sm_queued(s, tag != 0);
    else if (tag)
        conn_confirm_soon(s->conn);
    if (s->conn)
        conn_mark_dirty(s->conn);
}

void session_ask_receipt(struct session *s)
{
    if (s->conn && !s->sm && session_queue(s)->first)
        conn_confirm(s->conn);
}

void session_fail(struct session *s, enum jb_stream_error error, const char *words)
{
    struct conn *c = s->conn;

    if (!c)
        return; /* there is nobody to tell */
    if (!c->reason)
        c->reason = words;
    session_reactor(s)->counters.stream_errors++;
    jb_stream_fail(&c->stream, error, words);
    conn_mark_dirty(c);
    conn_schedule(c);
}
