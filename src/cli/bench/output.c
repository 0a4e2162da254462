/* SPDX-License-Identifier: MIT */
#include "cli/bench/output.h"

#include "cli/bench/engine.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static void add_times(struct bench *b)
{
    figures_add_times(&b->figures, "latency", &b->latency);
    figures_add_times(&b->figures, "ack", &b->acks);
    figures_add_times(&b->figures, "login", &b->login);
    struct totals t = engine_totals(b);
    figures_add(&b->figures, (struct figure){ "retries", "connections refused and tried again", "",
                                              0, (double)t.retries });
    if (b->lag.count > 0)
        figures_add(&b->figures,
                    (struct figure){ "own_lag_p99_ms", "the load's own delay, 99 % of messages",
                                     "ms", 3, (double)histogram_percentile(&b->lag, 0.99) / 1e6 });
}

static void print_table(const struct bench *b, int status)
{
    char text[FIGURE_TEXT_BYTES];

    printf("%s against %s, %u connections: %s\n\n", b->scenario->name, b->options.host_port,
           b->options.connections, status == CLI_OK ? "all accounted for" : "FAILED");
    for (unsigned i = 0; i < b->figures.count; i++) {
        const struct figure *f = &b->figures.list[i];
        printf("  %-42s %14s %s\n", f->words, figure_text(f, text), f->unit);
    }
}

static json_t *samples_json(const struct bench *b)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < b->sample_count; i++) {
        const struct sample *s = &b->samples[i];
        json_array_append_new(
            list, json_pack("{s:f, s:I, s:I, s:I, s:f, s:f, s:I}", "at_s", s->at_s, "delivered",
                            (json_int_t)s->delivered, "logins", (json_int_t)s->logins, "sessions",
                            (json_int_t)s->ready, "server_cpu_s", s->server_cpu_s, "own_cpu_s",
                            s->own_cpu_s, "server_kib", (json_int_t)s->server_kib));
    }
    return list;
}

static int print_json(const struct bench *b, int status)
{
    const struct bench_options *o = &b->options;
    json_t *figures = json_object();

    for (unsigned i = 0; i < b->figures.count; i++)
        json_object_set_new(figures, b->figures.list[i].key, json_real(b->figures.list[i].value));
    json_t *all = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:f, s:f, s:I, s:s, s:o, s:o}", "scenario", b->scenario->name,
        "server", o->host_port, "ok", status == CLI_OK, "connections", (json_int_t)o->connections,
        "threads", (json_int_t)o->threads, "rate", o->rate, "duration_s", o->duration_s, "window",
        (json_int_t)o->window, "arrivals", engine_gathers(b) ? "stamped" : "read", "figures",
        figures, "samples", samples_json(b));
    int rc = json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
    putchar('\n');
    json_decref(all);
    return rc == 0 ? status : CLI_IO;
}

int output_write(struct bench *b, int status)
{
    add_times(b);
    if (b->options.json)
        status = print_json(b, status);
    else
        print_table(b, status);
    if (b->options.report && report_write(b) != CLI_OK)
        status = CLI_IO;
    return status;
}
