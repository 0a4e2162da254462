/* SPDX-License-Identifier: MIT */
#include "cli/bench/progress.h"

#include "cli/bench/engine.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void progress_begin(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool progress_interrupted(void)
{
    return interrupted;
}

/* Of the last second or so. */
static double recent_rate(const struct bench *b)
{
    unsigned n = b->sample_count, back = n > 10 ? 10 : n - 1;

    if (n < 2)
        return 0;
    const struct sample *a = &b->samples[n - 1 - back], *z = &b->samples[n - 1];
    return (double)(z->delivered - a->delivered) / (z->at_s - a->at_s);
}

void progress_draw(struct bench *b)
{
    struct totals t = engine_totals(b);

    if (!isatty(STDERR_FILENO))
        return;
    b->drawn_ns = b->sampled_ns;
    fprintf(stderr,
            "\r%s: %s, %.0f s, %" PRIu64 " sessions, %" PRIu64 " logins, %" PRIu64
            " messages, %.0f a second\033[K",
            b->scenario->name, b->doing, (double)(b->sampled_ns - b->began_ns) / 1e9, t.ready,
            t.logins, t.delivered, recent_rate(b));
    fflush(stderr);
}

void progress_end(struct bench *b)
{
    if (b->drawn_ns)
        fputs("\r\033[K", stderr);
}
