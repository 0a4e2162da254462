/* SPDX-License-Identifier: MIT */
#include "server/boot.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "core/credentials.h"
#include "server/admin.h"
#include "server/claim.h"
#include "server/conn.h"
#include "server/control.h"
#include "server/identity.h"
#include "server/memory.h"
#include "server/module.h"
#include "server/profile.h"
#include "server/sandbox.h"
#include "server/server.h"
#include "server/session_save.h"
#include "server/session_sm.h"
#include "server/supervisor.h"
#include "server/user.h"
#include "server/welcome.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

enum { EXIT_REFUSED = 1, EXIT_STORE = 74 };

/* What only the first reactor touches. */
struct boot {
    struct boot_options options;
    uv_signal_t signals[3]; /* SIGTERM, SIGINT, SIGHUP */
    uv_timer_t deadline;    /* of the shutdown */
    struct supervisor supervisor;
    struct memory memory;
    int log_fd;
    bool stopping;
    bool reactors_told;
    bool running; /* the reactors' threads were started */
    _Atomic bool store_failed;
};

struct config_modules boot_modules(void)
{
    static struct conf_module list[128];
    static bool made;

    jb_assert(modules_count <= sizeof list / sizeof list[0]);
    for (size_t i = 0; !made && i < modules_count; i++)
        list[i] = (struct conf_module){ modules[i]->name, modules[i]->options };
    made = true;
    return (struct config_modules){ list, modules_count };
}

/* ---- parts of the start ---- */

static int say(const char *what, const char *why)
{
    jb_log(JB_LOG_ERROR, what, JB_FZ("why", why));
    return JB_EIO;
}

static int open_log(const struct config *config, int *out)
{
    int fd = STDERR_FILENO;

    if (!jb_str_eqz(config->log.target, "stderr")) {
        fd = open(config->log.target.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
            return say("cannot open the log file", strerror(errno));
    }
    jb_log_config(config->log.level, config->log.format, fd);
    *out = fd;
    return 0;
}

static int make_folder(const char *path, bool *fresh)
{
    struct stat st;

    *fresh = mkdir(path, 0700) == 0;
    if (*fresh)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        errno = ENOTDIR;
    }
    jb_log(JB_LOG_ERROR, "cannot make the data folder", JB_FZ("folder", path),
           JB_FZ("why", strerror(errno)));
    return JB_EIO;
}

static int open_store(struct server *s)
{
    const struct config *config = s->conf->config;
    const struct store_backend *backend =
        config->storage == CONFIG_STORAGE_MEMORY ? &store_memory : &store_sqlite;
    struct store_options options = {
        .alloc = alloc,
        .folder = config->data.p,
        .durability = config->durability == CONFIG_DURABILITY_POWER ? STORE_DURABLE_POWER
                                                                    : STORE_DURABLE_PROCESS,
    };
    char message[STORE_MESSAGE_BYTES];
    int rc = backend->open(&options, &s->db, message);

    return rc == 0 ? 0 : say("cannot open the store", message);
}

static int keep_secret(void *ctx, const struct store_row *row)
{
    struct server *s = ctx;

    if (row->bytes.n == SERVER_SECRET_BYTES)
        memcpy(s->secret, row->bytes.p, SERVER_SECRET_BYTES);
    return 0;
}

/* The data folder's own secret, made once. */
static int load_secret(struct server *s)
{
    const struct store_space space = { JB_STR(""), JB_STR("server") };
    struct store_db *db = s->db;
    int rc = db->ops->kv_get(db, &space, JB_STR("secret"), keep_secret, s);

    if (rc != JB_ENOTFOUND)
        return rc;
    jb__random(s->secret, sizeof s->secret);
    rc = db->ops->begin(db);
    if (rc == 0)
        rc = db->ops->kv_put(db, &space, JB_STR("secret"),
                             jb_str((const char *)s->secret, sizeof s->secret));
    return rc == 0 ? db->ops->commit(db) : rc;
}

