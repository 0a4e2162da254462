/* SPDX-License-Identifier: MIT */
/* The client's side: which mechanism, and SCRAM as the client speaks it (RFC 5802). */
#include "core/sasl_impl.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "core/jid.h"

#include <openssl/crypto.h>

void jb__sasl_client_init(struct jb__sasl_client *c, const struct jb__sasl_account *account)
{
    const size_t most = 4 * (size_t)account->limits->sasl_message_bytes;

    *c = (struct jb__sasl_client){ .account = account, .mech = JB__SASL_MECH_COUNT };
    jb__buf_init(&c->keep, account->alloc, most);
    jb__buf_init(&c->text, account->alloc, most);
}

void jb__sasl_client_deinit(struct jb__sasl_client *c)
{
    if (!c->account)
        return;
    jb__secret_deinit(&c->keep);
    jb__secret_deinit(&c->text);
    OPENSSL_cleanse(c, sizeof *c);
}

enum jb__sasl_step jb__sasl_client_fail(struct jb__sasl_client *c, int error, const char *why)
{
    c->state = JB__SASL_IDLE;
    c->error = error;
    c->why = error == JB_ENOMEM ? "out of memory" : why;
    c->out = JB_STR_NONE;
    jb__sasl_hash_wipe(&c->hash);
    return JB__SASL_FAILURE;
}

enum jb__sasl_step jb__sasl_client_send(struct jb__sasl_client *c, struct jb_str message)
{
    int rc = jb__sasl_put_text(&c->text, message, &c->out);

    return rc == 0 ? JB__SASL_CHALLENGE
                   : jb__sasl_client_fail(c, rc, "the message would be too long");
}

/* -- Choosing --------------------------------------------------------------------------------- */

/* The binding both sides have; one that the server did not speak of is worth a try only when it
 * spoke of none. */
static enum jb__sasl_binding common_binding(const struct jb__sasl_account *a, uint32_t offered)
{
    unsigned b = 0;

    while (b < JB__SASL_BINDING_COUNT &&
           (a->binding[b].n == 0 || (offered != 0 && !((offered >> b) & 1))))
        b++;
    return (enum jb__sasl_binding)b;
}

static enum jb__sasl_mech choose(const struct jb__sasl_client *c,
                                 const struct jb__sasl_offered *offered)
{
    const struct jb__sasl_account *a = c->account;
    uint32_t fit = offered->mechs & ~c->refused;

    if (a->user.n == 0)
        return fit & JB__SASL_BIT(JB__SASL_ANONYMOUS) ? JB__SASL_ANONYMOUS : JB__SASL_MECH_COUNT;
    fit &= ~JB__SASL_BIT(JB__SASL_ANONYMOUS);
    if (common_binding(a, offered->bindings) == JB__SASL_BINDING_COUNT)
        fit &= ~JB__SASL_ANY_PLUS;
    /* Never a step down: not from SCRAM to PLAIN, whatever the list says the second time, and not
     * from a bound channel to an unbound one, which is what somebody in between would want. */
    if (c->scram_seen)
        fit &= ~JB__SASL_BIT(JB__SASL_PLAIN);
    if (c->refused & JB__SASL_ANY_PLUS)
        fit &= JB__SASL_ANY_PLUS;
    for (unsigned m = 0; m <= a->weakest && m < JB__SASL_MECH_COUNT; m++)
        if ((fit >> m) & 1)
            return (enum jb__sasl_mech)m;
    return JB__SASL_MECH_COUNT;
}

/* -- SCRAM ------------------------------------------------------------------------------------ */

/* Appends the gs2 header: "p=type,,", "y,," or "n,,". */
static int put_gs2(struct jb__sasl_client *c, const struct jb__sasl_offered *offered)
{
    struct jb_str flag = JB_STR("n");
    int rc = 0;

    if (jb__sasl_is_plus(c->mech)) {
        c->bound = (uint8_t)common_binding(c->account, offered->bindings);
        flag = jb__sasl_binding_name((enum jb__sasl_binding)c->bound);
        rc = jb__buf_append(&c->keep, "p=", 2);
    } else if (!(offered->mechs & JB__SASL_ANY_PLUS) &&
               common_binding(c->account, 0) != JB__SASL_BINDING_COUNT) {
        flag = JB_STR("y"); /* we could; the server will know if it had offered to */
    }
    if (rc == 0)
        rc = jb__buf_append(&c->keep, flag.p, flag.n);
    return rc == 0 ? jb__buf_append(&c->keep, ",,", 2) : rc;
}

