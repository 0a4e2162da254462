/* SPDX-License-Identifier: MIT */
/* Who writes to many people that he has nothing to do with advertises.  New to a user is an address
 * that is none of his contacts, has not written to him lately, and to which he has not written
 * lately: limit new_recipients_rate is how many of those he may write to in a minute.
 *
 * Hosts and what belongs to nobody (addresses without a local part) are never new; administrators
 * may write to whom they like.  Only messages count: strangers' requests do not reach anybody
 * (RFC 6121 section 8.5.3.1), requests for subscriptions have a limit of their own. */
#include "modules/modules.h"
#include "modules/rfc6121_roster.h"
#include "server/server.h"
#include "server/window.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { MINUTE_MS = 60 * 1000, KNOWN_LEAST = 4, KNOWN_MOST = 256 };

/* Of a user. */
struct circle {
    uint64_t *known;      /* hashes of bare addresses, the oldest gives way; NULL: nobody yet */
    uint16_t room;        /* for so many */
    uint16_t count;       /* of them in use */
    uint16_t next;        /* once all are: who gives way */
    struct window minute; /* new ones that he wrote to */
};

static bool is_known(const struct circle *c, uint64_t hash)
{
    for (uint16_t i = 0; i < c->count; i++)
        if (c->known[i] == hash)
            return true;
    return false;
}

static void remember(struct circle *c, uint64_t hash)
{
    if (c->count == c->room && c->room < KNOWN_MOST) {
        c->room = c->room ? (uint16_t)(2 * c->room) : KNOWN_LEAST;
        c->known = jb_resize(alloc, c->known, c->room * sizeof *c->known);
    }
    if (c->count < c->room) {
        c->known[c->count++] = hash;
        return;
    }
    c->known[c->next] = hash;
    c->next = (uint16_t)((c->next + 1) % c->room);
}

/* Whether the user and this address may be strangers. */
static bool is_person(struct user *u, struct jb_jid jid)
{
    return jb_jid_is_set(jid) && jid.local && !jb_jid_eq_bare(jid, u->jid);
}

static bool is_message(const struct jb_stanza_head *h)
{
    return h->kind == JB_MESSAGE && h->type != JB_TYPE_ERROR;
}

/* True when it is somebody new.  The hash is in *hash then. */
static bool is_stranger(const struct circle *c, struct user *u, struct jb_jid jid, uint64_t *hash)
{
    struct jb_str bare = jb_jid_bare_str(jid);

    *hash = jb__siphash(&u->reactor->server->hash_key, bare.p, bare.n);
    return !is_known(c, *hash) && !(roster_state(u, jid) & (ROSTER_LISTED | ROSTER_FROM));
}

static enum verdict on_out(struct session *s, struct jb_draft *d, struct jb_fault *fault)
{
    struct user *u = s->user;
    struct reactor *r = u->reactor;
    struct circle *c = module_user_data(&new_recipients, u);
    uint64_t hash;

    if (u->admin || !is_message(&d->h) || !is_person(u, d->h.to) ||
        !is_stranger(c, u, d->h.to, &hash))
        return NEXT;
    if (!window_take(&c->minute, r->now_ms, MINUTE_MS,
                     r->conf->stream.limits.new_recipients_rate)) {
        reactor_count_limit(r, JB_LIMIT_new_recipients_rate);
        *fault = (struct jb_fault){ JB_STANZA_POLICY_VIOLATION, JB_ERROR_TYPE_WAIT,
                                    "too many new recipients in one minute" };
        return REJECT;
    }
    remember(c, hash);
    return NEXT;
}

/* To answer is not to begin. */
static enum verdict on_in(struct user *u, struct jb_stanza *stanza, struct jb_fault *fault)
{
    struct circle *c = module_user_data(&new_recipients, u);
    uint64_t hash;

    (void)fault;
    if (is_message(&stanza->h) && is_person(u, stanza->h.from) &&
        is_stranger(c, u, stanza->h.from, &hash))
        remember(c, hash);
    return NEXT;
}

static enum verdict on_freed(struct user *u)
{
    struct circle *c = module_user_data(&new_recipients, u);

    jb_free(alloc, c->known);
    return NEXT;
}

const struct module new_recipients = {
    .name = "new_recipients",
    .title = "New recipients",
    .hooks = { .out_guard = on_out, .in_guard = on_in, .freed = on_freed },
    .user_bytes = sizeof(struct circle),
};
