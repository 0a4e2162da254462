/* SPDX-License-Identifier: MIT */
/* What differs between the two ends of a stream; for the files of the stream only. */
#ifndef JB_CORE_STREAM_ROLES_H
#define JB_CORE_STREAM_ROLES_H

#include "core/stream.h"

/* Each returns true when `ev` tells something.  The server's side: */
bool jb__stream_on_open(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev);
bool jb__stream_on_element(struct jb_stream *s, struct jb__arena *arena,
                           struct jb_stream_event *ev);
/* The client's side: */
bool jb__stream_client_on_open(struct jb_stream *s, struct jb_stream_event *ev);
bool jb__stream_client_on_element(struct jb_stream *s, struct jb__arena *arena,
                                  struct jb_stream_event *ev);
/* What both sides may say once the stream is open: stanzas, SASL, stream management, the rest. */
bool jb__stream_on_content(struct jb_stream *s, struct jb__arena *arena,
                           struct jb_stream_event *ev);
/* Ends the stream with an error and tells it; always true. */
bool jb__stream_fault(struct jb_stream *s, struct jb_stream_event *ev, enum jb_stream_error error,
                      const char *words);

/* The same with an element of an application behind the condition. */
void jb__stream_fail_more(struct jb_stream *s, enum jb_stream_error error, const char *words,
                          struct jb_str more);
/* Nothing that is queued now would be sent. */
static inline bool jb__stream_is_ending(const struct jb_stream *s)
{
    return s->state >= JB_STREAM_STATE_CLOSING;
}

/* Text of at most a few hundred bytes that the stream makes itself. */
struct jb__stream_text {
    struct jb__buf buf;
    struct jb_xml x;
};
void jb__stream_text_begin(struct jb__stream_text *t, const struct jb_stream *s);
/* Queues it; 0 or JB_ENOMEM. */
JB_NODISCARD int jb__stream_text_send(struct jb__stream_text *t, struct jb_stream *s);

/* ---- stream management (sm.c) ---- */
/* An element of its namespace. */
bool jb__sm_on_element(struct jb_stream *s, struct jb__arena *arena, struct jb_stream_event *ev);
/* The same at a client: what only a server says. */
bool jb__sm_client_on_element(struct jb_stream *s, struct jb__arena *arena,
                              struct jb_stream_event *ev);
/* Counting begins with what comes next. */
void jb__sm_begin_counting(struct jb_stream *s);
enum { JB__SM_DUE_BYTES = 64 };
/* Room that <a/> and <r/> need when they are due; 0: none is. */
size_t jb__sm_due_bytes(const struct jb_stream *s);
/* The next of them, in `text`; empty: none is due any more. */
struct jb_str jb__sm_next_due(struct jb_stream *s, char text[JB__SM_DUE_BYTES]);

#endif
