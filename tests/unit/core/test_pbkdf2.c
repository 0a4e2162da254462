/* SPDX-License-Identifier: MIT */
#include "core/pbkdf2.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>
#include <cmocka.h>

/* RFC 6070 section 2, and RFC 7914 section 11 cut to one block. */
static void test_vectors(void **state)
{
    static const uint8_t sha1_4096[20] = { 0x4b, 0x00, 0x79, 0x01, 0xb7, 0x65, 0x48,
                                           0x9a, 0xbe, 0xad, 0x49, 0xd9, 0x26, 0xf7,
                                           0x21, 0xd0, 0x65, 0xa4, 0x29, 0xc1 };
    static const uint8_t sha1_1[20] = {
        0x0c, 0x60, 0xc8, 0x0f, 0x96, 0x1f, 0x0e, 0x71, 0xf3, 0xa9,
        0xb5, 0x24, 0xaf, 0x60, 0x12, 0x06, 0x2f, 0xe0, 0x37, 0xa6
    };
    static const uint8_t sha256_1[32] = { 0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f,
                                          0xec, 0x16, 0x91, 0xc2, 0x25, 0x44, 0xb6, 0x05,
                                          0xf9, 0x41, 0x85, 0x21, 0x6d, 0xde, 0x04, 0x65,
                                          0xe6, 0x8b, 0x9d, 0x57, 0xc2, 0x0d, 0xac, 0xbc };
    uint8_t out[JB_DIGEST_BYTES];

    (void)state;
    jb__pbkdf2(JB_DIGEST_SHA1, JB_STR("password"), JB_STR("salt"), 4096, out);
    assert_memory_equal(out, sha1_4096, 20);
    jb__pbkdf2(JB_DIGEST_SHA1, JB_STR("password"), JB_STR("salt"), 1, out);
    assert_memory_equal(out, sha1_1, 20);
    jb__pbkdf2(JB_DIGEST_SHA256, JB_STR("passwd"), JB_STR("salt"), 1, out);
    assert_memory_equal(out, sha256_1, 32);
}

/* Every length of password and salt around the blocks, against OpenSSL's own. */
static void test_against_openssl(void **state)
{
    const EVP_MD *const digests[] = { EVP_sha1(), EVP_sha256(), EVP_sha512() };
    char password[300], salt[JB_SALT_BYTES];
    uint8_t ours[JB_DIGEST_BYTES], theirs[JB_DIGEST_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof password; i++)
        password[i] = (char)(i * 7 + 1);
    for (size_t i = 0; i < sizeof salt; i++)
        salt[i] = (char)(255 - i);
    for (int d = 0; d < JB_DIGEST_COUNT; d++) {
        size_t n = jb_digest_bytes((enum jb_digest)d);
        for (size_t p = 0; p <= sizeof password; p++) {
            size_t s = p % (sizeof salt + 1);
            uint32_t rounds = (uint32_t)(1 + p % 3);
            jb__pbkdf2((enum jb_digest)d, jb_str(password, p), jb_str(salt, s), rounds, ours);
            assert_int_equal(PKCS5_PBKDF2_HMAC(password, (int)p, (const uint8_t *)salt, (int)s,
                                               (int)rounds, digests[d], (int)n, theirs),
                             1);
            assert_memory_equal(ours, theirs, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_against_openssl),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
