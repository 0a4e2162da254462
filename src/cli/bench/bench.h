/* SPDX-License-Identifier: MIT */
/* `jabiru bench`: what its files share.
 *
 * The main thread goes through the phases of a scenario, takes samples and reports.  The work is
 * done by workers: threads with one epoll each, which own their connections and share nothing but
 * a few counters that only they write.  A scenario is a table of functions; those that begin with
 * on_ run on the worker of the connection they are given. */
#ifndef CLI_BENCH_BENCH_H
#define CLI_BENCH_BENCH_H

#include "base/error.h"
#include "base/str.h"
#include "cli/bench/figures.h"
#include "cli/bench/histogram.h"
#include "cli/bench/marker.h"
#include "cli/bench/process.h"
#include "cli/bench/tally.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct ssl_ctx_st;
struct conn;
struct bench;
struct worker;

/* Exit statuses beyond those of all commands (cli.h). */
enum { BENCH_UNACCOUNTED = 4 }; /* the run went to its end, but not every message did */

enum bench_login {
    BENCH_RAW, /* no XMPP: for bench/floor */
    BENCH_ANONYMOUS,
    BENCH_PLAIN,
    BENCH_SCRAM_SHA_1,
    BENCH_SCRAM_SHA_256,
};

struct bench_options {
    bool tls, insecure, json;
    bool sm;             /* stream management */
    bool loopback;       /* the server's address is: connections come from many of our own */
    char host[256];      /* of the URL, without port and brackets */
    char host_port[264]; /* as in the URL */
    const char *path;
    struct sockaddr_storage to;
    socklen_t to_bytes;
    const char *domain; /* the XMPP host */
    const char *ca_file;
    const char *report; /* file for the page, or NULL */
    const char *users;  /* pattern of localparts; the first '#' stands for the number */
    const char *rooms;  /* the domain of rooms; NULL: asked from the server */
    char password[1024];
    enum bench_login login;
    struct process_tree server; /* no roots: nobody looks at it */
    uint32_t connections, threads, window, contacts, senders, logins_at_once, bytes, first_user;
    double rate; /* messages or logins a second; 0: closed loop */
    double warmup_s, duration_s, timeout_s;
};

enum bench_phase {
    BENCH_CONNECT, /* everybody logs in */
    BENCH_FIND,    /* connection 0 looks for rooms and makes one */
    BENCH_PREPARE, /* rooms are entered, contacts made */
    BENCH_RUN,     /* warming up */
    BENCH_MEASURE,
    BENCH_DRAIN, /* nothing new is sent; what is under way arrives */
    BENCH_CUT,   /* storm: all connections end at once, and are made again */
    BENCH_LEAVE, /* everybody says goodbye */
};

struct scenario {
    const char *name;
    const char *words; /* one line */
    const char *more;  /* the rest of --help: options it cares for, an example; whole lines */
    bool retries;      /* a login that the server refuses is tried again, and counted */
    bool gathers;      /* open loop: what arrived is looked at once in a tick, see engine.h */
    void (*defaults)(struct bench_options *o);
    /* Words when these options do not fit, or NULL. */
    const char *(*check)(const struct bench_options *o);
    /* The run, from the first connection to the figures.  CLI_OK or a status; then bench_fail() was
     * called. */
    int (*run)(struct bench *b);
    /* For engine_run_traffic(): what comes between logging in and the messages. */
    int (*prepare)(struct bench *b);
    void (*on_phase)(struct worker *w, enum bench_phase phase); /* NULL: nothing to do */
    void (*on_ready)(struct conn *c);                           /* logged in */
    void (*on_text)(struct conn *c, struct jb_str text);        /* after that */
    void (*on_tick)(struct worker *w, uint64_t now_ns);         /* RUN and MEASURE, each tick */
    /* Gone.  False: that should not have happened. */
    bool (*on_closed)(struct conn *c);
};

/* Counters of a worker.  Only it writes them, the main thread reads. */
#define WORKER_COUNTERS(X)                                                       \
    X(ready)      /* connections logged in now */                                \
    X(logins)     /* logins done since the start */                              \
    X(prepared)   /* connections that have done what BENCH_PREPARE asks */       \
    X(sent)       /* messages */                                                 \
    X(expected)   /* deliveries that follow from them */                         \
    X(delivered)  /* deliveries, each counted once */                            \
    X(disorder)   /* of them, after a later message of the same sender */        \
    X(twice)      /* deliveries of a message that had been delivered */          \
    X(strays)     /* deliveries to a connection that should not have got them */ \
    X(unacked)    /* messages that the server has not acknowledged now (--sm) */ \
    X(acked)      /* messages that it has */                                     \
    X(answers)    /* acknowledgements of ours, which it asked for */             \
    X(retries)    /* connections that were refused and tried again */            \
    X(stanzas_in) /* whatever arrived at connections that are logged in */

