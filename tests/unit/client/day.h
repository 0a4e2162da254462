/* SPDX-License-Identifier: MIT */
/* A day of a client, with one cut connection, against a server in the same thread. */
#ifndef TESTS_UNIT_CLIENT_DAY_H
#define TESTS_UNIT_CLIENT_DAY_H

#include "mini_server.h"

#include "failing_alloc.h"

#include <jabiru/jabiru.h>

#include <poll.h>
#include <sys/socket.h>

enum { DAY_TURNS = 2000 };

/* What is to happen, in this order. */
struct day {
    struct mini *server;
    struct jb_client *client;
    struct failing_alloc *f;
    const char *text; /* to be said */
    char id[JB_ID_BYTES];
    bool online, resumed, gone, answered, acked, echoed, cut, acked_late;
    enum jb_reason reason;
    uint64_t asked, sent, sent_late;
    unsigned offlines;
    uint64_t heard; /* bits: the numbers in stanza-ids */
};

/* What comes twice by the same name is told once. */
static inline void day_on_echo(struct day *d, const struct jb_element *e)
{
    const char *name = jb_element_attr(jb_element_child(e, "stanza-id", "urn:xmpp:sid:0"), "id");

    assert_string_equal(jb_element_attr(e, "from"), "echo@localhost");
    assert_string_equal(jb_element_text(jb_element_child(e, "body", NULL)), "a & b");
    d->echoed = d->echoed || strcmp(jb_element_attr(e, "id"), d->id) == 0;
    if (!name)
        return;
    const unsigned long number = strtoul(name + strlen("a&"), NULL, 10);
    assert_true(number < 64 && !(d->heard >> number & 1));
    d->heard |= (uint64_t)1 << number;
}

static inline void day_turn(struct day *d)
{
    const unsigned wants = jb_client_wants(d->client);
    int timeout = jb_client_timeout_ms(d->client);
    struct pollfd p[2] = {
        { .fd = mini_fd(d->server), .events = POLLIN },
        { .fd = jb_client_fd(d->client),
          .events = (short)((wants & JB_WANT_READ ? POLLIN : 0) |
                            (wants & JB_WANT_WRITE ? POLLOUT : 0)) },
    };

    assert_true(poll(p, 2, timeout < 0 || timeout > 50 ? 50 : timeout) >= 0);
    mini_step(d->server);
    int rc = jb_client_process(d->client);
    assert_true(rc == 0 || (rc == JB_ENOMEM && d->f->failed));
}

static inline void day_on_event(struct day *d, const struct jb_event *ev)
{
    switch (jb_event_kind(ev)) {
    case JB_EVENT_ONLINE:
        d->online = true;
        break;
    case JB_EVENT_RESUMED:
        d->resumed = true;
        break;
    case JB_EVENT_OFFLINE:
        d->gone = d->cut;
        d->offlines++;
        d->reason = jb_event_reason(ev);
        /* Whatever there was no memory for: it is called that, and not the server's fault. */
        assert_true(d->reason == JB_REASON_MEMORY ? d->f->failed : d->reason == JB_REASON_LOST);
        break;
    case JB_EVENT_ANSWER:
        d->answered = jb_event_result(ev) == JB_RESULT_OK;
        d->asked = d->answered ? d->asked : 0; /* ask again */
        break;
    case JB_EVENT_ACKED:
        assert_int_equal(jb_event_acked_by(ev),
                         d->server->without_sm ? JB_ACKED_BY_PING : JB_ACKED_BY_SERVER);
        d->acked = d->acked || jb_event_number(ev) == d->sent;
        d->acked_late = d->acked_late || jb_event_number(ev) == d->sent_late;
        break;
    case JB_EVENT_STANZA:
        day_on_echo(d, jb_event_element(ev));
        break;
    default:
        break;
    }
}

/* What the program does next; each call may fail for want of memory and is then tried again. */
static inline void day_act(struct day *d)
{
    int rc = 0;

    if (jb_client_is_online(d->client) && !d->asked)
        rc = jb_client_request(d->client, "get", "localhost", "<ping xmlns='urn:xmpp:ping'/>",
                               &d->asked);
    else if (d->answered && !d->sent)
        rc = jb_client_send_message(d->client, "echo@localhost", d->text, d->id, &d->sent);
    else if (d->acked && d->echoed && !d->cut)
        d->cut = shutdown(jb_client_fd(d->client), SHUT_RDWR) == 0;
    else if (d->gone && !d->sent_late)
        rc = jb_client_send_message(d->client, "echo@localhost", "late", NULL, &d->sent_late);
    assert_true(rc == 0 || rc == JB_ESTATE || (rc == JB_ENOMEM && d->f->failed));
}

static inline void day_run(struct day *d)
{
    const struct jb_event *ev;

    for (int turn = 0; turn < DAY_TURNS && !d->acked_late; turn++) {
        day_turn(d);
        while ((ev = jb_client_next(d->client)) != NULL)
            day_on_event(d, ev);
        day_act(d);
        if (d->f->all_after && d->f->failed && d->reason == JB_REASON_MEMORY)
            return; /* it will be so for ever */
    }
}

#endif
