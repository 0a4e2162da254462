/* SPDX-License-Identifier: MIT */
/* What every backend must do, run against each of them; and random operations on two of them at
 * once, which must not be able to tell them apart. */
#include "store_help.h"

struct place {
    const struct store_backend *backend;
    struct folder folder;
    struct store_db *db;
    bool keeps; /* what is committed is there after close and open */
};

static int set_up(void **state)
{
    struct place *p = *state;

    folder_make(&p->folder);
    p->db = open_store(p->backend, &p->folder);
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    p->backend->close(p->db);
    folder_remove(&p->folder);
    return 0;
}

static struct place *place_of(void **state)
{
    return *state;
}

#define DB  (place_of(state)->db)
#define OPS (place_of(state)->backend)

static const struct store_space roster = { JB_STR_INIT("romeo@verona"), JB_STR_INIT("roster") };
static const struct store_space archive = { JB_STR_INIT("romeo@verona"), JB_STR_INIT("archive") };

static void begin(void **state)
{
    assert_int_equal(OPS->begin(DB), 0);
}

static void commit(void **state)
{
    assert_int_equal(OPS->commit(DB), 0);
}

static void kv_put(void **state, const struct store_space *space, struct jb_str key,
                   struct jb_str bytes)
{
    assert_int_equal(OPS->kv_put(DB, space, key, bytes), 0);
}

static int64_t append(void **state, const struct store_space *space, int64_t now_us,
                      struct jb_str bytes)
{
    struct store_entry entry = { .now_us = now_us, .stamp_us = now_us, .bytes = bytes };
    int64_t id = 0;

    assert_int_equal(OPS->log_append(DB, space, &entry, &id), 0);
    return id;
}

static int put_account(void **state, struct jb_str domain, struct jb_str local,
                       enum store_put_mode mode)
{
    struct store_account account = { domain, local, JB_STR("keys"), 77, STORE_ACCOUNT_ADMIN };

    return OPS->account_put(DB, &account, mode);
}

/* The only row of a read is what it should be. */
static void expect_kv(void **state, const struct store_space *space, struct jb_str key,
                      struct jb_str want)
{
    struct seen seen, wanted;

    seen_init(&seen);
    seen_init(&wanted);
    assert_int_equal(OPS->kv_get(DB, space, key, see, &seen), 0);
    see(&wanted, &(struct store_row){ .key = key, .bytes = want });
    assert_true(jb_str_eq(jb__buf_str(&seen.text), jb__buf_str(&wanted.text)));
    jb__buf_deinit(&seen.text);
    jb__buf_deinit(&wanted.text);
}

static void expect_no_kv(void **state, const struct store_space *space, struct jb_str key)
{
    struct seen seen;

    seen_init(&seen);
    assert_int_equal(OPS->kv_get(DB, space, key, see, &seen), JB_ENOTFOUND);
    assert_int_equal(seen.rows, 0);
    jb__buf_deinit(&seen.text);
}

static size_t count_range(void **state, const struct store_space *space,
                          const struct store_range *range, int64_t *first)
{
    struct seen seen;

    seen_init(&seen);
    assert_int_equal(OPS->log_range(DB, space, range, see, &seen), 0);
    if (first)
        *first = seen.ids[0];
    jb__buf_deinit(&seen.text);
    return seen.rows;
}

static size_t list_keys(void **state, const struct store_space *space,
                        const struct store_page *page, char *first)
{
    struct seen seen;

    seen_init(&seen);
    assert_int_equal(OPS->kv_list(DB, space, page, see, &seen), 0);
    if (first)
        *first = seen.rows ? seen.text.p[2] : '\0';
    jb__buf_deinit(&seen.text);
    return seen.rows;
}

/* ---- accounts ---- */

