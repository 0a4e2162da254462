/* SPDX-License-Identifier: MIT */
/* Looking at an XML element.  Elements are read-only and belong to the event they came with, or to
 * the one that jb_element_parse() gave.  The way back to text is jb_writer_element() (writer.h).
 *
 * Texts end with a NUL, are UTF-8, and have references such as &amp; replaced.  An element that is
 * NULL has no name, no children and no text, so lookups can be chained without a check each. */
#ifndef JABIRU_ELEMENT_H
#define JABIRU_ELEMENT_H

#include "jabiru/error.h"

struct jb_client;
struct jb_element;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Reads a text that is one element, by the parser and the bounds that hold for stanzas that arrive:
 * no DTD, comment or processing instruction; no longer, deeper or wider than they may be.
 *
 * Nothing is sent, and no connection is needed.  Memory comes from where the client's does.
 *
 * Ownership:  the text is copied; *out is the caller's (jb_element_free()), and may outlive the
 *             client
 * Threads:    the one that owns the client; the element may then be another's
 * Returns:    0, or (then *out is NULL)
 *   JB_EINVAL  not one well-formed element, or one with what XMPP does not allow
 *   JB_EFULL   larger than a stanza may be
 *   JB_ENOMEM  nothing was made
 */
JB_API JB_NODISCARD int jb_element_parse(struct jb_client *client, const char *xml,
                                         const struct jb_element **out);

/**
 * Frees what jb_element_parse() gave, and all elements in it.  NULL is allowed.
 *
 * Threads:    the one that has it
 */
JB_API void jb_element_free(const struct jb_element *e);

/**
 * The name of an element, without prefix.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the name; "" for NULL
 */
JB_API const char *jb_element_name(const struct jb_element *e);

/**
 * The namespace of an element.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the URI; "" when it is in none
 */
JB_API const char *jb_element_ns(const struct jb_element *e);

/**
 * The value of an attribute.
 *
 * `name` is as written, with its prefix: "id", "xml:lang".
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the value; NULL when there is no such attribute
 */
JB_API const char *jb_element_attr(const struct jb_element *e, const char *name);

/**
 * The attributes of an element one after the other, from 0 on: for programs that print or copy it.
 *
 * Namespace declarations are not among them.
 *
 * Ownership:  name and value live as long as the element
 * Threads:    the one that owns the client
 * Returns:    the name, as written, and its value in *value (may be NULL); NULL past the last one
 */
JB_API const char *jb_element_attr_at(const struct jb_element *e, unsigned index,
                                      const char **value);

/**
 * The character data of an element, without that of its children.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the text; "" when there is none
 */
JB_API const char *jb_element_text(const struct jb_element *e);

/**
 * The first child of an element.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the child; NULL when there is none
 */
JB_API const struct jb_element *jb_element_first(const struct jb_element *e);

/**
 * The next sibling of an element.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the sibling; NULL after the last one
 */
JB_API const struct jb_element *jb_element_next(const struct jb_element *e);

/**
 * The first child with a name and a namespace.
 *
 * `name` NULL means any name; `ns` NULL means the namespace of the parent.
 *
 * Ownership:  lives as long as the element
 * Threads:    the one that owns the client
 * Returns:    the child; NULL when there is none
 */
JB_API const struct jb_element *jb_element_child(const struct jb_element *e, const char *name,
                                                 const char *ns);

/**
 * Says whether an element has a name and a namespace.
 *
 * Threads:    the one that owns the client
 * Returns:    1 or 0
 */
JB_API int jb_element_is(const struct jb_element *e, const char *name, const char *ns);

#ifdef __cplusplus
}
#endif

#endif
