/* SPDX-License-Identifier: MIT */
#include "core/http_field.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void iterates_fields(void **state)
{
    struct jb_str fields = JB_STR("A: 1\r\nB:\r\na:\t2 \r\nC:x:y\r\n");
    struct jb_str all = fields, name, value;
    (void)state;

    assert_true(jb__http_field_next(&fields, &name, &value));
    assert_true(jb_str_eqz(name, "A") && jb_str_eqz(value, "1"));
    assert_true(jb__http_field_next(&fields, &name, &value));
    assert_true(jb_str_eqz(name, "B") && value.n == 0);
    assert_true(jb__http_field_next(&fields, &name, &value));
    assert_true(jb_str_eqz(name, "a") && jb_str_eqz(value, "2"));
    assert_true(jb__http_field_next(&fields, &name, &value));
    assert_true(jb_str_eqz(name, "C") && jb_str_eqz(value, "x:y"));
    assert_false(jb__http_field_next(&fields, &name, &value));
    assert_int_equal(jb__http_field_count(all, JB_STR("a")), 2);
    assert_false(jb__http_field_find(all, JB_STR("d"), &value));
    assert_int_equal(value.n, 0);
}

static void cuts_lists(void **state)
{
    static const char *const expected[] = { "a", "b;q=\"x,\\\",y\"", "c", "\"open, d" };
    struct jb_str list = JB_STR(" ,a,, b;q=\"x,\\\",y\" ,c,\"open, d");
    struct jb_str item;
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        assert_true(jb__http_list_next(&list, ',', &item));
        assert_true(jb_str_eqz(item, expected[i]));
    }
    assert_false(jb__http_list_next(&list, ',', &item));
}

static void finds_list_items_over_several_headers(void **state)
{
    struct jb_str fields = JB_STR("U: a,b\r\nX: z\r\nu:\r\nU: ,C ,d\r\n");
    (void)state;

    assert_true(jb__http_list_has(fields, JB_STR("u"), JB_STR("a")));
    assert_true(jb__http_list_has(fields, JB_STR("u"), JB_STR("c")));
    assert_true(jb__http_list_has(fields, JB_STR("u"), JB_STR("D")));
    assert_false(jb__http_list_has(fields, JB_STR("u"), JB_STR("z")));
    assert_false(jb__http_list_has(fields, JB_STR("u"), JB_STR("")));
}

static void knows_tokens(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool expected = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
        assert_int_equal(jb__http_is_tchar((char)c), expected);
    }
    assert_true(jb__http_is_token(JB_STR("permessage-deflate")));
    assert_false(jb__http_is_token(JB_STR("")));
    assert_false(jb__http_is_token(JB_STR("a b")));
    assert_int_equal(jb__http_hex('f'), 15);
    assert_int_equal(jb__http_hex('F'), 15);
    assert_int_equal(jb__http_hex('g'), -1);
}

static void reads_queries(void **state)
{
    static const struct {
        const char *query, *name;
        int rc;
        const char *value;
    } rows[] = {
        { "a=1&b=2", "b", 0, "2" },
        { "a=1&a=2", "a", 0, "1" },
        { "a", "a", 0, "" },
        { "a=", "a", 0, "" },
        { "&&a=x=y", "a", 0, "x=y" },
        { "%61=+%2B%c3%a4", "a", 0, " +\xc3\xa4" },
        { "ab=1", "a", JB_ENOTFOUND, "" },
        { "a=1", "ab", JB_ENOTFOUND, "" },
        { "", "a", JB_ENOTFOUND, "" },
        { "a=%", "a", JB_EINVAL, "" },
        { "a=%4", "a", JB_EINVAL, "" },
        { "a=%4x", "a", JB_EINVAL, "" },
        { "a=x%00", "a", JB_EINVAL, "" },
        { "a=%0d%0a", "a", JB_EINVAL, "" },
        { "a=%ff", "a", JB_EINVAL, "" },
        { "a=12345678901", "a", JB_EFULL, "" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jb__buf out;
        jb__buf_init(&out, &jb_allocator_libc, 11);
        assert_int_equal(jb__buf_append(&out, "-", 1), 0);
        int rc = jb__http_query_get(jb_strz(rows[i].query), jb_strz(rows[i].name), &out);
        if (rc != rows[i].rc)
            fail_msg("%s: %d", rows[i].query, rc);
        assert_true(jb_str_eqz(jb_str_from(jb__buf_str(&out), 1), rows[i].value));
        jb__buf_deinit(&out);
    }
}

static void query_scenario(struct failing_alloc *f, void *ctx)
{
    struct jb_str query =
        JB_STR("a=0123456789012345678901234567890123456789012345678901234567890123"
               "45678901234567890123456789");
    struct jb__buf out;
    (void)ctx;

    jb__buf_init(&out, &f->alloc, 1000);
    int rc = jb__http_query_get(query, JB_STR("a"), &out);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
    assert_int_equal(out.n, f->failed ? 0 : query.n - 2);
    jb__buf_deinit(&out);
}

static void survives_no_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(query_scenario, NULL) > 1);
}

