/* SPDX-License-Identifier: MIT */
/* An address that parses is canonical: parsing it again, preparing its parts, and putting them
 * together give the same bytes.  The same for passwords. */
#include "fuzz.h"

#include "base/utf8.h"
#include "core/jid.h"

enum { ARENA_BYTES = 64 * 1024 };

static void check_part(struct jb_str part,
                       int (*prep)(struct jb_str, struct jb__arena *, struct jb_str *),
                       struct jb__arena *arena)
{
    struct jb_str again;

    if (part.n == 0)
        return;
    jb_assert(part.n <= JB_JID_PART_BYTES && jb__utf8_valid(part));
    for (size_t i = 0; i < part.n; i++)
        jb_assert((unsigned char)part.p[i] >= ' ' && part.p[i] != 0x7f);
    jb_assert(prep(part, arena, &again) == 0 && jb_str_eq(part, again));
}

static void check_address(struct jb_jid jid, struct jb__arena *arena)
{
    struct jb_jid again;

    jb_assert(jid.domain > 0 && jb_jid_str(jid).n <= JB_JID_BYTES);
    /* Sealing writes it without looking for them. */
    for (size_t i = 0; i < jb_jid_bare_str(jid).n; i++)
        jb_assert(!strchr("&<>'", jid.p[i]));
    jb_assert(jb_jid_parse(jb_jid_str(jid), arena, &again) == 0);
    jb_assert(jb_jid_eq(jid, again) && again.p == jid.p);
    check_part(jb_jid_local(jid), jb_jid_prep_local, arena);
    check_part(jb_jid_domain(jid), jb_jid_prep_domain, arena);
    check_part(jb_jid_resource(jid), jb_jid_prep_resource, arena);
    jb_assert(jb_jid_make(jb_jid_local(jid), jb_jid_domain(jid), jb_jid_resource(jid), arena,
                          &again) == 0);
    jb_assert(jb_jid_eq(jid, again));
    jb_assert(jb_jid_confusable(jb_jid_local(jid), jb_jid_local(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct jb_str text = jb_str((const char *)p, n);
    struct jb__arena arena;
    struct jb_jid jid;
    struct jb_str password, again;

    jb__arena_init(&arena, &jb_allocator_abort, ARENA_BYTES);
    if (jb_jid_parse(text, &arena, &jid) == 0)
        check_address(jid, &arena);
    jb__arena_reset(&arena);
    if (jb_precis_password(text, &arena, &password) == 0) {
        jb_assert(jb_precis_password(password, &arena, &again) == 0);
        jb_assert(jb_str_eq(password, again));
    }
    jb__arena_deinit(&arena);
    return 0;
}
