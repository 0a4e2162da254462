/* SPDX-License-Identifier: MIT */
/* XEP-0484 Fast Authentication Streamlining Tokens: who has logged in by a password gets a token,
 * and comes back with that.
 *
 * A token is made from the server's secret, the account, the client's user agent, the mechanism, a
 * random id, and the stored credentials of the account; only the id is kept (fast_row.h).  So what
 * is in the store is no token, and a new password ends all of them.  A client has two: the one it
 * uses, and a newer one that it has not used yet.
 *
 * A proof is checked wherever the connection is; what follows is decided at the home of the user,
 * where all rows of his are in memory. */
#include "modules/xep0484_fast.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/random.h"
#include "core/sasl_ht.h"
#include "modules/fast_row.h"
#include "modules/xep0388_sasl2.h"
#include "server/server.h"

#include <openssl/crypto.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str fast_store = JB_STR_INIT("fast");

enum { OPTION_TOKEN_DAYS };
static const int64_t day_us = (int64_t)24 * 3600 * 1000000;

/* Of a user. */
struct fast_user {
    struct fast_row *rows;
    struct store_op *op; /* while loading */
};

static struct fast_user *fast_of(struct user *u)
{
    return module_user_data(&xep0484_fast, u);
}

static struct jb_str key_of(const struct agent *agent)
{
    return jb_str((const char *)agent->key, AGENT_BYTES);
}

/* ---- tokens ---- */

/* Whose, and of which mechanism: what a token is made from beside its id. */
struct origin {
    const struct server *server;
    struct jb_str bare;
    const struct agent *agent;
    const uint8_t *mark; /* AUTH_MARK_BYTES */
    unsigned ht;
};

static struct jb_str make_token(const struct origin *o, const uint8_t id[FAST_ID_BYTES],
                                char text[FAST_TOKEN_BYTES + 1])
{
    static const char head[] = "secret-token:"; /* RFC 8959 */
    const struct jb_str parts[] = { JB_STR("token"),
                                    o->bare,
                                    jb__sasl_ht_name(o->ht),
                                    key_of(o->agent),
                                    jb_str((const char *)id, FAST_ID_BYTES),
                                    jb_str((const char *)o->mark, AUTH_MARK_BYTES) };
    uint8_t digest[SECRET_DIGEST_BYTES];
    size_t n = sizeof head - 1;

    secret_digest(o->server, parts, sizeof parts / sizeof parts[0], digest);
    memcpy(text, head, n);
    n += jb__base64_encode(digest, sizeof digest, text + n);
    jb_assert(n == FAST_TOKEN_BYTES);
    text[n] = '\0';
    OPENSSL_cleanse(digest, sizeof digest);
    return jb_str(text, n);
}

void fast_write_token(const struct fast_token_text *token, struct jb_xml *x)
{
    char stamp[JB__STAMP_BYTES + 1];

    if (!token->text[0])
        return;
    jb__clock_stamp(token->expiry_us, stamp);
    jb_xml_open(x, "token", JB_NS_FAST);
    jb_xml_attrz(x, "expiry", stamp);
    jb_xml_attrz(x, "token", token->text);
    jb_xml_close(x);
}

/* ---- the offer, and what is asked for ---- */

static struct jb_str binding_of(const struct conn *c, unsigned ht, uint8_t data[JB__BINDING_BYTES])
{
    enum jb__sasl_binding binding = jb__sasl_ht_binding(ht);

    return binding == JB__SASL_BINDING_COUNT ? JB_STR_NONE : auth_binding(c, binding, data);
}

static bool is_offered(const struct conn *c, unsigned ht)
{
    uint8_t data[JB__BINDING_BYTES];

    return ht < JB__SASL_HT_COUNT &&
           (jb__sasl_ht_binding(ht) == JB__SASL_BINDING_COUNT || binding_of(c, ht, data).n > 0);
}

