/* SPDX-License-Identifier: MIT */
#include "server/control_users.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/clock.h"
#include "core/credentials.h"
#include "core/jid.h"
#include "core/scram_profile.h"
#include "server/control_internal.h"

enum {
    LIST_PAGE = 200,         /* accounts of one answer */
    ARENA_BYTES = 256 * 1024 /* one request's addresses */
};

/* One account command that waits for the store. */
struct job {
    struct control_call *call;
    const struct control_users *users;
    struct jb__arena arena; /* holds jid's text */
    struct jb_jid jid;
    enum control_users_event event;
    struct store_op *op; /* whose outcome is of interest, or NULL */
};

/* A batch of accounts; each is a unit of its own, so that one that exists does not undo others. */
struct import {
    struct control_call *call;
    const struct control_users *users;
    size_t waiting; /* units at the store; one more while they are being submitted */
    size_t stored;
    json_t *refused;
};

struct import_one {
    struct import *import;
    size_t index;
    struct jb__arena arena;
    struct jb_jid jid;
};

static const struct control_users *users_of(const struct control_call *call)
{
    jb_assert(call->control->options.users);
    return call->control->options.users;
}

static bool is_served(const struct control_users *u, struct jb_str domain)
{
    struct jb_str name;

    for (size_t i = 0; u->host_at(u->ctx, i, &name); i++)
        if (jb_str_eq(name, domain))
            return true;
    return false;
}

static enum control_code code_of(int rc)
{
    return rc == JB_ENOTFOUND ? CONTROL_NOT_FOUND
           : rc == JB_EEXIST  ? CONTROL_EXISTS
                              : CONTROL_FAILED;
}

/* An account's address on a host of ours; NULL, or why not. */
static const char *parse_account(const struct control_users *u, struct jb_str text,
                                 struct jb__arena *arena, struct jb_jid *jid)
{
    if (jb_jid_parse(text, arena, jid) != 0 || jid->local == 0 || jid->resource != 0)
        return "not an account's address (name@host)";
    return is_served(u, jb_jid_domain(*jid)) ? NULL : "not on a host of this server";
}

/* Base 64 to the stored form, checked; false when it is not one. */
static bool parse_credential(struct jb_str text, uint8_t out[JB_CREDENTIALS_BYTES], size_t *n)
{
    uint8_t bytes[JB__BASE64_BYTES(JB_CREDENTIALS_BYTES)];
    struct jb_credentials c;

    if (text.n > JB__BASE64_BYTES(JB_CREDENTIALS_BYTES) || !jb__base64_decode(text, bytes, n) ||
        *n > JB_CREDENTIALS_BYTES || jb_credentials_decode(&c, bytes, *n) != 0)
        return false;
    memcpy(out, bytes, *n);
    jb_credentials_wipe(&c);
    return true;
}

static void job_free(struct job *job)
{
    jb__arena_deinit(&job->arena);
    jb_free(&jb_allocator_abort, job);
}

static void on_job_done(struct store_unit *unit)
{
    struct job *job = unit->ctx;
    int rc = unit->rc ? unit->rc : job->op ? job->op->rc : 0;

    if (rc == 0) {
        job->users->changed(job->users->ctx, job->event, jb_jid_domain(job->jid),
                            jb_jid_local(job->jid));
        control_reply(job->call, NULL);
    } else if (rc == JB_ENOTFOUND || rc == JB_EEXIST) {
        control_refuse(job->call, code_of(rc), "%.*s %s", JB_STR_ARG(jb_jid_str(job->jid)),
                       rc == JB_EEXIST ? "exists already" : "does not exist");
    } else {
        control_refuse(job->call, CONTROL_FAILED, "the store: %s", jb_strerror(rc));
    }
    job_free(job);
    store_unit_free(unit);
}

/* Submits, or refuses the call; takes both over. */
static void submit_job(struct job *job, struct store_unit *unit)
{
    int rc = store_unit_submit(unit);

    if (rc == 0)
        return;
    control_refuse(job->call, CONTROL_FAILED, "the store: %s", jb_strerror(rc));
    job_free(job);
    store_unit_free(unit);
}

