/* SPDX-License-Identifier: MIT */
/* The page of a run: one file that asks nothing of any other, for light and dark screens. */
#include "cli/bench/output.h"
#include "cli/bench/plot.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

static const char style[] =
    ":root{color-scheme:light dark;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--ground:#fff;"
    "--mark:#1a7f64;--bad:#b42318}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--soft:#9198a1;--line:#3d444d;"
    "--ground:#0d1117;--mark:#3fb68b;--bad:#ff7b72}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--ground);"
    "max-width:46rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.6rem;margin:0}p{margin:.3rem 0;color:var(--soft)}.bad{color:var(--bad)}\n"
    "table{border-collapse:collapse;width:100%;margin:1.5rem 0;font-variant-numeric:tabular-nums}\n"
    "td{padding:.25rem .5rem;border-bottom:1px solid "
    "var(--line)}td:nth-child(2){text-align:right}\n"
    "figure{margin:2rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}\n"
    "svg text{font:12px system-ui,sans-serif;fill:var(--soft)}.grid{stroke:var(--line)}\n"
    "polyline{fill:none;stroke:var(--mark);stroke-width:2;stroke-linejoin:round}\n";

/* Text of ours may carry what came from a server. */
static void put_escaped(FILE *to, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        default:
            fputc(*text, to);
        }
    }
}

static void write_head(FILE *to, const struct bench *b)
{
    const struct bench_options *o = &b->options;

    fprintf(to,
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>\n"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>\n"
            "<title>jabiru bench %s</title>\n<style>\n%s</style></head>\n<body>\n"
            "<h1>jabiru bench %s</h1>\n<p>%s, against ",
            b->scenario->name, style, b->scenario->name, b->scenario->words);
    put_escaped(to, o->host_port);
    fprintf(to, " (%s), %u connections", o->tls ? "wss" : "ws", o->connections);
    if (o->rate > 0)
        fprintf(to, ", %g a second", o->rate);
    fputs(".</p>\n", to);
    if (!atomic_load(&b->failed)) {
        fputs("<p>All is accounted for.</p>\n", to);
        return;
    }
    fputs("<p class='bad'>Failed: ", to);
    put_escaped(to, b->why);
    fputs("</p>\n", to);
}

static void write_figures(FILE *to, const struct bench *b)
{
    char text[FIGURE_TEXT_BYTES];

    fputs("<table>\n", to);
    for (unsigned i = 0; i < b->figures.count; i++) {
        const struct figure *f = &b->figures.list[i];
        fprintf(to, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", f->words, figure_text(f, text),
                f->unit);
    }
    fputs("</table>\n", to);
}

/* -- Plots ------------------------------------------------------------------------------------ */

/* Of the plot being written: slots of a histogram or samples. */
static struct plot_point points[HISTOGRAM_SLOTS + BENCH_SAMPLES];

static void write_distribution(FILE *to, const char *title, const struct histogram *h)
{
    struct plot plot = { .title = title,
                         .x_words = "share of all",
                         .y_words = "milliseconds",
                         .points = points,
                         .tail = true };
    uint64_t seen = 0;

    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS && seen < h->count; slot++) {
        if (h->slots[slot] == 0)
            continue;
        points[plot.count++] = (struct plot_point){ (double)seen / (double)h->count,
                                                    (double)histogram_slot_most(slot) / 1e6 };
        seen += h->slots[slot];
    }
    plot_write(to, &plot);
}

static void write_throughput(FILE *to, const struct bench *b, bool logins)
{
    struct plot plot = { .title = logins ? "Logins over time" : "Messages over time",
                         .x_words = "seconds since the start",
                         .y_words = "a second",
                         .points = points };

    for (unsigned i = 1; i < b->sample_count; i++) {
        const struct sample *before = &b->samples[i - 1], *now = &b->samples[i];
        double n = logins ? (double)(now->logins - before->logins)
                          : (double)(now->delivered - before->delivered);
        points[plot.count++] = (struct plot_point){ now->at_s, n / (now->at_s - before->at_s) };
    }
    plot_write(to, &plot);
}

/* While sessions grew in number; what a server frees later is no news about them. */
static void write_memory(FILE *to, const struct bench *b)
{
    struct plot plot = { .title = b->scenario == &scenario_idle ? "Memory over sessions (PSS)"
                                                                : "Memory over sessions (RSS)",
                         .x_words = "sessions",
                         .y_words = "MiB",
                         .points = points };
    uint64_t most = 0;

    for (unsigned i = 0; i < b->sample_count; i++) {
        const struct sample *s = &b->samples[i];
        if (s->ready < most || s->server_kib == 0 || (plot.count > 0 && s->ready == most))
            continue;
        most = s->ready;
        points[plot.count++] =
            (struct plot_point){ (double)s->ready, (double)s->server_kib / 1024 };
    }
    plot_write(to, &plot);
}

static void write_memory_over_time(FILE *to, const struct bench *b)
{
    struct plot plot = { .title = "Memory of the server over time",
                         .x_words = "seconds since the start",
                         .y_words = "MiB",
                         .points = points };

    for (unsigned i = 0; i < b->sample_count; i++)
        points[plot.count++] =
            (struct plot_point){ b->samples[i].at_s, (double)b->samples[i].server_kib / 1024 };
    plot_write(to, &plot);
}

static void write_plots(FILE *to, const struct bench *b)
{
    if (b->latency.count > 0) {
        write_distribution(to, "Latency of messages", &b->latency);
        write_throughput(to, b, false);
    }
    if (b->acks.count > 0)
        write_distribution(to, "Acknowledgement of messages by the server", &b->acks);
    if (b->login.count > 0) {
        write_distribution(to, "Duration of logins", &b->login);
        write_throughput(to, b, true);
    }
    if (b->options.server.root_count > 0) {
        write_memory(to, b);
        write_memory_over_time(to, b);
    }
}

int report_write(const struct bench *b)
{
    const char *file = b->options.report;
    FILE *to = fopen(file, "we");

    if (!to)
        return cli_fail(CLI_IO, "%s: %s", file, strerror(errno));
    write_head(to, b);
    write_figures(to, b);
    write_plots(to, b);
    fputs("</body></html>\n", to);
    bool bad = ferror(to);
    if (fclose(to) != 0 || bad)
        return cli_fail(CLI_IO, "%s: cannot be written", file);
    return CLI_OK;
}
