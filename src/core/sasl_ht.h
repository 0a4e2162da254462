/* SPDX-License-Identifier: MIT */
/* SASL HT (draft-schmaus-kitten-sasl-ht), the client's side: logging in with a token that the
 * server gave out before (XEP-0484).  One message each way; both prove that they know the token. */
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

/* Appends the first message in base 64.  `binding`: the channel's data, as the mechanism wants it.
 * 0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_first(unsigned ht, struct jb_str user, struct jb_str token,
                                   struct jb_str binding, struct jb__buf *out);
/* Checks the server's answer (in base 64).  0; JB_EAUTH: it does not know the token; JB_ENOMEM. */
JB_NODISCARD int jb__sasl_ht_check(unsigned ht, struct jb_str token, struct jb_str binding,
                                   struct jb_str answer, const struct jb_allocator *alloc);

#endif
