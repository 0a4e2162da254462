/* SPDX-License-Identifier: MIT */
/* Writing XML: what is written parses to the values that were meant (adversarial case 33). */
#include "xml_kit.h"

#include "core/fault.h"
#include "core/xml_write.h"
#include "failing_alloc.h"

static struct jb__buf buf;
static struct jb_xml x;

static void begin(void)
{
    jb__buf_init(&buf, &jb_allocator_libc, 65536);
    jb_xml_begin(&x, &buf);
}

static void expect(const char *wanted)
{
    assert_int_equal(jb_xml_end(&x), 0);
    assert_str_equal(jb__buf_str(&buf), wanted);
    jb__buf_deinit(&buf);
}

static void declares_namespaces_where_they_change(void **state)
{
    (void)state;

    begin();
    jb_xml_open(&x, "iq", JB_NS_CLIENT);
    jb_xml_open(&x, "query", JB_NS_VERSION);
    jb_xml_leaf(&x, "name", JB_NS_NONE, JB_STR("a"));
    jb_xml_leaf(&x, "os", JB_NS_VERSION, JB_STR_NONE);
    jb_xml_leaf(&x, "iq", JB_NS_CLIENT, JB_STR_NONE);
    jb_xml_open_str(&x, "x", JB_STR("urn:'x'"));
    jb_xml_leaf(&x, "y", JB_NS_NONE, JB_STR_NONE);
    jb_xml_leaf(&x, "z", JB_NS_VERSION, JB_STR_NONE);
    jb_xml_close(&x);
    jb_xml_close(&x);
    jb_xml_leaf(&x, "error", JB_NS_CLIENT, JB_STR_NONE);
    jb_xml_close(&x);
    expect("<iq xmlns='jabber:client'><query xmlns='jabber:iq:version'><name>a</name><os/>"
           "<iq xmlns='jabber:client'/><x xmlns='urn:&apos;x&apos;'><y/>"
           "<z xmlns='jabber:iq:version'/></x></query><error/></iq>");
}

static void writes_every_kind_of_content(void **state)
{
    (void)state;

    begin();
    jb_xml_open(&x, "a", JB_NS_NONE);
    jb_xml_attrz(&x, "b", "c");
    jb_xml_attr_u64(&x, "d", UINT64_MAX);
    jb_xml_raw(&x, JB_STR_NONE); /* nothing, not even the end of the tag */
    jb_xml_attr(&x, "e", JB_STR_NONE);
    jb_xml_raw(&x, JB_STR("<f/>"));
    jb_xml_text(&x, JB_STR("g"));
    jb_xml_open(&x, "h", JB_NS_NONE);
    jb_xml_text(&x, JB_STR_NONE);
    jb_xml_close(&x);
    jb_xml_open(&x, "i", JB_NS_NONE);
    jb_xml_close(&x);
    jb_xml_close(&x);
    expect("<a b='c' d='18446744073709551615' e=''><f/>g<h></h><i/></a>");
}

/* In text, only what would not come back; in a value, whatever quotes it, too. */
static void escapes_what_it_must(void **state)
{
    static const struct jb_str special = JB_STR_INIT("&<>\r'\"\t\n.");
    (void)state;

    begin();
    jb_xml_open(&x, "a", JB_NS_NONE);
    jb_xml_attr(&x, "b", special);
    jb_xml_text(&x, special);
    jb_xml_close(&x);
    expect("<a b='&amp;&lt;&gt;&#13;&apos;&quot;&#9;&#10;.'>&amp;&lt;&gt;&#13;'\"\t\n.</a>");
}

static void every_ascii_character_comes_back(void **state)
{
    char all[128];
    size_t n = 0;
    (void)state;

    for (int c = 1; c < 128; c++)
        if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r')
            all[n++] = (char)c;
    static const char *const texts[] = {
        "]]>",   "a]]>b", "\r\n",      "\n\r", "\t",
        "&amp;", "<!--",  "<![CDATA[", "'\"",  "\xf0\x9f\x98\x80&\xc3\xa9<"
    };
    for (size_t i = 0; i <= COUNT(texts); i++) {
        struct jb_str value = i < COUNT(texts) ? jb_strz(texts[i]) : jb_str(all, n);
        struct jb_doc doc;
        begin();
        jb_xml_open(&x, "a", JB_NS_NONE);
        jb_xml_attr(&x, "b", value);
        jb_xml_text(&x, value);
        jb_xml_leaf(&x, "c", JB_NS_NONE, value);
        jb_xml_close(&x);
        assert_int_equal(jb_xml_end(&x), 0);
        assert_int_equal(jb_xml_parse(jb__buf_str(&buf), &kit_bounds, &arena, &doc), JB_XML_OK);
        assert_int_equal(doc.count, 2);
        assert_true(jb_str_eq(jb_node_attr(&doc, 0, "b", &arena), value));
        assert_true(jb_str_eq(jb_node_text(&doc, 0, &arena), value));
        assert_true(jb_str_eq(jb_node_text(&doc, 1, &arena), value));
        jb__buf_deinit(&buf);
    }
}

