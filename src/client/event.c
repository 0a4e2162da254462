/* SPDX-License-Identifier: MIT */
#include "client/client_impl.h"

enum jb_event_kind jb_event_kind(const struct jb_event *ev)
{
    return ev ? ev->kind : JB_EVENT_NONE;
}

const struct jb_element *jb_event_element(const struct jb_event *ev)
{
    return ev->element;
}

uint64_t jb_event_number(const struct jb_event *ev)
{
    return ev->number;
}

enum jb_acked_by jb_event_acked_by(const struct jb_event *ev)
{
    return ev->acked_by;
}

enum jb_result jb_event_result(const struct jb_event *ev)
{
    return ev->result;
}

enum jb_reason jb_event_reason(const struct jb_event *ev)
{
    return ev->reason;
}

const char *jb_event_words(const struct jb_event *ev)
{
    return ev->words ? ev->words : "";
}

int jb_event_retry_ms(const struct jb_event *ev)
{
    return ev->retry_ms;
}

int jb_event_is_whole(const struct jb_event *ev)
{
    return ev->whole;
}
