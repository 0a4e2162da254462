/* SPDX-License-Identifier: MIT */
/* XEP-0198 Stream Management: the offer.  Counting is core/sm.c; sessions that outlive their
 * connection are server/session_sm.c. */
#include "modules/modules.h"

static enum verdict on_features(struct conn *c, struct jb_xml *x)
{
    if (c->authenticated)
        jb_xml_leaf(x, "sm", JB_NS_SM, JB_STR_NONE);
    return NEXT;
}

const struct module xep0198_sm = {
    .name = "stream_management",
    .title = "Stream Management",
    .xep = 198,
    .hooks = { .features = on_features },
};
