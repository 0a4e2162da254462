/* SPDX-License-Identifier: MIT */
/* jabiru raw: a console for stanzas.  What is typed is sent, what comes is shown. */
#include "cli/account.h"

#include "base/clock.h"
#include "cli/line.h"
#include "cli/show.h"
#include "cli/state.h"

#include <stdio.h>
#include <unistd.h>

struct console {
    struct account account;
    struct line *line;
    bool colour;
    bool lost;     /* the connection ended; */
    int status;    /* with this */
    uint64_t last; /* the ping behind all that was typed; 0: not yet */
};

static bool on_event(void *ctx, const struct jb_event *ev)
{
    struct console *c = ctx;
    const struct jb_element *e = jb_event_element(ev);

    if (jb_event_kind(ev) == JB_EVENT_ANSWER && jb_event_number(ev) == c->last)
        return false;
    if (e) {
        line_hide(c->line);
        show_xml(stdout, e, true, c->colour);
        line_show(c->line);
    }
    if (jb_event_kind(ev) == JB_EVENT_OFFLINE) {
        line_hide(c->line);
        c->status = account_offline(ev);
        c->lost = true;
        return false;
    }
    return true;
}

static void send_line(struct console *c, const char *xml)
{
    int rc = xml[strspn(xml, " \t\r")] ? jb_client_send(c->account.client, xml, NULL) : 0;

    if (rc == JB_EINVAL)
        c->status = cli_fail(CLI_REFUSED, "not sent: that is not one well-formed <message/>, "
                                          "<presence/> or <iq/>");
    else if (rc != 0)
        c->status = account_fail(&c->account, rc, "not sent");
}

/* The input has ended: the server's answers to it are still to come, and then what others say for
 * as long as --for wants. */
static void hear_out(struct console *c)
{
    struct account *a = &c->account;
    uint64_t end = jb__clock_mono_ms() + (a->args->for_ms ? a->args->for_ms : a->args->timeout_ms);
    const struct jb_event *ev;

    if (!a->args->for_ms && account_ask(a, &c->last) != 0)
        return;
    while (account_wait(a, -1, end, &ev) == ACCOUNT_EVENT)
        if (!on_event(c, ev))
            return;
}

static int talk(struct console *c)
{
    const char *xml;

    if (line_is_terminal(c->line))
        printf("%s, %s.  Stanzas, one a line; presence is yours to send; ^D ends.\n",
               jb_client_jid(c->account.client), jb_client_security(c->account.client));
    line_prompt(c->line, "> ");
    while ((xml = line_next(c->line, &c->account, on_event, c)) != NULL)
        send_line(c, xml);
    if (!c->lost && c->account.signal == 0)
        hear_out(c);
    /* On a terminal a mistake was seen and has had its second chance. */
    return line_is_terminal(c->line) && !c->lost ? CLI_OK : c->status;
}

static int run(const struct cli_args *args)
{
    struct console c = { .colour = isatty(STDOUT_FILENO) };
    char file[CLI_DATA_BYTES];
    int status = account_open(&c.account, args);

    if (status == CLI_OK) {
        jb_client_set(c.account.client, JB_SETTING_SERVE, 1);
        jb_client_set(c.account.client, JB_SETTING_STRAYS, 1);
        status = account_log_in(&c.account);
    }
    if (status == CLI_OK)
        status = line_open(&c.line, state_path("raw-input", file, sizeof file));
    if (status == CLI_OK)
        status = talk(&c);
    line_close(c.line);
    account_close(&c.account);
    return status;
}

const struct cli_command raw_command = {
    .name = "raw",
    .usage = "[--for SECONDS]",
    .words = "A console: stanzas that are typed go out, what comes is shown",
    .more =
        "One line is one stanza; its namespace may be left out.  Nothing else is sent, not even\n"
        "presence, and requests of others are yours to answer, but for pings.  Lines may also\n"
        "come from a pipe: then it ends when the server has answered, or --for SECONDS later.\n\n"
        "example: echo \"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>\" |\n"
        "             jabiru raw --jid romeo@example.org\n",
    .allowed = CLI_FOR,
    .run = run,
};
