/* SPDX-License-Identifier: MIT */
/* A program on libuv: asks a server every so often how it is, by a ping (XEP-0199), and prints how
 * long the answer took.
 *
 *     uv_monitor JID PASSWORD_FILE URL|- CA_FILE|- SERVER COUNT */
#include "example.h"
#include "jabiru_uv.h"

struct monitor {
    struct jabiru_uv uv;
    struct jb_client *client;
    uv_timer_t every;
    const char *server;
    uint64_t asked_ms;
    int left, failed;
};

static void ask(uv_timer_t *timer)
{
    struct monitor *m = timer->data;

    m->asked_ms = uv_hrtime() / 1000000;
    if (jb_client_is_online(m->client) &&
        jb_client_request(m->client, "get", m->server, "<ping xmlns='urn:xmpp:ping'/>", NULL) == 0)
        jabiru_uv_turn(&m->uv);
}

static void on_event(struct jb_client *client, const struct jb_event *ev, void *data)
{
    struct monitor *m = data;

    if (jb_event_kind(ev) == JB_EVENT_ANSWER && jb_event_result(ev) == JB_RESULT_OK) {
        printf("%s answered after %d ms\n", m->server, (int)(uv_hrtime() / 1000000 - m->asked_ms));
        if (--m->left == 0)
            jb_client_disconnect(client);
    }
    if (jb_event_kind(ev) == JB_EVENT_OFFLINE && jb_event_retry_ms(ev) < 0) {
        m->failed = jb_event_reason(ev) != JB_REASON_REQUESTED;
        jabiru_uv_stop(&m->uv);
        uv_close((uv_handle_t *)&m->every, NULL);
    }
}

int main(int argc, char **argv)
{
    struct monitor m = { .client = argc > 6 ? example_client(argc, argv) : NULL };

    if (!m.client)
        return 2;
    m.server = argv[5];
    m.left = (int)strtol(argv[6], NULL, 10);
    jabiru_uv_start(&m.uv, uv_default_loop(), m.client, on_event, &m);
    uv_timer_init(uv_default_loop(), &m.every);
    m.every.data = &m;
    uv_timer_start(&m.every, ask, 0, 100);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    jb_client_free(m.client);
    return m.failed || uv_loop_close(uv_default_loop()) != 0;
}
