/* SPDX-License-Identifier: MIT */
/* RFC 6121 section 2: roster get, set and push, versions (section 2.6), pre-approval announced. */
#include "modules/rfc6121_roster.h"

#include "base/assert.h"
#include "modules/rfc6121_presence.h"
#include "modules/rfc6121_roster_item.h"
#include "modules/modules.h"
#include "server/custody.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str roster_store = JB_STR_INIT("roster");
static const struct jb_str meta_store = JB_STR_INIT("roster-meta");
static const struct jb_str version_key = JB_STR_INIT("version");

/* A user's roster, from his loading to his unloading. */
struct roster {
    struct jb__table items;
    uint64_t version; /* grows with every change that a client sees */
    uint32_t listed;  /* items with LISTED */
    uint32_t pending; /* items with PENDING_IN */
    /* While loading: where the answers will be. */
    struct store_op *items_op, *version_op;
};

static struct roster *roster_of(struct user *u)
{
    return module_user_data(&rfc6121_roster, u);
}

/* ---- items ---- */

static bool matches(const struct jb__hash_node *node, struct jb_str jid)
{
    const struct roster_item *item = jb__container_of(node, const struct roster_item, node);

    return jb_str_eq(jb_jid_str(item->jid), jid);
}

static uint64_t hash_of(struct user *u, struct jb_str jid)
{
    return jb__siphash(&u->reactor->server->hash_key, jid.p, jid.n);
}

struct roster_item *roster_find(struct user *u, struct jb_jid jid)
{
    struct jb_str bare = jb_jid_bare_str(jid);
    struct jb__hash_node *node =
        jb__table_find(&roster_of(u)->items, hash_of(u, bare), bare, matches);

    return node ? jb__container_of(node, struct roster_item, node) : NULL;
}

struct roster_item *roster_next(struct user *u, struct roster_item *item)
{
    struct jb__hash_node *node = jb__table_next(&roster_of(u)->items, item ? &item->node : NULL);

    return node ? jb__container_of(node, struct roster_item, node) : NULL;
}

uint8_t roster_state(struct user *u, struct jb_jid jid)
{
    struct roster_item *item = roster_find(u, jid);

    return item ? item->state : 0;
}

static void add_item(struct user *u, struct roster_item *item)
{
    struct roster *ro = roster_of(u);
    int rc = jb__table_insert(&ro->items, &item->node, hash_of(u, jb_jid_str(item->jid)));

    jb_assert(rc == 0);
    ro->listed += (item->state & ROSTER_LISTED) != 0;
    ro->pending += (item->state & ROSTER_PENDING_IN) != 0;
}

static void drop_item(struct user *u, struct roster_item *item)
{
    struct roster *ro = roster_of(u);

    ro->listed -= (item->state & ROSTER_LISTED) != 0;
    ro->pending -= (item->state & ROSTER_PENDING_IN) != 0;
    jb__table_remove(&ro->items, &item->node);
    jb_free(alloc, item);
}

/* ---- loading ---- */

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    struct roster *ro = roster_of(u);
    struct jb_str owner = jb_jid_str(u->jid);

    ro->items_op = store_unit_kv_list(unit, owner, roster_store, JB_STR_NONE, 0);
    ro->version_op = store_unit_kv_get(unit, owner, meta_store, version_key);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct roster *ro = roster_of(u);

    (void)unit;
    jb__table_init(&ro->items, alloc);
    for (const struct store_row *row = ro->items_op->rows; row; row = row->next) {
        struct roster_item *item = roster_item_decode(row->key, row->bytes);
        if (item)
            add_item(u, item);
    }
    if (ro->version_op->rows)
        (void)jb_str_u64(ro->version_op->rows->bytes, INT64_MAX, &ro->version);
    ro->items_op = ro->version_op = NULL;
    return NEXT;
}

static enum verdict on_unload(struct user *u)
{
    struct roster *ro = roster_of(u);
    struct jb__hash_node *node;

    while ((node = jb__table_next(&ro->items, NULL)))
        drop_item(u, jb__container_of(node, struct roster_item, node));
    jb__table_deinit(&ro->items);
    return NEXT;
}

