/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "base/base64.h"
#include "core/ws_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 256 * 1024, TEXT_BYTES = 4096, PEERS_PER_ADDRESS = 5000 };

static char scratch[SCRATCH_BYTES];
static const uint8_t no_mask[4];

size_t peer_frame(char *out, const char *text, size_t n)
{
    size_t head = jb_ws_write_head(out, JB_WS_TEXT, false, n, no_mask);

    memcpy(out + head, text, n);
    return head + n;
}

bool peer_send(struct peer *p, const char *frames, size_t n)
{
    return send(p->fd, frames, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool fail(struct peer *p, const char *why)
{
    p->why = why;
    p->state = PEER_FAILED;
    return false;
}

static bool say(struct peer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool say(struct peer *p, const char *format, ...)
{
    char text[TEXT_BYTES], frame[TEXT_BYTES + PEER_HEAD_BYTES];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text ||
        !peer_send(p, frame, peer_frame(frame, text, (size_t)n)))
        return fail(p, "sending failed");
    return true;
}

int peer_open(struct peer *p, uint32_t index, const struct peer_options *options)
{
    /* One address has some 28,000 ports. */
    struct sockaddr_in from = { .sin_family = AF_INET };
    char request[1024];
    int on = 1;

    *p = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .index = index };
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / PEERS_PER_ADDRESS);
    setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Blocking, so that the server accepts in this order. */
    if (p->fd < 0 ||
        (ntohl(options->to.sin_addr.s_addr) >> 24 == 127 &&
         bind(p->fd, (struct sockaddr *)&from, sizeof from) != 0) ||
        connect(p->fd, (const struct sockaddr *)&options->to, sizeof options->to) != 0 ||
        fcntl(p->fd, F_SETFL, O_NONBLOCK) != 0)
        return -1;
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
                     options->path, options->host_port);
    return peer_send(p, request, (size_t)n) ? 0 : -1;
}

void peer_close(struct peer *p)
{
    close(p->fd);
    free(p->rest);
    p->rest = NULL;
}

/* ---- login ---- */

static bool say_open(struct peer *p, const struct peer_options *options, enum peer_state next)
{
    p->state = next;
    return say(p, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>",
               options->domain);
}

static bool say_auth(struct peer *p, const struct peer_options *options)
{
    char plain[256], text[JB__BASE64_BYTES(sizeof plain) + 1] = "="; /* empty, but there */

    p->state = PEER_AUTHENTICATING;
    if (options->login == PEER_PLAIN) {
        /* The first of the three parts is empty: no other identity is asked for. */
        int n = snprintf(plain, sizeof plain, "%cuser%u%c%s", 0, p->index, 0, options->password);
        jb__base64_encode(plain, (size_t)n, text);
    }
    return say(p, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>",
               options->login == PEER_PLAIN ? "PLAIN" : "ANONYMOUS", text);
}

