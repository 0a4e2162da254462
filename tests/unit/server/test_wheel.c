/* SPDX-License-Identifier: MIT */
/* The wheel: never early, at the latest with the first turn behind the deadline's notch, and
 * whatever a timer does to itself or to others while it fires. */
#include "test.h"
#include "server/wheel.h"

#include <stdlib.h>

enum { ROUND_MS = WHEEL_NOTCH_MS * WHEEL_NOTCHES };

/* A timer that notes when it fired; `then` runs inside of fire(). */
struct probe {
    struct timer timer;
    struct wheel *wheel;
    struct probe *other;
    void (*then)(struct probe *p);
    uint64_t again_ms; /* for `then` */
    uint64_t fired_ms; /* last time */
    int fired;
};

static uint64_t clock_ms; /* what wheel_turn() was last told */

static void on_fire(struct timer *t)
{
    struct probe *p = jb__container_of(t, struct probe, timer);

    assert_false(timer_is_set(t));
    assert_true(t->due_ms <= clock_ms);
    p->fired++;
    p->fired_ms = clock_ms;
    if (p->then)
        p->then(p);
}

static void turn(struct wheel *w, uint64_t now_ms)
{
    clock_ms = now_ms;
    wheel_turn(w, now_ms);
}

static struct probe probe(struct wheel *w)
{
    return (struct probe){ .wheel = w };
}

/* Lists point into the timer, so it is initialised where it stays. */
static void arm(struct probe *p, uint64_t due_ms)
{
    if (!p->timer.fire)
        timer_init(&p->timer, on_fire);
    timer_set(p->wheel, &p->timer, due_ms);
    assert_true(timer_is_set(&p->timer));
}

static void test_rounded_up(void **state)
{
    static const struct {
        uint64_t due, notch;
    } cases[] = { { 1001, 1050 }, { 1049, 1050 }, { 1050, 1050 }, { 1051, 1100 }, { 1100, 1100 } };
    struct wheel w;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct probe p = probe(&w);
        wheel_init(&w, 1000);
        arm(&p, cases[i].due);
        turn(&w, cases[i].notch - 1);
        assert_int_equal(p.fired, 0);
        turn(&w, cases[i].notch);
        assert_int_equal(p.fired, 1);
        assert_false(timer_is_set(&p.timer));
        turn(&w, cases[i].notch + 3 * ROUND_MS);
        assert_int_equal(p.fired, 1);
    }
}

static void test_due_already(void **state)
{
    static const uint64_t dues[] = { 0, 1, 999, 1000, 1017, 1025 };
    struct wheel w;

    (void)state;
    for (size_t i = 0; i < sizeof dues / sizeof dues[0]; i++) {
        struct probe p = probe(&w);
        wheel_init(&w, 1025);
        arm(&p, dues[i]);
        turn(&w, 1049);
        assert_int_equal(p.fired, 0);
        turn(&w, 1050);
        assert_int_equal(p.fired, 1);
    }
}

static void test_moved_and_cleared(void **state)
{
    struct wheel w;
    struct probe p = probe(&w);

    (void)state;
    wheel_init(&w, 0);
    arm(&p, 100);
    arm(&p, 300); /* later */
    turn(&w, 250);
    assert_int_equal(p.fired, 0);
    arm(&p, 260); /* sooner */
    turn(&w, 300);
    assert_int_equal(p.fired, 1);
    arm(&p, 400);
    timer_clear(&p.timer);
    assert_false(timer_is_set(&p.timer));
    timer_clear(&p.timer);
    turn(&w, 2 * ROUND_MS);
    assert_int_equal(p.fired, 1);
}

static void test_beyond_a_round(void **state)
{
    static const uint64_t dues[] = { ROUND_MS - 1,    ROUND_MS,     ROUND_MS + 1,
                                     ROUND_MS + 7777, 2 * ROUND_MS, 5 * ROUND_MS + 1,
                                     60 * 60 * 1000u };
    enum { COUNT = sizeof dues / sizeof dues[0] };
    struct probe p[COUNT];
    struct wheel w;

    (void)state;
    wheel_init(&w, 0);
    for (size_t i = 0; i < COUNT; i++) {
        p[i] = probe(&w);
        arm(&p[i], dues[i]);
    }
    for (uint64_t now = 0; now <= dues[COUNT - 1] + WHEEL_NOTCH_MS; now += WHEEL_NOTCH_MS)
        turn(&w, now);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(p[i].fired, 1);
        assert_in_range(p[i].fired_ms, dues[i], dues[i] + WHEEL_NOTCH_MS - 1);
    }
}

