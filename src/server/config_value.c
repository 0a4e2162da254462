/* SPDX-License-Identifier: MIT */
/* Text to value and back, for each type of option. */
#include "server/config_internal.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: printing takes the first that divides. */
static const struct unit byte_units[] = {
    { "GiB", 1024 * 1024 * 1024 }, { "MiB", 1024 * 1024 }, { "KiB", 1024 }, { "", 1 }
};
static const struct unit time_units[] = {
    { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 }
};
enum { UNITS = 4 };

static void range_of(const struct conf_option *o, int64_t *least, int64_t *most)
{
    bool unset = o->least == 0 && o->most == 0;

    *least = o->least;
    *most = unset ? INT32_MAX : o->most;
}

static bool parse_number(const struct conf_option *o, struct jb_str text, int64_t *out)
{
    const struct unit *units = o->type == CONF_BYTES ? byte_units : time_units;
    size_t digits = 0;
    uint64_t n;
    int64_t factor = 0;

    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    if (!jb_str_u64(jb_str(text.p, digits), INT32_MAX * (uint64_t)4, &n))
        return false;
    struct jb_str unit = jb_str_trim(jb_str_from(text, digits));
    if (unit.n == 0)
        factor = 1;
    for (size_t i = 0; o->type != CONF_INT && factor == 0 && i < UNITS; i++)
        if (jb_str_eqz(unit, units[i].name))
            factor = units[i].factor;
    *out = (int64_t)n * factor; /* below 2^33 * 2^30 */
    return factor != 0;
}

static bool parse_bool(struct jb_str text, bool *out)
{
    static const char *const yes[] = { "true", "yes", "on" };
    static const char *const no[] = { "false", "no", "off" };

    for (size_t i = 0; i < 3; i++) {
        if (jb_str_eqz(text, yes[i]) || jb_str_eqz(text, no[i])) {
            *out = jb_str_eqz(text, yes[i]);
            return true;
        }
    }
    return false;
}

static bool parse_enum(const char *choices, struct jb_str text, int64_t *out)
{
    struct jb_str rest = jb_strz(choices), choice;

    for (int64_t i = 0; rest.n > 0; i++) {
        jb_str_cut(rest, '|', &choice, &rest);
        if (jb_str_eq(choice, text)) {
            *out = i;
            return true;
        }
    }
    return false;
}

const char *config_value_parse(const struct conf_option *o, struct jb__arena *arena,
                               struct jb_str text, struct conf_value *value)
{
    int64_t least, most;
    const char *complaint = NULL;

    switch (o->type) {
    case CONF_BOOL:
        return parse_bool(text, &value->flag) ? NULL : "is not what it takes";
    case CONF_INT:
    case CONF_BYTES:
    case CONF_MS:
        range_of(o, &least, &most);
        if (!parse_number(o, text, &value->number))
            return "is not what it takes";
        return value->number >= least && value->number <= most ? NULL : "is out of range";
    case CONF_ENUM:
        value->text = jb__arena_str(arena, text);
        return parse_enum(o->choices, text, &value->number) ? NULL : "is not what it takes";
    case CONF_STRING:
    case CONF_LIST:
        if (text.n == 0)
            return "is empty";
        if (o->check)
            complaint = o->check(arena, &text);
        value->text = jb__arena_str(arena, text);
        /* cppcheck-suppress returnDanglingLifetime -- the words are the check's, not the text */
        return complaint;
    }
    jb_assert(false); /* all types are above */
    return NULL;
}

/* "256KiB" and "25s"; plain for CONF_INT and for 0. */
static void print_number(const struct conf_option *o, int64_t n, char *out, size_t room)
{
    const struct unit *units = o->type == CONF_BYTES ? byte_units : time_units;
    const struct unit *u = &units[UNITS - 1];

    if (o->type == CONF_INT || n == 0) {
        snprintf(out, room, "%" PRId64, n);
        return;
    }
    for (size_t i = UNITS; i-- > 0;)
        if (n % units[i].factor == 0)
            u = &units[i];
    snprintf(out, room, "%" PRId64 "%s", n / u->factor, u->name);
}

