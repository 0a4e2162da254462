/* SPDX-License-Identifier: MIT */
#include "server/iq.h"

#include "base/assert.h"
#include "server/module.h"
#include "server/reactor.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { ANSWER_BYTES = 4 * JB_MIB };

static void begin_answer(struct iq *iq)
{
    jb_assert(!iq->answered);
    jb__buf_init(&iq->buf, alloc, ANSWER_BYTES);
    jb_xml_begin(&iq->x, &iq->buf);
}

struct jb_xml *iq_result(struct iq *iq)
{
    const struct jb_stanza_head *h = &iq->stanza->h;

    begin_answer(iq);
    jb_stanza_open(&iq->x, JB_IQ, "result", h->to, h->from, h->id);
    return &iq->x;
}

static void release(struct iq *iq)
{
    struct conn *c = iq->conn;

    if (!iq->held)
        return;
    jb_stanza_unref(iq->stanza);
    if (iq->user)
        user_unpin(iq->user);
    conf_unref((struct conf *)iq->host->conf);
    jb_free(alloc, iq);
    if (c) {
        conn_release(c);
        conn_unref(c);
    }
}

/* To the connection of a stranger, or to the address that asked. */
static void deliver(struct iq *iq, struct jb_stanza *answer)
{
    if (!iq->conn) {
        router_send(iq->reactor, answer);
        return;
    }
    if (iq->conn->phase == CONN_STREAM && jb_stream_send(&iq->conn->stream, answer, NULL) == 0)
        conn_mark_dirty(iq->conn);
}

static void finish(struct iq *iq)
{
    struct jb_stanza *answer;
    int rc = jb_xml_end(&iq->x);

    iq->answered = true;
    if (rc == 0)
        rc = jb_stanza_new(jb__buf_str(&iq->buf), &iq->reactor->arena, alloc, iq->reactor->now_us,
                           &answer);
    jb__buf_deinit(&iq->buf);
    if (rc != 0) { /* only an answer over ANSWER_BYTES comes here */
        jb_assert(rc == JB_EFULL);
        iq->answered = false;
        iq_refuse(iq, JB_FAULT(RESOURCE_CONSTRAINT, "the answer is too long"));
        return;
    }
    deliver(iq, answer);
    jb_stanza_unref(answer);
    release(iq);
}

void iq_send(struct iq *iq)
{
    jb_xml_close(&iq->x);
    finish(iq);
}

void iq_done(struct iq *iq)
{
    (void)iq_result(iq);
    iq_send(iq);
}

void iq_refuse(struct iq *iq, struct jb_fault fault)
{
    if (iq->buf.p) /* a result that was begun */
        jb__buf_deinit(&iq->buf);
    begin_answer(iq);
    iq->reactor->counters.bounced++;
    jb_stanza_write_error(&iq->x, &iq->stanza->h, JB_JID_NONE, &fault);
    finish(iq);
}

struct iq *iq_hold(struct iq *iq)
{
    struct iq *held = jb_alloc(alloc, sizeof *held);

    jb_assert(!iq->held && !iq->answered);
    *held = *iq;
    held->held = true;
    jb_stanza_ref(held->stanza);
    conf_ref((struct conf *)held->host->conf);
    if (held->user)
        user_pin(held->user);
    if (held->session)
        held->session_serial = held->session->serial;
    if (held->conn)
        conn_hold(conn_ref(held->conn));
    iq->answered = true; /* by whoever holds it */
    return held;
}

struct session *iq_session(struct iq *held)
{
    struct session *s = NULL;

    jb_assert(held->held);
    if (held->session)
        s = user_find_session(held->user, jb_jid_resource(held->stanza->h.from));
    return s && s->serial == held->session_serial ? s : NULL;
}

static bool dispatch(struct iq *iq, unsigned targets)
{
    const struct jb_doc *doc = iq_doc(iq);
    const struct iq_rule *rule;
    unsigned kind = iq->stanza->h.type == JB_TYPE_GET ? IQ_GET : IQ_SET;

    iq->payload = jb_node_first(doc, 0);
    if (!iq->payload)
        return false;
    rule = modules_find_iq(iq->host, jb_node_name(doc, iq->payload), doc->nodes[iq->payload].ns,
                           kind, targets);
    if (!rule)
        return false;
    rule->handler(iq);
    jb_assert(iq->answered);
    return true;
}

bool iq_dispatch(struct reactor *r, const struct host *host, struct user *u, struct session *own,
                 struct jb_stanza *stanza)
{
    struct iq iq = { .reactor = r, .host = host, .user = u, .session = own, .stanza = stanza };

    if (u && u->state == USER_UNKNOWN)
        return dispatch(&iq, TO_NOBODY);
    return dispatch(&iq, own ? TO_OWN | TO_ACCOUNT : u ? TO_ACCOUNT : TO_HOST);
}

bool iq_dispatch_stranger(struct conn *c, struct jb_draft *draft)
{
    struct iq iq = { .reactor = c->reactor, .host = c->host, .conn = c };
    bool answered = false;

    if (draft->h.type != JB_TYPE_GET && draft->h.type != JB_TYPE_SET)
        return false;
    draft->h.from = JB_JID_NONE; /* nobody yet */
    int rc = jb_draft_seal(draft, alloc, c->reactor->now_us, &iq.stanza);
    jb_assert(rc == 0);
    answered = dispatch(&iq, TO_STRANGER);
    jb_stanza_unref(iq.stanza);
    return answered;
}