/* A job with its address and an empty unit, or NULL after a refusal. */
static struct job *job_new(struct control_call *call, enum control_users_event event,
                           struct store_unit **unit)
{
    const struct control_users *u = users_of(call);
    struct job *job = jb_zalloc(&jb_allocator_abort, sizeof *job);

    jb_assert(job);
    job->call = call;
    job->users = u;
    job->event = event;
    jb__arena_init(&job->arena, &jb_allocator_abort, ARENA_BYTES);
    struct jb_str text = control_call_str(call, "jid");
    const char *why = parse_account(u, text, &job->arena, &job->jid);
    if (why) {
        control_refuse(call, CONTROL_REFUSED, "%.*s: %s", JB_STR_ARG(text), why);
        job_free(job);
        return NULL;
    }
    *unit = store_unit_new(u->front, u->port, on_job_done, job);
    jb_assert(*unit);
    return job;
}

static void put_account(struct control_call *call, enum control_users_event event)
{
    uint8_t credential[JB_CREDENTIALS_BYTES];
    size_t n;
    struct store_unit *unit;

    if (!parse_credential(control_call_str(call, "credential"), credential, &n)) {
        control_refuse(call, CONTROL_BAD_REQUEST, "\"credential\" is malformed");
        return;
    }
    struct job *job = job_new(call, event, &unit);
    if (!job)
        return;
    const struct store_account account = {
        .domain = jb_jid_domain(job->jid),
        .local = jb_jid_local(job->jid),
        .credential = jb_str((const char *)credential, n),
        .created_us = jb__clock_wall_us(),
    };
    store_unit_account_put(unit, &account,
                           event == CONTROL_USER_ADDED ? STORE_CREATE : STORE_REPLACE);
    submit_job(job, unit);
}

void control_user_add(struct control_call *call)
{
    put_account(call, CONTROL_USER_ADDED);
}

void control_user_passwd(struct control_call *call)
{
    put_account(call, CONTROL_USER_PASSWORD);
}

void control_user_delete(struct control_call *call)
{
    struct store_unit *unit;
    struct job *job = job_new(call, CONTROL_USER_DELETED, &unit);

    if (!job)
        return;
    job->op = store_unit_account_delete(unit, jb_jid_domain(job->jid), jb_jid_local(job->jid));
    submit_job(job, unit);
}

void control_hosts(struct control_call *call)
{
    const struct control_users *u = users_of(call);
    json_t *hosts = json_array();
    struct jb_str name;

    for (size_t i = 0; u->host_at(u->ctx, i, &name); i++)
        json_array_append_new(hosts, json_stringn(name.p, name.n));
    control_reply(call, json_pack("{s:o}", "hosts", hosts));
}

static void on_list_done(struct store_unit *unit)
{
    struct job *job = unit->ctx;
    const struct store_op *op = job->op;
    struct jb_str domain = jb_jid_domain(job->jid);
    json_t *users = json_array();

    if (unit->rc != 0 || !op) {
        json_decref(users);
        control_refuse(job->call, CONTROL_FAILED, "the store: %s", jb_strerror(unit->rc));
    } else {
        for (const struct store_row *r = op->rows; r; r = r->next) {
            char created[JB__STAMP_BYTES + 1];
            json_t *jid = json_sprintf("%.*s@%.*s", JB_STR_ARG(r->key), JB_STR_ARG(domain));
            jb__clock_stamp(r->stamp_us, created);
            json_array_append_new(
                users, json_pack("{s:o, s:s, s:b, s:b}", "jid", jid, "created", created, "admin",
                                 (int)(r->flags & STORE_ACCOUNT_ADMIN) != 0, "disabled",
                                 (int)(r->flags & STORE_ACCOUNT_DISABLED) != 0));
        }
        control_reply(job->call, json_pack("{s:o, s:b}", "users", users, "more", (int)op->more));
    }
    job_free(job);
    store_unit_free(unit);
}

