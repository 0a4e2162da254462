/* SPDX-License-Identifier: MIT */
/* What the files of SASL share among themselves. */
#ifndef JB_CORE_SASL_IMPL_H
#define JB_CORE_SASL_IMPL_H

#include "base/arena.h"
#include "core/sasl.h"

/* -- Cryptography (sasl_crypto.c) ------------------------------------------------------------- */

/* Each returns 0 or JB_ENOMEM; the output has jb_digest_bytes(). */
JB_NODISCARD int jb__digest_hash(enum jb_digest digest, struct jb_str data, uint8_t *out);
JB_NODISCARD int jb__digest_hmac(enum jb_digest digest, struct jb_str key, struct jb_str data,
                                 uint8_t *out);
/* StoredKey and ServerKey of a SaltedPassword (RFC 5802 section 3). */
JB_NODISCARD int jb__scram_derive(enum jb_digest digest, const uint8_t *salted, uint8_t *stored_key,
                                  uint8_t *server_key);

/* A password by the OpaqueString profile into a job; nothing of it is left elsewhere.
 * 0, JB_EINVAL (not allowed, or too long), JB_ENOMEM. */
JB_NODISCARD int jb__password_prepare(struct jb__sasl_hash *job, struct jb_str typed,
                                      const struct jb_allocator *alloc);

/* An arena for secrets: what it took is overwritten when it is given back. */
struct jb__secret_arena {
    struct jb_allocator wiping; /* over the allocator below */
    struct jb__arena arena;     /* use this */
};
void jb__secret_arena_begin(struct jb__secret_arena *s, const struct jb_allocator *alloc);
void jb__secret_arena_end(struct jb__secret_arena *s);

/* Appends to a buffer that may hold secrets: the old place is overwritten when it grows. */
JB_NODISCARD int jb__secret_append(struct jb__buf *b, const void *p, size_t n);
void jb__secret_deinit(struct jb__buf *b);

/* -- Mechanisms ------------------------------------------------------------------------------- */

enum jb__sasl_state {
    JB__SASL_IDLE,        /* over, or not begun */
    JB__SASL_AWAIT_FIRST, /* the client's first message was not in <auth/> */
    JB__SASL_LOOKING_UP,  /* NEED_CREDENTIALS is out */
    JB__SASL_HASHING,     /* NEED_HASH is out */
    JB__SASL_AWAIT_FINAL, /* server: the client's last message; client: the server's only one */
    JB__SASL_AWAIT_PROOF, /* client: the server's signature */
    JB__SASL_AWAIT_END,   /* client: nothing but <success/> is missing */
};

/* A family's server side; a step that the family has no use for is NULL and never reached. */
struct jb__sasl_family {
    enum jb__sasl_step (*first)(struct jb__sasl_server *s, struct jb_str message);
    enum jb__sasl_step (*final)(struct jb__sasl_server *s, struct jb_str message);
    enum jb__sasl_step (*credentials)(struct jb__sasl_server *s, const struct jb_credentials *c);
    enum jb__sasl_step (*hashed)(struct jb__sasl_server *s, const struct jb__sasl_hash *job);
};

extern const struct jb__sasl_family jb__sasl_scram, jb__sasl_plain, jb__sasl_anonymous;

/* Ends the exchange with a condition. */
enum jb__sasl_step jb__sasl_server_fail(struct jb__sasl_server *s, enum jb__sasl_failure failure);
/* Fails for being over a limit, which the caller of the exchange counts. */
enum jb__sasl_step jb__sasl_server_over(struct jb__sasl_server *s, enum jb_limit limit);
/* Puts a message into `out`; failure: out of memory. */
JB_NODISCARD int jb__sasl_put_text(struct jb__buf *text, struct jb_str message, struct jb_str *out);
/* Decodes the text of an element into `out` (a buffer of its own, for secrets).  0; JB_EINVAL: not
 * base 64; JB_EFULL: too long; JB_ENOMEM. */
JB_NODISCARD int jb__sasl_get_text(struct jb__buf *out, struct jb_str text);
/* Takes the name that the client gives, prepares it, and keeps it as the user; then checks that
 * `authzid`, unless empty, is his own bare address.  CHALLENGE means that all is well. */
enum jb__sasl_step jb__sasl_server_name(struct jb__sasl_server *s, struct jb_str name,
                                        struct jb_str authzid);
/* The key to work with for a digest: the account's, or one that looks like it.  Sets s->key and
 * s->known.  0 or JB_ENOMEM. */
JB_NODISCARD int jb__sasl_server_key(struct jb__sasl_server *s, const struct jb_credentials *c,
                                     enum jb_digest digest);

bool jb__sasl_is_scram(enum jb__sasl_mech mech);
bool jb__sasl_is_plus(enum jb__sasl_mech mech);
enum jb_digest jb__sasl_digest(enum jb__sasl_mech mech); /* of a SCRAM mechanism */

/* -- SCRAM messages (sasl_scram.c) ------------------------------------------------------------ */

/* Takes the attribute `name` from the head of *rest: "n=user,r=..." with name 'n' gives "user".
 * False when the head is another attribute or is empty. */
bool jb__scram_take(struct jb_str *rest, char name, struct jb_str *value);
/* A nonce: printable ASCII without comma (RFC 5802 section 7), 1 to `most` bytes. */
bool jb__scram_is_nonce(struct jb_str nonce, size_t most);
/* "=2C" and "=3D" for ',' and '='; appends.  0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int jb__scram_escape(struct jb__buf *out, struct jb_str name);
/* The other way, in place of `out` (at least in.n bytes); false on any other use of '='. */
bool jb__scram_unescape(struct jb_str in, char *out, size_t *n);
/* The value of c=, base64(gs2 header, binding data); appends.  0, JB_EFULL, JB_ENOMEM. */
JB_NODISCARD int jb__scram_binding_text(struct jb__buf *out, struct jb_str gs2,
                                        struct jb_str binding);
/* out = a XOR b. */
void jb__scram_xor(uint8_t *out, const uint8_t *a, const uint8_t *b, size_t n);
/* Appends a letter, '=', and bytes in base 64. */
JB_NODISCARD int jb__scram_put_bytes(struct jb__buf *out, const char *head, const void *p,
                                     size_t n);

/* -- The client's side ------------------------------------------------------------------------ */

/* First messages: CHALLENGE or FAILURE. */
enum jb__sasl_step jb__plain_client_first(struct jb__sasl_client *c);
enum jb__sasl_step jb__anonymous_client_first(struct jb__sasl_client *c);

/* Puts a message into `out`; or ends the exchange. */
enum jb__sasl_step jb__sasl_client_send(struct jb__sasl_client *c, struct jb_str message);
enum jb__sasl_step jb__sasl_client_fail(struct jb__sasl_client *c, int error, const char *why);

#endif
