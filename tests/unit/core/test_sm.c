/* SPDX-License-Identifier: MIT */
/* Stream management (XEP-0198) on the server's stream: who may say what when, counters and where
 * they wrap, what a resumed stream sends again. */
#include "stream_kit.h"

#include "failing_alloc.h"

#include <inttypes.h>

#define SM     "xmlns='urn:xmpp:sm:3'"
#define ENABLE "<enable " SM " resume='true'/>"
#define FAILED(condition) \
    "[<failed " SM "><" condition " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>] "
#define ENABLED "[<enabled " SM " id='x' resume='true' max='600'/>] "

static struct jb_stanza *message(const char *id)
{
    struct jb_stanza *s;
    char text[128];

    snprintf(text, sizeof text, "<message xmlns='jabber:client' id='%s'/>", id);
    assert_int_equal(jb_stanza_new(jb_strz(text), &arena, &jb_allocator_libc, 0, &s), 0);
    return s;
}

static void say(const char *id, int64_t tag)
{
    struct jb_stanza *s = message(id);
    const struct jb_wrap wrap = { .tag = tag };

    assert_int_equal(jb_stream_send(&play.s, s, tag ? &wrap : NULL), 0);
    jb_stanza_unref(s);
}

static void expect_taken(const char *wanted)
{
    char text[256] = "";
    int64_t tag;

    while (jb_sendq_take_acked(&play.s.out, &tag))
        note(text, sizeof text, "%" PRId64 " ", tag);
    assert_string_equal(text, wanted);
}

static const struct jb_sm_grant grant = { .id = JB_STR_INIT("x"), .max_s = 600 };
static const struct jb_sm_grant elsewhere = { .id = JB_STR_INIT("x"),
                                              .max_s = 600,
                                              .location = JB_STR_INIT("[::1]:5280") };

/* With what was said before it. */
static void enable_after(const char *said)
{
    char wanted[256];

    hear(ENABLE);
    expect_events("enable; ");
    assert_int_equal(jb_stream_sm_enabled(&play.s, &grant), 0);
    snprintf(wanted, sizeof wanted, "%s" ENABLED, said);
    expect_said(wanted);
}

static void enable(void)
{
    enable_after("");
}

#define A(h) "<a " SM " h='" h "'/>"

static void enables_once_and_when_bound(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BINDING);
    hear(ENABLE);
    expect_events("");
    expect_said(FAILED("unexpected-request"));
    end();
    begin(JB_STREAM_STATE_BOUND);
    enable();
    hear(ENABLE);
    expect_events("");
    expect_said(FAILED("unexpected-request"));
    hear("<resume " SM " previd='x' h='0'/>");
    expect_said(FAILED("unexpected-request"));
    end();
}

static void reads_the_wish(void **state)
{
    static const struct {
        const char *attributes;
        bool resume;
        uint32_t max_s;
    } rows[] = {
        { "", false, 0 },
        { "resume='true'", true, 0 },
        { "resume='1' max='60'", true, 60 },
        { "resume='TRUE'", false, 0 },
        { "resume='false' max='4294967295'", false, UINT32_MAX },
        { "max='4294967301'", false, 0 },
        { "max='-1'", false, 0 },
        { "max='soon'", false, 0 },
    };
    char text[128];
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_stream_event ev;
        struct wire w = { 0 };
        begin(JB_STREAM_STATE_BOUND);
        snprintf(text, sizeof text, "<enable " SM " %s/>", rows[i].attributes);
        wire_frame(&w, JB_ROLE_CLIENT, 0x81, jb_strz(text));
        jb_stream_feed(&play.s, w.p, w.n);
        jb_stream_next(&play.s, &arena, &ev);
        assert_int_equal(ev.kind, JB_STREAM_EVENT_SM_ENABLE);
        assert_int_equal(ev.sm.resume, rows[i].resume);
        assert_int_equal(ev.sm.max_s, rows[i].max_s);
        (void)jb_stream_rest(&play.s);
        wire_free(&w);
        end();
    }
}

