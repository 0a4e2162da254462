/* SPDX-License-Identifier: MIT */
#include "cli/bench/options.h"

#include "cli/cli.h"
#include "net/addr.h"

#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

const char options_words[] =
    "  --url URL               ws:// or wss://HOST[:PORT]/PATH\n"
    "  --domain NAME           the XMPP host (the URL's)\n"
    "  --auth HOW              plain, scram-sha-1, scram-sha-256, anonymous, or raw: no XMPP at "
    "all,\n"
    "                          for a bare relay (plain with --users, else anonymous)\n"
    "  --users PATTERN         localparts; the first # stands for the number: 'user#'\n"
    "  --first-user N          the first number (0)\n"
    "  --password-file FILE    the first line is everybody's password; without it, the variable\n"
    "                          JABIRU_BENCH_PASSWORD of the environment is\n"
    "  --insecure              do not check the server's certificate; on loopback only\n"
    "  --ca-file FILE          trust these authorities (PEM)\n"
    "  --sm                    stream management (XEP-0198): the server is asked behind each\n"
    "                          message, unless it owes an answer, and must acknowledge all; what "
    "it\n"
    "                          asks is answered.  Its acknowledgements are measured as messages "
    "are\n"
    "  --connections N         sessions in all (100)\n"
    "  --threads N             workers (1)\n"
    "  --logins-at-once N      while all log in at the start (64)\n"
    "  --warmup SECONDS        not measured (2)\n"
    "  --duration SECONDS      measured (10)\n"
    "  --timeout SECONDS       so long without any progress: the rest is lost (10)\n"
    "  --pid PID[,PID...]      the server's processes, on this machine: its CPU time and memory, "
    "with\n"
    "                          those of the processes they started\n"
    "  --json                  one JSON object on standard output\n"
    "  --report FILE.html      a page with plots\n";

enum {
    OPT_URL = 256,
    OPT_DOMAIN,
    OPT_AUTH,
    OPT_USERS,
    OPT_FIRST_USER,
    OPT_PASSWORD,
    OPT_PASSWORD_FILE,
    OPT_INSECURE,
    OPT_CA_FILE,
    OPT_SM,
    OPT_CONNECTIONS,
    OPT_THREADS,
    OPT_LOGINS,
    OPT_WARMUP,
    OPT_DURATION,
    OPT_TIMEOUT,
    OPT_PID,
    OPT_JSON,
    OPT_REPORT,
    OPT_RATE,
    OPT_WINDOW,
    OPT_BYTES,
    OPT_CONTACTS,
    OPT_SENDERS,
    OPT_ROOMS,
    OPT_HELP,
};

static const struct option known[] = {
    { "url", 1, NULL, OPT_URL },
    { "domain", 1, NULL, OPT_DOMAIN },
    { "auth", 1, NULL, OPT_AUTH },
    { "users", 1, NULL, OPT_USERS },
    { "first-user", 1, NULL, OPT_FIRST_USER },
    { "password", 2, NULL, OPT_PASSWORD }, /* or it would be short for the next */
    { "password-file", 1, NULL, OPT_PASSWORD_FILE },
    { "insecure", 0, NULL, OPT_INSECURE },
    { "ca-file", 1, NULL, OPT_CA_FILE },
    { "sm", 0, NULL, OPT_SM },
    { "connections", 1, NULL, OPT_CONNECTIONS },
    { "threads", 1, NULL, OPT_THREADS },
    { "logins-at-once", 1, NULL, OPT_LOGINS },
    { "warmup", 1, NULL, OPT_WARMUP },
    { "duration", 1, NULL, OPT_DURATION },
    { "timeout", 1, NULL, OPT_TIMEOUT },
    { "pid", 1, NULL, OPT_PID },
    { "json", 0, NULL, OPT_JSON },
    { "report", 1, NULL, OPT_REPORT },
    { "rate", 1, NULL, OPT_RATE },
    { "window", 1, NULL, OPT_WINDOW },
    { "bytes", 1, NULL, OPT_BYTES },
    { "contacts", 1, NULL, OPT_CONTACTS },
    { "senders", 1, NULL, OPT_SENDERS },
    { "rooms", 1, NULL, OPT_ROOMS },
    { "help", 0, NULL, OPT_HELP },
    { 0 },
};

/* -- Values ----------------------------------------------------------------------------------- */

