/* SPDX-License-Identifier: MIT */
#include "core/sm.h"

#include "base/assert.h"
#include "core/stream_roles.h"

#include <inttypes.h>
#include <stdio.h>

bool jb__sm_parse_u32(struct jb_str text, uint32_t *value)
{
    uint64_t n = 0;

    if (text.n == 0 || text.n > 10)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    *value = (uint32_t)n;
    return n <= UINT32_MAX;
}

/* ---- what the owner says ---- */

static struct jb_xml *begin_element(struct jb__stream_text *t, struct jb_stream *s,
                                    const char *name)
{
    jb__stream_text_begin(t, s);
    jb_xml_open(&t->x, name, JB_NS_SM);
    return &t->x;
}

static int end_element(struct jb__stream_text *t, struct jb_stream *s)
{
    jb_xml_close(&t->x);
    return jb__stream_text_send(t, s);
}

static void write_opt(struct jb_xml *x, const char *name, struct jb_str value)
{
    if (value.n)
        jb_xml_attr(x, name, value);
}

/* Counting begins with what comes behind our <enabled/>, or our <enable/>. */
void jb__sm_begin_counting(struct jb_stream *s)
{
    uint32_t first = s->config->sm_first;

    s->sm = (struct jb_sm){ .on = true,
                            .in_base = s->received - first,
                            .out_base = s->out.queued - first,
                            .handled = s->received,
                            .told = s->received };
    s->out.keep = true;
}

int jb_stream_sm_enabled(struct jb_stream *s, struct jb_str id, uint32_t max_s,
                         struct jb_str location)
{
    struct jb__stream_text t;
    struct jb_xml *x;

    jb_assert(!s->sm.on);
    if (jb__stream_is_ending(s))
        return 0;
    x = begin_element(&t, s, "enabled");
    if (id.n) {
        jb_xml_attr(x, "id", id);
        jb_xml_attrz(x, "resume", "true");
        jb_xml_attr_u64(x, "max", max_s);
        write_opt(x, "location", location);
    }
    int rc = end_element(&t, s);
    if (rc == 0)
        jb__sm_begin_counting(s);
    return rc;
}

int jb_stream_sm_failed(struct jb_stream *s, enum jb_stanza_error condition, const uint32_t *h)
{
    struct jb__stream_text t;
    struct jb_xml *x;

    if (jb__stream_is_ending(s))
        return 0;
    x = begin_element(&t, s, "failed");
    if (h)
        jb_xml_attr_u64(x, "h", *h);
    jb_xml_leaf(x, jb_stanza_error_name(condition), JB_NS_STANZA_ERRORS, JB_STR_NONE);
    return end_element(&t, s);
}

void jb_stream_sm_detach(struct jb_stream *s, struct jb_sm_saved *saved)
{
    jb_assert(s->sm.on);
    *saved = (struct jb_sm_saved){ .sm = s->sm, .received = s->received };
    jb_sendq_init(&saved->out, s->out.alloc);
    jb_sendq_move(&saved->out, &s->out);
    s->sm = (struct jb_sm){ 0 };
}

int jb_stream_sm_resumed(struct jb_stream *s, struct jb_sm_saved *saved, struct jb_str id)
{
    struct jb__stream_text t;
    struct jb_xml *x;

    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BINDING);
    x = begin_element(&t, s, "resumed");
    jb_xml_attr(x, "previd", id);
    jb_xml_attr_u64(x, "h", saved->sm.handled - saved->sm.in_base);
    int rc = end_element(&t, s);
    if (rc != 0)
        return rc;
    jb_sendq_rewind(&saved->out);
    saved->out.keep = true;
    jb_sendq_splice(&s->out, &saved->out);
    s->sm = saved->sm;
    s->sm.ack_due = s->sm.ask_due = s->sm.asked = false;
    s->sm.told = s->sm.handled;
    s->received = saved->received;
    s->state = JB_STREAM_STATE_BOUND;
    return 0;
}

uint32_t jb_sm_handled_wire(const struct jb_sm *sm)
{
    return sm->handled - sm->in_base;
}

bool jb_sm_may_ack(const struct jb_sm_saved *saved, uint32_t h)
{
    return jb_sendq_may_ack(&saved->out, h + saved->sm.out_base);
}

void jb_stream_sm_handled(struct jb_stream *s, uint32_t received)
{
    s->sm.handled = received;
}

void jb_stream_sm_tell(struct jb_stream *s)
{
    s->sm.ack_due = s->sm.on;
}

void jb_stream_sm_ask(struct jb_stream *s)
{
    s->sm.ask_due = s->sm.on && !s->sm.asked;
}

static const char too_high_words[] = "acknowledged what was never sent, or less than before";

/* Section 4. */
void jb_stream_sm_too_high(struct jb_stream *s, uint32_t h, uint32_t sent)
{
    char more[160];

    snprintf(more, sizeof more,
             "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='%" PRIu32 "' send-count='%" PRIu32
             "'/>",
             h, sent);
    jb__stream_fail_more(s, JB_STREAM_UNDEFINED_CONDITION, too_high_words, jb_strz(more));
}

/* ---- what the other side says ---- */

