/* SPDX-License-Identifier: MIT */
#include "cli/account.h"

#include "base/clock.h"
#include "base/random.h"
#include "cli/show.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_BYTES = 512, DOMAIN_BYTES = 1024, LEAVE_MS = 2000 };

/* -- Signals ---------------------------------------------------------------------------------- */

/* They are blocked but while we wait, so none is missed between a look and a wait. */
static volatile sig_atomic_t caught[NSIG];

static void on_signal(int number)
{
    caught[number] = 1;
}

void account_catch(int number)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(number, &action, NULL);
}

static int take_signal(void)
{
    for (int k = 1; k < NSIG; k++) {
        if (caught[k]) {
            caught[k] = 0;
            return k;
        }
    }
    return 0;
}

/* -- The token in place of a password (XEP-0484) ----------------------------------------------- */

static int token_load(struct account *a, bool *found)
{
    const char *name = a->args->token_file;
    char token[TOKEN_BYTES];

    *found = false;
    FILE *f = name ? fopen(name, "re") : NULL;
    if (!f)
        return !name || errno == ENOENT ? CLI_OK
                                        : cli_fail(CLI_IO, "%s: %s", name, strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no copy of it stays in a buffer */
    char *line = fgets(token, sizeof token, f);
    fclose(f);
    if (!line)
        return CLI_OK;
    token[strcspn(token, "\n")] = '\0';
    snprintf(a->token, sizeof a->token, "%s", token);
    int rc = token[0] ? jb_client_set_text(a->client, JB_OPTION_TOKEN, token) : 0;
    *found = token[0] && rc == 0;
    explicit_bzero(token, sizeof token);
    return rc == 0 ? CLI_OK : cli_fail(CLI_USAGE, "%s: this is no token", name);
}

/* Whole or not at all, and for the owner alone. */
static bool write_file(const char *name, const char *text)
{
    char beside[CLI_DATA_BYTES];

    if (snprintf(beside, sizeof beside, "%s.new", name) >= (int)sizeof beside)
        return false;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool whole = fchmod(fd, 0600) == 0 && dprintf(fd, "%s\n", text) > 0 && fsync(fd) == 0;
    close(fd);
    return whole && rename(beside, name) == 0;
}

/* Keeps the token that the server gave, if it is another one. */
static int token_save(struct account *a)
{
    const char *name = a->args->token_file, *token = jb_client_token(a->client);

    if (!name || !token[0] || strcmp(token, a->token) == 0)
        return CLI_OK;
    snprintf(a->token, sizeof a->token, "%s", token);
    return write_file(name, token) ? CLI_OK : cli_fail(CLI_IO, "%s: %s", name, strerror(errno));
}

/* -- Connecting ------------------------------------------------------------------------------- */

static int set_text(struct account *a, enum jb_option option, const char *name, const char *value)
{
    int rc = value ? jb_client_set_text(a->client, option, value) : 0;

    if (rc == JB_EINVAL)
        return cli_fail(CLI_USAGE, "--%s: not of its form: %s", name, value);
    return rc == 0 ? CLI_OK : account_fail(a, rc, name);
}

int account_open(struct account *a, const struct cli_args *args)
{
    *a = (struct account){ .args = args };
    sigprocmask(SIG_BLOCK, NULL, &a->waiting);
    int rc = jb_client_new(&a->client, NULL);
    if (rc != 0)
        return account_fail(a, rc, "client");
    jb_client_set(a->client, JB_SETTING_CONNECT_TIMEOUT_MS, args->timeout_ms);
    jb_client_set(a->client, JB_SETTING_REQUEST_TIMEOUT_MS, args->timeout_ms);
    jb_client_set(a->client, JB_SETTING_RECONNECT, 0);
    jb_client_set(a->client, JB_SETTING_PRESENCE, 0);
    int status = set_text(a, JB_OPTION_URL, "url", args->url);
    if (status == CLI_OK)
        status = set_text(a, JB_OPTION_CA_FILE, "ca-file", args->ca_file);
    return status;
}

/* All who share a token are one client to the server, which lets a client have one session at a
 * time (XEP-0386), unless each asks for a resource of its own. */
static int own_resource(struct account *a)
{
    char id[JB__RANDOM_ID_BYTES + 1], resource[16];

    if (!a->args->token_file || strchr(a->args->jid, '/'))
        return CLI_OK;
    jb__random_id(id);
    snprintf(resource, sizeof resource, "jabiru-%.8s", id);
    return set_text(a, JB_OPTION_RESOURCE, "jid", resource);
}

/* Whether there is a password that nobody must be asked for. */
static bool password_is_given(const struct cli_args *args)
{
    const char *variable = getenv("JABIRU_PASSWORD");

    return args->password_file || (variable && variable[0]);
}

int account_connect(struct account *a)
{
    char password[CLI_PASSWORD_BYTES];
    bool has_token;
    int status = token_load(a, &has_token);

    if (status == CLI_OK)
        status = own_resource(a);
    if (status != CLI_OK)
        return status;
    /* A domain alone may let anybody in; a token does for a password, but may be refused. */
    bool none = !strchr(a->args->jid, '@') || (has_token && !password_is_given(a->args));
    if (!none) {
        status = cli_account_password(a->args, a->args->jid, password, sizeof password);
        if (status != CLI_OK)
            return status;
    }
    int rc = jb_client_connect(a->client, a->args->jid, none ? NULL : password);
    explicit_bzero(password, sizeof password);
    if (rc == JB_EINVAL)
        return cli_fail(CLI_USAGE, "not an address: %s", a->args->jid);
    if (rc != 0)
        return account_fail(a, rc, "connect");
    account_catch(SIGINT);
    account_catch(SIGTERM);
    account_catch(SIGHUP);
    return CLI_OK;
}

int account_log_in(struct account *a)
{
    const struct jb_event *ev;
    int status = account_connect(a);

    while (status == CLI_OK) {
        enum account_wake wake = account_wait(a, -1, UINT64_MAX, &ev);
        if (wake != ACCOUNT_EVENT)
            return account_gave_up(a, wake, "not connected");
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            return account_offline(ev);
        if (jb_event_kind(ev) == JB_EVENT_ONLINE)
            return token_save(a);
    }
    return status;
}

/* -- Waiting ---------------------------------------------------------------------------------- */

static int earlier(int a, int b)
{
    if (a < 0)
        return b;
    return b < 0 || a < b ? a : b;
}

static int until(uint64_t at_ms)
{
    uint64_t now = jb__clock_mono_ms();

    if (at_ms == UINT64_MAX)
        return ACCOUNT_NEVER_MS;
    if (at_ms <= now)
        return 0;
    return at_ms - now < INT32_MAX ? (int)(at_ms - now) : INT32_MAX;
}

/* Sleeps until something is due; true when `fd` can be read (or is at its end). */
static bool sleep_on(struct account *a, int fd, int timeout_ms)
{
    unsigned wants = jb_client_wants(a->client);
    struct pollfd p[2] = {
        { .fd = jb_client_fd(a->client),
          .events = (short)((wants & JB_WANT_READ ? POLLIN : 0) |
                            (wants & JB_WANT_WRITE ? POLLOUT : 0)) },
        { .fd = fd, .events = POLLIN },
    };
    const struct timespec limit = { timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000 };

    int ready = ppoll(p, 2, timeout_ms < 0 ? NULL : &limit, &a->waiting);
    return ready > 0 && p[1].revents;
}

enum account_wake account_wait(struct account *a, int fd, uint64_t until_ms,
                               const struct jb_event **ev)
{
    for (;;) {
        *ev = jb_client_next(a->client);
        if (*ev)
            return ACCOUNT_EVENT;
        a->signal = take_signal();
        if (a->signal)
            return ACCOUNT_SIGNAL;
        int left = until(until_ms);
        if (left == 0)
            return ACCOUNT_TIME;
        if (fd < 0 && jb_client_is_over(a->client))
            return ACCOUNT_OVER;
        bool readable = sleep_on(a, fd, earlier(left, jb_client_timeout_ms(a->client)));
        jb_client_process(a->client); /* short of memory: told by OFFLINE */
        if (readable)
            return ACCOUNT_INPUT;
    }
}

/* -- Saying what went wrong ------------------------------------------------------------------- */

int account_offline(const struct jb_event *ev)
{
    char words[WORDS_BYTES];

    show_line(jb_event_words(ev), words, sizeof words);
    switch (jb_event_reason(ev)) {
    case JB_REASON_PASSWORD:
    case JB_REASON_MECHANISM:
    case JB_REASON_SERVER:
    case JB_REASON_REPLACED:
        return cli_fail(CLI_REFUSED, "%s", words);
    default:
        return cli_fail(CLI_IO, "%s", words);
    }
}

int account_gave_up(const struct account *a, enum account_wake wake, const char *what)
{
    if (wake == ACCOUNT_SIGNAL)
        return cli_fail(CLI_IO, "%s: interrupted by signal %d", what, a->signal);
    return cli_fail(CLI_IO, "%s%s", what, wake == ACCOUNT_TIME ? " in time" : "");
}

int account_fail(const struct account *a, int rc, const char *what)
{
    (void)a;
    return cli_fail(rc == JB_EINVAL ? CLI_USAGE : CLI_IO, "%s: %s", what, jb_strerror(rc));
}

bool account_error(const struct jb_element *stanza, char *out, size_t room)
{
    const char *type = jb_element_attr(stanza, "type");
    const struct jb_element *error = jb_element_child(stanza, "error", NULL);
    const char *words = "", *condition = "";

    if (!type || strcmp(type, "error") != 0)
        return false;
    for (const struct jb_element *e = jb_element_first(error); e; e = jb_element_next(e)) {
        if (strcmp(jb_element_ns(e), "urn:ietf:params:xml:ns:xmpp-stanzas") != 0)
            continue;
        if (strcmp(jb_element_name(e), "text") == 0)
            words = jb_element_text(e);
        else
            condition = jb_element_name(e);
    }
    char safe[WORDS_BYTES], more[WORDS_BYTES];
    snprintf(out, room, "%s%s%s", show_line(condition[0] ? condition : "error", safe, sizeof safe),
             words[0] ? ": " : "", show_line(words, more, sizeof more));
    return true;
}

const char *account_domain(const struct account *a, char *out, size_t room)
{
    const char *jid = jb_client_jid(a->client), *at = strchr(jid, '@');
    size_t n = strcspn(at ? at + 1 : jid, "/");

    snprintf(out, room, "%.*s", (int)n, at ? at + 1 : jid);
    return out;
}

int account_ask(struct account *a, uint64_t *number)
{
    char domain[DOMAIN_BYTES];

    return jb_client_request(a->client, "get", account_domain(a, domain, sizeof domain),
                             "<ping xmlns='urn:xmpp:ping'/>", number);
}

void account_close(struct account *a)
{
    const struct jb_event *ev;
    uint64_t end = jb__clock_mono_ms() + LEAVE_MS;

    if (!a->client)
        return;
    jb_client_disconnect(a->client);
    while (account_wait(a, -1, end, &ev) == ACCOUNT_EVENT)
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            break;
    token_save(a); /* the server may have given another one since */
    jb_client_free(a->client);
    a->client = NULL;
    explicit_bzero(a->token, sizeof a->token);
}
