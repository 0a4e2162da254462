/* SPDX-License-Identifier: MIT */
/* XEP-0386 Bind 2: a resource, and what is enabled for its session, as a part of the
 * authentication.
 *
 * A resource is the client's tag and something of ours that is the same whenever this client comes
 * with this tag.  Messages that wait are not thrown away as section 2.2 has it: not every client
 * that binds so reads its archive, and what nobody has confirmed is not lost here (decision 52). */
#include "modules/xep0386_bind2.h"

#include "base/random.h"
#include "modules/mam.h"
#include "modules/xep0388_sasl2.h"
#include "server/server.h"
#include "server/session_sm.h"

void bind2_write_offer(const struct host *host, struct jb_xml *x)
{
    if (!module_enabled(&xep0386_bind2, host))
        return;
    jb_xml_open(x, "bind", JB_NS_BIND2);
    if (module_enabled(&xep0198_sm, host)) {
        jb_xml_open(x, "inline", JB_NS_NONE);
        jb_xml_open(x, "feature", JB_NS_NONE);
        jb_xml_attr(x, "var", jb_ns_uri(JB_NS_SM));
        jb_xml_close(x);
        jb_xml_close(x);
    }
    jb_xml_close(x);
}

void bind2_read(const struct jb_doc *doc, struct sasl2 *s)
{
    uint16_t bind = jb_node_child(doc, 0, "bind", JB_NS_BIND2);

    if (!bind)
        return;
    uint16_t tag = jb_node_child(doc, bind, "tag", JB_NS_BIND2);
    uint16_t enable = jb_node_child(doc, bind, "enable", JB_NS_SM);
    s->binds = true;
    if (tag)
        s->tag = jb__arena_str(&s->arena, jb_node_text(doc, tag, &s->arena));
    s->enables = enable != 0;
    if (enable)
        jb_sm_read_enable(doc, enable, &s->enable);
}

/* "tag/ours", or only ours where the tag cannot be a part of a resource. */
static struct jb_str make_resource(struct conn *c)
{
    struct jb__arena *arena = &c->reactor->arena;
    struct jb_str tag = c->sasl2->tag, resource;
    char ours[JB__RANDOM_ID_BYTES + 1];
    size_t ours_bytes = AGENT_LABEL_BYTES;

    jb__random_id(ours);
    if (c->agent.known)
        agent_label(c->reactor->server, &c->agent, tag, ours);
    char *text = jb__arena_alloc(arena, tag.n + 1 + ours_bytes);
    if (tag.n)
        memcpy(text, tag.p, tag.n);
    text[tag.n] = '/';
    memcpy(text + tag.n + 1, ours, ours_bytes);
    if (tag.n && jb_jid_prep_resource(jb_str(text, tag.n + 1 + ours_bytes), arena, &resource) == 0)
        return resource;
    return jb_str(text + tag.n + 1, ours_bytes);
}

struct session *bind2_session(struct conn *c, struct jb_fault *fault)
{
    session_supersede(c->user, &c->agent, true);
    struct session *s = session_bind(c->user, c, make_resource(c), fault);

    if (!s && fault->condition == JB_STANZA_CONFLICT) /* somebody took that name in the old way */
        s = session_bind(c->user, c, JB_STR_NONE, fault);
    return s;
}

void bind2_write_bound(struct conn *c, const struct store_unit *ends, struct jb_xml *x)
{
    const struct sasl2 *s = c->sasl2;

    jb_xml_open(x, "bound", JB_NS_BIND2);
    if (s->enables && module_enabled(&xep0198_sm, c->host))
        session_sm_enable_inline(c->session, &s->enable, x);
    else if (s->enables)
        jb_sm_write_failed(x, JB_STANZA_FEATURE_NOT_IMPLEMENTED, NULL);
    if (ends)
        mam_write_ends(ends, c->reactor->server, x);
    jb_xml_close(x);
}

const struct module xep0386_bind2 = {
    .name = "bind2",
    .title = "Bind 2",
    .xep = 386,
};
