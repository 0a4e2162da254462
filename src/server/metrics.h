/* SPDX-License-Identifier: MIT */
/* What is counted, per reactor, without locks: each reactor adds to its own, and the exporter asks
 * each for a copy through its mailbox. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "core/limits.h"

/* X(field, metric name, kind, help) */
#define COUNTERS(X)                                                                         \
    X(accepted, "jabiru_connections_accepted", "counter", "sockets accepted")               \
    X(refused, "jabiru_connections_refused", "counter",                                     \
      "sockets refused by a limit or a full table")                                         \
    X(connections, "jabiru_connections", "gauge", "open connections")                       \
    X(sessions, "jabiru_sessions", "gauge", "bound resources")                              \
    X(hibernating, "jabiru_sessions_hibernating", "gauge",                                  \
      "of these, those that wait for a new connection")                                     \
    X(resumptions, "jabiru_sessions_resumed", "counter", "sessions taken over by a new connection") \
    X(users, "jabiru_users_loaded", "gauge", "users in memory")                             \
    X(http_requests, "jabiru_http_requests", "counter", "HTTP requests, upgrades included") \
    X(upgrades, "jabiru_websocket_upgrades", "counter", "WebSockets opened")                \
    X(logins, "jabiru_logins", "counter", "successful authentications")                     \
    X(login_failures, "jabiru_login_failures", "counter", "failed authentications")         \
    X(stanzas_in, "jabiru_stanzas_received", "counter", "stanzas received from clients")    \
    X(stanzas_out, "jabiru_stanzas_delivered", "counter", "stanzas queued to clients")      \
    X(bounced, "jabiru_stanzas_bounced", "counter",                                         \
      "stanzas answered with an error by the server")                                       \
    X(bytes_in, "jabiru_bytes_received", "counter", "bytes read from sockets")              \
    X(bytes_out, "jabiru_bytes_sent", "counter", "bytes written to sockets")                \
    X(stream_errors, "jabiru_stream_errors", "counter",                                     \
      "streams ended with an error by the server")                                          \
    X(mails, "jabiru_mailbox_posts", "counter", "messages between reactors")

struct counters {
#define COUNTER_FIELD(field, name, kind, help) uint64_t field;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
    uint64_t limit[JB_LIMIT_COUNT]; /* how often each limit was reached */
};

#endif
