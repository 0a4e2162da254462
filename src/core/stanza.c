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

static char *put(char *out, struct jb_str s)
{
    if (s.n)
        memcpy(out, s.p, s.n);
    return out + s.n;
}

static const struct jb_str *reference_of(char c)
{
    static const struct jb_str amp = JB_STR_INIT("&amp;"), lt = JB_STR_INIT("&lt;"),
                               apos = JB_STR_INIT("&apos;"), gt = JB_STR_INIT("&gt;");

    switch (c) {
    case '&':
        return &amp;
    case '<':
        return &lt;
    case '>':
        return &gt;
    case '\'':
        return &apos;
    default:
        return NULL;
    }
}

enum { REFERENCE_BYTES = 6 }; /* the longest of them */

static char *put_address(char *out, struct jb_str name, struct jb_jid jid)
{
    struct jb_str text = jb_jid_str(jid);

    out = put(put(put(out, JB_STR(" ")), name), JB_STR("='"));
    for (size_t i = 0; i < text.n; i++) {
        const struct jb_str *reference = reference_of(text.p[i]);
        if (reference)
            out = put(out, *reference);
        else
            *out++ = text.p[i];
    }
    return put(out, JB_STR("'"));
}

size_t jb_stanza_head_bytes(const struct jb_doc *doc, const struct jb_stanza_marks *marks)
{
    return doc->nodes[0].content - doc->nodes[0].start + sizeof(" from='' to='' xml:lang=''") +
           REFERENCE_BYTES * (jb_jid_str(marks->from).n + jb_jid_str(marks->to).n) + marks->lang.n;
}

size_t jb_stanza_write_head(const struct jb_doc *doc, const struct jb_stanza_marks *marks,
                            char *out)
{
    const struct jb_node *root = &doc->nodes[0];
    const char *begin = out;
    struct jb_str name, value;
    bool add_lang = marks->lang.n > 0;

    out = put(out, jb_str(doc->text + root->start, 1u + root->prefix_bytes + root->name_bytes));
    for (uint32_t at = 0; jb_node_attr_next(doc, 0, &at, &name, &value);) {
        if (jb_str_eq(name, JB_STR("from")) || jb_str_eq(name, JB_STR("to")))
            continue;
        add_lang = add_lang && !jb_str_eq(name, JB_STR("xml:lang"));
        /* As written: its quote stands just in front of the value and just behind it. */
        out = put(put(put(out, JB_STR(" ")), name), JB_STR("="));
        out = put(out, jb_str(value.p - 1, value.n + 2));
    }
    if (add_lang)
        out = put(put(put(out, JB_STR(" xml:lang='")), marks->lang), JB_STR("'"));
    if (jb_jid_is_set(marks->from))
        out = put_address(out, JB_STR("from"), marks->from);
    if (jb_jid_is_set(marks->to))
        out = put_address(out, JB_STR("to"), marks->to);
    out = put(out, JB_STR(">"));
    return (size_t)(out - begin);
}

/* The content without what was dropped. */
static char *put_content(const struct jb_draft *d, char *out)
{
    const struct jb_doc *doc = d->doc;
    uint32_t at = doc->nodes[0].content;

    for (uint16_t i = 0; i < d->drops; i++) {
        const struct jb_node *gone = &doc->nodes[d->dropped[i]];
        out = put(out, jb_str(doc->text + at, gone->start - at));
        at = gone->end;
    }
    return put(out, jb_str(doc->text + at, doc->nodes[0].content_end - at));
}

int jb_draft_seal(const struct jb_draft *d, const struct jb_allocator *alloc, int64_t now_us,
                  struct jb_stanza **out)
{
    const struct jb_node *root = &d->doc->nodes[0];
    struct jb_str name =
        jb_str(d->doc->text + root->start + 1, (size_t)root->prefix_bytes + root->name_bytes);
    struct jb_stanza_marks marks = { .from = d->h.from, .to = d->h.to, .lang = d->lang };
    size_t most = jb_stanza_head_bytes(d->doc, &marks) + (root->content_end - root->content) +
                  d->added.n + name.n + 3;
    char *text = jb__arena_alloc(d->arena, most);

    if (!text)
        return JB_ENOMEM;
    char *p = text + jb_stanza_write_head(d->doc, &marks, text);
    p = put(put_content(d, p), d->added);
    p = put(put(put(p, JB_STR("</")), name), JB_STR(">"));
    return jb_stanza_new(jb_str(text, (size_t)(p - text)), d->arena, alloc, now_us, out);
}

