/* SPDX-License-Identifier: MIT */
#include "core/xml_write.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>

static void put(struct jb_xml *x, const char *p, size_t n)
{
    int rc;

    if (x->err == 0 && (rc = jb__buf_append(x->buf, p, n)) != 0)
        x->err = rc;
}

static void putz(struct jb_xml *x, const char *z)
{
    put(x, z, strlen(z));
}

/* In an attribute, tab and line ends are written as references too: a parser would turn them into
 * spaces (XML 1.0 section 3.3.3). */
static const char *escape_of(char c, bool in_attr)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\r':
        return "&#13;";
    case '\'':
        return in_attr ? "&apos;" : NULL;
    case '"':
        return in_attr ? "&quot;" : NULL;
    case '\t':
        return in_attr ? "&#9;" : NULL;
    case '\n':
        return in_attr ? "&#10;" : NULL;
    default:
        return NULL;
    }
}

static void put_escaped(struct jb_xml *x, struct jb_str s, bool in_attr)
{
    size_t from = 0;

    for (size_t i = 0; i < s.n; i++) {
        const char *escape = escape_of(s.p[i], in_attr);
        if (!escape)
            continue;
        put(x, s.p + from, i - from);
        putz(x, escape);
        from = i + 1;
    }
    put(x, s.p + from, s.n - from);
}

static void end_start_tag(struct jb_xml *x)
{
    if (x->tag_open)
        put(x, ">", 1);
    x->tag_open = false;
}

void jb_xml_begin(struct jb_xml *x, struct jb__buf *buf)
{
    *x = (struct jb_xml){ .buf = buf };
}

static void open_tag(struct jb_xml *x, const char *name, enum jb_ns ns)
{
    jb_assert(x->depth < JB_XML_WRITE_DEPTH);
    end_start_tag(x);
    put(x, "<", 1);
    putz(x, name);
    x->open[x->depth].name = name;
    x->open[x->depth].ns = ns;
    x->depth++;
    x->tag_open = true;
}

void jb_xml_open(struct jb_xml *x, const char *name, enum jb_ns ns)
{
    enum jb_ns parent = x->depth ? x->open[x->depth - 1].ns : JB_NS_NONE;

    open_tag(x, name, ns == JB_NS_NONE ? parent : ns);
    if (ns != JB_NS_NONE && ns != parent)
        jb_xml_attr(x, "xmlns", jb_ns_uri(ns));
}

void jb_xml_open_str(struct jb_xml *x, const char *name, struct jb_str ns)
{
    open_tag(x, name, JB_NS_NONE);
    jb_xml_attr(x, "xmlns", ns);
}

void jb_xml_attr(struct jb_xml *x, const char *name, struct jb_str value)
{
    jb_assert(x->tag_open);
    put(x, " ", 1);
    putz(x, name);
    put(x, "='", 2);
    put_escaped(x, value, true);
    put(x, "'", 1);
}

void jb_xml_attrz(struct jb_xml *x, const char *name, const char *value)
{
    jb_xml_attr(x, name, jb_strz(value));
}

void jb_xml_attr_u64(struct jb_xml *x, const char *name, uint64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64, value);

    jb_xml_attr(x, name, jb_str(digits, (size_t)n));
}

void jb_xml_text(struct jb_xml *x, struct jb_str text)
{
    end_start_tag(x);
    put_escaped(x, text, false);
}

void jb_xml_raw(struct jb_xml *x, struct jb_str xml)
{
    if (xml.n == 0)
        return;
    end_start_tag(x);
    put(x, xml.p, xml.n);
}

void jb_xml_close(struct jb_xml *x)
{
    jb_assert(x->depth > 0);
    x->depth--;
    if (x->tag_open) {
        put(x, "/>", 2);
        x->tag_open = false;
        return;
    }
    put(x, "</", 2);
    putz(x, x->open[x->depth].name);
    put(x, ">", 1);
}

void jb_xml_leaf(struct jb_xml *x, const char *name, enum jb_ns ns, struct jb_str text)
{
    jb_xml_open(x, name, ns);
    if (text.n)
        jb_xml_text(x, text);
    jb_xml_close(x);
}

int jb_xml_end(struct jb_xml *x)
{
    jb_assert(x->depth == 0);
    return x->err;
}
