/* SPDX-License-Identifier: MIT */
/* Fills a new data folder with accounts for a measurement.
 *
 *     accounts FOLDER DOMAIN COUNT PASSWORD CONTACTS
 *
 * user0, user1, ... all with one password and, to be quick, one salt: never do this elsewhere.
 * Each has CONTACTS contacts, the users beside it in a ring, subscribed both ways. */
#include "base/random.h"
#include "core/credentials.h"
#include "modules/rfc6121_roster_item.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct ring {
    struct store_db *db;
    struct jb_str domain;
    uint64_t count, contacts;
    struct jb__arena arena;
};

static void check(int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "accounts: %s\n", jb_strerror(rc));
    exit(1);
}

static struct jb_jid user(struct ring *r, uint64_t index)
{
    char local[32];
    struct jb_jid jid;

    snprintf(local, sizeof local, "user%llu", (unsigned long long)index);
    check(jb_jid_make(jb_strz(local), r->domain, JB_STR_NONE, &r->arena, &jid));
    return jid;
}

static void put_contacts(struct ring *r, uint64_t index)
{
    struct store_space space = { jb_jid_str(user(r, index)), JB_STR("roster") };

    for (uint64_t i = 1; i <= r->contacts; i++) {
        /* One to the right, one to the left, two to the right, ... */
        uint64_t far = (i + 1) / 2;
        uint64_t other = (index + (i % 2 ? far : r->count - far)) % r->count;
        struct roster_item item = { .jid = user(r, other),
                                    .name = JB_STR("A friend"),
                                    .state = ROSTER_LISTED | ROSTER_TO | ROSTER_FROM };
        check(r->db->ops->kv_put(r->db, &space, jb_jid_str(item.jid),
                                 roster_item_encode(&item, &r->arena)));
    }
}

static struct jb_str make_record(const char *password, uint8_t record[JB_CREDENTIALS_BYTES])
{
    static struct jb_credentials credentials;
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES];
    struct jb_credentials_recipe recipe = { .password = jb_strz(password),
                                            .iterations = JB_ITERATIONS_LEAST,
                                            .random = random };

    jb__random(random, sizeof random);
    check(jb_credentials_make(&credentials, &recipe, alloc));
    return jb_str((char *)record, jb_credentials_encode(&credentials, record));
}

static void fill(struct ring *r, struct jb_str record)
{
    struct store_account account = { .domain = r->domain, .credential = record, .created_us = 1 };

    check(r->db->ops->begin(r->db));
    for (uint64_t i = 0; i < r->count; i++) {
        account.local = jb_jid_local(user(r, i));
        check(r->db->ops->account_put(r->db, &account, STORE_CREATE));
        put_contacts(r, i);
        jb__arena_reset(&r->arena);
    }
    check(r->db->ops->commit(r->db));
}

int main(int argc, char **argv)
{
    struct ring r = { 0 };
    struct store_options options = { .alloc = alloc };
    uint8_t record[JB_CREDENTIALS_BYTES];
    char message[STORE_MESSAGE_BYTES];

    if (argc != 6 || !jb_str_u64(jb_strz(argv[3]), 1000000, &r.count) ||
        !jb_str_u64(jb_strz(argv[5]), 1000, &r.contacts) || r.contacts >= r.count) {
        fprintf(stderr, "usage: accounts FOLDER DOMAIN COUNT PASSWORD CONTACTS\n");
        return 2;
    }
    options.folder = argv[1];
    r.domain = jb_strz(argv[2]);
    jb__arena_init(&r.arena, alloc, 1 << 30);
    if (store_sqlite.open(&options, &r.db, message) != 0) {
        fprintf(stderr, "accounts: %s\n", message);
        return 1;
    }
    fill(&r, make_record(argv[4], record));
    r.db->ops->close(r.db);
    jb__arena_deinit(&r.arena);
    return 0;
}
