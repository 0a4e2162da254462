/* SPDX-License-Identifier: MIT */
/* The table of all options. */
#include "server/config_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "core/jid.h"

#include <pthread.h>
#include <stdio.h>

static const char *check_address(struct jb__arena *arena, struct jb_str *text)
{
    struct jb__addr address;

    (void)arena;
    return jb__addr_parse(&address, *text) == 0
               ? NULL
               : "is not an IP address (names are not looked up; 0.0.0.0 or :: means all)";
}

static const char *check_network(struct jb__arena *arena, struct jb_str *text)
{
    struct jb__addr_net network;

    (void)arena;
    return jb__addr_net_parse(&network, *text) == 0
               ? NULL
               : "is not a network (an address, or like 10.0.0.0/8 with no bits behind the 8)";
}

static const char *check_loopback(struct jb__arena *arena, struct jb_str *text)
{
    struct jb__addr address;

    (void)arena;
    if (jb__addr_parse_port(&address, *text) != 0 || address.port == 0)
        return "is not ADDRESS:PORT";
    return jb__addr_is_loopback(&address) ? NULL : "is not a loopback address (127.0.0.0/8 or ::1)";
}

static const char *check_account(struct jb__arena *arena, struct jb_str *text)
{
    struct jb_jid jid;

    if (jb_jid_parse(*text, arena, &jid) != 0 || jid.local == 0 || jid.resource != 0)
        return "is not an account's address (name@host)";
    *text = jb__arena_str(arena, jb_jid_str(jid));
    return NULL;
}

int config_prepare_host(struct jb__arena *arena, struct jb_str *name)
{
    struct jb_str canonical;

    if (jb_jid_prep_domain(*name, arena, &canonical) != 0)
        return JB_EINVAL;
    *name = jb__arena_str(arena, canonical);
    return 0;
}

/* RFC 6454 section 6.2: what a browser sends as Origin, a scheme and an authority, nothing more. */
static const char *check_origin(struct jb__arena *arena, struct jb_str *text)
{
    static const char words[] = "is not an origin (like https://chat.example.org, no path)";
    struct jb_str lower = jb__arena_str(arena, *text);
    char *p = (char *)(uintptr_t)lower.p; /* our own copy */

    for (size_t i = 0; i < lower.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 0x20);
    size_t scheme = jb_str_starts(lower, JB_STR("https://"))  ? 8
                    : jb_str_starts(lower, JB_STR("http://")) ? 7
                                                              : 0;
    struct jb_str host = jb_str_from(lower, scheme);
    if (scheme == 0 || host.n == 0)
        return words;
    for (size_t i = 0; i < host.n; i++)
        if ((unsigned char)host.p[i] <= ' ' || strchr("/?#@\\*\"", host.p[i]))
            return words;
    *text = lower;
    return NULL;
}

static const char *check_uri(struct jb__arena *arena, struct jb_str *text)
{
    struct jb_str scheme, rest;

    (void)arena;
    if (!jb_str_cut(*text, ':', &scheme, &rest) || scheme.n == 0 || rest.n == 0 ||
        memchr(text->p, ' ', text->n))
        return "is not a URI (like mailto:abuse@example.org or https://...)";
    return NULL;
}

static const char *check_ws_uri(struct jb__arena *arena, struct jb_str *text)
{
    (void)arena;
    if (!jb_str_starts(*text, JB_STR("wss://")) && !jb_str_starts(*text, JB_STR("ws://")))
        return "is not a WebSocket URI (wss://...)";
    return NULL;
}

static const char *check_log_target(struct jb__arena *arena, struct jb_str *text)
{
    (void)arena;
    return jb_str_eqz(*text, "stderr") || text->p[0] == '/'
               ? NULL
               : "is neither \"stderr\" nor an absolute path";
}

/* A field's offset, and a compile-time check that the field has the type the option needs. */
#define FIELD(tag, member, type) \
    (offsetof(struct tag, member) + 0 * sizeof(_Generic(((struct tag *)0)->member, type : (char)0)))

#define FLAG(tag, m)   .offset = FIELD(tag, m, bool)
#define NUMBER(tag, m) .offset = FIELD(tag, m, uint32_t)
#define TEXT(tag, m)   .offset = FIELD(tag, m, struct jb_str)
#define LIST(tag, m)   .offset = FIELD(tag, m, struct conf_list)

