/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/base64.h"

#include <stdlib.h>

/* RFC 4648 section 10. */
static void test_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[16], bytes[16];
        size_t n = jb__base64_encode(pairs[i][0], strlen(pairs[i][0]), text);
        assert_int_equal(n, JB__BASE64_BYTES(strlen(pairs[i][0])));
        assert_str_equal(jb_str(text, n), pairs[i][1]);
        assert_true(jb__base64_decode(jb_strz(pairs[i][1]), bytes, &n));
        assert_str_equal(jb_str(bytes, n), pairs[i][0]);
    }
    size_t n;
    assert_int_equal(jb__base64_encode(NULL, 0, NULL), 0);
    assert_true(jb__base64_decode(JB_STR_NONE, NULL, &n));
    assert_int_equal(n, 0);
}

static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 1;

    for (size_t n = 0; n < 300; n++) {
        /* Blocks of the exact size: a sanitizer sees a byte too many. */
        unsigned char *bytes = malloc(n + 1);
        char *text = malloc(JB__BASE64_BYTES(n) + 1);
        unsigned char *back = malloc(JB__BASE64_BYTES(n) / 4 * 3 + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)test_random(&seed);
        size_t text_n = jb__base64_encode(bytes, n, text), back_n;
        assert_true(jb__base64_decode(jb_str(text, text_n), back, &back_n));
        assert_int_equal(back_n, n);
        assert_memory_equal(bytes, back, n);
        free(bytes);
        free(text);
        free(back);
    }
}

/* Every text of four bytes over a small set, and what is valid among them by its definition: it
 * encodes back to itself. */
static void test_only_canonical_text(void **state)
{
    (void)state;
    static const char set[] = "ABQgw9+/=-_ \n";
    const size_t count = sizeof set; /* with the NUL */
    size_t valid = 0;

    for (size_t i = 0; i < count * count * count * count; i++) {
        char text[4] = { set[i % count], set[i / count % count], set[i / count / count % count],
                         set[i / count / count / count] };
        char bytes[3], again[4];
        size_t n;
        if (!jb__base64_decode(jb_str(text, 4), bytes, &n))
            continue;
        valid++;
        assert_int_equal(jb__base64_encode(bytes, n, again), 4);
        assert_memory_equal(text, again, 4);
    }
    /* 8 letters; third of 8 with its low bits 0: A, Q, g, w (xx00); second with xx0000: A Q g w. */
    assert_int_equal(valid, 8 * 8 * 8 * 8 + 8 * 8 * 4 + 8 * 4);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",      "Zg===",        "====",     "Z===",
        "=g==", "Zg=g", "Zg==Zg==", "Zm8=Zm9v",     "Zm9v=",    "Zm9v====",
        "Zh==", "Zm9=", "Zm 9v",    "Zm9v\n",       " Zm9v",    "Zm9v Zg",
        "Zm-v", "Zm_v", "Zm9\x80",  "Zm9v\r\nZg==", "Zg%3D%3D",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bytes[32];
        size_t n = 99;
        assert_false(jb__base64_decode(jb_strz(bad[i]), bytes, &n));
        assert_int_equal(n, 0);
    }
    char bytes[3];
    size_t n;
    size_t twos = 0, threes = 0;
    for (int c = 0; c < 256; c++) {
        twos += jb__base64_decode(jb_str((char[]){ 'A', (char)c, '=', '=' }, 4), bytes, &n);
        threes += jb__base64_decode(jb_str((char[]){ 'A', 'A', (char)c, '=' }, 4), bytes, &n);
    }
    assert_int_equal(twos, 4); /* the unused bits must be zero */
    assert_int_equal(threes, 16 + 1); /* and "AA==" */
    assert_false(jb__base64_decode(JB_STR("Zm9\0"), bytes, &n));
    for (int c = 0; c < 256; c++) {
        char text[4] = { 'A', 'A', (char)c, 'A' };
        bool letter = c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789+/",
                                  c);
        assert_int_equal(jb__base64_decode(jb_str(text, 4), bytes, &n), letter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_only_canonical_text),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