/* ---- writing ---- */

static void write_item(struct jb_xml *x, const struct roster_item *item)
{
    static const char *const names[] = { "none", "to", "from", "both" };

    jb_xml_open(x, "item", JB_NS_NONE);
    jb_xml_attr(x, "jid", jb_jid_str(item->jid));
    if (item->name.n)
        jb_xml_attr(x, "name", item->name);
    jb_xml_attrz(x, "subscription", names[item->state & (ROSTER_TO | ROSTER_FROM)]);
    if (item->state & ROSTER_ASK)
        jb_xml_attrz(x, "ask", "subscribe");
    if (item->state & ROSTER_APPROVED)
        jb_xml_attrz(x, "approved", "true");
    for (uint16_t i = 0; i < item->group_count; i++)
        jb_xml_leaf(x, "group", JB_NS_NONE, item->groups[i]);
    jb_xml_close(x);
}

static void write_version(struct jb_xml *x, const struct roster *ro)
{
    jb_xml_attr_u64(x, "ver", ro->version);
}

/* ---- changing ---- */

/* A change on its way to the disk: what is told about it is told once it is there. */
struct change {
    struct user *user;      /* pinned */
    struct iq *iq;          /* held; NULL: nobody asked by iq */
    struct jb_stanza *push; /* without addresses; NULL: clients see no difference */
};

/* Section 2.1.6: to every session that asked for the roster. */
static void push_to_sessions(struct user *u, struct jb_stanza *push)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        struct jb_wrap wrap = { .to = s->jid };
        if (s->interested)
            session_deliver(s, push, &wrap);
    }
}

static void on_stored(struct store_unit *unit)
{
    struct change *c = unit->ctx;
    struct user *u = c->user;

    if (unit->rc == 0) {
        if (c->push)
            push_to_sessions(u, c->push);
        if (c->iq)
            iq_done(c->iq);
    } else {
        if (c->iq)
            iq_refuse(c->iq, JB_FAULT(RESOURCE_CONSTRAINT, "the roster cannot be stored now"));
        /* Memory and disk differ: whoever comes back reads the disk. */
        user_kick(u, JB_STREAM_INTERNAL_SERVER_ERROR, "the roster could not be stored");
        user_forget(u);
    }
    jb_stanza_unref(c->push);
    jb_free(alloc, c);
    store_unit_free(unit);
    user_unpin(u);
}

/* `gone`: the item's address, when it is to be announced as removed. */
static struct jb_stanza *make_push(struct user *u, const struct roster_item *item,
                                   struct jb_jid gone)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, u->reactor);
    char id[32];
    int n = snprintf(id, sizeof id, "push-%" PRIu64, roster_of(u)->version);

    jb_stanza_open(x, JB_IQ, "set", JB_JID_NONE, JB_JID_NONE, jb_str(id, (size_t)n));
    jb_xml_open(x, "query", JB_NS_ROSTER);
    write_version(x, roster_of(u));
    if (item) {
        write_item(x, item);
    } else {
        jb_xml_open(x, "item", JB_NS_NONE);
        jb_xml_attr(x, "jid", jb_jid_str(gone));
        jb_xml_attrz(x, "subscription", "remove");
        jb_xml_close(x);
    }
    jb_xml_close(x);
    jb_xml_close(x);
    return router_seal(&o);
}

/* Stores one item (NULL: the address is forgotten) and tells the sessions, and `iq`, afterwards. */
static void commit(struct user *u, const struct roster_item *item, struct jb_jid jid, bool visible,
                   struct iq *iq)
{
    struct roster *ro = roster_of(u);
    struct jb_str owner = jb_jid_str(u->jid);
    struct change *c = jb_zalloc(alloc, sizeof *c);
    struct store_unit *unit = user_store_unit(u, on_stored, c);
    char digits[24];