void fast_write_offer(const struct conn *c, struct jb_xml *x)
{
    bool has[JB__SASL_BINDING_COUNT + 1] = { [JB__SASL_BINDING_COUNT] = true };
    uint8_t data[JB__BINDING_BYTES];

    if (!module_enabled(&xep0484_fast, c->host))
        return;
    for (enum jb__sasl_binding i = 0; i < JB__SASL_BINDING_COUNT; i++)
        has[i] = auth_binding(c, i, data).n > 0;
    jb_xml_open(x, "fast", JB_NS_FAST);
    for (unsigned ht = 0; ht < JB__SASL_HT_COUNT; ht++)
        if (has[jb__sasl_ht_binding(ht)])
            jb_xml_leaf(x, "mechanism", JB_NS_NONE, jb__sasl_ht_name(ht));
    jb_xml_close(x);
}

bool fast_read(const struct conn *c, const struct jb_doc *doc, struct fast_wish *wish)
{
    uint16_t request = jb_node_child(doc, 0, "request-token", JB_NS_FAST);
    uint16_t fast = jb_node_child(doc, 0, "fast", JB_NS_FAST);
    struct jb_str raw;

    wish->asks = request != 0;
    if (request) {
        wish->asked = jb__sasl_ht_find(jb_node_attr(doc, request, "mechanism", &c->reactor->arena));
        if (!is_offered(c, wish->asked))
            return false;
    }
    wish->uses = fast != 0;
    if (!fast)
        return true;
    wish->invalidates = jb_node_attr_is_true(doc, fast, "invalidate");
    wish->has_count = jb_node_attr_raw(doc, fast, "count", &raw);
    return !wish->has_count || jb__sm_parse_u32(raw, &wish->count);
}

/* ---- logging in with a token ---- */

/* Lives from the lookup of the account to the outcome. */
struct check {
    struct conn *conn; /* a reference; it is held */
    unsigned ht;
    struct jb__buf room; /* the client's message */
    struct jb_str proof; /* in it */
    struct jb_jid jid;   /* whom it names; text in c->sasl2->arena */
    struct agent agent;
};

static void end_check(struct check *ck)
{
    struct conn *c = ck->conn;

    if (ck->room.p)
        OPENSSL_cleanse(ck->room.p, ck->room.n);
    jb__buf_deinit(&ck->room);
    jb_free(alloc, ck);
    conn_release(c);
    conn_unref(c);
}

/* The one of the row's tokens that the client knows, in `text`; NULL: none.  Both are tried in any
 * case, and of an account or a client that does not exist two that nobody has. */
static const struct fast_token *find_token(const struct check *ck, const struct fast_row *row,
                                           const struct origin *o, char text[FAST_TOKEN_BYTES + 1])
{
    const struct fast_token *found = NULL;
    uint8_t data[JB__BINDING_BYTES];
    struct jb_str binding = binding_of(ck->conn, ck->ht, data);
    char made[FAST_TOKEN_BYTES + 1];

    for (int i = 0; i < FAST_TOKENS; i++) {
        const struct fast_token *t = &row->tokens[i];
        struct jb_str token = make_token(o, t->id, made);
        if (jb__sasl_ht_verify(ck->ht, token, binding, ck->proof, alloc) == 0 && t->given &&
            t->ht == ck->ht) {
            found = t;
            memcpy(text, made, sizeof made);
        }
    }
    OPENSSL_cleanse(made, sizeof made);
    return found;
}

static void let_in(struct check *ck, const struct fast_token *t, const struct origin *o,
                   struct jb_str token)
{
    struct conn *c = ck->conn;
    uint8_t data[JB__BINDING_BYTES];
    struct jb__buf answer;

    jb__buf_init(&answer, alloc, JB__BASE64_BYTES(JB_DIGEST_BYTES));
    int rc = jb__sasl_ht_answer(ck->ht, token, binding_of(c, ck->ht, data), &answer);
    jb_assert(rc == 0);
    memcpy(c->sasl2->fast.id, t->id, FAST_ID_BYTES);
    const struct auth_success how = { .local = jb_jid_local(ck->jid),
                                      .mechanism = jb__sasl_ht_name(ck->ht),
                                      .text = jb__buf_str(&answer),
                                      .mark = o->mark };
    auth_succeed(c, &sasl2_profile, &how);
    jb__buf_deinit(&answer);
}

