/* SPDX-License-Identifier: MIT */
/* What the program sends.  Messages are remembered until they are with the server, so that they can
 * wait while there is no connection; presence and requests are of the moment and do not wait. */
#include "client/client_impl.h"

#include "base/clock.h"
#include "base/random.h"
#include "base/utf8.h"

/* ---- from text to a stanza ---- */

static const struct jb_xml_bounds bounds = {
    .depth = 256, .attributes = 64, .namespaces = 256, .elements = 65000, .name_bytes = 1024
};

/* The one element in `text`, in jabber:client if it was in no namespace.  In the arena. */
static int complete(struct jb_str text, struct jb__arena *arena, struct jb_str *out)
{
    struct jb_doc doc;
    enum jb_xml_fault fault = jb_xml_parse(text, &bounds, arena, &doc);

    if (fault != JB_XML_OK)
        return fault == JB_XML_NO_MEMORY ? JB_ENOMEM : JB_EINVAL;
    struct jb_str xml = jb_node_xml(&doc, 0);
    *out = xml;
    if (doc.nodes[0].ns_bytes > 0)
        return 0;
    const struct jb_str added = JB_STR(" xmlns='jabber:client'");
    size_t head = 1 + jb_node_name(&doc, 0).n;
    char *p = jb__arena_alloc(arena, xml.n + added.n);
    if (!p)
        return JB_ENOMEM;
    memcpy(p, xml.p, head);
    memcpy(p + head, added.p, added.n);
    memcpy(p + head + added.n, xml.p + head, xml.n - head);
    *out = jb_str(p, xml.n + added.n);
    return 0;
}

static int make_stanza(struct jb_client *c, struct jb_str text, struct jb_stanza **out)
{
    struct jb__arena arena;
    struct jb_str whole;

    if (!text.p || !jb__utf8_valid(text))
        return JB_EINVAL;
    if (text.n > jb__setting(c, JB_SETTING_STANZA_BYTES))
        return JB_EFULL;
    jb__arena_init(&arena, &c->memory, c->arena.limit);
    int rc = complete(text, &arena, &whole);
    if (rc == 0)
        rc = jb_stanza_new(whole, &arena, &c->memory, jb__clock_wall_us(), out);
    jb__arena_deinit(&arena);
    return rc;
}

/* A stanza of the moment.  Who sends faster than the server takes is told so. */
static int send_now(struct jb_client *c, struct jb_stanza *s)
{
    const struct jb_sendq *q = &c->stream.out;

    if ((uint64_t)q->bytes_unsent + q->bytes_unacked + s->doc.bytes >
        jb__setting(c, JB_SETTING_QUEUE_BYTES))
        return JB_EFULL;
    int rc = jb_stream_send(&c->stream, s, NULL);
    if (rc == 0)
        jb__outbox_ask(c);
    return rc;
}

int jb__outbox_send_xml(struct jb_client *c, struct jb_str xml)
{
    struct jb_stanza *s;
    int rc = make_stanza(c, xml, &s);

    if (rc != 0)
        return rc;
    rc = send_now(c, s);
    jb_stanza_unref(s);
    return rc;
}

/* ---- messages ---- */

static void unlink_first(struct jb_client *c)
{
    struct jb__outgoing *o = c->outbox;

    c->outbox = o->next;
    if (!c->outbox)
        c->outbox_end = &c->outbox;
    c->outbox_count--;
    c->outbox_bytes -= o->stanza->doc.bytes;
    jb_stanza_unref(o->stanza);
    jb_free(&c->memory, o);
}

void jb__outbox_free(struct jb_client *c)
{
    while (c->outbox)
        unlink_first(c);
}

static int append(struct jb_client *c, struct jb_stanza *s, uint64_t *number)
{
    if (c->outbox_count >= jb__setting(c, JB_SETTING_QUEUE_MESSAGES) ||
        c->outbox_bytes + s->doc.bytes > jb__setting(c, JB_SETTING_QUEUE_BYTES))
        return JB_EFULL;
    struct jb__outgoing *o = jb_zalloc(&c->memory, sizeof *o);
    if (!o)
        return JB_ENOMEM;
    o->stanza = jb_stanza_ref(s);
    o->number = ++c->numbers;
    *c->outbox_end = o;
    c->outbox_end = &o->next;
    c->outbox_count++;
    c->outbox_bytes += s->doc.bytes;
    if (number)
        *number = o->number;
    return 0;
}

static int send_one(struct jb_client *c, struct jb__outgoing *o)
{
    const struct jb_wrap named = { .tag = (int64_t)o->number };
    int rc = jb_stream_send(&c->stream, o->stanza, &named);

    if (rc == 0)
        o->state = JB__OUT_SENT;
    return rc;
}