/* A copy of `s` at *to, which moves on. */
static struct jb_str place(char **to, struct jb_str s)
{
    struct jb_str copy = jb_str(*to, s.n);

    *to = put(*to, s);
    return copy;
}

static struct jb_jid place_jid(char **to, struct jb_jid jid)
{
    if (jb_jid_is_set(jid))
        jid.p = place(to, jb_jid_str(jid)).p;
    return jid;
}

/* One block: the struct, the nodes, the text, and the addresses and id in their plain form. */
static struct jb_stanza *make_block(const struct jb_doc *doc, const struct jb_stanza_head *h,
                                    const struct jb_allocator *alloc)
{
    size_t nodes_bytes = doc->count * sizeof(struct jb_node);
    size_t plain_bytes = jb_jid_str(h->from).n + jb_jid_str(h->to).n + h->id.n;
    struct jb_stanza *s = jb_alloc(alloc, sizeof(*s) + nodes_bytes + doc->bytes + plain_bytes);

    if (!s)
        return NULL;
    char *at = (char *)(s + 1);
    *s = (struct jb_stanza){ .refs = 1, .alloc = alloc, .h = *h, .doc = *doc };
    s->doc.nodes = memcpy(at, doc->nodes, nodes_bytes);
    at += nodes_bytes;
    s->doc.text = place(&at, jb_str(doc->text, doc->bytes)).p;
    s->h.from = place_jid(&at, h->from);
    s->h.to = place_jid(&at, h->to);
    s->h.id = place(&at, h->id);
    return s;
}

/* Text of ours obeys these anyway: what came in was within the configured bounds, the stamps the
 * server adds are small, and the root may have got a from, a to and a language. */
static const struct jb_xml_bounds seal_bounds = {
    .depth = 256, .attributes = 67, .namespaces = 256, .elements = 65535, .name_bytes = 1024
};

/* How a character is written once its section is open text.  At a seam, where a section began or
 * ended, two pieces of text meet: no "]]>" and no CR LF may come together there. */
static const struct jb_str *opened_reference(char c, bool in_section, bool at_seam)
{
    static const struct jb_str bracket = JB_STR_INIT("&#93;"), line_feed = JB_STR_INIT("&#10;");

    if (at_seam && c == '\n')
        return &line_feed;
    if (in_section)
        return reference_of(c);
    if (at_seam && c == ']')
        return &bracket;
    return at_seam && c == '>' ? reference_of(c) : NULL;
}

/* A CDATA section means the same as escaped text; relayed it would be one more thing that every
 * receiver has to get right.  Nothing but the sections changes. */
static struct jb_str without_cdata(struct jb_str text, struct jb__arena *arena)
{
    static const struct jb_str open = JB_STR_INIT("<![CDATA["), close = JB_STR_INIT("]]>");
    char *out = jb__arena_alloc(arena, text.n * REFERENCE_BYTES);
    char *p = out;
    bool in_section = false;
    bool at_seam = false;

    if (!out)
        return JB_STR_NONE;
    for (size_t i = 0; i < text.n;) {
        struct jb_str rest = jb_str_from(text, i);
        if (jb_str_starts(rest, in_section ? close : open)) {
            i += in_section ? close.n : open.n;
            in_section = !in_section;
            at_seam = true;
            continue;
        }
        const struct jb_str *reference = opened_reference(text.p[i], in_section, at_seam);
        p = put(p, reference ? *reference : jb_str(text.p + i, 1));
        at_seam = false;
        i++;
    }
    return jb_str(out, (size_t)(p - out));
}

int jb_stanza_new(struct jb_str text, struct jb__arena *arena, const struct jb_allocator *alloc,
                  int64_t now_us, struct jb_stanza **out)
{
    struct jb_stanza_head h;
    struct jb_doc doc;
    enum jb_xml_fault fault = jb_xml_parse(text, &seal_bounds, arena, &doc);

    if (fault == JB_XML_OK && doc.cdata) {
        text = without_cdata(text, arena);
        fault = text.p ? jb_xml_parse(text, &seal_bounds, arena, &doc) : JB_XML_NO_MEMORY;
    }
    if (fault != JB_XML_OK)
        return fault == JB_XML_NO_MEMORY ? JB_ENOMEM
               : fault == JB_XML_TOO_BIG ? JB_EFULL
                                         : JB_EINVAL;
    int rc = jb_stanza_read_head(&doc, arena, &h);
    if (rc != 0)
        return rc;
    *out = make_block(&doc, &h, alloc);
    if (!*out)
        return JB_ENOMEM;
    (*out)->stamp_us = now_us;
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
