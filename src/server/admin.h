/* SPDX-License-Identifier: MIT */
/* What `jabiru admin` can ask of a running server: the commands of the control socket. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

struct server;

/* Opens the control socket on the first reactor; 0 or negative. */
int admin_open(struct server *server);
/* After control_close() has ended. */
void admin_free(struct server *server);

#endif
