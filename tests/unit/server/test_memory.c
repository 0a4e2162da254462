/* SPDX-License-Identifier: MIT */
/* When memory is given back: after what is allocated has fallen far, once, and not before. */
#include "test.h"
#include "base/alloc.h"
#include "server/memory.h"

#include <malloc.h>
#include <stdatomic.h>

enum { MIB = 1024 * 1024, LOOK_MS = 5 };

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* Stands before the C library's own. */
static _Atomic unsigned trims;

int malloc_trim(size_t pad)
{
    assert_int_equal(pad, 0);
    trims++;
    return 1;
}

static void test_how_far_is_far(void **state)
{
    (void)state;
    assert_false(memory_has_fallen(0, 0));
    assert_false(memory_has_fallen(40 * MIB, 40 * MIB));
    assert_false(memory_has_fallen(40 * MIB, 50 * MIB));
    assert_false(memory_has_fallen(12 * MIB, 4 * MIB + 1));
    assert_true(memory_has_fallen(12 * MIB, 4 * MIB)); /* 8 MiB */
    assert_true(memory_has_fallen(8 * MIB, 0));
    assert_false(memory_has_fallen((size_t)400 * MIB, (size_t)200 * MIB + 1));
    assert_true(memory_has_fallen((size_t)400 * MIB, (size_t)200 * MIB)); /* half */
}

/* ---- the timer ---- */

/* Ticks as often as memory is looked at, and stops both after so many. */
struct clock {
    uv_timer_t timer;
    struct memory *memory;
    unsigned ticks;
};

static void on_tick(uv_timer_t *timer)
{
    struct clock *c = timer->data;

    if (--c->ticks > 0)
        return;
    memory_stop(c->memory);
    uv_close((uv_handle_t *)timer, NULL);
}

static void look_about(struct memory *m, uv_loop_t *loop, unsigned times)
{
    struct clock c = { .memory = m, .ticks = times };

    memory_start(m, loop, LOOK_MS);
    assert_int_equal(uv_timer_init(loop, &c.timer), 0);
    c.timer.data = &c;
    assert_int_equal(uv_timer_start(&c.timer, on_tick, LOOK_MS, LOOK_MS), 0);
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
}

static void test_a_fall_is_noticed_once(void **state)
{
    struct memory m = { 0 };
    uv_loop_t loop;

    (void)state;
    trims = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    void *burst = jb_alloc(alloc, (size_t)64 * MIB);
    look_about(&m, &loop, 4 * MEMORY_CALM_LOOKS);
    assert_int_equal(trims, 0);
    jb_free(alloc, burst);
    look_about(&m, &loop, 4 * MEMORY_CALM_LOOKS);
    assert_int_equal(trims, 1);
    assert_false(m.working);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* One look after the other, with as much allocated as the test says. */
static void test_what_comes_again_is_left_alone(void **state)
{
    struct memory m = { 0 };
    uv_loop_t loop;

    (void)state;
    trims = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    memory_start(&m, &loop, 0);
    for (int round = 0; round < 3; round++) {
        void *burst = jb_alloc(alloc, (size_t)64 * MIB);
        memory_look(&m);
        jb_free(alloc, burst);
        for (int look = 0; look < MEMORY_CALM_LOOKS - 1; look++)
            memory_look(&m);
    }
    assert_false(m.working);
    memory_look(&m);
    assert_true(m.working);
    memory_stop(&m);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(trims, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_stopping_twice_is_stopping(void **state)
{
    struct memory m = { 0 };
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    memory_stop(&m);
    memory_start(&m, &loop, LOOK_MS);
    memory_stop(&m);
    memory_stop(&m);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_far_is_far),
        cmocka_unit_test(test_a_fall_is_noticed_once),
        cmocka_unit_test(test_what_comes_again_is_left_alone),
        cmocka_unit_test(test_stopping_twice_is_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
