/* SPDX-License-Identifier: MIT */
#include "core/scram_profile.h"

#include "core/credentials.h"

#include <endian.h>

enum { FORMAT_VERSION = 1, ALL_DIGESTS = (1 << JB_DIGEST_COUNT) - 1 };

void jb_scram_profile_init(struct jb_scram_profile *p)
{
    *p = (struct jb_scram_profile){ .digests = ALL_DIGESTS };
}

void jb_scram_profile_add(struct jb_scram_profile *p, const struct jb_scram_profile *import)
{
    if (import->accounts == 0)
        return;
    p->digests &= import->digests;
    p->iterations = import->iterations;
    p->accounts += import->accounts;
}

void jb_scram_profile_encode(const struct jb_scram_profile *p, uint8_t out[JB_SCRAM_PROFILE_BYTES])
{
    uint32_t digests = htobe32(p->digests), iterations = htobe32(p->iterations);
    uint64_t accounts = htobe64(p->accounts);

    out[0] = FORMAT_VERSION;
    memcpy(out + 1, &digests, 4);
    memcpy(out + 5, &iterations, 4);
    memcpy(out + 9, &accounts, 8);
}

int jb_scram_profile_decode(struct jb_scram_profile *p, struct jb_str bytes)
{
    jb_scram_profile_init(p);
    if (bytes.n != JB_SCRAM_PROFILE_BYTES || bytes.p[0] != FORMAT_VERSION)
        return JB_EINVAL;
    uint32_t digests, iterations;
    uint64_t accounts;
    memcpy(&digests, bytes.p + 1, 4);
    memcpy(&iterations, bytes.p + 5, 4);
    memcpy(&accounts, bytes.p + 9, 8);
    digests = be32toh(digests);
    iterations = be32toh(iterations);
    if (digests == 0 || digests > ALL_DIGESTS || iterations < JB_ITERATIONS_LEAST ||
        iterations > JB_ITERATIONS_MOST)
        return JB_EINVAL;
    *p = (struct jb_scram_profile){ digests, iterations, be64toh(accounts) };
    return 0;
}
