/* SPDX-License-Identifier: MIT */
/* Deadlines, coarse and cheap: one wheel per reactor, turned by one loop timer.
 *
 * A timer costs nothing while it waits and O(1) to set.  It never fires before its deadline, and
 * with the first turn after the notch (WHEEL_NOTCH_MS) in which the deadline lies. */
#ifndef SERVER_WHEEL_H
#define SERVER_WHEEL_H

#include "base/list.h"

#include <stdint.h>

enum { WHEEL_NOTCH_MS = 50, WHEEL_NOTCHES = 1024 };

struct timer {
    struct jb__list node;
    uint64_t due_ms; /* on the reactor's monotonic clock */
    void (*fire)(struct timer *t);
};

struct wheel {
    struct jb__list notches[WHEEL_NOTCHES];
    uint64_t turned_ms; /* all that is due up to here has fired */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* Before first use; `fire` may set the timer again or free what holds it. */
void timer_init(struct timer *t, void (*fire)(struct timer *t));
/* Sets or moves the deadline. */
void timer_set(struct wheel *w, struct timer *t, uint64_t due_ms);
/* Harmless when it is not set. */
void timer_clear(struct timer *t);
bool timer_is_set(const struct timer *t);
/* Fires what is due. */
void wheel_turn(struct wheel *w, uint64_t now_ms);

#endif
