/* SPDX-License-Identifier: MIT */
/* A TLS connection moves between two threads in the middle of its stream, again and again: between
 * records, between the halves of a record, with decrypted bytes still inside, and with a write
 * refused half way.  Each thread waits in an epoll of its own; what they hand over is the struct
 * jb__sock itself, copied, under a mutex.  Meant to run under ThreadSanitizer as well. */
#include "tls_kit.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

enum { BYTES = 1 << 21, ROOM = 6000 };

/* What travels: the connection and what it has not yet echoed. */
struct load {
    struct jb__sock s;
    char bytes[ROOM];
    size_t at, n;
    unsigned moves, refused; /* hand-overs; writes that had to wait */
    bool done;
};

/* Two letter boxes, one for each thread. */
struct office {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct load *box[2];
};

struct worker {
    struct office *office;
    int me, epoll;
};

static void post(struct office *o, int to, struct load *load)
{
    pthread_mutex_lock(&o->lock);
    o->box[to] = load;
    pthread_cond_broadcast(&o->filled);
    pthread_mutex_unlock(&o->lock);
}

static struct load *fetch(struct office *o, int me)
{
    struct load *load;

    pthread_mutex_lock(&o->lock);
    while (!o->box[me])
        pthread_cond_wait(&o->filled, &o->lock);
    load = o->box[me];
    o->box[me] = NULL;
    pthread_mutex_unlock(&o->lock);
    return load;
}

static void wait_in(int epoll, const struct jb__sock *s)
{
    struct epoll_event ev = { .events = s->want == JB__WANT_WRITE ? EPOLLOUT : EPOLLIN };

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &ev) != 0 || epoll_wait(epoll, &ev, 1, 10000) != 1 ||
        epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, NULL) != 0)
        abort();
}

/* One step of an echo: a write if something waits, else a read of an odd size. */
static ssize_t echo(struct load *load)
{
    ssize_t n;

    if (!load->s.handshaken)
        return jb__sock_handshake(&load->s);
    if (load->at < load->n) {
        n = jb__sock_write(&load->s, load->bytes + load->at, load->n - load->at);
        load->at += n > 0 ? (size_t)n : 0;
        load->refused += n == JB_EAGAIN;
        return n;
    }
    n = jb__sock_read(&load->s, load->bytes, 1 + (load->moves * 977) % 6000);
    load->at = 0;
    load->n = n > 0 ? (size_t)n : 0;
    return n;
}

static void *work(void *arg)
{
    const struct worker *w = arg;

    for (bool done = false; !done;) {
        struct load *load = fetch(w->office, w->me);
        struct load *here = malloc(sizeof *here); /* it moves in memory as well */
        if (!here)
            abort();
        *here = *load;
        free(load);
        load = here;
        if (!load->done) {
            const ssize_t n = echo(load);
            if (n == JB_EAGAIN)
                wait_in(w->epoll, &load->s);
            else if (n < 0 && n != JB_ECLOSED)
                abort();
            load->done = n == JB_ECLOSED;
            load->moves++;
        }
        done = load->done;
        post(w->office, !w->me, load);
    }
    return NULL;
}

/* Takes in what the server sent; waits a moment when there is nothing. */
static void take_in(struct kit_client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char buf[4096];
    const ssize_t got = read(c->fd, buf, sizeof buf);

    if (got > 0)
        BIO_write(c->in, buf, (int)got);
    else
        poll(&p, 1, 1);
}

/* Carries what the client wrote in small pieces, so that records arrive in halves. */
static void carry_on(struct kit_client *c)
{
    char buf[1000];
    int n;

    while ((n = BIO_read(c->out, buf, sizeof buf)) > 0)
        for (int at = 0; at < n;) {
            const ssize_t put = write(c->fd, buf + at, (size_t)(n - at));
            if (put > 0)
                at += (int)put;
            else
                take_in(c); /* the server waits for us to read */
        }
    take_in(c);
}

static void run_client(struct kit_client *c)
{
    char out[20000], in[20000];
    size_t sent = 0, received = 0;

    while (SSL_do_handshake(c->ssl) != 1)
        carry_on(c);
    while (received < BYTES) {
        size_t n = 1 + (sent * 7919) % sizeof out;
        n = n < BYTES - sent ? n : BYTES - sent;
        for (size_t k = 0; k < n; k++)
            out[k] = (char)((sent + k) * 31 >> 3);
        if (n && sent - received < 200000 && SSL_write(c->ssl, out, (int)n) == (int)n)
            sent += n;
        carry_on(c);
        int got;
        while ((got = SSL_read(c->ssl, in, sizeof in)) > 0)
            for (int k = 0; k < got; k++, received++)
                if (in[k] != (char)(received * 31 >> 3))
                    fail_msg("byte %zu is wrong", received);
    }
    SSL_shutdown(c->ssl);
    carry_on(c);
}

static void test_move(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    struct jb__tls_ctx *ctx = kit_ctx();

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct office office = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, { NULL } };
        struct worker workers[2] = { { &office, 0, epoll_create1(0) },
                                     { &office, 1, epoll_create1(0) } };
        struct load *load = calloc(1, sizeof *load);
        struct kit_client c;
        pthread_t threads[2];

        kit_client_init(&c, versions[v], NULL);
        load->s = kit_connect(&c, ctx);
        const int small = 4096; /* so that writes are refused half way */
        setsockopt(load->s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        office.box[0] = load;
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, work, &workers[k]), 0);
        run_client(&c);
        for (int k = 0; k < 2; k++) {
            pthread_join(threads[k], NULL);
            close(workers[k].epoll);
        }
        load = office.box[0] ? office.box[0] : office.box[1]; /* nobody fetched it again */
        print_message("moved %u times, %u writes refused\n", load->moves, load->refused);
        assert_true(load->moves > 1000);
        jb__sock_close(&load->s);
        free(load);
        kit_client_deinit(&c);
    }
    jb__tls_ctx_unref(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_move) };

    return cmocka_run_group_tests_name("sock_move", tests, kit_setup, kit_teardown);
}
