/* SPDX-License-Identifier: MIT */
#include "client/client_impl.h"

/* What a program looks at: the parser's table spelled out, so that no look can fail. */
struct jb_element {
    const char *name, *ns, *text;
    const char **attrs; /* name, value, name, value, NULL */
    const struct jb_element *first, *next;
};

static const char *copy(struct jb__arena *arena, struct jb_str text)
{
    return text.n ? jb__arena_str(arena, text).p : "";
}

static bool is_declaration(struct jb_str name)
{
    return jb_str_eqz(name, "xmlns") || jb_str_starts(name, JB_STR("xmlns:"));
}

/* The attributes, without namespace declarations; NULL: out of memory. */
static const char **copy_attrs(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena)
{
    struct jb_str name, raw;
    size_t count = 0, k = 0;

    for (uint32_t at = 0; jb_node_attr_next(doc, node, &at, &name, &raw);)
        count += !is_declaration(name);
    const char **attrs = jb__arena_alloc(arena, (2 * count + 1) * sizeof attrs[0]);
    if (!attrs)
        return NULL;
    for (uint32_t at = 0; jb_node_attr_next(doc, node, &at, &name, &raw);) {
        if (is_declaration(name))
            continue;
        struct jb_str value = jb_xml_attr_value(raw, arena);
        attrs[k] = copy(arena, name);
        attrs[k + 1] = value.p || raw.n == 0 ? copy(arena, value) : NULL;
        if (!attrs[k] || !attrs[k + 1])
            return NULL;
        k += 2;
    }
    attrs[k] = NULL;
    return attrs;
}

static bool fill(struct jb_element *e, const struct jb_doc *doc, uint16_t node,
                 struct jb__arena *arena)
{
    struct jb_str text = jb_node_text(doc, node, arena);
    bool has_text = doc->nodes[node].content_end > doc->nodes[node].content;

    *e = (struct jb_element){ .name = copy(arena, jb_node_name(doc, node)),
                              .ns = copy(arena, jb_node_ns(doc, node)),
                              .text = text.p || !has_text ? copy(arena, text) : NULL,
                              .attrs = copy_attrs(doc, node, arena) };
    return e->name && e->ns && e->text && e->attrs;
}

const struct jb_element *jb__element_new(const struct jb_doc *doc, uint16_t root,
                                         struct jb__arena *arena)
{
    /* The nodes of a subtree stand one after the other. */
    uint16_t end = root;
    while (end < doc->count && doc->nodes[end].start < doc->nodes[root].end)
        end++;
    struct jb_element *all = jb__arena_alloc(arena, (size_t)(end - root) * sizeof all[0]);

    if (!all)
        return NULL;
    for (uint16_t k = root; k < end; k++)
        if (!fill(&all[k - root], doc, k, arena))
            return NULL;
    for (uint16_t k = root; k < end; k++) {
        uint16_t first = jb_node_first(doc, k), next = k == root ? 0 : jb_node_next(doc, k);
        all[k - root].first = first ? &all[first - root] : NULL;
        all[k - root].next = next ? &all[next - root] : NULL;
    }
    return all;
}

const char *jb_element_name(const struct jb_element *e)
{
    return e ? e->name : "";
}

const char *jb_element_ns(const struct jb_element *e)
{
    return e ? e->ns : "";
}

const char *jb_element_attr(const struct jb_element *e, const char *name)
{
    for (size_t k = 0; e && e->attrs[k]; k += 2)
        if (strcmp(e->attrs[k], name) == 0)
            return e->attrs[k + 1];
    return NULL;
}

const char *jb_element_attr_at(const struct jb_element *e, unsigned index, const char **value)
{
    size_t k = 0;

    while (e && e->attrs[k] && k < 2 * (size_t)index)
        k += 2;
    if (!e || !e->attrs[k])
        return NULL;
    if (value)
        *value = e->attrs[k + 1];
    return e->attrs[k];
}

const char *jb_element_text(const struct jb_element *e)
{
    return e ? e->text : "";
}

const struct jb_element *jb_element_first(const struct jb_element *e)
{
    return e ? e->first : NULL;
}

const struct jb_element *jb_element_next(const struct jb_element *e)
{
    return e ? e->next : NULL;
}

int jb_element_is(const struct jb_element *e, const char *name, const char *ns)
{
    return e && strcmp(e->name, name) == 0 && strcmp(e->ns, ns) == 0;
}

const struct jb_element *jb_element_child(const struct jb_element *e, const char *name,
                                          const char *ns)
{
    const struct jb_element *child = jb_element_first(e);

    while (child &&
           ((name && strcmp(child->name, name) != 0) || strcmp(child->ns, ns ? ns : e->ns) != 0))
        child = child->next;
    return child;
}
