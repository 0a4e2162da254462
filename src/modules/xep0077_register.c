/* SPDX-License-Identifier: MIT */
/* XEP-0077 In-Band Registration: new accounts, where the host's `registration` is on.
 *
 * A name is refused when an account has it or ever had it, or when it could be taken for such a
 * one.  The name is reserved with the look-up, in one unit of the store: of two who come at once
 * with names that look alike, one finds it taken. */
#include "modules/xep0077_register.h"

#include "base/assert.h"
#include "base/log.h"
#include "modules/xep0077_names.h"
#include "server/auth.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { PASSWORD_LEAST_BYTES = 8, ARENA_BYTES = 64 * 1024 };

/* ---- for both halves ---- */

struct jb_str register_field(const struct iq *iq, const char *name)
{
    const struct jb_doc *doc = iq_doc(iq);
    uint16_t node = jb_node_child(doc, iq->payload, name, JB_NS_REGISTER);

    return node ? jb_node_text(doc, node, &iq->reactor->arena) : JB_STR_NONE;
}

bool register_is_safe(const struct conn *c)
{
    return c->secure || conn_is_loopback(c);
}

bool register_password(const struct iq *iq, struct jb_str *password)
{
    struct jb_str written = register_field(iq, "password");

    return written.n >= PASSWORD_LEAST_BYTES &&
           jb_precis_password(written, &iq->reactor->arena, password) == 0;
}

/* ---- a new account ---- */

/* An account in the making; lives from the request to its answer. */
struct registration {
    struct iq *iq; /* held */
    struct jb__arena arena;
    struct jb_str local; /* prepared; as written when it is no name */
    struct jb_str password;
    bool is_name;
};

static void end(struct registration *reg)
{
    if (reg->password.n)
        explicit_bzero((char *)reg->password.p, reg->password.n);
    jb__arena_deinit(&reg->arena);
    jb_free(alloc, reg);
}

static void refuse(struct registration *reg, struct jb_fault fault)
{
    iq_refuse(reg->iq, fault);
    end(reg);
}

static struct jb_str host_of(const struct registration *reg)
{
    return jb_jid_str(reg->iq->host->jid);
}

static struct store_unit *new_unit(struct registration *reg, void (*done)(struct store_unit *u))
{
    struct reactor *r = reg->iq->reactor;

    return store_unit_new(r->server->store, &r->port, done, reg);
}

static bool submit(struct registration *reg, struct store_unit *unit)
{
    if (store_unit_submit(unit) == 0)
        return true;
    store_unit_free(unit);
    refuse(reg, JB_FAULT(RESOURCE_CONSTRAINT, "the server is busy"));
    return false;
}

static void on_released(struct store_unit *unit)
{
    refuse(unit->ctx, JB_FAULT(RESOURCE_CONSTRAINT, "the account cannot be made now"));
    store_unit_free(unit);
}

/* It came to nothing: the name is free again. */
static void release(struct registration *reg)
{
    struct store_unit *unit = new_unit(reg, on_released);

    names_release(unit, host_of(reg), reg->local);
    (void)submit(reg, unit);
}

static void tell_created(struct registration *reg)
{
    struct reactor *r = reg->iq->reactor;
    struct jb_jid jid;
    int rc = jb_jid_make(reg->local, host_of(reg), JB_STR_NONE, &r->arena, &jid);

    jb_assert(rc == 0);
    user_created(r, jid);
}

static void on_created(struct store_unit *unit)
{
    struct registration *reg = unit->ctx;
    int rc = unit->rc;

    store_unit_free(unit);
    if (rc == JB_EEXIST) { /* by another way, a moment ago: then the name is rightly taken */
        refuse(reg, JB_FAULT(CONFLICT, NULL));
    } else if (rc != 0) {
        release(reg);
    } else {
        jb_log(JB_LOG_INFO, "account registered", JB_F("user", reg->local),
               JB_F("host", host_of(reg)));
        tell_created(reg);
        iq_done(reg->iq);
        end(reg);
    }
}

static void on_hashed(void *ctx, struct jb_str record)
{
    struct registration *reg = ctx;
    struct store_account account = { .domain = host_of(reg),
                                     .local = reg->local,
                                     .credential = record,
                                     .created_us = reg->iq->reactor->now_us };

    if (record.n == 0) {
        release(reg);
        return;
    }
    struct store_unit *unit = new_unit(reg, on_created);
    store_unit_account_put(unit, &account, STORE_CREATE);
    (void)submit(reg, unit);
}

static void on_reserved(struct store_unit *unit)
{
    struct registration *reg = unit->ctx;
    const struct store_op *name = unit->ops;
    const struct store_op *account = name->next;
    bool failed = unit->rc != 0;
    bool taken = !failed && (name->rows || (account && account->rows));

    store_unit_free(unit);
    if (failed)
        refuse(reg, JB_FAULT(RESOURCE_CONSTRAINT, "the server is busy"));
    else if (taken)
        refuse(reg, JB_FAULT(CONFLICT, "the name is taken, or looks like one that is"));
    else if (!reg->is_name)
        refuse(reg, JB_FAULT(NOT_ACCEPTABLE, "this cannot be a name"));
    else if (auth_make_credentials(reg->iq->reactor, reg->password, on_hashed, reg) != 0)
        release(reg);
}

