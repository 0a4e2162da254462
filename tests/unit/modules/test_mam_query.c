/* SPDX-License-Identifier: MIT */
/* Queries of an archive: what is refused, and that any page of any search is the one that a plain
 * walk over the entries finds. */
#include "modules/mam_query.h"

#include "base/clock.h"
#include "modules/xep0359_stanza_id.h"
#include "server/server.h"
#include "server/store_unit.h"
#include "test.h"

#include <stdio.h>

enum { SEEN = 4, ENTRIES = 48, PAGE_BYTES = 16 * 1024 };
static const int64_t base_us = 1790000000000000;

static const struct jb_xml_bounds bounds = {
    .depth = 16, .attributes = 16, .namespaces = 16, .elements = 4096, .name_bytes = 64
};

struct entry {
    int64_t id, stamp_us;
    const char *with, *part;
    uint32_t flags;
    size_t bytes;
};

struct stage {
    struct server server;
    struct conf conf;
    struct reactor reactor;
    struct store_db *db;
    struct store_front *front;
    struct entry entries[ENTRIES];
    uint64_t random;
};

static uint32_t pick(struct stage *s, uint32_t n)
{
    return (uint32_t)(test_random(&s->random) >> 33) % n;
}

/* ---- the archive ---- */

static void append(struct stage *s, struct entry *e, int64_t now_us)
{
    static const char text[PAGE_BYTES];
    const struct store_space space = { JB_STR("romeo@verona"), JB_STR("messages") };
    struct store_entry entry = { .now_us = now_us,
                                 .stamp_us = e->stamp_us,
                                 .with = jb_strz(e->with),
                                 .with_part = jb_strz(e->part),
                                 .bytes = jb_str(text, e->bytes),
                                 .flags = e->flags };

    assert_int_equal(s->db->ops->log_append(s->db, &space, &entry, &e->id), 0);
}

/* Entries that come in bursts, some not for the archive, some sent long before they came. */
static void fill(struct stage *s)
{
    static const char *const names[] = { "juliet@capulet", "nurse@capulet", "romeo@verona" };
    static const char *const parts[] = { "", "balcony", "chamber" };

    assert_int_equal(s->db->ops->begin(s->db), 0);
    for (size_t i = 0; i < ENTRIES; i++) {
        int64_t now_us = base_us + (int64_t)(i / 4) * 1000000;
        s->entries[i] = (struct entry){ .stamp_us = now_us - (pick(s, 8) ? 0 : 3000000),
                                        .with = names[pick(s, 3)],
                                        .part = parts[pick(s, 3)],
                                        .flags = pick(s, 6) ? SEEN | pick(s, 4) : pick(s, 4),
                                        .bytes = 1 + (pick(s, 4) ? 100 : pick(s, PAGE_BYTES)) };
        append(s, &s->entries[i], now_us);
    }
    assert_int_equal(s->db->ops->commit(s->db), 0);
}

