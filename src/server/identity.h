/* SPDX-License-Identifier: MIT */
/* The server never works as root: decision 40. */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include "server/config.h"

/* After the ports are bound, before a file is opened that stays: root becomes somebody else, who
 * then owns the data folder; anybody gives up all capabilities.  `fresh`: the data folder was made
 * by this start.  One thread only.  0, or a negative code after a line in the log that says what to
 * do. */
JB_NODISCARD int identity_settle(const struct config *config, bool fresh);

#endif
