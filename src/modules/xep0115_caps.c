/* SPDX-License-Identifier: MIT */
/* XEP-0115 Entity Capabilities: the host's own, so that a client need not ask for what it asked
 * for last time (section 6.3). */
#include "modules/modules.h"
#include "modules/xep0030_disco.h"
#include "modules/xep0115_hash.h"
#include "server/reactor.h"

#include <stdio.h>

/* Names the program, not a place: this server asks and tells no other host anything. */
static const char caps_node[] = "urn:jabiru:server";

enum { INFO_BYTES = 64 * 1024, INFO_ELEMENTS = 1024 };

/* Made from the very answer that a client would get. */
static void host_ver(const struct host *host, struct jb__arena *arena, char ver[CAPS_VER_BYTES + 1])
{
    static const struct jb_xml_bounds bounds = {
        .depth = 8,
        .attributes = 16,
        .namespaces = 16,
        .elements = INFO_ELEMENTS,
        .name_bytes = 64,
    };
    struct jb__buf buf;
    struct jb_xml x;
    struct jb_doc doc;

    jb__buf_init(&buf, &jb_allocator_abort, INFO_BYTES);
    jb_xml_begin(&x, &buf);
    jb_xml_open(&x, "query", JB_NS_DISCO_INFO);
    disco_write_host_info(host, &x);
    jb_xml_close(&x);
    ver[0] = ver[CAPS_VER_BYTES] = '\0';
    if (jb_xml_end(&x) == 0 && jb_xml_parse(jb__buf_str(&buf), &bounds, arena, &doc) == JB_XML_OK &&
        caps_ver(&doc, 0, arena, ver) != 0)
        ver[0] = '\0';
    jb__buf_deinit(&buf);
}

static enum verdict on_features(struct conn *c, bool resuming, struct jb_xml *x)
{
    (void)resuming;
    char ver[CAPS_VER_BYTES + 1];

    if (!c->authenticated) /* nobody may ask before */
        return NEXT;
    host_ver(c->host, &c->reactor->arena, ver);
    if (!ver[0])
        return NEXT;
    jb_xml_open(x, "c", JB_NS_CAPS);
    jb_xml_attrz(x, "hash", "sha-1");
    jb_xml_attrz(x, "node", caps_node);
    jb_xml_attrz(x, "ver", ver);
    jb_xml_close(x);
    return NEXT;
}

static enum verdict on_info_node(struct iq *iq, struct jb_str node)
{
    char ver[CAPS_VER_BYTES + 1];
    char known[sizeof caps_node + sizeof ver];

    if (iq->user || !jb_str_starts(node, jb_strz(caps_node)))
        return NEXT;
    host_ver(iq->host, &iq->reactor->arena, ver);
    int n = snprintf(known, sizeof known, "%s#%s", caps_node, ver);
    if (!ver[0] || !jb_str_eq(node, jb_str(known, (size_t)n)))
        return NEXT;
    disco_answer_host_info(iq);
    return DONE;
}

const struct module xep0115_caps = {
    .name = "caps",
    .title = "Entity Capabilities",
    .xep = 115,
    .features = { JB_NS_CAPS },
    .hooks = { .features = on_features, .disco_info_node = on_info_node },
};