static bool take_count(const char *text, uint32_t most, uint32_t *out)
{
    uint64_t value;

    if (!jb_str_u64(jb_strz(text), most, &value) || value == 0)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool take_real(const char *text, double most, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !isfinite(value) || value < 0 || value > most)
        return false;
    *out = value;
    return true;
}

static bool take_pids(const char *text, struct process_tree *t)
{
    struct jb_str rest = jb_strz(text), one;
    uint64_t pid;

    while (rest.n > 0) {
        jb_str_cut(rest, ',', &one, &rest);
        if (t->root_count == PROCESS_ROOTS || !jb_str_u64(one, INT32_MAX, &pid))
            return false;
        t->roots[t->root_count++] = (pid_t)pid;
    }
    return t->root_count > 0;
}

static bool take_auth(const char *text, struct bench_options *o, bool *given)
{
    static const char *const names[] = {
        [BENCH_RAW] = "raw",
        [BENCH_ANONYMOUS] = "anonymous",
        [BENCH_PLAIN] = "plain",
        [BENCH_SCRAM_SHA_1] = "scram-sha-1",
        [BENCH_SCRAM_SHA_256] = "scram-sha-256",
    };

    *given = true;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        o->login = (enum bench_login)i;
        return true;
    }
    return false;
}

/* ws://HOST[:PORT]/PATH; the name is looked up later. */
static bool take_url(const char *text, struct bench_options *o, const char **port)
{
    struct jb_str url = jb_strz(text), authority, path, host, rest;

    o->tls = jb_str_starts(url, JB_STR("wss://"));
    if (!o->tls && !jb_str_starts(url, JB_STR("ws://")))
        return false;
    url = jb_str_from(url, o->tls ? 6 : 5);
    o->path = jb_str_cut(url, '/', &authority, &path) ? path.p - 1 : "/";
    if (authority.n == 0 || authority.n >= sizeof o->host)
        return false;
    snprintf(o->host_port, sizeof o->host_port, "%.*s", JB_STR_ARG(authority));
    *port = o->tls ? "443" : "80";
    if (authority.p[0] == '[') { /* IPv6 */
        if (!jb_str_cut(jb_str_from(authority, 1), ']', &host, &rest))
            return false;
    } else {
        jb_str_cut(authority, ':', &host, &rest);
        rest = jb_str_from(authority, host.n);
    }
    snprintf(o->host, sizeof o->host, "%.*s", JB_STR_ARG(host));
    if (rest.n > 1 && rest.p[0] == ':')
        *port = strrchr(o->host_port, ':') + 1;
    return host.n > 0;
}

static int look_up(struct bench_options *o, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    struct jb__addr addr;
    int rc = getaddrinfo(o->host, port, &hints, &found);

    if (rc != 0)
        return cli_fail(CLI_IO, "%s: %s", o->host, gai_strerror(rc));
    memcpy(&o->to, found->ai_addr, found->ai_addrlen);
    o->to_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    jb__addr_from_sockaddr(&addr, (const struct sockaddr *)&o->to);
    o->loopback = jb__addr_is_loopback(&addr);
    return CLI_OK;
}

static int read_password(struct bench_options *o, const char *file)
{
    const char *variable = getenv("JABIRU_BENCH_PASSWORD");
    struct cli_args args = { .password_file = file };

    if (file)
        return cli_read_password(&args, "the accounts", o->password, sizeof o->password);
    if (!variable || strlen(variable) >= sizeof o->password)
        return cli_fail(CLI_USAGE, "accounts need a password: --password-file FILE, or "
                                   "JABIRU_BENCH_PASSWORD in the environment");
    snprintf(o->password, sizeof o->password, "%s", variable);
    return CLI_OK;
}

/* -- The command line ------------------------------------------------------------------------- */

struct reading {
    struct bench_options *o;
    const char *port, *password_file;
    bool auth_given;
};

