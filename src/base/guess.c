/* SPDX-License-Identifier: MIT */
#include "base/guess.h"

enum { GUESS_BYTES = 64 };

/* Damerau-Levenshtein with adjacent swaps, over names short enough for a table on the stack. */
static size_t edit_distance(struct jb_str a, struct jb_str b)
{
    size_t d[3][GUESS_BYTES + 1];

    if (a.n > GUESS_BYTES || b.n > GUESS_BYTES)
        return GUESS_BYTES;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = d[i % 3], *above = d[(i + 2) % 3], *above2 = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = above[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
            if (swapped && above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return d[a.n % 3][b.n];
}

void jb__guess_begin(struct jb__guess *g, struct jb_str name)
{
    /* A third of the letters wrong is the most that still looks like a slip. */
    *g = (struct jb__guess){ name, NULL, (name.n + 2) / 3 + 1 };
}

void jb__guess_offer(struct jb__guess *g, const char *candidate)
{
    size_t distance = edit_distance(g->name, jb_strz(candidate));

    if (distance < g->distance) {
        g->distance = distance;
        g->best = candidate;
    }
}