static int set_up(void **state)
{
    static struct stage stage;
    struct stage *s = &stage;
    struct store_options options = { .alloc = &jb_allocator_abort };
    struct store_front_options front = { .alloc = &jb_allocator_abort };
    char message[STORE_MESSAGE_BYTES];

    memset(s, 0, sizeof *s);
    s->random = 20260101;
    s->conf.stream.limits = jb_limits_default;
    s->conf.stream.limits.mam_page_bytes = PAGE_BYTES;
    s->reactor.server = &s->server;
    s->reactor.conf = &s->conf;
    jb__arena_init(&s->reactor.arena, &jb_allocator_abort, 64 * JB_MIB);
    assert_int_equal(store_memory.open(&options, &s->db, message), 0);
    front.db = s->db;
    front.limits = &s->conf.stream.limits;
    assert_int_equal(store_front_open(&front, &s->front), 0);
    fill(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;

    store_front_close(s->front);
    s->db->ops->close(s->db);
    jb__arena_deinit(&s->reactor.arena);
    return 0;
}

static struct mam_archive archive_since(int64_t since_us)
{
    return (struct mam_archive){ .owner = JB_STR("romeo@verona"),
                                 .store = JB_STR("messages"),
                                 .flags_mask = SEEN,
                                 .flags = SEEN,
                                 .since_us = since_us };
}

/* ---- a query from its text to its page ---- */

struct asked {
    struct jb_stanza stanza;
    struct iq iq;
    struct mam_query query;
    struct store_unit *unit;
    struct mam_page page;
};

static enum jb_stanza_error read_query(struct stage *s, struct asked *a, const char *payload)
{
    memset(a, 0, sizeof *a);
    a->iq = (struct iq){ .reactor = &s->reactor, .stanza = &a->stanza };
    assert_int_equal(jb_xml_parse(jb_strz(payload), &bounds, &s->reactor.arena, &a->stanza.doc),
                     JB_XML_OK);
    return mam_query_read(&a->query, &a->iq).condition;
}

static enum jb_stanza_error ask(struct stage *s, struct asked *a, const char *payload,
                                int64_t since_us)
{
    struct mam_archive source = archive_since(since_us);
    enum jb_stanza_error error = read_query(s, a, payload);

    if (error != JB_STANZA_OK)
        return error;
    a->unit = store_unit_new(s->front, NULL, NULL, NULL);
    mam_query_ask(&a->query, a->unit, &source);
    a->unit->result_bytes = 16 * JB_MIB;
    assert_int_equal(store_unit_run(a->unit, s->db), 0); /* the worker has nothing to do */
    assert_int_equal(a->unit->rc, 0);
    return mam_query_take(&a->query, a->unit, &s->reactor.arena, &a->page).condition;
}

static void end(struct stage *s, struct asked *a)
{
    store_unit_free(a->unit);
    jb__arena_reset(&s->reactor.arena);
}

/* ---- what is refused ---- */

#define QUERY(inside) "<query xmlns='urn:xmpp:mam:2'>" inside "</query>"
#define FORM(inside)                                                              \
    QUERY("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" \
          "urn:xmpp:mam:2</value></field>" inside "</x>")
#define FIELD(name, value) "<field var='" name "'><value>" value "</value></field>"
#define SET(inside)        QUERY("<set xmlns='http://jabber.org/protocol/rsm'>" inside "</set>")

static void test_refused(void **state)
{
    static const struct {
        const char *payload;
        enum jb_stanza_error want;
    } cases[] = {
        { QUERY("<x xmlns='jabber:x:data' type='submit'/>"), JB_STANZA_BAD_REQUEST },
        { QUERY("<x xmlns='jabber:x:data' type='cancel'/>"), JB_STANZA_BAD_REQUEST },
        { FORM("<field var='full-text'><value>love</value></field>"),
          JB_STANZA_FEATURE_NOT_IMPLEMENTED },
        { FORM(FIELD("with", "@")), JB_STANZA_JID_MALFORMED },
        { FORM("<field var='with'><value>a@b</value><value>c@d</value></field>"),
          JB_STANZA_BAD_REQUEST },
        { FORM(FIELD("start", "yesterday")), JB_STANZA_BAD_REQUEST },
        { FORM(FIELD("end", "2010-08-07")), JB_STANZA_BAD_REQUEST },
        { FORM(FIELD("end", "2010-02-30T00:00:00Z")), JB_STANZA_BAD_REQUEST },
        { FORM(FIELD("include-groupchat", "maybe")), JB_STANZA_BAD_REQUEST },
        { FORM(FIELD("before-id", "' OR 1=1--")), JB_STANZA_ITEM_NOT_FOUND },
        { FORM(FIELD("after-id", "0123456789ABCDEF")), JB_STANZA_ITEM_NOT_FOUND },
        { FORM(FIELD("ids", "0123456789abcdef")), JB_STANZA_ITEM_NOT_FOUND },
        { SET("<after>' OR 1=1--</after>"), JB_STANZA_ITEM_NOT_FOUND },
        { SET("<before>0123456789abcdef</before>"), JB_STANZA_ITEM_NOT_FOUND },
        { SET("<max>-1</max>"), JB_STANZA_BAD_REQUEST },
        { SET("<index>1000000000000000000</index>"), JB_STANZA_BAD_REQUEST },
        { SET("<index>10</index>"), JB_STANZA_FEATURE_NOT_IMPLEMENTED },
        { "<query xmlns='urn:xmpp:mam:2' node='urn:x'/>", JB_STANZA_FEATURE_NOT_IMPLEMENTED },
    };
    struct stage *s = *state;
    struct asked a;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask(s, &a, cases[i].payload, 0), cases[i].want);
        end(s, &a);
    }
}

