/* SPDX-License-Identifier: MIT */
/* RFC 6121 sections 3 (subscriptions) and 4 (presence): broadcast, probes, directed presence.
 *
 * A broadcast is one sealed stanza.  It goes to each reactor once, with the list of contacts that
 * are at home there, and is wrapped with their address on delivery.  Contacts who are not in memory
 * have no session and need none of it. */
#include "modules/rfc6121_presence.h"

#include "base/assert.h"
#include "modules/rfc6121_roster.h"
#include "modules/rfc6121_subscription.h"
#include "modules/modules.h"
#include "server/server.h"
#include "server/window.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* Somebody a session sent presence to by name (section 4.6). */
struct directed {
    struct jb__list node;
    struct jb_jid jid; /* text behind the struct */
};

enum { HOUR_MS = 60 * 60 * 1000 };

/* Of a session. */
struct presence {
    struct jb__list directed;
    uint32_t directed_count;
    bool ready; /* the list is initialised */
};

static struct presence *presence_of(struct session *s)
{
    struct presence *p = module_session_data(&rfc6121_presence, s);

    if (!p->ready) {
        jb__list_init(&p->directed);
        p->ready = true;
    }
    return p;
}

/* ---- to many contacts at once ---- */

/* A list of addresses at home on one reactor, and what happens to each. */
struct batch {
    struct mail mail;
    struct jb_stanza *stanza; /* the presence; for a probe, one that names who probes */
    bool probe;
    uint32_t count;
    struct jb_jid *to; /* behind the struct, texts behind the array */
};

static void send_presence_of(struct session *s, struct jb_jid to);
static bool show_presence(struct user *u, struct jb_jid contact);
static void forget_directed(struct user *u, const struct jb_stanza *unavailable);

static void deliver_broadcast(struct user *u, struct jb_stanza *stanza)
{
    struct jb_wrap wrap = { .to = u->jid };

    forget_directed(u, stanza);
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (session_is_available(s) && !jb_jid_eq(s->jid, stanza->h.from))
            session_deliver(s, stanza, &wrap);
    }
}

static void on_batch(struct reactor *r, struct mail *mail)
{
    struct batch *b = jb__container_of(mail, struct batch, mail);

    for (uint32_t i = 0; i < b->count; i++) {
        struct user *u = user_find(r, b->to[i]);
        if (!u || u->state != USER_READY)
            continue;
        if (!b->probe)
            deliver_broadcast(u, b->stanza);
        else if (roster_state(u, b->stanza->h.from) & ROSTER_FROM)
            (void)show_presence(u, b->stanza->h.from); /* section 4.3.2 */
    }
    jb_stanza_unref(b->stanza);
    jb_free(alloc, b);
}

/* Contacts in the arena, by reactor, before they are posted. */
struct fan {
    struct reactor *reactor;
    struct jb_jid *to;
    size_t *count; /* per reactor */
    size_t *bytes; /* per reactor: of the addresses' texts */
    size_t total;
};

static void post_batch(const struct fan *f, unsigned target, struct jb_stanza *stanza, bool probe)
{
    struct reactor *r = f->reactor;
    struct reactor *home = &r->server->reactors[target];
    size_t array_bytes = f->count[target] * sizeof(struct jb_jid);
    struct batch *b = jb_alloc(alloc, sizeof *b + array_bytes + f->bytes[target]);
    char *text = (char *)(b + 1) + array_bytes;

    *b = (struct batch){ .mail.deliver = on_batch,
                         .stanza = jb_stanza_ref(stanza),
                         .probe = probe,
                         .to = (struct jb_jid *)(b + 1) };
    for (size_t i = 0; i < f->total; i++) {
        struct jb_str bare = jb_jid_bare_str(f->to[i]);
        if (router_home(r, f->to[i]) != home)
            continue;
        b->to[b->count] = jb_jid_bare(f->to[i]);
        b->to[b->count++].p = memcpy(text, bare.p, bare.n);
        text += bare.n;
    }
    if (home == r)
        on_batch(r, &b->mail);
    else
        reactor_send(r, home, &b->mail);
}

