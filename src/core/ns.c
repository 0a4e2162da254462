/* SPDX-License-Identifier: MIT */
#include "core/ns.h"

#include "core/ns_table.h"

static const struct jb_str uris[JB_NS_COUNT] = {
    JB_STR_INIT(""),
#define NS(name, uri) JB_STR_INIT(uri),
#include "core/ns.def"
#undef NS
};

/* FNV-1a; the seed was searched so that no two names of ns.def share a slot. */
static uint32_t slot_of(struct jb_str uri)
{
    uint32_t h = NS_SEED;

    for (size_t i = 0; i < uri.n; i++)
        h = (h ^ (unsigned char)uri.p[i]) * 16777619u;
    return (h ^ h >> 15) % NS_SLOTS;
}

enum jb_ns jb_ns_find(struct jb_str uri)
{
    enum jb_ns ns = ns_slot[slot_of(uri)];

    return jb_str_eq(uris[ns], uri) ? ns : JB_NS_NONE;
}

struct jb_str jb_ns_uri(enum jb_ns ns)
{
    return uris[ns];
}
