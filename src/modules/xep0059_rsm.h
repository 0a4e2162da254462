/* SPDX-License-Identifier: MIT */
/* XEP-0059 Result Set Management: one page of many results, and where it stands among them. */
#ifndef MODULES_XEP0059_RSM_H
#define MODULES_XEP0059_RSM_H

#include "core/fault.h"
#include "core/xml_parse.h"

enum { RSM_MOST = INT32_MAX }; /* a number in the protocol is an xs:int */

/* Which page is asked for. */
struct rsm_request {
    bool has_max, has_index, has_after, has_before;
    uint32_t max;         /* 0 asks for the count alone (section 2.7) */
    uint32_t index;       /* begin at this place (section 2.6) */
    struct jb_str after;  /* begin behind this item; never empty */
    struct jb_str before; /* end before this item; empty: the last page (section 2.5) */
};

/* Reads the <set/> in the element `parent`; all is false when there is none.  bad-request: a number
 * is none, or is out of range. */
JB_NODISCARD struct jb_fault rsm_read(struct rsm_request *r, const struct jb_doc *doc,
                                      uint16_t parent, struct jb__arena *arena);

/* Which page is given. */
struct rsm_page {
    struct jb_str first, last; /* its ends; empty when it has no items */
    bool index_known, count_known;
    uint64_t index; /* of the first among all */
    uint64_t count; /* of all */
};

void rsm_write(struct jb_xml *x, const struct rsm_page *page);

#endif
