/* SPDX-License-Identifier: MIT */
/* A client: one account's connection to its server, kept up for as long as the program wants.
 *
 *     struct jb_client *client;
 *     jb_client_new(&client, NULL);
 *     jb_client_connect(client, "romeo@example.org", password);
 *     jb_client_run(client, on_event, &state);
 *     jb_client_free(client);
 *
 * In a loop of one's own, instead of jb_client_run():
 *
 *     wait for jb_client_fd() to be ready for jb_client_wants(), jb_client_timeout_ms() at most;
 *     jb_client_process(client);
 *     while ((ev = jb_client_next(client)))
 *         ...
 */
#ifndef JABIRU_CLIENT_H
#define JABIRU_CLIENT_H

#include "jabiru/event.h"
#include "jabiru/memory.h"

struct jb_client;

/* Numbers that can be set: X(NAME, default, least, most, meaning) */
#define JB_SETTINGS(X)                                                                   \
    X(CONNECT_TIMEOUT_MS, 30000, 100, 600000, "from the first packet to being online")   \
    X(CLOSE_TIMEOUT_MS, 2000, 10, 60000, "for the server to answer our goodbye")         \
    X(PING_INTERVAL_MS, 60000, 0, 3600000,                                               \
      "silence before the client asks for a sign of life; 0: never")                     \
    X(PING_TIMEOUT_MS, 30000, 100, 3600000, "then for the sign to come")                 \
    X(REQUEST_TIMEOUT_MS, 60000, 10, 3600000, "for the answer to a request")             \
    X(REQUESTS, 100, 1, 100000, "requests without an answer at a time")                  \
    X(RECONNECT, 1, 0, 1, "1: the client connects again by itself")                      \
    X(BACKOFF_LEAST_MS, 1000, 10, 600000,                                                \
      "longest wait before the first new attempt; then it doubles")                      \
    X(BACKOFF_MOST_MS, 120000, 10, 3600000, "longest wait of all")                       \
    X(STEADY_MS, 10000, 0, 3600000,                                                      \
      "online for so long, and the next wait is a first one again; 0: with each login")  \
    X(QUEUE_MESSAGES, 1000, 0, 1000000, "messages waiting to be sent or acknowledged")   \
    X(QUEUE_BYTES, 1048576, 0, 1073741824, "bytes of them")                              \
    X(ACK_INTERVAL_MS, 250, 0, 60000,                                                    \
      "between two requests for acknowledgement: servers count them")                    \
    X(STANZA_BYTES, 262144, 10000, 67108864,                                             \
      "bytes of a stanza; one in an envelope (XEP-0297) may be 64 KiB more")             \
    X(ITERATIONS_LEAST, 4096, 1, 10000000, "fewer password hash iterations are refused") \
    X(ITERATIONS_MOST, 100000, 4096, 10000000, "more of them are refused")               \
    X(DEFLATE, 0, 0, 1, "1: messages are compressed where the server agrees (RFC 7692)") \
    X(DISCOVERY_PORT, 443, 1, 65535,                                                     \
      "of the domain's web server, which says where the endpoint is")                    \
    X(PRESENCE, 1, 0, 1, "1: initial presence is sent when online")                      \
    X(ROSTER, 0, 0, 1, "1: the contact list is asked for when online")                   \
    X(RESUME, 1, 0, 1, "1: stream management is used (XEP-0198)")                        \
    X(REDIRECTS, 3, 0, 3, "times in a row that the server may send us elsewhere")        \
    X(ONE_ROUND, 1, 0, 1, "1: login in one round where offered (XEP-0388, XEP-0386)")    \
    X(TOKENS, 1, 0, 1, "1: the next login is by a token where offered (XEP-0484)")       \
    X(STRAYS, 0, 0, 1, "1: answers to requests by jb_client_send() come as STANZA")      \
    X(SERVE, 0, 0, 1,                                                                    \
      "1: the program answers requests of others (they come as STANZA); 0: they are refused")

enum jb_setting {
#define JB_SETTING_ENUM(name, def, least, most, words) JB_SETTING_##name,
    JB_SETTINGS(JB_SETTING_ENUM)
#undef JB_SETTING_ENUM
        JB_SETTING_COUNT
};

/* Texts that can be set; NULL takes one back. */
enum jb_option {
    JB_OPTION_URL,       /* ws:// or wss:// endpoint; then nothing is discovered */
    JB_OPTION_RESOURCE,  /* to ask for; otherwise the server chooses */
    JB_OPTION_CA_FILE,   /* certificates to trust instead of the system's: a PEM file */
    JB_OPTION_CA_DIR,    /* or a folder, as `openssl rehash` makes it */
    JB_OPTION_MECHANISM, /* the weakest to accept, by name: "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS" */
    JB_OPTION_TOKEN,     /* what jb_client_token() gave, perhaps in an earlier run (XEP-0484) */
    JB_OPTION_COUNT
};

/* What jb_client_wants() is made of. */
enum jb_want { JB_WANT_READ = 1, JB_WANT_WRITE = 2 };

