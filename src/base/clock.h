/* SPDX-License-Identifier: MIT */
/* Time: a monotonic clock for deadlines, wall time for stamps. */
#ifndef JB_BASE_CLOCK_H
#define JB_BASE_CLOCK_H

#include "base/str.h"

uint64_t jb__clock_mono_ms(void); /* never goes back; origin unspecified */
int64_t jb__clock_wall_us(void);  /* microseconds since 1970-01-01T00:00:00Z */

#ifdef JABIRU_TEST_HOOKS
/* Test builds: puts both clocks ahead by so much more, for all threads.  Nobody is woken by it. */
void jb__clock_advance_ms(uint64_t ms);
/* Test builds: somebody sets the machine's clock: wall time jumps, forward or back. */
void jb__clock_step_ms(int64_t ms);
#endif

enum { JB__STAMP_BYTES = 27 }; /* "2026-01-31T23:59:59.123456Z" */
/* XEP-0082 DateTime in UTC with microseconds, with a NUL behind it. */
void jb__clock_stamp(int64_t wall_us, char out[JB__STAMP_BYTES + 1]);
/* Parses any XEP-0082 DateTime (fraction and offset optional parts as there); false if malformed.
 */
bool jb__clock_parse_stamp(struct jb_str s, int64_t *wall_us);

#endif