static const struct config_row root_rows[] = {
    { { "data", CONF_STRING, NULL,
        "the data folder; if unset, jabiru in $XDG_STATE_HOME or ~/.local/state",
        .flags = CONF_RESTART | CONF_PATH },
      TEXT(config, data) },
    { { "user", CONF_STRING, NULL,
        "whom the server becomes when root starts it; if unset, the owner of the data folder, or "
        "jabiru, or nobody",
        .flags = CONF_RESTART },
      TEXT(config, user) },
    { { "sandbox", CONF_BOOL, "true",
        "once it serves, the server can open only the files and make only the system calls that it "
        "needs for that",
        .flags = CONF_RESTART },
      FLAG(config, sandbox) },
    { { "debuggable", CONF_BOOL, "false",
        "core dumps, and debuggers of the same user, are allowed; they see keys and messages",
        .flags = CONF_RESTART },
      FLAG(config, debuggable) },
    { { "storage", CONF_ENUM, "sqlite",
        "where accounts, rosters and messages are kept; memory forgets all when the server stops",
        .choices = "sqlite|memory", .flags = CONF_RESTART },
      NUMBER(config, storage) },
    { { "durability", CONF_ENUM, "power",
        "what a stored message survives: the loss of power, or only of the process (faster)",
        .choices = "power|process", .flags = CONF_RESTART },
      NUMBER(config, durability) },
    { { "reactors", CONF_INT, "0", "threads that serve connections; 0 means one per processor", 0,
        256, .flags = CONF_RESTART },
      NUMBER(config, reactors) },
    { { "conflict_policy", CONF_ENUM, "rename",
        "what happens when a session asks for a resource that is in use: the new one is refused, "
        "replaces the old one, or gets another name",
        .choices = "refuse|replace|rename" },
      NUMBER(config, conflict_policy) },
    { { "scram_iterations", CONF_INT, "10000", "rounds of hashing for passwords set from now on",
        4096, 1000000 },
      NUMBER(config, scram_iterations) },
    { { "tls_minimum", CONF_ENUM, "1.2", "the oldest TLS version that is accepted",
        .choices = "1.2|1.3" },
      NUMBER(config, tls_minimum) },
    { { "metrics_listen", CONF_STRING, NULL,
        "loopback ADDRESS:PORT that serves /metrics and /health over HTTP; they are always served "
        "over the control socket",
        .flags = CONF_RESTART, .check = check_loopback },
      TEXT(config, metrics_listen) },
};

static const struct config_row listener_rows[] = {
    { { "address", CONF_STRING, "127.0.0.1", "IP address to listen on", .flags = CONF_RESTART,
        .check = check_address },
      TEXT(config_listener, address) },
    { { "port", CONF_INT, "5280", "TCP port to listen on", 1, 65535, .flags = CONF_RESTART },
      NUMBER(config_listener, port) },
    { { "tls", CONF_ENUM, "off",
        "who ends TLS: nobody, this server, or a proxy in front of it (connections then count as "
        "encrypted)",
        .choices = "off|own|outside", .flags = CONF_RESTART },
      NUMBER(config_listener, tls) },
    { { "trusted_proxies", CONF_LIST, NULL,
        "networks whose X-Forwarded-For, Forwarded and PROXY headers are believed",
        .check = check_network },
      LIST(config_listener, trusted_proxies) },
    { { "proxy_protocol", CONF_BOOL, "false",
        "connections from trusted proxies start with a PROXY header, version 1 or 2" },
      FLAG(config_listener, proxy_protocol) },
};

