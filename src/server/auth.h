/* SPDX-License-Identifier: MIT */
/* Authentication of a connection: SASL driven by the stream, answered late by the store and by the
 * thread pool that hashes passwords. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "core/sasl.h"
#include "core/stream.h"
#include "core/xml_write.h"
#include "net/sock.h"

struct conn;
struct reactor;

/* The <mechanisms/> that this connection is offered (RFC 6120 section 6.4.1, XEP-0440). */
void auth_write_features(struct conn *c, struct jb_xml *x);
/* An element of the SASL namespace of RFC 6120. */
void auth_on_element(struct conn *c, const struct jb_stream_event *ev);

/* ---- for whoever has another way to say it (XEP-0388) ---- */

/* What an account's stored credentials are known by: changes with the password. */
enum { AUTH_MARK_BYTES = 32 };
void auth_mark(struct jb_str record, uint8_t mark[AUTH_MARK_BYTES]);

/* Who has authenticated, and how. */
struct auth_success {
    struct jb_str local;     /* canonical; empty: a visitor, whose name is made up */
    struct jb_str mechanism; /* for the log */
    struct jb_str text;      /* the mechanism's last word, in base 64; empty: none */
    const uint8_t *mark;     /* AUTH_MARK_BYTES of his credentials; NULL: he has none */
};

/* The words of an exchange, and what follows from its success. */
struct auth_profile {
    /* True: nothing else may come while an exchange is under way. */
    bool alone;
    void (*challenge)(struct conn *c, struct jb_str text);
    void (*failure)(struct conn *c, enum jb__sasl_failure failure);
    /* The stream is authenticated, the connection held; c->login is set. */
    void (*success)(struct conn *c, const struct auth_success *how);
    /* It has come to its user's home, or is closed; c->user is set unless it is.  Releases the
     * connection, at once or later. */
    void (*home)(struct conn *c);
    /* The connection goes: frees what the profile keeps of it. */
    void (*drop)(struct conn *c);
};

/* The mechanisms this connection is offered, as a mask. */
uint32_t auth_offered(const struct conn *c);
/* Passwords and tokens may be sent as they are: TLS, TLS outside, or this machine. */
bool auth_is_private(const struct conn *c);
/* <not-authorized/> and the like, of the namespace of RFC 6120. */
void auth_write_condition(enum jb__sasl_failure failure, struct jb_xml *x);
void auth_write_mechanisms(uint32_t offered, struct jb_xml *x);
/* The channel's data, in `data`; empty: it has none. */
struct jb_str auth_binding(const struct conn *c, enum jb__sasl_binding binding,
                           uint8_t data[JB__BINDING_BYTES]);

/* Begins an exchange; `initial` as in jb__sasl_request. */
void auth_begin(struct conn *c, const struct auth_profile *profile, struct jb_str mechanism,
                struct jb_str initial);
/* The client's next word; asserts that an exchange of this profile is under way. */
void auth_respond(struct conn *c, struct jb_str text);
/* An exchange of this profile is under way. */
bool auth_is_under_way(const struct conn *c, const struct auth_profile *profile);
/* An exchange is under way during which nothing else may come. */
bool auth_is_alone(const struct conn *c);
/* Ends an attempt, whether there is an exchange or not: told, counted, logged. */
void auth_fail(struct conn *c, const struct auth_profile *profile, enum jb__sasl_failure failure);
/* Without an exchange: whoever calls has made sure of it, and holds the connection. */
void auth_succeed(struct conn *c, const struct auth_profile *profile,
                  const struct auth_success *how);
/* The connection ends: an exchange in progress is given up. */
void auth_cancel(struct conn *c);

/* Makes the stored form of a password on the thread pool, then calls back on this reactor with the
 * record (empty: it failed); `done` owns ctx.  JB_EFULL: limit hash_jobs. */
JB_NODISCARD int auth_make_credentials(struct reactor *r, struct jb_str password,
                                       void (*done)(void *ctx, struct jb_str record), void *ctx);

#endif
