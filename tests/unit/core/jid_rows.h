/* SPDX-License-Identifier: MIT */
/* Tables of texts and the address each one is, for the tests of addresses. */
#ifndef TESTS_UNIT_CORE_JID_ROWS_H
#define TESTS_UNIT_CORE_JID_ROWS_H

#include "test.h"

#include "core/jid.h"

#include <stdlib.h>

enum { ARENA_BYTES = 1024 * 1024 };

static struct jb__arena arena;

static int set_up(void **state)
{
    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, ARENA_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jb__arena_deinit(&arena);
    return 0;
}

struct row {
    const char *in;
    const char *out; /* NULL: malformed */
};

#define SAME(text) \
    {              \
        text, text \
    }
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Each text is parsed from a block of its exact size, so that a sanitizer sees a read behind it. */
static void check_row(const struct row *row)
{
    struct jb_jid jid;
    size_t n = strlen(row->in);
    char *text = malloc(n + 1);

    memcpy(text, row->in, n);
    int rc = jb_jid_parse(jb_str(text, n), &arena, &jid);
    if (rc != (row->out ? 0 : JB_EINVAL))
        fail_msg("<%s>: %s", row->in, rc == 0 ? "accepted" : "refused");
    if (row->out && !jb_str_eqz(jb_jid_str(jid), row->out))
        fail_msg("<%s>: <%.*s>, not <%s>", row->in, JB_STR_ARG(jb_jid_str(jid)), row->out);
    if (row->out && strcmp(row->in, row->out) == 0)
        assert_ptr_equal(jid.p, text); /* canonical text is not copied */
    if (!row->out)
        assert_false(jb_jid_is_set(jid));
    free(text);
    jb__arena_reset(&arena);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i]);
}

#endif
