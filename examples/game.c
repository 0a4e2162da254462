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
    int frames;      /* of the whole game */
    int frame;       /* that we are in; 0: waiting for the opponent */
    int their_frame; /* -1: not heard of yet */
    int heard;       /* frames of theirs */
    int x, y, their_x, their_y;
    int over; /* 1: both have played; 2: we are out of the game */
};

static int number_of(const struct jb_element *e, const char *name)
{
    const char *text = jb_element_attr(e, name);

    return text ? (int)strtol(text, NULL, 10) : 0;
}

static void on_event(struct game *g, const struct jb_event *ev)
{
    const struct jb_element *e = jb_event_element(ev);
    const struct jb_element *at = jb_element_child(e, "at", "urn:example:game:0");
    const char *from = jb_element_attr(e, "from");

    if (jb_event_kind(ev) == JB_EVENT_OFFLINE && jb_event_retry_ms(ev) < 0) {
        fprintf(stderr, "%s\n", jb_event_words(ev));
        g->over = 2;
    }
    /* Whoever else says where he is does not play; nor does what comes back to us as an error. */
    if (!at || !from || strcmp(from, g->opponent) != 0 || jb_element_child(e, "error", NULL))
        return;
    g->heard += number_of(at, "frame") > (g->their_frame > 0 ? g->their_frame : 0);
    g->their_frame = number_of(at, "frame");
    g->their_x = number_of(at, "x");
    g->their_y = number_of(at, "y");
}

static void say_where(struct game *g)
{
    char xml[512];

    if (!jb_client_is_online(g->client))
        return;
    snprintf(xml, sizeof xml,
             "<message to='%s' type='headline'><at xmlns='urn:example:game:0' frame='%d' x='%d' "
             "y='%d'/><no-store xmlns='urn:xmpp:hints'/></message>",
             g->opponent, g->frame, g->x, g->y);
    if (jb_client_send(g->client, xml, NULL) != 0)
        fprintf(stderr, "frame %d could not be sent\n", g->frame);
}

static void play_frame(struct game *g)
{
    const struct jb_event *ev;

    jb_client_process(g->client);
    while ((ev = jb_client_next(g->client)) != NULL)
        on_event(g, ev);
    if (g->their_frame >= 0 && g->frame < g->frames)
        g->frame++;
    g->x = g->frame * 3 % 640; /* the game itself */
    g->y = g->frame * 2 % 480;
    say_where(g);
    jb_client_process(g->client);
    if (g->frame == g->frames && g->their_frame == g->frames && !g->over)
        g->over = 1;
}

/* What was said last goes out before we leave. */
static int until_offline(struct jb_client *client, const struct jb_event *ev, void *ctx)
{
    (void)client;
    (void)ctx;
    return jb_event_kind(ev) == JB_EVENT_OFFLINE;
}

int main(int argc, char **argv)
{
    struct game g = { .client = argc > 6 ? example_client(argc, argv) : NULL, .their_frame = -1 };
    struct timespec next;

    if (!g.client)
        return 2;
    g.opponent = argv[5];
    g.frames = (int)strtol(argv[6], NULL, 10);
    jb_client_set(g.client, JB_SETTING_RESUME, 0);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!g.over) {
        play_frame(&g);
        next.tv_nsec += 1000000000 / UPDATES_A_SECOND;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    if (g.over == 1) {
        jb_client_disconnect(g.client);
        jb_client_run(g.client, until_offline, NULL);
    }
    printf("%d frames played, %d of theirs heard, last at %d,%d\n", g.frame, g.heard, g.their_x,
           g.their_y);
    jb_client_free(g.client);
    return g.over != 1;
}
