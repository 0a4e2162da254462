/* SPDX-License-Identifier: MIT */
/* XEP-0441 Message Archive Management Preferences: a user says with whom messages are archived.
 *
 * Kept: kv of the user, store "mam", key "prefs", in memory as in the store: a letter for the
 * default, then a line for each address, with '+' (always) or '-' (never) in front.  Who never set
 * them has none, and goes with the host's default. */
#include "modules/xep0441_mam_prefs.h"

#include "base/assert.h"
#include "modules/modules.h"
#include "modules/rfc6121_roster.h"
#include "modules/xep0313_mam.h"
#include "server/reactor.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;
static const struct jb_str prefs_store = JB_STR_INIT("mam");
static const struct jb_str prefs_key = JB_STR_INIT("prefs");

enum { OPTION_DEFAULT };
enum archive_default { ARCHIVE_ALWAYS, ARCHIVE_ROSTER, ARCHIVE_NEVER, ARCHIVE_DEFAULTS };

static const struct {
    const char *name;
    char letter;
} defaults[ARCHIVE_DEFAULTS] = {
    [ARCHIVE_ALWAYS] = { "always", 'a' },
    [ARCHIVE_ROSTER] = { "roster", 'r' },
    [ARCHIVE_NEVER] = { "never", 'n' },
};

/* Of a user. */
struct prefs {
    char *record; /* NULL: he never set any */
    size_t bytes;
    struct store_op *op; /* while loading */
};

static struct prefs *prefs_of(struct user *u)
{
    return module_user_data(&xep0441_mam_prefs, u);
}

static struct jb_str record_of(struct user *u)
{
    return jb_str(prefs_of(u)->record, prefs_of(u)->bytes);
}

/* ---- the record ---- */

/* Takes the next line, without its end; false: there is none. */
static bool next_line(struct jb_str *rest, struct jb_str *line)
{
    struct jb_str all = *rest;

    return jb_str_cut(all, '\n', line, rest);
}

static enum archive_default default_of(const struct host *host, struct jb_str record)
{
    for (enum archive_default d = 0; record.n && d < ARCHIVE_DEFAULTS; d++)
        if (defaults[d].letter == record.p[0])
            return d;
    return (enum archive_default)module_option(&xep0441_mam_prefs, host, OPTION_DEFAULT)->number;
}

/* '+', '-' or 0: what is said about exactly this address.  Who stands in both lists would rather
 * not be archived. */
static char find_address(struct jb_str record, struct jb_str address)
{
    struct jb_str line;
    char found = 0;

    if (!next_line(&record, &line))
        return 0;
    while (found != '-' && next_line(&record, &line))
        if (jb_str_eq(jb_str_from(line, 1), address))
            found = line.p[0];
    return found;
}

bool mam_prefs_want(struct user *u, struct jb_jid with)
{
    const struct host *host = user_host(u);
    struct jb_str record;
    char found;

    if (!host)
        return false;
    record = module_enabled(&xep0441_mam_prefs, host) ? record_of(u) : JB_STR_NONE;
    found = find_address(record, jb_jid_str(with));
    if (!found && with.resource)
        found = find_address(record, jb_jid_bare_str(with));
    if (found)
        return found == '+';
    enum archive_default d = default_of(host, record);
    return d == ARCHIVE_ALWAYS ||
           (d == ARCHIVE_ROSTER && (roster_state(u, jb_jid_bare(with)) & ROSTER_LISTED));
}

/* ---- asking ---- */

static void write_list(struct jb_xml *x, const char *name, char sign, struct jb_str record)
{
    struct jb_str line;

    jb_xml_open(x, name, JB_NS_NONE);
    (void)next_line(&record, &line);
    while (next_line(&record, &line))
        if (line.p[0] == sign)
            jb_xml_leaf(x, "jid", JB_NS_NONE, jb_str_from(line, 1));
    jb_xml_close(x);
}

static void answer(struct iq *iq, struct jb_str record)
{
    struct jb_xml *x = iq_result(iq);

    jb_xml_open(x, "prefs", JB_NS_MAM);
    jb_xml_attrz(x, "default", defaults[default_of(iq->host, record)].name);
    write_list(x, "always", '+', record);
    write_list(x, "never", '-', record);
    jb_xml_close(x);
    iq_send(iq);
}

