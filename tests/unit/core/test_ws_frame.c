/* SPDX-License-Identifier: MIT */
/* Framing after the groups of cases that conformance suites have: every row in both roles, whole,
 * byte by byte, and in random pieces. */
#include "test.h"
#include "failing_alloc.h"
#include "pieces.h"
#include "ws_kit.h"

#include <stdio.h>

enum { MESSAGE_LIMIT = 70000, FRAGMENT_LIMIT = 4 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Appends what happened to a line: `text "Hello"; ping ""; close 1000 "bye"; fail 1002;`. */
static void note(char *line, size_t cap, const struct jb_ws_event *ev)
{
    static const char *const kinds[] = { "", "", "ping", "pong", "close", "fail" };
    size_t n = strlen(line);
    const char *data = ev->data ? ev->data : "";
    int shown = ev->bytes > 40 ? 0 : (int)ev->bytes;

    if (ev->kind == JB_WS_EVENT_CLOSE) /* no reason here has a NUL in it */
        assert_int_equal(strnlen(data, ev->bytes), ev->bytes);
    if (ev->kind == JB_WS_EVENT_MESSAGE)
        snprintf(line + n, cap - n, "%s %zu '%.*s'; ", ev->opcode == JB_WS_TEXT ? "text" : "binary",
                 ev->bytes, shown, data);
    else if (ev->kind == JB_WS_EVENT_CLOSE)
        snprintf(line + n, cap - n, "close %u '%.*s'; ", ev->code, shown, data);
    else if (ev->kind == JB_WS_EVENT_FAIL)
        snprintf(line + n, cap - n, "fail %u; ", ev->code);
    else
        snprintf(line + n, cap - n, "%s '%.*s'; ", kinds[ev->kind], shown, data);
}

/* Decodes as `role` with the input in blocks of their exact size. */
static const char *decode_with(struct jb_ws *ws, const struct wire *w, enum arrival how,
                               struct prng *random)
{
    static char line[2048];
    struct jb_ws_event ev;

    line[0] = '\0';
    for (size_t had = 0; had < w->n;) {
        size_t total = next_total(how, random, had, w->n);
        struct jb_str piece = exact_copy(jb_str(w->p + had, w->n - had), total - had);
        char *p = (char *)(uintptr_t)piece.p;
        size_t n = piece.n;
        while (jb_ws_next(ws, &p, &n, &ev), ev.kind != JB_WS_EVENT_NONE) {
            note(line, sizeof line, &ev);
            if (ev.kind == JB_WS_EVENT_FAIL) {
                assert_non_null(ev.words);
                assert_int_equal(ev.over != JB_LIMIT_COUNT, ev.code == JB_WS_TOO_BIG);
            }
        }
        assert_int_equal(n, 0);
        assert_ptr_equal(p, piece.p + piece.n);
        free((void *)(uintptr_t)piece.p);
        had = total;
    }
    return line;
}

static void check_in(enum jb_role role, const struct wire *w, const char *wanted)
{
    struct prng random = { 0x5eed };

    for (int run = 0; run < ARRIVALS + 8; run++) {
        struct jb_ws ws;
        jb_ws_init(&ws, role, &jb_allocator_libc);
        jb_ws_set_limits(&ws, MESSAGE_LIMIT, FRAGMENT_LIMIT);
        const char *line =
            decode_with(&ws, w, run < ARRIVALS ? (enum arrival)run : RANDOM, &random);
        if (strcmp(line, wanted) != 0)
            fail_msg("role %d, run %d: <%s>, not <%s>", role, run, line, wanted);
        jb_ws_deinit(&ws);
    }
}

struct frame {
    unsigned first;
    struct jb_str data;
};

#define FRAME(first, lit)       \
    {                           \
        first, JB_STR_INIT(lit) \
    }

enum { FRAMES_MOST = 8 };

struct play {
    struct frame frames[FRAMES_MOST]; /* the last has first 0 and no data */
    const char *wanted;
};

/* What happened is told before what comes behind it; nothing counts behind an end. */
static void check_with_more(struct wire *w, enum jb_role sender, const char *wanted)
{
    bool ended = strstr(wanted, "fail") || strstr(wanted, "close");
    char more[256];

    wire_frame(w, sender, 0x89, JB_STR("more"));
    snprintf(more, sizeof more, "%s%s", wanted, ended ? "" : "ping 'more'; ");
    check_in(sender == JB_ROLE_SERVER ? JB_ROLE_CLIENT : JB_ROLE_SERVER, w, more);
}

static void check_plays(const struct play *plays, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int role = JB_ROLE_SERVER; role <= JB_ROLE_CLIENT; role++) {
            enum jb_role sender = role == JB_ROLE_SERVER ? JB_ROLE_CLIENT : JB_ROLE_SERVER;
            struct wire w = { 0 };
            for (const struct frame *f = plays[i].frames;
                 f < plays[i].frames + FRAMES_MOST && (f->first || f->data.p); f++)
                wire_frame(&w, sender, f->first, f->data);
            check_in((enum jb_role)role, &w, plays[i].wanted);
            check_with_more(&w, sender, plays[i].wanted);
            wire_free(&w);
        }
    }
}

