/* SPDX-License-Identifier: MIT */
/* The client's side of a stream: what it may be told when, and how it masks. */
#include "test.h"

#include "core/stream.h"

#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define OPEN    "<open " FRAMING " from='b' id='1' version='1.0'/>"
#define SUCCESS "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define IQ      "<iq xmlns='jabber:client' type='result' id='1'/>"
#define MESSAGE "<message xmlns='jabber:client'/>"
#define ERROR   "<e:error xmlns:e='http://etherx.jabber.org/streams'/>"

static struct jb_stream stream;
static struct jb__arena arena;
static unsigned keys; /* made so far */

static void mask_key(uint8_t key[4])
{
    keys++;
    key[0] = key[1] = key[2] = 0;
    key[3] = (uint8_t)keys;
}

static const struct jb_stream_config config = {
    .limits = { .ws_fragments = 8,
                .stanza_bytes = 10000,
                .preauth_stanza_bytes = 10000,
                .preauth_elements = 100,
                .preauth_depth = 8,
                .xml_depth = 8,
                .xml_attributes = 8,
                .xml_namespaces = 8,
                .xml_elements = 100,
                .xml_name_bytes = 64,
                .deflate_threshold_bytes = 10000 },
    .mask_key = mask_key,
};

static void begin(enum jb_stream_state state)
{
    keys = 0;
    jb_stream_init_client(&stream, &config, &jb_allocator_libc);
    assert_int_equal(jb_stream_open(&stream, JB_STR_NONE, JB_STR("b"), JB_STR_NONE), 0);
    stream.state = (uint8_t)state;
    stream.authenticated = state >= JB_STREAM_STATE_AUTHED;
}

static void end(void)
{
    jb_stream_deinit(&stream);
    jb__arena_reset(&arena);
}

static struct jb_stream_event hear(const char *text)
{
    static char frame[512];
    struct jb_stream_event ev, last;
    size_t n = strlen(text);
    size_t head = jb_ws_write_head(frame, JB_WS_TEXT, false, n, NULL);

    memcpy(frame + head, text, n);
    jb_stream_feed(&stream, frame, head + n);
    jb_stream_next(&stream, &arena, &ev);
    last = ev;
    while (ev.kind != JB_STREAM_EVENT_NONE)
        jb_stream_next(&stream, &arena, &ev);
    return last;
}

/* Rows: in which states a text is taken, as which event; in all others it is a fault. */
static void what_is_told_when(void **state)
{
    enum { S = 1 << 0, O = 1 << 1, A = 1 << 2, B = 1 << 3, D = 1 << 4 };
    static const struct {
        const char *text;
        unsigned states;
        enum jb_stream_event_kind kind;
    } rows[] = {
        { OPEN, S | A, JB_STREAM_EVENT_OPEN },
        { "<open " FRAMING "/>", 0, JB_STREAM_EVENT_NONE },
        { SUCCESS, O, JB_STREAM_EVENT_SASL },
        { IQ, B | D, JB_STREAM_EVENT_STANZA },
        { MESSAGE, D, JB_STREAM_EVENT_STANZA },
        { "<features xmlns='urn:x'/>", O | B | D, JB_STREAM_EVENT_ELEMENT },
        { ERROR, S | O | A | B | D, JB_STREAM_EVENT_ELEMENT },
        { "<close " FRAMING "/>", S | O | A | B | D, JB_STREAM_EVENT_CLOSE },
        { "<a xmlns=''/>", 0, JB_STREAM_EVENT_NONE },
        { "<x xmlns='jabber:client'/>", 0, JB_STREAM_EVENT_NONE },
        { "<failed xmlns='urn:xmpp:sm:3'/>", B | D, JB_STREAM_EVENT_SM_FAILED },
        { "<enabled xmlns='urn:xmpp:sm:3'/>", D, JB_STREAM_EVENT_SM_ENABLED },
        { "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", B, JB_STREAM_EVENT_SM_RESUMED },
        { "<resumed xmlns='urn:xmpp:sm:3' previd='x'/>", 0, JB_STREAM_EVENT_NONE },
        { "<enable xmlns='urn:xmpp:sm:3'/>", 0, JB_STREAM_EVENT_NONE },
        { "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", 0, JB_STREAM_EVENT_NONE },
    };

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        for (unsigned s = JB_STREAM_STATE_START; s <= JB_STREAM_STATE_BOUND; s++) {
            begin((enum jb_stream_state)s);
            struct jb_stream_event ev = hear(rows[k].text);
            assert_int_equal(ev.kind,
                             (rows[k].states >> s) & 1 ? rows[k].kind : JB_STREAM_EVENT_FAULT);
            end();
        }
    }
}

static void nothing_is_open_before_we_opened(void **state)
{
    (void)state;
    begin(JB_STREAM_STATE_START);
    stream.open_sent = false;
    assert_int_equal(hear(OPEN).kind, JB_STREAM_EVENT_FAULT);
    end();
}

static void masked_frames_are_not(void **state)
{
    static const uint8_t key[4] = { 1, 2, 3, 4 };
    char frame[64];
    struct jb_stream_event ev;
    size_t head = jb_ws_write_head(frame, JB_WS_TEXT, false, 4, key);

    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    memcpy(frame + head, "<a/>", 4);
    jb_stream_feed(&stream, frame, head + 4);
    jb_stream_next(&stream, &arena, &ev);
    assert_int_equal(ev.kind, JB_STREAM_EVENT_FAULT);
    assert_int_equal(ev.ws_code, JB_WS_PROTOCOL_ERROR); /* RFC 6455 section 5.1 */
    jb_stream_rest(&stream);
    end();
}

/* Each frame has its own key, control frames and stream management too, and a server reads them. */
static void each_frame_has_a_key_of_its_own(void **state)
{
    static const char *const said[] = { "<open " FRAMING " to='b' xml:lang='en' version='1.0'/>",
                                        "<a xmlns='b'/>", "<r xmlns='urn:xmpp:sm:3'/>" };
    struct jb_ws server;
    struct jb_ws_event ev;
    char out[1024], *p = out;
    unsigned frames = 0, texts = 0;

    (void)state;
    begin(JB_STREAM_STATE_BOUND);
    stream.sm.on = true;
    jb_stream_sm_ask(&stream);
    jb_stream_ping(&stream);
    assert_int_equal(jb_stream_send_raw(&stream, JB_STR("<a xmlns='b'/>")), 0);
    size_t n = jb_stream_render(&stream, out, sizeof out);
    jb_ws_init(&server, JB_ROLE_SERVER, &jb_allocator_libc);
    jb_ws_set_limits(&server, sizeof out, 1);
    while (jb_ws_next(&server, &p, &n, &ev), ev.kind != JB_WS_EVENT_NONE) {
        assert_int_not_equal(ev.kind, JB_WS_EVENT_FAIL);
        frames++;
        if (ev.kind != JB_WS_EVENT_MESSAGE)
            continue;
        assert_str_equal(jb_str(ev.data, ev.bytes), said[texts]);
        texts++;
    }
    assert_int_equal(frames, 4);
    assert_int_equal(texts, 3);
    assert_int_equal(keys, 4);
    jb_ws_deinit(&server);
    end();
}

static int make_arena(void **state)
{
    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, 1 << 20);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    jb__arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_when),
        cmocka_unit_test(nothing_is_open_before_we_opened),
        cmocka_unit_test(masked_frames_are_not),
        cmocka_unit_test(each_frame_has_a_key_of_its_own),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
