/* SPDX-License-Identifier: MIT */
/* Completion for shells, made from the tables that the command line is read with.
 *
 * Both scripts have one function in common, _jabiru_words: from the word before and the words of
 * the command so far it says what may come ($candidates) or what kind of thing it is ($kind). */
#include "cli/args.h"

#include <stdio.h>

enum { NAME_BYTES = 64 };

/* -- The tables -------------------------------------------------------------------------------- */

/* Command number k of all groups, with its whole name; false past the last. */
static bool command_at(size_t k, const struct cli_group **group, const struct cli_command **c,
                       char name[NAME_BYTES])
{
    for (size_t g = 0; g < CLI_GROUPS; k -= cli_groups[g].count, g++) {
        if (k >= cli_groups[g].count)
            continue;
        *group = &cli_groups[g];
        *c = cli_groups[g].commands[k];
        snprintf(name, NAME_BYTES, "%s%s ", (*group)->prefix, (*c)->name);
        return true;
    }
    return false;
}

static const char *kind_of(struct jb_str value)
{
    if (jb_str_starts(value, JB_STR("FILE")))
        return "file";
    return jb_str_eqz(value, "DIR") ? "folder" : "other";
}

/* The options in words for people, lines as "  --name VALUE   what it is": visit(name, value). */
static void each_written_option(const char *words,
                                void (*visit)(struct jb_str name, struct jb_str value))
{
    struct jb_str rest = jb_strz(words), line, name, value;

    for (bool more = true; more;) {
        more = jb_str_cut(rest, '\n', &line, &rest);
        if (!jb_str_starts(line, JB_STR("  --")))
            continue;
        jb_str_cut(jb_str_from(line, 4), ' ', &name, &value);
        jb_str_cut(value, ' ', &value, &line); /* empty when two spaces stand behind the name */
        visit(name, value);
    }
}

/* -- What may come ----------------------------------------------------------------------------- */

static void put_kind(struct jb_str name, struct jb_str value)
{
    if (value.n)
        printf("    --%.*s) kind=%s; return ;;\n", JB_STR_ARG(name), kind_of(value));
}

static void put_name(struct jb_str name, struct jb_str value)
{
    (void)value;
    printf(" --%.*s", JB_STR_ARG(name));
}

static void put_command(const struct cli_group *group, const struct cli_command *c,
                        const char *name)
{
    bool takes_file = jb_str_starts(jb_strz(c->usage), JB_STR("FILE"));

    printf("    \"%s\"*) kind=%s candidates=\"", name, takes_file ? "operand" : "word");
    fputs(c == &completion_command ? "bash zsh" : "", stdout);
    for (size_t k = 0; k < CLI_OPTIONS; k++) {
        const struct cli_option *o = &cli_options[k];
        if (o->words && cli_option_is_allowed(o, c->allowed | group->common))
            put_name(jb_strz(o->name), JB_STR_NONE);
    }
    fputs("\" ;;\n", stdout);
}

static void put_bench(void)
{
    const char *name, *words;

    for (size_t k = 0; (name = cli_bench_scenario(k, &words)) != NULL; k++) {
        printf("    \"bench %s \"*) candidates=\"", name);
        each_written_option(cli_bench_words(), put_name);
        each_written_option(words, put_name);
        fputs(" --help\" ;;\n", stdout);
    }
    fputs("    \"bench \"*) candidates=\"--help", stdout);
    for (size_t k = 0; (name = cli_bench_scenario(k, &words)) != NULL; k++)
        printf(" %s", name);
    fputs("\" ;;\n", stdout);
}

/* How long the first `words` words of a name are, with the space behind them; 0: it has fewer. */
static size_t length_of(const char *name, int words)
{
    size_t n = 0;

    for (; words > 0 && name[n]; n++)
        words -= name[n] == ' ';
    return words == 0 ? n : 0;
}

/* Behind the first `words` words of a command's name: the next one.  Commands that begin alike
 * stand together in the tables. */
