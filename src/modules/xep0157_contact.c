/* SPDX-License-Identifier: MIT */
/* XEP-0157 Contact Addresses: whom to write to about a host, as a form in its disco#info answer.
 * The addresses are the host's contact_... options. */
#include "modules/modules.h"
#include "modules/xep0004_forms.h"

static void write_field(struct jb_xml *x, const char *name, const struct conf_list *uris)
{
    if (uris->count == 0)
        return;
    form_open_field(x, name, "list-multi");
    for (size_t i = 0; i < uris->count; i++)
        form_value(x, uris->items[i]);
    jb_xml_close(x);
}

static enum verdict on_info(const struct host *host, struct user *u, struct jb_xml *x)
{
    const struct config_host *c = host->config;
    const struct {
        const char *name;
        const struct conf_list *uris;
    } fields[] = {
        { "abuse-addresses", &c->contact_abuse },       { "admin-addresses", &c->contact_admin },
        { "feedback-addresses", &c->contact_feedback }, { "sales-addresses", &c->contact_sales },
        { "security-addresses", &c->contact_security }, { "status-addresses", &c->contact_status },
        { "support-addresses", &c->contact_support },
    };
    size_t given = 0;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        given += fields[i].uris->count;
    if (u || given == 0)
        return NEXT;
    form_open(x, "result", jb_ns_uri(JB_NS_SERVER_INFO));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        write_field(x, fields[i].name, fields[i].uris);
    jb_xml_close(x);
    return NEXT;
}

const struct module xep0157_contact = {
    .name = "contact",
    .title = "Contact Addresses for XMPP Services",
    .xep = 157,
    .hooks = { .disco_info = on_info },
};
