/* SPDX-License-Identifier: MIT */
/* Service discovery, as other modules use it. */
#ifndef MODULES_XEP0030_DISCO_H
#define MODULES_XEP0030_DISCO_H

#include "core/xml_write.h"

struct host;
struct iq;

/* Writes what stands in the <query/> of a host's disco#info answer: identities, features, forms. */
void disco_write_host_info(const struct host *host, struct jb_xml *x);
/* Answers a disco#info request to a host with that, repeating the request's node. */
void disco_answer_host_info(struct iq *iq);

#endif