void config_value_allowed(const struct conf_option *o, char *out, size_t room)
{
    static const char *const what[] = {
        [CONF_INT] = "a number", [CONF_BYTES] = "a number of bytes", [CONF_MS] = "a time"
    };
    char least_text[32], most_text[32];
    int64_t least, most;

    switch (o->type) {
    case CONF_BOOL:
        snprintf(out, room, "true or false");
        break;
    case CONF_INT:
    case CONF_BYTES:
    case CONF_MS:
        range_of(o, &least, &most);
        print_number(o, least, least_text, sizeof least_text);
        print_number(o, most, most_text, sizeof most_text);
        snprintf(out, room, "%s from %s to %s", what[o->type], least_text, most_text);
        break;
    case CONF_STRING:
        snprintf(out, room, "%s", o->flags & (CONF_FILE | CONF_PATH) ? "a path" : "a text");
        break;
    case CONF_LIST:
        snprintf(out, room, "a list of texts");
        break;
    case CONF_ENUM:
        snprintf(out, room, "one of %s", o->choices);
        break;
    }
}

/* Sticky append: the first failure stays. */
static void put(struct jb__buf *out, int *rc, struct jb_str s)
{
    if (*rc == 0)
        *rc = jb__buf_append(out, s.p, s.n);
}

static void put_quoted(struct jb__buf *out, int *rc, struct jb_str s)
{
    put(out, rc, JB_STR("\""));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            put(out, rc, JB_STR("\\"));
        put(out, rc, jb_str(s.p + i, 1));
    }
    put(out, rc, JB_STR("\""));
}

int config_value_print(const struct conf_option *o, const struct conf_value *value,
                       struct jb__buf *out)
{
    char number[32];
    int rc = 0;

    switch (o->type) {
    case CONF_BOOL:
        put(out, &rc, value->flag ? JB_STR("true") : JB_STR("false"));
        break;
    case CONF_INT:
    case CONF_BYTES:
    case CONF_MS:
        print_number(o, value->number, number, sizeof number);
        put(out, &rc, jb_strz(number));
        break;
    case CONF_ENUM:
        put(out, &rc, value->text);
        break;
    case CONF_STRING:
        if (value->text.n == 0)
            put(out, &rc, JB_STR("(none)"));
        else
            put_quoted(out, &rc, value->text);
        break;
    case CONF_LIST:
        put(out, &rc, value->list.count ? JB_STR("{ ") : JB_STR("{"));
        for (size_t i = 0; i < value->list.count; i++) {
            put(out, &rc, i ? JB_STR(", ") : JB_STR_NONE);
            put_quoted(out, &rc, value->list.items[i]);
        }
        put(out, &rc, value->list.count ? JB_STR(" }") : JB_STR("}"));
        break;
    }
    return rc;
}

void config_value_default(const struct conf_option *o, struct jb__arena *arena,
                          struct conf_value *value)
{
    *value = (struct conf_value){ .given = false };
    if (!o->value)
        return;
    const char *complaint = config_value_parse(o, arena, jb_strz(o->value), value);
    jb_assert(!complaint); /* a default in the table must be a value that it allows */
    if (o->type == CONF_LIST) {
        struct jb_str *item = jb__arena_alloc(arena, sizeof *item);
        jb_assert(item);
        *item = value->text;
        value->list = (struct conf_list){ item, 1 };
    }
}

int config_fail(struct config_error *error, struct config_place place, const char *format, ...)
{
    va_list ap;
    int n = 0;

    if (place.file && place.line > 0)
        n = snprintf(error->text, sizeof error->text, "%s:%d: ", place.file, place.line);
    else if (place.file)
        n = snprintf(error->text, sizeof error->text, "%s: ", place.file);
    if (n < 0 || (size_t)n >= sizeof error->text)
        n = 0;
    va_start(ap, format);
    vsnprintf(error->text + n, sizeof error->text - (size_t)n, format, ap);
    va_end(ap);
    /* What is quoted may go over several lines, as when its closing quote is missing. */
    for (char *p = error->text + n; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    return JB_EINVAL;
}
