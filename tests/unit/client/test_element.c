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

/* ---- from text to an element, and back ---- */

static void assert_same(const struct jb_element *a, const struct jb_element *b)
{
    const char *name, *value;

    assert_string_equal(jb_element_name(a), jb_element_name(b));
    assert_string_equal(jb_element_ns(a), jb_element_ns(b));
    assert_string_equal(jb_element_text(a), jb_element_text(b));
    for (unsigned k = 0; (name = jb_element_attr_at(a, k, &value)) != NULL; k++)
        assert_string_equal(jb_element_attr(b, name), value);
    for (unsigned k = 0; (name = jb_element_attr_at(b, k, NULL)) != NULL; k++)
        assert_non_null(jb_element_attr(a, name));
    a = jb_element_first(a);
    b = jb_element_first(b);
    for (; a && b; a = jb_element_next(a), b = jb_element_next(b))
        assert_same(a, b);
    assert_ptr_equal(a, b);
}

/* What an element is as text; the writer is the caller's. */
static const char *to_text(struct jb_writer *w, const struct jb_element *e)
{
    jb_writer_element(w, e);
    assert_int_equal(jb_writer_error(w), 0);
    return jb_writer_text(w);
}

/* Each element in it, taken alone, is read back as what it was. */
static void assert_survives(const struct jb_element *e)
{
    struct jb_writer *w = jb_writer_new(client);
    const struct jb_element *again;

    assert_int_equal(jb_element_parse(client, to_text(w, e), &again), 0);
    assert_same(e, again);
    jb_element_free(again);
    jb_writer_free(w);
    for (const struct jb_element *k = jb_element_first(e); k; k = jb_element_next(k))
        assert_survives(k);
}

static void text_and_elements(void **state)
{
    static const char *const texts[] = {
        "<a/>",
        "<a xmlns='urn:a'>x<b/>y<c xmlns=''><d/></c>z</a>",
        "<p:a xmlns:p='urn:p' xmlns:q = \"urn:q\" q:x='&lt;&apos;'>\n<p:b q:y='1'><c/></p:b></p:a>",
        ("<a xmlns='1' xmlns:p='2'><b xmlns='3' xmlns:p='4'><p:c p:x=''/><d "
         "xmlns='5'/></b><p:e/></a>"),
        "<a xmlns='urn:a' xml:lang='de'><![CDATA[<&]]>&#x1F600;<b><![CDATA[]]></b></a>",
        "<?xml version='1.0'?> <a>\xc3\xa4</a>",
    };
    const struct jb_element *e;

    (void)state;
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        assert_int_equal(jb_element_parse(client, texts[k], &e), 0);
        assert_survives(e);
        jb_element_free(e);
    }
    jb_element_free(NULL);
}

/* What it was written in takes nothing from it, and adds nothing. */
static void an_element_within_another(void **state)
{
    static const char *const texts[] = { "<a><b/></a>", "<a xmlns='urn:a'>x<b xmlns=''/></a>",
                                         "<p:a xmlns:p='urn:p'><b/></p:a>" };
    const struct jb_element *e, *around;

    (void)state;
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        struct jb_writer *w = jb_writer_new(client);
        assert_int_equal(jb_element_parse(client, texts[k], &e), 0);
        jb_writer_open(w, "message", "jabber:client");
        jb_writer_element(w, e);
        jb_writer_close(w);
        assert_int_equal(jb_element_parse(client, jb_writer_text(w), &around), 0);
        assert_true(jb_element_is(around, "message", "jabber:client"));
        assert_same(jb_element_first(around), e);
        jb_element_free(around);
        jb_element_free(e);
        jb_writer_free(w);
    }
    struct jb_writer *w = jb_writer_new(client);
    jb_writer_element(w, NULL);
    assert_int_equal(jb_writer_error(w), JB_EINVAL);
    jb_writer_free(w);
}

static void texts_that_are_no_element(void **state)
{
    static const char *const bad[] = { "",
                                       " ",
                                       "x",
                                       "<a>",
                                       "<a/><b/>",
                                       "<a/>x",
                                       "<a>&e;</a>",
                                       "<!DOCTYPE a><a/>",
                                       "<a><!-- --></a>",
                                       "<a><?x y?></a>",
                                       "<a b='1' b='2'/>",
                                       "<p:a/>",
                                       "<a>\xff</a>",
                                       "<a>\x01</a>" };
    const struct jb_element *e;

    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_int_equal(jb_element_parse(client, bad[k], &e), JB_EINVAL);
        assert_null(e);
    }
    assert_int_equal(jb_element_parse(client, NULL, &e), JB_EINVAL);
}

static void texts_that_are_too_large(void **state)
{
    enum { ROOM = 1 << 20 };
    char *text = malloc(ROOM);
    const struct jb_element *e;

    (void)state;
    /* Longer than a stanza may be. */
    assert_int_equal(jb_client_set(client, JB_SETTING_STANZA_BYTES, 10000), 0);
    const size_t most = client->stream_config.limits.stanza_bytes;
    for (size_t n = most; n <= most + 1; n++) {
        memset(text, 'x', n);
        memcpy(text, "<a>", 3);
        memcpy(text + n - 4, "</a>", 5);
        assert_int_equal(jb_element_parse(client, text, &e), n == most ? 0 : JB_EFULL);
        jb_element_free(e);
    }
    /* Deeper. */
    const size_t depth = client->stream_config.limits.xml_depth;
    for (size_t n = depth; n <= depth + 1; n++) {
        text[0] = '\0';
        for (size_t k = 0; k < n; k++)
            memcpy(text + 3 * k, "<a>", 4);
        for (size_t k = 0; k < n; k++)
            memcpy(text + 3 * n + 4 * k, "</a>", 5);
        assert_int_equal(jb_element_parse(client, text, &e), n == depth ? 0 : JB_EFULL);
        jb_element_free(e);
    }
    free(text);
}

static void an_element_outlives_the_client(void **state)
{
    struct jb_client *other;
    const struct jb_element *e;

    (void)state;
    assert_int_equal(jb_client_new(&other, NULL), 0);
    assert_int_equal(jb_element_parse(other, "<a b='c'>d</a>", &e), 0);
    jb_client_free(other);
    assert_string_equal(jb_element_attr(e, "b"), "c");
    jb_element_free(e);
}

static void elements_without_memory(struct failing_alloc *f, void *ctx)
{
    struct jb_client *c;
    const struct jb_element *e;

    (void)ctx;
    if (jb_client_new(&c, &f->alloc) != 0)
        return;
    int rc = jb_element_parse(c, "<a xmlns='urn:a' b='&lt;'>x<b>y</b>z</a>", &e);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_true((e != NULL) == (rc == 0));
    if (rc == 0) {
        struct jb_writer *w = jb_writer_new(c);
        jb_writer_element(w, jb_element_first(e));
        assert_true((jb_writer_text(w) != NULL) == !f->failed);
        jb_writer_free(w);
    }
    jb_element_free(e);
    jb_client_free(c);
}

static void parsing_out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(elements_without_memory, NULL) > 3);
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
        cmocka_unit_test(text_and_elements),
        cmocka_unit_test(an_element_within_another),
        cmocka_unit_test(texts_that_are_no_element),
        cmocka_unit_test(texts_that_are_too_large),
        cmocka_unit_test(an_element_outlives_the_client),
        cmocka_unit_test(parsing_out_of_memory),
    };

    return cmocka_run_group_tests(tests, make_client, free_client);
}
