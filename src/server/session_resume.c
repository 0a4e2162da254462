/* SPDX-License-Identifier: MIT */
/* Taking over a session that waits (XEP-0198 section 5): finding it, on whichever reactor it lives,
 * and putting it on the new connection. */
#include "base/assert.h"
#include "base/log.h"
#include "server/module.h"
#include "server/server.h"
#include "server/session_count.h"
#include "server/session_sm.h"

#include <openssl/crypto.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* A connection that asked to resume; it is held. */
struct resumption {
    struct mail mail;
    struct conn *conn;         /* a reference */
    uint32_t h;                /* what its client has of ours */
    struct jb_jid of;          /* a visitor's old address, else unset; text behind the struct */
    bool found;                /* the visitor's session is there */
    session_resume_told *told; /* writes the answer; NULL: it is an element of its own */
    struct session *session;   /* once it has settled, this one is taken over */
    struct jb_str id;          /* as asked, text behind the struct */
};

/* ---- the answers ---- */

/* Leaves the answer to whom it is part of; false: there is nobody. */
static bool tell(struct resumption *rs, const struct session_resume_outcome *outcome)
{
    session_resume_told *told = rs->told;

    rs->told = NULL;
    if (told)
        told(rs->conn, outcome);
    return told != NULL;
}

static void finish(struct resumption *rs)
{
    static const struct session_resume_outcome over = { .end = SESSION_RESUME_OVER };
    struct conn *c = rs->conn;

    (void)tell(rs, &over);
    conn_mark_dirty(c);
    OPENSSL_cleanse((char *)(uintptr_t)rs->id.p, rs->id.n);
    jb_free(alloc, rs);
    conn_release(c);
    conn_unref(c);
}

static bool still_asks(const struct resumption *rs)
{
    return rs->conn->phase == CONN_STREAM && rs->conn->stream.state == JB_STREAM_STATE_BINDING;
}

static void refuse(struct resumption *rs, const uint32_t *h)
{
    const struct session_resume_outcome refused = { .end = SESSION_REFUSED, .h = h };
    struct conn *c = rs->conn;
    char address[JB__ADDR_TEXT_BYTES];

    jb__addr_text_port(&c->address, address);
    jb_log(JB_LOG_INFO, "there is no such session to resume", JB_FZ("address", address),
           JB_F("jid", jb_jid_str(c->login)));
    if (still_asks(rs) && !tell(rs, &refused) &&
        jb_stream_sm_failed(&c->stream, JB_STANZA_ITEM_NOT_FOUND, h) != 0)
        conn_close(c, "no memory for an answer");
    finish(rs);
}

/* What the client has to know cannot be told now; without it, it would send again what is here. */
static void give_up(struct resumption *rs)
{
    if (still_asks(rs))
        jb_stream_fail(&rs->conn->stream, JB_STREAM_RESOURCE_CONSTRAINT, "come back in a moment");
    conn_schedule(rs->conn);
    finish(rs);
}

static void on_count(struct store_unit *unit)
{
    struct resumption *rs = unit->ctx;
    struct session_count count;
    bool known = unit->ops->rows && session_count_decode(unit->ops->rows->bytes, &count);

    if (unit->rc != 0)
        give_up(rs);
    else
        refuse(rs, known ? &count.h : NULL);
    store_unit_free(unit);
}

/* The session is gone; what is known of it is how much its client need not send again. */
static void look_up_count(struct resumption *rs)
{
    struct user *u = rs->conn->user;
    uint8_t key[SESSION_SM_KEY_BYTES];

    if (rs->id.n != JB__RANDOM_ID_BYTES) {
        refuse(rs, NULL);
        return;
    }
    if (u->rests) { /* it may be one of these: the store does not know all yet */
        give_up(rs);
        return;
    }
    session_sm_key(rs->id, key);
    struct store_unit *unit = user_store_unit(u, on_count, rs);
    store_unit_kv_get(unit, jb_jid_str(u->jid), session_count_store,
                      jb_str((const char *)key, sizeof key));
    if (store_unit_submit(unit) == 0)
        return;
    store_unit_free(unit);
    give_up(rs);
}

