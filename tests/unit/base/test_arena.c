/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/arena.h"
#include "failing_alloc.h"

#include <stdalign.h>

enum { LIMIT = 1024 * 1024, BLOCK = 16 * 1024 };

static void test_blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    struct jb__arena a;
    unsigned char *all[400];

    jb__arena_init(&a, &jb_allocator_libc, LIMIT);
    for (int i = 0; i < 400; i++) {
        all[i] = jb__arena_alloc(&a, (size_t)i);
        assert_non_null(all[i]);
        assert_int_equal((uintptr_t)all[i] % alignof(max_align_t), 0);
        memset(all[i], i & 0xff, (size_t)i);
    }
    for (int i = 0; i < 400; i++)
        for (int j = 0; j < i; j++)
            assert_int_equal(all[i][j], i & 0xff);
    jb__arena_deinit(&a);
}

static void test_limit(void **state)
{
    (void)state;
    struct jb__arena a;

    jb__arena_init(&a, &jb_allocator_libc, 1024);
    assert_null(jb__arena_alloc(&a, 1025));
    assert_non_null(jb__arena_alloc(&a, 512));
    assert_null(jb__arena_alloc(&a, SIZE_MAX));
    assert_null(jb__arena_alloc(&a, SIZE_MAX - 14)); /* rounding up must not wrap */
    assert_non_null(jb__arena_alloc(&a, 512));
    assert_null(jb__arena_alloc(&a, 1));
    jb__arena_reset(&a);
    assert_non_null(jb__arena_alloc(&a, 1024));
    jb__arena_deinit(&a);
}

static void test_reset_keeps_one_usual_block(void **state)
{
    (void)state;
    struct failing_alloc f;
    struct jb__arena a;

    failing_alloc_init(&f, 0, false);
    jb__arena_init(&a, &f.alloc, LIMIT);
    assert_int_equal(f.live, 0); /* nothing is taken before it is needed */
    assert_non_null(jb__arena_alloc(&a, 10));
    assert_non_null(jb__arena_alloc(&a, BLOCK));
    assert_non_null(jb__arena_alloc(&a, 3 * BLOCK));
    assert_true(f.live > 1);
    jb__arena_reset(&a);
    assert_int_equal(f.live, 1);
    size_t before = f.calls;
    assert_non_null(jb__arena_alloc(&a, 10));
    assert_non_null(jb__arena_alloc(&a, 1000));
    assert_int_equal(f.calls, before);
    jb__arena_reset(&a);
    assert_non_null(jb__arena_alloc(&a, 3 * BLOCK));
    jb__arena_deinit(&a);
    assert_int_equal(f.live, 0);
}

static void test_str_has_nul(void **state)
{
    (void)state;
    struct jb__arena a;

    jb__arena_init(&a, &jb_allocator_libc, LIMIT);
    struct jb_str s = jb__arena_str(&a, JB_STR("romeo"));
    assert_str_equal(s, "romeo");
    assert_int_equal(s.p[5], 0);
    s = jb__arena_str(&a, JB_STR_NONE);
    assert_non_null(s.p);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.p[0], 0);
    jb__arena_deinit(&a);
}

static void test_trim_gives_back(void **state)
{
    (void)state;
    struct jb__arena a;

    jb__arena_init(&a, &jb_allocator_libc, LIMIT);
    for (size_t had = 0; had < 100; had++) {
        for (size_t keep = 0; keep <= had; keep++) {
            char *p = jb__arena_alloc(&a, had);
            memset(p, 'x', had);
            jb__arena_trim(&a, p, had, keep);
            char *next = jb__arena_alloc(&a, 1);
            assert_true(next >= p + keep);
            assert_true((size_t)(next - p) < keep + 2 * alignof(max_align_t));
        }
        jb__arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    jb__arena_deinit(&a);
    jb__arena_init(&a, &jb_allocator_libc, 2048);
    for (int i = 0; i < 60; i++) /* what is given back counts for the limit */
        jb__arena_trim(&a, jb__arena_alloc(&a, 1000), 1000, 0);
    jb__arena_deinit(&a);
}

static void out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__arena a;
    bool all = true;

    (void)ctx;
    jb__arena_init(&a, &f->alloc, LIMIT);
    for (int i = 0; i < 5; i++) {
        char *p = jb__arena_alloc(&a, BLOCK / 2 + 1);
        all = all && p;
        if (p)
            memset(p, i, BLOCK / 2 + 1);
    }
    all = jb__arena_str(&a, JB_STR("x")).p && all;
    assert_int_equal(all, !f->failed);
    jb__arena_reset(&a);
    jb__arena_deinit(&a);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(failing_alloc_loop(out_of_memory, NULL), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_aligned_and_apart),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_reset_keeps_one_usual_block),
        cmocka_unit_test(test_str_has_nul),
        cmocka_unit_test(test_trim_gives_back),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
