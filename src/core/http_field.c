/* SPDX-License-Identifier: MIT */
#include "core/http_field.h"

#include "base/assert.h"
#include "base/utf8.h"

bool jb__http_is_tchar(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool jb__http_is_token(struct jb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!jb__http_is_tchar(s.p[i]))
            return false;
    return s.n > 0;
}

int jb__http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool jb__http_field_next(struct jb_str *fields, struct jb_str *name, struct jb_str *value)
{
    struct jb_str line;

    *name = *value = JB_STR_NONE;
    if (fields->n == 0)
        return false;
    jb_str_cut(*fields, '\n', &line, fields);
    bool has_colon = jb_str_cut(line, ':', name, value);
    jb_assert(has_colon); /* the parser checked it */
    *value = jb_str_trim(*value);
    return true;
}

bool jb__http_field_next_named(struct jb_str *fields, struct jb_str name, struct jb_str *value)
{
    struct jb_str found;

    while (jb__http_field_next(fields, &found, value))
        if (jb_str_eq_ascii_nocase(found, name))
            return true;
    return false;
}

bool jb__http_field_find(struct jb_str fields, struct jb_str name, struct jb_str *value)
{
    return jb__http_field_next_named(&fields, name, value);
}

size_t jb__http_field_count(struct jb_str fields, struct jb_str name)
{
    struct jb_str value;
    size_t n = 0;

    while (jb__http_field_next_named(&fields, name, &value))
        n++;
    return n;
}

/* The place of the first `sep` outside quotes; s.n when there is none. */
static size_t find_separator(struct jb_str s, char sep)
{
    bool quoted = false;

    for (size_t i = 0; i < s.n; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == sep && !quoted)
            return i;
    }
    return s.n;
}

bool jb__http_list_next(struct jb_str *list, char sep, struct jb_str *item)
{
    while (list->n) {
        size_t n = find_separator(*list, sep);
        *item = jb_str_trim(jb_str(list->p, n));
        *list = jb_str_from(*list, n + 1);
        if (item->n)
            return true;
    }
    *item = JB_STR_NONE;
    return false;
}

bool jb__http_list_walk(struct jb__http_list *walk, struct jb_str *item)
{
    while (!jb__http_list_next(&walk->rest, ',', item))
        if (!jb__http_field_next_named(&walk->fields, walk->name, &walk->rest))
            return false;
    return true;
}

bool jb__http_list_has(struct jb_str fields, struct jb_str name, struct jb_str token)
{
    struct jb__http_list walk = { fields, name, JB_STR_NONE };
    struct jb_str item;

    while (jb__http_list_walk(&walk, &item))
        if (jb_str_eq_ascii_nocase(item, token))
            return true;
    return false;
}

/* Takes one byte off the front of a form-encoded text; -1 for a broken escape or a control
 * character. */
static int take_query_byte(struct jb_str *s)
{
    char c = s->p[0];
    int byte = c == '+' ? ' ' : (unsigned char)c;
    size_t used = 1;

    if (c == '%') {
        int high = s->n >= 3 ? jb__http_hex(s->p[1]) : -1;
        int low = s->n >= 3 ? jb__http_hex(s->p[2]) : -1;
        byte = high < 0 || low < 0 ? -1 : high * 16 + low;
        used = 3;
    }
    *s = jb_str_from(*s, used);
    return byte < 0x20 || byte == 0x7f ? -1 : byte;
}

static bool query_name_is(struct jb_str raw, struct jb_str name)
{
    size_t i = 0;

    while (raw.n && i < name.n)
        if (take_query_byte(&raw) != (unsigned char)name.p[i++])
            return false;
    return raw.n == 0 && i == name.n;
}

static int append_query_value(struct jb_str raw, struct jb__buf *out)
{
    size_t before = out->n;

    while (raw.n) {
        int byte = take_query_byte(&raw);
        char c = (char)byte;
        int rc = byte < 0 ? JB_EINVAL : jb__buf_append(out, &c, 1);
        if (rc != 0) {
            out->n = before;
            return rc;
        }
    }
    if (!jb__utf8_valid(jb_str_from(jb__buf_str(out), before))) {
        out->n = before;
        return JB_EINVAL;
    }
    return 0;
}

