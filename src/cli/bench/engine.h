/* SPDX-License-Identifier: MIT */
/* Workers and phases.  All but the worker_ functions belong to the main thread. */
#ifndef CLI_BENCH_ENGINE_H
#define CLI_BENCH_ENGINE_H

#include "cli/bench/conn.h"

enum {
    ENGINE_SCRATCH_BYTES = 256 * 1024,
    ENGINE_CORK_BYTES = 64 * 1024,
    /* An open loop's messages are due in groups, each millisecond.  A worker that gathers wakes
     * for them and not for what arrives, which saves up to a third: it sends what is due, then
     * takes what has come since the last time, and the kernel's stamps say when each of that came.
     */
    ENGINE_TICK_NS = 1000 * 1000,
    ENGINE_QUIET_MS = 300, /* after the last delivery: would a doubled one still come? */
};

/* Starts the threads.  CLI_OK or a status, after bench_fail(). */
int engine_start(struct bench *b);
/* Joins them and merges their histograms into the bench's. */
void engine_stop(struct bench *b);

/* Begins a phase; returns when every worker is in it.  CLI_OK or the status of a failed run. */
int engine_enter(struct bench *b, enum bench_phase phase, const char *doing);
/* Waits, takes samples, draws progress.  CLI_OK or the status of a failed run. */
int engine_sleep(struct bench *b, uint64_t ms);
/* Until nothing more arrives at anybody: what a login or an entered room has set off is over. */
int engine_quiet(struct bench *b);
/* Until a counter is there; fails the run with `what` when it has not moved for the timeout. */
enum engine_counter { ENGINE_READY, ENGINE_PREPARED };
int engine_await(struct bench *b, enum engine_counter counter, uint64_t goal, const char *what);
void engine_mark(struct bench *b, struct mark *m);
/* The same with PSS; slower. */
void engine_mark_memory(struct bench *b, struct mark *m);
struct totals engine_totals(const struct bench *b);

/* Logs in all connections (BENCH_CONNECT). */
int engine_connect(struct bench *b);
/* Everybody leaves in order, so that no session waits to be resumed.  Who is not let go in the
 * timeout is cut. */
int engine_leave(struct bench *b);
/* RUN, MEASURE, DRAIN, with marks; then waits until all that is under way has arrived, or nothing
 * has for the timeout, and adds the figures that all traffic has.  BENCH_UNACCOUNTED when
 * something is lost, doubled, or out of order. */
int engine_traffic(struct bench *b);
/* The run of a scenario with messages: logs in, lets it prepare, does the above. */
int engine_run_traffic(struct bench *b);
/* The figures of logging in, from the marks `from` and `to`. */
void engine_login_figures(struct bench *b, const struct mark *from, const struct mark *to);

/* Open loop, in on_tick: how many are due of the share `part` of the rate, and not begun; each
 * begun one is counted by worker_begin(), which returns when it was due. */
uint64_t worker_due(const struct worker *w, double part);
uint64_t worker_begin(struct worker *w, double part);
/* A worker's share of all connections. */
double worker_part(const struct worker *w);

/* Whether this run's workers gather while messages are due. */
bool engine_gathers(const struct bench *b);
/* Finds the mark of a message of this run. */
bool worker_mark(struct conn *c, struct jb_str text, struct marker *m);
/* Takes account of a delivery to c. */
void worker_deliver(struct conn *c, struct tally *t, const struct marker *m);
/* Counts a message that is sent now and leads to so many deliveries. */
void worker_sent(struct worker *w, uint64_t due_ns, uint64_t deliveries);

#endif
