/* SPDX-License-Identifier: MIT */
/* The control protocol over a socket pair and over its own sockets. */
#include "base/log.h"
#include "server/control.h"

#include <fcntl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static char folder[] = "/tmp/jabiru-control-XXXXXX";
static char socket_path[64];

struct play {
    uv_loop_t loop;
    struct control *control;
    struct control *second; /* NULL, or one that a test has opened and not closed yet */
    int fd;                 /* our end */
    char in[4 * 1024 * 1024];
    size_t n;
    struct control_call *held[64];
    unsigned held_count, gone_count, limit_count;
    bool closed, fit;
};

static struct play play;

static void on_echo(struct control_call *call)
{
    struct jb_str text = control_call_str(call, "text");

    assert_ptr_equal(control_call_ctx(call), &play);
    control_reply(call, json_pack("{s:s%}", "text", text.p ? text.p : "", text.n));
}

static void on_gone(struct control_call *call)
{
    assert_true(control_call_is_gone(call));
    play.gone_count++;
}

static void on_hold(struct control_call *call)
{
    control_call_set_data(call, &play);
    control_call_on_gone(call, on_gone);
    play.held[play.held_count++] = call;
}

static void on_count(struct control_call *call)
{
    for (int i = 0; i < 3; i++)
        control_progress(call, json_pack("{s:i}", "n", i));
    control_reply(call, NULL);
}

static void on_refuse(struct control_call *call)
{
    control_refuse(call, CONTROL_NOT_FOUND, "no account %s", "a@b");
}

static void on_big(struct control_call *call)
{
    char *text = malloc(300000);

    assert_non_null(text);
    memset(text, 'x', 299999);
    text[299999] = '\0';
    for (int i = 0; i < 4; i++)
        control_progress(call, json_pack("{s:s}", "text", text));
    free(text);
    control_reply(call, NULL);
}

static const struct control_command commands[] = {
    { "echo", on_echo },
    { "hold", on_hold },
    { "count", on_count },
    { "refuse", on_refuse },
    { "big", on_big },
    { "log", control_log_follow },
    { 0 },
};

static int on_metrics(void *ctx, struct jb__buf *out)
{
    assert_ptr_equal(ctx, &play);
    return jb__buf_append(out, "jabiru_up 1\n", 12);
}

static bool on_health(void *ctx, struct jb__buf *out)
{
    (void)ctx;
    return jb__buf_append(out, play.fit ? "fine\n" : "sick\n", 5) == 0 && play.fit;
}

static void on_limit(void *ctx)
{
    ((struct play *)ctx)->limit_count++;
}

static void on_closed(void *ctx)
{
    ((struct play *)ctx)->closed = true;
}

/* Runs the loop until nothing has happened for a moment; gathers what arrives. */
static void settle(void)
{
    for (int quiet = 0; quiet < 20;) {
        uv_run(&play.loop, UV_RUN_NOWAIT);
        ssize_t got = play.fd < 0 ? -1
                                  : recv(play.fd, play.in + play.n, sizeof play.in - 1 - play.n,
                                         MSG_DONTWAIT);
        if (got > 0) {
            play.n += (size_t)got;
            quiet = 0;
        } else {
            quiet++;
            usleep(500);
        }
    }
    play.in[play.n] = '\0';
}

static void pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    play.fd = fds[0];
    play.n = 0;
    assert_int_equal(control_adopt(play.control, fds[1]), 0);
}

static void hang_up(void)
{
    if (play.fd >= 0)
        close(play.fd);
    play.fd = -1;
    settle();
    play.n = 0;
    play.in[0] = '\0';
}

static void say(const char *text)
{
    size_t n = strlen(text);

    assert_int_equal(send(play.fd, text, n, MSG_NOSIGNAL), n);
}

static void expect(const char *text)
{
    settle();
    assert_string_equal(play.in, text);
    play.n = 0;
}

static struct control_options options(void)
{
    return (struct control_options){
        .socket_path = socket_path,
        .max_clients = 3,
        .commands = commands,
        .ctx = &play,
        .limit_reached = on_limit,
        .metrics_write = on_metrics,
        .health_write = on_health,
    };
}

