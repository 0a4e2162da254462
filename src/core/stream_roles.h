/* SPDX-License-Identifier: MIT */
/* What differs between the two ends of a stream; for the files of the stream only. */
#ifndef JB_CORE_STREAM_ROLES_H
#define JB_CORE_STREAM_ROLES_H

#include "core/stream.h"

/* Each returns true when `ev` tells something. */
bool jb__stream_on_open(struct jb_stream *s, struct jb_stream_event *ev);
bool jb__stream_on_element(struct jb_stream *s, struct jb__arena *arena,
                           struct jb_stream_event *ev);
/* Ends the stream with an error and tells it; always true. */
bool jb__stream_fault(struct jb_stream *s, struct jb_stream_event *ev, enum jb_stream_error error,
                      const char *words);

#endif