/* ---- finding it ---- */

/* Compares with every session, in a time that does not tell how much of a guess was right. */
static struct session *find(const struct user *u, struct jb_str id)
{
    uint8_t key[SESSION_SM_KEY_BYTES];
    struct session *found = NULL;

    if (id.n < JB__RANDOM_ID_BYTES)
        return NULL;
    session_sm_key(id, key);
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (s->sm && s->sm->resumable && CRYPTO_memcmp(s->sm->key, key, SESSION_SM_KEY_BYTES) == 0)
            found = s;
    }
    return found;
}

/* The old connection only looks alive: its client is here now. */
static void take_from(struct session *s)
{
    struct conn *old = s->conn;

    if (!old)
        return;
    session_sm_leave(s);
    if (old->phase != CONN_STREAM)
        return; /* what it had sent before closed it */
    if (!old->reason)
        old->reason = "its session was resumed on another connection";
    jb_stream_fail(&old->stream, JB_STREAM_CONFLICT, "resumed on another connection");
    conn_mark_dirty(old);
    conn_schedule(old);
}

/* Tells the client, and lets the stream go on as the one before; false: it cannot. */
static bool answer(struct resumption *rs, struct session *s)
{
    struct jb_sm_saved *saved = &s->sm->rest;
    const struct session_resume_outcome resumed = {
        .end = SESSION_RESUMED, .saved = saved, .id = rs->id, .jid = s->jid
    };
    struct jb_stream *stream = &rs->conn->stream;

    if (!rs->told)
        return jb_stream_sm_resumed(stream, saved, rs->id) == 0;
    (void)tell(rs, &resumed);
    if (rs->conn->phase != CONN_STREAM || stream->state != JB_STREAM_STATE_BINDING)
        return false;
    jb_stream_sm_go_on(stream, saved);
    return true;
}

/* Everything that counts of what its client sent is committed: what it is told is what it need not
 * send again. */
static void attach(struct resumption *rs, struct session *s)
{
    struct conn *c = rs->conn;
    struct reactor *r = c->reactor;
    struct session_sm *sm = s->sm;
    char address[JB__ADDR_TEXT_BYTES];

    jb_sendq_ack(&sm->rest.out, rs->h + sm->rest.sm.out_base);
    session_sm_acked(s);
    if (!answer(rs, s)) {
        conn_close(c, "no memory for an answer");
        return;
    }
    timer_clear(&sm->timer);
    sm->overfull = false; /* a queue that is still too long sets the timer anew */
    jb__list_remove(&sm->node);
    s->conn = c;
    c->session = s;
    r->counters.hibernating--;
    r->counters.resumptions++;
    session_sm_resumed(s);
    conn_schedule(c);
    jb__addr_text_port(&c->address, address);
    jb_log(JB_LOG_INFO, "session resumed", JB_FZ("address", address),
           JB_F("jid", jb_jid_str(s->jid)));
}

void session_resume_go_on(struct resumption *rs, bool settled)
{
    if (!settled || !still_asks(rs)) {
        give_up(rs);
        return;
    }
    attach(rs, rs->session);
    finish(rs);
}

static void take_over(struct resumption *rs, struct session *s)
{
    struct conn *c = rs->conn;
    struct session_sm *sm = s->sm;

    take_from(s);
    if (!jb_sm_catch_up(&sm->rest, rs->h)) {
        c->reason = "acknowledged what was never sent";
        jb_stream_sm_too_high(&c->stream, rs->h, sm->rest.out.most - sm->rest.sm.out_base);
        conn_schedule(c);
        finish(rs);
        return;
    }
    if (sm->taker) /* of two who come at once the later one has it */
        session_resume_go_on(sm->taker, false);
    sm->taker = rs;
    rs->session = s;
    session_sm_settle(s);
}

