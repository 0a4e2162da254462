/* SPDX-License-Identifier: MIT */
#include "modules/mam.h"

#include "base/assert.h"
#include "base/clock.h"
#include "modules/modules.h"
#include "modules/xep0004_forms.h"
#include "modules/xep0203_delay.h"
#include "modules/xep0359_stanza_id.h"
#include "server/server.h"

static const struct jb_allocator *const alloc = &jb_allocator_abort;

/* What comes with each result is the asker's; results are many. */
enum { QUERYID_BYTES = 256 };
/* Around an archived message: names, times, ids, and the query's with every letter a reference. */
enum { AROUND_BYTES = 1024 + 6 * QUERYID_BYTES };

static const struct jb_fault unreadable =
    JB_FAULT(RESOURCE_CONSTRAINT, "the archive cannot be read now");

/* ---- results ---- */

static void write_result(struct jb_xml *x, const struct server *server, struct jb_str queryid,
                         const struct store_row *row)
{
    char id[STANZA_ID_BYTES + 1];

    stanza_id_text(server, row->id, id);
    jb_xml_open(x, "result", JB_NS_MAM);
    if (queryid.n)
        jb_xml_attr(x, "queryid", queryid);
    jb_xml_attrz(x, "id", id);
    jb_xml_open(x, "forwarded", JB_NS_FORWARD);
    delay_write(x, JB_JID_NONE, row->stamp_us);
    jb_xml_raw(x, row->bytes);
    jb_xml_close(x);
    jb_xml_close(x);
}

/* The message that is around every result. */
static struct jb_stanza *make_envelope(struct reactor *r, struct jb_jid by, struct jb_jid to)
{
    struct outgoing o;
    struct jb_xml *x = router_begin(&o, r);

    jb_stanza_open(x, JB_MESSAGE, NULL, by, to, JB_STR_NONE);
    jb_xml_close(x);
    return router_seal(&o);
}

static void send_result(struct session *s, struct jb_stanza *envelope, struct jb_str queryid,
                        const struct store_row *row)
{
    struct jb_wrap wrap = { .to = JB_JID_NONE };
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, alloc, row->bytes.n + AROUND_BYTES);
    jb_xml_begin(&x, &buf);
    write_result(&x, session_reactor(s)->server, queryid, row);
    int rc = jb_xml_end(&x);
    jb_assert(rc == 0); /* the buffer has room for what may come */
    wrap.added = jb__buf_str(&buf);
    session_deliver(s, envelope, &wrap);
    jb__buf_deinit(&buf);
}

/* ---- a query ---- */

/* A query under way. */
struct run {
    struct iq *iq; /* held */
    struct jb_jid by;
    void (*ended)(struct session *s);
    struct mam_query query;
};

static struct jb_str queryid_of(const struct iq *iq)
{
    return jb_node_attr(iq_doc(iq), iq->payload, "queryid", &iq->reactor->arena);
}

static void send_page(const struct run *run, struct session *s, const struct mam_page *page)
{
    struct jb_str queryid = queryid_of(run->iq);
    struct jb_stanza *envelope = make_envelope(run->iq->reactor, run->by, s->jid);

    for (size_t i = 0; i < page->count; i++)
        send_result(s, envelope, queryid, page->rows[run->query.flip ? page->count - 1 - i : i]);
    jb_stanza_unref(envelope);
}

static void write_fin(struct jb_xml *x, const struct server *server, const struct mam_page *page)
{
    char first[STANZA_ID_BYTES + 1], last[STANZA_ID_BYTES + 1];
    struct rsm_page rsm = { .index_known = page->index_known,
                            .index = page->index,
                            .count_known = page->total_known,
                            .count = page->total };

    if (page->count) {
        stanza_id_text(server, page->rows[0]->id, first);
        stanza_id_text(server, page->rows[page->count - 1]->id, last);
        rsm.first = jb_strz(first);
        rsm.last = jb_strz(last);
    }
    jb_xml_open(x, "fin", JB_NS_MAM);
    if (page->complete)
        jb_xml_attrz(x, "complete", "true");
    rsm_write(x, &rsm);
    jb_xml_close(x);
}

static void answer(const struct run *run, struct session *s, const struct store_unit *unit)
{
    struct iq *iq = run->iq;
    struct mam_page page;

    if (unit->rc != 0) {
        iq_refuse(iq, unreadable);
        return;
    }
    struct jb_fault fault = mam_query_take(&run->query, unit, &iq->reactor->arena, &page);
    if (fault.condition != JB_STANZA_OK) {
        iq_refuse(iq, fault);
        return;
    }
    if (s)
        send_page(run, s, &page);
    write_fin(iq_result(iq), iq->reactor->server, &page);
    iq_send(iq);
}

static struct session *end_query(struct iq *iq, void (*ended)(struct session *s))
{
    struct session *s = iq_session(iq);

    if (s)
        ended(s);
    return s;
}

