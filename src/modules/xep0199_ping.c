/* SPDX-License-Identifier: MIT */
/* XEP-0199 XMPP Ping: the host answers, and so does an account that is asked for itself. */
#include "modules/modules.h"

static void on_ping(struct iq *iq)
{
    iq_done(iq);
}

const struct module xep0199_ping = {
    .name = "ping",
    .title = "XMPP Ping",
    .xep = 199,
    .features = { JB_NS_PING },
    .iqs = { { JB_NS_PING, "ping", IQ_GET, TO_HOST | TO_OWN, on_ping } },
};
