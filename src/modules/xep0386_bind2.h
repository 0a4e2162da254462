/* SPDX-License-Identifier: MIT */
/* XEP-0386 as a part of the authentication (xep0388_sasl2.c). */
#ifndef MODULES_XEP0386_BIND2_H
#define MODULES_XEP0386_BIND2_H

#include "modules/modules.h"

struct sasl2;

/* <bind/> within the offer. */
void bind2_write_offer(const struct host *host, struct jb_xml *x);
/* Takes what <bind/> asks for; its texts go into s->arena. */
void bind2_read(const struct jb_doc *doc, struct sasl2 *s);
/* Ends the sessions that the client had before, and binds a resource; NULL: refused, see *fault. */
struct session *bind2_session(struct conn *c, struct jb_fault *fault);
/* <bound/>, with what was enabled at once; `ends` is what mam_add_ends() has read, or NULL. */
void bind2_write_bound(struct conn *c, const struct store_unit *ends, struct jb_xml *x);

#endif