static void on_user_ready(struct user *u, void *ctx)
{
    struct resumption *rs = ctx;
    struct session *s = still_asks(rs) ? find(u, rs->id) : NULL;

    if (s)
        take_over(rs, s);
    else if (still_asks(rs) && u->state == USER_READY)
        look_up_count(rs);
    else if (u->load_failed) /* it may well be there */
        give_up(rs);
    else
        refuse(rs, NULL);
}

/* ---- visitors ---- */

/* The connection has come to where its session lives. */
static void on_moved(struct conn *c)
{
    struct resumption *rs = c->resumption;
    struct reactor *r = c->reactor;
    struct user *u = c->phase == CONN_STREAM ? user_find(r, rs->of) : NULL;
    struct session *s = u && u->anonymous && still_asks(rs) ? find(u, rs->id) : NULL;

    c->resumption = NULL;
    if (!s) { /* it ended on the way, and who the visitor was is gone, too */
        if (c->phase == CONN_STREAM)
            jb_stream_fail(&c->stream, JB_STREAM_RESET, "the session ended meanwhile");
        conn_schedule(c);
        finish(rs);
        return;
    }
    user_pin(u);
    c->user = u;
    jb_free(alloc, (void *)(uintptr_t)c->login.p);
    c->login = u->jid;
    c->login.p = memcpy(jb_alloc(alloc, jb_jid_str(u->jid).n), u->jid.p, jb_jid_str(u->jid).n);
    take_over(rs, s);
}

static void on_sought(struct reactor *r, struct mail *mail)
{
    struct resumption *rs = jb__container_of(mail, struct resumption, mail);
    struct conn *c = rs->conn;

    (void)r;
    if (!rs->found || !still_asks(rs)) {
        refuse(rs, NULL);
        return;
    }
    struct user *visitor = c->user;
    c->user = NULL;
    c->resumption = rs;
    user_unpin(visitor);
    conn_move(c, router_home(r, rs->of), on_moved);
}

static void seek(struct reactor *r, struct mail *mail)
{
    struct resumption *rs = jb__container_of(mail, struct resumption, mail);
    const struct user *u = user_find(r, rs->of);

    rs->found = u && u->anonymous && find(u, rs->id);
    rs->mail.deliver = on_sought;
    reactor_send(r, rs->conn->reactor, &rs->mail);
}

/* ---- asking ---- */

static struct resumption *new_resumption(struct conn *c, const struct jb_sm_event *wish)
{
    struct jb_str id = wish->id, of = JB_STR_NONE;
    struct jb_jid jid = JB_JID_NONE;

    if (c->anonymous && id.n > JB__RANDOM_ID_BYTES + 1 && id.p[JB__RANDOM_ID_BYTES] == '.' &&
        jb_jid_make(jb_str_from(id, JB__RANDOM_ID_BYTES + 1), jb_jid_str(c->host->jid), JB_STR_NONE,
                    &c->reactor->arena, &jid) == 0)
        of = jb_jid_str(jid);
    struct resumption *rs = jb_alloc(alloc, sizeof *rs + id.n + of.n);
    char *text = (char *)(rs + 1);
    *rs = (struct resumption){ .conn = conn_ref(c), .h = wish->h, .of = jid };
    rs->id = jb_str(memcpy(text, id.p, id.n), id.n);
    if (of.n)
        rs->of.p = memcpy(text + id.n, of.p, of.n);
    return rs;
}

void session_sm_resume(struct conn *c, const struct jb_sm_event *wish)
{
    session_sm_resume_inline(c, wish, NULL);
}

void session_sm_resume_inline(struct conn *c, const struct jb_sm_event *wish,
                              session_resume_told *told)
{
    struct resumption *rs = new_resumption(c, wish);

    rs->told = told;
    conn_hold(c);
    if (jb_jid_is_set(rs->of)) {
        rs->mail.deliver = seek;
        reactor_send(c->reactor, router_home(c->reactor, rs->of), &rs->mail);
    } else if (c->anonymous) {
        refuse(rs, NULL);
    } else if (user_when_ready(c->user, on_user_ready, rs) != 0) {
        give_up(rs);
    }
}
