/* SPDX-License-Identifier: MIT */
#include "net/sock.h"

#include "base/assert.h"
#include "base/inject.h"
#include "net/sock_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static _Thread_local char why[256];

const char *jb__sock_why(void)
{
    return why;
}

int jb__sock_fail(int rc, const char *words)
{
    snprintf(why, sizeof why, "%s", words);
    return rc;
}

int jb__sock_fail_errno(int rc, const char *what)
{
    const int saved = errno;
    char text[128];

    snprintf(why, sizeof why, "%s: %s", what, strerror_r(saved, text, sizeof text));
    errno = saved;
    return rc;
}

/* -- Listening -------------------------------------------------------------------------------- */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

static int prepare_listener(int fd, struct jb__addr *at, unsigned flags)
{
    struct sockaddr_storage sa;
    socklen_t n = jb__addr_to_sockaddr(at, &sa);

    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        ((flags & JB__LISTEN_REUSEPORT) && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
        (sa.ss_family == AF_INET6 &&
         set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & JB__LISTEN_V6ONLY) != 0) != 0) ||
        bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, SOMAXCONN) != 0)
        return -1;
    n = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
        return -1;
    jb__addr_from_sockaddr(at, (struct sockaddr *)&sa);
    return 0;
}

int jb__listen_open(struct jb__addr *at, unsigned flags, int *fd)
{
    const int family = jb__addr_is_v4(at) ? AF_INET : AF_INET6;

    *fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return jb__sock_fail_errno(JB_EIO, "socket");
    if (prepare_listener(*fd, at, flags) == 0)
        return 0;
    jb__sock_fail_errno(0, "listen");
    const int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
    if (saved == EADDRINUSE)
        return JB_EEXIST;
    return saved == EACCES || saved == EPERM ? JB_EAUTH : JB_EIO;
}

/* Errors that accept(2) passes on from a connection which died while it waited. */
static bool is_lost_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

int jb__sock_accept(int listener, struct jb__sock *s, struct jb__addr *peer)
{
    struct sockaddr_storage sa;
    int fd;

    *s = JB__SOCK_NONE;
    *peer = (struct jb__addr){ 0 };
    if (jb__inject(JB__INJECT_ACCEPT))
        return jb__sock_fail(JB_EFULL, "accept: injected");
    do {
        socklen_t n = sizeof sa;
        fd = accept4(listener, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && is_lost_connection(errno));
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return JB_EAGAIN;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        return jb__sock_fail_errno(JB_EFULL, "accept");
    if (fd < 0)
        return jb__sock_fail_errno(JB_EIO, "accept");
    jb__addr_from_sockaddr(peer, (struct sockaddr *)&sa);
    if (peer->is_set)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    s->fd = fd;
    s->handshaken = true;
    return 0;
}

int jb__sock_adopt(struct jb__sock *s, int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    *s = JB__SOCK_NONE;
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return jb__sock_fail_errno(JB_EIO, "fcntl");
    s->fd = fd;
    s->handshaken = true;
    return 0;
}

/* -- Connecting ------------------------------------------------------------------------------- */

int jb__sock_connect(struct jb__sock *s, const struct jb__addr *to)
{
    struct sockaddr_storage sa;
    socklen_t n = jb__addr_to_sockaddr(to, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    *s = JB__SOCK_NONE;
    if (fd < 0)
        return jb__sock_fail_errno(JB_EIO, "socket");
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    s->fd = fd;
    s->handshaken = true;
    if (connect(fd, (struct sockaddr *)&sa, n) == 0)
        return 0;
    if (errno == EINPROGRESS || errno == EINTR) {
        s->want = JB__WANT_WRITE;
        return JB_EAGAIN;
    }
    int rc = jb__sock_fail_errno(JB_EIO, "connect");
    jb__sock_close(s);
    return rc;
}

int jb__sock_connected(struct jb__sock *s)
{
    struct pollfd p = { .fd = s->fd, .events = POLLOUT };
    int error = 0;
    socklen_t n = sizeof error;

    if (poll(&p, 1, 0) == 0)
        return JB_EAGAIN;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0)
        return 0;
    errno = error ? error : errno;
    return jb__sock_fail_errno(JB_EIO, "connect");
}

/* -- Reading and writing ---------------------------------------------------------------------- */

ssize_t jb__sock_read(struct jb__sock *s, void *p, size_t n)
{
    ssize_t got;

    jb_assert(s->fd >= 0 && n > 0);
    if (jb__inject(JB__INJECT_READ))
        return jb__sock_fail(JB_EIO, "read: injected");
    if (s->ssl)
        return jb__sock_tls_read(s, p, n);
    do
        got = recv(s->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        return got;
    if (got == 0) {
        s->peer_closed = true;
        return jb__sock_fail(JB_ECLOSED, "closed by the other side");
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        s->want = JB__WANT_READ;
        return JB_EAGAIN;
    }
    return jb__sock_fail_errno(JB_EIO, "read");
}

ssize_t jb__sock_write(struct jb__sock *s, const void *p, size_t n)
{
    struct iovec iov = { (void *)(uintptr_t)p, jb__inject(JB__INJECT_WRITE_SHORT) ? 1 : n };

    return jb__sock_writev(s, &iov, 1);
}

ssize_t jb__sock_writev(struct jb__sock *s, const struct iovec *iov, int count)
{
    enum { IOV_MOST = 1024 }; /* what Linux takes in one call */
    ssize_t put;

    jb_assert(s->fd >= 0 && count > 0);
    if (jb__inject(JB__INJECT_WRITE))
        return jb__sock_fail(JB_EIO, "write: injected");
    if (s->ssl)
        return jb__sock_tls_writev(s, iov, count);
    const struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)iov,
        .msg_iovlen = (size_t)(count < IOV_MOST ? count : IOV_MOST),
    };
    do
        put = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put > 0)
        return put;
    jb_assert(put != 0); /* the caller had nothing to write */
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        s->want = JB__WANT_WRITE;
        return JB_EAGAIN;
    }
    return jb__sock_fail_errno(errno == EPIPE || errno == ECONNRESET ? JB_ECLOSED : JB_EIO,
                               "write");
}

int jb__sock_shutdown(struct jb__sock *s)
{
    jb_assert(s->fd >= 0);
    if (s->ssl) {
        int rc = jb__sock_tls_shutdown(s);
        if (rc != 0)
            return rc;
    }
    if (shutdown(s->fd, SHUT_WR) == 0)
        return 0;
    return jb__sock_fail_errno(errno == ENOTCONN ? JB_ECLOSED : JB_EIO, "shutdown");
}

void jb__sock_close(struct jb__sock *s)
{
    if (s->ssl)
        jb__sock_tls_free(s);
    if (s->fd >= 0)
        close(s->fd); /* never retried: on Linux the descriptor is gone even after EINTR */
    *s = JB__SOCK_NONE;
}
