/* SPDX-License-Identifier: MIT */
/* What happened.  Events come from jb_client_next(), one after the other; one lives until the next
 * call of jb_client_next(), jb_client_process() or jb_client_free(). */
#ifndef JABIRU_EVENT_H
#define JABIRU_EVENT_H

#include "jabiru/element.h"

#include <stdint.h>

struct jb_event;

enum jb_event_kind {
    JB_EVENT_NONE,
    JB_EVENT_ONLINE,   /* a resource is bound: jb_client_jid() is the full address */
    JB_EVENT_RESUMED,  /* the session from before goes on (XEP-0198): nothing was lost */
    JB_EVENT_OFFLINE,  /* the connection ended, or an attempt failed: reason, words, retry */
    JB_EVENT_STANZA,   /* a message, presence or request: element */
    JB_EVENT_ANSWER,   /* a request of ours: number, result, and the answer's element */
    JB_EVENT_ACKED,    /* a message of ours has arrived: number, and who says so */
    JB_EVENT_DROPPED,  /* a message of ours will not be sent, or may be lost: number */
    JB_EVENT_ROSTER,   /* the contact list, whole or a change: element <query/> */
    JB_EVENT_PRESENCE, /* somebody's presence: element <presence/> */
};

/* Why the connection ended. */
enum jb_reason {
    JB_REASON_NONE,
    JB_REASON_REQUESTED,   /* jb_client_disconnect() */
    JB_REASON_DISCOVERY,   /* the domain does not say where its endpoint is */
    JB_REASON_NAME,        /* the host's name has no address */
    JB_REASON_UNREACHABLE, /* nobody answers there */
    JB_REASON_CERTIFICATE, /* the certificate is not to be trusted, or is for another name */
    JB_REASON_TLS,         /* TLS failed otherwise */
    JB_REASON_ENDPOINT,    /* what answered is no XMPP endpoint */
    JB_REASON_REDIRECT,    /* sent elsewhere too often, or to where it is less safe */
    JB_REASON_PROTOCOL,    /* the server broke a rule */
    JB_REASON_MECHANISM,   /* no way to authenticate that is strong enough */
    JB_REASON_PASSWORD,    /* the server does not take this address and password */
    JB_REASON_SERVER,      /* the server could not prove that it knows the password */
    JB_REASON_REPLACED,    /* another session took this resource */
    JB_REASON_ERROR,       /* another stream error; the words name it */
    JB_REASON_CLOSED,      /* the server closed the stream in order */
    JB_REASON_LOST,        /* the connection broke, or went silent */
    JB_REASON_TIMEOUT,     /* connecting took too long */
    JB_REASON_MEMORY,      /* out of memory */
};

/* How a request ended. */
enum jb_result {
    JB_RESULT_OK,      /* an iq of type result */
    JB_RESULT_ERROR,   /* an iq of type error: look for its <error/> */
    JB_RESULT_TIMEOUT, /* no answer in time */
    JB_RESULT_OFFLINE, /* the session ended before an answer came */
};

/* Who says of a message that it has arrived. */
enum jb_acked_by {
    JB_ACKED_BY_NONE,
    JB_ACKED_BY_SERVER, /* the server, by stream management: it has taken the message over */
    JB_ACKED_BY_PING,   /* whoever holds the WebSocket's other end, perhaps a proxy */
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What an event is.
 *
 * Threads:    the one that owns the client
 * Returns:    enum jb_event_kind; JB_EVENT_NONE for NULL
 */
JB_API enum jb_event_kind jb_event_kind(const struct jb_event *ev);

/**
 * The element of STANZA, PRESENCE, ROSTER, and of ANSWER unless it timed out or went offline.
 *
 * Ownership:  lives as long as the event
 * Threads:    the one that owns the client
 * Returns:    the element; NULL when the event has none
 */
JB_API const struct jb_element *jb_event_element(const struct jb_event *ev);

/**
 * The number of ANSWER, ACKED and DROPPED, as the call that sent it gave it.
 *
 * Threads:    the one that owns the client
 * Returns:    the number; 0 when the event has none
 */
JB_API uint64_t jb_event_number(const struct jb_event *ev);

/**
 * Who says of the message of an ACKED that it has arrived.
 *
 * Threads:    the one that owns the client
 * Returns:    enum jb_acked_by; JB_ACKED_BY_NONE for other events
 */
JB_API enum jb_acked_by jb_event_acked_by(const struct jb_event *ev);

/**
 * How the request of an ANSWER ended.
 *
 * Threads:    the one that owns the client
 * Returns:    enum jb_result
 */
JB_API enum jb_result jb_event_result(const struct jb_event *ev);

/**
 * Why the connection of an OFFLINE ended, as a code.
 *
 * Threads:    the one that owns the client
 * Returns:    enum jb_reason
 */
JB_API enum jb_reason jb_event_reason(const struct jb_event *ev);

/**
 * The same in words for people, with what the server or the system said.
 *
 * Ownership:  lives as long as the event
 * Threads:    the one that owns the client
 * Returns:    one line, never NULL
 */
JB_API const char *jb_event_words(const struct jb_event *ev);

/**
 * After an OFFLINE: when the next attempt will be made.
 *
 * Threads:    the one that owns the client
 * Returns:    milliseconds from now; -1 when there will be none
 */
JB_API int jb_event_retry_ms(const struct jb_event *ev);

/**
 * Whether a ROSTER is the whole list (1) or a change of it (0).
 *
 * Threads:    the one that owns the client
 * Returns:    1 or 0
 */
JB_API int jb_event_is_whole(const struct jb_event *ev);

#ifdef __cplusplus
}
#endif

#endif
