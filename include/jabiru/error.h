/* SPDX-License-Identifier: MIT */
/* Return codes: 0 is success, a negative JB_E... says what went wrong.
 *
 * A code is for what the world did to us (memory, disk, a limit, a state the caller can ask about).
 * What a server did wrong ends the connection and is told as an event (event.h). */
#ifndef JABIRU_ERROR_H
#define JABIRU_ERROR_H

/* A function that programs may call; everything else in the library is hidden. */
#define JB_API __attribute__((visibility("default")))
/* The result must be looked at. */
#define JB_NODISCARD __attribute__((warn_unused_result))

/* X(name, value, words) */
#define JB_ERRORS(X)                                 \
    X(JB_ENOMEM, -1, "out of memory")                \
    X(JB_EFULL, -2, "a configured limit is reached") \
    X(JB_EINVAL, -3, "malformed input")              \
    X(JB_ESTATE, -4, "not possible in this state")   \
    X(JB_EAGAIN, -5, "would block; try again later") \
    X(JB_ECLOSED, -6, "closed by the other side")    \
    X(JB_EIO, -7, "input or output failed")          \
    X(JB_ENOTFOUND, -8, "no such entry")             \
    X(JB_EEXIST, -9, "exists already")               \
    X(JB_EAUTH, -10, "not authorized")               \
    X(JB_ENOTSUP, -11, "not supported")

enum jb_error {
    JB_OK = 0,
#define JB_ERROR_ENUM(name, value, words) name = value,
    JB_ERRORS(JB_ERROR_ENUM)
#undef JB_ERROR_ENUM
};

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The words for a return code.
 *
 * Ownership:  static text
 * Threads:    any
 * Returns:    a short sentence without capital and stop; never NULL
 */
JB_API const char *jb_strerror(int code);

#ifdef __cplusplus
}
#endif

#endif