static bool refuse(struct jb_stream *s, struct jb_stream_event *ev)
{
    if (jb_stream_sm_failed(s, JB_STANZA_UNEXPECTED_REQUEST, NULL) != 0)
        return jb__stream_fault(s, ev, JB_STREAM_RESOURCE_CONSTRAINT, "out of memory");
    return false;
}

static bool read_h(struct jb_stream_event *ev)
{
    struct jb_str raw;

    ev->sm.has_h = jb_node_attr_raw(&ev->doc, 0, "h", &raw) && jb__sm_parse_u32(raw, &ev->sm.h);
    return ev->sm.has_h;
}

static bool is_true(const struct jb_doc *doc, const char *name)
{
    struct jb_str raw;

    return jb_node_attr_raw(doc, 0, name, &raw) && (jb_str_eqz(raw, "true") || jb_str_eqz(raw, "1"));
}

static bool on_enable(struct jb_stream *s, struct jb_stream_event *ev)
{
    struct jb_str max;

    if (s->state != JB_STREAM_STATE_BOUND || s->sm.on)
        return refuse(s, ev);
    ev->kind = JB_STREAM_EVENT_SM_ENABLE;
    ev->sm.resume = is_true(&ev->doc, "resume");
    if (jb_node_attr_raw(&ev->doc, 0, "max", &max) && !jb__sm_parse_u32(max, &ev->sm.max_s))
        ev->sm.max_s = 0; /* a wish that nobody can read is none */
    return true;
}

static bool on_resume(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    if (s->state != JB_STREAM_STATE_BINDING)
        return refuse(s, ev);
    ev->sm.id = jb_node_attr(&ev->doc, 0, "previd", arena);
    if (!read_h(ev) || ev->sm.id.n == 0)
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_XML,
                                "<resume/> has a previd, and a number as its h");
    ev->kind = JB_STREAM_EVENT_SM_RESUME;
    return true;
}

static bool too_high(struct jb_stream *s, struct jb_stream_event *ev)
{
    jb_stream_sm_too_high(s, ev->sm.h, s->out.sent - s->sm.out_base);
    ev->kind = JB_STREAM_EVENT_FAULT;
    ev->error = JB_STREAM_UNDEFINED_CONDITION;
    ev->ws_code = s->ws_close_code;
    ev->words = too_high_words;
    return true;
}

static bool on_answer(struct jb_stream *s, struct jb_stream_event *ev)
{
    if (!s->sm.on)
        return refuse(s, ev);
    if (!read_h(ev))
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_XML, "<a/> has a number as its h");
    if (!jb_sendq_may_ack(&s->out, ev->sm.h + s->sm.out_base))
        return too_high(s, ev);
    jb_sendq_ack(&s->out, ev->sm.h + s->sm.out_base);
    s->sm.asked = false;
    ev->kind = JB_STREAM_EVENT_ACKED;
    return true;
}

static bool on_ask(struct jb_stream *s, struct jb_stream_event *ev)
{
    if (!s->sm.on)
        return refuse(s, ev);
    jb_stream_sm_tell(s); /* however often it is asked before the next rendering */
    ev->kind = JB_STREAM_EVENT_SM_ASK;
    return true;
}

bool jb__sm_on_element(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    struct jb_str name = jb_node_name(&ev->doc, 0);

    if (s->state < JB_STREAM_STATE_BINDING)
        return jb__stream_fault(s, ev, JB_STREAM_NOT_AUTHORIZED,
                                "stream management before authentication");
    if (jb_str_eqz(name, "r"))
        return on_ask(s, ev);
    if (jb_str_eqz(name, "a"))
        return on_answer(s, ev);
    if (s->ws.role == JB_ROLE_SERVER && jb_str_eqz(name, "enable"))
        return on_enable(s, ev);
    if (s->ws.role == JB_ROLE_SERVER && jb_str_eqz(name, "resume"))
        return on_resume(s, arena, ev);
    if (s->ws.role == JB_ROLE_CLIENT)
        return jb__sm_client_on_element(s, arena, ev);
    return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_STANZA_TYPE,
                            "an element of stream management that has no place here");
}

/* ---- output ---- */

size_t jb__sm_due_bytes(const struct jb_stream *s)
{
    bool due = (s->sm.ack_due || s->sm.ask_due) && !jb__stream_is_ending(s);

    return due ? 2 * (JB_WS_HEAD_BYTES + JB__SM_DUE_BYTES) : 0;
}

struct jb_str jb__sm_next_due(struct jb_stream *s, char text[JB__SM_DUE_BYTES])
{
    int n = 0;

    if (s->sm.ack_due) {
        s->sm.ack_due = false;
        s->sm.told = s->sm.handled;
        n = snprintf(text, JB__SM_DUE_BYTES, "<a xmlns='urn:xmpp:sm:3' h='%" PRIu32 "'/>",
                     jb_sm_handled_wire(&s->sm));
    } else if (s->sm.ask_due) {
        s->sm.ask_due = false;
        s->sm.asked = true;
        n = snprintf(text, JB__SM_DUE_BYTES, "<r xmlns='urn:xmpp:sm:3'/>");
    }
    return jb_str(text, (size_t)n);
}
