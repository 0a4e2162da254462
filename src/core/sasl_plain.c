/* SPDX-License-Identifier: MIT */
/* PLAIN (RFC 4616): authzid NUL authcid NUL password. */
#include "core/sasl_impl.h"

#include "core/jid.h"

#include <openssl/crypto.h>

/* Splits a message; false unless it has exactly two NULs with a name and a password around them. */
static bool parse(struct jb_str message, struct jb_str part[3])
{
    struct jb_str rest;

    return jb_str_cut(message, '\0', &part[0], &rest) &&
           jb_str_cut(rest, '\0', &part[1], &part[2]) && part[1].n > 0 && part[2].n > 0 &&
           !memchr(part[2].p, '\0', part[2].n);
}

static enum jb__sasl_step plain_first(struct jb__sasl_server *s, struct jb_str message)
{
    struct jb_str part[3];

    if (!parse(message, part))
        return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    enum jb__sasl_step step = jb__sasl_server_name(s, part[1], part[0]);
    if (step == JB__SASL_FAILURE)
        return step;
    int rc = jb__password_prepare(&s->hash, part[2], s->ctx->alloc);
    if (rc == JB_ENOMEM)
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    if (rc != 0) /* no account can have such a password */
        return jb__sasl_server_fail(s, JB__SASL_NOT_AUTHORIZED);
    s->state = JB__SASL_LOOKING_UP;
    return JB__SASL_NEED_CREDENTIALS;
}

/* Any key of the account will do: SHA-256 is the quickest here at its strength. */
static enum jb_digest choose(const struct jb_credentials *c)
{
    static const enum jb_digest order[] = { JB_DIGEST_SHA256, JB_DIGEST_SHA512, JB_DIGEST_SHA1 };

    for (size_t k = 0; c && k < sizeof order / sizeof order[0]; k++)
        if (c->key[order[k]].iterations > 0)
            return order[k];
    return order[0];
}

static enum jb__sasl_step plain_credentials(struct jb__sasl_server *s,
                                            const struct jb_credentials *c)
{
    const enum jb_digest digest = choose(c);

    if (jb__sasl_server_key(s, c, digest) != 0)
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    s->hash.digest = digest;
    s->hash.iterations = s->key.iterations;
    s->hash.salt_bytes = s->key.salt_bytes;
    memcpy(s->hash.salt, s->key.salt, s->key.salt_bytes);
    s->state = JB__SASL_HASHING;
    return JB__SASL_NEED_HASH;
}

static enum jb__sasl_step plain_hashed(struct jb__sasl_server *s, const struct jb__sasl_hash *job)
{
    uint8_t stored_key[JB_DIGEST_BYTES], server_key[JB_DIGEST_BYTES];
    /* What comes back is only trusted for its result: which key it is for is ours to know. */
    const enum jb_digest digest = s->hash.digest;
    int rc = jb__scram_derive(digest, job->salted, stored_key, server_key);
    bool same = CRYPTO_memcmp(stored_key, s->key.stored_key, jb_digest_bytes(digest)) == 0;

    OPENSSL_cleanse(server_key, sizeof server_key);
    if (rc != 0)
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    if (!(same & s->known))
        return jb__sasl_server_fail(s, JB__SASL_NOT_AUTHORIZED);
    s->state = JB__SASL_IDLE;
    s->out = JB_STR_NONE;
    return JB__SASL_SUCCESS;
}

/* PLAIN is one message: there is never another. */
const struct jb__sasl_family jb__sasl_plain = {
    .first = plain_first,
    .credentials = plain_credentials,
    .hashed = plain_hashed,
};

enum jb__sasl_step jb__plain_client_first(struct jb__sasl_client *c)
{
    const struct jb__sasl_account *a = c->account;
    struct jb__secret_arena secret;
    struct jb_str user;
    struct jb__buf message;

    jb__secret_arena_begin(&secret, a->alloc);
    jb__buf_init(&message, a->alloc, JB_JID_PART_BYTES + JB_PASSWORD_BYTES + 2);
    int rc = jb__password_prepare(&c->hash, a->password, a->alloc);
    if (rc == 0)
        rc = jb_jid_prep_local(a->user, &secret.arena, &user);
    if (rc == 0)
        rc = jb__secret_append(&message, "", 1);
    if (rc == 0)
        rc = jb__secret_append(&message, user.p, user.n);
    if (rc == 0)
        rc = jb__secret_append(&message, "", 1);
    if (rc == 0)
        rc = jb__secret_append(&message, c->hash.password, c->hash.password_bytes);
    jb__sasl_hash_wipe(&c->hash);
    jb__secret_arena_end(&secret);
    enum jb__sasl_step step =
        rc == 0 ? jb__sasl_client_send(c, jb__buf_str(&message))
                : jb__sasl_client_fail(c, rc, "the name or the password is not allowed");
    jb__secret_deinit(&message);
    if (step == JB__SASL_CHALLENGE)
        c->state = JB__SASL_AWAIT_END;
    return step;
}
