/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/buf.h"
#include "failing_alloc.h"

static void test_append_and_consume(void **state)
{
    (void)state;
    struct jb__buf b;

    jb__buf_init(&b, &jb_allocator_libc, 100);
    assert_int_equal(jb__buf_append(&b, NULL, 0), 0);
    assert_int_equal(jb__buf_append(&b, "wherefore", 9), 0);
    assert_int_equal(jb__buf_append(&b, " art", 4), 0);
    assert_str_equal(jb__buf_str(&b), "wherefore art");
    jb__buf_consume(&b, 10);
    assert_str_equal(jb__buf_str(&b), "art");
    jb__buf_consume(&b, 3);
    assert_int_equal(b.n, 0);
    jb__buf_consume(&b, 0);
    jb__buf_deinit(&b);
    assert_int_equal(jb__buf_append(&b, "again", 5), 0);
    assert_str_equal(jb__buf_str(&b), "again");
    jb__buf_deinit(&b);
}

static void test_maximum(void **state)
{
    (void)state;

    for (size_t max = 0; max < 300; max++) {
        struct jb__buf b;
        jb__buf_init(&b, &jb_allocator_libc, max);
        for (size_t i = 0; i < max; i++)
            assert_int_equal(jb__buf_append(&b, "x", 1), 0);
        assert_int_equal(jb__buf_append(&b, "y", 1), JB_EFULL);
        assert_int_equal(jb__buf_reserve(&b, SIZE_MAX), JB_EFULL);
        assert_int_equal(b.n, max);
        assert_int_equal(jb__buf_append(&b, NULL, 0), 0);
        jb__buf_deinit(&b);
    }
}

/* Appending byte by byte must not copy the whole each time. */
static void test_grows_by_doubling(void **state)
{
    (void)state;
    struct failing_alloc f;
    struct jb__buf b;

    failing_alloc_init(&f, 0, false);
    jb__buf_init(&b, &f.alloc, 1 << 20);
    for (size_t i = 0; i < 1 << 20; i++)
        assert_int_equal(jb__buf_append(&b, "x", 1), 0);
    assert_true(f.calls <= 20);
    assert_true(b.cap <= 1 << 20);
    jb__buf_deinit(&b);
}

static void out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__buf b;
    size_t good = 0;

    (void)ctx;
    jb__buf_init(&b, &f->alloc, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        int rc = jb__buf_append(&b, "0123456789", 10);
        assert_true(rc == 0 || rc == JB_ENOMEM);
        good += rc == 0;
    }
    assert_int_equal(b.n, good * 10); /* all or nothing */
    for (size_t i = 0; i < b.n; i++)
        assert_int_equal(b.p[i], '0' + (char)(i % 10));
    jb__buf_deinit(&b);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(out_of_memory, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_consume),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_grows_by_doubling),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
