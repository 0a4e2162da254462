/* SPDX-License-Identifier: MIT */
/* Our parser against expat: what we accept, expat accepts too and reads in the same way, before
 * and after sealing.  We may refuse more than expat does, never less. */
#include "fuzz.h"

#include "base/utf8.h"
#include "core/stanza.h"

#include <expat.h>

enum { ARENA_BYTES = 64 * 1024 * 1024, SEPARATOR = '\n' };

static const struct jb_xml_bounds bounds = {
    .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
};

/* Expat's walk through the text, compared with our table step by step. */
struct walk {
    const struct jb_doc *doc;
    struct jb__arena *arena;
    uint32_t depth;                /* elements open */
    uint32_t seen;                 /* elements begun */
    uint16_t open[256], last[256]; /* their nodes, and the newest child of each */
    struct jb__buf text[256];      /* their own character data so far */
};

/* Cuts expat's "uri\nlocal" or "local". */
static void split_name(const char *expanded, struct jb_str *uri, struct jb_str *local)
{
    if (!jb_str_cut(jb_strz(expanded), SEPARATOR, uri, local)) {
        *local = *uri;
        *uri = JB_STR_NONE;
    }
}

static bool is_declaration(struct jb_str name)
{
    return jb_str_eqz(name, "xmlns") || jb_str_starts(name, JB_STR("xmlns:"));
}

static void compare_attrs(struct walk *w, uint16_t node, const XML_Char **attrs)
{
    struct jb_str name, raw, prefix, local, uri, expat_local;

    for (uint32_t at = 0; jb_node_attr_next(w->doc, node, &at, &name, &raw);) {
        char z[2048];
        if (is_declaration(name))
            continue;
        jb_assert(attrs[0] && name.n < sizeof z);
        memcpy(z, name.p, name.n);
        z[name.n] = '\0';
        if (!jb_str_cut(name, ':', &prefix, &local))
            local = prefix;
        split_name(attrs[0], &uri, &expat_local);
        jb_assert(jb_str_eq(local, expat_local));
        jb_assert(jb_str_eqz(jb_node_attr(w->doc, node, z, w->arena), attrs[1]));
        attrs += 2;
    }
    jb_assert(!attrs[0]);
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attrs)
{
    struct walk *w = user;
    struct jb_str uri, local;
    uint16_t node = 0;

    if (w->depth > 0) {
        uint16_t *last = &w->last[w->depth - 1];
        node = *last ? jb_node_next(w->doc, *last) : jb_node_first(w->doc, w->open[w->depth - 1]);
        *last = node;
        jb_assert(node != 0);
    }
    split_name(name, &uri, &local);
    jb_assert(node == w->seen++ && w->doc->nodes[node].depth == w->depth);
    jb_assert(jb_str_eq(jb_node_name(w->doc, node), local));
    jb_assert(jb_str_eq(jb_xml_attr_value(jb_node_ns(w->doc, node), w->arena), uri));
    jb_assert(w->doc->nodes[node].ns == jb_ns_find(uri));
    compare_attrs(w, node, attrs);
    w->open[w->depth] = node;
    w->last[w->depth] = 0;
    jb__buf_init(&w->text[w->depth], &jb_allocator_abort, ARENA_BYTES);
    w->depth++;
}

static void XMLCALL on_text(void *user, const XML_Char *p, int n)
{
    struct walk *w = user;

    jb_assert(jb__buf_append(&w->text[w->depth - 1], p, (size_t)n) == 0);
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    struct walk *w = user;
    uint16_t node;

    (void)name;
    w->depth--;
    node = w->open[w->depth];
    jb_assert(w->last[w->depth] ? !jb_node_next(w->doc, w->last[w->depth])
                                : !jb_node_first(w->doc, node));
    jb_assert(jb_str_eq(jb_node_text(w->doc, node, w->arena), jb__buf_str(&w->text[w->depth])));
    jb__buf_deinit(&w->text[w->depth]);
}

