/* SPDX-License-Identifier: MIT */
/* Return codes: 0 is success, a negative JB_E... says what went wrong.
 *
 * A code is for what the world did to us (memory, disk, a limit, a state the caller can ask about).
 * Our own mistakes are assertions (assert.h); a peer's mistakes are faults (core/fault.h).  The
 * codes are public: they stand among the client library's headers. */
#ifndef JB_BASE_ERROR_H
#define JB_BASE_ERROR_H

#include "jabiru/error.h"

#define JB_PRINTF(f, a) __attribute__((format(printf, f, a)))

#endif
