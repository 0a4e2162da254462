/* SPDX-License-Identifier: MIT */
/* Loads a server and says what that cost it.
 *
 *     load pairs|idle [OPTION...]      (see usage below)
 *
 * pairs: connection 2k and 2k+1 send each other chat messages, a closed loop: at any time `window`
 * messages of a pair are under way, whoever gets one sends one.  Every message is counted once, in
 * order; one lost or doubled fails the run.
 * idle: the connections are opened and held.
 *
 * One thread; frames are made beforehand and only their ids change, so that on a small machine the
 * server under test gets most of it.  Prints one line of JSON. */
#include "net/addr.h"
#include "peer.h"
#include "process.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES = 338,
    FRAME_BYTES = MESSAGE_BYTES + PEER_HEAD_BYTES,
    WINDOW_MOST = 64,
    LOGINS_AT_ONCE = 64,
    EVENTS = 1024,
    SILENCE_MS = 10000, /* so long without a message: they are lost */
    ECHO_MS = 200,      /* after the last one: would a doubled one still come? */
};

/* A peer's part in `pairs`. */
struct talker {
    char frame[FRAME_BYTES];
    size_t frame_bytes;
    char *serial;      /* in the frame: eight hexadecimal digits that count */
    uint32_t sent;     /* messages of this peer */
    uint32_t expected; /* serial of the next one from its partner */
    uint64_t sent_ns[WINDOW_MOST];
};

static struct {
    struct peer_options peer;
    char host_port[256];
    pid_t pid;
    uint32_t connections, window;
    uint64_t messages, warmup;
    unsigned hold_s;
} options = { .connections = 100, .window = 1, .messages = 100000, .hold_s = 3 };

static int epoll_fd;
static struct peer *peers;
static struct talker *talkers;
static uint64_t sent, delivered;
static uint32_t *latency_us; /* of each delivery */
static struct process_use at_start, at_end;
static uint64_t start_ns, end_ns;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "load: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_use(struct process_use *use, uint64_t *at_ns)
{
    if (process_read(options.pid, use) != 0)
        die("cannot look at the server's process", NULL);
    *at_ns = now_ns();
}

/* ---- pairs ---- */

static uint32_t hex(const char *p)
{
    uint32_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 4 | (uint32_t)(p[i] <= '9' ? p[i] - '0' : p[i] - 'a' + 10);
    return value;
}

static void put_hex(char *p, uint32_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 4)
        p[i] = "0123456789abcdef"[value & 15];
}

static void make_frame(struct peer *p)
{
    struct talker *t = &talkers[p->index];
    const struct peer *partner = &peers[p->index ^ 1];
    char text[2 * MESSAGE_BYTES], filler[MESSAGE_BYTES];
    static const char format[] =
        "<message xmlns='jabber:client' to='%s' id='%08x-00000000' type='chat'><body>%.*s</body>"
        "<active xmlns='http://jabber.org/protocol/chatstates'/>"
        "<request xmlns='urn:xmpp:receipts'/></message>";
    static const char words[] = "Meet me under the balcony when the lamps are lit. ";

    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = words[i % (sizeof words - 1)];
    int bare = snprintf(NULL, 0, format, partner->jid, p->index, 0, filler);
    if (bare >= MESSAGE_BYTES)
        die("an address is too long for the message", partner->jid);
    int n =
        snprintf(text, sizeof text, format, partner->jid, p->index, MESSAGE_BYTES - bare, filler);
    if (n != MESSAGE_BYTES)
        die("the message has another size", text);
    t->frame_bytes = peer_frame(t->frame, text, MESSAGE_BYTES);
    t->serial = strstr(t->frame + PEER_HEAD_BYTES, "-00000000'") + 1;
}

/* One message, at `out`; returns its bytes, 0 when enough were sent. */
static size_t next_message(struct peer *p, char *out, uint64_t now)
{
    struct talker *t = &talkers[p->index];

    if (sent == options.messages)
        return 0;
    sent++;
    t->sent_ns[t->sent % WINDOW_MOST] = now;
    put_hex(t->serial, t->sent++);
    memcpy(out, t->frame, t->frame_bytes);
    return t->frame_bytes;
}

static void send_messages(struct peer *p, uint32_t count)
{
    char out[WINDOW_MOST * FRAME_BYTES];
    uint64_t now = now_ns();
    size_t n = 0;

    for (uint32_t i = 0; i < count; i++)
        n += next_message(p, out + n, now);
    if (n > 0 && !peer_send(p, out, n))
        die("the server does not take what is sent", NULL);
}

static uint32_t answers_due; /* messages that the peer being read has got */

