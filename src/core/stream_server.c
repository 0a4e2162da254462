/* SPDX-License-Identifier: MIT */
/* The server's side of a stream: what a client may say in which state (RFC 6120 sections 4, 6, 7;
 * RFC 7395 section 3). */
#include "core/stream_roles.h"

/* Whether we can go on with that version.  Numbers are compared, not text, and the answer has the
 * lower of both versions (RFC 6120 section 4.7.5).  Below 1.0 there are no features and no SASL. */
static bool take_version(struct jb_stream *s, const struct jb_doc *doc)
{
    struct jb_str version, major, minor;
    uint64_t major_number, minor_number;

    s->version = JB__STREAM_VERSION_1_0;
    if (!jb_node_attr_raw(doc, 0, "version", &version)) {
        s->version = JB__STREAM_VERSION_NONE;
        return false;
    }
    if (!jb_str_cut(version, '.', &major, &minor) ||
        !jb_str_u64(major, UINT32_MAX, &major_number) ||
        !jb_str_u64(minor, UINT32_MAX, &minor_number))
        return false;
    if (major_number == 0)
        s->version = JB__STREAM_VERSION_0_9;
    return major_number > 0;
}

struct jb_str jb_stream_claim(struct jb_str from, struct jb__arena *arena)
{
    struct jb_jid jid;

    if (jb_jid_parse(from, arena, &jid) != 0 || !jid.local)
        return JB_STR_NONE;
    return jb_jid_bare_str(jid);
}

bool jb__stream_on_open(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    if (s->state != JB_STREAM_STATE_START && s->state != JB_STREAM_STATE_AUTHED)
        return jb__stream_fault(s, ev, JB_STREAM_CONFLICT, "the stream is open already");
    /* Our own <open/> of the restarted stream is still to come. */
    s->open_sent = false;
    s->state = s->state == JB_STREAM_STATE_START ? JB_STREAM_STATE_OPEN : JB_STREAM_STATE_BINDING;
    ev->kind = JB_STREAM_EVENT_OPEN;
    jb_node_attr_raw(&ev->doc, 0, "to", &ev->to);
    jb_node_attr_raw(&ev->doc, 0, "from", &ev->from);
    jb_node_attr_raw(&ev->doc, 0, "xml:lang", &ev->lang);
    if (take_version(s, &ev->doc))
        return true;
    if (jb_stream_open_to_fail(s, jb_stream_claim(ev->from, arena)) != 0)
        return jb__stream_fault(s, ev, JB_STREAM_RESOURCE_CONSTRAINT, "out of memory");
    return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_VERSION, "version='1.0' is needed");
}

/* A stream's header or its end, as RFC 6120 has it on TCP or in no namespace that we know. */
static bool is_foreign_header(const struct jb_doc *doc)
{
    struct jb_str name = jb_node_name(doc, 0);

    return jb_node_is(doc, 0, "stream", JB_NS_STREAMS) || jb_str_eqz(name, "open") ||
           jb_str_eqz(name, "close");
}

/* RFC 6120 section 4.8.5: what is in the content namespace has no prefix.  It is not relayed so,
 * since there are receivers that look for <message> and <body> by these letters. */
static bool has_prefixed_content(const struct jb_doc *doc)
{
    for (uint16_t i = 0; i < doc->count; i++)
        if (doc->nodes[i].ns == JB_NS_CLIENT && doc->nodes[i].prefix_bytes > 0)
            return true;
    return false;
}

bool jb__stream_on_element(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    if (is_foreign_header(&ev->doc)) /* RFC 7395 section 3.3.2 */
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_NAMESPACE,
                                "<open/> and <close/> are of urn:ietf:params:xml:ns:xmpp-framing");
    if (s->state == JB_STREAM_STATE_START || s->state == JB_STREAM_STATE_AUTHED)
        return jb__stream_fault(
            s, ev, JB_STREAM_NOT_AUTHORIZED,
            "the first element must be <open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    if (jb_node_is(&ev->doc, 0, "error", JB_NS_STREAMS)) { /* RFC 6120 section 4.9.1.1 */
        jb_stream_close(s, JB_STR_NONE);
        ev->kind = JB_STREAM_EVENT_CLOSE;
        return true;
    }
    if (has_prefixed_content(&ev->doc))
        return jb__stream_fault(s, ev, JB_STREAM_BAD_NAMESPACE_PREFIX,
                                "elements of jabber:client have no prefix");
    return jb__stream_on_content(s, arena, ev);
}
