/* SPDX-License-Identifier: MIT */
/* jabiru chat: talks at the terminal.  Everything that is said is shown as it comes, whoever it is
 * with; what is typed goes to the one whose name is the prompt. */
#include "cli/account.h"

#include "base/clock.h"
#include "base/random.h"
#include "cli/chat_log.h"
#include "cli/chat_people.h"
#include "cli/line.h"
#include "cli/show.h"
#include "cli/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TALKS = 64, REPLAY = 20, WORDS_BYTES = 512 };

struct talk {
    char peer[CHAT_BARE_BYTES];
    unsigned unread;
};

struct chat {
    struct account account;
    struct line *line;
    struct chat_log log;
    struct chat_people people;
    struct talk talks[TALKS];
    size_t talk_count;
    int current; /* -1: nobody */
    bool colour;
    unsigned waiting; /* messages the server has not acknowledged */
    int status;       /* how it ends, when not by the person's wish */
};

/* -- Printing --------------------------------------------------------------------------------- */

enum colour { PLAIN, DIM, THEIRS, OURS, WARNING };

static void paint(const struct chat *c, enum colour colour)
{
    static const char *const codes[] = { "\033[0m", "\033[2m", "\033[36m", "\033[32m", "\033[33m" };

    if (c->colour)
        fputs(codes[colour], stdout);
}

static void put_time(const struct chat *c, int64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000), now = time(NULL);
    struct tm then, today;
    char text[32];

    localtime_r(&seconds, &then);
    localtime_r(&now, &today);
    bool is_today = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
    if (strftime(text, sizeof text, is_today ? "%H:%M" : "%Y-%m-%d %H:%M", &then) == 0)
        text[0] = '\0';
    paint(c, DIM);
    printf("%s ", text);
    paint(c, PLAIN);
}

/* A line of the program's own, with up to one text of a stranger's in it. */
static void notice(struct chat *c, const char *before, const char *theirs, const char *behind)
{
    line_hide(c->line);
    paint(c, DIM);
    fputs("-- ", stdout);
    fputs(before, stdout);
    show_text(stdout, theirs, NULL);
    fputs(behind, stdout);
    paint(c, PLAIN);
    putchar('\n');
    line_show(c->line);
}

/* Further lines of a text are indented: nobody can write what looks like another's line. */
static void put_said(const struct chat *c, int64_t time_us, bool ours, const char *who,
                     const char *text)
{
    put_time(c, time_us);
    paint(c, ours ? OURS : THEIRS);
    show_text(stdout, who, NULL);
    paint(c, PLAIN);
    fputs(": ", stdout);
    show_text(stdout, text, "      ");
    putchar('\n');
}

/* -- Talks ------------------------------------------------------------------------------------ */

static int find_talk(const struct chat *c, const char *peer)
{
    for (size_t k = 0; k < c->talk_count; k++)
        if (strcmp(c->talks[k].peer, peer) == 0)
            return (int)k;
    return -1;
}

/* The talk with somebody, a new one when there is none; -1: there are too many. */
static int open_talk(struct chat *c, const char *peer)
{
    int at = find_talk(c, peer);

    if (at >= 0 || c->talk_count == TALKS)
        return at;
    struct talk *t = &c->talks[c->talk_count];
    *t = (struct talk){ .unread = 0 };
    snprintf(t->peer, sizeof t->peer, "%s", peer);
    return (int)c->talk_count++;
}

static void set_prompt(struct chat *c)
{
    char text[CHAT_BARE_BYTES + 8];

    snprintf(text, sizeof text, "%.100s> ", c->current >= 0 ? c->talks[c->current].peer : "");
    line_prompt(c->line, text);
}

struct replay {
    struct chat *chat;
    const char *peer;
};

static void on_replay(void *ctx, int64_t time_us, bool ours, const char *text)
{
    const struct replay *r = ctx;

    put_said(r->chat, time_us, ours, ours ? "me" : r->peer, text);
}

/* What is typed goes to him from now on.  The talk of earlier days is shown when it begins anew. */
static void turn_to(struct chat *c, const char *peer)
{
    bool is_new = find_talk(c, peer) < 0;
    int at = open_talk(c, peer);

    if (at < 0) {
        notice(c, "there are too many conversations", "", "");
        return;
    }
    struct replay r = { c, c->talks[at].peer };
    if (is_new)
        chat_log_replay(&c->log, peer, REPLAY, on_replay, &r);
    c->current = at;
    c->talks[at].unread = 0;
    set_prompt(c);
    fflush(stdout);
}

