/* SPDX-License-Identifier: MIT */
/* Where the commands of a person keep what is theirs: the folder jabiru-chat in $XDG_STATE_HOME (or
 * ~/.local/state), mode 0700.  It is not the server's data folder, which is beside it. */
#ifndef CLI_STATE_H
#define CLI_STATE_H

#include <stddef.h>

/* The path of a file in it, after the folder was made; in `out`.  NULL after a message: there is no
 * such folder, and nothing can be kept. */
const char *state_path(const char *name, char *out, size_t room);

#endif
