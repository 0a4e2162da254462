/* SPDX-License-Identifier: MIT */
/* Namespaces as numbers.  The list is ns.def; the lookup is a perfect hash made at build time. */
#ifndef JB_CORE_NS_H
#define JB_CORE_NS_H

#include "base/str.h"

enum jb_ns {
    JB_NS_NONE, /* no namespace, or (see the parser) one that is not in ns.def */
#define NS(name, uri) JB_NS_##name,
#include "core/ns.def"
#undef NS
    JB_NS_COUNT
};

/* The number of a URI; JB_NS_NONE when it is not in ns.def. */
enum jb_ns jb_ns_find(struct jb_str uri);
/* The URI of a number; empty for JB_NS_NONE. */
struct jb_str jb_ns_uri(enum jb_ns ns);

#endif