void jb__outbox_send_waiting(struct jb_client *c)
{
    int rc = 0;

    for (struct jb__outgoing *o = c->outbox; o && rc == 0; o = o->next)
        if (o->state == JB__OUT_WAITING)
            rc = send_one(c, o);
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
    else
        jb__outbox_ask(c);
}

void jb__outbox_unsend(struct jb_client *c)
{
    for (struct jb__outgoing *o = c->outbox; o; o = o->next)
        if (o->state == JB__OUT_SENT)
            o->state = JB__OUT_WAITING;
}

void jb__outbox_drop(struct jb_client *c)
{
    for (struct jb__outgoing *o = c->outbox; o; o = o->next)
        if (o->state < JB__OUT_ACKED)
            o->state = JB__OUT_DROPPED;
}

void jb__outbox_take_acked(struct jb_client *c, struct jb_sendq *q, enum jb_acked_by by)
{
    struct jb__outgoing *o = c->outbox;
    int64_t tag;

    while (jb_sendq_take_acked(q, &tag)) {
        while (tag && o && o->number != (uint64_t)tag)
            o = o->next; /* both are in the order in which they were sent */
        if (tag && o) {
            o->state = JB__OUT_ACKED;
            o->acked_by = (uint8_t)by;
        }
    }
}

bool jb__outbox_is_settled(const struct jb_client *c)
{
    return !c->outbox || c->outbox->state >= JB__OUT_ACKED;
}

uint64_t jb__outbox_ask_deadline(const struct jb_client *c)
{
    const struct jb_stream *s = &c->stream;
    bool wanted = s->sm.on ? s->out.first && !s->sm.asked && !s->sm.ask_due
                           : !jb__outbox_is_settled(c) && s->pings == s->ponged;

    return c->phase == JB__PHASE_ONLINE && wanted ? c->ask_after_ms : UINT64_MAX;
}

void jb__outbox_ask(struct jb_client *c)
{
    uint64_t now = jb__clock_mono_ms();

    if (now < jb__outbox_ask_deadline(c))
        return;
    c->ask_after_ms = now + jb__setting(c, JB_SETTING_ACK_INTERVAL_MS);
    if (c->stream.sm.on)
        jb_stream_sm_ask(&c->stream);
    else /* the answer says at least that it has arrived at the WebSocket's other end */
        jb_stream_ping(&c->stream);
}

/* ---- what programs call ---- */

static int send_stanza(struct jb_client *c, struct jb_stanza *s, uint64_t *number)
{
    bool online = c->phase == JB__PHASE_ONLINE;

    if (s->h.kind != JB_MESSAGE)
        return online ? send_now(c, s) : JB_ESTATE;
    int rc = append(c, s, number);
    if (rc == 0 && online)
        jb__outbox_send_waiting(c); /* short of memory: told by OFFLINE, and sent when back */
    return rc;
}

int jb_client_send(struct jb_client *c, const char *xml, uint64_t *number)
{
    struct jb_stanza *s;

    if (number)
        *number = 0;
    if (!c->jid)
        return JB_ESTATE;
    int rc = make_stanza(c, jb_strz(xml), &s);
    if (rc != 0)
        return rc;
    /* Without it the stanza would be for the own account. */
    rc = s->h.to_malformed ? JB_EINVAL : send_stanza(c, s, number);
    jb_stanza_unref(s);
    return rc;
}

int jb_client_send_message(struct jb_client *c, const char *to, const char *body,
                           char id[JB_ID_BYTES], uint64_t *number)
{
    char own[JB_ID_BYTES];
    struct jb_writer *w = jb_writer_new(c);

    _Static_assert(sizeof own > JB__RANDOM_ID_BYTES, "room for the NUL");
    if (!w)
        return JB_ENOMEM;
    if (!id)
        id = own;
    jb__random_id(id);
    jb_writer_open(w, "message", NULL);
    jb_writer_attr(w, "to", to);
    jb_writer_attr(w, "type", "chat");
    jb_writer_attr(w, "id", id);
    jb_writer_leaf(w, "body", NULL, body);
    jb_writer_close(w);
    const char *xml = jb_writer_text(w);
    int rc = xml ? jb_client_send(c, xml, number) : jb_writer_error(w);
    jb_writer_free(w);
    return rc;
}

/* ---- telling ---- */

bool jb__outbox_tell(struct jb_client *c)
{
    struct jb__outgoing *o = c->outbox;

    if (!o || o->state < JB__OUT_ACKED)
        return false;
    c->event = (struct jb_event){
        .kind = o->state == JB__OUT_ACKED ? JB_EVENT_ACKED : JB_EVENT_DROPPED,
        .number = o->number,
        .acked_by = o->acked_by,
    };
    unlink_first(c);
    return true;
}