int jb__http_query_get(struct jb_str query, struct jb_str name, struct jb__buf *out)
{
    struct jb_str pair, key, value;

    while (query.n) {
        jb_str_cut(query, '&', &pair, &query);
        jb_str_cut(pair, '=', &key, &value);
        if (query_name_is(key, name))
            return append_query_value(value, out);
    }
    return JB_ENOTFOUND;
}

/* A weight of 0 to 1 in thousandths (RFC 9110 12.4.2); -1 when it is none. */
static int read_weight(struct jb_str s)
{
    static const int scale[] = { 1000, 100, 10, 1 }; /* by number of decimals */
    struct jb_str whole, decimals;
    uint64_t value = 0;

    jb_str_cut(s, '.', &whole, &decimals);
    if (whole.n != 1 || (whole.p[0] != '0' && whole.p[0] != '1') || decimals.n > 3)
        return -1;
    if (decimals.n && !jb_str_u64(decimals, 999, &value))
        return -1;
    int weight = (whole.p[0] - '0') * 1000 + (int)value * scale[decimals.n];
    return weight <= 1000 ? weight : -1;
}

/* "gzip;q=0.5": the coding and its weight, 1000 without one; -1 when malformed. */
static int read_coding(struct jb_str item, struct jb_str *coding)
{
    struct jb_str param;

    if (!jb_str_cut(item, ';', coding, &param)) {
        *coding = jb_str_trim(*coding);
        return 1000;
    }
    *coding = jb_str_trim(*coding);
    param = jb_str_trim(param);
    if (param.n < 2 || (param.p[0] != 'q' && param.p[0] != 'Q') || param.p[1] != '=')
        return -1;
    return read_weight(jb_str_from(param, 2));
}

enum jb__http_coding jb__http_accept_coding(struct jb_str fields, unsigned have)
{
    static const struct jb_str names[JB__HTTP_CODINGS] = { JB_STR_INIT("br"), JB_STR_INIT("gzip"),
                                                           JB_STR_INIT("identity") };
    int weights[JB__HTTP_CODINGS] = { -1, -1, -1 };
    int others = -1; /* the weight of "*" */
    struct jb__http_list walk = { fields, JB_STR("accept-encoding"), JB_STR_NONE };
    struct jb_str item, coding;
    enum jb__http_coding best = JB__HTTP_IDENTITY;
    int best_weight = 0;

    while (jb__http_list_walk(&walk, &item)) {
        int weight = read_coding(item, &coding);
        if (weight < 0)
            continue;
        if (jb_str_eqz(coding, "*"))
            others = weight;
        for (size_t i = 0; i < JB__HTTP_CODINGS; i++)
            if (jb_str_eq_ascii_nocase(coding, names[i]))
                weights[i] = weight;
    }
    /* Identity that nobody mentions is welcome, but less than anything that is mentioned. */
    if (weights[JB__HTTP_IDENTITY] < 0 && others < 0)
        weights[JB__HTTP_IDENTITY] = 1;
    have |= 1u << JB__HTTP_IDENTITY;
    for (unsigned i = 0; i < JB__HTTP_CODINGS; i++) {
        int weight = weights[i] < 0 ? others : weights[i];
        if ((have & 1u << i) && weight > best_weight) {
            best = (enum jb__http_coding)i;
            best_weight = weight;
        }
    }
    return best;
}

static struct jb_str opaque_tag(struct jb_str tag)
{
    return jb_str_starts(tag, JB_STR("W/")) ? jb_str_from(tag, 2) : tag;
}

bool jb__http_none_match(struct jb_str fields, struct jb_str etag)
{
    struct jb__http_list walk = { fields, JB_STR("if-none-match"), JB_STR_NONE };
    struct jb_str item;

    while (jb__http_list_walk(&walk, &item))
        if (jb_str_eqz(item, "*") || jb_str_eq(opaque_tag(item), opaque_tag(etag)))
            return true;
    return false;
}
