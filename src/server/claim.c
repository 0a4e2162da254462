/* SPDX-License-Identifier: MIT */
#include "server/claim.h"

#include "base/assert.h"
#include "base/log.h"
#include "core/http_write.h"
#include "server/auth.h"
#include "server/conn_http.h"
#include "server/module.h"
#include "server/server.h"
#include "server/web.h"

#include <jansson.h>
#include <openssl/sha.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str claim_store_name = JB_STR_INIT("claim");

enum { PASSWORD_LEAST_BYTES = 8 };

static void hash_token(struct jb_str token, char key[CLAIM_KEY_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)token.p, token.n, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        key[2 * i] = hex[digest[i] >> 4];
        key[2 * i + 1] = hex[digest[i] & 15];
    }
}

void claim_token_make(struct claim_token *t)
{
    jb__random_id(t->text);
    hash_token(jb_strz(t->text), t->key);
}

void claim_store(struct store_unit *u, struct jb_str host, const struct claim_token *t,
                 struct jb_str inviter)
{
    store_unit_kv_put(u, host, claim_store_name, jb_str(t->key, CLAIM_KEY_BYTES), inviter);
}

/* A visit to a claim link; lives from the request to its answer. */
struct claim {
    struct conn *conn; /* waits for the answer (conn_http_answer_later) */
    struct conf *conf; /* `host` is of it */
    const struct host *host;
    struct jb__arena arena; /* of the texts below */
    struct jb_str key;      /* the hashed token */
    struct jb_str inviter;  /* bare address; empty: the first visitor, who becomes administrator */
    struct jb_str local;    /* the chosen name, prepared */
    struct jb_str password;
    struct claim_token next; /* for the next user */
    bool head_only;
};

enum { CLAIM_ARENA_BYTES = 64 * 1024 };

static struct claim *begin(struct conn *c, const struct jb__http_request *req, struct jb_str token)
{
    struct claim *cl = jb_zalloc(alloc, sizeof *cl);
    char key[CLAIM_KEY_BYTES];

    cl->conn = c;
    cl->host = web_host(c, req->host);
    cl->conf = conf_ref((struct conf *)cl->host->conf);
    jb__arena_init(&cl->arena, alloc, CLAIM_ARENA_BYTES);
    hash_token(token, key);
    cl->key = jb__arena_str(&cl->arena, jb_str(key, sizeof key));
    conn_http_answer_later(c);
    return cl;
}

static void end(struct claim *cl)
{
    struct conn *c = cl->conn;

    if (cl->password.n)
        explicit_bzero((char *)cl->password.p, cl->password.n);
    conf_unref(cl->conf);
    jb__arena_deinit(&cl->arena);
    jb_free(alloc, cl);
    conn_http_answered(c);
}

static bool still_there(const struct claim *cl)
{
    return cl->conn->phase == CONN_HTTP;
}

static void refuse(struct claim *cl, unsigned status, const char *field, const char *words)
{
    json_t *answer = json_pack("{s:s, s:s}", "field", field, "error", words);
    char *text = json_dumps(answer, JSON_COMPACT);

    if (still_there(cl))
        web_send_json(cl->conn, status, jb_strz(text));
    free(text);
    json_decref(answer);
    end(cl);
}

static void refuse_for_now(struct claim *cl)
{
    refuse(cl, 503, "form", "The server is busy; please try again. The link is still good.");
}

static struct store_unit *new_unit(struct claim *cl, void (*done)(struct store_unit *u))
{
    struct reactor *r = cl->conn->reactor;

    return store_unit_new(r->server->store, &r->port, done, cl);
}

/* False: `done` will not be called; the claim was refused. */
static bool submit(struct claim *cl, struct store_unit *u)
{
    if (store_unit_submit(u) == 0)
        return true;
    store_unit_free(u);
    refuse_for_now(cl);
    return false;
}

