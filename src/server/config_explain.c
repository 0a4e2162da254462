/* SPDX-License-Identifier: MIT */
/* The table of options, told to people: `jabirud --explain`.  script/gen-conf-man.py reads this
 * output, so the manual page says the same. */
#include "server/config_internal.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>

struct explain {
    const struct config_modules *modules;
    struct jb__buf *out;
    const char *key; /* NULL: all */
    size_t told;
    struct jb__guess guess;
    char guessed[160]; /* the guess lives in a buffer that is reused */
    struct jb__arena arena;
    int rc; /* sticky */
};

static void say(struct explain *e, const char *format, ...) JB_PRINTF(2, 3);

static void say(struct explain *e, const char *format, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    jb_assert(n >= 0 && (size_t)n < sizeof text);
    if (e->rc == 0)
        e->rc = jb__buf_append(e->out, text, (size_t)n);
}

/* key is the whole name, the name of a section around it, or the last part alone. */
static bool is_wanted(struct explain *e, const char *name)
{
    size_t n = e->key ? strlen(e->key) : 0;

    if (!e->key || strcmp(name, e->key) == 0 || (strncmp(name, e->key, n) == 0 && name[n] == '.'))
        return true;
    const char *last = strrchr(name, '.');
    if (last && strcmp(last + 1, e->key) == 0)
        return true;
    jb__guess_offer(&e->guess, name);
    if (last)
        jb__guess_offer(&e->guess, last + 1);
    if (e->guess.best && e->guess.best != e->guessed) {
        snprintf(e->guessed, sizeof e->guessed, "%s", e->guess.best);
        e->guess.best = e->guessed;
    }
    return false;
}

static void explain_option(struct explain *e, const char *prefix, const struct conf_option *o)
{
    char name[256], allowed[256];
    struct conf_value value;

    snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", o->name);
    if (!is_wanted(e, name))
        return;
    e->told++;
    config_value_default(o, &e->arena, &value);
    config_value_allowed(o, allowed, sizeof allowed);
    say(e, "%s\n    %s\n    %s; default ", name, o->words, allowed);
    if (e->rc == 0)
        e->rc = config_value_print(o, &value, e->out);
    say(e, "; %s%s\n",
        o->flags & CONF_RESTART ? "a change needs a restart" : "a reload takes it up",
        o->flags & CONF_SECRET ? "; secret" : "");
}

static void explain_kind(struct explain *e, enum config_kind kind)
{
    const struct config_section_info *info = &config_sections()[kind];

    for (size_t i = 0; i < info->row_count; i++)
        explain_option(e, info->name, &info->rows[i].option);
}

int config_explain(const char *key, const struct config_modules *modules, struct jb__buf *out)
{
    struct explain e = { .modules = modules, .out = out, .key = key };
    char prefix[128];

    jb__arena_init(&e.arena, &jb_allocator_abort, CONFIG_ARENA_BYTES);
    jb__guess_begin(&e.guess, jb_strz(key));
    for (int k = 0; k < CONFIG_MODULE; k++)
        explain_kind(&e, (enum config_kind)k);
    for (size_t i = 0; i < modules->count; i++) {
        snprintf(prefix, sizeof prefix, "module.%s", modules->modules[i].name);
        for (const struct conf_option *o = modules->modules[i].options; o && o->name; o++)
            explain_option(&e, prefix, o);
    }
    jb__arena_deinit(&e.arena);
    if (e.rc != 0)
        return e.rc;
    if (e.told > 0)
        return 0;
    say(&e, "unknown option `%.100s`", key);
    if (e.guess.best)
        say(&e, " (did you mean `%s`?)", e.guess.best);
    say(&e, "\n");
    return e.rc != 0 ? e.rc : JB_ENOTFOUND;
}
