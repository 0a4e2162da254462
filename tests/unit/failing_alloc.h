/* SPDX-License-Identifier: MIT */
/* An allocator that fails where it is told to, for out-of-memory loops.  Header-only.
 *
 *     static void scenario(struct failing_alloc *f, void *ctx)
 *     {
 *         struct thing *t = thing_new(&f->alloc);
 *         if (t)
 *             assert_int_equal(thing_work(t), f->failed ? JB_ENOMEM : 0);
 *         thing_free(t);
 *     }
 *     ...
 *     assert_true(failing_alloc_loop(scenario, NULL) > 0);
 *
 * The scenario runs with the first allocation failing, then the second, and so on until a run does
 * not reach the one that would fail; each time twice: that one alone, and all after it too.  Every
 * run must give back all it took.  A block that is resized always moves, so that a sanitizer sees
 * who kept the old address. */
#ifndef TESTS_UNIT_FAILING_ALLOC_H
#define TESTS_UNIT_FAILING_ALLOC_H

#include "base/alloc.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct failing_alloc {
    struct jb_allocator alloc; /* pass its address to the code under test */
    size_t calls;              /* allocations and resizes asked for so far */
    size_t fail_at;            /* the one that fails, counted from 1; 0: none does */
    bool all_after;            /* and so do those that follow */
    bool failed;               /* one did */
    size_t live;               /* blocks not given back */
};

/* Ahead of each block: what it holds, to be able to move it. */
union failing_alloc_head {
    size_t bytes;
    max_align_t align;
};

static inline void *failing_alloc_resize(void *ctx, void *p, size_t n)
{
    struct failing_alloc *f = ctx;
    union failing_alloc_head *old = p ? (union failing_alloc_head *)p - 1 : NULL;

    f->calls++;
    if (f->fail_at && (f->calls == f->fail_at || (f->all_after && f->calls > f->fail_at))) {
        f->failed = true;
        return NULL;
    }
    union failing_alloc_head *head = malloc(sizeof *head + n);
    if (!head)
        abort();
    head->bytes = n;
    memset(head + 1, 0xa5, n); /* nobody may count on zeroes */
    if (old) {
        memcpy(head + 1, p, old->bytes < n ? old->bytes : n);
        free(old);
    } else {
        f->live++;
    }
    return head + 1;
}

static inline void failing_alloc_release(void *ctx, void *p)
{
    struct failing_alloc *f = ctx;

    f->live--;
    free((union failing_alloc_head *)p - 1);
}

static inline void failing_alloc_init(struct failing_alloc *f, size_t fail_at, bool all_after)
{
    *f = (struct failing_alloc){
        .alloc = { failing_alloc_resize, failing_alloc_release, f },
        .fail_at = fail_at,
        .all_after = all_after,
    };
}

/* Returns how many allocations the scenario makes when none fails; aborts on a leak. */
static inline size_t failing_alloc_loop(void (*scenario)(struct failing_alloc *f, void *ctx),
                                        void *ctx)
{
    struct failing_alloc f;

    for (size_t k = 1;; k++) {
        for (int all_after = 0; all_after < 2; all_after++) {
            failing_alloc_init(&f, k, all_after != 0);
            scenario(&f, ctx);
            if (f.live != 0)
                abort();
        }
        if (!f.failed)
            return f.calls;
    }
}

#endif
