/* SPDX-License-Identifier: MIT */
/* The server's stream, state by state: what it takes, what it refuses and how it says so, how it
 * ends, and what it renders. */
#include "stream_kit.h"

#include "failing_alloc.h"

static void negotiates(void **state)
{
    (void)state;

    for (int run = 0; run < ARRIVALS + 5; run++) {
        begin(JB_STREAM_STATE_START);
        play.how = run < ARRIVALS ? (enum arrival)run : RANDOM;
        hear(OPEN);
        expect_events("open b; ");
        answer_open();
        assert_int_equal(jb_stream_send_raw(&play.s, JB_STR("<f/>")), 0);
        expect_said(OUR_OPEN "[<f/>] ");
        hear(AUTH);
        hear(IQ);
        expect_events("sasl; stanza; ");
        jb_stream_authenticated(&play.s);
        assert_int_equal(play.s.state, JB_STREAM_STATE_AUTHED);
        hear(OPEN);
        expect_events("open b; ");
        answer_open();
        expect_said(OUR_OPEN);
        hear(IQ);
        hear("<a xmlns='b'/>");
        expect_events("stanza; element; ");
        assert_int_equal(play.s.received, 0);
        jb_stream_bound(&play.s);
        hear(MESSAGE);
        hear(IQ);
        hear("<a xmlns='b'/>");
        expect_events("stanza; stanza; element; ");
        assert_int_equal(play.s.received, 2);
        end();
    }
}

struct fault_row {
    enum jb_stream_state state;
    const char *text, *error, *words;
    const char *open; /* our <open/> before the error; NULL: the usual one, where one is due */
};

static void check_faults(const struct fault_row *rows, size_t count)
{
    char events[256], said[1024];

    for (size_t i = 0; i < count; i++) {
        bool opened =
            rows[i].state != JB_STREAM_STATE_START && rows[i].state != JB_STREAM_STATE_AUTHED;
        begin(rows[i].state);
        hear(rows[i].text);
        snprintf(events, sizeof events, "fault %s 1000; ", rows[i].error);
        expect_events(events);
        /* RFC 7395 section 3.3.1: an error before <open/> needs ours first. */
        const char *open = rows[i].open ? rows[i].open : opened ? "" : NAMELESS_OPEN;
        snprintf(said, sizeof said, "%s" ERROR("%s", "%s"), open, rows[i].error, rows[i].words);
        hear(MESSAGE); /* not heard any more */
        expect_events("");
        expect_said(said);
        assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSING);
        hear_frame(0x88, JB_STR("\x03\xe8"));
        expect_events("done 1000; ");
        assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
        end();
    }
}

#define EARLY "a stanza before authentication and resource binding"

/* In text an apostrophe stays. */
#define FIRST_WORDS \
    "the first element must be &lt;open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/&gt;"

#define FRAMING_WORDS "&lt;open/&gt; and &lt;close/&gt; are of urn:ietf:params:xml:ns:xmpp-framing"

