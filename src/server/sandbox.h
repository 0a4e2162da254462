/* SPDX-License-Identifier: MIT */
/* What the process gives up before it serves, so that whoever takes it over gets little: files
 * (Landlock), system calls (seccomp), core dumps and being traced.  Decision 41.
 *
 * Builds with a sanitizer have none of it: a sanitizer traces its own process and starts others. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include "server/config.h"

/* Before the first thread is made, for Landlock holds for a thread and those it makes.  From here
 * on files can be opened only where the configuration says (docs/install.md has the list).
 * 0; otherwise it was said on the log why not, and the server must not start. */
JB_NODISCARD int sandbox_files(const struct config *config);
/* When all sockets are bound: from here on, and for all threads, only the system calls that serving
 * takes.  Logs what is in force and what the kernel lacks.  Returns as sandbox_files(). */
JB_NODISCARD int sandbox_calls(const struct config *config);
/* A file could not be read while serving: true when that may be the sandbox's doing. */
bool sandbox_restricts_files(void);

/* sandbox_seccomp.c.  0, JB_ENOTSUP (the kernel has no such thing) or JB_EIO with errno set. */
JB_NODISCARD int sandbox_filter_calls(void);

#endif
