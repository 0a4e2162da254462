/* SPDX-License-Identifier: MIT */
/* The asynchronous front of the store: one worker thread, group commit.
 *
 * A unit is what one inbound stanza asks of the store: writes that hold together or not at all, and
 * reads.  A reactor builds it, submits it, and gets it back when the outcome is known:
 *
 *     struct store_unit *u = store_unit_new(front, &reactor->port, on_roster_set, handle);
 *     store_unit_kv_put(u, owner, JB_STR("roster"), key, bytes);
 *     store_unit_log_append(u, owner, JB_STR("archive"), &entry);
 *     if ((rc = store_unit_submit(u)) != 0)
 *         store_unit_free(u);                  // never submitted: still ours
 *     ...
 *     static void on_roster_set(struct store_unit *u)   // later, on the same reactor
 *     {
 *         if (u->rc == 0) ...
 *         store_unit_free(u);
 *     }
 *
 * The worker takes all that waits (at most limit store_batch), runs it in order of submission
 * inside one transaction, each unit in a savepoint, commits, and hands the units back.  A unit that
 * comes back with rc 0 is committed under the configured durability.  What one thread submits runs,
 * and comes back, in that order; a read sees the writes submitted before it, and never comes back
 * before they are committed.  Reads with no write before them in their batch wait for no commit.
 * When the disk is full, the units of the batch run once more, each for itself: reads go on, and
 * what does not fit takes nothing else with it.
 *
 * Threads: submit and store_front_stats from any; the store_unit_* builders and _free by whoever
 * owns the unit at that time; open and close by one thread. */
#ifndef SERVER_STORE_QUEUE_H
#define SERVER_STORE_QUEUE_H

#include "base/arena.h"
#include "core/limits.h"
#include "store/store.h"

struct custody;
struct store_front;
struct store_unit;

/* Where finished units go; embedded in the reactor. */
struct store_port {
    /* Called on the worker thread.  Must see to it that unit->done(unit) is called on the reactor's
     * own thread; may use unit->next until then.  Must neither fail nor block. */
    void (*post)(struct store_port *port, struct store_unit *unit);
};

/* One operation of a unit.  Fields are valid from done() to store_unit_free(). */
struct store_op {
    struct store_op *next;        /* in the order they were added */
    int rc;                       /* as in store/store.h; JB_EFULL also: the results do not fit */
    int64_t id;                   /* log_append: the id given; log_last: the highest */
    struct store_totals totals;   /* log_count; account_count, log_prune (count only) */
    const struct store_row *rows; /* reads: what was found, in order; NULL: nothing */
    size_t row_count;
    bool more; /* lists and ranges: the limit (rows or bytes) ended it, and there is more behind */
};

struct store_unit {
    struct store_front *front;
    struct store_port *port;
    void (*done)(struct store_unit *unit); /* on the submitting reactor; owns the unit again */
    void *ctx;                             /* the caller's */
    struct custody *custody;               /* the reactor's: what waits for it, or NULL */
    struct store_unit *next;               /* the front's while submitted, the port's after post */
    struct store_op *ops;                  /* in order */
    struct store_op *last_op;
    /* 0: all writes are committed (JB_ENOTFOUND of a read or a delete is in its op and fails
     * nothing).  Else nothing of the unit is stored; only after JB_EIO and JB_EINVAL that is
     * unknown.
     *
     *   JB_EEXIST, JB_ENOTFOUND  account_put found the account there, or not there
     *   JB_EFULL   the disk is full, or results exceed limit store_unit_bytes; the sender may retry
     *   JB_EAGAIN  only reads and waited longer than limit store_timeout_ms, or the database is
     *              locked; not run
     *   JB_EIO, JB_EINVAL  the store has failed for good (see fatal)
     *   JB_ENOMEM */
    int rc;
    bool writes;           /* has an operation that writes */
    int build_rc;          /* the first failure while building; submit returns it */
    uint64_t submitted_ms; /* monotonic */
    size_t result_bytes;   /* most that reads may bring: what the arguments left of the limit */
    struct jb__arena arena;
};

struct store_front_options {
    const struct jb_allocator *alloc; /* used from all threads */
    const struct jb_limits *limits;   /* copied: store_jobs, _batch, _timeout_ms, _unit_bytes */
    struct store_db *db;              /* the worker's alone from open to close; not owned */
    /* Called once, on the worker thread, when the store failed for good (JB_EIO, JB_EINVAL), before
     * any unit is handed back with that.  No unit that writes succeeds afterwards; the process
     * should stop and be started anew.  `message` is valid during the call. */
    void (*fatal)(void *ctx, int rc, const char *message);
    void *fatal_ctx;
};

enum { STORE_COMMIT_BUCKETS = 24 };

