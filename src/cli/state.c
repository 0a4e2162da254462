/* SPDX-License-Identifier: MIT */
#include "cli/state.h"

#include "base/datadir.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/* Makes a folder and those above it, for the owner alone. */
static int make_folders(char *path)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        int rc = mkdir(path, 0700);
        *at = '/';
        if (rc != 0 && errno != EEXIST)
            return -1;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

const char *state_path(const char *name, char *out, size_t room)
{
    char folder[CLI_DATA_BYTES];
    int n = -1;

    if (jb__datadir_default(folder, sizeof folder) == 0)
        n = snprintf(out, room, "%s-chat", folder);
    if (n < 0 || (size_t)n >= room) {
        cli_fail(CLI_IO, "no folder to keep things in ($HOME is not set)");
        return NULL;
    }
    if (make_folders(out) != 0) {
        cli_fail(CLI_IO, "%s: %s (nothing is kept)", out, strerror(errno));
        return NULL;
    }
    int more = snprintf(out + n, room - (size_t)n, "/%s", name);
    return more > 0 && (size_t)more < room - (size_t)n ? out : NULL;
}
