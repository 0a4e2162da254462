/* SPDX-License-Identifier: MIT */
/* Makes many accounts at once for a test:  mkaccount FOLDER DOMAIN PASSWORD <NAMES
 *
 * One localpart a line on standard input; an account that is there already is left alone.  All get
 * the same keys, made once with the fewest iterations allowed, so that thousands take no time.  The
 * server must not be running. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "core/credentials.h"
#include "core/jid.h"
#include "store/store.h"

#include <stdio.h>

enum { ARENA_BYTES = 64 * 1024, LINE_BYTES = 1100 };

static const struct jb_allocator *const alloc = &jb_allocator_abort;

static int fail(const char *words, const char *detail)
{
    fprintf(stderr, "mkaccount: %s%s%s\n", words, *detail ? ": " : "", detail);
    return 1;
}

static int put_account(struct store_db *db, const char *domain, char *line, struct jb_str keys)
{
    struct jb__arena arena;
    struct jb_jid jid;
    char text[2 * LINE_BYTES];
    int rc;

    line[strcspn(line, "\n")] = '\0';
    snprintf(text, sizeof text, "%s@%s", line, domain);
    jb__arena_init(&arena, alloc, ARENA_BYTES);
    rc = jb_jid_parse(jb_strz(text), &arena, &jid);
    if (rc == 0) {
        struct store_account account = { .domain = jb_jid_domain(jid),
                                         .local = jb_jid_local(jid),
                                         .credential = keys,
                                         .created_us = jb__clock_wall_us() };
        rc = store_sqlite.account_put(db, &account, STORE_CREATE);
    }
    jb__arena_deinit(&arena);
    return rc == JB_EEXIST ? 0 : rc;
}

static int put_all(struct store_db *db, const char *domain, struct jb_str keys)
{
    char line[LINE_BYTES];
    int rc = store_sqlite.begin(db);

    while (rc == 0 && fgets(line, sizeof line, stdin))
        rc = put_account(db, domain, line, keys);
    if (rc == 0)
        rc = store_sqlite.commit(db);
    return rc;
}

int main(int argc, char **argv)
{
    struct jb_credentials credentials;
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES], keys[JB_CREDENTIALS_BYTES];
    char message[STORE_MESSAGE_BYTES];
    struct store_db *db;

    if (argc != 4)
        return fail("usage: mkaccount FOLDER DOMAIN PASSWORD <NAMES", "");
    jb__random(random, sizeof random);
    struct jb_credentials_recipe recipe = { .password = jb_strz(argv[3]),
                                            .iterations = JB_ITERATIONS_LEAST,
                                            .random = random };
    if (jb_credentials_make(&credentials, &recipe, alloc) != 0)
        return fail("the password is not allowed", "");
    size_t bytes = jb_credentials_encode(&credentials, keys);
    struct store_options options = { .alloc = alloc, .folder = argv[1] };
    if (store_sqlite.open(&options, &db, message) != 0)
        return fail("cannot open the store", message);
    int rc = put_all(db, argv[2], jb_str((char *)keys, bytes));
    if (rc != 0)
        fail("cannot make the accounts", db->message);
    store_sqlite.close(db);
    jb_credentials_wipe(&credentials);
    return rc != 0;
}