static void negotiates_content_codings(void **state)
{
    const unsigned both = 1u << JB__HTTP_BR | 1u << JB__HTTP_GZIP;
    const struct {
        const char *fields;
        unsigned have;
        enum jb__http_coding coding;
    } rows[] = {
        { "", both, JB__HTTP_IDENTITY },
        { "Accept-Encoding: gzip, deflate, br\r\n", both, JB__HTTP_BR },
        { "Accept-Encoding: gzip, deflate, br\r\n", 1u << JB__HTTP_GZIP, JB__HTTP_GZIP },
        { "Accept-Encoding: gzip, br\r\n", 0, JB__HTTP_IDENTITY },
        { "Accept-Encoding: br;q=0.5, GZIP;q=0.501\r\n", both, JB__HTTP_GZIP },
        { "Accept-Encoding: br ; q=0.9 , gzip; Q=0.8\r\n", both, JB__HTTP_BR },
        { "Accept-Encoding: br;q=0, gzip;q=0.000\r\n", both, JB__HTTP_IDENTITY },
        { "Accept-Encoding: identity, br;q=0.5\r\n", both, JB__HTTP_IDENTITY },
        { "Accept-Encoding: *\r\n", both, JB__HTTP_BR },
        { "Accept-Encoding: *;q=0.1, br;q=0\r\n", both, JB__HTTP_GZIP },
        { "Accept-Encoding: *;q=0\r\n", both, JB__HTTP_IDENTITY },
        { "Accept-Encoding: br;q=1.1, br;q=x, br;q=, br;x=1, br;q=0.x, br;z=1, br;q, "
          "br;q=0.1234\r\n",
          both, JB__HTTP_IDENTITY },
        { "Accept-Encoding: br;q=2\r\nAccept-Encoding: gzip;q=1.\r\n", both, JB__HTTP_GZIP },
        { "Accept-Encoding: gzip;q=0.05, br;q=0.2\r\n", both, JB__HTTP_BR },
    };
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (jb__http_accept_coding(jb_strz(rows[i].fields), rows[i].have) != rows[i].coding)
            fail_msg("%s", rows[i].fields);
}

static void matches_etags(void **state)
{
    const struct jb_str tag = JB_STR("\"abc\"");
    (void)state;

    assert_true(jb__http_none_match(JB_STR("If-None-Match: \"abc\"\r\n"), tag));
    assert_true(jb__http_none_match(JB_STR("If-None-Match: \"x,\", W/\"abc\"\r\n"), tag));
    assert_true(jb__http_none_match(JB_STR("If-None-Match: *\r\n"), tag));
    assert_false(jb__http_none_match(JB_STR("If-None-Match: abc, \"ABC\", w/\"abc\"\r\n"), tag));
    assert_false(jb__http_none_match(JB_STR("If-Match: \"abc\"\r\n"), tag));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iterates_fields),
        cmocka_unit_test(cuts_lists),
        cmocka_unit_test(finds_list_items_over_several_headers),
        cmocka_unit_test(knows_tokens),
        cmocka_unit_test(reads_queries),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(negotiates_content_codings),
        cmocka_unit_test(matches_etags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