/* To all contacts of ours whose state has one of `bits`. */
static void send_to_contacts(struct user *u, uint8_t bits, struct jb_stanza *stanza, bool probe)
{
    struct reactor *r = u->reactor;
    struct jb__arena *arena = &r->arena;
    unsigned reactors = r->server->reactor_count;
    struct fan f = { .reactor = r };
    size_t most = 0;

    for (struct roster_item *i = roster_next(u, NULL); i; i = roster_next(u, i))
        most++;
    if (most == 0)
        return;
    f.to = jb__arena_alloc(arena, most * sizeof *f.to);
    f.count = jb__arena_alloc(arena, reactors * sizeof *f.count);
    f.bytes = jb__arena_alloc(arena, reactors * sizeof *f.bytes);
    memset(f.count, 0, reactors * sizeof *f.count);
    memset(f.bytes, 0, reactors * sizeof *f.bytes);
    for (struct roster_item *i = roster_next(u, NULL); i; i = roster_next(u, i)) {
        if (!(i->state & bits) || i->jid.local == 0 ||
            !conf_find_host(r->conf, jb_jid_domain(i->jid)))
            continue;
        unsigned home = router_home(r, i->jid)->index;
        f.to[f.total++] = i->jid;
        f.count[home]++;
        f.bytes[home] += jb_jid_str(i->jid).n;
    }
    for (unsigned i = 0; i < reactors; i++)
        if (f.count[i])
            post_batch(&f, i, stanza, probe);
}

/* ---- stanzas of our own ---- */

static struct jb_stanza *make_presence(struct reactor *r, const char *type, struct jb_jid from,
                                       struct jb_jid to)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, r);

    jb_stanza_open(x, JB_PRESENCE, type, from, to, JB_STR_NONE);
    jb_xml_close(x);
    return router_seal(&o);
}

static void send_presence(struct reactor *r, const char *type, struct jb_jid from, struct jb_jid to)
{
    struct jb_stanza *s = make_presence(r, type, from, to);

    router_send(r, s);
    jb_stanza_unref(s);
}

/* A session's current presence, to one address. */
static void send_presence_of(struct session *s, struct jb_jid to)
{
    struct reactor *r = session_reactor(s);
    const struct jb_doc *doc = &s->presence->doc;
    struct jb_draft d = { .h = s->presence->h, .doc = doc, .arena = &r->arena };
    struct jb_stanza *copy;

    d.h.to = to;
    int rc = jb_draft_seal(&d, alloc, s->presence->stamp_us, &copy);
    jb_assert(rc == 0);
    router_send(r, copy);
    jb_stanza_unref(copy);
}

/* Section 4.4.2: the user's own sessions see each other. */
static void tell_own_sessions(struct user *u, struct session *from, struct jb_stanza *stanza)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        struct jb_wrap wrap = { .to = s->jid };
        if (session_is_available(s) || s == from)
            session_deliver(s, stanza, &wrap);
    }
}

/* ---- directed presence (section 4.6) ---- */

static struct directed *find_directed(struct session *s, struct jb_jid to)
{
    jb__list_each(it, next, &presence_of(s)->directed)
    {
        struct directed *d = jb__container_of(it, struct directed, node);
        if (jb_jid_eq(d->jid, to))
            return d;
    }
    return NULL;
}

static void drop_directed(struct session *s, struct directed *d)
{
    jb__list_remove(&d->node);
    presence_of(s)->directed_count--;
    jb_free(alloc, d);
}

/* Whether the session showed itself to somebody, or to one of his resources (a room's occupant). */
static bool is_directed_at(struct session *s, struct jb_jid who)
{
    jb__list_each(it, next, &presence_of(s)->directed)
    {
        struct directed *d = jb__container_of(it, struct directed, node);
        if (jb_jid_eq(jb_jid_bare(d->jid), jb_jid_bare(who)))
            return true;
    }
    return false;
}

/* Section 4.6.1: who left need not be told that we leave. */
static void forget_directed(struct user *u, const struct jb_stanza *unavailable)
{
    if (unavailable->h.type != JB_TYPE_UNAVAILABLE)
        return;
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        struct directed *d = find_directed(s, unavailable->h.from);
        if (d)
            drop_directed(s, d);
    }
}

