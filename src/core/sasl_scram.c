/* SPDX-License-Identifier: MIT */
/* SCRAM (RFC 5802): the messages, and the server's side.
 *
 *     client-first    gs2-header client-first-bare     "n,,n=user,r=cnonce"
 *     server-first                                     "r=cnonce+snonce,s=salt,i=4096"
 *     client-final    without-proof ",p=" proof        "c=biws,r=cnonce+snonce,p=..."
 *     server-final                                     "v=signature"
 *     AuthMessage     client-first-bare "," server-first "," without-proof
 *
 * s->keep holds the user, the gs2 header and the AuthMessage as far as it has come. */
#include "core/sasl_impl.h"

#include "base/assert.h"
#include "base/base64.h"

#include <openssl/crypto.h>
#include <stdio.h>

/* -- Messages --------------------------------------------------------------------------------- */

bool jb__scram_take(struct jb_str *rest, char name, struct jb_str *value)
{
    struct jb_str head, tail;

    if (rest->n < 2 || rest->p[0] != name || rest->p[1] != '=')
        return false;
    if (jb_str_cut(*rest, ',', &head, &tail) && tail.n == 0)
        return false; /* a comma with nothing behind it */
    *value = jb_str_from(head, 2);
    *rest = tail;
    return value->n > 0;
}

/* Takes attributes that we do not know up to the one called `stop` (0: up to the end); "m" is
 * refused, for it says that what follows must be understood. */
static bool skip_extensions(struct jb_str *rest, char stop)
{
    struct jb_str value;

    while (rest->n > 0 && rest->p[0] != stop) {
        const char name = rest->p[0];
        const bool letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
        if (!letter || name == 'm' || !jb__scram_take(rest, name, &value))
            return false;
    }
    return stop == 0 || rest->n > 0;
}

bool jb__scram_is_nonce(struct jb_str nonce, size_t most)
{
    for (size_t k = 0; k < nonce.n; k++)
        if (nonce.p[k] < 0x21 || nonce.p[k] > 0x7e || nonce.p[k] == ',')
            return false;
    return nonce.n > 0 && nonce.n <= most;
}

int jb__scram_escape(struct jb__buf *out, struct jb_str name)
{
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < name.n; k++) {
        if (name.p[k] == ',')
            rc = jb__buf_append(out, "=2C", 3);
        else if (name.p[k] == '=')
            rc = jb__buf_append(out, "=3D", 3);
        else
            rc = jb__buf_append(out, &name.p[k], 1);
    }
    return rc;
}

bool jb__scram_unescape(struct jb_str in, char *out, size_t *n)
{
    *n = 0;
    for (size_t k = 0; k < in.n; k++) {
        const struct jb_str here = jb_str_from(in, k);
        char ch = in.p[k];
        if (ch == '=') {
            if (jb_str_starts(here, JB_STR("=2C")))
                ch = ',';
            else if (!jb_str_starts(here, JB_STR("=3D")))
                return false;
            k += 2;
        }
        out[(*n)++] = ch;
    }
    return true;
}

int jb__scram_put_bytes(struct jb__buf *out, const char *head, const void *p, size_t n)
{
    int rc = jb__buf_append(out, head, strlen(head));

    if (rc == 0)
        rc = jb__buf_reserve(out, JB__BASE64_BYTES(n) + 1);
    if (rc == 0)
        out->n += jb__base64_encode(p, n, out->p + out->n);
    return rc;
}

int jb__scram_binding_text(struct jb__buf *out, struct jb_str gs2, struct jb_str binding)
{
    struct jb__buf both;

    jb__buf_init(&both, out->alloc, gs2.n + binding.n);
    int rc = jb__buf_append(&both, gs2.p, gs2.n);
    if (rc == 0)
        rc = jb__buf_append(&both, binding.p, binding.n);
    if (rc == 0)
        rc = jb__scram_put_bytes(out, "", both.p, both.n);
    jb__buf_deinit(&both);
    return rc;
}

void jb__scram_xor(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t k = 0; k < n; k++)
        out[k] = a[k] ^ b[k];
}

/* -- The client's first message --------------------------------------------------------------- */

