/* SPDX-License-Identifier: MIT */
#include "client/client_impl.h"

#include "base/assert.h"
#include "base/utf8.h"

/* What a program looks at: the parser's table spelled out, so that no look can fail. */
struct jb_element {
    const char *name, *ns, *text;
    const char **attrs; /* name, value, name, value, NULL */
    const struct jb_element *first, *next;
    struct tree *tree; /* that it is in */
};

/* What elements were made of. */
struct tree {
    struct jb_doc doc;            /* its text is a copy */
    uint16_t root;                /* of the nodes that have elements */
    const struct jb_element *all; /* in the order of the nodes */
    /* Of a tree that jb_element_parse() made; nothing else sets `memory`. */
    struct jb_allocator memory;
    struct jb__arena arena;
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

/* The elements of t->doc from t->root on; false: out of memory. */
static bool grow(struct tree *t, struct jb__arena *arena)
{
    const struct jb_doc *doc = &t->doc;
    const uint16_t root = t->root;
    /* The nodes of a subtree stand one after the other. */
    uint16_t end = root;
    while (end < doc->count && doc->nodes[end].start < doc->nodes[root].end)
        end++;
    struct jb_element *all = jb__arena_alloc(arena, (size_t)(end - root) * sizeof all[0]);

    t->all = all;
    if (!all)
        return false;
    for (uint16_t k = root; k < end; k++)
        if (!fill(&all[k - root], doc, k, arena))
            return false;
    for (uint16_t k = root; k < end; k++) {
        uint16_t first = jb_node_first(doc, k), next = k == root ? 0 : jb_node_next(doc, k);
        all[k - root].first = first ? &all[first - root] : NULL;
        all[k - root].next = next ? &all[next - root] : NULL;
        all[k - root].tree = t;
    }
    return true;
}

const struct jb_element *jb__element_new(const struct jb_doc *doc, uint16_t root,
                                         struct jb__arena *arena)
{
    struct tree *t = jb__arena_alloc(arena, sizeof *t);
    /* A copy: the text may go before the event does, when a call in between ends the connection. */
    struct jb_str text = jb__arena_str(arena, jb_str(doc->text, doc->bytes));

    if (!t || !text.p)
        return NULL;
    *t = (struct tree){ .doc = *doc, .root = root };
    t->doc.text = text.p;
    return grow(t, arena) ? t->all : NULL;
}

/* ---- from text ---- */

static int read_text(struct tree *t, struct jb_str text, const struct jb_limits *l)
{
    const struct jb_xml_bounds bounds = { .depth = l->xml_depth,
                                          .attributes = l->xml_attributes,
                                          .namespaces = l->xml_namespaces,
                                          .elements = l->xml_elements,
                                          .name_bytes = l->xml_name_bytes };

    text = jb__arena_str(&t->arena, text);
    if (!text.p)
        return JB_ENOMEM;
    switch (jb_xml_parse(text, &bounds, &t->arena, &t->doc)) {
    case JB_XML_OK:
        return grow(t, &t->arena) ? 0 : JB_ENOMEM;
    case JB_XML_NO_MEMORY:
        return JB_ENOMEM;
    case JB_XML_TOO_BIG:
        return JB_EFULL;
    default:
        return JB_EINVAL;
    }
}

static void free_tree(struct tree *t)
{
    const struct jb_allocator memory = t->memory;

    jb__arena_deinit(&t->arena);
    jb_free(&memory, t);
}

int jb_element_parse(struct jb_client *client, const char *xml, const struct jb_element **out)
{
    const struct jb_limits *l = &client->stream_config.limits;
    struct jb_str text = jb_strz(xml);

    *out = NULL;
    if (text.n > l->stanza_bytes)
        return JB_EFULL;
    if (text.n == 0 || !jb__utf8_valid(text))
        return JB_EINVAL;
    struct tree *t = jb_zalloc(&client->memory, sizeof *t);
    if (!t)
        return JB_ENOMEM;
    t->memory = client->memory;
    jb__arena_init(&t->arena, &t->memory, jb__arena_most(client));
    int rc = read_text(t, text, l);
    if (rc == 0)
        *out = t->all;
    else
        free_tree(t);
    return rc;
}

void jb_element_free(const struct jb_element *e)
{
    if (!e)
        return;
    jb_assert(e->tree->memory.release); /* an event's element is the event's */
    free_tree(e->tree);
}

/* ---- to text ---- */

static bool declares(const struct jb_doc *doc, uint16_t node, struct jb_str name)
{
    struct jb_str found, raw;

    for (uint32_t at = 0; jb_node_attr_next(doc, node, &at, &found, &raw);)
        if (jb_str_eq(found, name))
            return true;
    return false;
}

/* The node that has this one as a child; only for one that is not the root. */
static uint16_t parent_of(const struct jb_doc *doc, uint16_t node)
{
    uint16_t k = node;

    do
        k--;
    while (doc->nodes[k].depth >= doc->nodes[node].depth);
    return k;
}

/* True when a node declares it that stands between these two, or is the inner one. */
static bool is_overridden(const struct jb_doc *doc, uint16_t inner, uint16_t outer,
                          struct jb_str name)
{
    for (uint16_t k = inner; k != outer; k = parent_of(doc, k))
        if (declares(doc, k, name))
            return true;
    return false;
}

/* Writes the declarations around a node that hold in it, as attributes of it; true when one of them
 * says what names without a prefix are. */
static bool write_scope(const struct jb_doc *doc, uint16_t node, struct jb_xml *x)
{
    bool has_default = declares(doc, node, JB_STR("xmlns"));
    struct jb_str name, raw;

    for (uint16_t k = node; k > 0;) {
        k = parent_of(doc, k);
        for (uint32_t at = 0; jb_node_attr_next(doc, k, &at, &name, &raw);) {
            if (!is_declaration(name) || is_overridden(doc, node, k, name))
                continue;
            has_default = has_default || jb_str_eqz(name, "xmlns");
            jb_xml_raw(x, JB_STR(" "));
            jb_xml_raw(x, jb_str(name.p, (size_t)(raw.p + raw.n + 1 - name.p))); /* and quotes */
        }
    }
    return has_default;
}

void jb__element_write(const struct jb_element *e, struct jb_xml *x)
{
    const struct jb_doc *doc = &e->tree->doc;
    const uint16_t node = (uint16_t)(e->tree->root + (e - e->tree->all));
    struct jb_str xml = jb_node_xml(doc, node);
    const size_t name_end = 1u + doc->nodes[node].prefix_bytes + doc->nodes[node].name_bytes;

    jb_xml_raw(x, jb_str(xml.p, name_end));
    if (!write_scope(doc, node, x) && x->depth > 0)
        jb_xml_raw(x, JB_STR(" xmlns=''")); /* not what the element around it is in */
    jb_xml_raw(x, jb_str(xml.p + name_end, xml.n - name_end));
}

/* ---- looking ---- */

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
