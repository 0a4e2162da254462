/* SPDX-License-Identifier: MIT */
#include "modules/xep0004_forms.h"

#include "core/limits.h"
#include "test.h"

enum { WITH, IDS, FLAG, FIELDS };

static const struct jb_xml_bounds bounds = {
    .depth = 16, .attributes = 16, .namespaces = 16, .elements = 256, .name_bytes = 64
};

#define QUERY(inside)  "<query xmlns='jabber:iq:search'>" inside "</query>"
#define SUBMIT(inside) QUERY("<x xmlns='jabber:x:data' type='submit'>" TYPE inside "</x>")
#define TYPE           "<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>"

struct stage {
    struct jb__arena arena;
    struct jb_doc doc;
    struct form_field fields[FIELDS];
    struct form form;
};

static int set_up(void **state)
{
    static struct stage stage;

    jb__arena_init(&stage.arena, &jb_allocator_abort, JB_MIB);
    *state = &stage;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    jb__arena_deinit(&s->arena);
    return 0;
}

static enum jb_stanza_error read_form(struct stage *s, const char *text)
{
    s->fields[WITH] = (struct form_field){ "with", 0 };
    s->fields[IDS] = (struct form_field){ "ids", 0 };
    s->fields[FLAG] = (struct form_field){ "flag", 0 };
    s->form =
        (struct form){ .doc = &s->doc, .arena = &s->arena, .fields = s->fields, .count = FIELDS };
    assert_int_equal(jb_xml_parse(jb_strz(text), &bounds, &s->arena, &s->doc), JB_XML_OK);
    return form_read(&s->form, 0, JB_STR("urn:x")).condition;
}

static void test_values(void **state)
{
    struct stage *s = *state;
    struct jb_str value;
    uint16_t at = 0;
    bool flag = false;

    assert_int_equal(
        read_form(s, SUBMIT("<field var='ids'><value>a</value><desc/><value>b&amp;</value></field>"
                            "<field var='with' type='jid-single'><value>&lt;me&gt;</value></field>"
                            "<field var='flag'><value>1</value></field>")),
        JB_STANZA_OK);
    assert_true(s->form.given && !s->form.cancelled && !s->form.unknown);
    assert_true(form_text(&s->form, WITH, &value));
    assert_str_equal(value, "<me>");
    assert_false(form_text(&s->form, IDS, &value)); /* it has two */
    assert_true(form_next_value(&s->form, IDS, &at, &value));
    assert_str_equal(value, "a");
    assert_true(form_next_value(&s->form, IDS, &at, &value));
    assert_str_equal(value, "b&");
    assert_false(form_next_value(&s->form, IDS, &at, &value));
    assert_true(form_bool(&s->form, FLAG, &flag));
    assert_true(flag);
}

static void test_absent(void **state)
{
    struct stage *s = *state;
    struct jb_str value;
    uint16_t at = 0;
    bool flag;

    assert_int_equal(read_form(s, QUERY("<x xmlns='jabber:x:other' type='submit'/>")),
                     JB_STANZA_OK);
    assert_false(s->form.given);
    assert_int_equal(read_form(s, SUBMIT("")), JB_STANZA_OK);
    assert_true(s->form.given);
    assert_false(form_text(&s->form, WITH, &value));
    assert_false(form_bool(&s->form, FLAG, &flag));
    assert_false(form_next_value(&s->form, IDS, &at, &value));
    assert_int_equal(read_form(s, SUBMIT("<field var='with'/>")), JB_STANZA_OK);
    assert_false(form_text(&s->form, WITH, &value));
    assert_int_equal(read_form(s, SUBMIT("<field var='with'><value/></field>")), JB_STANZA_OK);
    assert_true(form_text(&s->form, WITH, &value));
    assert_int_equal(value.n, 0);
}

static void test_booleans(void **state)
{
    static const struct {
        const char *form;
        bool good, value;
    } cases[] = {
        { SUBMIT("<field var='flag'><value>true</value></field>"), true, true },
        { SUBMIT("<field var='flag'><value>0</value></field>"), true, false },
        { SUBMIT("<field var='flag'><value>false</value></field>"), true, false },
        { SUBMIT("<field var='flag'><value>yes</value></field>"), false, false },
        { SUBMIT("<field var='flag'><value>1</value><value>1</value></field>"), false, false },
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool value = !cases[i].value;
        assert_int_equal(read_form(s, cases[i].form), JB_STANZA_OK);
        assert_int_equal(form_bool(&s->form, FLAG, &value), cases[i].good);
        if (cases[i].good)
            assert_int_equal(value, cases[i].value);
    }
}

static void test_kinds(void **state)
{
    struct stage *s = *state;

    assert_int_equal(read_form(s, QUERY("<x xmlns='jabber:x:data' type='cancel'/>")), JB_STANZA_OK);
    assert_true(s->form.cancelled);
    assert_int_equal(read_form(s, SUBMIT("<field var='new'/>")), JB_STANZA_OK);
    assert_true(s->form.unknown);
    assert_int_equal(read_form(s, SUBMIT("<field type='fixed'><value>words</value></field>")),
                     JB_STANZA_OK);
    assert_false(s->form.unknown);
}

static void test_refused(void **state)
{
    static const char *const forms[] = {
        QUERY("<x xmlns='jabber:x:data'>" TYPE "</x>"),
        QUERY("<x xmlns='jabber:x:data' type='result'>" TYPE "</x>"),
        QUERY("<x xmlns='jabber:x:data' type='submit'/>"),
        QUERY("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'/></x>"),
        QUERY("<x xmlns='jabber:x:data' type='submit'>"
              "<field var='FORM_TYPE'><value>urn:y</value></field></x>"),
        SUBMIT(TYPE),
        SUBMIT("<field var='with'/><field var='with'/>"),
        SUBMIT("<field><value>a</value></field>"),
        SUBMIT("<field var=''/>"),
    };
    struct stage *s = *state;

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        assert_int_equal(read_form(s, forms[i]), JB_STANZA_BAD_REQUEST);
}

static void test_writing(void **state)
{
    struct jb__buf buf;
    struct jb_xml x;

    (void)state;
    jb__buf_init(&buf, &jb_allocator_abort, JB_MIB);
    jb_xml_begin(&x, &buf);
    form_open(&x, "form", JB_STR("urn:x"));
    form_open_field(&x, "a", "list-multi");
    form_value(&x, JB_STR("1 < 2"));
    form_value(&x, JB_STR("3"));
    jb_xml_close(&x);
    form_empty_field(&x, "b", "boolean");
    jb_xml_close(&x);
    assert_int_equal(jb_xml_end(&x), 0);
    assert_str_equal(jb__buf_str(&buf),
                     "<x xmlns='jabber:x:data' type='form'>"
                     "<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>"
                     "<field var='a' type='list-multi'><value>1 &lt; 2</value><value>3</value>"
                     "</field><field var='b' type='boolean'/></x>");
    jb__buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_booleans, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test(test_writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
