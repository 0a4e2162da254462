/* SPDX-License-Identifier: MIT */
#include "server/admin.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "server/boot.h"
#include "server/conn.h"
#include "server/control.h"
#include "server/control_inject.h"
#include "server/control_users.h"
#include "server/metrics.h"
#include "server/profile.h"
#include "server/router.h"
#include "server/sandbox_probe.h"
#include "server/server.h"
#include "server/session.h"
#include "server/session_sm.h"
#include "server/user.h"

#include <stdio.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { PATH_BYTES = 512 };

static struct server *server_of(struct control_call *call)
{
    return control_call_ctx(call);
}

/* ---- a question to all reactors ---- */

struct survey;

/* A reactor's part of the answer, on its way there and back. */
struct survey_part {
    struct mail mail;
    struct survey *survey;
    json_t *answer; /* array; made on the reactor, owned by whoever holds the part */
};

struct survey {
    struct server *server;
    void (*ask)(struct reactor *r, json_t *answer);
    void (*done)(struct control_call *call, json_t *answers); /* takes the array over */
    struct control_call *call;
    json_t *answers;
    unsigned missing;
};

static void on_part_back(struct reactor *r, struct mail *mail)
{
    struct survey_part *part = jb__container_of(mail, struct survey_part, mail);
    struct survey *s = part->survey;

    (void)r;
    json_array_extend(s->answers, part->answer);
    json_decref(part->answer);
    jb_free(alloc, part);
    if (--s->missing > 0)
        return;
    s->done(s->call, s->answers);
    jb_free(alloc, s);
}

static void on_part(struct reactor *r, struct mail *mail)
{
    struct survey_part *part = jb__container_of(mail, struct survey_part, mail);

    part->answer = json_array();
    part->survey->ask(r, part->answer);
    part->mail.deliver = on_part_back;
    reactor_send(r, &r->server->reactors[0], &part->mail);
}

static void ask_all(struct control_call *call, void (*ask)(struct reactor *r, json_t *answer),
                    void (*done)(struct control_call *call, json_t *answers))
{
    struct server *server = server_of(call);
    struct survey *s = jb_alloc(alloc, sizeof *s);

    *s = (struct survey){ .server = server,
                          .ask = ask,
                          .done = done,
                          .call = call,
                          .answers = json_array(),
                          .missing = server->reactor_count };
    for (unsigned i = 0; i < server->reactor_count; i++) {
        struct survey_part *part = jb_alloc(alloc, sizeof *part);
        *part = (struct survey_part){ .mail.deliver = on_part, .survey = s };
        reactor_send(&server->reactors[0], &server->reactors[i], &part->mail);
    }
}

/* ---- sessions ---- */

/* Where it connected to.  Of the query only that there is one: it may hold a secret. */
static void add_target(json_t *session, const struct conn *c)
{
    struct jb_str path, query;
    bool has_query = jb_str_cut(jb_strz(c->target), '?', &path, &query);

    json_object_set_new(session, "path", json_stringn(path.p, path.n));
    json_object_set_new(session, "has_query", json_boolean(has_query));
}

static json_t *session_json(const struct conn *c)
{
    const struct session *s = c->session;
    uint64_t silence_ms = c->reactor->now_ms - c->heard_ms;
    char address[JB__ADDR_TEXT_BYTES], stamp[JB__STAMP_BYTES + 1];

    jb__addr_text_port(&c->address, address);
    jb__clock_stamp(s->bound_us, stamp);
    json_t *answer = json_pack(
        "{s:s%, s:s, s:s, s:b, s:b, s:i, s:I, s:I}", "jid", jb_jid_str(s->jid).p,
        jb_jid_str(s->jid).n, "address", address, "since", stamp, "secure", c->secure, "available",
        session_is_available(s), "priority", s->priority, "silence_ms", (json_int_t)silence_ms,
        "queued_bytes", (json_int_t)c->out.n + (json_int_t)c->stream.out.bytes_unsent);
    add_target(answer, c);
    return answer;
}

/* One that waits for its resumption. */
static json_t *hibernating_json(const struct session *s)
{
    uint64_t now_ms = session_reactor(s)->now_ms, due_ms = s->sm->timer.due_ms;
    char stamp[JB__STAMP_BYTES + 1];

    jb__clock_stamp(s->bound_us, stamp);
    return json_pack("{s:s%, s:s, s:s, s:b, s:i, s:I, s:I}", "jid", jb_jid_str(s->jid).p,
                     jb_jid_str(s->jid).n, "address", "(waits)", "since", stamp, "available",
                     session_is_available(s), "priority", s->priority, "waits_ms",
                     due_ms > now_ms ? (json_int_t)(due_ms - now_ms) : 0, "queued_bytes",
                     (json_int_t)s->sm->rest.out.bytes_unsent +
                         (json_int_t)s->sm->rest.out.bytes_unacked);
}

