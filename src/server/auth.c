/* SPDX-License-Identifier: MIT */
#include "server/auth.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/random.h"
#include "core/sasl.h"
#include "server/conn.h"
#include "server/profile.h"
#include "server/router.h"
#include "server/server.h"
#include "server/user.h"

#include <openssl/sha.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* A SASL exchange.  While the store or the thread pool works for it, it outlives its connection's
 * interest in it. */
struct auth {
    struct conn *conn; /* a reference */
    const struct auth_profile *profile;
    struct jb__sasl_server sasl;
    struct jb__sasl_context ctx;
    struct jb__sasl_hash hash; /* the copy that the pool works on */
    uv_work_t work;
    bool busy;      /* store or pool will come back; the connection is held meanwhile */
    bool cancelled; /* nobody waits for the outcome any more */
    bool disabled;  /* the account is */
    bool known;     /* it exists, and `mark` is of its credentials */
    uint8_t mark[AUTH_MARK_BYTES];
    uint8_t binding[JB__SASL_BINDING_COUNT][JB__BINDING_BYTES];
};

static void step(struct auth *a, enum jb__sasl_step next);

/* ---- what is offered ---- */

static struct jb__sasl_facts facts_of(const struct conn *c)
{
    uint8_t data[JB__BINDING_BYTES];
    struct jb__sasl_facts f = {
        .tls = c->sock.ssl != NULL,
        .loopback = conn_is_loopback(c),
        .tls_outside = c->listener->tls == CONFIG_TLS_OUTSIDE,
        .anonymous = c->host->config->anonymous,
    };

    f.binding[JB__SASL_TLS_EXPORTER] = jb__sock_binding_exporter(&c->sock, data) > 0;
    f.binding[JB__SASL_TLS_SERVER_END_POINT] = jb__sock_binding_end_point(&c->sock, data) > 0;
    return f;
}

uint32_t auth_offered(const struct conn *c)
{
    struct jb__sasl_facts f = facts_of(c);

    return profile_restrict(profile_of(c->reactor, c->host), jb__sasl_offer(&f));
}

bool auth_is_private(const struct conn *c)
{
    return c->sock.ssl || c->listener->tls == CONFIG_TLS_OUTSIDE || conn_is_loopback(c);
}

struct jb_str auth_binding(const struct conn *c, enum jb__sasl_binding binding,
                           uint8_t data[JB__BINDING_BYTES])
{
    size_t n = binding == JB__SASL_TLS_EXPORTER ? jb__sock_binding_exporter(&c->sock, data)
                                                : jb__sock_binding_end_point(&c->sock, data);

    return jb_str((const char *)data, n);
}

static void write_bindings(struct jb_xml *x, const struct jb__sasl_facts *f)
{
    jb_xml_open(x, "sasl-channel-binding", JB_NS_CHANNEL_BINDING);
    for (enum jb__sasl_binding i = 0; i < JB__SASL_BINDING_COUNT; i++) {
        if (!f->binding[i])
            continue;
        jb_xml_open(x, "channel-binding", JB_NS_NONE);
        jb_xml_attr(x, "type", jb__sasl_binding_name(i));
        jb_xml_close(x);
    }
    jb_xml_close(x);
}

void auth_write_mechanisms(uint32_t offered, struct jb_xml *x)
{
    for (enum jb__sasl_mech mech = 0; mech < JB__SASL_MECH_COUNT; mech++)
        if (offered & JB__SASL_BIT(mech))
            jb_xml_leaf(x, "mechanism", JB_NS_NONE, jb__sasl_mech_name(mech));
}

void auth_write_features(struct conn *c, struct jb_xml *x)
{
    struct jb__sasl_facts f = facts_of(c);
    uint32_t offered = profile_restrict(profile_of(c->reactor, c->host), jb__sasl_offer(&f));

    jb_xml_open(x, "mechanisms", JB_NS_SASL);
    auth_write_mechanisms(offered, x);
    jb_xml_close(x);
    if (offered & JB__SASL_ANY_PLUS)
        write_bindings(x, &f);
}

/* ---- the words of RFC 6120 ---- */

