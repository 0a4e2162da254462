/* SPDX-License-Identifier: MIT */
/* What is read back from the store: a row that is not what we write is refused, one that is says
 * the same when it is written again.  First byte: whose row; for a contact, up to the next NUL, his
 * address. */
#include "fuzz.h"

#include "modules/fast_row.h"
#include "modules/rfc6121_roster_item.h"
#include "server/session_count.h"
#include "server/store_queue.h"

enum { ARENA_BYTES = 1024 * 1024 };

static void read_contact(struct jb_str rest)
{
    struct jb_str jid, record;

    if (!jb_str_cut(rest, '\0', &jid, &record))
        return;
    struct roster_item *item = roster_item_decode(jid, record);
    if (!item)
        return;
    struct jb__arena arena;
    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    jb_assert(jb_str_eq(jb_jid_str(item->jid), jid));
    jb_assert(jb_str_eq(roster_item_encode(item, &arena), record));
    jb__arena_deinit(&arena);
    jb_free(&jb_allocator_abort, item);
}

static void read_count(struct jb_str bytes)
{
    uint8_t again[SESSION_COUNT_BYTES];
    struct session_count count;

    if (!session_count_decode(bytes, &count))
        return;
    session_count_encode(&count, again);
    jb_assert(jb_str_eq(jb_str((const char *)again, sizeof again), bytes));
}

static void read_tokens(struct jb_str bytes)
{
    uint8_t again[FAST_ROW_BYTES];
    struct fast_row row, back;

    fast_row_decode(&row, JB_STR("0123456789abcdef"), bytes);
    jb_assert(bytes.n == FAST_ROW_BYTES || fast_row_is_over(&row, INT64_MIN));
    fast_row_encode(&row, again);
    fast_row_decode(&back, JB_STR("0123456789abcdef"), jb_str((const char *)again, sizeof again));
    for (int i = 0; i < FAST_TOKENS; i++)
        jb_assert(back.tokens[i].given == row.tokens[i].given &&
                  back.tokens[i].expiry_us == row.tokens[i].expiry_us &&
                  memcmp(back.tokens[i].id, row.tokens[i].id, FAST_ID_BYTES) == 0);
}

static void read_number(struct jb_str bytes)
{
    char again[STORE_NUMBER_BYTES];
    int64_t number = store_number_read(bytes);

    jb_assert(bytes.n == STORE_NUMBER_BYTES ? jb_str_eq(store_number(number, again), bytes)
                                            : number == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str rest = jb_str_from(jb_str((const char *)p, n), 1);

    if (n == 0)
        return 0;
    if (p[0] == 'c')
        read_contact(rest);
    else if (p[0] == 'h')
        read_count(rest);
    else if (p[0] == 't')
        read_tokens(rest);
    else
        read_number(rest);
    return 0;
}
