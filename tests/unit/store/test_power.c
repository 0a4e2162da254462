/* SPDX-License-Identifier: MIT */
/* Power cuts, failing writes and failing syncs under the store as the server uses it: units through
 * the front, group commit, checkpoints.
 *
 * Every unit also writes its number.  The same units run on the memory backend first, one by one,
 * and what the store holds after each is summed up.  So whatever a cut leaves must be the state
 * after exactly the unit whose number it shows: whole units, in order, nothing else; and that unit
 * must not be an earlier one than the last that was confirmed.
 *
 *     test_store_power [POINTS [SEED]]     how many cuts (1,000), and which
 */
#include "store_help.h"
#include "faulty_vfs.h"
#include "power.h"

#include "base/assert.h"
#include "base/list.h"
#include "server/store_queue.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

enum { UNITS = 400, USERS = 5, BURST = 20, CHECKPOINT_PAGES = 60, IO_CALLS = 200 };

static long cuts_wanted = 1000;
static uint64_t seed = 1;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* ---- a state as one number ---- */

static void mix(uint64_t *sum, const void *p, size_t n)
{
    const unsigned char *bytes = p;

    for (size_t i = 0; i < n; i++)
        *sum = (*sum ^ bytes[i]) * 0x100000001b3u;
    *sum = (*sum ^ n) * 0x100000001b3u;
}

static int mix_row(void *ctx, const struct store_row *row)
{
    mix(ctx, &row->id, sizeof row->id);
    mix(ctx, &row->flags, sizeof row->flags);
    mix(ctx, row->key.p, row->key.n);
    mix(ctx, row->with.p, row->with.n);
    mix(ctx, row->bytes.p, row->bytes.n);
    return 0;
}

static struct jb_str owner_of(unsigned user)
{
    static const char *const owners[USERS] = { "a@x", "b@x", "c@x", "d@x", "e@x" };

    return jb_strz(owners[user % USERS]);
}

static uint64_t sum_up(struct store_db *db)
{
    static const char *const stores[] = { "sm", "photo", "model" };
    uint64_t sum = 0xcbf29ce484222325u;
    int rc = db->ops->account_list(db, JB_STR("x"), &(struct store_page){ 0 }, mix_row, &sum);

    jb_assert(rc == 0);
    for (unsigned user = 0; user < USERS; user++) {
        struct store_space space = { owner_of(user), JB_STR("messages") };
        rc = db->ops->log_range(db, &space, &(struct store_range){ 0 }, mix_row, &sum);
        jb_assert(rc == 0);
        for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
            space.store = jb_strz(stores[i]);
            rc = db->ops->kv_list(db, &space, &(struct store_page){ 0 }, mix_row, &sum);
            jb_assert(rc == 0);
        }
    }
    return sum;
}

static int read_number(void *ctx, const struct store_row *row)
{
    jb_assert(row->bytes.n == sizeof(unsigned));
    memcpy(ctx, row->bytes.p, sizeof(unsigned));
    return 0;
}

/* The number of the last unit in the store. */
static unsigned last_unit(struct store_db *db)
{
    const struct store_space space = { owner_of(0), JB_STR("model") };
    unsigned n = 0;
    int rc = db->ops->kv_get(db, &space, JB_STR("n"), read_number, &n);

    jb_assert(rc == 0 || rc == JB_ENOTFOUND);
    return n;
}

/* ---- the units ---- */

