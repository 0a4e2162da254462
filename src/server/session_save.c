/* SPDX-License-Identifier: MIT */
#include "server/session_save.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/big_endian.h"
#include "base/log.h"
#include "server/module.h"
#include "server/server.h"
#include "server/session_count.h"
#include "server/session_sm.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

static const struct jb_str session_store = JB_STR_INIT("sm-session");
static const struct jb_str queue_store = JB_STR_INIT("sm-queue");
static const struct jb_str users_store = JB_STR_INIT("sm-users");
static const struct jb_str visitor = JB_STR_INIT("visitor");

enum {
    DOCUMENT_BYTES = 4 * JB_MIB,
    ROW_KEY_BYTES = SESSION_SM_KEY_BYTES + 4,
    LOADS_A_NOTCH = 100, /* users loaded for their saved sessions, each time the wheel turns */
};

/* ---- writing ---- */

static void write_agent(const struct agent *agent, struct jb_xml *x)
{
    char text[JB__BASE64_BYTES(AGENT_BYTES)];

    if (agent->known)
        jb_xml_attr(x, "agent", jb_str(text, jb__base64_encode(agent->key, AGENT_BYTES, text)));
}

static void write_document(struct session *s, struct jb_xml *x)
{
    const struct jb_sm_saved *rest = &s->sm->rest;

    jb_xml_open(x, "session", JB_NS_NONE);
    jb_xml_attr(x, "resource", jb_jid_resource(s->jid));
    jb_xml_attr_u64(x, "bound", (uint64_t)s->bound_us);
    jb_xml_attr_u64(x, "wait", s->sm->wait_ms);
    jb_xml_attr_u64(x, "handled", jb_sm_handled_wire(&rest->sm));
    jb_xml_attr_u64(x, "acked", rest->out.acked - rest->sm.out_base);
    jb_xml_attr_u64(x, "sent", rest->out.most - rest->sm.out_base);
    jb_xml_attr_u64(x, "priority", (uint64_t)(s->priority + 128));
    if (s->interested)
        jb_xml_attrz(x, "interested", "1");
    write_agent(&s->agent, x);
    if (s->presence)
        jb_xml_raw(x, jb_str(s->presence->doc.text, s->presence->doc.bytes));
    (void)hooks_run_all(save, (s, x));
    jb_xml_close(x);
}

static struct jb_str row_key(const uint8_t key[SESSION_SM_KEY_BYTES], uint32_t number,
                             char out[ROW_KEY_BYTES])
{
    memcpy(out, key, SESSION_SM_KEY_BYTES);
    jb__put_number(out + SESSION_SM_KEY_BYTES, number, ROW_KEY_BYTES - SESSION_SM_KEY_BYTES);
    return jb_str(out, ROW_KEY_BYTES);
}

static void write_item(struct session *s, struct store_unit *unit,
                       const struct jb_sendq_item *item, uint32_t number)
{
    char key[ROW_KEY_BYTES], tag[STORE_NUMBER_BYTES];
    struct jb_str pieces[3];
    struct jb__buf buf;
    int rc;

    jb_sendq_item_pieces(item, pieces);
    jb__buf_init(&buf, alloc, SIZE_MAX);
    rc = jb__buf_append(&buf, store_number(item->tag, tag).p, STORE_NUMBER_BYTES);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = pieces[i].n ? jb__buf_append(&buf, pieces[i].p, pieces[i].n) : 0;
    jb_assert(rc == 0);
    store_unit_kv_put(unit, jb_jid_bare_str(s->jid), queue_store, row_key(s->sm->key, number, key),
                      jb__buf_str(&buf));
    jb__buf_deinit(&buf);
}

static void on_saved(struct store_unit *unit)
{
    if (unit->rc != 0)
        jb_log(JB_LOG_WARN, "a session could not be saved; its client will log in anew",
               JB_FZ("why", jb_strerror(unit->rc)));
    store_unit_free(unit);
}

