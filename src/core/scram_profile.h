/* SPDX-License-Identifier: MIT */
/* What an import left behind on a host.
 *
 * An import of many accounts makes keys for fewer digests, with fewer iterations, than a password
 * set one by one (docs/decisions/0030-import-hashing.md).  Both must be known before a login: a
 * mechanism that not all accounts can use is not offered on the host, and an account that does not
 * exist must look like one that may.  So the host keeps this record, in the kv store
 * JB_SCRAM_PROFILE_STORE of the owner that is the host's domain, under JB_SCRAM_PROFILE_KEY. */
#ifndef JB_CORE_SCRAM_PROFILE_H
#define JB_CORE_SCRAM_PROFILE_H

#include "base/error.h"
#include "base/str.h"

#define JB_SCRAM_PROFILE_STORE JB_STR("scram")
#define JB_SCRAM_PROFILE_KEY   JB_STR("profile")

enum { JB_SCRAM_PROFILE_BYTES = 17 };

struct jb_scram_profile {
    uint32_t digests;    /* mask of 1u << enum jb_digest that every imported account has */
    uint32_t iterations; /* of the newest import */
    uint64_t accounts;   /* imported in all */
};

/* Nothing was imported: all digests. */
void jb_scram_profile_init(struct jb_scram_profile *p);
/* Adds an import. */
void jb_scram_profile_add(struct jb_scram_profile *p, const struct jb_scram_profile *import);
void jb_scram_profile_encode(const struct jb_scram_profile *p, uint8_t out[JB_SCRAM_PROFILE_BYTES]);
/* 0, or JB_EINVAL (then *p is as after init). */
JB_NODISCARD int jb_scram_profile_decode(struct jb_scram_profile *p, struct jb_str bytes);

#endif
