/* SPDX-License-Identifier: MIT */
/* The compression functions are OpenSSL's old interface, the only one that has them; it is
 * deprecated in favour of EVP, not withdrawn.  The test compares with PKCS5_PBKDF2_HMAC. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/pbkdf2.h"

#include "base/assert.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

enum { BLOCK_BYTES = 128 /* of the longest */, WORDS = 8 };

/* One digest's state: SHA-512 uses all of it, the others the first 5 or 8 words. */
union state {
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
};

/* What differs between the digests.  A block in hashing is BLOCK bytes; the message of a round is
 * one digest, already padded behind a first block of key: it is compressed in one step. */
struct kind {
    size_t block;
    size_t digest;
    void (*init)(union state *s);
    void (*compress)(union state *s, const uint8_t *block);
    /* The state as bytes. */
    void (*output)(const union state *s, uint8_t *out);
};

static void sha1_init(union state *s)
{
    SHA1_Init(&s->sha1);
}

static void sha1_compress(union state *s, const uint8_t *block)
{
    SHA1_Transform(&s->sha1, block);
}

static void sha1_output(const union state *s, uint8_t *out)
{
    const uint32_t words[5] = { htobe32(s->sha1.h0), htobe32(s->sha1.h1), htobe32(s->sha1.h2),
                                htobe32(s->sha1.h3), htobe32(s->sha1.h4) };

    memcpy(out, words, sizeof words);
}

static void sha256_init(union state *s)
{
    SHA256_Init(&s->sha256);
}

static void sha256_compress(union state *s, const uint8_t *block)
{
    SHA256_Transform(&s->sha256, block);
}

static void sha256_output(const union state *s, uint8_t *out)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint32_t word = htobe32(s->sha256.h[i]);
        memcpy(out + 4 * i, &word, 4);
    }
}

static void sha512_init(union state *s)
{
    SHA512_Init(&s->sha512);
}

static void sha512_compress(union state *s, const uint8_t *block)
{
    SHA512_Transform(&s->sha512, block);
}

static void sha512_output(const union state *s, uint8_t *out)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word = htobe64(s->sha512.h[i]);
        memcpy(out + 8 * i, &word, 8);
    }
}

static const struct kind kinds[JB_DIGEST_COUNT] = {
    [JB_DIGEST_SHA1] = { 64, 20, sha1_init, sha1_compress, sha1_output },
    [JB_DIGEST_SHA256] = { 64, 32, sha256_init, sha256_compress, sha256_output },
    [JB_DIGEST_SHA512] = { 128, 64, sha512_init, sha512_compress, sha512_output },
};

/* The hash of a whole short message behind what `s` has taken (`before` bytes, whole blocks). */
static void finish(const struct kind *k, union state *s, size_t before, struct jb_str message,
                   uint8_t *out)
{
    uint8_t block[BLOCK_BYTES];
    uint64_t bits = htobe64((uint64_t)(before + message.n) * 8);
    size_t length = k->block / 8; /* of the length at the end of the last block */

    while (message.n >= k->block) {
        k->compress(s, (const uint8_t *)message.p);
        message = jb_str(message.p + k->block, message.n - k->block);
    }
    memset(block, 0, sizeof block);
    if (message.n)
        memcpy(block, message.p, message.n);
    block[message.n] = 0x80;
    if (message.n + 1 + length > k->block) {
        k->compress(s, block);
        memset(block, 0, sizeof block);
    }
    memcpy(block + k->block - 8, &bits, 8);
    k->compress(s, block);
    k->output(s, out);
    OPENSSL_cleanse(block, sizeof block);
}

/* The states behind the two padded keys of HMAC (RFC 2104). */
static void key_states(const struct kind *k, struct jb_str password, union state *inner,
                       union state *outer)
{
    uint8_t key[BLOCK_BYTES] = { 0 }, pad[BLOCK_BYTES];

    if (password.n > k->block) {
        k->init(inner);
        finish(k, inner, 0, password, key);
    } else if (password.n) {
        memcpy(key, password.p, password.n);
    }
    for (size_t i = 0; i < k->block; i++)
        pad[i] = key[i] ^ 0x36;
    k->init(inner);
    k->compress(inner, pad);
    for (size_t i = 0; i < k->block; i++)
        pad[i] = key[i] ^ 0x5c;
    k->init(outer);
    k->compress(outer, pad);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(pad, sizeof pad);
}

void jb__pbkdf2(enum jb_digest digest, struct jb_str password, struct jb_str salt,
                uint32_t iterations, uint8_t *out)
{
    const struct kind *k = &kinds[digest];
    union state inner, outer, s;
    uint8_t first[JB_SALT_BYTES + 4], u[BLOCK_BYTES] = { 0 };
    uint64_t bits = htobe64((uint64_t)(k->block + k->digest) * 8);

    jb_assert(digest < JB_DIGEST_COUNT && iterations > 0 && salt.n <= JB_SALT_BYTES);
    key_states(k, password, &inner, &outer);
    if (salt.n)
        memcpy(first, salt.p, salt.n);
    memcpy(first + salt.n, (const uint8_t[]){ 0, 0, 0, 1 }, 4);
    s = inner;
    finish(k, &s, k->block, jb_str((const char *)first, salt.n + 4), u);
    /* From here on each message is one digest: its padding stays, only the digest changes. */
    u[k->digest] = 0x80;
    memcpy(u + k->block - 8, &bits, 8);
    s = outer;
    k->compress(&s, u);
    k->output(&s, u);
    memcpy(out, u, k->digest);
    for (uint32_t i = 1; i < iterations; i++) {
        s = inner;
        k->compress(&s, u);
        k->output(&s, u);
        s = outer;
        k->compress(&s, u);
        k->output(&s, u);
        for (size_t b = 0; b < k->digest; b++)
            out[b] ^= u[b];
    }
    OPENSSL_cleanse(&inner, sizeof inner);
    OPENSSL_cleanse(&outer, sizeof outer);
    OPENSSL_cleanse(&s, sizeof s);
    OPENSSL_cleanse(u, sizeof u);
}
