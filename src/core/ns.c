/* SPDX-License-Identifier: MIT */
#include "core/ns.h"

#include "core/ns_table.h"

static const struct jb_str uris[JB_NS_COUNT] = {
    JB_STR_INIT(""),
#define NS(name, uri) JB_STR_INIT(uri),
#include "core/ns.def"
#undef NS
};

/* By length and end, in which the names of ns.def differ; the factor was searched so that no two of
 * them share a slot. */
static uint32_t slot_of(struct jb_str uri)
{
    uint64_t tail = 0;

    for (size_t i = 0; i < NS_TAIL_BYTES; i++) /* one load, on most processors */
        tail |= (uint64_t)(unsigned char)uri.p[uri.n - NS_TAIL_BYTES + i] << (8 * i);
    return (uint32_t)((tail + uri.n) * NS_FACTOR >> (64 - NS_SLOT_BITS));
}

enum jb_ns jb_ns_find(struct jb_str uri)
{
    enum jb_ns ns = uri.n < NS_TAIL_BYTES ? JB_NS_NONE : ns_slot[slot_of(uri)];

    return jb_str_eq(uris[ns], uri) ? ns : JB_NS_NONE;
}

struct jb_str jb_ns_uri(enum jb_ns ns)
{
    return uris[ns];
}
