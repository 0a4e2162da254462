/* SPDX-License-Identifier: MIT */
/* jabiru bench: loads any server that speaks XMPP over WebSocket, and says what that cost it. */
#include "cli/bench/bench.h"

#include "cli/bench/engine.h"
#include "cli/bench/options.h"
#include "cli/bench/output.h"
#include "cli/bench/progress.h"
#include "cli/bench/tls.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

static const struct scenario *const scenarios[] = {
    &scenario_login,    &scenario_idle,  &scenario_pairs, &scenario_room,
    &scenario_presence, &scenario_storm, &scenario_mix,
};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static const char exit_words[] =
    "\nexit status: 0 done; 1 the server refused or lacks what the scenario needs; 2 wrong usage;\n"
    "3 cannot reach, read or write; 4 messages lost, doubled or out of order, or a session lost\n";

int bench_fail(struct bench *b, int status, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&b->why_lock);
    if (!atomic_load(&b->failed)) {
        b->status = status;
        va_start(args, format);
        /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was, one line up */
        vsnprintf(b->why, sizeof b->why, format, args);
        va_end(args);
        atomic_store(&b->failed, true);
    }
    status = b->status;
    pthread_mutex_unlock(&b->why_lock);
    return status;
}

static void print_overview(FILE *to)
{
    fputs("usage: jabiru bench SCENARIO --url URL [OPTION...]\n\n"
          "Loads a server that speaks XMPP over WebSocket and says what that cost it.  Every "
          "message\n"
          "is accounted for.\n\n",
          to);
    for (int i = 0; i < SCENARIOS; i++)
        fprintf(to, "  %-10s %s\n", scenarios[i]->name, scenarios[i]->words);
    fprintf(to, "\n%s  --help                  more on one scenario: jabiru bench pairs --help\n%s",
            options_words, exit_words);
}

static void print_help(const struct scenario *s)
{
    printf("usage: jabiru bench %s --url URL [OPTION...]\n\n%s.\n\n%s\n%s%s", s->name, s->words,
           s->more, options_words, exit_words);
}

static const struct scenario *find_scenario(const char *name)
{
    for (int i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i]->name, name) == 0)
            return scenarios[i];
    return NULL;
}

/* Each connection is a descriptor. */
static int raise_file_limit(const struct bench_options *o)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)o->connections + 64;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= need)
        return CLI_OK;
    if (limit.rlim_max < need)
        return cli_fail(CLI_IO,
                        "%u connections need as many open files; the limit is %lu (ulimit -Hn)",
                        o->connections, (unsigned long)limit.rlim_max);
    limit.rlim_cur = need;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0
               ? CLI_OK
               : cli_fail(CLI_IO, "the limit of open files cannot be raised");
}

static int run(struct bench *b)
{
    struct bench_options *o = &b->options;
    int status = raise_file_limit(o);

    if (status != CLI_OK)
        return status;
    if (o->tls && bench_tls_begin(b) != 0)
        return cli_fail(CLI_IO, "%s: cannot be read as certificates",
                        o->ca_file ? o->ca_file : "the system's authorities");
    if (process_find(&o->server) != 0)
        return cli_fail(CLI_IO, "there is no such process, or too many (--pid)");
    progress_begin();
    status = engine_start(b);
    if (status == CLI_OK) {
        engine_mark(b, &b->start);
        status = b->scenario->run(b);
    }
    if (status == CLI_OK && o->sm)
        status = engine_leave(b);
    engine_stop(b);
    if (status == CLI_OK || status == BENCH_UNACCOUNTED)
        status = output_write(b, status);
    if (atomic_load(&b->failed))
        cli_fail(b->status, "%s: %s", b->scenario->name, b->why);
    bench_tls_end(b);
    return status;
}

const char *cli_bench_scenario(size_t k, const char **words)
{
    if (k >= SCENARIOS)
        return NULL;
    *words = scenarios[k]->more;
    return scenarios[k]->name;
}

const char *cli_bench_words(void)
{
    return options_words;
}

int cli_bench(int argc, char **argv)
{
    static struct bench b = { .why_lock = PTHREAD_MUTEX_INITIALIZER };
    bool help;

    if (argc < 2 || argv[1][0] == '-') {
        bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
        print_overview(asked ? stdout : stderr);
        return asked ? CLI_OK : CLI_USAGE;
    }
    b.scenario = find_scenario(argv[1]);
    if (!b.scenario)
        return cli_fail(CLI_USAGE, "no such scenario: %s (jabiru bench --help)", argv[1]);
    int status = options_read(&b.options, b.scenario, argc - 1, argv + 1, &help);
    if (status != CLI_OK)
        return status;
    if (help) {
        print_help(b.scenario);
        return CLI_OK;
    }
    status = run(&b);
    explicit_bzero(b.options.password, sizeof b.options.password);
    return status;
}
