/* SPDX-License-Identifier: MIT */
/* The stored form of a contact: what goes in comes out, and nothing else is taken. */
#include "test.h"

#include "base/alloc.h"
#include "modules/rfc6121_roster_item.h"

enum { ARENA_BYTES = 1024 * 1024 };

static const struct jb_allocator *const alloc = &jb_allocator_abort;

static struct jb_jid address(struct jb_str text, struct jb__arena *arena)
{
    struct jb_jid jid;

    assert_int_equal(jb_jid_parse(text, arena, &jid), 0);
    return jid;
}

static void free_item(struct roster_item *item)
{
    jb_free(alloc, item);
}

static void assert_same(const struct roster_item *a, const struct roster_item *b)
{
    assert_true(jb_jid_eq(a->jid, b->jid));
    assert_true(jb_str_eq(a->name, b->name));
    assert_true(jb_str_eq(a->request, b->request));
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->group_count, b->group_count);
    for (uint16_t i = 0; i < a->group_count; i++)
        assert_true(jb_str_eq(a->groups[i], b->groups[i]));
}

static void test_round_trip(void **state)
{
    struct jb_str groups[] = { JB_STR("Friends"), JB_STR("Old\0 people"), JB_STR("\xc3\xa9") };
    struct roster_item_parts all[] = {
        { .state = ROSTER_LISTED },
        { .state = 0xff, .name = JB_STR("Nurse"), .groups = groups, .group_count = 3 },
        { .state = ROSTER_PENDING_IN, .request = JB_STR("<presence xmlns='jabber:client'/>") },
        { .name = JB_STR("n"), .groups = groups, .group_count = 1, .request = JB_STR("r") },
    };
    static const char *const jids[] = { "nurse@localhost", "localhost", "a@b.example" };
    struct jb__arena arena;

    (void)state;
    jb__arena_init(&arena, alloc, ARENA_BYTES);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t j = 0; j < 3; j++) {
            all[i].jid = address(jb_strz(jids[j]), &arena);
            struct roster_item *item = roster_item_new(&all[i]);
            struct jb_str record = roster_item_encode(item, &arena);
            struct roster_item *back = roster_item_decode(jb_strz(jids[j]), record);
            assert_non_null(back);
            assert_same(item, back);
            free_item(item);
            free_item(back);
        }
    jb__arena_deinit(&arena);
}

/* Every record that is too short, too long, or of another version is refused. */
static void test_damaged_records(void **state)
{
    struct jb_str groups[] = { JB_STR("Friends"), JB_STR("") };
    struct roster_item_parts parts = { .state = ROSTER_TO | ROSTER_LISTED,
                                       .name = JB_STR("Juliet"),
                                       .groups = groups,
                                       .group_count = 2,
                                       .request = JB_STR("<presence/>") };
    struct jb_str jid = JB_STR("juliet@localhost");
    struct jb__arena arena;
    char copy[256];

    (void)state;
    jb__arena_init(&arena, alloc, ARENA_BYTES);
    parts.jid = address(jid, &arena);
    struct roster_item *item = roster_item_new(&parts);
    struct jb_str record = roster_item_encode(item, &arena);
    assert_true(record.n < sizeof copy);
    for (size_t n = 0; n < record.n; n++)
        assert_null(roster_item_decode(jid, jb_str(record.p, n)));
    memcpy(copy, record.p, record.n);
    copy[record.n] = 0;
    assert_null(roster_item_decode(jid, jb_str(copy, record.n + 1)));
    copy[0] = 2;
    assert_null(roster_item_decode(jid, jb_str(copy, record.n)));
    assert_null(roster_item_decode(JB_STR_NONE, record));
    assert_null(roster_item_decode(JB_STR("juliet@"), record));
    free_item(item);
    jb__arena_deinit(&arena);
}

/* Whatever the disk has, reading it ends well. */
static void test_random_records(void **state)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    char record[64];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = test_random(&seed) % sizeof record;
        for (size_t i = 0; i < n; i++)
            record[i] = (char)(test_random(&seed) % 4);
        if (n)
            record[0] = 1;
        struct roster_item *item = roster_item_decode(JB_STR("a@localhost"), jb_str(record, n));
        if (item)
            free_item(item);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_random_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
