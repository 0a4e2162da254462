/* SPDX-License-Identifier: MIT */
#include "cli/bench/process.h"

#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURN = 40 * 1000 * 1000, HELD_BYTES = 32 * 1024 * 1024 };

static unsigned burn(void)
{
    volatile unsigned x = 0;

    for (unsigned i = 0; i < BURN; i++)
        x += i;
    return x;
}

/* Uses some processor time and memory, says so, and waits for its end. */
static void busy(int ready)
{
    volatile char *held = malloc(HELD_BYTES);

    for (int i = 0; held && i < HELD_BYTES; i += 4096)
        held[i] = 1;
    if (burn() && write(ready, "x", 1) == 1)
        pause();
    _exit(0);
}

/* A child that has a child. */
static pid_t start_family(int ready)
{
    pid_t child = fork();

    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0)
            busy(ready);
        if (write(ready, &grandchild, sizeof grandchild) > 0)
            pause();
        _exit(0);
    }
    return child;
}

static void test_descendants_count(void **state)
{
    struct process_tree t = { .root_count = 1 };
    struct process_use use;
    int pipes[2];
    pid_t grandchild;
    char byte;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    t.roots[0] = start_family(pipes[1]);
    assert_int_equal(read(pipes[0], &grandchild, sizeof grandchild), sizeof grandchild);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(process_find(&t), 0);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.members[1], grandchild);
    assert_int_equal(process_read_memory(&t, &use), 0);
    assert_true(use.cpu_s > 0.001); /* its parent used next to nothing */
    assert_true(use.anon_kib >= HELD_BYTES / 1024);
    assert_true(use.pss_kib >= use.anon_kib);
    assert_true(use.rss_kib >= HELD_BYTES / 1024);
    kill(grandchild, SIGKILL);
    kill(t.roots[0], SIGKILL);
    waitpid(t.roots[0], NULL, 0);
    assert_int_equal(process_read(&t, &use), JB_ENOTFOUND);
    assert_int_equal(process_find(&t), JB_ENOTFOUND);
}

static void test_no_roots_is_no_use(void **state)
{
    struct process_tree t = { 0 };
    struct process_use use;

    (void)state;
    assert_int_equal(process_find(&t), 0);
    assert_int_equal(process_read_memory(&t, &use), 0);
    assert_true(use.cpu_s == 0 && use.pss_kib == 0);
}

static void test_own_time_goes_on(void **state)
{
    double before = process_own_cpu_s();

    (void)state;
    assert_true(burn() > 0);
    assert_true(process_own_cpu_s() > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descendants_count),
        cmocka_unit_test(test_no_roots_is_no_use),
        cmocka_unit_test(test_own_time_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
