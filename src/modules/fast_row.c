/* SPDX-License-Identifier: MIT */
#include "modules/fast_row.h"

#include "base/big_endian.h"

#include <openssl/crypto.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { VERSION = 1 };

/* ---- bytes ---- */

static uint8_t *put_number(uint8_t *p, uint64_t value, unsigned bytes)
{
    jb__put_number(p, value, bytes);
    return p + bytes;
}

static uint64_t take_number(const uint8_t **p, unsigned bytes)
{
    const uint8_t *from = *p;

    *p += bytes;
    return jb__get_number(from, bytes);
}

void fast_row_encode(const struct fast_row *row, uint8_t bytes[FAST_ROW_BYTES])
{
    uint8_t *p = put_number(bytes, VERSION, 1);

    p = put_number(p, (uint64_t)row->used_us, 8);
    for (int i = 0; i < FAST_TOKENS; i++) {
        const struct fast_token *t = &row->tokens[i];
        p = put_number(p, t->given, 1);
        p = put_number(p, t->ht, 1);
        p = put_number(p, t->count, 4);
        p = put_number(p, (uint64_t)t->given_us, 8);
        p = put_number(p, (uint64_t)t->expiry_us, 8);
        memcpy(p, t->id, FAST_ID_BYTES);
        p += FAST_ID_BYTES;
    }
}

void fast_row_decode(struct fast_row *row, struct jb_str key, struct jb_str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;

    memcpy(row->key, key.p, AGENT_BYTES);
    row->used_us = 0;
    memset(row->tokens, 0, sizeof row->tokens);
    if (bytes.n != FAST_ROW_BYTES || take_number(&p, 1) != VERSION)
        return;
    row->used_us = (int64_t)take_number(&p, 8);
    for (int i = 0; i < FAST_TOKENS; i++) {
        struct fast_token *t = &row->tokens[i];
        t->given = take_number(&p, 1) == 1;
        t->ht = (uint8_t)take_number(&p, 1);
        t->count = (uint32_t)take_number(&p, 4);
        t->given_us = (int64_t)take_number(&p, 8);
        t->expiry_us = (int64_t)take_number(&p, 8);
        memcpy(t->id, p, FAST_ID_BYTES);
        p += FAST_ID_BYTES;
    }
}

/* ---- the list ---- */

struct fast_row *fast_row_find(struct fast_row *rows, const uint8_t key[AGENT_BYTES])
{
    while (rows && memcmp(rows->key, key, AGENT_BYTES) != 0)
        rows = rows->next;
    return rows;
}

struct fast_row *fast_row_add(struct fast_row **rows, const uint8_t key[AGENT_BYTES])
{
    struct fast_row *row = jb_zalloc(alloc, sizeof *row);

    memcpy(row->key, key, AGENT_BYTES);
    row->next = *rows;
    *rows = row;
    return row;
}

void fast_row_remove(struct fast_row **rows, struct fast_row *row)
{
    while (*rows != row)
        rows = &(*rows)->next;
    *rows = row->next;
    jb_free(alloc, row);
}

void fast_row_restore(struct fast_row **rows, const struct fast_row *before)
{
    struct fast_row *row = fast_row_find(*rows, before->key);

    if (!row)
        row = fast_row_add(rows, before->key);
    row->used_us = before->used_us;
    memcpy(row->tokens, before->tokens, sizeof row->tokens);
    if (!row->tokens[FAST_CURRENT].given && !row->tokens[FAST_NEXT].given)
        fast_row_remove(rows, row);
}

struct fast_token *fast_row_find_token(struct fast_row *row, const uint8_t id[FAST_ID_BYTES])
{
    for (int i = 0; i < FAST_TOKENS; i++)
        if (row->tokens[i].given && CRYPTO_memcmp(row->tokens[i].id, id, FAST_ID_BYTES) == 0)
            return &row->tokens[i];
    return NULL;
}

bool fast_row_is_over(const struct fast_row *row, int64_t now_us)
{
    for (int i = 0; i < FAST_TOKENS; i++)
        if (row->tokens[i].given && row->tokens[i].expiry_us > now_us)
            return false;
    return true;
}

struct fast_row *fast_row_superfluous(struct fast_row *rows, const struct fast_row *keep,
                                      uint32_t most, int64_t now_us)
{
    struct fast_row *oldest = NULL;
    uint32_t count = 0;

    for (struct fast_row *row = rows; row; row = row->next) {
        count++;
        if (row == keep)
            continue;
        if (fast_row_is_over(row, now_us))
            return row;
        if (!oldest || row->used_us < oldest->used_us)
            oldest = row;
    }
    return count > most ? oldest : NULL;
}
