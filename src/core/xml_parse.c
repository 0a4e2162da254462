/* SPDX-License-Identifier: MIT */
#include "core/xml_parse.h"

#include "base/assert.h"
#include "core/xml_char.h"

/* As in limits.h; sealing adds three attributes. */
enum { DEPTH_MOST = 256, ATTRIBUTES_MOST = 67, NAMESPACES_MOST = 256 };

/* A namespace declaration in force. */
struct binding {
    struct jb_str prefix; /* empty: the default namespace */
    struct jb_str raw;    /* the URI as written */
    struct jb_str uri;    /* and as meant */
    uint8_t ns;
    uint16_t depth; /* of the element that declares it */
};

struct attr {
    struct jb_str name;            /* with prefix */
    struct jb_str value;           /* raw */
    uint32_t prefix;               /* bytes of the prefix with its colon; 0: none */
    const struct binding *binding; /* of the prefix; NULL: no prefix, or a declaration */
};

/* The parser's arrays are large and each entry is written before it is read: to clear them, as the
 * hardened build does with what stands on the stack, would cost a third of a parse. */
#ifdef __has_attribute
#if __has_attribute(uninitialized)
#define NOT_CLEARED __attribute__((uninitialized))
#endif
#endif
#ifndef NOT_CLEARED
#define NOT_CLEARED
#endif

struct parser {
    const char *p; /* next byte */
    const char *text;
    const char *end;
    const struct jb_xml_bounds *bounds;
    struct jb__arena *arena;
    struct jb_node *nodes;
    uint32_t count; /* nodes */
    uint32_t room;  /* for nodes */
    uint32_t depth; /* elements open */
    uint16_t open[DEPTH_MOST];
    uint16_t last_child[DEPTH_MOST]; /* of the open element at this depth; 0: none yet */
    struct binding bindings[NAMESPACES_MOST];
    uint32_t bound;
    struct attr attrs[ATTRIBUTES_MOST];
    uint32_t attr_count;
    bool cdata;
    enum jb_limit over; /* the limit that was reached */
};

static enum jb_xml_fault too_big(struct parser *x, enum jb_limit over)
{
    x->over = over;
    return JB_XML_TOO_BIG;
}

static uint32_t offset(const struct parser *x, const char *p)
{
    return (uint32_t)(p - x->text);
}

static bool looking_at(const struct parser *x, struct jb_str what)
{
    return (size_t)(x->end - x->p) >= what.n && memcmp(x->p, what.p, what.n) == 0;
}

static bool skip_space(struct parser *x)
{
    const char *from = x->p;

    while (x->p < x->end && jb__xml_is_space(*x->p))
        x->p++;
    return x->p > from;
}

static bool take_ncname(struct parser *x)
{
    const char *from = x->p;

    x->p = jb__xml_skip_ncname(from, x->end);
    return x->p > from;
}

/* A QName: an NCName, or two with a colon between.  *prefix: bytes up to and with the colon. */
static enum jb_xml_fault take_name(struct parser *x, struct jb_str *name, uint32_t *prefix)
{
    const char *from = x->p;

    *name = JB_STR_NONE;
    *prefix = 0;
    if (!take_ncname(x))
        return JB_XML_NOT_WELL_FORMED;
    if (x->p < x->end && *x->p == ':') {
        x->p++;
        *prefix = (uint32_t)(x->p - from);
        if (!take_ncname(x))
            return JB_XML_NOT_WELL_FORMED;
    }
    *name = jb_str(from, (size_t)(x->p - from));
    if (name->n > x->bounds->name_bytes || *prefix > UINT8_MAX)
        return too_big(x, JB_LIMIT_xml_name_bytes);
    return JB_XML_OK;
}

/* "&lt;" or "&#x3c;": one of the five predefined, or a character that XML allows. */
static enum jb_xml_fault take_reference(struct parser *x)
{
    uint32_t cp;
    size_t n = jb__xml_reference(x->p, x->end, &cp);

