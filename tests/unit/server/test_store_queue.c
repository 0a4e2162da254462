/* SPDX-License-Identifier: MIT */
/* The front of the store: order, grouping, bounds, failures, threads.
 *
 * A gate in front of the memory backend holds the worker at the beginning of a transaction, so that
 * a test decides what waits together. */
#include "../store/store_help.h"
#include "failing_alloc.h"
#include "faulty_vfs.h"
#include "store_reactor.h"
#include "store_stage.h"

#include <limits.h>
#include <pthread.h>

/* ---- results ---- */

static struct store_op *ops[8];

static void on_one_key(struct store_unit *u)
{
    assert_int_equal(ops[0]->row_count, 1);
    assert_true(jb_str_eqz(ops[0]->rows->key, "own"));
    store_unit_free(u);
}

static void on_results(struct store_unit *u)
{
    const struct store_row *row = ops[1]->rows;

    assert_int_equal(u->rc, 0);
    assert_int_equal(ops[0]->id, 1000);
    assert_int_equal(ops[1]->row_count, 2);
    assert_true(jb_str_eq(row->bytes, JB_STR("one")));
    assert_true(jb_str_eq(row->with, JB_STR("juliet")));
    assert_true(jb_str_eq(row->next->bytes, JB_STR("two")));
    assert_null(row->next->next);
    assert_true(ops[1]->more);
    assert_int_equal(ops[2]->totals.count, 2); /* the range has a limit */
    assert_int_equal(ops[2]->totals.bytes, 6);
    assert_int_equal(ops[3]->row_count, 2); /* the third would bring it over ten bytes */
    assert_true(ops[3]->more);
    assert_int_equal(ops[4]->row_count, 1); /* the first comes always */
    assert_true(ops[4]->more);
    assert_int_equal(ops[5]->row_count, 3);
    assert_false(ops[5]->more);
    assert_int_equal(ops[6]->rc, JB_ENOTFOUND);
    assert_null(ops[6]->rows);
    assert_int_equal(ops[7]->rc, JB_ENOTFOUND); /* nothing to delete: no failure */
    assert_ptr_equal(u->ops, ops[0]);
    store_unit_free(u);
}

static void test_results(void **state)
{
    struct stage *s = *state;
    struct store_unit *u = store_unit_new(s->front, &s->reactor.port, on_results, NULL);
    char with[8] = "juliet";
    struct store_entry entry = { .now_us = 1000, .with = jb_strz(with), .bytes = JB_STR("one") };
    struct store_range range = { .limit = 2 };

    ops[0] = store_unit_log_append(u, owner, JB_STR("a"), &entry);
    memset(with, 'x', 6); /* arguments were copied */
    entry.bytes = JB_STR("two");
    store_unit_log_append(u, owner, JB_STR("a"), &entry);
    entry.bytes = JB_STR("three");
    store_unit_log_append(u, owner, JB_STR("a"), &entry);
    ops[1] = store_unit_log_range(u, owner, JB_STR("a"), &range, 0);
    ops[2] = store_unit_log_count(u, owner, JB_STR("a"), &range);
    range.limit = 0;
    ops[3] = store_unit_log_range(u, owner, JB_STR("a"), &range, 10);
    ops[4] = store_unit_log_range(u, owner, JB_STR("a"), &range, 1);
    ops[5] = store_unit_log_range(u, owner, JB_STR("a"), &range, 11);
    ops[6] = store_unit_kv_get(u, owner, JB_STR("a"), JB_STR("none"));
    ops[7] = store_unit_kv_delete(u, owner, JB_STR("a"), JB_STR("none"));
    assert_int_equal(store_unit_submit(u), 0);
    reactor_run(&s->reactor, 1);
}

/* Every operation reaches its function. */
static void on_all(struct store_unit *u)
{
    assert_int_equal(u->rc, 0);
    for (const struct store_op *op = u->ops; op; op = op->next)
        assert_int_equal(op->rc, 0);
    struct store_op **list = u->ctx;
    assert_int_equal(list[0]->totals.count, 2);
    assert_int_equal(list[1]->row_count, 1);
    assert_true(list[1]->more);
    assert_true(jb_str_eq(list[1]->rows->key, JB_STR("juliet")));
    assert_true(jb_str_eq(list[2]->rows->bytes, JB_STR("k")));
    assert_int_equal(list[3]->row_count, 1);
    assert_int_equal(list[4]->totals.count, 1);
    store_unit_free(u);
}

