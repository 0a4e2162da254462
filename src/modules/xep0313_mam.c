/* SPDX-License-Identifier: MIT */
/* XEP-0313 Message Archive Management for accounts: their owners ask, nobody else.
 *
 * The archive is the log that archive.c writes, without what is older than the host wants to keep:
 * that is not seen from the moment it is too old, and deleted some time later, when its owner is
 * loaded or comes. */
#include "modules/xep0313_mam.h"

#include "modules/archive.h"
#include "modules/mam.h"
#include "modules/modules.h"
#include "modules/xep0160_offline.h"
#include "server/reactor.h"

enum { OPTION_KEEP_DAYS };
/* As many entries go in one unit of the store, so that others wait but a moment. */
enum { PRUNE_ENTRIES = 1000 };
static const uint64_t prune_every_ms = 24 * 3600 * 1000;
static const int64_t day_us = (int64_t)24 * 3600 * 1000000;

/* Of a user. */
struct mam_user {
    uint64_t pruned_ms; /* monotonic; 0: not since he was loaded */
    bool pruning;
};

/* Of a session. */
struct mam_session {
    uint32_t queries; /* under way */
};

static struct mam_user *of_user(struct user *u)
{
    return module_user_data(&xep0313_mam, u);
}

static struct mam_session *of_session(struct session *s)
{
    return module_session_data(&xep0313_mam, s);
}

/* What is older than this is not kept; 0: everything is. */
static int64_t since_us(const struct user *u, const struct host *host)
{
    int64_t days = module_option(&xep0313_mam, host, OPTION_KEEP_DAYS)->number;
    int64_t since = u->reactor->now_us - days * day_us;

    return days == 0 || since < 0 ? 0 : since;
}

static struct mam_archive archive_of(const struct user *u, const struct host *host)
{
    return (struct mam_archive){ .owner = jb_jid_str(u->jid),
                                 .store = archive_store,
                                 .by = u->jid,
                                 .flags_mask = ARCHIVE_KEPT,
                                 .flags = ARCHIVE_KEPT,
                                 .since_us = since_us(u, host) };
}

void mam_add_account_ends(struct user *u, const struct host *host, struct store_unit *unit)
{
    struct mam_archive source = archive_of(u, host);

    mam_add_ends(unit, &source);
}

/* ---- requests ---- */

void mam_refuse_stranger(struct iq *iq)
{
    /* To a full address it would be for that client, if it were there. */
    iq_refuse(iq, iq->stanza->h.to.resource ? JB_FAULT(SERVICE_UNAVAILABLE, NULL)
                                            : JB_FAULT(FORBIDDEN, NULL));
}

/* Nothing of a visitor is kept. */
static bool is_visitor(struct iq *iq)
{
    if (iq->user->anonymous)
        iq_refuse(iq, JB_FAULT(SERVICE_UNAVAILABLE, NULL));
    return iq->user->anonymous;
}

static void on_ended(struct session *s)
{
    of_session(s)->queries--;
}

static void ask_query(void *ctx)
{
    struct iq *iq = ctx;
    struct mam_archive source = archive_of(iq->user, iq->host);

    mam_answer_query(iq, &source, on_ended);
}

/* What the asker sent or got before he asked must be found: the store may still be writing it. */
static void on_query(struct iq *iq)
{
    struct mam_session *ms = of_session(iq->session);

    if (is_visitor(iq))
        return;
    if (ms->queries >= iq->reactor->conf->stream.limits.mam_queries) {
        reactor_count_limit(iq->reactor, JB_LIMIT_mam_queries);
        iq_refuse(iq, JB_FAULT(RESOURCE_CONSTRAINT, "the queries before must be answered first"));
        return;
    }
    ms->queries++;
    archive_when_settled(iq->user, ask_query, iq_hold(iq));
}

static void on_form(struct iq *iq)
{
    if (!is_visitor(iq))
        mam_answer_form(iq);
}

static void ask_metadata(void *ctx)
{
    struct iq *iq = ctx;
    struct mam_archive source = archive_of(iq->user, iq->host);

    mam_answer_metadata(iq, &source);
}

