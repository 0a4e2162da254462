/* SPDX-License-Identifier: MIT */
/* libjabiru: XMPP over WebSocket (RFC 7395) for programs of any kind.
 *
 * Conventions, said once for all headers:
 *
 *  - No loop, no thread, no signal, no state outside of the objects.  A client hands out a
 *    descriptor, what to wait for, and a time; any loop can host it (jb_client_run() is one).
 *  - Functions that can fail return 0 or a negative JB_E... (error.h).  Out of memory is always
 * such a code, never the end of the process.  The library aborts only on its own mistakes.
 *  - A client and all that belongs to it are used by one thread at a time.
 *  - Texts given are copied; NUL-terminated UTF-8.  Texts returned belong to the object.
 *  - Types are opaque; names begin with jb_ and JB_. */
#ifndef JABIRU_JABIRU_H
#define JABIRU_JABIRU_H

#include "jabiru/client.h"
#include "jabiru/element.h"
#include "jabiru/error.h"
#include "jabiru/event.h"
#include "jabiru/memory.h"
#include "jabiru/writer.h"

#endif
