/* SPDX-License-Identifier: MIT */
/* The command line of `jabiru bench`. */
#ifndef CLI_BENCH_OPTIONS_H
#define CLI_BENCH_OPTIONS_H

#include "cli/bench/bench.h"

/* Reads argv behind the scenario's name.  CLI_OK, with *help when it was asked for; CLI_USAGE or
 * CLI_IO (a name or file that cannot be looked up), after a message. */
int options_read(struct bench_options *o, const struct scenario *s, int argc, char **argv,
                 bool *help);
/* The options that every scenario has; whole lines. */
extern const char options_words[];

#endif
