/* SPDX-License-Identifier: MIT */
/* A connection to a running server's control socket (protocol: server/control.h). Blocking. */
#ifndef CLI_SERVER_LINK_H
#define CLI_SERVER_LINK_H

#include "base/buf.h"
#include "base/error.h"

#include <jansson.h>

enum { SERVER_LINK_REPLY_BYTES = 4 * 1024 * 1024, SERVER_LINK_LINE_BYTES = 64 * 1024 };

struct server_link {
    int fd;
    json_int_t next_id;
    struct jb__buf in;
    size_t used;       /* bytes of `in` that were handled */
    char message[512]; /* why the last call failed */
};

/* 0; JB_ENOTFOUND: no server runs on this data folder; JB_EIO: there is one, but it cannot be
 * reached (link->message says why). */
JB_NODISCARD int server_link_open(struct server_link *link, const char *data);
void server_link_close(struct server_link *link);

/* Sends a request and waits for its final reply; takes `args` (NULL: none) over.  `progress` (NULL:
 * none) gets each earlier reply and ends the wait by returning false.
 * 0, and *result (borrow none: the caller's, may be asked for with NULL); a JB_E... otherwise. */
JB_NODISCARD int server_link_call(struct server_link *link, const char *command, json_t *args,
                                  bool (*progress)(void *ctx, const json_t *result), void *ctx,
                                  json_t **result);

#endif
