/* SPDX-License-Identifier: MIT */
#include "core/credentials.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t salts[JB_CREDENTIALS_RANDOM_BYTES] =
    "salt of sha-1...salt of sha-256.salt of sha-512";

static struct jb_credentials made(uint32_t digests)
{
    const struct jb_credentials_recipe recipe = { JB_STR("pencil"), JB_ITERATIONS_LEAST, digests,
                                                  salts };
    struct jb_credentials c;

    assert_int_equal(jb_credentials_make(&c, &recipe, &jb_allocator_libc), 0);
    return c;
}

static void test_make_and_check(void **state)
{
    struct jb_credentials c = made(0);

    (void)state;
    for (int d = 0; d < JB_DIGEST_COUNT; d++) {
        assert_int_equal(c.key[d].iterations, JB_ITERATIONS_LEAST);
        assert_int_equal(c.key[d].salt_bytes, JB_SALT_LEAST_BYTES);
        assert_memory_equal(c.key[d].salt, salts + d * JB_SALT_LEAST_BYTES, JB_SALT_LEAST_BYTES);
    }
    assert_int_equal(jb_credentials_check(&c, JB_STR("pencil"), &jb_allocator_libc), 0);
    assert_int_equal(jb_credentials_check(&c, JB_STR("pencils"), &jb_allocator_libc), JB_EAUTH);
    assert_int_equal(jb_credentials_check(&c, JB_STR(""), &jb_allocator_libc), JB_EINVAL);

    c = made(1u << JB_DIGEST_SHA256);
    assert_int_equal(c.key[JB_DIGEST_SHA1].iterations, 0);
    assert_int_equal(c.key[JB_DIGEST_SHA512].iterations, 0);
    assert_int_equal(jb_credentials_check(&c, JB_STR("pencil"), &jb_allocator_libc), 0);
    jb_credentials_wipe(&c);
    assert_int_equal(jb_credentials_check(&c, JB_STR("pencil"), &jb_allocator_libc), JB_EAUTH);
}

static void test_refused_passwords(void **state)
{
    static char long_one[JB_PASSWORD_BYTES + 1];
    struct jb_credentials c;
    struct jb_credentials_recipe recipe = { JB_STR(""), JB_ITERATIONS_LEAST, 0, salts };

    (void)state;
    assert_int_equal(jb_credentials_make(&c, &recipe, &jb_allocator_libc), JB_EINVAL);
    memset(long_one, 'x', sizeof long_one);
    recipe.password = jb_str(long_one, sizeof long_one);
    assert_int_equal(jb_credentials_make(&c, &recipe, &jb_allocator_libc), JB_EINVAL);
    recipe.password = jb_str("tab\there", 8);
    assert_int_equal(jb_credentials_make(&c, &recipe, &jb_allocator_libc), JB_EINVAL);
    recipe.digests = 1;
    recipe.password = jb_str(long_one, JB_PASSWORD_BYTES);
    assert_int_equal(jb_credentials_make(&c, &recipe, &jb_allocator_libc), 0);
}

static void test_encode_decode(void **state)
{
    uint8_t bytes[JB_CREDENTIALS_BYTES];
    struct jb_credentials back;

    (void)state;
    for (uint32_t digests = 1; digests < 8; digests++) {
        struct jb_credentials c = made(digests);
        size_t n = jb_credentials_encode(&c, bytes);
        assert_int_equal(jb_credentials_decode(&back, bytes, n), 0);
        assert_memory_equal(&c, &back, sizeof c);
        /* Each cut and each tail is noticed. */
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *exact = test_malloc(cut + 1);
            memcpy(exact, bytes, cut);
            assert_int_equal(jb_credentials_decode(&back, exact, cut), JB_EINVAL);
            assert_int_equal(back.key[0].iterations, 0);
            test_free(exact);
        }
        if (n < sizeof bytes)
            assert_int_equal(jb_credentials_decode(&back, bytes, n + 1), JB_EINVAL);
    }
    struct jb_credentials none = { 0 };
    assert_int_equal(jb_credentials_encode(&none, bytes), 2);
    assert_int_equal(jb_credentials_decode(&back, bytes, 2), 0);
}

static void expect_bad(const uint8_t *good, size_t n, size_t at, uint8_t value)
{
    uint8_t bytes[JB_CREDENTIALS_BYTES];
    struct jb_credentials back;

    memcpy(bytes, good, n);
    bytes[at] = value;
    assert_true(jb_credentials_decode(&back, bytes, n) != 0);
}

static void test_decode_refuses(void **state)
{
    uint8_t bytes[JB_CREDENTIALS_BYTES];
    struct jb_credentials c = made(3), back;
    size_t n = jb_credentials_encode(&c, bytes);

    (void)state;
    expect_bad(bytes, n, 0, 0);
    expect_bad(bytes, n, 1, 1);   /* a key too many */
    expect_bad(bytes, n, 1, 4);   /* keys too few */
    expect_bad(bytes, n, 2, 3);   /* no such digest */
    expect_bad(bytes, n, 3, 200); /* iterations beyond all bounds */
    expect_bad(bytes, n, 5, 0);   /* fewer than 4096: 0x1000 without its 0x10 */
    expect_bad(bytes, n, 7, 15);  /* short salt */
    expect_bad(bytes, n, 7, 65);  /* long salt */
    size_t second = 2 + 6 + JB_SALT_LEAST_BYTES + 2 * jb_digest_bytes(JB_DIGEST_SHA1);
    expect_bad(bytes, n, second, JB_DIGEST_SHA1); /* the same digest twice */
    bytes[0] = 2;
    assert_int_equal(jb_credentials_decode(&back, bytes, n), JB_ENOTSUP);
}

static void make_scenario(struct failing_alloc *f, void *ctx)
{
    const struct jb_credentials_recipe recipe = { JB_STR("e\xcc\x81"), JB_ITERATIONS_LEAST, 1,
                                                  salts };
    struct jb_credentials c;
    int rc = jb_credentials_make(&c, &recipe, &f->alloc);

    (void)ctx;
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_int_equal(c.key[0].iterations, f->failed ? 0 : JB_ITERATIONS_LEAST);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(make_scenario, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_and_check), cmocka_unit_test(test_refused_passwords),
        cmocka_unit_test(test_encode_decode),  cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
