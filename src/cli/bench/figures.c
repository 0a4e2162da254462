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
#define TIMES_OF(key, words, half)                                                                 \
    {                                                                                              \
        { key "_p50_ms", words ", " half, "ms", 3, 0 }, { key "_p90_ms", words ", 90 %", "ms", 3, 0 }, \
            { key "_p99_ms", words ", 99 %", "ms", 3, 0 },                                         \
            { key "_p999_ms", words ", 99.9 %", "ms", 3, 0 },                                      \
            { key "_max_ms", words ", longest", "ms", 3, 0 },                                      \
            { key "_mean_ms", words ", mean", "ms", 3, 0 },                                        \
    }
    static const struct figure latency[TIMES] = TIMES_OF("latency", "latency", "half of the messages");
    static const struct figure login[TIMES] = TIMES_OF("login", "login", "half of them");
    static const struct figure ack[TIMES] =
        TIMES_OF("ack", "acknowledged after", "half of the messages");
#undef TIMES_OF
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