/* -- What others do --------------------------------------------------------------------------- */

/* When a message was sent: held ones say so (XEP-0203). */
static int64_t time_of(const struct jb_element *message)
{
    const struct jb_element *delay = jb_element_child(message, "delay", "urn:xmpp:delay");
    int64_t time_us;

    if (delay && jb__clock_parse_stamp(jb_strz(jb_element_attr(delay, "stamp")), &time_us))
        return time_us;
    return jb__clock_wall_us();
}

static void on_message(struct chat *c, const struct jb_element *e)
{
    const char *from = jb_element_attr(e, "from");
    const struct jb_element *body = jb_element_child(e, "body", NULL);
    char peer[CHAT_BARE_BYTES], why[WORDS_BYTES], before[WORDS_BYTES + 40];

    chat_bare(from ? from : jb_client_jid(c->account.client), peer);
    if (account_error(e, why, sizeof why)) {
        snprintf(before, sizeof before, "not delivered (%s): ", why);
        notice(c, before, peer, "");
        return;
    }
    if (!body || !jb_element_text(body)[0])
        return;
    int at = open_talk(c, peer);
    line_hide(c->line);
    if (at >= 0 && at != c->current) {
        c->talks[at].unread++;
        paint(c, WARNING);
        printf("[%d] ", at + 1);
        paint(c, PLAIN);
    }
    const char *type = jb_element_attr(e, "type");
    bool in_room = type && strcmp(type, "groupchat") == 0;
    put_said(c, time_of(e), false, in_room && from ? from : peer, jb_element_text(body));
    line_show(c->line);
    chat_log_add(&c->log, time_of(e), false, peer, jb_element_text(body));
}

static void on_presence(struct chat *c, const struct jb_element *e)
{
    const char *type = jb_element_attr(e, "type"), *from = jb_element_attr(e, "from");
    char bare[CHAT_BARE_BYTES], own[CHAT_BARE_BYTES];
    bool came;

    chat_bare(jb_client_jid(c->account.client), own);
    if (chat_people_on_presence(&c->people, e, &came, bare) && strcmp(bare, own) != 0)
        notice(c, "", bare, came ? " is online" : " is offline");
    if (!type || !from)
        return;
    chat_bare(from, bare);
    if (strcmp(type, "subscribe") == 0)
        notice(c, "", bare,
               " wants to see when you are online: /accept or /refuse, and the address");
    else if (strcmp(type, "subscribed") == 0)
        notice(c, "you see now when ", bare, " is online");
    else if (strcmp(type, "unsubscribed") == 0)
        notice(c, "", bare, " does not show you when he is online");
}

static void on_offline(struct chat *c, const struct jb_event *ev)
{
    char when[64];
    int ms = jb_event_retry_ms(ev);

    chat_people_forget(&c->people);
    if (ms < 0) {
        line_hide(c->line);
        c->status = account_offline(ev);
        return;
    }
    snprintf(when, sizeof when, "; next attempt in %d s", (ms + 999) / 1000);
    notice(c, "offline: ", jb_event_words(ev), when);
}

static bool on_event(void *ctx, const struct jb_event *ev)
{
    struct chat *c = ctx;
    const struct jb_element *e = jb_event_element(ev);

    switch (jb_event_kind(ev)) {
    case JB_EVENT_ONLINE:
    case JB_EVENT_RESUMED:
        notice(c, "online again", "", "");
        break;
    case JB_EVENT_OFFLINE:
        on_offline(c, ev);
        return c->status == CLI_OK;
    case JB_EVENT_STANZA:
        if (jb_element_is(e, "message", "jabber:client"))
            on_message(c, e);
        break;
    case JB_EVENT_PRESENCE:
        on_presence(c, e);
        break;
    case JB_EVENT_ROSTER:
        chat_people_on_roster(&c->people, e, jb_event_is_whole(ev));
        break;
    case JB_EVENT_ACKED:
        c->waiting--;
        break;
    case JB_EVENT_DROPPED:
        c->waiting--;
        notice(c, "a message could not be sent, or may be lost", "", "");
        break;
    case JB_EVENT_ANSWER:
        if (jb_event_result(ev) != JB_RESULT_OK)
            notice(c, "the server refused that", "", "");
        break;
    case JB_EVENT_NONE:
        break;
    }
    return true;
}

/* -- What the person does --------------------------------------------------------------------- */

