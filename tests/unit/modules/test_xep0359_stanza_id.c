/* SPDX-License-Identifier: MIT */
/* The ids of stanzas: one to one with the ids of a log, unreadable without the secret. */
#include "modules/xep0359_stanza_id.h"
#include "server/server.h"

#include "test.h"

static const int64_t ids[] = {
    0, 1, 2, -1, INT64_MIN, INT64_MAX, 1790000000000000, 1790000000000001
};
enum { IDS = sizeof ids / sizeof ids[0] };

static void make_server(struct server *server, int secret)
{
    *server = (struct server){ 0 };
    memset(server->secret, secret, sizeof server->secret);
}

static void test_there_and_back(void **state)
{
    struct server server;
    char text[STANZA_ID_BYTES + 1];
    int64_t back;

    (void)state;
    make_server(&server, 7);
    for (size_t i = 0; i < IDS; i++) {
        stanza_id_text(&server, ids[i], text);
        assert_int_equal(strspn(text, "0123456789abcdef"), STANZA_ID_BYTES);
        assert_true(stanza_id_parse(&server, jb_strz(text), &back));
        assert_int_equal(back, ids[i]);
    }
    for (uint64_t i = 0; i < 20000; i++) {
        int64_t id = (int64_t)(i * 0x9e3779b97f4a7c15u);
        stanza_id_text(&server, id, text);
        assert_true(stanza_id_parse(&server, jb_strz(text), &back));
        assert_int_equal(back, id);
    }
}

/* Neighbours have nothing in common, and another secret makes other ids. */
static void test_unpredictable(void **state)
{
    struct server one, two;
    char a[STANZA_ID_BYTES + 1], b[STANZA_ID_BYTES + 1];
    int64_t back;

    (void)state;
    make_server(&one, 7);
    make_server(&two, 8);
    stanza_id_text(&one, ids[6], a);
    stanza_id_text(&one, ids[7], b);
    assert_true(memcmp(a, b, 8) != 0 && memcmp(a + 8, b + 8, 8) != 0);
    assert_true(stanza_id_parse(&two, jb_strz(a), &back));
    assert_int_not_equal(back, ids[6]);
}

static void test_not_an_id(void **state)
{
    static const char *const texts[] = { "",
                                         "0",
                                         "0123456789abcde",
                                         "0123456789abcdef0",
                                         "0123456789ABCDEF",
                                         "0123456789abcdeg",
                                         " 123456789abcdef",
                                         "-123456789abcdef",
                                         "' OR 1=1--",
                                         "28482-98726-7362" };
    struct server server;
    int64_t back;

    (void)state;
    make_server(&server, 7);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(stanza_id_parse(&server, jb_strz(texts[i]), &back));
    assert_false(stanza_id_parse(&server, jb_str("01234567\0009abcdef", 16), &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_unpredictable),
        cmocka_unit_test(test_not_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
