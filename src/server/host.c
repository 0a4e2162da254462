/* SPDX-License-Identifier: MIT */
#include "server/host.h"

#include "server/control_inject.h"
#include "server/module.h"

#include <stdatomic.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

struct conf *conf_new(const struct config *config)
{
    struct conf *c = jb_zalloc(alloc, sizeof *c);

    c->refs = 1;
    c->config = config;
    c->stream.limits = config->limits;
#ifdef JABIRU_TEST_HOOKS
    c->stream.sm_first = inject_sm_first();
#endif
    jb__arena_init(&c->arena, alloc, (config->host_count + 1) * 8 * 1024);
    c->stream.fail_from = config->hosts[0].name;
    c->stream.fail_id = jb__random_id;
    c->hosts = jb_zalloc(alloc, config->host_count * sizeof *c->hosts);
    c->enabled = jb_zalloc(alloc, config->host_count * modules_count * sizeof *c->enabled);
    for (size_t i = 0; i < config->host_count; i++) {
        struct host *h = &c->hosts[i];
        bool *enabled = c->enabled + i * modules_count;
        h->config = &config->hosts[i];
        h->conf = c;
        h->jid = (struct jb_jid){ .p = h->config->name.p, .domain = (uint16_t)h->config->name.n };
        if (jb_jid_domain_ascii(jb_jid_str(h->jid), &c->arena, &h->ascii) != 0)
            h->ascii = h->config->name; /* longer than DNS allows: nobody can look it up */
        for (size_t m = 0; m < modules_count; m++)
            enabled[m] = h->config->modules[m].enabled;
        h->enabled = enabled;
    }
    return c;
}

struct conf *conf_ref(struct conf *c)
{
    c->refs++;
    return c;
}

void conf_unref(struct conf *c)
{
    if (!c || --c->refs > 0)
        return;
    config_unref(c->config);
    jb__tls_ctx_unref(c->tls);
    jb__arena_deinit(&c->arena);
    jb_free(alloc, c->hosts);
    jb_free(alloc, c->enabled);
    jb_free(alloc, c);
}

const struct host *conf_find_host(const struct conf *c, struct jb_str domain)
{
    for (size_t i = 0; i < c->config->host_count; i++)
        if (jb_str_eq(jb_jid_str(c->hosts[i].jid), domain))
            return &c->hosts[i];
    return NULL;
}
