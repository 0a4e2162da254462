/* SPDX-License-Identifier: MIT */
/* What is kept of a client's tokens (xep0484_fast.c): one row for each user agent of an account, in
 * memory as in the store:
 *
 *     kv "fast"  key of the agent (server/agent.h)  ->  a row
 *
 * There is no token in it, only the id that one is made from. */
#ifndef MODULES_FAST_ROW_H
#define MODULES_FAST_ROW_H

#include "modules/xep0484_fast.h"
#include "server/agent.h"

enum {
    FAST_CURRENT, /* in use */
    FAST_NEXT,    /* given, not used yet: takes the place of the other when it is */
    FAST_TOKENS,
};

struct fast_token {
    bool given;     /* false: there is none here */
    uint8_t ht;     /* the mechanism it is for (index of JB__SASL_HTS) */
    uint32_t count; /* of the last login, as its client counts them; 0: it does not */
    int64_t given_us;
    int64_t expiry_us;
    uint8_t id[FAST_ID_BYTES];
};

struct fast_row {
    struct fast_row *next;
    uint8_t key[AGENT_BYTES];
    int64_t used_us; /* when something of it last changed */
    struct fast_token tokens[FAST_TOKENS];
};

/* A version byte, used_us, then for each token: given (1), mechanism (1), count (4), given_us (8),
 * expiry_us (8), id; numbers big-endian. */
enum { FAST_ROW_BYTES = 1 + 8 + FAST_TOKENS * (22 + FAST_ID_BYTES) };

void fast_row_encode(const struct fast_row *row, uint8_t bytes[FAST_ROW_BYTES]);
/* Everything but `next`; without tokens when these are not the bytes of a row. */
void fast_row_decode(struct fast_row *row, struct jb_str key, struct jb_str bytes);

/* A list of rows, each with a key of its own. */
struct fast_row *fast_row_find(struct fast_row *rows, const uint8_t key[AGENT_BYTES]);
struct fast_row *fast_row_add(struct fast_row **rows, const uint8_t key[AGENT_BYTES]);
void fast_row_remove(struct fast_row **rows, struct fast_row *row);
/* Makes it what it was before; one without tokens is removed. */
void fast_row_restore(struct fast_row **rows, const struct fast_row *before);
/* NULL: none of its tokens has this id. */
struct fast_token *fast_row_find_token(struct fast_row *row, const uint8_t id[FAST_ID_BYTES]);
/* None of its tokens is good any more. */
bool fast_row_is_over(const struct fast_row *row, int64_t now_us);
/* A row, not `keep`, that should go: one that is over, or, when there are more than `most`, the one
 * unused for longest.  NULL: none. */
struct fast_row *fast_row_superfluous(struct fast_row *rows, const struct fast_row *keep,
                                      uint32_t most, int64_t now_us);

#endif
