/* SPDX-License-Identifier: MIT */
/* A client on a string: commands on standard input, one a line, events on standard output.  It uses
 * the public headers only, in a loop of its own.
 *
 *     set NAME NUMBER | text NAME TEXT | connect JID PASSWORD | send XML | message TO TEXT
 *     request get|set TO|- XML | disconnect | token | over | cut (as a broken line would) | quit */
#include <jabiru/jabiru.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const settings[] = {
#define NAME(name, def, least, most, words) #name,
    JB_SETTINGS(NAME)
#undef NAME
};
static const char *const options[] = {
    "URL", "RESOURCE", "CA_FILE", "CA_DIR", "MECHANISM", "TOKEN"
};
static const char *const reasons[] = {
    "none",     "requested", "discovery", "name",      "unreachable", "certificate", "tls",
    "endpoint", "redirect",  "protocol",  "mechanism", "password",    "server",      "replaced",
    "error",    "closed",    "lost",      "timeout",   "memory",
};

static int find(const char *const *names, size_t count, const char *name)
{
    for (size_t k = 0; k < count; k++)
        if (strcmp(names[k], name) == 0)
            return (int)k;
    fprintf(stderr, "no such name: %s\n", name);
    exit(2);
}

/* An element in one line, with each namespace spelled out. */
static void print_element(const struct jb_element *e)
{
    printf("<{%s}%s", jb_element_ns(e), jb_element_name(e));
    static const char *const attrs[] = {
        "type", "from", "to", "id", "subscription", "jid", "name"
    };
    for (size_t k = 0; k < sizeof attrs / sizeof attrs[0]; k++)
        if (jb_element_attr(e, attrs[k]))
            printf(" %s='%s'", attrs[k], jb_element_attr(e, attrs[k]));
    printf(">%s", jb_element_text(e));
    for (const struct jb_element *k = jb_element_first(e); k; k = jb_element_next(k))
        print_element(k);
    printf("</>");
}

static void print_event(struct jb_client *client, const struct jb_event *ev)
{
    static const char *const kinds[] = { "none",   "online", "resumed", "offline", "stanza",
                                         "answer", "acked",  "dropped", "roster",  "presence" };
    static const char *const results[] = { "ok", "error", "timeout", "offline" };

    printf("%s", kinds[jb_event_kind(ev)]);
    if (jb_event_kind(ev) == JB_EVENT_ONLINE || jb_event_kind(ev) == JB_EVENT_RESUMED)
        printf(" %s %s", jb_client_jid(client), jb_client_security(client));
    if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
        printf(" %s %d %s", reasons[jb_event_reason(ev)], jb_event_retry_ms(ev),
               jb_event_words(ev));
    if (jb_event_number(ev))
        printf(" %llu", (unsigned long long)jb_event_number(ev));
    if (jb_event_kind(ev) == JB_EVENT_ACKED)
        printf(" by %s", jb_event_acked_by(ev) == JB_ACKED_BY_SERVER ? "server" : "ping");
    if (jb_event_kind(ev) == JB_EVENT_ANSWER)
        printf(" %s", results[jb_event_result(ev)]);
    if (jb_event_kind(ev) == JB_EVENT_ROSTER)
        printf(" %s", jb_event_is_whole(ev) ? "whole" : "change");
    if (jb_event_element(ev)) {
        printf(" ");
        print_element(jb_event_element(ev));
    }
    printf("\n");
}

/* Cuts the first word off. */
static char *word(char **rest)
{
    char *w = *rest, *space = strchr(w, ' ');

    *rest = space ? space + 1 : w + strlen(w);
    if (space)
        *space = '\0';
    return w;
}

static void report(const char *what, int rc, uint64_t number)
{
    if (rc == 0 && number)
        printf("%s %llu\n", what, (unsigned long long)number);
    else
        printf("%s %s\n", what, rc == 0 ? "ok" : jb_strerror(rc));
}

static int run_command(struct jb_client *client, char *line)
{
    char *rest = line, *name = word(&rest);
    char id[JB_ID_BYTES];
    uint64_t number = 0;
    int rc = 0;

    if (strcmp(name, "set") == 0) {
        int k = find(settings, JB_SETTING_COUNT, word(&rest));
        rc = jb_client_set(client, (enum jb_setting)k, (uint32_t)strtoul(rest, NULL, 10));
    } else if (strcmp(name, "text") == 0) {
        int k = find(options, JB_OPTION_COUNT, word(&rest));
        rc = jb_client_set_text(client, (enum jb_option)k, *rest ? rest : NULL);
    } else if (strcmp(name, "connect") == 0) {
        char *jid = word(&rest);
        rc = jb_client_connect(client, jid, *rest ? rest : NULL);
    } else if (strcmp(name, "send") == 0) {
        rc = jb_client_send(client, rest, &number);
    } else if (strcmp(name, "message") == 0) {
        char *to = word(&rest);
        rc = jb_client_send_message(client, to, rest, id, &number);
        if (rc == 0)
            printf("id %s\n", id);
    } else if (strcmp(name, "request") == 0) {
        char *type = word(&rest), *to = word(&rest);
        rc = jb_client_request(client, type, strcmp(to, "-") == 0 ? NULL : to, rest, &number);
    } else if (strcmp(name, "disconnect") == 0) {
        jb_client_disconnect(client);
    } else if (strcmp(name, "token") == 0) {
        printf("token %s\n", jb_client_token(client));
        return 0;
    } else if (strcmp(name, "over") == 0) {
        printf("over %s\n", jb_client_is_over(client) ? "yes" : "no");
        return 0;
    } else if (strcmp(name, "cut") == 0) {
        rc = shutdown(jb_client_fd(client), SHUT_RDWR);
    } else {
        return 1;
    }
    report(name, rc, number);
    return 0;
}

/* Runs the lines that are whole; returns true to quit. */
static int run_commands(struct jb_client *client, char *text, size_t *n)
{
    char *end;

    while ((end = memchr(text, '\n', *n)) != NULL) {
        *end = '\0';
        int quit = run_command(client, text);
        *n -= (size_t)(end + 1 - text);
        memmove(text, end + 1, *n);
        if (quit)
            return 1;
    }
    return 0;
}

static short poll_events(unsigned wants)
{
    return (short)((wants & JB_WANT_READ ? POLLIN : 0) | (wants & JB_WANT_WRITE ? POLLOUT : 0));
}

int main(void)
{
    static char text[1 << 20];
    struct jb_client *client;
    const struct jb_event *ev;
    size_t n = 0;

    if (jb_client_new(&client, NULL) != 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        struct pollfd p[2] = {
            { .fd = 0, .events = POLLIN },
            { .fd = jb_client_fd(client), .events = poll_events(jb_client_wants(client)) },
        };
        if (poll(p, 2, jb_client_timeout_ms(client)) < 0)
            return 2;
        if (p[0].revents) {
            ssize_t got = read(0, text + n, sizeof text - n);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
        if (run_commands(client, text, &n))
            break;
        jb_client_process(client);
        while ((ev = jb_client_next(client)) != NULL)
            print_event(client, ev);
    }
    jb_client_free(client);
    return 0;
}