static int begin(void **state)
{
    struct control_options o = options();

    (void)state;
    play.fd = -1;
    play.second = NULL;
    play.fit = true;
    play.closed = false;
    play.held_count = play.gone_count = play.limit_count = 0;
    return uv_loop_init(&play.loop) | control_open(&play.loop, &o, &play.control);
}

/* Also by `end`, when a test failed: the loop ends only when nothing is open in it. */
static void close_second(void)
{
    if (play.second)
        control_close(play.second, NULL, NULL);
    play.second = NULL;
    settle();
}

/* A call that a failed test left unanswered keeps the unit open for ever: two seconds are enough
 * to tell. */
static int end(void **state)
{
    (void)state;
    hang_up();
    close_second();
    control_close(play.control, on_closed, &play);
    for (int i = 0; i < 2000 && uv_run(&play.loop, UV_RUN_NOWAIT) != 0; i++)
        usleep(1000);
    assert_true(play.closed);
    assert_int_equal(access(socket_path, F_OK), -1);
    return uv_loop_close(&play.loop);
}

static void test_calls(void **state)
{
    (void)state;
    pair();
    say("{\"id\":1,\"command\":\"echo\",\"args\":{\"text\":\"h\xc3\xa9\"}}\n");
    expect("{\"id\":1,\"ok\":true,\"done\":true,\"result\":{\"text\":\"h\xc3\xa9\"}}\n");
    say("{\"id\":2.5,\"command\":\"echo\"}\n\n{\"id\":3,\"command\":\"count\"}\n");
    expect("{\"id\":2.5,\"ok\":true,\"done\":true,\"result\":{\"text\":\"\"}}\n"
           "{\"id\":3,\"ok\":true,\"done\":false,\"result\":{\"n\":0}}\n"
           "{\"id\":3,\"ok\":true,\"done\":false,\"result\":{\"n\":1}}\n"
           "{\"id\":3,\"ok\":true,\"done\":false,\"result\":{\"n\":2}}\n"
           "{\"id\":3,\"ok\":true,\"done\":true,\"result\":{}}\n");
    say("{\"id\":4,\"command\":\"refuse\"}\n");
    expect("{\"id\":4,\"ok\":false,\"done\":true,\"code\":\"not-found\","
           "\"error\":\"no account a@b\"}\n");
}

static void test_bytewise(void **state)
{
    static const char text[] = "{\"id\":1,\"command\":\"echo\",\"args\":{\"text\":\"a\\nb\"}}\n";

    (void)state;
    pair();
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(send(play.fd, text + i, 1, MSG_NOSIGNAL), 1);
        uv_run(&play.loop, UV_RUN_NOWAIT);
    }
    expect("{\"id\":1,\"ok\":true,\"done\":true,\"result\":{\"text\":\"a\\nb\"}}\n");
}

/* Three requests in pieces of every kind: what is cut where must not matter. */
static void test_random_splits(void **state)
{
    static const char text[] =
        "{\"id\":1,\"command\":\"echo\",\"args\":{\"text\":\"x\"}}\n\n"
        "{\"id\":2,\"command\":\"refuse\"}\n{\"id\":3,\"command\":\"echo\"}\n";
    uint32_t seed = 1;

    (void)state;
    pair();
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof text - 1;) {
            seed = seed * 1664525 + 1013904223;
            size_t n = 1 + (seed >> 16) % 40;
            n = n < sizeof text - 1 - i ? n : sizeof text - 1 - i;
            assert_int_equal(send(play.fd, text + i, n, MSG_NOSIGNAL), n);
            uv_run(&play.loop, UV_RUN_NOWAIT);
            i += n;
        }
        expect("{\"id\":1,\"ok\":true,\"done\":true,\"result\":{\"text\":\"x\"}}\n"
               "{\"id\":2,\"ok\":false,\"done\":true,\"code\":\"not-found\","
               "\"error\":\"no account a@b\"}\n"
               "{\"id\":3,\"ok\":true,\"done\":true,\"result\":{\"text\":\"\"}}\n");
    }
}