static void send_element(struct conn *c, const char *name, struct jb_str text)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, 64 * 1024);
    jb_xml_begin(&x, &buf);
    jb_xml_leaf(&x, name, JB_NS_SASL, text);
    if (jb_xml_end(&x) != 0 || jb_stream_send_raw(&c->stream, jb__buf_str(&buf)) != 0)
        conn_close(c, "no memory for an answer");
    jb__buf_deinit(&buf);
    conn_mark_dirty(c);
}

void auth_write_condition(enum jb__sasl_failure failure, struct jb_xml *x)
{
    char name[64];
    struct jb_str text = jb__sasl_failure_name(failure);

    jb_assert(text.n < sizeof name);
    memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    jb_xml_leaf(x, name, JB_NS_SASL, JB_STR_NONE);
}

static void sasl_failure(struct conn *c, enum jb__sasl_failure failure)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, 1024);
    jb_xml_begin(&x, &buf);
    jb_xml_open(&x, "failure", JB_NS_SASL);
    auth_write_condition(failure, &x);
    jb_xml_close(&x);
    if (jb_xml_end(&x) != 0 || jb_stream_send_raw(&c->stream, jb__buf_str(&buf)) != 0)
        conn_close(c, "no memory for an answer");
    jb__buf_deinit(&buf);
    conn_mark_dirty(c);
}

static void sasl_challenge(struct conn *c, struct jb_str text)
{
    send_element(c, "challenge", text);
}

static void sasl_success(struct conn *c, const struct auth_success *how)
{
    send_element(c, "success", how->text);
}

static void sasl_home(struct conn *c)
{
    conn_release(c); /* the stream is opened again */
}

static void sasl_drop(struct conn *c)
{
    (void)c;
}

static const struct auth_profile sasl_profile = {
    .challenge = sasl_challenge,
    .failure = sasl_failure,
    .success = sasl_success,
    .home = sasl_home,
    .drop = sasl_drop,
};

/* ---- the outcome ---- */

static void log_failure(const struct conn *c, enum jb__sasl_failure failure)
{
    char address[JB__ADDR_TEXT_BYTES];

    jb__addr_text_port(&c->address, address);
    jb_log(JB_LOG_INFO, "login refused", JB_FZ("address", address),
           JB_F("reason", jb__sasl_failure_name(failure)));
}

void auth_fail(struct conn *c, const struct auth_profile *profile, enum jb__sasl_failure failure)
{
    c->reactor->counters.login_failures++;
    log_failure(c, failure);
    profile->failure(c, failure);
    if (failure != JB__SASL_ABORTED)
        gate_tell(c->reactor, GATE_AUTH_FAILED, &c->address);
    if (++c->failures >= conn_limits(c)->auth_attempts) {
        conn_limit(c, JB_LIMIT_auth_attempts);
        c->reason = "too many failed logins";
        jb_stream_fail(&c->stream, JB_STREAM_POLICY_VIOLATION, c->reason);
    }
}

/* At home: the user is loaded with the first stanza that needs him. */
static void on_home(struct conn *c)
{
    if (c->phase != CONN_CLOSED) {
        c->user = c->anonymous ? user_get_anonymous(c->reactor, c->login)
                               : user_get(c->reactor, c->login);
        user_pin(c->user);
    }
    c->profile->home(c);
}

static void take_login(struct conn *c, struct jb_str local)
{
    struct jb_jid jid;
    int rc = jb_jid_make(local, jb_jid_str(c->host->jid), JB_STR_NONE, &c->reactor->arena, &jid);

    jb_assert(rc == 0);
    c->login = jid;
    c->login.p = memcpy(jb_alloc(alloc, jb_jid_str(jid).n), jid.p, jb_jid_str(jid).n);
    jb_free(alloc, (void *)(uintptr_t)c->claimed.p);
    c->claimed = JB_STR_NONE;
}

