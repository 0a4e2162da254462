/* SPDX-License-Identifier: MIT */
/* A whole client against a server that says what the input says.
 *
 * The client is the real one, over a real connection; the other end of it is here.  The input's
 * first byte is how far an honest server goes before the input takes over: not at all, through the
 * WebSocket's handshake, the login (ANONYMOUS), the resource, stream management; from 100 on with
 * compression.  Then each step is a text frame, any frame, raw bytes, or something the program
 * does. Whatever comes: no fault is ours, no event is malformed, memory stays bounded, and in the
 * end all of it is given back. */
#include "fuzz.h"

#include "base/alloc.h"
#include "client/client_impl.h"
#include "core/ws_handshake.h"
#include "net/sock.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_MOST = 16 * 1024, HEAP_MOST = 24 * 1024 * 1024, COMPRESSED = 100 };

struct fuzz {
    const uint8_t *p, *end; /* of the input */
    struct jb_client *client;
    struct jb__sock peer; /* our end of the line; closed when the client has hung up */
    size_t heap;
};

static void *count_resize(void *ctx, void *p, size_t n)
{
    struct fuzz *f = ctx;
    size_t *head = p ? (size_t *)p - 2 : NULL;

    f->heap += n - (head ? head[0] : 0);
    jb_assert(f->heap < HEAP_MOST);
    head = realloc(head, n + 2 * sizeof *head);
    jb_assert(head);
    head[0] = n;
    return head + 2;
}

static void count_release(void *ctx, void *p)
{
    ((struct fuzz *)ctx)->heap -= ((size_t *)p - 2)[0];
    free((size_t *)p - 2);
}

/* Each text is there and ends; each element can be walked. */
static size_t walk(const struct jb_element *e, size_t depth)
{
    size_t n = strlen(jb_element_name(e)) + strlen(jb_element_ns(e)) + strlen(jb_element_text(e));

    jb_assert(depth < 300);
    for (const struct jb_element *k = jb_element_first(e); k; k = jb_element_next(k))
        n += walk(k, depth + 1);
    return n;
}

/* As text and back it is what it was, or too large for a writer. */
static void there_and_back(struct fuzz *f, const struct jb_element *e)
{
    struct jb_writer *w = jb_writer_new(f->client);
    const struct jb_element *again = NULL;

    jb_writer_element(w, e);
    const char *text = jb_writer_text(w);
    jb_assert(text || jb_writer_error(w) == JB_EFULL);
    if (text) {
        int rc = jb_element_parse(f->client, text, &again);
        jb_assert(rc == 0 && walk(again, 0) == walk(e, 0));
    }
    jb_element_free(again);
    jb_writer_free(w);
    if (jb_element_first(e))
        there_and_back(f, jb_element_first(e));
}

static void turn(struct fuzz *f)
{
    const struct jb_event *ev;

    jb_client_process(f->client);
    while ((ev = jb_client_next(f->client)) != NULL) {
        jb_assert(jb_event_kind(ev) != JB_EVENT_NONE);
        if (jb_event_element(ev)) {
            walk(jb_event_element(ev), 0);
            there_and_back(f, jb_event_element(ev));
        }
        if (jb_event_kind(ev) == JB_EVENT_OFFLINE)
            jb_assert(jb_event_reason(ev) != JB_REASON_NONE && jb_event_words(ev)[0]);
    }
    jb_assert(jb_client_timeout_ms(f->client) >= -1);
}

/* What the client said is not looked at, but must be taken off the line. */
static void drain(struct fuzz *f)
{
    char bytes[4096];

    while (f->peer.fd >= 0) {
        ssize_t n = jb__sock_read(&f->peer, bytes, sizeof bytes);
        if (n == JB_EAGAIN)
            return;
        if (n < 0)
            jb__sock_close(&f->peer);
    }
}

static void say_bytes(struct fuzz *f, const char *p, size_t n)
{
    while (n > 0 && f->peer.fd >= 0) {
        ssize_t put = jb__sock_write(&f->peer, p, n);
        if (put < 0 && put != JB_EAGAIN)
            return;
        p += put > 0 ? (size_t)put : 0;
        n -= put > 0 ? (size_t)put : 0;
        turn(f);
        drain(f);
    }
}

static void say_frame(struct fuzz *f, unsigned first, const char *p, size_t n)
{
    char head[JB_WS_HEAD_BYTES];
    size_t head_bytes = jb_ws_write_head(head, (enum jb_ws_opcode)(first & 15), false, n, NULL);

    head[0] = (char)first;
    say_bytes(f, head, head_bytes);
    say_bytes(f, p, n);
}

