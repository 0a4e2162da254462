/* SPDX-License-Identifier: MIT */
/* Authentication of a connection: SASL driven by the stream, answered late by the store and by the
 * thread pool that hashes passwords. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "core/stream.h"
#include "core/xml_write.h"

struct conn;
struct reactor;

/* The <mechanisms/> that this connection is offered (RFC 6120 section 6.4.1, XEP-0440). */
void auth_write_features(struct conn *c, struct jb_xml *x);
/* An element of the SASL namespace. */
void auth_on_element(struct conn *c, const struct jb_stream_event *ev);
/* The connection ends: an exchange in progress is given up. */
void auth_cancel(struct conn *c);

/* Makes the stored form of a password on the thread pool, then calls back on this reactor with the
 * record (empty: it failed); `done` owns ctx.  JB_EFULL: limit hash_jobs. */
JB_NODISCARD int auth_make_credentials(struct reactor *r, struct jb_str password,
                                       void (*done)(void *ctx, struct jb_str record), void *ctx);

#endif