/* As a message does: both archives and the sender's count; and now and then something else. */
static void fill(struct store_unit *u, unsigned n)
{
    static char bytes[20000];
    struct jb_str from = owner_of(n), to = owner_of(n + 1 + n / USERS % (USERS - 1));
    int64_t now_us = 1000000 + n;
    char name[16];
    struct store_entry entry = {
        .now_us = now_us, .stamp_us = now_us, .with = to, .bytes = jb_str(bytes, n * 37 % 1500)
    };

    memset(bytes, 'a' + (int)(n % 26), sizeof bytes);
    store_unit_log_append(u, from, JB_STR("messages"), &entry);
    entry.with = from;
    store_unit_log_append(u, to, JB_STR("messages"), &entry);
    store_unit_kv_put(u, from, JB_STR("sm"), JB_STR("h"), jb_str((const char *)&n, sizeof n));
    if (n % 9 == 0)
        store_unit_kv_put(u, from, JB_STR("photo"), JB_STR("it"), jb_str(bytes, sizeof bytes));
    if (n % 7 == 0) {
        bool create = n / 7 % 2 == 0;
        snprintf(name, sizeof name, "u%u", create ? n : n - 7);
        struct store_account account = { JB_STR("x"), jb_strz(name), JB_STR("k"), now_us, 0 };
        if (create)
            store_unit_account_put(u, &account, STORE_CREATE);
        else
            store_unit_account_delete(u, account.domain, account.local);
    }
    if (n % 11 == 0)
        store_unit_log_trim(u, from, JB_STR("messages"), now_us - 50);
    if (n % 67 == 0)
        store_unit_owner_delete(u, to);
    store_unit_kv_put(u, owner_of(0), JB_STR("model"), JB_STR("n"),
                      jb_str((const char *)&n, sizeof n));
}

/* ---- the stage ---- */

struct stage {
    struct folder folder;
    struct store_db *db;
    struct store_front *front;
    struct store_port port;
    struct jb_limits limits;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    unsigned submitted; /* the last unit's number */
    unsigned back;      /* units that came back; under the mutex */
    int rcs[UNITS + 1]; /* what they came back with; the worker's until they are back */
    unsigned confirmed; /* the last unit that came back with 0; the worker's own */
    bool fatal;
    bool false_ack; /* something was confirmed after the store had failed for good */
};

static struct stage *on_stage;

static void on_post(struct store_port *port, struct store_unit *u)
{
    struct stage *s = jb__container_of(port, struct stage, port);
    unsigned n = (unsigned)(uintptr_t)u->ctx;

    s->rcs[n] = u->rc;
    if (u->rc == 0) {
        s->confirmed = n;
        s->false_ack |= s->fatal;
    }
    store_unit_free(u);
    pthread_mutex_lock(&s->mutex);
    s->back++;
    pthread_cond_signal(&s->moved);
    pthread_mutex_unlock(&s->mutex);
}

static void on_fatal(void *ctx, int rc, const char *message)
{
    struct stage *s = ctx;

    jb_assert(!s->fatal && rc == JB_EIO && message[0]);
    s->fatal = true;
}

static void on_done(struct store_unit *u)
{
    (void)u;
    jb_assert(false); /* on_post keeps it */
}

static int open_db(const struct store_backend *backend, const struct folder *folder,
                   const char *vfs, enum store_durability durability, struct store_db **db)
{
    struct store_options options = { .alloc = &jb_allocator_libc,
                                     .folder = folder->path,
                                     .vfs = vfs,
                                     .durability = durability,
                                     .checkpoint_pages = CHECKPOINT_PAGES };
    char message[STORE_MESSAGE_BYTES];
    int rc = backend->open(&options, db, message);

    if (rc != 0)
        fprintf(stderr, "%s: %s\n", folder->path, message);
    return rc;
}

static void stage_open(struct stage *s, const struct store_backend *backend,
                       enum store_durability durability)
{
    *s = (struct stage){ .port.post = on_post, .limits = jb_limits_default };
    s->limits.store_timeout_ms = 0;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->moved, NULL);
    folder_make(&s->folder);
    on_stage = s;
    int rc = open_db(backend, &s->folder, backend == &store_sqlite ? "faulty" : NULL, durability,
                     &s->db);
    jb_assert(rc == 0);
    struct store_front_options options = { .alloc = &jb_allocator_libc,
                                           .limits = &s->limits,
                                           .db = s->db,
                                           .fatal = on_fatal,
                                           .fatal_ctx = s };
    rc = store_front_open(&options, &s->front);
    jb_assert(rc == 0);
}

static void stage_close(struct stage *s)
{
    store_front_close(s->front);
    s->db->ops->close(s->db);
    on_stage = NULL;
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->moved);
}

