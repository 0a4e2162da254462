/* SPDX-License-Identifier: MIT */
/* From the document to the tree, and the checks that need more than one value. */
#include "server/config_internal.h"

#include "base/assert.h"
#include "base/datadir.h"
#include "base/log.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

_Static_assert(JB_LOG_DEBUG == 0 && JB_LOG_ERROR == 3 && JB_LOG_TEXT == 0 && JB_LOG_JSON == 1,
               "log.level and log.format name these by their order");

/* What is being made. */
struct build {
    struct config_tree *tree;
    struct config_doc doc;
    const struct config_overrides *overrides;
    struct config_listener *listeners;
    struct config_host *hosts;
    size_t part_room;
};

static void *arena_array(struct config_tree *tree, size_t count, size_t size)
{
    void *p = jb__arena_alloc(&tree->arena, (count ? count : 1) * size);

    jb_assert(p); /* the files' size bounds it far below the arena's limit */
    memset(p, 0, count * size);
    return p;
}

/* A list's items are consecutive only among themselves: counts the ones of this option. */
static size_t count_items(const struct config_doc *doc, const struct config_given *first)
{
    size_t n = 1;

    for (size_t i = first->next; i != SIZE_MAX; i = doc->given[i].next)
        n += doc->given[i].option == first->option;
    return n;
}

static void apply_given(struct build *b, size_t section, struct conf_value *values)
{
    const struct config_doc *doc = &b->doc;
    const struct config_doc_section *s = &doc->sections[section];

    for (size_t i = s->first; i != SIZE_MAX; i = doc->given[i].next) {
        const struct config_given *g = &doc->given[i];
        const struct conf_option *o = config_doc_option(doc, s->kind, s->module, g->option);
        struct conf_value *v = &values[g->option];
        struct conf_value parsed = { .given = true };

        if (o->type == CONF_LIST) {
            if (!v->given) {
                size_t count = count_items(doc, g);
                v->list.items = arena_array(b->tree, count, sizeof(struct jb_str));
                v->list.count = 0;
            }
            v->given = true;
            ((struct jb_str *)(uintptr_t)v->list.items)[v->list.count++] = g->text;
            continue;
        }
        const char *complaint = NULL;
        if (o->type == CONF_STRING)
            parsed.text = g->text; /* checked and resolved already */
        else
            complaint = config_value_parse(o, &b->tree->arena, g->text, &parsed);
        jb_assert(!complaint); /* the reader has checked it */
        *v = parsed;
    }
}

static struct conf_value *default_values(struct build *b, enum config_kind kind, size_t module)
{
    size_t count = config_doc_option_count(&b->doc, kind, module);
    struct conf_value *values = arena_array(b->tree, count, sizeof *values);

    for (size_t i = 0; i < count; i++)
        config_value_default(config_doc_option(&b->doc, kind, module, i), &b->tree->arena,
                             &values[i]);
    return values;
}

/* Defaults, then what the section says (SIZE_MAX: there is none). */
static struct conf_value *section_values(struct build *b, enum config_kind kind, size_t section)
{
    struct conf_value *values = default_values(b, kind, 0);

    if (section != SIZE_MAX)
        apply_given(b, section, values);
    return values;
}

static struct config_part *add_part(struct build *b, const struct config_part *part)
{
    jb_assert(b->tree->part_count < b->part_room);
    b->tree->parts[b->tree->part_count] = *part;
    return &b->tree->parts[b->tree->part_count++];
}

static void set_fields(void *base, const struct config_section_info *info,
                       const struct conf_value *values)
{
    for (size_t i = 0; i < info->row_count; i++) {
        char *at = (char *)base + info->rows[i].offset;
        const struct conf_value *v = &values[i];
        uint32_t n = (uint32_t)v->number;

        switch (info->rows[i].option.type) {
        case CONF_BOOL:
            memcpy(at, &v->flag, sizeof v->flag);
            break;
        case CONF_INT:
        case CONF_BYTES:
        case CONF_MS:
        case CONF_ENUM:
            memcpy(at, &n, sizeof n);
            break;
        case CONF_STRING:
            memcpy(at, &v->text, sizeof v->text);
            break;
        case CONF_LIST:
            memcpy(at, &v->list, sizeof v->list);
            break;
        }
    }
}

