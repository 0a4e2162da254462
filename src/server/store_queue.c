/* SPDX-License-Identifier: MIT */
/* The worker behind the store's front: takes what waits, one transaction, hands back. */
#include "server/store_unit.h"

#include "base/assert.h"
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

struct store_front {
    struct store_front_options options; /* limits points at the copy below */
    struct jb_limits limits;
    pthread_t worker;

    pthread_mutex_t mutex; /* guards all that follows */
    pthread_cond_t wake;   /* something waits, or closing */
    pthread_cond_t idle;   /* nothing waits, and the worker has handed back what it had */
    struct store_unit *head, *tail;
    bool working; /* on a batch that it has not handed back */
    bool closing;
    int dead; /* the code after which nothing is accepted any more; 0: alive.  The worker alone
                 sets it, and reads it without the mutex */
    struct store_front_stats stats;
};

const struct store_front_options *store_front_settings(const struct store_front *front)
{
    return &front->options;
}

/* ---- any thread ---- */

static int refusal(const struct store_front *f)
{
    if (f->dead)
        return f->dead;
    if (f->closing)
        return JB_ECLOSED;
    return f->stats.waiting >= f->limits.store_jobs ? JB_EFULL : 0;
}

int store_unit_submit(struct store_unit *u)
{
    struct store_front *f = u->front;
    int rc = u->build_rc;

    if (rc != 0)
        return rc;
    u->submitted_ms = jb__clock_mono_ms();
    u->result_bytes = u->arena.limit - u->arena.used;
    u->next = NULL;
    pthread_mutex_lock(&f->mutex);
    rc = refusal(f);
    if (rc == 0) {
        if (f->tail)
            f->tail->next = u;
        else
            f->head = u;
        f->tail = u;
        if (++f->stats.waiting > f->stats.waiting_most)
            f->stats.waiting_most = f->stats.waiting;
        pthread_cond_signal(&f->wake);
    } else {
        f->stats.refused++;
    }
    pthread_mutex_unlock(&f->mutex);
    return rc;
}

void store_front_stats(struct store_front *f, struct store_front_stats *out)
{
    pthread_mutex_lock(&f->mutex);
    *out = f->stats;
    pthread_mutex_unlock(&f->mutex);
}

/* ---- the worker ---- */

/* Waits for units and takes the oldest; NULL: closing, and none is left. */
static struct store_unit *take(struct store_front *f)
{
    struct store_unit *last;

    pthread_mutex_lock(&f->mutex);
    f->working = false;
    if (!f->head)
        pthread_cond_broadcast(&f->idle);
    while (!f->head && !f->closing)
        pthread_cond_wait(&f->wake, &f->mutex);
    struct store_unit *batch = last = f->head;
    if (batch) {
        uint32_t n = 1;
        for (; n < f->limits.store_batch && last->next; n++)
            last = last->next;
        f->head = last->next;
        if (!f->head)
            f->tail = NULL;
        last->next = NULL;
        f->stats.waiting -= n;
        f->working = true;
    }
    pthread_mutex_unlock(&f->mutex);
    return batch;
}

/* Gives the units up to `end` back to their reactors, and returns `end`. */
static struct store_unit *hand_back(struct store_front *f, struct store_unit *batch,
                                    struct store_unit *end)
{
    pthread_mutex_lock(&f->mutex);
    for (const struct store_unit *u = batch; u != end; u = u->next) {
        f->stats.units++;
        f->stats.failed += u->rc != 0;
    }
    pthread_mutex_unlock(&f->mutex);
    while (batch != end) {
        struct store_unit *u = batch;
        batch = u->next;
        u->next = NULL;
        u->port->post(u->port, u); /* from here on it is theirs */
    }
    return end;
}

static bool is_fatal(int rc)
{
    return rc == JB_EIO || rc == JB_EINVAL;
}

/* No unit that writes succeeds from here on: what the disk holds is not known any more. */
static void die(struct store_front *f, int rc)
{
    pthread_mutex_lock(&f->mutex);
    f->dead = rc;
    pthread_mutex_unlock(&f->mutex);
    if (f->options.fatal)
        f->options.fatal(f->options.fatal_ctx, rc, f->options.db->message);
}

static uint64_t mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int commit(struct store_front *f)
{
    struct store_db *db = f->options.db;
    uint64_t began = mono_us();
    int rc = db->ops->commit(db);
    uint64_t us = mono_us() - began;
    int bucket = us ? 64 - __builtin_clzll(us) : 0;

    if (rc != 0)
        return rc;
    pthread_mutex_lock(&f->mutex);
    f->stats.batches++;
    f->stats.commit_us_sum += us;
    f->stats.commit_us[bucket < STORE_COMMIT_BUCKETS ? bucket : STORE_COMMIT_BUCKETS - 1]++;
    pthread_mutex_unlock(&f->mutex);
    return 0;
}