static void save(struct session *s)
{
    struct store_unit *unit = user_store_unit(s->user, on_saved, NULL);
    struct jb_str bare = jb_jid_bare_str(s->jid);
    struct jb_str key = jb_str((const char *)s->sm->key, SESSION_SM_KEY_BYTES);
    const struct session_counter counter = session_sm_counter(s);
    uint32_t number = 0;
    struct jb__buf buf;
    struct jb_xml x;

    /* All is settled: what has to be kept of it is committed, the rest was handled. */
    s->sm->rest.sm.handled = s->sm->rest.received;
    jb__buf_init(&buf, alloc, DOCUMENT_BYTES);
    jb_xml_begin(&x, &buf);
    write_document(s, &x);
    int rc = jb_xml_end(&x);
    store_unit_kv_put(unit, bare, session_store, key, jb__buf_str(&buf));
    jb__buf_deinit(&buf);
    for (const struct jb_sendq_item *i = s->sm->rest.out.first; i; i = i->next)
        if (i->counted)
            write_item(s, unit, i, number++);
    if (counter.kept)
        session_count_write(unit, bare, &counter, s->sm->rest.sm.handled, session_reactor(s)->now_us);
    store_unit_kv_put(unit, JB_STR(""), users_store, bare,
                      s->user->anonymous ? visitor : JB_STR_NONE);
    if (rc == 0)
        rc = store_unit_submit_at_last(unit);
    if (rc != 0) {
        unit->rc = rc;
        on_saved(unit);
    }
}

void session_save_all(struct reactor *r)
{
    while (!jb__list_empty(&r->hibernating)) {
        struct session_sm *sm = jb__container_of(r->hibernating.next, struct session_sm, node);
        save(sm->session);
        session_drop(sm->session);
    }
}

/* ---- reading ---- */

static uint64_t number_of(const struct jb_doc *doc, const char *name)
{
    struct jb_str raw;
    uint64_t value = 0;

    if (jb_node_attr_raw(doc, 0, name, &raw))
        (void)jb_str_u64(raw, UINT64_MAX, &value);
    return value;
}

static bool parse(struct reactor *r, struct jb_str text, struct jb_doc *doc)
{
    static const struct jb_xml_bounds bounds = { .depth = 256,
                                                 .attributes = 64,
                                                 .namespaces = 256,
                                                 .elements = 65000,
                                                 .name_bytes = 1024 };

    return jb_xml_parse(text, &bounds, &r->arena, doc) == JB_XML_OK;
}

/* A row of the queue that belongs to the session with this key. */
static bool is_of(const struct store_row *row, struct jb_str key)
{
    return row->key.n == ROW_KEY_BYTES && row->bytes.n > STORE_NUMBER_BYTES &&
           jb_str_starts(row->key, key);
}

static void revive_queue(struct session *s, struct jb_str key, const struct store_row *rows)
{
    struct jb_sendq *q = &s->sm->rest.out;

    for (const struct store_row *row = rows; row; row = row->next) {
        if (!is_of(row, key))
            continue;
        int64_t tag = store_number_read(jb_str(row->bytes.p, STORE_NUMBER_BYTES));
        int rc = jb_sendq_push_saved(q, jb_str_from(row->bytes, STORE_NUMBER_BYTES), tag);
        jb_assert(rc == 0);
        if (tag)
            (void)hooks_run_all(queued, (s, tag));
    }
}

static struct agent revive_agent(const struct jb_doc *doc)
{
    uint8_t bytes[JB__BASE64_BYTES(AGENT_BYTES)];
    struct agent agent = { .known = false };
    struct jb_str raw;
    size_t n;

    if (jb_node_attr_raw(doc, 0, "agent", &raw) && raw.n == sizeof bytes &&
        jb__base64_decode(raw, bytes, &n) && n == AGENT_BYTES) {
        memcpy(agent.key, bytes, AGENT_BYTES);
        agent.known = true;
    }
    return agent;
}

