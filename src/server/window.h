/* SPDX-License-Identifier: MIT */
/* So many in a stretch of time, which begins with the first of them: then all are forgotten. */
#ifndef SERVER_WINDOW_H
#define SERVER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: nothing yet. */
struct window {
    uint64_t since_ms;
    uint32_t count;
};

/* Counts one more; false, and nothing is counted, when there have been `most`. */
static inline bool window_take(struct window *w, uint64_t now_ms, uint64_t length_ms, uint32_t most)
{
    if (w->count == 0 || now_ms - w->since_ms >= length_ms)
        *w = (struct window){ .since_ms = now_ms };
    if (w->count >= most)
        return false;
    w->count++;
    return true;
}

#endif