static void test_never(void **state)
{
    struct wheel w;
    struct probe p = probe(&w);

    (void)state;
    wheel_init(&w, 123456);
    arm(&p, UINT64_MAX);
    for (uint64_t now = 123456; now < 123456 + 3 * ROUND_MS; now += WHEEL_NOTCH_MS)
        turn(&w, now);
    assert_int_equal(p.fired, 0);
    timer_clear(&p.timer);
}

static void test_long_sleep(void **state)
{
    enum { COUNT = 3000 };
    static struct probe p[COUNT];
    struct wheel w;
    uint64_t seed = 7, start = 5000, wake = start + 10 * ROUND_MS + 13;
    int early = 0;

    (void)state;
    wheel_init(&w, start);
    for (size_t i = 0; i < COUNT; i++) {
        p[i] = probe(&w);
        arm(&p[i], start + test_random(&seed) % (12 * ROUND_MS));
    }
    turn(&w, wake); /* asleep all the while: the machine was suspended */
    for (size_t i = 0; i < COUNT; i++) {
        bool expected = p[i].timer.due_ms <= wake / WHEEL_NOTCH_MS * WHEEL_NOTCH_MS;
        if (p[i].timer.due_ms > wake)
            early += p[i].fired;
        else if (expected)
            assert_int_equal(p[i].fired, 1);
    }
    assert_int_equal(early, 0);
    turn(&w, start + 13 * ROUND_MS);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(p[i].fired, 1);
}

static void set_again(struct probe *p)
{
    if (p->fired < 100)
        arm(p, p->again_ms ? p->again_ms : clock_ms);
}

static void set_periodic(struct probe *p)
{
    arm(p, clock_ms + p->again_ms);
}

static void test_set_in_fire(void **state)
{
    struct wheel w;
    struct probe p = probe(&w);

    (void)state;
    wheel_init(&w, 0);
    p.then = set_periodic;
    p.again_ms = 120;
    arm(&p, 120);
    for (uint64_t now = 0; now <= 3000; now += WHEEL_NOTCH_MS)
        turn(&w, now);
    assert_int_equal(p.fired, 3000 / 150); /* 120 is rounded up to 150 */
    assert_true(timer_is_set(&p.timer));
    timer_clear(&p.timer);
}

/* A timer that is set while it fires, for a time that is due, fires again with a later notch: a
 * turn ends whatever its timers do. */
static void test_set_in_fire_for_now(void **state)
{
    struct wheel w;
    struct probe p = probe(&w);

    (void)state;
    wheel_init(&w, 1000);
    p.then = set_again;
    arm(&p, 1050);
    turn(&w, 1050);
    assert_int_equal(p.fired, 1);
    turn(&w, 1099);
    assert_int_equal(p.fired, 1);
    turn(&w, 1100);
    assert_int_equal(p.fired, 2);
    timer_clear(&p.timer);
}

/* The same in the oldest notch after a sleep: "now" falls into the notch being emptied, one round
 * further. */
static void test_set_in_fire_after_sleep(void **state)
{
    uint64_t wake = 100 * ROUND_MS + 49;
    uint64_t oldest = wake - 49 - ROUND_MS + WHEEL_NOTCH_MS;
    struct wheel w;
    struct probe p = probe(&w);

    (void)state;
    wheel_init(&w, 0);
    p.then = set_again;
    p.again_ms = wake;
    arm(&p, oldest);
    turn(&w, wake);
    assert_int_equal(p.fired, 1);
    assert_true(timer_is_set(&p.timer));
    turn(&w, wake + 1);
    assert_int_equal(p.fired, 2);
    timer_clear(&p.timer);
}

static void clear_other(struct probe *p)
{
    timer_clear(&p->other->timer);
}

static void move_other(struct probe *p)
{
    arm(p->other, clock_ms + 1000);
}

