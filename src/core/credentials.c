/* SPDX-License-Identifier: MIT */
#include "core/credentials.h"

#include "base/assert.h"
#include "core/sasl_impl.h"

#include <openssl/crypto.h>

enum { FORMAT_VERSION = 1 };

static int make_key(struct jb_scram_key *key, struct jb__sasl_hash *job)
{
    jb__sasl_hash_run(job);
    if (job->failed)
        return JB_ENOMEM;
    key->iterations = job->iterations;
    key->salt_bytes = job->salt_bytes;
    memcpy(key->salt, job->salt, job->salt_bytes);
    return jb__scram_derive(job->digest, job->salted, key->stored_key, key->server_key);
}

int jb_credentials_make(struct jb_credentials *c, const struct jb_credentials_recipe *recipe,
                        const struct jb_allocator *alloc)
{
    struct jb__sasl_hash prepared = { 0 };

    jb_assert(recipe->iterations >= JB_ITERATIONS_LEAST);
    jb_assert(recipe->iterations <= JB_ITERATIONS_MOST);
    *c = (struct jb_credentials){ 0 };
    int rc = jb__password_prepare(&prepared, recipe->password, alloc);
    for (unsigned d = 0; rc == 0 && d < JB_DIGEST_COUNT; d++) {
        if (recipe->digests != 0 && !(recipe->digests & (1u << d)))
            continue;
        struct jb__sasl_hash job = prepared;
        job.digest = (enum jb_digest)d;
        job.iterations = recipe->iterations;
        job.salt_bytes = JB_SALT_LEAST_BYTES;
        memcpy(job.salt, recipe->random + d * JB_SALT_LEAST_BYTES, JB_SALT_LEAST_BYTES);
        rc = make_key(&c->key[d], &job);
        jb__sasl_hash_wipe(&job);
    }
    jb__sasl_hash_wipe(&prepared);
    if (rc != 0)
        jb_credentials_wipe(c);
    return rc;
}

int jb_credentials_check(const struct jb_credentials *c, struct jb_str password,
                         const struct jb_allocator *alloc)
{
    struct jb__sasl_hash job = { 0 };
    struct jb_scram_key made = { 0 };
    unsigned d = 0;

    while (d < JB_DIGEST_COUNT && c->key[d].iterations == 0)
        d++;
    if (d == JB_DIGEST_COUNT)
        return JB_EAUTH;
    const struct jb_scram_key *key = &c->key[d];
    int rc = jb__password_prepare(&job, password, alloc);
    if (rc == 0) {
        job.digest = (enum jb_digest)d;
        job.iterations = key->iterations;
        job.salt_bytes = key->salt_bytes;
        memcpy(job.salt, key->salt, key->salt_bytes);
        rc = make_key(&made, &job);
    }
    if (rc == 0 && CRYPTO_memcmp(made.stored_key, key->stored_key, jb_digest_bytes(job.digest)))
        rc = JB_EAUTH;
    jb__sasl_hash_wipe(&job);
    OPENSSL_cleanse(&made, sizeof made);
    return rc;
}

size_t jb_credentials_encode(const struct jb_credentials *c, uint8_t out[JB_CREDENTIALS_BYTES])
{
    uint8_t *p = out;

    *p++ = FORMAT_VERSION;
    uint8_t *count = p++;
    *count = 0;
    for (unsigned d = 0; d < JB_DIGEST_COUNT; d++) {
        const struct jb_scram_key *key = &c->key[d];
        size_t n = jb_digest_bytes((enum jb_digest)d);
        if (key->iterations == 0)
            continue;
        jb_assert(key->salt_bytes >= JB_SALT_LEAST_BYTES && key->salt_bytes <= JB_SALT_BYTES);
        (*count)++;
        *p++ = (uint8_t)d;
        for (unsigned shift = 32; shift > 0; shift -= 8)
            *p++ = (uint8_t)(key->iterations >> (shift - 8));
        *p++ = key->salt_bytes;
        memcpy(p, key->salt, key->salt_bytes);
        memcpy(p + key->salt_bytes, key->stored_key, n);
        memcpy(p + key->salt_bytes + n, key->server_key, n);
        p += key->salt_bytes + 2 * n;
    }
    return (size_t)(p - out);
}

/* Reads one key from the head of *rest; false when malformed. */
static bool decode_key(struct jb_credentials *c, struct jb_str *rest)
{
    const uint8_t *p = (const uint8_t *)rest->p;

    if (rest->n < 6 || p[0] >= JB_DIGEST_COUNT || c->key[p[0]].iterations != 0)
        return false;
    struct jb_scram_key *key = &c->key[p[0]];
    size_t n = jb_digest_bytes((enum jb_digest)p[0]);
    uint32_t iterations = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    size_t salt = p[5];
    if (iterations < JB_ITERATIONS_LEAST || iterations > JB_ITERATIONS_MOST ||
        salt < JB_SALT_LEAST_BYTES || salt > JB_SALT_BYTES || rest->n - 6 < salt + 2 * n)
        return false;
    key->iterations = iterations;
    key->salt_bytes = (uint8_t)salt;
    memcpy(key->salt, p + 6, salt);
    memcpy(key->stored_key, p + 6 + salt, n);
    memcpy(key->server_key, p + 6 + salt + n, n);
    *rest = jb_str_from(*rest, 6 + salt + 2 * n);
    return true;
}

int jb_credentials_decode(struct jb_credentials *c, const void *data, size_t n)
{
    const uint8_t *p = data;

    *c = (struct jb_credentials){ 0 };
    if (n < 2 || p[0] == 0)
        return JB_EINVAL;
    if (p[0] > FORMAT_VERSION)
        return JB_ENOTSUP;
    struct jb_str rest = jb_str_from(jb_str(data, n), 2);
    bool ok = p[1] <= JB_DIGEST_COUNT;
    for (unsigned k = 0; ok && k < p[1]; k++)
        ok = decode_key(c, &rest);
    if (ok && rest.n == 0)
        return 0;
    jb_credentials_wipe(c);
    return JB_EINVAL;
}

void jb_credentials_wipe(struct jb_credentials *c)
{
    OPENSSL_cleanse(c, sizeof *c);
}
