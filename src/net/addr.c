/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static void set_v4(uint8_t ip[16], const void *four)
{
    memcpy(ip, v4_prefix, sizeof v4_prefix);
    memcpy(ip + 12, four, 4);
}

void jb__addr_from_sockaddr(struct jb__addr *a, const struct sockaddr *sa)
{
    *a = (struct jb__addr){ 0 };
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        set_v4(a->ip, &in.sin_addr);
        a->port = ntohs(in.sin_port);
        a->is_set = true;
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        memcpy(a->ip, &in6.sin6_addr, sizeof a->ip);
        a->port = ntohs(in6.sin6_port);
        a->scope = in6.sin6_scope_id;
        a->is_set = true;
    }
}

socklen_t jb__addr_to_sockaddr(const struct jb__addr *a, struct sockaddr_storage *out)
{
    jb_assert(a->is_set);
    memset(out, 0, sizeof *out);
    if (jb__addr_is_v4(a)) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
        memcpy(&in.sin_addr, a->ip + 12, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
    memcpy(&in6.sin6_addr, a->ip, sizeof a->ip);
    in6.sin6_scope_id = a->scope;
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

size_t jb__addr_text(const struct jb__addr *a, char out[JB__ADDR_TEXT_BYTES])
{
    const bool v4 = a->is_set && jb__addr_is_v4(a);
    const void *ip = v4 ? a->ip + 12 : a->ip;

    if (!a->is_set || !inet_ntop(v4 ? AF_INET : AF_INET6, ip, out, JB__ADDR_TEXT_BYTES))
        memcpy(out, "unknown", sizeof "unknown");
    return strlen(out);
}

size_t jb__addr_text_port(const struct jb__addr *a, char out[JB__ADDR_TEXT_BYTES])
{
    char ip[JB__ADDR_TEXT_BYTES];
    const bool v6 = a->is_set && !jb__addr_is_v4(a);

    jb__addr_text(a, ip);
    /* The longest IPv6 text has 45 bytes: it always fits. */
    int n = snprintf(out, JB__ADDR_TEXT_BYTES, v6 ? "[%.46s]:%u" : "%.46s:%u", ip, a->port);
    jb_assert(n > 0 && n < JB__ADDR_TEXT_BYTES);
    return (size_t)n;
}

int jb__addr_parse(struct jb__addr *a, struct jb_str text)
{
    char z[INET6_ADDRSTRLEN];
    uint8_t four[4];

    *a = (struct jb__addr){ 0 };
    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
        text = jb_str(text.p + 1, text.n - 2);
        if (!text.n || !memchr(text.p, ':', text.n))
            return JB_EINVAL; /* brackets are for IPv6 */
    }
    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return JB_EINVAL;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (inet_pton(AF_INET, z, four) == 1)
        set_v4(a->ip, four);
    else if (inet_pton(AF_INET6, z, a->ip) != 1)
        return JB_EINVAL;
    a->is_set = true;
    return 0;
}

int jb__addr_parse_port(struct jb__addr *a, struct jb_str text)
{
    size_t colon = text.n;
    uint64_t port;

    *a = (struct jb__addr){ 0 };
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon < 2 || !jb_str_u64(jb_str_from(text, colon), UINT16_MAX, &port))
        return JB_EINVAL;
    struct jb_str host = jb_str(text.p, colon - 1);
    if (jb_str_eq(host, JB_STR("*")))
        host = JB_STR("[::]");
    else if (memchr(host.p, ':', host.n) && host.p[0] != '[')
        return JB_EINVAL; /* which colon begins the port would be a guess */
    int rc = jb__addr_parse(a, host);
    a->port = (uint16_t)port;
    return rc;
}

static bool is_mapped(const uint8_t ip[16])
{
    return memcmp(ip, v4_prefix, sizeof v4_prefix) == 0;
}

bool jb__addr_is_v4(const struct jb__addr *a)
{
    return is_mapped(a->ip);
}

bool jb__addr_is_loopback(const struct jb__addr *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    if (!a->is_set)
        return false;
    return jb__addr_is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, sizeof one) == 0;
}

bool jb__addr_eq_ip(const struct jb__addr *a, const struct jb__addr *b)
{
    return a->is_set == b->is_set && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

struct jb__addr_key jb__addr_key(const struct jb__addr *a)
{
    struct jb__addr_key key = { { 0 } };

    memcpy(key.ip, a->ip, jb__addr_is_v4(a) ? 16 : 8);
    return key;
}

/* Whether the bits from `bits` on are all zero. */
static bool tail_is_zero(const uint8_t ip[16], unsigned bits)
{
    for (unsigned k = bits; k < 128; k++)
        if (ip[k / 8] & (0x80 >> (k % 8)))
            return false;
    return true;
}

int jb__addr_net_parse(struct jb__addr_net *net, struct jb_str text)
{
    struct jb_str host, length;
    struct jb__addr a;
    uint64_t bits;

    *net = (struct jb__addr_net){ 0 };
    const bool masked = jb_str_cut(text, '/', &host, &length);
    if (jb__addr_parse(&a, host) != 0)
        return JB_EINVAL;
    /* Written as IPv4, not as a mapped IPv6 address. */
    const bool v4 = jb__addr_is_v4(&a) && !memchr(host.p, ':', host.n);
    const unsigned most = v4 ? 32 : 128;
    if (!masked)
        bits = most;
    else if (!jb_str_u64(length, most, &bits))
        return JB_EINVAL;
    net->bits = (uint8_t)(bits + (v4 ? 96 : 0));
    memcpy(net->ip, a.ip, sizeof net->ip);
    return tail_is_zero(net->ip, net->bits) ? 0 : JB_EINVAL;
}

bool jb__addr_net_has(const struct jb__addr_net *net, const struct jb__addr *a)
{
    const unsigned whole = net->bits / 8, rest = net->bits % 8;

    /* A network of IPv6 so wide that it would cover ::ffff:0:0/96 does not mean IPv4. */
    if (!a->is_set || (net->bits < 96 && jb__addr_is_v4(a)))
        return false;
    if (memcmp(net->ip, a->ip, whole) != 0)
        return false;
    return rest == 0 || ((net->ip[whole] ^ a->ip[whole]) & (0xff00 >> rest) & 0xff) == 0;
}