static void test_account(void **state)
{
    struct seen seen;
    uint64_t count = 9;

    seen_init(&seen);
    assert_int_equal(OPS->account_count(DB, JB_STR("verona"), &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(OPS->account_get(DB, JB_STR("verona"), JB_STR("romeo"), see, &seen),
                     JB_ENOTFOUND);
    begin(state);
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_REPLACE),
                     JB_ENOTFOUND);
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_CREATE), 0);
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_CREATE),
                     JB_EEXIST);
    assert_int_equal(put_account(state, JB_STR("mantua"), JB_STR("romeo"), STORE_CREATE), 0);
    struct store_account change = { JB_STR("verona"), JB_STR("romeo"), JB_STR("new"), 99,
                                    STORE_ACCOUNT_DISABLED };
    assert_int_equal(OPS->account_put(DB, &change, STORE_REPLACE), 0);
    commit(state);

    assert_int_equal(OPS->account_get(DB, JB_STR("verona"), JB_STR("romeo"), see, &seen), 0);
    struct jb_str text = jb__buf_str(&seen.text);
    /* The new record and flags, the old time of creation. */
    assert_true(jb_str_eq(text, JB_STR("5:romeo0:0:3:new6:0 77 2")));
    assert_int_equal(OPS->account_count(DB, JB_STR("verona"), &count), 0);
    assert_int_equal(count, 1);
    jb__buf_deinit(&seen.text);
}

static void test_account_list(void **state)
{
    char name[8];
    struct seen seen;

    begin(state);
    for (int i = 19; i >= 0; i--) {
        snprintf(name, sizeof(name), "u%02d", i);
        assert_int_equal(put_account(state, JB_STR("verona"), jb_strz(name), STORE_CREATE), 0);
    }
    commit(state);
    seen_init(&seen);
    struct store_page page = { JB_STR("u04"), 3 };
    assert_int_equal(OPS->account_list(DB, JB_STR("verona"), &page, see, &seen), 0);
    assert_int_equal(seen.rows, 3);
    assert_memory_equal(seen.text.p, "3:u05", 5);
    page = (struct store_page){ JB_STR("u0"), 0 }; /* a key that is not there */
    seen.rows = 0;
    assert_int_equal(OPS->account_list(DB, JB_STR("verona"), &page, see, &seen), 0);
    assert_int_equal(seen.rows, 20);
    seen.rows = 0;
    assert_int_equal(OPS->account_list(DB, JB_STR("mantua"), &page, see, &seen), 0);
    assert_int_equal(seen.rows, 0);
    jb__buf_deinit(&seen.text);
}

static void test_account_delete_takes_all(void **state)
{
    struct store_space other = { JB_STR("juliet@verona"), JB_STR("roster") };

    begin(state);
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_CREATE), 0);
    kv_put(state, &roster, JB_STR("a"), JB_STR("1"));
    kv_put(state, &(struct store_space){ roster.owner, JB_STR("vcard") }, JB_STR(""), JB_STR("2"));
    append(state, &archive, 1000, JB_STR("hello"));
    append(state, &archive, 1000, JB_STR("hello"));
    kv_put(state, &other, JB_STR("a"), JB_STR("3"));
    commit(state);

    begin(state);
    assert_int_equal(OPS->account_delete(DB, JB_STR("verona"), JB_STR("romeo")), 0);
    assert_int_equal(OPS->account_delete(DB, JB_STR("verona"), JB_STR("romeo")), JB_ENOTFOUND);
    OPS->rollback(DB);
    expect_kv(state, &roster, JB_STR("a"), JB_STR("1"));
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, NULL), 2);

    begin(state);
    assert_int_equal(OPS->account_delete(DB, JB_STR("verona"), JB_STR("romeo")), 0);
    commit(state);
    expect_no_kv(state, &roster, JB_STR("a"));
    expect_no_kv(state, &(struct store_space){ roster.owner, JB_STR("vcard") }, JB_STR(""));
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, NULL), 0);
    expect_kv(state, &other, JB_STR("a"), JB_STR("3"));
    begin(state); /* and its logs begin anew */
    assert_int_equal(append(state, &archive, 5, JB_STR("x")), 5);
    commit(state);
}

/* ---- kv ---- */

