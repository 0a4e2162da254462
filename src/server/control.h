/* SPDX-License-Identifier: MIT */
/* The control socket: how `jabiru admin` and a metrics collector talk to a running server.
 *
 * DATA/control.sock, a Unix stream socket of mode 0600; a peer whose user (SO_PEERCRED) is neither
 * ours nor root is cut off.  One JSON object per line, at most CONTROL_LINE_BYTES:
 *
 *     > {"id":1,"command":"user-add","args":{"jid":"juliet@localhost",...}}
 *     < {"id":1,"ok":true,"done":false,"result":{"stored":500}}      any number of these
 *     < {"id":1,"ok":true,"done":true,"result":{...}}                exactly one of these, or
 *     < {"id":1,"ok":false,"done":true,"code":"not-found","error":"no account juliet@localhost"}
 *
 * `id` is any number of the client's; requests of one connection may be answered in any order.
 * A connection whose first bytes are "GET " speaks HTTP instead: /metrics (OpenMetrics) and
 * /health, one request, then it is closed.  The optional loopback TCP address serves that alone.
 *
 * Everything here runs on the loop's thread; control_log_* alone is fed from other threads. */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "base/buf.h"
#include "base/error.h"
#include "net/addr.h"

#include <jansson.h>
#include <uv.h>

enum {
    CONTROL_LINE_BYTES = 64 * 1024,     /* a request's line with its end */
    CONTROL_OUTPUT_BYTES = 1024 * 1024, /* replies waiting for one client; past it, it is cut off */
    CONTROL_CALLS = 16,                 /* requests of one client that wait for an answer */
};

/* Why a request was refused; the first column stands in "code".  X(name, text) */
#define CONTROL_CODES(X)                                                          \
    X(CONTROL_BAD_REQUEST, "bad-request") /* not as the protocol says */          \
    X(CONTROL_NOT_FOUND, "not-found")     /* no such command, account, session */ \
    X(CONTROL_EXISTS, "exists")           /* there is one already */              \
    X(CONTROL_REFUSED, "refused")         /* understood, but no */                \
    X(CONTROL_FAILED, "failed")           /* the disk, memory, a limit */

enum control_code {
#define CONTROL_CODE_ENUM(name, text) name,
    CONTROL_CODES(CONTROL_CODE_ENUM)
#undef CONTROL_CODE_ENUM
};

struct control;
struct control_users; /* control_users.h */
/* A request that has not been answered.  Valid until the handler or its continuation gives the
 * final reply, also when the client has gone meanwhile (what is then replied goes nowhere). */
struct control_call;

struct control_command {
    const char *name; /* "user-add" */
    /* Must lead to exactly one of control_reply or control_refuse, now or later. */
    void (*handler)(struct control_call *call);
};

struct control_options {
    const char *socket_path;                /* at most 107 bytes; a stale socket is replaced */
    struct jb__addr metrics;                /* loopback, with a port; not set: no TCP */
    unsigned max_clients;                   /* limit control_clients */
    const struct control_command *commands; /* ended by a row without a name; must outlive it */
    void *ctx;                              /* control_call_ctx() */
    void (*limit_reached)(void *ctx);       /* a client was one too many; NULL: nobody counts */
    const struct control_users *users;      /* what the commands of control_users.h need, or NULL */
    /* Appends the metrics in OpenMetrics format without "# EOF"; NULL: none. */
    int (*metrics_write)(void *ctx, struct jb__buf *out);
    /* NULL, or says whether the server is fit to serve; appends words for the body. */
    bool (*health_write)(void *ctx, struct jb__buf *out);
};

/* Binds and listens.  0, JB_EEXIST (another server answers on the socket), JB_EIO with errno set,
 * JB_EINVAL (path too long, address not loopback). */
JB_NODISCARD int control_open(uv_loop_t *loop, const struct control_options *options,
                              struct control **out);
/* Stops listening, removes the socket, cuts the clients off; `closed` is called on the loop when
 * the last handle is gone and all calls in waiting have been answered by their handlers. */
void control_close(struct control *c, void (*closed)(void *ctx), void *ctx);

/* A client over an open stream socket instead of an accepted one (tests). Takes fd over. */
JB_NODISCARD int control_adopt(struct control *c, int fd);

void *control_call_ctx(const struct control_call *call);
/* The request's "args", an object (empty when it had none); borrowed. */
const json_t *control_call_args(const struct control_call *call);
/* args[name] as text that is valid as long as the call; empty slice when absent or no string. */
struct jb_str control_call_str(const struct control_call *call, const char *name);
/* A handler's own pointer across its continuations; NULL at first. */
void control_call_set_data(struct control_call *call, void *data);
void *control_call_data(const struct control_call *call);
/* Called on the loop when the client goes before the final reply (once); the call stays valid. */
void control_call_on_gone(struct control_call *call, void (*gone)(struct control_call *call));
bool control_call_is_gone(const struct control_call *call);
/* Bytes of replies this client has not taken yet: a stream of replies waits while it is large. */
size_t control_call_pending(const struct control_call *call);

/* All three take over the reference to `result` (NULL: an empty object). */
void control_progress(struct control_call *call, json_t *result); /* "done": false */
void control_reply(struct control_call *call, json_t *result);    /* final; frees the call */
/* Final; frees the call. */
void control_refuse(struct control_call *call, enum control_code code, const char *format, ...)
    JB_PRINTF(3, 4);

/* The command "log": streams {"line": "..."} for each log line until the client goes.  Lines pass
 * from any thread through a ring of bounded size; what does not fit is counted, and the follower
 * gets {"lost": n}.  Put it into the table: { "log", control_log_follow }. */
void control_log_follow(struct control_call *call);

#endif