/* Room for an id that the library makes, with its NUL. */
enum { JB_ID_BYTES = 32 };

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes a client.
 *
 * `memory` NULL means realloc(3) and free(3); the three words are copied.
 *
 * Ownership:  the caller's: jb_client_free()
 * Threads:    any; from then on one at a time
 * Returns:    0, or JB_ENOMEM (then *out is NULL)
 */
JB_API JB_NODISCARD int jb_client_new(struct jb_client **out, const struct jb_allocator *memory);

/**
 * Closes the connection at once and frees all that belongs to the client.
 *
 * To leave in order, call jb_client_disconnect() and wait for OFFLINE first.  NULL is allowed.
 *
 * Threads:    the one that owns the client; not from within jb_client_run()
 */
JB_API void jb_client_free(struct jb_client *client);

/**
 * Sets a number (see JB_SETTINGS).  It takes effect with the next connection, times at once.
 *
 * Threads:    the one that owns the client
 * Returns:    0, or
 *   JB_EINVAL  no such setting, or out of its range
 *   JB_ENOTSUP DEFLATE in a build without compression
 */
JB_API int jb_client_set(struct jb_client *client, enum jb_setting setting, uint32_t value);

/**
 * Sets a text (see enum jb_option).  It takes effect with the next connection.
 *
 * Ownership:  the text is copied
 * Threads:    the one that owns the client
 * Returns:    0, JB_ENOMEM, or JB_EINVAL (no such option, or not of its form)
 */
JB_API JB_NODISCARD int jb_client_set_text(struct jb_client *client, enum jb_option option,
                                           const char *text);

/**
 * Connects to an account's server, and stays connected.
 *
 * `jid` is "local@domain", or "domain" for a server that lets strangers in (`password` is then
 * NULL, as it may be with JB_OPTION_TOKEN).  A resource in it is the one to ask for.  Without
 * JB_OPTION_URL the endpoint is found by the domain's host-meta (XEP-0156, XEP-0487) over HTTPS.
 *
 * Returns at once; ONLINE or OFFLINE follows.
 *
 * Ownership:  texts are copied; the password is overwritten when the client is freed
 * Threads:    the one that owns the client
 * Returns:    0, or
 *   JB_EINVAL  the address is none
 *   JB_ESTATE  connected or connecting already
 *   JB_ENOMEM  nothing was begun
 */
JB_API JB_NODISCARD int jb_client_connect(struct jb_client *client, const char *jid,
                                          const char *password);

/**
 * Leaves in order: what was sent goes out, then the stream is closed.  OFFLINE with
 * JB_REASON_REQUESTED follows, and no new attempt, also when the line breaks meanwhile.  When there
 * is no connection, at once.
 *
 * Threads:    the one that owns the client
 */
JB_API void jb_client_disconnect(struct jb_client *client);

/**
 * The descriptor to wait for.  It may be another one after each jb_client_process().
 *
 * Ownership:  the client's: do not read, write or close it
 * Threads:    the one that owns the client
 * Returns:    the descriptor; -1 when there is nothing to wait for but time
 */
JB_API int jb_client_fd(const struct jb_client *client);

/**
 * What to wait for on jb_client_fd().
 *
 * Threads:    the one that owns the client
 * Returns:    JB_WANT_READ, JB_WANT_WRITE, or both
 */
JB_API unsigned jb_client_wants(const struct jb_client *client);

/**
 * How long to wait at most before jb_client_process() is due in any case, as poll(2) takes it.
 *
 * Threads:    the one that owns the client
 * Returns:    milliseconds; 0: at once; -1: for ever
 */
JB_API int jb_client_timeout_ms(const struct jb_client *client);

/**
 * Does what can be done without waiting: connects, reads, writes, notices that time has passed.
 *
 * May be called at any time.  Fetch all events with jb_client_next() afterwards: while one waits,
 * nothing more is read.  Logging in hashes the password, which takes some ten milliseconds.
 *
 * Threads:    the one that owns the client
 * Returns:    0, or JB_ENOMEM: the connection was given up for want of memory, which OFFLINE tells
 *             as well
 */
JB_API int jb_client_process(struct jb_client *client);

/**
 * The next event.
 *
 * Ownership:  the client's; lives until the next call of this, jb_client_process() or
 *             jb_client_free()
 * Threads:    the one that owns the client
 * Returns:    the event; NULL when there is none
 */
JB_API const struct jb_event *jb_client_next(struct jb_client *client);

/**
 * A loop on poll(2) for programs that have none: waits, processes, and calls `on_event` for each
 * event, until that returns something other than 0 or until nothing can happen any more (offline,
 * and no new attempt).
 *
 * Threads:    the one that owns the client
 * Returns:    what on_event returned; 0: nothing can happen any more; JB_EIO: poll(2) failed
 */
JB_API int jb_client_run(struct jb_client *client,
                         int (*on_event)(struct jb_client *client, const struct jb_event *ev,
                                         void *ctx),
                         void *ctx);

/**
 * Whether stanzas flow right now.
 *
 * Threads:    the one that owns the client
 * Returns:    1 or 0
 */
JB_API int jb_client_is_online(const struct jb_client *client);