    c->user = u;
    c->iq = iq;
    user_pin(u);
    if (visible) {
        uint64_t now_us = (uint64_t)u->reactor->now_us;
        ro->version = ro->version < now_us ? now_us : ro->version + 1;
        int n = snprintf(digits, sizeof digits, "%" PRIu64, ro->version);
        store_unit_kv_put(unit, owner, meta_store, version_key, jb_str(digits, (size_t)n));
        bool listed = item && (item->state & ROSTER_LISTED);
        c->push = make_push(u, listed ? item : NULL, jid);
    }
    if (item) {
        struct jb_str record = roster_item_encode(item, &u->reactor->arena);
        store_unit_kv_put(unit, owner, roster_store, jb_jid_str(jid), record);
    } else {
        store_unit_kv_delete(unit, owner, roster_store, jb_jid_str(jid));
    }
    if (custody_submit(u->reactor, unit) != 0) {
        unit->rc = JB_EFULL;
        on_stored(unit);
    }
}

static bool within_limits(struct user *u, uint8_t before, uint8_t state)
{
    const struct jb_limits *l = &u->reactor->conf->stream.limits;
    struct roster *ro = roster_of(u);

    if ((state & ~before & ROSTER_LISTED) && ro->listed >= l->roster_items) {
        reactor_count_limit(u->reactor, JB_LIMIT_roster_items);
        return false;
    }
    if ((state & ~before & ROSTER_PENDING_IN) && ro->pending >= l->pending_subscriptions) {
        reactor_count_limit(u->reactor, JB_LIMIT_pending_subscriptions);
        return false;
    }
    return true;
}

int roster_set_state(struct user *u, struct jb_jid jid, uint8_t state, struct jb_str request)
{
    struct roster_item *old = roster_find(u, jid);
    uint8_t before = old ? old->state : 0;
    uint8_t seen = ROSTER_TO | ROSTER_FROM | ROSTER_ASK | ROSTER_APPROVED | ROSTER_LISTED;
    struct roster_item *item = NULL;

    if (state == before)
        return 0;
    /* A visitor keeps nothing (XEP-0175 section 3). */
    if (u->anonymous || !within_limits(u, before, state))
        return JB_EFULL;
    if (state) {
        struct roster_item_parts parts = {
            .jid = jb_jid_bare(jid),
            .name = old ? old->name : JB_STR_NONE,
            .groups = old ? old->groups : NULL,
            .group_count = old ? old->group_count : 0,
            .request = !(state & ROSTER_PENDING_IN)   ? JB_STR_NONE
                       : (before & ROSTER_PENDING_IN) ? old->request
                                                      : request,
            .state = state,
        };
        item = roster_item_new(&parts);
    }
    if (old)
        drop_item(u, old);
    if (item)
        add_item(u, item);
    bool visible = ((before ^ state) & seen) && ((before | state) & ROSTER_LISTED);
    commit(u, item, jb_jid_bare(jid), visible, NULL);
    return 0;
}

/* ---- what clients ask ---- */

static void on_get(struct iq *iq)
{
    struct user *u = iq->user;
    struct roster *ro = roster_of(u);
    const struct jb_doc *doc = iq_doc(iq);
    struct jb_str have;
    uint64_t version;

    iq->session->interested = true;
    bool versioned = jb_node_attr_raw(doc, iq->payload, "ver", &have);
    if (versioned && ro->version && jb_str_u64(have, INT64_MAX, &version) &&
        version == ro->version) {
        iq_done(iq); /* section 2.6.2: nothing has changed */
        return;
    }
    struct jb_xml *x = iq_result(iq);
    jb_xml_open(x, "query", JB_NS_ROSTER);
    if (versioned)
        write_version(x, ro);
    for (struct roster_item *item = roster_next(u, NULL); item; item = roster_next(u, item))
        if (item->state & ROSTER_LISTED)
            write_item(x, item);
    jb_xml_close(x);
    iq_send(iq);
}

