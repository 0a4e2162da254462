/* SPDX-License-Identifier: MIT */
/* The server's configuration: one immutable tree, made from a file or from defaults alone.
 *
 * `jabirud --check`, the start and a reload run the same code; what one accepts all accept.  A
 * mistake refuses the whole file, with its place:
 *
 *     jabiru.conf:12: unknown option `prot` in listener "web" (did you mean `port`?)
 *
 * Adding an option: a field below and its row in config_options.c, nothing else. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/buf.h"
#include "core/limits.h"
#include "net/addr.h"
#include "server/config_option.h"

enum config_tls {
    CONFIG_TLS_OFF,     /* plain ws:// */
    CONFIG_TLS_OWN,     /* wss:// ended here */
    CONFIG_TLS_OUTSIDE, /* a proxy in front ends TLS: the connection counts as encrypted */
};
enum config_storage { CONFIG_STORAGE_SQLITE, CONFIG_STORAGE_MEMORY };
enum config_durability { CONFIG_DURABILITY_POWER, CONFIG_DURABILITY_PROCESS };
/* What happens to a second session that asks for a resource in use (RFC 6120 section 7.7.2.2). */
enum config_conflict { CONFIG_CONFLICT_REFUSE, CONFIG_CONFLICT_REPLACE, CONFIG_CONFLICT_RENAME };
/* When a message goes to sessions that are there. */
enum config_delivery { CONFIG_DELIVERY_AT_ONCE, CONFIG_DELIVERY_COMMITTED };
enum config_tls_minimum { CONFIG_TLS_1_2, CONFIG_TLS_1_3 };

struct config_listener {
    struct jb_str name;    /* the section's title; unique */
    struct jb_str address; /* an IPv4 or IPv6 literal */
    uint32_t port;
    enum config_tls tls;
    bool proxy_protocol;              /* a PROXY v1 or v2 header is required from trusted proxies */
    struct conf_list trusted_proxies; /* as written */
    const struct jb__addr_net *networks; /* the same, parsed; trusted_proxies.count of them */
    struct jb__addr bind;                /* address and port, parsed */
};

/* A module on one host. */
struct config_module {
    const char *name;                /* conf_module's */
    bool enabled;                    /* not in the host's modules_off */
    const struct conf_value *values; /* one per option, in the order of conf_module's options */
};

struct config_host {
    struct jb_str name;            /* canonical (RFC 7622), unique */
    struct conf_list admins;       /* canonical bare addresses */
    struct conf_list origins;      /* lower case, "https://chat.example.org[:port]" */
    bool anonymous;                /* SASL ANONYMOUS is offered */
    bool registration;             /* XEP-0077 is offered */
    struct jb_str tls_certificate; /* PEM chain; empty: self-signed, made in the data folder */
    struct jb_str tls_key;         /* PEM */
    uint32_t delivery;             /* enum config_delivery */
    struct jb_str see_other_uri;   /* where clients are sent while draining; empty: nowhere */
    struct jb_str resume_location; /* where sessions are resumed (XEP-0198); empty: not said */
    /* XEP-0157, URIs. */
    struct conf_list contact_abuse, contact_admin, contact_feedback, contact_sales,
        contact_security, contact_status, contact_support;
    struct conf_list modules_off;
    const struct config_module *modules; /* as many as were given to config_load, same order */
};

struct config {
    struct jb_str file; /* what was loaded; empty: defaults alone */
    struct conf_list files; /* it and all that it includes */
    struct jb_str data; /* the data folder */
    struct jb_str user; /* whom root becomes; empty: identity.c chooses */
    bool sandbox;
    bool debuggable;    /* core dumps and debuggers are allowed */
    uint32_t reactors;  /* 0: one per processor */
    enum config_storage storage;
    enum config_durability durability;
    enum config_conflict conflict_policy;
    enum config_tls_minimum tls_minimum;
    uint32_t scram_iterations;    /* of passwords set from now on */
    struct jb_str metrics_listen; /* "127.0.0.1:5281"; empty: only over the control socket */
    struct jb__addr metrics;      /* the same, parsed; not set: off */
    struct {
        unsigned level;       /* enum jb_log_level */
        unsigned format;      /* enum jb_log_format */
        struct jb_str target; /* "stderr" or a file's path */
    } log;
    struct {
        bool deflate; /* RFC 7692 is accepted */
    } websocket;
    struct jb_limits limits;

    const struct config_listener *listeners;
    size_t listener_count; /* 1 or more */
    const struct config_host *hosts;
    size_t host_count; /* never 0 */
    size_t module_count;
};

/* What the command line says on top of the file; NULL: nothing. */
struct config_overrides {
    const char *data; /* --data DIR */
    const char
        *listen; /* --listen ADDR:PORT: one listener, the other settings of the file's first */
};

struct config_modules {
    const struct conf_module *modules;
    size_t count;
};

/* Why a file was refused: one line without its end, with file and line where there is one. */
struct config_error {
    char text[1024];
    char denied[512]; /* the file that could not be opened for lack of a right; empty: none */
};

/* Loads `path` (NULL: defaults alone).  `modules` must outlive the configuration.
 * Returns 0 and one reference, or JB_EINVAL / JB_EIO with the reason in *error.  One thread at a
 * time in the process (libconfuse's scanner is global). */
JB_NODISCARD int config_load(const char *path, const struct config_overrides *overrides,
                             const struct config_modules *modules, const struct config **out,
                             struct config_error *error);

/* Shared between reactors: each holds a reference to the one it works by. */
const struct config *config_ref(const struct config *c);
void config_unref(const struct config *c); /* NULL is allowed */

/* The host with this canonical name, or NULL. */
const struct config_host *config_find_host(const struct config *c, struct jb_str name);
/* The module's values on a host; NULL when there is no module of that name. */
const struct config_module *config_find_module(const struct config *c,
                                               const struct config_host *host, const char *name);
/* True when the address is in one of the listener's trusted networks. */
bool config_is_trusted(const struct config_listener *l, const struct jb__addr *address);

/* Calls `report` for each difference, in the order of the file's sections:
 *     limits.stanza_bytes   262144 -> 131072   restart false
 * A secret's values are given as "(hidden)"; a section that came or went has one call with
 * from or to "(none)". */
struct config_change {
    const char *key;  /* as in --explain, with titles: host "a.example" registration */
    const char *from; /* as written; "(none)" */
    const char *to;
    bool restart; /* a restart is needed; otherwise in force now */
};
void config_diff(const struct config *from, const struct config *to,
                 void (*report)(void *ctx, const struct config_change *change), void *ctx);

/* `jabirud --explain [KEY]`: appends every option (key NULL), those of a section ("limits"), or one
 * ("limits.stanza_bytes").  JB_ENOTFOUND appends a sentence with the nearest key; JB_EFULL. */
JB_NODISCARD int config_explain(const char *key, const struct config_modules *modules,
                                struct jb__buf *out);

#endif