/* An empty server gets a claim link for its first host. */
static int make_claim(struct server *s, struct claim_token *token, bool *made)
{
    const struct host *host = &s->conf->hosts[0];
    struct store_space space = { jb_jid_str(host->jid), JB_STR("claim") };
    struct store_db *db = s->db;
    uint64_t accounts;
    int rc = db->ops->account_count(db, jb_jid_str(host->jid), &accounts);

    *made = rc == 0 && accounts == 0;
    if (!*made)
        return rc;
    claim_token_make(token);
    rc = db->ops->begin(db);
    if (rc == 0)
        rc = db->ops->kv_clear(db, &space);
    if (rc == 0)
        rc = db->ops->kv_put(db, &space, jb_str(token->key, CLAIM_KEY_BYTES), JB_STR_NONE);
    return rc == 0 ? db->ops->commit(db) : rc;
}

static int make_tls(struct conf *conf)
{
    const struct config *config = conf->config;
    struct jb__tls_cert *certs = jb_zalloc(alloc, config->host_count * sizeof *certs);
    const char **names = jb_zalloc(alloc, config->host_count * sizeof *names);
    struct jb__tls_own *own = jb_zalloc(alloc, sizeof *own);
    struct jb__tls_error error = { "" };
    int64_t now_s = jb__clock_wall_us() / 1000000;
    bool wanted = false, need_own = false;
    int rc = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        wanted = wanted || config->listeners[i].tls == CONFIG_TLS_OWN;
    for (size_t i = 0; i < config->host_count; i++) {
        names[i] = conf->hosts[i].ascii.p;
        need_own = need_own || config->hosts[i].tls_certificate.n == 0;
    }
    if (wanted && need_own) {
        own->dir = config->data.p;
        own->hosts = names;
        own->count = config->host_count;
        own->now_s = now_s;
        rc = jb__tls_own_certificate(own, &error);
        if (own->made)
            jb_log(JB_LOG_INFO, "a self-signed certificate was made",
                   JB_FZ("file", own->cert_file));
    }
    for (size_t i = 0; i < config->host_count; i++) {
        const struct config_host *h = &config->hosts[i];
        bool configured = h->tls_certificate.n > 0;
        certs[i] = (struct jb__tls_cert){
            .host = names[i],
            .cert_file = configured ? h->tls_certificate.p : own->cert_file,
            .key_file = configured ? h->tls_key.p : own->key_file,
        };
    }
    if (wanted && rc == 0) {
        struct jb__tls_config tls = {
            .alloc = alloc,
            .certs = certs,
            .count = config->host_count,
            .now_s = now_s,
            .minimum = config->tls_minimum == CONFIG_TLS_1_3 ? JB__TLS_1_3 : JB__TLS_1_2,
        };
        rc = jb__tls_ctx_new(&tls, &conf->tls, &error);
    }
    if (rc != 0)
        say("cannot set up TLS", error.text);
    jb_free(alloc, own);
    jb_free(alloc, names);
    jb_free(alloc, certs);
    return rc;
}

static void open_web(struct server *s)
{
    const char *folder = web_assets_default_folder();
    char why[WEB_ASSETS_WHY_BYTES];

    if (web_assets_open(&s->web.assets, alloc, folder, why) != 0)
        jb_log(JB_LOG_WARN, "the web pages cannot be served", JB_FZ("folder", folder),
               JB_FZ("why", why));
}

static int open_listeners(struct server *s)
{
    const struct config *config = s->conf->config;
    int rc = 0;

    s->listeners = jb_zalloc(alloc, config->listener_count * sizeof *s->listeners);
    for (size_t i = 0; i < config->listener_count && rc == 0; i++) {
        if (s->boot->options.inside)
            listener_init(&s->listeners[i], s, &config->listeners[i]);
        else
            rc = listener_open(&s->listeners[i], s, &config->listeners[i]);
        s->listener_count++;
    }
    return rc;
}

static void on_store_fatal(void *ctx, int rc, const char *message)
{
    struct server *s = ctx;

    jb_log(JB_LOG_ERROR, "the store failed; the server stops", JB_FZ("error", jb_strerror(rc)),
           JB_FZ("why", message));
    s->boot->store_failed = true;
    kill(getpid(), SIGTERM);
}