static void test_all_operations(void **state)
{
    struct stage *s = *state;
    struct store_op *list[5];
    struct store_unit *u = store_unit_new(s->front, &s->reactor.port, on_all, list);
    struct store_account account = { JB_STR("verona"), JB_STR("romeo"), JB_STR("k"), 1, 0 };
    struct store_entry entry = { .now_us = 10, .bytes = JB_STR("x") };

    store_unit_account_put(u, &account, STORE_CREATE);
    account.local = JB_STR("juliet");
    store_unit_account_put(u, &account, STORE_CREATE);
    list[0] = store_unit_account_count(u, account.domain);
    list[1] = store_unit_account_list(u, account.domain, JB_STR_NONE, 1);
    list[2] = store_unit_account_get(u, account.domain, account.local);
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("k"), JB_STR("v"));
    list[3] = store_unit_kv_list(u, owner, JB_STR("x"), JB_STR_NONE, 1);
    store_unit_kv_delete(u, owner, JB_STR("x"), JB_STR("k"));
    store_unit_kv_clear(u, owner, JB_STR("x"));
    store_unit_log_append(u, owner, JB_STR("l"), &entry);
    store_unit_log_get(u, owner, JB_STR("l"), 10);
    store_unit_log_delete(u, owner, JB_STR("l"), 10);
    store_unit_log_append(u, owner, JB_STR("l"), &entry);
    list[4] = store_unit_log_prune(u, owner, JB_STR("l"), &(struct store_range){ .after_id = 10 });
    store_unit_log_trim(u, owner, JB_STR("l"), 99);
    store_unit_owner_delete(u, owner);
    store_unit_account_delete(u, account.domain, account.local);
    assert_int_equal(store_unit_submit(u), 0);
    reactor_run(&s->reactor, 1);
}

/* ---- order and grouping ---- */

static void test_grouping(void **state)
{
    struct stage *s = *state;
    struct store_front_stats stats;

    hold(s);
    for (int i = 0; i < 16; i++)
        submit_put(s, "p");
    store_front_stats(s->front, &stats);
    assert_int_equal(stats.waiting, 16);
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 17);
    /* "0" alone, then twice eight: limit store_batch. */
    store_front_stats(s->front, &stats);
    assert_int_equal(stats.batches, 3);
    assert_int_equal(stats.waiting, 0);
    assert_int_equal(stats.waiting_most, 16);
    uint64_t commits = 0;
    for (int i = 0; i < STORE_COMMIT_BUCKETS; i++)
        commits += stats.commit_us[i];
    assert_int_equal(commits, 3);
    told();
}

/* Reads before the first write of a batch are answered before that is committed; reads behind it
 * see it, and come back in their turn. */
static void test_order(void **state)
{
    struct stage *s = *state;

    hold(s);
    submit_get(s, "0");
    submit_get(s, "1");
    submit_put(s, "a");
    submit_get(s, "a");
    submit_put(s, "b");
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 6);
    assert_string_equal(told(), "001aab");
}

static void test_reads_do_not_wait(void **state)
{
    struct stage *s = *state;

    hold(s); /* holds the first batch; what comes now makes the second */
    submit_get(s, "r");
    submit_put(s, "w");
    gate_allow(1);
    reactor_run(&s->reactor, 2); /* "r", although "w" stands at the gate */
    assert_string_equal(told(), "0r");
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 3);
    assert_string_equal(told(), "w");
}

/* ---- failures ---- */

static void test_failing_unit(void **state)
{
    struct stage *s = *state;
    struct store_account account = { JB_STR("verona"), JB_STR("tybalt"), JB_STR("k"), 1, 0 };
    struct seen seen;

    hold(s);
    submit_put(s, "a");
    for (int i = 0; i < 2; i++) {
        struct store_unit *u = new_unit(s, i ? "c" : "b");
        store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("half"), i ? JB_STR("2") : JB_STR("1"));
        store_unit_account_put(u, &account, STORE_CREATE); /* the second time: exists */
        assert_int_equal(store_unit_submit(u), 0);
    }
    submit_put(s, "d");
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 5);
    assert_string_equal(told(), "0ab!cd");
    store_front_close(s->front);
    s->front = NULL;
    struct store_space space = { owner, JB_STR("x") };
    seen_init(&seen);
    assert_int_equal(s->db->ops->kv_get(s->db, &space, JB_STR("half"), see, &seen), 0);
    assert_memory_equal(seen.text.p, "4:half0:0:1:1", 13); /* nothing of the second is left */
    assert_int_equal(s->db->ops->kv_get(s->db, &space, JB_STR("d"), see, &seen), 0);
    assert_int_equal(s->fatal_calls, 0);
    jb__buf_deinit(&seen.text);
}

