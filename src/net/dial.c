/* SPDX-License-Identifier: MIT */
#include "net/dial.h"

#include "net/sock_impl.h"

/* An address that does not answer is left for the next one after this time; the last one has as
 * long as the caller waits. */
enum { ADDRESS_MS = 3000, WAIT_MS = 60000 };

int jb__dial_begin(struct jb__dial *d, const struct jb__dial_target *target, uint64_t now_ms)
{
    (void)now_ms;
    *d = (struct jb__dial){ .target = *target, .sock = JB__SOCK_NONE, .phase = JB__DIAL_RESOLVING };
    if (target->addr_count == 0)
        return jb__resolve_begin(&d->resolve, target->host, target->port);
    d->resolve = (struct jb__resolve){ .status = 1, .count = target->addr_count };
    for (uint8_t k = 0; k < target->addr_count; k++) {
        d->resolve.addrs[k] = target->addrs[k];
        d->resolve.addrs[k].port = target->port;
    }
    return 0;
}

static int begin_tls(struct jb__dial *d)
{
    const struct jb__dial_target *t = &d->target;

    d->phase = JB__DIAL_TLS;
    if (!t->tls)
        return 0;
    return jb__sock_start_tls_client(&d->sock, t->tls, t->names, t->names[1] ? 2 : 1);
}

/* Tries addresses until one answers, or may yet. */
static int try_next(struct jb__dial *d, uint64_t now_ms)
{
    int rc = JB_EIO;

    d->phase = JB__DIAL_CONNECTING;
    jb__sock_close(&d->sock);
    while (d->next < d->resolve.count) {
        rc = jb__sock_connect(&d->sock, &d->resolve.addrs[d->next++]);
        d->give_up_ms = d->next < d->resolve.count ? now_ms + ADDRESS_MS : UINT64_MAX;
        if (rc == JB_EAGAIN)
            return rc;
        if (rc == 0)
            return begin_tls(d);
    }
    return rc;
}

static int go_on_connecting(struct jb__dial *d, uint64_t now_ms)
{
    int rc = jb__sock_connected(&d->sock);

    if (rc == 0)
        return begin_tls(d);
    if (rc == JB_EAGAIN && now_ms < d->give_up_ms)
        return rc;
    if (d->next < d->resolve.count)
        return try_next(d, now_ms);
    return rc;
}

int jb__dial_step(struct jb__dial *d, uint64_t now_ms)
{
    int rc = 0;

    if (d->phase == JB__DIAL_RESOLVING) {
        rc = jb__resolve_step(&d->resolve);
        if (rc == 0)
            rc = try_next(d, now_ms);
    } else if (d->phase == JB__DIAL_CONNECTING) {
        rc = go_on_connecting(d, now_ms);
    }
    if (rc == 0 && d->phase == JB__DIAL_TLS)
        rc = jb__sock_handshake(&d->sock);
    return rc;
}

int jb__dial_wait(const struct jb__dial *d, uint64_t now_ms, uint8_t *want, uint32_t *timeout_ms)
{
    if (d->phase == JB__DIAL_RESOLVING)
        return jb__resolve_wait(&d->resolve, want, timeout_ms);
    *want = d->phase == JB__DIAL_CONNECTING ? JB__WANT_WRITE : d->sock.want;
    *timeout_ms = WAIT_MS;
    if (d->phase == JB__DIAL_CONNECTING && d->give_up_ms - now_ms < WAIT_MS)
        *timeout_ms = d->give_up_ms > now_ms ? (uint32_t)(d->give_up_ms - now_ms) : 0;
    return d->sock.fd;
}

void jb__dial_end(struct jb__dial *d)
{
    if (d->phase == JB__DIAL_IDLE)
        return;
    jb__resolve_end(&d->resolve);
    jb__sock_close(&d->sock);
    d->phase = JB__DIAL_IDLE;
}
