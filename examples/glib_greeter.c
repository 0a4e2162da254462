/* SPDX-License-Identifier: MIT */
/* A program on GLib: says hello to somebody every so often from a GLib timer, prints what it hears,
 * and leaves when it has heard "bye".
 *
 *     glib_greeter JID PASSWORD_FILE URL|- CA_FILE|- TO */
#include "example.h"
#include "jabiru_glib.h"

struct greeter {
    GMainLoop *loop;
    struct jb_client *client;
    const char *to;
    int failed;
};

static gboolean greet(gpointer data)
{
    struct greeter *g = data;

    if (jb_client_is_online(g->client) &&
        jb_client_send_message(g->client, g->to, "hello from GLib", NULL, NULL) != 0)
        fprintf(stderr, "the greeting could not be sent\n");
    return G_SOURCE_CONTINUE;
}

static void on_event(struct jb_client *client, const struct jb_event *ev, gpointer data)
{
    struct greeter *g = data;
    const char *body =
        jb_element_text(jb_element_child(jb_event_element(ev), "body", "jabber:client"));

    if (jb_event_kind(ev) == JB_EVENT_STANZA && body[0])
        printf("%s\n", body);
    if (strcmp(body, "bye") == 0)
        jb_client_disconnect(client);
    if (jb_event_kind(ev) == JB_EVENT_OFFLINE && jb_event_retry_ms(ev) < 0) {
        g->failed = jb_event_reason(ev) != JB_REASON_REQUESTED;
        g_main_loop_quit(g->loop);
    }
}

int main(int argc, char **argv)
{
    struct greeter g = { .client = argc > 5 ? example_client(argc, argv) : NULL };

    if (!g.client)
        return 2;
    g.to = argv[5];
    g.loop = g_main_loop_new(NULL, FALSE);
    GSource *source = jabiru_glib_source_new(g.client, on_event, &g);
    g_source_attach(source, NULL);
    g_timeout_add(100, greet, &g);
    g_main_loop_run(g.loop);
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(g.loop);
    jb_client_free(g.client);
    return g.failed;
}
