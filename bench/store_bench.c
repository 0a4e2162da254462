/* SPDX-License-Identifier: MIT */
/* How many units a second the store commits on this disk.
 *
 *     store_bench FOLDER [SECONDS]
 *
 * Makes and removes a database in FOLDER.  A unit is one 600-byte entry appended to the log of one
 * of 1,000 owners ("append"), or what a chat message asks for ("message"): both archives and the
 * sender's counter.  Units wait at all times, so a batch is as large as it may be. */
#include "base/list.h"
#include "server/store_queue.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { OWNERS = 1000, ENTRY_BYTES = 600 };

struct bench {
    struct store_port port;
    pthread_mutex_t mutex;
    pthread_cond_t back;
    uint32_t in_flight;
    struct store_front *front;
    uint64_t submitted;
    char entry[ENTRY_BYTES];
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void post(struct store_port *port, struct store_unit *u)
{
    struct bench *b = jb__container_of(port, struct bench, port);

    if (u->rc != 0) {
        fprintf(stderr, "store_bench: %s\n", jb_strerror(u->rc));
        exit(1);
    }
    store_unit_free(u);
    pthread_mutex_lock(&b->mutex);
    b->in_flight--;
    pthread_cond_signal(&b->back);
    pthread_mutex_unlock(&b->mutex);
}

static void append(struct store_unit *u, struct jb_str owner, struct jb_str with, const char *entry)
{
    struct store_entry e = { .with = with, .bytes = jb_str(entry, ENTRY_BYTES) };

    e.now_us = e.stamp_us = wall_us();
    store_unit_log_append(u, owner, JB_STR("archive"), &e);
}

static void submit(struct bench *b, bool message)
{
    struct store_unit *u = store_unit_new(b->front, &b->port, NULL, NULL);
    char from[32], to[32];

    snprintf(from, sizeof(from), "user%" PRIu64 "@example.org", b->submitted * 7919 % OWNERS);
    snprintf(to, sizeof(to), "user%" PRIu64 "@example.org", b->submitted * 104729 % OWNERS);
    append(u, jb_strz(from), jb_strz(to), b->entry);
    if (message) {
        append(u, jb_strz(to), jb_strz(from), b->entry);
        store_unit_kv_put(u, jb_strz(from), JB_STR("sm"), JB_STR("session"), JB_STR("h"));
    }
    if (store_unit_submit(u) != 0)
        abort();
    b->submitted++;
}

static void report(const struct bench *b, const char *name, uint32_t batch, double seconds)
{
    struct store_front_stats s;
    uint64_t seen = 0;
    int i = 0;

    store_front_stats(b->front, &s);
    for (; i < STORE_COMMIT_BUCKETS - 1 && seen + s.commit_us[i] < s.batches * 99 / 100; i++)
        seen += s.commit_us[i];
    printf("%-8s %5u %12.0f %10.1f %12.0f %12lu\n", name, batch, (double)s.units / seconds,
           (double)s.units / (double)s.batches, (double)s.commit_us_sum / (double)s.batches,
           1ul << i);
}

static void run(struct store_db *db, uint32_t batch, bool message, double seconds)
{
    static struct bench b;
    struct jb_limits limits = jb_limits_default;
    double began = now_s();

    b = (struct bench){ .port = { post },
                        .mutex = PTHREAD_MUTEX_INITIALIZER,
                        .back = PTHREAD_COND_INITIALIZER };
    memset(b.entry, 'x', sizeof(b.entry));
    limits.store_batch = batch;
    struct store_front_options options = { .alloc = &jb_allocator_abort,
                                           .limits = &limits,
                                           .db = db };
    if (store_front_open(&options, &b.front) != 0)
        abort();
    while (now_s() - began < seconds) {
        pthread_mutex_lock(&b.mutex);
        while (b.in_flight >= 4 * batch)
            pthread_cond_wait(&b.back, &b.mutex);
        b.in_flight++;
        pthread_mutex_unlock(&b.mutex);
        submit(&b, message);
    }
    report(&b, message ? "message" : "append", batch, now_s() - began);
    store_front_close(b.front);
}

int main(int argc, char **argv)
{
    static const uint32_t batches[] = { 1, 32, 64 };
    static const char *const files[] = { "jabiru.db", "jabiru.db-wal", "jabiru.db-shm", "lock" };
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db;

    if (argc < 2) {
        fprintf(stderr, "usage: store_bench FOLDER [SECONDS]\n");
        return 2;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    for (int mode = STORE_DURABLE_POWER; mode <= STORE_DURABLE_PROCESS; mode++) {
        struct store_options options = { .alloc = &jb_allocator_abort,
                                         .folder = argv[1],
                                         .durability = (enum store_durability)mode };
        if (store_sqlite.open(&options, &db, message) != 0) {
            fprintf(stderr, "store_bench: %s\n", message);
            return 1;
        }
        printf("durability = %s\n%-8s %5s %12s %10s %12s %12s\n",
               mode == STORE_DURABLE_POWER ? "power" : "process", "unit", "batch", "units/s",
               "per commit", "commit us", "p99 us under");
        for (size_t i = 0; i < 2 * sizeof(batches) / sizeof(batches[0]); i++)
            run(db, batches[i / 2], i % 2, seconds);
        db->ops->close(db);
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", argv[1], files[i]);
            unlink(path);
        }
    }
    return 0;
}
