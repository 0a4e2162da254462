/* SPDX-License-Identifier: MIT */
/* A whole server in a process of the tests, without a socket to the outside:
 *
 *     backstage FD --config FILE --data DIR
 *
 * FD is a Unix socket that keeps messages apart (SOCK_SEQPACKET).  Each message to it is a command,
 * each answer `ok` or `error WORDS`; a first `ok` says that the reactors run.
 *
 *     open ADDRESS    a client comes from there; the answer carries his end of a socketpair(2)
 *     advance MS      the clocks go on by so much, and what is due then happens
 *     accounts DOMAIN     made; the lines behind it: the password of all, then one name each
 *
 * It ends as jabirud does, by SIGTERM.  The commands come from one thread of their own and reach
 * the server as everything does that is no reactor's: by mail and by units of the store. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"
#include "core/credentials.h"
#include "server/boot.h"
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COMMAND_BYTES = 64 * 1024, WORDS = 512, ROUNDS = 3 };

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct backstage {
    int fd;
    struct server *server; /* while it runs */
    uv_thread_t thread;    /* of the commands; started once `server` is set */
    uv_sem_t done;         /* what was sent to a reactor or the store has been done there */
};

/* ---- open ---- */

struct visitor {
    struct mail mail;
    struct backstage *stage;
    struct jb__sock sock;
    struct jb__addr from;
};

static void on_visitor(struct reactor *r, struct mail *mail)
{
    struct visitor *v = jb__container_of(mail, struct visitor, mail);

    listener_admit(&r->server->listeners[0], v->sock, &v->from);
    uv_sem_post(&v->stage->done);
}

/* *theirs: the client's end, the caller's to close. */
static const char *open_door(struct backstage *s, struct jb_str address, int *theirs)
{
    struct visitor v = { .mail.deliver = on_visitor, .stage = s };
    int ends[2];

    if (jb__addr_parse(&v.from, address) != 0)
        return "that is no address";
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return strerror(errno);
    int rc = jb__sock_adopt(&v.sock, ends[0]);
    jb_assert(rc == 0);
    *theirs = ends[1];
    reactor_post(&s->server->reactors[0], &v.mail);
    uv_sem_wait(&s->done);
    return NULL;
}

/* ---- advance ---- */

struct turn {
    struct mail mail;
    struct backstage *stage;
};

/* The tick has read the new time already. */
static void on_turn(struct reactor *r, struct mail *mail)
{
    struct turn *t = jb__container_of(mail, struct turn, mail);

    wheel_turn(&r->wheel, r->now_ms);
    uv_sem_post(&t->stage->done);
}

/* Comes back when every reactor has turned its wheel, and has ended that tick, and has had what the
 * others' ticks sent to it. */
static const char *advance(struct backstage *s, struct jb_str text)
{
    unsigned count = s->server->reactor_count;
    uint64_t ms;

    if (!jb_str_u64(text, UINT32_MAX, &ms))
        return "that is no time";
    jb__clock_advance_ms(ms);
    struct turn *turns = jb_zalloc(alloc, count * sizeof *turns);
    for (int round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < count; i++) {
            turns[i] = (struct turn){ .mail.deliver = on_turn, .stage = s };
            reactor_post(&s->server->reactors[i], &turns[i].mail);
        }
        for (unsigned i = 0; i < count; i++)
            uv_sem_wait(&s->done);
    }
    jb_free(alloc, turns);
    return NULL;
}

/* Somebody sets the machine's clock: `back MS` or `ahead MS`. */
static const char *set_clock(struct jb_str text)
{
    struct jb_str way, number;
    uint64_t ms;

    jb_str_cut(text, ' ', &way, &number);
    if (!jb_str_u64(number, UINT32_MAX, &ms))
        return "that is no time";
    jb__clock_step_ms(jb_str_eqz(way, "back") ? -(int64_t)ms : (int64_t)ms);
    return NULL;
}

/* ---- accounts ---- */

static void on_stored(struct store_unit *unit)
{
    struct backstage *s = unit->ctx;

    uv_sem_post(&s->done);
}

