/* SPDX-License-Identifier: MIT */
/* Stream management as a client asks for it (XEP-0198 sections 3 and 5). */
#include "base/assert.h"
#include "core/stream_roles.h"

/* ---- asking ---- */

int jb_stream_sm_enable(struct jb_stream *s, bool resume)
{
    struct jb__stream_text t;

    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BOUND);
    jb__stream_text_begin(&t, s);
    jb_xml_open(&t.x, "enable", JB_NS_SM);
    if (resume)
        jb_xml_attrz(&t.x, "resume", "true");
    jb_xml_close(&t.x);
    return jb__stream_text_send(&t, s);
}

int jb_stream_sm_resume(struct jb_stream *s, const struct jb_sm_saved *saved, struct jb_str id)
{
    struct jb__stream_text t;

    jb_assert(!s->sm.on && s->state == JB_STREAM_STATE_BINDING);
    jb__stream_text_begin(&t, s);
    jb_xml_open(&t.x, "resume", JB_NS_SM);
    jb_xml_attr(&t.x, "previd", id);
    jb_xml_attr_u64(&t.x, "h", jb_sm_handled_wire(&saved->sm));
    jb_xml_close(&t.x);
    return jb__stream_text_send(&t, s);
}

int jb_sm_acknowledge(struct jb_sm_saved *saved, uint32_t h)
{
    if (!jb_sm_may_ack(saved, h))
        return JB_EINVAL;
    jb_sendq_ack(&saved->out, h + saved->sm.out_base);
    return 0;
}

/* ---- answers ---- */

static void read_h(struct jb_stream_event *ev)
{
    struct jb_str raw;

    ev->sm.has_h = jb_node_attr_raw(&ev->doc, 0, "h", &raw) && jb__sm_parse_u32(raw, &ev->sm.h);
}

static bool on_enabled(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    struct jb_str max;

    if (s->state != JB_STREAM_STATE_BOUND || s->sm.on)
        return jb__stream_fault(s, ev, JB_STREAM_POLICY_VIOLATION, "<enabled/> out of turn");
    jb__sm_begin_counting(s);
    ev->kind = JB_STREAM_EVENT_SM_ENABLED;
    ev->sm.resume = jb_xml_is_true(jb_node_attr(&ev->doc, 0, "resume", arena));
    ev->sm.id = jb_node_attr(&ev->doc, 0, "id", arena);
    ev->sm.location = jb_node_attr(&ev->doc, 0, "location", arena);
    if (jb_node_attr_raw(&ev->doc, 0, "max", &max) && !jb__sm_parse_u32(max, &ev->sm.max_s))
        ev->sm.max_s = 0;
    return true;
}

bool jb__sm_client_on_element(struct jb_stream *s, struct jb__arena *arena,
                              struct jb_stream_event *ev)
{
    const struct jb_doc *doc = &ev->doc;

    if (jb_node_is(doc, 0, "enabled", JB_NS_SM))
        return on_enabled(s, arena, ev);
    read_h(ev);
    if (jb_node_is(doc, 0, "failed", JB_NS_SM) && !s->sm.on) {
        uint16_t condition = jb_node_first(doc, 0);
        ev->kind = JB_STREAM_EVENT_SM_FAILED;
        ev->sm.condition = condition ? jb_node_name(doc, condition) : JB_STR_NONE;
        return true;
    }
    if (jb_node_is(doc, 0, "resumed", JB_NS_SM) && s->state == JB_STREAM_STATE_BINDING &&
        ev->sm.has_h) {
        ev->kind = JB_STREAM_EVENT_SM_RESUMED;
        ev->sm.id = jb_node_attr(doc, 0, "previd", arena);
        return true;
    }
    return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_STANZA_TYPE,
                            "an element of stream management that has no place here");
}
