/* SPDX-License-Identifier: MIT */
/* jabiru: finds the subcommand, reads its options, runs it. */
#include "cli/cli.h"

#include "base/assert.h"
#include "base/datadir.h"
#include "core/credentials.h"

#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const struct cli_command *const admin_commands[] = {
    &admin_user_add,    &admin_user_passwd, &admin_user_delete, &admin_user_list,
    &admin_user_import, &admin_backup,      &admin_restore,     &admin_sessions,
    &admin_stats,       &admin_drain,       &admin_log,         &admin_reload,
};
enum { ADMIN_COMMANDS = sizeof admin_commands / sizeof admin_commands[0] };

int cli_fail(int status, const char *format, ...)
{
    bool colour = isatty(STDERR_FILENO);
    va_list ap;

    fputs(colour ? "\033[31mjabiru:\033[0m " : "jabiru: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

int cli_status(int rc)
{
    switch (rc) {
    case 0:
        return CLI_OK;
    case JB_ENOTFOUND:
    case JB_EEXIST:
    case JB_EAUTH:
    case JB_EINVAL:
    case JB_ENOTSUP:
        return CLI_REFUSED;
    default:
        return CLI_IO;
    }
}

static void print_overview(FILE *to)
{
    fputs("usage: jabiru admin COMMAND [OPTION...]\n\n"
          "Administrates a jabirud server: through its control socket while it runs, on its data\n"
          "folder while it does not.\n\n",
          to);
    for (size_t i = 0; i < ADMIN_COMMANDS; i++) {
        const struct cli_command *c = admin_commands[i];
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no row of the table is empty */
        fprintf(to, "  admin %-14s %s\n", c->name, c->words);
    }
    fputs("\n  bench           loads any XMPP server over WebSocket: jabiru bench --help\n"
          "\n  --data DIR      the server's data folder (default: jabiru in $XDG_STATE_HOME or\n"
          "                  ~/.local/state)\n"
          "  --help          more on one command: jabiru admin user add --help\n"
          "  --version\n\n"
          "exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 cannot reach or write\n",
          to);
}

static void print_help(const struct cli_command *c)
{
    printf("usage: jabiru admin %s %s\n\n%s.\n\n%s\n", c->name, c->usage, c->words, c->more);
    puts("  --data DIR              the server's data folder");
    if (c->allowed & CLI_JSON)
        puts("  --json                  one JSON object per line");
    if (c->allowed & CLI_PASSWORD_FILE)
        puts("  --password-file FILE    take the password from the first line of FILE");
    if (c->allowed & CLI_HASHING)
        puts("  --full                  keys for all digests, as for a password set alone; slow\n"
             "  --iterations N          rounds of hashing (4096 or more)");
    puts("\nexit status: 0 done, 1 refused or not found, 2 wrong usage, 3 cannot reach or write");
}

/* The command whose words (one or two) begin argv; *used of them. */
static const struct cli_command *find_command(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < ADMIN_COMMANDS; i++) {
        struct jb_str first, second;
        jb_str_cut(jb_strz(admin_commands[i]->name), ' ', &first, &second);
        *used = second.n ? 2 : 1;
        if (argc >= *used && jb_str_eqz(first, argv[0]) &&
            (second.n == 0 || jb_str_eqz(second, argv[1])))
            return admin_commands[i];
    }
    return NULL;
}

enum {
    OPT_DATA = 256,
    OPT_JSON,
    OPT_PASSWORD,
    OPT_PASSWORD_FILE,
    OPT_FULL,
    OPT_ITERATIONS,
    OPT_HELP
};

static const struct option long_options[] = {
    { "data", required_argument, NULL, OPT_DATA },
    { "json", no_argument, NULL, OPT_JSON },
    { "password", optional_argument, NULL, OPT_PASSWORD }, /* or it would be short for the next */
    { "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
    { "full", no_argument, NULL, OPT_FULL },
    { "iterations", required_argument, NULL, OPT_ITERATIONS },
    { "help", no_argument, NULL, OPT_HELP },
    { 0 },
};

/* One option; false when it is wrong. */
static bool take_option(int option, unsigned allowed, struct cli_args *args)
{
    uint64_t n;

    switch (option) {
    case OPT_DATA:
        args->data = optarg;
        return optarg[0] != '\0';
    case OPT_JSON:
        args->json = true;
        return allowed & CLI_JSON;
    case OPT_PASSWORD_FILE:
        args->password_file = optarg;
        return allowed & CLI_PASSWORD_FILE;
    case OPT_FULL:
        args->full = true;
        return allowed & CLI_HASHING;
    case OPT_ITERATIONS:
        if (!jb_str_u64(jb_strz(optarg), JB_ITERATIONS_MOST, &n) || n < JB_ITERATIONS_LEAST)
            return false;
        args->iterations = (uint32_t)n;
        return allowed & CLI_HASHING;
    default:
        return false;
    }
}

/* CLI_OK, CLI_USAGE; *help: asked for. */
static int read_args(const struct cli_command *c, int argc, char **argv, struct cli_args *args,
                     bool *help)
{
    int option;

    *help = false;
    optind = 0; /* GNU: begin anew, permuting operands behind options */
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPT_HELP)
            *help = true;
        else if (option == '?')
            return CLI_USAGE; /* getopt has said why */
        else if (option == OPT_PASSWORD)
            return cli_fail(CLI_USAGE, "others could see a password on the command line: leave it "
                                       "out, or use --password-file");
        else if (!take_option(option, c->allowed, args))
            return cli_fail(CLI_USAGE, "not for `admin %s`, or wrong: %s", c->name,
                            argv[optind - 1]);
    }
    args->count = (size_t)(argc - optind);
    if (*help)
        return CLI_OK;
    if (args->count < c->least || args->count > c->most)
        return cli_fail(CLI_USAGE, "usage: jabiru admin %s %s", c->name, c->usage);
    for (size_t i = 0; i < args->count; i++)
        args->operands[i] = argv[optind + (int)i];
    return CLI_OK;
}

static int run_admin(int argc, char **argv)
{
    char data[CLI_DATA_BYTES];
    struct cli_args args = { .data = NULL };
    bool help;
    int used;
    const struct cli_command *c = argc > 0 ? find_command(argc, argv, &used) : NULL;

    if (!c) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    jb_assert(c->most <= CLI_OPERANDS);
    /* The last word of the command stands where getopt expects the program's name. */
    int status = read_args(c, argc - used + 1, argv + used - 1, &args, &help);
    if (status != CLI_OK)
        return status;
    if (help) {
        print_help(c);
        return CLI_OK;
    }
    if (!args.data) {
        if (jb__datadir_default(data, sizeof data) != 0)
            return cli_fail(CLI_USAGE, "where is the data folder? ($HOME is not set; --data DIR)");
        args.data = data;
    }
    return c->run(&args);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error message, not a death */
    setlocale(LC_CTYPE, "");
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("jabiru " JABIRU_VERSION);
        return CLI_OK;
    }
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        print_overview(stdout);
        return CLI_OK;
    }
    if (argc >= 3 && strcmp(argv[1], "admin") == 0 && strcmp(argv[2], "--help") == 0) {
        print_overview(stdout);
        return CLI_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "bench") == 0)
        return cli_bench(argc - 1, argv + 1);
    if (argc < 2 || strcmp(argv[1], "admin") != 0) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    int status = run_admin(argc - 2, argv + 2);
    if (fflush(stdout) != 0 && status == CLI_OK)
        status = cli_fail(CLI_IO, "cannot write the output");
    return status;
}
