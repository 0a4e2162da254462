/* SPDX-License-Identifier: MIT */
/* What somebody meant who mistyped a name: "did you mean ...?" */
#ifndef JB_BASE_GUESS_H
#define JB_BASE_GUESS_H

#include "base/str.h"

/* Of the candidates so far, the nearest to `name`; the first of several.  `best` is close enough to
 * be meant, or NULL. */
struct jb__guess {
    struct jb_str name;
    const char *best;
    size_t distance;
};
void jb__guess_begin(struct jb__guess *g, struct jb_str name);
/* `candidate` must live as long as `best` is looked at. */
void jb__guess_offer(struct jb__guess *g, const char *candidate);

#endif
