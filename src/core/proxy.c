/* SPDX-License-Identifier: MIT */
#include "core/proxy.h"

#include "base/assert.h"
#include "core/http_field.h"

#include <arpa/inet.h>

static enum jb__proxy_step refuse(struct jb__proxy_header *h, const char *words)
{
    h->words = words;
    return JB__PROXY_FAULT;
}

static void format_v4(const unsigned char *bytes, struct jb__proxy_address *out)
{
    const char *text = inet_ntop(AF_INET, bytes, out->text, sizeof out->text);

    jb_assert(text != NULL);
}

static void format_v6(const unsigned char *bytes, struct jb__proxy_address *out)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        format_v4(bytes + sizeof mapped, out);
        return;
    }
    const char *text = inet_ntop(AF_INET6, bytes, out->text, sizeof out->text);
    jb_assert(text != NULL);
}

/* Reads the text of an address of one family (AF_INET or AF_INET6), without port or brackets. */
static bool read_address(struct jb_str text, int family, struct jb__proxy_address *out)
{
    char z[JB__PROXY_ADDRESS_BYTES];
    unsigned char bytes[16];

    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n))
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (inet_pton(family, z, bytes) != 1)
        return false;
    if (family == AF_INET)
        format_v4(bytes, out);
    else
        format_v6(bytes, out);
    return true;
}

static bool read_port(struct jb_str text, uint16_t *port)
{
    uint64_t number;

    if ((text.n > 1 && text.p[0] == '0') || !jb_str_u64(text, 65535, &number))
        return false;
    *port = (uint16_t)number;
    return true;
}

/* ---- version 1: one line of text ---- */

/* "TCP4 192.0.2.1 198.51.100.7 56324 443": exactly one space between words. */
static enum jb__proxy_step read_v1_words(struct jb_str rest, struct jb__proxy_header *h)
{
    struct jb_str word[5];

    for (size_t i = 0; i < 5; i++)
        if (jb_str_cut(rest, ' ', &word[i], &rest) != (i < 4))
            return refuse(h, "the PROXY line does not have five words");
    int family = jb_str_eqz(word[0], "TCP4") ? AF_INET : AF_INET6;
    if (family == AF_INET6 && !jb_str_eqz(word[0], "TCP6"))
        return refuse(h, "the PROXY line has an unknown form");
    if (!read_address(word[1], family, &h->source) || !read_address(word[2], family, &h->target))
        return refuse(h, "the PROXY line holds a malformed address");
    if (!read_port(word[3], &h->source_port) || !read_port(word[4], &h->target_port))
        return refuse(h, "the PROXY line holds a malformed port");
    h->known = true;
    return JB__PROXY_DONE;
}

static enum jb__proxy_step parse_v1(struct jb_str in, struct jb__proxy_header *h)
{
    size_t most = in.n < JB__PROXY_V1_BYTES ? in.n : JB__PROXY_V1_BYTES;
    const char *lf = memchr(in.p, '\n', most);

    if (!lf && in.n < JB__PROXY_V1_BYTES)
        return JB__PROXY_MORE;
    if (!lf)
        return refuse(h, "the PROXY line is longer than 107 bytes");
    h->bytes = (size_t)(lf - in.p) + 1;
    if (h->bytes < 2 || lf[-1] != '\r')
        return refuse(h, "the PROXY line does not end with CR LF");
    struct jb_str rest = jb_str_from(jb_str(in.p, h->bytes - 2), sizeof "PROXY " - 1);
    /* A proxy that does not know may add anything, to be ignored. */
    if (jb_str_eqz(rest, "UNKNOWN") || jb_str_starts(rest, JB_STR("UNKNOWN ")))
        return JB__PROXY_DONE;
    return read_v1_words(rest, h);
}

/* ---- version 2: binary ---- */

enum {
    V2_FIXED_BYTES = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_TLV_SSL = 0x20, /* PP2_TYPE_SSL */
    V2_CLIENT_SSL = 0x01
};

static uint16_t read_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Type-length-value records behind the addresses: unknown ones are skipped, but all must fit. */
static enum jb__proxy_step read_tlvs(const unsigned char *p, size_t n, struct jb__proxy_header *h)
{
    while (n) {
        if (n < 3 || n - 3 < read_u16(p + 1))
            return refuse(h, "the PROXY header's extension records do not fit in it");
        size_t length = read_u16(p + 1);
        if (p[0] == V2_TLV_SSL && length >= 1)
            h->tls = p[3] & V2_CLIENT_SSL;
        p += 3 + length;
        n -= 3 + length;
    }
    return JB__PROXY_DONE;
}

