/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include "client/client_impl.h"

enum { NAME_BYTES = 63 };

struct jb_writer {
    const struct jb_allocator *memory;
    struct jb__buf buf;
    struct jb_xml x;
    char names[JB_XML_WRITE_DEPTH][NAME_BYTES + 1]; /* of the open elements: the core keeps none */
};

struct jb_writer *jb_writer_new(struct jb_client *client)
{
    struct jb_writer *w = jb_alloc(&client->memory, sizeof *w);

    if (!w)
        return NULL;
    w->memory = &client->memory;
    jb__buf_init(&w->buf, w->memory, jb__setting(client, JB_SETTING_STANZA_BYTES));
    jb_xml_begin(&w->x, &w->buf);
    return w;
}

void jb_writer_free(struct jb_writer *w)
{
    if (!w)
        return;
    jb__buf_deinit(&w->buf);
    jb_free(w->memory, w);
}

/* The first mistake counts. */
static bool refuse(struct jb_writer *w, int rc)
{
    if (w->x.err == 0)
        w->x.err = rc;
    return false;
}

static bool is_ready(struct jb_writer *w)
{
    return w && w->x.err == 0;
}

/* Text that XML can carry at all is found out when it is sent; what is no UTF-8, here. */
static bool is_text(struct jb_writer *w, struct jb_str text)
{
    return jb__utf8_valid(text) || refuse(w, JB_EINVAL);
}

static bool is_name(struct jb_writer *w, struct jb_str name)
{
    if (name.n == 0 || name.n > NAME_BYTES)
        return refuse(w, JB_EINVAL);
    for (size_t i = 0; i < name.n; i++)
        if (strchr(" \t\r\n<>&'\"=/", name.p[i]))
            return refuse(w, JB_EINVAL);
    return is_text(w, name);
}

void jb_writer_open(struct jb_writer *w, const char *name, const char *ns)
{
    struct jb_str n = jb_strz(name), uri = jb_strz(ns);

    if (!is_ready(w) || !is_name(w, n) || !is_text(w, uri))
        return;
    if (w->x.depth == JB_XML_WRITE_DEPTH) {
        refuse(w, JB_EFULL);
        return;
    }
    char *kept = w->names[w->x.depth];
    memcpy(kept, n.p, n.n);
    kept[n.n] = '\0';
    if (!ns || jb_ns_find(uri) != JB_NS_NONE)
        jb_xml_open(&w->x, kept, jb_ns_find(uri));
    else
        jb_xml_open_str(&w->x, kept, uri);
}

void jb_writer_attr(struct jb_writer *w, const char *name, const char *value)
{
    if (!is_ready(w) || !value || !is_name(w, jb_strz(name)) || !is_text(w, jb_strz(value)))
        return;
    if (w->x.tag_open)
        jb_xml_attr(&w->x, name, jb_strz(value));
    else
        refuse(w, JB_ESTATE);
}

void jb_writer_chars(struct jb_writer *w, const char *text)
{
    if (!is_ready(w) || !is_text(w, jb_strz(text)))
        return;
    if (w->x.depth > 0)
        jb_xml_text(&w->x, jb_strz(text));
    else
        refuse(w, JB_ESTATE);
}

void jb_writer_raw(struct jb_writer *w, const char *xml)
{
    if (is_ready(w) && is_text(w, jb_strz(xml)))
        jb_xml_raw(&w->x, jb_strz(xml));
}

void jb_writer_element(struct jb_writer *w, const struct jb_element *e)
{
    if (!is_ready(w))
        return;
    if (e)
        jb__element_write(e, &w->x);
    else
        refuse(w, JB_EINVAL);
}

void jb_writer_close(struct jb_writer *w)
{
    if (!is_ready(w))
        return;
    if (w->x.depth > 0)
        jb_xml_close(&w->x);
    else
        refuse(w, JB_ESTATE);
}

void jb_writer_leaf(struct jb_writer *w, const char *name, const char *ns, const char *text)
{
    jb_writer_open(w, name, ns);
    if (text && text[0])
        jb_writer_chars(w, text);
    jb_writer_close(w);
}

const char *jb_writer_text(struct jb_writer *w)
{
    if (!is_ready(w))
        return NULL;
    if (w->x.depth > 0) {
        refuse(w, JB_ESTATE);
        return NULL;
    }
    int rc = jb__buf_reserve(&w->buf, 1);
    if (rc != 0) {
        refuse(w, rc);
        return NULL;
    }
    w->buf.p[w->buf.n] = '\0';
    return w->buf.p;
}

int jb_writer_error(const struct jb_writer *w)
{
    return w ? w->x.err : JB_ENOMEM;
}