static void judge(struct check *ck, const struct store_op *account, const struct store_op *stored)
{
    struct conn *c = ck->conn;
    const struct fast_wish *wish = &c->sasl2->fast;
    uint8_t mark[AUTH_MARK_BYTES] = { 0 };
    const struct origin o = { c->reactor->server, jb_jid_str(ck->jid), &ck->agent, mark, ck->ht };
    char text[FAST_TOKEN_BYTES + 1];
    struct fast_row row;

    fast_row_decode(&row, key_of(&ck->agent), stored->rows ? stored->rows->bytes : JB_STR_NONE);
    auth_mark(account->rows ? account->rows->bytes : JB_STR_NONE, mark);
    const struct fast_token *t = find_token(ck, &row, &o, text);
    if (!t || !account->rows)
        auth_fail(c, &sasl2_profile, JB__SASL_NOT_AUTHORIZED);
    else if (account->rows->flags & STORE_ACCOUNT_DISABLED)
        auth_fail(c, &sasl2_profile, JB__SASL_ACCOUNT_DISABLED);
    else if (t->expiry_us <= c->reactor->now_us)
        auth_fail(c, &sasl2_profile, JB__SASL_CREDENTIALS_EXPIRED);
    else if (wish->has_count && wish->count <= t->count) /* somebody says it again */
        auth_fail(c, &sasl2_profile, JB__SASL_NOT_AUTHORIZED);
    else
        let_in(ck, t, &o, jb_strz(text));
    OPENSSL_cleanse(text, sizeof text);
}

static void on_found(struct store_unit *unit)
{
    struct check *ck = unit->ctx;
    struct conn *c = ck->conn;
    const struct store_op *account = unit->ops;

    if (c->phase == CONN_STREAM && c->stream.state == JB_STREAM_STATE_OPEN) {
        if (unit->rc == 0)
            judge(ck, account, account->next);
        else
            auth_fail(c, &sasl2_profile, JB__SASL_TEMPORARY_AUTH_FAILURE);
    }
    store_unit_free(unit);
    end_check(ck);
}

/* Takes the client's message apart; what is wrong with it, or JB__SASL_FAILURE_COUNT. */
static enum jb__sasl_failure read_claim(struct check *ck, struct jb_str initial)
{
    struct conn *c = ck->conn;
    struct jb__sasl_ht_claim claim;
    struct jb_str local;

    if (ck->ht == JB__SASL_HT_COUNT || !is_offered(c, ck->ht))
        return JB__SASL_INVALID_MECHANISM;
    if (c->sasl2->agent.n == 0 || jb__sasl_ht_read(initial, &ck->room, &claim) != 0)
        return JB__SASL_MALFORMED_REQUEST;
    if (jb_jid_prep_local(claim.user, &c->sasl2->arena, &local) != 0 ||
        jb_jid_make(local, jb_jid_str(c->host->jid), JB_STR_NONE, &c->sasl2->arena, &ck->jid) != 0)
        return JB__SASL_NOT_AUTHORIZED;
    ck->proof = claim.proof;
    ck->agent = agent_of(c->reactor->server, jb_jid_str(ck->jid), c->sasl2->agent);
    return JB__SASL_FAILURE_COUNT;
}

