/* SPDX-License-Identifier: MIT */
/* jabiru listen: what arrives, a line each. */
#include "cli/account.h"

#include "base/clock.h"
#include "cli/show.h"

#include <stdio.h>
#include <unistd.h>

/* "time" and what most programs look for stand in front; "element" has everything. */
static bool print_json(const struct jb_element *e)
{
    static const char *const names[] = { "from", "to", "type", "id" };
    char stamp[JB__STAMP_BYTES + 1];
    json_t *line = json_object(), *element = show_json(e);
    const struct jb_element *body = jb_element_child(e, "body", NULL);

    jb__clock_stamp(jb__clock_wall_us(), stamp);
    json_object_set_new(line, "time", json_string(stamp));
    json_object_set_new(line, "name", json_string(jb_element_name(e)));
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        if (jb_element_attr(e, names[k]))
            json_object_set_new(line, names[k], json_string(jb_element_attr(e, names[k])));
    if (body)
        json_object_set_new(line, "body", json_string(jb_element_text(body)));
    json_object_set_new(line, "element", element);
    /* Terminals never see what strangers wrote, but escapes. */
    char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text)
        puts(text);
    free(text);
    return text != NULL;
}

static bool print_stanza(const struct cli_args *args, const struct jb_element *e)
{
    if (!args->json)
        show_xml(stdout, e, false, isatty(STDOUT_FILENO));
    else if (!print_json(e))
        return false;
    return fflush(stdout) == 0; /* who reads a pipe wants it now */
}

/* Says once that messages to the account come here: when the server has answered a question that
 * was asked behind our presence. */
static void greet(struct account *a, const struct jb_event *ev, uint64_t *question)
{
    switch (jb_event_kind(ev)) {
    case JB_EVENT_ONLINE:
    case JB_EVENT_RESUMED: /* the line broke before the answer came */
        if (*question && account_ask(a, question) != 0)
            *question = 0;
        break;
    case JB_EVENT_ANSWER:
        if (jb_event_number(ev) != *question || jb_event_result(ev) == JB_RESULT_OFFLINE)
            break;
        fprintf(stderr, "%s listens\n", jb_client_jid(a->client));
        *question = 0;
        break;
    default:
        break;
    }
}

static int listen_on(struct account *a, uint64_t question)
{
    const struct cli_args *args = a->args;
    uint64_t end = args->for_ms ? jb__clock_mono_ms() + args->for_ms : UINT64_MAX;
    const struct jb_event *ev;

    for (uint32_t seen = 0; args->times == 0 || seen < args->times;) {
        enum account_wake wake = account_wait(a, -1, end, &ev);
        if (wake == ACCOUNT_TIME || wake == ACCOUNT_SIGNAL)
            return CLI_OK; /* this is how it ends */
        if (wake == ACCOUNT_OVER)
            return account_gave_up(a, wake, "the connection is gone");
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE) {
            int status = account_offline(ev);
            if (jb_event_retry_ms(ev) < 0)
                return status;
        }
        greet(a, ev, &question);
        if (jb_event_kind(ev) != JB_EVENT_STANZA && jb_event_kind(ev) != JB_EVENT_PRESENCE)
            continue;
        if (!print_stanza(args, jb_event_element(ev)))
            return cli_fail(CLI_IO, "cannot write the output");
        seen++;
    }
    return CLI_OK;
}

static int run(const struct cli_args *args)
{
    struct account a;
    uint64_t question = 0;
    int status = account_open(&a, args);

    if (status == CLI_OK) {
        jb_client_set(a.client, JB_SETTING_PRESENCE, 1);
        status = account_log_in(&a);
    }
    if (status == CLI_OK) {
        jb_client_set(a.client, JB_SETTING_RECONNECT, 1);
        int rc = account_ask(&a, &question);
        status = rc == 0 ? listen_on(&a, question) : account_fail(&a, rc, "listen");
    }
    account_close(&a);
    return status;
}

const struct cli_command listen_command = {
    .name = "listen",
    .usage = "[--count N] [--for SECONDS] [--json]",
    .words = "Prints what arrives",
    .more =
        "Goes online and prints each message and presence as one line of XML, or with --json as\n"
        "one object.  On standard error it says when messages to the account come here.  A\n"
        "connection that is lost comes back.  It ends after --count stanzas, after --for SECONDS,\n"
        "or when interrupted.\n\n"
        "example: jabiru listen --jid bot@example.org --json | jq -r 'select(.body) | .from'\n",
    .allowed = CLI_JSON | CLI_COUNT | CLI_FOR,
    .run = run,
};
