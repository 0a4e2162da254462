/* SPDX-License-Identifier: MIT */
/* jabiru send: a message, and whether the server has it. */
#include "cli/account.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/show.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_BYTES = 200 * 1024 };

/* -- The text --------------------------------------------------------------------------------- */

static int join_operands(const struct cli_args *args, struct jb__buf *text)
{
    int rc = 0;

    for (size_t k = 0; k < args->count && rc == 0; k++) {
        struct jb_str word = jb_strz(args->operands[k]);
        rc = jb__buf_append(text, " ", k > 0);
        if (rc == 0)
            rc = jb__buf_append(text, word.p, word.n);
    }
    return rc;
}

static int read_input(struct jb__buf *text)
{
    char part[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, part, sizeof part)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        int rc = n < 0 ? JB_EIO : jb__buf_append(text, part, (size_t)n);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* From the operands, or from standard input without its last newline; a NUL behind it. */
static int get_text(const struct cli_args *args, struct jb__buf *text)
{
    int rc = args->count ? join_operands(args, text) : read_input(text);

    if (rc == JB_EFULL)
        return cli_fail(CLI_REFUSED, "the message is longer than %d bytes", TEXT_BYTES);
    if (rc != 0)
        return cli_fail(CLI_IO, "standard input: %s",
                        rc == JB_EIO ? strerror(errno) : jb_strerror(rc));
    if (!args->count && text->n > 0 && text->p[text->n - 1] == '\n')
        text->n--;
    if (text->n == 0)
        return cli_fail(CLI_USAGE, "there is nothing to send");
    if (!jb__utf8_valid(jb__buf_str(text)) || memchr(text->p, '\0', text->n))
        return cli_fail(CLI_USAGE, "the message is not text in UTF-8");
    rc = jb__buf_append(text, "", 1);
    return rc == 0 ? CLI_OK : cli_fail(CLI_IO, "%s", jb_strerror(rc));
}

/* -- The message ------------------------------------------------------------------------------ */

struct sending {
    struct account account;
    char id[JB_ID_BYTES];
    uint64_t message, question; /* numbers; 0: there is none */
};

static int send_message(struct sending *s, const char *text)
{
    struct account *a = &s->account;
    int rc = jb_client_send_message(a->client, a->args->to, text, s->id, &s->message);

    if (rc == JB_EINVAL)
        return cli_fail(CLI_USAGE, "not an address, or a text with control characters");
    return rc == 0 ? CLI_OK : account_fail(a, rc, "not sent");
}

/* Where the server has no stream management, the answer to a ping that comes after the message says
 * that it has the message. */
static int ask_server(struct sending *s)
{
    int rc = account_ask(&s->account, &s->question);

    return rc == 0 ? CLI_OK
                   : account_fail(&s->account, rc, "the server cannot be asked for the message");
}

/* The message came back as an error. */
static bool is_refused(const struct sending *s, const struct jb_event *ev)
{
    const struct jb_element *e = jb_event_element(ev);
    const char *id = jb_element_attr(e, "id");
    char why[512];

    if (jb_event_kind(ev) != JB_EVENT_STANZA || !jb_element_is(e, "message", "jabber:client") ||
        !id || strcmp(id, s->id) != 0 || !account_error(e, why, sizeof why))
        return false;
    cli_fail(CLI_REFUSED, "%s: %s", s->account.args->to, why);
    return true;
}

/* Takes an event; true when it is decided, then *status says how. */
static bool on_event(struct sending *s, const struct jb_event *ev, int *status)
{
    const uint64_t number = jb_event_number(ev);

    *status = CLI_OK;
    switch (jb_event_kind(ev)) {
    case JB_EVENT_STANZA:
        *status = is_refused(s, ev) ? CLI_REFUSED : CLI_OK;
        break;
    case JB_EVENT_OFFLINE:
        *status = account_offline(ev);
        break;
    case JB_EVENT_ACKED:
        if (number != s->message)
            break;
        if (jb_event_acked_by(ev) == JB_ACKED_BY_SERVER)
            return true;
        *status = ask_server(s);
        break;
    case JB_EVENT_ANSWER:
        if (number != s->question)
            break;
        if (jb_event_result(ev) >= JB_RESULT_TIMEOUT)
            *status = cli_fail(CLI_IO, "the server has not acknowledged the message in time");
        return true; /* also a refusal is an answer */
    default:
        break;
    }
    return *status != CLI_OK;
}

static int wait_for_server(struct sending *s)
{
    struct account *a = &s->account;
    uint64_t end = jb__clock_mono_ms() + a->args->timeout_ms;
    const struct jb_event *ev;
    int status;

    do {
        enum account_wake wake = account_wait(a, -1, end, &ev);
        if (wake != ACCOUNT_EVENT)
            return account_gave_up(a, wake, "the server has not acknowledged the message");
    } while (!on_event(s, ev, &status));
    return status;
}

static int run(const struct cli_args *args)
{
    struct sending s = { .message = 0 };
    struct jb__buf text;

    if (!args->to)
        return cli_fail(CLI_USAGE, "to whom? (--to JID)");
    jb__buf_init(&text, &jb_allocator_libc, TEXT_BYTES);
    int status = get_text(args, &text);
    if (status == CLI_OK)
        status = account_open(&s.account, args);
    if (status == CLI_OK)
        status = account_log_in(&s.account);
    if (status == CLI_OK)
        status = send_message(&s, text.p);
    if (status == CLI_OK)
        status = wait_for_server(&s);
    account_close(&s.account);
    jb__buf_deinit(&text);
    return status;
}

const struct cli_command send_command = {
    .name = "send",
    .usage = "--to JID [TEXT...]",
    .words = "Sends a message",
    .more =
        "The text is that of the arguments, or standard input.  The exit status 0 says that the\n"
        "server has the message and has not refused it: it has acknowledged it (XEP-0198) or,\n"
        "where it cannot, has answered a ping that was sent behind it.\n\n"
        "example: uptime | jabiru send --jid bot@example.org --to romeo@example.org\n",
    .most = CLI_ANY_NUMBER,
    .allowed = CLI_TO,
    .run = run,
};
