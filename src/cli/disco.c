/* SPDX-License-Identifier: MIT */
/* jabiru disco: what an address is and can do, and what it has below it (XEP-0030).
 *
 * The answers are kept as JSON, which is one of the two ways to print them. */
#include "cli/account.h"

#include "cli/show.h"

#include <stdio.h>
#include <stdlib.h>

#define INFO_NS  "http://jabber.org/protocol/disco#info"
#define ITEMS_NS "http://jabber.org/protocol/disco#items"

enum { ENTRIES = 1000, ADDRESS_BYTES = 3072 };

struct disco {
    struct account account;
    bool full; /* more than ENTRIES were named */
    size_t count;
    struct {
        json_t *object; /* borrowed: each is in the one above it */
        uint32_t depth;
    } entries[ENTRIES];
};

/* -- Asking ----------------------------------------------------------------------------------- */

static void set(json_t *object, const char *key, const char *value)
{
    if (value && value[0])
        json_object_set_new(object, key, json_string(value));
}

/* Takes an object over and appends it to the list `key` of another. */
static void add(json_t *object, const char *key, json_t *value)
{
    json_t *list = json_object_get(object, key);

    if (!list) {
        list = json_array();
        json_object_set_new(object, key, list);
    }
    json_array_append_new(list, value);
}

static void on_info(struct disco *d, size_t at, const struct jb_element *query)
{
    static const char *const parts[] = { "category", "type", "name", "xml:lang" };
    json_t *object = d->entries[at].object;

    for (const struct jb_element *e = jb_element_first(query); e; e = jb_element_next(e)) {
        const char *feature = jb_element_attr(e, "var");
        if (jb_element_is(e, "feature", INFO_NS) && feature)
            add(object, "features", json_string(feature));
        if (!jb_element_is(e, "identity", INFO_NS))
            continue;
        json_t *identity = json_object();
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
            set(identity, parts[k], jb_element_attr(e, parts[k]));
        add(object, "identities", identity);
    }
}

static void on_items(struct disco *d, size_t at, const struct jb_element *query)
{
    static const char *const parts[] = { "jid", "node", "name" };

    for (const struct jb_element *e = jb_element_first(query); e; e = jb_element_next(e)) {
        if (!jb_element_is(e, "item", ITEMS_NS) || !jb_element_attr(e, "jid"))
            continue;
        if (d->count == ENTRIES) {
            d->full = true;
            return;
        }
        json_t *item = json_object();
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
            set(item, parts[k], jb_element_attr(e, parts[k]));
        add(d->entries[at].object, "items", item);
        d->entries[d->count].object = item;
        d->entries[d->count++].depth = d->entries[at].depth + 1;
    }
}

typedef void disco_answer(struct disco *d, size_t at, const struct jb_element *query);

static int wait_for_answer(struct disco *d, size_t at, const char *ns, disco_answer *on_answer)
{
    struct account *a = &d->account;
    const struct jb_event *ev;
    char why[512];

    for (;;) {
        enum account_wake wake = account_wait(a, -1, UINT64_MAX, &ev);
        if (wake != ACCOUNT_EVENT)
            return account_gave_up(a, wake, "no answer");
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            return account_offline(ev);
        if (jb_event_kind(ev) == JB_EVENT_ANSWER && jb_event_result(ev) != JB_RESULT_OFFLINE)
            break; /* one is asked at a time */
    }
    if (jb_event_result(ev) == JB_RESULT_OK)
        on_answer(d, at, jb_element_child(jb_event_element(ev), "query", ns));
    else if (jb_event_result(ev) == JB_RESULT_TIMEOUT)
        set(d->entries[at].object, "error", "no answer");
    else if (account_error(jb_event_element(ev), why, sizeof why))
        set(d->entries[at].object, "error", why);
    return CLI_OK;
}