static void test_bad_requests(void **state)
{
    static const char *const bad[] = {
        "x\n",
        "[]\n",
        "{\"id\":1}\n",
        "{\"id\":\"a\",\"command\":\"echo\"}\n",
        "{\"id\":1,\"command\":\"echo\",\"args\":[]}\n",
        "{\"id\":1,\"command\":5}\n",
        "{\"id\":1,\"id\":1,\"command\":\"echo\"}\n",
        "\xff\xff\n",
        "{\"id\":1,\"command\":\"\xc3\"}\n",
    };

    (void)state;
    pair();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        say(bad[i]);
        settle();
        assert_non_null(strstr(play.in, "\"code\":\"bad-request\""));
        play.n = 0;
    }
    say("{\"id\":1,\"command\":\"nothing\"}\n");
    expect("{\"id\":1,\"ok\":false,\"done\":true,\"code\":\"not-found\","
           "\"error\":\"unknown command \\\"nothing\\\"\"}\n");
}

static void test_long_line(void **state)
{
    static char text[CONTROL_LINE_BYTES + 100];
    char byte;

    (void)state;
    pair();
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "{\"id\":1,\"command\":\"count\"}", 26);
    text[CONTROL_LINE_BYTES - 1] = '\n'; /* the longest that is taken */
    text[CONTROL_LINE_BYTES] = '\0';
    for (size_t sent = 0; sent < CONTROL_LINE_BYTES; sent += 1024) {
        assert_int_equal(send(play.fd, text + sent, 1024, MSG_NOSIGNAL), 1024);
        settle();
    }
    assert_non_null(strstr(play.in, "\"done\":true"));
    play.n = 0;
    text[CONTROL_LINE_BYTES - 1] = ' ';
    for (size_t sent = 0; sent < CONTROL_LINE_BYTES; sent += 1024) {
        assert_int_equal(send(play.fd, text + sent, 1024, MSG_NOSIGNAL), 1024);
        settle();
    }
    assert_non_null(strstr(play.in, "the line is too long"));
    assert_int_equal(recv(play.fd, &byte, 1, 0), 0); /* and closed */
}

/* A client may have CONTROL_CALLS in waiting; then its next line waits too. */
static void test_backpressure(void **state)
{
    (void)state;
    pair();
    for (int i = 0; i < CONTROL_CALLS + 5; i++)
        say("{\"id\":1,\"command\":\"hold\"}\n");
    settle();
    assert_int_equal(play.held_count, CONTROL_CALLS);
    control_reply(play.held[0], NULL);
    assert_int_equal(play.held_count, CONTROL_CALLS + 1);
    for (int i = 1; i < CONTROL_CALLS + 5; i++)
        control_reply(play.held[i], NULL);
    settle();
    assert_int_equal(play.gone_count, 0);
    say("{\"id\":9,\"command\":\"refuse\"}\n");
    settle();
    assert_non_null(strstr(play.in, "{\"id\":9,"));
}

static void test_gone(void **state)
{
    (void)state;
    pair();
    say("{\"id\":1,\"command\":\"hold\"}\n{\"id\":2,\"command\":\"hold\"}\n");
    settle();
    hang_up();
    assert_int_equal(play.gone_count, 2);
    assert_ptr_equal(control_call_data(play.held[0]), &play);
    assert_int_equal(control_call_pending(play.held[0]), 0);
    control_progress(play.held[0], NULL);
    control_reply(play.held[0], json_object());
    control_refuse(play.held[1], CONTROL_FAILED, "late");
}

/* Closing waits for handlers that have not answered. */
static void test_close_waits(void **state)
{
    struct control_options o = options();

    pair();
    say("{\"id\":1,\"command\":\"hold\"}\n");
    settle();
    control_close(play.control, on_closed, &play);
    uv_run(&play.loop, UV_RUN_DEFAULT);
    assert_false(play.closed);
    assert_int_equal(play.gone_count, 1);
    control_reply(play.held[0], NULL);
    assert_true(play.closed);
    play.closed = false;
    assert_int_equal(control_open(&play.loop, &o, &play.control), 0);
    (void)state;
}

