/* SPDX-License-Identifier: MIT */
#include "cli/bench/message.h"

#include "base/assert.h"
#include "cli/bench/engine.h"

#include <stdio.h>
#include <stdlib.h>

static const char words[] = "Meet me under the balcony when the lamps are lit. ";

/* head MARK middle FILLER tail, as a frame of `bytes` of text, or more when that is too short. */
struct plan {
    const char *head, *middle, *tail;
    size_t bytes;
};

static void make(struct message *m, const struct plan *plan)
{
    size_t bare = strlen(plan->head) + MARKER_BYTES + strlen(plan->middle) + strlen(plan->tail);
    size_t filler = plan->bytes > bare ? plan->bytes - bare : 0;
    char *text = jb_alloc(&jb_allocator_abort, bare + filler + 1);
    int n = snprintf(text, bare + filler + 1, "%s%s%s", plan->head, MARKER_BLANK, plan->middle);

    jb_assert(n > 0);
    for (size_t i = 0; i < filler; i++)
        text[(size_t)n + i] = words[i % (sizeof words - 1)];
    memcpy(text + n + filler, plan->tail, strlen(plan->tail));
    free(m->frame);
    m->marked = false;
    m->frame = jb_alloc(&jb_allocator_abort, bare + filler + JB_WS_HEAD_BYTES);
    m->bytes = conn_frame(m->frame, JB_WS_TEXT, jb_str(text, bare + filler));
    m->mark = m->frame + (m->bytes - bare - filler) + strlen(plan->head);
    free(text);
}

enum { HEAD_BYTES = 4096 };

void message_make_chat(struct message *m, const struct bench_options *o, const char *to)
{
    char head[HEAD_BYTES];

    snprintf(head, sizeof head, "<message xmlns='jabber:client' to='%s' type='chat' id='", to);
    make(m, &(struct plan){ head, "'><body>",
                            "</body><active xmlns='http://jabber.org/protocol/chatstates'/>"
                            "<request xmlns='urn:xmpp:receipts'/></message>",
                            o->bytes });
}

void message_make_groupchat(struct message *m, const struct bench_options *o, const char *room)
{
    char head[HEAD_BYTES];

    snprintf(head, sizeof head, "<message xmlns='jabber:client' to='%s' type='groupchat' id='",
             room);
    make(m, &(struct plan){ head, "'><body>", "</body></message>", o->bytes });
}

void message_make_presence(struct message *m)
{
    make(m, &(struct plan){ "<presence xmlns='jabber:client'><status>", "</status>", "</presence>",
                            0 });
}

void message_deinit(struct message *m)
{
    free(m->frame);
    m->frame = NULL;
}

void message_send(struct message *m, struct conn *c, uint64_t due_ns, uint64_t deliveries)
{
    if (!m->marked)
        marker_write(m->mark, &(struct marker){ .run = c->worker->bench->run, .sender = c->index });
    m->marked = true;
    marker_renew(m->mark, m->sent++, due_ns);
    worker_sent(c->worker, due_ns, deliveries);
    conn_send(c, m->frame, m->bytes);
    sm_sent_message(c, due_ns);
}