static int open_front(struct server *s)
{
    struct store_front_options options = { .alloc = alloc,
                                           .limits = &s->conf->stream.limits,
                                           .db = s->db,
                                           .fatal = on_store_fatal,
                                           .fatal_ctx = s };
    int rc = store_front_open(&options, &s->store);

    return rc == 0 ? 0 : say("cannot start the store's thread", jb_strerror(rc));
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void make_reactors(struct server *s)
{
    unsigned count = s->conf->config->reactors;

    if (count == 0)
        count = uv_available_parallelism();
    s->reactor_count = count;
    s->reactors = jb_zalloc(alloc, count * sizeof *s->reactors);
    s->published = jb_zalloc(alloc, count * sizeof *s->published);
    for (unsigned i = 0; i < count; i++)
        reactor_init(&s->reactors[i], s, i);
}

/* ---- reload ---- */

struct adoption {
    struct mail mail;
    struct conf *conf; /* a reference for the reactor */
};

static void on_adopt(struct reactor *r, struct mail *mail)
{
    struct adoption *a = jb__container_of(mail, struct adoption, mail);
    struct conf *old = r->conf;

    r->conf = a->conf;
    jb__list_each(it, next, &r->conns) conn_adopt(jb__container_of(it, struct conn, node));
    conf_unref(old);
    jb_free(alloc, a);
}

/* Adds to the words why a file cannot be read that could be at the start, or that looks right to
 * whoever checks it.  access(2) asks for modes alone; the sandbox refuses open(2). */
static void explain_denial(struct config_error *error)
{
    size_t n = strlen(error->text);
    char *end = error->text + n;

    if (!error->denied[0])
        return;
    if (access(error->denied, R_OK) != 0)
        snprintf(
            end, sizeof error->text - n,
            "; a reload reads as the user that the server works as (uid %ld), not as root: let "
            "its group read the file, or restart",
            (long)getuid());
    else if (sandbox_restricts_files())
        snprintf(end, sizeof error->text - n,
                 "; the sandbox lets a reload read only in folders that the configuration named "
                 "when the server started; others need a restart");
}

int boot_reload(struct server *server,
                void (*report)(void *ctx, const struct config_change *change), void *ctx,
                struct config_error *error)
{
    const struct boot_options *o = &server->boot->options;
    struct config_modules known = boot_modules();
    struct reactor *first = &server->reactors[0];
    const struct config *config;
    int rc = config_load(o->config_file, &o->overrides, &known, &config, error);

    if (rc != 0) {
        explain_denial(error);
        return rc;
    }
    struct conf *conf = conf_new(config);
    rc = make_tls(conf);
    if (rc != 0) {
        snprintf(error->text, sizeof error->text, "the certificates cannot be used; see the log");
        conf_unref(conf);
        return rc;
    }
    config_diff(first->conf->config, config, report, ctx);
    jb_log_config(config->log.level, config->log.format, server->boot->log_fd);
    for (unsigned i = 0; i < server->reactor_count; i++) {
        struct adoption *a = jb_alloc(alloc, sizeof *a);
        *a = (struct adoption){ .mail.deliver = on_adopt, .conf = conf_ref(conf) };
        reactor_send(first, &server->reactors[i], &a->mail);
    }
    conf_unref(conf);
    return 0;
}

static void log_change(void *ctx, const struct config_change *change)
{
    (void)ctx;
    jb_log(JB_LOG_INFO, change->restart ? "changed; needs a restart" : "changed; in force now",
           JB_FZ("key", change->key), JB_FZ("from", change->from), JB_FZ("to", change->to));
}

/* ---- the end ---- */

struct farewell {
    struct mail mail;
    bool force; /* close sockets instead of streams */
};

static void on_farewell(struct reactor *r, struct mail *mail)
{
    struct farewell *f = jb__container_of(mail, struct farewell, mail);

    r->stopping = true;
    jb__list_each(it, next, &r->conns)
    {
        struct conn *c = jb__container_of(it, struct conn, node);
        if (c->session)
            session_lost(c->session); /* the client may resume it after the restart */
        if (!f->force && c->phase == CONN_STREAM) {
            if (!c->reason)
                c->reason = "the server is shutting down";
            jb_stream_fail(&c->stream, JB_STREAM_SYSTEM_SHUTDOWN, "the server is shutting down");
            conn_mark_dirty(c);
        } else {
            conn_close(c, "the server is shutting down");
        }
    }
    jb_free(alloc, f);
}

static void say_farewell(struct server *s, bool force)
{
    for (unsigned i = 0; i < s->reactor_count; i++) {
        struct farewell *f = jb_alloc(alloc, sizeof *f);
        *f = (struct farewell){ .mail.deliver = on_farewell, .force = force };
        reactor_send(&s->reactors[0], &s->reactors[i], &f->mail);
    }
}

static void on_stop(struct reactor *r, struct mail *mail)
{
    jb_free(alloc, mail);
    reactor_stop(r);
}

static void on_control_closed(void *ctx)
{
    struct server *s = ctx;

    for (unsigned i = 0; i < s->reactor_count; i++) {
        struct mail *m = jb_alloc(alloc, sizeof *m);
        m->deliver = on_stop;
        reactor_send(&s->reactors[0], &s->reactors[i], m);
    }
}

void boot_all_gone(struct server *s)
{
    struct boot *b = s->boot;

    if (b->reactors_told)
        return;
    b->reactors_told = true;
    uv_close((uv_handle_t *)&b->deadline, NULL);
    supervisor_stop(&b->supervisor);
    memory_stop(&b->memory);
    control_close(s->control, on_control_closed, s);
}

static void on_deadline(uv_timer_t *timer)
{
    struct server *s = timer->data;

    jb_log(JB_LOG_WARN, "not all clients closed in time; their sockets are closed");
    say_farewell(s, true);
}

void boot_stop_accepting(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        listener_stop(&s->listeners[i]);
}

void boot_stop(struct server *s, const char *reason)
{
    struct boot *b = s->boot;

    if (b->stopping)
        return;
    b->stopping = true;
    jb_log(JB_LOG_INFO, "stopping", JB_FZ("reason", reason));
    supervisor_tell(&b->supervisor, "STOPPING=1");
    boot_stop_accepting(s);
    say_farewell(s, false);
    uv_timer_start(&b->deadline, on_deadline,
                   s->reactors[0].conf->stream.limits.shutdown_timeout_ms, 0);
    s->reactors[0].stopping = true;
    if (s->gate.connections == 0)
        boot_all_gone(s);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *s = handle->data;
    struct config_error error;

    if (number != SIGHUP) {
        boot_stop(s, number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    supervisor_reloading(&s->boot->supervisor);
    if (boot_reload(s, log_change, NULL, &error) == 0) {
        jb_log(JB_LOG_INFO, "configuration reloaded");
    } else {
        jb_log(JB_LOG_ERROR, "configuration not reloaded; the old one stays in force",
               JB_FZ("why", error.text));
    }
    supervisor_tell(&s->boot->supervisor, "READY=1");
}

/* ---- the whole ---- */

static const int watched[] = { SIGTERM, SIGINT, SIGHUP };

/* From the start until somebody watches them: one that comes early must wait, not kill. */
static void hold_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
        sigaddset(&set, watched[i]);
    pthread_sigmask(how, &set, NULL);
}

static void start_first(struct server *s)
{
    struct boot *b = s->boot;
    uv_loop_t *loop = &s->reactors[0].loop;

    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(loop, &b->signals[i]);
        uv_signal_start(&b->signals[i], on_signal, watched[i]);
        b->signals[i].data = s;
        uv_unref((uv_handle_t *)&b->signals[i]); /* they stay to the last: see close_signals */
    }
    uv_timer_init(loop, &b->deadline);
    b->deadline.data = s;
    supervisor_start(&b->supervisor);
    memory_start(&b->memory, loop, MEMORY_LOOK_MS);
    for (size_t i = 0; i < s->listener_count; i++)
        listener_start(&s->listeners[i]);
}

static int prepare(struct server *s, struct claim_token *token, bool *claimable)
{
    const struct config *config = s->conf->config;
    bool fresh;
    int rc = make_folder(config->data.p, &fresh);

    if (rc == 0 && (rc = jb_digests_begin()) != 0)
        say("cannot set up OpenSSL", jb_strerror(rc));
    if (rc == 0)
        rc = open_listeners(s); /* while ports below 1024 can be had */
    if (rc == 0)
        rc = identity_settle(config, fresh);
    if (rc == 0)
        rc = open_store(s);
    if (rc == 0 && (rc = load_secret(s)) != 0)
        say("cannot read the store", s->db->message);
    if (rc == 0 && (rc = make_claim(s, token, claimable)) != 0)
        say("cannot write to the store", s->db->message);
    if (rc == 0)
        rc = make_tls(s->conf);
    if (rc == 0) {
        make_reactors(s);
        if ((rc = profile_load_all(s)) != 0 || (rc = session_saved_begin(s)) != 0)
            say("cannot read the store", s->db->message);
    }
    if (rc == 0)
        rc = sandbox_files(config);
    if (rc == 0)
        rc = open_front(s);
    return rc;
}

static int run(struct server *s, const struct claim_token *token, bool claimable)
{
    if (admin_open(s) != 0) {
        say("cannot open the control socket", strerror(errno));
        return EXIT_REFUSED;
    }
    if (sandbox_calls(s->conf->config) != 0) {
        control_close(s->control, NULL, NULL);
        return EXIT_REFUSED;
    }
    start_first(s);
    hold_signals(SIG_UNBLOCK);
    s->boot->running = true;
    for (unsigned i = 0; i < s->reactor_count; i++) {
        int rc = reactor_start(&s->reactors[i]);
        jb_assert(rc == 0);
    }
    if (s->boot->options.inside)
        s->boot->options.inside(s->boot->options.inside_ctx, s);
    else
        welcome_print(s, claimable ? token->text : NULL);
    supervisor_tell(&s->boot->supervisor, "READY=1");
    for (unsigned i = 0; i < s->reactor_count; i++)
        reactor_join(&s->reactors[i]);
    return s->boot->store_failed ? EXIT_STORE : 0;
}

/* A second SIGTERM must not kill a server that is still writing.  libuv gives a signal its default
 * action back when the last watcher closes, so this comes after everything else. */
static void close_signals(struct server *s)
{
    for (size_t i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&s->boot->signals[i], NULL);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    uv_run(&s->reactors[0].loop, UV_RUN_DEFAULT);
}

/* Works off what is on its way between the reactors, and between them and the store: a message that
 * waited for its user to be loaded is only now written. */
static void drain_reactors(struct server *s)
{
    bool found;

    do {
        found = false;
        if (s->store)
            store_front_settle(s->store);
        for (unsigned i = 0; i < s->reactor_count; i++)
            found = reactor_drain(&s->reactors[i]) || found;
    } while (found);
}

/* What was made and never ran has handles all the same. */
static void close_unstarted(struct reactor *r)
{
    reactor_stop(r);
    uv_run(&r->loop, UV_RUN_DEFAULT);
}

static void take_down(struct server *s)
{
    for (unsigned i = 0; !s->boot->running && i < s->reactor_count; i++)
        close_unstarted(&s->reactors[i]);
    if (s->reactors) {
        drain_reactors(s);
        for (unsigned i = 0; i < s->reactor_count; i++)
            session_save_all(&s->reactors[i]);
        /* Who is unloaded may have something to write, and to hear of it. */
        for (unsigned i = 0; i < s->reactor_count; i++)
            user_free_all(&s->reactors[i]);
        drain_reactors(s);
    }
    if (s->store)
        store_front_close(s->store);
    if (s->boot->running)
        close_signals(s);
    for (unsigned i = 0; i < s->reactor_count; i++)
        reactor_deinit(&s->reactors[i]);
    for (size_t i = 0; i < s->listener_count; i++)
        listener_close(&s->listeners[i]);
    if (s->db)
        s->db->ops->close(s->db);
    admin_free(s);
    gate_deinit(&s->gate);
    web_assets_close(s->web.assets);
    conf_unref(s->conf);
    jb_free(alloc, s->reactors);
    jb_free(alloc, s->published);
    jb_free(alloc, s->listeners);
}

int boot_run(const struct boot_options *options)
{
    struct boot boot = { .options = *options };
    struct server server = { .boot = &boot, .started_ms = jb__clock_mono_ms() };
    struct config_modules known = boot_modules();
    struct config_error error;
    struct claim_token token;
    const struct config *config;
    bool claimable = false;

    modules_init();
    if (config_load(options->config_file, &options->overrides, &known, &config, &error) != 0) {
        fprintf(stderr, "jabirud: %s\n", error.text);
        return EXIT_REFUSED;
    }
    if (open_log(config, &boot.log_fd) != 0) {
        config_unref(config);
        return EXIT_REFUSED;
    }
    hold_signals(SIG_BLOCK);
    (void)signal(SIGPIPE, SIG_IGN);
    supervisor_open(&boot.supervisor, &server);
    raise_descriptor_limit();
    jb__random(&server.hash_key, sizeof server.hash_key);
    gate_init(&server.gate, &server.hash_key);
    server.conf = conf_new(config);
    open_web(&server);
    int status = EXIT_REFUSED;
    if (prepare(&server, &token, &claimable) == 0)
        status = run(&server, &token, claimable);
    take_down(&server);
    supervisor_close(&boot.supervisor);
    return status;
}
