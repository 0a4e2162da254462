/* SPDX-License-Identifier: MIT */
/* Printing what strangers wrote.  Whatever a terminal would take for a command, or would show in
 * another order than it stands, is replaced or written as a reference: control characters (also the
 * second set, U+0080 to U+009F), and characters that turn the direction of writing. */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "base/str.h"
#include "jabiru/element.h"

#include <jansson.h>
#include <stdio.h>

/* Text for people.  `indent` is put behind each newline in it; NULL: newlines become spaces. */
void show_text(FILE *to, const char *text, const char *indent);

/* The same into `out`, on one line, cut where there is no more room. */
const char *show_line(const char *text, char *out, size_t room);

/* An element as XML: on one line, or (`pretty`) a line for each element.  `colour`: for a terminal.
 * It ends with a newline.  Text that stands between elements comes before them. */
void show_xml(FILE *to, const struct jb_element *e, bool pretty, bool colour);

/* {"name":, "ns":, "attributes": {...}, "text":, "children": [...]}; what is empty is left out.
 * The caller's; NULL when out of memory. */
json_t *show_json(const struct jb_element *e);

#endif
