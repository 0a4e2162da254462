/* SPDX-License-Identifier: MIT */
/* SASL HT (draft-schmaus-kitten-sasl-ht), both sides: logging in with a token that the server gave
 * out before (XEP-0484).  One message each way; both prove that they know the token. */
#ifndef JB_CORE_SASL_HT_H
#define JB_CORE_SASL_HT_H

#include "core/sasl.h"

/* X(digest, binding, name), the one to prefer first. */
#define JB__SASL_HTS(X)                                         \
    X(SHA512, JB__SASL_TLS_EXPORTER, "HT-SHA-512-EXPR")         \
    X(SHA256, JB__SASL_TLS_EXPORTER, "HT-SHA-256-EXPR")         \
    X(SHA512, JB__SASL_TLS_SERVER_END_POINT, "HT-SHA-512-ENDP") \
    X(SHA256, JB__SASL_TLS_SERVER_END_POINT, "HT-SHA-256-ENDP") \
    X(SHA512, JB__SASL_BINDING_COUNT, "HT-SHA-512-NONE")        \
    X(SHA256, JB__SASL_BINDING_COUNT, "HT-SHA-256-NONE")

enum { JB__SASL_HT_COUNT = 6 };

/* Index of a name in the list; JB__SASL_HT_COUNT: none. */
unsigned jb__sasl_ht_find(struct jb_str name);
struct jb_str jb__sasl_ht_name(unsigned ht);
/* The binding it wants; JB__SASL_BINDING_COUNT: none. */
enum jb__sasl_binding jb__sasl_ht_binding(unsigned ht);

/* The client's side.  Appends the first message in base 64.  `binding`: the channel's data, as the
 * mechanism wants it. 0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_first(unsigned ht, struct jb_str user, struct jb_str token,
                                   struct jb_str binding, struct jb__buf *out);
/* Checks the server's answer (in base 64).  0; JB_EAUTH: it does not know the token; JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_check(unsigned ht, struct jb_str token, struct jb_str binding,
                                   struct jb_str answer, const struct jb_allocator *alloc);

/* The server's side.  What a first message claims; both are in the caller's buffer. */
struct jb__sasl_ht_claim {
    struct jb_str user;  /* the name as it was written */
    struct jb_str proof; /* that who wrote it knows the token */
};
/* Takes a first message (base 64) apart, into `room`.  0; JB_EINVAL: it is none; JB_EFULL,
 * JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_read(struct jb_str text, struct jb__buf *room,
                                  struct jb__sasl_ht_claim *claim);
/* Checks the proof, in a time that tells nothing.  0; JB_EAUTH: it is of another token; JB_ENOMEM.
 */
JB_NODISCARD int jb__sasl_ht_verify(unsigned ht, struct jb_str token, struct jb_str binding,
                                    struct jb_str proof, const struct jb_allocator *alloc);
/* Appends the answer, in base 64.  0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_answer(unsigned ht, struct jb_str token, struct jb_str binding,
                                    struct jb__buf *out);

#endif