struct store_front_stats {
    uint64_t units;   /* handed back */
    uint64_t failed;  /* of these, with an rc other than 0 */
    uint64_t refused; /* not accepted by submit */
    uint64_t batches; /* committed transactions */
    uint32_t waiting; /* now */
    uint32_t waiting_most;
    /* Commits that took less than 2^i microseconds, and not less than half of that; the last bucket
     * takes all longer ones. */
    uint64_t commit_us[STORE_COMMIT_BUCKETS];
    uint64_t commit_us_sum;
};

/* Starts the worker.  0, JB_ENOMEM, JB_EAGAIN (no thread). */
JB_NODISCARD int store_front_open(const struct store_front_options *options,
                                  struct store_front **out);
/* Waits until all units that were submitted have been handed back. */
void store_front_settle(struct store_front *front);
/* Refuses new units, runs all that wait, hands them back, ends the worker.  Ports must work until
 * this returns; units they still hold may be done() and freed later, but not after the allocator.
 */
void store_front_close(struct store_front *front);
void store_front_stats(struct store_front *front, struct store_front_stats *out);

/* NULL: out of memory. */
struct store_unit *store_unit_new(struct store_front *front, struct store_port *port,
                                  void (*done)(struct store_unit *unit), void *ctx);
void store_unit_free(struct store_unit *unit); /* NULL does nothing */

/* Hands the unit to the worker.  0: done() will be called.  Otherwise it will not, and the unit
 * stays the caller's: JB_EFULL (limit store_jobs, or an argument beyond store_unit_bytes),
 * JB_ENOMEM, JB_ECLOSED (closing), JB_EIO or JB_EINVAL (the store has failed for good). */
JB_NODISCARD int store_unit_submit(struct store_unit *unit);

/* The same, but where too many wait it waits for them: for a server that stops, of which everybody
 * has something to write at once. */
JB_NODISCARD int store_unit_submit_at_last(struct store_unit *unit);

/* Builders: add an operation; arguments are copied.  They return the operation, to look into from
 * done() on; NULL if it could not be added, and then submit refuses.
 *
 * Reads and deletes that find nothing do not fail the unit.  Any other failure undoes the unit's
 * writes, and its later operations are not run. */
struct store_op *store_unit_account_get(struct store_unit *u, struct jb_str domain,
                                        struct jb_str local);
/* With STORE_CREATE, kv and log that somebody of this name left behind go. */
struct store_op *store_unit_account_put(struct store_unit *u, const struct store_account *account,
                                        enum store_put_mode mode);
struct store_op *store_unit_account_delete(struct store_unit *u, struct jb_str domain,
                                           struct jb_str local);
struct store_op *store_unit_account_list(struct store_unit *u, struct jb_str domain,
                                         struct jb_str after, uint32_t limit);
struct store_op *store_unit_account_count(struct store_unit *u, struct jb_str domain);

struct store_op *store_unit_kv_get(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                   struct jb_str key);
struct store_op *store_unit_kv_put(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                   struct jb_str key, struct jb_str bytes);
struct store_op *store_unit_kv_delete(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, struct jb_str key);
/* Deletes what must be there: of two that take the same key, one fails as a whole, with
 * JB_ENOTFOUND. */
struct store_op *store_unit_kv_take(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    struct jb_str key);
/* Behind `after` (empty: from the start), at most `limit` rows (0: all). */
struct store_op *store_unit_kv_list(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    struct jb_str after, uint32_t limit);
struct store_op *store_unit_kv_clear(struct store_unit *u, struct jb_str owner,
                                     struct jb_str store);

struct store_op *store_unit_log_append(struct store_unit *u, struct jb_str owner,
                                       struct jb_str store, const struct store_entry *entry);
struct store_op *store_unit_log_last(struct store_unit *u, struct jb_str owner,
                                     struct jb_str store);
struct store_op *store_unit_log_get(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                    int64_t id);
/* Ends early, with `more` set, before a row that would bring the page's bytes over `page_bytes`
 * (0: no bound), but never before the first. */
struct store_op *store_unit_log_range(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range,
                                      size_t page_bytes);
struct store_op *store_unit_log_count(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range);
/* The range of a log_range or log_count begins behind the number that an earlier kv_get of the unit
 * reads (store_number). */
void store_op_begin_behind(struct store_op *op, const struct store_op *number);
struct store_op *store_unit_log_delete(struct store_unit *u, struct jb_str owner,
                                       struct jb_str store, int64_t id);
struct store_op *store_unit_log_trim(struct store_unit *u, struct jb_str owner, struct jb_str store,
                                     int64_t id);
struct store_op *store_unit_log_prune(struct store_unit *u, struct jb_str owner,
                                      struct jb_str store, const struct store_range *range);

struct store_op *store_unit_owner_delete(struct store_unit *u, struct jb_str owner);

/* A number as a value: 8 bytes. */
enum { STORE_NUMBER_BYTES = 8 };
struct jb_str store_number(int64_t number, char bytes[STORE_NUMBER_BYTES]);
/* 0: these are not the bytes of one. */
int64_t store_number_read(struct jb_str bytes);
/* What a kv_get of one has read; 0: nothing, or something else. */
int64_t store_op_number(const struct store_op *op);

#endif