static void messages_of_every_size(void **state)
{
    static const size_t sizes[] = { 0,   1,   7,    8,     9,     124,   125,          126,
                                    127, 128, 1000, 65535, 65536, 65537, MESSAGE_LIMIT };
    char wanted[64];
    (void)state;

    for (size_t i = 0; i < COUNT(sizes); i++) {
        char *text = malloc(sizes[i] + 1);
        memset(text, 'x', sizes[i]);
        for (int role = JB_ROLE_SERVER; role <= JB_ROLE_CLIENT; role++) {
            struct wire w = { 0 };
            wire_frame(&w, role == JB_ROLE_SERVER ? JB_ROLE_CLIENT : JB_ROLE_SERVER, 0x82,
                       jb_str(text, sizes[i]));
            snprintf(wanted, sizeof wanted, "binary %zu '%.*s'; ", sizes[i],
                     sizes[i] > 40 ? 0 : (int)sizes[i], text);
            check_in((enum jb_role)role, &w, wanted);
            wire_free(&w);
        }
        free(text);
    }
}

#define X125                                                                                      \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void pings_and_pongs(void **state)
{
    static const struct play plays[] = {
        { { FRAME(0x89, "") }, "ping ''; " },
        { { FRAME(0x89, "Hello") }, "ping 'Hello'; " },
        { { FRAME(0x89, X125) }, "ping ''; " },
        { { FRAME(0x89, X125 "y") }, "fail 1002; " },
        { { FRAME(0x8a, "") }, "pong ''; " },
        { { FRAME(0x8a, "late"), FRAME(0x89, "\xff\xfe"), FRAME(0x81, "a") },
          "pong 'late'; ping '\xff\xfe'; text 1 'a'; " },
        { { FRAME(0x09, "") }, "fail 1002; " },
        { { FRAME(0x0a, "a") }, "fail 1002; " },
        { { FRAME(0x08, "") }, "fail 1002; " },
    };
    (void)state;

    assert_int_equal(sizeof X125, 126);
    check_plays(plays, COUNT(plays));
}

static void reserved_bits_and_opcodes(void **state)
{
    static const unsigned reserved[] = { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 };
    (void)state;

    for (unsigned rsv = 1; rsv < 8; rsv++) {
        for (unsigned opcode = 0; opcode < 11; opcode++) {
            struct play play = { { { 0x80 | rsv << 4 | opcode, JB_STR("a") } }, "fail 1002; " };
            if (opcode < 3 || opcode > 7)
                check_plays(&play, 1);
        }
    }
    for (size_t i = 0; i < COUNT(reserved); i++) {
        struct play play = { { FRAME(0x81, "a"), { 0x80 | reserved[i], JB_STR("") } },
                             "text 1 'a'; fail 1002; " };
        check_plays(&play, 1);
        play = (struct play){ { FRAME(0x01, "a"), { 0x80 | reserved[i], JB_STR("b") } },
                              "fail 1002; " };
        check_plays(&play, 1);
    }
}

