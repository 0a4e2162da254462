/* SPDX-License-Identifier: MIT */
/* One contact in memory and in the store. */
#ifndef MODULES_RFC6121_ROSTER_ITEM_H
#define MODULES_RFC6121_ROSTER_ITEM_H

#include "base/arena.h"
#include "modules/rfc6121_roster.h"

struct roster_item_parts {
    struct jb_jid jid;
    struct jb_str name;
    struct jb_str *groups;
    struct jb_str request;
    uint16_t group_count;
    uint8_t state;
};

/* One block that holds copies of all; free with jb_free(&jb_allocator_abort, ...). */
struct roster_item *roster_item_new(const struct roster_item_parts *parts);
/* The stored form: a version byte, the state, the name, the number of groups and the groups, the
 * request; each text with its length in front (4 bytes, big-endian). */
struct jb_str roster_item_encode(const struct roster_item *item, struct jb__arena *arena);
/* NULL: not readable. */
struct roster_item *roster_item_decode(struct jb_str jid, struct jb_str record);

#endif
