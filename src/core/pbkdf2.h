/* SPDX-License-Identifier: MIT */
/* PBKDF2 with HMAC (RFC 8018 section 5.2) for one block of output, which is SCRAM's Hi()
 * (RFC 5802 section 2.2).
 *
 * OpenSSL's PKCS5_PBKDF2_HMAC copies two digest objects in each round, which costs more than the
 * hashing itself; this keeps the two inner states and calls the compression function, two to three
 * times as fast.  See docs/decisions/0030-import-hashing.md. */
#ifndef JB_CORE_PBKDF2_H
#define JB_CORE_PBKDF2_H

#include "base/str.h"
#include "core/credentials.h"

/* Writes jb_digest_bytes(digest) bytes.  `iterations` is 1 or more, the salt at most JB_SALT_BYTES.
 * Pure; runs on any thread.  Leaves nothing of the password on the stack. */
void jb__pbkdf2(enum jb_digest digest, struct jb_str password, struct jb_str salt,
                uint32_t iterations, uint8_t *out);

#endif
