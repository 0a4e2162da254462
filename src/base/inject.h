/* SPDX-License-Identifier: MIT */
/* Points at which a test build can be told to fail.
 *
 * Code that asks the world for something (memory, a socket, the disk) asks jb__inject() first:
 *
 *     if (jb__inject(JB__INJECT_READ))
 *         return jb__sock_fail(JB_EIO, "read: injected");
 *
 * Each call of a point is counted, so that a test first lets its scenario run and counts, and then
 * runs it again for each k with the k-th call failing.  In a release jb__inject() is the constant
 * false, and neither it nor the branch behind it is in the program. */
#ifndef JB_BASE_INJECT_H
#define JB_BASE_INJECT_H

#include "base/str.h"

/* X(name, text): the text is what environment and control socket call it. */
#define JB__INJECT_POINTS(X)                                                  \
    X(ALLOC, "alloc")             /* the allocators of base/alloc.h */        \
    X(SQL_ALLOC, "sql_alloc")     /* SQLite's own */                          \
    X(TLS_ALLOC, "tls_alloc")     /* OpenSSL's own */                         \
    X(ACCEPT, "accept")           /* accept(2): out of descriptors */         \
    X(READ, "read")               /* from a client: reset */                  \
    X(WRITE, "write")             /* to a client: reset */                    \
    X(WRITE_SHORT, "write_short") /* to a client: one byte is taken */        \
    X(SQL, "sql")                 /* a step of a statement: I/O error */      \
    X(FILE_READ, "file_read")     /* of the database or its log: I/O error */ \
    X(FILE_WRITE, "file_write")   /* the same */                              \
    X(FILE_SYNC, "file_sync")     /* the same */                              \
    X(FILE_FULL, "file_full")     /* a write of the same: no space is left */

enum jb__inject_point {
#define JB__INJECT_ENUM(name, text) JB__INJECT_##name,
    JB__INJECT_POINTS(JB__INJECT_ENUM)
#undef JB__INJECT_ENUM
        JB__INJECT_COUNT
};

#ifdef JABIRU_TEST_HOOKS

enum jb__inject_how {
    JB__INJECT_ONCE,   /* that call fails, later ones do not */
    JB__INJECT_EVER,   /* that call fails, and all later ones */
    JB__INJECT_SIGNAL, /* no call fails; that one raises a signal for the process */
};

/* Counts a call.  True: it has to fail.  Any thread. */
bool jb__inject(enum jb__inject_point point);

/* From now on the point counts from zero, and its k-th call is hit; k 0: none is.  `signal` is used
 * by JB__INJECT_SIGNAL only.  Not while another thread arms the same point. */
void jb__inject_arm(enum jb__inject_point point, uint64_t k, enum jb__inject_how how, int signal);
/* Calls since the point was armed, or since the start. */
uint64_t jb__inject_calls(enum jb__inject_point point);
/* Calls that were hit in the same time. */
uint64_t jb__inject_hits(enum jb__inject_point point);

const char *jb__inject_name(enum jb__inject_point point);
/* False: there is no such point. */
bool jb__inject_find(struct jb_str name, enum jb__inject_point *point);

/* Arms what a text names: "alloc:17" once, "alloc:17+" for ever, "sql:5=9" signal 9; several with
 * commas between.  NULL arms nothing.  False: the text is malformed, and some of it may be armed.
 */
bool jb__inject_parse(const char *text);

#else

static inline bool jb__inject(enum jb__inject_point point)
{
    (void)point;
    return false;
}

#endif
#endif