static void test_slow_reader(void **state)
{
    (void)state;
    pair();
    say("{\"id\":1,\"command\":\"big\"}\n");
    for (int i = 0; i < 100; i++) { /* we do not read: cut off over CONTROL_OUTPUT_BYTES */
        uv_run(&play.loop, UV_RUN_NOWAIT);
        usleep(500);
    }
    settle();
    assert_true(play.n < 1200000);
    assert_int_equal(recv(play.fd, play.in, 1, MSG_DONTWAIT), 0);
}

static int connect_to(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, path, strlen(path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void test_socket(void **state)
{
    struct control_options o = options();
    struct control *second;
    struct stat st;
    int fds[4];

    (void)state;
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(control_open(&play.loop, &o, &second), JB_EEXIST);
    settle();
    assert_int_equal(access(socket_path, F_OK), 0); /* still the first one's */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(play.limit_count, 0);
        fds[i] = connect_to(socket_path);
        settle();
    }
    assert_int_equal(play.limit_count, 1);
    play.fd = fds[3]; /* one more than may be */
    assert_int_equal(recv(play.fd, play.in, 1, MSG_DONTWAIT), 0);
    hang_up();
    play.fd = fds[0];
    say("{\"id\":1,\"command\":\"refuse\"}\n");
    settle();
    assert_true(play.n > 0);
    close(fds[1]);
    close(fds[2]);

    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    long_path[199] = '\0';
    o.socket_path = long_path;
    assert_int_equal(control_open(&play.loop, &o, &second), JB_EINVAL);
    o.socket_path = "/nonexistent/folder/control.sock";
    assert_int_equal(control_open(&play.loop, &o, &second), JB_EIO);
    settle();
}

/* Only our own user and root; root alone can be somebody else for a moment. */
static void test_peer_credentials(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(seteuid(65534), 0);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(seteuid(0), 0);
    play.fd = fds[0];
    assert_int_equal(control_adopt(play.control, fds[1]), 0);
    settle();
    assert_int_equal(recv(play.fd, play.in, 1, MSG_DONTWAIT), 0);
}

/* What a server that died leaves behind is replaced. */
static void test_stale_socket(void **state)
{
    struct control_options o = options();
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char path[80];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(path, sizeof path, "%s/stale.sock", folder);
    memcpy(a.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    o.socket_path = path;
    assert_int_equal(control_open(&play.loop, &o, &play.second), 0);
    close_second();
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* not a socket: not ours to remove */
    close(fd);
    assert_int_equal(control_open(&play.loop, &o, &play.second), JB_EEXIST);
    settle();
    assert_int_equal(unlink(path), 0);
}

static void expect_http(const char *request, const char *status, const char *part)
{
    char byte;

    say(request);
    settle();
    assert_true(strncmp(play.in, "HTTP/1.1 ", 9) == 0);
    assert_true(strncmp(play.in + 9, status, 3) == 0);
    assert_non_null(strstr(play.in, part));
    assert_int_equal(recv(play.fd, &byte, 1, MSG_DONTWAIT), 0);
    hang_up();
}

static void test_http(void **state)
{
    (void)state;
    pair();
    expect_http("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "200",
                "Content-Length: 18\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
                "jabiru_up 1\n# EOF\n");
    pair();
    expect_http("GET /health HTTP/1.1\r\n\r\n", "200", "\r\n\r\nfine\n");
    pair();
    play.fit = false;
    expect_http("GET /health HTTP/1.1\r\n\r\n", "503", "\r\n\r\nsick\n");
    pair();
    expect_http("GET /else HTTP/1.1\r\n\r\n", "404", "");
    pair();
    expect_http("GET /\r\n\r\n", "400", "");
}

static void test_http_tcp(void **state)
{
    struct control_options o = options();
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(0) };
    socklen_t n = sizeof a;
    char path[80];
    static const struct {
        const char *request, *status;
    } rows[] = {
        { "GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n", "200" },
        { "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", "200" },
        { "GET /metrics HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", "200" },
        { "GET /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\n", "200" },
        { "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403" },
        { "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "403" },
        { "GET /metrics HTTP/1.1\r\nHost: 127.evil.example:80\r\n\r\n", "403" },
        { "GET /metrics HTTP/1.1\r\nHost: [::1]evil.example\r\n\r\n", "403" },
        { "GET /metrics HTTP/1.1\r\n\r\n", "403" },
        { "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "405" },
        { "{\"id\":1,\"command\":\"echo\"}\r\n\r\n", "400" }, /* no commands over TCP */
    };

    (void)state;
    /* A free port: the system's choice, given back. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    snprintf(path, sizeof path, "%s/second.sock", folder);
    o.socket_path = path;
    o.metrics = (struct jb__addr){ .is_set = true, .port = ntohs(a.sin_port) }; /* [::] */
    assert_int_equal(control_open(&play.loop, &o, &play.second), JB_EINVAL);
    settle();
    jb__addr_from_sockaddr(&o.metrics, (struct sockaddr *)&a);
    assert_int_equal(control_open(&play.loop, &o, &play.second), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        play.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(play.fd, (struct sockaddr *)&a, sizeof a), 0);
        play.n = 0;
        expect_http(rows[i].request, rows[i].status, "");
    }
    close_second();
}

static void *log_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        jb_log(JB_LOG_INFO, "from a thread", JB_FZ("k", "v"));
    return NULL;
}

static void test_log(void **state)
{
    pthread_t threads[2];
    unsigned lines = 0;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, null);
    pair();
    say("{\"id\":7,\"command\":\"log\"}\n");
    settle();
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_much, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    settle();
    for (const char *p = play.in; (p = strstr(p, "from a thread k=v\"}")); p++)
        lines++;
    assert_int_equal(lines, 100);
    for (int i = 0; i < 10000; i++) /* 600 KB at once: more than the buffer */
        jb_log(JB_LOG_INFO, "0123456789012345678901234567890123456789");
    settle();
    jb_log(JB_LOG_INFO, "the last");
    settle();
    assert_non_null(strstr(play.in, "\"done\":false,\"result\":{\"lost\":"));
    assert_non_null(strstr(play.in, "the last"));
    hang_up();
    jb_log(JB_LOG_INFO, "nobody listens");
    settle();
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, 2);
    close(null);
}

