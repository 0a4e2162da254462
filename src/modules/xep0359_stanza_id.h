/* SPDX-License-Identifier: MIT */
/* XEP-0359 Unique and Stable Stanza IDs. */
#ifndef MODULES_XEP0359_STANZA_ID_H
#define MODULES_XEP0359_STANZA_ID_H

#include "core/jid.h"
#include "core/xml_write.h"

struct server;

enum { STANZA_ID_BYTES = 16 };

/* The id that the world sees of an entry of a user's log: 16 hex digits that tell nothing of when
 * or how many.  One to one, and the same for as long as the data folder lives. */
void stanza_id_text(const struct server *server, int64_t log_id, char text[STANZA_ID_BYTES + 1]);
/* The other way round; false when the text is no such id.  What comes out need not be an entry. */
bool stanza_id_parse(const struct server *server, struct jb_str text, int64_t *log_id);
/* Writes <stanza-id/>; `by` is the account (its bare address). */
void stanza_id_write(struct jb_xml *x, const struct server *server, struct jb_jid by,
                     int64_t log_id);

#endif
