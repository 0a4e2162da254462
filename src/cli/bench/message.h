/* SPDX-License-Identifier: MIT */
/* A frame that is made once and sent often: only its mark changes. */
#ifndef CLI_BENCH_MESSAGE_H
#define CLI_BENCH_MESSAGE_H

#include "cli/bench/conn.h"

struct message {
    char *frame; /* NULL: not made */
    size_t bytes;
    char *mark;    /* in the frame */
    bool marked;   /* run and sender stand in it */
    uint32_t sent; /* the next one's serial */
};

/* A chat message to `to` of o->bytes in all, with body, chat state and receipt request. */
void message_make_chat(struct message *m, const struct bench_options *o, const char *to);
/* A message to a room, of o->bytes. */
void message_make_groupchat(struct message *m, const struct bench_options *o, const char *room);
/* Presence, with the mark as status. */
void message_make_presence(struct message *m);
void message_deinit(struct message *m); /* serials go on with the next one made */

/* Sends it from c, due at this time, and counts the deliveries that follow. */
void message_send(struct message *m, struct conn *c, uint64_t due_ns, uint64_t deliveries);

#endif