static struct config_place no_place(void)
{
    return (struct config_place){ NULL, 0 };
}

static size_t row_index(enum config_kind kind, const char *name)
{
    const struct config_section_info *info = &config_sections()[kind];
    size_t i = 0;

    while (strcmp(info->rows[i].option.name, name) != 0)
        i++;
    return i;
}

/* Where `name` of this section stands. */
static struct config_place place_of(const struct build *b, enum config_kind kind, size_t section,
                                    const char *name)
{
    if (section == SIZE_MAX)
        return no_place();
    return config_doc_place(&b->doc, section, row_index(kind, name));
}

/* The section of this kind behind `from`; SIZE_MAX: none. */
static size_t next_section(const struct build *b, enum config_kind kind, size_t from)
{
    for (size_t i = from; i < b->doc.section_count; i++)
        if (b->doc.sections[i].kind == kind)
            return i;
    return SIZE_MAX;
}

static size_t count_sections(const struct build *b, enum config_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < b->doc.section_count; i++)
        n += b->doc.sections[i].kind == kind;
    return n;
}

/* A kind of section that is there at most once. */
static void build_single(struct build *b, enum config_kind kind)
{
    size_t section = kind == CONFIG_ROOT ? 0 : next_section(b, kind, 0);
    struct config_part part = { .kind = kind, .values = section_values(b, kind, section) };

    set_fields(&b->tree->c, &config_sections()[kind], add_part(b, &part)->values);
}

static void parse_addresses(struct build *b, struct config_listener *l)
{
    struct jb__addr_net *networks =
        arena_array(b->tree, l->trusted_proxies.count, sizeof *networks);
    int rc = jb__addr_parse(&l->bind, l->address);

    l->bind.port = (uint16_t)l->port;
    for (size_t i = 0; i < l->trusted_proxies.count && rc == 0; i++)
        rc = jb__addr_net_parse(&networks[i], l->trusted_proxies.items[i]);
    jb_assert(rc == 0); /* checked when they were read */
    l->networks = networks;
}

static int override_listen(struct build *b, struct conf_value *values)
{
    struct conf_value *address = &values[row_index(CONFIG_LISTENER, "address")];
    struct conf_value *port = &values[row_index(CONFIG_LISTENER, "port")];
    const char *listen = b->overrides->listen;
    char text[JB__ADDR_TEXT_BYTES];
    struct jb__addr parsed;

    if (jb__addr_parse_port(&parsed, jb_strz(listen)) != 0)
        return config_fail(b->doc.error, no_place(), "--listen: \"%.200s\" is not ADDRESS:PORT",
                           listen);
    size_t n = jb__addr_text(&parsed, text);
    address->text = jb__arena_str(&b->tree->arena, jb_str(text, n));
    port->number = parsed.port;
    address->given = port->given = true;
    return 0;
}

static int build_listeners(struct build *b)
{
    struct config *c = &b->tree->c;
    bool override = b->overrides && b->overrides->listen;
    size_t section = next_section(b, CONFIG_LISTENER, 0),
           count = count_sections(b, CONFIG_LISTENER);

    c->listener_count = override || count == 0 ? 1 : count;
    b->listeners = arena_array(b->tree, c->listener_count, sizeof *b->listeners);
    c->listeners = b->listeners;
    for (size_t i = 0; i < c->listener_count; i++) {
        struct config_listener *l = &b->listeners[i];
        struct conf_value *values = section_values(b, CONFIG_LISTENER, section);
        if (override && override_listen(b, values) != 0)
            return JB_EINVAL;
        l->name = section == SIZE_MAX ? JB_STR("default") : b->doc.sections[section].title;
        set_fields(l, &config_sections()[CONFIG_LISTENER], values);
        parse_addresses(b, l);
        add_part(b, &(struct config_part){
                        .kind = CONFIG_LISTENER, .title = l->name, .values = values });
        section = section == SIZE_MAX ? SIZE_MAX : next_section(b, CONFIG_LISTENER, section + 1);
    }
    return 0;
}

