/* SPDX-License-Identifier: MIT */
/* jabiru admin user add|passwd|delete|list */
#include "cli/accounts.h"
#include "cli/cli.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdio.h>
#include <sys/random.h>

enum { ARENA_BYTES = 64 * 1024 };

/* An account's address from the command line; CLI_OK, or a status after a message. */
static int parse_jid(const char *text, struct jb__arena *arena, struct jb_jid *jid)
{
    if (jb_jid_parse(jb_strz(text), arena, jid) != 0 || jid->local == 0 || jid->resource != 0)
        return cli_fail(CLI_USAGE, "%.200s is not an account's address (name@host)", text);
    return CLI_OK;
}

/* Hashes `password` into a record; CLI_OK, or a status after a message. */
static int make_record(const struct cli_args *args, const char *password, struct jb_jid jid,
                       struct accounts_record *r)
{
    uint8_t random[JB_CREDENTIALS_RANDOM_BYTES];
    struct jb_credentials c;

    jb__random(random, sizeof random);
    int rc =
        jb_credentials_make(&c,
                            &(struct jb_credentials_recipe){
                                .password = jb_strz(password),
                                .iterations = args->iterations ? args->iterations : JB_ITERATIONS,
                                .random = random,
                            },
                            &jb_allocator_abort);
    if (rc != 0)
        return cli_fail(cli_status(rc), "this password cannot be used (empty, too long, or with "
                                        "characters that are not allowed)");
    r->domain = jb_jid_domain(jid);
    r->local = jb_jid_local(jid);
    r->credential_bytes = jb_credentials_encode(&c, r->credential);
    jb_credentials_wipe(&c);
    return CLI_OK;
}

static int put_user(const struct cli_args *args, bool replace)
{
    char password[JB_PASSWORD_BYTES + 2];
    struct accounts_record record = { .rc = 0 };
    struct jb__arena arena;
    struct jb_jid jid;
    struct accounts *a = NULL;
    size_t done;

    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    int status = parse_jid(args->operands[0], &arena, &jid);
    if (status == CLI_OK)
        status = cli_read_password(args, args->operands[0], password, sizeof password);
    if (status == CLI_OK)
        status = make_record(args, password, jid, &record);
    explicit_bzero(password, sizeof password);
    if (status == CLI_OK)
        status = accounts_open(args->data, !replace, &a);
    if (status == CLI_OK) {
        int rc = a->ops->put(a, &record, 1, replace, &done);
        if (rc != 0)
            status = accounts_fail(a, rc, "");
        else if (record.rc != 0)
            status = cli_fail(CLI_REFUSED, "%s %s", args->operands[0],
                              record.rc == JB_EEXIST ? "exists already" : "does not exist");
        a->ops->close(a);
    }
    jb__arena_deinit(&arena);
    return status;
}

static int run_add(const struct cli_args *args)
{
    return put_user(args, false);
}

static int run_passwd(const struct cli_args *args)
{
    return put_user(args, true);
}

static int run_delete(const struct cli_args *args)
{
    struct jb__arena arena;
    struct jb_jid jid;
    struct accounts *a = NULL;

    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    int status = parse_jid(args->operands[0], &arena, &jid);
    if (status == CLI_OK)
        status = accounts_open(args->data, false, &a);
    if (status == CLI_OK) {
        int rc = a->ops->remove(a, jb_jid_domain(jid), jb_jid_local(jid));
        if (rc == JB_ENOTFOUND)
            status = cli_fail(CLI_REFUSED, "%s does not exist", args->operands[0]);
        else if (rc != 0)
            status = accounts_fail(a, rc, args->operands[0]);
        a->ops->close(a);
    }
    jb__arena_deinit(&arena);
    return status;
}

struct printing {
    bool json;
};

/* An address is canonical, which leaves no control characters in it; quotes need escaping. */
static void print_json_text(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            putchar('\\');
        putchar(s.p[i]);
    }
}

static bool print_row(void *ctx, struct jb_str domain, const struct accounts_row *row)
{
    const struct printing *p = ctx;
    char created[JB__STAMP_BYTES + 1];

    if (!p->json) {
        printf("%.*s@%.*s%s%s\n", JB_STR_ARG(row->local), JB_STR_ARG(domain),
               row->admin ? " (admin)" : "", row->disabled ? " (disabled)" : "");
        return !ferror(stdout);
    }
    jb__clock_stamp(row->created_us, created);
    fputs("{\"jid\":\"", stdout);
    print_json_text(row->local);
    putchar('@');
    print_json_text(domain);
    printf("\",\"created\":\"%s\",\"admin\":%s,\"disabled\":%s}\n", created,
           row->admin ? "true" : "false", row->disabled ? "true" : "false");
    return !ferror(stdout);
}

static int run_list(const struct cli_args *args)
{
    struct printing p = { args->json };
    struct jb_str domain = JB_STR_NONE;
    struct jb__arena arena;
    struct accounts *a = NULL;
    int status = CLI_OK;

    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    if (args->count && jb_jid_prep_domain(jb_strz(args->operands[0]), &arena, &domain) != 0)
        status = cli_fail(CLI_USAGE, "%.200s is not a host's name", args->operands[0]);
    if (status == CLI_OK)
        status = accounts_open(args->data, false, &a);
    if (status == CLI_OK) {
        int rc = a->ops->list(a, domain, print_row, &p);
        if (rc != 0)
            status = accounts_fail(a, rc, "");
        a->ops->close(a);
    }
    jb__arena_deinit(&arena);
    return status;
}

const struct cli_command admin_user_add = {
    .name = "user add",
    .usage = "JID [--password-file FILE]",
    .words = "Makes an account",
    .more = "On a terminal the password is asked for twice; otherwise it is one line of standard\n"
            "input.  It cannot stand on the command line, where others could see it.\n\n"
            "  jabiru admin user add juliet@example.org\n",
    .least = 1,
    .most = 1,
    .allowed = CLI_PASSWORD_FILE,
    .run = run_add,
};

const struct cli_command admin_user_passwd = {
    .name = "user passwd",
    .usage = "JID [--password-file FILE]",
    .words = "Sets an account's password",
    .more = "Sessions that are open with the old password are closed.\n\n"
            "  jabiru admin user passwd juliet@example.org < new-password\n",
    .least = 1,
    .most = 1,
    .allowed = CLI_PASSWORD_FILE,
    .run = run_passwd,
};

const struct cli_command admin_user_delete = {
    .name = "user delete",
    .usage = "JID",
    .words = "Deletes an account with all that is stored for it",
    .more = "There is no way back.\n\n  jabiru admin user delete tybalt@example.org\n",
    .least = 1,
    .most = 1,
    .run = run_delete,
};

const struct cli_command admin_user_list = {
    .name = "user list",
    .usage = "[HOST] [--json]",
    .words = "Lists the accounts of a host, or of all hosts of a running server",
    .more = "  jabiru admin user list example.org\n",
    .least = 0,
    .most = 1,
    .allowed = CLI_JSON,
    .run = run_list,
};
