/* SPDX-License-Identifier: MIT */
#include "cli/server_link.h"

#include "base/assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int server_link_open(struct server_link *link, const char *data)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", data);

    *link = (struct server_link){ .fd = -1, .next_id = 1 };
    jb__buf_init(&link->in, &jb_allocator_abort, SERVER_LINK_REPLY_BYTES);
    if (n < 0 || (size_t)n >= sizeof address.sun_path) {
        snprintf(link->message, sizeof link->message, "%.300s: the path is too long", data);
        return JB_EIO;
    }
    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd >= 0 && connect(link->fd, (struct sockaddr *)&address, sizeof address) == 0)
        return 0;
    int rc = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR ? JB_ENOTFOUND : JB_EIO;
    snprintf(link->message, sizeof link->message, "%s: %s", address.sun_path, strerror(errno));
    server_link_close(link);
    return rc;
}

void server_link_close(struct server_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    jb__buf_deinit(&link->in);
}

static int fail(struct server_link *link, int rc, const char *words)
{
    snprintf(link->message, sizeof link->message, "%s", words);
    return rc;
}

/* Reading or writing failed. */
static int fail_errno(struct server_link *link)
{
    bool gone = errno == EPIPE || errno == ECONNRESET;

    return fail(link, JB_EIO, gone ? "the server has gone" : strerror(errno));
}

static int send_all(struct server_link *link, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(link->fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fail_errno(link);
        p += sent;
        n -= (size_t)sent;
    }
    return 0;
}

static int send_request(struct server_link *link, const char *command, json_t *args)
{
    json_t *request = json_pack("{s:I, s:s, s:o}", "id", link->next_id, "command", command, "args",
                                args ? args : json_object());
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    int rc = JB_EINVAL;

    if (text) {
        size_t n = strlen(text);
        text[n] = '\n';
        rc = n < SERVER_LINK_LINE_BYTES ? send_all(link, text, n + 1)
                                        : fail(link, JB_EFULL, "the request is too long");
        free(text);
    } else {
        fail(link, rc, "the request is not valid text");
    }
    json_decref(request);
    return rc;
}

/* The next reply, without its end; valid until the next call. */
static int read_line(struct server_link *link, struct jb_str *line)
{
    jb__buf_consume(&link->in, link->used);
    link->used = 0;
    for (size_t seen = 0;;) {
        const char *end =
            link->in.n > seen ? memchr(link->in.p + seen, '\n', link->in.n - seen) : NULL;
        if (end) {
            *line = jb_str(link->in.p, (size_t)(end - link->in.p));
            link->used = line->n + 1;
            return 0;
        }
        seen = link->in.n;
        if (jb__buf_reserve(&link->in, 4096) != 0)
            return fail(link, JB_EFULL, "the reply is too long");
        ssize_t got = read(link->fd, link->in.p + link->in.n, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(link);
        if (got == 0)
            return fail(link, JB_EIO, "the server has gone");
        link->in.n += (size_t)got;
    }
}

static int code_of(const char *code)
{
    static const struct {
        const char *text;
        int rc;
    } codes[] = {
        { "not-found", JB_ENOTFOUND }, { "exists", JB_EEXIST },      { "refused", JB_EAUTH },
        { "failed", JB_EIO },          { "bad-request", JB_EINVAL },
    };

    for (size_t i = 0; code && i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i].text) == 0)
            return codes[i].rc;
    return JB_EIO;
}

int server_link_call(struct server_link *link, const char *command, json_t *args,
                     bool (*progress)(void *ctx, const json_t *result), void *ctx, json_t **result)
{
    struct jb_str line = JB_STR_NONE;
    int rc = send_request(link, command, args);

    if (result)
        *result = NULL;
    link->next_id++;
    while (rc == 0 && (rc = read_line(link, &line)) == 0) {
        json_t *reply = json_loadb(line.p, line.n, 0, NULL);
        json_t *inner = json_object_get(reply, "result");
        const char *error = json_string_value(json_object_get(reply, "error"));
        bool ok = json_is_true(json_object_get(reply, "ok"));
        bool done = !json_is_false(json_object_get(reply, "done"));
        bool stop = !reply || done;

        if (!ok)
            rc = fail(link, code_of(json_string_value(json_object_get(reply, "code"))),
                      error ? error : "the server does not speak this protocol");
        else if (done && result)
            *result = json_incref(inner);
        else if (!done && progress && !progress(ctx, inner))
            stop = true;
        json_decref(reply);
        if (stop)
            break;
    }
    return rc;
}
