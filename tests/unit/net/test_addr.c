/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/un.h>
#include <cmocka.h>

static struct jb__addr addr(const char *text)
{
    struct jb__addr a;

    if (jb__addr_parse(&a, jb_strz(text)) != 0)
        fail_msg("%s is an address", text);
    return a;
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out, *port;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1", "192.0.2.1:5280" },
        { "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:5280" },
        { "[::1]", "::1", "[::1]:5280" },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[2001:db8::1]:5280" },
        { "::", "::", "[::]:5280" },
        { "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888",
          "[1111:2222:3333:4444:5555:6666:7777:8888]:5280" },
    };
    static const char *const bad[] = { "",          "x",        "1.2.3",     "1.2.3.4.5",
                                       "1.2.3.256", "1.2.3.4 ", "[1.2.3.4]", "[]",
                                       "[::1",      "::1]",     "::1%eth0",  "example.org",
                                       "01.2.3.4",  ":::" };
    char text[JB__ADDR_TEXT_BYTES];
    struct jb__addr a;

    (void)state;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        a = addr(cases[n].in);
        assert_int_equal(jb__addr_text(&a, text), strlen(cases[n].out));
        assert_string_equal(text, cases[n].out);
        a.port = 5280;
        assert_int_equal(jb__addr_text_port(&a, text), strlen(cases[n].port));
        assert_string_equal(text, cases[n].port);
        struct jb__addr back;
        assert_int_equal(jb__addr_parse_port(&back, jb_strz(text)), 0);
        assert_int_equal(back.port, 5280);
        assert_true(jb__addr_eq_ip(&a, &back));
    }
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++)
        assert_int_equal(jb__addr_parse(&a, jb_strz(bad[n])), JB_EINVAL);
    assert_int_equal(jb__addr_parse(&a, jb_str("1.2.3.4\0", 8)), JB_EINVAL);
    a = (struct jb__addr){ 0 };
    jb__addr_text_port(&a, text);
    assert_string_equal(text, "unknown:0");
}

static void test_port(void **state)
{
    static const char *const bad[] = { "",          ":1",      "1.2.3.4",       "1.2.3.4:",
                                       "1.2.3.4:x", "::1:1",   "1.2.3.4:65536", "[::1]",
                                       "[::1]1",    "[::1]:-1" };
    struct jb__addr a;

    (void)state;
    assert_int_equal(jb__addr_parse_port(&a, JB_STR("*:443")), 0);
    assert_int_equal(a.port, 443);
    assert_false(jb__addr_is_v4(&a));
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++)
        assert_int_equal(jb__addr_parse_port(&a, jb_strz(bad[n])), JB_EINVAL);
}

static void test_sockaddr(void **state)
{
    struct sockaddr_storage sa;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct jb__addr a = addr("192.0.2.1"), b;

    (void)state;
    a.port = 5280;
    assert_int_equal(jb__addr_to_sockaddr(&a, &sa), sizeof(struct sockaddr_in));
    assert_int_equal(sa.ss_family, AF_INET);
    jb__addr_from_sockaddr(&b, (struct sockaddr *)&sa);
    assert_memory_equal(&a, &b, sizeof a);
    a = addr("2001:db8::1");
    a.port = 1;
    a.scope = 7;
    assert_int_equal(jb__addr_to_sockaddr(&a, &sa), sizeof(struct sockaddr_in6));
    jb__addr_from_sockaddr(&b, (struct sockaddr *)&sa);
    assert_memory_equal(&a, &b, sizeof a);
    jb__addr_from_sockaddr(&b, (struct sockaddr *)&un);
    assert_false(b.is_set);
    assert_false(jb__addr_is_loopback(&b));
}

