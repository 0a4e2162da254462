/* SPDX-License-Identifier: MIT */
/* XEP-0077 for those who have an account: a new password, or no account any more. */
#include "base/log.h"
#include "modules/rfc6121_presence.h"
#include "modules/rfc6121_roster.h"
#include "modules/xep0077_names.h"
#include "modules/xep0077_register.h"
#include "server/auth.h"
#include "server/reactor.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* Fills in whose account a request is about, which may also have come through the host's address;
 * refuses what comes from nobody of ours. */
static bool find_member(struct iq *iq)
{
    struct jb_jid from = iq->stanza->h.from;

    if (!iq->user && jb_str_eq(jb_jid_domain(from), jb_jid_str(iq->host->jid)))
        iq->user = user_find(iq->reactor, jb_jid_bare(from));
    if (iq->user && !iq->session)
        iq->session = user_find_session(iq->user, jb_jid_resource(from));
    if (iq->user && iq->session && !iq->user->anonymous)
        return true;
    iq->user = NULL;
    iq->session = NULL;
    iq_refuse(iq, JB_FAULT(REGISTRATION_REQUIRED, "there is no account"));
    return false;
}

void register_on_member_get(struct iq *iq)
{
    if (!find_member(iq))
        return;
    struct jb_xml *x = iq_result(iq);
    jb_xml_open(x, "query", JB_NS_REGISTER);
    jb_xml_leaf(x, "registered", JB_NS_NONE, JB_STR_NONE);
    jb_xml_leaf(x, "username", JB_NS_NONE, jb_jid_local(iq->user->jid));
    jb_xml_leaf(x, "password", JB_NS_NONE, JB_STR_NONE);
    jb_xml_close(x);
    iq_send(iq);
}

/* ---- a new password ---- */

/* Lives from the request to its answer. */
struct change {
    struct iq *iq;  /* held */
    uint32_t flags; /* the account's, which stay */
    size_t bytes;
    char password[];
};

static void end_change(struct change *ch)
{
    explicit_bzero(ch->password, ch->bytes);
    jb_free(alloc, ch);
}

static void refuse_change(struct change *ch)
{
    iq_refuse(ch->iq, JB_FAULT(RESOURCE_CONSTRAINT, "the password cannot be changed now"));
    end_change(ch);
}

static void submit(struct change *ch, struct store_unit *unit)
{
    if (store_unit_submit(unit) == 0)
        return;
    store_unit_free(unit);
    refuse_change(ch);
}

/* Whoever knew the old password is out, but for the one who changed it. */
static void end_other_sessions(struct user *u, struct session *mine)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (s == mine)
            continue;
        session_fail(s, JB_STREAM_RESET, "the password was changed");
        session_end(s);
    }
}

static void on_changed(struct store_unit *unit)
{
    struct change *ch = unit->ctx;
    int rc = unit->rc;

    store_unit_free(unit);
    if (rc != 0) {
        refuse_change(ch);
        return;
    }
    jb_log(JB_LOG_INFO, "password changed", JB_F("jid", jb_jid_str(ch->iq->user->jid)));
    end_other_sessions(ch->iq->user, iq_session(ch->iq));
    iq_done(ch->iq);
    end_change(ch);
}

static void on_hashed(void *ctx, struct jb_str record)
{
    struct change *ch = ctx;
    struct user *u = ch->iq->user;
    struct store_account account = { .domain = jb_jid_domain(u->jid),
                                     .local = jb_jid_local(u->jid),
                                     .credential = record,
                                     .flags = ch->flags };

    if (record.n == 0) {
        refuse_change(ch);
        return;
    }
    struct store_unit *unit = user_store_unit(u, on_changed, ch);
    store_unit_account_put(unit, &account, STORE_REPLACE);
    submit(ch, unit);
}

static void on_read(struct store_unit *unit)
{
    struct change *ch = unit->ctx;
    bool there = unit->rc == 0 && unit->ops->rows;

    if (there)
        ch->flags = unit->ops->rows->flags;
    store_unit_free(unit);
    if (!there ||
        auth_make_credentials(ch->iq->reactor, jb_str(ch->password, ch->bytes), on_hashed, ch) != 0)
        refuse_change(ch);
}

