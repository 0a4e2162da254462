/* SPDX-License-Identifier: MIT */
/* XEP-0092 Software Version: says what is running.
 *
 * The operating system is withheld unless the administrator asks for it: attackers gain more from
 * it than users do. */
#include "modules/modules.h"

#include <sys/utsname.h>

enum { SHOW_OS };

static const struct conf_option options[] = {
    [SHOW_OS] = { .name = "show_os",
                  .type = CONF_BOOL,
                  .value = "false",
                  .words = "tell the name of the operating system too" },
    { 0 },
};

static void on_version(struct iq *iq)
{
    struct jb_xml *x = iq_result(iq);
    struct utsname os;

    jb_xml_open(x, "query", JB_NS_VERSION);
    jb_xml_leaf(x, "name", JB_NS_NONE, JB_STR("Jabiru"));
    jb_xml_leaf(x, "version", JB_NS_NONE, JB_STR(JABIRU_VERSION));
    if (module_option(&xep0092_version, iq->host, SHOW_OS)->flag && uname(&os) == 0)
        jb_xml_leaf(x, "os", JB_NS_NONE, jb_strz(os.sysname));
    jb_xml_close(x);
    iq_send(iq);
}

const struct module xep0092_version = {
    .name = "version",
    .title = "Software Version",
    .xep = 92,
    .features = { JB_NS_VERSION },
    .options = options,
    .iqs = { { JB_NS_VERSION, "query", IQ_GET, TO_HOST, on_version } },
};