static void what_cannot_be_resumed_has_no_id(void **state)
{
    static const struct jb_sm_grant none = { .id = JB_STR_INIT(""), .max_s = 600 };
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    assert_int_equal(jb_stream_sm_enabled(&play.s, &none), 0);
    expect_said("[<enabled " SM "/>] ");
    end();
    begin(JB_STREAM_STATE_BOUND);
    assert_int_equal(jb_stream_sm_enabled(&play.s, &elsewhere), 0);
    expect_said("[<enabled " SM " id='x' resume='true' max='600' location='[::1]:5280'/>] ");
    end();
}

static void nobody_is_heard_before_authentication(void **state)
{
    (void)state;
    for (enum jb_stream_state st = JB_STREAM_STATE_OPEN; st <= JB_STREAM_STATE_AUTHED; st++) {
        begin(st);
        hear(ENABLE);
        expect_events("fault not-authorized 1000; ");
        end();
    }
}

static void answers_once_however_often_it_is_asked(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    hear("<r " SM "/>");
    expect_said(FAILED("unexpected-request"));
    hear(A("0"));
    expect_events("");
    expect_said(FAILED("unexpected-request"));
    jb_stream_sm_ask(&play.s); /* nobody would understand it */
    jb_stream_sm_tell(&play.s);
    expect_said("");
    hear(MESSAGE); /* before <enable/>: does not count */
    expect_events("stanza; ");
    enable();
    hear(MESSAGE);
    hear(IQ);
    hear("<r " SM "/>");
    hear("<r " SM "/>");
    expect_events("stanza; stanza; ask; ask; ");
    expect_said("[" A("0") "] "); /* nobody has said that it is handled */
    jb_stream_sm_handled(&play.s, play.s.received);
    expect_said("");
    assert_int_equal(play.s.sm.told, play.s.sm.in_base);
    jb_stream_sm_tell(&play.s);
    expect_said("[" A("2") "] ");
    assert_int_equal(play.s.sm.told, play.s.received);
    end();
}

static void keeps_and_lets_go(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    say("0", 9);
    hear(ENABLE);
    assert_int_equal(jb_stream_sm_enabled(&play.s, &grant), 0);
    say("1", 11);
    say("2", 0);
    jb_stream_sm_ask(&play.s);
    jb_stream_sm_ask(&play.s);
    play.said[0] = '\0';
    expect_said("[<message xmlns='jabber:client' id='0'></message>] " ENABLED
                "[<message xmlns='jabber:client' id='1'></message>] "
                "[<message xmlns='jabber:client' id='2'/>] [<r " SM "/>] ");
    jb_stream_sm_ask(&play.s); /* asked already */
    expect_said("");
    assert_int_equal(jb_stream_render_bytes(&play.s), 0);
    hear(A("0"));
    expect_events("enable; acked; ");
    expect_taken("9 "); /* sent before counting began */
    hear(A("1"));
    expect_taken("11 ");
    hear(A("1"));
    expect_taken("");
    hear(A("2"));
    expect_taken("0 ");
    jb_stream_sm_ask(&play.s);
    assert_true(jb_stream_render_bytes(&play.s) <= 2 * (JB_WS_HEAD_BYTES + 64));
    expect_said("[<r " SM "/>] ");
    end();
}

#define TOO_HIGH(h, sent)                                                                        \
    "[<stream:error xmlns:stream='http://etherx.jabber.org/streams'><undefined-condition "       \
    "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text "                                        \
    "xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>acknowledged what was never "     \
    "sent, or less than before</text><handled-count-too-high " SM " h='" h "' send-count='" sent \
    "'/></stream:error>] [" CLOSE "] close 1000 '' "

