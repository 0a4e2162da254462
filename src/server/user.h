/* SPDX-License-Identifier: MIT */
/* A user: an account (or an anonymous visitor) in memory on its home reactor, with its sessions.
 *
 * A user comes into memory when somebody logs in as him or a stanza for him must be looked at; his
 * data is read from the store first, and stanzas wait meanwhile. */
#ifndef SERVER_USER_H
#define SERVER_USER_H

#include "base/hash.h"
#include "base/list.h"
#include "core/stanza.h"

struct host;
struct reactor;
struct session;
struct store_unit;

enum user_state {
    USER_LOADING, /* the store is being asked; stanzas and bindings wait */
    USER_READY,
    USER_UNKNOWN, /* there is no such account */
};

struct user {
    /* In reactor->users.  Aligned, so that the modules' room behind the struct is. */
    _Alignas(max_align_t) struct jb__hash_node node;
    struct jb__list idle; /* in reactor->idle_users while without sessions */
    struct reactor *reactor;
    struct jb_jid jid; /* bare; the text is in this block */
    struct jb__list sessions;
    uint32_t session_count;
    uint32_t pins;    /* continuations that will come back to it: it must not leave */
    uint32_t rests;   /* rows of sessions that have ended, not yet handed to the store (custody.h) */
    uint8_t state;    /* enum user_state */
    bool load_failed; /* USER_UNKNOWN only because the store could not be read */
    bool unlisted;    /* load_failed, and not in reactor->users any more */
    bool stale;       /* the store says otherwise: not to be kept without sessions */
    bool anonymous;   /* no account: nothing of it is stored */
    bool admin;       /* by its account's flags or the host's `admins` */
    uint32_t waiting_count;
    struct user_waiter *waiting; /* stanzas and bindings while loading, oldest first */
    struct user_waiter **waiting_end;
    unsigned char *data; /* the modules' room */
};

/* The user with this bare address, loading him when he is not in memory, or when the last time the
 * store could not be read.  The address must be one of this reactor's.  Never NULL; see state. */
struct user *user_get(struct reactor *r, struct jb_jid bare);
/* The same, but NULL when he is not in memory. */
struct user *user_find(struct reactor *r, struct jb_jid bare);
/* A visitor without an account. */
struct user *user_get_anonymous(struct reactor *r, struct jb_jid bare);

/* Calls back on this reactor when the user is loaded, at once when he is.  JB_EFULL: too many
 * wait.  `ready` owns ctx. */
JB_NODISCARD int user_when_ready(struct user *u, void (*ready)(struct user *u, void *ctx),
                                 void *ctx);
/* What ends the stream of somebody who authenticated, and is not USER_READY then. */
enum jb_stream_error user_absence(const struct user *u, const char **words);

/* The host he belongs to, as now configured; NULL when it is no longer served. */
const struct host *user_host(const struct user *u);

/* A stanza on its way to his sessions. */
struct delivery {
    struct jb_stanza *stanza;
    struct jb_wrap wrap; /* how it differs from the stanza, when `wrapped` */
    bool wrapped;
};

/* What happens to it by default (RFC 6121 section 8.5), the hooks being done. */
void user_deliver(struct user *u, const struct delivery *d);

/* A stanza for him, bare or full address (RFC 6121 section 8.5). */
void user_receive(struct user *u, struct jb_stanza *stanza);

struct session *user_find_session(const struct user *u, struct jb_str resource);
/* While pinned a user stays in memory. */
void user_pin(struct user *u);
void user_unpin(struct user *u);

/* A unit of the store on behalf of this user; done() runs on his reactor. */
struct store_unit *user_store_unit(struct user *u, void (*done)(struct store_unit *unit),
                                   void *ctx);

/* His account is gone or was changed: sessions end with the stream error. */
void user_kick(struct user *u, enum jb_stream_error error, const char *words);

/* His account was deleted from the store, user_forget() was called and his sessions have ended
 * (modules saw that he is `stale`, and stored nothing more): modules free what they know of him,
 * and from now on he is somebody who does not exist. */
void user_remove(struct user *u);

/* An account was made (committed): who remembers that there was none forgets it.  Any reactor. */
void user_created(struct reactor *r, struct jb_jid bare);

/* What is in memory is not to be believed any more: once nobody needs him he leaves it. */
void user_forget(struct user *u);

/* ---- for the server ---- */
void user_session_added(struct user *u, struct session *s);
void user_session_removed(struct user *u, struct session *s);
void user_free_all(struct reactor *r);

#endif