void control_user_list(struct control_call *call)
{
    const struct control_users *u = users_of(call);
    struct jb_str domain = control_call_str(call, "domain");
    json_int_t limit = json_integer_value(json_object_get(control_call_args(call), "limit"));
    struct job *job = jb_zalloc(&jb_allocator_abort, sizeof *job);

    jb_assert(job);
    job->call = call;
    job->users = u;
    jb__arena_init(&job->arena, &jb_allocator_abort, ARENA_BYTES);
    if (jb_jid_parse(domain, &job->arena, &job->jid) != 0 || job->jid.local || job->jid.resource ||
        !is_served(u, jb_jid_domain(job->jid))) {
        control_refuse(call, CONTROL_NOT_FOUND, "%.*s is not a host of this server",
                       JB_STR_ARG(domain));
        job_free(job);
        return;
    }
    job->jid.p = jb__arena_str(&job->arena, jb_jid_str(job->jid)).p;
    struct store_unit *unit = store_unit_new(u->front, u->port, on_list_done, job);
    jb_assert(unit);
    job->op =
        store_unit_account_list(unit, jb_jid_domain(job->jid), control_call_str(call, "after"),
                                limit > 0 && limit < LIST_PAGE ? (uint32_t)limit : LIST_PAGE);
    submit_job(job, unit);
}

static void import_settle(struct import *im)
{
    if (--im->waiting > 0)
        return;
    control_reply(im->call, json_pack("{s:I, s:o}", "stored", (json_int_t)im->stored, "refused",
                                      im->refused));
    jb_free(&jb_allocator_abort, im);
}

static void import_refuse(struct import *im, size_t index, const char *why)
{
    json_array_append_new(im->refused, json_pack("[I, s]", (json_int_t)index, why));
}

static void one_free(struct import_one *one)
{
    jb__arena_deinit(&one->arena);
    jb_free(&jb_allocator_abort, one);
}

static void on_one_done(struct store_unit *unit)
{
    struct import_one *one = unit->ctx;
    struct import *im = one->import;

    if (unit->rc == 0) {
        im->stored++;
        im->users->changed(im->users->ctx, CONTROL_USER_ADDED, jb_jid_domain(one->jid),
                           jb_jid_local(one->jid));
    } else {
        import_refuse(im, one->index, unit->rc == JB_EEXIST ? "exists" : jb_strerror(unit->rc));
    }
    one_free(one);
    store_unit_free(unit);
    import_settle(im);
}

static void import_one(struct import *im, size_t index, const json_t *entry)
{
    const json_t *jid = json_array_get(entry, 0), *text = json_array_get(entry, 1);
    struct import_one *one = jb_zalloc(&jb_allocator_abort, sizeof *one);
    uint8_t credential[JB_CREDENTIALS_BYTES];
    size_t n = 0;

    jb_assert(one);
    one->import = im;
    one->index = index;
    jb__arena_init(&one->arena, &jb_allocator_abort, ARENA_BYTES);
    const char *why = parse_account(
        im->users, jb_str(json_string_value(jid), json_string_length(jid)), &one->arena, &one->jid);
    if (!why && !parse_credential(jb_str(json_string_value(text), json_string_length(text)),
                                  credential, &n))
        why = "the credential is malformed";
    if (why) {
        import_refuse(im, index, why);
        one_free(one);
        return;
    }
    struct store_unit *unit = store_unit_new(im->users->front, im->users->port, on_one_done, one);
    jb_assert(unit);
    const struct store_account account = {
        .domain = jb_jid_domain(one->jid),
        .local = jb_jid_local(one->jid),
        .credential = jb_str((const char *)credential, n),
        .created_us = jb__clock_wall_us(),
    };
    store_unit_account_put(unit, &account, STORE_CREATE);
    im->waiting++;
    int rc = store_unit_submit(unit);
    if (rc != 0) {
        im->waiting--;
        import_refuse(im, index, jb_strerror(rc));
        one_free(one);
        store_unit_free(unit);
    }
}

