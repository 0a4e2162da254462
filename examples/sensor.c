/* SPDX-License-Identifier: MIT */
/* A sensor: publishes a reading every so often, and knows of each whether it has arrived.
 *
 *     sensor JID PASSWORD_FILE URL|- CA_FILE|- SUBSCRIBER EVERY_MS COUNT
 *
 * The line may be down for hours: readings wait in the client's queue and go out in order. */
#include "example.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Stands for the device. */
static double measure(int k)
{
    return 20 + (k * 7 % 10) / 10.0;
}

static int publish(struct jb_client *client, const char *to, int k)
{
    struct jb_writer *w = jb_writer_new(client);
    char number[32], value[32];

    snprintf(number, sizeof number, "%d", k);
    snprintf(value, sizeof value, "%.1f", measure(k));
    jb_writer_open(w, "message", NULL);
    jb_writer_attr(w, "to", to);
    jb_writer_attr(w, "type", "headline");
    jb_writer_open(w, "reading", "urn:example:reading:0");
    jb_writer_attr(w, "number", number);
    jb_writer_attr(w, "unit", "degree Celsius");
    jb_writer_chars(w, value);
    jb_writer_close(w);
    jb_writer_close(w);
    int rc = jb_client_send(client, jb_writer_text(w), NULL);
    jb_writer_free(w);
    return rc;
}

int main(int argc, char **argv)
{
    struct jb_client *client = argc > 7 ? example_client(argc, argv) : NULL;
    const long every = client ? strtol(argv[6], NULL, 10) : 0;
    const int count = client ? (int)strtol(argv[7], NULL, 10) : 0;
    int published = 0, arrived = 0;

    if (!client)
        return 2;
    for (long due = now_ms(); arrived < count;) {
        const struct jb_event *ev;
        const unsigned wants = jb_client_wants(client);
        struct pollfd p = { .fd = jb_client_fd(client),
                            .events = (short)((wants & JB_WANT_READ ? POLLIN : 0) |
                                              (wants & JB_WANT_WRITE ? POLLOUT : 0)) };
        const int timeout = jb_client_timeout_ms(client);
        const int until = due > now_ms() ? (int)(due - now_ms()) : 0;

        poll(&p, 1, published == count || (timeout >= 0 && timeout < until) ? timeout : until);
        jb_client_process(client);
        while ((ev = jb_client_next(client)) != NULL) {
            arrived += jb_event_kind(ev) == JB_EVENT_ACKED;
            if (jb_event_kind(ev) == JB_EVENT_OFFLINE && jb_event_retry_ms(ev) < 0) {
                fprintf(stderr, "%s\n", jb_event_words(ev));
                return 1;
            }
        }
        if (published < count && now_ms() >= due && publish(client, argv[5], published) == 0) {
            published++;
            due += every;
        }
    }
    printf("%d readings published, %d arrived\n", published, arrived);
    jb_client_free(client);
    return 0;
}