static void test_kv(void **state)
{
    struct store_space other = { roster.owner, JB_STR("blocked") };
    char first;

    begin(state);
    kv_put(state, &roster, JB_STR("b"), JB_STR("1"));
    kv_put(state, &roster, JB_STR("a"), JB_STR("2"));
    kv_put(state, &roster, JB_STR("c"), JB_STR("3"));
    kv_put(state, &roster, JB_STR("b"), JB_STR("4"));
    kv_put(state, &other, JB_STR("b"), JB_STR("5"));
    assert_int_equal(OPS->kv_delete(DB, &roster, JB_STR("z")), JB_ENOTFOUND);
    commit(state);
    expect_kv(state, &roster, JB_STR("b"), JB_STR("4"));
    expect_kv(state, &other, JB_STR("b"), JB_STR("5"));
    assert_int_equal(list_keys(state, &roster, &(struct store_page){ 0 }, &first), 3);
    assert_int_equal(first, 'a');
    assert_int_equal(list_keys(state, &roster, &(struct store_page){ JB_STR("a"), 1 }, &first), 1);
    assert_int_equal(first, 'b');

    begin(state);
    assert_int_equal(OPS->kv_delete(DB, &roster, JB_STR("a")), 0);
    commit(state);
    assert_int_equal(list_keys(state, &roster, &(struct store_page){ 0 }, &first), 2);
    begin(state);
    assert_int_equal(OPS->kv_clear(DB, &roster), 0);
    assert_int_equal(OPS->kv_clear(DB, &roster), 0);
    commit(state);
    assert_int_equal(list_keys(state, &roster, &(struct store_page){ 0 }, NULL), 0);
    expect_kv(state, &other, JB_STR("b"), JB_STR("5"));
}

/* Keys and values are bytes: empty, with NUL, not UTF-8; order is that of memcmp. */
static void test_kv_binary(void **state)
{
    static const struct jb_str keys[] = {
        JB_STR_INIT(""),     JB_STR_INIT("\0"),   JB_STR_INIT("\0\0"),     JB_STR_INIT("a"),
        JB_STR_INIT("a\0"),  JB_STR_INIT("a\0b"), JB_STR_INIT("ab"),       JB_STR_INIT("\x7f"),
        JB_STR_INIT("\x80"), JB_STR_INIT("\xff"), JB_STR_INIT("\xff\xff"),
    };
    enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
    struct seen seen, wanted;

    begin(state);
    for (size_t i = KEYS; i-- > 0;)
        kv_put(state, &roster, keys[i], keys[i]);
    commit(state);
    seen_init(&seen);
    seen_init(&wanted);
    for (size_t i = 0; i < KEYS; i++)
        see(&wanted, &(struct store_row){ .key = keys[i], .bytes = keys[i] });
    assert_int_equal(OPS->kv_list(DB, &roster, &(struct store_page){ 0 }, see, &seen), 0);
    assert_true(jb_str_eq(jb__buf_str(&seen.text), jb__buf_str(&wanted.text)));
    for (size_t i = 0; i < KEYS; i++)
        expect_kv(state, &roster, keys[i], keys[i]);
    jb__buf_deinit(&seen.text);
    jb__buf_deinit(&wanted.text);
}

static void test_large_values(void **state)
{
    size_t n = (size_t)1 << 20;
    char *big = malloc(n);
    struct seen seen;

    assert_non_null(big);
    for (size_t i = 0; i < n; i++)
        big[i] = (char)(i * 31 >> 3);
    begin(state);
    kv_put(state, &roster, JB_STR("big"), jb_str(big, n));
    int64_t id = append(state, &archive, 1, jb_str(big, n));
    commit(state);
    expect_kv(state, &roster, JB_STR("big"), jb_str(big, n));
    seen_init(&seen);
    assert_int_equal(OPS->log_get(DB, &archive, id, see, &seen), 0);
    assert_true(seen.text.n > n);
    assert_memory_equal(seen.text.p + sizeof("0:0:0:1048576:") - 1, big, n);
    jb__buf_deinit(&seen.text);
    free(big);
}

static void test_visit_ends(void **state)
{
    struct seen seen;

    begin(state);
    for (int i = 0; i < 5; i++)
        append(state, &archive, 1, JB_STR("x"));
    commit(state);
    seen_init(&seen);
    seen.stop_after = 2;
    assert_int_equal(OPS->log_range(DB, &archive, &(struct store_range){ 0 }, see, &seen), 0);
    assert_int_equal(seen.rows, 2);
    jb__buf_deinit(&seen.text);
}