static void refuses_what_the_state_does_not_allow(void **state)
{
    static const struct fault_row rows[] = {
        { JB_STREAM_STATE_START, MESSAGE, "not-authorized", FIRST_WORDS },
        { JB_STREAM_STATE_START, AUTH, "not-authorized", FIRST_WORDS },
        { JB_STREAM_STATE_START, "<stream xmlns='http://etherx.jabber.org/streams'/>",
          "invalid-namespace", FRAMING_WORDS },
        { JB_STREAM_STATE_BOUND, "<open xmlns='jabber:client' version='1.0'/>", "invalid-namespace",
          FRAMING_WORDS },
        { JB_STREAM_STATE_BINDING, "<close/>", "invalid-namespace", FRAMING_WORDS },
        { JB_STREAM_STATE_AUTHED, IQ, "not-authorized", FIRST_WORDS },
        { JB_STREAM_STATE_AUTHED, AUTH, "not-authorized", FIRST_WORDS },
        { JB_STREAM_STATE_OPEN, OPEN, "conflict", "the stream is open already" },
        { JB_STREAM_STATE_BINDING, OPEN, "conflict", "the stream is open already" },
        { JB_STREAM_STATE_BOUND, OPEN, "conflict", "the stream is open already" },
        { JB_STREAM_STATE_OPEN, MESSAGE, "not-authorized", EARLY },
        { JB_STREAM_STATE_OPEN, "<presence xmlns='jabber:client'/>", "not-authorized", EARLY },
        { JB_STREAM_STATE_BINDING, MESSAGE, "not-authorized", EARLY },
        { JB_STREAM_STATE_BINDING, "<presence xmlns='jabber:client'/>", "not-authorized", EARLY },
        { JB_STREAM_STATE_BINDING, AUTH, "policy-violation", "authenticated already" },
        { JB_STREAM_STATE_BOUND, AUTH, "policy-violation", "authenticated already" },
        { JB_STREAM_STATE_BOUND, "<foo xmlns='jabber:client'/>", "unsupported-stanza-type",
          "neither message, presence nor iq" },
        { JB_STREAM_STATE_BOUND, "<foo " FRAMING "/>", "unsupported-stanza-type",
          "neither open nor close" },
        { JB_STREAM_STATE_START, "<foo " FRAMING "/>", "unsupported-stanza-type",
          "neither open nor close" },
        { JB_STREAM_STATE_BOUND, "<message/>", "invalid-namespace",
          "an element without a namespace; each frame declares its own" },
        { JB_STREAM_STATE_OPEN, "<iq xmlns='jabber:server'/>", "invalid-namespace",
          "what clients say is of the namespace jabber:client" },
        { JB_STREAM_STATE_BOUND, "<c:message xmlns:c='jabber:client'/>", "bad-namespace-prefix",
          "elements of jabber:client have no prefix" },
        { JB_STREAM_STATE_BOUND,
          "<message xmlns='jabber:client'><a:b xmlns:a='jabber:client'/></message>",
          "bad-namespace-prefix", "elements of jabber:client have no prefix" },
        { JB_STREAM_STATE_START, "<open " FRAMING "/>", "unsupported-version",
          "version='1.0' is needed", "[<open " FRAMING " xml:lang='en'/>] " },
        { JB_STREAM_STATE_AUTHED, "<open " FRAMING " version='0.99'/>", "unsupported-version",
          "version='1.0' is needed", "[<open " FRAMING " xml:lang='en' version='0.9'/>] " },
        { JB_STREAM_STATE_START, "<open " FRAMING " version='1.'/>", "unsupported-version",
          "version='1.0' is needed", NULL },
        { JB_STREAM_STATE_START, "<open " FRAMING " version='9999999999.0'/>",
          "unsupported-version", "version='1.0' is needed", NULL },
    };
    (void)state;

    check_faults(rows, COUNT(rows));
}

static void make_id(char id[JB__RANDOM_ID_BYTES + 1])
{
    memcpy(id, "x7", 3);
}

/* A stream that fails before its owner opened it says who we are, once. */
static void failing_opens_first(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_START);
    play.config.fail_from = JB_STR("b");
    play.config.fail_id = make_id;
    hear(IQ);
    expect_events("fault not-authorized 1000; ");
    expect_said("[<open " FRAMING " from='b' id='x7' xml:lang='en' version='1.0'/>] " ERROR(
        "not-authorized", FIRST_WORDS));
    end();

    begin(JB_STREAM_STATE_START);
    hear(OPEN);
    answer_open();
    jb_stream_fail(&play.s, JB_STREAM_HOST_UNKNOWN, "no");
    expect_said(OUR_OPEN ERROR("host-unknown", "no"));
    end();
}

