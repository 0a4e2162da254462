/* SPDX-License-Identifier: MIT */
/* Domainparts: names, IDNA2008, addresses of hosts. */
#include "jid_rows.h"

static void test_domains(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("localhost"),
        SAME("a-b.c--d.example"),
        SAME("r3---sn.example"),
        { "example.com.", "example.com" },
        { "A.Example.nEt./x", "a.example.net/x" },
        { "example.com\u3002", "example.com" },
        { "a\u3002b\uff0ec\uff61d", "a.b.c.d" },
        { ".", NULL },
        { "..", NULL },
        { "a..", NULL },
        { "a..b", NULL },
        { ".a", NULL },
        { "-a", NULL },
        { "a-", NULL },
        { "a.-b", NULL },
        { "a-.b", NULL },
        { "a_b", NULL },
        { "a:5222", NULL },
        { "a%b", NULL },
        { "a*", NULL },
    };

    check_rows(rows, COUNT(rows));
}

static void test_international_domains(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("b\u00fccher.example"),
        { "B\u00dcCHER.example", "b\u00fccher.example" },
        { "xn--bcher-kva.example", "b\u00fccher.example" },
        { "XN--BCHER-KVA.example", "b\u00fccher.example" },
        { "a.xn--bcher-kva", "a.b\u00fccher" },
        SAME("fu\u00dfball.example"),
        { "xn--fuball-cta.example", "fu\u00dfball.example" },
        SAME("\u03b2\u03cc\u03bb\u03bf\u03c2.example"),
        { "xn--nxasmm1c.example", "\u03b2\u03cc\u03bb\u03bf\u03c2.example" },
        SAME("\u4f8b\u3048.\u30c6\u30b9\u30c8"),
        { "\u2665.example", NULL },  /* a symbol */
        { "xn--g6h.example", NULL }, /* the same in disguise */
        { "\ufdfa.example", NULL },
        { "\u0300a.example", NULL },    /* leading mark */
        { "ab--\u00fc.example", NULL }, /* hyphens in the third and fourth place */
        { "-\u00fc.example", NULL },
        { "xn--a-\u00fc.example", NULL },
        /* A-labels that are none: ASCII in disguise, overlong, broken, upper case inside */
        { "xn--", NULL },
        { "xn--a", NULL },
        { "xn--a-", NULL },
        { "xn--admin-", NULL },
        { "xn--example-.com", NULL },
        { "xn--99999999", NULL },
        { "xn--\x01", NULL },
        { "a.xn--b\u00fccher-kva", NULL },
        { "xn--bcher-kvA-.example", NULL },
        { "xn--XN--a-.example", NULL },
        { "\uff58n--bcher-kva", "b\u00fccher" }, /* an x by width */
        { "xn--bb-eka.at", "\u00f6bb.at" },
        { "xn--BB-EKA.at", "\u00f6bb.at" },
        /* Cherokee: capitals are the stable form for IDNA, small letters for our mapping */
        { "xn--58d", NULL },
        { "\u13a0", NULL },
        { "\uab70", NULL },
    };

    check_rows(rows, COUNT(rows));
}

static void test_ip_addresses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        SAME("127.0.0.1"),
        { "127.0.0.1.", "127.0.0.1" },
        { "127.0.0", NULL },
        { "127.0.0.256", NULL },
        { "127.00.0.1", NULL },
        { "1.2.3.4.5", NULL },
        { "a.1", NULL },
        { "2130706433", NULL },
        SAME("1.2.3.a"),
        SAME("[::1]"),
        SAME("a@[2001:db8::1]/x"),
        { "[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]" },
        { "[0:0:0:0:0:0:0:0]", "[::]" },
        { "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]" },
        { "[]", NULL },
        { "[", NULL },
        { "[:]", NULL },
        { "[::1", NULL },
        { "[::1]a", NULL },
        { "[::1].", NULL },
        { "[::1%eth0]", NULL },
        { "[1::2::3]", NULL },
        { "[127.0.0.1]", NULL },
        { "[v1.a]", NULL },
        { "::1", NULL },
    };
    struct jb_str out;

    check_rows(rows, COUNT(rows));
    assert_int_equal(jb_jid_prep_domain(JB_STR("[::1\0]"), &arena, &out), JB_EINVAL);
    assert_int_equal(jb_jid_prep_domain(JB_STR("\u00fc\0b"), &arena, &out), JB_EINVAL);
    assert_int_equal(jb_jid_prep_domain(JB_STR("xn--bcher-kva\0b"), &arena, &out), JB_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_domains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_international_domains, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ip_addresses, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
