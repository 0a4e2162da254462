/* SPDX-License-Identifier: MIT */
/* A reactor as far as the store's front knows one: a mailbox, which the test empties. */
#ifndef TESTS_UNIT_STORE_REACTOR_H
#define TESTS_UNIT_STORE_REACTOR_H

#include "base/list.h"
#include "server/store_queue.h"

#include <pthread.h>

struct reactor {
    struct store_port port;
    pthread_mutex_t mutex;
    pthread_cond_t arrived;
    struct store_unit *head, *tail;
    int done; /* units that ran done() */
};

static inline void reactor_post(struct store_port *port, struct store_unit *u)
{
    struct reactor *r = jb__container_of(port, struct reactor, port);

    pthread_mutex_lock(&r->mutex);
    u->next = NULL;
    if (r->tail)
        r->tail->next = u;
    else
        r->head = u;
    r->tail = u;
    pthread_cond_signal(&r->arrived);
    pthread_mutex_unlock(&r->mutex);
}

static inline void reactor_init(struct reactor *r)
{
    *r = (struct reactor){ .port = { reactor_post } };
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->arrived, NULL);
}

/* Runs done() of the next unit; waits for it. */
static inline void reactor_turn(struct reactor *r)
{
    pthread_mutex_lock(&r->mutex);
    while (!r->head)
        pthread_cond_wait(&r->arrived, &r->mutex);
    struct store_unit *u = r->head;
    r->head = u->next;
    if (!r->head)
        r->tail = NULL;
    pthread_mutex_unlock(&r->mutex);
    r->done++;
    u->done(u);
}

static inline void reactor_run(struct reactor *r, int until)
{
    while (r->done < until)
        reactor_turn(r);
}

static inline bool reactor_idle(struct reactor *r)
{
    pthread_mutex_lock(&r->mutex);
    bool idle = r->head == NULL;
    pthread_mutex_unlock(&r->mutex);
    return idle;
}

#endif