    if (n == 0) {
        /* "&name;" of an entity that only a DTD could define is a restricted feature. */
        return jb__xml_is_entity(x->p, x->end) ? JB_XML_RESTRICTED : JB_XML_NOT_WELL_FORMED;
    }
    x->p += n;
    return JB_XML_OK;
}

static enum jb_xml_fault take_value(struct parser *x, struct jb_str *value)
{
    char quote = *x->p++;
    const char *from = x->p;

    for (;;) {
        x->p = jb__xml_skip_attr_text(x->p, x->end, quote);
        if (x->p == x->end)
            return JB_XML_NOT_WELL_FORMED;
        if (*x->p == quote)
            break;
        if (*x->p == '&') {
            enum jb_xml_fault fault = take_reference(x);
            if (fault != JB_XML_OK)
                return fault;
            continue;
        }
        size_t n = *x->p == '<' ? 0 : jb__xml_char(x->p, x->end);
        if (n == 0)
            return JB_XML_NOT_WELL_FORMED;
        x->p += n;
    }
    *value = jb_str(from, (size_t)(x->p - from));
    x->p++;
    return JB_XML_OK;
}

static enum jb_xml_fault take_attr(struct parser *x)
{
    if (x->attr_count == x->bounds->attributes)
        return too_big(x, JB_LIMIT_xml_attributes);
    struct attr *a = &x->attrs[x->attr_count++];
    enum jb_xml_fault fault = take_name(x, &a->name, &a->prefix);
    if (fault != JB_XML_OK)
        return fault;
    skip_space(x);
    if (x->p == x->end || *x->p != '=')
        return JB_XML_NOT_WELL_FORMED;
    x->p++;
    skip_space(x);
    if (x->p == x->end || (*x->p != '"' && *x->p != '\''))
        return JB_XML_NOT_WELL_FORMED;
    return take_value(x, &a->value);
}

/* Of an attribute that has one. */
static struct jb_str attr_prefix(const struct attr *a)
{
    return jb_str(a->name.p, a->prefix - 1);
}

static struct jb_str attr_local(const struct attr *a)
{
    return jb_str_from(a->name, a->prefix);
}

static bool is_declaration(const struct attr *a)
{
    return jb_str_eq(a->prefix ? attr_prefix(a) : a->name, JB_STR("xmlns"));
}

/* A namespace's name is a URI (RFC 3986) or an IRI; other letters are refused, because some parsers
 * use one of them to keep URI and local name apart, and stop at a URI that holds it. */
static bool is_uri(struct jb_str s)
{
    static const bool refused[256] = {
        [0 ... ' '] = true, ['"'] = true, ['<'] = true,         ['>'] = true,  ['\\'] = true,
        ['^'] = true,       ['`'] = true, ['{' ... '}'] = true, [0x7f] = true,
    };

    for (size_t i = 0; i < s.n; i++)
        if (refused[(unsigned char)s.p[i]])
            return false;
    return true;
}

/* Namespaces in XML 1.0 section 3: what may be bound to what. */
static bool binding_allowed(struct jb_str prefix, struct jb_str uri, enum jb_ns ns)
{
    if (ns == JB_NS_NONE && !is_uri(uri))
        return false;
    if (jb_str_eq(prefix, JB_STR("xml")) != (ns == JB_NS_XML))
        return false;
    if (jb_str_eq(prefix, JB_STR("xmlns")) || ns == JB_NS_XMLNS)
        return false;
    return uri.n > 0 || prefix.n == 0;
}

static enum jb_xml_fault bind_namespaces(struct parser *x)
{
    for (uint32_t i = 0; i < x->attr_count; i++) {
        const struct attr *a = &x->attrs[i];
        if (!is_declaration(a))
            continue;
        struct jb_str prefix = a->prefix ? attr_local(a) : JB_STR_NONE;
        struct jb_str uri = a->value;
        if (uri.n && memchr(uri.p, '&', uri.n) && !(uri = jb_xml_unescape(uri, x->arena)).p)
            return JB_XML_NO_MEMORY;
        enum jb_ns ns = jb_ns_find(uri);
        if (!binding_allowed(prefix, uri, ns))
            return JB_XML_NOT_WELL_FORMED;
        if (x->bound == x->bounds->namespaces || a->value.n > UINT16_MAX)
            return too_big(x, JB_LIMIT_xml_namespaces);
        x->bindings[x->bound++] = (struct binding){ .prefix = prefix,
                                                    .raw = a->value,
                                                    .uri = uri,
                                                    .ns = (uint8_t)ns,
                                                    .depth = (uint16_t)x->depth };
    }
    return JB_XML_OK;
}

