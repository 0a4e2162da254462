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

static void write_opt(struct jb_xml *x, const char *name, struct jb_str value)
{
    if (value.n)
        jb_xml_attr(x, name, value);
}

void jb_sm_write_enabled(struct jb_xml *x, const struct jb_sm_grant *grant)
{
    jb_xml_open(x, "enabled", JB_NS_SM);
    if (grant->id.n) {
        jb_xml_attr(x, "id", grant->id);
        jb_xml_attrz(x, "resume", "true");
        jb_xml_attr_u64(x, "max", grant->max_s);
        write_opt(x, "location", grant->location);
    }
    jb_xml_close(x);
}

void jb_sm_write_failed(struct jb_xml *x, enum jb_stanza_error condition, const uint32_t *h)
{
    jb_xml_open(x, "failed", JB_NS_SM);
    if (h)
        jb_xml_attr_u64(x, "h", *h);
    jb_xml_leaf(x, jb_stanza_error_name(condition), JB_NS_STANZA_ERRORS, JB_STR_NONE);
    jb_xml_close(x);
}

void jb_sm_write_resumed(struct jb_xml *x, const struct jb_sm_saved *saved, struct jb_str id)
{
    jb_xml_open(x, "resumed", JB_NS_SM);
    jb_xml_attr(x, "previd", id);
    jb_xml_attr_u64(x, "h", jb_sm_handled_wire(&saved->sm));
    jb_xml_close(x);
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

void jb_stream_sm_enabled_inline(struct jb_stream *s)
{
    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BOUND);
    jb__sm_begin_counting(s);
}

int jb_stream_sm_enabled(struct jb_stream *s, const struct jb_sm_grant *grant)
{
    struct jb__stream_text t;

    jb_assert(!s->sm.on);
    if (jb__stream_is_ending(s))
        return 0;
    jb__stream_text_begin(&t, s);
    jb_sm_write_enabled(&t.x, grant);
    int rc = jb__stream_text_send(&t, s);
    if (rc == 0)
        jb__sm_begin_counting(s);
    return rc;
}

int jb_stream_sm_failed(struct jb_stream *s, enum jb_stanza_error condition, const uint32_t *h)
{
    struct jb__stream_text t;

    if (jb__stream_is_ending(s))
        return 0;
    jb__stream_text_begin(&t, s);
    jb_sm_write_failed(&t.x, condition, h);
    return jb__stream_text_send(&t, s);
}

void jb_stream_sm_detach(struct jb_stream *s, struct jb_sm_saved *saved)
{
    jb_assert(s->sm.on);
    *saved = (struct jb_sm_saved){ .sm = s->sm, .received = s->received };
    jb_sendq_init(&saved->out, s->out.alloc);
    jb_sendq_move(&saved->out, &s->out);
    s->sm = (struct jb_sm){ 0 };
}

void jb_stream_sm_go_on(struct jb_stream *s, struct jb_sm_saved *saved)
{
    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BINDING);
    jb_sendq_rewind(&saved->out);
    saved->out.keep = true;
    jb_sendq_splice(&s->out, &saved->out);
    s->sm = saved->sm;
    s->sm.ack_due = s->sm.ask_due = s->sm.asked = false;
    s->sm.told = s->sm.handled;
    s->received = saved->received;
    s->state = JB_STREAM_STATE_BOUND;
}

int jb_stream_sm_resumed(struct jb_stream *s, struct jb_sm_saved *saved, struct jb_str id)
{
    struct jb__stream_text t;

    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BINDING);
    jb__stream_text_begin(&t, s);
    jb_sm_write_resumed(&t.x, saved, id);
    int rc = jb__stream_text_send(&t, s);
    if (rc == 0)
        jb_stream_sm_go_on(s, saved);
    return rc;
}

uint32_t jb_sm_handled_wire(const struct jb_sm *sm)
{
    return sm->handled - sm->in_base;
}

bool jb_sm_catch_up(struct jb_sm_saved *saved, uint32_t h)
{
    return jb_sendq_catch_up(&saved->out, h + saved->sm.out_base);
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

static bool read_h(const struct jb_doc *doc, uint16_t node, struct jb_sm_event *sm)
{
    struct jb_str raw;

    sm->has_h = jb_node_attr_raw(doc, node, "h", &raw) && jb__sm_parse_u32(raw, &sm->h);
    return sm->has_h;
}

void jb_sm_read_enable(const struct jb_doc *doc, uint16_t node, struct jb_sm_event *wish)
{
    struct jb_str max;

    wish->resume = jb_node_attr_is_true(doc, node, "resume");
    if (jb_node_attr_raw(doc, node, "max", &max) && !jb__sm_parse_u32(max, &wish->max_s))
        wish->max_s = 0; /* a wish that nobody can read is none */
}

bool jb_sm_read_resume(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena,
                       struct jb_sm_event *wish)
{
    wish->id = jb_node_attr(doc, node, "previd", arena);
    return read_h(doc, node, wish) && wish->id.n > 0;
}

static bool on_enable(struct jb_stream *s, struct jb_stream_event *ev)
{
    if (s->state != JB_STREAM_STATE_BOUND || s->sm.on)
        return refuse(s, ev);
    ev->kind = JB_STREAM_EVENT_SM_ENABLE;
    jb_sm_read_enable(&ev->doc, 0, &ev->sm);
    return true;
}

static bool on_resume(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    if (s->state != JB_STREAM_STATE_BINDING)
        return refuse(s, ev);
    if (!jb_sm_read_resume(&ev->doc, 0, arena, &ev->sm))
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
    if (!read_h(&ev->doc, 0, &ev->sm))
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
