/* SPDX-License-Identifier: MIT */
/* A domain that is served here, and the frozen bundle of everything a reload can change. */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include "core/jid.h"
#include "core/stream.h"
#include "net/tls.h"
#include "server/config.h"

struct host {
    struct jb_jid jid; /* the bare domain */
    struct jb_str ascii; /* the same with A-labels, for DNS, TLS and HTTP; a NUL behind it */
    const struct config_host *config;
    const struct conf *conf;
    const bool *enabled; /* per module, in the order of modules[] */
};

/* The configuration in force and what was made from it.  Immutable, counted: a reload makes a new
 * one, each reactor adopts it through its mailbox, and the old one goes with its last reader. */
struct conf {
    _Atomic unsigned refs;
    const struct config *config;
    struct jb_stream_config stream;
    struct host *hosts;      /* config->host_count of them, in its order */
    bool *enabled;           /* behind the hosts' */
    struct jb__arena arena; /* of the hosts' names */
    struct jb__tls_ctx *tls; /* NULL: no listener wants it */
};

/* Takes over the reference to `config`; `tls` is still to be set. */
struct conf *conf_new(const struct config *config);
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c);

/* The host with this canonical name; NULL: not served here. */
const struct host *conf_find_host(const struct conf *c, struct jb_str domain);

#endif
