/* SPDX-License-Identifier: MIT */
#include "core/sendq.h"

#include "base/assert.h"

void jb_sendq_init(struct jb_sendq *q, const struct jb_allocator *alloc)
{
    *q = (struct jb_sendq){ .alloc = alloc };
    q->end = q->cut = &q->first;
}

/* Takes an item out; `link` is what points to it. */
static void drop(struct jb_sendq *q, struct jb_sendq_item **link)
{
    struct jb_sendq_item *item = *link;

    *link = item->next;
    if (q->end == &item->next)
        q->end = link;
    if (q->cut == &item->next)
        q->cut = link;
    jb_stanza_unref(item->stanza);
    jb_free(q->alloc, item);
}

void jb_sendq_number_from(struct jb_sendq *q, uint32_t number)
{
    jb_assert(!q->first);
    q->queued = q->sent = q->acked = q->most = number;
}

void jb_sendq_deinit(struct jb_sendq *q)
{
    while (q->first)
        drop(q, &q->first);
    q->unsent = NULL;
    q->bytes_unsent = q->bytes_unacked = q->kept = 0;
}

void jb_sendq_move(struct jb_sendq *to, struct jb_sendq *from)
{
    jb_assert(!to->first);
    *to = *from;
    if (from->end == &from->first)
        to->end = &to->first;
    if (from->cut == &from->first)
        to->cut = &to->first;
    jb_sendq_init(from, from->alloc);
}

uint64_t jb_sendq_item_bytes(const struct jb_sendq_item *item)
{
    return (uint64_t)item->head_bytes + item->middle_bytes + item->tail_bytes;
}

static void append(struct jb_sendq *q, struct jb_sendq_item *item)
{
    item->next = NULL;
    if (item->counted)
        item->number = ++q->queued;
    *q->end = item;
    q->end = &item->next;
    if (!q->unsent)
        q->unsent = item;
    q->bytes_unsent += (uint32_t)jb_sendq_item_bytes(item);
}

/* The item without its bytes. */
static struct jb_sendq_item *new_item(struct jb_sendq *q, size_t bytes)
{
    struct jb_sendq_item *item = jb_alloc(q->alloc, sizeof(*item) + bytes);

    if (item)
        *item = (struct jb_sendq_item){ 0 };
    return item;
}

/* A new head and tail around the shared middle. */
static struct jb_sendq_item *new_wrapped(struct jb_sendq *q, const struct jb_stanza *s,
                                         const struct jb_wrap *wrap)
{
    const struct jb_node *root = &s->doc.nodes[0];
    struct jb_str name =
        jb_str(s->doc.text + root->start + 1, (size_t)root->prefix_bytes + root->name_bytes);
    struct jb_stanza_marks marks = { .from = s->h.from,
                                     .to = jb_jid_is_set(wrap->to) ? wrap->to : s->h.to };
    size_t most = jb_stanza_head_bytes(&s->doc, &marks) + wrap->added.n + name.n + 3;
    struct jb_sendq_item *item = new_item(q, most);

    if (!item)
        return NULL;
    item->middle_at = root->content;
    item->middle_bytes = root->content_end - root->content;
    item->head_bytes = (uint32_t)jb_stanza_write_head(&s->doc, &marks, item->bytes);
    char *tail = item->bytes + item->head_bytes;
    char *p = tail;
    if (wrap->added.n)
        memcpy(p, wrap->added.p, wrap->added.n);
    p += wrap->added.n;
    *p++ = '<';
    *p++ = '/';
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = '>';
    item->tail_bytes = (uint32_t)(p - tail);
    return item;
}

int jb_sendq_push(struct jb_sendq *q, struct jb_stanza *s, const struct jb_wrap *wrap)
{
    struct jb_sendq_item *item = wrap ? new_wrapped(q, s, wrap) : new_item(q, 0);

    if (!item)
        return JB_ENOMEM;
    if (!wrap)
        item->middle_bytes = s->doc.bytes;
    else
        item->tag = wrap->tag;
    item->stanza = jb_stanza_ref(s);
    item->counted = true;
    append(q, item);
    return 0;
}