static void compare_with_expat(const struct jb_doc *doc, struct jb__arena *arena)
{
    static struct walk w;
    XML_Parser expat = XML_ParserCreateNS("UTF-8", SEPARATOR);

    jb_assert(expat);
    w.doc = doc;
    w.arena = arena;
    w.depth = w.seen = 0;
    XML_SetUserData(expat, &w);
    XML_SetElementHandler(expat, on_start, on_end);
    XML_SetCharacterDataHandler(expat, on_text);
    jb_assert(XML_Parse(expat, doc->text, (int)doc->bytes, 1) == XML_STATUS_OK);
    jb_assert(w.seen == doc->count && w.depth == 0);
    XML_ParserFree(expat);
}

/* Attributes of the root that sealing does not vouch for, and all of every other element. */
static bool next_kept_attr(const struct jb_doc *doc, uint16_t node, uint32_t *at,
                           struct jb_str *name, struct jb_str *raw)
{
    while (jb_node_attr_next(doc, node, at, name, raw))
        if (node > 0 || (!jb_str_eqz(*name, "from") && !jb_str_eqz(*name, "to")))
            return true;
    return false;
}

static void compare_docs(const struct jb_doc *a, const struct jb_doc *b, struct jb__arena *arena)
{
    jb_assert(a->count == b->count && !b->cdata);
    for (uint16_t i = 0; i < a->count; i++) {
        const struct jb_node *x = &a->nodes[i], *y = &b->nodes[i];
        struct jb_str name, raw, other_name, other_raw;
        uint32_t at = 0, other_at = 0;
        jb_assert(x->ns == y->ns && x->next == y->next && x->depth == y->depth);
        jb_assert(jb_str_eq(jb_node_name(a, i), jb_node_name(b, i)));
        jb_assert(jb_str_eq(jb_node_ns(a, i), jb_node_ns(b, i)));
        jb_assert(i == 0 || a->cdata || jb_str_eq(jb_node_xml(a, i), jb_node_xml(b, i)));
        jb_assert(jb_str_eq(jb_node_text(a, i, arena), jb_node_text(b, i, arena)));
        while (next_kept_attr(a, i, &at, &name, &raw)) {
            jb_assert(next_kept_attr(b, i, &other_at, &other_name, &other_raw));
            jb_assert(jb_str_eq(name, other_name) && jb_str_eq(raw, other_raw));
        }
        jb_assert(!next_kept_attr(b, i, &other_at, &other_name, &other_raw));
    }
}

static void seal(const struct jb_doc *doc, struct jb__arena *arena)
{
    struct jb_draft draft = { .doc = doc, .arena = arena };
    struct jb_stanza *sealed;

    if (jb_stanza_read_head(doc, arena, &draft.h) != 0)
        return;
    jb_assert(jb_jid_parse(JB_STR("a@b/c'd<e&f>\"g"), arena, &draft.h.from) == 0);
    jb_assert(jb_draft_seal(&draft, &jb_allocator_abort, 0, &sealed) == 0);
    jb_assert(sealed->doc.nodes[0].start == 0 && sealed->doc.nodes[0].end == sealed->doc.bytes);
    jb_assert(jb_jid_eq(sealed->h.from, draft.h.from) && jb_jid_eq(sealed->h.to, draft.h.to));
    jb_assert(jb_str_eq(sealed->h.id, draft.h.id) && sealed->h.type == draft.h.type);
    compare_docs(doc, &sealed->doc, arena);
    compare_with_expat(&sealed->doc, arena);
    jb_stanza_unref(sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str text = jb_str((const char *)p, n);
    struct jb__arena arena;
    struct jb_doc doc;

    if (!jb__utf8_valid(text))
        return 0;
    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    enum jb_xml_fault fault = jb_xml_parse(text, &bounds, &arena, &doc);
    jb_assert(fault != JB_XML_NO_MEMORY);
    if (fault == JB_XML_OK) {
        compare_with_expat(&doc, &arena);
        seal(&doc, &arena);
    }
    jb__arena_deinit(&arena);
    return 0;
}
