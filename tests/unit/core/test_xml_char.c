/* SPDX-License-Identifier: MIT */
/* Single characters, all of them. */
#include "test.h"

#include "base/utf8.h"
#include "core/xml_char.h"
#include "pieces.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_surrogate(uint32_t cp)
{
    return cp >= 0xd800 && cp <= 0xdfff;
}

/* XML 1.0 section 2.2, against the words of the standard. */
static void every_character(void **state)
{
    char bytes[4];
    (void)state;

    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        if (is_surrogate(cp))
            continue;
        size_t n = jb__utf8_encode(cp, bytes);
        bool allowed = cp == 9 || cp == 10 || cp == 13 || (cp >= 0x20 && cp <= 0xd7ff) ||
                       (cp >= 0xe000 && cp <= 0xfffd) || cp >= 0x10000;
        assert_int_equal(jb__xml_char(bytes, bytes + n), allowed ? n : 0);
        /* A scan skips all that is allowed and means nothing; not what starts as U+FFFE does. */
        bool plain = allowed && (unsigned char)bytes[0] != 0xef && !strchr("<&", bytes[0]);
        size_t skipped = (size_t)(jb__xml_skip_text(bytes, bytes + n) - bytes);
        assert_int_equal(skipped, plain && bytes[0] != ']' ? n : 0);
        skipped = (size_t)(jb__xml_skip_attr_text(bytes, bytes + n, '"') - bytes);
        assert_int_equal(skipped, plain && bytes[0] != '"' ? n : 0);
        bool literal = allowed && cp != '&' && cp != '<' && cp >= 0x20;
        skipped = (size_t)(jb__xml_skip_literal(bytes, bytes + n) - bytes);
        assert_true(cp == '<' || !allowed || skipped == (literal ? n : 0));
    }
}

static void scans_stop_where_they_must(void **state)
{
    static const char text[] = "plain 'text' \"here\" \xc3\xa9]";
    const char *end = text + sizeof text - 1;
    (void)state;

    assert_ptr_equal(jb__xml_skip_text(text, end), end - 1);
    assert_ptr_equal(jb__xml_skip_attr_text(text, end, '\''), text + 6);
    assert_ptr_equal(jb__xml_skip_attr_text(text, end, '"'), text + 13);
    assert_ptr_equal(jb__xml_skip_attr_text(text + 20, end, '"'), end);
    assert_ptr_equal(jb__xml_skip_text(end, end), end);
    assert_true(jb__xml_is_space(' ') && jb__xml_is_space('\t') && jb__xml_is_space('\n') &&
                jb__xml_is_space('\r') && !jb__xml_is_space('\v') && !jb__xml_is_space('\0'));
}

/* Wherever in a text a byte stands, and however long it is: scans go by blocks. */
static void scans_stop_at_each_place(void **state)
{
    static const struct {
        char byte;
        bool text, attr, literal; /* it ends that scan */
    } rows[] = {
        { '&', true, true, true },     { ']', true, false, false },
        { '\'', false, true, false }, /* the quote */
        { '"', false, false, false },  { '\t', false, false, true },
        { '\n', false, false, true }, { '\r', false, false, true },
        { ' ', false, false, false },  { '\x7f', false, false, false },
        { '\xee', false, false, false }, { '\xef', true, true, false },
        { '\xf0', false, false, false },
        /* what is in no verified value */
        { '<', true, true, true },     { '\x01', true, true, true },
        { '\x1f', true, true, true },
    };
    enum { LONGEST = 50 };
    (void)state;

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t n = 1; n <= LONGEST; n++) {
            char *text = malloc(n); /* just that long: to read on would be noticed */
            const char *end = text + n;
            for (size_t at = 0; at < n; at++) {
                const char *stop = text + at;
                memset(text, 'a', n);
                text[at] = rows[row].byte;
                assert_ptr_equal(jb__xml_skip_text(text, end), rows[row].text ? stop : end);
                assert_ptr_equal(jb__xml_skip_attr_text(text, end, '\''),
                                 rows[row].attr ? stop : end);
                assert_ptr_equal(jb__xml_skip_literal(text, end), rows[row].literal ? stop : end);
            }
            free(text);
        }
    }
}

static bool expat_takes(const char *name, size_t n)
{
    char text[32];
    XML_Parser expat = XML_ParserCreate("UTF-8");
    int len = snprintf(text, sizeof text, "<%.*s/>", (int)n, name);
    bool taken = XML_Parse(expat, text, len, 1) == XML_STATUS_OK;

    XML_ParserFree(expat);
    return taken;
}

/* Every character that we take in a name, expat (fourth edition) takes too, and the fifth edition
 * does; of ASCII we take all that there is but the colon. */
static void every_name_character(void **state)
{
    char name[8] = "a";
    (void)state;

    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        if (is_surrogate(cp))
            continue;
        size_t n = jb__utf8_encode(cp, name + 1);
        struct jb_str exact = exact_copy(jb_str(name, n + 1), n + 1);
        bool follows = jb__xml_skip_ncname(exact.p, exact.p + exact.n) == exact.p + exact.n;
        bool starts = jb__xml_skip_ncname(exact.p + 1, exact.p + exact.n) == exact.p + exact.n;
        assert_true(follows || !starts);
        if (starts)
            assert_true(expat_takes(name + 1, n));
        if (follows && !starts)
            assert_true(cp < 0x80 && expat_takes(name, n + 1));
        if (cp < 0x80) {
            bool letter = (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp == '_';
            assert_int_equal(starts, letter);
            assert_int_equal(follows, letter || (cp >= '0' && cp <= '9') || cp == '-' || cp == '.');
        }
        free((void *)(uintptr_t)exact.p);
    }
    assert_ptr_equal(jb__xml_skip_ncname(name, name), name);
    name[0] = '1';
    assert_ptr_equal(jb__xml_skip_ncname(name, name + 1), name);
}

