/* SPDX-License-Identifier: MIT */
/* The registry of mechanisms, and what the server's side of all of them has in common. */
#include "core/sasl.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "core/jid.h"
#include "core/sasl_impl.h"

#include <openssl/crypto.h>

static const struct mech {
    struct jb_str name;
    const struct jb__sasl_family *family;
    enum jb_digest digest; /* of a SCRAM mechanism */
} mechs[JB__SASL_MECH_COUNT] = {
#define SCRAM(mech, name, digest) \
    [JB__SASL_SCRAM_##mech] = { JB_STR_INIT("SCRAM-" name), &jb__sasl_scram, JB_DIGEST_##digest }
    SCRAM(SHA_512_PLUS, "SHA-512-PLUS", SHA512),
    SCRAM(SHA_256_PLUS, "SHA-256-PLUS", SHA256),
    SCRAM(SHA_1_PLUS, "SHA-1-PLUS", SHA1),
    SCRAM(SHA_512, "SHA-512", SHA512),
    SCRAM(SHA_256, "SHA-256", SHA256),
    SCRAM(SHA_1, "SHA-1", SHA1),
#undef SCRAM
    [JB__SASL_PLAIN] = { JB_STR_INIT("PLAIN"), &jb__sasl_plain, JB_DIGEST_COUNT },
    [JB__SASL_ANONYMOUS] = { JB_STR_INIT("ANONYMOUS"), &jb__sasl_anonymous, JB_DIGEST_COUNT },
};

enum jb__sasl_mech jb__sasl_mech_find(struct jb_str name)
{
    unsigned m = 0;

    while (m < JB__SASL_MECH_COUNT && !jb_str_eq(mechs[m].name, name))
        m++;
    return (enum jb__sasl_mech)m;
}

struct jb_str jb__sasl_mech_name(enum jb__sasl_mech mech)
{
    jb_assert(mech < JB__SASL_MECH_COUNT);
    return mechs[mech].name;
}

bool jb__sasl_is_scram(enum jb__sasl_mech mech)
{
    return (JB__SASL_ANY_SCRAM >> mech) & 1;
}

bool jb__sasl_is_plus(enum jb__sasl_mech mech)
{
    return (JB__SASL_ANY_PLUS >> mech) & 1;
}

enum jb_digest jb__sasl_digest(enum jb__sasl_mech mech)
{
    jb_assert(jb__sasl_is_scram(mech));
    return mechs[mech].digest;
}

static const struct jb_str bindings[JB__SASL_BINDING_COUNT] = {
    [JB__SASL_TLS_EXPORTER] = JB_STR_INIT("tls-exporter"),
    [JB__SASL_TLS_SERVER_END_POINT] = JB_STR_INIT("tls-server-end-point"),
};

enum jb__sasl_binding jb__sasl_binding_find(struct jb_str name)
{
    unsigned b = 0;

    while (b < JB__SASL_BINDING_COUNT && !jb_str_eq(bindings[b], name))
        b++;
    return (enum jb__sasl_binding)b;
}

struct jb_str jb__sasl_binding_name(enum jb__sasl_binding type)
{
    jb_assert(type < JB__SASL_BINDING_COUNT);
    return bindings[type];
}

struct jb_str jb__sasl_failure_name(enum jb__sasl_failure failure)
{
    static const struct jb_str names[JB__SASL_FAILURE_COUNT] = {
#define FAILURE_NAME(name, text) [JB__SASL_##name] = JB_STR_INIT(text),
        JB__SASL_FAILURES(FAILURE_NAME)
#undef FAILURE_NAME
    };

    jb_assert(failure < JB__SASL_FAILURE_COUNT);
    return names[failure];
}

uint32_t jb__sasl_offer(const struct jb__sasl_facts *facts)
{
    uint32_t offer = JB__SASL_ANY_SCRAM & ~JB__SASL_ANY_PLUS;
    bool bound = false;

    for (unsigned b = 0; b < JB__SASL_BINDING_COUNT; b++)
        bound = bound || facts->binding[b];
    /* Where TLS is ended outside, the client's channel ends there too: it binds to nothing here. */
    if (facts->tls && bound && !facts->tls_outside)
        offer |= JB__SASL_ANY_PLUS;
    if (facts->tls || facts->loopback || facts->tls_outside)
        offer |= JB__SASL_BIT(JB__SASL_PLAIN);
    if (facts->anonymous)
        offer |= JB__SASL_BIT(JB__SASL_ANONYMOUS);
    return offer;
}

int jb__sasl_put_text(struct jb__buf *text, struct jb_str message, struct jb_str *out)
{
    size_t n = JB__BASE64_BYTES(message.n);
    int rc;

    text->n = 0;
    rc = jb__buf_reserve(text, n ? n : 1);
    if (rc != 0)
        return rc;
    text->n = jb__base64_encode(message.p, message.n, text->p);
    *out = jb__buf_str(text);
    return 0;
}

int jb__sasl_get_text(struct jb__buf *out, struct jb_str text)
{
    int rc;

    out->n = 0;
    if (text.n == 0 || jb_str_eq(text, JB_STR("=")))
        return 0;
    rc = jb__buf_reserve(out, text.n / 4 * 3 + 1);
    if (rc != 0)
        return rc;
    return jb__base64_decode(text, out->p, &out->n) ? 0 : JB_EINVAL;
}

/* -- Server ----------------------------------------------------------------------------------- */

enum jb__sasl_step jb__sasl_server_fail(struct jb__sasl_server *s, enum jb__sasl_failure failure)
{
    s->state = JB__SASL_IDLE;
    s->failure = failure;
    s->out = JB_STR_NONE;
    jb__sasl_hash_wipe(&s->hash);
    return JB__SASL_FAILURE;
}

enum jb__sasl_step jb__sasl_server_over(struct jb__sasl_server *s, enum jb_limit limit)
{
    s->limit = limit;
    return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
}

/* Hands a decoded message to the family. */
static enum jb__sasl_step dispatch(struct jb__sasl_server *s, struct jb_str text)
{
    const struct jb__sasl_family *family = mechs[s->mech].family;
    enum jb__sasl_step step;
    struct jb__buf buf;

    /* Base64 is decoded in groups of three. */
    jb__buf_init(&buf, s->ctx->alloc, s->ctx->limits->sasl_message_bytes + 3);
    int rc = jb__sasl_get_text(&buf, text);
    struct jb_str message = jb__buf_str(&buf);
    if (rc == JB_ENOMEM)
        step = jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    else if (rc == JB_EINVAL)
        step = jb__sasl_server_fail(s, JB__SASL_INCORRECT_ENCODING);
    else if (rc != 0 || message.n > s->ctx->limits->sasl_message_bytes)
        step = jb__sasl_server_over(s, JB_LIMIT_sasl_message_bytes);
    else if (!jb__utf8_valid(message))
        step = jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    else if (s->state == JB__SASL_AWAIT_FIRST)
        step = family->first(s, message);
    else
        step = family->final(s, message);
    jb__secret_deinit(&buf);
    return step;
}

enum jb__sasl_step jb__sasl_server_begin(struct jb__sasl_server *s,
                                         const struct jb__sasl_context *ctx,
                                         const struct jb__sasl_request *request)
{
    *s = (struct jb__sasl_server){ .ctx = ctx,
                                   .mech = jb__sasl_mech_find(request->mech),
                                   .limit = JB_LIMIT_COUNT };
    jb__buf_init(&s->keep, ctx->alloc, 4 * (size_t)ctx->limits->sasl_message_bytes);
    jb__buf_init(&s->text, ctx->alloc, 4 * (size_t)ctx->limits->sasl_message_bytes);
    if (s->mech == JB__SASL_MECH_COUNT || !(ctx->offered & JB__SASL_BIT(s->mech)))
        return jb__sasl_server_fail(s, JB__SASL_INVALID_MECHANISM);
    s->own_nonce_bytes =
        (uint8_t)jb__base64_encode(request->nonce, JB__SASL_NONCE_BYTES, s->own_nonce);
    s->state = JB__SASL_AWAIT_FIRST;
    if (request->initial.n == 0)
        return JB__SASL_CHALLENGE;
    return dispatch(s, request->initial);
}

enum jb__sasl_step jb__sasl_server_response(struct jb__sasl_server *s, struct jb_str text)
{
    if (s->state != JB__SASL_AWAIT_FIRST && s->state != JB__SASL_AWAIT_FINAL)
        return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    return dispatch(s, text);
}

enum jb__sasl_step jb__sasl_server_credentials(struct jb__sasl_server *s,
                                               const struct jb_credentials *c)
{
    if (s->state != JB__SASL_LOOKING_UP)
        return jb__sasl_server_fail(s, s->failure);
    return mechs[s->mech].family->credentials(s, c);
}

enum jb__sasl_step jb__sasl_server_hashed(struct jb__sasl_server *s, struct jb__sasl_hash *job)
{
    enum jb__sasl_step step;

    if (s->state != JB__SASL_HASHING)
        step = jb__sasl_server_fail(s, s->failure);
    else if (job->failed)
        step = jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    else
        step = mechs[s->mech].family->hashed(s, job);
    jb__sasl_hash_wipe(&s->hash);
    jb__sasl_hash_wipe(job);
    return step;
}

void jb__sasl_server_deinit(struct jb__sasl_server *s)
{
    if (!s->ctx)
        return;
    jb__secret_deinit(&s->keep);
    jb__secret_deinit(&s->text);
    OPENSSL_cleanse(s, sizeof *s);
}

struct jb_str jb__sasl_server_user(const struct jb__sasl_server *s)
{
    return jb_str(s->keep.p, s->user_bytes);
}

/* Whether the prepared `user` may act as `authzid`: only as himself (RFC 6120 section 6.3.8). */
static int check_authzid(struct jb__sasl_server *s, struct jb_str user, struct jb_str authzid,
                         struct jb__arena *arena)
{
    struct jb_jid jid;
    int rc = jb_jid_parse(authzid, arena, &jid);

    if (rc != 0)
        return rc;
    return jid.resource == 0 && jb_str_eq(jb_jid_local(jid), user) &&
                   jb_str_eq(jb_jid_domain(jid), s->ctx->host)
               ? 0
               : JB_EINVAL;
}

enum jb__sasl_step jb__sasl_server_name(struct jb__sasl_server *s, struct jb_str name,
                                        struct jb_str authzid)
{
    enum jb__sasl_failure failure = JB__SASL_NOT_AUTHORIZED;
    struct jb__secret_arena secret;
    struct jb_str user = JB_STR_NONE;

    jb__secret_arena_begin(&secret, s->ctx->alloc);
    int rc = jb_jid_prep_local(name, &secret.arena, &user);
    if (rc == 0 && authzid.n > 0) {
        failure = JB__SASL_INVALID_AUTHZID;
        rc = check_authzid(s, user, authzid, &secret.arena);
        s->as_named = true;
    }
    if (rc == 0)
        rc = jb__secret_append(&s->keep, user.p, user.n);
    if (rc == 0)
        s->user_bytes = (uint32_t)user.n;
    jb__secret_arena_end(&secret);
    if (rc == 0)
        return JB__SASL_CHALLENGE;
    return jb__sasl_server_fail(s, rc == JB_ENOMEM ? JB__SASL_TEMPORARY_AUTH_FAILURE : failure);
}

/* A key that nobody has the password of, the same whenever the same name is asked for.  Its salt
 * hangs on the digest, not on the mechanism: an account's salt does not change with -PLUS. */
static int fake_key(struct jb__sasl_server *s, enum jb_digest digest, struct jb_scram_key *key)
{
    const struct jb_str secret = jb_str((const char *)s->ctx->secret, JB__SASL_SECRET_BYTES);
    const struct jb_str user = jb__sasl_server_user(s);
    uint8_t salt[JB_DIGEST_BYTES] = { 0 };
    struct jb__buf seed;

    jb__buf_init(&seed, s->ctx->alloc, user.n + s->ctx->host.n + 2);
    /* '@' stands in no localpart, so two different seeds are never the same bytes. */
    const uint8_t number = (uint8_t)digest;
    int rc = jb__buf_append(&seed, &number, 1);
    if (rc == 0)
        rc = jb__buf_append(&seed, user.p, user.n);
    if (rc == 0)
        rc = jb__buf_append(&seed, "@", 1);
    if (rc == 0)
        rc = jb__buf_append(&seed, s->ctx->host.p, s->ctx->host.n);
    if (rc == 0)
        rc = jb__digest_hmac(JB_DIGEST_SHA512, secret, jb__buf_str(&seed), salt);
    if (rc == 0)
        rc = jb__digest_hmac(JB_DIGEST_SHA512, secret, jb_str((char *)salt, sizeof salt),
                             key->stored_key);
    jb__buf_deinit(&seed);
    key->iterations = s->ctx->iterations;
    key->salt_bytes = JB_SALT_LEAST_BYTES;
    memcpy(key->salt, salt, JB_SALT_LEAST_BYTES);
    memcpy(key->server_key, key->stored_key, sizeof key->server_key);
    return rc;
}

int jb__sasl_server_key(struct jb__sasl_server *s, const struct jb_credentials *c,
                        enum jb_digest digest)
{
    struct jb_scram_key fake = { 0 };
    /* Made in any case, so that an account that exists takes the same time. */
    int rc = fake_key(s, digest, &fake);

    s->known = c && c->key[digest].iterations > 0;
    s->key = *(s->known ? &c->key[digest] : &fake);
    return rc;
}
