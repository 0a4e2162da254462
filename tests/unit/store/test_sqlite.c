/* SPDX-License-Identifier: MIT */
/* What only the SQLite backend has: files that outlive it, refusals, faults of the disk. */
#include "store_help.h"
#include "faulty_vfs.h"
#include "power.h"
#include "failing_alloc.h"
#include "store/lock.h"
#include "store/sqlite_copy.h"
#include "store/sqlite_sql.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct store_space space = { JB_STR_INIT("romeo@verona"), JB_STR_INIT("x") };

static int set_up(void **state)
{
    struct folder *f = malloc(sizeof(*f));

    assert_non_null(f);
    folder_make(f);
    *state = f;
    faulty_arm(FAULT_NONE, 0, false);
    power_end();
    return 0;
}

static int tear_down(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}

static int try_open(const struct folder *f, const char *vfs, enum store_durability durability,
                    struct store_db **db, char message[STORE_MESSAGE_BYTES])
{
    struct store_options options = { .alloc = &jb_allocator_libc,
                                     .folder = f->path,
                                     .vfs = vfs,
                                     .durability = durability,
                                     .checkpoint_pages = 100 };

    message[0] = '\0';
    return store_sqlite.open(&options, db, message);
}

static void expect_refusal(const struct folder *f, int rc, const char *words)
{
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db;

    assert_int_equal(try_open(f, NULL, STORE_DURABLE_POWER, &db, message), rc);
    assert_null(db);
    if (!strstr(message, words))
        fail_msg("\"%s\" does not say \"%s\"", message, words);
}

static void path_of(const struct folder *f, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", f->path, name);
}