/* Section 2.5: out of the roster, and out of each other's presence. */
static void remove_contact(struct iq *iq, struct jb_jid jid)
{
    struct user *u = iq->user;
    struct roster_item *item = roster_find(u, jid);

    if (!item || !(item->state & ROSTER_LISTED)) {
        iq_refuse(iq, JB_FAULT(ITEM_NOT_FOUND, NULL));
        return;
    }
    uint8_t before = item->state;
    struct jb_str bare = jb__arena_str(&u->reactor->arena, jb_jid_str(item->jid));
    jid = jb_jid_bare(jid);
    jid.p = bare.p;
    drop_item(u, item);
    commit(u, NULL, jid, true, iq_hold(iq));
    presence_part(u, jid, before);
}

static struct jb_fault over(struct iq *iq, enum jb_limit limit, const char *words)
{
    reactor_count_limit(iq->reactor, limit);
    return JB_FAULT(NOT_ACCEPTABLE, words);
}

/* The item's <group/>s.  Section 2.3.3: none empty, none twice, none too long. */
static struct jb_fault read_groups(struct iq *iq, uint16_t node, struct roster_item_parts *parts)
{
    const struct jb_limits *l = &iq->reactor->conf->stream.limits;
    struct jb__arena *arena = &iq->reactor->arena;
    const struct jb_doc *doc = iq_doc(iq);

    parts->groups = jb__arena_alloc(arena, l->roster_groups * sizeof *parts->groups);
    for (uint16_t g = jb_node_first(doc, node); g; g = jb_node_next(doc, g)) {
        if (!jb_node_is(doc, g, "group", JB_NS_ROSTER))
            continue;
        struct jb_str text = jb_node_text(doc, g, arena);
        if (text.n == 0)
            return JB_FAULT(NOT_ACCEPTABLE, "a group's name is empty");
        if (text.n > l->roster_name_bytes)
            return over(iq, JB_LIMIT_roster_name_bytes, "a group's name is too long");
        if (parts->group_count == l->roster_groups)
            return over(iq, JB_LIMIT_roster_groups, "too many groups");
        for (uint16_t i = 0; i < parts->group_count; i++)
            if (jb_str_eq(parts->groups[i], text))
                return JB_FAULT(BAD_REQUEST, "the same group twice");
        parts->groups[parts->group_count++] = text;
    }
    return JB_NO_FAULT;
}

static struct jb_fault read_item(struct iq *iq, uint16_t *node, struct roster_item_parts *parts)
{
    struct jb__arena *arena = &iq->reactor->arena;
    const struct jb_doc *doc = iq_doc(iq);

    *node = jb_node_first(doc, iq->payload);
    if (!*node || jb_node_next(doc, *node) || !jb_node_is(doc, *node, "item", JB_NS_ROSTER))
        return JB_FAULT(BAD_REQUEST, "a roster set has exactly one item");
    if (jb_jid_parse(jb_node_attr(doc, *node, "jid", arena), arena, &parts->jid) != 0)
        return JB_FAULT(BAD_REQUEST, "the item's jid is not an address");
    parts->jid = jb_jid_bare(parts->jid);
    parts->name = jb_node_attr(doc, *node, "name", arena);
    if (parts->name.n > iq->reactor->conf->stream.limits.roster_name_bytes)
        return over(iq, JB_LIMIT_roster_name_bytes, "the name is too long");
    return JB_NO_FAULT;
}

static void on_set(struct iq *iq)
{
    struct user *u = iq->user;
    struct roster_item_parts parts = { 0 };
    uint16_t node;
    struct jb_str wish;
    struct jb_fault fault = read_item(iq, &node, &parts);

    if (fault.condition == JB_STANZA_OK &&
        jb_node_attr_raw(iq_doc(iq), node, "subscription", &wish) && jb_str_eqz(wish, "remove")) {
        remove_contact(iq, parts.jid);
        return;
    }
    if (u->anonymous)
        fault = JB_FAULT(NOT_ALLOWED, "visitors have no roster");
    if (fault.condition == JB_STANZA_OK && jb_jid_eq(parts.jid, u->jid))
        fault = JB_FAULT(NOT_ALLOWED, "nobody is his own contact");
    if (fault.condition == JB_STANZA_OK)
        fault = read_groups(iq, node, &parts);
    struct roster_item *old = roster_find(u, parts.jid);
    uint8_t before = old ? old->state : 0;
    parts.state = before | ROSTER_LISTED;
    parts.request = old ? old->request : JB_STR_NONE;
    if (fault.condition == JB_STANZA_OK && !within_limits(u, before, parts.state))
        fault = JB_FAULT(RESOURCE_CONSTRAINT, "the roster is full");
    if (fault.condition != JB_STANZA_OK) {
        iq_refuse(iq, fault);
        return;
    }
    struct roster_item *item = roster_item_new(&parts);
    if (old)
        drop_item(u, old);
    add_item(u, item);
    commit(u, item, item->jid, true, iq_hold(iq));
}

