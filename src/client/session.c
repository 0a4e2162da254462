/* SPDX-License-Identifier: MIT */
/* What arrives: the stream's events, and what of them the program hears. */
#include "client/client_impl.h"

#include "base/clock.h"

#include <stdio.h>

/* ---- the beginning ---- */

static void send_own(struct jb_client *c, struct jb_str xml)
{
    int rc = jb__outbox_send_xml(c, xml);

    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
}

void jb__session_forget(struct jb_client *c)
{
    if (c->saved_is_live)
        jb_sendq_deinit(&c->saved.out);
    c->saved_is_live = false;
    jb_free(&c->memory, c->sm_id);
    c->sm_id = NULL;
    jb__outbox_unsend(c);
}

static void ask_for_roster(struct jb_client *c)
{
    int rc = jb__request_roster(c);

    c->lacks_roster = true;
    if (rc != 0)
        jb__link_fail_code(c, rc, JB_REASON_MEMORY, "");
}

/* What a new session begins with. */
static void introduce(struct jb_client *c)
{
    c->lacks_roster = false;
    if (jb__setting(c, JB_SETTING_ROSTER))
        ask_for_roster(c);
    if (c->phase == JB__PHASE_ONLINE && jb__setting(c, JB_SETTING_PRESENCE))
        send_own(c, JB_STR("<presence xmlns='jabber:client'/>"));
}

void jb__session_begin(struct jb_client *c, bool resumed)
{
    c->phase = JB__PHASE_ONLINE;
    c->deadline_ms = UINT64_MAX;
    c->online_ms = c->heard_ms = jb__clock_mono_ms();
    c->pinged_ms = 0;
    c->tell_resumed = resumed;
    c->tell_online = !resumed;
    if (!resumed)
        introduce(c);
    else if (c->lacks_roster) /* the line broke before it came */
        ask_for_roster(c);
    if (c->phase == JB__PHASE_ONLINE)
        jb__outbox_send_waiting(c);
}

/* ---- errors and the end ---- */

static void on_stream_error(struct jb_client *c, const struct jb_doc *doc)
{
    struct jb_str name = JB_STR("undefined-condition"), text = JB_STR_NONE;
    char words[JB__WORDS_BYTES];

    for (uint16_t k = jb_node_first(doc, 0); k; k = jb_node_next(doc, k)) {
        if (doc->nodes[k].ns != JB_NS_STREAM_ERRORS)
            continue;
        if (jb_str_eqz(jb_node_name(doc, k), "text"))
            text = jb_node_text(doc, k, &c->arena);
        else
            name = jb_node_name(doc, k);
    }
    int n = snprintf(words, sizeof words, "%.*s%s%.*s", (int)(name.n < 64 ? name.n : 64), name.p,
                     text.n ? ": " : "", (int)(text.n < 160 ? text.n : 160), text.p ? text.p : "");
    jb__link_close(c, jb_str_eqz(name, "conflict") ? JB_REASON_REPLACED : JB_REASON_ERROR,
                   jb_str(words, (size_t)n));
}

/* Waits for what is left to be said; the socket then ends it, or time. */
static void on_closing(struct jb_client *c, enum jb_reason reason, const char *words)
{
    jb__link_say_why(c, reason, jb_strz(words));
    if (c->phase == JB__PHASE_CLOSING)
        return;
    c->phase = JB__PHASE_CLOSING;
    c->deadline_ms = jb__clock_mono_ms() + jb__setting(c, JB_SETTING_CLOSE_TIMEOUT_MS);
}

static void on_close(struct jb_client *c, const struct jb_stream_event *ev)
{
    struct jb_str elsewhere =
        ev->doc.count ? jb_node_attr(&ev->doc, 0, "see-other-uri", &c->arena) : JB_STR_NONE;

    if (elsewhere.n && c->phase < JB__PHASE_CLOSING)
        jb__link_on_redirect(c, elsewhere);
    on_closing(c, JB_REASON_CLOSED, NULL);
}