static bool add_directed(struct session *s, struct jb_jid to)
{
    struct presence *p = presence_of(s);
    struct jb_str text = jb_jid_str(to);

    if (find_directed(s, to))
        return true;
    if (p->directed_count >= session_reactor(s)->conf->stream.limits.directed_presences) {
        reactor_count_limit(session_reactor(s), JB_LIMIT_directed_presences);
        return false;
    }
    struct directed *d = jb_alloc(alloc, sizeof *d + text.n);
    d->jid = to;
    d->jid.p = memcpy(d + 1, text.p, text.n);
    jb__list_push(&p->directed, &d->node);
    p->directed_count++;
    return true;
}

/* Section 4.6.3: whoever got directed presence learns of the end, unless a broadcast told him. */
static void end_directed(struct session *s, struct jb_stanza *unavailable, bool broadcast)
{
    struct presence *p = presence_of(s);
    struct reactor *r = session_reactor(s);

    while (!jb__list_empty(&p->directed)) {
        struct directed *d = jb__container_of(p->directed.next, struct directed, node);
        if (!broadcast || !(roster_state(s->user, d->jid) & ROSTER_FROM)) {
            struct jb_draft draft = { .h = unavailable->h,
                                      .doc = &unavailable->doc,
                                      .arena = &r->arena };
            struct jb_stanza *copy;
            draft.h.to = d->jid;
            int rc = jb_draft_seal(&draft, alloc, r->now_us, &copy);
            jb_assert(rc == 0);
            router_send(r, copy);
            jb_stanza_unref(copy);
        }
        drop_directed(s, d);
    }
}

static const struct jb_fault not_found = { JB_STANZA_REMOTE_SERVER_NOT_FOUND, JB_ERROR_TYPE_USUAL,
                                           "this server does not talk to other servers" };

static bool is_served(const struct user *u, struct jb_jid jid)
{
    return conf_find_host(u->reactor->conf, jb_jid_domain(jid)) != NULL;
}

static enum verdict on_directed(struct session *s, struct jb_stanza *stanza, struct jb_fault *fault)
{
    if (stanza->h.type == JB_TYPE_UNAVAILABLE) {
        struct directed *d = find_directed(s, stanza->h.to);
        if (d)
            drop_directed(s, d);
        return NEXT;
    }
    if (stanza->h.type == JB_TYPE_NONE && !is_served(s->user, stanza->h.to)) {
        *fault = not_found;
        return REJECT;
    }
    if (stanza->h.type == JB_TYPE_NONE && !add_directed(s, stanza->h.to)) {
        *fault = JB_FAULT(RESOURCE_CONSTRAINT, "directed presence to too many");
        return REJECT;
    }
    return NEXT;
}

/* ---- broadcast (sections 4.2, 4.4, 4.5) ---- */

static bool read_priority(struct session *s, struct jb_stanza *stanza, int8_t *priority)
{
    struct jb__arena *arena = &session_reactor(s)->arena;
    uint16_t node = jb_node_child(&stanza->doc, 0, "priority", JB_NS_CLIENT);
    uint64_t value;

    *priority = 0;
    if (!node)
        return true;
    struct jb_str text = jb_str_trim(jb_node_text(&stanza->doc, node, arena));
    bool negative = text.n && text.p[0] == '-';
    if (!jb_str_u64(jb_str_from(text, negative || (text.n && text.p[0] == '+')),
                    negative ? 128 : 127, &value))
        return false;
    *priority = (int8_t)(negative ? -(int)value : (int)value);
    return true;
}

/* Section 3.1.3: requests that came while nobody was there, and those nobody has answered. */
static void deliver_requests(struct session *s)
{
    struct user *u = s->user;
    struct reactor *r = u->reactor;

    for (struct roster_item *i = roster_next(u, NULL); i; i = roster_next(u, i)) {
        struct jb_stanza *request;
        if (!(i->state & ROSTER_PENDING_IN) || i->request.n == 0)
            continue;
        if (jb_stanza_new(i->request, &r->arena, alloc, r->now_us, &request) != 0)
            continue;
        session_deliver(s, request, NULL);
        jb_stanza_unref(request);
    }
}

