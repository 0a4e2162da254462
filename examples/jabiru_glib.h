/* SPDX-License-Identifier: MIT */
/* A client in a GLib main loop, as a GSource.  Header-only.
 *
 *     GSource *source = jabiru_glib_source_new(client, on_event, data);
 *     g_source_attach(source, NULL);
 *     ...
 *     g_source_destroy(source);
 *     g_source_unref(source);
 *     jb_client_free(client);
 *
 * on_event is called from the loop's thread and may call any jb_... function but jb_client_free().
 */
#ifndef JABIRU_GLIB_H
#define JABIRU_GLIB_H

#include <glib.h>
#include <jabiru/jabiru.h>

typedef void jabiru_glib_event(struct jb_client *client, const struct jb_event *ev, gpointer data);

struct jabiru_glib {
    GSource source;
    struct jb_client *client;
    jabiru_glib_event *on_event;
    gpointer data;
    gpointer watch; /* of fd; NULL: none */
    int fd;
};

static GIOCondition jabiru_glib_condition(const struct jb_client *client)
{
    const unsigned wants = jb_client_wants(client);

    return (GIOCondition)((wants & JB_WANT_READ ? G_IO_IN : 0) |
                          (wants & JB_WANT_WRITE ? G_IO_OUT : 0) | G_IO_ERR | G_IO_HUP);
}

static void jabiru_glib_watch(struct jabiru_glib *g)
{
    const int fd = jb_client_fd(g->client);

    if (g->watch && fd != g->fd) {
        g_source_remove_unix_fd(&g->source, g->watch);
        g->watch = NULL;
    }
    g->fd = fd;
    if (g->watch)
        g_source_modify_unix_fd(&g->source, g->watch, jabiru_glib_condition(g->client));
    else if (fd >= 0)
        g->watch = g_source_add_unix_fd(&g->source, fd, jabiru_glib_condition(g->client));
}

static gboolean jabiru_glib_prepare(GSource *source, gint *timeout)
{
    struct jabiru_glib *g = (struct jabiru_glib *)source;

    jabiru_glib_watch(g);
    *timeout = jb_client_timeout_ms(g->client);
    return *timeout == 0;
}

static gboolean jabiru_glib_check(GSource *source)
{
    struct jabiru_glib *g = (struct jabiru_glib *)source;

    return (g->watch && g_source_query_unix_fd(source, g->watch) != 0) ||
           jb_client_timeout_ms(g->client) == 0;
}

static gboolean jabiru_glib_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct jabiru_glib *g = (struct jabiru_glib *)source;
    const struct jb_event *ev;

    (void)callback;
    (void)data;
    jb_client_process(g->client);
    while (!g_source_is_destroyed(source) && (ev = jb_client_next(g->client)) != NULL)
        g->on_event(g->client, ev, g->data);
    return G_SOURCE_CONTINUE;
}

static GSource *jabiru_glib_source_new(struct jb_client *client, jabiru_glib_event *on_event,
                                       gpointer data)
{
    static GSourceFuncs functions = { .prepare = jabiru_glib_prepare,
                                      .check = jabiru_glib_check,
                                      .dispatch = jabiru_glib_dispatch };
    GSource *source = g_source_new(&functions, sizeof(struct jabiru_glib));
    struct jabiru_glib *g = (struct jabiru_glib *)source;

    g->client = client;
    g->on_event = on_event;
    g->data = data;
    g->fd = -1;
    return source;
}

#endif
