/* SPDX-License-Identifier: MIT */
/* The entries of a user's log in front of the cursor that somebody has or is about to get, by id. */
#ifndef MODULES_XEP0160_HELD_H
#define MODULES_XEP0160_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct held {
    int64_t id;
    uint32_t bytes;
    uint16_t holders; /* sessions in whose queues it is */
    bool committed;   /* it is in the log */
    bool confirmed;   /* a client has it */
    bool kept;        /* it belongs to the message archive and stays in the log */
    bool of_page;     /* handed over with the page that is arriving */
    bool orphan;      /* all who had it went before it was in the log: it is coming to the backlog */
};

/* Zeroed, it is empty. */
struct held_row {
    struct held *items; /* ascending */
    size_t begin;       /* items in front of it are gone */
    size_t count;
    size_t cap;
};

void held_deinit(struct held_row *row);
/* NULL: there is none.  Valid until something is added or removed. */
struct held *held_first(const struct held_row *row);
struct held *held_find(const struct held_row *row, int64_t id);
/* The id must be new. */
struct held *held_add(struct held_row *row, int64_t id, uint32_t bytes);
void held_remove(struct held_row *row, struct held *h);

#endif