static int put_bare(struct jb__sasl_client *c, const uint8_t *random)
{
    struct jb__secret_arena secret;
    struct jb_str user;

    jb__secret_arena_begin(&secret, c->account->alloc);
    int rc = jb_jid_prep_local(c->account->user, &secret.arena, &user);
    if (rc == 0)
        rc = jb__buf_append(&c->keep, "n=", 2);
    if (rc == 0)
        rc = jb__scram_escape(&c->keep, user);
    jb__secret_arena_end(&secret);
    if (rc == 0)
        rc = jb__scram_put_bytes(&c->keep, ",r=", random, JB__SASL_NONCE_BYTES);
    c->nonce_bytes = JB__BASE64_BYTES(JB__SASL_NONCE_BYTES);
    c->nonce_at = (uint32_t)(c->keep.n - c->nonce_bytes);
    return rc;
}

static enum jb__sasl_step scram_first(struct jb__sasl_client *c,
                                      const struct jb__sasl_offered *offered)
{
    c->keep.n = 0;
    c->bound = JB__SASL_BINDING_COUNT;
    int rc = put_gs2(c, offered);
    c->gs2_bytes = (uint32_t)c->keep.n;
    if (rc == 0)
        rc = put_bare(c, offered->nonce);
    if (rc != 0)
        return jb__sasl_client_fail(c, rc, "the name is not allowed");
    c->state = JB__SASL_AWAIT_FINAL;
    return jb__sasl_client_send(c, jb__buf_str(&c->keep));
}

/* Decodes s= into the job; false: empty, too long, or not base 64. */
static bool take_salt(struct jb__sasl_hash *job, struct jb_str text)
{
    uint8_t salt[JB__BASE64_BYTES(JB_SALT_BYTES)];
    size_t n;

    if (text.n > sizeof salt || !jb__base64_decode(text, salt, &n) || n == 0 || n > JB_SALT_BYTES)
        return false;
    memcpy(job->salt, salt, n);
    job->salt_bytes = (uint8_t)n;
    return true;
}

/* XEP-0474: the server's hash of what it advertised; false when what arrived was something else.
 * Who cannot forge the proof cannot leave the hash out either: it is part of the AuthMessage. */
static bool is_as_advertised(const struct jb__sasl_client *c, struct jb_str extensions, int *rc)
{
    const enum jb_digest digest = jb__sasl_digest(c->mech);
    const size_t n = jb_digest_bytes(digest);
    uint8_t hash[JB_DIGEST_BYTES];
    char text[JB__BASE64_BYTES(JB_DIGEST_BYTES)];
    struct jb_str item, rest = extensions;

    *rc = 0;
    while (rest.n && !jb_str_starts(rest, JB_STR("h=")))
        jb_str_cut(rest, ',', &item, &rest);
    if (rest.n == 0 || c->advertised.n == 0)
        return true;
    jb_str_cut(jb_str_from(rest, 2), ',', &item, &rest);
    *rc = jb__digest_hash(digest, c->advertised, hash);
    return *rc == 0 && jb_str_eq(item, jb_str(text, jb__base64_encode(hash, n, text)));
}

/* "r=...,s=...,i=..." and extensions; of those we know the one above. */
static enum jb__sasl_step server_first(struct jb__sasl_client *c, struct jb_str message)
{
    const struct jb_limits *limits = c->account->limits;
    const struct jb_str ours = jb_str(c->keep.p + c->nonce_at, c->nonce_bytes);
    struct jb_str rest = message, nonce, salt, count;
    uint64_t iterations;

    if (!jb__scram_take(&rest, 'r', &nonce) || !jb__scram_take(&rest, 's', &salt) ||
        !jb__scram_take(&rest, 'i', &count) || jb_str_starts(rest, JB_STR("m=")))
        return jb__sasl_client_fail(c, JB_EINVAL, "the server's challenge is malformed");
    if (!jb__scram_is_nonce(nonce, ours.n + limits->sasl_nonce_bytes) || nonce.n == ours.n ||
        !jb_str_starts(nonce, ours))
        return jb__sasl_client_fail(c, JB_EINVAL, "the server's nonce does not extend ours");
    if (!take_salt(&c->hash, salt))
        return jb__sasl_client_fail(c, JB_EINVAL, "the server's salt is malformed");
    if (!jb_str_u64(count, UINT32_MAX, &iterations))
        return jb__sasl_client_fail(c, JB_EINVAL, "the server's iteration count is malformed");
    if (iterations < limits->scram_iterations_least || iterations > limits->scram_iterations_most ||
        iterations > JB_ITERATIONS_MOST)
        return jb__sasl_client_fail(c, JB_EFULL, "the server's iteration count is out of bounds");
    int rc;
    if (!is_as_advertised(c, rest, &rc))
        return jb__sasl_client_fail(c, rc != 0 ? rc : JB_ENOTSUP,
                                    "the list of mechanisms was changed on its way");

