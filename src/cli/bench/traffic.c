/* SPDX-License-Identifier: MIT */
/* What all scenarios with messages do: run, measure, wait for the last ones, settle the account. */
#include "cli/bench/engine.h"
#include "cli/cli.h"

#include <inttypes.h>

static double seconds(const struct mark *from, const struct mark *to)
{
    return (double)(to->at_ns - from->at_ns) / 1e9;
}

/* Until all has arrived, and is acknowledged, or nothing is for the timeout: then it is lost. */
static int drain(struct bench *b)
{
    uint64_t last = 0, moved_ns = bench_now_ns();
    int status = CLI_OK;

    while (status == CLI_OK) {
        struct totals t = engine_totals(b);
        uint64_t now = bench_now_ns();
        if (t.delivered >= t.expected && t.unacked == 0)
            break;
        if (t.delivered + t.acked != last)
            moved_ns = now;
        last = t.delivered + t.acked;
        if ((double)(now - moved_ns) > b->options.timeout_s * 1e9)
            break;
        status = engine_sleep(b, 1);
    }
    return status == CLI_OK ? engine_sleep(b, ENGINE_QUIET_MS) : status;
}

static void account_figures(struct bench *b)
{
    struct totals t = b->end.totals;
    uint64_t lost = t.expected > t.delivered ? t.expected - t.delivered : 0;

    figures_add(&b->figures, (struct figure){ "lost", "messages lost", "", 0, (double)lost });
    figures_add(&b->figures,
                (struct figure){ "twice", "messages that came twice", "", 0, (double)t.twice });
    figures_add(&b->figures,
                (struct figure){ "disorder", "messages out of order", "", 0, (double)t.disorder });
    figures_add(&b->figures, (struct figure){ "strays", "messages to the wrong connection", "", 0,
                                              (double)t.strays });
    if (!b->options.sm)
        return;
    figures_add(&b->figures, (struct figure){ "acked", "messages acknowledged by the server", "", 0,
                                              (double)t.acked });
    figures_add(&b->figures, (struct figure){ "unacked", "messages not acknowledged", "", 0,
                                              (double)t.unacked });
    figures_add(&b->figures,
                (struct figure){ "answers", "acknowledgements that the server asked for", "", 0,
                                 (double)t.answers });
}

static int judge(struct bench *b)
{
    struct totals t = b->end.totals;

    if (t.expected == 0)
        return bench_fail(b, BENCH_UNACCOUNTED, "no message was sent");
    if (t.delivered == t.expected && t.twice + t.disorder + t.strays == 0) {
        if (t.unacked == 0)
            return CLI_OK;
        return bench_fail(b, BENCH_UNACCOUNTED,
                          "all messages arrived, but %" PRIu64 " were never acknowledged",
                          t.unacked);
    }
    return bench_fail(b, BENCH_UNACCOUNTED,
                      "of %" PRIu64 " messages %" PRIu64 " arrived; %" PRIu64
                      " came twice, %" PRIu64 " out of order, %" PRIu64 " at the wrong connection",
                      t.expected, t.delivered, t.twice, t.disorder, t.strays);
}

static void cpu_figures(struct bench *b, const struct figure *server, const struct figure *own)
{
    double s = seconds(&b->from, &b->to);
    double cpu = b->to.server.cpu_s - b->from.server.cpu_s;
    struct figure f = *server;

    if (b->options.server.root_count > 0) {
        f.value = f.value > 0 ? cpu / f.value * 1e6 : 0;
        figures_add(&b->figures, f);
        figures_add(&b->figures, (struct figure){ "server_cpu", "processors that the server used",
                                                  "", 2, cpu / s });
        figures_add(&b->figures, (struct figure){ "server_rss_mib", "memory of the server (RSS)",
                                                  "MiB", 1, (double)b->to.server.rss_kib / 1024 });
    }
    f = *own;
    cpu = b->to.own_cpu_s - b->from.own_cpu_s;
    f.value = f.value > 0 ? cpu / f.value * 1e6 : 0;
    figures_add(&b->figures, f);
    figures_add(&b->figures,
                (struct figure){ "own_cpu", "processors that the load used", "", 2, cpu / s });
}

static void traffic_figures(struct bench *b)
{
    double s = seconds(&b->from, &b->to);
    double n = (double)(b->to.totals.delivered - b->from.totals.delivered);
    struct figure server = { "server_cpu_us_per_message",
                             "CPU of the server for a delivered message", "µs", 2, n };
    struct figure own = { "own_cpu_us_per_message", "CPU of the load for a delivered message", "µs",
                          2, n };

    figures_add(&b->figures, (struct figure){ "measured_s", "measured for", "s", 1, s });
    figures_add(&b->figures, (struct figure){ "messages", "messages delivered", "", 0, n });
    figures_add(&b->figures,
                (struct figure){ "messages_per_s", "messages delivered a second", "", 0, n / s });
    cpu_figures(b, &server, &own);
}

void engine_login_figures(struct bench *b, const struct mark *from, const struct mark *to)
{
    double n = (double)(to->totals.logins - from->totals.logins);
    struct figure server = { "server_cpu_us_per_login", "CPU of the server for a login", "µs", 0,
                             n };
    struct figure own = { "own_cpu_us_per_login", "CPU of the load for a login", "µs", 0, n };

    b->from = *from;
    b->to = *to;
    figures_add(&b->figures,
                (struct figure){ "measured_s", "measured for", "s", 1, seconds(from, to) });
    figures_add(&b->figures, (struct figure){ "logins", "logins", "", 0, n });
    figures_add(&b->figures,
                (struct figure){ "logins_per_s", "logins a second", "", 0, n / seconds(from, to) });
    cpu_figures(b, &server, &own);
}

int engine_traffic(struct bench *b)
{
    const struct bench_options *o = &b->options;
    int status = engine_enter(b, BENCH_RUN, "warming up");

    if (status == CLI_OK)
        status = engine_sleep(b, (uint64_t)(o->warmup_s * 1000));
    if (status == CLI_OK)
        status = engine_enter(b, BENCH_MEASURE, "measuring");
    engine_mark(b, &b->from);
    if (status == CLI_OK)
        status = engine_sleep(b, (uint64_t)(o->duration_s * 1000));
    engine_mark(b, &b->to);
    if (status == CLI_OK)
        status = engine_enter(b, BENCH_DRAIN, "waiting for the last messages");
    if (status == CLI_OK)
        status = drain(b);
    engine_mark(b, &b->end);
    if (status != CLI_OK)
        return status;
    traffic_figures(b);
    account_figures(b);
    return judge(b);
}

int engine_run_traffic(struct bench *b)
{
    int status = engine_connect(b);

    if (status == CLI_OK)
        status = b->scenario->prepare(b);
    return status == CLI_OK ? engine_traffic(b) : status;
}
