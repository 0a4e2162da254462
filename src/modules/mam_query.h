/* SPDX-License-Identifier: MIT */
/* A query of a message archive (XEP-0313 section 4): what it asks as operations of a store unit,
 * and what these found as a page of entries.  It knows logs, not users or rooms; see mam.h. */
#ifndef MODULES_MAM_QUERY_H
#define MODULES_MAM_QUERY_H

#include "core/fault.h"
#include "modules/xep0059_rsm.h"
#include "server/iq.h"
#include "server/store_queue.h"

/* An archive: a log, and which of its entries whoever asks may see. */
struct mam_archive {
    struct jb_str owner, store; /* of the log */
    struct jb_jid by;           /* bare: whose archive it is */
    uint32_t flags_mask, flags; /* (flags & flags_mask) == flags, or it is not in the archive */
    int64_t since_us;           /* what is older is not in it any more; 0: nothing is too old */
};

/* The fields of the form that a query may bring, in the order in which they are offered. */
enum mam_field {
    MAM_WITH,
    MAM_START,
    MAM_END,
    MAM_BEFORE_ID,
    MAM_AFTER_ID,
    MAM_IDS,
    MAM_GROUPCHAT,
    MAM_FIELDS
};
extern const char *const mam_field_names[MAM_FIELDS];

/* Between request and answer. */
struct mam_query {
    struct store_range set; /* all that is asked for; `with` is in the tick's arena */
    int64_t *ids;           /* these only, ascending; in the tick's arena */
    uint32_t id_count;      /* 0: all of the set */
    bool by_ids;
    bool flip;                   /* the page is sent last entry first */
    bool backwards;              /* the page is taken from the end */
    int64_t after_id, before_id; /* where the page begins or ends within the set; 0: open */
    uint32_t most;               /* entries of the page; 0: none, the count is asked for */
    uint32_t page_bytes;
    uint32_t count_most; /* count no further */
    /* What was asked of the store: */
    uint32_t named;          /* the unit's first so many: each must count one entry */
    struct store_op *page;   /* the page; by ids: one for each, in a row */
    struct store_op *total;  /* how many the set has */
    struct store_op *before; /* how many stand before the page; backwards: and in it */
};

/* Reads the payload of a request.  The fault otherwise: bad-request, jid-malformed,
 * feature-not-implemented (a field or a kind of page that is not known), item-not-found (an id that
 * cannot be one), policy-violation. */
JB_NODISCARD struct jb_fault mam_query_read(struct mam_query *q, const struct iq *iq);

/* Adds the operations to a unit that has none; in the same tick. */
void mam_query_ask(struct mam_query *q, struct store_unit *unit, const struct mam_archive *source);

/* What was found. */
struct mam_page {
    const struct store_row **rows; /* ascending; in the arena */
    size_t count;
    bool complete;                 /* nothing of the set lies behind (backwards: before) it */
    bool index_known, total_known; /* the store did not count further than it may */
    uint64_t index;                /* of the first in the set */
    uint64_t total;                /* of the set */
};

/* Reads what the unit, which did not fail, brought.  item-not-found: an entry that the query names
 * is not in the archive. */
JB_NODISCARD struct jb_fault mam_query_take(const struct mam_query *q,
                                            const struct store_unit *unit, struct jb__arena *arena,
                                            struct mam_page *page);

#endif
