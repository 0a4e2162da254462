/* SPDX-License-Identifier: MIT */
/* What the server makes of its own secret (struct server), so that its store tells nobody: which
 * installation of a client somebody uses (the `id` of XEP-0388's <user-agent/>), and tokens. */
#ifndef SERVER_AGENT_H
#define SERVER_AGENT_H

#include "base/str.h"

struct server;

enum { AGENT_BYTES = 16, AGENT_LABEL_BYTES = 12, SECRET_DIGEST_BYTES = 32 };

/* HMAC-SHA256 over the parts, a zero byte behind each; the first says what it is for. */
void secret_digest(const struct server *server, const struct jb_str *parts, size_t count,
                   uint8_t out[SECRET_DIGEST_BYTES]);

struct agent {
    uint8_t key[AGENT_BYTES];
    bool known; /* false: the client does not say which it is */
};

/* The agent of an account with this `id`, as the client wrote it; empty: not known. */
struct agent agent_of(const struct server *server, struct jb_str bare, struct jb_str id);
/* Both are known, and the same. */
bool agent_same(const struct agent *a, const struct agent *b);
/* Text that is always the same for an agent and a tag, and does not tell either: the server's part
 * of a resource (XEP-0386). */
void agent_label(const struct server *server, const struct agent *a, struct jb_str tag,
                 char out[AGENT_LABEL_BYTES]);

#endif
