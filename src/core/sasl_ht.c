/* SPDX-License-Identifier: MIT */
#include "core/sasl_ht.h"

#include "base/base64.h"
#include "core/sasl_impl.h"

#include <openssl/crypto.h>

static const struct {
    enum jb_digest digest;
    enum jb__sasl_binding binding;
    struct jb_str name;
} hts[JB__SASL_HT_COUNT] = {
#define ROW(digest, binding, name) { JB_DIGEST_##digest, binding, JB_STR_INIT(name) },
    JB__SASL_HTS(ROW)
#undef ROW
};

unsigned jb__sasl_ht_find(struct jb_str name)
{
    unsigned ht = 0;

    while (ht < JB__SASL_HT_COUNT && !jb_str_eq(hts[ht].name, name))
        ht++;
    return ht;
}

struct jb_str jb__sasl_ht_name(unsigned ht)
{
    return hts[ht].name;
}

enum jb__sasl_binding jb__sasl_ht_binding(unsigned ht)
{
    return hts[ht].binding;
}

/* HMAC(token, who || binding); `room` is for the text. */
static int prove(unsigned ht, struct jb_str token, const char *who, struct jb_str binding,
                 struct jb__buf *room, uint8_t *out)
{
    room->n = 0;
    int rc = jb__buf_append(room, who, strlen(who));
    if (rc == 0 && binding.n)
        rc = jb__buf_append(room, binding.p, binding.n);
    return rc == 0 ? jb__digest_hmac(hts[ht].digest, token, jb__buf_str(room), out) : rc;
}

enum { TEXT_MOST = 4096 };

int jb__sasl_ht_first(unsigned ht, struct jb_str user, struct jb_str token, struct jb_str binding,
                      struct jb__buf *out)
{
    const size_t n = jb_digest_bytes(hts[ht].digest);
    uint8_t proof[JB_DIGEST_BYTES];
    struct jb__buf text;

    jb__buf_init(&text, out->alloc, TEXT_MOST);
    int rc = prove(ht, token, "Initiator", binding, &text, proof);
    text.n = 0;
    if (rc == 0)
        rc = jb__buf_append(&text, user.p, user.n);
    if (rc == 0)
        rc = jb__buf_append(&text, "", 1);
    if (rc == 0)
        rc = jb__buf_append(&text, proof, n);
    if (rc == 0)
        rc = jb__buf_reserve(out, JB__BASE64_BYTES(text.n));
    if (rc == 0)
        out->n += jb__base64_encode(text.p, text.n, out->p + out->n);
    OPENSSL_cleanse(proof, sizeof proof);
    jb__secret_deinit(&text);
    return rc;
}

int jb__sasl_ht_check(unsigned ht, struct jb_str token, struct jb_str binding, struct jb_str answer,
                      const struct jb_allocator *alloc)
{
    const size_t n = jb_digest_bytes(hts[ht].digest);
    uint8_t wanted[JB_DIGEST_BYTES], got[JB_DIGEST_BYTES + 3];
    struct jb__buf text;
    size_t bytes = 0;

    if (answer.n != JB__BASE64_BYTES(n) || !jb__base64_decode(answer, got, &bytes) || bytes != n)
        return JB_EAUTH;
    jb__buf_init(&text, alloc, TEXT_MOST);
    int rc = prove(ht, token, "Responder", binding, &text, wanted);
    if (rc == 0 && CRYPTO_memcmp(got, wanted, n) != 0)
        rc = JB_EAUTH;
    OPENSSL_cleanse(wanted, sizeof wanted);
    jb__secret_deinit(&text);
    return rc;
}

/* ---- the server ---- */

int jb__sasl_ht_read(struct jb_str text, struct jb__buf *room, struct jb__sasl_ht_claim *claim)
{
    int rc = jb__sasl_get_text(room, text);

    *claim = (struct jb__sasl_ht_claim){ 0 };
    if (rc != 0)
        return rc;
    bool whole = jb_str_cut(jb__buf_str(room), '\0', &claim->user, &claim->proof);
    return whole && claim->user.n > 0 && claim->proof.n > 0 ? 0 : JB_EINVAL;
}

int jb__sasl_ht_verify(unsigned ht, struct jb_str token, struct jb_str binding, struct jb_str proof,
                       const struct jb_allocator *alloc)
{
    const size_t n = jb_digest_bytes(hts[ht].digest);
    uint8_t wanted[JB_DIGEST_BYTES];
    struct jb__buf text;

    if (proof.n != n)
        return JB_EAUTH;
    jb__buf_init(&text, alloc, TEXT_MOST);
    int rc = prove(ht, token, "Initiator", binding, &text, wanted);
    if (rc == 0 && CRYPTO_memcmp(proof.p, wanted, n) != 0)
        rc = JB_EAUTH;
    OPENSSL_cleanse(wanted, sizeof wanted);
    jb__secret_deinit(&text);
    return rc;
}

int jb__sasl_ht_answer(unsigned ht, struct jb_str token, struct jb_str binding, struct jb__buf *out)
{
    const size_t n = jb_digest_bytes(hts[ht].digest);
    uint8_t answer[JB_DIGEST_BYTES];
    struct jb__buf text;

    jb__buf_init(&text, out->alloc, TEXT_MOST);
    int rc = prove(ht, token, "Responder", binding, &text, answer);
    if (rc == 0)
        rc = jb__buf_reserve(out, JB__BASE64_BYTES(n));
    if (rc == 0)
        out->n += jb__base64_encode(answer, n, out->p + out->n);
    OPENSSL_cleanse(answer, sizeof answer);
    jb__secret_deinit(&text);
    return rc;
}