/* An answer to our newest ping says that all before it has arrived; others are signs of life. */
static void pings_are_numbered(void **state)
{
    static const struct {
        struct jb_str pong;
        const char *events;
    } rows[] = {
        { JB_STR_INIT("\0\0\0\0"), "alive; " },         { JB_STR_INIT("\0\0\0\4"), "alive; " },
        { JB_STR_INIT("\0\0\0"), "alive; " },           { JB_STR_INIT("\0\0\0\2"), "answer; " },
        { JB_STR_INIT("\0\0\0\2"), "alive; " },         { JB_STR_INIT("\0\0\0\1"), "alive; " },
        { JB_STR_INIT("\0\0\0\3\0"), "alive; " },       { JB_STR_INIT("\0\0\0\3"), "answer; " },
        { JB_STR_INIT("\xff\xff\xff\xff"), "alive; " },
    };
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    for (uint32_t i = 1; i <= 3; i++) {
        jb_stream_ping(&play.s);
        assert_int_equal(play.s.pings, i);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        hear_frame(0x8a, rows[i].pong);
        expect_events(rows[i].events);
    }
    end();
}

static void refuses_bad_xml(void **state)
{
    static const char restricted[] =
        "DTDs, comments, processing instructions and entities are not allowed";
    static const struct fault_row rows[] = {
        { JB_STREAM_STATE_BOUND, "<!DOCTYPE a><a/>", "restricted-xml", restricted },
        { JB_STREAM_STATE_START, "<!-- a --><a/>", "restricted-xml", restricted },
        { JB_STREAM_STATE_OPEN, "<a>&b;</a>", "restricted-xml", restricted },
        { JB_STREAM_STATE_START, "<a></b>", "not-well-formed", "the XML is not well-formed" },
        { JB_STREAM_STATE_BOUND, "<a>&#0;</a>", "not-well-formed", "the XML is not well-formed" },
        { JB_STREAM_STATE_START, "<?xml version='1.0' encoding='UTF-16'?>" OPEN,
          "unsupported-encoding", "XML is UTF-8 here" },
        { JB_STREAM_STATE_BOUND, "<a/><b/>", "bad-format", "a message is exactly one element" },
        { JB_STREAM_STATE_BOUND, "<a>", "bad-format", "a message is exactly one element" },
        { JB_STREAM_STATE_BOUND, "hello", "bad-format", "a message is exactly one element" },
    };
    (void)state;

    check_faults(rows, COUNT(rows));
}

/* The limit is named that was reached in this state. */
static void names_the_limit(void **state)
{
    char deep[33 * 7 + 1] = "", many[4100 * 4] = "<a>";
    (void)state;

    for (int i = 0; i < 33; i++)
        memcpy(deep + 3 * i, "<a>", 4);
    for (int i = 0; i < 4096; i++)
        memcpy(many + 3 + 4 * i, "<b/>", 5);
    begin(JB_STREAM_STATE_OPEN);
    hear(deep);
    expect_events("fault policy-violation 1000 over preauth_depth; ");
    end();
    begin(JB_STREAM_STATE_BOUND);
    hear(deep);
    expect_events("fault policy-violation 1000 over xml_depth; ");
    end();
    begin(JB_STREAM_STATE_OPEN);
    hear_frame(0x81, jb_str(many, 3 + 4 * 40));
    expect_events("fault policy-violation 1000 over preauth_elements; ");
    end();
    begin(JB_STREAM_STATE_BOUND);
    hear(many);
    expect_events("fault policy-violation 1000 over xml_elements; ");
    end();
    begin(JB_STREAM_STATE_BOUND);
    for (uint32_t i = 0; i <= play.config.limits.ws_fragments; i++)
        hear_frame(i ? 0x00 : 0x01, JB_STR("a"));
    expect_events("fault policy-violation 1009 over ws_fragments; ");
    end();
}

static void white_space_is_a_sign_of_life(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    hear(" ");
    hear("\r\n\t ");
    hear("");
    expect_events("alive; alive; alive; ");
    expect_said("");
    play.config.rfc7395_strict = true;
    hear(" ");
    expect_events("fault bad-format 1000; ");
    end();
}

static void too_much_talk_before_authentication(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_OPEN);
    for (uint32_t i = 0; i < play.config.limits.preauth_elements; i++)
        hear("<a xmlns='b'/>");
    play.events[0] = '\0';
    hear("<a xmlns='b'/>");
    expect_events("fault policy-violation 1000 over preauth_elements; ");
    end();
}

