/* SPDX-License-Identifier: MIT */
#include "server/session_sm.h"

#include "base/assert.h"
#include "base/log.h"
#include "server/module.h"
#include "server/server.h"

#include <openssl/crypto.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct jb_sendq *session_queue(struct session *s)
{
    return s->conn ? &s->conn->stream.out : &s->sm->rest.out;
}

static const struct jb_limits *limits_of(const struct session *s)
{
    return &session_reactor(s)->conf->stream.limits;
}

/* ---- enabling ---- */

static void on_timer(struct timer *t);

/* What the client is told to resume with.  A visitor comes back as another visitor: his old name is
 * part of it, so that his session can be found. */
static struct jb_str resumption_id(const struct session *s, struct jb__arena *arena)
{
    struct jb_str secret = jb_str(s->sm->id, JB__RANDOM_ID_BYTES);
    struct jb_str local = jb_jid_local(s->jid);

    if (!s->user->anonymous)
        return secret;
    char *text = jb__arena_alloc(arena, secret.n + 1 + local.n);
    memcpy(text, secret.p, secret.n);
    text[secret.n] = '.';
    memcpy(text + secret.n + 1, local.p, local.n);
    return jb_str(text, secret.n + 1 + local.n);
}

void session_sm_enable(struct session *s, const struct jb_sm_event *wish)
{
    struct conn *c = s->conn;
    const struct host *host = user_host(s->user);
    struct jb_str location = host ? host->config->resume_location : JB_STR_NONE;
    uint32_t most_ms = limits_of(s)->sm_resume_ms;
    struct jb_str id = JB_STR_NONE;

    conn_mark_dirty(c);
    s->sm = jb_zalloc(alloc, sizeof *s->sm);
    s->sm->session = s;
    s->sm->resumable = wish->resume && most_ms > 0;
    s->sm->wait_ms = wish->max_s && wish->max_s < most_ms / 1000 ? wish->max_s * 1000 : most_ms;
    timer_init(&s->sm->timer, on_timer);
    jb__list_init(&s->sm->node);
    jb__random_id(s->sm->id);
    if (s->sm->resumable)
        id = resumption_id(s, &c->reactor->arena);
    if (jb_stream_sm_enabled(&c->stream, id, s->sm->wait_ms / 1000, location) != 0)
        conn_close(c, "no memory for an answer");
}

/* ---- acknowledgements ---- */

void session_sm_acked(struct session *s)
{
    struct jb_sendq *q = session_queue(s);
    uint32_t before = q->kept;
    int64_t tag;

    while (jb_sendq_take_acked(q, &tag)) {
        if (tag)
            (void)hooks_run_all(acked, (s, tag));
    }
    if (s->conn && q->kept > 0 && q->kept < before)
        session_sm_queued(s, true); /* what was sent since we asked last */
}

static bool is_over(const struct session *s, const struct jb_sendq *q)
{
    const struct jb_limits *l = limits_of(s);
    /* Who has just been closed for it shall find his session again. */
    uint64_t times = s->conn ? 1 : 2;

    return q->queued - q->acked > times * l->sm_queue_stanzas ||
           (uint64_t)q->bytes_unacked + q->bytes_unsent > times * l->sm_queue_bytes;
}

void session_sm_queued(struct session *s, bool tagged)
{
    struct jb_sendq *q = session_queue(s);
    struct session_sm *sm = s->sm;

    if (s->conn && (tagged || q->queued - q->acked >= limits_of(s)->sm_ask_stanzas))
        jb_stream_sm_ask(&s->conn->stream);
    if (sm->overfull || !is_over(s, q))
        return;
    /* Not here: whoever queues a stanza still needs the session. */
    sm->overfull = true;
    reactor_count_limit(session_reactor(s), JB_LIMIT_sm_queue_stanzas);
    timer_set(&session_reactor(s)->wheel, &sm->timer, session_reactor(s)->now_ms);
}

/* ---- losing the connection ---- */

