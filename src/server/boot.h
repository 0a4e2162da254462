/* SPDX-License-Identifier: MIT */
/* The life of a server: start, reload, drain, end. */
#ifndef SERVER_BOOT_H
#define SERVER_BOOT_H

#include "server/config.h"

struct server;

/* What the command line said. */
struct boot_options {
    const char *config_file; /* NULL: defaults alone */
    struct config_overrides overrides;
    /* NULL, but for a server inside of a test: nothing listens then, and once all reactors run this
     * is called with the server, whose connections listener_admit() brings. */
    void (*inside)(void *ctx, struct server *server);
    void *inside_ctx;
};

/* All modules as the configuration knows them. */
struct config_modules boot_modules(void);

/* Runs a server until it is told to stop.  The process's exit status: 0, 1 (refused to start; said
 * why on stderr), 74 (the store failed while running). */
int boot_run(const struct boot_options *options);

/* On the first reactor. */
/* Loads the file again and puts it in force, all or nothing.  What changed is reported through
 * config_diff()'s callback before it returns 0; otherwise error->text says why not. */
int boot_reload(struct server *server,
                void (*report)(void *ctx, const struct config_change *change), void *ctx,
                struct config_error *error);
/* New connections are refused from now on; those that are there stay. */
void boot_stop_accepting(struct server *server);
/* Stops accepting, ends all streams, then stops the reactors: boot_run() returns. */
void boot_stop(struct server *server, const char *reason);
/* While stopping: the last connection is gone. */
void boot_all_gone(struct server *server);

#endif
