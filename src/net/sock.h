/* SPDX-License-Identifier: MIT */
/* Non-blocking stream sockets, plain or TLS, on descriptors of our own.  No loop: the caller polls
 * `fd` for what `want` says.  No call blocks, raises SIGPIPE, or leaves a descriptor to a child.
 *
 * A socket has no home thread: it may be used from any, one at a time (hand it over through
 * something that orders memory, as a mailbox does).  It may be moved in memory between calls. */
#ifndef JB_NET_SOCK_H
#define JB_NET_SOCK_H

#include "base/error.h"
#include "net/addr.h"

#include <sys/types.h>
#include <sys/uio.h>

struct ssl_st;
struct jb__tls_ctx;

enum { JB__WANT_READ = 1, JB__WANT_WRITE = 2 };

/* Embedded in the caller's object. */
struct jb__sock {
    int fd;             /* -1: closed */
    uint8_t want;       /* after JB_EAGAIN: the readiness to wait for; TLS may want the other one */
    bool handshaken;    /* TLS is up (or never was asked for) */
    bool broken;        /* TLS failed for good: no close_notify any more */
    bool drained;       /* TLS: the last read found nothing whole, whatever is buffered */
    bool peer_closed;   /* the peer's end of data was seen */
    struct ssl_st *ssl; /* NULL: plain */
};

#define JB__SOCK_NONE ((struct jb__sock){ .fd = -1 })

enum {
    JB__LISTEN_REUSEPORT = 1, /* several listeners share the port, the kernel spreads connections */
    JB__LISTEN_V6ONLY = 2,    /* [::] does not take IPv4 as well */
};

/* Opens a listening descriptor (non-blocking, close-on-exec).  `at` gets the port that was chosen
 * when its port is 0.  0; JB_EEXIST: the address is in use; JB_EAUTH: not permitted; JB_EIO (errno
 * has the details of all three). */
JB_NODISCARD int jb__listen_open(struct jb__addr *at, unsigned flags, int *fd);

/* Accepts one connection: non-blocking, close-on-exec, TCP_NODELAY.  0; JB_EAGAIN: none waits;
 * JB_EFULL: out of descriptors or kernel memory (the connection still waits: pause accepting);
 * JB_EIO. Connections that died while waiting are skipped. */
JB_NODISCARD int jb__sock_accept(int listener, struct jb__sock *s, struct jb__addr *peer);
/* Takes over a descriptor that is connected already; makes it non-blocking and close-on-exec. */
JB_NODISCARD int jb__sock_adopt(struct jb__sock *s, int fd);
/* Begins to connect.  0: connected; JB_EAGAIN: wait until the socket can be written to, then ask
 * jb__sock_connected(); JB_EIO. */
JB_NODISCARD int jb__sock_connect(struct jb__sock *s, const struct jb__addr *to);
/* 0: connected; JB_EAGAIN: not yet; JB_EIO: it failed. */
JB_NODISCARD int jb__sock_connected(struct jb__sock *s);

/* Makes a plain socket the server's side of TLS.  Nothing is sent before jb__sock_handshake().
 * Holds a reference to ctx.  0 or JB_ENOMEM (then it is still plain). */
JB_NODISCARD int jb__sock_start_tls(struct jb__sock *s, struct jb__tls_ctx *ctx);
/* Makes a plain socket the client's side of TLS towards a server whose certificate is valid for one
 * of `names` (RFC 9525; A-labels or IP addresses, at least one; beside a name, an address does not
 * count).  The first name is asked for (SNI).
 * 0 or JB_ENOMEM. */
JB_NODISCARD int jb__sock_start_tls_client(struct jb__sock *s, struct jb__tls_ctx *ctx,
                                           const char *const *names, size_t count);
/* Goes on with the handshake.  0: done; JB_EAGAIN (see want); JB_ECLOSED; JB_EAUTH: the certificate
 * is not to be trusted (client); JB_EIO: refused or broken (jb__sock_why() right after says why).
 * On a plain socket: 0. */
JB_NODISCARD int jb__sock_handshake(struct jb__sock *s);

/* Reads up to n bytes (n > 0).  > 0: as many; JB_EAGAIN; JB_ECLOSED: the peer ended its data in
 * order; JB_EIO: reset, or TLS broken or cut off without close_notify. */
ssize_t jb__sock_read(struct jb__sock *s, void *p, size_t n);
/* True when bytes wait inside, which no poll will ever report: read again (TLS reads ahead). */
bool jb__sock_pending(const struct jb__sock *s);

/* Writes what fits.  > 0: as many bytes; JB_EAGAIN; JB_ECLOSED: the peer is gone; JB_EIO.
 * After JB_EAGAIN the next write must begin with the same bytes and offer at least as many (they
 * may stand elsewhere in memory): what a queue that only grows at its tail does anyway. */
ssize_t jb__sock_write(struct jb__sock *s, const void *p, size_t n);
/* The same for several pieces at once; with TLS they are joined into full records. */
ssize_t jb__sock_writev(struct jb__sock *s, const struct iovec *iov, int count);

/* Ends our data: close_notify where there is TLS, then the socket's sending side.  What was written
 * before is still delivered, and reading goes on.  0, JB_EAGAIN (call again), JB_ECLOSED, JB_EIO.
 */
JB_NODISCARD int jb__sock_shutdown(struct jb__sock *s);
/* Closes at once and frees; allowed twice. */
void jb__sock_close(struct jb__sock *s);

/* Why the last call on this thread failed, in words for the log; static or per thread, living until
 * the next call on the thread.  Never NULL. */
const char *jb__sock_why(void);

/* -- Facts of a TLS connection, after the handshake ------------------------------------------- */

enum { JB__BINDING_BYTES = 64 };
/* Channel bindings (RFC 9266; RFC 5929 section 4).  Return the length; 0: this connection has none
 * (plain; exporter: TLS 1.2 without extended master secret; end point: the certificate's signature
 * has no digest of its own, as Ed25519). */
size_t jb__sock_binding_exporter(const struct jb__sock *s, uint8_t out[JB__BINDING_BYTES]);
size_t jb__sock_binding_end_point(const struct jb__sock *s, uint8_t out[JB__BINDING_BYTES]);
/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; NULL on a plain socket. */
const char *jb__sock_tls_version(const struct jb__sock *s);
const char *jb__sock_tls_cipher(const struct jb__sock *s);
/* The name the client asked for (SNI); empty: none.  Lives as long as the socket. */
struct jb_str jb__sock_tls_name(const struct jb__sock *s);

#endif
