/* SPDX-License-Identifier: MIT */
/* XEP-0313 for any archive: whoever owns one (a user's account, a room) decides who may ask, says
 * which archive it is, and leaves the answer to these. */
#ifndef MODULES_MAM_H
#define MODULES_MAM_H

#include "modules/mam_query.h"

struct session;

/* A query (section 4), of a session here: results go to it, then the answer.  False: it has been
 * refused.  True: it is under way, and `ended` is called when it is answered, unless the session
 * has ended by then.  `source` is copied but for owner and store, which are static or the host's
 * or user's. */
JB_NODISCARD bool mam_answer_query(struct iq *iq, const struct mam_archive *source,
                                   void (*ended)(struct session *s));
/* What can be searched by (section 4.1.5). */
void mam_answer_form(struct iq *iq);
/* The ends of the archive (section 5). */
void mam_answer_metadata(struct iq *iq, const struct mam_archive *source);

#endif
