/* SPDX-License-Identifier: MIT */
/* Plain sockets.  SIGPIPE has its default action here: one signal and the test is dead. */
#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static int listener(const char *at, unsigned flags, struct jb__addr *a)
{
    int fd;

    assert_int_equal(jb__addr_parse_port(a, jb_strz(at)), 0);
    assert_int_equal(jb__listen_open(a, flags, &fd), 0);
    return fd;
}

static int dial(const struct jb__addr *to)
{
    struct sockaddr_storage sa;
    socklen_t n = jb__addr_to_sockaddr(to, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

static void wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&p, 1, 5000), 1);
}

static void test_accept(void **state)
{
    static const char *const places[] = { "127.0.0.1:0", "[::1]:0" };

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct jb__addr at, peer;
        struct jb__sock s;
        int fd = listener(places[k], 0, &at);
        assert_true(at.port > 0);
        assert_int_equal(jb__sock_accept(fd, &s, &peer), JB_EAGAIN);
        int other = dial(&at);
        wait_readable(fd);
        assert_int_equal(jb__sock_accept(fd, &s, &peer), 0);
        assert_true(jb__addr_eq_ip(&at, &peer) && jb__addr_is_loopback(&peer) && peer.port > 0);
        assert_true(fcntl(s.fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(s.fd, F_GETFD) & FD_CLOEXEC);
        int value = 0;
        socklen_t n = sizeof value;
        assert_int_equal(getsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &value, &n), 0);
        assert_true(value != 0);
        jb__sock_close(&s);
        jb__sock_close(&s);
        close(other);
        close(fd);
    }
}

/* One listener for both families shows IPv4 peers as IPv4. */
static void test_mapped_peer(void **state)
{
    struct jb__addr at, to, peer;
    struct jb__sock s;
    char text[JB__ADDR_TEXT_BYTES];
    int fd = listener("[::]:0", 0, &at);

    (void)state;
    assert_int_equal(jb__addr_parse(&to, JB_STR("127.0.0.1")), 0);
    to.port = at.port;
    int other = dial(&to);
    wait_readable(fd);
    assert_int_equal(jb__sock_accept(fd, &s, &peer), 0);
    jb__addr_text(&peer, text);
    assert_string_equal(text, "127.0.0.1");
    jb__sock_close(&s);
    close(other);
    close(fd);
}

static void test_listen_twice(void **state)
{
    struct jb__addr at, same;
    int fd = listener("127.0.0.1:0", 0, &at), second, third;

    (void)state;
    same = at;
    assert_int_equal(jb__listen_open(&same, 0, &second), JB_EEXIST);
    assert_int_equal(errno, EADDRINUSE);
    assert_non_null(strstr(jb__sock_why(), "in use"));
    assert_int_equal(second, -1);
    close(fd);
    at.port = 0;
    assert_int_equal(jb__listen_open(&at, JB__LISTEN_REUSEPORT, &fd), 0);
    assert_int_equal(jb__listen_open(&at, JB__LISTEN_REUSEPORT, &third), 0);
    close(fd);
    close(third);
    assert_int_equal(jb__addr_parse_port(&at, JB_STR("192.0.2.1:0")), 0);
    assert_int_equal(jb__listen_open(&at, 0, &fd), JB_EIO);
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit old, low;
    struct jb__addr at, peer;
    struct jb__sock s;
    int fd = listener("127.0.0.1:0", 0, &at), other = dial(&at);

    (void)state;
    wait_readable(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)other + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = jb__sock_accept(fd, &s, &peer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, JB_EFULL);
    assert_int_equal(jb__sock_accept(fd, &s, &peer), 0); /* it waited */
    jb__sock_close(&s);
    close(other);
    close(fd);
}

static void pair(struct jb__sock *s, int *other)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(jb__sock_adopt(s, fds[0]), 0);
    *other = fds[1];
}

static void test_read_write(void **state)
{
    struct iovec iov[3] = { { (void *)"ab", 2 }, { NULL, 0 }, { (void *)"cde", 3 } };
    struct jb__sock s;
    char buf[16];
    int other;

    (void)state;
    pair(&s, &other);
    assert_int_equal(jb__sock_handshake(&s), 0);
    assert_int_equal(jb__sock_read(&s, buf, sizeof buf), JB_EAGAIN);
    assert_int_equal(s.want, JB__WANT_READ);
    assert_int_equal(jb__sock_writev(&s, iov, 3), 5);
    assert_int_equal(read(other, buf, sizeof buf), 5);
    assert_memory_equal(buf, "abcde", 5);
    assert_int_equal(write(other, "xyz", 3), 3);
    assert_int_equal(jb__sock_read(&s, buf, 2), 2);
    assert_false(jb__sock_pending(&s));
    assert_int_equal(jb__sock_read(&s, buf, 2), 1);
    /* Our end of data, then theirs. */
    assert_int_equal(jb__sock_shutdown(&s), 0);
    assert_int_equal(read(other, buf, sizeof buf), 0);
    assert_int_equal(write(other, "x", 1), 1);
    assert_int_equal(jb__sock_read(&s, buf, 2), 1);
    close(other);
    assert_int_equal(jb__sock_read(&s, buf, 2), JB_ECLOSED);
    assert_true(s.peer_closed);
    jb__sock_close(&s);
}

static void test_full(void **state)
{
    static char zeros[65536];
    struct jb__sock s;
    ssize_t put;
    int other;

    (void)state;
    pair(&s, &other);
    while ((put = jb__sock_write(&s, zeros, sizeof zeros)) > 0)
        ;
    assert_int_equal(put, JB_EAGAIN);
    assert_int_equal(s.want, JB__WANT_WRITE);
    close(other);
    jb__sock_close(&s);
}

static void test_closed_peer(void **state)
{
    struct jb__sock s;
    int other;

    (void)state;
    pair(&s, &other);
    close(other);
    assert_int_equal(jb__sock_write(&s, "x", 1), JB_ECLOSED);
    assert_int_equal(jb__sock_write(&s, "x", 1), JB_ECLOSED);
    jb__sock_close(&s);
}

static void test_reset(void **state)
{
    const struct linger now = { 1, 0 };
    struct jb__addr at, peer;
    struct jb__sock s;
    char buf[4];
    int fd = listener("127.0.0.1:0", 0, &at), other = dial(&at);

    (void)state;
    wait_readable(fd);
    assert_int_equal(jb__sock_accept(fd, &s, &peer), 0);
    setsockopt(other, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(other);
    wait_readable(s.fd);
    assert_int_equal(jb__sock_read(&s, buf, sizeof buf), JB_EIO);
    assert_non_null(strstr(jb__sock_why(), "reset"));
    assert_int_equal(jb__sock_write(&s, "x", 1), JB_ECLOSED);
    jb__sock_close(&s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),       cmocka_unit_test(test_mapped_peer),
        cmocka_unit_test(test_listen_twice), cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_read_write),   cmocka_unit_test(test_full),
        cmocka_unit_test(test_closed_peer),  cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