/* ---- transactions ---- */

static void test_rollback(void **state)
{
    begin(state);
    kv_put(state, &roster, JB_STR("a"), JB_STR("1"));
    append(state, &archive, 10, JB_STR("x"));
    commit(state);
    begin(state);
    kv_put(state, &roster, JB_STR("a"), JB_STR("2"));
    kv_put(state, &roster, JB_STR("b"), JB_STR("3"));
    assert_int_equal(OPS->kv_delete(DB, &roster, JB_STR("a")), 0);
    assert_int_equal(append(state, &archive, 20, JB_STR("y")), 20);
    expect_no_kv(state, &roster, JB_STR("a")); /* reads see what is not committed yet */
    OPS->rollback(DB);
    expect_kv(state, &roster, JB_STR("a"), JB_STR("1"));
    expect_no_kv(state, &roster, JB_STR("b"));
    begin(state); /* an id that was never committed was never given */
    assert_int_equal(append(state, &archive, 1, JB_STR("z")), 11);
    commit(state);
}

static void test_savepoint(void **state)
{
    begin(state);
    kv_put(state, &roster, JB_STR("a"), JB_STR("1"));
    assert_int_equal(OPS->savepoint(DB), 0);
    kv_put(state, &roster, JB_STR("a"), JB_STR("2"));
    kv_put(state, &roster, JB_STR("b"), JB_STR("2"));
    append(state, &archive, 50, JB_STR("x"));
    assert_int_equal(OPS->rollback_to(DB), 0);
    assert_int_equal(OPS->savepoint(DB), 0);
    kv_put(state, &roster, JB_STR("c"), JB_STR("3"));
    append(state, &archive, 40, JB_STR("x"));
    assert_int_equal(OPS->release(DB), 0);
    commit(state);
    expect_kv(state, &roster, JB_STR("a"), JB_STR("1"));
    expect_no_kv(state, &roster, JB_STR("b"));
    expect_kv(state, &roster, JB_STR("c"), JB_STR("3"));
    int64_t first;
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, &first), 1);
    assert_int_equal(first, 40);
}

/* ---- log ---- */

static void test_log_ids(void **state)
{
    begin(state);
    assert_int_equal(append(state, &archive, 100, JB_STR("")), 100);
    assert_int_equal(append(state, &archive, 100, JB_STR("")), 101); /* the same moment */
    assert_int_equal(append(state, &archive, 5000, JB_STR("")), 5000);
    assert_int_equal(append(state, &archive, 3, JB_STR("")), 5001); /* the clock went back */
    /* Another log has its own sequence. */
    assert_int_equal(append(state, &roster, 100, JB_STR("")), 100);
    /* What was given is not given again, although its entry is gone. */
    assert_int_equal(OPS->log_delete(DB, &archive, 5001), 0);
    assert_int_equal(append(state, &archive, 3, JB_STR("")), 5002);
    assert_int_equal(OPS->log_delete(DB, &archive, 5000), 0);
    assert_int_equal(OPS->log_trim(DB, &archive, INT64_MAX), 0);
    assert_int_equal(append(state, &archive, 3, JB_STR("")), 5003);
    commit(state);
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, NULL), 1);
}

/* Who gives ids himself begins behind the last and may be late with one. */
static void test_log_ids_of_the_caller(void **state)
{
    int64_t id = -1;

    assert_int_equal(OPS->log_last(DB, &archive, &id), 0);
    assert_int_equal(id, 0);
    begin(state);
    assert_int_equal(append(state, &archive, 100, JB_STR("a")), 100);
    for (int64_t own = 300; own >= 200; own -= 100) {
        struct store_entry entry = { .id = own, .now_us = 100, .stamp_us = 90 };
        assert_int_equal(OPS->log_append(DB, &archive, &entry, &id), 0);
        assert_int_equal(id, own);
    }
    assert_int_equal(OPS->log_last(DB, &archive, &id), 0);
    assert_int_equal(id, 300);
    struct seen s;
    seen_init(&s);
    assert_int_equal(OPS->log_range(DB, &archive, &(struct store_range){ .end_us = 90 }, see, &s),
                     0);
    assert_int_equal(s.rows, 2);
    assert_int_equal(s.ids[0], 200);
    assert_int_equal(s.ids[1], 300);
    jb__buf_deinit(&s.text);
    assert_int_equal(OPS->log_trim(DB, &archive, 300), 0);
    assert_int_equal(OPS->log_last(DB, &archive, &id), 0);
    assert_int_equal(id, 300); /* also when its entry is gone */
    commit(state);
}

