/* SPDX-License-Identifier: MIT */
/* What a module is, and all that it may use.
 *
 * A module is one `const struct module` in one file, named after the XEP or RFC it implements, and
 * one line in modules/modules.def.  A stanza that asks something is answered by an iq rule; what
 * happens to stanzas in passing is a hook (hooks.def).  Handlers run on one thread, the home
 * reactor of the user or session they are given; they never lock and never block.  What takes time
 * is asked of the store and answered in its continuation (iq_hold). */
#ifndef SERVER_MODULE_H
#define SERVER_MODULE_H

#include "server/config_option.h"
#include "server/conn.h"
#include "server/host.h"
#include "server/iq.h"
#include "server/router.h"
#include "server/session.h"
#include "server/store_queue.h"
#include "server/user.h"

enum verdict {
    NEXT,   /* go on with the next handler, then with the default behaviour */
    DONE,   /* handled: nothing else happens to the stanza */
    REJECT, /* refuse with *fault; where the stanza cannot be answered it is dropped */
};

/* Every hook as a typed function pointer; NULL: not interested. */
struct hooks {
#define HOOK(point, result, params) result(*point) params;
#include "server/hooks.def"
#undef HOOK
};

enum { MODULE_FEATURES = 8, MODULE_IQS = 8 };

struct module {
    const char *name;                     /* in `module "name" { }` and modules_off */
    const char *title;                    /* for people: "Software Version" */
    uint16_t xep;                         /* 0: an RFC */
    enum jb_ns features[MODULE_FEATURES]; /* advertised by the host (XEP-0030), ended by 0 */
    const struct conf_option *options;    /* ended by a row without a name; NULL: none */
    struct iq_rule iqs[MODULE_IQS];       /* ended by a row without a handler */
    struct hooks hooks;
    uint16_t user_bytes;    /* zeroed room in each user: module_user_data() */
    uint16_t session_bytes; /* the same in each session: module_session_data() */
};

/* All modules in the order of modules.def; `modules_count` of them (modules/modules.c). */
extern const struct module *const modules[];
extern const size_t modules_count;

/* The module's own room; `m` must be in modules.def and ask for bytes. */
void *module_user_data(const struct module *m, struct user *u);
void *module_session_data(const struct module *m, struct session *s);

/* The value of a module's option on a host; `option` is its index in m->options. */
const struct conf_value *module_option(const struct module *m, const struct host *host,
                                       size_t option);
/* Whether the module is on for the host. */
bool module_enabled(const struct module *m, const struct host *host);

/* ---- for the server ---- */

/* Works out where each module's room lies and who has which hook; once, before anything else. */
void modules_init(void);
size_t modules_user_bytes(void);
size_t modules_session_bytes(void);
/* The rule that answers, for a target kind (enum iq_target); NULL: none. */
const struct iq_rule *modules_find_iq(const struct host *host, struct jb_str name, enum jb_ns ns,
                                      unsigned kind, unsigned target);

/* The modules that have a hook, by their place in modules[]; frozen after modules_init(). */
enum { MODULES_MOST = 128 };
struct hook_list {
    uint8_t count, at[MODULES_MOST];
};
struct hook_lists {
#define HOOK(point, result, params) struct hook_list point;
#include "server/hooks.def"
#undef HOOK
};
extern struct hook_lists hook_lists;

/* Calls a hook of all modules that are on for the host, until one does not say NEXT.  Use:
 *     v = hooks_run(out_guard, host, (s, d, fault)); */
#define hooks_run(point, host, args) hooks_run_if(point, (host)->enabled[hook_at_], args)
/* The same for modules that are off too: for hooks that come in pairs (load and unload, bound and
 * unbound), between which a reload may switch a module. */
#define hooks_run_all(point, args) hooks_run_if(point, true, args)

#define hooks_run_if(point, condition, args)                                                 \
    __extension__({                                                                          \
        enum verdict hook_verdict_ = NEXT;                                                   \
        for (uint8_t hook_k_ = 0; hook_k_ < hook_lists.point.count && hook_verdict_ == NEXT; \
             hook_k_++) {                                                                    \
            const uint8_t hook_at_ = hook_lists.point.at[hook_k_];                           \
            if (condition)                                                                   \
                hook_verdict_ = modules[hook_at_]->hooks.point args;                         \
        }                                                                                    \
        hook_verdict_;                                                                       \
    })

#endif
