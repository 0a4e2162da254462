/* SPDX-License-Identifier: MIT */
#include "server/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    for (int i = 0; i < WHEEL_NOTCHES; i++)
        jb__list_init(&w->notches[i]);
    w->turned_ms = now_ms - now_ms % WHEEL_NOTCH_MS;
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
    jb__list_init(&t->node);
    t->due_ms = 0;
    t->fire = fire;
}

void timer_set(struct wheel *w, struct timer *t, uint64_t due_ms)
{
    /* Rounded up, so that it is never early; what is due already fires with the next turn. */
    uint64_t notch = (due_ms + WHEEL_NOTCH_MS - 1) / WHEEL_NOTCH_MS;
    uint64_t next = w->turned_ms / WHEEL_NOTCH_MS + 1;

    t->due_ms = due_ms;
    if (notch < next)
        notch = next;
    jb__list_remove(&t->node);
    jb__list_push(&w->notches[notch % WHEEL_NOTCHES], &t->node);
}

void timer_clear(struct timer *t)
{
    jb__list_remove(&t->node);
}

bool timer_is_set(const struct timer *t)
{
    return !jb__list_empty(&t->node);
}

/* Fires what is due in one notch; what belongs to a later round of the wheel stays.  The notch is
 * emptied first: what is set while this fires is not looked at again, or a timer that is always due
 * would keep us here for ever. */
static void turn_notch(struct jb__list *notch, uint64_t now_ms)
{
    struct jb__list waiting;

    /* `waiting` takes the notch's place in the ring. */
    jb__list_push(notch, &waiting);
    jb__list_remove(notch);
    while (!jb__list_empty(&waiting)) {
        struct timer *t = jb__container_of(waiting.next, struct timer, node);
        jb__list_remove(&t->node);
        if (t->due_ms <= now_ms)
            t->fire(t);
        else
            jb__list_push(notch, &t->node);
    }
}

void wheel_turn(struct wheel *w, uint64_t now_ms)
{
    /* After a long sleep one full round sees every timer. */
    uint64_t round_ms = (uint64_t)WHEEL_NOTCH_MS * WHEEL_NOTCHES;

    if (now_ms > w->turned_ms + round_ms)
        w->turned_ms = now_ms - now_ms % WHEEL_NOTCH_MS - round_ms;
    while (w->turned_ms + WHEEL_NOTCH_MS <= now_ms) {
        w->turned_ms += WHEEL_NOTCH_MS;
        turn_notch(&w->notches[w->turned_ms / WHEEL_NOTCH_MS % WHEEL_NOTCHES], now_ms);
    }
}