/* Section 4.2.2: to the new session, what its siblings are; from the contacts, what they are. */
static void on_first_presence(struct session *s)
{
    struct user *u = s->user;
    struct jb_stanza *probe = make_presence(u->reactor, "probe", u->jid, JB_JID_NONE);

    jb__list_each(it, next, &u->sessions)
    {
        struct session *other = jb__container_of(it, struct session, node);
        struct jb_wrap wrap = { .to = s->jid };
        if (other != s && session_is_available(other))
            session_deliver(s, other->presence, &wrap);
    }
    send_to_contacts(u, ROSTER_TO, probe, true);
    jb_stanza_unref(probe);
    deliver_requests(s);
}

static enum verdict on_available(struct session *s, struct jb_stanza *stanza,
                                 struct jb_fault *fault)
{
    struct user *u = s->user;
    bool first = !session_is_available(s);
    int8_t priority;

    if (!read_priority(s, stanza, &priority)) {
        *fault = JB_FAULT(BAD_REQUEST, "a priority is a number from -128 to 127");
        return REJECT;
    }
    jb_stanza_unref(s->presence);
    s->presence = jb_stanza_ref(stanza);
    s->priority = priority;
    tell_own_sessions(u, s, stanza);
    send_to_contacts(u, ROSTER_FROM, stanza, false);
    if (first) {
        on_first_presence(s);
        (void)hooks_run(available, user_host(u), (s));
    }
    return DONE;
}

static void become_unavailable(struct session *s, struct jb_stanza *stanza)
{
    bool was = session_is_available(s);

    if (was) {
        tell_own_sessions(s->user, s, stanza);
        send_to_contacts(s->user, ROSTER_FROM, stanza, false);
    }
    end_directed(s, stanza, was);
    jb_stanza_unref(s->presence);
    s->presence = NULL;
    s->priority = 0;
}

/* ---- subscriptions (section 3) ---- */

static bool is_subscription(uint8_t type)
{
    return type == JB_TYPE_SUBSCRIBE || type == JB_TYPE_SUBSCRIBED || type == JB_TYPE_UNSUBSCRIBE ||
           type == JB_TYPE_UNSUBSCRIBED;
}

/* All available sessions' presence to somebody who may see it (sections 3.1.5 and 4.3.2); false
 * when there is none. */
static bool show_presence(struct user *u, struct jb_jid contact)
{
    bool shown = false;

    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (!session_is_available(s))
            continue;
        send_presence_of(s, contact);
        shown = true;
    }
    return shown;
}

/* The opposite (sections 3.2.2 and 3.3.3). */
static void hide_presence(struct user *u, struct jb_jid contact)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (session_is_available(s))
            send_presence(u->reactor, "unavailable", s->jid, contact);
    }
}

/* Counts a subscription request; false: he has sent enough of them this hour. */
static bool may_request(struct user *u)
{
    struct window *hour = module_user_data(&rfc6121_presence, u);
    struct reactor *r = u->reactor;

    if (window_take(hour, r->now_ms, HOUR_MS, r->conf->stream.limits.subscribe_rate))
        return true;
    reactor_count_limit(r, JB_LIMIT_subscribe_rate);
    return false;
}

/* Why a request is not even noted; JB_NO_FAULT when it is. */
static struct jb_fault check_request(struct user *u, struct jb_jid contact)
{
    if (!is_served(u, contact))
        return not_found; /* section 3.1.2 */
    if (!may_request(u))
        return JB_FAULT(RESOURCE_CONSTRAINT, "too many subscription requests in one hour");
    return JB_NO_FAULT;
}

static void route_to_contact(struct reactor *r, struct jb_stanza *stanza)
{
    struct jb_draft d = { .h = stanza->h, .doc = &stanza->doc, .arena = &r->arena };
    struct jb_stanza *routed;

    d.h.to = jb_jid_bare(stanza->h.to);
    int rc = jb_draft_seal(&d, alloc, r->now_us, &routed);
    jb_assert(rc == 0);
    router_send(r, routed);
    jb_stanza_unref(routed);
}

