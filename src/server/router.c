/* SPDX-License-Identifier: MIT */
#include "server/router.h"

#include "base/assert.h"
#include "server/custody.h"
#include "server/module.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct reactor *router_home(struct reactor *r, struct jb_jid address)
{
    struct server *server = r->server;
    struct jb_str bare = jb_jid_bare_str(address);
    uint64_t hash = jb__siphash(&server->hash_key, bare.p, bare.n);

    return &server->reactors[hash % server->reactor_count];
}

/* RFC 6120 section 8.3.1: no answer to an error, nor to what is an answer; presence is answered
 * only when it is directed at somebody and not a notification that he does not exist. */
static bool may_answer(const struct jb_stanza_head *h)
{
    if (h->type == JB_TYPE_ERROR || !jb_jid_is_set(h->from))
        return false;
    if (h->kind == JB_IQ)
        return h->type == JB_TYPE_GET || h->type == JB_TYPE_SET;
    return h->kind == JB_MESSAGE;
}

void router_bounce(struct reactor *r, const struct jb_stanza *stanza, struct jb_fault fault)
{
    struct outgoing o;

    if (!may_answer(&stanza->h))
        return;
    r->counters.bounced++;
    jb_stanza_write_error(router_begin(&o, r), &stanza->h, JB_JID_NONE, &fault);
    router_end(&o);
}

/* ---- to a host ---- */

static void host_receive(struct reactor *r, const struct host *host, struct jb_stanza *stanza)
{
    bool request =
        stanza->h.kind == JB_IQ && (stanza->h.type == JB_TYPE_GET || stanza->h.type == JB_TYPE_SET);

    if (request && stanza->h.to.resource == 0 && iq_dispatch(r, host, NULL, NULL, stanza))
        return;
    router_bounce(r, stanza, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
}

/* ---- to a user ---- */

struct stanza_mail {
    struct mail mail;
    struct jb_stanza *stanza;
    struct custody *custody; /* goes with it and comes back; NULL: nothing is kept of it */
};

static void on_stanza_mail(struct reactor *r, struct mail *mail)
{
    struct stanza_mail *m = jb__container_of(mail, struct stanza_mail, mail);

    custody_borrow(r, m->custody);
    user_receive(user_get(r, jb_jid_bare(m->stanza->h.to)), m->stanza);
    custody_return(r);
    jb_stanza_unref(m->stanza);
    jb_free(alloc, m);
}

static void send_to_user(struct reactor *r, struct jb_stanza *stanza)
{
    struct reactor *home = router_home(r, stanza->h.to);

    if (home == r) {
        user_receive(user_get(r, jb_jid_bare(stanza->h.to)), stanza);
        return;
    }
    struct stanza_mail *m = jb_alloc(alloc, sizeof *m);
    *m = (struct stanza_mail){ .mail.deliver = on_stanza_mail, .stanza = jb_stanza_ref(stanza), .custody = custody_lend(r, stanza) };
    reactor_send(r, home, &m->mail);
}

void router_send(struct reactor *r, struct jb_stanza *stanza)
{
    jb_assert(jb_jid_is_set(stanza->h.to));
    const struct host *host = conf_find_host(r->conf, jb_jid_domain(stanza->h.to));

    if (!host)
        router_bounce(
            r, stanza,
            JB_FAULT(REMOTE_SERVER_NOT_FOUND, "this server does not talk to other servers"));
    else if (stanza->h.to.local == 0)
        host_receive(r, host, stanza);
    else if (!jb_jid_is_strict(jb_jid_local(stanza->h.to)))
        router_bounce(r, stanza, JB_FAULT(JID_MALFORMED, "no account here can have this name"));
    else
        send_to_user(r, stanza);
}

/* ---- stanzas of our own ---- */

enum { OUTGOING_BYTES = 4 * JB_MIB };

struct jb_xml *router_begin(struct outgoing *o, struct reactor *r)
{
    o->reactor = r;
    jb__buf_init(&o->buf, alloc, OUTGOING_BYTES);
    jb_xml_begin(&o->x, &o->buf);
    return &o->x;
}

struct jb_stanza *router_seal(struct outgoing *o)
{
    struct reactor *r = o->reactor;
    struct jb_stanza *s = NULL;
    int rc = jb_xml_end(&o->x);

    if (rc == 0)
        rc = jb_stanza_new(jb__buf_str(&o->buf), &r->arena, alloc, r->now_us, &s);
    jb_assert(rc == 0); /* what is written here is bounded by what was accepted */
    jb__buf_deinit(&o->buf);
    return s;
}

void router_end(struct outgoing *o)
{
    struct jb_stanza *s = router_seal(o);

    router_send(o->reactor, s);
    jb_stanza_unref(s);
}
