/* SPDX-License-Identifier: MIT */
/* Every sequence of one to four bytes, against a reference that works by value (RFC 3629: decode,
 * then compare with what the length may hold) where the unit works by table.
 *
 * The four-byte part rests on what the three-byte part shows: the checker's state after three bytes
 * is the one its unfinished tail alone would give.  `test_base_utf8 --full` runs all 2^32 plainly
 * (a minute). */
#include "test.h"

#include "base/utf8.h"

#include <stdlib.h>

enum verdict { GOOD, PENDING, WRONG };

/* Can a sequence of `length` bytes have a value between low and high? */
static bool is_possible(size_t length, uint32_t low, uint32_t high)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };

    low = low > least[length] ? low : least[length];
    high = high < 0x10ffff ? high : 0x10ffff;
    return low <= high && !(low >= 0xd800 && high <= 0xdfff);
}

/* Judges the one sequence that starts at p. */
static enum verdict reference_sequence(const unsigned char *p, size_t n, size_t *length)
{
    *length = 1;
    if (p[0] < 0x80)
        return GOOD;
    size_t ones = 0;
    while (ones < 8 && p[0] & (0x80 >> ones))
        ones++;
    if (ones < 2 || ones > 4)
        return WRONG;
    *length = ones;
    uint32_t low = p[0] & (0x7fu >> ones), high = low;
    for (size_t i = 1; i < ones; i++) {
        if (i < n && (p[i] & 0xc0) != 0x80)
            return WRONG;
        low = low << 6 | (i < n ? p[i] & 0x3fu : 0);
        high = high << 6 | (i < n ? p[i] & 0x3fu : 0x3f);
    }
    if (!is_possible(ones, low, high))
        return WRONG;
    return n >= ones ? GOOD : PENDING;
}

/* Judges text; *tail gets where its unfinished sequence starts (n if none). */
static enum verdict reference(const unsigned char *p, size_t n, size_t *tail)
{
    for (size_t at = 0; at < n;) {
        size_t length;
        enum verdict v = reference_sequence(p + at, n - at, &length);
        *tail = at;
        if (v != GOOD)
            return v;
        at += length;
    }
    *tail = n;
    return GOOD;
}

static enum verdict verdict_of(jb__utf8_state state)
{
    return state == JB__UTF8_OK ? GOOD : state == JB__UTF8_BAD ? WRONG : PENDING;
}

static jb__utf8_state check(jb__utf8_state state, const unsigned char *p, size_t n)
{
    return jb__utf8_check(state, (const char *)p, n);
}

/* The checker agrees with the reference on this text, whole and after each byte. */
static jb__utf8_state compare(const unsigned char *p, size_t n, size_t *tail)
{
    jb__utf8_state state = JB__UTF8_OK;
    enum verdict v = GOOD;

    for (size_t i = 0; i < n; i++) {
        state = check(state, p + i, 1);
        v = reference(p, i + 1, tail);
        if (verdict_of(state) != v)
            fail_msg("%02x %02x %02x %02x: byte %zu", p[0], p[1], p[2], p[3], i);
    }
    if (check(JB__UTF8_OK, p, n) != state)
        fail_msg("%02x %02x %02x %02x: whole and bytewise differ", p[0], p[1], p[2], p[3]);
    return state;
}

static void compare_last_bytes(unsigned char p[4])
{
    size_t tail;

    for (unsigned last = 0; last < 256; last++) {
        p[3] = (unsigned char)last;
        compare(p, 4, &tail);
    }
}

static void test_all_sequences(void **state)
{
    (void)state;
    size_t unfinished = 0;

    for (uint32_t i = 0; i < 1u << 24; i++) {
        unsigned char p[4] = { (unsigned char)i, (unsigned char)(i >> 8), (unsigned char)(i >> 16),
                               0 };
        size_t tail;
        /* The one- and two-byte texts are the first bytes of these. */
        jb__utf8_state after = compare(p, 3, &tail);
        if (after == JB__UTF8_OK)
            continue; /* the state of the start: a fourth byte is a first one */
        if (after == JB__UTF8_BAD) {
            assert_int_equal(check(after, (const unsigned char *)"a", 1), JB__UTF8_BAD);
        } else if (tail > 0) {
            assert_int_equal(check(JB__UTF8_OK, p + tail, 3 - tail), after);
        } else {
            compare_last_bytes(p);
            unfinished++;
        }
    }
    /* F0 90..BF, F1..F3 80..BF, F4 80..8F, each with 64 third bytes. */
    assert_int_equal(unfinished, (48 + 3 * 64 + 16) * 64);
}

static void test_full(void **state)
{
    (void)state;

    for (uint64_t i = 0; i < 1ull << 32; i++) {
        unsigned char p[4] = { (unsigned char)i, (unsigned char)(i >> 8), (unsigned char)(i >> 16),
                               (unsigned char)(i >> 24) };
        size_t tail;
        if (verdict_of(check(JB__UTF8_OK, p, 4)) != reference(p, 4, &tail))
            fail_msg("%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
    }
}

/* The eight-byte steps over ASCII: a bad byte at each place of a longer text is noticed there, and
 * any split gives the same. */
static void test_position_in_long_text(void **state)
{
    (void)state;
    static const unsigned char bad[] = { 0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xff };

    for (size_t n = 1; n < 40; n++) {
        for (size_t at = 0; at < n; at++) {
            unsigned char *p = malloc(n); /* exactly: no byte may be read behind it */
            memset(p, 'a', n);
            p[at] = bad[at % sizeof bad];
            assert_int_equal(check(JB__UTF8_OK, p, at), JB__UTF8_OK);
            for (size_t end = at + 1; end <= n; end++)
                assert_int_equal(check(JB__UTF8_OK, p, end), JB__UTF8_BAD);
            p[at] = 0xc3;
            if (at + 1 < n)
                p[at + 1] = 0xa9;
            for (size_t split = 0; split <= n; split++) {
                jb__utf8_state s = check(check(JB__UTF8_OK, p, split), p + split, n - split);
                assert_int_equal(verdict_of(s), at + 1 < n ? GOOD : PENDING);
            }
            free(p);
        }
    }
    assert_int_equal(jb__utf8_check(JB__UTF8_OK, NULL, 0), JB__UTF8_OK);
    assert_int_equal(jb__utf8_check(JB__UTF8_BAD, "a", 1), JB__UTF8_BAD);
    assert_true(jb__utf8_valid(JB_STR_NONE));
    assert_false(jb__utf8_valid(JB_STR("\xe2\x82")));
}

static void test_every_code_point_round_trips(void **state)
{
    (void)state;

    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char bytes[4];
        size_t used;
        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        memset(bytes, 0xff, sizeof bytes); /* what stands behind it does not matter */
        size_t n = jb__utf8_encode(cp, bytes);
        assert_true(jb__utf8_valid(jb_str(bytes, n)));
        assert_int_equal(jb__utf8_decode(jb_str(bytes, n), &used), cp);
        assert_int_equal(used, n);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sequences),
        cmocka_unit_test(test_position_in_long_text),
        cmocka_unit_test(test_every_code_point_round_trips),
    };
    const struct CMUnitTest full[] = { cmocka_unit_test(test_full) };

    if (argc > 1 && strcmp(argv[1], "--full") == 0)
        return cmocka_run_group_tests(full, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
