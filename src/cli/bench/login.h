/* SPDX-License-Identifier: MIT */
/* What a connection says until it may send: HTTP upgrade, stream, SASL, resource, roster and first
 * presence.  Answers are searched for what must be in them, not parsed: a server that is loaded by
 * us is not one that we defend against. */
#ifndef CLI_BENCH_LOGIN_H
#define CLI_BENCH_LOGIN_H

#include "cli/bench/conn.h"

struct login *login_new(struct conn *c);
void login_free(struct login *l); /* NULL is allowed */

/* The socket is connected: sends the upgrade. */
void login_send_head(struct conn *c);
/* Input while UPGRADING; returns the bytes that are no frames. */
size_t login_on_head(struct conn *c, struct jb_str in);
/* A message while in LOGIN. */
void login_on_text(struct conn *c, struct jb_str text);

/* The localpart of connection `index`: the pattern with its number.  Returns the length. */
size_t login_user(const struct bench_options *o, uint32_t index, char *out, size_t room);

/* -- Searching a message -- */

bool text_has(struct jb_str text, const char *needle);
/* The text of the first element of this name; empty when there is none. */
struct jb_str text_of(struct jb_str text, const char *element);
/* The value of an attribute, in either kind of quotes, of the first element that has one. */
struct jb_str text_attribute(struct jb_str text, const char *name);

#endif
