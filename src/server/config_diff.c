/* SPDX-License-Identifier: MIT */
/* What a reload changes, told value by value. */
#include "server/config_internal.h"

#include "base/assert.h"

#include <stdio.h>

enum { KEY_BYTES = 2600, VALUE_BYTES = 1024 * 1024 };

struct diff {
    const struct config_tree *from, *to;
    void (*report)(void *ctx, const struct config_change *change);
    void *ctx;
    struct jb__buf from_text, to_text;
};

static const struct config_part *find_part(const struct config_tree *tree,
                                           const struct config_part *like)
{
    for (size_t i = 0; i < tree->part_count; i++) {
        const struct config_part *p = &tree->parts[i];
        if (p->kind == like->kind && jb_str_eq(p->title, like->title) &&
            jb_str_eq(p->host, like->host))
            return p;
    }
    return NULL;
}

/* host "a.example" module "version" show_os; limits.stanza_bytes; data */
static void print_key(const struct config_part *p, const char *option, char out[KEY_BYTES])
{
    const struct config_section_info *info = &config_sections()[p->kind];
    const char *gap = option[0] ? " " : "";

    if (p->kind == CONFIG_HOST_MODULE)
        snprintf(out, KEY_BYTES, "host \"%.*s\" module \"%.*s\"%s%s", JB_STR_ARG(p->host),
                 JB_STR_ARG(p->title), gap, option);
    else if (info->titled)
        snprintf(out, KEY_BYTES, "%s \"%.*s\"%s%s", info->name, JB_STR_ARG(p->title), gap, option);
    else
        snprintf(out, KEY_BYTES, "%s%s%s", info->name, info->name[0] ? "." : "", option);
}

/* A long list is cut: the report is for reading. */
static const char *print_value(const struct conf_option *o, const struct conf_value *v,
                               struct jb__buf *buf)
{
    buf->n = 0;
    if (o->flags & CONF_SECRET)
        return "(hidden)";
    if (config_value_print(o, v, buf) != 0)
        buf->n = buf->max - 4;
    int rc = jb__buf_append(buf, "", 1);
    jb_assert(rc == 0);
    return buf->p;
}

static bool list_eq(struct conf_list a, struct conf_list b)
{
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (!jb_str_eq(a.items[i], b.items[i]))
            return false;
    return true;
}

static bool value_eq(const struct conf_value *a, const struct conf_value *b)
{
    return a->flag == b->flag && a->number == b->number && jb_str_eq(a->text, b->text) &&
           list_eq(a->list, b->list);
}

static const struct conf_option *part_option(const struct config_tree *tree,
                                             const struct config_part *p, size_t i)
{
    if (p->kind == CONFIG_HOST_MODULE) {
        const struct conf_option *o = tree->modules->modules[p->module].options;
        return o && o[i].name ? &o[i] : NULL;
    }
    const struct config_section_info *info = &config_sections()[p->kind];
    return i < info->row_count ? &info->rows[i].option : NULL;
}

static void diff_part(struct diff *d, const struct config_part *from, const struct config_part *to)
{
    const struct conf_option *o;
    char key[KEY_BYTES];

    for (size_t i = 0; (o = part_option(d->to, to, i)); i++) {
        if (value_eq(&from->values[i], &to->values[i]))
            continue;
        print_key(to, o->name, key);
        d->report(d->ctx, &(struct config_change){
                              .key = key,
                              .from = print_value(o, &from->values[i], &d->from_text),
                              .to = print_value(o, &to->values[i], &d->to_text),
                              .restart = o->flags & CONF_RESTART,
                          });
    }
}

/* A section that only one side has; a host's modules come and go with it. */
static void diff_lone_part(struct diff *d, const struct config_part *p, bool came)
{
    char key[KEY_BYTES];

    if (p->kind == CONFIG_HOST_MODULE)
        return;
    print_key(p, "", key);
    d->report(d->ctx, &(struct config_change){ .key = key,
                                               .from = came ? "(none)" : "(there)",
                                               .to = came ? "(there)" : "(none)",
                                               .restart = p->kind == CONFIG_LISTENER });
}

void config_diff(const struct config *from, const struct config *to,
                 void (*report)(void *ctx, const struct config_change *change), void *ctx)
{
    struct diff d = { .from = (const struct config_tree *)from,
                      .to = (const struct config_tree *)to,
                      .report = report,
                      .ctx = ctx };

    jb__buf_init(&d.from_text, &jb_allocator_abort, VALUE_BYTES);
    jb__buf_init(&d.to_text, &jb_allocator_abort, VALUE_BYTES);
    for (size_t i = 0; i < d.to->part_count; i++) {
        const struct config_part *old = find_part(d.from, &d.to->parts[i]);
        if (old)
            diff_part(&d, old, &d.to->parts[i]);
        else
            diff_lone_part(&d, &d.to->parts[i], true);
    }
    for (size_t i = 0; i < d.from->part_count; i++)
        if (!find_part(d.to, &d.from->parts[i]))
            diff_lone_part(&d, &d.from->parts[i], false);
    jb__buf_deinit(&d.from_text);
    jb__buf_deinit(&d.to_text);
}
