/* SPDX-License-Identifier: MIT */
/* What the files control*.c share: control.c has the sockets, control_client.c lines and calls,
 * control_http.c /metrics and /health, control_log.c the followers of the log. */
#ifndef SERVER_CONTROL_INTERNAL_H
#define SERVER_CONTROL_INTERNAL_H

#include "server/control.h"

#include "base/list.h"

enum {
    CONTROL_HTTP_HEAD_BYTES = 8192,
    CONTROL_HTTP_TIMEOUT_MS = 10000,                 /* for a whole HTTP exchange over TCP */
    CONTROL_METRICS_BYTES = 4 * 1024 * 1024,         /* of one /metrics answer */
    CONTROL_LOG_BYTES = 256 * 1024,                  /* log lines on their way to the loop */
    CONTROL_FOLLOW_BYTES = CONTROL_OUTPUT_BYTES / 2, /* a follower further behind loses lines */
};

struct control_log; /* control_log.c; there as long as somebody follows */

struct control {
    uv_loop_t *loop;
    struct control_options options;
    char *socket_path;
    uv_pipe_t pipe;
    uv_tcp_t tcp;
    bool has_tcp;
    bool closing;
    unsigned clients[2]; /* by enum control_way */
    unsigned handles;    /* of libuv that are not closed yet */
    unsigned calls;      /* not answered yet */
    struct jb__list all; /* struct control_client.node */
    struct control_log *log;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

enum control_way { CONTROL_UNIX, CONTROL_TCP };

struct control_client {
    struct control *control;
    struct jb__list node;  /* in control.all */
    struct jb__list calls; /* struct control_call.node */
    unsigned call_count;
    enum control_way way;
    union {
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    } u;
    uv_timer_t timer; /* ends an HTTP exchange over TCP, and a client that failed */
    unsigned handles; /* of the two above, not closed yet */
    struct jb__buf in;
    size_t pending; /* bytes written and not taken by the peer */
    bool http;      /* began with GET; or came over TCP */
    bool answered;  /* HTTP: the answer is on its way, then it closes */
    bool failed;    /* too far behind, or cannot be written to: closes from the loop */
    bool closing;
    bool in_lines; /* control_client_lines is on the stack */
};

struct control_call {
    struct control *control;
    struct control_client *client; /* NULL: gone */
    struct jb__list node;
    json_t *request; /* owned */
    json_t *args;    /* in request, or owned when it had none */
    json_t *id;      /* owned */
    void *data;
    void (*gone)(struct control_call *call);
};

/* control.c */
struct control_client *control_client_new(struct control *c, enum control_way way);
void control_client_close(struct control_client *client);
/* Takes part in the life of control: called when a handle or a call is gone. */
void control_settle(struct control *c);

/* control_client.c */
void control_client_start(struct control_client *client);
/* Copies and sends; a client that is too far behind fails.  Never closes it at once: who sends may
 * be walking over clients or calls. */
void control_client_send(struct control_client *client, const void *p, size_t n);
/* Closes when all that was sent has left. */
void control_client_finish(struct control_client *client);
/* The client is closing: its calls go on without it. */
void control_client_drop_calls(struct control_client *client);

/* control_http.c: looks at client->in. */
void control_http_input(struct control_client *client);

/* control_log.c */
void control_log_end(struct control *c);

#endif