/* Runs one unit, so that it leaves nothing behind if it fails.  Not 0: see store_unit_run. */
static int run_unit(struct store_front *f, struct store_unit *u)
{
    struct store_db *db = f->options.db;
    uint32_t timeout_ms = f->limits.store_timeout_ms;

    /* A write is not given up: whoever waits for it is slowed down, and nothing is half done. */
    if (timeout_ms && !u->writes && jb__clock_mono_ms() - u->submitted_ms > timeout_ms) {
        u->rc = JB_EAGAIN;
        return 0;
    }
    if (!u->writes)
        return store_unit_run(u, db);
    int rc = db->ops->savepoint(db);
    if (rc == 0)
        rc = store_unit_run(u, db);
    if (rc != 0)
        return rc;
    return u->rc == 0 ? db->ops->release(db) : db->ops->rollback_to(db);
}

/* All units in one transaction.  Not 0: it was rolled back. */
static int run_together(struct store_front *f, struct store_unit *batch)
{
    struct store_db *db = f->options.db;
    int rc = db->ops->begin(db);

    for (struct store_unit *u = batch; u && rc == 0; u = u->next)
        rc = run_unit(f, u);
    if (rc == 0)
        rc = commit(f);
    if (rc != 0)
        db->ops->rollback(db);
    return rc;
}

/* After their transaction failed with `rc`, which is not fatal: each unit for itself.  When another
 * program holds the lock, a write has waited for it long enough. */
static int run_apart(struct store_front *f, struct store_unit *batch, int rc)
{
    struct store_unit *next;

    for (struct store_unit *u = batch; u; u = next) {
        next = u->next;
        if (u->writes && rc != JB_EFULL) {
            u->rc = rc;
            continue;
        }
        u->next = NULL;
        int own = u->writes ? run_together(f, u) : run_unit(f, u);
        u->next = next;
        if (own != 0)
            u->rc = own;
        if (is_fatal(own))
            return own;
    }
    return 0;
}

/* Reads that no write precedes: answered at once.  *batch: what is left. */
static int run_leading_reads(struct store_front *f, struct store_unit **batch)
{
    while (*batch && !(*batch)->writes) {
        int rc = run_unit(f, *batch);
        if (is_fatal(rc))
            return rc;
        *batch = hand_back(f, *batch, (*batch)->next);
    }
    return 0;
}

static void run_batch(struct store_front *f, struct store_unit *batch)
{
    int rc = f->dead;

    if (rc == 0)
        rc = run_leading_reads(f, &batch);
    if (rc == 0 && batch) {
        rc = run_together(f, batch);
        if (rc != 0 && !is_fatal(rc))
            rc = run_apart(f, batch, rc);
    }
    if (rc != 0 && !f->dead)
        die(f, rc);
    for (struct store_unit *u = rc != 0 ? batch : NULL; u; u = u->next)
        u->rc = rc;
    hand_back(f, batch, NULL);
}

static void *work(void *arg)
{
    struct store_front *f = arg;
    struct store_unit *batch;

    /* By the thread itself: for another's name the C library opens a file. */
    pthread_setname_np(pthread_self(), "store");
    while ((batch = take(f)) != NULL)
        run_batch(f, batch);
    return NULL;
}

/* ---- opening and closing ---- */

/* Signals are for the main thread: the worker starts with all of them blocked. */
static int start_worker(struct store_front *f)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&f->worker, NULL, work, f);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return JB_EAGAIN;
    return 0;
}

int store_front_open(const struct store_front_options *options, struct store_front **out)
{
    struct store_front *f = jb_zalloc(options->alloc, sizeof(*f));

    *out = NULL;
    if (!f)
        return JB_ENOMEM;
    f->options = *options;
    f->limits = *options->limits;
    f->options.limits = &f->limits;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->wake, NULL);
    pthread_cond_init(&f->idle, NULL);
    int rc = start_worker(f);
    if (rc == 0) {
        *out = f;
        return 0;
    }
    pthread_cond_destroy(&f->idle);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->mutex);
    jb_free(options->alloc, f);
    return rc;
}

void store_front_settle(struct store_front *f)
{
    pthread_mutex_lock(&f->mutex);
    while (f->head || f->working)
        pthread_cond_wait(&f->idle, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
}

int store_unit_submit_at_last(struct store_unit *u)
{
    int rc = store_unit_submit(u);

    if (rc != JB_EFULL || u->build_rc != 0)
        return rc;
    store_front_settle(u->front);
    return store_unit_submit(u);
}

void store_front_close(struct store_front *f)
{
    pthread_mutex_lock(&f->mutex);
    jb_assert(!f->closing);
    f->closing = true;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->mutex);
    pthread_join(f->worker, NULL);
    pthread_cond_destroy(&f->idle);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->mutex);
    jb_free(f->options.alloc, f);
}
