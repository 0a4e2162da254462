/* SPDX-License-Identifier: MIT */
/* Sessions are opened and held: what does one cost that does nothing? */
#include "cli/bench/engine.h"
#include "cli/cli.h"

static void on_ready(struct conn *c)
{
    (void)c;
}

static void on_text(struct conn *c, struct jb_str text)
{
    (void)c;
    (void)text;
}

static void memory_figures(struct bench *b, const struct mark *held)
{
    double n = b->options.connections;
    const struct process_use *before = &b->start.server, *after = &held->server;

    figures_add(&b->figures, (struct figure){ "sessions", "sessions held", "", 0, n });
    if (b->options.server.root_count == 0)
        return;
    figures_add(&b->figures,
                (struct figure){ "pss_bytes_per_session", "memory of a session (PSS)", "bytes", 0,
                                 ((double)after->pss_kib - (double)before->pss_kib) * 1024 / n });
    figures_add(&b->figures,
                (struct figure){ "anon_bytes_per_session", "of that, heap and stacks", "bytes", 0,
                                 ((double)after->anon_kib - (double)before->anon_kib) * 1024 / n });
    figures_add(&b->figures, (struct figure){ "pss_mib_before", "server without sessions (PSS)",
                                              "MiB", 1, (double)before->pss_kib / 1024 });
    figures_add(&b->figures, (struct figure){ "pss_mib_after", "server with all of them (PSS)",
                                              "MiB", 1, (double)after->pss_kib / 1024 });
}

static int run(struct bench *b)
{
    struct mark ready, held;

    engine_mark_memory(b, &b->start);
    int status = engine_connect(b);
    if (status != CLI_OK)
        return status;
    engine_mark(b, &ready);
    status = engine_quiet(b);
    if (status != CLI_OK)
        return status;
    struct mark quiet;
    engine_mark(b, &quiet);
    b->doing = "holding";
    status = engine_sleep(b, (uint64_t)(b->options.duration_s * 1000));
    engine_mark_memory(b, &held);
    if (status != CLI_OK)
        return status;
    memory_figures(b, &held);
    engine_login_figures(b, &b->start, &ready);
    if (b->options.server.root_count > 0)
        figures_add(&b->figures, (struct figure){ "idle_cpu_percent",
                                                  "CPU of the server while all were idle", "%", 2,
                                                  (held.server.cpu_s - quiet.server.cpu_s) * 1e11 /
                                                      (double)(held.at_ns - quiet.at_ns) });
    return CLI_OK;
}

static void defaults(struct bench_options *o)
{
    o->connections = 1000;
    o->duration_s = 5;
}

const struct scenario scenario_idle = {
    .name = "idle",
    .words = "Sessions log in and do nothing: memory of each",
    .more =
        "The growth of the server's memory (PSS) from before the first login until --duration\n"
        "seconds after the last one, divided by the sessions.  Needs --pid.\n\n"
        "example: jabiru bench idle --url ws://127.0.0.1:5280/xmpp-websocket --auth anonymous\\\n"
        "             --domain localhost --connections 10000 --pid $(pidof jabirud)\n",
    .defaults = defaults,
    .run = run,
    .on_ready = on_ready,
    .on_text = on_text,
};