static void on_found(struct store_unit *unit)
{
    struct run *run = unit->ctx;
    struct session *s = end_query(run->iq, run->ended);

    answer(run, s, unit);
    store_unit_free(unit);
    jb_free(alloc, run);
}

static struct jb_fault read_request(struct mam_query *query, const struct iq *iq)
{
    if (queryid_of(iq).n > QUERYID_BYTES)
        return JB_FAULT(POLICY_VIOLATION, "the queryid is too long");
    return mam_query_read(query, iq);
}

void mam_answer_query(struct iq *iq, const struct mam_archive *source,
                      void (*ended)(struct session *s))
{
    struct reactor *r = iq->reactor;
    struct run *run = jb_alloc(alloc, sizeof *run);
    struct store_unit *unit = store_unit_new(r->server->store, &r->port, on_found, run);

    *run = (struct run){ .iq = iq, .by = source->by, .ended = ended };
    struct jb_fault fault = read_request(&run->query, iq);
    if (fault.condition == JB_STANZA_OK) {
        mam_query_ask(&run->query, unit, source);
        if (store_unit_submit(unit) == 0)
            return;
        fault = unreadable;
    }
    (void)end_query(iq, ended);
    iq_refuse(iq, fault);
    store_unit_free(unit);
    jb_free(alloc, run);
}

/* ---- the form ---- */

/* Any number of ids, of which no list is given (section 4.1.5, XEP-0122). */
static void write_ids_field(struct jb_xml *x)
{
    form_open_field(x, mam_field_names[MAM_IDS], "list-multi");
    jb_xml_open(x, "validate", JB_NS_XDATA_VALIDATE);
    jb_xml_attrz(x, "datatype", "xs:string");
    jb_xml_leaf(x, "open", JB_NS_NONE, JB_STR_NONE);
    jb_xml_close(x);
    jb_xml_close(x);
}

void mam_answer_form(struct iq *iq)
{
    static const char *const types[MAM_FIELDS] = {
        [MAM_WITH] = "jid-single",       [MAM_START] = "text-single",    [MAM_END] = "text-single",
        [MAM_BEFORE_ID] = "text-single", [MAM_AFTER_ID] = "text-single", [MAM_IDS] = "list-multi",
        [MAM_GROUPCHAT] = "boolean",
    };
    struct jb_xml *x = iq_result(iq);

    jb_xml_open(x, "query", JB_NS_MAM);
    form_open(x, "form", jb_ns_uri(JB_NS_MAM));
    for (size_t i = 0; i < MAM_FIELDS; i++) {
        if (i == MAM_IDS)
            write_ids_field(x);
        else
            form_empty_field(x, mam_field_names[i], types[i]);
    }
    jb_xml_close(x);
    jb_xml_close(x);
    iq_send(iq);
}

/* ---- metadata ---- */

static void write_end(struct jb_xml *x, const char *name, const struct server *server,
                      const struct store_row *row)
{
    char id[STANZA_ID_BYTES + 1], stamp[JB__STAMP_BYTES + 1];

    stanza_id_text(server, row->id, id);
    jb__clock_stamp(row->stamp_us, stamp);
    jb_xml_open(x, name, JB_NS_NONE);
    jb_xml_attrz(x, "id", id);
    jb_xml_attrz(x, "timestamp", stamp);
    jb_xml_close(x);
}

void mam_add_ends(struct store_unit *unit, const struct mam_archive *source)
{
    struct store_range range = { .start_us = source->since_us,
                                 .flags_mask = source->flags_mask,
                                 .flags = source->flags,
                                 .limit = 1 };

    (void)store_unit_log_range(unit, source->owner, source->store, &range, 0);
    range.backwards = true;
    (void)store_unit_log_range(unit, source->owner, source->store, &range, 0);
}

void mam_write_ends(const struct store_unit *unit, const struct server *server, struct jb_xml *x)
{
    const struct store_op *first = unit->ops, *last = first->next;

    jb_xml_open(x, "metadata", JB_NS_MAM);
    if (first->rows) {
        write_end(x, "start", server, first->rows);
        write_end(x, "end", server, last->rows);
    }
    jb_xml_close(x);
}

static void on_ends(struct store_unit *unit)
{
    struct iq *iq = unit->ctx;

    if (unit->rc != 0) {
        iq_refuse(iq, unreadable);
    } else {
        mam_write_ends(unit, iq->reactor->server, iq_result(iq));
        iq_send(iq);
    }
    store_unit_free(unit);
}

void mam_answer_metadata(struct iq *iq, const struct mam_archive *source)
{
    struct reactor *r = iq->reactor;
    struct store_unit *unit = store_unit_new(r->server->store, &r->port, on_ends, iq);

    mam_add_ends(unit, source);
    if (store_unit_submit(unit) != 0) {
        store_unit_free(unit);
        iq_refuse(iq, unreadable);
    }
}
