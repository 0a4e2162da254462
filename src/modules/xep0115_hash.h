/* SPDX-License-Identifier: MIT */
/* The verification string of XEP-0115 section 5. */
#ifndef MODULES_XEP0115_HASH_H
#define MODULES_XEP0115_HASH_H

#include "core/xml_parse.h"

enum { CAPS_VER_BYTES = 28 }; /* SHA-1 in base 64 */

/* Of a disco#info <query/>, node `query` of a parsed document.  JB_EINVAL: it is ill-formed by
 * section 5.4 (something stands in it twice); JB_ENOMEM. */
JB_NODISCARD int caps_ver(const struct jb_doc *doc, uint16_t query, struct jb__arena *arena,
                          char ver[CAPS_VER_BYTES]);

#endif
