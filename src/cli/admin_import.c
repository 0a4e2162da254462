/* SPDX-License-Identifier: MIT */
/* jabiru admin user import FILE
 *
 * Lines are read in chunks.  A chunk is hashed by all processors while the one before it is being
 * stored, each chunk in one transaction.  A line that is wrong is told and skipped. */
#include "cli/accounts.h"
#include "cli/cli.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/random.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 512,
    LINE_BYTES = 8192,
    CHUNK_ARENA_BYTES = CHUNK * (LINE_BYTES + 64),
    MAX_THREADS = 64,
    MAX_HOSTS = 1024,
    FAST_ITERATIONS = JB_ITERATIONS_LEAST,
    FAST_DIGESTS = 1 << JB_DIGEST_SHA1 | 1 << JB_DIGEST_SHA256,
    ALL_DIGESTS = (1 << JB_DIGEST_COUNT) - 1,
};

struct entry {
    uint64_t line;
    struct jb_str password; /* in the chunk's arena */
    int hash_rc;
};

struct chunk {
    struct jb__arena arena; /* addresses and passwords */
    struct entry entries[CHUNK];
    struct accounts_record records[CHUNK];
    size_t count;
    _Atomic size_t next; /* the next entry to hash */
    size_t hashed;       /* protected by pool.lock */
};

/* Threads that hash; they take entries of `work` until there are none left. */
struct pool {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[MAX_THREADS];
    size_t count;
    struct chunk *work; /* protected by lock; NULL: nothing to do */
    bool ending;        /* protected by lock */
    uint32_t digests, iterations;
};

struct host {
    char *name;
    uint64_t stored;
};

struct import {
    const char *name; /* of the file, for messages */
    FILE *file;
    uint64_t size; /* bytes; 0: unknown */
    uint64_t line, read_bytes;
    uint64_t stored, refused;
    uint64_t done_line; /* the last of which is known what became of it */
    struct accounts *accounts;
    struct host hosts[MAX_HOSTS];
    size_t host_count;
    struct cli_progress progress;
    struct pool pool;
};

static void hash_entry(struct pool *pool, struct chunk *c, size_t i)
{
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES];
    struct jb_credentials made;

    jb__random(random, sizeof random);
    c->entries[i].hash_rc =
        jb_credentials_make(&made,
                            &(struct jb_credentials_recipe){ .password = c->entries[i].password,
                                                             .iterations = pool->iterations,
                                                             .digests = pool->digests,
                                                             .random = random },
                            &jb_allocator_abort);
    if (c->entries[i].hash_rc == 0)
        c->records[i].credential_bytes = jb_credentials_encode(&made, c->records[i].credential);
    jb_credentials_wipe(&made);
}