static void refuses_counts_that_cannot_be(void **state)
{
    static const char *const malformed[] = { "<a " SM "/>",    A(""),    A("-1"),
                                             A(" 1"),          A("+1"),  A("4294967296"),
                                             A("00000000001"), A("abc"), A("1.0"),
                                             A("1:"),          A("/1") };
    (void)state;

    for (size_t i = 0; i < COUNT(malformed); i++) {
        begin(JB_STREAM_STATE_BOUND);
        enable();
        say("1", 1);
        jb_stream_render(&play.s, play.said, sizeof play.said);
        play.said[0] = '\0';
        hear(malformed[i]);
        expect_events("fault invalid-xml 1000; ");
        expect_taken(""); /* the queue is as it was */
        assert_int_equal(play.s.out.kept, 1);
        end();
    }
    begin(JB_STREAM_STATE_BOUND);
    enable();
    say("1", 1);
    hear(A("1")); /* queued, not sent */
    expect_events("fault undefined-condition 1000; ");
    end();
    begin(JB_STREAM_STATE_BOUND);
    enable();
    say("1", 1);
    say("2", 2);
    jb_stream_render(&play.s, play.said, sizeof play.said);
    play.said[0] = '\0';
    hear(A("2"));
    hear(A("1"));
    expect_events("acked; fault undefined-condition 1000; ");
    expect_said(TOO_HIGH("1", "2"));
    end();
    begin(JB_STREAM_STATE_BOUND);
    say("0", 0); /* before counting begins */
    enable_after("[<message xmlns='jabber:client' id='0'/>] ");
    hear(A("1"));
    expect_said(TOO_HIGH("1", "0"));
    end();
}

static void refuses_with_what_is_known(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BINDING);
    assert_int_equal(jb_stream_sm_failed(&play.s, JB_STANZA_ITEM_NOT_FOUND, NULL), 0);
    assert_int_equal(
        jb_stream_sm_failed(&play.s, JB_STANZA_ITEM_NOT_FOUND, &(uint32_t){ UINT32_MAX }), 0);
    expect_said(FAILED("item-not-found") "[<failed " SM " h='4294967295'><item-not-found "
                                         "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                                         "</failed>] ");
    end();
}

static void resumes(void **state)
{
    struct jb_sm_saved saved;
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    enable();
    hear(MESSAGE);
    jb_stream_sm_handled(&play.s, play.s.received);
    say("1", 1);
    say("2", 2);
    jb_stream_render(&play.s, play.said, sizeof play.said);
    play.said[0] = '\0';
    say("3", 3);
    jb_stream_sm_detach(&play.s, &saved);
    assert_null(play.s.out.first);
    assert_false(play.s.sm.on);
    end();

    begin(JB_STREAM_STATE_BINDING);
    hear("<resume " SM " previd='x' h='1'/>");
    expect_events("resume; ");
    assert_false(jb_sm_may_ack(&saved, 3)); /* the third was not sent */
    assert_true(jb_sm_may_ack(&saved, 1));
    jb_sendq_ack(&saved.out, 1 + saved.sm.out_base);
    int64_t tag;
    assert_true(jb_sendq_take_acked(&saved.out, &tag));
    assert_int_equal(tag, 1);
    say("other", 0); /* of before: does not count */
    assert_int_equal(jb_stream_sm_resumed(&play.s, &saved, JB_STR("x")), 0);
    assert_int_equal(play.s.state, JB_STREAM_STATE_BOUND);
    expect_said("[<message xmlns='jabber:client' id='other'/>] [<resumed " SM
                " previd='x' h='1'/>] [<message xmlns='jabber:client' id='2'></message>] "
                "[<message xmlns='jabber:client' id='3'></message>] ");
    hear(A("3"));
    expect_taken("2 3 ");
    hear(MESSAGE);
    jb_stream_sm_handled(&play.s, play.s.received);
    hear("<r " SM "/>");
    expect_said("[" A("2") "] ");
    end();
}

/* What one side owed the other when the connection was lost is not owed on the next one: <resumed/>
 * says it all. */
static void questions_end_with_the_connection(void **state)
{
    struct jb_sm_saved saved;
    (void)state;

    for (int sent = 0; sent < 2; sent++) {
        begin(JB_STREAM_STATE_BOUND);
        enable();
        hear(MESSAGE);
        jb_stream_sm_handled(&play.s, play.s.received);
        jb_stream_sm_tell(&play.s);
        jb_stream_sm_ask(&play.s);
        if (sent)
            expect_said("[" A("1") "] [<r " SM "/>] ");
        jb_stream_sm_detach(&play.s, &saved);
        end();
        begin(JB_STREAM_STATE_BINDING);
        assert_int_equal(jb_stream_sm_resumed(&play.s, &saved, JB_STR("x")), 0);
        assert_int_equal(play.s.sm.told, saved.received);
        expect_said("[<resumed " SM " previd='x' h='1'/>] ");
        jb_stream_sm_ask(&play.s);
        expect_said("[<r " SM "/>] ");
        end();
    }
}

