/* SPDX-License-Identifier: MIT */
/* Accounts of a server, wherever they can be reached: through its control socket while it runs
 * (accounts_server.c), in its data folder while it does not (accounts_store.c). */
#ifndef CLI_ACCOUNTS_H
#define CLI_ACCOUNTS_H

#include "core/credentials.h"
#include "core/jid.h"
#include "core/scram_profile.h"

struct accounts_record {
    struct jb_str domain, local;              /* canonical */
    uint8_t credential[JB_CREDENTIALS_BYTES]; /* jb_credentials_encode */
    size_t credential_bytes;
    int rc; /* result of put: 0, JB_EEXIST, JB_ENOTFOUND, ... */
};

struct accounts_row {
    struct jb_str local;
    int64_t created_us;
    bool admin, disabled;
};

struct accounts;
typedef bool accounts_visit(void *ctx, struct jb_str domain, const struct accounts_row *row);

struct accounts_ops {
    /* Creates or, with `replace`, changes; each record by itself, its outcome in record.rc.
     * 0, or a code that concerns all from *done on: those before are as their rc says. */
    int (*put)(struct accounts *a, struct accounts_record *records, size_t count, bool replace,
               size_t *done);
    int (*remove)(struct accounts *a, struct jb_str domain, struct jb_str local);
    /* In the order of the localparts.  `domain` empty: all hosts; JB_ENOTSUP when they are not
     * known. */
    int (*list)(struct accounts *a, struct jb_str domain, accounts_visit *visit, void *ctx);
    /* Notes an import on its host. */
    int (*imported)(struct accounts *a, struct jb_str domain, const struct jb_scram_profile *p);
    void (*close)(struct accounts *a);
};

struct accounts {
    const struct accounts_ops *ops;
    char message[512]; /* why the last call failed; empty: jb_strerror says enough */
};

/* `create`: makes the data folder if there is none.  CLI_OK, or a status after a message. */
int accounts_open(const char *data, bool create, struct accounts **out);
/* "jabiru: ..." for a failed call, and its status. */
int accounts_fail(const struct accounts *a, int rc, const char *what);

/* Behind accounts_open.  JB_ENOTFOUND: no server runs. */
JB_NODISCARD int accounts_server_open(const char *data, struct accounts **out, char message[512]);
JB_NODISCARD int accounts_store_open(const char *data, struct accounts **out, char message[512]);

#endif