void control_user_import(struct control_call *call)
{
    const json_t *users = json_object_get(control_call_args(call), "users");
    struct import *im;

    if (!json_is_array(users)) {
        control_refuse(call, CONTROL_BAD_REQUEST, "\"users\" is no list");
        return;
    }
    im = jb_zalloc(&jb_allocator_abort, sizeof *im);
    jb_assert(im);
    *im = (struct import){ call, users_of(call), 1, 0, json_array() };
    for (size_t i = 0; i < json_array_size(users); i++)
        import_one(im, i, json_array_get(users, i));
    import_settle(im);
}

static void on_profile_written(struct store_unit *unit)
{
    struct job *job = unit->ctx;

    if (unit->rc == 0) {
        job->users->imported(job->users->ctx, jb_jid_domain(job->jid));
        control_reply(job->call, NULL);
    } else {
        control_refuse(job->call, CONTROL_FAILED, "the store: %s", jb_strerror(unit->rc));
    }
    job_free(job);
    store_unit_free(unit);
}

static json_int_t arg_int(const struct job *job, const char *name)
{
    return json_integer_value(json_object_get(control_call_args(job->call), name));
}

/* What was there, and the new import on top. */
static void on_profile_read(struct store_unit *unit)
{
    struct job *job = unit->ctx;
    struct jb_scram_profile profile, checked;
    uint8_t bytes[JB_SCRAM_PROFILE_BYTES];
    const struct jb_scram_profile import = { (uint32_t)arg_int(job, "digests"),
                                             (uint32_t)arg_int(job, "iterations"),
                                             (uint64_t)arg_int(job, "accounts") };
    const struct jb_str text = jb_str((const char *)bytes, sizeof bytes);

    jb_scram_profile_init(&profile);
    if (unit->rc == 0 && job->op && job->op->rows &&
        jb_scram_profile_decode(&profile, job->op->rows->bytes) != 0)
        jb_scram_profile_init(&profile);
    jb_scram_profile_add(&profile, &import);
    jb_scram_profile_encode(&profile, bytes);
    if (unit->rc != 0) {
        control_refuse(job->call, CONTROL_FAILED, "the store: %s", jb_strerror(unit->rc));
        job_free(job);
    } else if (jb_scram_profile_decode(&checked, text) != 0) {
        control_refuse(job->call, CONTROL_BAD_REQUEST, "no such digests or iterations");
        job_free(job);
    } else {
        struct store_unit *next =
            store_unit_new(job->users->front, job->users->port, on_profile_written, job);
        jb_assert(next);
        store_unit_kv_put(next, jb_jid_domain(job->jid), JB_SCRAM_PROFILE_STORE,
                          JB_SCRAM_PROFILE_KEY, text);
        submit_job(job, next);
    }
    store_unit_free(unit);
}

void control_user_imported(struct control_call *call)
{
    const struct control_users *u = users_of(call);
    struct jb_str domain = control_call_str(call, "domain");
    struct job *job = jb_zalloc(&jb_allocator_abort, sizeof *job);

    jb_assert(job);
    job->call = call;
    job->users = u;
    jb__arena_init(&job->arena, &jb_allocator_abort, ARENA_BYTES);
    if (!is_served(u, domain) || jb_jid_parse(domain, &job->arena, &job->jid) != 0) {
        control_refuse(call, CONTROL_NOT_FOUND, "%.*s is not a host of this server",
                       JB_STR_ARG(domain));
        job_free(job);
        return;
    }
    struct store_unit *unit = store_unit_new(u->front, u->port, on_profile_read, job);
    jb_assert(unit);
    job->op = store_unit_kv_get(unit, jb_jid_domain(job->jid), JB_SCRAM_PROFILE_STORE,
                                JB_SCRAM_PROFILE_KEY);
    submit_job(job, unit);
}
