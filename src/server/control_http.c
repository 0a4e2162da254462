/* SPDX-License-Identifier: MIT */
/* GET /metrics and GET /health for a collector on this machine: one request, one answer. */
#include "server/control_internal.h"

#include "base/assert.h"

#include <stdio.h>

static void answer(struct control_client *client, const char *status, const char *type,
                   struct jb_str body)
{
    char head[256];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                     status, type, body.n);

    jb_assert(n > 0 && (size_t)n < sizeof head);
    uv_read_stop(&client->u.stream);
    control_client_send(client, head, (size_t)n);
    if (body.n)
        control_client_send(client, body.p, body.n);
    control_client_finish(client);
}

static void answer_words(struct control_client *client, const char *status, const char *words)
{
    answer(client, status, "text/plain", jb_strz(words));
}

static void answer_metrics(struct control_client *client)
{
    const struct control_options *o = &client->control->options;
    struct jb__buf body;
    int rc = 0;

    jb__buf_init(&body, &jb_allocator_abort, CONTROL_METRICS_BYTES);
    if (o->metrics_write)
        rc = o->metrics_write(o->ctx, &body);
    if (rc == 0)
        rc = jb__buf_append(&body, "# EOF\n", 6);
    if (rc == 0)
        answer(client, "200 OK", "application/openmetrics-text; version=1.0.0", jb__buf_str(&body));
    else
        answer_words(client, "500 Internal Server Error", "the metrics could not be written\n");
    jb__buf_deinit(&body);
}

static void answer_health(struct control_client *client)
{
    const struct control_options *o = &client->control->options;
    struct jb__buf body;

    jb__buf_init(&body, &jb_allocator_abort, CONTROL_METRICS_BYTES);
    bool fit = !o->health_write || o->health_write(o->ctx, &body);
    int rc = body.n ? 0 : jb__buf_append(&body, fit ? "ok\n" : "not fit\n", fit ? 3 : 8);
    jb_assert(rc == 0);
    answer(client, fit ? "200 OK" : "503 Service Unavailable", "text/plain", jb__buf_str(&body));
    jb__buf_deinit(&body);
}

/* The value of a header of the head; empty when it is not there. */
static struct jb_str header(struct jb_str head, struct jb_str name)
{
    struct jb_str line, key, value;

    while (jb_str_cut(head, '\n', &line, &head))
        if (jb_str_cut(line, ':', &key, &value) && jb_str_eq_ascii_nocase(key, name))
            return jb_str_trim(value);
    return JB_STR_NONE;
}

/* A page of a foreign site whose name was made to point to us sends that name. */
static bool is_own_name(struct jb_str host)
{
    struct jb_str name, port;
    struct jb__addr address;

    jb_str_cut(host, ':', &name, &port);
    if (jb_str_eq_ascii_nocase(name, JB_STR("localhost")))
        return true;
    /* Anybody can have a name that begins like an address. */
    return (jb__addr_parse(&address, host) == 0 || jb__addr_parse_port(&address, host) == 0) &&
           jb__addr_is_loopback(&address);
}

void control_http_input(struct control_client *client)
{
    struct jb_str in = jb__buf_str(&client->in), method, path, rest;

    if (client->answered)
        return;
    const char *end = in.n ? memmem(in.p, in.n, "\r\n\r\n", 4) : NULL;
    if (!end) {
        if (in.n > CONTROL_HTTP_HEAD_BYTES)
            answer_words(client, "431 Request Header Fields Too Large", "too long\n");
        return;
    }
    in.n = (size_t)(end - in.p) + 2;
    if (!jb_str_cut(in, ' ', &method, &rest) || !jb_str_cut(rest, ' ', &path, &rest) ||
        !jb_str_starts(rest, JB_STR("HTTP/1.")))
        answer_words(client, "400 Bad Request", "not HTTP/1.1\n");
    else if (!jb_str_eqz(method, "GET"))
        answer_words(client, "405 Method Not Allowed", "GET only\n");
    else if (client->way == CONTROL_TCP && !is_own_name(header(in, JB_STR("Host"))))
        answer_words(client, "403 Forbidden", "this Host is not served here\n");
    else if (jb_str_eqz(path, "/metrics"))
        answer_metrics(client);
    else if (jb_str_eqz(path, "/health"))
        answer_health(client);
    else
        answer_words(client, "404 Not Found", "/metrics and /health\n");
}