static void test_log_delete_and_trim(void **state)
{
    const struct store_range end = { .after_id = 90 };
    struct store_totals totals;
    uint64_t count;

    begin(state);
    for (int i = 1; i <= 10; i++)
        append(state, &archive, i * 10, JB_STR("abc"));
    assert_int_equal(OPS->log_delete(DB, &archive, 55), JB_ENOTFOUND);
    assert_int_equal(OPS->log_delete(DB, &archive, 50), 0);
    assert_int_equal(OPS->log_trim(DB, &archive, 20), 0);
    assert_int_equal(OPS->log_trim(DB, &roster, 20), 0); /* no such log */
    assert_int_equal(OPS->log_delete(DB, &roster, 20), JB_ENOTFOUND);
    assert_int_equal(OPS->log_prune(DB, &archive, &end, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(append(state, &archive, 1, JB_STR("abc")), 101); /* 100 is not given again */
    assert_int_equal(OPS->log_prune(DB, &roster, &end, &count), 0);
    assert_int_equal(count, 0);
    commit(state);
    assert_int_equal(OPS->log_count(DB, &archive, &(struct store_range){ 0 }, &totals), 0);
    assert_int_equal(totals.count, 7);
    assert_int_equal(totals.bytes, 21);
    assert_int_equal(OPS->log_get(DB, &archive, 50, see, NULL), JB_ENOTFOUND);
    assert_int_equal(OPS->log_count(DB, &roster, &(struct store_range){ 0 }, &totals), 0);
    assert_int_equal(totals.count, 0);
}

static void fill_archive(void **state)
{
    /* now, stamp, with, part, flags: entry 5 was delayed, the clock went back before entry 6 */
    static const struct store_entry entries[] = {
        { 100, 100, JB_STR_INIT("juliet"), JB_STR_INIT("balcony"), JB_STR_INIT("1"), 0 },
        { 200, 200, JB_STR_INIT("nurse"), JB_STR_INIT(""), JB_STR_INIT("22"), 1 },
        { 300, 300, JB_STR_INIT("juliet"), JB_STR_INIT("chamber"), JB_STR_INIT("333"), 3 },
        { 400, 400, JB_STR_INIT("juliet"), JB_STR_INIT("balcony"), JB_STR_INIT("4444"), 2 },
        { 500, 150, JB_STR_INIT("nurse"), JB_STR_INIT("x"), JB_STR_INIT("55555"), 0 },
        { 250, 250, JB_STR_INIT(""), JB_STR_INIT(""), JB_STR_INIT("666666"), 1 },
    };
    int64_t id;

    begin(state);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        assert_int_equal(OPS->log_append(DB, &archive, &entries[i], &id), 0);
    commit(state);
    assert_int_equal(id, 501);
}

/* Takes away what the range selects, looks, and takes that back. */
static void expect_pruned(void **state, const struct store_range *range, const char *selected)
{
    static const int64_t ids[] = { 100, 200, 300, 400, 500, 501 };
    size_t n = strlen(selected), gone = 0;
    uint64_t count = 0;

    if (range->limit && range->limit < n)
        n = range->limit;
    begin(state);
    assert_int_equal(OPS->log_prune(DB, &archive, range, &count), 0);
    assert_int_equal(count, n);
    for (char entry = '1'; entry <= '6'; entry++) {
        int64_t id = ids[entry - '1'];
        struct store_range one = { .after_id = id - 1, .before_id = id + 1 };
        bool is_gone = count_range(state, &archive, &one, NULL) == 0;
        assert_int_equal(is_gone, gone < n && selected[gone] == entry);
        gone += is_gone;
    }
    OPS->rollback(DB);
}

static void test_log_range(void **state)
{
    /* Each range with the entries (1 to 6) it selects, forwards. */
    static const struct {
        struct store_range range;
        const char *want;
    } cases[] = {
        { { 0 }, "123456" },
        { { .after_id = 200 }, "3456" },
        { { .before_id = 300 }, "12" },
        { { .after_id = 150, .before_id = 450 }, "234" },
        { { .start_us = 200 }, "2346" },
        { { .end_us = 200 }, "125" },
        { { .start_us = 150, .end_us = 250 }, "256" },
        { { .start_us = 501 }, "" },
        { { .with = JB_STR_INIT("juliet") }, "134" },
        { { .with = JB_STR_INIT("juliet"), .with_part = JB_STR_INIT("balcony") }, "14" },
        { { .with = JB_STR_INIT("nurse"), .start_us = 151 }, "2" },
        { { .with = JB_STR_INIT("nurse"), .end_us = 151 }, "5" },
        { { .with = JB_STR_INIT("jul") }, "" },
        { { .flags_mask = 1, .flags = 1 }, "236" },
        { { .flags_mask = 1 }, "145" },
        { { .flags_mask = 3, .flags = 2 }, "4" },
        { { .with = JB_STR_INIT("juliet"), .flags_mask = 2, .flags = 2, .before_id = 400 }, "3" },
    };

    fill_archive(state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int pass = 0; pass < 4; pass++) {
            static const int64_t ids[] = { 100, 200, 300, 400, 500, 501 };
            struct store_range range = cases[i].range;
            size_t n = strlen(cases[i].want);
            struct store_totals totals;
            struct seen seen;

            range.backwards = pass & 1;
            range.limit = pass & 2 ? 2 : 0;
            seen_init(&seen);
            assert_int_equal(OPS->log_range(DB, &archive, &range, see, &seen), 0);
            assert_int_equal(seen.rows, range.limit && n > 2 ? 2 : n);
            for (size_t k = 0; k < seen.rows; k++) {
                char want = cases[i].want[range.backwards ? n - 1 - k : k];
                assert_int_equal(seen.ids[k], ids[want - '1']);
            }
            jb__buf_deinit(&seen.text);
            /* A count begins at the lowest id, and ends at the limit. */
            uint64_t bytes = 0;
            for (size_t k = 0; k < seen.rows; k++)
                bytes += (uint64_t)(cases[i].want[k] - '0');
            assert_int_equal(OPS->log_count(DB, &archive, &range, &totals), 0);
            assert_int_equal(totals.count, seen.rows);
            assert_int_equal(totals.bytes, bytes);
            expect_pruned(state, &range, cases[i].want);
        }
    }
}

static void test_owner_delete(void **state)
{
    begin(state);
    assert_int_equal(put_account(state, JB_STR("romeo@verona"), JB_STR("x"), STORE_CREATE), 0);
    kv_put(state, &roster, JB_STR("a"), JB_STR("1"));
    append(state, &archive, 10, JB_STR("x"));
    assert_int_equal(OPS->owner_delete(DB, archive.owner), 0);
    assert_int_equal(OPS->owner_delete(DB, JB_STR("nobody")), 0);
    commit(state);
    expect_no_kv(state, &roster, JB_STR("a"));
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, NULL), 0);
    /* Accounts of a domain are not its data. */
    begin(state);
    assert_int_equal(put_account(state, JB_STR("romeo@verona"), JB_STR("x"), STORE_REPLACE), 0);
    commit(state);
}

