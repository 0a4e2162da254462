/* SPDX-License-Identifier: MIT */
/* Looking at a parsed element: names, children, attributes, text. */
#include "base/assert.h"
#include "base/utf8.h"
#include "core/xml_char.h"
#include "core/xml_parse.h"

uint16_t jb_node_first(const struct jb_doc *doc, uint16_t node)
{
    return doc->nodes[node].has_child ? (uint16_t)(node + 1) : 0;
}

uint16_t jb_node_next(const struct jb_doc *doc, uint16_t node)
{
    return doc->nodes[node].next;
}

uint16_t jb_node_child(const struct jb_doc *doc, uint16_t node, const char *name, enum jb_ns ns)
{
    for (uint16_t i = jb_node_first(doc, node); i; i = jb_node_next(doc, i))
        if (doc->nodes[i].ns == (uint8_t)ns && (!name || jb_str_eqz(jb_node_name(doc, i), name)))
            return i;
    return 0;
}

struct jb_str jb_node_name(const struct jb_doc *doc, uint16_t node)
{
    const struct jb_node *n = &doc->nodes[node];

    return jb_str(doc->text + n->start + 1 + n->prefix_bytes, n->name_bytes);
}

struct jb_str jb_node_ns(const struct jb_doc *doc, uint16_t node)
{
    return jb_str(doc->text + doc->nodes[node].ns_at, doc->nodes[node].ns_bytes);
}

bool jb_node_is(const struct jb_doc *doc, uint16_t node, const char *name, enum jb_ns ns)
{
    return doc->nodes[node].ns == (uint8_t)ns && jb_str_eqz(jb_node_name(doc, node), name);
}

struct jb_str jb_node_xml(const struct jb_doc *doc, uint16_t node)
{
    const struct jb_node *n = &doc->nodes[node];

    return jb_str(doc->text + n->start, n->end - n->start);
}

bool jb_node_attr_next(const struct jb_doc *doc, uint16_t node, uint32_t *at, struct jb_str *name,
                       struct jb_str *raw)
{
    const struct jb_node *n = &doc->nodes[node];
    const char *tag_end = doc->text + n->content - 1;
    const char *p = doc->text + n->start + 1 + n->prefix_bytes + n->name_bytes + *at;

    while (jb__xml_is_space(*p))
        p++;
    if (*p == '/' || *p == '>')
        return false;
    const char *name_end = p;
    while (*name_end != '=' && !jb__xml_is_space(*name_end))
        name_end++;
    const char *value = name_end;
    while (*value != '"' && *value != '\'')
        value++;
    const char *close = memchr(value + 1, *value, (size_t)(tag_end - value));
    jb_assert(close);
    *name = jb_str(p, (size_t)(name_end - p));
    *raw = jb_str(value + 1, (size_t)(close - value - 1));
    *at = (uint32_t)(close + 1 - (doc->text + n->start + 1 + n->prefix_bytes + n->name_bytes));
    return true;
}

bool jb_node_attr_raw(const struct jb_doc *doc, uint16_t node, const char *name, struct jb_str *raw)
{
    struct jb_str wanted = jb_strz(name);
    struct jb_str found;

    for (uint32_t at = 0; jb_node_attr_next(doc, node, &at, &found, raw);)
        if (jb_str_eq(found, wanted))
            return true;
    *raw = JB_STR_NONE;
    return false;
}

bool jb_xml_is_true(struct jb_str text)
{
    return jb_str_eqz(text, "true") || jb_str_eqz(text, "1");
}

bool jb_node_attr_is_true(const struct jb_doc *doc, uint16_t node, const char *name)
{
    struct jb_str raw;

    return jb_node_attr_raw(doc, node, name, &raw) && jb_xml_is_true(raw);
}

/* XML 1.0 section 3.3.3: a literal tab or line end in a value means a space (section 2.11: CR LF
 * is one line end). */
