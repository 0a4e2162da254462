/* SPDX-License-Identifier: MIT */
#include "core/sasl_impl.h"

#include "base/assert.h"
#include "core/jid.h"
#include "core/pbkdf2.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdalign.h>

static const EVP_MD *digest_md(enum jb_digest digest)
{
    jb_assert(digest < JB_DIGEST_COUNT);
    if (digest == JB_DIGEST_SHA1)
        return EVP_sha1();
    return digest == JB_DIGEST_SHA256 ? EVP_sha256() : EVP_sha512();
}

size_t jb_digest_bytes(enum jb_digest digest)
{
    static const uint8_t bytes[JB_DIGEST_COUNT] = {
        [JB_DIGEST_SHA1] = 20,
        [JB_DIGEST_SHA256] = 32,
        [JB_DIGEST_SHA512] = 64,
    };

    jb_assert(digest < JB_DIGEST_COUNT);
    return bytes[digest];
}

int jb__digest_hash(enum jb_digest digest, struct jb_str data, uint8_t *out)
{
    return EVP_Digest(data.p, data.n, out, NULL, digest_md(digest), NULL) == 1 ? 0 : JB_ENOMEM;
}

int jb__digest_hmac(enum jb_digest digest, struct jb_str key, struct jb_str data, uint8_t *out)
{
    return HMAC(digest_md(digest), key.p, (int)key.n, (const uint8_t *)data.p, data.n, out, NULL)
               ? 0
               : JB_ENOMEM;
}

int jb_digests_begin(void)
{
    uint8_t out[JB_DIGEST_BYTES];
    /* Without memory for the context of all its algorithms OpenSSL 3.0 goes on, and crashes. */
    int rc = OSSL_LIB_CTX_get0_global_default() ? 0 : JB_ENOMEM;

    for (int i = 0; i < JB_DIGEST_COUNT && rc == 0; i++) {
        rc = jb__digest_hash((enum jb_digest)i, JB_STR("x"), out);
        if (rc == 0)
            rc = jb__digest_hmac((enum jb_digest)i, JB_STR("key"), JB_STR("x"), out);
    }
    return rc;
}

int jb__scram_derive(enum jb_digest digest, const uint8_t *salted, uint8_t *stored_key,
                     uint8_t *server_key)
{
    uint8_t client_key[JB_DIGEST_BYTES];
    size_t n = jb_digest_bytes(digest);
    struct jb_str key = jb_str((const char *)salted, n);
    int rc = jb__digest_hmac(digest, key, JB_STR("Client Key"), client_key);

    if (rc == 0)
        rc = jb__digest_hash(digest, jb_str((const char *)client_key, n), stored_key);
    if (rc == 0)
        rc = jb__digest_hmac(digest, key, JB_STR("Server Key"), server_key);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return rc;
}

void jb__sasl_hash_run(struct jb__sasl_hash *job)
{
    jb_assert(job->iterations > 0 && job->iterations <= JB_ITERATIONS_MOST);
    jb_assert(job->password_bytes <= JB_PASSWORD_BYTES && job->salt_bytes <= JB_SALT_BYTES);
    job->failed = false; /* the loop needs no memory */
    jb__pbkdf2(job->digest, jb_str((const char *)job->password, job->password_bytes),
               jb_str((const char *)job->salt, job->salt_bytes), job->iterations, job->salted);
    OPENSSL_cleanse(job->password, sizeof job->password);
    job->password_bytes = 0;
}

void jb__sasl_hash_wipe(struct jb__sasl_hash *job)
{
    OPENSSL_cleanse(job, sizeof *job);
}

int jb__password_prepare(struct jb__sasl_hash *job, struct jb_str typed,
                         const struct jb_allocator *alloc)
{
    struct jb__secret_arena secret;
    struct jb_str prepared;

    if (typed.n == 0 || typed.n > JB_PASSWORD_BYTES)
        return JB_EINVAL;
    jb__secret_arena_begin(&secret, alloc);
    int rc = jb_precis_password(typed, &secret.arena, &prepared);
    if (rc == 0 && (prepared.n == 0 || prepared.n > JB_PASSWORD_BYTES))
        rc = JB_EINVAL;
    if (rc == 0) {
        memcpy(job->password, prepared.p, prepared.n);
        job->password_bytes = (uint16_t)prepared.n;
    }
    jb__secret_arena_end(&secret);
    return rc;
}

/* A block of the wiping allocator: how long it is stands before it. */
struct wiped {
    size_t n;
    alignas(max_align_t) char bytes[];
};

static void *wiped_resize(void *ctx, void *p, size_t n)
{
    /* Arenas never grow a block. */
    jb_assert(!p);
    struct wiped *w = n > SIZE_MAX - sizeof *w ? NULL : jb_alloc(ctx, sizeof *w + n);
    if (!w)
        return NULL;
    w->n = n;
    return w->bytes;
}

static void wiped_release(void *ctx, void *p)
{
    if (!p)
        return;
    struct wiped *w = (struct wiped *)((char *)p - offsetof(struct wiped, bytes));
    OPENSSL_cleanse(w->bytes, w->n);
    jb_free(ctx, w);
}

void jb__secret_arena_begin(struct jb__secret_arena *s, const struct jb_allocator *alloc)
{
    /* Room for a few copies of the longest name or password in 4-byte code points. */
    enum { LIMIT_BYTES = 256 * JB_KIB };

    s->wiping = (struct jb_allocator){ wiped_resize, wiped_release, (void *)(uintptr_t)alloc };
    jb__arena_init(&s->arena, &s->wiping, LIMIT_BYTES);
}

void jb__secret_arena_end(struct jb__secret_arena *s)
{
    jb__arena_deinit(&s->arena);
}

int jb__secret_append(struct jb__buf *b, const void *p, size_t n)
{
    if (n > b->max - b->n)
        return JB_EFULL;
    if (b->n + n <= b->cap)
        return jb__buf_append(b, p, n);
    struct jb__buf grown;
    jb__buf_init(&grown, b->alloc, b->max);
    int rc = jb__buf_reserve(&grown, 2 * (b->n + n) < b->max ? 2 * (b->n + n) : b->max);
    if (rc != 0)
        return rc;
    if (b->n)
        memcpy(grown.p, b->p, b->n);
    if (n)
        memcpy(grown.p + b->n, p, n);
    grown.n = b->n + n;
    jb__secret_deinit(b);
    *b = grown;
    return 0;
}

void jb__secret_deinit(struct jb__buf *b)
{
    if (b->p)
        OPENSSL_cleanse(b->p, b->cap);
    jb__buf_deinit(b);
}
