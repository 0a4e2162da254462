/* SPDX-License-Identifier: MIT */
#include "core/stanza.h"

#include "base/assert.h"

static const char *const kind_names[] = { "message", "presence", "iq" };

static const struct {
    uint8_t kind;
    uint8_t type;
    struct jb_str name;
} types[] = {
    { JB_MESSAGE, JB_TYPE_NORMAL, JB_STR_INIT("normal") },
    { JB_MESSAGE, JB_TYPE_CHAT, JB_STR_INIT("chat") },
    { JB_MESSAGE, JB_TYPE_GROUPCHAT, JB_STR_INIT("groupchat") },
    { JB_MESSAGE, JB_TYPE_HEADLINE, JB_STR_INIT("headline") },
    { JB_MESSAGE, JB_TYPE_ERROR, JB_STR_INIT("error") },
    { JB_IQ, JB_TYPE_GET, JB_STR_INIT("get") },
    { JB_IQ, JB_TYPE_SET, JB_STR_INIT("set") },
    { JB_IQ, JB_TYPE_RESULT, JB_STR_INIT("result") },
    { JB_IQ, JB_TYPE_ERROR, JB_STR_INIT("error") },
    { JB_PRESENCE, JB_TYPE_UNAVAILABLE, JB_STR_INIT("unavailable") },
    { JB_PRESENCE, JB_TYPE_SUBSCRIBE, JB_STR_INIT("subscribe") },
    { JB_PRESENCE, JB_TYPE_SUBSCRIBED, JB_STR_INIT("subscribed") },
    { JB_PRESENCE, JB_TYPE_UNSUBSCRIBE, JB_STR_INIT("unsubscribe") },
    { JB_PRESENCE, JB_TYPE_UNSUBSCRIBED, JB_STR_INIT("unsubscribed") },
    { JB_PRESENCE, JB_TYPE_PROBE, JB_STR_INIT("probe") },
    { JB_PRESENCE, JB_TYPE_ERROR, JB_STR_INIT("error") },
};

const char *jb_stanza_kind_name(enum jb_stanza_kind kind)
{
    return kind_names[kind];
}

static uint8_t find_type(uint8_t kind, struct jb_str name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].kind == kind && jb_str_eq(types[i].name, name))
            return types[i].type;
    return JB_TYPE_UNKNOWN;
}

static int read_address(struct jb_str text, struct jb__arena *arena, struct jb_jid *jid,
                        bool *malformed)
{
    int rc = jb_jid_parse(text, arena, jid);

    *malformed = rc == JB_EINVAL;
    if (rc != 0)
        *jid = JB_JID_NONE;
    return rc == JB_ENOMEM ? rc : 0;
}

static int read_attr(struct jb_str name, struct jb_str value, struct jb__arena *arena,
                     struct jb_stanza_head *h)
{
    if (jb_str_eq(name, JB_STR("to")))
        return read_address(value, arena, &h->to, &h->to_malformed);
    if (jb_str_eq(name, JB_STR("from")))
        return read_address(value, arena, &h->from, &h->from_malformed);
    if (jb_str_eq(name, JB_STR("id")))
        h->id = value;
    else if (jb_str_eq(name, JB_STR("type")))
        h->type = find_type(h->kind, value);
    return 0;
}

int jb_stanza_read_head(const struct jb_doc *doc, struct jb__arena *arena,
                        struct jb_stanza_head *head)
{
    struct jb_str name = jb_node_name(doc, 0);
    struct jb_str value;

    *head = (struct jb_stanza_head){ 0 };
    if (doc->nodes[0].ns != JB_NS_CLIENT)
        return JB_EINVAL;
    while (!jb_str_eqz(name, kind_names[head->kind]))
        if (++head->kind > JB_IQ)
            return JB_EINVAL;
    for (uint32_t at = 0; jb_node_attr_next(doc, 0, &at, &name, &value);) {
        value = jb_xml_attr_value(value, arena);
        int rc = value.p ? read_attr(name, value, arena, head) : JB_ENOMEM;
        if (rc != 0)
            return rc;
    }
    return 0;
}

int jb_draft_drop(struct jb_draft *d, uint16_t child)
{
    jb_assert(child > 0 && (d->drops == 0 || d->dropped[d->drops - 1] < child));
    if (d->drops == JB_DRAFT_DROPS)
        return JB_EFULL;
    d->dropped[d->drops++] = child;
    return 0;
}

int jb_draft_add(struct jb_draft *d, struct jb_str xml)
{
    char *p = jb__arena_alloc(d->arena, d->added.n + xml.n);

    if (!p)
        return JB_ENOMEM;
    if (d->added.n)
        memcpy(p, d->added.p, d->added.n);
    memcpy(p + d->added.n, xml.p, xml.n);
    d->added = jb_str(p, d->added.n + xml.n);
    return 0;
}

struct jb_stanza *jb_stanza_ref(struct jb_stanza *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void jb_stanza_unref(struct jb_stanza *s)
{
    if (!s)
        return;
    uint32_t before = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
    jb_assert(before > 0);
    if (before == 1)
        jb_free(s->alloc, s);
}

struct jb_str jb_stanza_inner(const struct jb_stanza *s)
{
    const struct jb_node *root = &s->doc.nodes[0];

    return jb_str(s->doc.text + root->content, root->content_end - root->content);
}

void jb_stanza_open(struct jb_xml *x, enum jb_stanza_kind kind, const char *type,
                    struct jb_jid from, struct jb_jid to, struct jb_str id)
{
    jb_xml_open(x, kind_names[kind], JB_NS_CLIENT);
    if (type)
        jb_xml_attrz(x, "type", type);
    if (jb_jid_is_set(from))
        jb_xml_attr(x, "from", jb_jid_str(from));
    if (jb_jid_is_set(to))
        jb_xml_attr(x, "to", jb_jid_str(to));
    if (id.n)
        jb_xml_attr(x, "id", id);
}

void jb_stanza_write_error(struct jb_xml *x, const struct jb_stanza_head *h, struct jb_jid from,
                           const struct jb_fault *fault)
{
    jb_assert(h->type != JB_TYPE_ERROR); /* an error is never answered (section 8.3.1) */
    if (!jb_jid_is_set(from))
        from = h->to;
    jb_stanza_open(x, h->kind, "error", from, h->from, h->id);
    if (h->kind == JB_IQ && h->id.n == 0) /* section 8.3.1: empty where there was none */
        jb_xml_attr(x, "id", JB_STR_NONE);
    jb_fault_write(x, fault);
    jb_xml_close(x);
}