static void say(struct chat *c, const char *text)
{
    if (c->current < 0) {
        notice(c, "to whom? /to and an address", "", "");
        return;
    }
    const char *peer = c->talks[c->current].peer;
    int rc = jb_client_send_message(c->account.client, peer, text, NULL, NULL);
    if (rc != 0) {
        notice(c, "not sent: ", jb_strerror(rc), "");
        return;
    }
    c->waiting++;
    chat_log_add(&c->log, jb__clock_wall_us(), true, peer, text);
}

static void send_presence(struct chat *c, const char *to, const char *type)
{
    struct jb_writer *w = jb_writer_new(c->account.client);

    jb_writer_open(w, "presence", NULL);
    jb_writer_attr(w, "to", to);
    jb_writer_attr(w, "type", type);
    jb_writer_close(w);
    int rc = jb_client_send(c->account.client, jb_writer_text(w), NULL);
    jb_writer_free(w);
    if (rc != 0)
        notice(c, "not sent: ", jb_strerror(rc), "");
}

static void set_contact(struct chat *c, const char *jid, const char *subscription)
{
    struct jb_writer *w = jb_writer_new(c->account.client);

    jb_writer_open(w, "query", "jabber:iq:roster");
    jb_writer_open(w, "item", NULL);
    jb_writer_attr(w, "jid", jid);
    jb_writer_attr(w, "subscription", subscription);
    jb_writer_close(w);
    jb_writer_close(w);
    int rc = jb_client_request(c->account.client, "set", NULL, jb_writer_text(w), NULL);
    jb_writer_free(w);
    if (rc != 0)
        notice(c, "not sent: ", jb_strerror(rc), "");
}

/* /to ADDRESS, or the number of a talk. */
static void on_to(struct chat *c, const char *whom)
{
    char peer[CHAT_BARE_BYTES];
    uint64_t number;

    if (jb_str_u64(jb_strz(whom), c->talk_count, &number) && number > 0)
        turn_to(c, c->talks[number - 1].peer);
    else if (whom[0] && !strpbrk(whom, " \"&'<>"))
        turn_to(c, chat_bare(whom, peer));
    else
        notice(c, "that is no address", "", "");
}

static void on_list(struct chat *c, const char *rest)
{
    (void)rest;
    for (size_t k = 0; k < c->talk_count; k++) {
        printf("%c%2zu  ", (int)k == c->current ? '*' : ' ', k + 1);
        show_text(stdout, c->talks[k].peer, NULL);
        if (c->talks[k].unread)
            printf("  (%u new)", c->talks[k].unread);
        putchar('\n');
    }
    fflush(stdout);
}

static void on_roster(struct chat *c, const char *rest)
{
    (void)rest;
    for (size_t k = 0; k < c->people.contact_count; k++) {
        const struct chat_contact *p = &c->people.contacts[k];
        const char *show = chat_people_show(&c->people, p->jid);
        paint(c, show ? OURS : DIM);
        printf("%s ", show ? "on " : "off");
        paint(c, PLAIN);
        show_text(stdout, p->jid, NULL);
        if (p->name[0]) {
            fputs("  ", stdout);
            show_text(stdout, p->name, NULL);
        }
        if (show && show[0]) {
            fputs("  ", stdout);
            show_text(stdout, show, NULL);
        }
        bool shows =
            show || strcmp(p->subscription, "both") == 0 || strcmp(p->subscription, "to") == 0;
        puts(shows ? "" : "  (does not show when online)");
    }
    fflush(stdout);
}

static void on_add(struct chat *c, const char *whom)
{
    set_contact(c, whom, NULL);
    send_presence(c, whom, "subscribe");
}

static void on_remove(struct chat *c, const char *whom)
{
    set_contact(c, whom, "remove");
}

static void on_accept(struct chat *c, const char *whom)
{
    send_presence(c, whom, "subscribed");
    if (!chat_people_find(&c->people, whom))
        on_add(c, whom); /* who sees me I want to see */
}

static void on_refuse(struct chat *c, const char *whom)
{
    send_presence(c, whom, "unsubscribed");
}

static void on_help(struct chat *c, const char *rest);

