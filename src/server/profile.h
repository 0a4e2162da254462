/* SPDX-License-Identifier: MIT */
/* What imports left on a host (core/scram_profile.h), as each reactor knows it: which SCRAM digests
 * every account can use, and what an account that does not exist must look like. */
#ifndef SERVER_PROFILE_H
#define SERVER_PROFILE_H

#include "core/scram_profile.h"

struct host;
struct reactor;
struct server;
struct store_db;

struct profile {
    struct jb_scram_profile scram;
    uint64_t accounts; /* of the host when it was read: imported ones and others */
};

/* At the start, before any thread runs: reads every host's.  0, or what the store said. */
int profile_load_all(struct server *server);
void profile_free_all(struct reactor *r);
/* On the first reactor: an import has ended; all reactors learn of it. */
void profile_refresh(struct server *server, struct jb_str host);

/* Never NULL: without an import all digests are there. */
const struct profile *profile_of(const struct reactor *r, const struct host *host);

/* Of the offered mechanisms (mask, core/sasl.h) those that every account can use. */
uint32_t profile_restrict(const struct profile *p, uint32_t offered);
/* The iterations that an account of this name would have if it existed. */
uint32_t profile_fake_iterations(const struct profile *p, const struct reactor *r,
                                 struct jb_str local);

#endif