/* One set of keys for all, with the fewest iterations allowed: thousands take no time. */
static struct jb_str make_keys(struct jb_str password, uint8_t keys[JB_CREDENTIALS_BYTES])
{
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES];
    struct jb_credentials credentials;

    jb__random(random, sizeof random);
    struct jb_credentials_recipe recipe = { .password = password,
                                            .iterations = JB_ITERATIONS_LEAST,
                                            .random = random };
    int rc = jb_credentials_make(&credentials, &recipe, alloc);
    jb_assert(rc == 0);
    size_t n = jb_credentials_encode(&credentials, keys);
    jb_credentials_wipe(&credentials);
    return jb_str((char *)keys, n);
}

static const char *make_accounts(struct backstage *s, struct jb_str text)
{
    uint8_t keys[JB_CREDENTIALS_BYTES];
    struct store_account account = { .created_us = jb__clock_wall_us() };
    struct store_unit *unit =
        store_unit_new(s->server->store, &s->server->reactors[0].port, on_stored, s);
    struct jb_str password;

    jb_str_cut(text, '\n', &account.domain, &text);
    jb_str_cut(text, '\n', &password, &text);
    account.credential = make_keys(password, keys);
    while (text.n) {
        jb_str_cut(text, '\n', &account.local, &text);
        store_unit_account_put(unit, &account, STORE_CREATE);
    }
    int rc = store_unit_submit(unit);
    if (rc == 0) {
        uv_sem_wait(&s->done);
        rc = unit->rc;
    }
    store_unit_free(unit);
    return rc == 0 ? NULL : jb_strerror(rc);
}

/* ---- the conversation ---- */

/* Says `ok`, with `end` along when it is a descriptor, or why not. */
static void answer(const struct backstage *s, const char *why, int end)
{
    char words[WORDS];
    union {
        struct cmsghdr head; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } along = { 0 };
    int n = why ? snprintf(words, sizeof words, "error %s", why)
                : snprintf(words, sizeof words, "ok");
    struct iovec iov = { words, (size_t)n };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (end >= 0) {
        message.msg_control = &along;
        message.msg_controllen = sizeof along.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof end);
        memcpy(CMSG_DATA(head), &end, sizeof end);
    }
    /* Whoever is gone does not listen: then the next command does not come either. */
    (void)sendmsg(s->fd, &message, MSG_NOSIGNAL);
}

static void obey(struct backstage *s, struct jb_str command)
{
    struct jb_str verb, rest;
    const char *why = "there is no such command";
    int end = -1;

    jb_str_cut(command, ' ', &verb, &rest);
    if (jb_str_eqz(verb, "open"))
        why = open_door(s, rest, &end);
    else if (jb_str_eqz(verb, "advance"))
        why = advance(s, rest);
    else if (jb_str_eqz(verb, "clock"))
        why = set_clock(rest);
    else if (jb_str_eqz(verb, "accounts"))
        why = make_accounts(s, rest);
    answer(s, why, end);
    if (end >= 0)
        close(end);
}

static void listen_to(void *arg)
{
    struct backstage *s = arg;
    char *command = jb_alloc(alloc, COMMAND_BYTES);
    ssize_t n;

    answer(s, NULL, -1);
    while ((n = recv(s->fd, command, COMMAND_BYTES, 0)) > 0)
        obey(s, jb_str(command, (size_t)n));
    jb_free(alloc, command);
}

static void on_running(void *ctx, struct server *server)
{
    struct backstage *s = ctx;

    s->server = server;
    int rc = uv_thread_create(&s->thread, listen_to, s);
    jb_assert(rc == 0);
}

int main(int argc, char **argv)
{
    struct backstage stage = { 0 };
    struct boot_options options = { .inside = on_running, .inside_ctx = &stage };
    uint64_t fd;

    if (argc != 6 || strcmp(argv[2], "--config") != 0 || strcmp(argv[4], "--data") != 0 ||
        !jb_str_u64(jb_strz(argv[1]), 1000, &fd)) {
        fputs("usage: backstage FD --config FILE --data DIR\n", stderr);
        return 2;
    }
    stage.fd = (int)fd;
    options.config_file = argv[3];
    options.overrides.data = argv[5];
    uv_sem_init(&stage.done, 0);
    int status = boot_run(&options);
    if (stage.server) {
        shutdown(stage.fd, SHUT_RDWR);
        uv_thread_join(&stage.thread);
    }
    uv_sem_destroy(&stage.done);
    return status;
}
