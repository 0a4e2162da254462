/* SPDX-License-Identifier: MIT */
/* TLS contexts: the server's, with a certificate for each host, and a client's, with the
 * authorities it trusts; and the rules for all.
 *
 * TLS 1.2 and 1.3, forward secrecy only, no renegotiation, no compression, no early data; session
 * tickets, so that a returning client takes one round trip.  A context is frozen once made; reload
 * makes a new one, and connections keep the one they began with. */
#ifndef JB_NET_TLS_H
#define JB_NET_TLS_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

#include <limits.h>

struct jb__tls_ctx;

struct jb__tls_cert {
    const char *host;      /* lower-case A-label form, as in SNI */
    const char *cert_file; /* PEM, the host's certificate first, then the chain */
    const char *key_file;  /* PEM, not encrypted */
};

struct jb__tls_error {
    char text[512]; /* in words, with the file's name */
};

enum jb__tls_version { JB__TLS_1_2, JB__TLS_1_3 };

struct jb__tls_config {
    const struct jb_allocator *alloc; /* lives as long as the context */
    const struct jb__tls_cert *certs; /* the first serves clients that name no host, or none of
                                         these */
    size_t count;                     /* at least 1 */
    int64_t now_s;                    /* seconds since 1970, to notice expired certificates */
    enum jb__tls_version minimum;     /* the oldest that is spoken */
};

/* Reads the files and builds a context.
 * 0; JB_EINVAL: a file is unreadable, malformed, encrypted, expired, or a key does not belong to
 * its certificate (*err says which and why); JB_ENOMEM (*err too). */
JB_NODISCARD int jb__tls_ctx_new(const struct jb__tls_config *config, struct jb__tls_ctx **out,
                                 struct jb__tls_error *err);
/* References are counted atomically. */
struct jb__tls_ctx *jb__tls_ctx_ref(struct jb__tls_ctx *ctx);
void jb__tls_ctx_unref(struct jb__tls_ctx *ctx); /* NULL is allowed */

/* A client's context: whose certificates it trusts. */
struct jb__tls_trust {
    const struct jb_allocator *alloc; /* lives as long as the context */
    const char *ca_file; /* PEM; NULL, with ca_dir NULL too: the system's authorities */
    const char *ca_dir;  /* a folder as `openssl rehash` makes it; NULL: none */
};
/* 0; JB_EINVAL: a file is unreadable or has no certificate in it (*err says); JB_ENOMEM. */
JB_NODISCARD int jb__tls_ctx_new_client(const struct jb__tls_trust *trust, struct jb__tls_ctx **out,
                                        struct jb__tls_error *err);

/* Keys that need nobody to vouch for them: SHA-256 of each one's SubjectPublicKeyInfo. */
enum { JB__TLS_KEY_BYTES = 32, JB__TLS_KEYS_MOST = 8 };
struct jb__tls_keys {
    uint8_t hash[JB__TLS_KEYS_MOST][JB__TLS_KEY_BYTES];
    uint8_t count;
};
/* A client's context: handshakes that begin from now on succeed with a server that has one of these
 * keys, whatever its certificate says.  They take the place of those from before. */
void jb__tls_ctx_trust_keys(struct jb__tls_ctx *ctx, const struct jb__tls_keys *keys);

/* When the earliest certificate ends, seconds since 1970 (for a warning in the log). */
int64_t jb__tls_ctx_expires_s(const struct jb__tls_ctx *ctx);

/* The server's own certificate, for when none is configured. */
struct jb__tls_own {
    const char *dir;          /* the data folder, which exists */
    const char *const *hosts; /* names in the certificate, A-label form; the first is the subject */
    size_t count;             /* at least 1 */
    int64_t now_s;            /* seconds since 1970: it is valid from a day before, for ten years */
    char cert_file[PATH_MAX]; /* results: DIR/tls/HOST.crt, DIR/tls/HOST.key of the first host */
    char key_file[PATH_MAX];
    bool made; /* result: they were not there, or were of no use any more */
};

/* Finds them, or makes them: EC P-256, self-signed.  A certificate that was made here is made anew
 * when it lacks one of the names or has less than 30 days left; one that somebody put there is left
 * alone.  Both files have mode 0600 and appear whole or not at all; an existing key is kept.  0,
 * JB_EIO (*err says what), JB_ENOMEM. */
JB_NODISCARD int jb__tls_own_certificate(struct jb__tls_own *own, struct jb__tls_error *err);

#endif
