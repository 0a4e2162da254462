/* SPDX-License-Identifier: MIT */
/* XEP-0203 Delayed Delivery. */
#ifndef MODULES_XEP0203_DELAY_H
#define MODULES_XEP0203_DELAY_H

#include "core/jid.h"
#include "core/xml_write.h"

/* Writes the <delay/> of a stanza that was sent at `stamp_us` (wall time) and kept by `from`; unset
 * where that goes without saying. */
void delay_write(struct jb_xml *x, struct jb_jid from, int64_t stamp_us);

#endif