/* The innermost binding of a prefix; NULL when there is none. */
static const struct binding *find_binding(const struct parser *x, struct jb_str prefix)
{
    static const struct binding xml = { .prefix = JB_STR_INIT("xml"),
                                        .uri = JB_STR_INIT("http://www.w3.org/XML/1998/namespace"),
                                        .ns = JB_NS_XML };

    for (uint32_t i = x->bound; i-- > 0;)
        if (jb_str_eq(x->bindings[i].prefix, prefix))
            return &x->bindings[i];
    return jb_str_eq(prefix, xml.prefix) ? &xml : NULL;
}

/* Two attributes are the same when their names are, or when their local names and the namespaces
 * of their prefixes are. */
static bool same_attr(const struct attr *a, const struct attr *b)
{
    if (jb_str_eq(a->name, b->name))
        return true;
    return a->binding && b->binding && jb_str_eq(attr_local(a), attr_local(b)) &&
           jb_str_eq(a->binding->uri, b->binding->uri);
}

static uint32_t hash_local(struct jb_str local)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < local.n; i++)
        h = (h ^ (unsigned char)local.p[i]) * 16777619u;
    return h ^ h >> 16;
}

/* Each is looked up by its local name in a small table, so that many attributes cost as much each
 * as few. */
static bool has_same_attrs(const struct parser *x)
{
    enum { SLOTS = 2 * ATTRIBUTES_MOST };
    uint8_t slots[SLOTS] = { 0 }; /* index of an attribute + 1 */

    for (uint32_t i = 0; i < x->attr_count; i++) {
        const struct attr *a = &x->attrs[i];
        uint32_t at = hash_local(attr_local(a)) % SLOTS;
        for (; slots[at]; at = (at + 1) % SLOTS)
            if (same_attr(a, &x->attrs[slots[at] - 1]))
                return true;
        slots[at] = (uint8_t)(i + 1);
    }
    return false;
}

/* Prefixes are declared, and no attribute is there twice. */
static enum jb_xml_fault check_attrs(struct parser *x)
{
    for (uint32_t i = 0; i < x->attr_count; i++) {
        struct attr *a = &x->attrs[i];
        bool resolved = a->prefix && !is_declaration(a);
        a->binding = resolved ? find_binding(x, attr_prefix(a)) : NULL;
        if (resolved && !a->binding)
            return JB_XML_NOT_WELL_FORMED;
    }
    return x->attr_count > 1 && has_same_attrs(x) ? JB_XML_NOT_WELL_FORMED : JB_XML_OK;
}

static void link_node(struct parser *x, uint16_t index)
{
    if (x->depth == 0)
        return;
    uint16_t *last = &x->last_child[x->depth - 1];
    if (*last)
        x->nodes[*last].next = index;
    else
        x->nodes[x->open[x->depth - 1]].has_child = true;
    *last = index;
}