/* Submits the next `count` units at once.  False: the store takes no more. */
static bool stage_submit(struct stage *s, unsigned count)
{
    for (unsigned i = 0; i < count && s->submitted < UNITS; i++) {
        unsigned n = s->submitted + 1;
        struct store_unit *u = store_unit_new(s->front, &s->port, on_done, (void *)(uintptr_t)n);
        jb_assert(u);
        fill(u, n);
        s->submitted = n; /* before the worker can see it */
        int rc = store_unit_submit(u);
        if (rc != 0) {
            s->submitted = n - 1;
            store_unit_free(u);
            return false;
        }
    }
    pthread_mutex_lock(&s->mutex);
    while (s->back < s->submitted)
        pthread_cond_wait(&s->moved, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    return true;
}

/* ---- the model: what the store holds after each unit ---- */

static uint64_t sums[UNITS + 1];

static int make_model(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, &store_memory, STORE_DURABLE_POWER);
    sums[0] = sum_up(s.db);
    while (s.submitted < UNITS) {
        stage_submit(&s, 1);
        jb_assert(s.confirmed == s.submitted);
        sums[s.submitted] = sum_up(s.db);
    }
    stage_close(&s);
    folder_remove(&s.folder);
    return 0;
}

static void check_integrity(const struct folder *folder)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *st;

    snprintf(path, sizeof path, "%s/jabiru.db", folder->path);
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unsynced");
    jb_assert(rc == SQLITE_OK);
    rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL);
    jb_assert(rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW);
    const char *answer = (const char *)sqlite3_column_text(st, 0);
    if (!answer || strcmp(answer, "ok") != 0)
        fprintf(stderr, "integrity_check: %s\n", answer ? answer : "?");
    jb_assert(answer && strcmp(answer, "ok") == 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* Opens what is left in the folder as a new start of the server would.  Returns the last unit. */
static unsigned check_rest(const struct folder *folder, unsigned most)
{
    struct store_db *db;
    int rc = open_db(&store_sqlite, folder, "unsynced", STORE_DURABLE_POWER, &db);

    jb_assert(rc == 0);
    unsigned n = last_unit(db);
    jb_assert(n <= most);
    uint64_t sum = sum_up(db);
    if (sum != sums[n])
        fprintf(stderr, "%s: not the state after unit %u\n", folder->path, n);
    jb_assert(sum == sums[n]);
    check_integrity(folder);
    store_sqlite.close(db);
    return n;
}

/* ---- power cuts ---- */

static struct {
    enum store_durability durability;
    uint64_t random;
    long done, lost; /* cuts; units that were confirmed and lost */
} cuts;

/* On the thread that is about to change a file. */
static void maybe_cut(void *ctx)
{
    struct folder image;

    (void)ctx;
    if (cuts.done >= cuts_wanted || next_random(&cuts.random) % 4 != 0)
        return;
    uint64_t number = next_random(&cuts.random);
    folder_make(&image);
    power_image(image.path, (enum power_cut)(cuts.done++ % POWER_CUTS), number);
    unsigned confirmed = on_stage->front ? on_stage->confirmed : 0;
    unsigned n = check_rest(&image, UNITS);
    if (n < confirmed)
        cuts.lost += confirmed - n;
    if (n < confirmed && cuts.durability == STORE_DURABLE_POWER)
        fprintf(stderr, "cut %ld of kind %ld: unit %u was confirmed, the disk ends with %u\n",
                cuts.done, (cuts.done - 1) % POWER_CUTS, confirmed, n);
    folder_remove(&image);
}

static void cut_all(enum store_durability durability)
{
    struct stage s;

    cuts.durability = durability;
    cuts.random = seed * 2 + 1;
    cuts.done = cuts.lost = 0;
    while (cuts.done < cuts_wanted) {
        power_begin();
        faulty_before_change(maybe_cut, NULL);
        stage_open(&s, &store_sqlite, durability);
        while (s.submitted < UNITS && cuts.done < cuts_wanted)
            stage_submit(&s, 1 + (unsigned)(next_random(&seed) % BURST));
        assert_false(s.fatal);
        stage_close(&s);
        faulty_before_change(NULL, NULL);
        power_end();
        folder_remove(&s.folder);
    }
    printf("# %ld cuts, %ld confirmed units lost\n", cuts.done, cuts.lost);
}

static void test_cuts_power(void **state)
{
    (void)state;
    cut_all(STORE_DURABLE_POWER);
    assert_int_equal(cuts.lost, 0);
}

/* Confirmed units may be lost here, and some are; what is left is a state that once was. */
static void test_cuts_process(void **state)
{
    (void)state;
    cut_all(STORE_DURABLE_PROCESS);
    assert_true(cuts.lost > 0);
}

/* ---- failing calls ---- */

/* The k-th call of the kind fails, while units come in bursts of the size. */
static void fail_call(enum fault_kind kind, long k, bool for_ever, unsigned burst)
{
    struct stage s;

    stage_open(&s, &store_sqlite, STORE_DURABLE_POWER);
    faulty_arm(kind, k, for_ever);
    while (!faulty_fired() && s.submitted < UNITS && stage_submit(&s, burst))
        continue;
    assert_true(faulty_fired());
    assert_true(s.fatal);
    assert_false(stage_submit(&s, 1)); /* nothing is taken any more */
    assert_false(s.false_ack);
    unsigned confirmed = s.confirmed, submitted = s.submitted;
    stage_close(&s);
    faulty_arm(FAULT_NONE, 0, false);
    assert_true(check_rest(&s.folder, submitted) >= confirmed);
    folder_remove(&s.folder);
}

static void test_write_fails(void **state)
{
    (void)state;
    for (long k = 0; k < IO_CALLS; k++) {
        fail_call(FAULT_WRITE, k, false, 1 + (unsigned)k % BURST);
        fail_call(FAULT_WRITE, k, true, 1 + (unsigned)k % BURST);
    }
}

static void test_sync_fails(void **state)
{
    (void)state;
    /* Small bursts: each syncs once, or three times when the log is moved. */
    for (long k = 0; k < IO_CALLS; k++) {
        fail_call(FAULT_SYNC, k, false, 1 + (unsigned)k % 2);
        fail_call(FAULT_SYNC, k, true, 1 + (unsigned)k % 2);
    }
}

/* Units that found no room and no others are missing, and there is no need to start anew. */
static void check_full(long k, bool for_ever)
{
    struct stage s, model;

    stage_open(&model, &store_memory, STORE_DURABLE_POWER);
    stage_open(&s, &store_sqlite, STORE_DURABLE_POWER);
    faulty_arm(FAULT_FULL, k, for_ever);
    while (!faulty_fired())
        stage_submit(&s, 1 + (unsigned)k % BURST);
    stage_submit(&s, BURST);
    faulty_arm(FAULT_NONE, 0, false);
    unsigned before = s.submitted;
    stage_submit(&s, BURST);
    assert_false(s.fatal);
    while (model.submitted < s.submitted) {
        int rc = s.rcs[model.submitted + 1];
        assert_true(rc == 0 || (rc == JB_EFULL && model.submitted < before));
        if (rc == 0)
            stage_submit(&model, 1);
        else
            model.submitted++, model.back++;
    }
    assert_int_equal(sum_up(s.db), sum_up(model.db));
    stage_close(&s);
    stage_close(&model);
    folder_remove(&s.folder);
    folder_remove(&model.folder);
}

static void test_disk_full(void **state)
{
    (void)state;
    for (long k = 0; k < IO_CALLS; k++)
        check_full(k, k % 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_power),  cmocka_unit_test(test_cuts_process),
        cmocka_unit_test(test_write_fails), cmocka_unit_test(test_sync_fails),
        cmocka_unit_test(test_disk_full),
    };

    if (argc > 1)
        cuts_wanted = strtol(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoull(argv[2], NULL, 10);
    faulty_register();
    return cmocka_run_group_tests_name("power", tests, make_model, NULL);
}
