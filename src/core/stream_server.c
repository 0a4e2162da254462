/* SPDX-License-Identifier: MIT */
/* The server's side of a stream: what a client may say in which state (RFC 6120 sections 4, 6, 7;
 * RFC 7395 section 3). */
#include "core/stream_roles.h"

bool jb__stream_on_open(struct jb_stream *s, struct jb_stream_event *ev)
{
    struct jb_str version;

    if (s->state != JB_STREAM_STATE_START && s->state != JB_STREAM_STATE_AUTHED)
        return jb__stream_fault(s, ev, JB_STREAM_CONFLICT, "the stream is open already");
    /* Our own <open/> of the restarted stream is still to come. */
    s->open_sent = false;
    s->state = s->state == JB_STREAM_STATE_START ? JB_STREAM_STATE_OPEN : JB_STREAM_STATE_BINDING;
    ev->kind = JB_STREAM_EVENT_OPEN;
    jb_node_attr_raw(&ev->doc, 0, "to", &ev->to);
    jb_node_attr_raw(&ev->doc, 0, "from", &ev->from);
    jb_node_attr_raw(&ev->doc, 0, "xml:lang", &ev->lang);
    /* No version means 0.9 (RFC 6120 section 4.7.5), which knows no features and no SASL. */
    if (!jb_node_attr_raw(&ev->doc, 0, "version", &version) ||
        !jb_str_starts(version, JB_STR("1.")))
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_VERSION, "version='1.0' is needed");
    return true;
}

/* Before a resource is bound only an iq passes, and only once authenticated (sections 6.4.1,
 * 7.1).  Who may ask what in it is the owner's to say. */
static bool may_send_stanza(const struct jb_stream *s, const struct jb_draft *d)
{
    return s->state == JB_STREAM_STATE_BOUND ||
           (s->state == JB_STREAM_STATE_BINDING && d->h.kind == JB_IQ);
}

static bool on_stanza(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    ev->draft = (struct jb_draft){ .arena = arena };
    int rc = jb_stanza_read_head(&ev->doc, arena, &ev->draft.h);

    if (rc == JB_ENOMEM)
        return jb__stream_fault(s, ev, JB_STREAM_RESOURCE_CONSTRAINT, "out of memory");
    if (rc != 0)
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_STANZA_TYPE,
                                "neither message, presence nor iq");
    if (!may_send_stanza(s, &ev->draft) &&
        !(s->state == JB_STREAM_STATE_OPEN && ev->draft.h.kind == JB_IQ))
        return jb__stream_fault(s, ev, JB_STREAM_NOT_AUTHORIZED,
                                "a stanza before authentication and resource binding");
    ev->draft.doc = &ev->doc;
    ev->kind = JB_STREAM_EVENT_STANZA;
    if (s->state == JB_STREAM_STATE_BOUND)
        s->received++;
    return true;
}

/* A stream's header or its end, as RFC 6120 has it on TCP or in no namespace that we know. */
static bool is_foreign_header(const struct jb_doc *doc)
{
    struct jb_str name = jb_node_name(doc, 0);

    return jb_node_is(doc, 0, "stream", JB_NS_STREAMS) || jb_str_eqz(name, "open") ||
           jb_str_eqz(name, "close");
}

bool jb__stream_on_element(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev)
{
    const struct jb_node *root = &ev->doc.nodes[0];

    if (is_foreign_header(&ev->doc)) /* RFC 7395 section 3.3.2 */
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_NAMESPACE,
                                "<open/> and <close/> are of urn:ietf:params:xml:ns:xmpp-framing");
    if (s->state == JB_STREAM_STATE_START || s->state == JB_STREAM_STATE_AUTHED)
        return jb__stream_fault(
            s, ev, JB_STREAM_NOT_AUTHORIZED,
            "the first element must be <open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    if (root->ns == JB_NS_CLIENT)
        return on_stanza(s, arena, ev);
    if (root->ns == JB_NS_SASL) {
        if (s->state != JB_STREAM_STATE_OPEN)
            return jb__stream_fault(s, ev, JB_STREAM_POLICY_VIOLATION, "authenticated already");
        ev->kind = JB_STREAM_EVENT_SASL;
        return true;
    }
    if (root->ns == JB_NS_SM)
        return jb__sm_on_element(s, arena, ev);
    if (root->ns_bytes == 0)
        return jb__stream_fault(s, ev, JB_STREAM_INVALID_NAMESPACE,
                                "an element without a namespace; each frame declares its own");
    ev->kind = JB_STREAM_EVENT_ELEMENT;
    return true;
}
