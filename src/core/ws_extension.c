/* SPDX-License-Identifier: MIT */
#include "core/ws_extension.h"

#include "core/http_field.h"

#include <stdio.h>

#define OFFER "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

static const struct jb_str header = JB_STR_INIT("sec-websocket-extensions");
static const struct jb_str deflate_name = JB_STR_INIT("permessage-deflate");

/* One extension of the header, as it came. */
struct extension {
    struct jb_str name;
    struct jb_str params; /* the rest, to be cut at ';' */
};

/* name [ = value ]; a quoted value is the same as the token in it (RFC 6455 9.1).  The value is
 * not empty when there is one. */
static bool cut_param(struct jb_str text, struct jb_str *name, struct jb_str *value)
{
    bool has_value = jb_str_cut(text, '=', name, value);

    *name = jb_str_trim(*name);
    *value = jb_str_trim(*value);
    if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
        *value = jb_str(value->p + 1, value->n - 2);
    return jb__http_is_token(*name) && (!has_value || jb__http_is_token(*value));
}

/* Takes one parameter off; 1, 0 at the end, -1 where the grammar is broken. */
static int next_param(struct jb_str *params, struct jb_str *name, struct jb_str *value)
{
    struct jb_str text;

    if (params->p == NULL)
        return 0;
    if (!jb_str_cut(*params, ';', &text, params))
        params->p = NULL;
    return cut_param(text, name, value) ? 1 : -1;
}

static bool cut_extension(struct jb_str item, struct extension *e)
{
    struct jb_str name, value;
    struct jb_str rest;
    int step;

    if (!jb_str_cut(item, ';', &e->name, &e->params))
        e->params = JB_STR_NONE;
    else if (e->params.n == 0)
        return false; /* "name;" */
    e->name = jb_str_trim(e->name);
    rest = e->params;
    while ((step = next_param(&rest, &name, &value)) > 0)
        ;
    return step == 0 && jb__http_is_token(e->name);
}

/* The parameters of permessage-deflate, each at most once. */
struct params {
    bool server_no_takeover, client_no_takeover;
    bool has_server_bits, has_client_bits;
    uint8_t server_bits, client_bits; /* 8..15; 0 when the parameter has no value */
};

static bool read_bits(struct jb_str value, uint8_t *bits)
{
    uint64_t number;

    if (value.n == 0 || value.p[0] == '0' || !jb_str_u64(value, JB__WS_WINDOW_BITS_MAX, &number) ||
        number < 8)
        return false;
    *bits = (uint8_t)number;
    return true;
}

/* False for a parameter that is unknown, stands twice, or has a value it may not have. */
static bool set_param(struct params *p, struct jb_str name, struct jb_str value)
{
    bool *seen = jb_str_eqz(name, "server_no_context_takeover")   ? &p->server_no_takeover
                 : jb_str_eqz(name, "client_no_context_takeover") ? &p->client_no_takeover
                 : jb_str_eqz(name, "server_max_window_bits")     ? &p->has_server_bits
                 : jb_str_eqz(name, "client_max_window_bits")     ? &p->has_client_bits
                                                                  : NULL;
    if (!seen || *seen)
        return false;
    *seen = true;
    if (seen == &p->has_server_bits)
        return read_bits(value, &p->server_bits);
    if (seen == &p->has_client_bits)
        return value.n == 0 || read_bits(value, &p->client_bits);
    return value.n == 0;
}

static bool read_params(struct jb_str text, struct params *p)
{
    struct jb_str name, value;

    *p = (struct params){ 0 };
    while (next_param(&text, &name, &value) > 0)
        if (!set_param(p, name, value))
            return false;
    return true;
}

static bool accept_offer(const struct extension *e, struct jb__ws_deflate *out)
{
    struct params p;

    if (!jb_str_eq(e->name, deflate_name) || !read_params(e->params, &p))
        return false;
    if (p.has_server_bits && p.server_bits < JB__WS_WINDOW_BITS_MIN)
        return false;
    out->on = true;
    out->answer_bits = p.has_server_bits;
    out->window_bits = p.has_server_bits ? p.server_bits : JB__WS_WINDOW_BITS_MAX;
    return true;
}

bool jb__ws_extension_accept(struct jb_str fields, bool enabled, struct jb__ws_deflate *out)
{
    struct jb__http_list walk = { fields, header, JB_STR_NONE };
    struct jb_str item;
    struct extension e;

    *out = (struct jb__ws_deflate){ 0 };
    while (jb__http_list_walk(&walk, &item)) {
        if (!cut_extension(item, &e))
            return false;
        if (enabled && !out->on)
            accept_offer(&e, out);
    }
    return true;
}

struct jb_str jb__ws_extension_answer(const struct jb__ws_deflate *d,
                                      char text[JB__WS_EXTENSION_BYTES])
{
    int n = 0;

    if (!d->on)
        return JB_STR_NONE;
    if (d->answer_bits)
        n = snprintf(text, JB__WS_EXTENSION_BYTES, OFFER "; server_max_window_bits=%u",
                     d->window_bits);
    else
        n = snprintf(text, JB__WS_EXTENSION_BYTES, OFFER);
    return jb_str(text, (size_t)n);
}

struct jb_str jb__ws_extension_offer(void)
{
    return JB_STR(OFFER);
}

/* One extension of the answer; NULL, or what is wrong with it (RFC 7692 sections 5.1, 7.1).  The
 * server compresses with any window: our inflater reads all.  It must have agreed not to take
 * context over, and it may not limit our window, since we did not offer that it may. */
static const char *judge_answer(struct jb_str item, const struct jb__ws_deflate *so_far)
{
    struct extension e;
    struct params p;

    if (!cut_extension(item, &e))
        return "the server's Sec-WebSocket-Extensions is not a list of extensions";
    if (!jb_str_eq(e.name, deflate_name))
        return "the server agreed to an extension that was not offered";
    if (so_far->on)
        return "the server agreed twice to compression";
    if (!read_params(e.params, &p))
        return "the server agreed to compression with a parameter that there is not";
    if (!p.server_no_takeover)
        return "the server did not agree to compress each message by itself";
    if (p.has_client_bits)
        return "the server limits our window for compression, which was not offered";
    return NULL;
}

const char *jb__ws_extension_agreed(struct jb_str fields, bool offered, struct jb__ws_deflate *out)
{
    struct jb__http_list walk = { fields, header, JB_STR_NONE };
    struct jb_str item;

    *out = (struct jb__ws_deflate){ 0 };
    while (jb__http_list_walk(&walk, &item)) {
        const char *why = offered ? judge_answer(item, out)
                                  : "the server agreed to an extension that was not offered";
        if (why) {
            *out = (struct jb__ws_deflate){ 0 };
            return why;
        }
        out->on = true;
        out->window_bits = JB__WS_WINDOW_BITS_MAX;
    }
    return NULL;
}
