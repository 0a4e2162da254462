/* SPDX-License-Identifier: MIT */
/* XEP-0313 for any archive: whoever owns one (a user's account, a room) decides who may ask, says
 * which archive it is, and leaves the answer to these. */
#ifndef MODULES_MAM_H
#define MODULES_MAM_H

#include "modules/mam_query.h"

struct server;
struct session;

/* A query (section 4) of a session here: results go to it, then the answer.  `iq` is held; `ended`
 * is called just before it is answered or refused, unless the session has ended by then.
 * `source->by` must live as long as the iq. */
void mam_answer_query(struct iq *iq, const struct mam_archive *source,
                      void (*ended)(struct session *s));
/* What can be searched by (section 4.1.5). */
void mam_answer_form(struct iq *iq);
/* The ends of the archive (section 5); `iq` is held. */
void mam_answer_metadata(struct iq *iq, const struct mam_archive *source);

/* The same as a part of something else: adds the reads to a unit that has no others ... */
void mam_add_ends(struct store_unit *unit, const struct mam_archive *source);
/* ... and writes what they found, <metadata/>. */
void mam_write_ends(const struct store_unit *unit, const struct server *server, struct jb_xml *x);

#endif