static enum jb_xml_fault start_element(struct parser *x, const char *start, struct jb_str name,
                                       uint32_t prefix)
{
    if (x->depth == x->bounds->depth)
        return too_big(x, JB_LIMIT_xml_depth);
    if (x->count == x->bounds->elements)
        return too_big(x, JB_LIMIT_xml_elements);
    enum jb_xml_fault fault = bind_namespaces(x);
    if (fault == JB_XML_OK)
        fault = check_attrs(x);
    if (fault != JB_XML_OK)
        return fault;
    const struct binding *b = find_binding(x, jb_str(name.p, prefix ? prefix - 1 : 0));
    if (prefix && !b)
        return JB_XML_NOT_WELL_FORMED;
    jb_assert(x->count < x->room);
    struct jb_node *node = &x->nodes[x->count++];
    *node = (struct jb_node){
        .start = offset(x, start),
        .name_bytes = (uint16_t)(name.n - prefix),
        .prefix_bytes = (uint8_t)prefix,
        .depth = (uint8_t)x->depth,
    };
    if (b && b->uri.n && b->ns != JB_NS_XML) {
        node->ns = b->ns;
        node->ns_at = offset(x, b->raw.p);
        node->ns_bytes = (uint16_t)b->raw.n;
    } else if (b && b->ns == JB_NS_XML) {
        return JB_XML_NOT_WELL_FORMED; /* no element is in the xml namespace */
    }
    link_node(x, (uint16_t)(x->count - 1));
    x->open[x->depth] = (uint16_t)(x->count - 1);
    x->last_child[x->depth] = 0;
    x->depth++;
    return JB_XML_OK;
}

static void end_element(struct parser *x, const char *content_end)
{
    x->depth--;
    struct jb_node *node = &x->nodes[x->open[x->depth]];
    node->content_end = offset(x, content_end);
    node->end = offset(x, x->p);
    while (x->bound && x->bindings[x->bound - 1].depth >= x->depth)
        x->bound--;
}

static enum jb_xml_fault take_start_tag(struct parser *x)
{
    const char *start = x->p++;
    struct jb_str name;
    uint32_t prefix;
    enum jb_xml_fault fault = take_name(x, &name, &prefix);

    x->attr_count = 0;
    while (fault == JB_XML_OK) {
        bool space = skip_space(x);
        if (x->p == x->end)
            return JB_XML_NOT_WELL_FORMED;
        if (*x->p == '>' || *x->p == '/')
            break;
        fault = space ? take_attr(x) : JB_XML_NOT_WELL_FORMED;
    }
    if (fault == JB_XML_OK)
        fault = start_element(x, start, name, prefix);
    if (fault != JB_XML_OK)
        return fault;
    bool empty = looking_at(x, JB_STR("/>"));
    if (!empty && *x->p != '>')
        return JB_XML_NOT_WELL_FORMED;
    x->p += empty ? 2 : 1;
    x->nodes[x->count - 1].content = offset(x, x->p);
    if (empty)
        end_element(x, x->p);
    return JB_XML_OK;
}

static enum jb_xml_fault take_end_tag(struct parser *x)
{
    const char *start = x->p;
    struct jb_str name;
    uint32_t prefix;

    x->p += 2;
    enum jb_xml_fault fault = take_name(x, &name, &prefix);
    if (fault != JB_XML_OK)
        return fault;
    skip_space(x);
    const struct jb_node *node = &x->nodes[x->open[x->depth - 1]];
    struct jb_str opened =
        jb_str(x->text + node->start + 1, (size_t)node->prefix_bytes + node->name_bytes);
    if (x->p == x->end || *x->p != '>' || !jb_str_eq(name, opened))
        return JB_XML_NOT_WELL_FORMED;
    x->p++;
    end_element(x, start);
    return JB_XML_OK;
}

static enum jb_xml_fault take_cdata(struct parser *x)
{
    x->p += sizeof("<![CDATA[") - 1;
    x->cdata = true;
    while (!looking_at(x, JB_STR("]]>"))) {
        size_t n = x->p == x->end ? 0 : jb__xml_char(x->p, x->end);
        if (n == 0)
            return JB_XML_NOT_WELL_FORMED;
        x->p += n;
    }
    x->p += 3;
    return JB_XML_OK;
}

/* Memory for the nodes is taken once, and in proportion to what a peer sent: a '<' for each
 * element, four bytes for the shortest, "<a/>". */
static bool make_table(struct parser *x)
{
    size_t most = (size_t)(x->end - x->p) / 3 + 1;
    size_t tags = 0;

    if (most > x->bounds->elements)
        most = x->bounds->elements;
    for (const char *p = x->p; tags < most && (p = memchr(p, '<', (size_t)(x->end - p))); p++)
        tags++;
    x->room = (uint32_t)tags;
    x->nodes = jb__arena_alloc(x->arena, tags * sizeof(*x->nodes));
    return x->nodes != NULL;
}

