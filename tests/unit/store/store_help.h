/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: temporary folders, and reads that keep what they saw. */
#ifndef JB_TESTS_STORE_HELP_H
#define JB_TESTS_STORE_HELP_H

#include "base/buf.h"
#include "store/store.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static inline void folder_make(struct folder *f)
{
    snprintf(f->path, sizeof(f->path), "/tmp/jabiru-test-XXXXXX");
    assert_non_null(mkdtemp(f->path));
}

static inline void folder_remove(struct folder *f)
{
    DIR *dir = opendir(f->path);
    struct dirent *e;

    assert_non_null(dir);
    while ((e = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    assert_int_equal(rmdir(f->path), 0);
}

static inline struct store_db *open_store(const struct store_backend *backend,
                                          const struct folder *f)
{
    struct store_options options = { .alloc = &jb_allocator_libc, .folder = f->path };
    char message[STORE_MESSAGE_BYTES] = "";
    struct store_db *db;
    int rc = backend->open(&options, &db, message);

    if (rc != 0)
        fail_msg("%s", message);
    return db;
}

/* Rows as text: each field with its length before it, so that equal text is equal rows. */
struct seen {
    struct jb__buf text;
    size_t rows;
    size_t stop_after; /* 0: never */
    int64_t ids[64];
};

static inline void seen_init(struct seen *s)
{
    *s = (struct seen){ 0 };
    jb__buf_init(&s->text, &jb_allocator_abort, (size_t)64 << 20);
}

static inline void seen_put(struct seen *s, struct jb_str bytes)
{
    char head[32];
    int n = snprintf(head, sizeof(head), "%zu:", bytes.n);

    assert_int_equal(jb__buf_append(&s->text, head, (size_t)n), 0);
    assert_int_equal(jb__buf_append(&s->text, bytes.p, bytes.n), 0);
}

static inline int see(void *ctx, const struct store_row *row)
{
    struct seen *s = ctx;
    char numbers[96];

    assert_null(row->next);
    if (s->rows < 64)
        s->ids[s->rows] = row->id;
    s->rows++;
    seen_put(s, row->key);
    seen_put(s, row->with);
    seen_put(s, row->with_part);
    seen_put(s, row->bytes);
    snprintf(numbers, sizeof(numbers), "%lld %lld %u", (long long)row->id, (long long)row->stamp_us,
             row->flags);
    seen_put(s, jb_strz(numbers));
    return s->stop_after == s->rows ? STORE_STOP : 0;
}

#endif
