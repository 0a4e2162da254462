/* SPDX-License-Identifier: MIT */
/* XEP-0334 Message Processing Hints: what a sender wishes. */
#ifndef MODULES_XEP0334_HINTS_H
#define MODULES_XEP0334_HINTS_H

#include "core/stanza.h"

enum hint {
    HINT_NO_STORE = 1,           /* keep it nowhere, not even until it is delivered */
    HINT_NO_PERMANENT_STORE = 2, /* keep it until it is delivered, not longer */
    HINT_NO_COPY = 4,
    HINT_STORE = 8, /* keep it although it does not look like it */
};

/* The hints of a message as a set; none in an error (section 5). */
unsigned hints_of(const struct jb_stanza *message);

#endif