static void on_text(struct peer *p, const char *text, size_t n)
{
    struct talker *t;
    uint64_t now = now_ns();
    const char *id = n > 8 && memcmp(text, "<message", 8) == 0
                         ? memmem(text, n < 300 ? n : 300, " id='", 5)
                         : NULL;

    if (!id || !talkers)
        return;
    t = &talkers[p->index];
    if (hex(id + 5) != (p->index ^ 1))
        die("a message went to the wrong connection", NULL);
    uint32_t serial = hex(id + 5 + 9);
    if (serial != t->expected)
        die(serial < t->expected ? "a message came twice" : "a message was lost", NULL);
    t->expected++;
    uint64_t took = now - talkers[p->index ^ 1].sent_ns[serial % WINDOW_MOST];
    latency_us[delivered++] = (uint32_t)(took / 1000);
    if (delivered == options.warmup)
        read_use(&at_start, &start_ns);
    if (delivered == options.messages)
        read_use(&at_end, &end_ns);
    answers_due++;
}

/* ---- all ---- */

/* Waits for input once and takes it; false: none came in time. */
static bool turn(int timeout_ms)
{
    static struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct peer *p = events[i].data.ptr;
        answers_due = 0;
        if (!peer_on_readable(p, &options.peer, on_text))
            die("a connection failed", p->why);
        if (answers_due)
            send_messages(p, answers_due);
    }
    return count > 0;
}

static uint32_t count_ready(uint32_t from, uint32_t to)
{
    uint32_t ready = 0;

    for (uint32_t i = from; i < to; i++)
        ready += peers[i].state == PEER_READY;
    return ready;
}

static void connect_all(void)
{
    uint32_t settled = 0; /* all before this one are ready */

    peers = calloc(options.connections, sizeof *peers);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!peers || epoll_fd < 0)
        die("starting", strerror(errno));
    for (uint32_t i = 0; i < options.connections; i++) {
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &peers[i] };
        if (peer_open(&peers[i], i, &options.peer) != 0 ||
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, peers[i].fd, &ev) != 0)
            die("connecting", strerror(errno));
        while (i + 1 - settled - count_ready(settled, i + 1) >= LOGINS_AT_ONCE ||
               (i + 1 == options.connections && settled < i + 1)) {
            if (!turn(SILENCE_MS))
                die("a login takes too long", NULL);
            while (settled <= i && peers[settled].state == PEER_READY)
                settled++;
        }
    }
}

