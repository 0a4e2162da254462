/* SPDX-License-Identifier: MIT */
#include "modules/xep0004_forms.h"

#include "modules/modules.h"

static const struct jb_fault twice = JB_FAULT(BAD_REQUEST, "a field of the form comes twice");

/* ---- reading ---- */

static bool is_type(const struct form *f, uint16_t x, const char *type)
{
    return jb_str_eqz(jb_node_attr(f->doc, x, "type", f->arena), type);
}

static bool next_value(const struct form *f, uint16_t field, uint16_t *at, struct jb_str *value)
{
    uint16_t node = *at ? jb_node_next(f->doc, *at) : jb_node_first(f->doc, field);

    while (node && !jb_node_is(f->doc, node, "value", JB_NS_DATA_FORMS))
        node = jb_node_next(f->doc, node);
    if (!node)
        return false;
    *at = node;
    *value = jb_node_text(f->doc, node, f->arena);
    return true;
}

static bool single_value(const struct form *f, uint16_t field, struct jb_str *value)
{
    struct jb_str more;
    uint16_t at = 0;

    return field && next_value(f, field, &at, value) && !next_value(f, field, &at, &more);
}

static struct form_field *find_field(const struct form *f, struct jb_str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (jb_str_eqz(name, f->fields[i].name))
            return &f->fields[i];
    return NULL;
}

static struct jb_fault take_field(struct form *f, uint16_t node, uint16_t *form_type)
{
    struct jb_str name = jb_node_attr(f->doc, node, "var", f->arena);
    struct form_field *field = find_field(f, name);
    uint16_t *place = jb_str_eqz(name, "FORM_TYPE") ? form_type : field ? &field->node : NULL;

    if (name.n == 0 && !is_type(f, node, "fixed")) /* section 3.2 */
        return JB_FAULT(BAD_REQUEST, "a field of the form has no name");
    if (!place) {
        f->unknown |= name.n > 0;
        return JB_NO_FAULT;
    }
    if (*place)
        return twice;
    *place = node;
    return JB_NO_FAULT;
}

struct jb_fault form_read(struct form *f, uint16_t parent, struct jb_str type)
{
    uint16_t x = jb_node_child(f->doc, parent, "x", JB_NS_DATA_FORMS);
    uint16_t form_type = 0;
    struct jb_str value;

    f->given = x != 0;
    f->cancelled = x && is_type(f, x, "cancel");
    f->unknown = false;
    if (!x || f->cancelled)
        return JB_NO_FAULT;
    if (!is_type(f, x, "submit"))
        return JB_FAULT(BAD_REQUEST, "the form is not one that was submitted");
    for (uint16_t c = jb_node_first(f->doc, x); c; c = jb_node_next(f->doc, c)) {
        if (!jb_node_is(f->doc, c, "field", JB_NS_DATA_FORMS))
            continue;
        struct jb_fault fault = take_field(f, c, &form_type);
        if (fault.condition != JB_STANZA_OK)
            return fault;
    }
    if (!single_value(f, form_type, &value) || !jb_str_eq(value, type))
        return JB_FAULT(BAD_REQUEST, "the form has another FORM_TYPE, or none");
    return JB_NO_FAULT;
}

bool form_text(const struct form *f, size_t field, struct jb_str *value)
{
    return single_value(f, f->fields[field].node, value);
}

bool form_bool(const struct form *f, size_t field, bool *value)
{
    struct jb_str text;

    if (!form_text(f, field, &text))
        return false;
    *value = jb_xml_is_true(text);
    return *value || jb_str_eqz(text, "0") || jb_str_eqz(text, "false");
}

bool form_next_value(const struct form *f, size_t field, uint16_t *at, struct jb_str *value)
{
    return f->fields[field].node && next_value(f, f->fields[field].node, at, value);
}

/* ---- writing ---- */

void form_open(struct jb_xml *x, const char *kind, struct jb_str type)
{
    jb_xml_open(x, "x", JB_NS_DATA_FORMS);
    jb_xml_attrz(x, "type", kind);
    form_open_field(x, "FORM_TYPE", "hidden");
    form_value(x, type);
    jb_xml_close(x);
}

void form_open_field(struct jb_xml *x, const char *name, const char *type)
{
    jb_xml_open(x, "field", JB_NS_NONE);
    jb_xml_attrz(x, "var", name);
    jb_xml_attrz(x, "type", type);
}

void form_value(struct jb_xml *x, struct jb_str value)
{
    jb_xml_leaf(x, "value", JB_NS_NONE, value);
}

void form_empty_field(struct jb_xml *x, const char *name, const char *type)
{
    form_open_field(x, name, type);
    jb_xml_close(x);
}

const struct module xep0004_forms = {
    .name = "forms",
    .title = "Data Forms",
    .xep = 4,
    .features = { JB_NS_DATA_FORMS },
};