/* A session that was read back from the store has a queue that nobody told to keep anything. */
static void a_restored_session_keeps(void **state)
{
    struct jb_sm_saved saved = { .sm.on = true };
    (void)state;

    begin(JB_STREAM_STATE_BINDING);
    jb_sendq_init(&saved.out, &jb_allocator_libc);
    assert_int_equal(jb_sendq_push_saved(&saved.out, JB_STR("<message/>"), 0), 0);
    assert_int_equal(jb_stream_sm_resumed(&play.s, &saved, JB_STR("x")), 0);
    expect_said("[<resumed " SM " previd='x' h='0'/>] [<message/>] ");
    assert_int_equal(play.s.out.kept, 1);
    end();
}

static void a_resume_without_its_parts_ends_the_stream(void **state)
{
    static const char *const bad[] = { "<resume " SM " h='1'/>", "<resume " SM " previd='x'/>",
                                       "<resume " SM " previd='' h='1'/>",
                                       "<resume " SM " previd='x' h='-1'/>" };
    (void)state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        begin(JB_STREAM_STATE_BINDING);
        hear(bad[i]);
        expect_events("fault invalid-xml 1000; ");
        end();
    }
}

/* Both counters run over 2^32, with a resumption on the way. */
static void wraps(void **state)
{
    struct jb_sm_saved saved;
    char id[2] = "0";
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    play.config.sm_first = UINT32_MAX - 2;
    enable();
    for (int i = 0; i < 5; i++) {
        hear(MESSAGE);
        id[0] = (char)('0' + i);
        say(id, i + 1);
    }
    jb_stream_render(&play.s, play.said, sizeof play.said);
    play.said[0] = '\0';
    jb_stream_sm_handled(&play.s, play.s.received);
    hear("<r " SM "/>");
    expect_said("[" A("2") "] ");
    hear(A("4294967295"));
    expect_taken("1 2 ");
    hear(A("0"));
    expect_taken("3 ");
    jb_stream_sm_detach(&play.s, &saved);
    end();
    begin(JB_STREAM_STATE_BINDING);
    assert_true(jb_sm_may_ack(&saved, 2));
    assert_false(jb_sm_may_ack(&saved, 3));
    assert_false(jb_sm_may_ack(&saved, UINT32_MAX));
    assert_int_equal(jb_stream_sm_resumed(&play.s, &saved, JB_STR("x")), 0);
    expect_said("[<resumed " SM " previd='x' h='2'/>] "
                "[<message xmlns='jabber:client' id='3'></message>] "
                "[<message xmlns='jabber:client' id='4'></message>] ");
    hear(A("2"));
    expect_taken("4 5 ");
    end();
}

static void a_pong_acknowledges_what_went_before_its_ping(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    say("1", 1);
    jb_stream_render(&play.s, play.said, sizeof play.said);
    say("2", 2);
    jb_stream_ping(&play.s);
    jb_stream_render(&play.s, play.said, sizeof play.said); /* the ping goes first */
    play.said[0] = '\0';
    hear_frame(0x8a, jb_str("\0\0\0\1", 4));
    expect_events("answer; ");
    expect_taken("1 ");
    jb_stream_ping(&play.s);
    jb_stream_render(&play.s, play.said, sizeof play.said);
    hear_frame(0x8a, jb_str("\0\0\0\2", 4));
    expect_taken("2 ");
    end();
}

static void nothing_is_said_behind_the_farewell(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    enable();
    hear("<r " SM "/>");
    jb_stream_sm_ask(&play.s);
    jb_stream_close(&play.s, JB_STR_NONE);
    expect_said("[" CLOSE "] ");
    end();
}

static void no_answer_goes_behind_the_farewell(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    hear(ENABLE);
    jb_stream_close(&play.s, JB_STR_NONE);
    assert_int_equal(jb_stream_sm_enabled(&play.s, &grant), 0);
    assert_false(play.s.sm.on);
    assert_int_equal(jb_stream_sm_failed(&play.s, JB_STANZA_ITEM_NOT_FOUND, NULL), 0);
    expect_said("[" CLOSE "] ");
    end();
}

