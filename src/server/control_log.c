/* SPDX-License-Identifier: MIT */
/* Following the log.
 *
 * Any thread logs; the tap only copies the line into `filling` under the lock and wakes the loop,
 * which takes the whole buffer by swapping.  What does not fit is counted, never waited for: the
 * log must not slow a reactor down. */
#include "server/control_internal.h"

#include "base/assert.h"
#include "base/log.h"

#include <pthread.h>

struct control_log {
    struct control *control;
    uv_async_t wake;
    unsigned followers;
    struct jb__list list; /* struct follower.node */
    pthread_mutex_t lock; /* protects the two below */
    struct jb__buf filling;
    uint64_t lost;
    struct jb__buf taken; /* the loop's */
};

struct follower {
    struct jb__list node;
    struct control_call *call;
    uint64_t lost; /* lines since the last report */
};

static void on_line(void *ctx, struct jb_str line)
{
    struct control_log *log = ctx;

    pthread_mutex_lock(&log->lock);
    if (jb__buf_append(&log->filling, line.p, line.n) != 0)
        log->lost++;
    pthread_mutex_unlock(&log->lock);
    uv_async_send(&log->wake);
}

static void tell(struct follower *f, struct jb_str line)
{
    if (control_call_pending(f->call) > CONTROL_FOLLOW_BYTES) {
        f->lost++;
        return;
    }
    if (f->lost) {
        control_progress(f->call, json_pack("{s:I}", "lost", (json_int_t)f->lost));
        f->lost = 0;
    }
    json_t *text = json_stringn(line.p, line.n); /* NULL: a cut line that is not UTF-8 now */
    if (text)
        control_progress(f->call, json_pack("{s:o}", "line", text));
    else
        f->lost++;
}

static void on_wake(uv_async_t *wake)
{
    struct control_log *log = wake->data;
    struct jb_str rest, line;

    pthread_mutex_lock(&log->lock);
    struct jb__buf swap = log->filling;
    uint64_t lost = log->lost;
    log->filling = log->taken;
    log->lost = 0;
    pthread_mutex_unlock(&log->lock);
    log->taken = swap;

    jb__list_each(it, next, &log->list) jb__container_of(it, struct follower, node)->lost += lost;
    rest = jb__buf_str(&log->taken);
    while (rest.n > 0) {
        jb_str_cut(rest, '\n', &line, &rest);
        jb__list_each(it, next, &log->list) tell(jb__container_of(it, struct follower, node), line);
    }
    log->taken.n = 0;
}

static void on_wake_closed(uv_handle_t *h)
{
    struct control_log *log = h->data;
    struct control *c = log->control;

    jb__buf_deinit(&log->filling);
    jb__buf_deinit(&log->taken);
    pthread_mutex_destroy(&log->lock);
    jb_free(&jb_allocator_abort, log);
    c->handles--;
    control_settle(c);
}

static struct control_log *log_begin(struct control *c)
{
    struct control_log *log = jb_zalloc(&jb_allocator_abort, sizeof *log);

    jb_assert(log);
    log->control = c;
    jb__list_init(&log->list);
    jb__buf_init(&log->filling, &jb_allocator_abort, CONTROL_LOG_BYTES);
    jb__buf_init(&log->taken, &jb_allocator_abort, CONTROL_LOG_BYTES);
    pthread_mutex_init(&log->lock, NULL);
    uv_async_init(c->loop, &log->wake, on_wake);
    log->wake.data = log;
    c->handles++;
    jb_log_tap(on_line, log);
    return log;
}

void control_log_end(struct control *c)
{
    if (!c->log)
        return;
    jb_log_tap(NULL, NULL); /* after this nobody is in on_line */
    uv_close((uv_handle_t *)&c->log->wake, on_wake_closed);
    c->log = NULL;
}

static void on_gone(struct control_call *call)
{
    struct follower *f = control_call_data(call);
    struct control *c = call->control;

    jb__list_remove(&f->node);
    jb_free(&jb_allocator_abort, f);
    if (--c->log->followers == 0)
        control_log_end(c);
    control_reply(call, NULL);
}

void control_log_follow(struct control_call *call)
{
    struct control *c = call->control;
    struct follower *f = jb_zalloc(&jb_allocator_abort, sizeof *f);

    jb_assert(f);
    if (!c->log)
        c->log = log_begin(c);
    c->log->followers++;
    f->call = call;
    jb__list_push(&c->log->list, &f->node);
    control_call_set_data(call, f);
    control_call_on_gone(call, on_gone);
}