static void put_next_words(int words)
{
    const struct cli_group *group;
    const struct cli_command *c;
    char name[NAME_BYTES], before[NAME_BYTES] = "";

    for (size_t k = 0; command_at(k, &group, &c, name); k++) {
        size_t n = length_of(name, words), next = length_of(name, words + 1);
        if (next == 0 || (words > 0 && n == 0))
            continue;
        bool same = before[0] && strncmp(name, before, n) == 0;
        if (!same)
            printf("%s    \"%.*s\"*) candidates=\"--help", before[0] ? "\" ;;\n" : "", (int)n,
                   name);
        if (!same || strncmp(name, before, next) != 0)
            printf(" %.*s", (int)(next - n - 1), name + n);
        memcpy(before, name, sizeof before);
    }
    fputs(words == 0 ? " bench --version\" ;;\n" : "\" ;;\n", stdout);
}

static void put_words(void)
{
    const struct cli_group *group;
    const struct cli_command *c;
    const char *words;
    char name[NAME_BYTES];

    fputs("_jabiru_words()\n{\n    kind=word candidates=\n    case $1 in\n", stdout);
    for (size_t k = 0; k < CLI_OPTIONS; k++)
        if (cli_options[k].words)
            put_kind(jb_strz(cli_options[k].name), jb_strz(cli_options[k].value));
    each_written_option(cli_bench_words(), put_kind);
    for (size_t k = 0; cli_bench_scenario(k, &words); k++)
        each_written_option(words, put_kind);
    fputs("    esac\n    case $2 in\n", stdout);
    for (size_t k = 0; command_at(k, &group, &c, name); k++)
        put_command(group, c, name);
    put_bench();
    for (int n = 2; n >= 0; n--)
        put_next_words(n);
    fputs("    esac\n}\n", stdout);
}

/* -- The two shells ---------------------------------------------------------------------------- */

static const char bash_script[] =
    "_jabiru()\n"
    "{\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} typed= kind candidates i\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        [[ ${COMP_WORDS[i]} == -* ]] || typed+=\"${COMP_WORDS[i]} \"\n"
    "    done\n"
    "    _jabiru_words \"${COMP_WORDS[COMP_CWORD - 1]}\" \"$typed\"\n"
    "    COMPREPLY=()\n"
    "    case $kind in\n"
    "    folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\") ;;\n"
    "    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
    "    word | operand)\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$candidates\" -- \"$current\")\n"
    "        if [[ $kind == operand && $current != -* ]]; then\n"
    "            compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
    "        fi ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _jabiru jabiru\n";

static const char zsh_script[] = "_jabiru()\n"
                                 "{\n"
                                 "    local typed= kind candidates i\n"
                                 "    for ((i = 2; i < CURRENT; i++)); do\n"
                                 "        [[ ${words[i]} == -* ]] || typed+=\"${words[i]} \"\n"
                                 "    done\n"
                                 "    _jabiru_words \"${words[CURRENT-1]}\" \"$typed\"\n"
                                 "    case $kind in\n"
                                 "    folder) _files -/ ;;\n"
                                 "    file) _files ;;\n"
                                 "    word) compadd -- ${=candidates} ;;\n"
                                 "    operand) compadd -- ${=candidates}; _files ;;\n"
                                 "    esac\n"
                                 "}\n"
                                 /* Loaded by its name from the function path, or sourced. */
                                 "if [[ ${funcstack[1]} == _jabiru ]]; then\n"
                                 "    _jabiru \"$@\"\n"
                                 "else\n"
                                 "    compdef _jabiru jabiru\n"
                                 "fi\n";

static int run(const struct cli_args *args)
{
    bool zsh = strcmp(args->operands[0], "zsh") == 0;

    if (!zsh && strcmp(args->operands[0], "bash") != 0)
        return cli_fail(CLI_REFUSED, "there is no completion for %s, but for bash and zsh",
                        args->operands[0]);
    printf("%s# Completion of jabiru(1), made by `jabiru completion %s`.\n",
           zsh ? "#compdef jabiru\n" : "", args->operands[0]);
    put_words();
    fputs(zsh ? zsh_script : bash_script, stdout);
    return CLI_OK;
}

const struct cli_command completion_command = {
    .name = "completion",
    .usage = "bash|zsh",
    .words = "Prints the completion script for a shell",
    .more = "Packages install it; otherwise:\n\n"
            "example: source <(jabiru completion bash)\n",
    .least = 1,
    .most = 1,
    .run = run,
};
