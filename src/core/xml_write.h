/* SPDX-License-Identifier: MIT */
/* Writing XML.  The writer is sticky: errors are remembered and jb_xml_end() reports the first.
 *
 *     struct jb_xml x;
 *     jb_xml_begin(&x, &buf);
 *     jb_xml_open(&x, "query", JB_NS_VERSION);
 *     jb_xml_leaf(&x, "name", JB_NS_NONE, JB_STR("jabirud"));
 *     jb_xml_close(&x);
 *     int rc = jb_xml_end(&x);
 */
#ifndef JB_CORE_XML_WRITE_H
#define JB_CORE_XML_WRITE_H

#include "base/buf.h"
#include "core/ns.h"

enum { JB_XML_WRITE_DEPTH = 16 };

struct jb_xml {
    struct jb__buf *buf; /* where the text goes; the caller's */
    int err;             /* first error, 0 so far */
    bool tag_open;       /* inside a start tag: attributes may follow */
    uint8_t depth;
    struct {
        const char *name; /* static or living as long as the element is open */
        enum jb_ns ns;
    } open[JB_XML_WRITE_DEPTH];
};

void jb_xml_begin(struct jb_xml *x, struct jb__buf *buf);

/* Opens <name xmlns='ns'>; the declaration is left out when it is the parent's namespace or when
 * ns is JB_NS_NONE (then the element is in its parent's).  `name` must outlive the element. */
void jb_xml_open(struct jb_xml *x, const char *name, enum jb_ns ns);
/* The same for a namespace that has no number; it is always declared. */
void jb_xml_open_str(struct jb_xml *x, const char *name, struct jb_str ns);
/* An attribute of the element just opened; `name` may have a prefix declared before. */
void jb_xml_attr(struct jb_xml *x, const char *name, struct jb_str value);
void jb_xml_attrz(struct jb_xml *x, const char *name, const char *value);
void jb_xml_attr_u64(struct jb_xml *x, const char *name, uint64_t value);
/* Character data, escaped. */
void jb_xml_text(struct jb_xml *x, struct jb_str text);
/* Text that is well-formed XML already, taken as it is. */
void jb_xml_raw(struct jb_xml *x, struct jb_str xml);
void jb_xml_close(struct jb_xml *x);
/* <name xmlns='ns'>text</name>, or <name/> when text is empty. */
void jb_xml_leaf(struct jb_xml *x, const char *name, enum jb_ns ns, struct jb_str text);

/* The first error since begin (JB_ENOMEM, JB_EFULL), or 0; asserts that all is closed. */
JB_NODISCARD int jb_xml_end(struct jb_xml *x);

#endif