static enum jb__proxy_step read_v2_body(unsigned char family, const unsigned char *p, size_t n,
                                        struct jb__proxy_header *h)
{
    size_t width = family == V2_TCP4 ? 4 : 16;

    if (family != V2_TCP4 && family != V2_TCP6)
        return JB__PROXY_DONE; /* Unix sockets, UDP, unspecified: nothing we know an address of */
    if (n < 2 * width + 4)
        return refuse(h, "the PROXY header is too short for its addresses");
    if (family == V2_TCP4) {
        format_v4(p, &h->source);
        format_v4(p + width, &h->target);
    } else {
        format_v6(p, &h->source);
        format_v6(p + width, &h->target);
    }
    h->source_port = read_u16(p + 2 * width);
    h->target_port = read_u16(p + 2 * width + 2);
    h->known = true;
    return read_tlvs(p + 2 * width + 4, n - 2 * width - 4, h);
}

static enum jb__proxy_step parse_v2(struct jb_str in, struct jb__proxy_header *h)
{
    const unsigned char *p = (const unsigned char *)in.p;

    if (in.n >= 13 && p[12] != V2_LOCAL && p[12] != V2_PROXY)
        return refuse(h, "the PROXY header has an unknown version or command");
    if (in.n < V2_FIXED_BYTES)
        return JB__PROXY_MORE;
    size_t length = read_u16(p + 14);
    h->bytes = V2_FIXED_BYTES + length;
    if (h->bytes > JB__PROXY_V2_BYTES)
        return refuse(h, "the PROXY header is longer than 536 bytes");
    if (in.n < h->bytes)
        return JB__PROXY_MORE;
    if (p[12] == V2_LOCAL)
        return JB__PROXY_DONE; /* the proxy's own health check */
    return read_v2_body(p[13], p + V2_FIXED_BYTES, length, h);
}

/* True when the first bytes are those of `signature`, as far as they are there. */
static bool may_be(struct jb_str in, struct jb_str signature)
{
    size_t n = in.n < signature.n ? in.n : signature.n;

    return memcmp(in.p, signature.p, n) == 0;
}

enum jb__proxy_step jb__proxy_parse(struct jb_str in, struct jb__proxy_header *out)
{
    const struct jb_str v1 = JB_STR("PROXY ");
    const struct jb_str v2 = JB_STR("\r\n\r\n\0\r\nQUIT\n");

    *out = (struct jb__proxy_header){ 0 };
    if (in.n == 0)
        return JB__PROXY_MORE;
    if (may_be(in, v1))
        return in.n < v1.n ? JB__PROXY_MORE : parse_v1(in, out);
    if (may_be(in, v2))
        return in.n < v2.n ? JB__PROXY_MORE : parse_v2(in, out);
    return refuse(out, "the connection does not begin with a PROXY header");
}

size_t jb__proxy_wants(struct jb_str in)
{
    enum { V1_LEAST = sizeof "PROXY UNKNOWN\r\n" - 1 };

    /* The shortest of either version; then version 1 ends nobody knows where. */
    if (in.n < V1_LEAST)
        return V1_LEAST - in.n;
    if (in.p[0] == 'P')
        return 1;
    if (in.n < V2_FIXED_BYTES)
        return V2_FIXED_BYTES - in.n;
    size_t whole = V2_FIXED_BYTES + (size_t)read_u16((const unsigned char *)in.p + 14);
    return in.n < whole ? whole - in.n : 1;
}

/* ---- headers ---- */

bool jb__proxy_address(struct jb_str text, struct jb__proxy_address *out)
{
    struct jb_str host, port;
    uint16_t number;

    if (text.n && text.p[0] == '[') {
        if (!jb_str_cut(jb_str_from(text, 1), ']', &host, &port))
            return false;
        if (port.n && (port.p[0] != ':' || !read_port(jb_str_from(port, 1), &number)))
            return false;
        return read_address(host, AF_INET6, out);
    }
    if (read_address(text, AF_INET6, out))
        return true;
    if (jb_str_cut(text, ':', &host, &port) && !read_port(port, &number))
        return false;
    return read_address(host, AF_INET, out);
}

