/* SPDX-License-Identifier: MIT */
#include "server/module.h"

#include "base/assert.h"

enum { ROOM_ALIGN = _Alignof(max_align_t) };

struct hook_lists hook_lists;

static struct {
    size_t user_at, session_at;
} rooms[MODULES_MOST];
static size_t user_bytes, session_bytes;

static size_t round_up(size_t n)
{
    return (n + ROOM_ALIGN - 1) / ROOM_ALIGN * ROOM_ALIGN;
}

static void list_hooks(size_t i)
{
#define HOOK(point, result, params) \
    if (modules[i]->hooks.point)    \
        hook_lists.point.at[hook_lists.point.count++] = (uint8_t)i;
#include "server/hooks.def"
#undef HOOK
}

void modules_init(void)
{
    jb_assert(modules_count <= MODULES_MOST);
    user_bytes = session_bytes = 0;
    hook_lists = (struct hook_lists){ 0 };
    for (size_t i = 0; i < modules_count; i++) {
        rooms[i].user_at = user_bytes;
        rooms[i].session_at = session_bytes;
        user_bytes += round_up(modules[i]->user_bytes);
        session_bytes += round_up(modules[i]->session_bytes);
        list_hooks(i);
    }
}

size_t modules_user_bytes(void)
{
    return user_bytes;
}

size_t modules_session_bytes(void)
{
    return session_bytes;
}

static size_t index_of(const struct module *m)
{
    size_t i = 0;

    while (i < modules_count && modules[i] != m)
        i++;
    jb_assert(i < modules_count);
    return i;
}

void *module_user_data(const struct module *m, struct user *u)
{
    jb_assert(m->user_bytes > 0);
    return u->data + rooms[index_of(m)].user_at;
}

void *module_session_data(const struct module *m, struct session *s)
{
    jb_assert(m->session_bytes > 0);
    return s->data + rooms[index_of(m)].session_at;
}

const struct conf_value *module_option(const struct module *m, const struct host *host,
                                       size_t option)
{
    return &host->config->modules[index_of(m)].values[option];
}

bool module_enabled(const struct module *m, const struct host *host)
{
    return host->enabled[index_of(m)];
}

static bool rule_fits(const struct iq_rule *rule, struct jb_str name, enum jb_ns ns, unsigned kind,
                      unsigned target)
{
    return rule->ns == ns && (rule->kinds & kind) && (rule->targets & target) &&
           jb_str_eqz(name, rule->name);
}

const struct iq_rule *modules_find_iq(const struct host *host, struct jb_str name, enum jb_ns ns,
                                      unsigned kind, unsigned target)
{
    if (ns == JB_NS_NONE)
        return NULL;
    for (size_t m = 0; m < modules_count; m++)
        for (const struct iq_rule *rule = modules[m]->iqs; rule->handler; rule++)
            if (host->enabled[m] && rule_fits(rule, name, ns, kind, target))
                return rule;
    return NULL;
}
