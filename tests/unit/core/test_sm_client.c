/* SPDX-License-Identifier: MIT */
/* Stream management (XEP-0198) on the client's stream: what is asked for, which answers are taken
 * when, and what they say. */
#include "xml_kit.h"

#include "core/stream.h"
#include "failing_alloc.h"
#include "ws_kit.h"

#include <stdio.h>

#define SM      "xmlns='urn:xmpp:sm:3'"
#define MESSAGE "<message xmlns='jabber:client'/>"

static struct jb_stream stream;
static char input[512]; /* what events point into */

static void mask_key(uint8_t key[4])
{
    memset(key, 7, 4);
}

static struct jb_stream_config config = { .mask_key = mask_key };

static void begin_with(enum jb_stream_state state, const struct jb_allocator *alloc)
{
    config.limits = jb_limits_default;
    jb_stream_init_client(&stream, &config, alloc);
    stream.state = (uint8_t)state;
    stream.open_sent = stream.authenticated = true;
}

static void begin(enum jb_stream_state state)
{
    begin_with(state, &jb_allocator_libc);
}

static void end(void)
{
    jb_stream_deinit(&stream);
}

/* The one event that this element makes; it is told before what comes behind it. */
static struct jb_stream_event hear(const char *text)
{
    struct jb_stream_event ev, more;
    struct wire w = { 0 };

    wire_frame(&w, JB_ROLE_SERVER, 0x81, jb_strz(text));
    wire_frame(&w, JB_ROLE_SERVER, 0x8a, JB_STR_NONE);
    assert_true(w.n <= sizeof input);
    memcpy(input, w.p, w.n);
    jb_stream_feed(&stream, input, w.n);
    wire_free(&w);
    jb_stream_next(&stream, &arena, &ev);
    jb_stream_next(&stream, &arena, &more);
    assert_int_equal(more.kind, JB_STREAM_EVENT_ALIVE);
    jb_stream_next(&stream, &arena, &more);
    assert_int_equal(more.kind, JB_STREAM_EVENT_NONE);
    return ev;
}

static void expect_fault(const char *text, enum jb_stream_error error)
{
    struct jb_stream_event ev = hear(text);

    assert_int_equal(ev.kind, JB_STREAM_EVENT_FAULT);
    assert_int_equal(ev.error, error);
}

/* The next frame that is sent. */
static void expect_said(const char *wanted)
{
    static char out[1024];
    struct jb_ws server;
    struct jb_ws_event ev;
    char *p = out;
    size_t n = jb_stream_render(&stream, out, sizeof out);

    jb_ws_init(&server, JB_ROLE_SERVER, &jb_allocator_libc);
    jb_ws_set_limits(&server, sizeof out, 1);
    jb_ws_next(&server, &p, &n, &ev);
    assert_int_equal(ev.kind, JB_WS_EVENT_MESSAGE);
    assert_str_equal(jb_str(ev.data, ev.bytes), wanted);
    assert_int_equal(n, 0);
    jb_ws_deinit(&server);
}

static struct jb_sm_saved saved_with(uint32_t out_base, uint32_t stanzas)
{
    struct jb_sm_saved saved = { .sm = { .on = true, .in_base = 10, .handled = 17 } };

    saved.sm.out_base = out_base;
    jb_sendq_init(&saved.out, &jb_allocator_libc);
    saved.out.keep = true;
    jb_sendq_number_from(&saved.out, out_base);
    for (uint32_t i = 0; i < stanzas; i++)
        assert_int_equal(jb_sendq_push_saved(&saved.out, JB_STR(MESSAGE), 0), 0);
    while (saved.out.unsent)
        jb_sendq_sent(&saved.out);
    return saved;
}

static void asks(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    assert_int_equal(jb_stream_sm_enable(&stream, true), 0);
    expect_said("<enable " SM " resume='true'/>");
    assert_int_equal(jb_stream_sm_enable(&stream, false), 0);
    expect_said("<enable " SM "/>");
    assert_false(stream.sm.on); /* not before it is granted */
    end();
    begin(JB_STREAM_STATE_BINDING);
    struct jb_sm_saved saved = saved_with(0, 0);
    assert_int_equal(jb_stream_sm_resume(&stream, &saved, JB_STR("x&y")), 0);
    expect_said("<resume " SM " previd='x&amp;y' h='7'/>");
    assert_int_equal(stream.state, JB_STREAM_STATE_BINDING);
    end();
}

static void asks_without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_sm_saved *saved = ctx;

    begin_with(saved ? JB_STREAM_STATE_BINDING : JB_STREAM_STATE_BOUND, &f->alloc);
    int rc = saved ? jb_stream_sm_resume(&stream, saved, JB_STR("x"))
                   : jb_stream_sm_enable(&stream, true);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_int_equal(stream.out.first != NULL, rc == 0);
    end();
}

static void short_of_memory(void **state)
{
    struct jb_sm_saved saved = saved_with(0, 0);
    (void)state;

    assert_true(failing_alloc_loop(asks_without_memory, NULL) > 1);
    assert_true(failing_alloc_loop(asks_without_memory, &saved) > 1);
}

