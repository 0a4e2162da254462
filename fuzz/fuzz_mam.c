/* SPDX-License-Identifier: MIT */
/* The payload of a query of an archive: forms (XEP-0004), pages (XEP-0059), ids, times, addresses.
 * Whatever is read becomes a page of the archive that keeps to what was asked, or a refusal. */
#include "fuzz.h"

#include "base/utf8.h"
#include "modules/mam_query.h"
#include "server/server.h"
#include "server/store_unit.h"

enum { ENTRIES = 16, SEEN = 4, ARENA_BYTES = 16 * 1024 * 1024 };

static const struct store_space space = { JB_STR_INIT("romeo@verona"), JB_STR_INIT("messages") };

static struct stage {
    struct server server; /* its secret is nought: the ids in the seeds are those of the entries */
    struct conf conf;
    struct reactor reactor;
    struct store_db *db;
    struct store_front *front;
} stage;

static void fill(struct store_db *db)
{
    jb_assert(db->ops->begin(db) == 0);
    for (int64_t i = 0; i < ENTRIES; i++) {
        struct store_entry entry = { .now_us = 1790000000000000 + i,
                                     .stamp_us = 1790000000000000 + i,
                                     .with = i % 2 ? JB_STR("juliet@capulet") : JB_STR("nurse@x"),
                                     .with_part = i % 3 ? JB_STR("balcony") : JB_STR_NONE,
                                     .bytes = JB_STR("<message/>"),
                                     .flags = i % 5 ? SEEN : 0 };
        int64_t id;
        jb_assert(db->ops->log_append(db, &space, &entry, &id) == 0);
    }
    jb_assert(db->ops->commit(db) == 0);
}

static void open_stage(struct stage *s)
{
    struct store_options options = { .alloc = &jb_allocator_abort };
    struct store_front_options front = { .alloc = &jb_allocator_abort };
    char message[STORE_MESSAGE_BYTES];

    s->conf.stream.limits = jb_limits_default;
    s->reactor.server = &s->server;
    s->reactor.conf = &s->conf;
    jb__arena_init(&s->reactor.arena, &jb_allocator_abort, ARENA_BYTES);
    jb_assert(store_memory.open(&options, &s->db, message) == 0);
    front.db = s->db;
    front.limits = &s->conf.stream.limits;
    jb_assert(store_front_open(&front, &s->front) == 0);
    fill(s->db);
}

static void check_page(const struct mam_query *q, const struct mam_page *page)
{
    jb_assert(page->count <= q->most && page->count <= page->total);
    jb_assert(page->count == 0 || page->index + page->count <= page->total);
    for (size_t i = 0; i < page->count; i++) {
        jb_assert(page->rows[i]->flags & SEEN);
        jb_assert(i == 0 || page->rows[i - 1]->id < page->rows[i]->id);
        jb_assert(page->rows[i]->id > q->after_id);
        jb_assert(!q->before_id || page->rows[i]->id < q->before_id);
    }
}

static void ask(struct stage *s, struct mam_query *q)
{
    const struct mam_archive source = {
        .owner = space.owner, .store = space.store, .flags_mask = SEEN, .flags = SEEN
    };
    struct store_unit *unit = store_unit_new(s->front, NULL, NULL, NULL);
    struct mam_page page;

    mam_query_ask(q, unit, &source);
    unit->result_bytes = JB_MIB;
    jb_assert(store_unit_run(unit, s->db) == 0 && unit->rc == 0);
    if (mam_query_take(q, unit, &s->reactor.arena, &page).condition == JB_STANZA_OK)
        check_page(q, &page);
    store_unit_free(unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct jb_xml_bounds bounds = {
        .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
    };
    struct jb_stanza stanza = { 0 };
    struct iq iq = { .reactor = &stage.reactor, .stanza = &stanza };
    struct jb_str text = jb_str((const char *)data, size);
    struct mam_query query;

    if (!stage.db)
        open_stage(&stage);
    if (jb__utf8_valid(text) &&
        jb_xml_parse(text, &bounds, &stage.reactor.arena, &stanza.doc) == JB_XML_OK &&
        mam_query_read(&query, &iq).condition == JB_STANZA_OK)
        ask(&stage, &query);
    jb__arena_reset(&stage.reactor.arena);
    return 0;
}
