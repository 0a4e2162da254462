/* SPDX-License-Identifier: MIT */
/* The domainpart of an address: IDNA2008 with U-labels, or an IP address (RFC 7622 section 3.2). */
#ifndef JB_CORE_JID_DOMAIN_H
#define JB_CORE_JID_DOMAIN_H

#include "base/error.h"
#include "base/str.h"

/* True for a canonical domainpart of lower-case letters, digits and hyphens in which nothing calls
 * for a closer look: no `xn--` label, last label not a number. */
bool jb__domain_is_plain(struct jb_str s);

/* Writes the canonical form, at most JB_JID_PART_BYTES bytes.  0, JB_EINVAL, JB_ENOMEM. */
JB_NODISCARD int jb__domain_prep(struct jb_str in, char *out, size_t *n);

#endif