static void takes_acknowledgements_of_what_is_saved(void **state)
{
    struct jb_sm_saved saved = saved_with(UINT32_MAX - 1, 3);
    int64_t tag;
    (void)state;

    assert_int_equal(jb_sm_acknowledge(&saved, 4), JB_EINVAL);
    assert_int_equal(jb_sm_acknowledge(&saved, UINT32_MAX), JB_EINVAL);
    assert_false(jb_sendq_take_acked(&saved.out, &tag));
    assert_int_equal(jb_sm_acknowledge(&saved, 2), 0);
    assert_int_equal(saved.out.acked, 0); /* modulo 2^32 */
    assert_true(jb_sendq_take_acked(&saved.out, &tag) && jb_sendq_take_acked(&saved.out, &tag));
    assert_false(jb_sendq_take_acked(&saved.out, &tag));
    assert_int_equal(jb_sm_acknowledge(&saved, 1), JB_EINVAL);
    assert_int_equal(jb_sm_acknowledge(&saved, 3), 0);
    jb_sendq_deinit(&saved.out);
}

static void is_granted_once_and_when_bound(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_BINDING);
    expect_fault("<enabled " SM "/>", JB_STREAM_POLICY_VIOLATION);
    assert_false(stream.sm.on);
    end();
    begin(JB_STREAM_STATE_BOUND);
    hear(MESSAGE); /* before counting begins */
    assert_int_equal(hear("<enabled " SM "/>").kind, JB_STREAM_EVENT_SM_ENABLED);
    assert_true(stream.sm.on && stream.out.keep);
    hear(MESSAGE);
    jb_stream_sm_handled(&stream, stream.received);
    assert_int_equal(jb_sm_handled_wire(&stream.sm), 1);
    expect_fault("<enabled " SM "/>", JB_STREAM_POLICY_VIOLATION);
    end();
}

static void reads_what_is_granted(void **state)
{
    static const struct {
        const char *attributes, *id, *location;
        bool resume;
        uint32_t max_s;
    } rows[] = {
        { "", "", "", false, 0 },
        { "id='x&amp;y' resume='true' max='600' location='[::1]:5280'", "x&y", "[::1]:5280", true,
          600 },
        { "resume='1' id='x' max='4294967295'", "x", "", true, UINT32_MAX },
        { "resume='false' max='4294967301'", "", "", false, 0 },
        { "max='soon'", "", "", false, 0 },
    };
    char text[256];
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(JB_STREAM_STATE_BOUND);
        snprintf(text, sizeof text, "<enabled " SM " %s/>", rows[i].attributes);
        struct jb_stream_event ev = hear(text);
        assert_int_equal(ev.kind, JB_STREAM_EVENT_SM_ENABLED);
        assert_str_equal(ev.sm.id, rows[i].id);
        assert_str_equal(ev.sm.location, rows[i].location);
        assert_int_equal(ev.sm.resume, rows[i].resume);
        assert_int_equal(ev.sm.max_s, rows[i].max_s);
        end();
    }
}

static void reads_refusals(void **state)
{
    static const struct {
        const char *text, *condition;
        bool has_h;
        uint32_t h;
    } rows[] = {
        { "<failed " SM "/>", "", false, 0 },
        { "<failed " SM " h='3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
          "</failed>",
          "item-not-found", true, 3 },
        { "<failed " SM " h='-3'/>", "", false, 0 },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(JB_STREAM_STATE_BINDING);
        struct jb_stream_event ev = hear(rows[i].text);
        assert_int_equal(ev.kind, JB_STREAM_EVENT_SM_FAILED);
        assert_str_equal(ev.sm.condition, rows[i].condition);
        assert_int_equal(ev.sm.has_h, rows[i].has_h);
        if (rows[i].has_h)
            assert_int_equal(ev.sm.h, rows[i].h);
        end();
    }
    begin(JB_STREAM_STATE_BOUND);
    stream.sm.on = true; /* nothing was asked that could fail */
    expect_fault("<failed " SM "/>", JB_STREAM_UNSUPPORTED_STANZA_TYPE);
    end();
}

static void is_resumed_before_anything_is_bound(void **state)
{
    static const char *const bad[] = { "<resumed " SM " previd='x'/>",
                                       "<resumed " SM " previd='x' h='-1'/>",
                                       "<resume " SM " previd='x' h='1'/>",
                                       "<unknown " SM " previd='x' h='1'/>" };
    (void)state;

    begin(JB_STREAM_STATE_BINDING);
    struct jb_stream_event ev = hear("<resumed " SM " previd='x&amp;y' h='4294967295'/>");
    assert_int_equal(ev.kind, JB_STREAM_EVENT_SM_RESUMED);
    assert_str_equal(ev.sm.id, "x&y");
    assert_int_equal(ev.sm.h, UINT32_MAX);
    end();
    begin(JB_STREAM_STATE_BOUND);
    expect_fault("<resumed " SM " previd='x' h='1'/>", JB_STREAM_UNSUPPORTED_STANZA_TYPE);
    end();
    for (size_t i = 0; i < COUNT(bad); i++) {
        begin(JB_STREAM_STATE_BINDING);
        expect_fault(bad[i], JB_STREAM_UNSUPPORTED_STANZA_TYPE);
        end();
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks),
        TEST(short_of_memory),
        TEST(takes_acknowledgements_of_what_is_saved),
        TEST(is_granted_once_and_when_bound),
        TEST(reads_what_is_granted),
        TEST(reads_refusals),
        TEST(is_resumed_before_anything_is_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
