/* SPDX-License-Identifier: MIT */
#include "cli/bench/figures.h"

#include "base/assert.h"

#include <string.h>

void figures_add(struct figures *f, struct figure figure)
{
    jb_assert(f->count < FIGURES);
    f->list[f->count++] = figure;
}

enum { TIMES = 6 };
static const double parts[TIMES] = { 0.5, 0.9, 0.99, 0.999, 1, -1 };

void figures_add_times(struct figures *f, const char *key, const struct histogram *h)
{
    static const struct figure latency[TIMES] = {
        { "latency_p50_ms", "latency, half of the messages", "ms", 3, 0 },
        { "latency_p90_ms", "latency, 90 %", "ms", 3, 0 },
        { "latency_p99_ms", "latency, 99 %", "ms", 3, 0 },
        { "latency_p999_ms", "latency, 99.9 %", "ms", 3, 0 },
        { "latency_max_ms", "latency, longest", "ms", 3, 0 },
        { "latency_mean_ms", "latency, mean", "ms", 3, 0 },
    };
    static const struct figure login[TIMES] = {
        { "login_p50_ms", "login, half of them", "ms", 3, 0 },
        { "login_p90_ms", "login, 90 %", "ms", 3, 0 },
        { "login_p99_ms", "login, 99 %", "ms", 3, 0 },
        { "login_p999_ms", "login, 99.9 %", "ms", 3, 0 },
        { "login_max_ms", "login, longest", "ms", 3, 0 },
        { "login_mean_ms", "login, mean", "ms", 3, 0 },
    };
    static const struct figure ack[TIMES] = {
        { "ack_p50_ms", "acknowledged after, half of the messages", "ms", 3, 0 },
        { "ack_p90_ms", "acknowledged after, 90 %", "ms", 3, 0 },
        { "ack_p99_ms", "acknowledged after, 99 %", "ms", 3, 0 },
        { "ack_p999_ms", "acknowledged after, 99.9 %", "ms", 3, 0 },
        { "ack_max_ms", "acknowledged after, longest", "ms", 3, 0 },
        { "ack_mean_ms", "acknowledged after, mean", "ms", 3, 0 },
    };
    const struct figure *rows = strcmp(key, "latency") == 0 ? latency
                                : strcmp(key, "ack") == 0   ? ack
                                                            : login;

    for (int i = 0; h->count > 0 && i < TIMES; i++) {
        struct figure row = rows[i];
        double ns = parts[i] < 0 ? histogram_mean(h) : (double)histogram_percentile(h, parts[i]);
        row.value = ns / 1e6;
        figures_add(f, row);
    }
}

const struct figure *figures_find(const struct figures *f, const char *key)
{
    for (unsigned i = 0; i < f->count; i++)
        if (strcmp(f->list[i].key, key) == 0)
            return &f->list[i];
    return NULL;
}

const char *figure_text(const struct figure *figure, char out[FIGURE_TEXT_BYTES])
{
    char plain[FIGURE_TEXT_BYTES / 2];
    size_t at = 0;

    snprintf(plain, sizeof plain, "%.*f", figure->decimals, figure->value);
    size_t whole = strcspn(plain, ".");
    for (size_t i = 0; plain[i] && at < FIGURE_TEXT_BYTES - 2; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-')
            out[at++] = ',';
        out[at++] = plain[i];
    }
    out[at] = '\0';
    return out;
}
