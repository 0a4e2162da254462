/* SPDX-License-Identifier: MIT */
/* Accounts in the data folder of a server that does not run.  Opening takes the folder's lock. */
#include "cli/accounts.h"

#include "base/assert.h"
#include "base/clock.h"
#include "store/store.h"

#include <stdio.h>

struct accounts_store {
    struct accounts base;
    struct store_db *db;
};

static struct accounts_store *self(struct accounts *a)
{
    return (struct accounts_store *)a;
}

/* Ends a transaction; rc is how it went so far. */
static int finish(struct accounts_store *s, int rc)
{
    if (rc == 0)
        rc = s->db->ops->commit(s->db);
    if (rc != 0) {
        snprintf(s->base.message, sizeof s->base.message, "%s", s->db->message);
        s->db->ops->rollback(s->db);
    }
    return rc;
}

static int store_put(struct accounts *a, struct accounts_record *records, size_t count,
                     bool replace, size_t *done)
{
    struct accounts_store *s = self(a);
    int64_t now = jb__clock_wall_us();
    int rc = s->db->ops->begin(s->db);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct accounts_record *r = &records[i];
        const struct store_account account = {
            .domain = r->domain,
            .local = r->local,
            .credential = jb_str((const char *)r->credential, r->credential_bytes),
            .created_us = now,
        };
        r->rc = s->db->ops->account_put(s->db, &account, replace ? STORE_REPLACE : STORE_CREATE);
        if (r->rc != 0 && r->rc != JB_EEXIST && r->rc != JB_ENOTFOUND)
            rc = r->rc;
    }
    rc = finish(s, rc);
    *done = rc == 0 ? count : 0;
    return rc;
}

static int store_remove(struct accounts *a, struct jb_str domain, struct jb_str local)
{
    struct accounts_store *s = self(a);
    int rc = s->db->ops->begin(s->db);

    if (rc == 0)
        rc = s->db->ops->account_delete(s->db, domain, local);
    if (rc == JB_ENOTFOUND) {
        s->db->ops->rollback(s->db);
        return rc;
    }
    return finish(s, rc);
}

struct listing {
    accounts_visit *visit;
    void *ctx;
    struct jb_str domain;
};

static int on_row(void *ctx, const struct store_row *row)
{
    const struct listing *l = ctx;
    const struct accounts_row out = { row->key, row->stamp_us,
                                      (row->flags & STORE_ACCOUNT_ADMIN) != 0,
                                      (row->flags & STORE_ACCOUNT_DISABLED) != 0 };

    return l->visit(l->ctx, l->domain, &out) ? 0 : STORE_STOP;
}

static int store_list(struct accounts *a, struct jb_str domain, accounts_visit *visit, void *ctx)
{
    struct accounts_store *s = self(a);
    struct listing l = { visit, ctx, domain };

    if (domain.n == 0) {
        snprintf(a->message, sizeof a->message,
                 "the server does not run: say of which host (jabiru admin user list HOST)");
        return JB_ENOTSUP;
    }
    return s->db->ops->account_list(s->db, domain, &(struct store_page){ .limit = 0 }, on_row, &l);
}

static int on_profile(void *ctx, const struct store_row *row)
{
    struct jb_scram_profile *p = ctx;

    return jb_scram_profile_decode(p, row->bytes) == 0 ? 0 : STORE_STOP;
}

static int store_imported(struct accounts *a, struct jb_str domain,
                          const struct jb_scram_profile *import)
{
    struct accounts_store *s = self(a);
    const struct store_space space = { domain, JB_SCRAM_PROFILE_STORE };
    struct jb_scram_profile profile;
    uint8_t bytes[JB_SCRAM_PROFILE_BYTES];
    int rc = s->db->ops->begin(s->db);

    jb_scram_profile_init(&profile);
    if (rc == 0)
        rc = s->db->ops->kv_get(s->db, &space, JB_SCRAM_PROFILE_KEY, on_profile, &profile);
    if (rc == JB_ENOTFOUND)
        rc = 0;
    jb_scram_profile_add(&profile, import);
    jb_scram_profile_encode(&profile, bytes);
    if (rc == 0)
        rc = s->db->ops->kv_put(s->db, &space, JB_SCRAM_PROFILE_KEY,
                                jb_str((const char *)bytes, sizeof bytes));
    return finish(s, rc);
}

static void store_close(struct accounts *a)
{
    self(a)->db->ops->close(self(a)->db);
    jb_free(&jb_allocator_abort, a);
}

static const struct accounts_ops store_ops = { store_put, store_remove, store_list, store_imported,
                                               store_close };

int accounts_store_open(const char *data, struct accounts **out, char message[512])
{
    const struct store_options options = { .alloc = &jb_allocator_abort,
                                           .folder = data,
                                           .durability = STORE_DURABLE_POWER };
    char words[STORE_MESSAGE_BYTES] = "";
    struct store_db *db;
    int rc = store_sqlite.open(&options, &db, words);

    snprintf(message, 512, "%s", words);
    if (rc != 0)
        return rc;
    struct accounts_store *s = jb_zalloc(&jb_allocator_abort, sizeof *s);
    jb_assert(s);
    s->base.ops = &store_ops;
    s->db = db;
    *out = &s->base;
    return 0;
}
