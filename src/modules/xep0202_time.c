/* SPDX-License-Identifier: MIT */
/* XEP-0202 Entity Time: the host tells its clock, in UTC. */
#include "base/clock.h"
#include "modules/modules.h"
#include "server/reactor.h"

static void on_time(struct iq *iq)
{
    struct jb_xml *x = iq_result(iq);
    char stamp[JB__STAMP_BYTES + 1];

    jb__clock_stamp(iq->reactor->now_us, stamp);
    jb_xml_open(x, "time", JB_NS_TIME);
    jb_xml_leaf(x, "tzo", JB_NS_NONE, JB_STR("+00:00"));
    jb_xml_leaf(x, "utc", JB_NS_NONE, jb_strz(stamp));
    jb_xml_close(x);
    iq_send(iq);
}

const struct module xep0202_time = {
    .name = "time",
    .title = "Entity Time",
    .xep = 202,
    .features = { JB_NS_TIME },
    .iqs = { { JB_NS_TIME, "time", IQ_GET, TO_HOST, on_time } },
};
