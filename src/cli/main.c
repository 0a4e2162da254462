/* SPDX-License-Identifier: MIT */
/* jabiru: finds the subcommand, reads its options, runs it. */
#include "cli/args.h"

#include "base/assert.h"
#include "base/guess.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const struct cli_command *const client_commands[] = {
    &chat_command, &send_command, &listen_command, &ping_command, &disco_command, &raw_command,
};
static const struct cli_command *const admin_commands[] = {
    &admin_user_add,    &admin_user_passwd, &admin_user_delete, &admin_user_list,
    &admin_user_import, &admin_backup,      &admin_restore,     &admin_sessions,
    &admin_stats,       &admin_drain,       &admin_log,         &admin_reload,
};
static const struct cli_command *const other_commands[] = { &completion_command };

const struct cli_group cli_groups[CLI_GROUPS] = {
    { "", "With an account on any XMPP server that speaks WebSocket:\n", client_commands,
      COUNT(client_commands), CLI_ACCOUNT | CLI_PASSWORD_FILE },
    { "admin ",
      "Administration of a jabirud server: through its control socket while it runs, on its data\n"
      "folder while it does not:\n",
      admin_commands, COUNT(admin_commands), CLI_DATA },
    { "", "For shells:\n", other_commands, COUNT(other_commands), 0 },
};

const char cli_exit_words[] =
    "exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 cannot reach or write\n";

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

/* -- Help ------------------------------------------------------------------------------------- */

static void print_group(FILE *to, const struct cli_group *group)
{
    fprintf(to, "\n%s", group->words);
    for (size_t k = 0; k < group->count; k++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): no row of the table is empty */
        int used = fprintf(to, "  %s%s ", group->prefix, group->commands[k]->name);
        fprintf(to, "%*s%s\n", used < 23 ? 23 - used : 0, "", group->commands[k]->words);
    }
}

static void print_overview(FILE *to)
{
    fputs("usage: jabiru COMMAND [OPTION...]\n", to);
    print_group(to, &cli_groups[0]);
    fputs("\nLoad for any such server:\n"
          "  bench                Opens many connections and measures what they cost\n",
          to);
    for (size_t g = 1; g < CLI_GROUPS; g++)
        print_group(to, &cli_groups[g]);
    fprintf(to,
            "\n  --help               more on one command: jabiru send --help\n"
            "  --version\n\n%s",
            cli_exit_words);
}

static void print_option(const struct cli_option *o)
{
    struct jb_str rest = jb_strz(o->words), line;
    bool more = jb_str_cut(rest, '\n', &line, &rest);
    int used = printf("  --%s%s%s ", o->name, o->value ? " " : "", o->value ? o->value : "");

    printf("%*s%.*s\n", used < 26 ? 26 - used : 0, "", JB_STR_ARG(line));
    while (more) {
        more = jb_str_cut(rest, '\n', &line, &rest);
        printf("%26s%.*s\n", "", JB_STR_ARG(line));
    }
}

static void print_help(const struct cli_group *group, const struct cli_command *c)
{
    printf("usage: jabiru %s%s %s\n\n%s.\n\n%s\n", group->prefix, c->name, c->usage, c->words,
           c->more);
    for (size_t k = 0; k < CLI_OPTIONS; k++)
        if (cli_options[k].words &&
            cli_option_is_allowed(&cli_options[k], c->allowed | group->common))
            print_option(&cli_options[k]);
    printf("\n%s", cli_exit_words);
}

/* -- Finding and running ---------------------------------------------------------------------- */

/* How many words of argv the text is ("admin user add" is three); 0: it is not there. */
static int words_of(struct jb_str text, int argc, char **argv)
{
    struct jb_str word;
    int n = 0;
    bool more = true;

    while (more) {
        more = jb_str_cut(text, ' ', &word, &text);
        if (word.n == 0)
            break; /* behind a prefix */
        if (n == argc || !jb_str_eqz(word, argv[n]))
            return 0;
        n++;
    }
    return n;
}

