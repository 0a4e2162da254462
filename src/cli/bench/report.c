/* SPDX-License-Identifier: MIT */
#include "cli/bench/output.h"
#include "cli/cli.h"
int report_write(const struct bench *b)
{
    (void)b;
    return CLI_OK;
}
