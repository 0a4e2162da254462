/* SPDX-License-Identifier: MIT */
/* What a peer did wrong, as a value.  A fault is made where it is noticed and answered in exactly
 * one place: a stanza fault by an error stanza, a stream fault by closing the stream. */
#ifndef JB_CORE_FAULT_H
#define JB_CORE_FAULT_H

#include "core/xml_write.h"

/* RFC 6120 section 8.3.3: X(NAME, element, error type that it usually has) */
#define JB_STANZA_ERRORS(X)                                       \
    X(BAD_REQUEST, "bad-request", MODIFY)                         \
    X(CONFLICT, "conflict", CANCEL)                               \
    X(FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", CANCEL) \
    X(FORBIDDEN, "forbidden", AUTH)                               \
    X(GONE, "gone", CANCEL)                                       \
    X(INTERNAL_SERVER_ERROR, "internal-server-error", CANCEL)     \
    X(ITEM_NOT_FOUND, "item-not-found", CANCEL)                   \
    X(JID_MALFORMED, "jid-malformed", MODIFY)                     \
    X(NOT_ACCEPTABLE, "not-acceptable", MODIFY)                   \
    X(NOT_ALLOWED, "not-allowed", CANCEL)                         \
    X(NOT_AUTHORIZED, "not-authorized", AUTH)                     \
    X(POLICY_VIOLATION, "policy-violation", MODIFY)               \
    X(RECIPIENT_UNAVAILABLE, "recipient-unavailable", WAIT)       \
    X(REDIRECT, "redirect", MODIFY)                               \
    X(REGISTRATION_REQUIRED, "registration-required", AUTH)       \
    X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", CANCEL) \
    X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", WAIT)       \
    X(RESOURCE_CONSTRAINT, "resource-constraint", WAIT)           \
    X(SERVICE_UNAVAILABLE, "service-unavailable", CANCEL)         \
    X(SUBSCRIPTION_REQUIRED, "subscription-required", AUTH)       \
    X(UNDEFINED_CONDITION, "undefined-condition", CANCEL)         \
    X(UNEXPECTED_REQUEST, "unexpected-request", WAIT)

enum jb_stanza_error {
    JB_STANZA_OK,
#define JB_STANZA_ERROR_ENUM(name, element, type) JB_STANZA_##name,
    JB_STANZA_ERRORS(JB_STANZA_ERROR_ENUM)
#undef JB_STANZA_ERROR_ENUM
};

/* RFC 6120 section 8.3.2. */
enum jb_error_type {
    JB_ERROR_TYPE_USUAL, /* the one in the table above */
    JB_ERROR_TYPE_AUTH,
    JB_ERROR_TYPE_CANCEL,
    JB_ERROR_TYPE_CONTINUE,
    JB_ERROR_TYPE_MODIFY,
    JB_ERROR_TYPE_WAIT,
};

/* RFC 6120 section 4.9.3: X(NAME, element) */
#define JB_STREAM_ERRORS(X)                                 \
    X(BAD_FORMAT, "bad-format")                             \
    X(BAD_NAMESPACE_PREFIX, "bad-namespace-prefix")         \
    X(CONFLICT, "conflict")                                 \
    X(CONNECTION_TIMEOUT, "connection-timeout")             \
    X(HOST_GONE, "host-gone")                               \
    X(HOST_UNKNOWN, "host-unknown")                         \
    X(IMPROPER_ADDRESSING, "improper-addressing")           \
    X(INTERNAL_SERVER_ERROR, "internal-server-error")       \
    X(INVALID_FROM, "invalid-from")                         \
    X(INVALID_NAMESPACE, "invalid-namespace")               \
    X(INVALID_XML, "invalid-xml")                           \
    X(NOT_AUTHORIZED, "not-authorized")                     \
    X(NOT_WELL_FORMED, "not-well-formed")                   \
    X(POLICY_VIOLATION, "policy-violation")                 \
    X(REMOTE_CONNECTION_FAILED, "remote-connection-failed") \
    X(RESET, "reset")                                       \
    X(RESOURCE_CONSTRAINT, "resource-constraint")           \
    X(RESTRICTED_XML, "restricted-xml")                     \
    X(SYSTEM_SHUTDOWN, "system-shutdown")                   \
    X(UNDEFINED_CONDITION, "undefined-condition")           \
    X(UNSUPPORTED_ENCODING, "unsupported-encoding")         \
    X(UNSUPPORTED_FEATURE, "unsupported-feature")           \
    X(UNSUPPORTED_STANZA_TYPE, "unsupported-stanza-type")   \
    X(UNSUPPORTED_VERSION, "unsupported-version")

enum jb_stream_error {
    JB_STREAM_OK,
#define JB_STREAM_ERROR_ENUM(name, element) JB_STREAM_##name,
    JB_STREAM_ERRORS(JB_STREAM_ERROR_ENUM)
#undef JB_STREAM_ERROR_ENUM
};

/* A stanza fault: condition, type, and words for people (static, may be NULL). */
struct jb_fault {
    enum jb_stanza_error condition; /* JB_STANZA_OK: no fault */
    enum jb_error_type type;
    const char *words;
};

#define JB_NO_FAULT          ((struct jb_fault){ JB_STANZA_OK, JB_ERROR_TYPE_USUAL, NULL })
#define JB_FAULT(name, text) ((struct jb_fault){ JB_STANZA_##name, JB_ERROR_TYPE_USUAL, text })

/* The element's name of a condition. */
const char *jb_stanza_error_name(enum jb_stanza_error condition);
const char *jb_stream_error_name(enum jb_stream_error condition);

/* Writes the <error/> child of an error stanza (RFC 6120 section 8.3.2). */
void jb_fault_write(struct jb_xml *x, const struct jb_fault *fault);
/* Writes a whole <stream:error/> (section 4.9.2; RFC 7395 section 3.5); words may be NULL, `more`
 * is the element of an application (section 4.9.4) or empty. */
void jb_stream_error_write(struct jb_xml *x, enum jb_stream_error condition, const char *words,
                           struct jb_str more);

#endif