static void test_reopen(void **state)
{
    struct place *p = *state;

    fill_archive(state);
    begin(state);
    kv_put(state, &roster, JB_STR("a"), JB_STR("1"));
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_CREATE), 0);
    assert_int_equal(OPS->log_delete(DB, &archive, 501), 0);
    commit(state);
    begin(state); /* left open: not committed, so not kept */
    kv_put(state, &roster, JB_STR("b"), JB_STR("1"));
    OPS->close(p->db);
    p->db = open_store(p->backend, &p->folder);
    expect_no_kv(state, &roster, JB_STR("b"));
    if (!p->keeps) {
        expect_no_kv(state, &roster, JB_STR("a"));
        return;
    }
    expect_kv(state, &roster, JB_STR("a"), JB_STR("1"));
    assert_int_equal(count_range(state, &archive, &(struct store_range){ 0 }, NULL), 5);
    begin(state);
    assert_int_equal(append(state, &archive, 1, JB_STR("x")), 502);
    assert_int_equal(put_account(state, JB_STR("verona"), JB_STR("romeo"), STORE_CREATE),
                     JB_EEXIST);
    commit(state);
}

/* ---- two backends, the same random operations ---- */

static uint64_t seed;

static uint32_t pick(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static struct jb_str pick_name(void)
{
    static const struct jb_str names[] = { JB_STR_INIT("a"), JB_STR_INIT("b"), JB_STR_INIT("a@b"),
                                           JB_STR_INIT("b\0c"), JB_STR_INIT("b@b") };

    return names[pick(sizeof(names) / sizeof(names[0]))];
}

static void pick_range(struct store_range *r)
{
    *r = (struct store_range){ .limit = pick(4), .backwards = pick(2) };
    if (pick(3) == 0)
        r->after_id = pick(2000);
    if (pick(3) == 0)
        r->before_id = 1 + pick(2000);
    if (pick(3) == 0)
        r->start_us = pick(2000);
    if (pick(3) == 0)
        r->end_us = 1 + pick(2000);
    if (pick(3) == 0)
        r->with = pick_name();
    if (r->with.n && pick(2) == 0)
        r->with_part = pick_name();
    if (pick(3) == 0) {
        r->flags_mask = pick(4);
        r->flags = pick(4) & r->flags_mask;
    }
}

/* Everything an operation is given, picked once and used on both. */
struct step {
    uint32_t what;
    struct jb_str a, b, c, d;
    uint32_t number;
    struct store_entry entry;
    struct store_range range;
};

static void pick_step(struct step *s)
{
    *s = (struct step){ .what = pick(24),
                        .a = pick_name(),
                        .b = pick_name(),
                        .c = pick_name(),
                        .d = pick_name(),
                        .number = pick(2000) };
    pick_range(&s->range);
    s->entry = (struct store_entry){
        .now_us = 1 + s->number, .with = s->c, .with_part = s->d, .bytes = s->b, .flags = pick(4)
    };
    s->entry.stamp_us = pick(4) ? s->entry.now_us : pick((uint32_t)s->entry.now_us);
}

static int do_read(struct store_db *db, const struct step *s, struct seen *seen)
{
    const struct store_backend *ops = db->ops;
    struct store_space space = { s->a, s->b };
    struct store_page page = { s->number % 2 ? s->c : JB_STR_NONE, s->number % 5 };
    struct store_totals totals = { 0 };
    uint64_t count = 0;
    int rc;

    switch (s->what % 8) {
    case 0:
        return ops->account_get(db, s->a, s->b, see, seen);
    case 1:
        return ops->account_list(db, s->a, &page, see, seen);
    case 2:
        rc = ops->account_count(db, s->a, &count);
        see(seen, &(struct store_row){ .id = (int64_t)count });
        return rc;
    case 3:
        return ops->kv_get(db, &space, s->c, see, seen);
    case 4:
        return ops->kv_list(db, &space, &page, see, seen);
    case 5:
        return ops->log_get(db, &space, s->number, see, seen);
    case 6:
        return ops->log_range(db, &space, &s->range, see, seen);
    default:
        rc = ops->log_count(db, &space, &s->range, &totals);
        see(seen,
            &(struct store_row){ .id = (int64_t)totals.count, .stamp_us = (int64_t)totals.bytes });
        return rc;
    }
}

static int do_write(struct store_db *db, const struct step *s, struct seen *seen)
{
    const struct store_backend *ops = db->ops;
    struct store_space space = { s->a, s->b };
    struct store_account account = { s->a, s->b, s->c, s->number, s->number % 4 };
    uint64_t count = 0;
    int64_t id = 0;
    int rc;

    switch (s->what) {
    case 8:
        return ops->account_put(db, &account, s->number % 2 ? STORE_CREATE : STORE_REPLACE);
    case 9:
        return s->number % 8 ? 0 : ops->account_delete(db, s->a, s->b);
    case 10:
        return s->number % 8 ? 0 : ops->owner_delete(db, s->a);
    case 11:
        return s->number % 8 ? 0 : ops->kv_clear(db, &space);
    case 12:
        if (s->number % 8 == 0)
            return ops->log_trim(db, &space, s->number);
        rc = s->number % 4 ? 0 : ops->log_prune(db, &space, &s->range, &count);
        see(seen, &(struct store_row){ .id = (int64_t)count });
        return rc;
    case 13:
        return ops->kv_delete(db, &space, s->c);
    case 14:
    case 15:
    case 16:
        return ops->kv_put(db, &space, s->c, s->d);
    case 17:
        return ops->log_delete(db, &space, s->number);
    default:
        rc = ops->log_append(db, &space, &s->entry, &id);
        see(seen, &(struct store_row){ .id = id });
        return rc;
    }
}

static void run_step(struct store_db *one, struct store_db *two, const struct step *s)
{
    int (*run)(struct store_db *, const struct step *, struct seen *) =
        s->what < 8 ? do_read : do_write;
    struct seen a, b;

    seen_init(&a);
    seen_init(&b);
    assert_int_equal(run(one, s, &a), run(two, s, &b));
    if (!jb_str_eq(jb__buf_str(&a.text), jb__buf_str(&b.text)))
        fail_msg("operation %u differs: %zu and %zu rows", s->what, a.rows, b.rows);
    jb__buf_deinit(&a.text);
    jb__buf_deinit(&b.text);
}

static void end_both(struct store_db *one, struct store_db *two, bool keep)
{
    if (keep) {
        assert_int_equal(one->ops->commit(one), 0);
        assert_int_equal(two->ops->commit(two), 0);
    } else {
        one->ops->rollback(one);
        two->ops->rollback(two);
    }
}

static void test_random_against_reference(void **state)
{
    struct store_db *two = DB;
    struct store_db *one = open_store(&store_memory, &place_of(state)->folder);

    seed = 20240601;
    for (int round = 0; round < 400; round++) {
        struct step s;
        assert_int_equal(one->ops->begin(one), 0);
        assert_int_equal(two->ops->begin(two), 0);
        for (int unit = 0; unit < 4; unit++) {
            bool keep = pick(4) != 0;
            assert_int_equal(one->ops->savepoint(one), 0);
            assert_int_equal(two->ops->savepoint(two), 0);
            for (uint32_t i = pick(12); i > 0; i--) {
                pick_step(&s);
                run_step(one, two, &s);
            }
            assert_int_equal(keep ? one->ops->release(one) : one->ops->rollback_to(one), 0);
            assert_int_equal(keep ? two->ops->release(two) : two->ops->rollback_to(two), 0);
        }
        end_both(one, two, pick(5) != 0);
        for (uint32_t what = 0; what < 32; what++) {
            pick_step(&s);
            s.what = what % 8;
            run_step(one, two, &s);
        }
    }
    one->ops->close(one);
}

#define CASE(f, p)                                                                             \
    {                                                                                          \
        (p)->backend == &store_memory ? "memory_" #f : "sqlite_" #f, f, set_up, tear_down, (p) \
    }
#define CASES(p)                                                                                \
    CASE(test_account, p), CASE(test_account_list, p), CASE(test_account_delete_takes_all, p),  \
        CASE(test_kv, p), CASE(test_kv_binary, p), CASE(test_large_values, p),                  \
        CASE(test_visit_ends, p), CASE(test_rollback, p), CASE(test_savepoint, p),              \
        CASE(test_log_ids, p), CASE(test_log_ids_of_the_caller, p),                             \
        CASE(test_log_delete_and_trim, p), CASE(test_log_range, p), CASE(test_owner_delete, p), \
        CASE(test_reopen, p), CASE(test_random_against_reference, p)

int main(void)
{
    static struct place memory = { .backend = &store_memory };
    static struct place sqlite = { .backend = &store_sqlite, .keeps = true };
    const struct CMUnitTest tests[] = { CASES(&memory), CASES(&sqlite) };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