static void list_sessions(struct reactor *r, json_t *answer)
{
    jb__list_each(it, next, &r->conns)
    {
        const struct conn *c = jb__container_of(it, struct conn, node);
        if (c->session)
            json_array_append_new(answer, session_json(c));
    }
    jb__list_each(waiting, following, &r->hibernating)
    {
        const struct session_sm *sm = jb__container_of(waiting, struct session_sm, node);
        json_array_append_new(answer, hibernating_json(sm->session));
    }
}

static void sessions_done(struct control_call *call, json_t *answers)
{
    control_reply(call, json_pack("{s:o}", "sessions", answers));
}

static void on_sessions(struct control_call *call)
{
    ask_all(call, list_sessions, sessions_done);
}

/* ---- figures ---- */

static void total(const struct server *s, struct counters *sum)
{
    const uint64_t *from;
    uint64_t *to = (uint64_t *)sum;

    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < s->reactor_count; i++) {
        from = (const uint64_t *)&s->published[i];
        for (size_t k = 0; k < sizeof *sum / sizeof *to; k++)
            to[k] += from[k];
    }
}

static void on_stats(struct control_call *call)
{
    struct server *s = server_of(call);
    struct store_front_stats store;
    struct counters sum;
    json_t *result = json_object();

    total(s, &sum);
    store_front_stats(s->store, &store);
#define STATS_ROW(field, name, kind, help) \
    json_object_set_new(result, #field, json_integer((json_int_t)sum.field));
    COUNTERS(STATS_ROW)
#undef STATS_ROW
    json_object_set_new(result, "reactors", json_integer(s->reactor_count));
    json_object_set_new(result, "allocated_bytes", json_integer((json_int_t)jb__counted_bytes()));
    json_object_set_new(result, "store_units", json_integer((json_int_t)store.units));
    json_object_set_new(result, "store_commits", json_integer((json_int_t)store.batches));
    json_object_set_new(result, "store_waiting", json_integer(store.waiting));
    control_reply(call, result);
}

static int put_line(struct jb__buf *out, const char *format, ...) JB_PRINTF(2, 3);

static int put_line(struct jb__buf *out, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    jb_assert(n > 0 && (size_t)n < sizeof line);
    return jb__buf_append(out, line, (size_t)n);
}

static int put_metric(struct jb__buf *out, const char *name, const char *kind, const char *help,
                      uint64_t value)
{
    bool counter = strcmp(kind, "counter") == 0;

    return put_line(out, "# TYPE %s %s\n# HELP %s %s\n%s%s %llu\n", name, kind, name, help, name,
                    counter ? "_total" : "", (unsigned long long)value);
}

static int write_limits(struct jb__buf *out, const struct counters *sum)
{
    int rc = put_line(out, "# TYPE jabiru_limit counter\n"
                           "# HELP jabiru_limit how often a limit was reached\n");

    for (int i = 0; i < JB_LIMIT_COUNT && rc == 0; i++)
        rc = put_line(out, "jabiru_limit_total{limit=\"%s\"} %llu\n", jb_limit_info[i].name,
                      (unsigned long long)sum->limit[i]);
    return rc;
}

static int write_store(struct jb__buf *out, const struct server *s)
{
    struct store_front_stats st;

    store_front_stats(s->store, &st);
    int rc = put_metric(out, "jabiru_store_units", "counter", "requests to the store", st.units);
    if (rc == 0)
        rc = put_metric(out, "jabiru_store_units_failed", "counter", "of these, failed", st.failed);
    if (rc == 0)
        rc = put_metric(out, "jabiru_store_commits", "counter", "transactions", st.batches);
    if (rc == 0)
        rc = put_metric(out, "jabiru_store_waiting", "gauge", "requests waiting", st.waiting);
    return rc;
}

static int write_metrics(void *ctx, struct jb__buf *out)
{
    const struct server *s = ctx;
    struct counters sum;
    int rc = 0;

    total(s, &sum);
#define METRIC_ROW(field, name, kind, help) \
    if (rc == 0)                            \
        rc = put_metric(out, name, kind, help, sum.field);
    COUNTERS(METRIC_ROW)
#undef METRIC_ROW
    if (rc == 0)
        rc = put_metric(out, "jabiru_allocated_bytes", "gauge",
                        "memory taken by the server and its TLS library", jb__counted_bytes());
    if (rc == 0)
        rc = write_limits(out, &sum);
    return rc == 0 ? write_store(out, s) : rc;
}

static bool write_health(void *ctx, struct jb__buf *out)
{
    const struct server *s = ctx;
    bool stopping = s->reactors[0].stopping;
    const char *words = stopping ? "stopping" : s->draining ? "draining" : "ok";

    return jb__buf_append(out, words, strlen(words)) == 0 && !stopping && !s->draining;
}

/* ---- reload, drain ---- */

static void add_change(void *ctx, const struct config_change *change)
{
    json_array_append_new(ctx,
                          json_pack("{s:s, s:s, s:s, s:b}", "key", change->key, "from",
                                    change->from, "to", change->to, "restart", change->restart));
}

static void on_reload(struct control_call *call)
{
    json_t *changes = json_array();
    struct config_error error;

    if (boot_reload(server_of(call), add_change, changes, &error) == 0) {
        control_reply(call, json_pack("{s:o}", "changes", changes));
        return;
    }
    json_decref(changes);
    control_refuse(call, CONTROL_REFUSED, "%s", error.text);
}

/* Also whoever is about to log in; what is for a session from now on waits for its resumption. */
static void drain_sessions(struct reactor *r, json_t *answer)
{
    jb__list_each(it, next, &r->conns)
    {
        struct conn *c = jb__container_of(it, struct conn, node);
        if (c->phase != CONN_STREAM)
            continue;
        json_array_append_new(answer, json_true());
        if (c->session)
            session_lost(c->session);
        if (!c->reason)
            c->reason = "the server is being drained";
        jb_stream_close(&c->stream, c->host ? c->host->config->see_other_uri : JB_STR_NONE);
        conn_mark_dirty(c);
    }
}

static void drain_done(struct control_call *call, json_t *answers)
{
    control_reply(call, json_pack("{s:I}", "sessions", (json_int_t)json_array_size(answers)));
    json_decref(answers);
}

static void on_drain(struct control_call *call)
{
    server_of(call)->draining = true;
    boot_stop_accepting(server_of(call));
    ask_all(call, drain_sessions, drain_done);
}

/* ---- accounts ---- */

static bool host_at(void *ctx, size_t index, struct jb_str *name)
{
    const struct server *s = ctx;
    const struct config *config = s->reactors[0].conf->config;

    if (index >= config->host_count)
        return false;
    *name = config->hosts[index].name;
    return true;
}

struct account_news {
    struct mail mail;
    enum control_users_event event;
    struct jb_jid jid; /* text behind the struct */
};

/* At the user's home: what is known of him there is out of date. */
static void on_account_news(struct reactor *r, struct mail *mail)
{
    struct account_news *n = jb__container_of(mail, struct account_news, mail);
    struct user *u = user_find(r, n->jid);

    if (u) {
        user_pin(u);
        user_kick(u, JB_STREAM_NOT_AUTHORIZED,
                  n->event == CONTROL_USER_DELETED ? "the account was deleted"
                                                   : "the password was changed");
        user_forget(u);
        user_unpin(u);
    }
    jb_free(alloc, n);
}

static void on_account_changed(void *ctx, enum control_users_event event, struct jb_str domain,
                               struct jb_str local)
{
    struct server *s = ctx;
    struct reactor *first = &s->reactors[0];
    struct account_news *n;
    struct jb_jid jid;
    int rc = jb_jid_make(local, domain, JB_STR_NONE, &first->arena, &jid);

    jb_assert(rc == 0);
    if (event == CONTROL_USER_ADDED) {
        user_created(first, jid);
        return;
    }
    n = jb_alloc(alloc, sizeof *n + jb_jid_str(jid).n);
    *n = (struct account_news){ .mail.deliver = on_account_news, .event = event, .jid = jid };
    n->jid.p = memcpy(n + 1, jid.p, jb_jid_str(jid).n);
    reactor_send(first, router_home(first, jid), &n->mail);
}

static void on_imported(void *ctx, struct jb_str domain)
{
    profile_refresh(ctx, domain);
}

static const struct control_command commands[] = {
    CONTROL_USER_COMMANDS,
    { "sessions", on_sessions },
    { "stats", on_stats },
    { "drain", on_drain },
    { "log", control_log_follow },
    { "reload", on_reload },
#ifdef JABIRU_TEST_HOOKS
    { "inject", control_inject },
    { "sandbox-probe", sandbox_probe },
#endif
    { 0 },
};

/* What the control unit keeps pointers to. */
struct admin {
    struct control_users users;
};

static struct admin *new_admin(struct server *s)
{
    struct admin *a = jb_alloc(alloc, sizeof *a);

    a->users = (struct control_users){
        .front = s->store,
        .port = &s->reactors[0].port,
        .host_at = host_at,
        .changed = on_account_changed,
        .imported = on_imported,
        .ctx = s,
    };
    return a;
}

void admin_free(struct server *s)
{
    jb_free(alloc, s->admin);
    s->admin = NULL;
}

/* On the first reactor, whose loop the control socket is on. */
static void count_control_limit(void *ctx)
{
    struct server *s = ctx;

    reactor_count_limit(&s->reactors[0], JB_LIMIT_control_clients);
}

int admin_open(struct server *s)
{
    const struct config *config = s->conf->config;
    struct reactor *first = &s->reactors[0];
    char path[PATH_BYTES];

    s->admin = new_admin(s);
    struct control_options options = {
        .socket_path = path,
        .metrics = config->metrics,
        .max_clients = config->limits.control_clients,
        .commands = commands,
        .ctx = s,
        .limit_reached = count_control_limit,
        .metrics_write = write_metrics,
        .health_write = write_health,
        .users = &s->admin->users,
    };
    int n = snprintf(path, sizeof path, "%s/control.sock", config->data.p);

    if (n < 0 || (size_t)n >= sizeof path)
        return JB_EINVAL;
    return control_open(&first->loop, &options, &s->control);
}