static void *hash_thread(void *arg)
{
    struct pool *pool = arg;

    pthread_mutex_lock(&pool->lock);
    while (!pool->ending) {
        struct chunk *c = pool->work;
        size_t i = c ? atomic_fetch_add(&c->next, 1) : SIZE_MAX;
        if (!c || i >= c->count) {
            pthread_cond_wait(&pool->changed, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        hash_entry(pool, c, i);
        pthread_mutex_lock(&pool->lock);
        if (++c->hashed == c->count)
            pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static int pool_begin(struct pool *pool, const struct cli_args *args)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = processors < 1 ? 1 : (size_t)processors;

    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, NULL);
    pool->digests = args->full ? ALL_DIGESTS : FAST_DIGESTS;
    pool->iterations = args->iterations ? args->iterations
                       : args->full     ? JB_ITERATIONS
                                        : FAST_ITERATIONS;
    while (pool->count < wanted && pool->count < MAX_THREADS &&
           pthread_create(&pool->threads[pool->count], NULL, hash_thread, pool) == 0)
        pool->count++;
    return pool->count ? 0 : JB_EAGAIN;
}

static void pool_end(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->lock);
}

static void pool_give(struct pool *pool, struct chunk *c)
{
    atomic_store(&c->next, 0);
    pthread_mutex_lock(&pool->lock);
    c->hashed = 0;
    pool->work = c;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

static void pool_wait(struct pool *pool, struct chunk *c)
{
    pthread_mutex_lock(&pool->lock);
    while (c->hashed < c->count)
        pthread_cond_wait(&pool->changed, &pool->lock);
    pool->work = NULL;
    pthread_mutex_unlock(&pool->lock);
}

static void complain(struct import *im, uint64_t line, const char *words)
{
    cli_progress_end(&im->progress);
    fprintf(stderr, "%s:%" PRIu64 ": %s\n", im->name, line, words);
    im->refused++;
}

/* "jid password": the password is the rest of the line, inner and trailing spaces included. */
static const char *parse_line(struct chunk *c, struct jb_str line, struct entry *e,
                              struct accounts_record *r)
{
    size_t at = 0;
    struct jb_jid jid;

    while (at < line.n && line.p[at] != ' ' && line.p[at] != '\t')
        at++;
    struct jb_str address = jb_str(line.p, at), password = jb_str_from(line, at);
    while (password.n && (password.p[0] == ' ' || password.p[0] == '\t'))
        password = jb_str_from(password, 1);
    if (password.n == 0)
        return "no password (a line is: address, space, password)";
    if (jb_jid_parse(jb__arena_str(&c->arena, address), &c->arena, &jid) != 0 || jid.local == 0 ||
        jid.resource != 0)
        return "not an account's address (name@host)";
    *r = (struct accounts_record){ .domain = jb_jid_domain(jid), .local = jb_jid_local(jid) };
    e->password = jb__arena_str(&c->arena, password);
    return NULL;
}

/* The next line into buf without its end, whatever bytes it has; false at the end of the file. */
static bool next_line(struct import *im, char buf[LINE_BYTES], struct jb_str *line, bool *whole)
{
    size_t n = 0, bytes = 0;
    int c;

    while ((c = getc(im->file)) != EOF && c != '\n')
        if (bytes++ < LINE_BYTES)
            buf[n++] = (char)c;
    if (c == EOF && bytes == 0)
        return false;
    im->line++;
    im->read_bytes += bytes + 1;
    *whole = n == bytes;
    while (n > 0 && buf[n - 1] == '\r')
        n--;
    *line = jb_str(buf, n);
    if (im->line == 1 && jb_str_starts(*line, JB_STR("\xef\xbb\xbf")))
        *line = jb_str_from(*line, 3); /* some editors mark UTF-8 so */
    while (line->n && (line->p[0] == ' ' || line->p[0] == '\t'))
        *line = jb_str_from(*line, 1);
    return true;
}

static void read_chunk(struct import *im, struct chunk *c)
{
    char buf[LINE_BYTES];
    struct jb_str line;
    bool whole;

    jb__arena_reset(&c->arena);
    c->count = 0;
    while (c->count < CHUNK && next_line(im, buf, &line, &whole)) {
        struct entry *e = &c->entries[c->count];
        const char *why = NULL;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        why = whole ? parse_line(c, line, e, &c->records[c->count]) : "the line is too long";
        e->line = im->line;
        if (why)
            complain(im, im->line, why);
        else
            c->count++;
    }
    explicit_bzero(buf, sizeof buf);
}

/* Leaves out what could not be hashed; the rest moves up. */
static void drop_unhashed(struct import *im, struct chunk *c)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->count; i++) {
        char *p = (char *)(uintptr_t)c->entries[i].password.p; /* our copy in the arena */
        explicit_bzero(p, c->entries[i].password.n);
        if (c->entries[i].hash_rc != 0) {
            complain(im, c->entries[i].line,
                     "this password cannot be used (too long, or with "
                     "characters that are not allowed)");
            continue;
        }
        if (kept != i) {
            c->entries[kept] = c->entries[i];
            c->records[kept] = c->records[i];
        }
        kept++;
    }
    c->count = kept;
}

static void count_host(struct import *im, struct jb_str domain)
{
    size_t i = 0;

    while (i < im->host_count && !jb_str_eqz(domain, im->hosts[i].name))
        i++;
    if (i == MAX_HOSTS)
        return; /* told by finish_hosts */
    if (i == im->host_count) {
        im->hosts[i] = (struct host){ strndup(domain.p, domain.n), 0 };
        jb_assert(im->hosts[i].name);
        im->host_count++;
    }
    im->hosts[i].stored++;
}

/* CLI_OK, or a status after a message. */
static int store_chunk(struct import *im, struct chunk *c)
{
    drop_unhashed(im, c);
    if (c->count == 0)
        return CLI_OK;
    size_t done;
    int rc = im->accounts->ops->put(im->accounts, c->records, c->count, false, &done);
    for (size_t i = 0; i < done; i++) {
        const struct accounts_record *r = &c->records[i];
        im->done_line = c->entries[i].line;
        if (r->rc == 0) {
            im->stored++;
            count_host(im, r->domain);
            continue;
        }
        complain(im, c->entries[i].line,
                 r->rc == JB_EEXIST  ? "this account exists already"
                 : r->rc == JB_EAUTH ? "this host is not the server's"
                                     : jb_strerror(r->rc));
    }
    if (rc != 0) {
        cli_progress_end(&im->progress);
        return accounts_fail(im->accounts, rc, im->name);
    }
    cli_progress_draw(&im->progress, im->size ? (double)im->read_bytes / (double)im->size : -1,
                      im->stored);
    return CLI_OK;
}

