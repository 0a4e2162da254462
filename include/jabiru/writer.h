/* SPDX-License-Identifier: MIT */
/* Writing XML.  The writer remembers the first error; jb_writer_text() reports it, so the calls in
 * between need no check.
 *
 *     struct jb_writer *w = jb_writer_new(client);
 *     jb_writer_open(w, "message", NULL);
 *     jb_writer_attr(w, "to", "juliet@example.org");
 *     jb_writer_leaf(w, "body", NULL, "Soft! What light?");
 *     jb_writer_close(w);
 *     rc = jb_client_send(client, jb_writer_text(w), NULL);
 *     jb_writer_free(w);
 *
 * What is written is escaped.  An element without a namespace of its own is in its parent's; a
 * stanza's root is in jabber:client.  Nesting: 16 at most, names: 63 bytes at most. */
#ifndef JABIRU_WRITER_H
#define JABIRU_WRITER_H

#include "jabiru/element.h"

struct jb_client;
struct jb_writer;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a writer.
 *
 * Its memory comes from where the client's does, and its text is bounded as the client's stanzas
 * are.  All other calls take NULL and do nothing, so a failure here may be noticed at the end.
 *
 * Ownership:  the caller's: jb_writer_free()
 * Threads:    the one that owns the client
 * Returns:    the writer; NULL when out of memory
 */
JB_API JB_NODISCARD struct jb_writer *jb_writer_new(struct jb_client *client);

/**
 * Frees a writer and its text.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_free(struct jb_writer *w);

/**
 * Opens an element; what follows is in it until jb_writer_close().
 *
 * `ns` NULL means the parent's namespace.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_open(struct jb_writer *w, const char *name, const char *ns);

/**
 * Gives the element just opened an attribute; `value` NULL gives none.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_attr(struct jb_writer *w, const char *name, const char *value);

/**
 * Adds character data, escaped.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_chars(struct jb_writer *w, const char *text);

/**
 * Adds well-formed XML as it stands.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_raw(struct jb_writer *w, const char *xml);

/**
 * Adds an element and all in it as it came, mixed content and prefixes too, so that it means the
 * same here: with it go the namespaces that were declared around it.
 *
 * Ownership:  the text is copied
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_element(struct jb_writer *w, const struct jb_element *e);

/**
 * Closes the element opened last.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_close(struct jb_writer *w);

/**
 * Writes a whole element that has only text in it (NULL: nothing).
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_writer_leaf(struct jb_writer *w, const char *name, const char *ns, const char *text);

/**
 * The text, once all elements are closed.
 *
 * Ownership:  the writer's; lives until it is written to again, or freed
 * Threads:    the one that owns the client
 * Returns:    the text; NULL after an error.  Functions that take XML refuse NULL, so it can be
 *             handed on without a look; jb_writer_error() says why
 */
JB_API const char *jb_writer_text(struct jb_writer *w);

/**
 * The first error since the writer was made.
 *
 * Threads:    the one that owns the client
 * Returns:    0, or
 *   JB_EINVAL  a name or text that XML cannot have
 *   JB_ESTATE  a call out of place, as an attribute behind text
 *   JB_EFULL   too long, or nested too deep
 *   JB_ENOMEM  also for a writer that is NULL
 */
JB_API int jb_writer_error(const struct jb_writer *w);

#ifdef __cplusplus
}
#endif

#endif
