/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "client/url.h"

static void good(void **state)
{
    static const struct {
        const char *text, *host, *target, *authority;
        uint16_t port;
        bool tls;
    } rows[] = {
        { "ws://a", "a", "/", "a", 80, false },
        { "WSS://a.example/", "a.example", "/", "a.example", 443, true },
        { "wss://a:443/x?y=z", "a", "/x?y=z", "a", 443, true },
        { "wss://a:5443?q", "a", "/?q", "a:5443", 5443, true },
        { "ws://[::1]:8080/x", "::1", "/x", "[::1]:8080", 8080, false },
        { "https://127.0.0.1/.well-known/host-meta", "127.0.0.1", "/.well-known/host-meta",
          "127.0.0.1", 443, true },
    };
    char authority[JB__URL_AUTHORITY_BYTES];
    struct jb__url url;

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        assert_int_equal(jb__url_parse(jb_strz(rows[k].text), &url), 0);
        assert_string_equal(url.host, rows[k].host);
        assert_string_equal(url.target, rows[k].target);
        assert_int_equal(url.port, rows[k].port);
        assert_int_equal(url.tls, rows[k].tls);
        assert_str_equal(jb__url_authority(&url, authority), rows[k].authority);
    }
}

static void bad(void **state)
{
    static const char *const rows[] = {
        "",           "ws:",        "ws://",         "ws:///x",       "http://a/",  "wss//a",
        "wss://a:0/", "wss://a:x/", "wss://a:70000", "wss://u@a/",    "wss://a/#f", "wss://a/ x",
        "wss://a b/", "wss://[::1", "wss://a/\n",    "wss://a/\x7f/", "xmpp:a",     " ws://a",
    };
    struct jb__url url;
    char text[1200] = "wss://";

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        assert_int_equal(jb__url_parse(jb_strz(rows[k]), &url), JB_EINVAL);
    memset(text + 6, 'a', JB__URL_HOST_BYTES + 1);
    assert_int_equal(jb__url_parse(jb_strz(text), &url), JB_EINVAL);
    memset(text + 7, 'a', sizeof text - 8);
    text[7] = '/';
    assert_int_equal(jb__url_parse(jb_str(text, 7 + JB__URL_TARGET_BYTES), &url), 0);
    assert_int_equal(jb__url_parse(jb_str(text, 8 + JB__URL_TARGET_BYTES), &url), JB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(bad) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
