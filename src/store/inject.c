/* SPDX-License-Identifier: MIT */
#include "store/inject.h"

#ifdef JABIRU_TEST_HOOKS

#include "base/assert.h"
#include "base/inject.h"

#include <sqlite3.h>

/* ---- files: the default VFS, with three of its files' methods put before its own ---- */

/* A database locks, its log does not: each has a table of methods of its own. */
enum { DATABASE, LOG, KINDS };

static const sqlite3_io_methods *real[KINDS];
static sqlite3_io_methods ours[KINDS];
static sqlite3_vfs vfs;

static const sqlite3_io_methods *real_of(const sqlite3_file *f)
{
    return real[f->pMethods == &ours[LOG] ? LOG : DATABASE];
}

static int inject_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return jb__inject(JB__INJECT_FILE_READ) ? SQLITE_IOERR_READ : real_of(f)->xRead(f, p, n, at);
}

static int inject_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (jb__inject(JB__INJECT_FILE_WRITE))
        return SQLITE_IOERR_WRITE;
    return jb__inject(JB__INJECT_FILE_FULL) ? SQLITE_FULL : real_of(f)->xWrite(f, p, n, at);
}

static int inject_sync(sqlite3_file *f, int flags)
{
    return jb__inject(JB__INJECT_FILE_SYNC) ? SQLITE_IOERR_FSYNC : real_of(f)->xSync(f, flags);
}

static int inject_open(sqlite3_vfs *self, const char *path, sqlite3_file *f, int flags, int *out)
{
    sqlite3_vfs *below = self->pAppData;
    int kind = flags & SQLITE_OPEN_WAL ? LOG : DATABASE;
    int rc = below->xOpen(below, path, f, flags, out);

    if (rc != SQLITE_OK || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return rc;
    if (!real[kind]) {
        real[kind] = f->pMethods;
        ours[kind] = *real[kind];
        ours[kind].xRead = inject_read;
        ours[kind].xWrite = inject_write;
        ours[kind].xSync = inject_sync;
    }
    jb_assert(f->pMethods == real[kind]);
    f->pMethods = &ours[kind];
    return SQLITE_OK;
}

/* ---- memory ---- */

static sqlite3_mem_methods memory;

static void *inject_malloc(int n)
{
    return jb__inject(JB__INJECT_SQL_ALLOC) ? NULL : memory.xMalloc(n);
}

static void *inject_realloc(void *p, int n)
{
    return jb__inject(JB__INJECT_SQL_ALLOC) ? NULL : memory.xRealloc(p, n);
}

void store_inject_begin(void)
{
    sqlite3_mem_methods failing;

    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    jb_assert(rc == SQLITE_OK);
    failing = memory;
    failing.xMalloc = inject_malloc;
    failing.xRealloc = inject_realloc;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    jb_assert(rc == SQLITE_OK);

    sqlite3_vfs *below = sqlite3_vfs_find(NULL);
    jb_assert(below);
    vfs = *below;
    vfs.zName = "inject";
    vfs.pNext = NULL;
    vfs.pAppData = below;
    vfs.xOpen = inject_open;
    rc = sqlite3_vfs_register(&vfs, 1);
    jb_assert(rc == SQLITE_OK);
}

#endif