/* The event of an element that has a pong behind it. */
static struct jb_stream_event hear_once(struct jb_stream *s, enum jb_role from, const char *text)
{
    struct jb_stream_event ev;
    struct wire w = { 0 };

    wire_frame(&w, from, 0x81, jb_strz(text));
    wire_frame(&w, from, 0x8a, JB_STR_NONE);
    jb_stream_feed(s, w.p, w.n);
    jb_stream_next(s, &arena, &ev);
    (void)jb_stream_rest(s);
    wire_free(&w);
    return ev;
}

static void mask_key(uint8_t key[4])
{
    memset(key, 1, 4);
}

static void each_side_knows_its_own_elements(void **state)
{
    static const char *const servers_only[] = { ENABLE, "<resume " SM " previd='x' h='0'/>" };
    (void)state;

    begin(JB_STREAM_STATE_BOUND);
    hear("<enabled " SM "/>");
    expect_events("fault unsupported-stanza-type 1000; ");
    end();
    for (size_t i = 0; i < COUNT(servers_only); i++) {
        struct jb_stream_config config = { .limits = jb_limits_default, .mask_key = mask_key };
        struct jb_stream client;
        jb_stream_init_client(&client, &config, &jb_allocator_libc);
        client.state = JB_STREAM_STATE_BOUND;
        client.open_sent = client.authenticated = true;
        struct jb_stream_event ev = hear_once(&client, JB_ROLE_SERVER, servers_only[i]);
        assert_int_equal(ev.kind, JB_STREAM_EVENT_FAULT);
        assert_int_equal(ev.error, JB_STREAM_UNSUPPORTED_STANZA_TYPE);
        jb_stream_deinit(&client);
    }
}

/* Each element makes its one event, or none, and what comes behind it is told after it. */
static void what_is_told_is_told_at_once(void **state)
{
    static const struct {
        enum jb_stream_state state;
        bool on;
        const char *text;
        enum jb_stream_event_kind kind; /* NONE: it is refused */
    } rows[] = {
        { JB_STREAM_STATE_OPEN, false, ENABLE, JB_STREAM_EVENT_FAULT },
        { JB_STREAM_STATE_BINDING, false, ENABLE, JB_STREAM_EVENT_NONE },
        { JB_STREAM_STATE_BOUND, false, ENABLE, JB_STREAM_EVENT_SM_ENABLE },
        { JB_STREAM_STATE_BOUND, true, ENABLE, JB_STREAM_EVENT_NONE },
        { JB_STREAM_STATE_BOUND, false, "<enabled " SM "/>", JB_STREAM_EVENT_FAULT },
        { JB_STREAM_STATE_BINDING, false, "<resume " SM " previd='x' h='0'/>",
          JB_STREAM_EVENT_SM_RESUME },
        { JB_STREAM_STATE_BINDING, false, "<resume " SM "/>", JB_STREAM_EVENT_FAULT },
        { JB_STREAM_STATE_BOUND, false, "<resume " SM " previd='x' h='0'/>", JB_STREAM_EVENT_NONE },
        { JB_STREAM_STATE_BOUND, false, "<r " SM "/>", JB_STREAM_EVENT_NONE },
        { JB_STREAM_STATE_BOUND, true, "<r " SM "/>", JB_STREAM_EVENT_SM_ASK },
        { JB_STREAM_STATE_BOUND, false, A("0"), JB_STREAM_EVENT_NONE },
        { JB_STREAM_STATE_BOUND, true, A("0"), JB_STREAM_EVENT_ACKED },
        { JB_STREAM_STATE_BOUND, true, A("1"), JB_STREAM_EVENT_FAULT },
        { JB_STREAM_STATE_BOUND, true, "<a " SM "/>", JB_STREAM_EVENT_FAULT },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_stream_event ev;
        struct wire w = { 0 };
        begin(rows[i].state);
        if (rows[i].on)
            jb_stream_sm_enabled_inline(&play.s);
        wire_frame(&w, JB_ROLE_CLIENT, 0x81, jb_strz(rows[i].text));
        wire_frame(&w, JB_ROLE_CLIENT, 0x8a, JB_STR_NONE);
        jb_stream_feed(&play.s, w.p, w.n);
        jb_stream_next(&play.s, &arena, &ev);
        if (rows[i].kind != JB_STREAM_EVENT_NONE) {
            assert_int_equal(ev.kind, rows[i].kind);
            assert_int_equal(ev.words != NULL, ev.kind == JB_STREAM_EVENT_FAULT);
            assert_int_equal(ev.ws_code, ev.kind == JB_STREAM_EVENT_FAULT ? JB_WS_NORMAL : 0);
            jb_stream_next(&play.s, &arena, &ev);
        }
        assert_int_equal(ev.kind, JB_STREAM_EVENT_ALIVE);
        jb_stream_next(&play.s, &arena, &ev);
        assert_int_equal(ev.kind, JB_STREAM_EVENT_NONE);
        wire_free(&w);
        end();
    }
}