/* The first and the last letter of each script that names may be written in. */
static void letters_of_names(void **state)
{
    static const char *const ends[] = {
        "\u00c0\u00d6", "\u00d8\u00f6", "\u00f8\u0131", "\u0134\u013e", "\u0141\u0148",
        "\u014a\u017e", "\u03a3\u03ce", "\u0410\u044f", "\u05d0\u05ea", "\u0641\u064a",
        "\u0905\u0939", "\u3041\u3094", "\u30a1\u30fa", "\u4e00\u9fa5", "\uac00\ud7a3",
    };
    (void)state;

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const char *end = ends[i] + strlen(ends[i]);
        assert_ptr_equal(jb__xml_skip_ncname(ends[i], end), end);
    }
}

static void references(void **state)
{
    static const struct {
        const char *text;
        uint32_t cp;
        size_t bytes; /* 0: none */
    } rows[] = {
        { "&lt;", '<', 4 },
        { "&gt;x", '>', 4 },
        { "&amp;", '&', 5 },
        { "&apos;", '\'', 6 },
        { "&quot;", '"', 6 },
        { "&#65;", 'A', 5 },
        { "&#x41;", 'A', 6 },
        { "&#x10FfFf;", 0x10ffff, 10 },
        { "&#0000000000000000000000000065;", 'A', 31 },
        { "&#00000000000000000000000000065;", 'A', 32 },
        { "&#000000000000000000000000000065;", 0, 0 },
        { "&", 0, 0 },
        { "&;", 0, 0 },
        { "&#;", 0, 0 },
        { "&#x;", 0, 0 },
        { "&lt", 0, 0 },
        { "&Lt;", 0, 0 },
        { "&lt ;", 0, 0 },
        { "&#1114112;", 0, 0 },
        { "&#55296;", 0, 0 },
        { "&#57343;", 0, 0 },
        { "&#8;", 0, 0 },
        { "&#9;", '\t', 4 },
        { "&#10;", '\n', 5 },
        { "&#11;", 0, 0 },
        { "&#13;", '\r', 5 },
        { "&#99;", 'c', 5 },
        { "&#31;", 0, 0 },
        { "&#65534;", 0, 0 },
        { "&#65533;", 0xfffd, 8 },
        { "&#x80;", 0x80, 6 },
        { "&#x@;", 0, 0 },
        { "&#xG;", 0, 0 },
        { "&#:;", 0, 0 },
        { "&#6:;", 0, 0 },
        { "&#65536;", 0x10000, 8 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb_str text = exact_copy(jb_strz(rows[i].text), strlen(rows[i].text));
        uint32_t cp = 0;
        if (jb__xml_reference(text.p, text.p + text.n, &cp) != rows[i].bytes)
            fail_msg("%s", rows[i].text);
        assert_true(rows[i].bytes == 0 || cp == rows[i].cp);
        free((void *)(uintptr_t)text.p);
    }
}

/* One line for each thing that a declaration may have or lack. */
static void declarations(void **state)
{
    static const struct {
        const char *text;
        bool harmless, other_encoding;
    } rows[] = {
        { "<?xml version='1.0'?>", true, false },
        { "<?xml\tversion = \"1.0\"\r\n?>", true, false },
        { "<?xml version='1.0' encoding='UTF-8'?>", true, false },
        { "<?xml version='1.0' encoding = 'utf-8' standalone='yes'?>", true, false },
        { "<?xml version='1.0' standalone='no'?>", true, false },
        { "<?xml version='1.0' encoding='latin1'?>", false, true },
        { "<?xml version='1.0' encoding='latin1'", false, true },
        { "<?xml version='1.0' encoding='utf-8'", false, false },
        { "<?xml version='1.0' standalone='maybe'?>", false, false },
        { "<?xml version='1.0' standalone='yes' encoding='utf-8'?>", false, false },
        { "<?xml version='1.1'?>", false, false },
        { "<?xml version='1.0\"?>", false, false },
        { "<?xml version'1.0'?>", false, false },
        { "<?xml version=1.0?>", false, false },
        { "<?xml version='1.0'encoding='x'?>", false, false },
        { "<?xml version='1.0' encoding?>", false, false },
        { "<?xml?>", false, false },
        { "<?xm version='1.0'?>", false, false },
        { " <?xml version='1.0'?>", false, false },
        { " encoding='x'?>", false, false },
        { "?>", false, false },
        { "", false, false },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb_str text = exact_copy(jb_strz(rows[i].text), strlen(rows[i].text));
        if (jb__xml_declaration(text) != (rows[i].harmless ? text.n : 0) ||
            jb__xml_is_of_other_encoding(text) != rows[i].other_encoding)
            fail_msg("%s", rows[i].text);
        free((void *)(uintptr_t)text.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character),          cmocka_unit_test(scans_stop_where_they_must),
        cmocka_unit_test(scans_stop_at_each_place), cmocka_unit_test(every_name_character),
        cmocka_unit_test(letters_of_names),         cmocka_unit_test(references),
        cmocka_unit_test(declarations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