/* Runs SQL on the closed database, as a stranger would. */
static void tamper(const struct folder *f, const char *sql)
{
    char path[128];
    sqlite3 *db;

    path_of(f, "jabiru.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int put_number(struct store_db *db, int number, size_t bytes)
{
    char key[16];
    char *value = calloc(1, bytes);
    int64_t id;
    struct store_entry entry = { .now_us = number + 1, .bytes = jb_str(value, bytes) };
    int rc = db->ops->begin(db);

    snprintf(key, sizeof(key), "%d", number);
    if (rc == 0)
        rc = db->ops->kv_put(db, &space, jb_strz(key), jb_str(value, bytes));
    if (rc == 0)
        rc = db->ops->log_append(db, &space, &entry, &id);
    if (rc == 0)
        rc = db->ops->commit(db);
    if (rc != 0)
        db->ops->rollback(db);
    free(value);
    return rc;
}

static int ignore(void *ctx, const struct store_row *row)
{
    (void)ctx;
    (void)row;
    return 0;
}

static bool has_number(struct store_db *db, int number)
{
    char key[16];

    snprintf(key, sizeof(key), "%d", number);
    int rc = db->ops->kv_get(db, &space, jb_strz(key), ignore, NULL);
    assert_true(rc == 0 || rc == JB_ENOTFOUND);
    /* The two halves of a transaction: both or none. */
    assert_int_equal(db->ops->log_get(db, &space, number + 1, ignore, NULL), rc);
    return rc == 0;
}

/* ---- refusals ---- */

static void test_files_are_private(void **state)
{
    static const char *const names[] = { "jabiru.db", "jabiru.db-wal", "lock" };
    struct folder *f = *state;
    struct store_db *db = open_store(&store_sqlite, f);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        struct stat st;
        path_of(f, names[i], path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    store_sqlite.close(db);
}

static void test_in_use(void **state)
{
    struct folder *f = *state;
    struct store_db *db = open_store(&store_sqlite, f);
    char words[64];

    snprintf(words, sizeof(words), "is in use by process %ld", (long)getpid());
    expect_refusal(f, JB_ESTATE, words);
    store_sqlite.close(db);
    db = open_store(&store_sqlite, f);
    store_sqlite.close(db);
}

static void test_lock_of_a_dead_process(void **state)
{
    struct folder *f = *state;
    struct store_lock lock;
    char message[256];
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(store_lock_open(&lock, f->path, message, sizeof(message)) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(store_lock_open(&lock, f->path, message, sizeof(message)), 0);
    assert_false(lock.clean);
    store_lock_close(&lock, true);
    assert_int_equal(store_lock_open(&lock, f->path, message, sizeof(message)), 0);
    assert_true(lock.clean);
    store_lock_close(&lock, true);
}

static void test_foreign(void **state)
{
    tamper(*state, "CREATE TABLE t(x)");
    expect_refusal(*state, JB_ENOTSUP, "belongs to another program");
    tamper(*state, "INSERT INTO t VALUES(1)"); /* still there */
}

/* Not even its log is moved. */
static void test_foreign_with_log(void **state)
{
    char path[128];
    struct stat before, after;
    sqlite3 *db;

    path_of(*state, "jabiru.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    path_of(*state, "jabiru.db-wal", path);
    assert_int_equal(stat(path, &before), 0);
    expect_refusal(*state, JB_ENOTSUP, "belongs to another program");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
}

static void test_newer(void **state)
{
    store_sqlite.close(open_store(&store_sqlite, *state));
    tamper(*state, "PRAGMA user_version=99");
    expect_refusal(*state, JB_ENOTSUP, "newer version (format 99");
}

static void test_not_a_database(void **state)
{
    char path[128];

    path_of(*state, "jabiru.db", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("these are the notes of a stranger\n", file);
    fclose(file);
    expect_refusal(*state, JB_EINVAL, "not a database");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 34000);
}

/* The log holds what the database does not have yet: taking the database for new would drop it. */
static void test_log_without_database(void **state)
{
    char path[128], wal[128];

    path_of(*state, "jabiru.db", path);
    path_of(*state, "jabiru.db-wal", wal);
    FILE *file = fopen(wal, "w");
    assert_non_null(file);
    fputs("something", file);
    fclose(file);
    expect_refusal(*state, JB_EINVAL, "jabiru.db-wal is not");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    expect_refusal(*state, JB_EINVAL, "jabiru.db-wal is not");
    unlink(wal);
    store_sqlite.close(open_store(&store_sqlite, *state)); /* an empty file alone is a new one */
}

static void test_no_folder(void **state)
{
    struct folder none = { "/nonexistent/folder" };

    (void)state;
    expect_refusal(&none, JB_EIO, "cannot open /nonexistent/folder/lock");
}

/* Damage is found at the start after a crash, and by the reads that meet it. */
static void test_damaged(void **state)
{
    struct folder *f = *state;
    struct store_db *db;
    char message[STORE_MESSAGE_BYTES];
    char path[128];

    assert_int_equal(try_open(f, "faulty", STORE_DURABLE_POWER, &db, message), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(put_number(db, i, 500), 0);
    store_sqlite.close(db);
    path_of(f, "jabiru.db", path);
    int fd = open(path, O_WRONLY);
    off_t bytes = lseek(fd, 0, SEEK_END);
    for (off_t at = 8 * 4096; at < bytes; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    close(fd);

    assert_int_equal(try_open(f, NULL, STORE_DURABLE_POWER, &db, message), 0);
    int rc = db->ops->log_range(db, &space, &(struct store_range){ 0 }, ignore, NULL);
    assert_int_equal(rc, JB_EINVAL);
    assert_non_null(strstr(db->message, "malformed"));
    store_sqlite.close(db);
    expect_refusal(f, JB_EINVAL, "quick_check"); /* the close was not clean */
}

/* ---- copies ---- */

static int copy_store(const struct folder *from, const struct folder *to,
                      char message[STORE_MESSAGE_BYTES])
{
    char from_path[128], to_path[128];

    path_of(from, "jabiru.db", from_path);
    path_of(to, "jabiru.db", to_path);
    return store_sqlite_copy(from_path, to_path, message);
}

/* Of an open store, with a log and something not committed: what is committed, whole, private, in
 * one file.  And copied back, it is the same. */
static void test_copy(void **state)
{
    char message[STORE_MESSAGE_BYTES], path[128];
    struct folder copy, back;
    struct stat st;
    struct store_db *db = open_store(&store_sqlite, *state);

    folder_make(&copy);
    folder_make(&back);
    for (int i = 0; i < 50; i++)
        assert_int_equal(put_number(db, i, 3000), 0);
    assert_int_equal(db->ops->begin(db), 0);
    assert_int_equal(db->ops->kv_put(db, &space, JB_STR("50"), JB_STR("half")), 0);
    assert_int_equal(copy_store(*state, &copy, message), 0);
    db->ops->rollback(db);
    assert_int_equal(put_number(db, 50, 10), 0); /* the store goes on */
    store_sqlite.close(db);
    path_of(&copy, "jabiru.db-wal", path);
    assert_int_equal(stat(path, &st), -1);
    path_of(&copy, "jabiru.db.part", path);
    assert_int_equal(stat(path, &st), -1);
    path_of(&copy, "jabiru.db", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(copy_store(&copy, &back, message), 0);
    db = open_store(&store_sqlite, &back);
    for (int i = 0; i < 50; i++)
        assert_true(has_number(db, i));
    assert_false(has_number(db, 50));
    store_sqlite.close(db);
    folder_remove(&copy);
    folder_remove(&back);
}

static void expect_no_copy(const struct folder *from, int rc, const char *words)
{
    char message[STORE_MESSAGE_BYTES], path[128];
    struct folder to;
    struct stat st;

    folder_make(&to);
    assert_int_equal(copy_store(from, &to, message), rc);
    if (!strstr(message, words))
        fail_msg("\"%s\" does not say \"%s\"", message, words);
    path_of(&to, "jabiru.db", path);
    assert_int_equal(stat(path, &st), -1);
    folder_remove(&to);
}

static void test_copy_refusals(void **state)
{
    char message[STORE_MESSAGE_BYTES], path[128];
    struct folder *f = *state, to;

    expect_no_copy(f, JB_ENOTFOUND, "No such file");
    tamper(f, "CREATE TABLE t(x)");
    expect_no_copy(f, JB_ENOTSUP, "another program");
    path_of(f, "jabiru.db", path);
    unlink(path);
    store_sqlite.close(open_store(&store_sqlite, f));
    tamper(f, "PRAGMA user_version=99");
    expect_no_copy(f, JB_ENOTSUP, "newer version");
    tamper(f, "PRAGMA user_version=" STORE_SQL_TEXT(STORE_SQL_USER_VERSION));

    /* What is there stays as it is, and so does what another copy is making. */
    static const char *const names[] = { "jabiru.db", "jabiru.db.part" };
    for (size_t i = 0; i < 2; i++) {
        folder_make(&to);
        path_of(&to, names[i], path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        assert_int_equal(copy_store(f, &to, message), JB_EEXIST);
        assert_non_null(strstr(message, "File exists"));
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 0);
        folder_remove(&to);
    }
}

/* A page that cannot be right: nobody shall find out when the copy is needed. */
static void test_copy_of_damage(void **state)
{
    char path[128];
    struct store_db *db = open_store(&store_sqlite, *state);

    for (int i = 0; i < 200; i++)
        assert_int_equal(put_number(db, i, 500), 0);
    store_sqlite.close(db);
    path_of(*state, "jabiru.db", path);
    int fd = open(path, O_WRONLY);
    off_t bytes = lseek(fd, 0, SEEK_END);
    for (off_t at = 8 * 4096; at < bytes; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, at), 8);
    close(fd);
    expect_no_copy(*state, JB_EINVAL, "quick_check");
}

/* A log that a crash left is read, and is there afterwards: the next start needs it. */
static void test_copy_after_a_crash(void **state)
{
    char message[STORE_MESSAGE_BYTES], path[128];
    struct folder copy;
    struct stat before, after;
    pid_t pid = fork();

    if (pid == 0) {
        struct store_db *db = open_store(&store_sqlite, *state);
        _exit(put_number(db, 1, 3000));
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    folder_make(&copy);
    path_of(*state, "jabiru.db-wal", path);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(copy_store(*state, &copy, message), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    struct store_db *db = open_store(&store_sqlite, &copy);
    assert_true(has_number(db, 1));
    store_sqlite.close(db);
    folder_remove(&copy);
}

/* ---- faults ---- */

enum { TRANSACTIONS = 5 };

/* Fails the k-th call of the kind, and says whether it came to that. */
static bool run_with_fault(enum fault_kind kind, long k, bool for_ever, size_t bytes)
{
    char message[STORE_MESSAGE_BYTES];
    struct folder f;
    struct store_db *db;
    int committed = 0;
    int rc = 0;

    folder_make(&f);
    faulty_arm(FAULT_NONE, 0, false);
    assert_int_equal(try_open(&f, "faulty", STORE_DURABLE_POWER, &db, message), 0);
    faulty_arm(kind, k, for_ever);
    while (committed < TRANSACTIONS && (rc = put_number(db, committed, bytes)) == 0)
        committed++;
    bool fired = faulty_fired();
    assert_int_equal(fired, rc != 0); /* no failure goes unreported */
    if (rc != 0) {
        assert_int_equal(rc, kind == FAULT_FULL ? JB_EFULL : JB_EIO);
        assert_true(db->message[0] != '\0');
    }
    if (kind == FAULT_FULL && rc != 0) {
        /* Once there is room again, it goes on without a restart, and nothing half is left. */
        faulty_arm(FAULT_NONE, 0, false);
        assert_false(has_number(db, committed));
        assert_int_equal(put_number(db, committed, bytes), 0);
        committed++;
    }
    store_sqlite.close(db);
    faulty_arm(FAULT_NONE, 0, false);

    assert_int_equal(try_open(&f, "faulty", STORE_DURABLE_POWER, &db, message), 0);
    for (int i = 0; i < committed; i++)
        assert_true(has_number(db, i));
    for (int i = committed + 1; i < TRANSACTIONS; i++)
        assert_false(has_number(db, i));
    store_sqlite.close(db);
    folder_remove(&f);
    return fired;
}

static void run_all_faults(enum fault_kind kind)
{
    long k = 0;

    for (; run_with_fault(kind, k, false, 1200); k++)
        assert_true(run_with_fault(kind, k, true, 1200));
    assert_true(k >= TRANSACTIONS); /* each transaction was hit once at least */
}

static void test_write_faults(void **state)
{
    (void)state;
    run_all_faults(FAULT_WRITE);
}

static void test_sync_faults(void **state)
{
    (void)state;
    run_all_faults(FAULT_SYNC);
}

static void test_disk_full(void **state)
{
    (void)state;
    run_all_faults(FAULT_FULL);
}

/* Large enough that logs are moved into the database in between. */
static void test_sync_faults_at_checkpoints(void **state)
{
    (void)state;
    for (long k = 0; run_with_fault(FAULT_SYNC, k, false, (size_t)40 << 10); k++)
        continue;
}

/* After any number of transactions the power goes: what was synced is all there is.  (test_power.c
 * cuts it within them.) */
static void power_cuts(enum store_durability durability, size_t bytes, int transactions)
{
    struct folder f;
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db, *after;

    folder_make(&f);
    power_begin();
    assert_int_equal(try_open(&f, "faulty", durability, &db, message), 0);
    for (int i = 0; i < transactions; i++) {
        assert_int_equal(put_number(db, i, bytes), 0);
        struct folder image;
        folder_make(&image);
        power_image(image.path, POWER_DROP, 0);
        assert_int_equal(try_open(&image, NULL, durability, &after, message), 0);
        int kept = 0;
        while (kept <= i && has_number(after, kept))
            kept++;
        for (int k = kept; k <= i; k++)
            assert_false(has_number(after, k)); /* a prefix, nothing else */
        if (durability == STORE_DURABLE_POWER)
            assert_int_equal(kept, i + 1);
        store_sqlite.close(after);
        folder_remove(&image);
    }
    store_sqlite.close(db);
    power_end();
    folder_remove(&f);
}

static void test_power_cuts(void **state)
{
    (void)state;
    power_cuts(STORE_DURABLE_POWER, 600, 30);
    power_cuts(STORE_DURABLE_POWER, (size_t)40 << 10, 12);
    power_cuts(STORE_DURABLE_PROCESS, 600, 30);
    power_cuts(STORE_DURABLE_PROCESS, (size_t)40 << 10, 12);
}

static void write_until_killed(const struct folder *f, enum store_durability durability, int report)
{
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db;

    if (try_open(f, NULL, durability, &db, message) != 0)
        _exit(1);
    for (int i = 0; put_number(db, i, 3000) == 0; i++)
        if (write(report, &i, sizeof(i)) != sizeof(i))
            break;
    _exit(1);
}

/* What another process committed before it was killed is there, under either durability. */
static void test_kill(void **state)
{
    for (int round = 0; round < 6; round++) {
        struct folder *f = *state;
        int ends[2], number, last = -1;

        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(f, round % 2 ? STORE_DURABLE_PROCESS : STORE_DURABLE_POWER, ends[1]);
        close(ends[1]);
        while (last < 20 + 7 * round && read(ends[0], &number, sizeof(number)) == sizeof(number))
            last = number;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        while (read(ends[0], &number, sizeof(number)) == sizeof(number))
            last = number;
        close(ends[0]);
        assert_true(last >= 20 + 7 * round);

        struct store_db *db = open_store(&store_sqlite, f);
        for (int i = 0; i <= last; i++)
            assert_true(has_number(db, i));
        assert_false(has_number(db, last + 2));
        assert_int_equal(db->ops->begin(db), 0);
        assert_int_equal(db->ops->owner_delete(db, space.owner), 0);
        assert_int_equal(db->ops->commit(db), 0);
        store_sqlite.close(db);
    }
}

/* ---- memory ---- */

struct scene {
    const struct store_backend *backend;
    const struct folder *folder;
};

static bool fine(int rc)
{
    return rc == 0 || rc == JB_ENOMEM;
}

/* SQLite's own allocations have their own test suite; these are ours. */
static void work_without_memory(struct failing_alloc *f, void *ctx)
{
    const struct scene *scene = ctx;
    struct store_options options = { .alloc = &f->alloc, .folder = scene->folder->path };
    struct store_account account = { JB_STR("verona"), JB_STR("romeo"), JB_STR("k"), 1, 0 };
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db;
    int rc = scene->backend->open(&options, &db, message);

    assert_true(fine(rc));
    if (rc != 0)
        return;
    bool before = has_number(db, 1);
    assert_int_equal(db->ops->begin(db), 0);
    rc = db->ops->account_put(db, &account, STORE_CREATE);
    rc = rc ? rc : db->ops->account_delete(db, account.domain, account.local);
    rc = rc ? rc : db->ops->kv_put(db, &space, JB_STR("k"), JB_STR("v"));
    rc = rc ? rc : db->ops->kv_clear(db, &space);
    rc = rc ? rc : db->ops->owner_delete(db, space.owner);
    assert_true(fine(rc));
    db->ops->rollback(db);
    rc = put_number(db, 1, 100);
    assert_true(fine(rc));
    assert_int_equal(has_number(db, 1), rc == 0 || before);
    scene->backend->close(db);
}

static void test_out_of_memory(void **state)
{
    struct scene memory = { &store_memory, *state };
    struct scene sqlite = { &store_sqlite, *state };

    assert_true(failing_alloc_loop(work_without_memory, &memory) > 10);
    assert_true(failing_alloc_loop(work_without_memory, &sqlite) > 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_files_are_private),
        CASE(test_in_use),
        CASE(test_lock_of_a_dead_process),
        CASE(test_foreign),
        CASE(test_foreign_with_log),
        CASE(test_newer),
        CASE(test_not_a_database),
        CASE(test_log_without_database),
        CASE(test_no_folder),
        CASE(test_damaged),
        CASE(test_copy),
        CASE(test_copy_refusals),
        CASE(test_copy_of_damage),
        CASE(test_copy_after_a_crash),
        CASE(test_write_faults),
        CASE(test_sync_faults),
        CASE(test_disk_full),
        CASE(test_sync_faults_at_checkpoints),
        CASE(test_power_cuts),
        CASE(test_kill),
        CASE(test_out_of_memory),
    };

    faulty_register();
    return cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
}
