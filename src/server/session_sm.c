/* SPDX-License-Identifier: MIT */
#include "server/session_sm.h"

#include "base/assert.h"
#include "base/log.h"
#include "server/custody.h"
#include "server/module.h"
#include "server/server.h"

#include <openssl/sha.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct jb_sendq *session_queue(struct session *s)
{
    return s->conn ? &s->conn->stream.out : &s->sm->rest.out;
}

static const struct jb_limits *limits_of(const struct session *s)
{
    return &session_reactor(s)->conf->stream.limits;
}

const uint32_t *session_received(const struct session *s)
{
    return s->conn ? &s->conn->stream.received : &s->sm->rest.received;
}

static struct jb_sm *counters_of(const struct session *s)
{
    return s->conn ? &s->conn->stream.sm : &s->sm->rest.sm;
}

void session_sm_key(struct jb_str id, uint8_t key[SESSION_SM_KEY_BYTES])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)id.p, JB__RANDOM_ID_BYTES, digest);
    memcpy(key, digest, SESSION_SM_KEY_BYTES);
}

/* ---- enabling ---- */

static void on_timer(struct timer *t);

static struct session_sm *new_sm(struct session *s)
{
    struct session_sm *sm = jb_zalloc(alloc, sizeof *sm);

    sm->session = s;
    timer_init(&sm->timer, on_timer);
    jb__list_init(&sm->node);
    s->sm = sm;
    return sm;
}

/* What the client is told to resume with.  A visitor comes back as another visitor: his old name is
 * part of it, so that his session can be found. */
static struct jb_str resumption_id(const struct session *s, struct jb_str secret,
                                   struct jb__arena *arena)
{
    struct jb_str local = jb_jid_local(s->jid);

    if (!s->user->anonymous)
        return secret;
    char *text = jb__arena_alloc(arena, secret.n + 1 + local.n);
    memcpy(text, secret.p, secret.n);
    text[secret.n] = '.';
    memcpy(text + secret.n + 1, local.p, local.n);
    return jb_str(text, secret.n + 1 + local.n);
}

/* Makes its sm; what the client is told of it lives as long as the arena. */
static struct jb_sm_grant grant(struct session *s, const struct jb_sm_event *wish)
{
    const struct host *host = user_host(s->user);
    struct jb__arena *arena = &session_reactor(s)->arena;
    struct session_sm *sm = new_sm(s);
    uint32_t most_ms = limits_of(s)->sm_resume_ms;
    struct jb_sm_grant g = { 0 };
    char secret[JB__RANDOM_ID_BYTES + 1];

    sm->resumable = wish->resume && most_ms > 0;
    sm->wait_ms = wish->max_s && wish->max_s < most_ms / 1000 ? wish->max_s * 1000 : most_ms;
    jb__random_id(secret);
    session_sm_key(jb_str(secret, JB__RANDOM_ID_BYTES), sm->key);
    sm->committed = s->conn->stream.received;
    if (sm->resumable) {
        g.id = resumption_id(s, jb__arena_str(arena, jb_str(secret, JB__RANDOM_ID_BYTES)), arena);
        g.location = host ? host->config->resume_location : JB_STR_NONE;
        g.max_s = sm->wait_ms / 1000;
    }
    return g;
}

void session_sm_enable(struct session *s, const struct jb_sm_event *wish)
{
    struct jb_sm_grant g = grant(s, wish);

    conn_mark_dirty(s->conn);
    if (jb_stream_sm_enabled(&s->conn->stream, &g) != 0)
        conn_close(s->conn, "no memory for an answer");
}

void session_sm_enable_inline(struct session *s, const struct jb_sm_event *wish, struct jb_xml *x)
{
    struct jb_sm_grant g = grant(s, wish);

    jb_sm_write_enabled(x, &g);
    jb_stream_sm_enabled_inline(&s->conn->stream);
}

/* ---- what the client sent ---- */

/* A visitor's counter ends with the process, as everything of his does; where nothing can be
 * resumed nobody will ask. */
static bool keeps_count(const struct session *s)
{
    return !s->user->anonymous && s->sm->resumable;
}

struct session_counter session_sm_counter(const struct session *s)
{
    struct session_counter counter = { .kept = false };

    if (!s->sm || !keeps_count(s))
        return counter;
    counter = (struct session_counter){ .kept = counters_of(s)->on,
                                        .base = counters_of(s)->in_base,
                                        .committed = s->sm->committed };
    memcpy(counter.key, s->sm->key, sizeof counter.key);
    return counter;
}

bool session_sm_is_settled(const struct session *s)
{
    if (s->row.first)
        return false;
    return !keeps_count(s) || s->sm->committed == *session_received(s);
}

