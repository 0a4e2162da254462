/* SPDX-License-Identifier: MIT */
/* The options of all commands: one table for reading them, for --help, and for completion. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli/cli.h"

struct cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands behind it: "FILE"; NULL: nothing */
    const char *words; /* for --help: lines of at most 60 characters, no newline at the end */
    unsigned bit;      /* that a command allows it by; 0: every command does */
    uint8_t kind;      /* enum cli_option_kind */
    size_t offset;     /* of its field in struct cli_args */
    uint32_t least, most;
};

enum cli_option_kind { CLI_FLAG, CLI_TEXT, CLI_NUMBER, CLI_SECONDS, CLI_HELP };

enum { CLI_OPTIONS = 18 };
extern const struct cli_option cli_options[CLI_OPTIONS];

/* Whether a command has the option. */
static inline bool cli_option_is_allowed(const struct cli_option *o, unsigned allowed)
{
    return o->bit == 0 || (o->bit & allowed);
}

/* Reads what stands behind the command's name; argv[0] is that.  CLI_OK, with *help when it was
 * asked for (then nothing else counts); CLI_USAGE after a message. */
int cli_args_read(const struct cli_group *group, const struct cli_command *c, int argc, char **argv,
                  struct cli_args *args, bool *help);

#endif