/* What is stored of a visitor goes with him: nothing. */
static bool is_visitor(struct iq *iq)
{
    if (iq->user->anonymous)
        iq_refuse(iq, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
    return iq->user->anonymous;
}

static void on_get(struct iq *iq)
{
    if (!is_visitor(iq))
        answer(iq, record_of(iq->user));
}

/* ---- setting ---- */

/* Preferences on their way to the store. */
struct setting {
    struct iq *iq; /* held */
    struct jb__buf record;
};

static void append(struct jb__buf *buf, struct jb_str text)
{
    int rc = jb__buf_append(buf, text.p, text.n);

    jb_assert(rc == 0); /* it has room for as many as there may be */
}

static struct jb_fault read_default(const struct iq *iq, struct jb__buf *record)
{
    struct jb_str name = jb_node_attr(iq_doc(iq), iq->payload, "default", &iq->reactor->arena);

    for (enum archive_default d = 0; d < ARCHIVE_DEFAULTS; d++) {
        if (!jb_str_eqz(name, defaults[d].name))
            continue;
        append(record, jb_str(&defaults[d].letter, 1));
        append(record, JB_STR("\n"));
        return JB_NO_FAULT;
    }
    return JB_FAULT(BAD_REQUEST, "the default is 'always', 'never' or 'roster'");
}

static struct jb_fault read_list(const struct iq *iq, const char *name, struct jb_str sign,
                                 uint32_t *left, struct jb__buf *record)
{
    const struct jb_doc *doc = iq_doc(iq);
    struct jb__arena *arena = &iq->reactor->arena;
    uint16_t list = jb_node_child(doc, iq->payload, name, JB_NS_MAM);
    struct jb_jid jid;

    for (uint16_t c = list ? jb_node_first(doc, list) : 0; c; c = jb_node_next(doc, c)) {
        if (!jb_node_is(doc, c, "jid", JB_NS_MAM))
            continue;
        if (jb_jid_parse(jb_node_text(doc, c, arena), arena, &jid) != 0)
            return JB_FAULT(JID_MALFORMED, "one of the addresses is none");
        if (*left == 0) {
            reactor_count_limit(iq->reactor, JB_LIMIT_mam_prefs);
            return JB_FAULT(POLICY_VIOLATION, "too many addresses");
        }
        --*left;
        append(record, sign);
        append(record, jb_jid_str(jid));
        append(record, JB_STR("\n"));
    }
    return JB_NO_FAULT;
}

static struct jb_fault read_record(const struct iq *iq, struct jb__buf *record)
{
    uint32_t left = iq->reactor->conf->stream.limits.mam_prefs;
    struct jb_fault fault = read_default(iq, record);

    if (fault.condition == JB_STANZA_OK)
        fault = read_list(iq, "always", JB_STR("+"), &left, record);
    if (fault.condition == JB_STANZA_OK)
        fault = read_list(iq, "never", JB_STR("-"), &left, record);
    return fault;
}

static void take_record(struct user *u, struct jb_str record)
{
    struct prefs *p = prefs_of(u);

    jb_free(alloc, p->record);
    p->record = memcpy(jb_alloc(alloc, record.n), record.p, record.n);
    p->bytes = record.n;
}

static void end(struct setting *set)
{
    jb__buf_deinit(&set->record);
    jb_free(alloc, set);
}

static void on_stored(struct store_unit *unit)
{
    struct setting *set = unit->ctx;
    struct user *u = set->iq->user;

    if (unit->rc != 0) {
        iq_refuse(set->iq, JB_FAULT(RESOURCE_CONSTRAINT, "the preferences cannot be stored now"));
    } else {
        if (u->state == USER_READY && !u->stale)
            take_record(u, jb__buf_str(&set->record));
        answer(set->iq, jb__buf_str(&set->record));
    }
    end(set);
    store_unit_free(unit);
}

static void store(struct setting *set)
{
    struct user *u = set->iq->user;
    struct store_unit *unit = user_store_unit(u, on_stored, set);

    (void)store_unit_kv_put(unit, jb_jid_str(u->jid), prefs_store, prefs_key,
                            jb__buf_str(&set->record));
    if (store_unit_submit(unit) == 0)
        return;
    store_unit_free(unit);
    iq_refuse(set->iq, JB_FAULT(RESOURCE_CONSTRAINT, "the preferences cannot be stored now"));
    end(set);
}

static void on_set(struct iq *iq)
{
    struct setting *set;

    if (is_visitor(iq))
        return;
    set = jb_zalloc(alloc, sizeof *set);
    jb__buf_init(&set->record, alloc,
                 2 + iq->reactor->conf->stream.limits.mam_prefs * (size_t)(JB_JID_BYTES + 2));
    struct jb_fault fault = read_record(iq, &set->record);
    if (fault.condition != JB_STANZA_OK) {
        iq_refuse(iq, fault);
        end(set);
        return;
    }
    set->iq = iq_hold(iq);
    store(set);
}

/* ---- with the user ---- */

static enum verdict on_load(struct user *u, struct store_unit *unit)
{
    prefs_of(u)->op = store_unit_kv_get(unit, jb_jid_str(u->jid), prefs_store, prefs_key);
    return NEXT;
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    struct prefs *p = prefs_of(u);

    (void)unit;
    if (p->op->rows)
        take_record(u, p->op->rows->bytes);
    p->op = NULL;
    return NEXT;
}

static enum verdict on_unload(struct user *u)
{
    struct prefs *p = prefs_of(u);

    jb_free(alloc, p->record);
    *p = (struct prefs){ 0 };
    return NEXT;
}

static const struct conf_option options[] = {
    [OPTION_DEFAULT] = { "default", CONF_ENUM, "always",
                         "with whom messages are archived for users who have not said it",
                         .choices = "always|roster|never" },
    { 0 },
};

const struct module xep0441_mam_prefs = {
    .name = "mam_prefs",
    .title = "Message Archive Management Preferences",
    .xep = 441,
    .options = options,
    .iqs = { { JB_NS_MAM, "prefs", IQ_GET, TO_OWN, on_get },
             { JB_NS_MAM, "prefs", IQ_SET, TO_OWN, on_set },
             { JB_NS_MAM, "prefs", IQ_GET | IQ_SET, TO_ACCOUNT | TO_NOBODY, mam_refuse_stranger } },
    .hooks = { .load = on_load, .loaded = on_loaded, .unload = on_unload },
    .user_bytes = sizeof(struct prefs),
};