/* Section 2.3.3: whose roster it is, is looked at before whether there is one, so that the answer
 * tells nothing about the account. */
static enum verdict on_out(struct session *s, struct jb_stanza *stanza, struct jb_fault *fault)
{
    struct jb_jid to = stanza->h.to;
    uint16_t payload = jb_node_first(&stanza->doc, 0);

    if (stanza->h.kind != JB_IQ || stanza->h.type != JB_TYPE_SET || !payload ||
        !jb_node_is(&stanza->doc, payload, "query", JB_NS_ROSTER))
        return NEXT;
    if (!jb_jid_is_set(to) || to.local == 0 || to.resource || jb_jid_eq(to, s->user->jid))
        return NEXT;
    *fault = JB_FAULT(FORBIDDEN, "this is somebody else's roster");
    return REJECT;
}

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    (void)resuming;
    if (!c->authenticated)
        return NEXT;
    jb_xml_leaf(x, "ver", JB_NS_ROSTER_VER, JB_STR_NONE);
    jb_xml_leaf(x, "sub", JB_NS_PRE_APPROVAL, JB_STR_NONE);
    return NEXT;
}

/* ---- befriending ---- */

struct friendship {
    struct mail mail;
    struct jb_jid a, b; /* texts behind the struct; `a` is at home where this is delivered */
};

static void on_friend_ready(struct user *u, void *ctx)
{
    struct friendship *f = ctx;

    if (u->state == USER_READY &&
        roster_set_state(u, f->b, ROSTER_LISTED | ROSTER_TO | ROSTER_FROM, JB_STR_NONE) == 0)
        presence_join(u, f->b);
    jb_free(alloc, f);
}

static void on_friendship(struct reactor *r, struct mail *mail)
{
    struct friendship *f = jb__container_of(mail, struct friendship, mail);

    if (user_when_ready(user_get(r, f->a), on_friend_ready, f) != 0)
        jb_free(alloc, f);
}

static void befriend_one(struct reactor *r, struct jb_jid a, struct jb_jid b)
{
    struct jb_str at = jb_jid_bare_str(a), bt = jb_jid_bare_str(b);
    struct friendship *f = jb_alloc(alloc, sizeof *f + at.n + bt.n);
    char *text = (char *)(f + 1);

    *f = (struct friendship){ .mail.deliver = on_friendship,
                              .a = jb_jid_bare(a),
                              .b = jb_jid_bare(b) };
    f->a.p = memcpy(text, at.p, at.n);
    f->b.p = memcpy(text + at.n, bt.p, bt.n);
    reactor_send(r, router_home(r, a), &f->mail);
}

static enum verdict on_befriend(struct reactor *r, struct jb_jid a, struct jb_jid b)
{
    befriend_one(r, a, b);
    befriend_one(r, b, a);
    return NEXT;
}

const struct module rfc6121_roster = {
    .name = "roster",
    .title = "Roster (RFC 6121)",
    .features = { JB_NS_ROSTER },
    .iqs = { { JB_NS_ROSTER, "query", IQ_GET, TO_OWN, on_get },
             { JB_NS_ROSTER, "query", IQ_SET, TO_OWN, on_set } },
    .hooks = { .out_act = on_out,
               .features = on_features,
               .load = on_load,
               .loaded = on_loaded,
               .unload = on_unload,
               .befriend = on_befriend },
    .user_bytes = sizeof(struct roster),
};
