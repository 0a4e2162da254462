/* SPDX-License-Identifier: MIT */
/* XEP-0160 Offline Messages. */
#ifndef MODULES_XEP0160_OFFLINE_H
#define MODULES_XEP0160_OFFLINE_H

#include <stdint.h>

struct user;

/* All entries of the user's log up to this one have been confirmed by a client of his. */
int64_t offline_cursor(struct user *u);

#endif
