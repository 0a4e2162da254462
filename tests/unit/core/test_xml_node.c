/* SPDX-License-Identifier: MIT */
/* Looking at a parsed element: walking, names, attributes, text. */
#include "xml_kit.h"

#include <stdio.h>

static void walks(void **state)
{
    struct jb_doc doc = parse_good("<a xmlns='jabber:client'><b/><c xmlns='urn:xmpp:ping'><d/>"
                                   "<e><f/></e></c>text<b xmlns='urn:other'/><g></g></a>");
    (void)state;

    uint16_t b = jb_node_first(&doc, 0), c = jb_node_next(&doc, b), b2 = jb_node_next(&doc, c);
    uint16_t g = jb_node_next(&doc, b2), d = jb_node_first(&doc, c), e = jb_node_next(&doc, d);
    assert_str_equal(jb_node_name(&doc, b), "b");
    assert_str_equal(jb_node_name(&doc, c), "c");
    assert_str_equal(jb_node_name(&doc, e), "e");
    assert_str_equal(jb_node_name(&doc, g), "g");
    assert_int_equal(jb_node_next(&doc, g), 0);
    assert_int_equal(jb_node_next(&doc, 0), 0);
    assert_int_equal(jb_node_next(&doc, e), 0);
    assert_int_equal(jb_node_first(&doc, b), 0);
    assert_int_equal(jb_node_first(&doc, g), 0);
    assert_str_equal(jb_node_ns(&doc, 0), "jabber:client");
    assert_str_equal(jb_node_ns(&doc, e), "urn:xmpp:ping");
    assert_str_equal(jb_node_ns(&doc, b2), "urn:other");
    assert_str_equal(jb_node_xml(&doc, c), "<c xmlns='urn:xmpp:ping'><d/><e><f/></e></c>");
    assert_str_equal(jb_node_xml(&doc, jb_node_first(&doc, e)), "<f/>");
    assert_int_equal(doc.nodes[jb_node_first(&doc, e)].depth, 3);

    assert_int_equal(jb_node_child(&doc, 0, "c", JB_NS_PING), c);
    assert_int_equal(jb_node_child(&doc, 0, "c", JB_NS_CLIENT), 0);
    assert_int_equal(jb_node_child(&doc, 0, NULL, JB_NS_PING), c);
    assert_int_equal(jb_node_child(&doc, 0, "b", JB_NS_NONE), b2);
    assert_int_equal(jb_node_child(&doc, 0, "g", JB_NS_CLIENT), g);
    assert_int_equal(jb_node_child(&doc, b, NULL, JB_NS_CLIENT), 0);
    assert_true(jb_node_is(&doc, 0, "a", JB_NS_CLIENT));
    assert_false(jb_node_is(&doc, 0, "a", JB_NS_SERVER) || jb_node_is(&doc, 0, "b", JB_NS_CLIENT));
}

static void finds_attributes(void **state)
{
    struct jb_doc doc =
        parse_good("<p:a b='1'\n\tp:b = \"2'\" xmlns:p='u' c=''  d='/>'  ><e f='3' g='4'/></p:a>");
    static const char *const names[] = { "b", "p:b", "xmlns:p", "c", "d" };
    static const char *const values[] = { "1", "2'", "u", "", "/>" };
    struct jb_str name, raw;
    uint32_t at = 0;
    (void)state;

    assert_str_equal(jb_node_name(&doc, 0), "a");
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(jb_node_attr_next(&doc, 0, &at, &name, &raw));
        assert_str_equal(name, names[i]);
        assert_str_equal(raw, values[i]);
        assert_true(jb_node_attr_raw(&doc, 0, names[i], &raw));
        assert_str_equal(raw, values[i]);
        assert_str_equal(jb_node_attr(&doc, 0, names[i], &arena), values[i]);
    }
    assert_false(jb_node_attr_next(&doc, 0, &at, &name, &raw));
    assert_false(jb_node_attr_raw(&doc, 0, "x", &raw));
    assert_int_equal(raw.n, 0);
    assert_int_equal(jb_node_attr(&doc, 0, "x", &arena).n, 0);
    assert_int_equal(jb_node_attr(&doc, 0, "a", &arena).n, 0); /* that is the element's name */
    at = 0;
    assert_true(jb_node_attr_next(&doc, 1, &at, &name, &raw));
    assert_true(jb_node_attr_next(&doc, 1, &at, &name, &raw));
    assert_str_equal(name, "g");
    assert_str_equal(raw, "4");
    assert_false(jb_node_attr_next(&doc, 1, &at, &name, &raw));
    doc = parse_good("<a b='1'>c='2'<e>c='2'</e></a>"); /* text is no attribute */
    assert_false(jb_node_attr_raw(&doc, 0, "c", &raw));
    assert_false(jb_node_attr_raw(&doc, 1, "c", &raw));
}

