/* SPDX-License-Identifier: MIT */
#include "modules/xep0077_names.h"

#include "core/jid.h"

static const struct jb_str names_store = JB_STR_INIT("names");

/* What has no skeleton (it is too long for one) stands for itself. */
static struct jb_str key_of(struct store_unit *u, struct jb_str local)
{
    struct jb_str skeleton;

    return jb_jid_skeleton(local, &u->arena, &skeleton) == 0 && skeleton.n ? skeleton : local;
}

struct store_op *names_find(struct store_unit *u, struct jb_str host, struct jb_str local)
{
    return store_unit_kv_get(u, host, names_store, key_of(u, local));
}

struct store_op *names_take(struct store_unit *u, struct jb_str host, struct jb_str local)
{
    return store_unit_kv_put(u, host, names_store, key_of(u, local), JB_STR_NONE);
}

struct store_op *names_release(struct store_unit *u, struct jb_str host, struct jb_str local)
{
    return store_unit_kv_delete(u, host, names_store, key_of(u, local));
}
