/* SPDX-License-Identifier: MIT */
#include "core/host_meta.h"

#include "core/xml_write.h"

static const struct jb_str rel = JB_STR_INIT("urn:xmpp:alt-connections:websocket");

int jb__host_meta_xml(const struct jb_str *urls, size_t count, struct jb__buf *out)
{
    size_t before = out->n;
    struct jb_xml x;

    jb_xml_begin(&x, out);
    jb_xml_raw(&x, JB_STR("<?xml version='1.0' encoding='utf-8'?>\n"));
    jb_xml_open(&x, "XRD", JB_NS_XRD);
    for (size_t i = 0; i < count; i++) {
        jb_xml_open(&x, "Link", JB_NS_NONE);
        jb_xml_attr(&x, "rel", rel);
        jb_xml_attr(&x, "href", urls[i]);
        jb_xml_close(&x);
    }
    jb_xml_close(&x);
    int rc = jb_xml_end(&x);
    if (rc != 0)
        out->n = before;
    return rc;
}

static int put(struct jb__buf *out, int err, struct jb_str s)
{
    return err != 0 ? err : jb__buf_append(out, s.p, s.n);
}

/* A JSON string.  Only '"' and '\' call for an escape in text without control characters. */
static int put_json(struct jb__buf *out, int err, struct jb_str s)
{
    err = put(out, err, JB_STR("\""));
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20)
            return err != 0 ? err : JB_EINVAL;
        if (s.p[i] == '"' || s.p[i] == '\\')
            err = put(out, err, JB_STR("\\"));
        err = put(out, err, jb_str(s.p + i, 1));
    }
    return put(out, err, JB_STR("\""));
}

int jb__host_meta_json(const struct jb_str *urls, size_t count, struct jb__buf *out)
{
    size_t before = out->n;
    int err = put(out, 0, JB_STR("{\"links\":["));

    for (size_t i = 0; i < count; i++) {
        if (i)
            err = put(out, err, JB_STR(","));
        err = put(out, err, JB_STR("{\"rel\":"));
        err = put_json(out, err, rel);
        err = put(out, err, JB_STR(",\"href\":"));
        err = put_json(out, err, urls[i]);
        err = put(out, err, JB_STR("}"));
    }
    err = put(out, err, JB_STR("]}\n"));
    if (err != 0)
        out->n = before;
    return err;
}