/* What may be told: all that is committed, or, where nothing is kept, all that is handled. */
static uint32_t handled_now(const struct session *s)
{
    if (keeps_count(s))
        return s->sm->committed;
    return s->row.first ? s->row.first->number - 1 : *session_received(s);
}

/* Nothing that is not committed is ever told of. */
void session_sm_handled(struct session *s)
{
    const struct custody *oldest = s->row.first;
    uint32_t handled = handled_now(s);

    jb_assert(!oldest || !oldest->counted || (int32_t)(oldest->number - handled) > 0);
    counters_of(s)->handled = handled;
}

/* What is not committed, and cannot be now, the client shall send again. */
static void forget_uncommitted(struct session *s)
{
    if (keeps_count(s))
        s->sm->rest.received = s->sm->committed;
}

/* Somebody waits for all to be committed. */
static void settle(struct session *s, bool failed)
{
    struct session_sm *sm = s->sm;
    struct resumption *taker = sm->taker;

    if (s->row.first)
        return;
    if (failed && taker)
        forget_uncommitted(s);
    if (session_sm_is_settled(s) || failed) {
        sm->asked = false;
        sm->taker = NULL;
        if (taker)
            session_resume_go_on(taker, true);
    } else if (sm->asked || taker) {
        custody_commit_count(s);
    }
}

void session_sm_progressed(struct session *s, const struct session_sm_progress *progress)
{
    struct jb_sm *counters = counters_of(s);

    if (progress->committed)
        s->sm->committed = progress->number;
    session_sm_handled(s);
    if (s->conn && counters->handled != counters->told && progress->committed) {
        jb_stream_sm_tell(&s->conn->stream);
        conn_mark_dirty(s->conn);
    }
    settle(s, progress->failed);
}

void session_sm_asked(struct session *s)
{
    if (session_sm_is_settled(s))
        return;
    s->sm->asked = true;
    settle(s, false);
}

void session_sm_settle(struct session *s)
{
    settle(s, false);
}

/* ---- acknowledgements ---- */

/* The limit that he is over; JB_LIMIT_COUNT: none. */
static enum jb_limit limit_over(const struct session *s, const struct jb_sendq *q, uint64_t times)
{
    const struct jb_limits *l = limits_of(s);

    if (q->queued - q->acked > times * l->sm_queue_stanzas)
        return JB_LIMIT_sm_queue_stanzas;
    if ((uint64_t)q->bytes_unacked + q->bytes_unsent > times * l->sm_queue_bytes)
        return JB_LIMIT_sm_queue_bytes;
    return JB_LIMIT_COUNT;
}

/* His queue is what one that is not resumed could not be. */
static bool is_ample(struct session *s)
{
    const struct jb_sendq *q = session_queue(s);

    return q->bytes_unsent > limits_of(s)->sendq_hard_bytes ||
           limit_over(s, q, 1) != JB_LIMIT_COUNT;
}

void session_sm_acked(struct session *s)
{
    struct jb_sendq *q = session_queue(s);
    uint32_t before = q->kept;
    int64_t tag;

    while (jb_sendq_take_acked(q, &tag)) {
        if (tag)
            (void)hooks_run_all(acked, (s, tag));
    }
    if (s->sm && s->sm->ample)
        s->sm->ample = is_ample(s);
    if (!s->conn || !q->first)
        return;
    /* What was sent since we asked last, or was queued meanwhile and is not sent yet. */
    if (!s->sm && q->kept > 0)
        conn_confirm_soon(s->conn);
    else if (s->sm && (q->kept < before || q->unsent))
        session_sm_queued(s, true);
}

bool session_sm_has_more(const struct session *s)
{
    return s->sm && s->sm->ample;
}

void session_sm_resumed(struct session *s)
{
    s->sm->ample = is_ample(s);
    if (session_queue(s)->first)
        session_sm_queued(s, true);
}

/* Who has just been closed for it shall find his session again, and have the time to read. */
static uint64_t times_the_limit(const struct session *s)
{
    return s->conn && !s->sm->ample ? 1 : 2;
}

