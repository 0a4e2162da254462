/* SPDX-License-Identifier: MIT */
/* Parsing one complete element into a flat table of nodes.
 *
 * The parser accepts the XML that RFC 6120 section 11 allows and nothing more: no DTD, processing
 * instruction, comment or foreign entity.  What it accepts is relayed verbatim, so it is the
 * security boundary: whatever it accepts, every conforming parser must accept too, with the same
 * meaning.  It does not recurse, and takes memory in proportion to the text.
 *
 * Nodes are elements in document order.  Attributes and character data have no nodes: the text is
 * verified, so they are found again by a short scan when somebody asks. */
#ifndef JB_CORE_XML_PARSE_H
#define JB_CORE_XML_PARSE_H

#include "base/arena.h"
#include "base/error.h"
#include "core/limits.h"
#include "core/ns.h"

struct jb_node {
    uint32_t start;       /* offset of '<' */
    uint32_t content;     /* offset behind the start tag */
    uint32_t content_end; /* offset of the end tag; equals content in <a/> and <a></a> */
    uint32_t end;         /* offset behind the element */
    uint32_t ns_at;       /* offset of the namespace's URI, where it was declared */
    uint16_t ns_bytes;    /* 0: in no namespace */
    uint16_t name_bytes;  /* of the local name */
    uint16_t next;        /* index of the next sibling; 0: none */
    uint8_t prefix_bytes; /* with the colon; the local name is at start + 1 + prefix_bytes */
    uint8_t ns;           /* enum jb_ns; JB_NS_NONE: see ns_at */
    uint8_t depth;        /* the root has 0 */
    bool has_child;       /* then the first child is the next node */
};

/* A parsed element.  Offsets fit any copy of the text. */
struct jb_doc {
    const char *text;
    const struct jb_node *nodes;
    uint32_t bytes;     /* of text */
    uint16_t count;     /* nodes; 0: nothing parsed */
    bool cdata;         /* the text has a CDATA section somewhere */
    enum jb_limit over; /* after JB_XML_TOO_BIG: which limit of authenticated streams it was */
};

enum jb_xml_fault {
    JB_XML_OK,
    JB_XML_NOT_WELL_FORMED,
    JB_XML_RESTRICTED, /* DTD, processing instruction, comment, entity (RFC 6120 section 11.1) */
    JB_XML_ENCODING,   /* a declaration of another encoding than UTF-8 (section 11.6) */
    JB_XML_BAD_FORMAT, /* not exactly one element (RFC 7395 section 3.3.3) */
    JB_XML_TOO_BIG,    /* depth, attributes, elements, names, declarations over a limit */
    JB_XML_NO_MEMORY,
};

struct jb_xml_bounds {
    uint32_t depth, attributes, namespaces, elements, name_bytes;
};

/* Parses `text` (valid UTF-8, complete) into doc; nodes are in the arena, doc->text is text.p.
 * An XML declaration in front is let pass (RFC 7395 section 3.3.3 discourages it); it is no part
 * of any node. */
JB_NODISCARD enum jb_xml_fault jb_xml_parse(struct jb_str text, const struct jb_xml_bounds *bounds,
                                            struct jb__arena *arena, struct jb_doc *doc);

/* ---- looking at a parsed element ---- */

/* Index 0 is the root; children are found through these.  0 means none. */
uint16_t jb_node_first(const struct jb_doc *doc, uint16_t node);
uint16_t jb_node_next(const struct jb_doc *doc, uint16_t node);
/* The first child with this name and namespace; `name` NULL: any name; 0: none. */
uint16_t jb_node_child(const struct jb_doc *doc, uint16_t node, const char *name, enum jb_ns ns);

struct jb_str jb_node_name(const struct jb_doc *doc, uint16_t node);
struct jb_str jb_node_ns(const struct jb_doc *doc, uint16_t node); /* the URI as written */
bool jb_node_is(const struct jb_doc *doc, uint16_t node, const char *name, enum jb_ns ns);
/* The element as it stands in the text, tags included. */
struct jb_str jb_node_xml(const struct jb_doc *doc, uint16_t node);

/* The raw value of an attribute (references not replaced); `name` as written, with its prefix.
 * False when it is not there. */
bool jb_node_attr_raw(const struct jb_doc *doc, uint16_t node, const char *name,
                      struct jb_str *raw);
/* The value with references replaced: a view into the text when there are none, else in the arena.
 * Missing: empty.  Out of memory: empty, p NULL. */
struct jb_str jb_node_attr(const struct jb_doc *doc, uint16_t node, const char *name,
                           struct jb__arena *arena);
/* Of XML Schema's boolean, as attributes and forms have it: "true" or "1". */
bool jb_xml_is_true(struct jb_str text);
/* The same of a raw value; false also where there is none. */
bool jb_node_attr_is_true(const struct jb_doc *doc, uint16_t node, const char *name);
/* The element's own character data, without that of its children, references replaced; a view into
 * the text where that is possible. */
struct jb_str jb_node_text(const struct jb_doc *doc, uint16_t node, struct jb__arena *arena);

/* Walks attributes in order: *at starts with 0; false at the end.  Names and raw values as written,
 * namespace declarations included. */
bool jb_node_attr_next(const struct jb_doc *doc, uint16_t node, uint32_t *at, struct jb_str *name,
                       struct jb_str *raw);

/* What a raw attribute value means: references replaced, literal tabs and line ends made spaces
 * (XML 1.0 section 3.3.3).  Out of memory: p NULL. */
struct jb_str jb_xml_attr_value(struct jb_str raw, struct jb__arena *arena);
/* Replaces references and CDATA in verified text; see jb_node_text for where the result is. */
struct jb_str jb_xml_unescape(struct jb_str raw, struct jb__arena *arena);

#endif
