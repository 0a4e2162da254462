/* SPDX-License-Identifier: MIT */
/* Sealing: a draft's text with the root's start tag written anew, and the block that holds it. */
#include "core/stanza.h"

#include "base/assert.h"

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

/* Whether there is one, by a single look. */
static bool is_special(char c)
{
    static const bool special[256] = { ['&'] = true, ['<'] = true, ['>'] = true, ['\''] = true };

    return special[(unsigned char)c];
}

static char *put_address(char *out, struct jb_str name, struct jb_jid jid)
{
    struct jb_str text = jb_jid_str(jid);
    size_t bare = jb_jid_bare_str(jid).n; /* RFC 7622: none of these letters is in there */

    out = put(put(put(out, JB_STR(" ")), name), JB_STR("='"));
    out = put(out, jb_str(text.p, bare));
    for (size_t i = bare; i < text.n; i++) {
        const struct jb_str *reference = is_special(text.p[i]) ? reference_of(text.p[i]) : NULL;
        if (reference)
            out = put(out, *reference);
        else
            *out++ = text.p[i];
    }
    return put(out, JB_STR("'"));
}

static bool is_address(struct jb_str name)
{
    return jb_str_eq(name, JB_STR("from")) || jb_str_eq(name, JB_STR("to"));
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
        if (is_address(name))
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
static int new_block(const struct jb_doc *doc, const struct jb_stanza_head *h,
                     const struct jb_allocator *alloc, int64_t now_us, struct jb_stanza **out)
{
    size_t nodes_bytes = doc->count * sizeof(struct jb_node);
    size_t plain_bytes = jb_jid_str(h->from).n + jb_jid_str(h->to).n + h->id.n;
    struct jb_stanza *s = jb_alloc(alloc, sizeof(*s) + nodes_bytes + doc->bytes + plain_bytes);

    if (!s)
        return JB_ENOMEM;
    char *at = (char *)(s + 1);
    *s = (struct jb_stanza){ .refs = 1, .alloc = alloc, .h = *h, .doc = *doc, .stamp_us = now_us };
    s->doc.nodes = memcpy(at, doc->nodes, nodes_bytes);
    at += nodes_bytes;
    s->doc.text = place(&at, jb_str(doc->text, doc->bytes)).p;
    s->h.from = place_jid(&at, h->from);
    s->h.to = place_jid(&at, h->to);
    s->h.id = place(&at, h->id);
    *out = s;
    return 0;
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
    return rc == 0 ? new_block(&doc, &h, alloc, now_us, out) : rc;
}

/* ---- drafts ---- */

/* Where a value of the old start tag stands in the new one, which jb_stanza_write_head() wrote. */
static uint32_t moved_value(const struct jb_doc *doc, uint32_t value_at)
{
    const struct jb_node *root = &doc->nodes[0];
    uint32_t to = 1u + root->prefix_bytes + root->name_bytes;
    struct jb_str name, value;

    for (uint32_t at = 0; jb_node_attr_next(doc, 0, &at, &name, &value);) {
        if (is_address(name))
            continue;
        to += (uint32_t)name.n + 3; /* a space, the name, '=' and the quote */
        if (value.p == doc->text + value_at)
            return to;
        to += (uint32_t)value.n + 1;
    }
    jb_assert(false); /* it is one of these */
    return 0;
}

/* Only the start tag changes: the content is copied whole. */
static bool only_moves(const struct jb_draft *d)
{
    return d->drops == 0 && d->added.n == 0 && !d->doc->cdata;
}

/* Then the nodes are those of the draft, so many bytes further on, and what the head says is known.
 * To parse the new text would say the same (decision 21). */
static int new_moved(const struct jb_draft *d, struct jb_str text, size_t head_bytes,
                     const struct jb_allocator *alloc, int64_t now_us, struct jb_stanza **out)
{
    const uint32_t content = d->doc->nodes[0].content;
    const uint32_t shift = (uint32_t)head_bytes - content; /* or back: modulo 2^32 */
    uint32_t ns_at = 0, moved_ns_at = 0;
    struct jb_stanza_head h = d->h;
    struct jb_doc doc = *d->doc;
    struct jb_node *nodes = jb__arena_alloc(d->arena, doc.count * sizeof *nodes);

    if (!nodes)
        return JB_ENOMEM;
    for (uint16_t k = 0; k < doc.count; k++) {
        struct jb_node *node = &nodes[k];
        *node = doc.nodes[k];
        node->start += shift;
        node->content += shift;
        node->content_end += shift;
        node->end += shift;
        if (node->ns_at >= content) {
            node->ns_at += shift;
        } else if (node->ns_bytes) { /* most have it from the root, all the same one */
            if (node->ns_at != ns_at)
                moved_ns_at = moved_value(d->doc, ns_at = node->ns_at);
            node->ns_at = moved_ns_at;
        }
    }
    nodes[0].start = 0;
    nodes[0].end = (uint32_t)text.n;
    doc.nodes = nodes;
    doc.text = text.p;
    doc.bytes = (uint32_t)text.n;
    h.from_malformed = h.to_malformed = false; /* those were left out */
    return new_block(&doc, &h, alloc, now_us, out);
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
    size_t head_bytes = jb_stanza_write_head(d->doc, &marks, text);
    char *p = put(put_content(d, text + head_bytes), d->added);
    p = put(put(put(p, JB_STR("</")), name), JB_STR(">"));
    struct jb_str whole = jb_str(text, (size_t)(p - text));
    return only_moves(d) ? new_moved(d, whole, head_bytes, alloc, now_us, out)
                         : jb_stanza_new(whole, d->arena, alloc, now_us, out);
}