/* A request that cannot even be refused ends the stream: it is never passed over in silence. */
static void refusal_out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_stream_config config = { .limits = jb_limits_default };
    struct jb_stream s;
    (void)ctx;

    jb_stream_init(&s, &config, &f->alloc);
    s.state = JB_STREAM_STATE_BINDING;
    s.open_sent = true;
    struct jb_stream_event ev = hear_once(&s, JB_ROLE_CLIENT, ENABLE);
    assert_int_equal(ev.kind, f->failed ? JB_STREAM_EVENT_FAULT : JB_STREAM_EVENT_ALIVE);
    if (f->failed)
        assert_int_equal(ev.error, JB_STREAM_RESOURCE_CONSTRAINT);
    jb_stream_deinit(&s);
}

/* What cannot be answered is not resumed, and is all still there for another try. */
static void resumption_out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_stream_config config = { .limits = jb_limits_default };
    struct jb_sm_saved saved = { .sm.on = true };
    struct jb_stream s;
    (void)ctx;

    jb_sendq_init(&saved.out, &f->alloc);
    jb_stream_init(&s, &config, &f->alloc);
    s.state = JB_STREAM_STATE_BINDING;
    if (jb_sendq_push_raw(&saved.out, JB_STR("<message/>")) == 0) {
        int rc = jb_stream_sm_resumed(&s, &saved, JB_STR("x"));
        assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
        assert_int_equal(s.sm.on, rc == 0);
        assert_int_equal(saved.out.first != NULL, rc != 0);
    }
    jb_sendq_deinit(&saved.out);
    jb_stream_deinit(&s);
}

static void out_of_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_stream_config config = { .limits = jb_limits_default };
    struct jb_stream s;
    (void)ctx;

    jb_stream_init(&s, &config, &f->alloc);
    s.state = JB_STREAM_STATE_BOUND;
    int rc = jb_stream_sm_failed(&s, JB_STANZA_ITEM_NOT_FOUND, &(uint32_t){ 7 });
    assert_true(rc == 0 || rc == JB_ENOMEM);
    rc = jb_stream_sm_enabled(&s, &elsewhere);
    assert_true(rc == 0 || rc == JB_ENOMEM);
    assert_int_equal(s.sm.on, rc == 0);
    jb_stream_deinit(&s);
}

static void short_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(out_of_memory, NULL) > 2);
    assert_true(failing_alloc_loop(refusal_out_of_memory, NULL) > 1);
    assert_true(failing_alloc_loop(resumption_out_of_memory, NULL) > 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(enables_once_and_when_bound),
        TEST(reads_the_wish),
        TEST(what_cannot_be_resumed_has_no_id),
        TEST(nobody_is_heard_before_authentication),
        TEST(answers_once_however_often_it_is_asked),
        TEST(keeps_and_lets_go),
        TEST(refuses_counts_that_cannot_be),
        TEST(refuses_with_what_is_known),
        TEST(resumes),
        TEST(questions_end_with_the_connection),
        TEST(a_restored_session_keeps),
        TEST(a_resume_without_its_parts_ends_the_stream),
        TEST(wraps),
        TEST(a_pong_acknowledges_what_went_before_its_ping),
        TEST(nothing_is_said_behind_the_farewell),
        TEST(no_answer_goes_behind_the_farewell),
        TEST(each_side_knows_its_own_elements),
        TEST(what_is_told_is_told_at_once),
        TEST(short_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
