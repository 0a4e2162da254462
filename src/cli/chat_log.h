/* SPDX-License-Identifier: MIT */
/* What was said in earlier chats: a file for each account, a line for each message. */
#ifndef CLI_CHAT_LOG_H
#define CLI_CHAT_LOG_H

#include "cli/cli.h"

#include <stdio.h>

struct chat_log {
    FILE *file; /* NULL: nothing is kept */
};

/* The file chat-<bare address>.log of the state folder, mode 0600.  That it cannot be had is told,
 * and no failure: a chat goes on without. */
void chat_log_open(struct chat_log *log, const char *jid);
void chat_log_close(struct chat_log *log);

void chat_log_add(struct chat_log *log, int64_t time_us, bool ours, const char *peer,
                  const char *text);

typedef void chat_log_visit(void *ctx, int64_t time_us, bool ours, const char *text);
/* The last messages with somebody, oldest first: `most` at most (20 is the bound), of the last 256
 * KiB of the file. */
void chat_log_replay(struct chat_log *log, const char *peer, size_t most, chat_log_visit *visit,
                     void *ctx);

#endif