/* A front that has all the units it takes, and is held; the one that is refused. */
static struct store_unit *one_too_many(struct stage *s)
{
    store_front_close(s->front);
    s->limits.store_jobs = 3;
    open_front(s);
    hold(s);
    for (int i = 0; i < 3; i++)
        submit_put(s, "a");
    struct store_unit *u = new_unit(s, "b");
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("k"), JB_STR("v"));
    assert_int_equal(store_unit_submit(u), JB_EFULL);
    return u;
}

static void test_bounded(void **state)
{
    struct stage *s = *state;
    struct store_front_stats stats;
    struct store_unit *u = one_too_many(s);

    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 4);
    assert_int_equal(store_unit_submit(u), 0); /* still ours, and there is room again */
    reactor_run(&s->reactor, 5);
    store_front_stats(s->front, &stats);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.units, 5);
    told();
}

static void test_unit_too_large(void **state)
{
    struct stage *s = *state;
    size_t n = (size_t)600 << 10;
    char *big = calloc(1, n);

    store_front_close(s->front);
    s->limits.store_unit_bytes = 1 << 20;
    open_front(s);
    struct store_unit *u = new_unit(s, "a");
    assert_non_null(store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("1"), jb_str(big, n)));
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("2"), jb_str(big, n));
    assert_int_equal(store_unit_submit(u), JB_EFULL);
    store_unit_free(u);

    /* Results count too; only the unit that asks for too much fails. */
    for (int i = 0; i < 2; i++) {
        u = new_unit(s, "b");
        store_unit_kv_put(u, owner, JB_STR("x"), i ? JB_STR("1") : JB_STR("2"), jb_str(big, n));
        assert_int_equal(store_unit_submit(u), 0);
    }
    u = new_unit(s, "c");
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("3"), JB_STR_NONE);
    store_unit_kv_list(u, owner, JB_STR("x"), JB_STR_NONE, 0);
    assert_int_equal(store_unit_submit(u), 0);
    submit_get(s, "3");
    submit_put(s, "d");
    reactor_run(&s->reactor, 5);
    assert_string_equal(told(), "bb!c3d");
    assert_int_equal(s->fatal_calls, 0);
    free(big);
}

static void test_fatal(void **state)
{
    struct stage *s = *state;
    struct store_unit *u;

    submit_put(s, "a");
    reactor_run(&s->reactor, 1);
    hold(s);
    submit_put(s, "b");
    submit_get(s, "a");
    commit_fails = JB_EIO;
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 4);
    assert_string_equal(told(), "a!0!b!a");
    assert_int_equal(s->fatal_calls, 1);
    assert_int_equal(s->fatal_rc, JB_EIO);
    u = new_unit(s, "c");
    store_unit_kv_get(u, owner, JB_STR("x"), JB_STR("a"));
    assert_int_equal(store_unit_submit(u), JB_EIO);
    store_unit_free(u);
}

/* The disk is full for the batch, and not for each unit alone. */
static void test_full(void **state)
{
    struct stage *s = *state;
    struct store_front_stats stats;

    hold(s);
    submit_put(s, "a"); /* these three are the second batch */
    submit_get(s, "a");
    submit_put(s, "b");
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 4);
    assert_string_equal(told(), "0aab");
    hold(s);
    commit_fails = JB_EFULL;
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 5);
    assert_string_equal(told(), "0"); /* the second attempt, alone */
    hold(s);
    commit_fails = JB_EAGAIN;
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 6);
    assert_string_equal(told(), "!0"); /* has waited long enough */
    store_front_stats(s->front, &stats);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(s->fatal_calls, 0);
}

/* Whoever makes an account anew does not find what was written for the one before him. */
static void test_new_account_is_empty(void **state)
{
    struct stage *s = *state;
    struct store_account account = { JB_STR("verona"), JB_STR("romeo"), JB_STR("k"), 1, 0 };
    struct store_unit *u = new_unit(s, "a");
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("late"), JB_STR("v"));
    store_unit_account_put(u, &account, STORE_CREATE);
    store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("own"), JB_STR("v"));
    ops[0] = store_unit_kv_list(u, owner, JB_STR("x"), JB_STR_NONE, 0);
    u->done = on_one_key;
    assert_int_equal(store_unit_submit(u), 0);
    reactor_run(&s->reactor, 1);
}

/* Who only asks has waited long enough; a write is done however long it takes. */
static void test_timeout(void **state)
{
    struct stage *s = *state;

    store_front_close(s->front);
    s->limits.store_timeout_ms = 20;
    open_front(s);
    hold(s);
    submit_put(s, "a");
    submit_get(s, "r");
    usleep(60 * 1000);
    gate_allow(INT_MAX);
    reactor_run(&s->reactor, 3);
    assert_string_equal(told(), "0a!r");
}