static void fragments(void **state)
{
    static const struct play plays[] = {
        { { FRAME(0x01, "Hel"), FRAME(0x80, "lo") }, "text 5 'Hello'; " },
        { { FRAME(0x02, "Hel"), FRAME(0x00, "l"), FRAME(0x80, "o") }, "binary 5 'Hello'; " },
        { { FRAME(0x01, ""), FRAME(0x00, ""), FRAME(0x80, "") }, "text 0 ''; " },
        { { FRAME(0x01, ""), FRAME(0x80, "a") }, "text 1 'a'; " },
        { { FRAME(0x01, "a"), FRAME(0x80, "") }, "text 1 'a'; " },
        { { FRAME(0x01, "a"), FRAME(0x89, "p"), FRAME(0x00, "b"), FRAME(0x8a, ""), FRAME(0x80, "c"),
            FRAME(0x81, "d") },
          "ping 'p'; pong ''; text 3 'abc'; text 1 'd'; " },
        { { FRAME(0x01, "a"), FRAME(0x00, "b"), FRAME(0x00, "c"), FRAME(0x80, "d") },
          "text 4 'abcd'; " },
        { { FRAME(0x01, "a"), FRAME(0x00, "b"), FRAME(0x00, "c"), FRAME(0x00, "d"),
            FRAME(0x80, "e") },
          "fail 1009; " },
        { { FRAME(0x80, "a") }, "fail 1002; " },
        { { FRAME(0x00, "a") }, "fail 1002; " },
        { { FRAME(0x81, "a"), FRAME(0x80, "b") }, "text 1 'a'; fail 1002; " },
        { { FRAME(0x01, "a"), FRAME(0x81, "b") }, "fail 1002; " },
        { { FRAME(0x01, "a"), FRAME(0x02, "b") }, "fail 1002; " },
        { { FRAME(0x01, "a"), FRAME(0x88, "\x03\xe8"), FRAME(0x80, "b") }, "close 1000 ''; " },
    };
    (void)state;

    check_plays(plays, COUNT(plays));
}

/* Adversarial case 20 at the level of frames: what is not UTF-8 never becomes a message. */
static void text_is_utf8(void **state)
{
    static const struct play plays[] = {
        { { FRAME(0x81, "\xce\xba\xe1\xbd\xb9") }, "text 5 '\xce\xba\xe1\xbd\xb9'; " },
        { { FRAME(0x01, "\xf0\x9f"), FRAME(0x80, "\x98\x80") }, "text 4 '\xf0\x9f\x98\x80'; " },
        { { FRAME(0x01, "\xf0\x9f"), FRAME(0x89, "\xf0"), FRAME(0x80, "\x98\x80") },
          "ping '\xf0'; text 4 '\xf0\x9f\x98\x80'; " },
        { { FRAME(0x81, "\xc0\x80") }, "fail 1007; " },
        { { FRAME(0x81, "a\xe0\x80\x80") }, "fail 1007; " },
        { { FRAME(0x81, "\xf0\x80\x80\x80") }, "fail 1007; " },
        { { FRAME(0x81, "\xed\xa0\x80") }, "fail 1007; " },
        { { FRAME(0x81, "\xf4\x90\x80\x80") }, "fail 1007; " },
        { { FRAME(0x81, "\xe2\x82") }, "fail 1007; " },
        { { FRAME(0x81, "\xe2<\"") }, "fail 1007; " },
        { { FRAME(0x01, "\xe2\x82"), FRAME(0x80, "") }, "fail 1007; " },
        { { FRAME(0x01, "\xe2\x82"), FRAME(0x80, "a") }, "fail 1007; " },
        { { FRAME(0x01, "\xff"), FRAME(0x80, "a") }, "fail 1007; " },
        { { FRAME(0x02, "\xff"), FRAME(0x80, "\xfe") }, "binary 2 '\xff\xfe'; " },
        { { FRAME(0x82, "\xff"), FRAME(0x81, "a") }, "binary 1 '\xff'; text 1 'a'; " },
    };
    (void)state;

    check_plays(plays, COUNT(plays));
}