void auth_succeed(struct conn *c, const struct auth_profile *profile,
                  const struct auth_success *how)
{
    struct reactor *r = c->reactor;
    char id[JB__RANDOM_ID_BYTES + 1], address[JB__ADDR_TEXT_BYTES];

    c->profile = profile;
    c->anonymous = how->local.n == 0;
    jb__random_id(id);
    take_login(c, c->anonymous ? jb_str(id, JB__RANDOM_ID_BYTES) : how->local);
    c->authenticated = c->told_gate = true;
    c->failures = 0;
    r->counters.logins++;
    gate_tell(r, GATE_AUTHENTICATED, &c->address);
    jb__addr_text_port(&c->address, address);
    jb_log(JB_LOG_INFO, "login", JB_FZ("address", address), JB_F("jid", jb_jid_str(c->login)),
           JB_F("mechanism", how->mechanism));
    jb_stream_authenticated(&c->stream);
    conn_hold(c);
    profile->success(c, how);
    conn_move(c, router_home(r, c->login), on_home);
}

/* ---- the exchange ---- */

static void free_auth(struct auth *a)
{
    jb__sasl_server_deinit(&a->sasl);
    jb__sasl_hash_wipe(&a->hash);
    conn_unref(a->conn);
    jb_free(alloc, a);
}

static void end(struct auth *a)
{
    a->conn->auth = NULL;
    free_auth(a);
}

void auth_cancel(struct conn *c)
{
    struct auth *a = c->auth;

    if (!a)
        return;
    c->auth = NULL;
    a->cancelled = true;
    if (!a->busy)
        free_auth(a);
}

/* The store or the pool came back.  False: nobody waits any more, and `a` is gone. */
static bool come_back(struct auth *a)
{
    struct conn *c = a->conn;

    a->busy = false;
    if (!a->cancelled && c->stream.state == JB_STREAM_STATE_OPEN)
        return true;
    if (!a->cancelled) /* the stream is being closed, as when the server stops */
        c->auth = NULL;
    conn_ref(c);
    free_auth(a);
    conn_release(c);
    conn_unref(c);
    return false;
}

/* Goes on after come_back(), then takes the input that waited. */
static void go_on(struct auth *a, enum jb__sasl_step next)
{
    struct conn *c = conn_ref(a->conn);

    step(a, next);
    conn_release(c);
    conn_unref(c);
}

void auth_mark(struct jb_str record, uint8_t mark[AUTH_MARK_BYTES])
{
    SHA256((const unsigned char *)record.p, record.n, mark);
}

static void on_account(struct store_unit *u)
{
    struct auth *a = u->ctx;
    const struct store_op *op = u->ops;
    struct jb_credentials found;
    bool known = u->rc == 0 && op->rc == 0 && op->rows &&
                 jb_credentials_decode(&found, op->rows->bytes.p, op->rows->bytes.n) == 0;

    if (come_back(a)) {
        if (u->rc != 0) {
            a->sasl.failure = JB__SASL_TEMPORARY_AUTH_FAILURE;
            go_on(a, JB__SASL_FAILURE);
        } else {
            if (!known)
                a->ctx.iterations =
                    profile_fake_iterations(profile_of(a->conn->reactor, a->conn->host),
                                            a->conn->reactor, jb__sasl_server_user(&a->sasl));
            a->known = known;
            if (known)
                auth_mark(op->rows->bytes, a->mark);
            a->disabled = known && (op->rows->flags & STORE_ACCOUNT_DISABLED);
            go_on(a, jb__sasl_server_credentials(&a->sasl, known ? &found : NULL));
        }
    }
    if (known)
        jb_credentials_wipe(&found);
    store_unit_free(u);
}

static bool look_up(struct auth *a)
{
    struct reactor *r = a->conn->reactor;
    struct store_unit *u = store_unit_new(r->server->store, &r->port, on_account, a);

    store_unit_account_get(u, jb_jid_str(a->conn->host->jid), jb__sasl_server_user(&a->sasl));
    if (store_unit_submit(u) == 0)
        return true;
    store_unit_free(u);
    return false;
}

static void run_hash(uv_work_t *work)
{
    struct auth *a = work->data;

    jb__sasl_hash_run(&a->hash);
}