/* Nothing for this long. */
static void quiet_down(int ms)
{
    while (turn(ms))
        ;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void report_pairs(void)
{
    uint64_t n = options.messages - options.warmup;
    double messages = (double)n, seconds = (double)(end_ns - start_ns) / 1e9;
    uint32_t *us = latency_us + options.warmup;

    qsort(us, n, sizeof *us, compare);
    printf("{\"scenario\": \"pairs\", \"connections\": %u, \"window\": %u, \"messages\": %lu, "
           "\"cpu_us_per_message\": %.3f, \"messages_per_s\": %.0f, \"server_cpu\": %.3f, "
           "\"sleeps_per_message\": %.4f, \"latency_us\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, "
           "\"p999\": %u, \"max\": %u}}\n",
           options.connections, options.window, n, (at_end.cpu_s - at_start.cpu_s) / messages * 1e6,
           messages / seconds, (at_end.cpu_s - at_start.cpu_s) / seconds,
           (double)(at_end.switches - at_start.switches) / messages, us[n / 2], us[n * 9 / 10],
           us[n * 99 / 100], us[n * 999 / 1000], us[n - 1]);
}

static void run_pairs(void)
{
    connect_all();
    talkers = calloc(options.connections, sizeof *talkers);
    latency_us = calloc(options.messages + 1, sizeof *latency_us);
    if (!talkers || !latency_us)
        die("out of memory", NULL);
    quiet_down(ECHO_MS);
    for (uint32_t i = 0; i < options.connections; i++)
        make_frame(&peers[i]);
    read_use(&at_start, &start_ns); /* again when it is warm */
    for (uint32_t i = 0; i < options.connections; i += 2)
        send_messages(&peers[i], options.window);
    while (delivered < options.messages)
        if (!turn(SILENCE_MS))
            die("messages were lost at the end", NULL);
    quiet_down(ECHO_MS);
    report_pairs();
}

static void run_idle(void)
{
    struct process_use held;
    uint64_t held_ns;

    read_use(&at_start, &start_ns);
    connect_all();
    quiet_down(1000);
    read_use(&at_end, &end_ns);
    while (now_ns() - end_ns < options.hold_s * 1000000000ull)
        turn(100);
    read_use(&held, &held_ns);
    double n = options.connections;
    printf("{\"scenario\": \"idle\", \"connections\": %u, \"pss_bytes_per_connection\": %.0f, "
           "\"anon_bytes_per_connection\": %.0f, \"pss_kib_before\": %lu, \"pss_kib_after\": %lu, "
           "\"login_cpu_us\": %.1f, \"held_s\": %u, \"idle_cpu\": %.4f}\n",
           options.connections, ((double)held.pss_kib - (double)at_start.pss_kib) * 1024 / n,
           ((double)held.anon_kib - (double)at_start.anon_kib) * 1024 / n, at_start.pss_kib,
           held.pss_kib, (at_end.cpu_s - at_start.cpu_s) / n * 1e6, options.hold_s,
           (held.cpu_s - at_end.cpu_s) / ((double)(held_ns - end_ns) / 1e9));
}

/* ---- command line ---- */

static const char usage[] =
    "usage: load pairs|idle --url ws://ADDRESS:PORT/PATH --pid SERVER [OPTION...]\n"
    "  --login raw|anonymous|plain   raw speaks no XMPP; plain are user0, user1, ... (anonymous)\n"
    "  --domain NAME --password TEXT the XMPP host, and the password of all users\n"
    "  --connections N               (100)\n"
    "  --messages N --warmup N       messages in all (100000), and those before the count begins\n"
    "  --window N                    messages under way in a pair, at most 64 (1)\n"
    "  --hold SECONDS                idle: how long (3)\n";

static void usage_error(void)
{
    fputs(usage, stderr);
    exit(2);
}

static uint64_t number(const char *text, uint64_t most)
{
    uint64_t value;

    if (!jb_str_u64(jb_strz(text), most, &value))
        usage_error();
    return value;
}

static void take_url(const char *url)
{
    struct jb_str rest = jb_strz(url), authority, path;
    struct sockaddr_storage sa;
    struct jb__addr addr;

    if (!jb_str_starts(rest, JB_STR("ws://")))
        usage_error();
    jb_str_cut(jb_str_from(rest, 5), '/', &authority, &path);
    if (jb__addr_parse_port(&addr, authority) != 0 || !jb__addr_is_v4(&addr))
        usage_error();
    jb__addr_to_sockaddr(&addr, &sa);
    memcpy(&options.peer.to, &sa, sizeof options.peer.to);
    snprintf(options.host_port, sizeof options.host_port, "%.*s", JB_STR_ARG(authority));
    options.peer.host_port = options.host_port;
    options.peer.path = path.n ? path.p - 1 : "/";
}

static enum peer_login login_of(const char *name)
{
    static const char *const names[] = { "raw", "anonymous", "plain" };

    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum peer_login)i;
    usage_error();
    return PEER_RAW;
}

static void take_option(int option, const char *value)
{
    switch (option) {
    case 'u':
        take_url(value);
        break;
    case 'p':
        options.pid = (pid_t)number(value, INT32_MAX);
        break;
    case 'l':
        options.peer.login = login_of(value);
        break;
    case 'd':
        options.peer.domain = value;
        break;
    case 's':
        options.peer.password = value;
        break;
    case 'c':
        options.connections = (uint32_t)number(value, 1000000);
        break;
    case 'm':
        options.messages = number(value, 1000000000);
        break;
    case 'w':
        options.warmup = number(value, 1000000000);
        break;
    case 'n':
        options.window = (uint32_t)number(value, WINDOW_MOST);
        break;
    case 'h':
        options.hold_s = (unsigned)number(value, 86400);
        break;
    default:
        usage_error();
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "url", 1, NULL, 'u' },      { "pid", 1, NULL, 'p' },      { "login", 1, NULL, 'l' },
        { "domain", 1, NULL, 'd' },   { "password", 1, NULL, 's' }, { "connections", 1, NULL, 'c' },
        { "messages", 1, NULL, 'm' }, { "warmup", 1, NULL, 'w' },   { "window", 1, NULL, 'n' },
        { "hold", 1, NULL, 'h' },     { NULL, 0, NULL, 0 },
    };
    int option;

    options.peer.login = PEER_ANONYMOUS;
    options.peer.domain = "localhost";
    options.peer.password = "secret";
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        take_option(option, optarg);
    if (optind + 1 != argc || !options.peer.host_port || !options.pid || !options.connections)
        usage_error();
    if (strcmp(argv[optind], "idle") == 0)
        run_idle();
    else if (strcmp(argv[optind], "pairs") == 0 && options.connections % 2 == 0 &&
             options.window > 0 && options.warmup < options.messages)
        run_pairs();
    else
        usage_error();
    return 0;
}