static struct jb_str host_name(const struct claim *cl)
{
    return jb_jid_str(cl->host->jid);
}

/* Whoever has the first link becomes administrator, and it may lie in an old log: with the first
 * account, however that was made, it is worth nothing any more. */
static bool is_outdated(const struct store_op *get, const struct store_op *count)
{
    return get->rows && get->rows->bytes.n == 0 && count->totals.count > 0;
}

/* ---- GET: the form ---- */

static void on_looked_up(struct store_unit *u)
{
    struct claim *cl = u->ctx;
    const struct store_op *op = u->ops;

    if (still_there(cl) && u->rc == 0 && op->rows && !is_outdated(op, op->next)) {
        struct web_value values[] = {
            { JB_STR("inviter"), op->rows->bytes },
            { JB_STR("domain"), host_name(cl) },
        };
        web_send_template(cl->conn, "claim.html", 200, values, 2);
    } else if (still_there(cl) && u->rc != 0) {
        web_send_error(cl->conn, 503, "The server cannot look up this link; please try again.");
    } else if (still_there(cl)) {
        struct web_value words[] = {
            { JB_STR("words"), JB_STR("This link has been used or was never given out.\n") },
        };
        web_send_template(cl->conn, "claim_gone.html", 410, words, 1);
    }
    store_unit_free(u);
    end(cl);
}

static void show(struct claim *cl)
{
    struct store_unit *u = new_unit(cl, on_looked_up);

    store_unit_kv_get(u, host_name(cl), claim_store_name, cl->key);
    store_unit_account_count(u, host_name(cl));
    (void)submit(cl, u);
}

/* ---- POST: the account ---- */

static void answer_created(struct claim *cl, struct jb_jid jid)
{
    char second[64];
    json_t *contact = json_null();

    snprintf(second, sizeof second, "/claim/%s", cl->next.text);
    if (cl->inviter.n)
        contact = json_stringn(cl->inviter.p, cl->inviter.n);
    json_t *answer =
        json_pack("{s:s%, s:o, s:o}", "jid", jb_jid_str(jid).p, jb_jid_str(jid).n, "second",
                  cl->inviter.n ? json_null() : json_string(second), "contact", contact);
    char *text = json_dumps(answer, JSON_COMPACT);

    if (still_there(cl))
        web_send_json(cl->conn, 200, jb_strz(text));
    free(text);
    json_decref(answer);
}

static void refuse_stored(struct claim *cl, int rc)
{
    if (rc == JB_ENOTFOUND)
        refuse(cl, 410, "form", "This link has been used.");
    else if (rc == JB_EEXIST)
        refuse(cl, 409, "username", "This name is taken; please choose another one.");
    else
        refuse(cl, 503, "form",
               "The server could not store the account; please try again later. The link is still "
               "good.");
}

/* The account is there and the link is gone, or neither is so. */
static void on_created(struct store_unit *u)
{
    struct claim *cl = u->ctx;
    struct reactor *r = cl->conn->reactor;
    char address[JB__ADDR_TEXT_BYTES];
    struct jb_jid jid, inviter;
    int rc = u->rc;

    store_unit_free(u);
    if (rc != 0) {
        refuse_stored(cl, rc);
        return;
    }
    rc = jb_jid_make(cl->local, host_name(cl), JB_STR_NONE, &cl->arena, &jid);
    jb_assert(rc == 0);
    user_created(r, jid);
    jb__addr_text_port(&cl->conn->address, address);
    jb_log(JB_LOG_INFO, "account claimed", JB_FZ("address", address), JB_F("jid", jb_jid_str(jid)),
           JB_FZ("role", cl->inviter.n ? "user" : "administrator"));
    if (cl->inviter.n && jb_jid_parse(cl->inviter, &cl->arena, &inviter) == 0)
        (void)hooks_run(befriend, cl->host, (r, inviter, jid));
    answer_created(cl, jid);
    end(cl);
}