/* What the user's client decides. */
static enum verdict on_subscription_out(struct session *s, struct jb_stanza *stanza,
                                        struct jb_fault *fault)
{
    struct user *u = s->user;
    struct jb_jid contact = jb_jid_bare(stanza->h.to);
    uint8_t before = roster_state(u, contact);
    struct subscription_step step = subscription_step(before, SUBSCRIPTION_OUT, stanza->h.type);

    if (jb_jid_eq(contact, u->jid))
        return DONE; /* nobody subscribes to himself: his sessions see each other anyway */
    if (stanza->h.type == JB_TYPE_SUBSCRIBE)
        *fault = check_request(u, contact);
    if (fault->condition == JB_STANZA_OK && roster_set_state(u, contact, step.state, JB_STR_NONE))
        *fault = JB_FAULT(RESOURCE_CONSTRAINT, "the roster is full");
    if (fault->condition != JB_STANZA_OK)
        return REJECT;
    if (before & ~step.state & ROSTER_FROM)
        hide_presence(u, contact); /* section 3.2.2: while he is still subscribed */
    if (step.pass)
        route_to_contact(u->reactor, stanza);
    if (step.state & ~before & ROSTER_FROM)
        (void)show_presence(u, contact);
    return DONE;
}

static void deliver_to_sessions(struct user *u, struct jb_stanza *stanza)
{
    bool request = stanza->h.type == JB_TYPE_SUBSCRIBE;

    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        /* Requests go to who is available, the rest to who is interested in the roster. */
        if (request ? session_is_available(s) : s->interested)
            session_deliver(s, stanza, NULL);
    }
}

/* What a contact decides, or asks. */
static enum verdict on_subscription_in(struct user *u, struct jb_stanza *stanza)
{
    struct jb_jid contact = jb_jid_bare(stanza->h.from);
    uint8_t before = roster_state(u, contact);
    struct subscription_step step = subscription_step(before, SUBSCRIPTION_IN, stanza->h.type);
    struct jb_str request = jb_str(stanza->doc.text, stanza->doc.bytes);

    if (roster_set_state(u, contact, step.state, request) != 0)
        return DONE; /* too many ask: this one is not heard (counted as a limit) */
    if (step.auto_approve)
        send_presence(u->reactor, "subscribed", u->jid, contact);
    if (step.pass)
        deliver_to_sessions(u, stanza);
    if (step.state & ~before & ROSTER_FROM)
        (void)show_presence(u, contact);
    if (before & ~step.state & ROSTER_FROM)
        hide_presence(u, contact);
    return DONE;
}

void presence_part(struct user *u, struct jb_jid contact, uint8_t state)
{
    if (state & (ROSTER_TO | ROSTER_ASK))
        send_presence(u->reactor, "unsubscribe", u->jid, contact);
    if (state & ROSTER_FROM)
        hide_presence(u, contact);
    if (state & (ROSTER_FROM | ROSTER_PENDING_IN))
        send_presence(u->reactor, "unsubscribed", u->jid, contact);
}

void presence_join(struct user *u, struct jb_jid contact)
{
    (void)show_presence(u, contact);
}

/* ---- what others may ask (sections 4.3.2, 4.6.6 and 8.5.3.1) ---- */

static bool is_entitled(struct user *u, struct jb_jid who)
{
    return jb_jid_eq(jb_jid_bare(who), u->jid) || (roster_state(u, who) & ROSTER_FROM);
}

/* Answers a probe with its own id, and no more than a type. */
static void reply(struct user *u, const struct jb_stanza *probe, const char *type,
                  struct jb_jid from, struct jb_jid to)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, u->reactor);

    jb_stanza_open(x, JB_PRESENCE, type, from, to, probe->h.id);
    jb_xml_close(x);
    router_end(&o);
}

static void on_probe(struct user *u, const struct jb_stanza *probe)
{
    struct jb_jid prober = probe->h.from;
    bool entitled = is_entitled(u, prober);
    struct session *s = user_find_session(u, jb_jid_resource(probe->h.to));

    if (s && ((entitled && session_is_available(s)) || is_directed_at(s, prober)))
        reply(u, probe, NULL, s->jid, prober); /* only that it is there */
    else if (!entitled)
        reply(u, probe, "unsubscribed", u->jid, jb_jid_bare(prober));
    else if (probe->h.to.resource || !show_presence(u, prober))
        reply(u, probe, "unavailable", probe->h.to, prober);
}

