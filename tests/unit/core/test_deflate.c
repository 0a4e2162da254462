/* SPDX-License-Identifier: MIT */
#include "core/deflate.h"
#include "failing_alloc.h"
#include "pieces.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct jb_str chat = JB_STR_INIT(
    "<message xmlns='jabber:client' from='romeo@montague.example/orchard' "
    "to='juliet@capulet.example/balcony' type='chat' id='3f2a9c1e-77d0-4b0e-9f63-1c2d3e4f5a6b'>"
    "<body>Art thou not Romeo, and a Montague? Neither, fair saint, if either thee dislike.</body>"
    "<active xmlns='http://jabber.org/protocol/chatstates'/></message>");

/* ---- an allocator that counts bytes ---- */

struct counter {
    struct jb_allocator alloc;
    size_t live, peak;
};

static void *counting_resize(void *ctx, void *p, size_t n)
{
    struct counter *c = ctx;
    size_t *block = p ? (size_t *)p - 2 : NULL;

    c->live += n - (block ? *block : 0);
    /* realloc may hold both blocks for a moment: count it so */
    size_t now = c->live + (block ? *block : 0);
    c->peak = now > c->peak ? now : c->peak;
    block = realloc(block, n + 2 * sizeof *block);
    *block = n;
    return block + 2;
}

static void counting_release(void *ctx, void *p)
{
    struct counter *c = ctx;

    if (!p)
        return;
    c->live -= ((size_t *)p)[-2];
    free((size_t *)p - 2);
}

static struct counter counter;
static struct jb__codec codec;

