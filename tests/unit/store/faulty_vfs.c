/* SPDX-License-Identifier: MIT */
#include "faulty_vfs.h"
#include "power.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    char name[32];      /* without its folder; empty: not watched */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static enum fault_kind armed;
static long left;
static bool fired, always;
static void (*before_change)(void *ctx);
static void *before_ctx;

static sqlite3_vfs *real_vfs(void)
{
    return sqlite3_vfs_find("unix");
}

static struct faulty_file *file_of(sqlite3_file *f)
{
    return (struct faulty_file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    return file_of(f)->real;
}

void faulty_arm(enum fault_kind kind, long after, bool for_ever)
{
    pthread_mutex_lock(&mutex);
    armed = kind;
    left = after;
    always = for_ever;
    fired = false;
    pthread_mutex_unlock(&mutex);
}

bool faulty_fired(void)
{
    pthread_mutex_lock(&mutex);
    bool is = fired;
    pthread_mutex_unlock(&mutex);
    return is;
}

void faulty_before_change(void (*call)(void *ctx), void *ctx)
{
    before_change = call;
    before_ctx = ctx;
}

/* The name that power.h shall hear of; NULL: none. */
static const char *changing(const sqlite3_file *f)
{
    const char *name = ((const struct faulty_file *)(const void *)f)->name;

    if (name[0] == '\0')
        return NULL;
    if (before_change)
        before_change(before_ctx);
    return name;
}

static bool fails(const sqlite3_file *f, enum fault_kind kind)
{
    bool hit = false;

    if (((const struct faulty_file *)(const void *)f)->name[0] == '\0')
        return false;
    pthread_mutex_lock(&mutex);
    if (armed == kind && (!fired || always) && left-- <= 0)
        hit = fired = true;
    pthread_mutex_unlock(&mutex);
    return hit;
}

static int faulty_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int faulty_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int faulty_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fails(f, FAULT_WRITE))
        return SQLITE_IOERR_WRITE;
    if (fails(f, FAULT_FULL))
        return SQLITE_FULL;
    const char *name = changing(f);
    if (name)
        power_write(name, p, (size_t)n, at);
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int faulty_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    const char *name = changing(f);

    if (name)
        power_truncate(name, n);
    return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int faulty_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (fails(f, FAULT_SYNC))
        return SQLITE_IOERR_FSYNC;
    /* The tests cut no real power: power.h stands for what a sync makes safe. */
    const char *name = changing(f);
    if (name)
        power_sync(name);
    return SQLITE_OK;
}

static int faulty_size(sqlite3_file *f, sqlite3_int64 *bytes)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), bytes);
}

static int faulty_lock(sqlite3_file *f, int kind)
{
    return real_of(f)->pMethods->xLock(real_of(f), kind);
}

static int faulty_unlock(sqlite3_file *f, int kind)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), kind);
}

static int faulty_reserved(sqlite3_file *f, int *is)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), is);
}

static int faulty_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int faulty_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int faulty_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int faulty_shm_map(sqlite3_file *f, int page, int bytes, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, bytes, extend, out);
}

static int faulty_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void faulty_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int faulty_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = faulty_close,
    .xRead = faulty_read,
    .xWrite = faulty_write,
    .xTruncate = faulty_truncate,
    .xSync = faulty_sync,
    .xFileSize = faulty_size,
    .xLock = faulty_lock,
    .xUnlock = faulty_unlock,
    .xCheckReservedLock = faulty_reserved,
    .xFileControl = faulty_control,
    .xSectorSize = faulty_sector,
    .xDeviceCharacteristics = faulty_traits,
    .xShmMap = faulty_shm_map,
    .xShmLock = faulty_shm_lock,
    .xShmBarrier = faulty_shm_barrier,
    .xShmUnmap = faulty_shm_unmap,
};

static int unsynced_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct faulty_file *file = file_of(f);

    (void)vfs;
    memset(file, 0, sizeof(*file));
    file->real = (sqlite3_file *)(void *)(file + 1);
    int rc = real_vfs()->xOpen(real_vfs(), path, file->real, flags, out);
    if (file->real->pMethods)
        f->pMethods = &methods;
    return rc;
}

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *out)
{
    struct faulty_file *file = file_of(f);
    const char *slash = path ? strrchr(path, '/') : NULL;
    bool watched = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
    int rc = unsynced_open(vfs, path, f, flags, out);

    if (watched && slash)
        snprintf(file->name, sizeof(file->name), "%s", slash + 1);
    return rc;
}

static int unsynced_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    return real_vfs()->xDelete(real_vfs(), path, 0);
}

static int faulty_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    const char *slash = strrchr(path, '/');

    if (slash) {
        if (before_change)
            before_change(before_ctx);
        power_delete(slash + 1);
    }
    return unsynced_delete(vfs, path, sync_folder);
}

static int faulty_last_error(sqlite3_vfs *vfs, int n, char *text)
{
    (void)vfs;
    (void)n;
    (void)text;
    return 0;
}

static void begin_vfs(sqlite3_vfs *vfs, const char *name)
{
    *vfs = *real_vfs();
    vfs->pNext = NULL;
    vfs->zName = name;
    vfs->szOsFile = (int)sizeof(struct faulty_file) + real_vfs()->szOsFile;
    vfs->xGetLastError = faulty_last_error;
}

void faulty_register(void)
{
    static sqlite3_vfs faulty, unsynced;

    if (sqlite3_vfs_find("faulty"))
        return;
    begin_vfs(&faulty, "faulty");
    faulty.xOpen = faulty_open;
    faulty.xDelete = faulty_delete;
    sqlite3_vfs_register(&faulty, 0);
    begin_vfs(&unsynced, "unsynced");
    unsynced.xOpen = unsynced_open;
    unsynced.xDelete = unsynced_delete;
    sqlite3_vfs_register(&unsynced, 0);
}