static struct jb_sendq_item *new_text(struct jb_sendq *q, struct jb_str text)
{
    struct jb_sendq_item *item = new_item(q, text.n);

    if (!item)
        return NULL;
    memcpy(item->bytes, text.p, text.n);
    item->head_bytes = (uint32_t)text.n;
    return item;
}

int jb_sendq_push_raw(struct jb_sendq *q, struct jb_str text)
{
    struct jb_sendq_item *item = new_text(q, text);

    if (!item)
        return JB_ENOMEM;
    append(q, item);
    return 0;
}

int jb_sendq_push_saved(struct jb_sendq *q, struct jb_str text, int64_t tag)
{
    struct jb_sendq_item *item = new_text(q, text);

    if (!item)
        return JB_ENOMEM;
    item->counted = true;
    item->tag = tag;
    append(q, item);
    return 0;
}

void jb_sendq_item_pieces(const struct jb_sendq_item *item, struct jb_str pieces[3])
{
    pieces[0] = jb_str(item->bytes, item->head_bytes);
    pieces[1] = item->stanza ? jb_str(item->stanza->doc.text + item->middle_at, item->middle_bytes)
                             : JB_STR_NONE;
    pieces[2] = jb_str(item->bytes + item->head_bytes, item->tail_bytes);
}

void jb_sendq_sent(struct jb_sendq *q)
{
    struct jb_sendq_item *item = q->unsent;

    jb_assert(item && *q->cut == item);
    uint32_t bytes = (uint32_t)jb_sendq_item_bytes(item);
    q->unsent = item->next;
    q->bytes_unsent -= bytes;
    if (item->counted)
        q->sent = item->number;
    if (q->sent - q->acked > q->most - q->acked)
        q->most = q->sent;
    if (item->tag || (q->keep && item->counted)) {
        q->cut = &item->next;
        q->bytes_unacked += bytes;
        q->kept++;
        return;
    }
    drop(q, q->cut);
    if (q->kept == 0)
        q->acked = q->sent;
}

bool jb_sendq_may_ack(const struct jb_sendq *q, uint32_t number)
{
    return number - q->acked <= q->sent - q->acked;
}

void jb_sendq_ack(struct jb_sendq *q, uint32_t number)
{
    jb_assert(jb_sendq_may_ack(q, number));
    q->acked = number;
}

bool jb_sendq_take_acked(struct jb_sendq *q, int64_t *tag)
{
    struct jb_sendq_item *item = q->first;

    if (item == q->unsent || (int32_t)(q->acked - item->number) < 0)
        return false;
    *tag = item->tag;
    q->bytes_unacked -= (uint32_t)jb_sendq_item_bytes(item);
    q->kept--;
    drop(q, &q->first);
    return true;
}

bool jb_sendq_catch_up(struct jb_sendq *q, uint32_t number)
{
    if (number - q->acked > q->most - q->acked)
        return false;
    while (!jb_sendq_may_ack(q, number))
        jb_sendq_sent(q);
    return true;
}

void jb_sendq_rewind(struct jb_sendq *q)
{
    q->unsent = q->first;
    q->cut = &q->first;
    q->bytes_unsent += q->bytes_unacked;
    q->bytes_unacked = q->kept = 0;
    q->sent = q->acked;
}

void jb_sendq_splice(struct jb_sendq *to, struct jb_sendq *from)
{
    jb_assert(to->kept == 0 && from->kept == 0);
    for (struct jb_sendq_item *item = to->first; item; item = item->next)
        item->counted = false;
    if (from->first) {
        *to->end = from->first;
        to->end = from->end;
    }
    if (!to->unsent)
        to->unsent = from->first;
    to->bytes_unsent += from->bytes_unsent;
    to->queued = from->queued;
    to->sent = from->sent;
    to->acked = from->acked;
    to->most = from->most;
    to->keep = from->keep;
    jb_sendq_init(from, from->alloc);
}
