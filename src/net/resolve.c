/* SPDX-License-Identifier: MIT */
#include "net/resolve.h"

#include "net/sock_impl.h"

#include <ares.h>
#include <netinet/in.h>

/* More sockets than one are only open while a second name server is asked: then we look at all of
 * them this often instead of waiting for each. */
enum { TRY_MS = 2500, TRIES = 3, LOOK_MS = 50, WAIT_MOST_MS = 1000 };

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct jb__resolve *r = arg;

    (void)timeouts;
    for (struct ares_addrinfo_node *n = found ? found->nodes : NULL;
         n && r->count < JB__RESOLVE_MOST; n = n->ai_next) {
        jb__addr_from_sockaddr(&r->addrs[r->count], n->ai_addr);
        r->addrs[r->count].port = r->port;
        r->count += r->addrs[r->count].is_set;
    }
    if (found)
        ares_freeaddrinfo(found);
    if (status == ARES_SUCCESS && r->count)
        r->status = 1;
    else if (status == ARES_ENOMEM)
        r->status = jb__sock_fail(JB_ENOMEM, "out of memory");
    else if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND)
        r->status = jb__sock_fail(JB_ENOTFOUND, "the name has no address");
    else
        r->status = jb__sock_fail(JB_EIO, ares_strerror(status));
}

static void add(struct jb__resolve *r, struct jb_str text)
{
    if (jb__addr_parse(&r->addrs[r->count], text) != 0)
        return;
    r->addrs[r->count++].port = r->port;
    r->status = 1;
}

/* RFC 6761 section 6.3. */
static bool is_localhost(struct jb_str host)
{
    const struct jb_str name = JB_STR("localhost");

    if (host.n < name.n || !jb_str_eq_ascii_nocase(jb_str_from(host, host.n - name.n), name))
        return false;
    return host.n == name.n || host.p[host.n - name.n - 1] == '.';
}

/* What needs no asking. */
static void find_at_once(struct jb__resolve *r, struct jb_str host)
{
    add(r, host);
    if (r->count || !is_localhost(host))
        return;
    add(r, JB_STR("127.0.0.1"));
    add(r, JB_STR("::1"));
}

int jb__resolve_begin(struct jb__resolve *r, const char *host, uint16_t port)
{
    struct ares_options options = { .timeout = TRY_MS, .tries = TRIES };
    struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

    *r = (struct jb__resolve){ .port = port };
    find_at_once(r, jb_strz(host));
    if (r->status)
        return 0;
    if (ares_init_options(&r->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
        ARES_SUCCESS)
        return jb__sock_fail(JB_ENOMEM, "the resolver cannot start");
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_addresses, r);
    return 0;
}

int jb__resolve_step(struct jb__resolve *r)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];

    if (!r->status) {
        int mask = ares_getsock(r->channel, socks, ARES_GETSOCK_MAXNUM);
        /* Also without a socket: that is how time-outs are noticed. */
        ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        for (int k = 0; k < ARES_GETSOCK_MAXNUM && !r->status; k++) {
            ares_socket_t in = ARES_GETSOCK_READABLE(mask, k) ? socks[k] : ARES_SOCKET_BAD;
            ares_socket_t out = ARES_GETSOCK_WRITABLE(mask, k) ? socks[k] : ARES_SOCKET_BAD;
            if (in != ARES_SOCKET_BAD || out != ARES_SOCKET_BAD)
                ares_process_fd(r->channel, in, out);
        }
    }
    if (!r->status)
        return JB_EAGAIN;
    int rc = r->status > 0 ? 0 : r->status;
    jb__resolve_end(r);
    return rc;
}

int jb__resolve_wait(const struct jb__resolve *r, uint8_t *want, uint32_t *timeout_ms)
{
    ares_socket_t socks[ARES_GETSOCK_MAXNUM];
    struct timeval most = { .tv_sec = WAIT_MOST_MS / 1000 }, tv;
    int fd = -1, count = 0;

    *want = 0;
    *timeout_ms = 0;
    if (r->status)
        return -1; /* the answer is there: step */
    int mask = ares_getsock(r->channel, socks, ARES_GETSOCK_MAXNUM);
    for (int k = 0; k < ARES_GETSOCK_MAXNUM; k++) {
        if (!ARES_GETSOCK_READABLE(mask, k) && !ARES_GETSOCK_WRITABLE(mask, k))
            continue;
        fd = socks[k];
        *want = (uint8_t)((ARES_GETSOCK_READABLE(mask, k) ? JB__WANT_READ : 0) |
                          (ARES_GETSOCK_WRITABLE(mask, k) ? JB__WANT_WRITE : 0));
        count++;
    }
    const struct timeval *wait = ares_timeout(r->channel, &most, &tv);
    *timeout_ms = (uint32_t)(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1);
    if (count > 1 && *timeout_ms > LOOK_MS)
        *timeout_ms = LOOK_MS;
    return fd;
}

void jb__resolve_end(struct jb__resolve *r)
{
    struct ares_channeldata *channel = r->channel;

    r->channel = NULL;
    if (channel)
        ares_destroy(channel); /* calls on_addresses when one was waiting */
}
