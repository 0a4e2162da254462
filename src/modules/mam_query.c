/* SPDX-License-Identifier: MIT */
#include "modules/mam_query.h"

#include "base/assert.h"
#include "base/clock.h"
#include "modules/modules.h"
#include "modules/xep0004_forms.h"
#include "modules/xep0359_stanza_id.h"
#include "server/server.h"

#include <stdlib.h>

const char *const mam_field_names[MAM_FIELDS] = {
    [MAM_WITH] = "with",
    [MAM_START] = "start",
    [MAM_END] = "end",
    [MAM_BEFORE_ID] = "before-id",
    [MAM_AFTER_ID] = "after-id",
    [MAM_IDS] = "ids",
    [MAM_GROUPCHAT] = "include-groupchat",
};

static const struct jb_fault unknown_id =
    JB_FAULT(ITEM_NOT_FOUND, "there is no such message in the archive");

static bool is_fault(struct jb_fault fault)
{
    return fault.condition != JB_STANZA_OK;
}

/* ---- reading the request ---- */

static const struct jb_limits *limits_of(const struct iq *iq)
{
    return &iq->reactor->conf->stream.limits;
}

/* An id as the world knows it; false: it cannot be one of an entry. */
static bool read_id(const struct iq *iq, struct jb_str text, int64_t *id)
{
    return stanza_id_parse(iq->reactor->server, text, id) && *id > 0 && *id < INT64_MAX;
}

/* The text of a field that has one value; empty when it is not there or left empty. */
static struct jb_fault read_field(const struct form *form, enum mam_field field,
                                  struct jb_str *text)
{
    uint16_t at = 0;

    *text = JB_STR_NONE;
    if (form_text(form, field, text) || !form_next_value(form, field, &at, text))
        return JB_NO_FAULT;
    return JB_FAULT(BAD_REQUEST, "a field of the form has more than one value");
}

static struct jb_fault read_with(struct mam_query *q, const struct iq *iq, const struct form *form)
{
    struct jb_str text;
    struct jb_jid jid;
    struct jb_fault fault = read_field(form, MAM_WITH, &text);

    if (is_fault(fault) || text.n == 0)
        return fault;
    if (jb_jid_parse(text, &iq->reactor->arena, &jid) != 0)
        return JB_FAULT(JID_MALFORMED, "'with' is not an address");
    q->set.with = jb_jid_bare_str(jid);
    q->set.with_part = jb_jid_resource(jid);
    return JB_NO_FAULT;
}

static struct jb_fault read_time(const struct form *form, enum mam_field field, int64_t *us)
{
    struct jb_str text;
    struct jb_fault fault = read_field(form, field, &text);

    *us = 0;
    if (is_fault(fault) || text.n == 0)
        return fault;
    if (!jb__clock_parse_stamp(text, us))
        return JB_FAULT(BAD_REQUEST, "'start' and 'end' are times as XEP-0082 writes them");
    if (*us < 1) /* the range takes 0 for no bound; nothing is older than this */
        *us = 1;
    return JB_NO_FAULT;
}

static struct jb_fault read_bound(const struct iq *iq, const struct form *form,
                                  enum mam_field field, int64_t *id)
{
    struct jb_str text;
    struct jb_fault fault = read_field(form, field, &text);

