/* SPDX-License-Identifier: MIT */
/* RFC 6121 section 1.4: the session request of older clients, which does nothing.
 *
 * It is answered, but not offered among the stream's features: clients that see it there spend a
 * round trip on it, even when it is marked optional. */
#include "modules/modules.h"

static void on_session(struct iq *iq)
{
    iq_done(iq);
}

const struct module rfc6121_session = {
    .name = "session",
    .title = "Session establishment of RFC 3921",
    .iqs = { { JB_NS_SESSION, "session", IQ_SET, TO_OWN | TO_HOST, on_session } },
};
