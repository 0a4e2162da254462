/* SPDX-License-Identifier: MIT */
/* A store's front for tests: a memory backend whose transactions wait at a gate, units that tell a story
 * when they come back. */
#ifndef TESTS_UNIT_STORE_STAGE_H
#define TESTS_UNIT_STORE_STAGE_H

#include "../store/store_help.h"
#include "store_reactor.h"

#include <limits.h>
#include <pthread.h>

/* ---- the gate ---- */

static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_reached;
static int gate_passes; /* transactions that may begin */
static struct store_backend gated;
static int commit_fails; /* the code of the next commit; used while the worker is held or idle */

static int gated_begin(struct store_db *db)
{
    pthread_mutex_lock(&gate_mutex);
    gate_reached = true;
    pthread_cond_broadcast(&gate_moved);
    while (gate_passes == 0)
        pthread_cond_wait(&gate_moved, &gate_mutex);
    gate_passes--;
    pthread_mutex_unlock(&gate_mutex);
    return store_memory.begin(db);
}

static int gated_commit(struct store_db *db)
{
    int rc = commit_fails;

    commit_fails = 0;
    snprintf(db->message, sizeof(db->message), "commit was told to fail");
    return rc != 0 ? rc : store_memory.commit(db);
}

static void gate_allow(int passes)
{
    pthread_mutex_lock(&gate_mutex);
    gate_passes = passes;
    gate_reached = false;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_mutex);
}

static void gate_wait(void)
{
    pthread_mutex_lock(&gate_mutex);
    while (!gate_reached)
        pthread_cond_wait(&gate_moved, &gate_mutex);
    pthread_mutex_unlock(&gate_mutex);
}

/* ---- the stage ---- */

struct stage {
    struct folder folder;
    struct store_db *db;
    struct jb_limits limits;
    struct store_front *front;
    struct reactor reactor;
    int fatal_calls, fatal_rc;
};

static void on_fatal(void *ctx, int rc, const char *message)
{
    struct stage *s = ctx;

    assert_true(message[0] != '\0');
    s->fatal_calls++;
    s->fatal_rc = rc;
}

static void open_front(struct stage *s)
{
    struct store_front_options options = { .alloc = &jb_allocator_libc,
                                           .limits = &s->limits,
                                           .db = s->db,
                                           .fatal = on_fatal,
                                           .fatal_ctx = s };

    assert_int_equal(store_front_open(&options, &s->front), 0);
}

static int set_up(void **state)
{
    struct stage *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    s->limits = jb_limits_default;
    s->limits.store_timeout_ms = 0;
    s->limits.store_batch = 8;
    folder_make(&s->folder);
    s->db = open_store(&store_memory, &s->folder);
    gated = store_memory;
    gated.begin = gated_begin;
    gated.commit = gated_commit;
    s->db->ops = &gated;
    commit_fails = 0;
    gate_allow(INT_MAX);
    reactor_init(&s->reactor);
    open_front(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    if (s->front)
        store_front_close(s->front);
    s->db->ops->close(s->db);
    folder_remove(&s->folder);
    free(s);
    return 0;
}

/* What came back, in order: a character per unit. */
static char story[256];
static size_t story_n;

static const char *told(void)
{
    story[story_n] = '\0';
    story_n = 0;
    return story;
}

static void on_done(struct store_unit *u)
{
    const char *name = u->ctx;

    assert_true(story_n + 2 < sizeof(story));
    if (u->rc != 0)
        story[story_n++] = '!';
    story[story_n++] = name[0];
    store_unit_free(u);
}

static const struct jb_str owner = JB_STR_INIT("romeo@verona");

static struct store_unit *new_unit(struct stage *s, const char *name)
{
    struct store_unit *u = store_unit_new(s->front, &s->reactor.port, on_done, (void *)name);

    assert_non_null(u);
    return u;
}

static void submit_put(struct stage *s, const char *name)
{
    struct store_unit *u = new_unit(s, name);

    store_unit_kv_put(u, owner, JB_STR("x"), jb_strz(name), jb_strz(name));
    assert_int_equal(store_unit_submit(u), 0);
}

static void submit_get(struct stage *s, const char *name)
{
    struct store_unit *u = new_unit(s, name);

    store_unit_kv_get(u, owner, JB_STR("x"), jb_strz(name));
    assert_int_equal(store_unit_submit(u), 0);
}

/* The worker stands at the beginning of a transaction with one unit named "0" in it. */
static void hold(struct stage *s)
{
    gate_allow(0);
    submit_put(s, "0");
    gate_wait();
}

#endif