static void revive_presence(struct session *s, const struct jb_doc *doc)
{
    struct reactor *r = session_reactor(s);
    uint16_t node = jb_node_child(doc, 0, "presence", JB_NS_CLIENT);

    if (node && jb_stanza_new(jb_node_xml(doc, node), &r->arena, alloc, s->bound_us,
                              &s->presence) != 0)
        s->presence = NULL;
    s->priority = (int8_t)((int)number_of(doc, "priority") - 128);
}

/* It was there before, and took in more than is written here: what is written was not taken out in
 * time.  To go on with it would be to forget what its client was told. */
static bool is_outdated(const struct jb_doc *doc, struct jb_str key, const struct store_row *counts)
{
    struct session_count count;

    for (const struct store_row *row = counts; row; row = row->next)
        if (jb_str_eq(row->key, key))
            return session_count_decode(row->bytes, &count) &&
                   count.h != (uint32_t)number_of(doc, "handled");
    return false;
}

/* What belongs to the saved sessions of one user. */
struct saved_rows {
    const struct store_row *queue, *counts;
};

/* False: it is not what was written, or not the last that is known of it. */
static bool revive(struct user *u, const struct store_row *row, const struct saved_rows *saved)
{
    struct jb_doc doc;

    if (row->key.n != SESSION_SM_KEY_BYTES || !parse(u->reactor, row->bytes, &doc) ||
        is_outdated(&doc, row->key, saved->counts))
        return false;
    struct jb_str resource = jb_node_attr(&doc, 0, "resource", &u->reactor->arena);
    if (resource.n == 0 || user_find_session(u, resource))
        return false;
    struct session *s = session_revive(u, resource);
    s->bound_us = (int64_t)number_of(&doc, "bound");
    s->interested = number_of(&doc, "interested");
    s->agent = revive_agent(&doc);
    revive_presence(s, &doc);
    struct session_sm_state state = { .key = (const uint8_t *)row->key.p,
                                      .wait_ms = (uint32_t)number_of(&doc, "wait"),
                                      .handled = (uint32_t)number_of(&doc, "handled"),
                                      .acked = (uint32_t)number_of(&doc, "acked") };
    session_sm_revive(s, &state);
    revive_queue(s, row->key, saved->queue);
    session_sm_revive_sent(s, (uint32_t)number_of(&doc, "sent"));
    (void)hooks_run_all(revived, (s, &doc));
    return true;
}

void session_saved_load(struct user *u, struct store_unit *unit, struct session_saved_ops *ops)
{
    struct jb_str owner = jb_jid_str(u->jid);

    ops->sessions = store_unit_kv_list(unit, owner, session_store, JB_STR_NONE, 0);
    ops->queue = store_unit_kv_list(unit, owner, queue_store, JB_STR_NONE, 0);
}

void session_saved_revive(struct user *u, const struct session_saved_ops *ops)
{
    const struct saved_rows saved = { ops->queue->rows, ops->counts->rows };
    struct jb_str owner = jb_jid_str(u->jid);

    if (!ops->sessions->rows)
        return;
    for (const struct store_row *row = ops->sessions->rows; row; row = row->next)
        if (!revive(u, row, &saved))
            jb_log(JB_LOG_WARN, "a saved session cannot be gone on with", JB_F("jid", owner));
    struct store_unit *unit = user_store_unit(u, store_unit_free, NULL);
    store_unit_kv_clear(unit, owner, session_store);
    store_unit_kv_clear(unit, owner, queue_store);
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit); /* read again after a crash, and then older than its counter */
}

/* ---- the start ---- */

/* A user with saved sessions, who is not loaded yet. */
struct saved_user {
    struct saved_user *next;
    struct jb_jid jid; /* text behind the struct */
};

struct found {
    struct server *server;
    struct jb__arena arena; /* of copies of visitors' addresses */
    struct saved_user *visitors;
};

static struct saved_user *note(struct jb_jid jid, struct saved_user **list)
{
    struct jb_str text = jb_jid_str(jid);
    struct saved_user *n = jb_alloc(alloc, sizeof *n + text.n);