static void test_fields_left_empty(void **state)
{
    struct stage *s = *state;
    struct asked a, b;

    assert_int_equal(ask(s, &a, QUERY(""), 0), JB_STANZA_OK);
    assert_int_equal(ask(s, &b,
                         FORM(FIELD("with", "") FIELD(
                             "start", "") "<field var='end'/>"
                                          "<field var='ids'/>" FIELD("include-groupchat", "true")),
                         0),
                     JB_STANZA_OK);
    assert_int_equal(a.page.total, b.page.total);
    assert_int_equal(a.page.count, b.page.count);
    store_unit_free(a.unit);
    end(s, &b);
}

static void test_address_is_prepared(void **state)
{
    struct stage *s = *state;
    struct asked a, b;

    assert_int_equal(ask(s, &a, FORM(FIELD("with", "juliet@capulet")), 0), JB_STANZA_OK);
    assert_int_equal(ask(s, &b, FORM(FIELD("with", "JULIET@Capulet")), 0), JB_STANZA_OK);
    assert_true(a.page.total > 0);
    assert_int_equal(a.page.total, b.page.total);
    store_unit_free(a.unit);
    end(s, &b);
}

/* Names of entries, the first `n` twice over. */
static void write_ids(struct stage *s, char *text, size_t bytes, uint32_t n)
{
    size_t at = (size_t)snprintf(text, bytes, "%s",
                                 "<query xmlns='urn:xmpp:mam:2'><x xmlns="
                                 "'jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
                                 "urn:xmpp:mam:2</value></field><field var='ids'>");
    char id[STANZA_ID_BYTES + 1];

    for (uint32_t i = 0; i < n; i++) {
        stanza_id_text(&s->server, s->entries[i % ENTRIES].id, id);
        at += (size_t)snprintf(text + at, bytes - at, "<value>%s</value>", id);
    }
    snprintf(text + at, bytes - at, "</field></x></query>");
}

static void test_bounds(void **state)
{
    static char text[64 * 1024];
    struct stage *s = *state;
    struct asked a;

    write_ids(s, text, sizeof text, s->conf.stream.limits.mam_page + 1);
    assert_int_equal(read_query(s, &a, text), JB_STANZA_POLICY_VIOLATION);
    assert_int_equal(s->reactor.counters.limit[JB_LIMIT_mam_page], 1);
    write_ids(s, text, sizeof text, s->conf.stream.limits.mam_page);
    assert_int_equal(read_query(s, &a, text), JB_STANZA_OK);
    assert_int_equal(a.query.id_count, ENTRIES); /* each once */
    assert_int_equal(read_query(s, &a, SET("<max>1000000000</max>")), JB_STANZA_OK);
    assert_int_equal(a.query.most, s->conf.stream.limits.mam_page);

    s->conf.stream.limits.mam_count = 5;
    assert_int_equal(ask(s, &a, SET("<max>0</max>"), 0), JB_STANZA_OK);
    assert_false(a.page.total_known);
    assert_false(a.page.complete);
    assert_int_equal(a.unit->ops->totals.count, 6); /* it did not count further */
    end(s, &a);
    assert_int_equal(ask(s, &a, SET("<before/><max>3</max>"), 0), JB_STANZA_OK);
    assert_false(a.page.index_known);
    end(s, &a);
}

