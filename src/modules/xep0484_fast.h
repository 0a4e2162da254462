/* SPDX-License-Identifier: MIT */
/* XEP-0484 as a part of the authentication (xep0388_sasl2.c). */
#ifndef MODULES_XEP0484_FAST_H
#define MODULES_XEP0484_FAST_H

#include "modules/modules.h"

enum { FAST_ID_BYTES = 16, FAST_TOKEN_BYTES = 13 + 44 };

/* What a client says of tokens in <authenticate/>. */
struct fast_wish {
    bool asks;        /* for one, ... */
    unsigned asked;   /* ... for this mechanism (index of JB__SASL_HTS) */
    bool uses;        /* the token it has, ... */
    bool invalidates; /* ... for the last time */
    bool has_count;
    uint32_t count;            /* of its logins with this token */
    uint8_t id[FAST_ID_BYTES]; /* once it is authenticated: of that token */
};

/* A token as its client is told it. */
struct fast_token_text {
    char text[FAST_TOKEN_BYTES + 1]; /* empty: none is given */
    int64_t expiry_us;
};

/* <fast/> within the offer. */
void fast_write_offer(const struct conn *c, struct jb_xml *x);
/* Takes what <authenticate/> says of tokens; false: something that was not offered. */
JB_NODISCARD bool fast_read(const struct conn *c, const struct jb_doc *doc, struct fast_wish *wish);
/* Authenticates by a token; c->sasl2 has the wishes. */
void fast_authenticate(struct conn *c, struct jb_str mechanism, struct jb_str initial);
/* At home and authenticated: sees to the client's tokens, in the store, too.  `settled` is called
 * once, at once or later; false: it may not go on. */
void fast_settle(struct conn *c, void (*settled)(struct conn *c, bool may_go_on));
void fast_write_token(const struct fast_token_text *token, struct jb_xml *x);

#endif
