/* SPDX-License-Identifier: MIT */
/* A client of the control socket: lines in, calls, replies out. */
#include "server/control_internal.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A write in flight, its bytes behind it. */
struct sending {
    uv_write_t req;
    size_t n;
    char bytes[];
};

static void client_lines(struct control_client *client);

static void on_sent(uv_write_t *req, int status)
{
    struct sending *s = (struct sending *)(void *)req;
    struct control_client *client = req->handle->data;

    client->pending -= s->n;
    jb_free(&jb_allocator_abort, s);
    if (status != 0 || (client->answered && client->pending == 0))
        control_client_close(client);
}

static void on_timeout(uv_timer_t *timer)
{
    control_client_close(timer->data);
}

static void client_fail(struct control_client *client)
{
    client->failed = true;
    uv_timer_start(&client->timer, on_timeout, 0, 0);
}

void control_client_send(struct control_client *client, const void *p, size_t n)
{
    size_t most = client->http ? SIZE_MAX : CONTROL_OUTPUT_BYTES; /* HTTP: one answer, bounded */

    if (client->closing || client->failed)
        return;
    if (n > most || client->pending > most - n) {
        client_fail(client);
        return;
    }
    struct sending *s = jb_alloc(&jb_allocator_abort, sizeof *s + n);
    jb_assert(s);
    s->n = n;
    memcpy(s->bytes, p, n);
    client->pending += n;
    uv_buf_t buf = uv_buf_init(s->bytes, (unsigned)n);
    if (uv_write(&s->req, &client->u.stream, &buf, 1, on_sent) != 0) {
        client->pending -= n;
        jb_free(&jb_allocator_abort, s);
        client_fail(client);
    }
}

void control_client_finish(struct control_client *client)
{
    client->answered = true;
    if (client->pending == 0)
        control_client_close(client);
}

/* One object and its line's end; takes `message` over. */
static void send_json(struct control_client *client, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);

    jb_assert(text); /* we made it: it has only what JSON can say, unless memory is out */
    size_t n = strlen(text);
    text[n] = '\n'; /* instead of the NUL */
    control_client_send(client, text, n + 1);
    free(text);
    json_decref(message);
}

static const char *code_name(enum control_code code)
{
    static const char *const names[] = {
#define CONTROL_CODE_NAME(name, text) [name] = text,
        CONTROL_CODES(CONTROL_CODE_NAME)
#undef CONTROL_CODE_NAME
    };
    return names[code];
}

static void end_call(struct control_call *call)
{
    struct control *c = call->control;
    struct control_client *client = call->client;

    jb__list_remove(&call->node);
    json_decref(call->request);
    json_decref(call->args);
    json_decref(call->id);
    jb_free(&jb_allocator_abort, call);
    c->calls--;
    if (client) {
        client->call_count--;
        client_lines(client); /* it may have waited for its turn */
    }
    control_settle(c);
}

static void send_result(struct control_call *call, json_t *result, bool done)
{
    if (!call->client) {
        json_decref(result);
        return;
    }
    send_json(call->client, json_pack("{s:O, s:b, s:b, s:o}", "id", call->id, "ok", 1, "done",
                                      (int)done, "result", result ? result : json_object()));
}

void control_progress(struct control_call *call, json_t *result)
{
    send_result(call, result, false);
}

void control_reply(struct control_call *call, json_t *result)
{
    send_result(call, result, true);
    end_call(call);
}

void control_refuse(struct control_call *call, enum control_code code, const char *format, ...)
{
    char words[1024];
    va_list ap;

    va_start(ap, format);
    vsnprintf(words, sizeof words, format, ap);
    va_end(ap);
    if (!jb__utf8_valid(jb_strz(words))) /* cut inside of a letter */
        for (char *p = words; *p; p++)
            *p = (*p & 0x80) ? '?' : *p;
    if (call->client)
        send_json(call->client, json_pack("{s:O, s:b, s:b, s:s, s:s}", "id", call->id, "ok", 0,
                                          "done", 1, "code", code_name(code), "error", words));
    end_call(call);
}

static void dispatch(struct control_call *call)
{
    const struct control_command *cmd = call->control->options.commands;
    const char *name = json_string_value(json_object_get(call->request, "command"));
    json_t *args = json_object_get(call->request, "args");

    if (!name || !json_is_number(call->id) || (args && !json_is_object(args))) {
        control_refuse(call, CONTROL_BAD_REQUEST,
                       "a request has a number \"id\", a text \"command\" and an object \"args\"");
        return;
    }
    call->args = args ? json_incref(args) : json_object();
    while (cmd && cmd->name && strcmp(cmd->name, name) != 0)
        cmd++;
    if (cmd && cmd->name)
        cmd->handler(call);
    else
        control_refuse(call, CONTROL_NOT_FOUND, "unknown command \"%.100s\"", name);
}

