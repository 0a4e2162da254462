/* SPDX-License-Identifier: MIT */
/* Answering an HTTP request: what web.c and its pages use. */
#ifndef SERVER_CONN_HTTP_H
#define SERVER_CONN_HTTP_H

#include "server/conn.h"

/* Where the answer to the request in progress is written. */
struct jb__buf *conn_http_answer(struct conn *c);
/* The request is HEAD: the head of the answer goes out without its body. */
bool conn_http_is_head(struct conn *c);
/* A body that follows it; must live as long as the process. */
void conn_http_send_file(struct conn *c, struct jb_str body);
/* The connection is not used again. */
void conn_http_close_after(struct conn *c);
/* The answer comes later: the connection waits (and stays in memory) until answered. */
void conn_http_answer_later(struct conn *c);
void conn_http_answered(struct conn *c);

#endif