static void test_loopback(void **state)
{
    static const char *const yes[] = { "127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1" };
    static const char *const no[] = { "128.0.0.1", "::2",         "::",  "0.0.0.0",
                                      "126.0.0.1", "::127.0.0.1", "1::1" };
    struct jb__addr a;

    (void)state;
    for (size_t n = 0; n < sizeof yes / sizeof yes[0]; n++) {
        a = addr(yes[n]);
        assert_true(jb__addr_is_loopback(&a));
    }
    for (size_t n = 0; n < sizeof no / sizeof no[0]; n++) {
        a = addr(no[n]);
        assert_false(jb__addr_is_loopback(&a));
    }
}

static bool in(const char *network, const char *address)
{
    struct jb__addr_net net;
    struct jb__addr a = addr(address);

    if (jb__addr_net_parse(&net, jb_strz(network)) != 0)
        fail_msg("%s is a network", network);
    return jb__addr_net_has(&net, &a);
}

static void test_networks(void **state)
{
    static const char *const bad[] = { "10.0.0.1/8",     "10.0.0.0/33", "10.0.0.0/",    "/8",
                                       "2001:db8::1/32", "::/129",      "10.0.0.0/8/8", "x/8" };
    struct jb__addr_net net;
    struct jb__addr none = { 0 };

    (void)state;
    assert_true(in("10.0.0.0/8", "10.255.1.2"));
    assert_false(in("10.0.0.0/8", "11.0.0.0"));
    assert_true(in("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(in("192.0.2.128/25", "192.0.2.200"));
    assert_false(in("192.0.2.128/25", "192.0.2.100"));
    assert_true(in("192.0.2.1", "192.0.2.1"));
    assert_false(in("192.0.2.1", "192.0.2.0"));
    assert_true(in("0.0.0.0/0", "8.8.8.8"));
    assert_false(in("0.0.0.0/0", "2001:db8::1"));
    assert_true(in("::/0", "2001:db8::1"));
    assert_false(in("::/0", "8.8.8.8"));
    assert_true(in("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(in("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(in("::ffff:0:0/96", "8.8.8.8"));
    assert_true(in("::1", "::1"));
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++)
        assert_int_equal(jb__addr_net_parse(&net, jb_strz(bad[n])), JB_EINVAL);
    assert_int_equal(jb__addr_net_parse(&net, JB_STR("::/0")), 0);
    assert_false(jb__addr_net_has(&net, &none));
}

/* Each mask length, by the definition, bit by bit. */
static void test_every_mask(void **state)
{
    struct jb__addr base = addr("a5a5:a5a5:a5a5:a5a5:a5a5:a5a5:a5a5:a5a5");

    (void)state;
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct jb__addr_net net = { .bits = (uint8_t)bits };
        for (unsigned k = 0; k < bits; k++)
            net.ip[k / 8] = (uint8_t)(net.ip[k / 8] | (base.ip[k / 8] & (0x80 >> (k % 8))));
        assert_true(jb__addr_net_has(&net, &base));
        for (unsigned k = 0; k < 128; k++) {
            struct jb__addr other = base;
            other.ip[k / 8] ^= (uint8_t)(0x80 >> (k % 8));
            assert_int_equal(jb__addr_net_has(&net, &other), k >= bits);
        }
    }
}

static void test_key(void **state)
{
    struct jb__addr a = addr("2001:db8:1:2:3:4:5:6"), b = addr("2001:db8:1:2:ffff::"),
                    c = addr("2001:db8:1:3::"), d = addr("192.0.2.1"), e = addr("192.0.2.2");
    struct jb__addr_key ka = jb__addr_key(&a), kb = jb__addr_key(&b), kc = jb__addr_key(&c),
                        kd = jb__addr_key(&d), ke = jb__addr_key(&e);

    (void)state;
    assert_memory_equal(&ka, &kb, sizeof ka);
    assert_memory_not_equal(&ka, &kc, sizeof ka);
    assert_memory_not_equal(&kd, &ke, sizeof kd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),     cmocka_unit_test(test_port),
        cmocka_unit_test(test_sockaddr), cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_every_mask),
        cmocka_unit_test(test_key),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