/* module "x" { } of all hosts, then the host's own on top. */
static const struct conf_value *module_values(struct build *b, size_t host_section, size_t module)
{
    struct conf_value *values = default_values(b, CONFIG_HOST_MODULE, module);

    for (size_t i = 0; i < b->doc.section_count; i++) {
        const struct config_doc_section *s = &b->doc.sections[i];
        if (s->kind == CONFIG_MODULE && s->module == module)
            apply_given(b, i, values);
    }
    if (host_section == SIZE_MAX)
        return values;
    for (size_t i = host_section + 1; i < b->doc.section_count; i++) {
        const struct config_doc_section *s = &b->doc.sections[i];
        if (s->kind != CONFIG_HOST_MODULE || s->parent != host_section)
            break; /* a host's modules follow it */
        if (s->module == module) {
            for (size_t o = 0; o < config_doc_option_count(&b->doc, s->kind, module); o++)
                values[o].given = false; /* a list of the host's replaces, it does not add */
            apply_given(b, i, values);
        }
    }
    return values;
}

static bool list_has(const struct conf_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (jb_str_eqz(list->items[i], name))
            return true;
    return false;
}

static void build_modules(struct build *b, struct config_host *h, size_t section)
{
    const struct config_modules *m = b->doc.modules;
    struct config_module *modules = arena_array(b->tree, m->count, sizeof *modules);

    for (size_t i = 0; i < m->count; i++) {
        modules[i].name = m->modules[i].name;
        modules[i].enabled = !list_has(&h->modules_off, m->modules[i].name);
        modules[i].values = module_values(b, section, i);
        add_part(b, &(struct config_part){ .kind = CONFIG_HOST_MODULE,
                                           .title = jb_strz(modules[i].name),
                                           .host = h->name,
                                           .module = i,
                                           .values = modules[i].values });
    }
    h->modules = modules;
}

/* Names in modules_off, each with its own place. */
static int check_modules_off(const struct build *b, size_t section)
{
    const struct config_doc *doc = &b->doc;
    size_t option = row_index(CONFIG_HOST, "modules_off");

    for (size_t i = doc->sections[section].first; i != SIZE_MAX; i = doc->given[i].next) {
        const struct config_given *g = &doc->given[i];
        struct jb__guess guess;
        bool known = g->option != option;

        jb__guess_begin(&guess, g->text);
        for (size_t m = 0; m < doc->modules->count; m++) {
            known = known || jb_str_eqz(g->text, doc->modules->modules[m].name);
            jb__guess_offer(&guess, doc->modules->modules[m].name);
        }
        if (!known)
            return config_fail(doc->error, g->place, "`modules_off`: unknown module \"%.*s\"%s%s%s",
                               JB_STR_ARG(g->text), guess.best ? " (did you mean \"" : "",
                               guess.best ? guess.best : "", guess.best ? "\"?)" : "");
    }
    return 0;
}

static int check_host(const struct build *b, const struct config_host *h, size_t section)
{
    if (section == SIZE_MAX)
        return 0;
    if (h->tls_certificate.n && h->tls_key.n == 0)
        return config_fail(b->doc.error, place_of(b, CONFIG_HOST, section, "tls_certificate"),
                           "`tls_certificate` needs `tls_key`");
    if (h->tls_key.n && h->tls_certificate.n == 0)
        return config_fail(b->doc.error, place_of(b, CONFIG_HOST, section, "tls_key"),
                           "`tls_key` needs `tls_certificate`");
    return check_modules_off(b, section);
}

