/* SPDX-License-Identifier: MIT */
/* A reactor: one thread, one libuv loop, and everything that has its home there.
 *
 * Nothing of a reactor is touched by another thread but its mailbox.  Other threads post mail; a
 * reactor collects what it has for another during a tick and hands it over in one piece when the
 * tick ends. */
#ifndef SERVER_REACTOR_H
#define SERVER_REACTOR_H

#include "base/arena.h"
#include "base/hash.h"
#include "core/deflate.h"
#include "core/stream.h"
#include "server/metrics.h"
#include "server/store_queue.h"
#include "server/wheel.h"

#include <stdatomic.h>
#include <uv.h>

struct custody;
struct saved_user;
struct server;
struct session;
struct reactor;

/* Embedded in what is posted; whoever receives it owns it. */
struct mail {
    struct mail *next;
    void (*deliver)(struct reactor *r, struct mail *m);
};

enum { REACTOR_SCRATCH_BYTES = 64 * 1024 };

struct reactor {
    struct server *server;
    unsigned index;
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;                /* mail has arrived */
    uv_prepare_t flush;             /* before the loop blocks: send what the tick left behind */
    uv_timer_t notch;               /* turns the wheel */
    _Atomic(struct mail *) mailbox; /* newest first; the only thing other threads touch */
    struct mail **outbox;           /* per reactor: mail of this tick, newest first */
    struct store_port port;
    _Atomic(struct store_unit *) finished; /* units the store handed back, newest first */

    struct conf *conf;      /* in force here: a reference (host.h) */
    struct jb__arena arena; /* of the tick */
    unsigned events;        /* in this tick */
    struct jb__codec codec;
    struct jb__buf deflated; /* a compressed message on its way out */
    char *in;                /* scratch that sockets are read into */
    char *out;               /* scratch that frames are rendered into */
    struct wheel wheel;
    uint64_t now_ms; /* monotonic, of this tick */
    int64_t now_us;  /* wall clock, of this tick */

    struct profile_entry *profiles; /* profile.h */
    struct jb__list conns;      /* all connections living here */
    struct jb__list dirty;      /* of these, those with something to send */
    struct jb__table users;     /* users whose home this is */
    struct jb__list idle_users; /* of these, those without a session, oldest first */
    size_t idle_user_count;
    struct saved_user *saved_users; /* to be loaded for their saved sessions (session_save.h) */
    struct jb__list hibernating; /* sessions without a connection (session_sm.h) */
    /* While a stanza is handled (custody.h): */
    struct session *inbound;          /* of the client it came from; NULL: none here */
    struct jb_stanza *inbound_stanza; /* as sealed */
    struct custody *inbound_custody;  /* made for it; NULL: nothing is kept so far */
    struct custody *custody;          /* what may be added to now */
    bool inbound_lent;                /* it went elsewhere with the stanza */
    struct custody *parked;           /* what the store had no room for, in order */
    struct custody **parked_end;
    size_t custodies; /* that have their home here */
    unsigned hash_jobs; /* password hashes given to the thread pool from here */
    struct counters counters;
    struct counters told; /* as last told to the first reactor */
    bool stopping;
};

/* Before any thread runs: reactor_init() for all, then reactor_start() for each. */
void reactor_init(struct reactor *r, struct server *server, unsigned index);
/* Starts the thread.  0 or JB_EAGAIN. */
JB_NODISCARD int reactor_start(struct reactor *r);
/* On its own thread, when nothing lives here any more: its loop ends. */
void reactor_stop(struct reactor *r);
/* Waits until the thread has ended. */
void reactor_join(struct reactor *r);
/* After all have been joined and the store was closed: delivers what was still on its way.  True
 * when there was something. */
bool reactor_drain(struct reactor *r);
void reactor_deinit(struct reactor *r);

/* From a reactor to another (or itself): delivered after this tick, in order. */
void reactor_send(struct reactor *from, struct reactor *to, struct mail *m);
/* Takes the mail that is there, now instead of when the loop comes to it. */
void reactor_hear(struct reactor *r);
/* From any thread. */
void reactor_post(struct reactor *to, struct mail *m);

/* A tick begins: the clock is read. */
void reactor_tick(struct reactor *r);

/* After an event of a socket, and after each mail that was waiting: if there were many, the tick ends
 * here.  Nothing of the arena is used any more, nor a connection without a reference. */
void reactor_event_done(struct reactor *r);

/* A limit was reached: counts it. */
void reactor_count_limit(struct reactor *r, enum jb_limit limit);

#endif
