/* SPDX-License-Identifier: MIT */
#include "cli/show.h"

#include "base/utf8.h"

enum { DEPTH = 256, REPLACEMENT = 0xfffd };

/* -- Characters ------------------------------------------------------------------------------- */

/* Left-to-right marks, embeddings, overrides and isolates; line separators; tags. */
static bool is_hidden(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

static bool is_unsafe(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || is_hidden(c);
}

/* The next character of a NUL-terminated text that is UTF-8 unless somebody made a mistake. */
static uint32_t next(const char **at)
{
    struct jb_str rest = jb_strz(*at);
    size_t used = 1;
    uint32_t c = REPLACEMENT;

    for (size_t n = 1; n <= 4 && n <= rest.n; n++) {
        if (jb__utf8_valid(jb_str(rest.p, n))) {
            c = jb__utf8_decode(jb_str(rest.p, n), &used);
            break;
        }
    }
    *at += used;
    return c;
}

static void put_character(FILE *to, uint32_t c)
{
    char bytes[4];

    size_t n = jb__utf8_encode(c, bytes);

    fwrite(bytes, 1, n, to);
}

void show_text(FILE *to, const char *text, const char *indent)
{
    while (*text) {
        uint32_t c = next(&text);
        if (c == '\n' && indent)
            fprintf(to, "\n%s", indent);
        else if (c == '\n' || c == '\t')
            fputc(' ', to);
        else
            put_character(to, is_unsafe(c) ? REPLACEMENT : c);
    }
}

const char *show_line(const char *text, char *out, size_t room)
{
    size_t n = 0;

    while (*text && n + 5 <= room) {
        uint32_t c = next(&text);
        if (c == '\n' || c == '\t')
            c = ' ';
        n += jb__utf8_encode(is_unsafe(c) ? REPLACEMENT : c, out + n);
    }
    out[n] = '\0';
    return out;
}

/* -- XML -------------------------------------------------------------------------------------- */

enum colour { PLAIN, NAME, ATTRIBUTE, VALUE };

struct printer {
    FILE *to;
    bool pretty, colour;
};

static void paint(const struct printer *p, enum colour c)
{
    static const char *const codes[] = { "\033[0m", "\033[36m", "\033[33m", "\033[32m" };

    if (p->colour)
        fputs(codes[c], p->to);
}

static void put_escaped(const struct printer *p, const char *text)
{
    while (*text) {
        uint32_t c = next(&text);
        if (c == '<')
            fputs("&lt;", p->to);
        else if (c == '&')
            fputs("&amp;", p->to);
        else if (c == '>')
            fputs("&gt;", p->to);
        else if (c == '\'')
            fputs("&apos;", p->to);
        else if (is_unsafe(c))
            fprintf(p->to, "&#x%x;", c);
        else
            put_character(p->to, c);
    }
}

static void put_attribute(const struct printer *p, const char *name, const char *value)
{
    fputc(' ', p->to);
    paint(p, ATTRIBUTE);
    put_escaped(p, name);
    paint(p, PLAIN);
    fputs("='", p->to);
    paint(p, VALUE);
    put_escaped(p, value);
    paint(p, PLAIN);
    fputc('\'', p->to);
}

static void put_name(const struct printer *p, const char *before, const struct jb_element *e)
{
    fputs(before, p->to);
    paint(p, NAME);
    put_escaped(p, jb_element_name(e));
    paint(p, PLAIN);
}

static void put_start(const struct printer *p, const struct jb_element *e, const char *outer_ns)
{
    const char *name, *value;

    put_name(p, "<", e);
    if (strcmp(jb_element_ns(e), outer_ns) != 0)
        put_attribute(p, "xmlns", jb_element_ns(e));
    for (unsigned k = 0; (name = jb_element_attr_at(e, k, &value)) != NULL; k++)
        put_attribute(p, name, value);
    bool empty = !jb_element_first(e) && !jb_element_text(e)[0];
    fputs(empty ? "/>" : ">", p->to);
    if (!empty)
        put_escaped(p, jb_element_text(e));
}

static void put_break(const struct printer *p, size_t depth)
{
    if (p->pretty)
        fprintf(p->to, "\n%*s", (int)(2 * depth), "");
}

static void put_end(const struct printer *p, const struct jb_element *e, size_t depth)
{
    if (jb_element_first(e))
        put_break(p, depth);
    if (jb_element_first(e) || jb_element_text(e)[0]) {
        put_name(p, "</", e);
        fputc('>', p->to);
    }
}

void show_xml(FILE *to, const struct jb_element *e, bool pretty, bool colour)
{
    const struct printer p = { to, pretty, colour };
    const struct jb_element *open[DEPTH];
    size_t depth = 0;

    /* No recursion: how deep it goes is the sender's choice. */
    while (e) {
        put_start(&p, e, depth ? jb_element_ns(open[depth - 1]) : "jabber:client");
        if (jb_element_first(e) && depth < DEPTH) {
            open[depth++] = e;
            e = jb_element_first(e);
            put_break(&p, depth);
            continue;
        }
        put_end(&p, e, depth);
        while (depth > 0 && !jb_element_next(e)) {
            e = open[--depth];
            put_end(&p, e, depth);
        }
        e = depth > 0 ? jb_element_next(e) : NULL;
        if (e)
            put_break(&p, depth);
    }
    fputc('\n', to);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *one_json(const struct jb_element *e)
{
    json_t *object = json_object(), *attributes = json_object();
    const char *name, *value;

    for (unsigned k = 0; (name = jb_element_attr_at(e, k, &value)) != NULL; k++)
        json_object_set_new(attributes, name, json_string(value));
    json_object_set_new(object, "name", json_string(jb_element_name(e)));
    json_object_set_new(object, "ns", json_string(jb_element_ns(e)));
    if (json_object_size(attributes) > 0)
        json_object_set(object, "attributes", attributes);
    json_decref(attributes);
    if (jb_element_text(e)[0])
        json_object_set_new(object, "text", json_string(jb_element_text(e)));
    return object;
}

json_t *show_json(const struct jb_element *e)
{
    const struct jb_element *open[DEPTH];
    json_t *objects[DEPTH], *root = NULL;
    size_t depth = 0;

    while (e) {
        json_t *object = one_json(e);
        if (depth == 0)
            root = object;
        else
            json_array_append_new(json_object_get(objects[depth - 1], "children"), object);
        if (jb_element_first(e) && depth < DEPTH) {
            json_object_set_new(object, "children", json_array());
            open[depth] = e;
            objects[depth++] = object;
            e = jb_element_first(e);
            continue;
        }
        while (depth > 0 && !jb_element_next(e))
            e = open[--depth];
        e = depth > 0 ? jb_element_next(e) : NULL;
    }
    return root;
}