/* A request to one resource reaches it only when its sender may know that it is there. */
static bool may_ask(struct user *u, const struct jb_stanza *stanza)
{
    struct jb_jid from = stanza->h.from;
    struct session *s = user_find_session(u, jb_jid_resource(stanza->h.to));

    return !s || from.local == 0 || is_entitled(u, from) || is_directed_at(s, from);
}

/* ---- hooks ---- */

static enum verdict on_out(struct session *s, struct jb_stanza *stanza, struct jb_fault *fault)
{
    if (stanza->h.kind != JB_PRESENCE)
        return NEXT;
    if (is_subscription(stanza->h.type)) {
        if (jb_jid_is_set(stanza->h.to))
            return on_subscription_out(s, stanza, fault);
        *fault = JB_FAULT(BAD_REQUEST, "a subscription needs a 'to'");
        return REJECT;
    }
    if (jb_jid_is_set(stanza->h.to))
        return on_directed(s, stanza, fault);
    if (stanza->h.type == JB_TYPE_NONE)
        return on_available(s, stanza, fault);
    if (stanza->h.type == JB_TYPE_UNAVAILABLE)
        become_unavailable(s, stanza);
    return DONE;
}

static enum verdict on_in(struct user *u, struct delivery *d, struct jb_fault *fault)
{
    struct jb_stanza *stanza = d->stanza;
    bool request = stanza->h.type == JB_TYPE_GET || stanza->h.type == JB_TYPE_SET;

    if (stanza->h.kind == JB_IQ && request && stanza->h.to.resource && !may_ask(u, stanza)) {
        *fault = JB_FAULT(SERVICE_UNAVAILABLE, NULL);
        return REJECT;
    }
    if (stanza->h.kind != JB_PRESENCE)
        return NEXT;
    if (is_subscription(stanza->h.type))
        return on_subscription_in(u, stanza);
    forget_directed(u, stanza);
    if (stanza->h.type != JB_TYPE_PROBE)
        return NEXT;
    on_probe(u, stanza);
    return DONE;
}

static enum verdict on_save(struct session *s, struct jb_xml *x)
{
    jb__list_each(it, next, &presence_of(s)->directed)
    {
        jb_xml_open(x, "directed", JB_NS_NONE);
        jb_xml_attr(x, "jid", jb_jid_str(jb__container_of(it, struct directed, node)->jid));
        jb_xml_close(x);
    }
    return NEXT;
}

static enum verdict on_revived(struct session *s, const struct jb_doc *doc)
{
    struct jb__arena *arena = &session_reactor(s)->arena;
    struct jb_jid jid;

    for (uint16_t c = jb_node_first(doc, 0); c; c = jb_node_next(doc, c))
        if (jb_str_eqz(jb_node_name(doc, c), "directed") &&
            jb_jid_parse(jb_node_attr(doc, c, "jid", arena), arena, &jid) == 0)
            (void)add_directed(s, jid);
    return NEXT;
}

static enum verdict on_dropped(struct session *s)
{
    struct presence *p = presence_of(s);

    while (!jb__list_empty(&p->directed))
        drop_directed(s, jb__container_of(p->directed.next, struct directed, node));
    return NEXT;
}

static enum verdict on_unbound(struct session *s)
{
    struct jb_stanza *unavailable =
        make_presence(session_reactor(s), "unavailable", s->jid, JB_JID_NONE);

    become_unavailable(s, unavailable);
    jb_stanza_unref(unavailable);
    return NEXT;
}

const struct module rfc6121_presence = {
    .name = "presence",
    .title = "Presence (RFC 6121)",
    .hooks = { .out_act = on_out,
               .in_act = on_in,
               .unbound = on_unbound,
               .save = on_save,
               .revived = on_revived,
               .dropped = on_dropped },
    .user_bytes = sizeof(struct window),
    .session_bytes = sizeof(struct presence),
};
