/* SPDX-License-Identifier: MIT */
/* Parsing in tests: usual bounds, input in a block of its exact size. */
#ifndef TESTS_UNIT_CORE_XML_KIT_H
#define TESTS_UNIT_CORE_XML_KIT_H

#include "test.h"

#include "core/xml_parse.h"
#include "pieces.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { KIT_ARENA_BYTES = 64 * 1024 * 1024 };

static const struct jb_xml_bounds kit_bounds = {
    .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
};

static struct jb__arena arena;

static inline int set_up(void **state)
{
    (void)state;
    jb__arena_init(&arena, &jb_allocator_libc, KIT_ARENA_BYTES);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    jb__arena_deinit(&arena);
    return 0;
}

/* Parses what must be good; the document lives as long as the arena. */
static inline struct jb_doc parse_good(const char *text)
{
    struct jb_doc doc;
    struct jb_str copy = jb__arena_str(&arena, jb_strz(text));

    if (jb_xml_parse(copy, &kit_bounds, &arena, &doc) != JB_XML_OK)
        fail_msg("refused: %s", text);
    return doc;
}

#endif