static bool names_himself(const struct iq *iq)
{
    struct jb_str local;

    return jb_jid_prep_local(register_field(iq, "username"), &iq->reactor->arena, &local) == 0 &&
           jb_str_eq(local, jb_jid_local(iq->user->jid));
}

static void change_password(struct iq *iq)
{
    struct jb_str password;
    struct user *u = iq->user;

    if (!module_option(&xep0077_register, iq->host, REGISTER_PASSWORD_CHANGE)->flag) {
        iq_refuse(iq, JB_FAULT(NOT_ALLOWED, NULL));
    } else if (!register_is_safe(iq->session->conn)) {
        iq_refuse(iq, JB_FAULT(NOT_AUTHORIZED, "not over a connection that is not encrypted"));
    } else if (!names_himself(iq)) {
        iq_refuse(iq, JB_FAULT(BAD_REQUEST, "the username is missing, or another's"));
    } else if (!register_password(iq, &password)) {
        iq_refuse(iq, JB_FAULT(BAD_REQUEST, "a password of at least 8 characters is needed"));
    } else {
        struct change *ch = jb_alloc(alloc, sizeof *ch + password.n);
        *ch = (struct change){ .iq = iq_hold(iq), .bytes = password.n };
        memcpy(ch->password, password.p, password.n);
        struct store_unit *unit = user_store_unit(u, on_read, ch);
        store_unit_account_get(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
        submit(ch, unit);
    }
}

/* ---- no account any more ---- */

/* Section 3.2: as if he had taken back every subscription. */
static void leave_contacts(struct user *u)
{
    for (struct roster_item *i = roster_next(u, NULL); i; i = roster_next(u, i))
        presence_part(u, i->jid, i->state);
}

/* What was stored for him while his deletion was on its way: others may have asked or answered him
 * for a subscription. */
static void sweep(struct user *u)
{
    struct store_unit *unit = user_store_unit(u, store_unit_free, NULL);

    store_unit_owner_delete(unit, jb_jid_str(u->jid));
    if (store_unit_submit(unit) != 0)
        store_unit_free(unit);
}

static void on_removed(struct store_unit *unit)
{
    struct iq *iq = unit->ctx;
    struct user *u = iq->user;
    int rc = unit->rc;

    store_unit_free(unit);
    if (rc != 0) {
        iq_refuse(iq, JB_FAULT(RESOURCE_CONSTRAINT, "the account cannot be deleted now"));
        return;
    }
    jb_log(JB_LOG_INFO, "account deleted by its owner", JB_F("jid", jb_jid_str(u->jid)));
    user_pin(u);
    iq_done(iq);
    if (u->state == USER_READY) {
        user_forget(u);
        user_kick(u, JB_STREAM_NOT_AUTHORIZED, "the account was deleted");
        leave_contacts(u);
        user_remove(u);
        sweep(u);
    }
    user_unpin(u);
}

/* The name stays taken: nobody else shall get what is meant for him. */
static void remove_account(struct iq *iq)
{
    const struct jb_doc *doc = iq_doc(iq);
    struct user *u = iq->user;

    if (jb_node_next(doc, jb_node_first(doc, iq->payload))) {
        iq_refuse(iq, JB_FAULT(BAD_REQUEST, "<remove/> stands alone"));
        return;
    }
    if (!module_option(&xep0077_register, iq->host, REGISTER_REMOVAL)->flag) {
        iq_refuse(iq, JB_FAULT(NOT_ALLOWED, NULL));
        return;
    }
    struct iq *held = iq_hold(iq);
    struct store_unit *unit = user_store_unit(u, on_removed, held);
    store_unit_account_delete(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
    names_take(unit, jb_jid_domain(u->jid), jb_jid_local(u->jid));
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit);
        iq_refuse(held, JB_FAULT(RESOURCE_CONSTRAINT, "the account cannot be deleted now"));
    }
}

void register_on_member_set(struct iq *iq)
{
    if (!find_member(iq))
        return;
    if (jb_node_child(iq_doc(iq), iq->payload, "remove", JB_NS_REGISTER))
        remove_account(iq);
    else
        change_password(iq);
}
