/* SPDX-License-Identifier: MIT */
#include "modules/xep0059_rsm.h"

#include "modules/modules.h"

#include <inttypes.h>
#include <stdio.h>

/* The text of a child; false when there is no such child. */
static bool read_text(const struct jb_doc *doc, uint16_t set, const char *name,
                      struct jb__arena *arena, struct jb_str *text)
{
    uint16_t node = jb_node_child(doc, set, name, JB_NS_RSM);

    *text = node ? jb_node_text(doc, node, arena) : JB_STR_NONE;
    return node != 0;
}

static bool read_number(struct jb_str text, uint32_t *number)
{
    uint64_t value = 0;
    bool good = jb_str_u64(jb_str_trim(text), RSM_MOST, &value);

    *number = (uint32_t)value;
    return good;
}

struct jb_fault rsm_read(struct rsm_request *r, const struct jb_doc *doc, uint16_t parent,
                         struct jb__arena *arena)
{
    uint16_t set = jb_node_child(doc, parent, "set", JB_NS_RSM);
    struct jb_str text;

    *r = (struct rsm_request){ 0 };
    if (!set)
        return JB_NO_FAULT;
    r->has_max = read_text(doc, set, "max", arena, &text);
    if (r->has_max && !read_number(text, &r->max))
        return JB_FAULT(BAD_REQUEST, "'max' is no number that a page can have");
    r->has_index = read_text(doc, set, "index", arena, &text);
    if (r->has_index && !read_number(text, &r->index))
        return JB_FAULT(BAD_REQUEST, "'index' is no place in a list");
    r->has_before = read_text(doc, set, "before", arena, &r->before);
    r->has_after = read_text(doc, set, "after", arena, &r->after) && r->after.n > 0;
    return JB_NO_FAULT;
}

static void write_number(struct jb_xml *x, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, number);
    jb_xml_leaf(x, name, JB_NS_NONE, jb_strz(text));
}

void rsm_write(struct jb_xml *x, const struct rsm_page *page)
{
    jb_xml_open(x, "set", JB_NS_RSM);
    if (page->first.n) {
        jb_xml_open(x, "first", JB_NS_NONE);
        if (page->index_known)
            jb_xml_attr_u64(x, "index", page->index);
        jb_xml_text(x, page->first);
        jb_xml_close(x);
        jb_xml_leaf(x, "last", JB_NS_NONE, page->last);
    }
    if (page->count_known)
        write_number(x, "count", page->count);
    jb_xml_close(x);
}

/* What has results in pages: an account's archive.  A host has no long lists yet. */
static enum verdict on_info(const struct host *host, struct user *u, struct jb_xml *x)
{
    (void)host;
    if (!u || u->anonymous)
        return NEXT;
    jb_xml_open(x, "feature", JB_NS_NONE);
    jb_xml_attr(x, "var", jb_ns_uri(JB_NS_RSM));
    jb_xml_close(x);
    return NEXT;
}

const struct module xep0059_rsm = {
    .name = "rsm",
    .title = "Result Set Management",
    .xep = 59,
    .hooks = { .disco_info = on_info },
};