    *n = (struct saved_user){ .next = *list, .jid = jid };
    n->jid.p = memcpy(n + 1, text.p, text.n);
    *list = n;
    return n;
}

static int on_user(void *ctx, const struct store_row *row)
{
    struct found *f = ctx;
    struct reactor *first = &f->server->reactors[0];
    struct jb_jid jid;

    if (jb_jid_parse(row->key, &first->arena, &jid) != 0)
        return 0;
    struct reactor *home = router_home(first, jid);
    (void)note(jid, jb_str_eq(row->bytes, visitor) ? &f->visitors : &home->saved_users);
    return 0;
}

/* Rows of one kv, copied: the store may not be asked while it tells. */
struct rows {
    struct jb__arena *arena;
    const struct store_row *first;
    const struct store_row **end;
};

static int copy_row(void *ctx, const struct store_row *row)
{
    struct rows *rows = ctx;
    struct store_row *copy = jb__arena_alloc(rows->arena, sizeof *copy);

    *copy = *row;
    copy->next = NULL;
    copy->key = jb__arena_str(rows->arena, row->key);
    copy->bytes = jb__arena_str(rows->arena, row->bytes);
    *rows->end = copy;
    rows->end = &copy->next;
    return 0;
}

static int read_rows(struct server *s, struct jb_str owner, struct jb_str store, struct rows *rows)
{
    const struct store_space space = { owner, store };
    static const struct store_page all = { 0 };
    int rc;

    rows->first = NULL;
    rows->end = &rows->first;
    rc = s->db->ops->kv_list(s->db, &space, &all, copy_row, rows);
    return rc == JB_ENOTFOUND ? 0 : rc;
}

/* Nothing of a visitor is loaded later: he is there before anybody asks for him. */
static int revive_visitor(struct server *s, struct jb_jid jid)
{
    struct reactor *r = router_home(&s->reactors[0], jid);
    struct rows sessions = { .arena = &r->arena }, queue = { .arena = &r->arena };
    int rc = read_rows(s, jb_jid_str(jid), session_store, &sessions);

    if (rc == 0)
        rc = read_rows(s, jb_jid_str(jid), queue_store, &queue);
    if (rc != 0 || !sessions.first)
        return rc;
    const struct saved_rows saved = { .queue = queue.first };
    struct user *u = user_get_anonymous(r, jid);
    user_pin(u);
    for (const struct store_row *row = sessions.first; row; row = row->next)
        (void)revive(u, row, &saved);
    user_unpin(u);
    jb__arena_reset(&r->arena);
    return s->db->ops->owner_delete(s->db, jb_jid_str(jid));
}

int session_saved_begin(struct server *s)
{
    const struct store_space space = { JB_STR(""), users_store };
    static const struct store_page all = { 0 };
    struct found f = { .server = s };
    int rc = s->db->ops->kv_list(s->db, &space, &all, on_user, &f);

    if (rc == 0)
        rc = s->db->ops->begin(s->db);
    while (f.visitors) {
        struct saved_user *v = f.visitors;
        f.visitors = v->next;
        if (rc == 0)
            rc = revive_visitor(s, v->jid);
        jb_free(alloc, v);
    }
    if (rc == 0)
        rc = s->db->ops->kv_clear(s->db, &space);
    jb__arena_reset(&s->reactors[0].arena);
    return rc == 0 ? s->db->ops->commit(s->db) : rc;
}

void session_saved_go_on(struct reactor *r)
{
    for (int i = 0; i < LOADS_A_NOTCH && r->saved_users; i++) {
        struct saved_user *n = r->saved_users;
        r->saved_users = n->next;
        (void)user_get(r, n->jid);
        jb_free(alloc, n);
    }
}

void session_saved_free(struct reactor *r)
{
    while (r->saved_users) {
        struct saved_user *n = r->saved_users;
        r->saved_users = n->next;
        jb_free(alloc, n);
    }
}
