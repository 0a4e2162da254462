/* SPDX-License-Identifier: MIT */
#include "modules/xep0160_held.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <string.h>

static const struct jb_allocator *const alloc = &jb_allocator_abort;

void held_deinit(struct held_row *row)
{
    jb_free(alloc, row->items);
    *row = (struct held_row){ 0 };
}

struct held *held_first(const struct held_row *row)
{
    return row->count ? &row->items[row->begin] : NULL;
}

/* Where the id is, or would be. */
static size_t place(const struct held_row *row, int64_t id)
{
    size_t low = row->begin, high = row->begin + row->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row->items[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct held *held_find(const struct held_row *row, int64_t id)
{
    size_t at = place(row, id);

    return at < row->begin + row->count && row->items[at].id == id ? &row->items[at] : NULL;
}

static void make_room(struct held_row *row)
{
    if (row->begin + row->count < row->cap)
        return;
    if (row->begin > row->cap / 2) {
        memmove(row->items, row->items + row->begin, row->count * sizeof *row->items);
        row->begin = 0;
        return;
    }
    row->cap = row->cap ? 2 * row->cap : 4;
    row->items = jb_resize(alloc, row->items, row->cap * sizeof *row->items);
}

struct held *held_add(struct held_row *row, int64_t id, uint32_t bytes)
{
    make_room(row);
    size_t at = place(row, id);
    size_t end = row->begin + row->count;
    jb_assert(at == end || row->items[at].id != id);
    memmove(row->items + at + 1, row->items + at, (end - at) * sizeof *row->items);
    row->count++;
    row->items[at] = (struct held){ .id = id, .bytes = bytes };
    return &row->items[at];
}

void held_remove(struct held_row *row, struct held *h)
{
    size_t at = (size_t)(h - row->items);
    size_t end = row->begin + row->count;

    row->count--;
    if (at == row->begin)
        row->begin++;
    else
        memmove(h, h + 1, (end - at - 1) * sizeof *h);
    if (row->count == 0)
        held_deinit(row); /* who is idle has nothing */
}