static int build_hosts(struct build *b)
{
    struct config *c = &b->tree->c;
    size_t section = next_section(b, CONFIG_HOST, 0), count = count_sections(b, CONFIG_HOST);

    c->host_count = count == 0 ? 1 : count;
    b->hosts = arena_array(b->tree, c->host_count, sizeof *b->hosts);
    c->hosts = b->hosts;
    for (size_t i = 0; i < c->host_count; i++) {
        struct config_host *h = &b->hosts[i];
        struct conf_value *values = section_values(b, CONFIG_HOST, section);
        h->name = section == SIZE_MAX ? JB_STR("localhost") : b->doc.sections[section].title;
        set_fields(h, &config_sections()[CONFIG_HOST], values);
        int rc = check_host(b, h, section);
        if (rc != 0)
            return rc;
        add_part(b,
                 &(struct config_part){ .kind = CONFIG_HOST, .title = h->name, .values = values });
        build_modules(b, h, section);
        section = section == SIZE_MAX ? SIZE_MAX : next_section(b, CONFIG_HOST, section + 1);
    }
    return 0;
}

static bool is_any(const struct jb__addr *a)
{
    static const uint8_t any6[16], any4[16] = { [10] = 0xff, [11] = 0xff };

    return memcmp(a->ip, any6, 16) == 0 || memcmp(a->ip, any4, 16) == 0;
}

/* One port, and the addresses are the same or one of them means all. */
static bool collide(const struct jb__addr *a, const struct jb__addr *b)
{
    return a->port != 0 && a->port == b->port && (is_any(a) || is_any(b) || jb__addr_eq_ip(a, b));
}

static int check_ports(const struct build *b)
{
    const struct config *c = &b->tree->c;
    size_t section = next_section(b, CONFIG_LISTENER, 0);

    for (size_t i = 0; i < c->listener_count; i++) {
        const struct config_listener *l = &c->listeners[i];
        struct config_place place = place_of(b, CONFIG_LISTENER, section, "port");
        for (size_t k = 0; k < i; k++) {
            const struct config_listener *o = &c->listeners[k];
            if (collide(&o->bind, &l->bind))
                return config_fail(b->doc.error, place,
                                   "listener \"%.*s\" has the port %u of listener \"%.*s\"",
                                   JB_STR_ARG(l->name), l->port, JB_STR_ARG(o->name));
        }
        if (c->metrics.is_set && collide(&c->metrics, &l->bind))
            return config_fail(b->doc.error, place,
                               "listener \"%.*s\" has the port %u of `metrics_listen`",
                               JB_STR_ARG(l->name), l->port);
        section = section == SIZE_MAX ? SIZE_MAX : next_section(b, CONFIG_LISTENER, section + 1);
    }
    return 0;
}

/* Limits that must not cross. */
static int check_limits(const struct build *b)
{
    const struct jb_limits *l = &b->tree->c.limits;
    const struct {
        const char *low, *high;
        bool ok;
    } pairs[] = {
        { "preauth_stanza_bytes", "stanza_bytes", l->preauth_stanza_bytes <= l->stanza_bytes },
        { "sendq_bytes", "sendq_hard_bytes", l->sendq_bytes <= l->sendq_hard_bytes },
        { "ws_ping_interval_ms", "ws_ping_timeout_ms",
          l->ws_ping_interval_ms <= l->ws_ping_timeout_ms },
        { "unauthenticated_per_address", "connections_per_address",
          l->unauthenticated_per_address <= l->connections_per_address },
    };
    size_t section = next_section(b, CONFIG_LIMITS, 0);

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i].ok)
            continue;
        struct config_place low = place_of(b, CONFIG_LIMITS, section, pairs[i].low);
        struct config_place high = place_of(b, CONFIG_LIMITS, section, pairs[i].high);
        return config_fail(b->doc.error, high.line > low.line ? high : low,
                           "`%s` must not be above `%s`", pairs[i].low, pairs[i].high);
    }
    return 0;
}