/* The walk from the end of the list, done from its start so that headers are read in order: an
 * untrusted address replaces what stands left of it; a trusted one is taken only when nothing to
 * its left can be believed. */
struct walk {
    jb__proxy_trusted *trusted;
    void *ctx;
    struct jb__proxy_address best; /* text empty: none */
};

static void walk_on(struct walk *w, struct jb_str item)
{
    struct jb__proxy_address address;

    if (!jb__proxy_address(item, &address))
        w->best.text[0] = '\0';
    else if (w->best.text[0] == '\0' || !w->trusted(w->ctx, jb_strz(address.text)))
        w->best = address;
}

static struct jb_str unquote(struct jb_str s)
{
    bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';

    return quoted ? jb_str(s.p + 1, s.n - 2) : s;
}

/* One element of Forwarded: `for=192.0.2.60;proto=http`; parameters that are not there are empty.
 */
static void read_forwarded(struct jb_str element, struct jb_str *client, struct jb_str *proto)
{
    struct jb_str pair, name, value;

    *client = *proto = JB_STR_NONE;
    while (jb__http_list_next(&element, ';', &pair)) {
        jb_str_cut(pair, '=', &name, &value);
        if (jb_str_eq_ascii_nocase(name, JB_STR("for")))
            *client = unquote(value);
        else if (jb_str_eq_ascii_nocase(name, JB_STR("proto")))
            *proto = unquote(value);
    }
}

/* What both kinds of headers say. */
struct hearsay {
    bool has_address, has_proto;
    struct jb__proxy_address address; /* text empty: only the socket's counts */
    struct jb_str proto;              /* by the proxy nearest to us */
};

static void hear_forwarded(struct jb_str fields, struct walk w, struct hearsay *out)
{
    struct jb__http_list list = { fields, JB_STR("forwarded"), JB_STR_NONE };
    struct jb_str element, client, proto;

    *out = (struct hearsay){ 0 };
    while (jb__http_list_walk(&list, &element)) {
        read_forwarded(element, &client, &proto);
        walk_on(&w, client);
        out->has_address = true;
        out->has_proto = proto.n > 0;
        out->proto = proto;
    }
    out->address = w.best;
}

/* Cut at each comma: a quote here quotes nothing, or a client could hide what is added behind. */
static void walk_list(struct walk *w, struct jb_str list)
{
    struct jb_str item;
    bool more;

    do {
        more = jb_str_cut(list, ',', &item, &list);
        walk_on(w, jb_str_trim(item));
    } while (more);
}

static void hear_x_forwarded(struct jb_str fields, struct walk w, struct hearsay *out)
{
    struct jb__http_list protos = { fields, JB_STR("x-forwarded-proto"), JB_STR_NONE };
    struct jb_str item;

    *out = (struct hearsay){ 0 };
    while (jb__http_field_next_named(&fields, JB_STR("x-forwarded-for"), &item)) {
        walk_list(&w, item);
        out->has_address = true;
    }
    while (jb__http_list_walk(&protos, &item)) {
        out->has_proto = true;
        out->proto = item;
    }
    out->address = w.best;
}

static bool is_secure(const struct hearsay *h)
{
    return !h->has_proto || jb_str_eq_ascii_nocase(h->proto, JB_STR("https")) ||
           jb_str_eq_ascii_nocase(h->proto, JB_STR("wss"));
}

void jb__proxy_resolve(struct jb_str fields, struct jb_str socket, jb__proxy_trusted *trusted,
                       void *ctx, struct jb__proxy_origin *out)
{
    struct walk w = { trusted, ctx, { "" } };
    struct hearsay a, b;

    *out = (struct jb__proxy_origin){ 0 };
    jb_assert(socket.n < sizeof out->address.text);
    memcpy(out->address.text, socket.p, socket.n);
    if (!trusted(ctx, socket))
        return;
    hear_x_forwarded(fields, w, &a);
    hear_forwarded(fields, w, &b);
    out->https = (a.has_proto || b.has_proto) && is_secure(&a) && is_secure(&b);
    const struct hearsay *used = a.has_address ? &a : &b;
    if (a.has_address && b.has_address && strcmp(a.address.text, b.address.text) != 0)
        return;
    if (used->address.text[0] != '\0') {
        out->address = used->address;
        out->forwarded = true;
    }
}
