/* SPDX-License-Identifier: MIT */
#include "server/agent.h"

#include "base/assert.h"
#include "base/base64.h"
#include "server/server.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

void secret_digest(const struct server *server, const struct jb_str *parts, size_t count,
                   uint8_t out[SECRET_DIGEST_BYTES])
{
    struct jb__buf text;
    int rc = 0;

    jb__buf_init(&text, &jb_allocator_abort, SIZE_MAX);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = parts[i].n ? jb__buf_append(&text, parts[i].p, parts[i].n) : 0;
        if (rc == 0)
            rc = jb__buf_append(&text, "", 1);
    }
    jb_assert(rc == 0);
    const unsigned char *made = HMAC(EVP_sha256(), server->secret, SERVER_SECRET_BYTES,
                                     (const unsigned char *)text.p, text.n, out, NULL);
    jb_assert(made);
    jb__buf_deinit(&text);
}

struct agent agent_of(const struct server *server, struct jb_str bare, struct jb_str id)
{
    const struct jb_str parts[] = { JB_STR("user agent"), bare, id };
    uint8_t digest[SECRET_DIGEST_BYTES];
    struct agent a = { .known = id.n > 0 };

    if (a.known) {
        secret_digest(server, parts, 3, digest);
        memcpy(a.key, digest, AGENT_BYTES);
    }
    return a;
}

bool agent_same(const struct agent *a, const struct agent *b)
{
    return a->known && b->known && CRYPTO_memcmp(a->key, b->key, AGENT_BYTES) == 0;
}

void agent_label(const struct server *server, const struct agent *a, struct jb_str tag,
                 char out[AGENT_LABEL_BYTES])
{
    const struct jb_str key = jb_str((const char *)a->key, AGENT_BYTES);
    const struct jb_str parts[] = { JB_STR("resource"), key, tag };
    uint8_t digest[SECRET_DIGEST_BYTES];

    secret_digest(server, parts, 3, digest);
    jb__base64_encode(digest, AGENT_LABEL_BYTES / 4 * 3, out);
    for (size_t i = 0; i < AGENT_LABEL_BYTES; i++) /* RFC 4648 section 5: for addresses */
        out[i] = (char)(out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i]);
}
