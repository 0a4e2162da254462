/* SPDX-License-Identifier: MIT */
/* The client's side of a stream: what a server may say in which state (RFC 6120 sections 4, 6, 7;
 * RFC 7395 section 3).
 *
 * The states are the server's, seen from here: START and AUTHED wait for the server's <open/> (ours
 * is on its way), OPEN and BINDING have it.  Features, stream errors and all else that is no stanza
 * and not SASL come as ELEMENT. */
#include "core/stream_roles.h"

#include "base/assert.h"

bool jb__stream_client_on_open(struct jb_stream *s, struct jb_stream_event *ev)
{
    struct jb_str version;

    if (s->state != JB_STREAM_STATE_START && s->state != JB_STREAM_STATE_AUTHED)
        return jb__stream_fault(s, ev, JB_STREAM_CONFLICT, "the stream is open already");
    if (!s->open_sent)
        return jb__stream_fault(s, ev, JB_STREAM_BAD_FORMAT, "<open/> came before ours");
    s->state = s->state == JB_STREAM_STATE_START ? JB_STREAM_STATE_OPEN : JB_STREAM_STATE_BINDING;
    ev->kind = JB_STREAM_EVENT_OPEN;
    jb_node_attr_raw(&ev->doc, 0, "to", &ev->to);
    jb_node_attr_raw(&ev->doc, 0, "from", &ev->from);
    jb_node_attr_raw(&ev->doc, 0, "xml:lang", &ev->lang);
    if (!jb_node_attr_raw(&ev->doc, 0, "version", &version) ||
        !jb_str_starts(version, JB_STR("1.")))
        return jb__stream_fault(s, ev, JB_STREAM_UNSUPPORTED_VERSION,
                                "the server does not speak version 1.0");
    return true;
}

bool jb__stream_client_on_element(struct jb_stream *s, struct jb__arena *arena,
                                  struct jb_stream_event *ev)
{
    bool unopened = s->state == JB_STREAM_STATE_START || s->state == JB_STREAM_STATE_AUTHED;

    /* An error may stand alone: some servers have nothing to open (RFC 6120 section 4.9.1.2). */
    if (unopened && !jb_node_is(&ev->doc, 0, "error", JB_NS_STREAMS))
        return jb__stream_fault(s, ev, JB_STREAM_BAD_FORMAT, "the first element must be <open/>");
    return jb__stream_on_content(s, arena, ev);
}