/* RFC 7395 section 3.6: who closes first closes the WebSocket too. */
static void closes_in_every_order(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_BOUND); /* they close, by the book */
    hear(CLOSE);
    expect_events("close 0; ");
    expect_said("[" CLOSE "] ");
    hear(MESSAGE); /* nothing counts behind their <close/> */
    hear(" ");
    expect_events("");
    hear_frame(0x88, JB_STR("\x03\xe8"));
    expect_events("close 1000; ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSING);
    expect_said("close 1000 '' ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    end();

    begin(JB_STREAM_STATE_BOUND); /* we close, by the book */
    jb_stream_close(&play.s, JB_STR("wss://x/?a&b"));
    expect_said("[<close " FRAMING " see-other-uri='wss://x/?a&amp;b'/>] ");
    hear(MESSAGE);
    hear("<a>");
    expect_events("");
    hear(CLOSE);
    expect_events("close 0; ");
    expect_said("close 1000 '' ");
    hear_frame(0x88, JB_STR("\x03\xe8"));
    expect_events("done 1000; ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    end();

    begin(JB_STREAM_STATE_BOUND); /* both at once */
    jb_stream_close(&play.s, JB_STR_NONE);
    hear(CLOSE);
    expect_said("[" CLOSE "] close 1000 '' ");
    end();

    begin(JB_STREAM_STATE_BOUND); /* the WebSocket alone, with and without a code */
    hear_frame(0x88, JB_STR("\x0b\xb8"
                            "bye"));
    expect_events("close 3000; ");
    expect_said("close 3000 '' ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    end();
    begin(JB_STREAM_STATE_START);
    hear_frame(0x88, JB_STR(""));
    expect_events("close 1005; ");
    expect_said("close 1000 '' ");
    end();

    begin(JB_STREAM_STATE_BOUND); /* ours crosses theirs */
    jb_stream_close_ws(&play.s, JB_WS_GOING_AWAY, "restart");
    jb_stream_close_ws(&play.s, JB_WS_NORMAL, "too late");
    hear_frame(0x88, JB_STR("\x03\xe8"));
    expect_events("close 1000; ");
    expect_said("close 1001 'restart' ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    jb_stream_close_ws(&play.s, JB_WS_NORMAL, NULL); /* closed is closed */
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    expect_said("");
    end();
}

/* RFC 6120 section 4.9.1.1: an error is not answered with another. */
static void a_reported_error_closes(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    hear("<s:error xmlns:s='http://etherx.jabber.org/streams'><reset "
         "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></s:error>");
    hear(MESSAGE);
    expect_events("close 0; ");
    expect_said("[" CLOSE "] ");
    hear(CLOSE);
    expect_events("close 0; ");
    expect_said("close 1000 '' ");
    end();
}

static void says_nothing_more_once_closing(void **state)
{
    struct jb_stanza *s;
    (void)state;

    assert_int_equal(jb_stanza_new(JB_STR(MESSAGE), &arena, &jb_allocator_libc, 0, &s), 0);
    for (int sent = 0; sent < 2; sent++) {
        for (int how = 0; how < 3; how++) {
            begin(JB_STREAM_STATE_BOUND);
            assert_int_equal(jb_stream_send(&play.s, s, NULL), 0);
            assert_int_equal(play.s.out.bytes_unsent, s->doc.bytes);
            if (how == 0)
                jb_stream_close(&play.s, JB_STR_NONE);
            else if (how == 1)
                jb_stream_close_ws(&play.s, JB_WS_NORMAL, NULL);
            else
                jb_stream_fail(&play.s, JB_STREAM_SYSTEM_SHUTDOWN, NULL);
            if (sent) {
                char out[1024];
                assert_true(jb_stream_render(&play.s, out, sizeof out) > 0);
            }
            uint32_t queued = play.s.out.bytes_unsent;
            assert_int_equal(jb_stream_send(&play.s, s, NULL), 0);
            assert_int_equal(jb_stream_send_raw(&play.s, JB_STR("<a/>")), 0);
            assert_int_equal(jb_stream_open(&play.s, JB_STR_NONE, JB_STR_NONE, JB_STR_NONE), 0);
            jb_stream_fail(&play.s, JB_STREAM_RESET, NULL);
            assert_int_equal(play.s.out.bytes_unsent, queued);
            if (sent && how > 0) {
                /* Signs of life behind our close frame are not answered. */
                hear_frame(0x89, JB_STR("x"));
                jb_stream_ping(&play.s);
                jb_stream_close(&play.s, JB_STR_NONE);
                jb_stream_close_ws(&play.s, JB_WS_NORMAL, NULL);
                expect_said("");
            }
            end();
        }
    }
    jb_stanza_unref(s);
}

static void shutdown_says_so(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    jb_stream_fail(&play.s, JB_STREAM_SYSTEM_SHUTDOWN, NULL);
    expect_said("[<stream:error xmlns:stream='http://etherx.jabber.org/streams'><system-shutdown "
                "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>] [" CLOSE
                "] close 1001 '' ");
    end();
}

static void broken_framing(void **state)
{
    char big[300];
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    hear_frame(0x82, JB_STR("x"));
    expect_events("fault 1003; ");
    expect_said("close 1003 'XMPP is sent as text' ");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    end();

    begin(JB_STREAM_STATE_BOUND);
    hear_frame(0x81, JB_STR("<a>\xff</a>"));
    expect_events("fault 1007; ");
    expect_said("close 1007 'text that is not UTF-8' ");
    end();

    memset(big, 'x', sizeof big);
    for (int opened = 0; opened < 2; opened++) {
        begin(opened ? JB_STREAM_STATE_OPEN : JB_STREAM_STATE_START);
        play.config.limits.preauth_stanza_bytes = 299;
        jb_stream_set_config(&play.s, &play.config);
        hear_frame(0x81, jb_str(big, 300));
        expect_events(opened ? "fault policy-violation 1009 over preauth_stanza_bytes; "
                             : "fault 1009 over preauth_stanza_bytes; ");
        expect_said(opened
                        ? "[<stream:error xmlns:stream='http://etherx.jabber.org/streams'>"
                          "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text "
                          "xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>the message "
                          "is over the size limit</text></stream:error>] [" CLOSE
                          "] close 1009 'the message is over the size limit' "
                        : "close 1009 'the message is over the size limit' ");
        end();
    }

    begin(JB_STREAM_STATE_BOUND); /* once our close frame has gone nothing more is to come */
    jb_stream_close_ws(&play.s, JB_WS_NORMAL, NULL);
    expect_said("close 1000 '' ");
    hear_frame(0x83, JB_STR("x"));
    expect_events("fault 1002; ");
    expect_said("");
    assert_int_equal(play.s.state, JB_STREAM_STATE_CLOSED);
    end();
}

/* Neither closing nor a reload meanwhile opens the larger limits to a stranger. */
static void limits_grow_with_authentication_only(void **state)
{
    char big[400];
    (void)state;

    memset(big, ' ', sizeof big);
    for (int authenticated = 0; authenticated < 2; authenticated++) {
        begin(authenticated ? JB_STREAM_STATE_AUTHED : JB_STREAM_STATE_OPEN);
        play.config.limits.preauth_stanza_bytes = 300;
        jb_stream_close(&play.s, JB_STR_NONE);
        jb_stream_set_config(&play.s, &play.config);
        hear_frame(0x81, jb_str(big, sizeof big));
        expect_events(authenticated ? "alive; " : "fault 1009 over preauth_stanza_bytes; ");
        end();
    }
}

static void only_the_newest_ping_is_answered(void **state)
{
    (void)state;

    begin(JB_STREAM_STATE_START);
    hear_frame(0x89, JB_STR("one"));
    hear_frame(0x89, JB_STR("two"));
    hear_frame(0x8a, JB_STR("unasked"));
    expect_events("alive; alive; alive; ");
    jb_stream_ping(&play.s);
    jb_stream_ping(&play.s);
    expect_said("pong 'two' ping ");
    hear_frame(0x89, JB_STR("x"));
    hear_frame(0x89, JB_STR(""));
    expect_said("pong '' ");
    end();
}

static void renders_into_little_room(void **state)
{
    static char text[3000];
    (void)state;

    memset(text, 'x', sizeof text);
    for (size_t room = 1; room < 400; room += 7) {
        begin(JB_STREAM_STATE_BOUND);
        play.room = room;
        hear_frame(0x89, JB_STR("p"));
        jb_stream_ping(&play.s);
        assert_int_equal(jb_stream_send_raw(&play.s, JB_STR("<a/>")), 0);
        assert_int_equal(jb_stream_send_raw(&play.s, jb_str(text, sizeof text)), 0);
        jb_stream_close(&play.s, JB_STR_NONE);
        jb_stream_close_ws(&play.s, JB_WS_NORMAL, NULL);
        char wanted[sizeof text + 256], with_ping_last[sizeof wanted];
        snprintf(wanted, sizeof wanted, "pong 'p' ping [<a/>] [%.*s] [" CLOSE "] close 1000 '' ",
                 (int)sizeof text, text);
        snprintf(with_ping_last, sizeof with_ping_last,
                 "[<a/>] pong 'p' ping [%.*s] [" CLOSE "] close 1000 '' ", (int)sizeof text, text);
        size_t need = jb_stream_render_bytes(&play.s);
        expect_said(need + room - 1 < JB_WS_HEAD_BYTES + 125 ? with_ping_last : wanted);
        end();
    }
}

/* Who must not read on takes the rest back and gives it again later. */
static void pauses_in_the_middle(void **state)
{
    struct wire w = { 0 };
    struct jb_stream_event ev;
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    wire_frame(&w, JB_ROLE_CLIENT, 0x81, JB_STR(MESSAGE));
    size_t first = w.n;
    wire_frame(&w, JB_ROLE_CLIENT, 0x81, JB_STR(IQ));
    jb_stream_feed(&play.s, w.p, w.n);
    jb_stream_next(&play.s, &arena, &ev);
    assert_int_equal(ev.kind, JB_STREAM_EVENT_STANZA);
    assert_int_equal(ev.draft.h.kind, JB_MESSAGE);
    struct jb_str rest = jb_stream_rest(&play.s);
    assert_ptr_equal(rest.p, w.p + first);
    assert_int_equal(rest.n, w.n - first);
    assert_int_equal(jb_stream_rest(&play.s).n, 0);
    jb_stream_next(&play.s, &arena, &ev);
    assert_int_equal(ev.kind, JB_STREAM_EVENT_NONE);
    jb_stream_feed(&play.s, w.p + first, rest.n);
    jb_stream_next(&play.s, &arena, &ev);
    assert_int_equal(ev.draft.h.kind, JB_IQ);
    jb_stream_next(&play.s, &arena, &ev);
    assert_int_equal(ev.kind, JB_STREAM_EVENT_NONE);
    wire_free(&w);
    end();
}

/* Stands for a compressor: as many bytes of 'z' as the context says; negative: it fails. */
static int shrink(void *ctx, const struct jb_str pieces[3], struct jb__buf *out)
{
    int *bytes = ctx;

    assert_true(pieces[0].n + pieces[1].n + pieces[2].n > 0);
    if (*bytes < 0)
        return *bytes;
    for (int i = 0; i < *bytes; i++)
        assert_int_equal(jb__buf_append(out, "z", 1), 0);
    return 0;
}

static void compresses_what_gets_smaller(void **state)
{
    static const struct {
        size_t size;
        int packed;
        unsigned first; /* byte of the frame */
        size_t frame;   /* its bytes */
    } rows[] = {
        { 100, 3, 0xc1, 5 },    { 99, 3, 0x81, 101 },          { 100, 100, 0x81, 102 },
        { 100, 99, 0xc1, 101 }, { 100, JB_ENOMEM, 0x81, 102 },
    };
    char text[100], out[256];
    struct jb__buf scratch;
    (void)state;

    memset(text, 'x', sizeof text);
    jb__buf_init(&scratch, &jb_allocator_libc, 1024);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int packed = rows[i].packed;
        const struct jb_ws_deflater deflater = { shrink, &scratch, &packed };
        begin(JB_STREAM_STATE_BOUND);
        play.config.limits.deflate_threshold_bytes = 100;
        play.s.deflate = &deflater;
        assert_int_equal(jb_stream_send_raw(&play.s, jb_str(text, rows[i].size)), 0);
        assert_int_equal(jb_stream_render(&play.s, out, sizeof out), rows[i].frame);
        assert_int_equal((unsigned char)out[0], rows[i].first);
        end();
    }
    jb__buf_deinit(&scratch);
}

/* Whatever fails, the stream stays in order: it ends, or says what it was going to say. */
static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    static const char *const texts[] = { OPEN, IQ, "<a>", CLOSE };
    struct jb_stream_config config = { .limits = jb_limits_default };
    struct jb_stream_event ev;
    struct jb_stream s;
    struct jb__arena own;
    char *out = malloc(65536);
    (void)ctx;

    jb__arena_init(&own, &f->alloc, 1024 * 1024);
    jb_stream_init(&s, &config, &f->alloc);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct wire w = { 0 };
        wire_frame(&w, JB_ROLE_CLIENT, 0x89, JB_STR("p"));
        wire_frame(&w, JB_ROLE_CLIENT, 0x01, jb_str(texts[i], 3));
        wire_frame(&w, JB_ROLE_CLIENT, 0x80, jb_strz(texts[i] + 3));
        jb_stream_feed(&s, w.p, w.n);
        while (jb_stream_next(&s, &own, &ev), ev.kind != JB_STREAM_EVENT_NONE) {
            if (ev.kind == JB_STREAM_EVENT_OPEN) {
                int rc = jb_stream_open(&s, JB_STR("b"), JB_STR_NONE, JB_STR("i"));
                assert_true(rc == 0 || (rc == JB_ENOMEM && f->failed));
            }
        }
        wire_free(&w);
    }
    assert_int_equal(s.state, JB_STREAM_STATE_CLOSING);
    while (jb_stream_render_bytes(&s) > 0)
        assert_true(jb_stream_render(&s, out, 65536) > 0);
    assert_true(s.ws_close_sent);
    jb_stream_deinit(&s);
    jb__arena_deinit(&own);
    free(out);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(short_of_memory, NULL) > 5);
}

