/* SPDX-License-Identifier: MIT */
/* The sockets of the control unit, and the life of its clients. */
#include "server/control_internal.h"

#include "base/assert.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void control_settle(struct control *c)
{
    if (!c->closing || c->handles > 0 || c->calls > 0)
        return;
    if (c->closed)
        c->closed(c->closed_ctx);
    jb_free(&jb_allocator_abort, c->socket_path);
    jb_free(&jb_allocator_abort, c);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct control *c = h->data;

    c->handles--;
    control_settle(c);
}

static void on_client_handle_closed(uv_handle_t *h)
{
    struct control_client *client = h->data;
    struct control *c = client->control;

    c->handles--;
    if (--client->handles == 0) {
        c->clients[client->way]--;
        jb__buf_deinit(&client->in);
        jb_free(&jb_allocator_abort, client);
    }
    control_settle(c);
}

struct control_client *control_client_new(struct control *c, enum control_way way)
{
    struct control_client *client = jb_zalloc(&jb_allocator_abort, sizeof *client);

    jb_assert(client);
    client->control = c;
    client->way = way;
    client->http = way == CONTROL_TCP;
    jb__list_init(&client->calls);
    jb__list_push(&c->all, &client->node);
    jb__buf_init(&client->in, &jb_allocator_abort, CONTROL_LINE_BYTES);
    if (way == CONTROL_UNIX)
        uv_pipe_init(c->loop, &client->u.pipe, 0);
    else
        uv_tcp_init(c->loop, &client->u.tcp);
    uv_timer_init(c->loop, &client->timer);
    client->u.stream.data = client;
    client->timer.data = client;
    client->handles = 2;
    c->handles += 2;
    c->clients[way]++;
    return client;
}

void control_client_close(struct control_client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    jb__list_remove(&client->node);
    control_client_drop_calls(client);
    uv_close((uv_handle_t *)&client->u.stream, on_client_handle_closed);
    uv_close((uv_handle_t *)&client->timer, on_client_handle_closed);
}

/* Same user or root: what the socket's mode promises, checked again at the peer. */
static bool peer_is_allowed(const struct control_client *client)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&client->u.stream, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
        return false;
    return cred.uid == geteuid() || cred.uid == 0;
}

static bool is_one_too_many(const struct control_client *client)
{
    const struct control *c = client->control;

    if (c->clients[client->way] <= c->options.max_clients)
        return false;
    if (c->options.limit_reached)
        c->options.limit_reached(c->options.ctx);
    return true;
}

/* A client whose socket is open.  Too many: the newest goes. */
static void admit(struct control_client *client)
{
    struct control *c = client->control;
    const char *why = NULL;

    if (c->closing)
        why = "the server stops";
    else if (is_one_too_many(client))
        why = "too many clients (limit control_clients)";
    else if (client->way == CONTROL_UNIX && !peer_is_allowed(client))
        why = "another user";
    if (why) {
        jb_log(JB_LOG_WARN, "control client refused", JB_FZ("reason", why));
        control_client_close(client);
        return;
    }
    control_client_start(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *c = listener->data;

    if (status != 0 || c->closing)
        return;
    enum control_way way = listener == (uv_stream_t *)&c->pipe ? CONTROL_UNIX : CONTROL_TCP;
    struct control_client *client = control_client_new(c, way);
    if (uv_accept(listener, &client->u.stream) != 0)
        control_client_close(client);
    else
        admit(client);
}

int control_adopt(struct control *c, int fd)
{
    struct control_client *client = control_client_new(c, CONTROL_UNIX);

    if (uv_pipe_open(&client->u.pipe, fd) != 0) {
        close(fd);
        control_client_close(client);
        return JB_EIO;
    }
    admit(client);
    return 0;
}

/* Removes the socket of a server that died; JB_EEXIST when one answers. */
static int clear_stale_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat st;
    int rc = 0;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : JB_EIO;
    if (!S_ISSOCK(st.st_mode))
        return JB_EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return JB_EIO;
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        rc = JB_EEXIST;
    else if (errno != ECONNREFUSED || unlink(path) != 0)
        rc = JB_EIO;
    close(fd);
    return rc;
}

/* libuv's code as ours, with errno for the words. */
static int from_uv(int rc)
{
    errno = rc < 0 ? -rc : 0;
    return rc < 0 ? JB_EIO : 0;
}

static int listen_unix(struct control *c)
{
    int rc = clear_stale_socket(c->socket_path);

    if (rc != 0)
        return rc;
    rc = from_uv(uv_pipe_bind(&c->pipe, c->socket_path));
    /* Nobody can connect before listen, so nobody does before the mode is right. */
    if (rc == 0 && chmod(c->socket_path, 0600) != 0)
        rc = JB_EIO;
    if (rc == 0)
        rc = from_uv(uv_listen((uv_stream_t *)&c->pipe, 16, on_connection));
    return rc;
}

static int listen_tcp(struct control *c)
{
    struct sockaddr_storage s;

    if (!jb__addr_is_loopback(&c->options.metrics))
        return JB_EINVAL;
    jb__addr_to_sockaddr(&c->options.metrics, &s);
    uv_tcp_init(c->loop, &c->tcp);
    c->tcp.data = c;
    c->handles++;
    c->has_tcp = true;
    int rc = from_uv(uv_tcp_bind(&c->tcp, (struct sockaddr *)&s, 0));
    return rc != 0 ? rc : from_uv(uv_listen((uv_stream_t *)&c->tcp, 16, on_connection));
}

int control_open(uv_loop_t *loop, const struct control_options *options, struct control **out)
{
    struct sockaddr_un address;
    size_t n = strlen(options->socket_path);

    *out = NULL;
    if (n >= sizeof address.sun_path)
        return JB_EINVAL;
    struct control *c = jb_zalloc(&jb_allocator_abort, sizeof *c);
    jb_assert(c);
    c->loop = loop;
    c->options = *options;
    c->socket_path = jb_alloc(&jb_allocator_abort, n + 1);
    jb_assert(c->socket_path);
    memcpy(c->socket_path, options->socket_path, n + 1);
    jb__list_init(&c->all);
    uv_pipe_init(loop, &c->pipe, 0);
    c->pipe.data = c;
    c->handles = 1;
    int rc = listen_unix(c);
    bool ours = rc == 0;
    if (rc == 0 && options->metrics.is_set)
        rc = listen_tcp(c);
    if (rc != 0) {
        int saved = errno;
        if (!ours)
            c->socket_path[0] = '\0'; /* another server's: closing must not remove it */
        control_close(c, NULL, NULL);
        errno = saved;
        return rc;
    }
    *out = c;
    return 0;
}

void control_close(struct control *c, void (*closed)(void *ctx), void *ctx)
{
    jb_assert(!c->closing);
    c->closing = true;
    c->closed = closed;
    c->closed_ctx = ctx;
    if (c->socket_path[0])
        unlink(c->socket_path);
    jb__list_each(it, next, &c->all)
        control_client_close(jb__container_of(it, struct control_client, node));
    control_log_end(c);
    uv_close((uv_handle_t *)&c->pipe, on_listener_closed);
    if (c->has_tcp)
        uv_close((uv_handle_t *)&c->tcp, on_listener_closed);
}