/* ---- any query ---- */

/* What a random query asks, with places in `entries`; -1: nothing. */
struct wish {
    const char *with, *part;
    int64_t start_us, end_us, since_us;
    int after_id, before_id, after, before, max;
    bool last_page; /* <before/> */
    bool by_ids;
    bool ids[ENTRIES];
};

static int maybe_place(struct stage *s)
{
    return pick(s, 4) ? -1 : (int)pick(s, ENTRIES);
}

static int64_t maybe_time(struct stage *s)
{
    return pick(s, 4) ? 0 : base_us + (int64_t)pick(s, 14) * 1000000 - 1000000;
}

static void make_wish(struct stage *s, struct wish *w)
{
    *w = (struct wish){ .after_id = maybe_place(s),
                        .before_id = maybe_place(s),
                        .after = maybe_place(s),
                        .before = maybe_place(s),
                        .start_us = maybe_time(s),
                        .end_us = maybe_time(s),
                        .since_us = pick(s, 3) ? 0 : maybe_time(s),
                        .max = pick(s, 2) ? -1 : (int)pick(s, 9),
                        .last_page = pick(s, 3) == 0,
                        .by_ids = pick(s, 3) == 0 };
    if (pick(s, 2))
        w->with = s->entries[pick(s, ENTRIES)].with;
    if (w->with && pick(s, 2))
        w->part = s->entries[pick(s, ENTRIES)].part;
    for (size_t i = 0; w->by_ids && i < ENTRIES; i++)
        w->ids[i] = pick(s, 5) == 0;
    w->ids[pick(s, ENTRIES)] = w->by_ids;
}

struct text {
    char p[8 * 1024];
    size_t n;
};

JB_PRINTF(2, 3) static void add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    t->n += (size_t)vsnprintf(t->p + t->n, sizeof t->p - t->n, format, args);
    va_end(args);
    assert_true(t->n < sizeof t->p);
}

static void add_id(struct stage *s, struct text *t, const char *name, int place)
{
    char id[STANZA_ID_BYTES + 1];

    if (place < 0)
        return;
    stanza_id_text(&s->server, s->entries[place].id, id);
    add(t, "<%s>%s</%s>", name, id, name);
}

static void add_id_field(struct stage *s, struct text *t, const char *name, int place)
{
    add(t, "<field var='%s'>", name);
    add_id(s, t, "value", place);
    add(t, "</field>");
}

static void add_time(struct text *t, const char *name, int64_t us)
{
    char stamp[JB__STAMP_BYTES + 1];

    if (us == 0)
        return;
    jb__clock_stamp(us, stamp);
    add(t, "<field var='%s'><value>%s</value></field>", name, stamp);
}

static void write_wish(struct stage *s, struct text *t, const struct wish *w)
{
    t->n = 0;
    add(t, "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
           "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>");
    if (w->with)
        add(t, "<field var='with'><value>%s%s%s</value></field>", w->with,
            w->part && *w->part ? "/" : "", w->part ? w->part : "");
    add_time(t, "start", w->start_us);
    add_time(t, "end", w->end_us);
    add_id_field(s, t, "after-id", w->after_id);
    add_id_field(s, t, "before-id", w->before_id);
    if (w->by_ids)
        add(t, "<field var='ids'>");
    for (int i = ENTRIES - 1; i >= 0; i--)
        add_id(s, t, "value", w->ids[i] ? i : -1);
    add(t, "%s</x><set xmlns='http://jabber.org/protocol/rsm'>", w->by_ids ? "</field>" : "");
    if (w->max >= 0)
        add(t, "<max>%d</max>", w->max);
    add_id(s, t, "after", w->after);
    add_id(s, t, "before", w->before);
    add(t, "%s</set></query>", w->before < 0 && w->last_page ? "<before/>" : "");
}

