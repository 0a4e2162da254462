/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/hash.h"
#include "base/list.h"
#include "failing_alloc.h"

#include <stdio.h>
#include <stdlib.h>

/* The published vectors of SipHash-2-4: key 00 01 .. 0f, message 00 01 .. of 0 to 15 bytes (the
 * last is the worked example of the paper's appendix A). */
static void test_siphash_vectors(void **state)
{
    (void)state;
    static const uint64_t expected[16] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    };
    const struct jb__hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    unsigned char message[16];

    for (unsigned char i = 0; i < 16; i++) {
        assert_true(jb__siphash(&key, message, i) == expected[i]);
        message[i] = i;
    }
    assert_true(jb__siphash(&key, NULL, 0) == expected[0]);
    /* Not aligned, and in a block of its exact size. */
    char *block = malloc(1 + 15);
    memcpy(block + 1, message, 15);
    assert_true(jb__siphash(&key, block + 1, 15) == expected[15]);
    free(block);
}

struct thing {
    struct jb__hash_node node;
    char name[8];
    bool present;
    int seen;
};

static bool thing_match(const struct jb__hash_node *node, struct jb_str name)
{
    return jb_str_eqz(name, jb__container_of(node, struct thing, node)->name);
}

static struct thing *find(const struct jb__table *t, uint64_t hash, const char *name)
{
    struct jb__hash_node *node = jb__table_find(t, hash, jb_strz(name), thing_match);

    return node ? jb__container_of(node, struct thing, node) : NULL;
}

enum { THINGS = 2000 };

static void name_things(struct thing *things)
{
    memset(things, 0, THINGS * sizeof *things);
    for (int i = 0; i < THINGS; i++)
        snprintf(things[i].name, sizeof things[i].name, "%d", i);
}

/* Random inserts and removals against a flag in each thing; `bits` of the hash are used, so that
 * few bits make many collisions. */
static void run_table(unsigned bits)
{
    const struct jb__hash_key key = { 1, 2 };
    struct thing *things = calloc(THINGS, sizeof *things);
    struct jb__table t;
    uint64_t seed = 7;
    size_t present = 0;

    name_things(things);
    jb__table_init(&t, &jb_allocator_libc);
    assert_null(jb__table_next(&t, NULL));
    for (int step = 0; step < 5 * THINGS; step++) {
        struct thing *x = &things[test_random(&seed) % THINGS];
        uint64_t hash = jb__siphash(&key, x->name, strlen(x->name)) & ((1u << bits) - 1);
        assert_ptr_equal(find(&t, hash, x->name), x->present ? x : NULL);
        if (x->present)
            jb__table_remove(&t, &x->node);
        else
            assert_int_equal(jb__table_insert(&t, &x->node, hash), 0);
        x->present = !x->present;
        present = x->present ? present + 1 : present - 1;
        assert_int_equal(t.count, present);
    }
    for (struct jb__hash_node *n = NULL; (n = jb__table_next(&t, n));)
        jb__container_of(n, struct thing, node)->seen++;
    for (int i = 0; i < THINGS; i++)
        assert_int_equal(things[i].seen, things[i].present);
    jb__table_deinit(&t);
    jb__table_deinit(&t);
    free(things);
}

static void test_table(void **state)
{
    (void)state;
    run_table(31);
    run_table(4);
    run_table(0);
}

/* A walk that takes out what it has passed. */
static void test_walk_and_remove(void **state)
{
    (void)state;
    struct thing *things = calloc(THINGS, sizeof *things);
    struct jb__table t;
    size_t seen = 0;

    name_things(things);
    jb__table_init(&t, &jb_allocator_libc);
    for (uint64_t i = 0; i < THINGS; i++)
        assert_int_equal(jb__table_insert(&t, &things[i].node, i * 7 % 512), 0);
    for (struct jb__hash_node *n = jb__table_next(&t, NULL), *next; n; n = next) {
        next = jb__table_next(&t, n);
        jb__table_remove(&t, n);
        seen++;
    }
    assert_int_equal(seen, THINGS);
    assert_int_equal(t.count, 0);
    assert_null(jb__table_next(&t, NULL));
    jb__table_deinit(&t);
    free(things);
}

static void out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct thing *things = ctx;
    struct jb__table t;

    name_things(things);
    jb__table_init(&t, &f->alloc);
    for (uint64_t i = 0; i < 100; i++) {
        int rc = jb__table_insert(&t, &things[i].node, i);
        assert_true(rc == 0 || (rc == JB_ENOMEM && f->failed));
        things[i].present = rc == 0;
    }
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(find(&t, i, things[i].name) != NULL, things[i].present);
    jb__table_deinit(&t);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct thing *things = calloc(THINGS, sizeof *things);

    assert_true(failing_alloc_loop(out_of_memory, things) >= 5);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_siphash_vectors),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_walk_and_remove),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
