/* SPDX-License-Identifier: MIT */
/* XEP-0030 Service Discovery: what the host can do, and what an account is.
 *
 * A host's features are those that its enabled modules declare.  An account shows itself, and its
 * available resources, to those who may see its presence only (section 8); to all others it gives
 * the answers of an address that does not exist. */
#include "modules/xep0030_disco.h"

#include "modules/contact.h"
#include "server/reactor.h"

static void write_feature(struct jb_xml *x, enum jb_ns ns)
{
    jb_xml_open(x, "feature", JB_NS_NONE);
    jb_xml_attr(x, "var", jb_ns_uri(ns));
    jb_xml_close(x);
}

static void write_identity(struct jb_xml *x, const char *category, const char *type,
                           const char *name)
{
    jb_xml_open(x, "identity", JB_NS_NONE);
    jb_xml_attrz(x, "category", category);
    jb_xml_attrz(x, "type", type);
    if (name)
        jb_xml_attrz(x, "name", name);
    jb_xml_close(x);
}

/* Each once: XEP-0115 takes an answer with a repeated feature for a forged one. */
static void write_features(const struct host *host, struct jb_xml *x)
{
    bool written[JB_NS_COUNT] = { false };

    for (size_t m = 0; m < modules_count; m++) {
        for (size_t i = 0; i < MODULE_FEATURES && modules[m]->features[i]; i++) {
            enum jb_ns ns = modules[m]->features[i];
            if (module_enabled(modules[m], host) && !written[ns])
                write_feature(x, ns);
            written[ns] |= module_enabled(modules[m], host);
        }
    }
}

void disco_write_host_info(const struct host *host, struct jb_xml *x)
{
    write_identity(x, "server", "im", "Jabiru");
    write_features(host, x);
    (void)hooks_run(disco_info, host, (host, NULL, x));
}

static void write_account_info(const struct host *host, struct user *u, struct jb_xml *x)
{
    write_identity(x, "account", u->anonymous ? "anonymous" : "registered", NULL);
    write_feature(x, JB_NS_DISCO_INFO);
    write_feature(x, JB_NS_DISCO_ITEMS);
    (void)hooks_run(disco_info, host, (host, u, x));
}

/* The node that is asked for; false: none.  An empty one is as good as none. */
static bool read_node(const struct iq *iq, struct jb_str *node)
{
    *node = jb_node_attr(iq_doc(iq), iq->payload, "node", &iq->reactor->arena);
    return node->n > 0;
}

static struct jb_xml *begin(struct iq *iq, enum jb_ns ns)
{
    struct jb_xml *x = iq_result(iq);
    struct jb_str node;

    jb_xml_open(x, "query", ns);
    if (read_node(iq, &node))
        jb_xml_attr(x, "node", node);
    return x;
}

static void end(struct iq *iq, struct jb_xml *x)
{
    jb_xml_close(x);
    iq_send(iq);
}

void disco_answer_host_info(struct iq *iq)
{
    struct jb_xml *x = begin(iq, JB_NS_DISCO_INFO);

    disco_write_host_info(iq->host, x);
    end(iq, x);
}

static bool is_stranger(const struct iq *iq)
{
    return iq->user && !contact_sees(iq->user, iq->stanza->h.from);
}

static void on_info(struct iq *iq)
{
    struct jb_str node;

    if (is_stranger(iq)) {
        iq_refuse(iq, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
    } else if (read_node(iq, &node)) {
        if (hooks_run(disco_info_node, iq->host, (iq, node)) == NEXT)
            iq_refuse(iq, JB_FAULT(ITEM_NOT_FOUND, NULL));
    } else if (!iq->user) {
        disco_answer_host_info(iq);
    } else {
        struct jb_xml *x = begin(iq, JB_NS_DISCO_INFO);
        write_account_info(iq->host, iq->user, x);
        end(iq, x);
    }
}

static void write_resources(struct user *u, struct jb_xml *x)
{
    jb__list_each(it, next, &u->sessions)
    {
        struct session *s = jb__container_of(it, struct session, node);
        if (!session_is_available(s))
            continue;
        jb_xml_open(x, "item", JB_NS_NONE);
        jb_xml_attr(x, "jid", jb_jid_str(s->jid));
        jb_xml_close(x);
    }
}

static void on_items(struct iq *iq)
{
    struct jb_str node;

    if (is_stranger(iq)) {
        end(iq, begin(iq, JB_NS_DISCO_ITEMS));
    } else if (read_node(iq, &node)) {
        if (hooks_run(disco_items_node, iq->host, (iq, node)) == NEXT)
            iq_refuse(iq, JB_FAULT(ITEM_NOT_FOUND, NULL));
    } else {
        struct jb_xml *x = begin(iq, JB_NS_DISCO_ITEMS);
        if (iq->user)
            write_resources(iq->user, x);
        (void)hooks_run(disco_items, iq->host, (iq->host, iq->user, x));
        end(iq, x);
    }
}

/* Section 8: the same as on_items() gives to strangers.  A full address is one of a client, which
 * would answer for itself if it were there. */
static void on_items_of_nobody(struct iq *iq)
{
    if (iq->stanza->h.to.resource)
        iq_refuse(iq, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
    else
        end(iq, begin(iq, JB_NS_DISCO_ITEMS));
}

const struct module xep0030_disco = {
    .name = "disco",
    .title = "Service Discovery",
    .xep = 30,
    .features = { JB_NS_DISCO_INFO, JB_NS_DISCO_ITEMS },
    .iqs = { { JB_NS_DISCO_INFO, "query", IQ_GET, TO_HOST | TO_ACCOUNT, on_info },
             { JB_NS_DISCO_ITEMS, "query", IQ_GET, TO_HOST | TO_ACCOUNT, on_items },
             { JB_NS_DISCO_ITEMS, "query", IQ_GET, TO_NOBODY, on_items_of_nobody } },
};