static void on_acknowledged(struct jb_client *c)
{
    jb__outbox_take_acked(c, &c->stream.out,
                          c->stream.sm.on ? JB_ACKED_BY_SERVER : JB_ACKED_BY_PING);
    jb__outbox_ask(c); /* for what was sent since */
}

/* One event of the stream; true when c->event is to be told. */
static bool on_stream_event(struct jb_client *c, struct jb_stream_event *ev)
{
    switch (ev->kind) {
    case JB_STREAM_EVENT_CLOSE:
        on_close(c, ev);
        return false;
    case JB_STREAM_EVENT_FAULT:
        if (ev->error == JB_STREAM_RESOURCE_CONSTRAINT || ev->ws_code == JB_WS_INTERNAL)
            jb__link_fail_code(c, JB_ENOMEM, JB_REASON_MEMORY, "");
        else
            on_closing(c, JB_REASON_PROTOCOL, ev->words);
        return false;
    case JB_STREAM_EVENT_DONE:
        jb__link_fail(c, JB_REASON_CLOSED, JB_STR_NONE);
        return false;
    case JB_STREAM_EVENT_ELEMENT:
        if (c->phase < JB__PHASE_CLOSING && jb_node_is(&ev->doc, 0, "error", JB_NS_STREAMS)) {
            on_stream_error(c, &ev->doc);
            return false;
        }
        break;
    default:
        break;
    }
    /* Bound, a stanza may come while we wait for stream management. */
    if (ev->kind == JB_STREAM_EVENT_STANZA && c->stream.state == JB_STREAM_STATE_BOUND)
        return jb__inbound_on_stanza(c, ev);
    if (c->phase == JB__PHASE_LOGIN)
        jb__login_on_event(c, ev);
    else if (ev->kind == JB_STREAM_EVENT_ACKED || ev->answers_ping)
        on_acknowledged(c);
    return false;
}

/* ---- one event after the other ---- */

static void free_input(struct jb_client *c)
{
    jb_free(&c->memory, c->in);
    c->in = NULL;
}

static bool has_news(const struct jb_client *c)
{
    return c->tell_online || c->tell_resumed || c->tell_offline;
}

/* Takes input until there is something to tell, or until none is left. */
static bool take_input(struct jb_client *c)
{
    struct jb_stream_event ev;

    while (c->in && c->stream_is_live) {
        jb__arena_reset(&c->arena);
        jb_stream_feed(&c->stream, c->in + c->in_at, c->in_end - c->in_at);
        jb_stream_next(&c->stream, &c->arena, &ev);
        c->in_at = c->in_end - jb_stream_rest(&c->stream).n;
        if (ev.kind == JB_STREAM_EVENT_NONE)
            free_input(c);
        else if (on_stream_event(c, &ev))
            return true;
        else if (has_news(c))
            return false;
    }
    return false;
}

/* What is to be told of the client itself. */
static bool tell_state(struct jb_client *c)
{
    if (c->tell_offline) {
        c->tell_offline = false;
        c->event = (struct jb_event){ .kind = JB_EVENT_OFFLINE,
                                      .reason = c->reason,
                                      .words = c->words,
                                      .retry_ms = c->retry_ms };
        return true;
    }
    if (c->tell_online || c->tell_resumed) {
        c->event = (struct jb_event){ .kind = c->tell_online ? JB_EVENT_ONLINE : JB_EVENT_RESUMED };
        c->tell_online = c->tell_resumed = false;
        return true;
    }
    return false;
}

static bool tell(struct jb_client *c)
{
    return tell_state(c) || jb__outbox_tell(c) || jb__request_tell(c);
}

const struct jb_event *jb_client_next(struct jb_client *c)
{
    if (c->stream_is_live) /* what was told is handled, and may be acknowledged */
        jb_stream_sm_handled(&c->stream, c->stream.received);
    for (;;) {
        jb__arena_reset(&c->arena);
        /* Input may have brought news of what waits to be told. */
        if (tell(c) || take_input(c) || tell(c))
            return &c->event;
        jb__link_flush(c);
        if (!c->tell_offline)
            break;
    }
    jb__arena_deinit(&c->arena); /* an idle client owns none */
    return NULL;
}
