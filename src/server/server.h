/* SPDX-License-Identifier: MIT */
/* The server: what all reactors share.  Everything here is set before they start and frozen, or
 * belongs to one named thread. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/gate.h"
#include "server/host.h"
#include "server/listener.h"
#include "server/reactor.h"
#include "server/web.h"

struct control;

enum { SERVER_SECRET_BYTES = 32 };

struct server {
    struct conf *conf; /* of the start; reactors hold the one in force */
    struct reactor *reactors;
    unsigned reactor_count;
    struct jb__hash_key hash_key; /* for tables whose keys peers choose */
    struct store_db *db;
    struct store_front *store;
    struct web web;                      /* pages; frozen */
    uint8_t secret[SERVER_SECRET_BYTES]; /* of this data folder: fake salts, stanza ids */
    uint64_t started_ms;                 /* monotonic */

    /* The first reactor's alone: */
    struct gate gate;
    struct listener *listeners;
    size_t listener_count;
    bool draining; /* nobody is let in any more */
    struct control *control;
    struct admin *admin;        /* what it keeps pointers to */
    struct counters *published; /* per reactor: what it last told */
    struct boot *boot;          /* signals, shutdown, reload: boot.c */
};

#endif
