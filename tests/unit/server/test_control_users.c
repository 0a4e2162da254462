/* SPDX-License-Identifier: MIT */
/* The account commands of the control socket on a memory store with its real front. */
#include "base/base64.h"
#include "core/credentials.h"
#include "core/scram_profile.h"
#include "server/control_users.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static char folder[] = "/tmp/jabiru-users-XXXXXX";
static char socket_path[64];
static char credential[JB__BASE64_BYTES(JB_CREDENTIALS_BYTES) + 1];

/* The reactor's side of the store: finished units cross over by uv_async. */
static struct {
    struct store_port port;
    uv_loop_t loop;
    uv_async_t wake;
    pthread_mutex_t lock;
    struct store_unit *first, **last;
    struct store_db *db;
    struct store_front *front;
    struct control *control;
    struct control_users users;
    int fd;
    char in[256 * 1024];
    size_t n;
    char events[1024];
} play;

static void on_post(struct store_port *port, struct store_unit *unit)
{
    (void)port;
    pthread_mutex_lock(&play.lock);
    unit->next = NULL;
    *play.last = unit;
    play.last = &unit->next;
    pthread_mutex_unlock(&play.lock);
    uv_async_send(&play.wake);
}

static void on_wake(uv_async_t *wake)
{
    (void)wake;
    pthread_mutex_lock(&play.lock);
    struct store_unit *unit = play.first;
    play.first = NULL;
    play.last = &play.first;
    pthread_mutex_unlock(&play.lock);
    while (unit) {
        struct store_unit *next = unit->next;
        unit->done(unit);
        unit = next;
    }
}

static bool host_at(void *ctx, size_t index, struct jb_str *name)
{
    static const char *const hosts[] = { "a.example", "b.example" };

    (void)ctx;
    if (index >= 2)
        return false;
    *name = jb_strz(hosts[index]);
    return true;
}

static void note(const char *event, struct jb_str domain, struct jb_str local)
{
    size_t n = strlen(play.events);

    snprintf(play.events + n, sizeof play.events - n, "%s %.*s@%.*s\n", event, JB_STR_ARG(local),
             JB_STR_ARG(domain));
}

static void on_changed(void *ctx, enum control_users_event event, struct jb_str domain,
                       struct jb_str local)
{
    static const char *const names[] = { "added", "password", "deleted" };

    (void)ctx;
    note(names[event], domain, local);
}

static void on_imported(void *ctx, struct jb_str domain)
{
    (void)ctx;
    note("imported", domain, JB_STR_NONE);
}

static const struct control_command commands[] = { CONTROL_USER_COMMANDS, { 0 } };