/* What starts with '<' and is no start or end tag. */
static enum jb_xml_fault take_markup(struct parser *x)
{
    if (x->depth > 0 && looking_at(x, JB_STR("<![CDATA[")))
        return take_cdata(x);
    if (looking_at(x, JB_STR("<!--")) || looking_at(x, JB_STR("<!DOCTYPE")) ||
        looking_at(x, JB_STR("<!ENTITY")) || looking_at(x, JB_STR("<?")))
        return JB_XML_RESTRICTED;
    return JB_XML_NOT_WELL_FORMED;
}

/* Character data up to the next '<'. */
static enum jb_xml_fault take_text(struct parser *x)
{
    for (;;) {
        x->p = jb__xml_skip_text(x->p, x->end);
        if (x->p == x->end || *x->p == '<')
            return JB_XML_OK;
        if (*x->p == '&') {
            enum jb_xml_fault fault = take_reference(x);
            if (fault != JB_XML_OK)
                return fault;
            continue;
        }
        if (looking_at(x, JB_STR("]]>")))
            return JB_XML_NOT_WELL_FORMED;
        size_t n = jb__xml_char(x->p, x->end);
        if (n == 0)
            return JB_XML_NOT_WELL_FORMED;
        x->p += n;
    }
}

static enum jb_xml_fault take_content(struct parser *x)
{
    while (x->depth > 0) {
        enum jb_xml_fault fault = take_text(x);
        if (fault != JB_XML_OK)
            return fault;
        if (x->end - x->p < 2)
            return x->p == x->end ? JB_XML_BAD_FORMAT : JB_XML_NOT_WELL_FORMED;
        if (x->p[1] == '/')
            fault = take_end_tag(x);
        else if (x->p[1] == '!' || x->p[1] == '?')
            fault = take_markup(x);
        else
            fault = take_start_tag(x);
        if (fault != JB_XML_OK)
            return fault;
    }
    return JB_XML_OK;
}

enum jb_xml_fault jb_xml_parse(struct jb_str text, const struct jb_xml_bounds *bounds,
                               struct jb__arena *arena, struct jb_doc *doc)
{
    NOT_CLEARED struct parser x;

    jb_assert(bounds->depth <= DEPTH_MOST && bounds->attributes <= ATTRIBUTES_MOST);
    jb_assert(bounds->namespaces <= NAMESPACES_MOST && bounds->elements <= UINT16_MAX);
    x.p = x.text = text.p;
    x.end = text.p + text.n;
    x.bounds = bounds;
    x.arena = arena;
    x.count = x.depth = x.bound = 0;
    x.cdata = false;
    x.over = JB_LIMIT_COUNT;
    *doc = (struct jb_doc){ .text = text.p, .bytes = (uint32_t)text.n };

    size_t declaration = jb__xml_declaration(text);
    x.p += declaration;
    while (declaration && x.p < x.end && jb__xml_is_space(*x.p))
        x.p++;
    if (x.end - x.p < 2 || *x.p != '<')
        return JB_XML_BAD_FORMAT;
    if (x.p[1] == '!' || x.p[1] == '?')
        return jb__xml_is_of_other_encoding(text) ? JB_XML_ENCODING : take_markup(&x);
    if (!make_table(&x))
        return JB_XML_NO_MEMORY;
    enum jb_xml_fault fault = take_start_tag(&x);
    if (fault == JB_XML_OK)
        fault = take_content(&x);
    doc->over = x.over;
    if (fault != JB_XML_OK)
        return fault;
    if (x.p < x.end)
        return looking_at(&x, JB_STR("<!")) || looking_at(&x, JB_STR("<?")) ? take_markup(&x)
                                                                            : JB_XML_BAD_FORMAT;
    doc->nodes = x.nodes;
    doc->count = (uint16_t)x.count;
    doc->cdata = x.cdata;
    return JB_XML_OK;
}