static struct jb_str normalise_value(struct jb_str raw, struct jb__arena *arena)
{
    struct jb_str copy = jb__arena_str(arena, raw);
    if (!copy.p)
        return JB_STR_NONE;
    char *out = (char *)copy.p;
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\n' && i > 0 && raw.p[i - 1] == '\r')
            continue;
        out[n++] = jb__xml_is_space(raw.p[i]) ? ' ' : raw.p[i];
    }
    return jb_str(out, n);
}

struct jb_str jb_xml_attr_value(struct jb_str raw, struct jb__arena *arena)
{
    if (raw.n == 0 || jb__xml_skip_literal(raw.p, raw.p + raw.n) == raw.p + raw.n)
        return raw;
    raw = normalise_value(raw, arena);
    return raw.n && memchr(raw.p, '&', raw.n) ? jb_xml_unescape(raw, arena) : raw;
}

struct jb_str jb_node_attr(const struct jb_doc *doc, uint16_t node, const char *name,
                           struct jb__arena *arena)
{
    struct jb_str raw;

    if (!jb_node_attr_raw(doc, node, name, &raw))
        return JB_STR_NONE;
    return jb_xml_attr_value(raw, arena);
}

struct jb_str jb_xml_unescape(struct jb_str raw, struct jb__arena *arena)
{
    static const struct jb_str cdata_open = JB_STR_INIT("<![CDATA[");
    const char *p = raw.p;
    const char *end = raw.p + raw.n;
    char *out = jb__arena_alloc(arena, raw.n + 1);
    size_t n = 0;
    bool in_cdata = false;

    if (!out)
        return JB_STR_NONE;
    while (p < end) {
        struct jb_str rest = jb_str(p, (size_t)(end - p));
        uint32_t cp;
        size_t used;
        if (in_cdata && jb_str_starts(rest, JB_STR("]]>"))) {
            in_cdata = false;
            p += 3;
        } else if (!in_cdata && jb_str_starts(rest, cdata_open)) {
            in_cdata = true;
            p += cdata_open.n;
        } else if (!in_cdata && *p == '&') {
            used = jb__xml_reference(p, end, &cp);
            jb_assert(used > 0);
            n += jb__utf8_encode(cp, out + n);
            p += used;
        } else if (*p == '\r') { /* XML 1.0 section 2.11 */
            p += rest.n > 1 && p[1] == '\n' ? 2 : 1;
            out[n++] = '\n';
        } else {
            out[n++] = *p++;
        }
    }
    return jb_str(out, n);
}

static bool needs_unescape(struct jb_str s)
{
    return s.n && (memchr(s.p, '&', s.n) || memchr(s.p, '\r', s.n) || memchr(s.p, '<', s.n));
}

/* The text between the children, one piece a call: from *at on, *at moves on. */
static bool next_piece(const struct jb_doc *doc, uint16_t node, uint16_t *child, uint32_t *at,
                       struct jb_str *piece)
{
    const struct jb_node *n = &doc->nodes[node];

    if (*child == UINT16_MAX)
        return false;
    uint32_t to = *child ? doc->nodes[*child].start : n->content_end;
    *piece = jb_str(doc->text + *at, to - *at);
    if (*child) {
        *at = doc->nodes[*child].end;
        *child = jb_node_next(doc, *child);
    } else {
        *child = UINT16_MAX;
    }
    return true;
}

struct jb_str jb_node_text(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena)
{
    const struct jb_node *n = &doc->nodes[node];
    struct jb_str whole = jb_str(doc->text + n->content, n->content_end - n->content);

    if (!n->has_child)
        return needs_unescape(whole) ? jb_xml_unescape(whole, arena) : whole;

    char *out = jb__arena_alloc(arena, whole.n + 1);
    size_t used = 0;
    uint16_t child = jb_node_first(doc, node);
    uint32_t at = n->content;
    struct jb_str piece;
    if (!out)
        return JB_STR_NONE;
    while (next_piece(doc, node, &child, &at, &piece)) {
        if (needs_unescape(piece) && !(piece = jb_xml_unescape(piece, arena)).p)
            return JB_STR_NONE;
        if (piece.n)
            memcpy(out + used, piece.p, piece.n);
        used += piece.n;
    }
    return jb_str(out, used);
}