    c->nonce_bytes = (uint32_t)nonce.n;
    c->hash.digest = jb__sasl_digest(c->mech);
    c->hash.iterations = (uint32_t)iterations;
    rc = jb__buf_append(&c->keep, ",", 1);
    c->nonce_at = (uint32_t)(c->keep.n + 2);
    if (rc == 0)
        rc = jb__buf_append(&c->keep, message.p, message.n);
    if (rc == 0)
        rc = jb__password_prepare(&c->hash, c->account->password, c->account->alloc);
    if (rc != 0)
        return jb__sasl_client_fail(c, rc, "the password is not allowed");
    c->state = JB__SASL_HASHING;
    return JB__SASL_NEED_HASH;
}

/* Appends ",c=...,r=..." to the AuthMessage; *at: where "c=" stands. */
static int put_without_proof(struct jb__sasl_client *c, size_t *at)
{
    const struct jb_str data =
        c->bound < JB__SASL_BINDING_COUNT ? c->account->binding[c->bound] : JB_STR_NONE;
    int rc = jb__buf_append(&c->keep, ",c=", 3);

    *at = c->keep.n - 2;
    /* Room for all, so that the slices into keep stay where they are. */
    if (rc == 0)
        rc = jb__buf_reserve(&c->keep,
                             JB__BASE64_BYTES(c->gs2_bytes + data.n) + 1 + 3 + c->nonce_bytes);
    if (rc == 0)
        rc = jb__scram_binding_text(&c->keep, jb_str(c->keep.p, c->gs2_bytes), data);
    if (rc == 0)
        rc = jb__buf_append(&c->keep, ",r=", 3);
    if (rc == 0)
        rc = jb__buf_append(&c->keep, c->keep.p + c->nonce_at, c->nonce_bytes);
    return rc;
}

/* The proof, and the signature that we expect in return. */
static int prove(struct jb__sasl_client *c, const uint8_t *salted, uint8_t *proof)
{
    const enum jb_digest digest = jb__sasl_digest(c->mech);
    const size_t n = jb_digest_bytes(digest);
    const struct jb_str auth = jb_str_from(jb__buf_str(&c->keep), c->gs2_bytes);
    uint8_t key[JB_DIGEST_BYTES], stored[JB_DIGEST_BYTES], server[JB_DIGEST_BYTES];
    int rc = jb__scram_derive(digest, salted, stored, server);

    if (rc == 0)
        rc = jb__digest_hmac(digest, jb_str((const char *)salted, n), JB_STR("Client Key"), key);
    if (rc == 0)
        rc = jb__digest_hmac(digest, jb_str((const char *)stored, n), auth, proof);
    if (rc == 0)
        jb__scram_xor(proof, proof, key, n);
    if (rc == 0)
        rc = jb__digest_hmac(digest, jb_str((const char *)server, n), auth, c->server_signature);
    OPENSSL_cleanse(key, sizeof key);
    OPENSSL_cleanse(stored, sizeof stored);
    OPENSSL_cleanse(server, sizeof server);
    return rc;
}

static enum jb__sasl_step scram_hashed(struct jb__sasl_client *c, const struct jb__sasl_hash *job)
{
    const size_t n = jb_digest_bytes(jb__sasl_digest(c->mech));
    uint8_t proof[JB_DIGEST_BYTES];
    size_t at;
    int rc = put_without_proof(c, &at);

    if (rc == 0)
        rc = prove(c, job->salted, proof);
    if (rc == 0)
        rc = jb__scram_put_bytes(&c->keep, ",p=", proof, n);
    if (rc != 0)
        return jb__sasl_client_fail(c, rc, "the message would be too long");
    c->state = JB__SASL_AWAIT_PROOF;
    return jb__sasl_client_send(c, jb_str_from(jb__buf_str(&c->keep), at));
}

/* Checks "v=...".  0 or JB_EAUTH. */
static int check_signature(const struct jb__sasl_client *c, struct jb_str message)
{
    const size_t n = jb_digest_bytes(jb__sasl_digest(c->mech));
    uint8_t got[JB_DIGEST_BYTES + 3];
    struct jb_str rest = message, text;
    size_t bytes;

    if (!jb__scram_take(&rest, 'v', &text) || text.n != JB__BASE64_BYTES(n) ||
        !jb__base64_decode(text, got, &bytes) || bytes != n)
        return JB_EAUTH;
    return CRYPTO_memcmp(got, c->server_signature, n) == 0 ? 0 : JB_EAUTH;
}