static void hibernate(struct session *s)
{
    struct reactor *r = session_reactor(s);
    struct conn *c = s->conn;

    jb_stream_sm_detach(&c->stream, &s->sm->rest);
    c->session = NULL;
    s->conn = NULL;
    s->sm->overfull = false;
    jb__list_push(&r->hibernating, &s->sm->node);
    r->counters.hibernating++;
    timer_set(&r->wheel, &s->sm->timer, r->now_ms + s->sm->wait_ms);
    jb_log(JB_LOG_INFO, "session waits for its resumption", JB_F("jid", jb_jid_str(s->jid)));
}

/* The one that has waited longest; NULL: none waits. */
static struct session *oldest_hibernating(const struct user *u, uint32_t *count)
{
    struct session *oldest = NULL;

    *count = 0;
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (s->conn)
            continue;
        ++*count;
        if (!oldest || s->sm->timer.due_ms < oldest->sm->timer.due_ms)
            oldest = s;
    }
    return oldest;
}

bool session_sm_make_room(struct user *u, uint32_t most)
{
    uint32_t count;
    struct session *oldest = oldest_hibernating(u, &count);

    if (!oldest || count < most)
        return false;
    session_end(oldest);
    return true;
}

void session_lost(struct session *s)
{
    const struct jb_stream *stream = &s->conn->stream;
    struct user *u = s->user;
    bool ended = stream->close_sent || stream->peer_closed;

    if (ended || !s->sm || !s->sm->resumable || u->stale) {
        session_end(s);
        return;
    }
    user_pin(u);
    if (session_sm_make_room(u, limits_of(s)->sm_hibernating))
        reactor_count_limit(u->reactor, JB_LIMIT_sm_hibernating);
    hibernate(s);
    user_unpin(u);
}

static void on_timer(struct timer *t)
{
    struct session_sm *sm = jb__container_of(t, struct session_sm, timer);
    struct session *s = sm->session;
    struct conn *c = s->conn;

    if (!c) {
        jb_log(JB_LOG_INFO, "session was not resumed", JB_F("jid", jb_jid_str(s->jid)));
        session_end(s);
        return;
    }
    if (!c->reason)
        c->reason = "the client acknowledges too little of what it is sent";
    jb_stream_close_ws(&c->stream, JB_WS_POLICY, "acknowledge what you are sent");
    conn_mark_dirty(c);
    conn_schedule(c);
    session_lost(s);
}

/* ---- the end ---- */

/* An iq that was never answered, and a message to somebody for whom nothing is kept. */
static bool is_missed(const struct session *s, const struct jb_sendq_item *item)
{
    const struct jb_stanza_head *h = &item->stanza->h;

    if (h->kind == JB_IQ)
        return h->type == JB_TYPE_GET || h->type == JB_TYPE_SET;
    return s->user->anonymous && h->kind == JB_MESSAGE && h->type != JB_TYPE_ERROR &&
           h->type != JB_TYPE_HEADLINE && h->type != JB_TYPE_GROUPCHAT;
}

void session_sm_free(struct session *s)
{
    struct session_sm *sm = s->sm;
    struct jb_sendq *q = session_queue(s);

    for (const struct jb_sendq_item *item = q->first; item; item = item->next)
        if (item->stanza && is_missed(s, item))
            router_bounce(session_reactor(s), item->stanza,
                          JB_FAULT(RECIPIENT_UNAVAILABLE, "the client went away"));
    if (!s->conn) {
        session_reactor(s)->counters.hibernating--;
        jb__list_remove(&sm->node);
        jb_sendq_deinit(&sm->rest.out);
    }
    timer_clear(&sm->timer);
    OPENSSL_cleanse(sm->id, sizeof sm->id);
    jb_free(alloc, sm);
    s->sm = NULL;
}

void session_sm_stop(struct reactor *r)
{
    while (!jb__list_empty(&r->hibernating)) {
        struct session_sm *sm = jb__container_of(r->hibernating.next, struct session_sm, node);
        session_end(sm->session);
    }
}