/**
 * Whether nothing can happen any more: offline, no new attempt planned, and every event fetched.
 *
 * It is so before jb_client_connect(), and after an OFFLINE with jb_event_retry_ms() -1 until the
 * next jb_client_connect().  A loop that waits for a client may end then.
 *
 * Threads:    the one that owns the client
 * Returns:    1 or 0
 */
JB_API int jb_client_is_over(const struct jb_client *client);

/**
 * The client's own address: full once a resource was bound, bare before.
 *
 * Ownership:  the client's; lives until the next jb_client_process() or jb_client_connect()
 * Threads:    the one that owns the client
 * Returns:    the address; "" before jb_client_connect()
 */
JB_API const char *jb_client_jid(const struct jb_client *client);

/**
 * How the current session was secured: "TLSv1.3 SCRAM-SHA-256-PLUS tls-exporter".
 *
 * Ownership:  the client's; lives until the next jb_client_process()
 * Threads:    the one that owns the client
 * Returns:    the words; "" when not online
 */
JB_API const char *jb_client_security(const struct jb_client *client);

/**
 * A token to log in with instead of the password, when the server gives out such (XEP-0484).
 *
 * It is used by the client itself when it comes back.  A program that wants to keep no password may
 * store it, as secretly as it would a password, and give it to a later client by JB_OPTION_TOKEN.
 * It may be another one after each ONLINE and RESUMED.
 *
 * Ownership:  the client's; lives until the next jb_client_process()
 * Threads:    the one that owns the client
 * Returns:    the token, one line; "" when there is none
 */
JB_API const char *jb_client_token(const struct jb_client *client);

/**
 * Sends a stanza, given as XML without an XML declaration; its namespace may be left out.
 *
 * Queues it and returns; bytes leave during jb_client_process() and jb_client_next().  A message
 * while offline waits in the queue and is sent once when online again; presence and iq do not wait.
 * For a message *number (may be NULL) is what ACKED or DROPPED will name; else it is 0.
 *
 * Ownership:  the text is copied
 * Threads:    the one that owns the client
 * Returns:    0, or
 *   JB_EINVAL  not one well-formed <message/>, <presence/> or <iq/>, or its `to` is no address
 *   JB_EFULL   larger than STANZA_BYTES, or the queue is full
 *   JB_ESTATE  offline, and not a message; or jb_client_connect() was never called
 *   JB_ENOMEM  nothing was queued
 */
JB_API JB_NODISCARD int jb_client_send(struct jb_client *client, const char *xml, uint64_t *number);

/**
 * Sends a chat message with a body; see jb_client_send().
 *
 * The library gives it an id, which goes into `id` (may be NULL): should the message come back as
 * an error, the error has the same.
 *
 * Ownership:  texts are copied
 * Threads:    the one that owns the client
 * Returns:    as jb_client_send()
 */
JB_API JB_NODISCARD int jb_client_send_message(struct jb_client *client, const char *to,
                                               const char *body, char id[JB_ID_BYTES],
                                               uint64_t *number);

/**
 * Sends a request and waits for its answer, which comes as ANSWER with this number.
 *
 * `type` is "get" or "set", `to` the address asked (NULL: the own account), `payload` the one
 * element inside the iq.  Only an answer from whom was asked counts (RFC 6120 section 8.2.3).
 *
 * Ownership:  texts are copied
 * Threads:    the one that owns the client
 * Returns:    0, or
 *   JB_EINVAL  the type, the address or the payload is malformed
 *   JB_EFULL   REQUESTS are under way, or the payload is too large
 *   JB_ESTATE  offline
 *   JB_ENOMEM  nothing was sent
 */
JB_API JB_NODISCARD int jb_client_request(struct jb_client *client, const char *type,
                                          const char *to, const char *payload, uint64_t *number);

/**
 * Whether a message may change an earlier one: it corrects (XEP-0308) or retracts it (XEP-0424),
 * means that one by its id, and comes from the same sender.
 *
 * Anybody can send a correction with somebody else's id in it: ask before anything that was shown
 * is shown otherwise.  Between two people the sender is the account.  In a room, and in what is
 * said through a room to one alone, it is the occupant with the same name and the same id
 * (XEP-0421); where the room gives no such ids the answer is 0, for names change hands.  What a
 * room retracts itself, for its moderators (XEP-0425), it may.
 *
 * Copies (XEP-0280) and what comes from an archive (XEP-0313) are judged by the message in the
 * envelope; the library has looked at the envelope.  `earlier` is the message as it came:
 * jb_writer_element() and jb_element_parse() keep it.
 *
 * Ownership:  both stay the caller's; NULL is no message
 * Threads:    the one that owns the client
 * Returns:    1 or 0
 */
JB_API int jb_client_may_edit(const struct jb_client *client, const struct jb_element *edit,
                              const struct jb_element *earlier);

/**
 * The library's version, which may be a later one than the headers'.
 *
 * Ownership:  static text
 * Threads:    any
 * Returns:    "0.1.0"
 */
JB_API const char *jb_version(void);

#ifdef __cplusplus
}
#endif

#endif
