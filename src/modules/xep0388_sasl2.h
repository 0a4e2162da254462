/* SPDX-License-Identifier: MIT */
/* What a client asks for together with its authentication (XEP-0388), and what came of it: from
 * <authenticate/> to <success/>. */
#ifndef MODULES_XEP0388_SASL2_H
#define MODULES_XEP0388_SASL2_H

#include "base/arena.h"
#include "modules/modules.h"
#include "modules/xep0484_fast.h"
#include "server/auth.h"

struct sasl2 {
    struct jb__arena arena; /* its texts */
    struct jb_str agent;    /* `id` of <user-agent/>; empty: it has none */
    bool resumes;           /* wants its session back */
    bool binds;             /* wants a resource (XEP-0386) */
    bool enables;           /* and stream management with it */
    struct jb_sm_event resume, enable;
    struct jb_str tag; /* what its resource begins with; empty: nothing */
    struct fast_wish fast;
    /* Authenticated: */
    struct jb_str data; /* the mechanism's last word, in base 64; empty: none */
    bool has_mark;      /* of its account's credentials (auth.h) */
    uint8_t mark[AUTH_MARK_BYTES];
    struct fast_token_text token; /* for the next time */
    bool resume_refused;
    bool has_h; /* then: `h` of the session that is gone */
    uint32_t h;
};

extern const struct auth_profile sasl2_profile;

#endif