static int set_data(struct build *b)
{
    struct config *c = &b->tree->c;
    char path[PATH_MAX];

    if (b->overrides && b->overrides->data) {
        c->data = jb__arena_str(&b->tree->arena, jb_strz(b->overrides->data));
    } else if (c->data.n == 0) {
        if (jb__datadir_default(path, sizeof path) != 0)
            return config_fail(b->doc.error, no_place(),
                               "no data folder: set `data`, --data, or $HOME");
        c->data = jb__arena_str(&b->tree->arena, jb_strz(path));
    }
    /* So that a reload compares what is in force. */
    struct conf_value *values = (struct conf_value *)(uintptr_t)b->tree->parts[0].values;
    values[row_index(CONFIG_ROOT, "data")].text = c->data;
    return 0;
}

static int build(struct build *b)
{
    struct config *c = &b->tree->c;
    size_t hosts = count_sections(b, CONFIG_HOST) + 1;
    int rc;

    b->part_room = 4 + count_sections(b, CONFIG_LISTENER) + 1 + hosts * (1 + b->doc.modules->count);
    b->tree->parts = arena_array(b->tree, b->part_room, sizeof *b->tree->parts);
    c->module_count = b->doc.modules->count;
    build_single(b, CONFIG_ROOT); /* first: set_data relies on it */
    build_single(b, CONFIG_LOG);
    build_single(b, CONFIG_WEBSOCKET);
    build_single(b, CONFIG_LIMITS);
    if (c->metrics_listen.n) {
        rc = jb__addr_parse_port(&c->metrics, c->metrics_listen);
        jb_assert(rc == 0);
    }
    rc = set_data(b);
    if (rc == 0)
        rc = build_listeners(b);
    if (rc == 0)
        rc = build_hosts(b);
    if (rc == 0)
        rc = check_ports(b);
    return rc == 0 ? check_limits(b) : rc;
}

int config_load(const char *path, const struct config_overrides *overrides,
                const struct config_modules *modules, const struct config **out,
                struct config_error *error)
{
    struct config_tree *tree = jb_zalloc(&jb_allocator_abort, sizeof *tree);
    struct build b = { .tree = tree, .overrides = overrides };

    jb_assert(tree);
    error->text[0] = error->denied[0] = '\0';
    *out = NULL;
    atomic_init(&tree->refs, 1);
    jb__arena_init(&tree->arena, &jb_allocator_abort, CONFIG_ARENA_BYTES);
    tree->modules = modules;
    b.doc = (struct config_doc){ .arena = &tree->arena, .modules = modules, .error = error };
    int rc = config_doc_read(&b.doc, path);
    if (rc == 0) {
        tree->c.files = b.doc.files;
        tree->c.file = path ? jb__arena_str(&tree->arena, jb_strz(path)) : JB_STR_NONE;
        rc = build(&b);
    }
    config_doc_deinit(&b.doc);
    if (rc != 0) {
        config_unref(&tree->c);
        return rc;
    }
    *out = &tree->c;
    return 0;
}

static struct config_tree *tree_of(const struct config *c)
{
    return (struct config_tree *)(uintptr_t)c;
}

const struct config *config_ref(const struct config *c)
{
    atomic_fetch_add_explicit(&tree_of(c)->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(const struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&tree_of(c)->refs, 1, memory_order_acq_rel) != 1)
        return;
    jb__arena_deinit(&tree_of(c)->arena);
    jb_free(&jb_allocator_abort, tree_of(c));
}

const struct config_host *config_find_host(const struct config *c, struct jb_str name)
{
    for (size_t i = 0; i < c->host_count; i++)
        if (jb_str_eq(c->hosts[i].name, name))
            return &c->hosts[i];
    return NULL;
}

const struct config_module *config_find_module(const struct config *c,
                                               const struct config_host *host, const char *name)
{
    for (size_t i = 0; i < c->module_count; i++)
        if (strcmp(host->modules[i].name, name) == 0)
            return &host->modules[i];
    return NULL;
}

bool config_is_trusted(const struct config_listener *l, const struct jb__addr *address)
{
    for (size_t i = 0; i < l->trusted_proxies.count; i++)
        if (jb__addr_net_has(&l->networks[i], address))
            return true;
    return false;
}
