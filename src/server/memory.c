/* SPDX-License-Identifier: MIT */
#include "server/memory.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <malloc.h>

enum { FALL_BYTES = 8 * 1024 * 1024 }; /* less is not worth the trouble */

bool memory_has_fallen(size_t most, size_t now)
{
    return most / 2 >= now && most - now >= FALL_BYTES;
}

/* On a thread of the pool.  Of several heaps one at a time is locked: who allocates there waits. */
static void give_back(uv_work_t *work)
{
    (void)work;
    (void)malloc_trim(0);
}

static void on_given_back(uv_work_t *work, int status)
{
    struct memory *m = work->data;

    (void)status; /* nobody cancels it */
    m->working = false;
}

void memory_look(struct memory *m)
{
    size_t now = jb__counted_bytes();

    if (now > m->most)
        m->most = now;
    m->calm = memory_has_fallen(m->most, now) ? m->calm + 1 : 0;
    if (m->working || m->calm < MEMORY_CALM_LOOKS)
        return;
    m->most = now;
    m->calm = 0;
    m->working = uv_queue_work(m->timer.loop, &m->work, give_back, on_given_back) == 0;
}

static void on_look(uv_timer_t *timer)
{
    memory_look(timer->data);
}

void memory_start(struct memory *m, uv_loop_t *loop, uint64_t look_ms)
{
    int rc = uv_timer_init(loop, &m->timer);

    rc |= uv_timer_start(&m->timer, on_look, look_ms, look_ms);
    jb_assert(rc == 0);
    m->timer.data = m->work.data = m;
    m->watching = true;
}

void memory_stop(struct memory *m)
{
    if (m->watching)
        uv_close((uv_handle_t *)&m->timer, NULL);
    m->watching = false;
}
