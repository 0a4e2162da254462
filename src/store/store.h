/* SPDX-License-Identifier: MIT */
/* What a storage backend can do.
 *
 * Three shapes, and no others, so that a new protocol extension needs no schema:
 *   account  (domain, local)      -> a credential record, flags, the time of creation
 *   kv       (owner, store, key)  -> bytes
 *   log      (owner, store)       -> entries in the order of their ids
 * An owner is whoever the data belongs to (a user, a room, a host); a store is what it is for
 * ("roster", "archive").  Both, and every key, are plain bytes: any value, NUL too, and compared
 * bytewise.  The storage layer knows no XMPP, with one exception: what belongs to the account
 * (domain, local) is owned by local "@" domain, and goes with it.
 *
 * Calls are synchronous, and block on the disk: a running server makes them on the thread of its
 * store front only (server/store_queue.h).  A store_db is for one thread at a time.
 *
 * Reads may be made at any time and see what was written before them, committed or not.  Writes
 * are made between begin and commit.  Return codes, of every call:
 *
 *   0             done
 *   JB_ENOTFOUND  reads, deletes, replacing an account: there is no such entry
 *   JB_EEXIST     creating an account: there is one
 *   JB_EFULL      the disk is full
 *   JB_EAGAIN     another program holds the database's write lock
 *   JB_ENOMEM     out of memory
 *   JB_EIO        fatal: reading, writing or syncing failed; what became of the current transaction
 *                 is known only after the store is opened anew (a failed sync is never tried again)
 *   JB_EINVAL     fatal: the stored data is damaged
 *
 * After JB_ENOTFOUND and JB_EEXIST nothing has changed and the transaction goes on.  After any
 * other code it must be rolled back (to the savepoint, or all of it after JB_EFULL, JB_EIO and
 * JB_EINVAL).  store_db.message then has the words. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

struct store_backend;

enum store_durability {
    STORE_DURABLE_POWER,   /* what is committed survives a power cut */
    STORE_DURABLE_PROCESS, /* survives the death of the process; a power cut may take the last
                              commits, never more than a suffix of them, and damages nothing */
};

enum { STORE_MESSAGE_BYTES = 512 };

struct store_options {
    const struct jb_allocator *alloc;
    const char *folder; /* the data folder; it exists.  Not used by the memory backend */
    enum store_durability durability;
    /* SQLite only, for tests; zero takes the default. */
    const char *vfs;           /* the name of a registered VFS */
    uint32_t checkpoint_pages; /* length of the log at which it is moved into the database */
};

/* What all backends' handles begin with. */
struct store_db {
    const struct store_backend *ops;
    char message[STORE_MESSAGE_BYTES]; /* why the last failing call failed; for the log */
};

/* What a read yields, one at a time.  All slices are valid during the visit only. */
struct store_row {
    const struct store_row *next; /* NULL in a visit; chains the results of a store_op */
    int64_t id;                   /* log: the entry's id */
    int64_t stamp_us;             /* log: its time; account: when created */
    struct jb_str key;            /* kv: the key; account: the localpart */
    struct jb_str with;           /* log: as appended */
    struct jb_str with_part;      /* log: as appended */
    struct jb_str bytes;          /* the value, the credential record, the entry */
    uint32_t flags;               /* account: STORE_ACCOUNT_...; log: as appended */
};

/* Called for each row.  0 goes on; anything else ends the read, which then returns 0 if the value
 * is STORE_STOP and otherwise the value.  Must not call the store. */
typedef int store_visit(void *ctx, const struct store_row *row);
enum { STORE_STOP = 1 };

enum store_account_flags {
    STORE_ACCOUNT_ADMIN = 1,
    STORE_ACCOUNT_DISABLED = 2,
};

struct store_account {
    struct jb_str domain;
    struct jb_str local;
    struct jb_str credential; /* opaque here */
    int64_t created_us;       /* used by STORE_CREATE only */
    uint32_t flags;           /* STORE_ACCOUNT_... */
};

enum store_put_mode {
    STORE_CREATE,  /* JB_EEXIST when there is one */
    STORE_REPLACE, /* JB_ENOTFOUND when there is none; the time of creation stays */
};

/* A part of a sequence ordered by bytes. */
struct store_page {
    struct jb_str after; /* begins behind this key, which need not exist */
    uint32_t limit;      /* most rows; 0: all */
};

/* The name of one kv or of one log (they do not share a name space). */
struct store_space {
    struct jb_str owner;
    struct jb_str store;
};

struct store_entry {
    int64_t now_us;          /* wall clock, > 0 */
    int64_t stamp_us;        /* the entry's own time, >= 0 and not later than now_us */
    struct jb_str with;      /* whom it was exchanged with (a bare address); may be empty */
    struct jb_str with_part; /* the finer part of that (a resource); may be empty */
    struct jb_str bytes;
    uint32_t flags; /* the caller's own bits, to filter by */
    int64_t id;     /* given by the caller, see log_append; 0: the store gives one */
};