static void on_hashed(uv_work_t *work, int status)
{
    struct auth *a = work->data;

    (void)status;
    a->conn->reactor->hash_jobs--;
    if (come_back(a))
        go_on(a, jb__sasl_server_hashed(&a->sasl, &a->hash));
}

/* A reactor may have its share of the waiting hashes; always at least one. */
static bool take_hash_job(struct reactor *r)
{
    unsigned share = r->conf->stream.limits.hash_jobs / r->server->reactor_count;

    if (r->hash_jobs >= (share ? share : 1)) {
        reactor_count_limit(r, JB_LIMIT_hash_jobs);
        return false;
    }
    r->hash_jobs++;
    return true;
}

static bool hash(struct auth *a)
{
    struct reactor *r = a->conn->reactor;

    if (!take_hash_job(r))
        return false;
    a->hash = a->sasl.hash;
    a->work.data = a;
    int rc = uv_queue_work(&r->loop, &a->work, run_hash, on_hashed);
    jb_assert(rc == 0);
    return true;
}

static void succeed(struct auth *a)
{
    struct conn *c = conn_ref(a->conn);
    struct jb__arena *arena = &c->reactor->arena;
    const struct auth_profile *profile = a->profile;
    uint8_t mark[AUTH_MARK_BYTES];
    struct auth_success how = {
        .local = jb__arena_str(arena, jb__sasl_server_user(&a->sasl)),
        .mechanism = jb__sasl_mech_name(a->sasl.mech),
        .text = jb__arena_str(arena, a->sasl.out),
        .mark = a->known ? memcpy(mark, a->mark, sizeof mark) : NULL,
    };

    end(a);
    auth_succeed(c, profile, &how);
    conn_unref(c);
}

/* Who says as whom he acts says the same in the stream's header (XEP-0388 section 2.3). */
static bool contradicts_itself(const struct auth *a)
{
    const struct conn *c = a->conn;
    struct jb_jid jid;

    if (!a->profile->alone || !a->sasl.as_named || c->claimed.n == 0)
        return false;
    int rc = jb_jid_make(jb__sasl_server_user(&a->sasl), jb_jid_str(c->host->jid), JB_STR_NONE,
                         &c->reactor->arena, &jid);
    return rc != 0 || !jb_str_eq(jb_jid_str(jid), c->claimed);
}

static void step(struct auth *a, enum jb__sasl_step next)
{
    struct conn *c = a->conn;
    enum jb__sasl_failure failure = a->sasl.failure;
    bool waits = false;

    switch (next) {
    case JB__SASL_CHALLENGE:
        a->profile->challenge(c, a->sasl.out);
        return;
    case JB__SASL_NEED_CREDENTIALS:
        waits = look_up(a);
        failure = JB__SASL_TEMPORARY_AUTH_FAILURE;
        break;
    case JB__SASL_NEED_HASH:
        waits = hash(a);
        failure = JB__SASL_TEMPORARY_AUTH_FAILURE;
        break;
    case JB__SASL_SUCCESS:
        if (!a->disabled && !contradicts_itself(a)) {
            succeed(a);
            return;
        }
        failure = a->disabled ? JB__SASL_ACCOUNT_DISABLED : JB__SASL_INVALID_AUTHZID;
        break;
    case JB__SASL_FAILURE:
        if (a->sasl.limit != JB_LIMIT_COUNT)
            conn_limit(c, a->sasl.limit);
        break;
    }
    if (waits) {
        a->busy = true;
        conn_hold(c);
        return;
    }
    const struct auth_profile *profile = a->profile;
    end(a);
    auth_fail(c, profile, failure);
}

void auth_begin(struct conn *c, const struct auth_profile *profile, struct jb_str mechanism,
                struct jb_str initial)
{
    struct auth *a = jb_zalloc(alloc, sizeof *a);
    uint8_t nonce[JB__SASL_NONCE_BYTES];