void session_sm_queued(struct session *s, bool tagged)
{
    struct jb_sendq *q = session_queue(s);
    struct session_sm *sm = s->sm;

    if (s->conn && (tagged || q->queued - q->acked >= limits_of(s)->sm_ask_stanzas))
        jb_stream_sm_ask(&s->conn->stream);
    enum jb_limit limit = limit_over(s, q, times_the_limit(s));
    if (sm->overfull || limit == JB_LIMIT_COUNT)
        return;
    /* Not here: whoever queues a stanza still needs the session. */
    sm->overfull = true;
    reactor_count_limit(session_reactor(s), limit);
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
    if (s->throttled)
        conn_release(c);
    s->throttled = false;
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

/* Its client has begun another session since: nobody will come back for this one. */
static bool is_superseded(const struct session *s)
{
    jb__list_each(it, next, &s->user->sessions)
    {
        const struct session *other = jb__container_of(it, struct session, node);
        if (other != s && agent_same(&s->agent, &other->agent) && other->bound_us >= s->bound_us)
            return true;
    }
    return false;
}

void session_lost(struct session *s)
{
    const struct jb_stream *stream = &s->conn->stream;
    struct user *u = s->user;
    bool ended = stream->close_sent || stream->peer_closed;

    /* Who says goodbye in order has what was sent to him, as far as he can say so at all. */
    if (stream->peer_closed && !s->sm) {
        jb_sendq_ack(&s->conn->stream.out, stream->out.sent);
        session_sm_acked(s);
    }
    if (ended || !s->sm || !s->sm->resumable || u->stale || is_superseded(s)) {
        session_end(s);
        return;
    }
    user_pin(u);
    if (session_sm_make_room(u, limits_of(s)->sm_hibernating))
        reactor_count_limit(u->reactor, JB_LIMIT_sm_hibernating);
    session_sm_leave(s);
    user_unpin(u);
}

void session_sm_leave(struct session *s)
{
    struct user *u = s->user;

    user_pin(u);
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
static bool is_missed(const struct session *s, const struct jb_stanza_head *h)
{
    if (h->kind == JB_IQ)
        return h->type == JB_TYPE_GET || h->type == JB_TYPE_SET;
    return s->user->anonymous && h->kind == JB_MESSAGE && h->type != JB_TYPE_ERROR &&
           h->type != JB_TYPE_HEADLINE && h->type != JB_TYPE_GROUPCHAT;
}

/* Its client has said goodbye: nobody will ask for its counter.  If it stays, it goes by its age. */
static void forget_count(struct session *s)
{
    struct store_unit *unit = user_store_unit(s->user, store_unit_free, NULL);

    store_unit_kv_delete(unit, jb_jid_bare_str(s->jid), session_count_store,
                         jb_str((const char *)s->sm->key, sizeof s->sm->key));
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit);
}

/* The stanza behind an item, a reference; NULL: it is none.  Of a session that was saved there is
 * only the text. */
static struct jb_stanza *stanza_of(const struct session *s, const struct jb_sendq_item *item)
{
    struct reactor *r = session_reactor(s);
    struct jb_str pieces[3];
    struct jb_stanza *stanza;

    if (item->stanza)
        return jb_stanza_ref(item->stanza);
    jb_sendq_item_pieces(item, pieces);
    if (!item->counted || jb_stanza_new(pieces[0], &r->arena, alloc, r->now_us, &stanza) != 0)
        return NULL;
    return stanza;
}

void session_sm_bounce(struct session *s)
{
    for (const struct jb_sendq_item *item = session_queue(s)->first; item; item = item->next) {
        struct jb_stanza *stanza = stanza_of(s, item);
        if (stanza && is_missed(s, &stanza->h))
            router_bounce(session_reactor(s), stanza,
                          JB_FAULT(RECIPIENT_UNAVAILABLE, "the client went away"));
        jb_stanza_unref(stanza);
    }
}

void session_sm_free(struct session *s)
{
    struct session_sm *sm = s->sm;

    if (sm->taker)
        session_resume_go_on(sm->taker, false);
    /* Who comes later, however it ended, is told how much need not be sent again. */
    if (sm->stored && s->conn && s->conn->stream.peer_closed && !session_reactor(s)->stopping)
        forget_count(s);
    if (!s->conn) {
        session_reactor(s)->counters.hibernating--;
        jb__list_remove(&sm->node);
        jb_sendq_deinit(&sm->rest.out);
    }
    timer_clear(&sm->timer);
    jb_free(alloc, sm);
    s->sm = NULL;
}

void session_sm_revive(struct session *s, const struct session_sm_state *state)
{
    struct reactor *r = session_reactor(s);
    struct session_sm *sm = new_sm(s);
    struct jb_sm_saved *rest = &sm->rest;

    memcpy(sm->key, state->key, SESSION_SM_KEY_BYTES);
    sm->resumable = sm->stored = true;
    sm->wait_ms = state->wait_ms;
    sm->committed = rest->received = state->handled;
    rest->sm = (struct jb_sm){ .on = true, .handled = state->handled, .told = state->handled };
    jb_sendq_init(&rest->out, alloc);
    rest->out.keep = true;
    jb_sendq_number_from(&rest->out, state->acked);
    jb__list_push(&r->hibernating, &sm->node);
    r->counters.hibernating++;
    timer_set(&r->wheel, &sm->timer, r->now_ms + sm->wait_ms);
}

void session_sm_revive_sent(struct session *s, uint32_t sent)
{
    struct jb_sendq *q = &s->sm->rest.out;

    while (q->unsent && q->sent != sent)
        jb_sendq_sent(q);
}