void fast_authenticate(struct conn *c, struct jb_str mechanism, struct jb_str initial)
{
    struct reactor *r = c->reactor;
    struct check *ck = jb_zalloc(alloc, sizeof *ck);

    ck->conn = conn_ref(c);
    ck->ht = jb__sasl_ht_find(mechanism);
    jb__buf_init(&ck->room, alloc, conn_limits(c)->sasl_message_bytes + 3);
    conn_hold(c);
    enum jb__sasl_failure wrong = read_claim(ck, initial);
    if (wrong == JB__SASL_FAILURE_COUNT) {
        struct store_unit *unit = store_unit_new(r->server->store, &r->port, on_found, ck);
        store_unit_account_get(unit, jb_jid_domain(ck->jid), jb_jid_local(ck->jid));
        store_unit_kv_get(unit, jb_jid_str(ck->jid), fast_store, key_of(&ck->agent));
        if (store_unit_submit(unit) == 0)
            return;
        store_unit_free(unit);
        wrong = JB__SASL_TEMPORARY_AUTH_FAILURE;
    }
    auth_fail(c, &sasl2_profile, wrong);
    end_check(ck);
}

/* ---- at home ---- */

/* A change of a client's tokens on its way to the store. */
struct change {
    struct conn *conn;
    struct user *user;      /* pinned */
    struct fast_row before; /* what becomes of it when it cannot be stored */
    bool must;              /* without it the client may not go on */
    void (*settled)(struct conn *c, bool may_go_on);
};

static void on_changed(struct store_unit *unit)
{
    struct change *ch = unit->ctx;
    struct conn *c = ch->conn;
    struct user *u = ch->user;
    bool stored = unit->rc == 0;
    bool may_go_on = stored || !ch->must;

    if (!stored && u->state == USER_READY)
        fast_row_restore(&fast_of(u)->rows, &ch->before);
    if (!stored && c->sasl2)
        OPENSSL_cleanse(c->sasl2->token.text, sizeof c->sasl2->token.text);
    void (*settled)(struct conn *, bool) = ch->settled;
    store_unit_free(unit);
    jb_free(alloc, ch);
    settled(c, may_go_on);
    user_unpin(u);
}

/* Rows that are of no use any more go, and at the limit the one unused for longest. */
static void make_room(struct user *u, const struct fast_row *keep, struct store_unit *unit)
{
    struct fast_row **rows = &fast_of(u)->rows;
    uint32_t most = u->reactor->conf->stream.limits.fast_tokens;
    struct fast_row *gone;

    while ((gone = fast_row_superfluous(*rows, keep, most, u->reactor->now_us))) {
        if (!fast_row_is_over(gone, u->reactor->now_us))
            reactor_count_limit(u->reactor, JB_LIMIT_fast_tokens);
        store_unit_kv_delete(unit, jb_jid_str(u->jid), fast_store,
                             jb_str((const char *)gone->key, AGENT_BYTES));
        fast_row_remove(rows, gone);
    }
}

static void give_token(struct conn *c, struct fast_row *row, unsigned ht)
{
    struct sasl2 *s = c->sasl2;
    const struct origin o = { c->reactor->server, jb_jid_str(c->login), &c->agent, s->mark, ht };
    int64_t days = module_option(&xep0484_fast, c->host, OPTION_TOKEN_DAYS)->number;
    struct fast_token *t = &row->tokens[FAST_NEXT];

    *t = (struct fast_token){ .given = true,
                              .ht = (uint8_t)ht,
                              .given_us = c->reactor->now_us,
                              .expiry_us = c->reactor->now_us + days * day_us };
    jb__random(t->id, sizeof t->id);
    (void)make_token(&o, t->id, s->token.text);
    s->token.expiry_us = t->expiry_us;
}

/* What a login by a token does to it; NULL: it is gone, or its number was used meanwhile. */
static struct fast_token *use_token(const struct fast_wish *wish, struct fast_row *row,
                                    bool *changed)
{
    struct fast_token *t = row ? fast_row_find_token(row, wish->id) : NULL;

    if (!t || (wish->has_count && wish->count <= t->count))
        return NULL;
    if (wish->has_count)
        t->count = wish->count;
    *changed = wish->has_count || wish->invalidates || t == &row->tokens[FAST_NEXT];
    if (t == &row->tokens[FAST_NEXT]) { /* it has arrived: the one before goes */
        row->tokens[FAST_CURRENT] = *t;
        *t = (struct fast_token){ 0 };
        t = &row->tokens[FAST_CURRENT];
    }
    if (wish->invalidates)
        memset(row->tokens, 0, sizeof row->tokens);
    return t;
}