static int setup(void **state)
{
    (void)state;
    counter = (struct counter){ { counting_resize, counting_release, &counter }, 0, 0 };
    jb__codec_init(&codec, &counter.alloc, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    jb__codec_deinit(&codec);
    assert_int_equal(counter.live, 0);
    return 0;
}

/* Inflates one message, arriving as `how` says; *out is initialised here with the bound `max`. */
static int inflate_message(struct jb_str in, enum arrival how, struct prng *r, size_t max,
                           struct jb__buf *out)
{
    struct jb__inflate m;
    size_t n = 0;
    int rc = jb__inflate_begin(&codec, &m);

    jb__buf_init(out, codec.alloc, max);
    while (rc == 0) {
        size_t had = n;
        n = next_total(how, r, n, in.n);
        struct jb_str piece = exact_copy(jb_str_from(in, had), n - had);
        rc = jb__inflate_piece(&codec, &m, piece, n == in.n, out);
        free((void *)(uintptr_t)piece.p);
        if (n == in.n)
            break;
    }
    jb__inflate_end(&codec, &m);
    return rc;
}

static void expect_text(struct jb_str in, struct jb_str text)
{
    struct prng r = { 7 };

    for (int round = 0; round < 5; round++) {
        struct jb__buf out;
        enum arrival how = round < 2 ? (enum arrival)round : RANDOM;
        assert_int_equal(inflate_message(in, how, &r, text.n, &out), 0);
        assert_true(jb_str_eq(jb__buf_str(&out), text));
        jb__buf_deinit(&out);
    }
}

/* The examples of RFC 7692 7.2.3. */
static void reads_the_examples_of_the_rfc(void **state)
{
    (void)state;
    expect_text(JB_STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), JB_STR("Hello"));
    /* a stored block */
    expect_text(JB_STR("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), JB_STR("Hello"));
    /* a block marked final */
    expect_text(JB_STR("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), JB_STR("Hello"));
    /* two blocks */
    expect_text(JB_STR("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), JB_STR("Hello"));
    /* no bytes; and what a sender who forgets the empty block sends */
    expect_text(JB_STR("\x00"), JB_STR(""));
    expect_text(JB_STR(""), JB_STR(""));
    expect_text(JB_STR("\xf3\x48\xcd\xc9\xc9\x07\x00"), JB_STR("Hello"));
}

static void refuses_what_is_no_stream(void **state)
{
    static const struct jb_str bad[] = {
        JB_STR_INIT("\xff"),
        JB_STR_INIT("Hello"),
        JB_STR_INIT("\xf2\x48\xcd\xc9"),                     /* ends inside a block */
        JB_STR_INIT("\x00\x05\x00\xfa\xff\x48"),             /* ends inside a stored block */
        JB_STR_INIT("\x00\x05\x00\xfb\xff\x48\x65\x6c\x6c"), /* wrong length check */
        JB_STR_INIT("\xf2\x02\x42\x00"),                     /* looks back before the start */
    };
    struct prng r = { 3 };
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (enum arrival how = WHOLE; how < ARRIVALS; how++) {
            struct jb__buf out;
            int rc = inflate_message(bad[i], how, &r, 1000, &out);
            if (rc != JB_EINVAL)
                fail_msg("%zu: %d", i, rc);
            jb__buf_deinit(&out);
        }
}

static void is_its_own_inverse(void **state)
{
    static char text[100000];
    struct prng r = { 17 };
    (void)state;

    for (int round = 0; round < 60; round++) {
        struct jb__buf out;
        size_t n = round < 8 ? (size_t)round : prng_below(&r, sizeof text);
        size_t variety = 1 + prng_below(&r, 256);
        uint8_t bits = (uint8_t)(9 + prng_below(&r, 7));
        for (size_t i = 0; i < n; i++)
            text[i] = (char)prng_below(&r, variety);
        jb__buf_init(&out, codec.alloc, 200000);
        assert_int_equal(jb__deflate_message(&codec, jb_str(text, n), bits, &out), 0);
        assert_true(out.n > 0);
        if (n < 2000 || round % 10 == 0)
            expect_text(jb__buf_str(&out), jb_str(text, n));
        struct jb__buf back;
        assert_int_equal(inflate_message(jb__buf_str(&out), WHOLE, &r, n, &back), 0);
        assert_true(jb_str_eq(jb__buf_str(&back), jb_str(text, n)));
        jb__buf_deinit(&back);
        jb__buf_deinit(&out);
    }
}

/* No context is taken over: the same message gives the same bytes, which stand alone. */
static void takes_no_context_over(void **state)
{
    struct jb__buf a, b;
    (void)state;

    jb__buf_init(&a, codec.alloc, 1000);
    jb__buf_init(&b, codec.alloc, 1000);
    assert_int_equal(jb__deflate_message(&codec, chat, 15, &a), 0);
    assert_int_equal(jb__deflate_message(&codec, chat, 15, &b), 0);
    assert_true(jb_str_eq(jb__buf_str(&a), jb__buf_str(&b)));
    assert_true(a.n < chat.n * 3 / 4);
    expect_text(jb__buf_str(&b), chat);
    jb__buf_deinit(&a);
    jb__buf_deinit(&b);
}

/* Case 17: a bomb inflates to its bound and not one byte further, in bounded memory. */
static void stops_a_bomb(void **state)
{
    enum { BOUND = 256 * 1024 };
    static char zeros[1 << 20];
    struct jb__buf bomb, out;
    struct prng r = { 23 };
    (void)state;

    jb__buf_init(&bomb, &jb_allocator_libc, 1 << 20);
    for (int i = 0; i < 64; i++) {
        assert_int_equal(jb__deflate_message(&codec, jb_str(zeros, sizeof zeros), 15, &bomb), 0);
        assert_int_equal(jb__buf_append(&bomb, "\0\0\xff\xff", 4), 0);
    }
    jb__codec_deinit(&codec); /* the deflater's memory is not in question */
    for (enum arrival how = WHOLE; how < ARRIVALS; how++) {
        counter.peak = counter.live;
        assert_int_equal(inflate_message(jb__buf_str(&bomb), how, &r, BOUND, &out), JB_EFULL);
        assert_int_equal(out.n, BOUND);
        assert_true(out.cap <= BOUND);
        assert_true(counter.peak <= BOUND + BOUND / 2 + 64 * 1024);
        jb__buf_deinit(&out);
    }
    jb__buf_deinit(&bomb);
}

/* bound - 1, bound, bound + 1 */
static void bounds_exactly(void **state)
{
    struct jb__buf packed, out;
    struct prng r = { 29 };
    (void)state;

    jb__buf_init(&packed, codec.alloc, 1000);
    assert_int_equal(jb__deflate_message(&codec, chat, 15, &packed), 0);
    for (int over = -1; over <= 1; over++)
        for (enum arrival how = WHOLE; how < ARRIVALS; how++) {
            int rc =
                inflate_message(jb__buf_str(&packed), how, &r, (size_t)((int)chat.n + over), &out);
            assert_int_equal(rc, over < 0 ? JB_EFULL : 0);
            jb__buf_deinit(&out);
        }
    for (size_t max = 0; max <= packed.n + 8; max++) {
        jb__buf_init(&out, codec.alloc, max);
        int rc = jb__deflate_message(&codec, chat, 15, &out);
        assert_int_equal(rc == 0, out.n > 0);
        assert_true(rc == 0 || rc == JB_EFULL);
        assert_true(rc == 0 || max < packed.n + 5); /* the flush marker needs room, too */
        jb__buf_deinit(&out);
    }
    jb__buf_deinit(&packed);
}

/* Messages in progress on several connections do not mix; an idle codec keeps one inflater. */
static void holds_several_messages(void **state)
{
    const struct jb_str first = JB_STR("\xf2\x48\xcd"), rest = JB_STR("\xc9\xc9\x07\x00");
    struct jb__inflate m[3];
    struct jb__buf out[3];
    (void)state;

    for (size_t i = 0; i < 3; i++) {
        jb__buf_init(&out[i], codec.alloc, 100);
        assert_int_equal(jb__inflate_begin(&codec, &m[i]), 0);
        assert_int_equal(jb__inflate_piece(&codec, &m[i], first, false, &out[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        size_t k = (i + 1) % 3; /* ends from the middle of the list too */
        assert_int_equal(jb__inflate_piece(&codec, &m[k], rest, true, &out[k]), 0);
        assert_true(jb_str_eqz(jb__buf_str(&out[k]), "Hello"));
        jb__inflate_end(&codec, &m[k]);
        jb__inflate_end(&codec, &m[k]);
        jb__buf_deinit(&out[k]);
    }
    assert_int_equal(codec.count, 1);
    assert_non_null(codec.idle);
    assert_true(counter.live < 48 * 1024);
}

/* At the limit the oldest message gives way, and its owner is told. */
static void takes_over_the_oldest(void **state)
{
    struct jb__inflate slow[3], fresh;
    struct jb__buf out;
    (void)state;

    jb__buf_init(&out, codec.alloc, 100);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(jb__inflate_begin(&codec, &slow[i]), 0);
    for (int i = 0; i < 100; i++) {
        out.n = 0;
        assert_int_equal(jb__inflate_begin(&codec, &fresh), 0);
        assert_int_equal(
            jb__inflate_piece(&codec, &fresh, JB_STR("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, &out),
            0);
        assert_true(jb_str_eqz(jb__buf_str(&out), "Hello"));
        jb__inflate_end(&codec, &fresh);
    }
    assert_int_equal(codec.count, 3);
    assert_int_equal(jb__inflate_piece(&codec, &slow[0], JB_STR("\xf2"), false, &out), JB_ECLOSED);
    assert_int_equal(jb__inflate_piece(&codec, &slow[1], JB_STR("\xf2"), false, &out), 0);
    for (size_t i = 0; i < 3; i++)
        jb__inflate_end(&codec, &slow[i]);
    assert_null(codec.oldest);
    assert_null(codec.newest);
    struct jb__inflate none = { 0 };
    jb__inflate_end(&codec, &none);
    assert_int_equal(jb__inflate_piece(&codec, &none, JB_STR("x"), true, &out), JB_ECLOSED);
    jb__buf_deinit(&out);
}

static void survives_mutation(void **state)
{
    struct jb__buf packed;
    struct prng r = { 41 };
    char bytes[1024];
    (void)state;

    jb__buf_init(&packed, codec.alloc, sizeof bytes);
    assert_int_equal(jb__deflate_message(&codec, chat, 15, &packed), 0);
    for (int round = 0; round < 3000; round++) {
        struct jb__buf a, b;
        memcpy(bytes, packed.p, packed.n);
        for (size_t k = 1 + prng_below(&r, 3); k > 0; k--)
            bytes[prng_below(&r, packed.n)] = (char)prng_below(&r, 256);
        struct jb_str in = jb_str(bytes, 1 + prng_below(&r, packed.n));
        int whole = inflate_message(in, WHOLE, &r, 1000, &a);
        int pieces = inflate_message(in, RANDOM, &r, 1000, &b);
        assert_int_equal(whole, pieces);
        assert_true(whole != 0 || jb_str_eq(jb__buf_str(&a), jb__buf_str(&b)));
        jb__buf_deinit(&a);
        jb__buf_deinit(&b);
    }
    jb__buf_deinit(&packed);
}

static void round_trip_scenario(struct failing_alloc *f, void *ctx)
{
    struct jb__buf packed, out;
    struct prng r = { 1 };
    (void)ctx;

    jb__codec_init(&codec, &f->alloc, 2);
    jb__buf_init(&packed, &f->alloc, 1000);
    jb__buf_init(&out, &f->alloc, 0);
    int rc = jb__deflate_message(&codec, chat, 12, &packed);
    if (rc == 0)
        rc = inflate_message(jb__buf_str(&packed), BYTEWISE, &r, 1000, &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    jb__buf_deinit(&packed);
    jb__buf_deinit(&out);
    jb__codec_deinit(&codec);
}

static void survives_no_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(round_trip_scenario, NULL) > 8);
}

/* In three pieces, an empty one among them, it is the same message; and it may arrive in pieces. */
static void takes_a_message_in_pieces(void **state)
{
    struct jb__buf packed, out;
    struct jb__inflate m = { 0 };
    (void)state;

    jb__buf_init(&packed, &counter.alloc, 4096);
    jb__buf_init(&out, &counter.alloc, chat.n);
    for (size_t cut = 0; cut <= chat.n; cut += 13) {
        const struct jb_str pieces[3] = { jb_str(chat.p, cut), JB_STR_NONE,
                                          jb_str(chat.p + cut, chat.n - cut) };
        packed.n = out.n = 0;
        assert_int_equal(jb__deflate_pieces(&codec, pieces, 9, &packed), 0);
        assert_true(packed.n < chat.n);
        for (size_t k = 0; k < packed.n; k++)
            assert_int_equal(
                jb__inflate_feed(&codec, &m, jb_str(packed.p + k, 1), k + 1 == packed.n, &out), 0);
        assert_true(jb_str_eq(jb__buf_str(&out), chat));
        assert_int_equal(m.serial, 0);
    }
    out.n = 1; /* one byte too few is left; the message is over with that */
    assert_int_equal(jb__inflate_feed(&codec, &m, jb__buf_str(&packed), false, &out), JB_EFULL);
    assert_int_equal(m.serial, 0);
    jb__buf_deinit(&packed);
    jb__buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_the_examples_of_the_rfc, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(is_its_own_inverse, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_no_context_over, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_a_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(holds_several_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_over_the_oldest, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_mutation, setup, teardown),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test_setup_teardown(takes_a_message_in_pieces, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