/* The arena has its own bound: over it the stream ends with an error, it does not pass half of
 * something on. */
static void out_of_arena(void **state)
{
    bool passed = false;
    (void)state;

    for (size_t bytes = 0; bytes < 4096 && !passed; bytes += 16) {
        jb__arena_deinit(&arena);
        jb__arena_init(&arena, &jb_allocator_libc, bytes);
        begin(JB_STREAM_STATE_BOUND);
        hear("<iq xmlns='jabber:client' type='get' id='&lt;' to='A@B'/>");
        passed = strcmp(play.events, "stanza; ") == 0;
        if (!passed)
            expect_events("fault resource-constraint 1000; ");
        end();
    }
    assert_true(passed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(negotiates),
        TEST(refuses_what_the_state_does_not_allow),
        TEST(failing_opens_first),
        TEST(pings_are_numbered),
        TEST(refuses_bad_xml),
        TEST(names_the_limit),
        TEST(white_space_is_a_sign_of_life),
        TEST(too_much_talk_before_authentication),
        TEST(closes_in_every_order),
        TEST(a_reported_error_closes),
        TEST(says_nothing_more_once_closing),
        TEST(shutdown_says_so),
        TEST(broken_framing),
        TEST(limits_grow_with_authentication_only),
        TEST(only_the_newest_ping_is_answered),
        TEST(renders_into_little_room),
        TEST(pauses_in_the_middle),
        TEST(compresses_what_gets_smaller),
        TEST(out_of_memory),
        TEST(out_of_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
