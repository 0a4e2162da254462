/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "base/alloc.h"
#include "failing_alloc.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_sizes_are_never_zero(void **state)
{
    (void)state;
    const struct jb_allocator *a = &jb_allocator_libc;
    void *p = jb_alloc(a, 0);

    assert_non_null(p);
    p = jb_resize(a, p, 0);
    assert_non_null(p);
    jb_free(a, p);
    jb_free(a, NULL);
}

static void test_zalloc_is_zeroed(void **state)
{
    (void)state;
    struct failing_alloc f;
    failing_alloc_init(&f, 0, false);
    unsigned char *p = jb_zalloc(&f.alloc, 100);

    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    jb_free(&f.alloc, p);
    assert_int_equal(f.live, 0);
}

static void test_resize_keeps_bytes(void **state)
{
    (void)state;
    const struct jb_allocator *a = &jb_allocator_abort;
    char *p = jb_resize(a, NULL, 3);

    memcpy(p, "abc", 3);
    p = jb_resize(a, p, 100000);
    assert_memory_equal(p, "abc", 3);
    jb_free(a, p);
}

static void test_failure_is_null(void **state)
{
    (void)state;
    struct failing_alloc f;

    failing_alloc_init(&f, 1, true);
    assert_null(jb_alloc(&f.alloc, 1));
    assert_null(jb_zalloc(&f.alloc, 1));
    assert_null(jb_resize(&f.alloc, NULL, 1));
    assert_int_equal(f.calls, 3);
}

/* The server's allocator ends the process when there is no more memory, and says so. */
static void test_abort_allocator_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        jb_free(&jb_allocator_abort, jb_alloc(&jb_allocator_abort, SIZE_MAX / 2));
        _exit(0); /* not reached */
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    /* A sanitizer ends the process by itself on such a size: not by a signal, but not in peace. */
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) > 0);
    char words[16] = { 0 };
    assert_true(read(ends[0], words, sizeof words - 1) > 0);
    close(ends[0]);
}

/* ---- counting ---- */

static void test_count_follows_each_block(void **state)
{
    (void)state;
    const struct jb_allocator *a = &jb_allocator_abort;
    size_t before = jb__counted_bytes();
    char *p = jb_alloc(a, 1000);
    size_t small = jb__counted_bytes() - before;

    assert_in_range(small, 1000, 1100);
    p = jb_resize(a, p, 100000);
    assert_in_range(jb__counted_bytes() - before, 100000, 110000);
    p = jb_resize(a, p, 1000);
    assert_in_range(jb__counted_bytes() - before, 1000, 1100);
    jb_free(a, p);
    assert_int_equal(jb__counted_bytes(), before);
}

static void test_count_of_a_library(void **state)
{
    (void)state;
    size_t before = jb__counted_bytes();
    void *p = jb__counted_realloc(NULL, 500);

    assert_in_range(jb__counted_bytes() - before, 500, 600);
    assert_null(jb__counted_realloc(p, 0));
    assert_int_equal(jb__counted_bytes(), before);
    jb__counted_free(NULL);
    assert_int_equal(jb__counted_bytes(), before);
}

static void test_client_library_does_not_count(void **state)
{
    (void)state;
    size_t before = jb__counted_bytes();
    void *p = jb_alloc(&jb_allocator_libc, 1000);

    assert_int_equal(jb__counted_bytes(), before);
    jb_free(&jb_allocator_libc, p);
    assert_int_equal(jb__counted_bytes(), before);
}

enum { BLOCKS = 1000, THREADS = 100 }; /* more threads than there are counts */

static void *take_and_leave(void *blocks)
{
    for (size_t i = 0; i < BLOCKS; i++)
        ((void **)blocks)[i] = jb_alloc(&jb_allocator_abort, i);
    return NULL;
}

static void *give_back(void *blocks)
{
    for (size_t i = 0; i < BLOCKS; i++)
        jb_free(&jb_allocator_abort, ((void **)blocks)[i]);
    return NULL;
}

static void in_threads(void *(*work)(void *), void **blocks)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &blocks[i * BLOCKS]), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void test_what_one_thread_takes_another_gives_back(void **state)
{
    (void)state;
    size_t before = jb__counted_bytes();
    void **blocks = malloc(sizeof *blocks * BLOCKS * THREADS);

    in_threads(take_and_leave, blocks);
    assert_true(jb__counted_bytes() - before >= (size_t)THREADS * BLOCKS * (BLOCKS - 1) / 2);
    in_threads(give_back, blocks);
    assert_int_equal(jb__counted_bytes(), before);
    free(blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_never_zero),   cmocka_unit_test(test_zalloc_is_zeroed),
        cmocka_unit_test(test_resize_keeps_bytes),     cmocka_unit_test(test_failure_is_null),
        cmocka_unit_test(test_abort_allocator_aborts),
        cmocka_unit_test(test_count_follows_each_block),
        cmocka_unit_test(test_count_of_a_library),
        cmocka_unit_test(test_client_library_does_not_count),
        cmocka_unit_test(test_what_one_thread_takes_another_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
