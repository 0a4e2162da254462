/* SPDX-License-Identifier: MIT */
#include "base/datadir.h"

#include <stdio.h>
#include <stdlib.h>

int jb__datadir_default(char *out, size_t room)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n;

    if (state && state[0] == '/')
        n = snprintf(out, room, "%s/jabiru", state);
    else if (home && home[0] == '/')
        n = snprintf(out, room, "%s/.local/state/jabiru", home);
    else
        return JB_ENOTFOUND;
    return n > 0 && (size_t)n < room ? 0 : JB_EFULL;
}