struct first {
    struct jb_str flag;    /* "n", "y" or "p=type" */
    struct jb_str authzid; /* still escaped */
    struct jb_str gs2;     /* all of the header with its commas */
    struct jb_str bare;
    struct jb_str name; /* still escaped */
    struct jb_str nonce;
};

/* JB__SASL_FAILURE_COUNT: fine. */
static enum jb__sasl_failure parse_first(struct jb_str message, struct first *f)
{
    struct jb_str rest, authzid;

    if (!jb_str_cut(message, ',', &f->flag, &rest) || !jb_str_cut(rest, ',', &authzid, &rest))
        return JB__SASL_MALFORMED_REQUEST;
    f->authzid = JB_STR_NONE;
    if (authzid.n > 0 && !jb__scram_take(&authzid, 'a', &f->authzid))
        return JB__SASL_MALFORMED_REQUEST;
    f->bare = rest;
    f->gs2 = jb_str(message.p, message.n - rest.n);
    if (jb_str_starts(rest, JB_STR("m=")))
        return JB__SASL_NOT_AUTHORIZED; /* an extension that we must understand and do not */
    if (!jb__scram_take(&rest, 'n', &f->name) || !jb__scram_take(&rest, 'r', &f->nonce) ||
        !skip_extensions(&rest, 0))
        return JB__SASL_MALFORMED_REQUEST;
    return JB__SASL_FAILURE_COUNT;
}

/* Whether the gs2 flag fits the mechanism and what we offered (RFC 5802 section 6). */
static enum jb__sasl_failure check_flag(struct jb__sasl_server *s, struct jb_str flag)
{
    const bool plus = jb__sasl_is_plus(s->mech);

    s->bound = JB__SASL_BINDING_COUNT;
    if (jb_str_starts(flag, JB_STR("p="))) {
        s->bound = (uint8_t)jb__sasl_binding_find(jb_str_from(flag, 2));
        const bool have = s->bound < JB__SASL_BINDING_COUNT && s->ctx->binding[s->bound].n > 0;
        return plus && have ? JB__SASL_FAILURE_COUNT : JB__SASL_NOT_AUTHORIZED;
    }
    if (jb_str_eq(flag, JB_STR("n")))
        return plus ? JB__SASL_NOT_AUTHORIZED : JB__SASL_FAILURE_COUNT;
    if (!jb_str_eq(flag, JB_STR("y")))
        return JB__SASL_MALFORMED_REQUEST;
    /* The client can bind and believes that we cannot.  If we said we can, somebody between us took
     * that from the list. */
    return plus || (s->ctx->offered & JB__SASL_ANY_PLUS) ? JB__SASL_NOT_AUTHORIZED
                                                         : JB__SASL_FAILURE_COUNT;
}

/* Unescapes both names and takes them. */
static enum jb__sasl_step take_names(struct jb__sasl_server *s, const struct first *f)
{
    enum jb__sasl_step step;
    struct jb__buf plain;
    size_t name, authzid;

    jb__buf_init(&plain, s->ctx->alloc, f->name.n + f->authzid.n);
    if (jb__buf_reserve(&plain, plain.max) != 0)
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    if (!jb__scram_unescape(f->name, plain.p, &name) ||
        !jb__scram_unescape(f->authzid, plain.p + name, &authzid))
        step = jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    else
        step = jb__sasl_server_name(s, jb_str(plain.p, name), jb_str(plain.p + name, authzid));
    jb__buf_deinit(&plain);
    return step;
}

static enum jb__sasl_step scram_first(struct jb__sasl_server *s, struct jb_str message)
{
    struct first f;

    if (message.n == 0 || memchr(message.p, '\0', message.n))
        return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    enum jb__sasl_failure failure = parse_first(message, &f);
    if (failure == JB__SASL_FAILURE_COUNT && f.nonce.n > s->ctx->limits->sasl_nonce_bytes)
        return jb__sasl_server_over(s, JB_LIMIT_sasl_nonce_bytes);
    if (failure == JB__SASL_FAILURE_COUNT &&
        !jb__scram_is_nonce(f.nonce, s->ctx->limits->sasl_nonce_bytes))
        failure = JB__SASL_MALFORMED_REQUEST;
    if (failure == JB__SASL_FAILURE_COUNT)
        failure = check_flag(s, f.flag);
    if (failure != JB__SASL_FAILURE_COUNT)
        return jb__sasl_server_fail(s, failure);