static void write_something(void)
{
    jb_xml_open(&x, "a", JB_NS_CLIENT);
    jb_xml_attrz(&x, "b", "&&&&&&&&&&&&&&&&&&&&&&&&&&");
    jb_xml_leaf(&x, "c", JB_NS_NONE, JB_STR("text"));
    jb_xml_raw(&x, JB_STR("<d/>"));
    jb_xml_close(&x);
}

static void the_first_error_stays(void **state)
{
    size_t whole;
    (void)state;

    begin();
    write_something();
    assert_int_equal(jb_xml_end(&x), 0);
    whole = buf.n;
    jb__buf_deinit(&buf);
    for (size_t max = 1; max <= whole; max++) {
        jb__buf_init(&buf, &jb_allocator_libc, max);
        jb_xml_begin(&x, &buf);
        write_something();
        assert_int_equal(jb_xml_end(&x), max < whole ? JB_EFULL : 0);
        assert_true(buf.n <= max);
        jb__buf_deinit(&buf);
    }
}

static void nests_as_deep_as_it_says(void **state)
{
    (void)state;

    begin();
    for (int i = 0; i < JB_XML_WRITE_DEPTH; i++)
        jb_xml_open(&x, "a", JB_NS_NONE);
    for (int i = 0; i < JB_XML_WRITE_DEPTH; i++)
        jb_xml_close(&x);
    assert_int_equal(jb_xml_end(&x), 0);
    jb__buf_deinit(&buf);
}

static void short_of_memory(struct failing_alloc *f, void *ctx)
{
    (void)ctx;
    jb__buf_init(&buf, &f->alloc, 65536);
    jb_xml_begin(&x, &buf);
    write_something();
    int rc = jb_xml_end(&x);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    jb__buf_deinit(&buf);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(short_of_memory, NULL) > 1);
}

/* Every fault has an element, and is written as RFC 6120 wants it. */
static void faults(void **state)
{
    static const char *const types[] = { "auth", "cancel", "continue", "modify", "wait" };
    (void)state;

    for (int c = JB_STANZA_BAD_REQUEST; c <= JB_STANZA_UNEXPECTED_REQUEST; c++) {
        for (int type = JB_ERROR_TYPE_USUAL; type <= JB_ERROR_TYPE_WAIT; type++) {
            struct jb_fault fault = { (enum jb_stanza_error)c, (enum jb_error_type)type, NULL };
            struct jb_doc doc;
            begin();
            jb_fault_write(&x, &fault);
            assert_int_equal(jb_xml_end(&x), 0);
            assert_int_equal(jb_xml_parse(jb__buf_str(&buf), &kit_bounds, &arena, &doc), JB_XML_OK);
            assert_true(
                jb_node_is(&doc, 1, jb_stanza_error_name(fault.condition), JB_NS_STANZA_ERRORS));
            struct jb_str written = jb_node_attr(&doc, 0, "type", &arena);
            if (type != JB_ERROR_TYPE_USUAL)
                assert_str_equal(written, types[type - 1]);
            assert_true(written.n > 0);
            jb__buf_deinit(&buf);
        }
    }
    for (int c = JB_STREAM_BAD_FORMAT; c <= JB_STREAM_UNSUPPORTED_VERSION; c++) {
        struct jb_doc doc;
        begin();
        jb_stream_error_write(&x, (enum jb_stream_error)c, "why <not>", JB_STR_NONE);
        assert_int_equal(jb_xml_end(&x), 0);
        assert_int_equal(jb_xml_parse(jb__buf_str(&buf), &kit_bounds, &arena, &doc), JB_XML_OK);
        assert_true(jb_node_is(&doc, 0, "error", JB_NS_STREAMS));
        assert_true(jb_node_is(&doc, 1, jb_stream_error_name((enum jb_stream_error)c),
                               JB_NS_STREAM_ERRORS));
        assert_str_equal(jb_node_text(&doc, 2, &arena), "why <not>");
        jb__buf_deinit(&buf);
    }
}

static void namespaces_have_numbers(void **state)
{
    (void)state;

    for (int ns = 1; ns < JB_NS_COUNT; ns++) {
        struct jb_str uri = jb_ns_uri((enum jb_ns)ns);
        assert_true(uri.n > 0);
        assert_int_equal(jb_ns_find(uri), ns);
        assert_int_equal(jb_ns_find(jb_str(uri.p, uri.n - 1)), JB_NS_NONE);
    }
    assert_int_equal(jb_ns_find(JB_STR_NONE), JB_NS_NONE);
    assert_int_equal(jb_ns_find(JB_STR("jabber:clienT")), JB_NS_NONE);
    assert_int_equal(jb_ns_uri(JB_NS_NONE).n, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(declares_namespaces_where_they_change),
        TEST(writes_every_kind_of_content),
        TEST(escapes_what_it_must),
        TEST(every_ascii_character_comes_back),
        TEST(the_first_error_stays),
        TEST(nests_as_deep_as_it_says),
        TEST(out_of_memory),
        TEST(faults),
        TEST(namespaces_have_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
