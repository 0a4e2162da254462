/* SPDX-License-Identifier: MIT */
#include "server/profile.h"

#include "base/assert.h"
#include "core/credentials.h"
#include "core/sasl.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* A host's profile on one reactor; the name is behind the struct. */
struct profile_entry {
    struct profile_entry *next;
    struct jb_str host;
    struct profile profile;
};

const struct profile *profile_of(const struct reactor *r, const struct host *host)
{
    static const struct profile none = {
        .scram.digests = (1u << JB_DIGEST_COUNT) - 1,
    };

    for (const struct profile_entry *e = r->profiles; e; e = e->next)
        if (jb_str_eq(e->host, jb_jid_str(host->jid)))
            return &e->profile;
    return &none;
}

static void put_profile(struct reactor *r, struct jb_str host, const struct profile *p)
{
    struct profile_entry *e = r->profiles;

    while (e && !jb_str_eq(e->host, host))
        e = e->next;
    if (!e) {
        e = jb_alloc(alloc, sizeof *e + host.n);
        e->host = jb_str(memcpy(e + 1, host.p, host.n), host.n);
        e->next = r->profiles;
        r->profiles = e;
    }
    e->profile = *p;
}

void profile_free_all(struct reactor *r)
{
    while (r->profiles) {
        struct profile_entry *next = r->profiles->next;
        jb_free(alloc, r->profiles);
        r->profiles = next;
    }
}

/* ---- from the store ---- */

static int take_record(void *ctx, const struct store_row *row)
{
    return jb_scram_profile_decode(ctx, row->bytes) == 0 ? 0 : JB_EINVAL;
}

int profile_load_all(struct server *s)
{
    struct store_db *db = s->db;

    for (size_t i = 0; i < s->conf->config->host_count; i++) {
        struct jb_str host = jb_jid_str(s->conf->hosts[i].jid);
        struct store_space space = { host, JB_SCRAM_PROFILE_STORE };
        struct profile p = { 0 };
        jb_scram_profile_init(&p.scram);
        int rc = db->ops->kv_get(db, &space, JB_SCRAM_PROFILE_KEY, take_record, &p.scram);
        if (rc == JB_ENOTFOUND)
            continue;
        if (rc == 0)
            rc = db->ops->account_count(db, host, &p.accounts);
        if (rc != 0)
            return rc;
        for (unsigned k = 0; k < s->reactor_count; k++)
            put_profile(&s->reactors[k], host, &p);
    }
    return 0;
}

struct profile_news {
    struct mail mail;
    struct profile profile;
    struct jb_str host; /* behind the struct */
};

static void on_news(struct reactor *r, struct mail *mail)
{
    struct profile_news *n = jb__container_of(mail, struct profile_news, mail);

    put_profile(r, n->host, &n->profile);
    jb_free(alloc, n);
}

struct refresh {
    struct server *server;
    struct jb_str host; /* behind the struct */
};

static void on_read(struct store_unit *u)
{
    struct refresh *f = u->ctx;
    struct server *s = f->server;
    const struct store_op *record = u->ops;
    struct profile p = { .accounts = record->next->totals.count };

    jb_scram_profile_init(&p.scram);
    if (u->rc == 0 && record->rows && jb_scram_profile_decode(&p.scram, record->rows->bytes) == 0)
        for (unsigned i = 0; i < s->reactor_count; i++) {
            struct profile_news *n = jb_alloc(alloc, sizeof *n + f->host.n);
            *n = (struct profile_news){ .mail.deliver = on_news, .profile = p };
            n->host = jb_str(memcpy(n + 1, f->host.p, f->host.n), f->host.n);
            reactor_send(&s->reactors[0], &s->reactors[i], &n->mail);
        }
    store_unit_free(u);
    jb_free(alloc, f);
}

void profile_refresh(struct server *s, struct jb_str host)
{
    struct refresh *f = jb_alloc(alloc, sizeof *f + host.n);
    struct store_unit *u = store_unit_new(s->store, &s->reactors[0].port, on_read, f);

    *f = (struct refresh){ .server = s };
    f->host = jb_str(memcpy(f + 1, host.p, host.n), host.n);
    store_unit_kv_get(u, host, JB_SCRAM_PROFILE_STORE, JB_SCRAM_PROFILE_KEY);
    store_unit_account_count(u, host);
    if (store_unit_submit(u) != 0) { /* learnt at the next start */
        store_unit_free(u);
        jb_free(alloc, f);
    }
}

/* ---- at a login ---- */

uint32_t profile_restrict(const struct profile *p, uint32_t offered)
{
    static const struct {
        enum jb_digest digest;
        uint32_t mechs;
    } uses[] = {
        { JB_DIGEST_SHA1,
          JB__SASL_BIT(JB__SASL_SCRAM_SHA_1) | JB__SASL_BIT(JB__SASL_SCRAM_SHA_1_PLUS) },
        { JB_DIGEST_SHA256,
          JB__SASL_BIT(JB__SASL_SCRAM_SHA_256) | JB__SASL_BIT(JB__SASL_SCRAM_SHA_256_PLUS) },
        { JB_DIGEST_SHA512,
          JB__SASL_BIT(JB__SASL_SCRAM_SHA_512) | JB__SASL_BIT(JB__SASL_SCRAM_SHA_512_PLUS) },
    };

    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        if (!(p->scram.digests & 1u << uses[i].digest))
            offered &= ~uses[i].mechs;
    return offered;
}

uint32_t profile_fake_iterations(const struct profile *p, const struct reactor *r,
                                 struct jb_str local)
{
    uint32_t usual = r->conf->config->scram_iterations;
    uint64_t all = p->accounts > p->scram.accounts ? p->accounts : p->scram.accounts;
    struct jb__hash_key key;

    if (p->scram.accounts == 0)
        return usual;
    /* The same answer for the same name, at every try and after every restart. */
    memcpy(&key, r->server->secret, sizeof key);
    return jb__siphash(&key, local.p, local.n) % all < p->scram.accounts ? p->scram.iterations
                                                                         : usual;
}