static bool is_there(const struct entry *e, const struct wish *w)
{
    return (e->flags & SEEN) && e->stamp_us >= w->since_us;
}

static bool names_unseen(struct stage *s, const struct wish *w)
{
    int places[] = { w->after_id, w->before_id, w->after, w->before };

    for (size_t i = 0; i < 4; i++)
        if (places[i] >= 0 && !is_there(&s->entries[places[i]], w))
            return true;
    for (int i = 0; i < ENTRIES; i++)
        if (w->ids[i] && !is_there(&s->entries[i], w))
            return true;
    return false;
}

static bool is_wanted(struct stage *s, const struct wish *w, int i)
{
    const struct entry *e = &s->entries[i];

    return is_there(e, w) && (!w->by_ids || w->ids[i]) && e->stamp_us >= w->start_us &&
           (!w->end_us || e->stamp_us <= w->end_us) && (w->after_id < 0 || i > w->after_id) &&
           (w->before_id < 0 || i < w->before_id) && (!w->with || strcmp(w->with, e->with) == 0) &&
           (!w->part || !*w->part || strcmp(w->part, e->part) == 0);
}

/* The page as a plain walk finds it: places in `entries`. */
struct found {
    int set[ENTRIES];
    int total, from, to; /* the page is set[from..to) */
    bool complete;
};

static void walk(struct stage *s, const struct wish *w, struct found *f)
{
    bool backwards = w->before >= 0 || w->last_page;
    int most = w->max >= 0 ? w->max : (int)s->conf.stream.limits.mam_page;
    int low = 0;
    size_t bytes = 0;

    f->total = 0;
    for (int i = 0; i < ENTRIES; i++)
        if (is_wanted(s, w, i))
            f->set[f->total++] = i;
    int high = f->total;
    while (low < high && w->after >= 0 && f->set[low] <= w->after)
        low++;
    while (low < high && w->before >= 0 && f->set[high - 1] >= w->before)
        high--;
    int n = 0;
    for (; n < high - low && n < most; n++) {
        bytes += s->entries[f->set[backwards ? high - 1 - n : low + n]].bytes;
        if (n > 0 && bytes > PAGE_BYTES)
            break;
    }
    f->from = backwards ? high - n : low;
    f->to = f->from + n;
    f->complete = backwards ? f->from == low : f->to == high;
}

static void compare(struct stage *s, const struct asked *a, const struct wish *w)
{
    struct found f;

    walk(s, w, &f);
    assert_int_equal(a->page.count, f.to - f.from);
    for (int i = f.from; i < f.to; i++)
        assert_int_equal(a->page.rows[i - f.from]->id, s->entries[f.set[i]].id);
    assert_true(a->page.total_known);
    assert_int_equal(a->page.total, f.total);
    if (a->page.count) {
        assert_true(a->page.index_known);
        assert_int_equal(a->page.index, f.from);
    }
    if (w->max != 0) /* without a page: complete when there is nothing at all */
        assert_int_equal(a->page.complete, f.complete);
}

static void test_any_query(void **state)
{
    struct stage *s = *state;
    int refused = 0, empty = 0, cut = 0;

    for (int round = 0; round < 20000; round++) {
        static struct text text;
        struct asked a;
        struct wish w;
        make_wish(s, &w);
        write_wish(s, &text, &w);
        enum jb_stanza_error error = ask(s, &a, text.p, w.since_us);
        assert_int_equal(error, names_unseen(s, &w) ? JB_STANZA_ITEM_NOT_FOUND : JB_STANZA_OK);
        if (error == JB_STANZA_OK)
            compare(s, &a, &w);
        refused += error != JB_STANZA_OK;
        empty += error == JB_STANZA_OK && a.page.count == 0;
        cut += error == JB_STANZA_OK && a.page.count && !a.page.complete;
        end(s, &a);
    }
    assert_true(refused > 1000 && empty > 1000 && cut > 1000); /* all kinds came up */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_left_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_address_is_prepared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_query, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