static const struct config_row host_rows[] = {
    { { "admins", CONF_LIST, NULL, "accounts that may administrate this host",
        .check = check_account },
      LIST(config_host, admins) },
    { { "origins", CONF_LIST, NULL,
        "web sites whose pages may connect to this host, besides the ones this server serves",
        .check = check_origin },
      LIST(config_host, origins) },
    { { "anonymous", CONF_BOOL, "false", "sessions without an account (SASL ANONYMOUS)" },
      FLAG(config_host, anonymous) },
    { { "registration", CONF_BOOL, "false", "clients may create accounts (XEP-0077)" },
      FLAG(config_host, registration) },
    { { "modules_off", CONF_LIST, NULL, "modules that are not started on this host" },
      LIST(config_host, modules_off) },
    { { "tls_certificate", CONF_STRING, NULL,
        "PEM file with the certificate and its chain; if unset, a self-signed one is made",
        .flags = CONF_FILE },
      TEXT(config_host, tls_certificate) },
    { { "tls_key", CONF_STRING, NULL, "PEM file with the certificate's key",
        .flags = CONF_FILE | CONF_PRIVATE },
      TEXT(config_host, tls_key) },
    { { "delivery", CONF_ENUM, "at_once",
        "when a message goes to clients that are there: at once, or when it is committed to the "
        "disk, so that a crash never repeats it",
        .choices = "at_once|committed" },
      NUMBER(config_host, delivery) },
    { { "resume_location", CONF_STRING, NULL,
        "HOST or HOST:PORT that clients are told to resume their sessions at (XEP-0198)" },
      TEXT(config_host, resume_location) },
    { { "see_other_uri", CONF_STRING, NULL,
        "WebSocket URI that clients are sent to when the server is drained",
        .check = check_ws_uri },
      TEXT(config_host, see_other_uri) },
#define CONTACT(which)                                                                             \
    {                                                                                              \
        { "contact_" #which, CONF_LIST, NULL, "contact addresses for " #which " (XEP-0157), URIs", \
          .check = check_uri },                                                                    \
            LIST(config_host, contact_##which)                                                     \
    }
    CONTACT(abuse),
    CONTACT(admin),
    CONTACT(feedback),
    CONTACT(sales),
    CONTACT(security),
    CONTACT(status),
    CONTACT(support),
#undef CONTACT
};

static const struct config_row log_rows[] = {
    { { "level", CONF_ENUM, "info", "the least weight of a line that is written",
        .choices = "debug|info|warn|error" },
      NUMBER(config, log.level) },
    { { "format", CONF_ENUM, "text", "how a line is written", .choices = "text|json" },
      NUMBER(config, log.format) },
    { { "target", CONF_STRING, "stderr", "\"stderr\", or the path of a file that grows",
        .check = check_log_target },
      TEXT(config, log.target) },
};

static const struct config_row websocket_rows[] = {
    { { "deflate", CONF_BOOL, "false", "compression of messages is accepted (RFC 7692)" },
      FLAG(config, websocket.deflate) },
};

/* The limits' rows are made from jb_limit_info at first use: core knows nothing of this table. */
static struct config_row limit_rows[JB_LIMIT_COUNT];
static char limit_defaults[JB_LIMIT_COUNT][24];

static const size_t limit_offsets[JB_LIMIT_COUNT] = {
#define LIMIT_OFFSET(name, def, least, most, words) FIELD(config, limits.name, uint32_t),
    JB_LIMITS(LIMIT_OFFSET)
#undef LIMIT_OFFSET
};

#define ROWS(array) array, sizeof array / sizeof array[0]

static const struct config_section_info sections[CONFIG_KINDS] = {
    [CONFIG_ROOT] = { "", "at the top level", ROWS(root_rows), false, CONFIG_ROOT },
    [CONFIG_LISTENER] = { "listener", "an address and port that accepts connections",
                          ROWS(listener_rows), true, CONFIG_ROOT },
    [CONFIG_HOST] = { "host", "a domain that is served", ROWS(host_rows), true, CONFIG_ROOT },
    [CONFIG_LOG] = { "log", "what is logged, and where", ROWS(log_rows), false, CONFIG_ROOT },
    [CONFIG_WEBSOCKET] = { "websocket", "the transport", ROWS(websocket_rows), false, CONFIG_ROOT },
    [CONFIG_LIMITS] = { "limits", "bounds of everything a client can drive", ROWS(limit_rows),
                        false, CONFIG_ROOT },
    [CONFIG_MODULE] = { "module", "options of a module on all hosts", NULL, 0, true, CONFIG_ROOT },
    [CONFIG_HOST_MODULE] = { "module", "options of a module on this host", NULL, 0, true,
                             CONFIG_HOST },
};

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), t = strlen(tail);

    return n >= t && memcmp(name + n - t, tail, t) == 0;
}

/* Made once at start and not again by a reload: the tables that have this size. */
static bool limit_needs_restart(const char *name)
{
    return strcmp(name, "address_table") == 0;
}

static void fill_limit_rows(void)
{
    for (size_t i = 0; i < JB_LIMIT_COUNT; i++) {
        const struct jb_limit_info *info = &jb_limit_info[i];

        snprintf(limit_defaults[i], sizeof limit_defaults[i], "%u", info->value);
        limit_rows[i].offset = limit_offsets[i];
        limit_rows[i].option = (struct conf_option){
            .name = info->name,
            .type = ends_with(info->name, "_bytes") ? CONF_BYTES
                    : ends_with(info->name, "_ms")  ? CONF_MS
                                                    : CONF_INT,
            .value = limit_defaults[i],
            .words = info->words,
            .least = info->least,
            .most = info->most,
            .flags = limit_needs_restart(info->name) ? CONF_RESTART : 0,
        };
    }
}

const struct config_section_info *config_sections(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int rc = pthread_once(&once, fill_limit_rows);

    jb_assert(rc == 0);
    return sections;
}