/* Sends a line and runs the loop until `lines` replies are there. */
static void ask(const char *request, unsigned lines)
{
    unsigned seen = 0;

    play.n = 0;
    assert_int_equal(send(play.fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (int i = 0; seen < lines && i < 4000; i++) {
        uv_run(&play.loop, UV_RUN_NOWAIT);
        ssize_t got = recv(play.fd, play.in + play.n, sizeof play.in - 1 - play.n, MSG_DONTWAIT);
        for (ssize_t k = 0; k < got; k++)
            seen += play.in[play.n + (size_t)k] == '\n';
        if (got > 0)
            play.n += (size_t)got;
        else
            usleep(500);
    }
    play.in[play.n] = '\0';
    assert_int_equal(seen, lines);
}

static void say(const char *command, const char *args, const char *reply)
{
    static char request[200000];

    snprintf(request, sizeof request, "{\"id\":1,\"command\":\"%s\",\"args\":%s}\n", command, args);
    ask(request, 1);
    assert_non_null(strstr(play.in, reply));
}

static const char *with_credential(const char *format)
{
    static char text[2048];
    const char *at = strstr(format, "CRED");

    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, credential, at + 4);
    return text;
}

#define OK "\"ok\":true,\"done\":true,\"result\":{}"

static void test_one_account(void **state)
{
    (void)state;
    say("hosts", "{}", "{\"hosts\":[\"a.example\",\"b.example\"]}");
    say("user-add", with_credential("{\"jid\":\"Juliet@a.example\",\"credential\":\"CRED\"}"), OK);
    say("user-add", with_credential("{\"jid\":\"juliet@a.example\",\"credential\":\"CRED\"}"),
        "\"code\":\"exists\",\"error\":\"juliet@a.example exists already\"");
    say("user-passwd", with_credential("{\"jid\":\"juliet@a.example\",\"credential\":\"CRED\"}"),
        OK);
    say("user-passwd", with_credential("{\"jid\":\"romeo@a.example\",\"credential\":\"CRED\"}"),
        "\"code\":\"not-found\",\"error\":\"romeo@a.example does not exist\"");
    say("user-list", "{\"domain\":\"a.example\"}", "\"jid\":\"juliet@a.example\"");
    say("user-list", "{\"domain\":\"b.example\"}", "{\"users\":[],\"more\":false}");
    say("user-delete", "{\"jid\":\"juliet@a.example\"}", OK);
    say("user-delete", "{\"jid\":\"juliet@a.example\"}", "\"code\":\"not-found\"");
    assert_string_equal(play.events, "added juliet@a.example\npassword juliet@a.example\n"
                                     "deleted juliet@a.example\n");
}

static void test_refused(void **state)
{
    (void)state;
    say("user-add", with_credential("{\"jid\":\"x@else.example\",\"credential\":\"CRED\"}"),
        "x@else.example: not on a host of this server");
    say("user-add", with_credential("{\"jid\":\"x@a.example/r\",\"credential\":\"CRED\"}"),
        "not an account's address");
    say("user-add", with_credential("{\"credential\":\"CRED\"}"), "not an account's address");
    say("user-add", "{\"jid\":\"x@a.example\"}", "\\\"credential\\\" is malformed");
    say("user-add", "{\"jid\":\"x@a.example\",\"credential\":\"AAAA\"}", "is malformed");
    say("user-list", "{\"domain\":\"else.example\"}", "is not a host of this server");
    say("user-list", "{}", "is not a host of this server");
    say("user-import", "{\"users\":5}", "is no list");
    say("user-imported", "{\"domain\":\"else\"}", "is not a host of this server");
    say("user-imported",
        "{\"domain\":\"a.example\",\"digests\":99,\"iterations\":1,"
        "\"accounts\":1}",
        "no such digests or iterations");
    assert_string_equal(play.events, "");
}

static void test_import(void **state)
{
    static char args[180000];
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(args, sizeof args,
                          "{\"users\":[5,[\"x@else.example\",\"%s\"],[\"a@"
                          "b.example\",\"AA==\"]",
                          credential);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(args + n, sizeof args - n, ",[\"u%02d@b.example\",\"%s\"]", i % 98,
                              credential);
    snprintf(args + n, sizeof args - n, "]}");
    say("user-import", args, "\"stored\":98");
    assert_non_null(strstr(play.in, "[0,\"not an account's address (name@host)\"]"));
    assert_non_null(strstr(play.in, "[1,\"not on a host of this server\"]"));
    assert_non_null(strstr(play.in, "[2,\"the credential is malformed\"]"));
    assert_non_null(strstr(play.in, "[101,\"exists\"]"));
    assert_non_null(strstr(play.in, "[102,\"exists\"]"));
    say("user-list", "{\"domain\":\"b.example\",\"limit\":50}", "\"jid\":\"u49@b.example\"");
    assert_non_null(strstr(play.in, "\"more\":true"));
    say("user-list", "{\"domain\":\"b.example\",\"after\":\"u49\"}", "\"jid\":\"u97@b.example\"");
    assert_non_null(strstr(play.in, "\"more\":false"));
    play.events[0] = '\0';
    say("user-imported",
        "{\"domain\":\"b.example\",\"digests\":3,\"iterations\":4096,"
        "\"accounts\":98}",
        OK);
    say("user-imported",
        "{\"domain\":\"b.example\",\"digests\":7,\"iterations\":9000,"
        "\"accounts\":2}",
        OK);
    assert_string_equal(play.events, "imported @b.example\nimported @b.example\n");
}

static int on_profile(void *ctx, const struct store_row *row)
{
    return jb_scram_profile_decode(ctx, row->bytes);
}

static void make_credential(void)
{
    static const uint8_t random[JB_CREDENTIALS_RANDOM_BYTES] = { 1 };
    struct jb_credentials c;
    uint8_t bytes[JB_CREDENTIALS_BYTES];

    assert_int_equal(jb_credentials_make(&c,
                                         &(struct jb_credentials_recipe){
                                             .password = JB_STR("pencil"),
                                             .iterations = JB_ITERATIONS_LEAST,
                                             .digests = 1 << JB_DIGEST_SHA1 | 1 << JB_DIGEST_SHA256,
                                             .random = random },
                                         &jb_allocator_libc),
                     0);
    size_t n = jb_credentials_encode(&c, bytes);
    credential[jb__base64_encode(bytes, n, credential)] = '\0';
}

static int begin(void **state)
{
    char message[STORE_MESSAGE_BYTES];
    int fds[2];

    (void)state;
    play.port.post = on_post;
    play.last = &play.first;
    play.events[0] = '\0';
    pthread_mutex_init(&play.lock, NULL);
    uv_loop_init(&play.loop);
    uv_async_init(&play.loop, &play.wake, on_wake);
    int rc = store_memory.open(&(struct store_options){ .alloc = &jb_allocator_libc }, &play.db,
                               message);
    if (rc == 0)
        rc = store_front_open(&(struct store_front_options){ .alloc = &jb_allocator_libc,
                                                             .limits = &jb_limits_default,
                                                             .db = play.db },
                              &play.front);
    play.users = (struct control_users){ .front = play.front,
                                         .port = &play.port,
                                         .host_at = host_at,
                                         .changed = on_changed,
                                         .imported = on_imported };
    if (rc == 0)
        rc = control_open(&play.loop,
                          &(struct control_options){ .socket_path = socket_path,
                                                     .max_clients = 2,
                                                     .commands = commands,
                                                     .users = &play.users },
                          &play.control);
    if (rc == 0)
        rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
    play.fd = fds[0];
    return rc == 0 ? control_adopt(play.control, fds[1]) : rc;
}

static int end(void **state)
{
    struct jb_scram_profile profile = { 0 };
    const struct store_space space = { JB_STR("b.example"), JB_SCRAM_PROFILE_STORE };

    (void)state;
    close(play.fd);
    control_close(play.control, NULL, NULL);
    uv_run(&play.loop, UV_RUN_NOWAIT);
    store_front_close(play.front);
    uv_close((uv_handle_t *)&play.wake, NULL);
    uv_run(&play.loop, UV_RUN_DEFAULT);
    if (play.db->ops->kv_get(play.db, &space, JB_SCRAM_PROFILE_KEY, on_profile, &profile) == 0) {
        assert_int_equal(profile.digests, 3);
        assert_int_equal(profile.iterations, 9000);
        assert_int_equal(profile.accounts, 100);
    }
    play.db->ops->close(play.db);
    pthread_mutex_destroy(&play.lock);
    return uv_loop_close(&play.loop);
}

/* The last answer comes after the client and the unit are gone. */
static void test_close_early(void **state)
{
    const char *args = with_credential("{\"jid\":\"late@a.example\",\"credential\":\"CRED\"}");
    char request[2200];
    int n = snprintf(request, sizeof request, "{\"id\":1,\"command\":\"user-add\",\"args\":%s}\n",
                     args);

    (void)state;
    assert_int_equal(send(play.fd, request, (size_t)n, MSG_NOSIGNAL), n);
    for (int i = 0; i < 3; i++)
        uv_run(&play.loop, UV_RUN_NOWAIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_one_account),
        TEST(test_refused),
        TEST(test_import),
        TEST(test_close_early),
    };

    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return 1;
    snprintf(socket_path, sizeof socket_path, "%s/control.sock", folder);
    make_credential();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) != 0 ? 1 : failed;
}
