/* SPDX-License-Identifier: MIT */
#include "power.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 8, NAME_BYTES = 32 };

struct bytes {
    unsigned char *p;
    size_t n, room;
};

/* A change that no sync has confirmed; `n` 0: the file was cut at `at`. */
struct change {
    int64_t at;
    size_t n;
    unsigned char *p;
};

struct file {
    char name[NAME_BYTES];
    struct bytes synced;
    bool exists;  /* it did at the last sync */
    bool deleted; /* and was deleted since */
    struct change *changes;
    size_t count, room;
};

static struct file files[FILES];
static bool running;

static void drop_changes(struct file *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->changes[i].p);
    f->count = 0;
}

void power_begin(void)
{
    power_end();
    running = true;
}

void power_end(void)
{
    for (size_t i = 0; i < FILES; i++) {
        drop_changes(&files[i]);
        free(files[i].changes);
        free(files[i].synced.p);
        files[i] = (struct file){ 0 };
    }
    running = false;
}

/* NULL: nothing is kept at this time. */
static struct file *find(const char *name)
{
    for (size_t i = 0; running && i < FILES; i++) {
        if (files[i].name[0] == '\0')
            snprintf(files[i].name, NAME_BYTES, "%s", name);
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    }
    assert(!running);
    return NULL;
}

static void *grown(void *p, size_t n)
{
    void *q = realloc(p, n);

    assert(q);
    return q;
}

static void resize(struct bytes *b, size_t n)
{
    if (n > b->room) {
        b->room = 2 * n;
        b->p = grown(b->p, b->room);
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void put(struct bytes *b, const unsigned char *p, size_t n, size_t at)
{
    if (at + n > b->n)
        resize(b, at + n);
    memcpy(b->p + at, p, n);
}

static void add(struct file *f, struct change change)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 16;
        f->changes = grown(f->changes, f->room * sizeof *f->changes);
    }
    f->changes[f->count++] = change;
    if (f->deleted) /* a new file of the old name */
        f->synced.n = 0;
    f->exists = f->exists && !f->deleted;
    f->deleted = false;
}

void power_write(const char *name, const void *p, size_t n, int64_t at)
{
    struct file *f = find(name);

    if (!f)
        return;
    struct change change = { at, n, grown(NULL, n) };
    memcpy(change.p, p, n);
    add(f, change);
}

void power_truncate(const char *name, int64_t n)
{
    struct file *f = find(name);

    if (f)
        add(f, (struct change){ n, 0, NULL });
}

static void apply(struct bytes *b, const struct change *c)
{
    if (c->n)
        put(b, c->p, c->n, (size_t)c->at);
    else
        resize(b, (size_t)c->at);
}

/* SQLite syncs the folder together with a file that is new in it. */
static void sync_folder(void)
{
    for (size_t i = 0; i < FILES; i++) {
        if (!files[i].deleted)
            continue;
        files[i].synced.n = 0;
        files[i].exists = files[i].deleted = false;
    }
}

void power_sync(const char *name)
{
    struct file *f = find(name);

    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        apply(&f->synced, &f->changes[i]);
    drop_changes(f);
    if (!f->exists)
        sync_folder();
    f->exists = true;
}

void power_delete(const char *name)
{
    struct file *f = find(name);

    if (!f)
        return;
    drop_changes(f);
    f->deleted = true;
}

/* ---- images ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

static bool coin(uint64_t *state)
{
    return next_random(state) >> 63;
}

/* Of a write, some sectors: those of the file, not of the write. */
static void apply_torn(struct bytes *b, const struct change *c, size_t sector, uint64_t *random)
{
    size_t at = (size_t)c->at, end = at + c->n;

    if (c->n == 0) {
        if (coin(random))
            apply(b, c);
        return;
    }
    for (size_t from = at; from < end;) {
        size_t to = (from / sector + 1) * sector;
        to = to < end ? to : end;
        if (coin(random))
            put(b, c->p + (from - at), to - from, from);
        from = to;
    }
}

static void shuffle(size_t *order, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(next_random(random) % i), other = order[i - 1];
        order[i - 1] = order[k];
        order[k] = other;
    }
}

static void apply_some(struct bytes *b, const struct file *f, enum power_cut cut, uint64_t *random)
{
    size_t *order = grown(NULL, (f->count + 1) * sizeof *order);
    size_t most = cut == POWER_PREFIX ? (size_t)(next_random(random) % (f->count + 1)) : f->count;

    for (size_t i = 0; i < f->count; i++)
        order[i] = i;
    if (cut >= POWER_REORDER)
        shuffle(order, f->count, random);
    for (size_t i = 0; i < most; i++) {
        const struct change *c = &f->changes[order[i]];
        if (cut == POWER_TEAR_512 || cut == POWER_TEAR_4096)
            apply_torn(b, c, cut == POWER_TEAR_512 ? 512 : 4096, random);
        else if (cut != POWER_REORDER || coin(random))
            apply(b, c);
    }
    free(order);
}

static void save(const char *folder, const char *name, const struct bytes *b)
{
    char path[1024];

    int n = snprintf(path, sizeof path, "%s/%.*s", folder, NAME_BYTES, name);
    assert(n > 0 && (size_t)n < sizeof path);
    FILE *out = fopen(path, "wb");
    assert(out);
    size_t put = b->n ? fwrite(b->p, 1, b->n, out) : 0;
    assert(put == b->n);
    int rc = fclose(out);
    assert(rc == 0);
    (void)n;
    (void)put;
    (void)rc;
}

/* Whether a name in the folder is as the last sync left it, or as it is now. */
static bool is_missing(const struct file *f, enum power_cut cut, uint64_t *random)
{
    bool now = cut == POWER_KEEP || (cut != POWER_DROP && coin(random));

    return now ? f->deleted : !f->exists;
}

void power_image(const char *folder, enum power_cut cut, uint64_t seed)
{
    uint64_t random = seed * 2 + 1;

    for (size_t i = 0; i < FILES && files[i].name[0]; i++) {
        const struct file *f = &files[i];
        struct bytes b = { 0 };
        if ((!f->exists && f->count == 0) || is_missing(f, cut, &random))
            continue;
        if (f->synced.n)
            put(&b, f->synced.p, f->synced.n, 0);
        if (cut != POWER_DROP)
            apply_some(&b, f, cut, &random);
        save(folder, f->name, &b);
        free(b.p);
    }
}
