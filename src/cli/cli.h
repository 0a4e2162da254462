/* SPDX-License-Identifier: MIT */
/* What the subcommands of `jabiru` share.  One file per subcommand; each is a struct cli_command.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/error.h"
#include "base/str.h"

/* Exit statuses, the same for every command. */
enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1, /* understood, but no: there is no such account, it exists, ... */
    CLI_USAGE = 2,   /* the command line is wrong */
    CLI_IO = 3,      /* the server or the data folder cannot be reached, read or written */
};

enum { CLI_OPERANDS = 4, CLI_DATA_BYTES = 4096 };

/* Options; a command allows some of them by these bits. */
enum {
    CLI_JSON = 1,
    CLI_PASSWORD_FILE = 2,
    CLI_HASHING = 4, /* --full, --iterations */
};

struct cli_args {
    const char *data; /* the data folder, never NULL */
    bool json;
    bool full;                 /* --full */
    uint32_t iterations;       /* --iterations; 0: not given */
    const char *password_file; /* or NULL */
    const char *operands[CLI_OPERANDS];
    size_t count;
};

struct cli_command {
    const char *name;   /* "user add" */
    const char *usage;  /* "JID [--password-file FILE]" */
    const char *words;  /* one line */
    const char *more;   /* the rest of --help, with an example; whole lines */
    size_t least, most; /* operands */
    unsigned allowed;   /* CLI_JSON | ... */
    int (*run)(const struct cli_args *args);
};

extern const struct cli_command admin_user_add, admin_user_passwd, admin_user_delete,
    admin_user_list, admin_user_import, admin_sessions, admin_stats, admin_drain, admin_log,
    admin_reload, admin_backup, admin_restore;

/* The subcommand that loads servers (bench/): argv[0] is its name.  Returns the exit status. */
int cli_bench(int argc, char **argv);

/* A line on stderr, "jabiru: ..."; returns `status`, so that a command ends with it. */
int cli_fail(int status, const char *format, ...) JB_PRINTF(2, 3);
/* The exit status for a code of the store or the server. */
int cli_status(int rc);

/* Reads a new password: from the file, or from a terminal without echo (twice), or one line of
 * standard input.  Never from the command line, which other users can see.  NUL-terminated into
 * `out`; the caller overwrites it.  CLI_OK or a status after a message. */
int cli_read_password(const struct cli_args *args, const char *who, char *out, size_t room);

/* A bar on stderr, when that is a terminal; nothing otherwise. */
struct cli_progress {
    bool on;
    uint64_t began_ms, drawn_ms;
};
void cli_progress_begin(struct cli_progress *p);
/* `part` of 0 to 1 is done; negative: unknown. */
void cli_progress_draw(struct cli_progress *p, double part, uint64_t accounts);
void cli_progress_end(struct cli_progress *p); /* the line is clear again */

#endif
