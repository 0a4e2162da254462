/* SPDX-License-Identifier: MIT */
/* SASL (RFC 4422) as XMPP uses it (RFC 6120 section 6), both roles.
 *
 * SCRAM-SHA-1, -256, -512, each with and without -PLUS (RFC 5802, RFC 7677; bindings RFC 9266 and
 * RFC 5929), PLAIN (RFC 4616), ANONYMOUS (RFC 4505).  No I/O, no clock, no random source, no
 * callback: each call returns the next step, and what takes long (looking up an account, hashing a
 * password) is a step of its own, which the caller does in his own time and on his own threads.
 *
 * Messages go in and out as the text that stands in <auth/>, <challenge/>, <response/> and
 * <success/>, in base 64 or "=".
 *
 * The server, all of it:
 *
 *     step = jb__sasl_server_begin(&s, &ctx, &(struct jb__sasl_request){ ... });
 *     for (;;) switch (step) {
 *     case JB__SASL_CHALLENGE:         send s.out, await the answer;
 *                                      step = jb__sasl_server_response(&s, text); break;
 *     case JB__SASL_NEED_CREDENTIALS:  look up jb__sasl_server_user(&s);
 *                                      step = jb__sasl_server_credentials(&s, found or NULL);
 * break; case JB__SASL_NEED_HASH:         copy s.hash, jb__sasl_hash_run(&copy) on any thread; step
 * = jb__sasl_server_hashed(&s, &copy); break; case JB__SASL_SUCCESS:           send s.out; the user
 * is jb__sasl_server_user(&s); return; case JB__SASL_FAILURE:           send
 * jb__sasl_failure_name(s.failure); return;
 *     }
 *
 * An exchange may be given up at any step (<abort/>, a lost connection): jb__sasl_server_deinit().
 * An object belongs to one thread at a time. */
#ifndef JB_CORE_SASL_H
#define JB_CORE_SASL_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "core/credentials.h"
#include "core/limits.h"

/* -- Mechanisms ------------------------------------------------------------------------------- */

