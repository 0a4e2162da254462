/* SPDX-License-Identifier: MIT */
/* jabiru admin sessions|stats|drain|log|reload: what only a running server can answer. */
#include "cli/cli.h"
#include "cli/server_link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef bool print_result(void *ctx, const json_t *result);

static bool print_json(void *ctx, const json_t *result)
{
    (void)ctx;
    if (json_dumpf(result, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
        return false;
    return fflush(stdout) == 0;
}

/* Runs a command; each progress goes to `each`, the final result to `last` (either may be NULL). */
static int ask(const struct cli_args *args, const char *command, print_result *each,
               print_result *last, void *ctx)
{
    struct server_link link;
    json_t *result;
    int rc = server_link_open(&link, args->data);

    if (rc == JB_ENOTFOUND)
        return cli_fail(CLI_IO, "no server runs on %s", args->data);
    if (rc != 0)
        return cli_fail(CLI_IO, "%s", link.message);
    if (args->json) {
        each = each ? print_json : NULL;
        last = last ? print_json : NULL;
    }
    rc = server_link_call(&link, command, NULL, each, ctx, &result);
    if (rc == 0 && last && result)
        last(ctx, result);
    json_decref(result);
    server_link_close(&link);
    return rc == 0 ? CLI_OK : cli_fail(cli_status(rc), "%s", link.message);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "-";
}

/* A value of any type as one word. */
static void print_value(const json_t *v)
{
    if (json_is_string(v))
        fputs(json_string_value(v), stdout);
    else if (json_is_integer(v))
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else
        json_dumpf(v, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
}

static bool print_sessions(void *ctx, const json_t *result)
{
    const json_t *session;
    size_t i;

    (void)ctx;
    json_array_foreach(json_object_get(result, "sessions"), i, session)
        printf("%-48s %-39s %s\n", text_of(session, "jid"), text_of(session, "address"),
               text_of(session, "since"));
    return fflush(stdout) == 0;
}

static bool print_pairs(void *ctx, const json_t *result)
{
    void *it;

    (void)ctx;
    for (it = json_object_iter((json_t *)(uintptr_t)result); it;
         it = json_object_iter_next((json_t *)(uintptr_t)result, it)) {
        printf("%-32s ", json_object_iter_key(it));
        print_value(json_object_iter_value(it));
        putchar('\n');
    }
    return fflush(stdout) == 0;
}

struct drain {
    json_int_t left, told;
};

static bool print_drain(void *ctx, const json_t *result)
{
    struct drain *d = ctx;

    d->left = json_integer_value(json_object_get(result, "sessions"));
    if (d->left != d->told)
        printf("%" JSON_INTEGER_FORMAT " sessions left\n", d->left);
    d->told = d->left;
    return fflush(stdout) == 0;
}

static bool print_line(void *ctx, const json_t *result)
{
    const json_t *lost = json_object_get(result, "lost");

    (void)ctx;
    if (lost)
        printf("(%" JSON_INTEGER_FORMAT " lines lost: this reader was too slow)\n",
               json_integer_value(lost));
    else
        puts(text_of(result, "line"));
    return fflush(stdout) == 0;
}

static bool print_changes(void *ctx, const json_t *result)
{
    const json_t *changes = json_object_get(result, "changes"), *change;
    bool colour = isatty(STDOUT_FILENO);
    size_t i;

    (void)ctx;
    if (json_array_size(changes) == 0)
        puts("nothing has changed");
    json_array_foreach(changes, i, change)
    {
        bool restart = json_is_true(json_object_get(change, "restart"));
        printf("%s: %s -> %s%s%s%s\n", text_of(change, "key"), text_of(change, "from"),
               text_of(change, "to"), restart && colour ? "\033[33m" : "",
               restart ? " (needs a restart)" : "", restart && colour ? "\033[0m" : "");
    }
    return fflush(stdout) == 0;
}

static int run_sessions(const struct cli_args *args)
{
    return ask(args, "sessions", print_sessions, print_sessions, NULL);
}

static int run_stats(const struct cli_args *args)
{
    return ask(args, "stats", print_pairs, print_pairs, NULL);
}

static int run_drain(const struct cli_args *args)
{
    const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
    struct drain d = { .told = -1 };
    int status = ask(args, "drain", print_drain, print_drain, &d);

    while (status == CLI_OK && d.left > 0) {
        nanosleep(&pause, NULL);
        status = ask(args, "drain", print_drain, print_drain, &d);
    }
    return status;
}

static int run_log(const struct cli_args *args)
{
    return ask(args, "log", print_line, NULL, NULL);
}

static int run_reload(const struct cli_args *args)
{
    return ask(args, "reload", print_changes, print_changes, NULL);
}

const struct cli_command admin_sessions = {
    .name = "sessions",
    .usage = "[--json]",
    .words = "Lists the open sessions: address, network address, since when",
    .more = "  jabiru admin sessions --json | jq .\n",
    .allowed = CLI_JSON,
    .run = run_sessions,
};

const struct cli_command admin_stats = {
    .name = "stats",
    .usage = "[--json]",
    .words = "Prints what the server counts",
    .more = "  jabiru admin stats\n",
    .allowed = CLI_JSON,
    .run = run_stats,
};

const struct cli_command admin_drain = {
    .name = "drain",
    .usage = "",
    .words = "Lets nobody in any more, closes the open streams, and waits until they are gone",
    .more =
        "Clients are sent to the option `see_other_uri` of their host, if it is set.  Until the\n"
        "server is started again, /health answers 503.\n\n  jabiru admin drain && systemctl stop "
        "jabirud\n",
    .run = run_drain,
};

const struct cli_command admin_log = {
    .name = "log",
    .usage = "[--json]",
    .words = "Follows the log until it is interrupted",
    .more = "  jabiru admin log | grep juliet\n",
    .allowed = CLI_JSON,
    .run = run_log,
};

const struct cli_command admin_reload = {
    .name = "reload",
    .usage = "[--json]",
    .words = "Makes the server read its configuration again, all or nothing",
    .more = "Prints what changed, and what of it needs a restart.  If the file has a mistake, the\n"
            "mistake is printed and nothing changes.\n\n  jabiru admin reload\n",
    .allowed = CLI_JSON,
    .run = run_reload,
};
