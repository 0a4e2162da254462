/* SPDX-License-Identifier: MIT */
/* XEP-0478 Stream Limits: how large an element may be, and how long silence may last. */
#include "modules/modules.h"

#include <inttypes.h>
#include <stdio.h>

static void write_number(struct jb_xml *x, const char *name, uint32_t value)
{
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%" PRIu32, value);

    jb_xml_leaf(x, name, JB_NS_NONE, jb_str(digits, (size_t)n));
}

/* The limits that hold from these features on. */
static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    (void)resuming;
    const struct jb_limits *l = conn_limits(c);
    /* The server pings first; where it never does, silence ends the stream. */
    uint32_t idle_ms = l->ws_ping_interval_ms ? l->ws_ping_interval_ms : l->ws_ping_timeout_ms;

    jb_xml_open(x, "limits", JB_NS_STREAM_LIMITS);
    write_number(x, "max-bytes", c->authenticated ? l->stanza_bytes : l->preauth_stanza_bytes);
    write_number(x, "idle-seconds", idle_ms < 1000 ? 1 : idle_ms / 1000);
    jb_xml_close(x);
    return NEXT;
}

const struct module xep0478_stream_limits = {
    .name = "stream_limits",
    .title = "Stream Limits Advertisement",
    .xep = 478,
    .hooks = { .features = on_features },
};