static int ask(struct disco *d, size_t at, const char *ns, disco_answer *on_answer)
{
    struct account *a = &d->account;
    const char *jid = json_string_value(json_object_get(d->entries[at].object, "jid"));
    const char *node = json_string_value(json_object_get(d->entries[at].object, "node"));
    struct jb_writer *w = jb_writer_new(a->client);

    jb_writer_open(w, "query", ns);
    jb_writer_attr(w, "node", node);
    jb_writer_close(w);
    int rc = jb_client_request(a->client, "get", jid, jb_writer_text(w), NULL);
    jb_writer_free(w);
    if (rc == JB_EINVAL && at == 0)
        return cli_fail(CLI_USAGE, "not an address, or not a node: %s", jid);
    if (rc == JB_EINVAL) {
        set(d->entries[at].object, "error", "not an address");
        return CLI_OK;
    }
    return rc == 0 ? wait_for_answer(d, at, ns, on_answer) : account_fail(a, rc, "disco");
}

/* The list grows while it is gone through, level by level. */
static int explore(struct disco *d)
{
    int status = CLI_OK;

    for (size_t k = 0; k < d->count && status == CLI_OK; k++) {
        status = ask(d, k, INFO_NS, on_info);
        bool is_there = !json_object_get(d->entries[k].object, "error");
        if (status == CLI_OK && is_there && d->entries[k].depth < d->account.args->depth)
            status = ask(d, k, ITEMS_NS, on_items);
    }
    return status;
}

/* -- Printing --------------------------------------------------------------------------------- */

static void print_value(const char *before, const json_t *object, const char *key,
                        const char *behind)
{
    const char *value = json_string_value(json_object_get(object, key));

    if (!value)
        return;
    fputs(before, stdout);
    show_text(stdout, value, NULL);
    fputs(behind, stdout);
}

static void print_entry(const json_t *entry, uint32_t depth)
{
    int indent = (int)(2 * depth);
    const json_t *each;
    size_t k;

    printf("%*s", indent, "");
    print_value("", entry, "jid", "");
    print_value(" node ", entry, "node", "");
    print_value(" (", entry, "name", ")");
    print_value(": ", entry, "error", "");
    putchar('\n');
    json_array_foreach(json_object_get(entry, "identities"), k, each)
    {
        printf("%*s  is   ", indent, "");
        print_value("", each, "category", "");
        print_value("/", each, "type", "");
        print_value(" (", each, "name", ")");
        putchar('\n');
    }
    json_array_foreach(json_object_get(entry, "features"), k, each)
    {
        printf("%*s  has  ", indent, "");
        show_text(stdout, json_string_value(each), NULL);
        putchar('\n');
    }
    json_array_foreach(json_object_get(entry, "items"), k, each)
        print_entry(each, depth + 1); /* as deep as --depth allows */
}

static int print(const struct disco *d)
{
    const json_t *root = d->entries[0].object;

    if (d->account.args->json) {
        char *text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
        if (!text)
            return cli_fail(CLI_IO, "%s", jb_strerror(JB_ENOMEM));
        puts(text);
        free(text);
    } else {
        print_entry(root, 0);
    }
    if (d->full)
        cli_fail(CLI_OK, "more than %d addresses: the rest is left out", ENTRIES);
    return json_object_get(root, "error") ? CLI_REFUSED : CLI_OK;
}

static int run(const struct cli_args *args)
{
    static struct disco d; /* large, and there is one */
    char domain[ADDRESS_BYTES];
    int status = account_open(&d.account, args);

    if (status == CLI_OK)
        status = account_log_in(&d.account);
    if (status == CLI_OK) {
        json_t *root = json_object();
        account_domain(&d.account, domain, sizeof domain);
        set(root, "jid", args->count ? args->operands[0] : domain);
        set(root, "node", args->node);
        d.entries[0].object = root;
        d.count = 1;
        if (!json_object_get(root, "jid"))
            status = cli_fail(CLI_USAGE, "the address is not UTF-8");
        if (status == CLI_OK)
            status = explore(&d);
        if (status == CLI_OK)
            status = print(&d);
        json_decref(root);
    }
    account_close(&d.account);
    return status;
}

const struct cli_command disco_command = {
    .name = "disco",
    .usage = "[ADDRESS] [--node NODE] [--depth N] [--json]",
    .words = "Shows what an address is, can do, and has below it",
    .more =
        "Without an address: the own server (XEP-0030).  Items are asked as well, --depth levels\n"
        "of them and 1000 at most.  With --json all of it is one object.\n\n"
        "example: jabiru disco example.org --jid romeo@example.org --depth 2\n",
    .most = 1,
    .allowed = CLI_TREE | CLI_JSON,
    .run = run,
};
