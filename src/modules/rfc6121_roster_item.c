/* SPDX-License-Identifier: MIT */
#include "modules/rfc6121_roster_item.h"

#include "base/alloc.h"

enum { RECORD_VERSION = 1, GROUPS_MOST = 1024, HEAD_BYTES = 4 };

static struct jb_str place(char **at, struct jb_str s)
{
    struct jb_str copy = jb_str(*at, s.n);

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

struct roster_item *roster_item_new(const struct roster_item_parts *parts)
{
    size_t bytes = jb_jid_str(parts->jid).n + parts->name.n + parts->request.n;
    size_t groups_bytes = parts->group_count * sizeof(struct jb_str);

    for (uint16_t i = 0; i < parts->group_count; i++)
        bytes += parts->groups[i].n;
    struct roster_item *item = jb_alloc(&jb_allocator_abort, sizeof *item + groups_bytes + bytes);
    char *at = (char *)(item + 1) + groups_bytes;
    *item = (struct roster_item){ .jid = parts->jid,
                                  .groups = (struct jb_str *)(item + 1),
                                  .group_count = parts->group_count,
                                  .state = parts->state };
    item->jid.p = place(&at, jb_jid_str(parts->jid)).p;
    item->name = place(&at, parts->name);
    item->request = place(&at, parts->request);
    for (uint16_t i = 0; i < parts->group_count; i++)
        item->groups[i] = place(&at, parts->groups[i]);
    return item;
}

static void put_text(char **at, struct jb_str s)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *(*at)++ = (char)(s.n >> shift);
    place(at, s);
}

struct jb_str roster_item_encode(const struct roster_item *item, struct jb__arena *arena)
{
    size_t bytes = HEAD_BYTES + 4 + item->name.n + 4 + item->request.n;

    for (uint16_t i = 0; i < item->group_count; i++)
        bytes += 4 + item->groups[i].n;
    char *record = jb__arena_alloc(arena, bytes);
    char *at = record;
    *at++ = RECORD_VERSION;
    *at++ = (char)item->state;
    *at++ = (char)(item->group_count >> 8);
    *at++ = (char)(item->group_count & 0xff);
    put_text(&at, item->name);
    put_text(&at, item->request);
    for (uint16_t i = 0; i < item->group_count; i++)
        put_text(&at, item->groups[i]);
    return jb_str(record, (size_t)(at - record));
}

static bool take_text(struct jb_str *rest, struct jb_str *text)
{
    uint32_t n = 0;

    if (rest->n < 4)
        return false;
    for (int i = 0; i < 4; i++)
        n = n << 8 | (unsigned char)rest->p[i];
    if (rest->n - 4 < n)
        return false;
    *text = jb_str(rest->p + 4, n);
    *rest = jb_str(rest->p + 4 + n, rest->n - 4 - n);
    return true;
}

/* A key of the store is an address that was canonical when it was written. */
static bool read_address(struct jb_str text, struct jb_jid *jid)
{
    struct jb_str local, domain;

    if (text.n == 0 || text.n > 2 * JB_JID_PART_BYTES + 1)
        return false;
    if (!jb_str_cut(text, '@', &local, &domain)) {
        domain = text;
        local = JB_STR_NONE;
    } else if (local.n == 0) {
        return false;
    }
    *jid = (struct jb_jid){ .p = text.p, .local = (uint16_t)local.n, .domain = (uint16_t)domain.n };
    return domain.n > 0;
}

struct roster_item *roster_item_decode(struct jb_str jid, struct jb_str record)
{
    struct roster_item_parts parts = { 0 };
    struct roster_item *item = NULL;
    struct jb_str rest = jb_str_from(record, HEAD_BYTES);

    if (record.n < HEAD_BYTES || record.p[0] != RECORD_VERSION || !read_address(jid, &parts.jid))
        return NULL;
    parts.state = (uint8_t)record.p[1];
    parts.group_count =
        (uint16_t)((unsigned)(uint8_t)record.p[2] << 8 | (unsigned)(uint8_t)record.p[3]);
    if (parts.group_count > GROUPS_MOST || !take_text(&rest, &parts.name) ||
        !take_text(&rest, &parts.request))
        return NULL;
    parts.groups = jb_alloc(&jb_allocator_abort, parts.group_count * sizeof *parts.groups);
    uint16_t read = 0;
    while (read < parts.group_count && take_text(&rest, &parts.groups[read]))
        read++;
    if (read == parts.group_count && rest.n == 0)
        item = roster_item_new(&parts);
    jb_free(&jb_allocator_abort, parts.groups);
    return item;
}
