/* SPDX-License-Identifier: MIT */
/* A game for two: each player tells the other where he is, thirty times a second, from the game's
 * own loop.
 *
 *     game JID/RESOURCE PASSWORD_FILE URL|- CA_FILE|- OPPONENT_JID/RESOURCE FRAMES
 *
 * The loop never waits for the network: what has arrived is taken at the start of a frame, what is
 * said leaves at its end.  Old positions are worth nothing, so none is queued while the line is
 * down: they go out only when online, and acknowledgements (JB_SETTING_RESUME) are left off. */
#include "example.h"

#include <stdlib.h>
#include <time.h>

enum { UPDATES_A_SECOND = 30 };

struct game {
    struct jb_client *client;
    const char *opponent;
    int frame, sent, heard; /* updates */
    int x, y;               /* where we are */
    int their_x, their_y;
    int over;
};

static void on_event(struct game *g, const struct jb_event *ev)
{
    const struct jb_element *e = jb_event_element(ev);
    const struct jb_element *at = jb_element_child(e, "at", "urn:example:game:0");
    const char *from = jb_element_attr(e, "from");

    if (jb_event_kind(ev) == JB_EVENT_OFFLINE && jb_event_retry_ms(ev) < 0) {
        fprintf(stderr, "%s\n", jb_event_words(ev));
        g->over = 1;
    }
    /* Whoever else says where he is does not play. */
    if (!at || !from || strcmp(from, g->opponent) != 0 || !jb_element_attr(at, "x") ||
        !jb_element_attr(at, "y"))
        return;
    g->their_x = (int)strtol(jb_element_attr(at, "x"), NULL, 10);
    g->their_y = (int)strtol(jb_element_attr(at, "y"), NULL, 10);
    g->heard++;
}

static void say_where(struct game *g)
{
    char xml[512];

    if (!jb_client_is_online(g->client))
        return;
    snprintf(xml, sizeof xml,
             "<message to='%s' type='headline'><at xmlns='urn:example:game:0' x='%d' y='%d'/>"
             "<no-store xmlns='urn:xmpp:hints'/></message>",
             g->opponent, g->x, g->y);
    g->sent += jb_client_send(g->client, xml, NULL) == 0;
}

static void play_frame(struct game *g)
{
    const struct jb_event *ev;

    jb_client_process(g->client);
    while ((ev = jb_client_next(g->client)) != NULL)
        on_event(g, ev);
    g->x = g->frame * 3 % 640; /* the game itself */
    g->y = g->frame * 2 % 480;
    say_where(g);
    jb_client_process(g->client);
    g->frame++;
}

int main(int argc, char **argv)
{
    struct game g = { .client = argc > 6 ? example_client(argc, argv) : NULL };
    const long frames = g.client ? strtol(argv[6], NULL, 10) : 0;
    struct timespec next;

    if (!g.client)
        return 2;
    g.opponent = argv[5];
    jb_client_set(g.client, JB_SETTING_RESUME, 0);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!g.over && g.sent < frames) {
        play_frame(&g);
        next.tv_nsec += 1000000000 / UPDATES_A_SECOND;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("%d updates sent, %d heard, last at %d,%d\n", g.sent, g.heard, g.their_x, g.their_y);
    jb_client_free(g.client);
    return g.over;
}