/* Bad text fails with its first impossible byte, although more of the frame is to come. */
static void bad_text_fails_fast(void **state)
{
    char frame[] = "\x81\x05"
                   "ab\xff";
    char *p = frame;
    size_t n = sizeof frame - 1;
    struct jb_ws ws;
    struct jb_ws_event ev;
    (void)state;

    jb_ws_init(&ws, JB_ROLE_CLIENT, &jb_allocator_libc);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, FRAGMENT_LIMIT);
    jb_ws_next(&ws, &p, &n, &ev);
    assert_int_equal(ev.kind, JB_WS_EVENT_FAIL);
    assert_int_equal(ev.code, JB_WS_BAD_DATA);
    jb_ws_deinit(&ws);
}

static void closes(void **state)
{
    static const struct play plays[] = {
        { { FRAME(0x88, "") }, "close 1005 ''; " },
        { { FRAME(0x88, "\x03") }, "fail 1002; " },
        { { FRAME(0x88, "\x03\xe8") }, "close 1000 ''; " },
        { { FRAME(0x88, "\x03\xe8"
                        "bye") },
          "close 1000 'bye'; " },
        { { FRAME(0x89, "\xff\xff\xff\xff\xff\xff\xff"), FRAME(0x88, "\x03\xe8\xce\xba") },
          "ping '\xff\xff\xff\xff\xff\xff\xff'; close 1000 '\xce\xba'; " },
        { { FRAME(0x88, "\x03\xe8\xce\xba") }, "close 1000 '\xce\xba'; " },
        { { FRAME(0x88, "\x03\xe8\xce") }, "fail 1007; " },
        { { FRAME(0x88, "\x03\xe8\xff") }, "fail 1007; " },
        { { FRAME(0x88, "\x03\xe8" X125) }, "fail 1002; " },
        /* nothing counts after a close, or after a failure */
        { { FRAME(0x88, ""), FRAME(0x89, ""), FRAME(0x81, "a"), FRAME(0x88, "") },
          "close 1005 ''; " },
        { { FRAME(0x83, ""), FRAME(0x89, ""), FRAME(0x88, "") }, "fail 1002; " },
    };
    (void)state;

    check_plays(plays, COUNT(plays));
    for (unsigned code = 0; code < 65536; code++) {
        bool allowed = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                       (code >= 3000 && code <= 4999);
        assert_int_equal(jb_ws_code_allowed(code), allowed);
    }
}

static void forbidden_close_codes(void **state)
{
    static const unsigned codes[] = { 0,    1,    999,  1004, 1005, 1006, 1015,
                                      1016, 1100, 2000, 2999, 5000, 65535 };
    (void)state;

    for (size_t i = 0; i < COUNT(codes); i++) {
        char payload[2] = { (char)(codes[i] >> 8), (char)codes[i] };
        struct play play = { { { 0x88, jb_str(payload, 2) } }, "fail 1002; " };
        check_plays(&play, 1);
    }
}

static void masks_by_role(void **state)
{
    (void)state;

    for (int role = JB_ROLE_SERVER; role <= JB_ROLE_CLIENT; role++) {
        static const unsigned firsts[] = { 0x81, 0x89, 0x88 };
        for (size_t i = 0; i < COUNT(firsts); i++) {
            struct wire w = { 0 };
            wire_frame(&w, (enum jb_role)role, firsts[i], JB_STR("")); /* as if from ourselves */
            check_in((enum jb_role)role, &w, "fail 1002; ");
            wire_free(&w);
        }
    }
}