    enum jb__sasl_step step = take_names(s, &f);
    if (step == JB__SASL_FAILURE)
        return step;
    s->gs2_bytes = (uint32_t)f.gs2.n;
    s->nonce_at = (uint32_t)(f.nonce.p - f.bare.p); /* of the client's nonce, for now */
    s->nonce_bytes = (uint32_t)f.nonce.n;
    if (jb__buf_append(&s->keep, f.gs2.p, f.gs2.n) || jb__buf_append(&s->keep, f.bare.p, f.bare.n))
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    s->state = JB__SASL_LOOKING_UP;
    return JB__SASL_NEED_CREDENTIALS;
}

/* -- The server's first message --------------------------------------------------------------- */

static struct jb_str auth_message(const struct jb__sasl_server *s)
{
    return jb_str_from(jb__buf_str(&s->keep), (size_t)s->user_bytes + s->gs2_bytes);
}

/* Appends ",r=...,s=...,i=..." to the AuthMessage. */
static int append_server_first(struct jb__sasl_server *s)
{
    char number[16];
    const int digits = snprintf(number, sizeof number, ",i=%u", s->key.iterations);
    const uint32_t client_nonce = s->user_bytes + s->gs2_bytes + s->nonce_at;
    /* The longest it can be; after this the appends below neither fail nor move the nonce. */
    int rc = jb__buf_reserve(&s->keep, sizeof ",r=,s=" + s->nonce_bytes + s->own_nonce_bytes +
                                           JB__BASE64_BYTES(JB_SALT_BYTES) + sizeof number);

    if (rc != 0)
        return rc;
    rc |= jb__buf_append(&s->keep, ",r=", 3);
    s->nonce_at = (uint32_t)auth_message(s).n;
    rc |= jb__buf_append(&s->keep, s->keep.p + client_nonce, s->nonce_bytes);
    rc |= jb__buf_append(&s->keep, s->own_nonce, s->own_nonce_bytes);
    s->nonce_bytes += s->own_nonce_bytes;
    rc |= jb__scram_put_bytes(&s->keep, ",s=", s->key.salt, s->key.salt_bytes);
    rc |= jb__buf_append(&s->keep, number, (size_t)digits);
    return rc;
}

static enum jb__sasl_step scram_credentials(struct jb__sasl_server *s,
                                            const struct jb_credentials *c)
{
    const size_t before = auth_message(s).n;
    int rc = jb__sasl_server_key(s, c, jb__sasl_digest(s->mech));

    if (rc == 0)
        rc = append_server_first(s);
    if (rc == 0)
        rc = jb__sasl_put_text(&s->text, jb_str_from(auth_message(s), before + 1), &s->out);
    if (rc != 0)
        return jb__sasl_server_fail(s, JB__SASL_TEMPORARY_AUTH_FAILURE);
    s->state = JB__SASL_AWAIT_FINAL;
    return JB__SASL_CHALLENGE;
}

/* -- The client's last message ---------------------------------------------------------------- */

struct final {
    struct jb_str binding; /* c= */
    struct jb_str nonce;   /* r= */
    struct jb_str without_proof;
    uint8_t proof[JB_DIGEST_BYTES];
};

static bool parse_final(struct jb_str message, struct final *f, size_t digest_bytes)
{
    struct jb_str rest = message, proof;
    uint8_t decoded[JB_DIGEST_BYTES + 3];
    size_t n;

    if (!jb__scram_take(&rest, 'c', &f->binding) || !jb__scram_take(&rest, 'r', &f->nonce) ||
        !skip_extensions(&rest, 'p'))
        return false;
    f->without_proof = jb_str(message.p, message.n - rest.n - 1);
    if (!jb__scram_take(&rest, 'p', &proof) || rest.n > 0 ||
        proof.n != JB__BASE64_BYTES(digest_bytes) || !jb__base64_decode(proof, decoded, &n) ||
        n != digest_bytes)
        return false;
    memcpy(f->proof, decoded, n);
    return true;
}