/* -- The exchange ----------------------------------------------------------------------------- */

enum jb__sasl_step jb__sasl_client_begin(struct jb__sasl_client *c,
                                         const struct jb__sasl_offered *offered)
{
    enum jb__sasl_step step;

    c->scram_seen = c->scram_seen || (offered->mechs & JB__SASL_ANY_SCRAM);
    c->mech = choose(c, offered);
    c->error = 0;
    c->why = "";
    c->advertised = offered->advertised;
    if (c->mech == JB__SASL_MECH_COUNT)
        return jb__sasl_client_fail(c, JB_ENOTSUP, "the server offers no mechanism we accept");
    if (c->mech == JB__SASL_ANONYMOUS)
        step = jb__anonymous_client_first(c);
    else if (c->mech == JB__SASL_PLAIN)
        step = jb__plain_client_first(c);
    else
        step = scram_first(c, offered);
    if (step == JB__SASL_CHALLENGE && c->out.n == 0)
        c->out = JB_STR("="); /* there, but empty (RFC 6120 section 6.4.2) */
    return step;
}

static enum jb__sasl_step on_challenge(struct jb__sasl_client *c, struct jb_str message)
{
    if (c->state == JB__SASL_AWAIT_FINAL)
        return server_first(c, message);
    if (c->state == JB__SASL_AWAIT_PROOF) {
        if (check_signature(c, message) != 0)
            return jb__sasl_client_fail(c, JB_EAUTH, "the server's signature is wrong");
        c->state = JB__SASL_AWAIT_END;
        return jb__sasl_client_send(c, JB_STR_NONE);
    }
    return jb__sasl_client_fail(c, JB_EINVAL, "the server sent a challenge out of turn");
}

static enum jb__sasl_step on_success(struct jb__sasl_client *c, struct jb_str message)
{
    const bool done = c->state == JB__SASL_AWAIT_END;

    if (!done && c->state != JB__SASL_AWAIT_PROOF)
        return jb__sasl_client_fail(c, JB_EAUTH, "the server agreed without any proof");
    if (!done && check_signature(c, message) != 0)
        return jb__sasl_client_fail(c, JB_EAUTH, "the server's signature is missing or wrong");
    c->state = JB__SASL_IDLE;
    c->out = JB_STR_NONE;
    return JB__SASL_SUCCESS;
}

typedef enum jb__sasl_step on_message(struct jb__sasl_client *c, struct jb_str message);

static enum jb__sasl_step receive(struct jb__sasl_client *c, struct jb_str text, on_message *on)
{
    enum jb__sasl_step step;
    struct jb__buf buf;

    jb__buf_init(&buf, c->account->alloc, c->account->limits->sasl_message_bytes + 3);
    int rc = jb__sasl_get_text(&buf, text);
    const struct jb_str message = jb__buf_str(&buf);
    if (rc != 0)
        step = jb__sasl_client_fail(c, rc, "the server's message is too long or not base 64");
    else if (message.n > 0 && memchr(message.p, '\0', message.n))
        step = jb__sasl_client_fail(c, JB_EINVAL, "the server's message is malformed");
    else
        step = on(c, message);
    jb__secret_deinit(&buf);
    return step;
}

enum jb__sasl_step jb__sasl_client_challenge(struct jb__sasl_client *c, struct jb_str text)
{
    return receive(c, text, on_challenge);
}

enum jb__sasl_step jb__sasl_client_success(struct jb__sasl_client *c, struct jb_str text)
{
    return receive(c, text, on_success);
}

enum jb__sasl_step jb__sasl_client_hashed(struct jb__sasl_client *c, struct jb__sasl_hash *job)
{
    enum jb__sasl_step step;

    if (c->state != JB__SASL_HASHING)
        step = JB__SASL_FAILURE; /* it failed already */
    else if (job->failed)
        step = jb__sasl_client_fail(c, JB_ENOMEM, "");
    else
        step = scram_hashed(c, job);
    jb__sasl_hash_wipe(&c->hash);
    jb__sasl_hash_wipe(job);
    return step;
}

void jb__sasl_client_refused(struct jb__sasl_client *c)
{
    if (c->mech < JB__SASL_MECH_COUNT)
        c->refused |= JB__SASL_BIT(c->mech);
    c->state = JB__SASL_IDLE;
    c->out = JB_STR_NONE;
    jb__sasl_hash_wipe(&c->hash);
}
