/* SPDX-License-Identifier: MIT */
#include "cli/args.h"

#include "base/datadir.h"
#include "core/credentials.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAY_S = 86400, TIMEOUT_MS = 30000, INTERVAL_MS = 1000 };

#define FIELD(name) offsetof(struct cli_args, name)

/* clang-format off */
const struct cli_option cli_options[CLI_OPTIONS] = {
    { "jid", "JID", "the account (the variable JABIRU_JID)", CLI_ACCOUNT, CLI_TEXT, FIELD(jid), 0, 0 },
    { "url", "URL", "the endpoint, ws:// or wss:// (JABIRU_URL); without it, the\n"
      "account's domain says where it is", CLI_ACCOUNT, CLI_TEXT, FIELD(url), 0, 0 },
    { "ca-file", "FILE", "trust these authorities (PEM) instead of the system's\n"
      "(JABIRU_CA_FILE)", CLI_ACCOUNT, CLI_TEXT, FIELD(ca_file), 0, 0 },
    { "password-file", "FILE", "take the password from the first line of FILE", CLI_PASSWORD_FILE,
      CLI_TEXT, FIELD(password_file), 0, 0 },
    { "token-file", "FILE", "log in with the token in FILE, if there is one, instead of the\n"
      "password, and keep the newest token there", CLI_ACCOUNT, CLI_TEXT, FIELD(token_file), 0, 0 },
    { "timeout", "SECONDS", "for connecting, and for each answer (30)", CLI_ACCOUNT, CLI_SECONDS,
      FIELD(timeout_ms), 100, 600 * 1000 },
    { "to", "JID", "who gets it", CLI_TO, CLI_TEXT, FIELD(to), 0, 0 },
    { "node", "NODE", "ask about this node of the address", CLI_TREE, CLI_TEXT, FIELD(node), 0, 0 },
    { "depth", "N", "levels of items below the address (1)", CLI_TREE, CLI_NUMBER, FIELD(depth), 0, 8 },
    { "count", "N", "end after so many", CLI_COUNT, CLI_NUMBER, FIELD(times), 1, 1000000000 },
    { "interval", "SECONDS", "between two pings (1)", CLI_INTERVAL, CLI_SECONDS, FIELD(interval_ms),
      1, DAY_S * 1000 },
    { "for", "SECONDS", "end after so long", CLI_FOR, CLI_SECONDS, FIELD(for_ms), 1, DAY_S * 1000 },
    { "data", "DIR", "the server's data folder", CLI_DATA, CLI_TEXT, FIELD(data), 0, 0 },
    { "json", NULL, "one JSON object per line", CLI_JSON, CLI_FLAG, FIELD(json), 0, 0 },
    { "full", NULL, "keys for all digests, as for a password set alone; slow", CLI_HASHING, CLI_FLAG,
      FIELD(full), 0, 0 },
    { "iterations", "N", "rounds of hashing (4096 or more)", CLI_HASHING, CLI_NUMBER,
      FIELD(iterations), JB_ITERATIONS_LEAST, JB_ITERATIONS_MOST },
    /* Where passwords do not belong: it is refused, whichever command it is for. */
    { "password", NULL, NULL, 0, CLI_TEXT, 0, 0, 0 },
    { "help", NULL, "this page", 0, CLI_HELP, 0, 0, 0 },
};
/* clang-format on */

static bool read_seconds(const char *text, const struct cli_option *o, uint32_t *out)
{
    char *end;
    double ms = strtod(text, &end) * 1000;

    if (end == text || *end || !(ms >= o->least && ms <= o->most))
        return false;
    *out = (uint32_t)(ms + 0.5);
    return true;
}

/* False when the value is wrong. */
static bool take(const struct cli_option *o, struct cli_args *args)
{
    char *field = (char *)args + o->offset;
    uint64_t n;

    switch ((enum cli_option_kind)o->kind) {
    case CLI_FLAG:
        *(bool *)field = true;
        return true;
    case CLI_TEXT:
        *(const char **)(void *)field = optarg;
        return optarg[0] != '\0';
    case CLI_NUMBER:
        if (!jb_str_u64(jb_strz(optarg), o->most, &n) || n < o->least)
            return false;
        *(uint32_t *)(void *)field = (uint32_t)n;
        return true;
    case CLI_SECONDS:
        return read_seconds(optarg, o, (uint32_t *)(void *)field);
    case CLI_HELP:
        break;
    }
    return true;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

/* What the environment or a default says where the command line does not. */
static int complete(struct cli_args *args, unsigned allowed)
{
    static char data[CLI_DATA_BYTES];

    if ((allowed & CLI_DATA) && !args->data) {
        if (jb__datadir_default(data, sizeof data) != 0)
            return cli_fail(CLI_USAGE, "where is the data folder? ($HOME is not set; --data DIR)");
        args->data = data;
    }
    if (!(allowed & CLI_ACCOUNT))
        return CLI_OK;
    if (!args->jid)
        args->jid = variable("JABIRU_JID");
    if (!args->url)
        args->url = variable("JABIRU_URL");
    if (!args->ca_file)
        args->ca_file = variable("JABIRU_CA_FILE");
    if (!args->jid)
        return cli_fail(CLI_USAGE, "whose account? (--jid JID, or the variable JABIRU_JID)");
    return CLI_OK;
}

static void list_options(struct option *list)
{
    for (size_t k = 0; k < CLI_OPTIONS; k++) {
        const struct cli_option *o = &cli_options[k];
        int value = o->value ? required_argument : no_argument;
        if (!o->words)
            value = optional_argument; /* `--password` alone must not be short for the next one */
        list[k] = (struct option){ o->name, value, NULL, 256 + (int)k };
    }
    list[CLI_OPTIONS] = (struct option){ 0 };
}

int cli_args_read(const struct cli_group *group, const struct cli_command *c, int argc, char **argv,
                  struct cli_args *args, bool *help)
{
    struct option list[CLI_OPTIONS + 1];
    unsigned allowed = c->allowed | group->common;
    int found;

    *args = (struct cli_args){ .timeout_ms = TIMEOUT_MS, .interval_ms = INTERVAL_MS, .depth = 1 };
    *help = false;
    list_options(list);
    optind = 0; /* GNU: begin anew, permuting operands behind options */
    while ((found = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (found == '?')
            return CLI_USAGE; /* getopt has said why */
        const struct cli_option *o = &cli_options[found - 256];
        if (!o->words)
            return cli_fail(CLI_USAGE, "others could see a password on the command line: leave it "
                                       "out, or use --password-file");
        if (!cli_option_is_allowed(o, allowed) || !take(o, args))
            return cli_fail(CLI_USAGE, "not for `%s%s`, or wrong: %s", group->prefix, c->name,
                            argv[optind - 1]);
        *help = *help || o->kind == CLI_HELP;
    }
    if (*help)
        return CLI_OK;
    args->count = (size_t)(argc - optind);
    args->operands = argv + optind;
    if (args->count < c->least || args->count > c->most)
        return cli_fail(CLI_USAGE, "usage: jabiru %s%s %s", group->prefix, c->name, c->usage);
    return complete(args, allowed);
}