static void *open_gate(void *unused)
{
    (void)unused;
    gate_allow(INT_MAX);
    return NULL;
}

static void test_settle(void **state)
{
    struct stage *s = *state;
    pthread_t opener;

    store_front_settle(s->front); /* nothing to wait for */
    hold(s);
    for (int i = 0; i < 20; i++)
        submit_put(s, "s");
    assert_true(reactor_idle(&s->reactor));
    assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
    store_front_settle(s->front);
    pthread_join(opener, NULL);
    assert_false(reactor_idle(&s->reactor)); /* handed back, all of them: no turn of this waits */
    for (int i = 0; i < 21; i++) {
        assert_false(reactor_idle(&s->reactor));
        reactor_turn(&s->reactor);
    }
    submit_put(s, "s"); /* and it goes on */
    reactor_run(&s->reactor, 22);
    assert_string_equal(told(), "0sssssssssssssssssssss");
}

static void test_submit_at_last(void **state)
{
    struct stage *s = *state;
    pthread_t opener;
    struct store_unit *u = one_too_many(s);

    assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
    assert_int_equal(store_unit_submit_at_last(u), 0);
    pthread_join(opener, NULL);
    reactor_run(&s->reactor, 5);
    assert_string_equal(told(), "0aaab");
}

static void test_stop_with_pending(void **state)
{
    struct stage *s = *state;
    pthread_t opener;

    hold(s);
    for (int i = 0; i < 20; i++)
        submit_put(s, "p");
    assert_true(reactor_idle(&s->reactor));
    assert_int_equal(pthread_create(&opener, NULL, open_gate, NULL), 0);
    store_front_close(s->front); /* returns when all 21 are committed and handed back */
    pthread_join(opener, NULL);
    s->front = NULL;
    reactor_run(&s->reactor, 21);
    assert_true(reactor_idle(&s->reactor));
    assert_string_equal(told(), "0pppppppppppppppppppp");
}

/* ---- threads ---- */

enum { PRODUCERS = 4, PER_PRODUCER = 300 };

struct producer {
    struct stage *stage;
    struct reactor reactor;
    pthread_t thread;
    int number;
    int64_t last_id;
    int in_flight;
};

static void on_produced(struct store_unit *u)
{
    struct producer *p = u->ctx;
    const struct store_op *append = u->ops;

    assert_int_equal(u->rc, 0);
    assert_true(append->id > p->last_id); /* comes back in the order it went */
    assert_int_equal(append->next->row_count, 1);
    assert_int_equal(append->next->rows->id, append->id);
    p->last_id = append->id;
    p->in_flight--;
    store_unit_free(u);
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    char name[16];

    snprintf(name, sizeof(name), "user%d", p->number);
    for (int i = 0; i < PER_PRODUCER; i++) {
        struct store_entry entry = { .now_us = 1, .bytes = JB_STR("hello") };
        struct store_range newest = { .limit = 1, .backwards = true };
        struct store_unit *u = store_unit_new(p->stage->front, &p->reactor.port, on_produced, p);
        store_unit_log_append(u, jb_strz(name), JB_STR("archive"), &entry);
        store_unit_log_range(u, jb_strz(name), JB_STR("archive"), &newest, 0);
        if (p->in_flight == 32)
            reactor_turn(&p->reactor);
        assert_int_equal(store_unit_submit(u), 0);
        p->in_flight++;
    }
    while (p->in_flight > 0)
        reactor_turn(&p->reactor);
    return NULL;
}

static void run_producers(struct stage *s)
{
    static struct producer producers[PRODUCERS];
    struct store_front_stats stats;

    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ .stage = s, .number = i };
        reactor_init(&producers[i].reactor);
    }
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        assert_int_equal(producers[i].last_id, PER_PRODUCER);
    }
    store_front_stats(s->front, &stats);
    assert_int_equal(stats.units, PRODUCERS * PER_PRODUCER);
    assert_int_equal(stats.failed, 0);
}

static void test_producers(void **state)
{
    run_producers(*state);
}

static void use_sqlite(struct stage *s, const char *vfs)
{
    struct store_options options = { .alloc = &jb_allocator_libc,
                                     .folder = s->folder.path,
                                     .durability = STORE_DURABLE_POWER,
                                     .vfs = vfs };
    char message[STORE_MESSAGE_BYTES];

    store_front_close(s->front);
    s->db->ops->close(s->db);
    assert_int_equal(store_sqlite.open(&options, &s->db, message), 0);
    open_front(s);
}