struct worker {
    struct bench *bench;
    unsigned index;
    pthread_t thread;
    int epoll_fd, wake_fd, clock_fd;
    enum bench_phase phase;
    uint64_t now_ns;      /* of this turn; connections refresh it with each read */
    bool gathering;       /* wakes with the clock and with nothing else */
    uint64_t ticked_ns;   /* when it last woke for that */
    uint64_t gathered_ns; /* what arrived before that is taken */
    int64_t ahead_ns;     /* what the clock of the kernel's stamps is ahead of ours */
    unsigned phase_serial;
    uint64_t clock_ns;   /* open loop: when its clock began */
    uint64_t due_count;  /* open loop: what was begun of it since then */
    uint64_t measure_ns; /* when BENCH_MEASURE began; 0: not yet */
    uint32_t logging_in; /* connections between open and ready */
    uint32_t turn;       /* whose turn it is, of the worker's connections */
    uint32_t opens;
    uint32_t conn_count; /* connections of its own, below */
    struct conn **conns;
    struct conn *opening, **opening_tail; /* waiting for their turn to log in */
    char *scratch;                        /* input */
    char *cork;                           /* output of the connection that is being read */
    size_t cork_bytes;
    struct conn *corked;
    struct histogram latency; /* from due to delivered, begun in BENCH_MEASURE */
    struct histogram login;   /* from due to ready */
    struct histogram lag;     /* open loop: from due to written */
    struct histogram acks;    /* --sm: from due to acknowledged by the server */
    struct salted *salted;    /* what the last connection hashed, see login.c; it owns it */
    void *own;                /* the scenario's */
#define WORKER_COUNTER_FIELD(name) _Atomic uint64_t name;
    WORKER_COUNTERS(WORKER_COUNTER_FIELD)
#undef WORKER_COUNTER_FIELD
};

/* The sums over all workers. */
struct totals {
#define TOTALS_FIELD(name) uint64_t name;
    WORKER_COUNTERS(TOTALS_FIELD)
#undef TOTALS_FIELD
};

/* What was the case at one moment. */
struct mark {
    uint64_t at_ns;
    struct totals totals;
    struct process_use server;
    double own_cpu_s;
};

enum { BENCH_SAMPLES = 4096, BENCH_WHY_BYTES = 400 };

struct sample {
    double at_s; /* since the start */
    uint64_t delivered, logins, ready;
    double server_cpu_s, own_cpu_s;
    uint64_t server_kib; /* RSS; PSS in scenario idle */
};

/* The room of scenarios room and mix.  In BENCH_FIND it belongs to the worker of connection 0; from
 * BENCH_PREPARE on it is frozen. */
struct bench_rooms {
    enum {
        ROOMS_ASKING,
        ROOMS_NONE, /* the server has none */
        ROOMS_MAKING,
        ROOMS_UNLOCKING,
        ROOMS_OPEN,
        ROOMS_REFUSED,
    } state;
    uint32_t asked, answered; /* items of the server */
    uint32_t occupants;
    char address[512];
};

struct bench {
    struct bench_options options;
    const struct scenario *scenario;
    struct ssl_ctx_st *tls;
    struct worker *workers;
    struct conn *conns;
    struct bench_rooms rooms;
    uint32_t run; /* in the marks of its messages */
    uint64_t began_ns;
    uint64_t sampled_ns, drawn_ns;
    const char *doing; /* for the progress line */
    struct sample *samples;
    unsigned sample_count;
    struct figures figures;
    struct histogram latency, login, lag, acks; /* merged at the end */
    struct mark start, from, to, end;           /* before all, around BENCH_MEASURE, after all */
    _Atomic unsigned phase_serial;              /* counts the phases begun */
    _Atomic unsigned at_phase;                  /* workers that have begun the present one */
    _Atomic int phase;
    _Atomic bool stop;
    _Atomic bool failed;
    pthread_mutex_t why_lock;
    int status;                /* exit status when failed */
    char why[BENCH_WHY_BYTES]; /* the first reason counts */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: no locked instruction is needed.  Who reads the count sees what led to it. */
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + n, memory_order_release);
}

static inline void counter_sub(_Atomic uint64_t *counter, uint64_t n)
{
    counter_add(counter, 0 - n);
}

uint64_t bench_now_ns(void);
/* Ends the run with this status; the first call counts.  Any thread.  Returns `status`. */
int bench_fail(struct bench *b, int status, const char *format, ...) JB_PRINTF(3, 4);

extern const struct scenario scenario_login, scenario_idle, scenario_pairs, scenario_room,
    scenario_presence, scenario_storm, scenario_mix;

#endif
