/* SPDX-License-Identifier: MIT */
/* In the place of sasl2.c where that is left out (-Dminimal=true): RFC 6120 is enough. */
#include "client/login.h"

bool jb__sasl2_begin(struct jb_client *c, const struct jb_doc *features)
{
    (void)c;
    (void)features;
    return false;
}

void jb__sasl2_say(struct jb_client *c, bool first, struct jb_str mech, struct jb_str text)
{
    (void)c;
    (void)first;
    (void)mech;
    (void)text;
}

bool jb__sasl2_on_element(struct jb_client *c, const struct jb_doc *doc)
{
    (void)c;
    (void)doc;
    return false;
}