static void test_producers_on_sqlite(void **state)
{
    use_sqlite(*state, NULL);
    run_producers(*state);
}

/* ---- faults below the front ---- */

static int committed[64];
static int committed_n;
static bool failure_seen;

static void on_faulty(struct store_unit *u)
{
    assert_true(u->rc == 0 || u->rc == JB_EIO);
    failure_seen |= u->rc != 0;
    if (u->rc == 0) {
        assert_false(failure_seen); /* no success after the first failure */
        committed[committed_n++] = (int)u->ops->id;
    }
    store_unit_free(u);
}

static bool run_faulty(struct stage *s, long k)
{
    struct store_space log = { owner, JB_STR("l") };
    int accepted = 0;

    use_sqlite(s, "faulty");
    s->reactor.done = s->fatal_calls = 0;
    committed_n = 0;
    failure_seen = false;
    faulty_arm(FAULT_SYNC, k, false);
    for (int i = 0; i < 32; i++) {
        struct store_entry entry = { .now_us = 1, .bytes = JB_STR("hello") };
        struct store_unit *u = store_unit_new(s->front, &s->reactor.port, on_faulty, NULL);
        store_unit_log_append(u, owner, log.store, &entry);
        if (store_unit_submit(u) == 0)
            accepted++;
        else
            store_unit_free(u);
    }
    store_front_close(s->front);
    bool fired = faulty_fired();
    faulty_arm(FAULT_NONE, 0, false);
    reactor_run(&s->reactor, accepted);
    assert_int_equal(s->fatal_calls, fired ? 1 : 0);
    if (!fired)
        assert_int_equal(committed_n, 32);
    s->db->ops->close(s->db);

    /* What came back as committed is there. */
    s->db = open_store(&store_sqlite, &s->folder);
    struct seen seen;
    seen_init(&seen);
    for (int i = 0; i < committed_n; i++)
        assert_int_equal(s->db->ops->log_get(s->db, &log, committed[i], see, &seen), 0);
    jb__buf_deinit(&seen.text);
    assert_int_equal(s->db->ops->begin(s->db), 0);
    assert_int_equal(s->db->ops->owner_delete(s->db, owner), 0);
    assert_int_equal(s->db->ops->commit(s->db), 0);
    open_front(s);
    return fired;
}

static void test_faults(void **state)
{
    long k = 0;

    while (k < 40 && run_faulty(*state, k))
        k++;
    assert_true(k > 2);
}

/* ---- memory ---- */

static void free_unit(struct store_unit *u)
{
    assert_true(u->rc == 0 || u->rc == JB_ENOMEM);
    store_unit_free(u);
}

static void work_without_memory(struct failing_alloc *f, void *ctx)
{
    struct stage *s = ctx;
    struct store_front_options options = { .alloc = &f->alloc, .limits = &s->limits, .db = s->db };
    struct store_front *front;
    struct reactor reactor;
    static char big[20000];

    reactor_init(&reactor);
    if (store_front_open(&options, &front) != 0)
        return;
    struct store_unit *u = store_unit_new(front, &reactor.port, free_unit, NULL);
    if (u) {
        store_unit_kv_put(u, owner, JB_STR("x"), JB_STR("k"), jb_str(big, sizeof(big)));
        store_unit_kv_get(u, owner, JB_STR("x"), JB_STR("k"));
        int rc = store_unit_submit(u);
        assert_true(rc == 0 || rc == JB_ENOMEM);
        if (rc != 0)
            store_unit_free(u);
        else
            reactor_run(&reactor, 1);
    }
    store_front_close(front);
}

static void test_out_of_memory(void **state)
{
    struct stage *s = *state;

    store_front_close(s->front);
    s->front = NULL;
    assert_true(failing_alloc_loop(work_without_memory, s) > 4);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_results),
        CASE(test_all_operations),
        CASE(test_grouping),
        CASE(test_order),
        CASE(test_reads_do_not_wait),
        CASE(test_failing_unit),
        CASE(test_bounded),
        CASE(test_unit_too_large),
        CASE(test_fatal),
        CASE(test_full),
        CASE(test_timeout),
        CASE(test_new_account_is_empty),
        CASE(test_settle),
        CASE(test_submit_at_last),
        CASE(test_stop_with_pending),
        CASE(test_producers),
        CASE(test_producers_on_sqlite),
        CASE(test_faults),
        CASE(test_out_of_memory),
    };

    faulty_register();
    return cmocka_run_group_tests_name("store_queue", tests, NULL, NULL);
}
