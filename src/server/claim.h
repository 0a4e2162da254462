/* SPDX-License-Identifier: MIT */
/* Claim links: who opens one makes an account, once.
 *
 * An empty server prints one; its claimer becomes the administrator and gets a second one to hand
 * on.  It is good until there is an account, whoever made that.  A token has 130 bits; the store
 * keeps only its hash (kv of the host, store "claim"). */
#ifndef SERVER_CLAIM_H
#define SERVER_CLAIM_H

#include "base/random.h"
#include "core/http.h"
#include "core/jid.h"

struct conn;
struct store_unit;

enum { CLAIM_KEY_BYTES = 64 };
struct claim_token {
    char text[JB__RANDOM_ID_BYTES + 1];
    char key[CLAIM_KEY_BYTES]; /* hex of its SHA-256: what the store knows */
};

void claim_token_make(struct claim_token *t);
/* Adds the writes that make a link good: for the administrator (inviter empty), or for a friend of
 * `inviter` (a bare address of the same host). */
void claim_store(struct store_unit *u, struct jb_str host, const struct claim_token *t,
                 struct jb_str inviter);

/* GET and POST of /claim/TOKEN. */
void claim_handle(struct conn *c, const struct jb__http_request *req, struct jb_str token,
                  struct jb_str body);

#endif
