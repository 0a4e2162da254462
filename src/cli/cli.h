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

enum { CLI_DATA_BYTES = 4096, CLI_ANY_NUMBER = 1000000, CLI_PASSWORD_BYTES = 2048 };

/* Options; a command allows some of them by these bits.  args.c says what each is. */
enum {
    CLI_JSON = 1,
    CLI_PASSWORD_FILE = 2,
    CLI_HASHING = 4, /* --full, --iterations */
    CLI_DATA = 8,
    CLI_ACCOUNT = 16, /* --jid, --url, --ca-file, --token-file, --timeout */
    CLI_TO = 32,
    CLI_COUNT = 64,
    CLI_FOR = 128,
    CLI_INTERVAL = 256,
    CLI_TREE = 512, /* --node, --depth */
};

/* What was not given is NULL, 0 or false unless it says otherwise. */
struct cli_args {
    const char *data; /* the data folder; never NULL where it is allowed */
    bool json;
    bool full;                 /* --full */
    uint32_t iterations;       /* --iterations */
    const char *password_file; /* or NULL */
    const char *jid;           /* never NULL where it is allowed */
    const char *url, *ca_file, *token_file;
    uint32_t timeout_ms; /* never 0 */
    const char *to, *node;
    uint32_t times;       /* --count */
    uint32_t for_ms;      /* --for */
    uint32_t interval_ms; /* never 0 */
    uint32_t depth;
    char *const *operands;
    size_t count; /* of operands */
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
extern const struct cli_command chat_command, send_command, listen_command, ping_command,
    disco_command, raw_command, completion_command;

/* Commands with something in common. */
struct cli_group {
    const char *prefix; /* before each command's name: "admin " */
    const char *words;  /* what it is, whole lines */
    const struct cli_command *const *commands;
    size_t count;
    unsigned common; /* options that all its commands allow */
};

enum { CLI_GROUPS = 3 };
extern const struct cli_group cli_groups[CLI_GROUPS]; /* main.c */

/* Meanings of exit statuses, a line of each --help. */
extern const char cli_exit_words[];

/* The subcommand that loads servers (bench/): argv[0] is its name.  Returns the exit status. */
int cli_bench(int argc, char **argv);
/* The name of its scenario number k, and in *words what its --help says of its own options (whole
 * lines, "  --rate N ..."); NULL past the last.  cli_bench_words: the options that all have. */
const char *cli_bench_scenario(size_t k, const char **words);
const char *cli_bench_words(void);

/* A line on stderr, "jabiru: ..."; returns `status`, so that a command ends with it. */
int cli_fail(int status, const char *format, ...) JB_PRINTF(2, 3);
/* The exit status for a code of the store or the server. */
int cli_status(int rc);

/* Reads a new password: from the file, or from a terminal without echo (twice), or one line of
 * standard input.  Never from the command line, which other users can see.  NUL-terminated into
 * `out`; the caller overwrites it.  CLI_OK or a status after a message. */
int cli_read_password(const struct cli_args *args, const char *who, char *out, size_t room);

/* The password of an account that exists: from the file, or the variable JABIRU_PASSWORD of the
 * environment, or from the terminal (not standard input, which may be a message) without echo.
 * NUL-terminated into `out`; the caller overwrites it.  CLI_OK or a status after a message. */
int cli_account_password(const struct cli_args *args, const char *who, char *out, size_t room);

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
