/* SPDX-License-Identifier: MIT */
/* Every limit there is: its name in the configuration, its default, and the range it may have.
 *
 * A queue, table, buffer or loop that a peer can drive has a line here; nothing else sets a bound.
 * Over a limit: first back-pressure (we stop reading), then a stanza error, then a close that the
 * client can come back from.  Each one is counted when it bites (metric jabiru_limit_total{limit}). */
#ifndef JB_CORE_LIMITS_H
#define JB_CORE_LIMITS_H

#include <stdint.h>

enum { JB_KIB = 1024, JB_MIB = 1024 * 1024 };

/* X(name, default, least, most, words) */
#define JB_LIMITS(X)                                                                               \
    /* HTTP */                                                                                     \
    X(http_head_bytes, 8 * JB_KIB, 1 * JB_KIB, 64 * JB_KIB, "bytes of an HTTP request head")       \
    X(http_headers, 100, 10, 1000, "headers of an HTTP request")                                   \
    X(http_body_bytes, 16 * JB_KIB, 1 * JB_KIB, 1 * JB_MIB, "bytes of an HTTP request body")       \
    X(http_timeout_ms, 10000, 100, 600000, "time for a whole HTTP request, then the socket closes") \
    X(tls_timeout_ms, 10000, 100, 600000, "time for the TLS handshake")                            \
    X(auth_timeout_ms, 30000, 100, 600000, "time from the accepted socket to a bound resource")    \
    /* WebSocket */                                                                                \
    X(ws_fragments, 32, 1, 100000, "fragments of one WebSocket message")                           \
    X(ws_control_rate, 10, 1, 10000, "control frames a second, sustained (burst: three seconds)")  \
    X(ws_ping_interval_ms, 25000, 0, 3600000, "silence before the server pings; 0 never pings")    \
    X(ws_ping_timeout_ms, 60000, 100, 3600000, "silence before the connection counts as lost")     \
    X(ws_close_timeout_ms, 2000, 10, 60000, "time for the other side to finish the close")         \
    X(deflate_threshold_bytes, 256, 0, 1 * JB_MIB, "smaller messages are sent uncompressed")       \
    X(deflate_inflaters, 64, 1, 4096, "compressed messages in progress at once, per thread; the oldest gives way") \
    /* XML */                                                                                      \
    X(preauth_stanza_bytes, 16 * JB_KIB, 10000, 1 * JB_MIB, "bytes of an element before authentication") \
    X(preauth_elements, 32, 8, 4096, "elements in one message before authentication")              \
    X(preauth_depth, 8, 4, 64, "nesting of elements before authentication")                        \
    X(stanza_bytes, 256 * JB_KIB, 10000, 64 * JB_MIB, "bytes of a stanza (XEP-0478 advertises it)") \
    X(xml_depth, 32, 8, 256, "nesting of elements")                                                \
    X(xml_attributes, 64, 8, 64, "attributes of one element")                                      \
    X(xml_namespaces, 32, 8, 256, "namespace declarations in force at one place")                  \
    X(xml_elements, 4096, 64, 65000, "elements of one stanza")                                     \
    X(xml_name_bytes, 256, 64, 1024, "bytes of an element's or attribute's name")                  \
    /* connections */                                                                              \
    X(connections, 1000000, 1, 10000000, "connections in all")                                     \
    X(connections_per_address, 200, 1, 10000000, "connections of one address (IPv6: of one /64)")  \
    X(unauthenticated_per_address, 20, 1, 10000000, "unauthenticated connections of one address")  \
    X(unauthenticated, 4000, 1, 10000000, "unauthenticated connections in all; from a quarter of it on some are refused at random") \
    X(accept_rate_per_address, 50, 1, 1000000, "new connections a second of one address (burst: four seconds)") \
    X(auth_attempts, 3, 1, 100, "failed authentications on one connection")                        \
    X(bind_attempts, 6, 1, 100, "refused resource bindings on one connection")                     \
    X(auth_failures_per_address, 20, 1, 1000000, "failed authentications of one address in ten minutes, then refused for ten") \
    X(address_table, 65536, 1024, 16777216, "addresses remembered for the limits by address")      \
    X(sasl_message_bytes, 8 * JB_KIB, 1 * JB_KIB, 64 * JB_KIB, "bytes of one SASL message, decoded") \
    X(sasl_nonce_bytes, 256, 32, 1024, "bytes of the other side's nonce in SCRAM")                 \
    X(scram_iterations_least, 4096, 1, 10000000, "fewer hash iterations are refused (client)")     \
    X(scram_iterations_most, 100000, 4096, 10000000, "more hash iterations are refused (client)")  \
    X(hash_jobs, 64, 1, 65536, "password hashes waiting for the thread pool")                      \
    X(input_rate_preauth, 4 * JB_KIB, 1 * JB_KIB, 1024 * JB_MIB, "bytes a second before authentication (burst: four seconds)") \
    X(input_rate, 64 * JB_KIB, 1 * JB_KIB, 1024 * JB_MIB, "bytes a second of one session (burst: eight seconds)") \
    X(stanza_rate, 50, 1, 1000000, "stanzas a second of one session (burst: four seconds)")        \
    X(sendq_bytes, 1 * JB_MIB, 64 * JB_KIB, 1024 * JB_MIB, "bytes waiting for one connection before we stop reading from it") \
    X(sendq_hard_bytes, 4 * JB_MIB, 128 * JB_KIB, 1024 * JB_MIB, "bytes waiting for one connection before it is closed") \
    /* stream management (XEP-0198) */                                                             \
    X(sm_resume_ms, 600000, 0, 86400000, "time a session waits for its resumption; 0: none can be resumed") \
    X(sm_count_ms, 172800000, 600000, 2592000000, "time for which it is known how much of what a lost session sent is stored") \
    X(sm_counts, 1000, 10, 1000000, "lost sessions of one account of which it is known how much of what they sent is stored; when there are more, half of them, the newest, stay") \
    X(sm_hibernating, 5, 1, 10000, "sessions of one account that wait for their resumption; the oldest gives way") \
    X(sm_queue_stanzas, 1000, 10, 1000000, "stanzas that a client has not acknowledged, then it is closed; while it waits for its resumption twice as many, then it ends") \
    X(sm_queue_bytes, 4 * JB_MIB, 256 * JB_KIB, 1024 * JB_MIB, "the same in bytes")                \
    X(custodies, 20000, 100, 10000000, "stanzas being committed, per reactor, before those of nobody who can be slowed down are refused") \
    X(custody_stanzas, 64, 1, 100000, "stanzas of one session that are being committed before we stop reading from it") \
    X(sm_ask_stanzas, 32, 1, 10000, "stanzas of no lasting value after which a client is asked what it has") \
    /* users */                                                                                    \
    X(resources, 10, 1, 10000, "sessions of one account")                                          \
    X(roster_items, 1000, 1, 1000000, "contacts in one roster")                                    \
    X(roster_groups, 32, 1, 1024, "groups of one contact")                                         \
    X(roster_name_bytes, 1023, 64, 16384, "bytes of a contact's name or group")                    \
    X(pending_subscriptions, 500, 1, 1000000, "subscription requests waiting for one user's answer") \
    X(subscribe_rate, 20, 1, 1000000, "subscription requests an hour of one user")                 \
    X(new_recipients_rate, 30, 1, 1000000, "addresses a minute that a user writes to who are none of his contacts and have not written to him") \
    X(directed_presences, 256, 1, 65536, "entities one session has sent directed presence to")     \
    X(offline_messages, 10000, 0, 10000000, "undelivered messages of one user")                    \
    X(offline_bytes, 50 * JB_MIB, 0, 1024 * JB_MIB, "bytes of undelivered messages of one user")   \
    X(mam_page, 100, 1, 1000, "messages in one answer of an archive")                              \
    X(mam_page_bytes, 256 * JB_KIB, 16 * JB_KIB, 16 * JB_MIB, "bytes of the messages in one answer of an archive; one message always fits") \
    X(mam_count, 10000, 0, 100000000, "messages counted for one query; where there are more no number is given") \
    X(mam_queries, 2, 1, 1000, "queries of archives in progress for one session")                  \
    X(mam_prefs, 500, 0, 100000, "addresses in the archiving preferences of one user")             \
    X(user_queue, 1000, 1, 1000000, "stanzas waiting while a user's data is read from the store")  \
    X(user_cache, 10000, 0, 10000000, "users without a session kept in memory, per reactor")       \
    X(fast_tokens, 16, 1, 10000, "clients of one account that can log in by a token (XEP-0484); the one unused for longest loses it") \
    X(registration_rate, 3, 1, 1000000, "registrations an hour of one address")                    \
    /* storage and control */                                                                      \
    X(store_jobs, 1000, 1, 1000000, "requests waiting for the store")                              \
    X(store_timeout_ms, 2000, 10, 600000, "wait for the store before a request that only reads fails") \
    X(store_batch, 64, 1, 10000, "requests in one transaction of the store")                       \
    X(store_unit_bytes, 16 * JB_MIB, 1 * JB_MIB, 1024 * JB_MIB, "bytes of one request to the store and of what it reads") \
    X(control_clients, 16, 1, 1024, "connections to the control socket")                           \
    X(shutdown_timeout_ms, 5000, 0, 600000, "time for streams to close when the server stops")

enum jb_limit {
#define JB_LIMIT_ENUM(name, def, least, most, words) JB_LIMIT_##name,
    JB_LIMITS(JB_LIMIT_ENUM)
#undef JB_LIMIT_ENUM
    JB_LIMIT_COUNT
};

/* The values in force.  Frozen once built; a reload builds a new one. */
struct jb_limits {
#define JB_LIMIT_FIELD(name, def, least, most, words) uint32_t name;
    JB_LIMITS(JB_LIMIT_FIELD)
#undef JB_LIMIT_FIELD
};

struct jb_limit_info {
    const char *name;  /* as in the configuration */
    const char *words; /* what it bounds, for --explain and the manual */
    uint32_t value, least, most; /* value: the default */
};

extern const struct jb_limit_info jb_limit_info[JB_LIMIT_COUNT];
extern const struct jb_limits jb_limits_default;

#endif
