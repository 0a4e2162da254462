/* SPDX-License-Identifier: MIT */
/* Accounts of a running server, through its control socket (commands: server/control_users.h). */
#include "cli/accounts.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/clock.h"
#include "cli/server_link.h"

#include <stdio.h>

enum { BATCH = 100 /* accounts in one line: some 450 bytes each */ };

struct accounts_server {
    struct accounts base;
    struct server_link link;
};

static struct accounts_server *self(struct accounts *a)
{
    return (struct accounts_server *)a;
}

/* A call whose failure is told in the words of the server. */
static int call(struct accounts *a, const char *command, json_t *args, json_t **result)
{
    struct accounts_server *s = self(a);
    int rc = server_link_call(&s->link, command, args, NULL, NULL, result);

    snprintf(a->message, sizeof a->message, "%s", rc != 0 ? s->link.message : "");
    return rc;
}

static json_t *jid_json(struct jb_str domain, struct jb_str local)
{
    return json_sprintf("%.*s@%.*s", JB_STR_ARG(local), JB_STR_ARG(domain));
}

static json_t *credential_json(const struct accounts_record *r)
{
    char text[JB__BASE64_BYTES(JB_CREDENTIALS_BYTES)];

    return json_stringn(text, jb__base64_encode(r->credential, r->credential_bytes, text));
}

static int put_one(struct accounts *a, struct accounts_record *r, bool replace)
{
    r->rc = call(a, replace ? "user-passwd" : "user-add",
                 json_pack("{s:o, s:o}", "jid", jid_json(r->domain, r->local), "credential",
                           credential_json(r)),
                 NULL);
    return r->rc == JB_EEXIST || r->rc == JB_ENOTFOUND ? 0 : r->rc;
}

static int result_code(const char *text)
{
    if (text && strcmp(text, "exists") == 0)
        return JB_EEXIST;
    return text && strstr(text, "host") ? JB_EAUTH : JB_EIO;
}

static int put_batch(struct accounts *a, struct accounts_record *records, size_t count)
{
    json_t *users = json_array(), *result, *entry;
    size_t i;

    for (i = 0; i < count; i++) {
        records[i].rc = 0;
        json_array_append_new(users,
                              json_pack("[o, o]", jid_json(records[i].domain, records[i].local),
                                        credential_json(&records[i])));
    }
    int rc = call(a, "user-import", json_pack("{s:o}", "users", users), &result);
    if (rc != 0)
        return rc;
    json_array_foreach(json_object_get(result, "refused"), i, entry)
    {
        json_int_t at = json_integer_value(json_array_get(entry, 0));
        if (at >= 0 && (size_t)at < count)
            records[at].rc = result_code(json_string_value(json_array_get(entry, 1)));
    }
    json_decref(result);
    return 0;
}

static int server_put(struct accounts *a, struct accounts_record *records, size_t count,
                      bool replace, size_t *done)
{
    int rc = 0;

    *done = 0;
    jb_assert(count == 1 || !replace);
    while (rc == 0 && *done < count) {
        size_t n = count - *done < BATCH ? count - *done : BATCH;
        rc = count == 1 ? put_one(a, records, replace) : put_batch(a, records + *done, n);
        if (rc == 0)
            *done += n;
    }
    return rc;
}

static int server_remove(struct accounts *a, struct jb_str domain, struct jb_str local)
{
    return call(a, "user-delete", json_pack("{s:o}", "jid", jid_json(domain, local)), NULL);
}

/* One page; *after gets the last localpart (the caller's json), *more whether to go on. */
static int list_page(struct accounts *a, struct jb_str domain, json_t **after, bool *more,
                     accounts_visit *visit, void *ctx)
{
    json_t *args = json_pack("{s:s%}", "domain", domain.p, domain.n), *result, *entry;
    size_t i;

    if (*after)
        json_object_set(args, "after", *after);
    int rc = call(a, "user-list", args, &result);
    if (rc != 0)
        return rc;
    *more = json_is_true(json_object_get(result, "more"));
    json_array_foreach(json_object_get(result, "users"), i, entry)
    {
        const json_t *jid = json_object_get(entry, "jid");
        const json_t *created = json_object_get(entry, "created");
        struct jb_str text = jb_str(json_string_value(jid), json_string_length(jid)), local, rest;
        struct accounts_row row = { .admin = json_is_true(json_object_get(entry, "admin")),
                                    .disabled = json_is_true(json_object_get(entry, "disabled")) };
        jb_str_cut(text, '@', &local, &rest);
        row.local = local;
        if (!jb__clock_parse_stamp(jb_str(json_string_value(created), json_string_length(created)),
                                   &row.created_us))
            row.created_us = 0;
        if (!visit(ctx, domain, &row))
            *more = false;
        json_decref(*after);
        *after = json_stringn(local.p, local.n);
    }
    if (json_array_size(json_object_get(result, "users")) == 0)
        *more = false; /* nothing to go on behind */
    json_decref(result);
    return 0;
}

static int list_host(struct accounts *a, struct jb_str domain, accounts_visit *visit, void *ctx)
{
    json_t *after = NULL;
    bool more = true;
    int rc = 0;

    while (rc == 0 && more)
        rc = list_page(a, domain, &after, &more, visit, ctx);
    json_decref(after);
    return rc;
}

static int server_list(struct accounts *a, struct jb_str domain, accounts_visit *visit, void *ctx)
{
    json_t *result, *host;
    size_t i;

    if (domain.n)
        return list_host(a, domain, visit, ctx);
    int rc = call(a, "hosts", NULL, &result);
    if (rc != 0)
        return rc;
    json_array_foreach(json_object_get(result, "hosts"), i, host)
    {
        if (rc == 0)
            rc =
                list_host(a, jb_str(json_string_value(host), json_string_length(host)), visit, ctx);
    }
    json_decref(result);
    return rc;
}

static int server_imported(struct accounts *a, struct jb_str domain,
                           const struct jb_scram_profile *p)
{
    return call(a, "user-imported",
                json_pack("{s:s%, s:I, s:I, s:I}", "domain", domain.p, domain.n, "digests",
                          (json_int_t)p->digests, "iterations", (json_int_t)p->iterations,
                          "accounts", (json_int_t)p->accounts),
                NULL);
}

static void server_close(struct accounts *a)
{
    server_link_close(&self(a)->link);
    jb_free(&jb_allocator_abort, a);
}

static const struct accounts_ops server_ops = { server_put, server_remove, server_list,
                                                server_imported, server_close };

int accounts_server_open(const char *data, struct accounts **out, char message[512])
{
    struct accounts_server *s = jb_zalloc(&jb_allocator_abort, sizeof *s);

    jb_assert(s);
    s->base.ops = &server_ops;
    int rc = server_link_open(&s->link, data);
    if (rc != 0) {
        snprintf(message, 512, "%s", s->link.message);
        jb_free(&jb_allocator_abort, s);
        return rc;
    }
    *out = &s->base;
    return 0;
}