static bool take_load(int option, struct bench_options *o)
{
    switch (option) {
    case OPT_CONNECTIONS:
        return take_count(optarg, 10000000, &o->connections);
    case OPT_THREADS:
        return take_count(optarg, 256, &o->threads);
    case OPT_LOGINS:
        return take_count(optarg, 10000000, &o->logins_at_once);
    case OPT_WARMUP:
        return take_real(optarg, 86400, &o->warmup_s);
    case OPT_DURATION:
        return take_real(optarg, 864000, &o->duration_s) && o->duration_s > 0;
    case OPT_TIMEOUT:
        return take_real(optarg, 86400, &o->timeout_s) && o->timeout_s > 0;
    case OPT_RATE:
        return take_real(optarg, 1e9, &o->rate);
    case OPT_WINDOW:
        return take_count(optarg, 10000, &o->window);
    case OPT_BYTES:
        return take_count(optarg, 1024 * 1024, &o->bytes);
    case OPT_CONTACTS:
        return take_count(optarg, 10000, &o->contacts);
    case OPT_SENDERS:
        return take_count(optarg, 100000, &o->senders);
    default:
        return false;
    }
}

static bool take_option(int option, struct reading *r)
{
    struct bench_options *o = r->o;

    switch (option) {
    case OPT_URL:
        return take_url(optarg, o, &r->port);
    case OPT_DOMAIN:
        o->domain = optarg;
        return true;
    case OPT_AUTH:
        return take_auth(optarg, o, &r->auth_given);
    case OPT_USERS:
        o->users = optarg;
        return strchr(optarg, '#') != NULL;
    case OPT_FIRST_USER:
        return strcmp(optarg, "0") == 0 || take_count(optarg, 2000000000, &o->first_user);
    case OPT_PASSWORD_FILE:
        r->password_file = optarg;
        return true;
    case OPT_INSECURE:
        return o->insecure = true;
    case OPT_CA_FILE:
        o->ca_file = optarg;
        return true;
    case OPT_SM:
        return o->sm = true;
    case OPT_PID:
        return take_pids(optarg, &o->server);
    case OPT_JSON:
        return o->json = true;
    case OPT_REPORT:
        o->report = optarg;
        return true;
    case OPT_ROOMS:
        o->rooms = optarg;
        return strlen(optarg) < 256;
    default:
        return take_load(option, o);
    }
}

static int finish(struct reading *r, const struct scenario *s)
{
    struct bench_options *o = r->o;
    int status;

    if (!r->port)
        return cli_fail(CLI_USAGE, "which server? (--url ws://HOST:PORT/PATH)");
    if (!r->auth_given)
        o->login = o->users ? BENCH_PLAIN : BENCH_ANONYMOUS;
    if (o->login >= BENCH_PLAIN && !o->users)
        return cli_fail(CLI_USAGE, "which accounts? (--users 'user#')");
    if (o->login == BENCH_RAW && o->sm)
        return cli_fail(CLI_USAGE, "a bare relay has no stream management (--sm)");
    if (o->threads > o->connections)
        o->threads = o->connections;
    if (!o->domain)
        o->domain = o->host;
    status = look_up(o, r->port);
    if (status == CLI_OK && o->insecure && !o->loopback)
        status = cli_fail(CLI_USAGE, "--insecure is for servers on this machine; --ca-file FILE "
                                     "trusts an authority of your own");
    if (status == CLI_OK && o->login >= BENCH_PLAIN)
        status = read_password(o, r->password_file);
    const char *wrong = status == CLI_OK && s->check ? s->check(o) : NULL;
    return wrong ? cli_fail(CLI_USAGE, "%s", wrong) : status;
}

int options_read(struct bench_options *o, const struct scenario *s, int argc, char **argv,
                 bool *help)
{
    struct reading r = { .o = o };
    int option;

    *o = (struct bench_options){ .connections = 100,
                                 .threads = 1,
                                 .window = 1,
                                 .contacts = 20,
                                 .senders = 10,
                                 .logins_at_once = 64,
                                 .bytes = 338,
                                 .warmup_s = 2,
                                 .duration_s = 10,
                                 .timeout_s = 10,
                                 .login = BENCH_PLAIN };
    s->defaults(o);
    *help = false;
    optind = 0; /* GNU: begin anew */
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == OPT_HELP) {
            *help = true;
            return CLI_OK;
        }
        if (option == '?')
            return CLI_USAGE; /* getopt has said why */
        if (option == OPT_PASSWORD)
            return cli_fail(CLI_USAGE, "others could see a password on the command line: use "
                                       "--password-file");
        if (!take_option(option, &r))
            return cli_fail(CLI_USAGE, "not understood: %s", argv[optind - 1]);
    }
    if (optind < argc)
        return cli_fail(CLI_USAGE, "not an option: %s", argv[optind]);
    return finish(&r, s);
}
