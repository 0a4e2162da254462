/* SPDX-License-Identifier: MIT */
#include "modules/xep0115_hash.h"

#include "core/limits.h"
#include "failing_alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct jb_xml_bounds bounds = {
    .depth = 16, .attributes = 16, .namespaces = 16, .elements = 256, .name_bytes = 64
};

#define QUERY(inside) "<query xmlns='http://jabber.org/protocol/disco#info'>" inside "</query>"
#define FORM(inside)  "<x xmlns='jabber:x:data' type='result'>" inside "</x>"
#define TYPE(value)   "<field var='FORM_TYPE' type='hidden'><value>" value "</value></field>"
#define IDENTITY      "<identity category='client' type='pc' name='Exodus 0.9.1'/>"

static int ver_of(const char *text, const struct jb_allocator *alloc, char ver[CAPS_VER_BYTES + 1])
{
    struct jb__arena arena;
    struct jb_doc doc;
    int rc = JB_ENOMEM;

    jb__arena_init(&arena, alloc, JB_MIB);
    if (jb_xml_parse(jb_strz(text), &bounds, &arena, &doc) == JB_XML_OK)
        rc = caps_ver(&doc, 0, &arena, ver);
    ver[CAPS_VER_BYTES] = '\0';
    jb__arena_deinit(&arena);
    return rc;
}

static void assert_ver(const char *text, const char *expected)
{
    char ver[CAPS_VER_BYTES + 1];

    assert_int_equal(ver_of(text, &jb_allocator_libc, ver), 0);
    assert_string_equal(ver, expected);
}

/* Section 5.2; the order of what is hashed is not that of the answer. */
static const char simple[] =
    QUERY("<feature var='http://jabber.org/protocol/muc'/>"
          "<feature var='http://jabber.org/protocol/disco#items'/>" IDENTITY
          "<feature var='http://jabber.org/protocol/caps'/>"
          "<feature var='http://jabber.org/protocol/disco#info'/>");

/* Section 5.3. */
static const char complex[] = QUERY(
    "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
    "<identity xml:lang='el' category='client' name='\316\250 0.11' type='pc'/>"
    "<feature var='http://jabber.org/protocol/caps'/>"
    "<feature var='http://jabber.org/protocol/disco#info'/>"
    "<feature var='http://jabber.org/protocol/disco#items'/>"
    "<feature var='http://jabber.org/protocol/muc'/>" FORM(
        "<field var='software_version'><value>0.11</value></field>" TYPE(
            "urn:xmpp:dataforms:softwareinfo") "<field var='os'><value>Mac</value></field>"
                                               "<field var='ip_version'><value>ipv6</value>"
                                               "<value>ipv4</value></field>"
                                               "<field var='software'><value>Psi</value></field>"
                                               "<field var='os_version'><value>10.5.1</value>"
                                               "</field>"));

static void test_examples(void **state)
{
    (void)state;
    assert_ver(simple, "QgayPKawpkPSDYmwT/WM94uAlu0=");
    assert_ver(complex, "q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

/* A var is sorted by itself: "ip" before "ip-old", though '-' is less than the '<' behind it. */
static void test_order_is_of_the_names(void **state)
{
    (void)state;
    /* printf 'a/b//<t<ip<1<ip-old<2<' | openssl dgst -sha1 -binary | base64 */
    assert_ver(QUERY("<identity category='a' type='b'/>" FORM(
                   TYPE("t") "<field var='ip-old'><value>2</value></field>"
                             "<field var='ip'><value>1</value></field>")),
               "s1IMh7YiOIoGhQSIZx3QLf79luA=");
}

/* Section 5.4, step 3.6: without a hidden FORM_TYPE a form is as if it were not there. */
static void test_other_forms_are_ignored(void **state)
{
    (void)state;
    assert_ver(QUERY("<feature var='http://jabber.org/protocol/muc'/>"
                     "<feature var='http://jabber.org/protocol/disco#items'/>" IDENTITY
                     "<feature var='http://jabber.org/protocol/caps'/>"
                     "<feature var='http://jabber.org/protocol/disco#info'/>" FORM(
                         "<field var='FORM_TYPE'><value>t</value></field>")
                         FORM("<field var='os'><value>Mac</value></field>")),
               "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

/* Section 5.4, steps 3.3 to 3.5. */
static void test_twice_is_ill_formed(void **state)
{
    static const char *const texts[] = {
        QUERY(IDENTITY IDENTITY),
        QUERY(IDENTITY "<feature var='a'/><feature var='b'/><feature var='a'/>"),
        QUERY(IDENTITY FORM(TYPE("t") "<field var='a'><value>1</value></field>") FORM(TYPE("t"))),
    };
    char ver[CAPS_VER_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(ver_of(texts[i], &jb_allocator_libc, ver), JB_EINVAL);
}

static void scenario(struct failing_alloc *f, void *ctx)
{
    char ver[CAPS_VER_BYTES + 1];

    (void)ctx;
    int rc = ver_of(complex, &f->alloc, ver);
    assert_int_equal(rc, f->failed ? JB_ENOMEM : 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_true(failing_alloc_loop(scenario, NULL) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_order_is_of_the_names),
        cmocka_unit_test(test_other_forms_are_ignored),
        cmocka_unit_test(test_twice_is_ill_formed),
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