static void on_metadata(struct iq *iq)
{
    if (!is_visitor(iq))
        archive_when_settled(iq->user, ask_metadata, iq_hold(iq));
}

static void write_feature(struct jb_xml *x, enum jb_ns ns)
{
    jb_xml_open(x, "feature", JB_NS_NONE);
    jb_xml_attr(x, "var", jb_ns_uri(ns));
    jb_xml_close(x);
}

/* Section 7: the address that has the archive says so. */
static enum verdict on_info(const struct host *host, struct user *u, struct jb_xml *x)
{
    (void)host;
    if (!u || u->anonymous)
        return NEXT;
    write_feature(x, JB_NS_MAM);
    write_feature(x, JB_NS_MAM_EXTENDED);
    write_feature(x, JB_NS_MAM_GROUPCHAT_FIELD);
    return NEXT;
}

/* ---- what is too old ---- */

static void prune(struct user *u);

static void on_pruned(struct store_unit *unit)
{
    struct user *u = unit->ctx;
    uint64_t most = 0;

    for (const struct store_op *op = unit->ops; op; op = op->next)
        most = op->totals.count > most ? op->totals.count : most;
    of_user(u)->pruning = false;
    if (unit->rc == 0 && most == PRUNE_ENTRIES && u->state == USER_READY)
        prune(u);
    store_unit_free(unit);
    user_unpin(u);
}

/* What waits to be delivered is not deleted for its age. */
static void prune(struct user *u)
{
    struct mam_user *mu = of_user(u);
    const struct host *host = user_host(u);
    int64_t since = host ? since_us(u, host) : 0;
    struct store_range fetched = { .end_us = since - 1,
                                   .before_id = offline_cursor(u) + 1,
                                   .limit = PRUNE_ENTRIES };
    struct store_range others = { .end_us = since - 1,
                                  .flags_mask = ARCHIVE_OFFLINE,
                                  .limit = PRUNE_ENTRIES };

    if (mu->pruning || since <= 1 || u->anonymous || u->stale)
        return;
    struct store_unit *unit = user_store_unit(u, on_pruned, u);
    (void)store_unit_log_prune(unit, jb_jid_str(u->jid), archive_store, &fetched);
    (void)store_unit_log_prune(unit, jb_jid_str(u->jid), archive_store, &others);
    mu->pruned_ms = u->reactor->now_ms;
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit); /* the next session tries again */
        mu->pruned_ms = 0;
        return;
    }
    mu->pruning = true;
    user_pin(u);
}

static enum verdict on_loaded(struct user *u, struct store_unit *unit)
{
    (void)unit;
    prune(u);
    return NEXT;
}

static enum verdict on_bound(struct session *s)
{
    struct mam_user *mu = of_user(s->user);

    if (!mu->pruned_ms || s->user->reactor->now_ms - mu->pruned_ms >= prune_every_ms)
        prune(s->user);
    return NEXT;
}

static const struct conf_option options[] = {
    [OPTION_KEEP_DAYS] = { "keep_days", CONF_INT, "0",
                           "days for which messages stay in the archive; 0 keeps them for ever",
                           .least = 0, .most = 36500 },
    { 0 },
};

const struct module xep0313_mam = {
    .name = "mam",
    .title = "Message Archive Management",
    .xep = 313,
    .options = options,
    .iqs = { { JB_NS_MAM, "query", IQ_SET, TO_OWN, on_query },
             { JB_NS_MAM, "query", IQ_GET, TO_OWN, on_form },
             { JB_NS_MAM, "metadata", IQ_GET, TO_OWN, on_metadata },
             { JB_NS_MAM, "query", IQ_GET | IQ_SET, TO_ACCOUNT | TO_NOBODY, mam_refuse_stranger },
             { JB_NS_MAM, "metadata", IQ_GET, TO_ACCOUNT | TO_NOBODY, mam_refuse_stranger } },
    .hooks = { .disco_info = on_info, .loaded = on_loaded, .bound = on_bound },
    .user_bytes = sizeof(struct mam_user),
    .session_bytes = sizeof(struct mam_session),
};
