/* SPDX-License-Identifier: MIT */
/* What is kept of a password: salted, iterated keys (RFC 5802 section 3), never the password.
 *
 * One key for each digest, so that an account can log in by any SCRAM and a digest can be dropped
 * later.  Somebody who steals them can try passwords but cannot log in with what he has.
 *
 * Making keys is heavy on purpose (some 10 ms): run it on a thread pool.  Everything here is a pure
 * function of its arguments and may run on any thread. */
#ifndef JB_CORE_CREDENTIALS_H
#define JB_CORE_CREDENTIALS_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

enum jb_digest { JB_DIGEST_SHA1, JB_DIGEST_SHA256, JB_DIGEST_SHA512, JB_DIGEST_COUNT };

enum {
    JB_DIGEST_BYTES = 64, /* of the longest digest */
    JB_SALT_LEAST_BYTES = 16,
    JB_SALT_BYTES = 64,         /* at most */
    JB_PASSWORD_BYTES = 1023,   /* at most, in UTF-8, after preparation */
    JB_ITERATIONS_LEAST = 4096, /* RFC 7677 section 4 */
    JB_ITERATIONS_MOST = 10 * 1000 * 1000,
    JB_ITERATIONS = 10000, /* of new keys; docs/decisions/0010-password-iterations.md */
    JB_CREDENTIALS_RANDOM_BYTES = JB_DIGEST_COUNT * JB_SALT_LEAST_BYTES,
    JB_CREDENTIALS_BYTES = 2 + JB_DIGEST_COUNT * (6 + JB_SALT_BYTES + 2 * JB_DIGEST_BYTES),
};

struct jb_scram_key {
    uint32_t iterations; /* 0: there is no key for this digest */
    uint8_t salt_bytes;  /* JB_SALT_LEAST_BYTES to JB_SALT_BYTES */
    uint8_t salt[JB_SALT_BYTES];
    uint8_t stored_key[JB_DIGEST_BYTES]; /* the first jb_digest_bytes() of them */
    uint8_t server_key[JB_DIGEST_BYTES];
};

struct jb_credentials {
    struct jb_scram_key key[JB_DIGEST_COUNT];
};

/* Length of a digest's output. */
size_t jb_digest_bytes(enum jb_digest digest);
/* Uses each digest once.  OpenSSL sets itself up at the first use, and if memory fails it in that
 * moment, never again: so a program does this before it serves.  0 or JB_ENOMEM. */
JB_NODISCARD int jb_digests_begin(void);

/* What keys are made of. */
struct jb_credentials_recipe {
    struct jb_str password; /* as the user typed it; prepared by OpaqueString (RFC 8265) */
    uint32_t iterations;    /* JB_ITERATIONS_LEAST to _MOST */
    uint32_t digests;       /* mask of 1u << enum jb_digest; 0: all.  An account can only log in by
                               mechanisms whose key it has: leave one out only where the host does
                               not offer it */
    const uint8_t *random;  /* JB_CREDENTIALS_RANDOM_BYTES fresh random bytes, for the salts */
};

/* Makes the keys.  Heavy.
 * 0; JB_EINVAL: the password is empty, too long, or not allowed by the profile; JB_ENOMEM. */
JB_NODISCARD int jb_credentials_make(struct jb_credentials *c,
                                     const struct jb_credentials_recipe *recipe,
                                     const struct jb_allocator *alloc);

/* True when `password` is the one the keys were made from.  Heavy; for administrators' tools (a
 * login goes through sasl.h).  0, JB_EAUTH (it is not), JB_EINVAL, JB_ENOMEM. */
JB_NODISCARD int jb_credentials_check(const struct jb_credentials *c, struct jb_str password,
                                      const struct jb_allocator *alloc);

/* The form they are stored in: a version byte, how many keys, then for each key
 *     digest (1), iterations (4, big-endian), salt length (1), salt, StoredKey, ServerKey.
 * Returns the bytes written. */
size_t jb_credentials_encode(const struct jb_credentials *c, uint8_t out[JB_CREDENTIALS_BYTES]);
/* 0; JB_EINVAL when malformed in any way (then *c is empty); JB_ENOTSUP: a later version. */
JB_NODISCARD int jb_credentials_decode(struct jb_credentials *c, const void *p, size_t n);

/* Overwrites them. */
void jb_credentials_wipe(struct jb_credentials *c);

#endif