static const struct {
    const char *name, *operand, *words;
    void (*run)(struct chat *c, const char *operand);
} commands[] = {
    { "to", "ADDRESS", "talk to somebody; also /to N, or /N, as /list counts", on_to },
    { "list", "", "the conversations", on_list },
    { "roster", "", "the contacts, and who is online", on_roster },
    { "add", "ADDRESS", "make somebody a contact, and ask to see when he is online", on_add },
    { "remove", "ADDRESS", "he is no contact any more", on_remove },
    { "accept", "ADDRESS", "let somebody see when you are online", on_accept },
    { "refuse", "ADDRESS", "do not", on_refuse },
    { "help", "", "this list; // at the beginning of a line sends a /", on_help },
    { "quit", "", "leave; ^D does so, too", NULL },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void on_help(struct chat *c, const char *rest)
{
    (void)c;
    (void)rest;
    for (size_t k = 0; k < COMMANDS; k++)
        printf("  /%-7s %-8s %s\n", commands[k].name, commands[k].operand, commands[k].words);
    fflush(stdout);
}

/* False: leave. */
static bool run_line_command(struct chat *c, const char *text)
{
    size_t n = strcspn(text, " ");
    const char *operand = text + n + strspn(text + n, " ");
    uint64_t number;

    if (jb_str_u64(jb_str(text, n), TALKS, &number)) {
        on_to(c, text);
        return true;
    }
    for (size_t k = 0; k < COMMANDS; k++) {
        if (!jb_str_eqz(jb_str(text, n), commands[k].name))
            continue;
        if (!commands[k].run)
            return false;
        if (commands[k].operand[0] && !operand[0])
            notice(c, "and the address? /", commands[k].name, " ADDRESS");
        else
            commands[k].run(c, operand);
        return true;
    }
    notice(c, "no such command: /", text, " (/help lists them)");
    return true;
}

static void talk(struct chat *c)
{
    const char *text;

    set_prompt(c);
    while ((text = line_next(c->line, &c->account, on_event, c)) != NULL) {
        if (text[0] == '/' && text[1] != '/') {
            if (!run_line_command(c, text + 1))
                return;
        } else if (text[0]) {
            say(c, text + (text[0] == '/'));
        }
    }
}

/* -- Beginning and end ------------------------------------------------------------------------ */

/* What was said last is still to be acknowledged. */
static void settle(struct chat *c)
{
    uint64_t end = jb__clock_mono_ms() + c->account.args->timeout_ms;
    const struct jb_event *ev;

    while (c->waiting && jb_client_is_online(c->account.client) && c->status == CLI_OK &&
           account_wait(&c->account, -1, end, &ev) == ACCOUNT_EVENT)
        on_event(c, ev);
    if (c->waiting)
        c->status = cli_fail(CLI_IO, "%u message%s not acknowledged by the server", c->waiting,
                             c->waiting == 1 ? " is" : "s are");
}

static int begin(struct chat *c, const struct cli_args *args, char *file, size_t room)
{
    int status = account_open(&c->account, args);

    if (status != CLI_OK)
        return status;
    jb_client_set(c->account.client, JB_SETTING_PRESENCE, 1);
    jb_client_set(c->account.client, JB_SETTING_ROSTER, 1);
    status = account_log_in(&c->account);
    if (status != CLI_OK)
        return status;
    jb_client_set(c->account.client, JB_SETTING_RECONNECT, 1);
    chat_log_open(&c->log, jb_client_jid(c->account.client));
    status = line_open(&c->line, state_path("chat-input", file, room));
    if (status == CLI_OK && line_is_terminal(c->line))
        printf("%s, %s.  /help lists the commands.\n", jb_client_jid(c->account.client),
               jb_client_security(c->account.client));
    return status;
}

static int run(const struct cli_args *args)
{
    static struct chat c; /* large, and there is one */
    char file[CLI_DATA_BYTES];

    c.current = -1;
    c.colour = isatty(STDOUT_FILENO);
    int status = begin(&c, args, file, sizeof file);
    if (status == CLI_OK) {
        if (args->count)
            on_to(&c, args->operands[0]);
        talk(&c);
        settle(&c);
        status = c.status;
    }
    line_close(c.line);
    chat_log_close(&c.log);
    chat_people_deinit(&c.people);
    account_close(&c.account);
    return status;
}

const struct cli_command chat_command = {
    .name = "chat",
    .usage = "[ADDRESS]",
    .words = "Talks with people, at the terminal or from a pipe",
    .more =
        "What others say is shown as it comes; what is typed goes to the one whose name is the\n"
        "prompt.  /to ADDRESS turns to somebody else, /help lists the other commands.  What was\n"
        "said is kept in jabiru-chat below $XDG_STATE_HOME (or ~/.local/state), for the owner\n"
        "alone.  A connection that is lost comes back, and what was typed meanwhile is sent.\n\n"
        "example: jabiru chat juliet@example.org --jid romeo@example.org\n",
    .most = 1,
    .run = run,
};