static bool say_bind(struct peer *p)
{
    p->state = PEER_BINDING;
    return say(p, "<iq xmlns='jabber:client' type='set' id='bind'>"
                  "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
}

/* As a client does: roster, presence, and a request whose answer comes after all that. */
static bool settle(struct peer *p, const char *text)
{
    const char *from = strstr(text, "<jid>");
    const char *to = from ? strstr(from, "</jid>") : NULL;

    if (!to || to - from - 5 >= (ptrdiff_t)sizeof p->jid)
        return fail(p, "no address was bound");
    memcpy(p->jid, from + 5, (size_t)(to - from - 5));
    p->state = PEER_SETTLING;
    return say(p, "<iq xmlns='jabber:client' type='get' id='roster'>"
                  "<query xmlns='jabber:iq:roster'/></iq>") &&
           say(p, "<presence xmlns='jabber:client'/>") &&
           say(p, "<iq xmlns='jabber:client' type='get' id='settled'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>");
}

/* What arrives before it is READY; `text` ends with a NUL. */
static bool on_login(struct peer *p, const struct peer_options *options, const char *text)
{
    bool features = strstr(text, "<stream:features") != NULL;

    if (strstr(text, "stream:error") || strstr(text, "<failure"))
        return fail(p, "the server refuses the login");
    if (p->state == PEER_OPENING && features)
        return say_auth(p, options);
    if (p->state == PEER_AUTHENTICATING && strstr(text, "<success"))
        return say_open(p, options, PEER_REOPENING);
    if (p->state == PEER_REOPENING && features)
        return say_bind(p);
    if (p->state == PEER_BINDING && strstr(text, "<iq"))
        return settle(p, text);
    if (p->state == PEER_SETTLING && (strstr(text, "id='settled'") || strstr(text, "id=\"settled")))
        p->state = PEER_READY;
    return true;
}

/* ---- input ---- */

static bool on_upgraded(struct peer *p, const struct peer_options *options)
{
    if (options->login != PEER_RAW)
        return say_open(p, options, PEER_OPENING);
    p->state = PEER_READY;
    return true;
}

static bool on_frame(struct peer *p, const struct peer_options *options, unsigned opcode,
                     struct jb_str payload, void (*on_text)(struct peer *, const char *, size_t))
{
    char text[TEXT_BYTES];

    if (opcode == JB_WS_CLOSE)
        return fail(p, "the server closed the connection");
    if (opcode == JB_WS_PING) {
        size_t head = jb_ws_write_head(text, JB_WS_PONG, false, payload.n, no_mask);
        memcpy(text + head, payload.p, payload.n); /* a ping has at most 125 bytes */
        return peer_send(p, text, head + payload.n) || fail(p, "sending failed");
    }
    if (opcode != JB_WS_TEXT)
        return true;
    if (p->state == PEER_READY) {
        on_text(p, payload.p, payload.n);
        return true;
    }
    if (payload.n >= sizeof text)
        return fail(p, "a message too long for a login");
    memcpy(text, payload.p, payload.n);
    text[payload.n] = '\0';
    return on_login(p, options, text);
}

/* Takes one whole frame off *in; false: there is none. */
static bool cut_frame(struct jb_str *in, unsigned *opcode, struct jb_str *payload)
{
    const unsigned char *b = (const unsigned char *)in->p;
    size_t length = in->n < 2 ? 0 : b[1] & 127;
    size_t head = length < 126 ? 2 : length == 126 ? 4 : 10;

    if (in->n < head)
        return false;
    if (head > 2) {
        length = 0;
        for (size_t i = 2; i < head; i++)
            length = length << 8 | b[i];
    }
    if (in->n - head < length)
        return false;
    *opcode = b[0] & 15;
    *payload = jb_str(in->p + head, length);
    *in = jb_str_from(*in, head + length);
    return true;
}

static bool keep_rest(struct peer *p, struct jb_str rest)
{
    if (rest.n == 0)
        return true;
    p->rest = malloc(rest.n);
    if (!p->rest)
        return fail(p, "out of memory");
    memcpy(p->rest, rest.p, rest.n);
    p->rest_bytes = (uint32_t)rest.n;
    return true;
}

bool peer_on_readable(struct peer *p, const struct peer_options *options,
                      void (*on_text)(struct peer *p, const char *text, size_t n))
{
    struct jb_str in = { scratch, p->rest_bytes }, payload;
    unsigned opcode;

    if (p->rest) {
        memcpy(scratch, p->rest, p->rest_bytes);
        free(p->rest);
        p->rest = NULL;
        p->rest_bytes = 0;
    }
    ssize_t n = recv(p->fd, scratch + in.n, sizeof scratch - in.n, 0);
    if (n == 0)
        return fail(p, "the server hung up");
    if (n < 0 && errno != EAGAIN)
        return fail(p, "reading failed");
    in.n += n > 0 ? (size_t)n : 0;
    if (p->state == PEER_UPGRADING) {
        const char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
        if (!end)
            return keep_rest(p, in);
        if (in.n < 12 || memcmp(in.p + 9, "101", 3) != 0)
            return fail(p, "no upgrade");
        in = jb_str_from(in, (size_t)(end + 4 - in.p));
        if (!on_upgraded(p, options))
            return false;
    }
    while (cut_frame(&in, &opcode, &payload))
        if (!on_frame(p, options, opcode, payload, on_text))
            return false;
    return keep_rest(p, in);
}