static int run_chunks(struct import *im, struct chunk *one, struct chunk *two)
{
    int status = CLI_OK;

    read_chunk(im, one);
    while (one->count && status == CLI_OK) {
        pool_give(&im->pool, one);
        if (two->count)
            status = store_chunk(im, two);
        read_chunk(im, two); /* the one stored; it is read again while `one` is hashed */
        pool_wait(&im->pool, one);
        struct chunk *swap = one;
        one = two;
        two = swap;
    }
    /* `two` is hashed and not stored yet; `one` is empty, or not wanted any more. */
    return status == CLI_OK && two->count ? store_chunk(im, two) : status;
}

/* After a failure that ended it: where to go on.  Of the lines behind, some may have arrived, which
 * does no harm when they come again. */
static void tell_where_it_ended(const struct import *im)
{
    if (im->done_line > 0)
        fprintf(stderr, "%s: done up to line %" PRIu64 "; import what follows again\n", im->name,
                im->done_line);
    else
        fprintf(stderr, "%s: no line is done; import it again\n", im->name);
}

/* Where `status` says that the import has failed, this fails in silence: it was told why. */
static int finish_hosts(struct import *im, int status)
{
    const bool silent = status != CLI_OK;

    if (im->host_count == MAX_HOSTS)
        status = cli_fail(CLI_IO, "more than %d hosts: import them one by one", MAX_HOSTS);
    for (size_t i = 0; i < im->host_count; i++) {
        const struct jb_scram_profile p = { im->pool.digests, im->pool.iterations,
                                            im->hosts[i].stored };
        int rc = im->accounts->ops->imported(im->accounts, jb_strz(im->hosts[i].name), &p);
        if (rc != 0 && !silent)
            status = accounts_fail(im->accounts, rc, im->hosts[i].name);
        free(im->hosts[i].name);
    }
    return status;
}

static int run_import_file(struct import *im, const struct cli_args *args)
{
    struct chunk *chunks = jb_zalloc(&jb_allocator_abort, 2 * sizeof *chunks);
    uint64_t began = jb__clock_mono_ms();
    int status;

    jb_assert(chunks);
    if (pool_begin(&im->pool, args) != 0) {
        jb_free(&jb_allocator_abort, chunks);
        return cli_fail(CLI_IO, "cannot start a thread");
    }
    for (int i = 0; i < 2; i++)
        jb__arena_init(&chunks[i].arena, &jb_allocator_abort, CHUNK_ARENA_BYTES);
    cli_progress_begin(&im->progress);
    status = run_chunks(im, &chunks[0], &chunks[1]);
    cli_progress_end(&im->progress);
    pool_end(&im->pool);
    if (ferror(im->file))
        status = cli_fail(CLI_IO, "%s: cannot read", im->name);
    if (status != CLI_OK)
        tell_where_it_ended(im);
    status = finish_hosts(im, status);
    for (int i = 0; i < 2; i++)
        jb__arena_deinit(&chunks[i].arena);
    jb_free(&jb_allocator_abort, chunks);
    fprintf(stderr, "%" PRIu64 " accounts imported, %" PRIu64 " lines refused, %.1f s\n",
            im->stored, im->refused, (double)(jb__clock_mono_ms() - began) / 1000);
    return status == CLI_OK && im->refused ? CLI_REFUSED : status;
}

static int run_import(const struct cli_args *args)
{
    bool from_stdin = strcmp(args->operands[0], "-") == 0;
    struct import *im = jb_zalloc(&jb_allocator_abort, sizeof *im);
    struct stat st;

    jb_assert(im);
    im->name = from_stdin ? "standard input" : args->operands[0];
    im->file = from_stdin ? stdin : fopen(args->operands[0], "re");
    int status = im->file ? CLI_OK : cli_fail(CLI_IO, "%s: %s", im->name, strerror(errno));
    if (status == CLI_OK && fstat(fileno(im->file), &st) == 0 && S_ISREG(st.st_mode))
        im->size = (uint64_t)st.st_size;
    if (status == CLI_OK)
        status = accounts_open(args->data, true, &im->accounts);
    if (status == CLI_OK) {
        status = run_import_file(im, args);
        im->accounts->ops->close(im->accounts);
    }
    if (im->file && !from_stdin)
        fclose(im->file);
    jb_free(&jb_allocator_abort, im);
    return status;
}

const struct cli_command admin_user_import = {
    .name = "user import",
    .usage = "FILE [--full] [--iterations N]",
    .words = "Makes an account of each line \"jid password\" of a file (- is standard input)",
    .more = "Empty lines and lines that begin with # are skipped.  A line that is wrong is told\n"
            "with its number; all others are imported.  Accounts that exist are left alone.\n\n"
            "To be quick, keys are made for SCRAM-SHA-1 and SCRAM-SHA-256 with 4096 rounds; the\n"
            "host then does not offer SCRAM-SHA-512.  --full makes all three with 10000 rounds\n"
            "and takes some seven times as long.\n\n"
            "  jabiru admin user import accounts.txt\n",
    .least = 1,
    .most = 1,
    .allowed = CLI_HASHING,
    .run = run_import,
};