static bool is_due(const struct fast_token *t, int64_t now_us)
{
    return t->given && now_us - t->given_us > (t->expiry_us - t->given_us) / 2;
}

static void store_change(struct change *ch, struct fast_row *row)
{
    struct user *u = ch->user;
    struct store_unit *unit = user_store_unit(u, on_changed, ch);
    uint8_t bytes[FAST_ROW_BYTES];

    row->used_us = u->reactor->now_us;
    make_room(u, row, unit);
    fast_row_encode(row, bytes);
    if (fast_row_is_over(row, u->reactor->now_us))
        store_unit_kv_delete(unit, jb_jid_str(u->jid), fast_store, key_of(&ch->conn->agent));
    else
        store_unit_kv_put(unit, jb_jid_str(u->jid), fast_store, key_of(&ch->conn->agent),
                          jb_str((const char *)bytes, sizeof bytes));
    user_pin(u);
    int rc = store_unit_submit(unit);
    if (rc != 0) {
        unit->rc = rc;
        on_changed(unit);
    }
}

void fast_settle(struct conn *c, void (*settled)(struct conn *c, bool may_go_on))
{
    const struct sasl2 *s = c->sasl2;
    struct user *u = c->user;
    bool changed = false, asks = s->fast.asks && s->has_mark && c->agent.known;

    if (u->anonymous || u->stale || (!asks && !s->fast.uses)) {
        settled(c, !u->stale || !s->fast.uses);
        return;
    }
    struct fast_row *row = fast_row_find(fast_of(u)->rows, c->agent.key);
    struct change *ch = jb_zalloc(alloc, sizeof *ch);
    *ch = (struct change){ .conn = c, .user = u, .settled = settled };
    if (!row && asks)
        row = fast_row_add(&fast_of(u)->rows, c->agent.key);
    if (row)
        ch->before = *row;
    const struct fast_token *used = s->fast.uses ? use_token(&s->fast, row, &changed) : NULL;
    if (s->fast.uses && !used) {
        jb_free(alloc, ch);
        settled(c, false);
        return;
    }
    ch->must = s->fast.uses && (s->fast.invalidates || s->fast.has_count);
    if (asks || (used && is_due(used, c->reactor->now_us))) {
        give_token(c, row, asks ? s->fast.asked : used->ht);
        changed = true;
    }
    if (changed) {
        store_change(ch, row);
    } else {
        jb_free(alloc, ch);
        settled(c, true);
    }
}

/* ---- in and out of memory ---- */

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    fast_of(u)->op = store_unit_kv_list(unit, jb_jid_str(u->jid), fast_store, JB_STR_NONE, 0);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct fast_user *f = fast_of(u);

    (void)unit;
    for (const struct store_row *row = f->op->rows; row; row = row->next)
        if (row->key.n == AGENT_BYTES)
            fast_row_decode(fast_row_add(&f->rows, (const uint8_t *)row->key.p), row->key,
                            row->bytes);
    f->op = NULL;
    return NEXT;
}

static enum verdict on_unload(struct user *u)
{
    struct fast_user *f = fast_of(u);

    while (f->rows)
        fast_row_remove(&f->rows, f->rows);
    return NEXT;
}

static const struct conf_option options[] = {
    [OPTION_TOKEN_DAYS] = { "token_days", CONF_INT, "21",
                            "days for which a token logs in; a client that comes after half of "
                            "them "
                            "gets another one",
                            .least = 1, .most = 3650 },
    { 0 },
};

const struct module xep0484_fast = {
    .name = "fast",
    .title = "Fast Authentication Streamlining Tokens",
    .xep = 484,
    .options = options,
    .hooks = { .load = on_load, .loaded = on_loaded, .unload = on_unload },
    .user_bytes = sizeof(struct fast_user),
};