    jb_assert(!c->auth);
    a->conn = conn_ref(c);
    a->profile = c->profile = profile;
    c->auth = a;
    a->ctx = (struct jb__sasl_context){
        .alloc = alloc,
        .limits = conn_limits(c),
        .host = jb_jid_str(c->host->jid),
        .offered = auth_offered(c),
        .secret = c->reactor->server->secret,
        .iterations = c->host->conf->config->scram_iterations,
    };
    for (enum jb__sasl_binding i = 0; i < JB__SASL_BINDING_COUNT; i++)
        a->ctx.binding[i] = auth_binding(c, i, a->binding[i]);
    jb__random(nonce, sizeof nonce);
    struct jb__sasl_request request = { .mech = mechanism, .initial = initial, .nonce = nonce };
    step(a, jb__sasl_server_begin(&a->sasl, &a->ctx, &request));
}

void auth_respond(struct conn *c, struct jb_str text)
{
    jb_assert(c->auth);
    step(c->auth, jb__sasl_server_response(&c->auth->sasl, text));
}

bool auth_is_under_way(const struct conn *c, const struct auth_profile *profile)
{
    return c->auth && c->auth->profile == profile;
}

bool auth_is_alone(const struct conn *c)
{
    return c->auth && c->auth->profile->alone;
}

void auth_on_element(struct conn *c, const struct jb_stream_event *ev)
{
    struct jb__arena *arena = &c->reactor->arena;
    bool may_begin = !c->auth || c->auth->profile == &sasl_profile;

    if (jb_node_is(&ev->doc, 0, "auth", JB_NS_SASL) && may_begin) {
        auth_cancel(c); /* a new exchange replaces the one there is: RFC 6120 section 6.4.2 */
        auth_begin(c, &sasl_profile, jb_node_attr(&ev->doc, 0, "mechanism", arena),
                   jb_node_text(&ev->doc, 0, arena));
    } else if (jb_node_is(&ev->doc, 0, "response", JB_NS_SASL) && c->auth) {
        auth_respond(c, jb_node_text(&ev->doc, 0, arena));
    } else if (jb_node_is(&ev->doc, 0, "abort", JB_NS_SASL)) {
        auth_cancel(c);
        auth_fail(c, &sasl_profile, JB__SASL_ABORTED);
    } else {
        auth_cancel(c);
        auth_fail(c, &sasl_profile, JB__SASL_MALFORMED_REQUEST);
    }
}

/* ---- new passwords ---- */

struct making {
    uv_work_t work;
    struct reactor *reactor;
    uint32_t iterations;
    struct jb__buf password;
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES];
    uint8_t record[JB_CREDENTIALS_BYTES];
    size_t record_bytes; /* 0: it failed */
    void (*done)(void *ctx, struct jb_str record);
    void *ctx;
};

static void run_make(uv_work_t *work)
{
    struct making *m = work->data;
    struct jb_credentials made;
    struct jb_credentials_recipe recipe = { .password = jb__buf_str(&m->password),
                                            .iterations = m->iterations,
                                            .random = m->random };

    if (jb_credentials_make(&made, &recipe, alloc) == 0)
        m->record_bytes = jb_credentials_encode(&made, m->record);
    jb_credentials_wipe(&made);
}

static void on_made(uv_work_t *work, int status)
{
    struct making *m = work->data;

    (void)status;
    m->reactor->hash_jobs--;
    m->done(m->ctx, jb_str((const char *)m->record, m->record_bytes));
    explicit_bzero(m->password.p, m->password.n);
    jb__buf_deinit(&m->password);
    explicit_bzero(m->record, sizeof m->record);
    jb_free(alloc, m);
}

int auth_make_credentials(struct reactor *r, struct jb_str password,
                          void (*done)(void *ctx, struct jb_str record), void *ctx)
{
    if (!take_hash_job(r))
        return JB_EFULL;
    struct making *m = jb_zalloc(alloc, sizeof *m);
    m->reactor = r;
    m->iterations = r->conf->config->scram_iterations;
    m->done = done;
    m->ctx = ctx;
    m->work.data = m;
    jb__random(m->random, sizeof m->random);
    jb__buf_init(&m->password, alloc, 64 * 1024);
    int rc = jb__buf_append(&m->password, password.p, password.n);
    jb_assert(rc == 0);
    rc = uv_queue_work(&r->loop, &m->work, run_make, on_made);
    jb_assert(rc == 0);
    return 0;
}
