/* SPDX-License-Identifier: MIT */
/* Where the data folder is when nobody says: the server and the command line must agree. */
#ifndef JB_BASE_DATADIR_H
#define JB_BASE_DATADIR_H

#include "base/error.h"

#include <stddef.h>

/* $XDG_STATE_HOME/jabiru (when absolute, as the XDG base directory specification asks), else
 * $HOME/.local/state/jabiru.  JB_ENOTFOUND: neither is set; JB_EFULL: longer than `room`. */
JB_NODISCARD int jb__datadir_default(char *out, size_t room);

#endif