/* The gate has spoken. */
static void on_allowed(void *ctx, enum jb_limit refused)
{
    struct registration *reg = ctx;

    if (refused != JB_LIMIT_COUNT) {
        conn_limit(reg->iq->conn, refused);
        refuse(reg, JB_FAULT(RESOURCE_CONSTRAINT, "too many registrations from this address"));
        return;
    }
    struct store_unit *unit = new_unit(reg, on_reserved);
    names_find(unit, host_of(reg), reg->local);
    if (reg->is_name) {
        store_unit_account_get(unit, host_of(reg), reg->local);
        names_take(unit, host_of(reg), reg->local);
    }
    (void)submit(reg, unit);
}

static void begin(struct iq *iq, struct jb_str username, struct jb_str password)
{
    struct registration *reg = jb_zalloc(alloc, sizeof *reg);
    struct jb_str local;

    jb__arena_init(&reg->arena, alloc, ARENA_BYTES);
    reg->is_name =
        jb_jid_prep_local(username, &iq->reactor->arena, &local) == 0 && jb_jid_is_strict(local);
    reg->local = jb__arena_str(&reg->arena, reg->is_name ? local : username);
    reg->password = jb__arena_str(&reg->arena, password);
    reg->iq = iq_hold(iq);
    gate_ask_register(iq->reactor, &iq->conn->address, on_allowed, reg);
}

/* ---- what a stranger asks ---- */

/* Whether he may ask at all; refuses otherwise. */
static bool is_open(struct iq *iq)
{
    struct jb_jid to = iq->stanza->h.to;

    if (!iq->host->config->registration || (jb_jid_is_set(to) && !jb_jid_eq(to, iq->host->jid))) {
        iq_refuse(iq, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
        return false;
    }
    if (!register_is_safe(iq->conn)) {
        iq_refuse(iq, JB_FAULT(NOT_AUTHORIZED, "not over a connection that is not encrypted"));
        return false;
    }
    return true;
}

static void on_get(struct iq *iq)
{
    if (!is_open(iq))
        return;
    struct jb_xml *x = iq_result(iq);
    jb_xml_open(x, "query", JB_NS_REGISTER);
    jb_xml_leaf(x, "instructions", JB_NS_NONE,
                JB_STR("Choose a name, and a password of at least 8 characters."));
    jb_xml_leaf(x, "username", JB_NS_NONE, JB_STR_NONE);
    jb_xml_leaf(x, "password", JB_NS_NONE, JB_STR_NONE);
    jb_xml_close(x);
    iq_send(iq);
}

static void on_set(struct iq *iq)
{
    struct jb_str username = register_field(iq, "username"), password;

    if (!is_open(iq))
        return;
    if (jb_node_child(iq_doc(iq), iq->payload, "remove", JB_NS_REGISTER))
        iq_refuse(iq, JB_FAULT(UNEXPECTED_REQUEST, "log in first"));
    else if (username.n == 0 || username.n > JB_JID_PART_BYTES)
        iq_refuse(iq, JB_FAULT(NOT_ACCEPTABLE, "a name is needed"));
    else if (!register_password(iq, &password))
        iq_refuse(iq, JB_FAULT(NOT_ACCEPTABLE, "a password of at least 8 characters is needed"));
    else
        begin(iq, username, password);
}

/* ---- names of accounts that were made in another way ---- */

/* Of a user. */
struct known {
    struct store_op *name; /* while loading */
};

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    struct known *k = module_user_data(&xep0077_register, u);
    const struct host *host = user_host(u);

    if (host && host->config->registration)
        k->name = names_find(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct known *k = module_user_data(&xep0077_register, u);
    bool unknown = k->name && !k->name->rows;

    k->name = NULL;
    if (!unknown)
        return NEXT;
    unit = user_store_unit(u, store_unit_free, NULL); /* or else it is noted the next time */
    names_take(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit);
    return NEXT;
}

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    (void)resuming;
    if (!c->authenticated && c->host->config->registration && register_is_safe(c))
        jb_xml_leaf(x, "register", JB_NS_REGISTER_FEATURE, JB_STR_NONE);
    return NEXT;
}

static const struct conf_option options[] = {
    [REGISTER_PASSWORD_CHANGE] = { .name = "password_change",
                                   .type = CONF_BOOL,
                                   .value = "true",
                                   .words = "users may change their passwords" },
    [REGISTER_REMOVAL] = { .name = "removal",
                           .type = CONF_BOOL,
                           .value = "true",
                           .words = "users may delete their accounts" },
    { 0 },
};

const struct module xep0077_register = {
    .name = "register",
    .title = "In-Band Registration",
    .xep = 77,
    .features = { JB_NS_REGISTER },
    .options = options,
    .iqs = { { JB_NS_REGISTER, "query", IQ_GET, TO_STRANGER, on_get },
             { JB_NS_REGISTER, "query", IQ_SET, TO_STRANGER, on_set },
             { JB_NS_REGISTER, "query", IQ_GET, TO_OWN | TO_HOST, register_on_member_get },
             { JB_NS_REGISTER, "query", IQ_SET, TO_OWN | TO_HOST, register_on_member_set } },
    .hooks = { .features = on_features, .load = on_load, .loaded = on_loaded },
    .user_bytes = sizeof(struct known),
};
