/* SPDX-License-Identifier: MIT */
#include "modules/xep0115_hash.h"

#include "base/base64.h"
#include "base/buf.h"

#include <openssl/sha.h>
#include <stdlib.h>

/* Texts to be sorted bytewise ("i;octet").  The parts of a text are parted by NUL, which no XML
 * has: so "a" stands before "a-b" whatever follows it, and what stands between the parts in the
 * verification string is put there last. */
struct list {
    struct jb__arena *arena;
    struct jb_str *items;
    size_t count, room;
};

static int list_init(struct list *l, struct jb__arena *arena, size_t room)
{
    *l = (struct list){ .arena = arena, .room = room };
    l->items = jb__arena_alloc(arena, (room ? room : 1) * sizeof *l->items);
    return l->items ? 0 : JB_ENOMEM;
}

static void list_add(struct list *l, struct jb_str item)
{
    l->items[l->count++] = item;
}

static int compare(const void *a, const void *b)
{
    return jb_str_cmp(*(const struct jb_str *)a, *(const struct jb_str *)b);
}

/* Sorts; JB_EINVAL when two are the same, or (`by_first`) their first parts are. */
static int list_sort(struct list *l, bool by_first)
{
    qsort(l->items, l->count, sizeof *l->items, compare);
    for (size_t i = 1; i < l->count; i++) {
        struct jb_str a = l->items[i - 1], b = l->items[i], rest;
        if (by_first) {
            (void)jb_str_cut(a, '\0', &a, &rest);
            (void)jb_str_cut(b, '\0', &b, &rest);
        }
        if (jb_str_eq(a, b))
            return JB_EINVAL;
    }
    return 0;
}

/* The parts one after the other, NUL between them. */
static int join(struct jb__arena *arena, const struct jb_str *parts, size_t count,
                struct jb_str *out)
{
    size_t n = count;

    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    char *p = jb__arena_alloc(arena, n + 1);
    if (!p)
        return JB_ENOMEM;
    *out = jb_str(p, n ? n - 1 : 0);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
        *p++ = '\0';
    }
    return 0;
}

static size_t count_children(const struct jb_doc *doc, uint16_t node)
{
    size_t n = 0;

    for (uint16_t c = jb_node_first(doc, node); c; c = jb_node_next(doc, c))
        n++;
    return n;
}

static int identity_text(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena,
                         struct jb_str *out)
{
    struct jb_str parts[] = { jb_node_attr(doc, node, "category", arena),
                              jb_node_attr(doc, node, "type", arena),
                              jb_node_attr(doc, node, "xml:lang", arena),
                              jb_node_attr(doc, node, "name", arena) };

    return join(arena, parts, 4, out);
}

/* Its var, then its values in order. */
static int field_text(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena,
                      struct jb_str *out)
{
    struct list values;
    int rc = list_init(&values, arena, count_children(doc, node) + 1);

    if (rc != 0)
        return rc;
    list_add(&values, jb_node_attr(doc, node, "var", arena));
    for (uint16_t v = jb_node_first(doc, node); v; v = jb_node_next(doc, v))
        if (jb_node_is(doc, v, "value", JB_NS_DATA_FORMS))
            list_add(&values, jb_node_text(doc, v, arena));
    qsort(values.items + 1, values.count - 1, sizeof *values.items, compare);
    return join(arena, values.items, values.count, out);
}

/* Its type, then its fields in order; empty for a form that is to be ignored (no hidden
 * FORM_TYPE). */
static int form_text(const struct jb_doc *doc, uint16_t form, struct jb__arena *arena,
                     struct jb_str *out)
{
    struct list fields;
    struct jb_str type = JB_STR_NONE;
    int rc = list_init(&fields, arena, count_children(doc, form) + 1);

    fields.count = 1; /* the form's type */
    *out = JB_STR_NONE;
    for (uint16_t f = jb_node_first(doc, form); f && rc == 0; f = jb_node_next(doc, f)) {
        if (!jb_node_is(doc, f, "field", JB_NS_DATA_FORMS))
            continue;
        if (!jb_str_eqz(jb_node_attr(doc, f, "var", arena), "FORM_TYPE"))
            rc = field_text(doc, f, arena, &fields.items[fields.count++]);
        else if (jb_str_eqz(jb_node_attr(doc, f, "type", arena), "hidden"))
            type = jb_node_text(doc, jb_node_child(doc, f, "value", JB_NS_DATA_FORMS), arena);
    }
    if (rc != 0 || type.n == 0)
        return rc;
    qsort(fields.items + 1, fields.count - 1, sizeof *fields.items, compare);
    fields.items[0] = type;
    return join(arena, fields.items, fields.count, out);
}

/* A text with '<' behind it, and `sep` between its parts. */
static int put(struct jb__buf *out, struct jb_str text, char sep)
{
    size_t at = out->n;
    int rc = jb__buf_append(out, text.p, text.n);

    for (; rc == 0 && at < out->n; at++)
        if (out->p[at] == '\0')
            out->p[at] = sep;
    return rc == 0 ? jb__buf_append(out, "<", 1) : rc;
}

/* All of one kind in the query, sorted. */
static int put_kind(const struct jb_doc *doc, uint16_t query, struct jb__arena *arena,
                    const char *name, struct jb__buf *out)
{
    bool forms = name[0] == 'x', identities = name[0] == 'i';
    struct list all;
    int rc = list_init(&all, arena, count_children(doc, query));

    for (uint16_t c = jb_node_first(doc, query); c && rc == 0; c = jb_node_next(doc, c)) {
        struct jb_str text = JB_STR_NONE;
        if (!jb_node_is(doc, c, name, forms ? JB_NS_DATA_FORMS : JB_NS_DISCO_INFO))
            continue;
        if (forms)
            rc = form_text(doc, c, arena, &text);
        else if (identities)
            rc = identity_text(doc, c, arena, &text);
        else
            text = jb_node_attr(doc, c, "var", arena);
        if (text.n)
            list_add(&all, text);
    }
    if (rc == 0)
        rc = list_sort(&all, forms);
    for (size_t i = 0; rc == 0 && i < all.count; i++)
        rc = put(out, all.items[i], identities ? '/' : '<');
    return rc;
}

int caps_ver(const struct jb_doc *doc, uint16_t query, struct jb__arena *arena,
             char ver[CAPS_VER_BYTES])
{
    static const char *const kinds[] = { "identity", "feature", "x" };
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct jb__buf s;
    int rc = 0;

    /* Not longer than what it is made from, but for the separators of empty parts. */
    jb__buf_init(&s, arena->alloc, 2 * (size_t)doc->bytes + 64);
    for (size_t i = 0; rc == 0 && i < sizeof kinds / sizeof kinds[0]; i++)
        rc = put_kind(doc, query, arena, kinds[i], &s);
    if (rc == 0) {
        SHA1((const unsigned char *)s.p, s.n, digest);
        (void)jb__base64_encode(digest, sizeof digest, ver);
    }
    jb__buf_deinit(&s);
    return rc;
}