static void client_line(struct control_client *client, struct jb_str line)
{
    json_error_t error;
    json_t *request = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, &error);
    struct control_call *call = jb_zalloc(&jb_allocator_abort, sizeof *call);

    jb_assert(call);
    call->control = client->control;
    call->client = client;
    call->request = request;
    json_t *id = json_object_get(request, "id");
    call->id = id ? json_incref(id) : json_null();
    jb__list_push(&client->calls, &call->node);
    client->call_count++;
    client->control->calls++;
    if (json_is_object(request))
        dispatch(call);
    else
        control_refuse(call, CONTROL_BAD_REQUEST, "not a JSON object: %.200s",
                       request ? "something else" : error.text);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct control_client *client = h->data;
    struct jb__buf *in = &client->in;
    size_t room = in->max - in->n;

    (void)suggested;
    if (room > 4096)
        room = 4096;
    int rc = jb__buf_reserve(in, room);
    jb_assert(rc == 0);
    *buf = uv_buf_init(in->p + in->n, (unsigned)room); /* no room: read reports UV_ENOBUFS */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    static const char too_long[] = "{\"id\":null,\"ok\":false,\"done\":true,\"code\":"
                                   "\"bad-request\",\"error\":\"the line is too long\"}\n";
    struct control_client *client = stream->data;

    (void)buf;
    if (n == UV_ENOBUFS) {
        uv_read_stop(stream);
        control_client_send(client, too_long, sizeof too_long - 1);
        control_client_finish(client);
        return;
    }
    if (n < 0) {
        control_client_close(client);
        return;
    }
    client->in.n += (size_t)n;
    if (!client->http && client->call_count == 0 && client->in.n >= 4 &&
        jb_str_starts(jb__buf_str(&client->in), JB_STR("GET ")))
        client->http = true;
    if (client->http)
        control_http_input(client);
    else
        client_lines(client);
}

/* Takes up the lines that are there, up to as many calls as may wait.  Reading pauses while they
 * all wait: the client feels it as a full socket. */
static void client_lines(struct control_client *client)
{
    if (client->in_lines || client->http)
        return; /* a reply from inside of a handler: the loop below goes on by itself */
    client->in_lines = true;
    while (!client->closing && !client->failed && client->call_count < CONTROL_CALLS &&
           client->in.n > 0) {
        const char *end = memchr(client->in.p, '\n', client->in.n);
        if (!end)
            break;
        size_t n = (size_t)(end - client->in.p);
        if (n > 0)
            client_line(client, jb_str(client->in.p, n));
        jb__buf_consume(&client->in, n + 1);
    }
    client->in_lines = false;
    if (client->closing)
        return;
    if (client->call_count < CONTROL_CALLS && !client->answered)
        uv_read_start(&client->u.stream, on_alloc, on_read); /* again is harmless */
    else
        uv_read_stop(&client->u.stream);
}

void control_client_start(struct control_client *client)
{
    if (client->way == CONTROL_TCP)
        uv_timer_start(&client->timer, on_timeout, CONTROL_HTTP_TIMEOUT_MS, 0);
    if (uv_read_start(&client->u.stream, on_alloc, on_read) != 0)
        control_client_close(client);
}

void control_client_drop_calls(struct control_client *client)
{
    jb__list_each(it, next, &client->calls)
    {
        struct control_call *call = jb__container_of(it, struct control_call, node);
        jb__list_remove(&call->node);
        call->client = NULL;
        client->call_count--;
        if (call->gone)
            call->gone(call);
    }
}

void *control_call_ctx(const struct control_call *call)
{
    return call->control->options.ctx;
}

const json_t *control_call_args(const struct control_call *call)
{
    return call->args;
}

struct jb_str control_call_str(const struct control_call *call, const char *name)
{
    const json_t *v = json_object_get(call->args, name);

    return jb_str(json_string_value(v), json_string_length(v));
}

void control_call_set_data(struct control_call *call, void *data)
{
    call->data = data;
}

void *control_call_data(const struct control_call *call)
{
    return call->data;
}

void control_call_on_gone(struct control_call *call, void (*gone)(struct control_call *call))
{
    call->gone = gone;
}

bool control_call_is_gone(const struct control_call *call)
{
    return call->client == NULL;
}

size_t control_call_pending(const struct control_call *call)
{
    return call->client ? call->client->pending : 0;
}