    *id = 0;
    if (is_fault(fault) || text.n == 0)
        return fault;
    return read_id(iq, text, id) ? JB_NO_FAULT : unknown_id;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static uint32_t sort_ids(int64_t *ids, uint32_t n)
{
    uint32_t kept = 0;

    qsort(ids, n, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

static struct jb_fault read_ids(struct mam_query *q, const struct iq *iq, const struct form *form)
{
    uint32_t most = limits_of(iq)->mam_page, n = 0;
    struct jb_str text;
    uint16_t at = 0;

    if (!form_next_value(form, MAM_IDS, &at, &text))
        return JB_NO_FAULT;
    q->ids = jb__arena_alloc(&iq->reactor->arena, most * sizeof *q->ids);
    if (!q->ids)
        return JB_FAULT(RESOURCE_CONSTRAINT, NULL);
    do {
        if (n == most) {
            reactor_count_limit(iq->reactor, JB_LIMIT_mam_page);
            return JB_FAULT(POLICY_VIOLATION, "too many messages are asked for by their ids");
        }
        if (!read_id(iq, text, &q->ids[n++]))
            return unknown_id;
    } while (form_next_value(form, MAM_IDS, &at, &text));
    q->by_ids = true;
    q->id_count = sort_ids(q->ids, n);
    return JB_NO_FAULT;
}

/* An account's archive has no messages of rooms, whether they are wanted or not. */
static struct jb_fault check_groupchat(const struct form *form)
{
    struct jb_str text;
    bool include;
    struct jb_fault fault = read_field(form, MAM_GROUPCHAT, &text);

    if (is_fault(fault) || text.n == 0 || form_bool(form, MAM_GROUPCHAT, &include))
        return fault;
    return JB_FAULT(BAD_REQUEST, "'include-groupchat' is true or false");
}

static struct jb_fault read_fields(struct mam_query *q, const struct iq *iq,
                                   const struct form *form)
{
    struct jb_fault fault = read_with(q, iq, form);

    if (!is_fault(fault))
        fault = read_time(form, MAM_START, &q->set.start_us);
    if (!is_fault(fault))
        fault = read_time(form, MAM_END, &q->set.end_us);
    if (!is_fault(fault))
        fault = read_bound(iq, form, MAM_BEFORE_ID, &q->set.before_id);
    if (!is_fault(fault))
        fault = read_bound(iq, form, MAM_AFTER_ID, &q->set.after_id);
    if (!is_fault(fault))
        fault = read_ids(q, iq, form);
    return is_fault(fault) ? fault : check_groupchat(form);
}

static struct jb_fault read_form(struct mam_query *q, const struct iq *iq)
{
    struct form_field fields[MAM_FIELDS];
    struct form form = {
        .doc = iq_doc(iq), .arena = &iq->reactor->arena, .fields = fields, .count = MAM_FIELDS
    };

    for (size_t i = 0; i < MAM_FIELDS; i++)
        fields[i] = (struct form_field){ mam_field_names[i], 0 };
    struct jb_fault fault = form_read(&form, iq->payload, jb_ns_uri(JB_NS_MAM));
    if (is_fault(fault) || !form.given)
        return fault;
    if (form.cancelled)
        return JB_FAULT(BAD_REQUEST, "the form was not submitted");
    if (form.unknown)
        return JB_FAULT(FEATURE_NOT_IMPLEMENTED, "the archive cannot be searched by this field");
    return read_fields(q, iq, &form);
}

static struct jb_fault read_page(struct mam_query *q, const struct iq *iq)
{
    struct rsm_request rsm;
    struct jb_fault fault = rsm_read(&rsm, iq_doc(iq), iq->payload, &iq->reactor->arena);

    if (is_fault(fault))
        return fault;
    if (rsm.has_index)
        return JB_FAULT(FEATURE_NOT_IMPLEMENTED, "pages are found by ids, not by numbers");
    if ((rsm.has_after && !read_id(iq, rsm.after, &q->after_id)) ||
        (rsm.before.n && !read_id(iq, rsm.before, &q->before_id)))
        return unknown_id;
    q->backwards = rsm.has_before;
    q->most = limits_of(iq)->mam_page;
    if (rsm.has_max && rsm.max < q->most)
        q->most = rsm.max;
    return JB_NO_FAULT;
}

struct jb_fault mam_query_read(struct mam_query *q, const struct iq *iq)
{
    const struct jb_doc *doc = iq_doc(iq);
    struct jb_str node;

    *q = (struct mam_query){ .page_bytes = limits_of(iq)->mam_page_bytes,
                             .count_most = limits_of(iq)->mam_count,
                             .flip = jb_node_child(doc, iq->payload, "flip-page", JB_NS_MAM) != 0 };
    if (jb_node_attr_raw(doc, iq->payload, "node", &node))
        return JB_FAULT(FEATURE_NOT_IMPLEMENTED, "nodes have no archive");
    struct jb_fault fault = read_form(q, iq);
    return is_fault(fault) ? fault : read_page(q, iq);
}

/* ---- asking the store ---- */

/* What the operations of one query have in common. */
struct asking {
    struct mam_query *q;
    struct store_unit *unit;
    const struct mam_archive *source;
};

static struct store_range all_of(const struct asking *a)
{
    return (struct store_range){ .start_us = a->source->since_us,
                                 .flags_mask = a->source->flags_mask,
                                 .flags = a->source->flags };
}

static struct store_range only(struct store_range range, int64_t id)
{
    if (range.after_id < id - 1)
        range.after_id = id - 1;
    if (!range.before_id || range.before_id > id + 1)
        range.before_id = id + 1;
    return range;
}

static struct store_op *count(const struct asking *a, const struct store_range *range)
{
    return store_unit_log_count(a->unit, a->source->owner, a->source->store, range);
}

/* An entry that the query names must be there, whether the set has it or not. */
static void name_entry(const struct asking *a, int64_t id)
{
    struct store_range range = only(all_of(a), id);

    if (id == 0)
        return;
    (void)count(a, &range);
    a->q->named++;
}

static void ask_by_ids(const struct asking *a)
{
    for (uint32_t i = 0; i < a->q->id_count; i++) {
        struct store_range range = only(a->q->set, a->q->ids[i]);
        struct store_op *op = store_unit_log_range(a->unit, a->source->owner, a->source->store,
                                                   &range, a->q->page_bytes);
        if (i == 0)
            a->q->page = op;
    }
}

static void ask_page(const struct asking *a)
{
    struct mam_query *q = a->q;
    struct store_range range = q->set;

    if (q->most == 0)
        return;
    range.limit = q->most;
    range.backwards = q->backwards;
    if (range.after_id < q->after_id)
        range.after_id = q->after_id;
    if (q->before_id && (!range.before_id || range.before_id > q->before_id))
        range.before_id = q->before_id;
    q->page =
        store_unit_log_range(a->unit, a->source->owner, a->source->store, &range, q->page_bytes);
}

static void ask_counts(const struct asking *a)
{
    struct mam_query *q = a->q;
    struct store_range range = q->set;
    int64_t end = q->backwards ? q->before_id : q->after_id ? q->after_id + 1 : 0;

    range.limit = q->count_most + 1;
    q->total = count(a, &range);
    if (end == 0 || q->most == 0)
        return;
    if (!range.before_id || range.before_id > end)
        range.before_id = end;
    q->before = count(a, &range);
}

void mam_query_ask(struct mam_query *q, struct store_unit *unit, const struct mam_archive *source)
{
    struct asking a = { q, unit, source };
    struct store_range all = all_of(&a);

    jb_assert(!unit->ops);
    q->set.flags_mask = all.flags_mask;
    q->set.flags = all.flags;
    if (q->set.start_us < all.start_us)
        q->set.start_us = all.start_us;
    name_entry(&a, q->set.after_id);
    name_entry(&a, q->set.before_id);
    name_entry(&a, q->after_id);
    name_entry(&a, q->before_id);
    for (uint32_t i = 0; i < q->id_count; i++)
        name_entry(&a, q->ids[i]);
    if (q->by_ids) {
        ask_by_ids(&a);
    } else {
        ask_page(&a);
        ask_counts(&a);
    }
    q->set.with = q->set.with_part = JB_STR_NONE; /* the unit has copies; these go with the tick */
    q->ids = NULL;
}

/* ---- what was found ---- */

static void gather(const struct mam_query *q, struct mam_page *page)
{
    size_t n = q->page ? q->page->row_count : 0;

    for (const struct store_row *row = n ? q->page->rows : NULL; row; row = row->next) {
        page->rows[q->backwards ? n - 1 - page->count : page->count] = row;
        page->count++;
    }
}

/* By ids: all that were found, of which then a part is the page. */
static void gather_by_ids(const struct mam_query *q, struct mam_page *page)
{
    const struct store_op *op = q->page;

    for (uint32_t i = 0; i < q->id_count; i++, op = op->next)
        if (op->rows)
            page->rows[page->count++] = op->rows;
}

/* Where the page lies among `page->count` rows: [*from, *to). */
static void cut(const struct mam_query *q, const struct mam_page *page, size_t *from, size_t *to)
{
    size_t first = 0, last = page->count, bytes = 0, n = 0;

    while (first < last && page->rows[first]->id <= q->after_id)
        first++;
    while (q->before_id && first < last && page->rows[last - 1]->id >= q->before_id)
        last--;
    while (n < last - first && n < q->most) {
        bytes += page->rows[q->backwards ? last - 1 - n : first + n]->bytes.n;
        if (n > 0 && bytes > q->page_bytes)
            break;
        n++;
    }
    *from = q->backwards ? last - n : first;
    *to = *from + n;
}

static void take_by_ids(const struct mam_query *q, struct mam_page *page)
{
    size_t from, to;

    gather_by_ids(q, page);
    cut(q, page, &from, &to);
    page->total = page->count;
    page->index = from;
    page->index_known = page->total_known = true;
    page->complete =
        q->backwards ? from == 0 || page->rows[from - 1]->id <= q->after_id : to == page->total;
    page->rows += from;
    page->count = to - from;
}

static void take_counts(const struct mam_query *q, struct mam_page *page)
{
    uint64_t index = q->before      ? q->before->totals.count
                     : q->backwards ? q->total->totals.count
                                    : 0;

    page->total = q->total->totals.count;
    page->total_known = page->total <= q->count_most;
    page->index_known = index <= q->count_most;
    page->index = q->backwards ? index - page->count : index;
}

struct jb_fault mam_query_take(const struct mam_query *q, const struct store_unit *unit,
                               struct jb__arena *arena, struct mam_page *page)
{
    const struct store_op *op = unit->ops;
    size_t most = q->by_ids ? q->id_count : q->most;

    *page = (struct mam_page){ 0 };
    for (uint32_t i = 0; i < q->named; i++, op = op->next)
        if (op->totals.count != 1)
            return unknown_id;
    page->rows = jb__arena_alloc(arena, (most + 1) * sizeof *page->rows);
    if (!page->rows)
        return JB_FAULT(RESOURCE_CONSTRAINT, NULL);
    if (q->by_ids) {
        take_by_ids(q, page);
        return JB_NO_FAULT;
    }
    gather(q, page);
    take_counts(q, page);
    page->complete = q->page ? !q->page->more : page->total == 0;
    return JB_NO_FAULT;
}
