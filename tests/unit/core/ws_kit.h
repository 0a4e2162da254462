/* SPDX-License-Identifier: MIT */
/* Frames as they are on the wire, for tests: whatever is asked for, right or wrong. */
#ifndef TESTS_UNIT_CORE_WS_KIT_H
#define TESTS_UNIT_CORE_WS_KIT_H

#include "core/ws_frame.h"

#include <stdlib.h>

enum { KIT_FIN = 0x80, KIT_RSV1 = 0x40 };

/* What is on the wire, growing. */
struct wire {
    char *p;
    size_t n;
};

static inline void wire_free(struct wire *w)
{
    free(w->p);
    *w = (struct wire){ 0 };
}

static inline void wire_put(struct wire *w, const void *p, size_t n)
{
    w->p = realloc(w->p, w->n + n + 1);
    if (n)
        memcpy(w->p + w->n, p, n);
    w->n += n;
}

/* A frame with this first byte; `role`: who sends it (the client masks). */
static inline void wire_frame(struct wire *w, enum jb_role role, unsigned first, struct jb_str data)
{
    static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    bool masked = role == JB_ROLE_CLIENT;
    char head[JB_WS_HEAD_BYTES];
    size_t n = jb_ws_write_head(head, JB_WS_TEXT, false, data.n, masked ? mask : NULL);

    head[0] = (char)first;
    wire_put(w, head, n);
    wire_put(w, data.p, data.n);
    if (masked)
        jb_ws_mask(w->p + w->n - data.n, data.n, mask, 0);
}

#endif