/* 0, JB_EAUTH, JB_ENOMEM.  Fills in the server's signature in any case but the last. */
static int check_proof(const struct jb__sasl_server *s, const uint8_t *proof, uint8_t *signature)
{
    const enum jb_digest digest = jb__sasl_digest(s->mech);
    const size_t n = jb_digest_bytes(digest);
    uint8_t key[JB_DIGEST_BYTES], hashed[JB_DIGEST_BYTES];
    int rc =
        jb__digest_hmac(digest, jb_str((const char *)s->key.stored_key, n), auth_message(s), key);

    if (rc == 0) {
        jb__scram_xor(key, key, proof, n); /* ClientKey, if the proof is right */
        rc = jb__digest_hash(digest, jb_str((const char *)key, n), hashed);
    }
    if (rc == 0)
        rc = jb__digest_hmac(digest, jb_str((const char *)s->key.server_key, n), auth_message(s),
                             signature);
    OPENSSL_cleanse(key, sizeof key);
    if (rc != 0)
        return rc;
    const bool right = CRYPTO_memcmp(hashed, s->key.stored_key, n) == 0;
    return (right & s->known) ? 0 : JB_EAUTH;
}

/* Whether c= repeats our view of the channel.  0, JB_EAUTH, JB_ENOMEM. */
static int check_binding(const struct jb__sasl_server *s, struct jb_str c)
{
    const struct jb_str gs2 = jb_str(s->keep.p + s->user_bytes, s->gs2_bytes);
    const struct jb_str data =
        s->bound < JB__SASL_BINDING_COUNT ? s->ctx->binding[s->bound] : JB_STR_NONE;
    struct jb__buf expected;

    jb__buf_init(&expected, s->ctx->alloc, JB__BASE64_BYTES(gs2.n + data.n) + 1);
    int rc = jb__scram_binding_text(&expected, gs2, data);
    if (rc == 0 && (c.n != expected.n || CRYPTO_memcmp(c.p, expected.p, c.n) != 0))
        rc = JB_EAUTH;
    jb__buf_deinit(&expected);
    return rc;
}

static enum jb__sasl_step fail_with(struct jb__sasl_server *s, int rc)
{
    return jb__sasl_server_fail(s, rc == JB_EAUTH ? JB__SASL_NOT_AUTHORIZED
                                                  : JB__SASL_TEMPORARY_AUTH_FAILURE);
}

static enum jb__sasl_step scram_final(struct jb__sasl_server *s, struct jb_str message)
{
    const size_t n = jb_digest_bytes(jb__sasl_digest(s->mech));
    uint8_t signature[JB_DIGEST_BYTES];
    struct final f;

    if (message.n == 0 || memchr(message.p, '\0', message.n) || !parse_final(message, &f, n))
        return jb__sasl_server_fail(s, JB__SASL_MALFORMED_REQUEST);
    if (!jb_str_eq(f.nonce, jb_str(auth_message(s).p + s->nonce_at, s->nonce_bytes)))
        return jb__sasl_server_fail(s, JB__SASL_NOT_AUTHORIZED);
    int rc = check_binding(s, f.binding);
    if (rc == 0)
        rc = jb__buf_append(&s->keep, ",", 1);
    if (rc == 0)
        rc = jb__buf_append(&s->keep, f.without_proof.p, f.without_proof.n);
    if (rc == 0)
        rc = check_proof(s, f.proof, signature);
    if (rc != 0)
        return fail_with(s, rc);

    struct jb__buf end;
    jb__buf_init(&end, s->ctx->alloc, 2 + JB__BASE64_BYTES(JB_DIGEST_BYTES) + 1);
    rc = jb__scram_put_bytes(&end, "v=", signature, n);
    if (rc == 0)
        rc = jb__sasl_put_text(&s->text, jb__buf_str(&end), &s->out);
    jb__buf_deinit(&end);
    if (rc != 0)
        return fail_with(s, rc);
    s->state = JB__SASL_IDLE;
    return JB__SASL_SUCCESS;
}

const struct jb__sasl_family jb__sasl_scram = {
    .first = scram_first,
    .final = scram_final,
    .credentials = scram_credentials,
};
