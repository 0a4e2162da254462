/* SPDX-License-Identifier: MIT */
/* The commands about accounts, on the control socket of a running server:
 *
 *     hosts          {}                               -> {"hosts": ["localhost", ...]}
 *     user-add       {"jid", "credential"}            exists
 *     user-passwd    {"jid", "credential"}            not-found
 *     user-delete    {"jid"}                          not-found
 *     user-list      {"domain", "after"?, "limit"?}   -> {"users": [{"jid","created","admin",
 *                                                        "disabled"}, ...], "more": bool}
 *     user-import    {"users": [["jid", "credential"], ...]}
 *                       -> {"stored": n, "refused": [[index, "code"], ...]}
 *     user-imported  {"domain", "digests", "iterations", "accounts"}  (struct jb_scram_profile)
 *
 * A credential is the stored form of struct jb_credentials in base 64: the client hashes, so that
 * no password passes here and an import does not slow the server down. */
#ifndef SERVER_CONTROL_USERS_H
#define SERVER_CONTROL_USERS_H

#include "server/control.h"
#include "server/store_queue.h"

enum control_users_event { CONTROL_USER_ADDED, CONTROL_USER_PASSWORD, CONTROL_USER_DELETED };

/* What the commands need of the server; control_options.users. */
struct control_users {
    struct store_front *front;
    struct store_port *port; /* of the loop the control unit runs on */
    /* The hosts that are served, by index; false behind the last. */
    bool (*host_at)(void *ctx, size_t index, struct jb_str *name);
    /* After the change is committed: sessions of a user whose password changed or who was deleted
     * are to be closed, what is cached of him forgotten. */
    void (*changed)(void *ctx, enum control_users_event event, struct jb_str domain,
                    struct jb_str local);
    /* After user-imported: what the host may offer has changed. */
    void (*imported)(void *ctx, struct jb_str domain);
    void *ctx;
};

void control_hosts(struct control_call *call);
void control_user_add(struct control_call *call);
void control_user_passwd(struct control_call *call);
void control_user_delete(struct control_call *call);
void control_user_list(struct control_call *call);
void control_user_import(struct control_call *call);
void control_user_imported(struct control_call *call);

/* Their lines of the table of commands. */
#define CONTROL_USER_COMMANDS                                                           \
    { "hosts", control_hosts }, { "user-add", control_user_add },                       \
        { "user-passwd", control_user_passwd }, { "user-delete", control_user_delete }, \
        { "user-list", control_user_list }, { "user-import", control_user_import },     \
    {                                                                                   \
        "user-imported", control_user_imported                                          \
    }

#endif
