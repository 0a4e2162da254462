/* SPDX-License-Identifier: MIT */
/* Elements as programs see them, and the writer they come from. */
#include "test.h"

#include "failing_alloc.h"

#include "client/client_impl.h"

static const struct jb_xml_bounds bounds = {
    .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
};

static const struct jb_element *parse(const char *text, struct jb__arena *arena)
{
    static struct jb_doc doc;

    assert_int_equal(jb_xml_parse(jb_strz(text), &bounds, arena, &doc), JB_XML_OK);
    return jb__element_new(&doc, 0, arena);
}

static void looking(void **state)
{
    struct jb__arena arena;

    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, 1 << 20);
    const struct jb_element *e = parse("<a xmlns='urn:a' x:y='1' b='&lt;&#x41;' xmlns:x='urn:x'> "
                                       "t<x:b>1</x:b>u<![CDATA[<]]><b/><c xmlns=''/></a>",
                                       &arena);
    assert_string_equal(jb_element_name(e), "a");
    assert_string_equal(jb_element_ns(e), "urn:a");
    assert_string_equal(jb_element_text(e), " tu<");
    assert_string_equal(jb_element_attr(e, "b"), "<A");
    assert_string_equal(jb_element_attr(e, "x:y"), "1");
    assert_null(jb_element_attr(e, "xmlns"));
    assert_null(jb_element_attr(e, "xmlns:x"));
    assert_true(jb_element_is(e, "a", "urn:a"));
    assert_false(jb_element_is(e, "a", "urn:b"));
    const struct jb_element *b = jb_element_child(e, "b", NULL);
    assert_string_equal(jb_element_text(b), "");
    assert_string_equal(jb_element_text(jb_element_child(e, "b", "urn:x")), "1");
    assert_string_equal(jb_element_ns(jb_element_next(b)), "");
    assert_null(jb_element_next(jb_element_next(b)));
    assert_ptr_equal(jb_element_child(e, NULL, "urn:x"), jb_element_first(e));
    assert_null(jb_element_child(e, "c", NULL));
    jb__arena_deinit(&arena);
}

static void nothing_has_nothing(void **state)
{
    (void)state;
    assert_string_equal(jb_element_name(NULL), "");
    assert_string_equal(jb_element_ns(NULL), "");
    assert_string_equal(jb_element_text(NULL), "");
    assert_null(jb_element_attr(NULL, "x"));
    assert_null(jb_element_first(NULL));
    assert_null(jb_element_next(NULL));
    assert_null(jb_element_child(NULL, "x", NULL));
    assert_false(jb_element_is(NULL, "x", "y"));
}

static void attributes_one_by_one(void **state)
{
    struct jb__arena arena;
    struct jb_doc doc;
    const char *value = "untouched";

    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, 1 << 20);
    assert_int_equal(
        jb_xml_parse(JB_STR("<a b='1' xmlns='urn:a' xml:lang='&lt;'/>"), &bounds, &arena, &doc),
        JB_XML_OK);
    const struct jb_element *e = jb__element_new(&doc, 0, &arena);
    assert_string_equal(jb_element_attr_at(e, 0, &value), "b");
    assert_string_equal(value, "1");
    assert_string_equal(jb_element_attr_at(e, 1, &value), "xml:lang");
    assert_string_equal(value, "<");
    assert_string_equal(jb_element_attr_at(e, 1, NULL), "xml:lang");
    assert_null(jb_element_attr_at(e, 2, &value));
    assert_null(jb_element_attr_at(e, 4000000000u, &value));
    assert_null(jb_element_attr_at(NULL, 0, &value));
    assert_string_equal(value, "<");
    jb__arena_deinit(&arena);
}

static void trees_without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb__arena parsed, arena;
    struct jb_doc doc;

    (void)ctx;
    jb__arena_init(&parsed, &jb_allocator_libc, 1 << 20);
    jb__arena_init(&arena, &f->alloc, 1 << 20);
    assert_int_equal(
        jb_xml_parse(JB_STR("<a xmlns='urn:a' b='&lt;'>x<b>y</b>z</a>"), &bounds, &parsed, &doc),
        JB_XML_OK);
    assert_true((jb__element_new(&doc, 0, &arena) == NULL) == f->failed);
    jb__arena_deinit(&arena);
    jb__arena_deinit(&parsed);
}

static void out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(trees_without_memory, NULL) > 0);
}

static struct jb_client *client;

static int make_client(void **state)
{
    (void)state;
    return jb_client_new(&client, NULL);
}

static int free_client(void **state)
{
    (void)state;
    jb_client_free(client);
    return 0;
}

static void writing(void **state)
{
    struct jb_writer *w = jb_writer_new(client);

    (void)state;
    jb_writer_open(w, "message", NULL);
    jb_writer_attr(w, "to", "a'b");
    jb_writer_attr(w, "type", NULL);
    jb_writer_leaf(w, "body", NULL, "<&>");
    jb_writer_open(w, "x", "urn:x");
    jb_writer_raw(w, "<y/>");
    jb_writer_leaf(w, "z", "jabber:client", "");
    jb_writer_close(w);
    jb_writer_close(w);
    assert_string_equal(jb_writer_text(w),
                        "<message to='a&apos;b'><body>&lt;&amp;&gt;</body>"
                        "<x xmlns='urn:x'><y/><z xmlns='jabber:client'/></x></message>");
    jb_writer_free(w);
}

/* Each row makes one mistake; there is no text then. */
static void mistakes_are_remembered(void **state)
{
    (void)state;
    for (int k = 0; k < 9; k++) {
        struct jb_writer *w = jb_writer_new(client);
        if (k == 0)
            jb_writer_close(w);
        jb_writer_open(w, k == 1 ? "a b" : k == 2 ? "" : "a", k == 3 ? "\xff" : NULL);
        if (k == 4)
            jb_writer_chars(w, "\xc0\x80");
        jb_writer_chars(w, "x");
        if (k == 5)
            jb_writer_attr(w, "late", "x");
        for (int n = 0; k == 6 && n < JB_XML_WRITE_DEPTH; n++)
            jb_writer_open(w, "deep", NULL);
        if (k != 7)
            jb_writer_close(w);
        if (k == 8)
            jb_writer_chars(w, "behind");
        assert_null(jb_writer_text(w));
        jb_writer_free(w);
    }
    jb_writer_open(NULL, "a", NULL);
    jb_writer_attr(NULL, "a", "b");
    jb_writer_leaf(NULL, "a", NULL, "b");
    jb_writer_raw(NULL, "x");
    assert_null(jb_writer_text(NULL));
    jb_writer_free(NULL);
}

static void a_writer_without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_client *c;

    (void)ctx;
    if (jb_client_new(&c, &f->alloc) != 0)
        return;
    struct jb_writer *w = jb_writer_new(c);
    jb_writer_leaf(w, "a", NULL, "a text that needs some room to be written into, and then more");
    assert_true((jb_writer_text(w) == NULL) == f->failed);
    jb_writer_free(w);
    jb_client_free(c);
}

static void writing_without_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(a_writer_without_memory, NULL) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking),
        cmocka_unit_test(attributes_one_by_one),
        cmocka_unit_test(nothing_has_nothing),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(writing),
        cmocka_unit_test(mistakes_are_remembered),
        cmocka_unit_test(writing_without_memory),
    };

    return cmocka_run_group_tests(tests, make_client, free_client);
}