/* Of two in one notch each would take the other out: the first to fire wins. */
static void test_clear_in_fire(void **state)
{
    struct wheel w;
    struct probe p[3] = { probe(&w), probe(&w), probe(&w) };

    (void)state;
    wheel_init(&w, 0);
    p[0].then = p[1].then = clear_other;
    p[0].other = &p[1];
    p[1].other = &p[0];
    arm(&p[0], 50);
    arm(&p[1], 49);
    arm(&p[2], 48);
    turn(&w, 50);
    assert_int_equal(p[0].fired + p[1].fired, 1);
    assert_int_equal(p[2].fired, 1);
    assert_false(timer_is_set(&p[0].timer));
    assert_false(timer_is_set(&p[1].timer));
}

/* Also one of a later round, which stands in the same notch and was passed over already. */
static void test_clear_passed_over(void **state)
{
    struct wheel w;
    struct probe p[2] = { probe(&w), probe(&w) };

    (void)state;
    wheel_init(&w, 0);
    arm(&p[1], 50 + ROUND_MS); /* first in the notch */
    arm(&p[0], 50);
    p[0].then = clear_other;
    p[0].other = &p[1];
    turn(&w, 50);
    assert_int_equal(p[0].fired, 1);
    assert_false(timer_is_set(&p[1].timer));
    turn(&w, 3 * ROUND_MS);
    assert_int_equal(p[1].fired, 0);
}

static void test_move_in_fire(void **state)
{
    struct wheel w;
    struct probe p[2] = { probe(&w), probe(&w) };

    (void)state;
    wheel_init(&w, 0);
    p[0].then = move_other;
    p[0].other = &p[1];
    arm(&p[0], 50);
    arm(&p[1], 50);
    turn(&w, 50);
    assert_int_equal(p[1].fired, 0);
    turn(&w, 1049);
    assert_int_equal(p[1].fired, 0);
    turn(&w, 1050);
    assert_int_equal(p[1].fired, 1);
}

struct freed {
    struct timer timer;
    int *count;
};

static void free_holder(struct timer *t)
{
    struct freed *f = jb__container_of(t, struct freed, timer);

    ++*f->count;
    free(f);
}

static void test_free_in_fire(void **state)
{
    struct wheel w;
    int count = 0;

    (void)state;
    wheel_init(&w, 0);
    for (int i = 0; i < 10; i++) {
        struct freed *f = calloc(1, sizeof *f);
        assert_non_null(f);
        f->count = &count;
        timer_init(&f->timer, free_holder);
        timer_set(&w, &f->timer, 42);
    }
    turn(&w, 50);
    assert_int_equal(count, 10);
}

/* Against the plain truth: random deadlines, moves, clears, and turns of random length. */
static void test_random_against_truth(void **state)
{
    enum { COUNT = 64, STEPS = 20000 };
    static struct probe p[COUNT];
    uint64_t seed = 99, now = 987654321;
    struct wheel w;

    (void)state;
    wheel_init(&w, now);
    for (int i = 0; i < COUNT; i++) {
        p[i] = probe(&w);
        arm(&p[i], now + 1);
    }
    for (int step = 0; step < STEPS; step++) {
        struct probe *one = &p[test_random(&seed) % COUNT];
        uint64_t dice = test_random(&seed) % 100;
        if (dice < 60)
            arm(one, now + 1 + test_random(&seed) % (dice < 50 ? 2000 : 3 * ROUND_MS));
        else if (dice < 70)
            timer_clear(&one->timer);
        now += dice == 99 ? test_random(&seed) % (2 * ROUND_MS) : test_random(&seed) % 60;
        turn(&w, now);
        /* on_fire() asserts that nothing is early; here, that nothing is late. */
        for (int i = 0; i < COUNT; i++)
            if (timer_is_set(&p[i].timer))
                assert_true(p[i].timer.due_ms > now - now % WHEEL_NOTCH_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounded_up),
        cmocka_unit_test(test_due_already),
        cmocka_unit_test(test_moved_and_cleared),
        cmocka_unit_test(test_beyond_a_round),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_long_sleep),
        cmocka_unit_test(test_set_in_fire),
        cmocka_unit_test(test_set_in_fire_for_now),
        cmocka_unit_test(test_set_in_fire_after_sleep),
        cmocka_unit_test(test_clear_in_fire),
        cmocka_unit_test(test_clear_passed_over),
        cmocka_unit_test(test_move_in_fire),
        cmocka_unit_test(test_free_in_fire),
        cmocka_unit_test(test_random_against_truth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
