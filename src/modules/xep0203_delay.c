/* SPDX-License-Identifier: MIT */
#include "modules/xep0203_delay.h"

#include "base/clock.h"
#include "modules/modules.h"

void delay_write(struct jb_xml *x, struct jb_jid from, int64_t stamp_us)
{
    char stamp[JB__STAMP_BYTES + 1];

    jb__clock_stamp(stamp_us, stamp);
    jb_xml_open(x, "delay", JB_NS_DELAY);
    if (jb_jid_is_set(from))
        jb_xml_attr(x, "from", jb_jid_str(from));
    jb_xml_attrz(x, "stamp", stamp);
    jb_xml_close(x);
}

/* What clients may not say about delays is taken out by xep0359_stanza_id. */
const struct module xep0203_delay = {
    .name = "delay",
    .title = "Delayed Delivery",
    .xep = 203,
    .features = { JB_NS_DELAY },
};
