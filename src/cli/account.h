/* SPDX-License-Identifier: MIT */
/* The account of a command: its options, its password, its connection, and one wait for all that
 * can happen.  One at a time in a process: signals belong to it. */
#ifndef CLI_ACCOUNT_H
#define CLI_ACCOUNT_H

#include "cli/cli.h"
#include "jabiru/jabiru.h"

#include <signal.h>

enum { ACCOUNT_NEVER_MS = -1, TOKEN_BYTES = 4096 };

struct account {
    struct jb_client *client;
    const struct cli_args *args;
    sigset_t waiting;        /* signals that are blocked while it waits: none that it catches */
    int signal;              /* the last one told */
    char token[TOKEN_BYTES]; /* what stands in the file of --token-file */
};

/* What ended a wait. */
enum account_wake {
    ACCOUNT_EVENT,  /* of the client: *ev */
    ACCOUNT_INPUT,  /* the descriptor can be read */
    ACCOUNT_SIGNAL, /* account.signal: asked to end (SIGINT, SIGTERM, SIGHUP), or another caught */
    ACCOUNT_TIME,   /* it is `until_ms` */
    ACCOUNT_OVER,   /* nothing can happen any more */
};

/* Makes a client with the options of the command line, ready for settings of the command's own;
 * commands that do one thing do not reconnect.  CLI_OK, or a status after a message; account_close
 * in any case. */
int account_open(struct account *a, const struct cli_args *args);
/* Gets the password and begins to connect. */
int account_connect(struct account *a);
/* Connects and waits until it is online.  CLI_OK, or a status after a message. */
int account_log_in(struct account *a);
/* From now on a signal is told by account_wait. */
void account_catch(int signal);

/* Waits for whatever comes first.  `fd` -1: no input is wanted; `until_ms` UINT64_MAX: no time,
 * else by jb__clock_mono_ms.  An event lives until the next call. */
enum account_wake account_wait(struct account *a, int fd, uint64_t until_ms,
                               const struct jb_event **ev);

/* Says why the connection ended (an event OFFLINE) and returns the status for it. */
int account_offline(const struct jb_event *ev);
/* The same for a wait that brought no event: interrupted, too late, over.  `what` did not happen.
 */
int account_gave_up(const struct account *a, enum account_wake wake, const char *what);
/* The status for a code of the library, after a message. */
int account_fail(const struct account *a, int rc, const char *what);
/* Whether an event is the error of a stanza; then its condition ("item-not-found") and what the
 * server says in words, made safe to print, into `out`. */
bool account_error(const struct jb_element *stanza, char *out, size_t room);
/* Asks the own server for a sign of life.  It handles what a client says in order (RFC 6120 section
 * 10.1): when the ANSWER with this number comes, a refusal included, it has all that was said
 * before.  0 or a code of the library. */
int account_ask(struct account *a, uint64_t *number);
/* The own server's domain; into `out`, which is returned. */
const char *account_domain(const struct account *a, char *out, size_t room);

/* Leaves in order, for at most two seconds, and frees the client. */
void account_close(struct account *a);

#endif