static void on_hashed(void *ctx, struct jb_str record)
{
    struct claim *cl = ctx;
    struct jb_jid jid;

    if (record.n == 0) {
        refuse_for_now(cl);
        return;
    }
    struct store_unit *u = new_unit(cl, on_created);
    struct store_account account = {
        .domain = host_name(cl),
        .local = cl->local,
        .credential = record,
        .created_us = cl->conn->reactor->now_us,
        .flags = cl->inviter.n ? 0 : STORE_ACCOUNT_ADMIN,
    };
    /* Of two who come at once, one finds the link gone. */
    store_unit_kv_take(u, host_name(cl), claim_store_name, cl->key);
    store_unit_account_put(u, &account, STORE_CREATE);
    if (cl->inviter.n == 0) {
        int rc = jb_jid_make(cl->local, host_name(cl), JB_STR_NONE, &cl->arena, &jid);
        jb_assert(rc == 0);
        claim_token_make(&cl->next);
        claim_store(u, host_name(cl), &cl->next, jb_jid_str(jid));
    }
    (void)submit(cl, u);
}

/* What is known before the password is hashed. */
static void on_asked(struct store_unit *u)
{
    struct claim *cl = u->ctx;
    const struct store_op *get = u->ops;
    const struct store_op *account = get->next;
    bool outdated = u->rc == 0 && is_outdated(get, account->next);
    bool exists = u->rc == 0 && account->rows;
    int rc = u->rc == 0 && !get->rows ? JB_ENOTFOUND : u->rc;

    if (rc == 0)
        cl->inviter = jb__arena_str(&cl->arena, get->rows->bytes);
    store_unit_free(u);
    if (outdated) {
        refuse(cl, 410, "form",
               "There are accounts already. Who else administrates says the option `admins`.");
    } else if (rc != 0 || exists) {
        refuse_stored(cl, rc != 0 ? rc : JB_EEXIST);
    } else if (auth_make_credentials(cl->conn->reactor, cl->password, on_hashed, cl) != 0) {
        refuse_for_now(cl);
    }
}

/* Reads {"username": ..., "password": ...}; false: refused. */
static bool read_form(struct claim *cl, struct jb_str body)
{
    json_t *form = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(form, "username"));
    const char *password = json_string_value(json_object_get(form, "password"));
    struct jb_str prepared;
    const char *field = NULL, *words = NULL;

    if (!name || !password) {
        field = "form";
        words = "A name and a password are needed.";
    } else if (jb_jid_prep_local(jb_strz(name), &cl->arena, &prepared) != 0 ||
               !jb_jid_is_strict(prepared)) {
        field = "username";
        words = "This cannot be a name; letters and digits always can.";
    } else if (strlen(password) < PASSWORD_LEAST_BYTES ||
               jb_precis_password(jb_strz(password), &cl->arena, &cl->password) != 0) {
        field = "password";
        words = "Please use at least 8 characters, and no control characters.";
    } else {
        cl->local = jb__arena_str(&cl->arena, prepared);
        cl->password = jb__arena_str(&cl->arena, jb_strz(password));
    }
    json_decref(form);
    if (field)
        refuse(cl, 400, field, words);
    return !field;
}

static void create(struct claim *cl, struct jb_str body)
{
    if (!read_form(cl, body))
        return;
    struct store_unit *u = new_unit(cl, on_asked);
    store_unit_kv_get(u, host_name(cl), claim_store_name, cl->key);
    store_unit_account_get(u, host_name(cl), cl->local);
    store_unit_account_count(u, host_name(cl));
    (void)submit(cl, u);
}

void claim_handle(struct conn *c, const struct jb__http_request *req, struct jb_str token,
                  struct jb_str body)
{
    struct claim *cl = begin(c, req, token);

    if (req->method == JB__HTTP_POST)
        create(cl, body);
    else
        show(cl);
}
