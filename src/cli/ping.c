/* SPDX-License-Identifier: MIT */
/* jabiru ping: round trips to an address (XEP-0199). */
#include "cli/account.h"

#include "base/clock.h"
#include "cli/show.h"

#include <stdio.h>
#include <time.h>

enum { TIMES = 4, ADDRESS_BYTES = 3072 };

struct pings {
    struct account account;
    char address[ADDRESS_BYTES];
    char shown[ADDRESS_BYTES]; /* the same, safe to print */
    uint32_t sent, answered, refused;
    double least_ms, most_ms, sum_ms;
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void count(struct pings *p, double ms)
{
    if (p->answered == 0 || ms < p->least_ms)
        p->least_ms = ms;
    if (p->answered == 0 || ms > p->most_ms)
        p->most_ms = ms;
    p->sum_ms += ms;
    p->answered++;
    printf("%s: %.2f ms\n", p->shown, ms);
}

static void on_answer(struct pings *p, const struct jb_event *ev, double ms)
{
    char why[512];

    if (jb_event_result(ev) == JB_RESULT_OK) {
        count(p, ms);
    } else if (jb_event_result(ev) == JB_RESULT_ERROR) {
        account_error(jb_event_element(ev), why, sizeof why);
        printf("%s: %s (%.2f ms)\n", p->shown, why, ms);
        p->refused++;
    } else {
        printf("%s: no answer\n", p->shown);
    }
    fflush(stdout);
}

/* Asks, and waits for the answer.  CLI_OK: go on; *interrupted: do not, but it is no failure. */
static int ping_once(struct pings *p, bool *interrupted)
{
    struct account *a = &p->account;
    const struct jb_event *ev;
    uint64_t number;
    double begun = now_ms();
    int rc =
        jb_client_request(a->client, "get", p->address, "<ping xmlns='urn:xmpp:ping'/>", &number);

    if (rc == JB_EINVAL)
        return cli_fail(CLI_USAGE, "not an address: %s", p->shown);
    if (rc != 0)
        return account_fail(a, rc, "ping");
    p->sent++;
    for (;;) {
        enum account_wake wake = account_wait(a, -1, UINT64_MAX, &ev);
        *interrupted = wake == ACCOUNT_SIGNAL;
        if (wake != ACCOUNT_EVENT)
            return *interrupted ? CLI_OK : account_gave_up(a, wake, "no answer");
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            return account_offline(ev);
        if (jb_event_kind(ev) == JB_EVENT_ANSWER && jb_event_number(ev) == number &&
            jb_event_result(ev) != JB_RESULT_OFFLINE) {
            on_answer(p, ev, now_ms() - begun);
            return CLI_OK;
        }
    }
}

static int pause_between(struct pings *p, bool *interrupted)
{
    const struct jb_event *ev;
    uint64_t end = jb__clock_mono_ms() + p->account.args->interval_ms;
    enum account_wake wake;

    while ((wake = account_wait(&p->account, -1, end, &ev)) == ACCOUNT_EVENT)
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            return account_offline(ev);
    *interrupted = wake == ACCOUNT_SIGNAL;
    return CLI_OK;
}

static int ping_all(struct pings *p)
{
    uint32_t times = p->account.args->times ? p->account.args->times : TIMES;
    bool interrupted = false;
    int status = CLI_OK;

    while (status == CLI_OK && !interrupted && p->sent < times) {
        status = p->sent ? pause_between(p, &interrupted) : CLI_OK;
        if (status == CLI_OK && !interrupted)
            status = ping_once(p, &interrupted);
    }
    if (p->sent == 0)
        return status;
    printf("%u sent, %u answered", p->sent, p->answered);
    if (p->answered)
        printf(", min/avg/max %.2f/%.2f/%.2f ms", p->least_ms, p->sum_ms / p->answered, p->most_ms);
    putchar('\n');
    if (status != CLI_OK)
        return status;
    if (p->refused)
        return CLI_REFUSED;
    /* Of an interrupted run the last one had no time to be answered. */
    return p->answered + (interrupted && p->answered) >= p->sent ? CLI_OK : CLI_IO;
}

static int run(const struct cli_args *args)
{
    struct pings p = { .sent = 0 };
    int status = account_open(&p.account, args);

    if (status == CLI_OK)
        status = account_log_in(&p.account);
    if (status == CLI_OK) {
        if (args->count)
            snprintf(p.address, sizeof p.address, "%s", args->operands[0]);
        else
            account_domain(&p.account, p.address, sizeof p.address);
        show_line(p.address, p.shown, sizeof p.shown);
        status = ping_all(&p);
    }
    account_close(&p.account);
    return status;
}

const struct cli_command ping_command = {
    .name = "ping",
    .usage = "[ADDRESS] [--count N] [--interval SECONDS]",
    .words = "Measures round trips to an address",
    .more =
        "Without an address: to the own server.  Four pings (XEP-0199) unless --count says\n"
        "otherwise.  The exit status is 0 when all were answered, 1 when the answer was that the\n"
        "address cannot be reached or does not know pings, 3 when there was none.\n\n"
        "example: jabiru ping conference.example.org --jid romeo@example.org\n",
    .most = 1,
    .allowed = CLI_COUNT | CLI_INTERVAL,
    .run = run,
};