/* Closing the unit, or a client with two followers, while lines are on their way. */
static void test_log_close(void **state)
{
    struct control_options o = options();
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, null);
    pair();
    say("{\"id\":1,\"command\":\"log\"}\n{\"id\":2,\"command\":\"log\"}\n");
    settle();
    jb_log(JB_LOG_INFO, "x");
    hang_up();
    pair();
    say("{\"id\":1,\"command\":\"log\"}\n{\"id\":2,\"command\":\"log\"}\n");
    settle();
    jb_log(JB_LOG_INFO, "x");
    control_close(play.control, on_closed, &play);
    uv_run(&play.loop, UV_RUN_DEFAULT);
    assert_true(play.closed);
    jb_log(JB_LOG_INFO, "x");
    play.closed = false;
    assert_int_equal(control_open(&play.loop, &o, &play.control), 0);
    jb_log_config(JB_LOG_INFO, JB_LOG_TEXT, 2);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(test_calls),        TEST(test_bytewise),         TEST(test_random_splits),
        TEST(test_bad_requests), TEST(test_long_line),        TEST(test_backpressure),
        TEST(test_gone),         TEST(test_close_waits),      TEST(test_slow_reader),
        TEST(test_socket),       TEST(test_peer_credentials), TEST(test_stale_socket),
        TEST(test_http),         TEST(test_http_tcp),         TEST(test_log),
        TEST(test_log_close),
    };

    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    snprintf(socket_path, sizeof socket_path, "%s/control.sock", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) != 0 ? 1 : failed;
}