static void say(struct fuzz *f, const char *text)
{
    say_frame(f, 0x81, text, strlen(text));
}

/* The line, as if dialled and upgraded. */
static void connect_client(struct fuzz *f, bool upgraded, bool compressed)
{
    const struct jb__ws_deflate agreed = { .on = compressed, .window_bits = 15 };
    struct jb_client *c = f->client;
    int pair[2];

    jb_assert(jb_client_connect(c, "localhost", NULL) == 0);
    jb_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    jb_assert(jb__sock_adopt(&c->sock, pair[0]) == 0 && jb__sock_adopt(&f->peer, pair[1]) == 0);
    c->deadline_ms = UINT64_MAX;
    c->phase = JB__PHASE_UPGRADING;
    if (!upgraded)
        return;
    jb_stream_init_client(&c->stream, &c->stream_config, &c->memory);
    c->stream_is_live = true;
    jb_assert(jb__deflate_begin(c, &agreed) == 0);
    c->phase = JB__PHASE_LOGIN;
    jb__login_begin(c);
}

static void be_honest(struct fuzz *f, unsigned steps, bool compressed)
{
    static const char *const words[] = {
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='localhost' id='1' version='1.0'/>",
        "<f:features xmlns:f='http://etherx.jabber.org/streams'><mechanisms "
        "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>ANONYMOUS</mechanism></mechanisms>"
        "</f:features>",
        "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='localhost' id='2' version='1.0'/>",
        "<f:features xmlns:f='http://etherx.jabber.org/streams'><bind "
        "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/></f:features>",
        "<iq xmlns='jabber:client' type='result' id='bind'><bind "
        "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>a@localhost/b</jid></bind></iq>",
        "<enabled xmlns='urn:xmpp:sm:3' id='name' resume='true'/>",
    };

    connect_client(f, steps > 0, compressed);
    turn(f);
    for (unsigned k = 0; k + 1 < steps && k < sizeof words / sizeof words[0]; k++)
        say(f, words[k]);
}

static unsigned take(struct fuzz *f)
{
    return f->p < f->end ? *f->p++ : 0;
}

/* A text of the input, up to the next NUL. */
static struct jb_str take_text(struct fuzz *f)
{
    const uint8_t *from = f->p, *zero = memchr(f->p, 0, (size_t)(f->end - f->p));
    size_t n = zero ? (size_t)(zero - from) : (size_t)(f->end - from);

    f->p = zero ? zero + 1 : f->end;
    return jb_str((const char *)from, n);
}

static void call(struct fuzz *f, unsigned what)
{
    struct jb_client *c = f->client;

    if (what == 'm')
        (void)(jb_client_send_message(c, "x@localhost", "hi", NULL, NULL) != 0);
    else if (what == 'q')
        (void)(jb_client_request(c, "set", NULL, "<query xmlns='urn:xmpp:mam:2' queryid='q'/>",
                                 NULL) != 0);
    else if (what == 'd')
        jb_client_disconnect(c);
    else if (what == 's')
        jb_client_set(c, JB_SETTING_SERVE, take(f) & 1);
    turn(f);
    drain(f);
}

static void step(struct fuzz *f)
{
    unsigned what = take(f), first = what == 'f' ? take(f) : 0x81;
    struct jb_str text;

    if (what == '<' || what == 'f') {
        if (what == '<')
            f->p--; /* it is the text's own first letter */
        text = take_text(f);
        say_frame(f, first, text.p, text.n);
    } else if (what == 'r') {
        text = take_text(f);
        say_bytes(f, text.p, text.n);
    } else {
        call(f, what);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct fuzz f;
    const struct jb_allocator counted = { count_resize, count_release, &f };

    if (n < 1 || n > INPUT_MOST)
        return 0;
    f = (struct fuzz){ .p = p + 1, .end = p + n, .peer = JB__SOCK_NONE };
    jb_assert(jb_client_new(&f.client, &counted) == 0);
    jb_client_set(f.client, JB_SETTING_RECONNECT, 0);
    be_honest(&f, p[0] % 10, p[0] >= COMPRESSED);
    while (f.p < f.end && f.client->phase != JB__PHASE_IDLE)
        step(&f);
    jb__sock_close(&f.peer); /* the line is cut; what is left is told */
    for (int k = 0; k < 4; k++)
        turn(&f);
    jb_client_free(f.client);
    jb_assert(f.heap == 0);
    return 0;
}
