/* SPDX-License-Identifier: MIT */
/* What is kept of tokens: what goes in comes out, nothing else is taken, and which row has to go.
 */
#include "test.h"

#include "modules/fast_row.h"

static const uint8_t keys[3][AGENT_BYTES] = { "first", "second", "third" };

static struct jb_str text_of(const uint8_t *key)
{
    return jb_str((const char *)key, AGENT_BYTES);
}

static void fill(struct fast_row *row, int64_t used_us, int64_t expiry_us)
{
    row->used_us = used_us;
    row->tokens[FAST_CURRENT] = (struct fast_token){ .given = true,
                                                     .ht = 5,
                                                     .count = 4000000000U,
                                                     .given_us = 1,
                                                     .expiry_us = expiry_us,
                                                     .id = "current" };
    row->tokens[FAST_NEXT] = (struct fast_token){
        .given = true, .ht = 1, .given_us = INT64_MAX, .expiry_us = expiry_us, .id = "next"
    };
}

static void drop_all(struct fast_row **rows)
{
    while (*rows)
        fast_row_remove(rows, *rows);
}

static void round_trip(void **state)
{
    struct fast_row row = { 0 }, back = { 0 };
    uint8_t bytes[FAST_ROW_BYTES];

    (void)state;
    memcpy(row.key, keys[0], AGENT_BYTES);
    fill(&row, 1234567890123456, 99);
    fast_row_encode(&row, bytes);
    fast_row_decode(&back, text_of(keys[0]), jb_str((const char *)bytes, sizeof bytes));
    assert_memory_equal(back.key, row.key, AGENT_BYTES);
    assert_true(back.used_us == row.used_us);
    for (int i = 0; i < FAST_TOKENS; i++) {
        assert_true(back.tokens[i].given);
        assert_int_equal(back.tokens[i].ht, row.tokens[i].ht);
        assert_int_equal(back.tokens[i].count, row.tokens[i].count);
        assert_true(back.tokens[i].given_us == row.tokens[i].given_us);
        assert_true(back.tokens[i].expiry_us == row.tokens[i].expiry_us);
        assert_memory_equal(back.tokens[i].id, row.tokens[i].id, FAST_ID_BYTES);
    }
}

static void other_bytes(void **state)
{
    uint8_t bytes[FAST_ROW_BYTES + 1] = { 0 };
    struct fast_row row = { 0 };

    (void)state;
    fill(&row, 1, 99);
    fast_row_encode(&row, bytes);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        fast_row_decode(&row, text_of(keys[0]), jb_str((const char *)bytes, n));
        assert_int_equal(row.tokens[FAST_CURRENT].given, n == FAST_ROW_BYTES);
    }
    bytes[0]++; /* a later version */
    fast_row_decode(&row, text_of(keys[0]), jb_str((const char *)bytes, FAST_ROW_BYTES));
    assert_false(row.tokens[FAST_CURRENT].given || row.tokens[FAST_NEXT].given);
}

static void finding(void **state)
{
    struct fast_row *rows = NULL;

    (void)state;
    for (int i = 0; i < 3; i++)
        fill(fast_row_add(&rows, keys[i]), i, 99);
    assert_memory_equal(fast_row_find(rows, keys[1])->key, keys[1], AGENT_BYTES);
    fast_row_remove(&rows, fast_row_find(rows, keys[1]));
    assert_null(fast_row_find(rows, keys[1]));
    struct fast_row *row = fast_row_find(rows, keys[2]);
    const uint8_t next[FAST_ID_BYTES] = "next", none[FAST_ID_BYTES] = { 0 };
    assert_ptr_equal(fast_row_find_token(row, next), &row->tokens[FAST_NEXT]);
    row->tokens[FAST_NEXT] = (struct fast_token){ 0 };
    assert_null(fast_row_find_token(row, none)); /* nothing is not a token with the id nothing */
    drop_all(&rows);
}

static void which_has_to_go(void **state)
{
    struct fast_row *rows = NULL;

    (void)state;
    for (int i = 0; i < 3; i++)
        fill(fast_row_add(&rows, keys[i]), 10 + i, 99);
    struct fast_row *first = fast_row_find(rows, keys[0]), *second = fast_row_find(rows, keys[1]);
    assert_null(fast_row_superfluous(rows, first, 3, 50));
    assert_ptr_equal(fast_row_superfluous(rows, second, 2, 50), first);
    assert_ptr_equal(fast_row_superfluous(rows, first, 2, 50), second);
    second->tokens[FAST_CURRENT].expiry_us = 50; /* the other one is still good */
    assert_null(fast_row_superfluous(rows, first, 3, 50));
    second->tokens[FAST_NEXT].expiry_us = 50;
    assert_true(fast_row_is_over(second, 50));
    assert_ptr_equal(fast_row_superfluous(rows, first, 3, 50), second);
    assert_null(fast_row_superfluous(rows, second, 3, 50));
    drop_all(&rows);
    assert_null(fast_row_superfluous(rows, NULL, 0, 50));
}

static void restoring(void **state)
{
    struct fast_row *rows = NULL, before = { 0 };

    (void)state;
    memcpy(before.key, keys[0], AGENT_BYTES);
    (void)fast_row_add(&rows, keys[0]);
    fast_row_restore(&rows, &before); /* it was not there */
    assert_null(rows);
    fill(&before, 7, 99);
    fast_row_restore(&rows, &before); /* it has gone meanwhile */
    assert_true(rows->used_us == 7 && rows->tokens[FAST_NEXT].given);
    rows->tokens[FAST_NEXT].given = false;
    fast_row_restore(&rows, &before);
    assert_true(rows->tokens[FAST_NEXT].given && !rows->next);
    drop_all(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),      cmocka_unit_test(other_bytes), cmocka_unit_test(finding),
        cmocka_unit_test(which_has_to_go), cmocka_unit_test(restoring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