static void says_who_must_mask(void **state)
{
    static const char *const words[] = { [JB_ROLE_SERVER] = "a client's frame must be masked",
                                         [JB_ROLE_CLIENT] = "a server's frame must not be masked" };
    (void)state;

    for (int role = JB_ROLE_SERVER; role <= JB_ROLE_CLIENT; role++) {
        struct jb_ws ws;
        struct jb_ws_event ev;
        struct wire w = { 0 };
        wire_frame(&w, (enum jb_role)role, 0x81, JB_STR(""));
        char *p = w.p;
        size_t n = w.n;
        jb_ws_init(&ws, (enum jb_role)role, &jb_allocator_libc);
        jb_ws_next(&ws, &p, &n, &ev);
        assert_string_equal(ev.words, words[role]);
        jb_ws_deinit(&ws);
        wire_free(&w);
    }
}

/* Lengths: the shortest form only, 63 bits at most, and nothing over the limit is waited for. */
static void lengths(void **state)
{
    static const struct {
        struct jb_str head;
        const char *wanted;
    } rows[] = {
        { JB_STR_INIT("\x82\x7e\x00\x7d"), "fail 1002; " },
        { JB_STR_INIT("\x82\x7e\x00\x00"), "fail 1002; " },
        { JB_STR_INIT("\x82\x7e\x00\x7e"), "" },
        { JB_STR_INIT("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "fail 1002; " },
        { JB_STR_INIT("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), "" },
        { JB_STR_INIT("\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70"), "" },
        { JB_STR_INIT("\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x71"), "fail 1009; " },
        { JB_STR_INIT("\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00"), "fail 1009; " },
        { JB_STR_INIT("\x82\x7f\x01\x00\x00\x00\x00\x01\x00\x00"), "fail 1009; " },
        { JB_STR_INIT("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"), "fail 1009; " },
        { JB_STR_INIT("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), "fail 1002; " },
        { JB_STR_INIT("\x89\x7e"), "fail 1002; " }, /* at the second byte already */
        { JB_STR_INIT("\x89\x7f"), "fail 1002; " },
        { JB_STR_INIT("\x01\x01"
                      "a\x00\x7f\x00\x00\x00\x00\x00\x01\x11\x6f"),
          "" },
        { JB_STR_INIT("\x01\x01"
                      "a\x00\x7f\x00\x00\x00\x00\x00\x01\x11\x70"),
          "fail 1009; " },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct wire w = { 0 };
        wire_put(&w, rows[i].head.p, rows[i].head.n);
        check_in(JB_ROLE_CLIENT, &w, rows[i].wanted);
        wire_free(&w);
    }
}

static void heads_are_written_in_the_shortest_form(void **state)
{
    static const uint8_t mask[4] = { 1, 2, 3, 4 };
    char head[JB_WS_HEAD_BYTES];
    (void)state;

    assert_int_equal(jb_ws_write_head(head, JB_WS_TEXT, false, 125, NULL), 2);
    assert_memory_equal(head, "\x81\x7d", 2);
    assert_int_equal(jb_ws_write_head(head, JB_WS_TEXT, true, 126, NULL), 4);
    assert_memory_equal(head, "\xc1\x7e\x00\x7e", 4);
    assert_int_equal(jb_ws_write_head(head, JB_WS_PONG, false, 0, mask), 6);
    assert_memory_equal(head, "\x8a\x80\x01\x02\x03\x04", 6);
    assert_int_equal(jb_ws_write_head(head, JB_WS_BINARY, false, 65535, NULL), 4);
    assert_memory_equal(head, "\x82\x7e\xff\xff", 4);
    assert_int_equal(jb_ws_write_head(head, JB_WS_BINARY, false, 65536, mask), 14);
    assert_memory_equal(head, "\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00\x01\x02\x03\x04", 14);
}

static void masking_at_every_alignment(void **state)
{
    static const uint8_t mask[4] = { 0x80, 0x01, 0xfe, 0x37 };
    (void)state;

    for (size_t n = 0; n < 40; n++) {
        for (unsigned at = 0; at < 8; at++) {
            for (size_t shift = 0; shift < 8; shift++) {
                char block[64], plain[64];
                memset(block, 'a', sizeof block);
                memset(plain, 'a', sizeof plain);
                for (size_t i = 0; i < n; i++)
                    plain[shift + i] = (char)('a' ^ mask[(at + i) & 3]);
                jb_ws_mask(block + shift, n, mask, at);
                assert_memory_equal(block, plain, sizeof block);
            }
        }
    }
}

/* What a header promises takes no memory; what arrives takes at most twice its size. */
static size_t held;

static void *counting_resize(void *ctx, void *p, size_t n)
{
    (void)ctx;
    held = n;
    return realloc(p, n);
}

static void counting_release(void *ctx, void *p)
{
    (void)ctx;
    held = 0;
    free(p);
}

static void memory_follows_what_arrives(void **state)
{
    static const struct jb_allocator counting = { counting_resize, counting_release, NULL };
    char head[] = "\x02\x7f\x00\x00\x00\x00\x00\x01\x11\x00";
    char *p = head;
    size_t n = sizeof head - 1;
    struct jb_ws ws;
    struct jb_ws_event ev;
    (void)state;

    jb_ws_init(&ws, JB_ROLE_CLIENT, &counting);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, FRAGMENT_LIMIT);
    jb_ws_next(&ws, &p, &n, &ev);
    assert_int_equal(held, 0);
    for (size_t arrived = 0; arrived < 0x11100;) {
        char bytes[100] = { 0 };
        p = bytes;
        n = 0x11100 - arrived < sizeof bytes ? 0x11100 - arrived : sizeof bytes;
        arrived += n;
        jb_ws_next(&ws, &p, &n, &ev);
        assert_int_equal(ev.kind, JB_WS_EVENT_NONE);
        assert_true(held <= 64 + 2 * arrived && held <= MESSAGE_LIMIT);
    }
    /* Handed out, the message is freed with the next call; a failure frees at once. */
    char last[] = "\x80\x00";
    p = last;
    n = 2;
    jb_ws_next(&ws, &p, &n, &ev);
    assert_int_equal(ev.kind, JB_WS_EVENT_MESSAGE);
    assert_int_equal(ev.bytes, 0x11100);
    assert_true(held > 0);
    jb_ws_next(&ws, &p, &n, &ev);
    assert_int_equal(held, 0);
    char wrong[] = "\x02\x01"
                   "a\x83";
    p = wrong;
    n = 5;
    jb_ws_next(&ws, &p, &n, &ev);
    assert_int_equal(ev.kind, JB_WS_EVENT_FAIL);
    assert_int_equal(held, 0);
    jb_ws_deinit(&ws);
}

/* A reload may lower the limit below what a message in progress has already. */
static void a_message_keeps_the_limit_it_began_with(void **state)
{
    struct prng random = { 1 };
    struct wire w = { 0 };
    struct jb_ws ws;
    (void)state;

    jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
    jb_ws_set_limits(&ws, 10, FRAGMENT_LIMIT);
    wire_frame(&w, JB_ROLE_CLIENT, 0x01, JB_STR("12345678"));
    assert_string_equal(decode_with(&ws, &w, WHOLE, &random), "");
    jb_ws_set_limits(&ws, 4, FRAGMENT_LIMIT);
    w.n = 0;
    wire_frame(&w, JB_ROLE_CLIENT, 0x80, JB_STR("9"));
    assert_string_equal(decode_with(&ws, &w, WHOLE, &random), "text 9 '123456789'; ");
    w.n = 0;
    wire_frame(&w, JB_ROLE_CLIENT, 0x81, JB_STR("1234"));
    wire_frame(&w, JB_ROLE_CLIENT, 0x81, JB_STR("12345"));
    assert_string_equal(decode_with(&ws, &w, WHOLE, &random), "text 4 '1234'; fail 1009; ");
    jb_ws_deinit(&ws);

    jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
    jb_ws_set_limits(&ws, 10, FRAGMENT_LIMIT);
    w.n = 0;
    wire_frame(&w, JB_ROLE_CLIENT, 0x01, JB_STR("12345678"));
    assert_string_equal(decode_with(&ws, &w, WHOLE, &random), "");
    jb_ws_set_limits(&ws, 4, FRAGMENT_LIMIT);
    w.n = 0;
    wire_frame(&w, JB_ROLE_CLIENT, 0x80, JB_STR("9ab"));
    assert_string_equal(decode_with(&ws, &w, WHOLE, &random), "fail 1009; ");
    wire_free(&w);
    jb_ws_deinit(&ws);
}

/* Before anybody has set limits, the least there is: a byte, in one piece. */
static void is_born_with_limits(void **state)
{
    static const struct play plays[] = {
        { { FRAME(0x82, "a"), FRAME(0x82, "ab") }, "binary 1 'a'; fail 1009; " },
        { { FRAME(0x02, ""), FRAME(0x80, "a") }, "fail 1009; " },
    };
    struct prng random = { 1 };
    (void)state;

    for (size_t i = 0; i < COUNT(plays); i++) {
        struct wire w = { 0 };
        struct jb_ws ws;
        jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
        for (int k = 0; k < 2; k++)
            wire_frame(&w, JB_ROLE_CLIENT, plays[i].frames[k].first, plays[i].frames[k].data);
        assert_string_equal(decode_with(&ws, &w, WHOLE, &random), plays[i].wanted);
        wire_free(&w);
        jb_ws_deinit(&ws);
    }
}

/* Stands for an inflater: doubles each byte; '!' is not valid, '?' finds no memory. */
static int double_bytes(void *ctx, struct jb_str piece, bool last, struct jb__buf *out)
{
    unsigned *ends = ctx;

    *ends += last;
    for (size_t i = 0; i < piece.n; i++) {
        char twice[2] = { piece.p[i], piece.p[i] };
        int rc = piece.p[i] == '!'   ? JB_EINVAL
                 : piece.p[i] == '?' ? JB_ENOMEM
                                     : jb__buf_append(out, twice, 2);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void check_inflated(const struct frame *frames, size_t count, const char *wanted,
                           unsigned wanted_ends)
{
    struct prng random = { 77 };
    struct wire w = { 0 };

    for (size_t i = 0; i < count; i++)
        wire_frame(&w, JB_ROLE_CLIENT, frames[i].first, frames[i].data);
    for (int how = 0; how < ARRIVALS; how++) {
        unsigned ends = 0;
        const struct jb_ws_inflater inflater = { double_bytes, &ends };
        struct jb_ws ws;
        jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
        jb_ws_set_limits(&ws, 10, FRAGMENT_LIMIT);
        ws.inflate = &inflater;
        assert_string_equal(decode_with(&ws, &w, (enum arrival)how, &random), wanted);
        assert_int_equal(ends, wanted_ends);
        jb_ws_deinit(&ws);
    }
    wire_free(&w);
}

/* What arrives whole is handed out where it lies, in no memory of ours. */
static void a_whole_message_is_not_copied(void **state)
{
    struct wire w = { 0 };
    struct jb_ws ws;
    struct jb_ws_event ev;
    (void)state;

    wire_frame(&w, JB_ROLE_CLIENT, 0x81, JB_STR("Hello"));
    wire_frame(&w, JB_ROLE_CLIENT, 0x82, JB_STR("you"));
    char *p = w.p;
    size_t n = w.n;
    jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, 1);
    jb_ws_next(&ws, &p, &n, &ev);
    assert_ptr_equal(ev.data, w.p + 6);
    jb_ws_next(&ws, &p, &n, &ev);
    assert_ptr_equal(ev.data, w.p + 11 + 6);
    assert_null(ws.message.p);
    jb_ws_deinit(&ws);
    wire_free(&w);
}

static void compressed_messages(void **state)
{
    static const struct frame whole[] = { FRAME(0xc1, "abc"), FRAME(0x81, "plain") };
    static const struct frame cut[] = { FRAME(0x41, "a"), FRAME(0x89, "p"), FRAME(0x80, "b") };
    static const struct frame empty[] = { FRAME(0xc2, ""), FRAME(0x41, ""), FRAME(0x80, "") };
    static const struct frame big[] = { FRAME(0xc2, "abcdef") };
    static const struct frame bad[] = { FRAME(0xc2, "!") };
    static const struct frame memory[] = { FRAME(0xc2, "?") };
    static const struct frame not_text[] = { FRAME(0xc1, "\xce\xba") };
    static const struct frame second[] = { FRAME(0x41, "a"), FRAME(0xc0, "b") };
    static const struct frame control[] = { FRAME(0xc9, "") };
    static const struct frame more[] = { FRAME(0xe1, "a") };
    (void)state;

    check_inflated(whole, 2, "text 6 'aabbcc'; text 5 'plain'; ", 1);
    check_inflated(cut, 3, "ping 'p'; text 4 'aabb'; ", 1);
    check_inflated(empty, 3, "binary 0 ''; text 0 ''; ", 2);
    check_inflated(bad, 1, "fail 1007; ", 1);
    check_inflated(memory, 1, "fail 1011; ", 1);
    check_inflated(second, 2, "fail 1002; ", 0);
    check_inflated(control, 1, "fail 1002; ", 0);
    check_inflated(more, 1, "fail 1002; ", 0);
    struct jb_ws ws;
    struct prng random = { 5 };
    struct wire w = { 0 };
    unsigned ends = 0;
    const struct jb_ws_inflater inflater = { double_bytes, &ends };
    static const struct {
        const struct frame *frame;
        const char *wanted;
    } rows[] = { { big, "fail 1009; " }, { not_text, "fail 1007; " } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        jb_ws_init(&ws, JB_ROLE_SERVER, &jb_allocator_libc);
        jb_ws_set_limits(&ws, 10, FRAGMENT_LIMIT);
        ws.inflate = &inflater;
        w.n = 0;
        wire_frame(&w, JB_ROLE_CLIENT, rows[i].frame->first, rows[i].frame->data);
        assert_string_equal(decode_with(&ws, &w, WHOLE, &random), rows[i].wanted);
        jb_ws_deinit(&ws);
    }
    wire_free(&w);
}

static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    const struct wire *w = ctx;
    struct prng random = { 3 };
    struct jb_ws ws;

    jb_ws_init(&ws, JB_ROLE_SERVER, &f->alloc);
    jb_ws_set_limits(&ws, MESSAGE_LIMIT, FRAGMENT_LIMIT);
    const char *line = decode_with(&ws, w, BYTEWISE, &random);
    assert_string_equal(line, f->failed ? "fail 1011; " : "text 200 ''; ");
    jb_ws_deinit(&ws);
}

static void out_of_memory(void **state)
{
    struct wire w = { 0 };
    char text[200];
    (void)state;

    memset(text, 'a', sizeof text);
    wire_frame(&w, JB_ROLE_CLIENT, 0x01, jb_str(text, 100));
    wire_frame(&w, JB_ROLE_CLIENT, 0x80, jb_str(text, 100));
    assert_true(failing_alloc_loop(short_of_memory, &w) > 1);
    wire_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_size),
        cmocka_unit_test(pings_and_pongs),
        cmocka_unit_test(reserved_bits_and_opcodes),
        cmocka_unit_test(fragments),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(bad_text_fails_fast),
        cmocka_unit_test(closes),
        cmocka_unit_test(forbidden_close_codes),
        cmocka_unit_test(masks_by_role),
        cmocka_unit_test(says_who_must_mask),
        cmocka_unit_test(lengths),
        cmocka_unit_test(heads_are_written_in_the_shortest_form),
        cmocka_unit_test(masking_at_every_alignment),
        cmocka_unit_test(memory_follows_what_arrives),
        cmocka_unit_test(is_born_with_limits),
        cmocka_unit_test(a_message_keeps_the_limit_it_began_with),
        cmocka_unit_test(a_whole_message_is_not_copied),
        cmocka_unit_test(compressed_messages),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
