/* SPDX-License-Identifier: MIT */
/* Test builds: SQLite asks base/inject.h before it allocates, reads, writes or syncs. */
#ifndef STORE_INJECT_H
#define STORE_INJECT_H

#ifdef JABIRU_TEST_HOOKS
/* Before anything else uses SQLite. */
void store_inject_begin(void);
#endif

#endif