/* Which entries of a log.  All that is zero does not restrict. */
struct store_range {
    int64_t after_id;        /* id > after_id */
    int64_t before_id;       /* id < before_id */
    int64_t start_us;        /* stamp_us >= start_us */
    int64_t end_us;          /* stamp_us <= end_us */
    struct jb_str with;      /* exactly this; empty: any */
    struct jb_str with_part; /* only together with `with`: exactly this; empty: any */
    uint32_t flags_mask;     /* (flags & flags_mask) == flags */
    uint32_t flags;
    uint32_t limit; /* most rows, taken from the end the walk begins at; 0: all */
    bool backwards; /* highest id first.  For log_range only */
};

struct store_totals {
    uint64_t count;
    uint64_t bytes; /* of the entries' `bytes` */
};

struct store_backend {
    const char *name;

    /* Opens, or creates what is not there.  Refuses, and leaves untouched, what another process has
     * open (JB_ESTATE), what a newer version or another program wrote (JB_ENOTSUP) and what is
     * damaged (JB_EINVAL).  On failure *out is NULL and `message` has the words. */
    int (*open)(const struct store_options *options, struct store_db **out,
                char message[STORE_MESSAGE_BYTES]);
    /* An open transaction is rolled back. */
    void (*close)(struct store_db *db);

    /* Transactions do not nest; a savepoint does neither, and needs a transaction.  rollback never
     * fails in a way that matters: what was not committed is gone. */
    int (*begin)(struct store_db *db);
    int (*commit)(struct store_db *db); /* not 0: nothing was committed, except after JB_EIO, when
                                           it is unknown; rollback must follow */
    void (*rollback)(struct store_db *db);
    int (*savepoint)(struct store_db *db);
    int (*release)(struct store_db *db);     /* keeps what came since the savepoint */
    int (*rollback_to)(struct store_db *db); /* drops it; the savepoint is gone */

    int (*account_get)(struct store_db *db, struct jb_str domain, struct jb_str local,
                       store_visit *visit, void *ctx);
    int (*account_put)(struct store_db *db, const struct store_account *account,
                       enum store_put_mode mode);
    /* The account with all kv and log of its owner. */
    int (*account_delete)(struct store_db *db, struct jb_str domain, struct jb_str local);
    /* The accounts of a domain in bytewise order of their localparts. */
    int (*account_list)(struct store_db *db, struct jb_str domain, const struct store_page *page,
                        store_visit *visit, void *ctx);
    int (*account_count)(struct store_db *db, struct jb_str domain, uint64_t *count);

    int (*kv_get)(struct store_db *db, const struct store_space *space, struct jb_str key,
                  store_visit *visit, void *ctx);
    int (*kv_put)(struct store_db *db, const struct store_space *space, struct jb_str key,
                  struct jb_str bytes);
    int (*kv_delete)(struct store_db *db, const struct store_space *space, struct jb_str key);
    /* In bytewise order of the keys. */
    int (*kv_list)(struct store_db *db, const struct store_space *space,
                   const struct store_page *page, store_visit *visit, void *ctx);
    /* All keys of the space; 0 also when there are none. */
    int (*kv_clear)(struct store_db *db, const struct store_space *space);

    /* Appends; *id = max(highest id ever given in this log + 1, now_us).  So ids are times that
     * never repeat and never go back, even when the clock does or the end was deleted.  Whoever
     * gives ids himself goes on from log_last in the same way, and may append out of order. */
    int (*log_append)(struct store_db *db, const struct store_space *space,
                      const struct store_entry *entry, int64_t *id);
    /* The highest id ever given in this log; 0: there never was an entry. */
    int (*log_last)(struct store_db *db, const struct store_space *space, int64_t *id);
    int (*log_get)(struct store_db *db, const struct store_space *space, int64_t id,
                   store_visit *visit, void *ctx);
    int (*log_range)(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, store_visit *visit, void *ctx);
    int (*log_count)(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, struct store_totals *totals);
    int (*log_delete)(struct store_db *db, const struct store_space *space, int64_t id);
    /* All entries with an id <= `id`; 0 also when there are none. */
    int (*log_trim)(struct store_db *db, const struct store_space *space, int64_t id);
    /* Deletes what the range selects and says how many that were; 0 also when there are none. */
    int (*log_prune)(struct store_db *db, const struct store_space *space,
                     const struct store_range *range, uint64_t *count);

    /* All kv and log of the owner (a room that is destroyed); its logs forget the ids they gave.
     * 0 also when there are none. */
    int (*owner_delete)(struct store_db *db, struct jb_str owner);
};

extern const struct store_backend store_memory; /* nothing outlives close; the reference */
extern const struct store_backend store_sqlite; /* FOLDER/jabiru.db and FOLDER/lock */

#endif