/* XML 1.0 sections 2.11 and 3.3.3. */
static void attributes_mean_what_xml_says(void **state)
{
    static const struct {
        const char *raw, *value;
    } rows[] = {
        { "", "" },
        { "plain ", "plain " },
        { "&lt;&gt;&amp;&apos;&quot;", "<>&'\"" },
        { "&#65;&#x42;&#xe9;&#x20ac;&#x1F600;", "AB\u00e9\u20ac\U0001f600" },
        { "a\tb\nc\rd\r\ne", "a b c d e" },
        { "\r\n\r\n\n\r", "    " },
        { "\na", " a" },
        { "a\tb", "a b" },
        { "a\r", "a " },
        { "&#9;&#10;&#13;", "\t\n\r" },
        { "&#13;\n", "\r " },
        { "&amp;lt;", "&lt;" },
        { "a\t&amp;\r\nb", "a & b" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[128];
        snprintf(text, sizeof text, "<a b=\"%s\"/>", rows[i].raw);
        struct jb_doc doc = parse_good(text);
        assert_str_equal(jb_node_attr(&doc, 0, "b", &arena), rows[i].value);
    }
}

static void text_means_what_xml_says(void **state)
{
    static const struct {
        const char *raw, *text;
    } rows[] = {
        { "", "" },
        { "a b", "a b" },
        { "&lt;&#x1F600;", "<\U0001f600" },
        { "a\r\nb\rc\n\r\r\nd\r", "a\nb\nc\n\n\nd\n" },
        { "&#13;\n", "\r\n" },
        { "<![CDATA[a]]>", "a" },
        { "<![CDATA[]]>", "" },
        { "a<![CDATA[<b>&amp;]]]]><![CDATA[>]]>c&amp;", "a<b>&amp;]]>c&" },
        { "\r<![CDATA[\n\r\n]]>\n", "\n\n\n\n" },
        { "a<b>not this</b>c<b/>d", "acd" },
        { "<b/>a<b/>", "a" },
        { "<b/>", "" },
        { "&lt;<b>&gt;</b>\r\n<c/><![CDATA[&]]>", "<\n&" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[128];
        snprintf(text, sizeof text, "<a>%s</a>", rows[i].raw);
        struct jb_doc doc = parse_good(text);
        assert_str_equal(jb_node_text(&doc, 0, &arena), rows[i].text);
    }
}

/* Whatever stands around a slice. */
static void a_slice_is_read_from_end_to_end(void **state)
{
    static const struct {
        const char *raw, *value, *text;
    } rows[] = { { "ab", "ab", "ab" }, { "a\r", "a ", "a\n" }, { "\na", " a", "\na" } };
    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct jb_str raw = exact_copy(jb_strz(rows[i].raw), 2);
        assert_str_equal(jb_xml_attr_value(raw, &arena), rows[i].value);
        assert_str_equal(jb_xml_unescape(raw, &arena), rows[i].text);
        free((void *)(uintptr_t)raw.p);
    }
}

/* Each result has memory of its own to the last byte, at any length. */
static void results_do_not_overlap(void **state)
{
    static const char ends[] = "\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r\r";
    (void)state;

    for (size_t n = 1; n < sizeof ends; n++) {
        struct jb_str text = jb_xml_unescape(jb_str(ends, n), &arena);
        memset(jb__arena_alloc(&arena, 1), 'x', 1);
        assert_int_equal(text.n, n);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(text.p[i], '\n');
    }
}

/* Plain values and text are views, not copies. */
static void plain_text_is_not_copied(void **state)
{
    struct jb_doc doc = parse_good("<a b='c'>d</a>");
    size_t used = arena.used;
    (void)state;

    assert_ptr_equal(jb_node_attr(&doc, 0, "b", &arena).p, doc.text + 6);
    assert_ptr_equal(jb_node_text(&doc, 0, &arena).p, doc.text + 9);
    assert_int_equal(arena.used, used);
}

static void booleans(void **state)
{
    struct jb_doc doc = parse_good("<a b='true' c='1' d='false' e='0' f='TRUE' g='' h=' 1'/>");
    char name[] = "a";
    (void)state;

    for (; name[0] < 'j'; name[0]++) /* there is neither an a nor an i */
        assert_int_equal(jb_node_attr_is_true(&doc, 0, name), name[0] == 'b' || name[0] == 'c');
    assert_true(jb_xml_is_true(JB_STR("true")));
    assert_false(jb_xml_is_true(JB_STR_NONE));
}

/* Without memory: empty with p NULL, each at every place where memory is taken. */
static void out_of_memory(void **state)
{
    struct jb_doc doc = parse_good("<a b='&lt;\t'>&lt;<c/>&gt;<d/>\r</a>");
    int done = 0;
    (void)state;

    for (size_t bytes = 0; done < 2; bytes += 16) {
        struct jb__arena small;
        jb__arena_init(&small, &jb_allocator_libc, bytes);
        struct jb_str value = jb_node_attr(&doc, 0, "b", &small);
        assert_true(value.p ? value.n == 2 : value.n == 0);
        done = value.p != NULL;
        jb__arena_reset(&small);
        value = jb_node_text(&doc, 0, &small);
        assert_true(value.p ? value.n == 3 : value.n == 0);
        done += value.p != NULL;
        jb__arena_deinit(&small);
        assert_true(bytes < 4096);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(walks),
        TEST(finds_attributes),
        TEST(attributes_mean_what_xml_says),
        TEST(text_means_what_xml_says),
        TEST(a_slice_is_read_from_end_to_end),
        TEST(results_do_not_overlap),
        TEST(plain_text_is_not_copied),
        TEST(booleans),
        TEST(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
