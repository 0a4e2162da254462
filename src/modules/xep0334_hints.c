/* SPDX-License-Identifier: MIT */
#include "modules/xep0334_hints.h"

#include "modules/modules.h"

unsigned hints_of(const struct jb_stanza *message)
{
    static const struct {
        const char *name;
        enum hint hint;
    } names[] = { { "no-store", HINT_NO_STORE },
                  { "no-storage", HINT_NO_STORE }, /* its name until version 0.2 */
                  { "no-permanent-store", HINT_NO_PERMANENT_STORE },
                  { "no-copy", HINT_NO_COPY },
                  { "store", HINT_STORE } };
    const struct jb_doc *doc = &message->doc;
    unsigned hints = 0;

    if (message->h.type == JB_TYPE_ERROR)
        return 0;
    for (uint16_t c = jb_node_first(doc, 0); c; c = jb_node_next(doc, c))
        for (size_t i = 0; doc->nodes[c].ns == JB_NS_HINTS && i < sizeof names / sizeof names[0];
             i++)
            if (jb_str_eqz(jb_node_name(doc, c), names[i].name))
                hints |= names[i].hint;
    return hints;
}

const struct module xep0334_hints = {
    .name = "hints",
    .title = "Message Processing Hints",
    .xep = 334,
    .features = { JB_NS_HINTS },
};
