/* SPDX-License-Identifier: MIT */
/* The first line a person sees. */
#ifndef SERVER_WELCOME_H
#define SERVER_WELCOME_H

struct server;

/* Prints one line to stdout: the claim link (`token` not NULL), with its QR code when that is a
 * terminal, or where the chat is. */
void welcome_print(const struct server *server, const char *token);

#endif