/* The command that argv begins with, its group, and *used words of argv. */
static const struct cli_command *find_command(int argc, char **argv, const struct cli_group **group,
                                              int *used)
{
    for (size_t g = 0; g < CLI_GROUPS; g++) {
        const struct cli_group *at = &cli_groups[g];
        int before = words_of(jb_strz(at->prefix), argc, argv);
        if (before == 0 && at->prefix[0])
            continue;
        for (size_t k = 0; k < at->count; k++) {
            int n = words_of(jb_strz(at->commands[k]->name), argc - before, argv + before);
            if (n == 0)
                continue;
            *group = at;
            *used = before + n;
            return at->commands[k];
        }
    }
    return NULL;
}

enum { NAME_BYTES = 80 };

/* The command of the group that is nearest to what was typed behind the group's prefix; NULL: none
 * is near. */
static const char *guess_in_group(const struct cli_group *group, int argc, char **argv)
{
    char two[NAME_BYTES];
    struct jb__guess g;

    snprintf(two, sizeof two, "%s %s", argv[0], argc > 1 ? argv[1] : "");
    jb__guess_begin(&g, jb_strz(argv[0]));
    for (size_t k = 0; k < group->count; k++) {
        const char *name = group->commands[k]->name;
        g.name = jb_strz(strchr(name, ' ') ? two : argv[0]);
        jb__guess_offer(&g, name);
    }
    if (!group->prefix[0]) {
        g.name = jb_strz(argv[0]);
        jb__guess_offer(&g, "admin");
        jb__guess_offer(&g, "bench");
    }
    return g.best;
}

/* Who knows a command, but not that it is one of administration. */
static bool is_without_prefix(const struct cli_group *group, const char *name, int argc,
                              char **argv)
{
    return group->prefix[0] && name && words_of(jb_strz(name), argc, argv) > 0;
}

static int refuse_unknown(int argc, char **argv)
{
    bool admin = strcmp(argv[0], "admin") == 0;
    const char *prefix = admin ? "admin " : "", *best = NULL, *best_prefix = "";

    for (size_t g = 0; g < CLI_GROUPS && !best; g++) {
        const struct cli_group *group = &cli_groups[g];
        const char *near = strcmp(group->prefix, prefix) == 0
                               ? guess_in_group(group, argc - admin, argv + admin)
                               : guess_in_group(group, argc, argv);
        if (strcmp(group->prefix, prefix) != 0 && !is_without_prefix(group, near, argc, argv))
            continue;
        best = near;
        best_prefix = group->prefix;
    }
    return cli_fail(CLI_USAGE, "unknown command `%s%s`%s%s%s%s; jabiru --help lists them", prefix,
                    argv[admin], best ? " (did you mean `" : "", best ? best_prefix : "",
                    best ? best : "", best ? "`?)" : "");
}

static int run_command(int argc, char **argv)
{
    const struct cli_group *group;
    struct cli_args args;
    bool help;
    int used;
    const struct cli_command *c = find_command(argc, argv, &group, &used);

    if (!c && argc > 0 && (argc > 1 || strcmp(argv[0], "admin") != 0))
        return refuse_unknown(argc, argv);
    if (!c) {
        print_overview(stderr);
        return CLI_USAGE;
    }
    /* The last word of the command stands where getopt expects the program's name. */
    int status = cli_args_read(group, c, argc - used + 1, argv + used - 1, &args, &help);
    if (status != CLI_OK)
        return status;
    if (help) {
        print_help(group, c);
        return CLI_OK;
    }
    return c->run(&args);
}

/* So that no socket gets the number of a stream that the caller has closed. */
static void occupy_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
    int status = CLI_OK;

    occupy_streams();
    signal(SIGPIPE, SIG_IGN); /* a server that goes away is an error message, not a death */
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8"); /* XMPP knows nothing else */
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        puts("jabiru " JABIRU_VERSION);
    else if (argc >= 2 && is_help(argv[1]))
        print_overview(stdout);
    else if (argc == 3 && strcmp(argv[1], "admin") == 0 && is_help(argv[2]))
        print_overview(stdout);
    else if (argc >= 2 && strcmp(argv[1], "bench") == 0)
        status = cli_bench(argc - 1, argv + 1);
    else
        status = run_command(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && status == CLI_OK)
        status = cli_fail(CLI_IO, "cannot write the output");
    return status;
}
