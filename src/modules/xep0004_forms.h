/* SPDX-License-Identifier: MIT */
/* XEP-0004 Data Forms, with the FORM_TYPE of XEP-0068: reading what was submitted, writing ours.
 *
 *     enum { WITH, START, FIELDS };
 *     struct form form = { .doc = doc, .arena = arena, .count = FIELDS,
 *                          .fields = (struct form_field[]){ [WITH] = { "with" },
 *                                                           [START] = { "start" } } };
 *     struct jb_fault fault = form_read(&form, payload, JB_STR("urn:xmpp:mam:2"));
 *     if (form_text(&form, WITH, &with)) ... */
#ifndef MODULES_XEP0004_FORMS_H
#define MODULES_XEP0004_FORMS_H

#include "core/fault.h"
#include "core/xml_parse.h"

/* A field that the reader knows. */
struct form_field {
    const char *name; /* its `var` */
    uint16_t node;    /* filled in; 0: not in the form */
};

struct form {
    const struct jb_doc *doc;
    struct jb__arena *arena; /* for values with references */
    struct form_field *fields;
    size_t count;
    /* Filled in: */
    bool given;     /* there is a form */
    bool cancelled; /* of type cancel: nothing else in it counts */
    bool unknown;   /* it has a field that is none of `fields` */
};

/* Reads the form in the element `parent`; no fault when there is none.  bad-request: it is neither
 * submitted nor cancelled, its FORM_TYPE is not `type`, a field comes twice or has no name. */
JB_NODISCARD struct jb_fault form_read(struct form *f, uint16_t parent, struct jb_str type);

/* The value of a field that has one value.  False: the field is not there, or has none, or more. */
bool form_text(const struct form *f, size_t field, struct jb_str *value);
/* The same as a boolean (section 3.3): 0, 1, false, true. */
bool form_bool(const struct form *f, size_t field, bool *value);
/* Walks the values of a field that may have several: *at starts with 0; false at the end. */
bool form_next_value(const struct form *f, size_t field, uint16_t *at, struct jb_str *value);

/* ---- writing ---- */

/* <x type='...'> with its FORM_TYPE; closed by jb_xml_close(). */
void form_open(struct jb_xml *x, const char *kind, struct jb_str type);
/* <field/>, to be given values and closed by jb_xml_close(). */
void form_open_field(struct jb_xml *x, const char *name, const char *type);
void form_value(struct jb_xml *x, struct jb_str value);
/* <field/> without a value. */
void form_empty_field(struct jb_xml *x, const char *name, const char *type);

#endif