/* X(name, text), strongest first: a binding to the channel beats a longer digest. */
#define JB__SASL_MECHS(X)                       \
    X(SCRAM_SHA_512_PLUS, "SCRAM-SHA-512-PLUS") \
    X(SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS") \
    X(SCRAM_SHA_1_PLUS, "SCRAM-SHA-1-PLUS")     \
    X(SCRAM_SHA_512, "SCRAM-SHA-512")           \
    X(SCRAM_SHA_256, "SCRAM-SHA-256")           \
    X(SCRAM_SHA_1, "SCRAM-SHA-1")               \
    X(PLAIN, "PLAIN")                           \
    X(ANONYMOUS, "ANONYMOUS")

enum jb__sasl_mech {
#define JB__SASL_MECH_ENUM(name, text) JB__SASL_##name,
    JB__SASL_MECHS(JB__SASL_MECH_ENUM)
#undef JB__SASL_MECH_ENUM
        JB__SASL_MECH_COUNT /* also: none */
};

/* Sets of mechanisms are masks of these bits; walk one in enum order for the strongest first. */
#define JB__SASL_BIT(mech) (1u << (mech))
#define JB__SASL_ANY_PLUS                                                                    \
    (JB__SASL_BIT(JB__SASL_SCRAM_SHA_512_PLUS) | JB__SASL_BIT(JB__SASL_SCRAM_SHA_256_PLUS) | \
     JB__SASL_BIT(JB__SASL_SCRAM_SHA_1_PLUS))
#define JB__SASL_ANY_SCRAM                                      \
    (JB__SASL_ANY_PLUS | JB__SASL_BIT(JB__SASL_SCRAM_SHA_512) | \
     JB__SASL_BIT(JB__SASL_SCRAM_SHA_256) | JB__SASL_BIT(JB__SASL_SCRAM_SHA_1))

/* The mechanism of a name, exactly as written; JB__SASL_MECH_COUNT when there is none. */
enum jb__sasl_mech jb__sasl_mech_find(struct jb_str name);
struct jb_str jb__sasl_mech_name(enum jb__sasl_mech mech);

/* Channel bindings, in the order in which a client prefers them. */
enum jb__sasl_binding {
    JB__SASL_TLS_EXPORTER,         /* RFC 9266 */
    JB__SASL_TLS_SERVER_END_POINT, /* RFC 5929 section 4 */
    JB__SASL_BINDING_COUNT         /* also: none */
};

/* "tls-exporter", "tls-server-end-point": the registered names, as in urn:xmpp:sasl-cb:0. */
enum jb__sasl_binding jb__sasl_binding_find(struct jb_str name);
struct jb_str jb__sasl_binding_name(enum jb__sasl_binding type);

/* What is known of a connection when mechanisms are offered on it. */
struct jb__sasl_facts {
    bool tls;         /* we ended TLS ourselves */
    bool loopback;    /* the peer is this machine */
    bool tls_outside; /* the listener stands behind something that ends TLS (then no binding) */
    bool anonymous;   /* the host lets strangers in */
    bool binding[JB__SASL_BINDING_COUNT]; /* this connection has the data; only with tls */
};

/* The mechanisms to offer there, as a mask.  PLAIN never travels in the clear beyond this machine;
 * -PLUS only with a binding (whose types stand in facts->binding, for XEP-0440). */
uint32_t jb__sasl_offer(const struct jb__sasl_facts *facts);

/* -- Steps ------------------------------------------------------------------------------------ */

enum jb__sasl_step {
    JB__SASL_CHALLENGE,        /* send `out` (server: <challenge/>, client: <auth/>, <response/>) */
    JB__SASL_NEED_CREDENTIALS, /* server: look up the account */
    JB__SASL_NEED_HASH,        /* run `hash` and hand it back */
    JB__SASL_SUCCESS,          /* server: send <success/> with `out`; client: authenticated */
    JB__SASL_FAILURE,          /* over; see `failure` (server) or `error` and `why` (client) */
};

/* The conditions of RFC 6120 section 6.5: X(name, text). */
#define JB__SASL_FAILURES(X)                      \
    X(ABORTED, "aborted")                         \
    X(ACCOUNT_DISABLED, "account-disabled")       \
    X(CREDENTIALS_EXPIRED, "credentials-expired") \
    X(ENCRYPTION_REQUIRED, "encryption-required") \
    X(INCORRECT_ENCODING, "incorrect-encoding")   \
    X(INVALID_AUTHZID, "invalid-authzid")         \
    X(INVALID_MECHANISM, "invalid-mechanism")     \
    X(MALFORMED_REQUEST, "malformed-request")     \
    X(MECHANISM_TOO_WEAK, "mechanism-too-weak")   \
    X(NOT_AUTHORIZED, "not-authorized")           \
    X(TEMPORARY_AUTH_FAILURE, "temporary-auth-failure")

enum jb__sasl_failure {
#define JB__SASL_FAILURE_ENUM(name, text) JB__SASL_##name,
    JB__SASL_FAILURES(JB__SASL_FAILURE_ENUM)
#undef JB__SASL_FAILURE_ENUM
        JB__SASL_FAILURE_COUNT
};

struct jb_str jb__sasl_failure_name(enum jb__sasl_failure failure);

/* Hashing a password, PBKDF2 (RFC 2898 section 5.2): everything it needs, nothing shared.  May be
 * copied; wipe each copy. */
struct jb__sasl_hash {
    enum jb_digest digest;
    uint32_t iterations;
    uint16_t password_bytes;
    uint8_t salt_bytes;
    bool failed; /* result: out of memory */
    uint8_t salt[JB_SALT_BYTES];
    uint8_t salted[JB_DIGEST_BYTES]; /* result: SaltedPassword */
    uint8_t password[JB_PASSWORD_BYTES];
};

/* Runs a job, on any thread, some 10 ms; overwrites the password in it. */
void jb__sasl_hash_run(struct jb__sasl_hash *job);
void jb__sasl_hash_wipe(struct jb__sasl_hash *job);

/* -- Server ----------------------------------------------------------------------------------- */

enum { JB__SASL_NONCE_BYTES = 24, JB__SASL_SECRET_BYTES = 32 };

/* What the server knows.  It and all it points to must live as long as the exchange. */
struct jb__sasl_context {
    const struct jb_allocator *alloc;
    const struct jb_limits *limits; /* sasl_message_bytes, sasl_nonce_bytes */
    struct jb_str host;             /* canonical domainpart of the accounts */
    uint32_t offered;               /* mask of what <mechanisms/> said on this connection */
    struct jb_str binding[JB__SASL_BINDING_COUNT]; /* the channel's data; empty: there is none */
    const uint8_t *secret; /* JB__SASL_SECRET_BYTES, the same for ever: makes the salts that
                              accounts which do not exist seem to have */
    uint32_t iterations;   /* those accounts' iterations: what new accounts get */
};

struct jb__sasl_request {
    struct jb_str mech;    /* the attribute of <auth/>, as received */
    struct jb_str initial; /* the text of <auth/>; empty: no initial response */
    const uint8_t *nonce;  /* JB__SASL_NONCE_BYTES fresh random bytes; read during the call */
};

struct jb__sasl_server {
    const struct jb__sasl_context *ctx;
    enum jb__sasl_mech mech;
    enum jb__sasl_failure failure; /* after JB__SASL_FAILURE */
    enum jb_limit limit;           /* then: the one it was over; JB_LIMIT_COUNT: none */
    struct jb_str out;             /* text to send, living until the next call; after SUCCESS empty
                                      when there is no additional data */
    struct jb__sasl_hash hash;     /* after JB__SASL_NEED_HASH */
    /* The rest is private. */
    uint8_t state;
    bool as_named;                  /* the client said as whom it wants to act: as itself */
    bool known;                     /* the account exists */
    uint8_t bound;                  /* enum jb__sasl_binding in use */
    struct jb__buf keep;            /* user, gs2 header, then the AuthMessage so far */
    struct jb__buf text;            /* behind `out` */
    uint32_t user_bytes, gs2_bytes; /* the parts of keep */
    uint32_t nonce_at, nonce_bytes; /* both nonces, in the AuthMessage */
    uint8_t own_nonce_bytes;        /* our half of them */
    char own_nonce[JB__SASL_NONCE_BYTES / 3 * 4];
    struct jb_scram_key key;
};

/* Begins an exchange; s needs no initialisation before and must be deinited after, whatever this
 * returns.  Out of memory is the failure temporary-auth-failure. */
enum jb__sasl_step jb__sasl_server_begin(struct jb__sasl_server *s,
                                         const struct jb__sasl_context *ctx,
                                         const struct jb__sasl_request *request);
/* The text of <response/>, after JB__SASL_CHALLENGE. */
enum jb__sasl_step jb__sasl_server_response(struct jb__sasl_server *s, struct jb_str text);
/* After JB__SASL_NEED_CREDENTIALS; NULL: there is no such account.  What the client sees next does
 * not tell the two apart. */
enum jb__sasl_step jb__sasl_server_credentials(struct jb__sasl_server *s,
                                               const struct jb_credentials *c);
/* After JB__SASL_NEED_HASH; `job` is s->hash or a copy, after jb__sasl_hash_run().  Wipes it. */
enum jb__sasl_step jb__sasl_server_hashed(struct jb__sasl_server *s, struct jb__sasl_hash *job);
/* Overwrites secrets and frees; allowed twice. */
void jb__sasl_server_deinit(struct jb__sasl_server *s);

/* The canonical localpart that was named, from NEED_CREDENTIALS on; empty for ANONYMOUS, where the
 * caller makes one up.  The text lives until the next call. */
struct jb_str jb__sasl_server_user(const struct jb__sasl_server *s);

/* -- Client ----------------------------------------------------------------------------------- */

/* What the client knows.  It and all it points to must live as long as the client object. */
struct jb__sasl_account {
    const struct jb_allocator *alloc;
    const struct jb_limits *limits;                /* also scram_iterations_least and _most */
    struct jb_str user;                            /* localpart; empty: ANONYMOUS */
    struct jb_str password;                        /* as typed */
    struct jb_str binding[JB__SASL_BINDING_COUNT]; /* the channel's data; empty: there is none */
    enum jb__sasl_mech weakest; /* refuse what is weaker (its enum value is larger): SCRAM_SHA_1
                                   refuses PLAIN, SCRAM_SHA_1_PLUS an unbound channel */
};

struct jb__sasl_offered {
    uint32_t mechs; /* mask of what <mechanisms/> said */
    uint32_t
        bindings; /* mask of 1u << enum jb__sasl_binding from urn:xmpp:sasl-cb:0; 0: not said */
    const uint8_t *nonce; /* JB__SASL_NONCE_BYTES fresh random bytes */
    /* All that was advertised, as XEP-0474 section 5.1 joins it; must live as long as the exchange.
     * Empty: a server's `h` attribute is not looked at. */
    struct jb_str advertised;
};

struct jb__sasl_client {
    const struct jb__sasl_account *account;
    enum jb__sasl_mech mech; /* chosen: the attribute of <auth/> */
    struct jb_str out;       /* text to send after JB__SASL_CHALLENGE, living until the next call */
    int error;               /* after FAILURE: JB_ENOTSUP no mechanism is acceptable (or the list of
                                them was changed on its way), JB_EINVAL the
                                server broke the protocol, JB_EAUTH it could not prove that it knows
                                the password, JB_EFULL it asked for more (or less) than the limits
                                allow, JB_ENOMEM */
    const char *why;         /* the same in words; static */
    struct jb__sasl_hash hash; /* after JB__SASL_NEED_HASH */
    /* The rest is private. */
    uint8_t state;
    uint8_t bound;       /* enum jb__sasl_binding in use */
    uint32_t refused;    /* mask of mechanisms the server refused */
    bool scram_seen;     /* the server knows SCRAM: from now on PLAIN is out of the question */
    struct jb__buf keep; /* gs2 header, then the AuthMessage so far */
    struct jb__buf text; /* behind `out` */
    uint32_t gs2_bytes;  /* the header's part of keep */
    uint32_t nonce_at, nonce_bytes; /* ours, then both, in keep */
    struct jb_str advertised;       /* of the lists the server sent, as it was given */
    uint8_t server_signature[JB_DIGEST_BYTES];
};

void jb__sasl_client_init(struct jb__sasl_client *c, const struct jb__sasl_account *account);
/* Overwrites secrets and frees; allowed twice. */
void jb__sasl_client_deinit(struct jb__sasl_client *c);
/* Begins an exchange with the strongest mechanism that both sides have, that was not refused
 * before, and that is not below account->weakest.  PLAIN is never chosen once a list had SCRAM in
 * it.  CHALLENGE (send <auth/>) or FAILURE. */
enum jb__sasl_step jb__sasl_client_begin(struct jb__sasl_client *c,
                                         const struct jb__sasl_offered *offered);
/* The text of <challenge/>.  NEED_HASH, CHALLENGE (send <response/>) or FAILURE (<abort/>). */
enum jb__sasl_step jb__sasl_client_challenge(struct jb__sasl_client *c, struct jb_str text);
/* After JB__SASL_NEED_HASH, as for the server. */
enum jb__sasl_step jb__sasl_client_hashed(struct jb__sasl_client *c, struct jb__sasl_hash *job);
/* The text of <success/>: SUCCESS when the server has proved itself, else FAILURE. */
enum jb__sasl_step jb__sasl_client_success(struct jb__sasl_client *c, struct jb_str text);
/* The server sent <failure/>: this mechanism is not tried again; begin may be called again. */
void jb__sasl_client_refused(struct jb__sasl_client *c);

#endif
