/* SPDX-License-Identifier: MIT */
#include "modules/xep0059_rsm.h"

#include "core/limits.h"
#include "test.h"

static const struct jb_xml_bounds bounds = {
    .depth = 16, .attributes = 16, .namespaces = 16, .elements = 256, .name_bytes = 64
};

#define SET(inside) \
    "<query xmlns='x'><set xmlns='http://jabber.org/protocol/rsm'>" inside "</set></query>"

static int set_up(void **state)
{
    static struct jb__arena arena;

    jb__arena_init(&arena, &jb_allocator_abort, JB_MIB);
    *state = &arena;
    return 0;
}

static int tear_down(void **state)
{
    jb__arena_deinit(*state);
    return 0;
}

static struct rsm_request read_set(void **state, const char *text, enum jb_stanza_error want)
{
    struct rsm_request r;
    struct jb_doc doc;

    assert_int_equal(jb_xml_parse(jb_strz(text), &bounds, *state, &doc), JB_XML_OK);
    assert_int_equal(rsm_read(&r, &doc, 0, *state).condition, want);
    return r;
}

static void test_requests(void **state)
{
    struct rsm_request r;

    r = read_set(state, "<query xmlns='x'><set xmlns='y'><max>1</max></set></query>", JB_STANZA_OK);
    assert_false(r.has_max || r.has_index || r.has_after || r.has_before);
    r = read_set(state, SET("<max>10</max><after>a&amp;b</after>"), JB_STANZA_OK);
    assert_true(r.has_max && r.has_after && !r.has_before && !r.has_index);
    assert_int_equal(r.max, 10);
    assert_str_equal(r.after, "a&b");
    r = read_set(state, SET("<before/><max> 0\n</max>"), JB_STANZA_OK);
    assert_true(r.has_before && r.has_max);
    assert_int_equal(r.before.n, 0);
    assert_int_equal(r.max, 0);
    r = read_set(state, SET("<before>x</before><index>371</index><after/>"), JB_STANZA_OK);
    assert_str_equal(r.before, "x");
    assert_true(r.has_index && !r.has_after); /* behind nothing: from the beginning */
    assert_int_equal(r.index, 371);
    r = read_set(state, SET("<max>2147483647</max>"), JB_STANZA_OK);
    assert_int_equal(r.max, RSM_MOST);
}

static void test_bad_numbers(void **state)
{
    static const char *const sets[] = {
        SET("<max/>"),
        SET("<max>-1</max>"),
        SET("<max>+1</max>"),
        SET("<max>ten</max>"),
        SET("<max>1.0</max>"),
        SET("<max>2147483648</max>"),
        SET("<max>18446744073709551617</max>"),
        SET("<index>-1</index>"),
        SET("<index>1000000000000000000</index>"),
        SET("<index/>"),
    };

    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        (void)read_set(state, sets[i], JB_STANZA_BAD_REQUEST);
}

static void expect_page(const struct rsm_page *page, const char *want)
{
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, &jb_allocator_abort, JB_MIB);
    jb_xml_begin(&x, &buf);
    rsm_write(&x, page);
    assert_int_equal(jb_xml_end(&x), 0);
    assert_str_equal(jb__buf_str(&buf), want);
    jb__buf_deinit(&buf);
}

static void test_pages(void **state)
{
    (void)state;
    expect_page(&(struct rsm_page){ 0 }, "<set xmlns='http://jabber.org/protocol/rsm'/>");
    expect_page(&(struct rsm_page){ .count_known = true },
                "<set xmlns='http://jabber.org/protocol/rsm'><count>0</count></set>");
    expect_page(&(struct rsm_page){ .first = JB_STR("a<"),
                                    .last = JB_STR("b"),
                                    .index_known = true,
                                    .index = 5,
                                    .count_known = true,
                                    .count = 5000000000 },
                "<set xmlns='http://jabber.org/protocol/rsm'><first index='5'>a&lt;</first>"
                "<last>b</last><count>5000000000</count></set>");
    expect_page(&(struct rsm_page){ .first = JB_STR("a"), .last = JB_STR("a") },
                "<set xmlns='http://jabber.org/protocol/rsm'><first>a</first><last>a</last></set>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_numbers, set_up, tear_down),
        cmocka_unit_test(test_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
