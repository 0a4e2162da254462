/* SPDX-License-Identifier: MIT */
#include "core/sendq.h"

#include "base/assert.h"

void jb_sendq_init(struct jb_sendq *q, const struct jb_allocator *alloc)
{
    *q = (struct jb_sendq){ .alloc = alloc };
    q->end = &q->first;
}

static void free_first(struct jb_sendq *q)
{
    struct jb_sendq_item *item = q->first;

    q->first = item->next;
    if (!q->first)
        q->end = &q->first;
    jb_stanza_unref(item->stanza);
    jb_free(q->alloc, item);
}

void jb_sendq_deinit(struct jb_sendq *q)
{
    while (q->first)
        free_first(q);
    q->unsent = NULL;
    q->bytes_unsent = q->bytes_unacked = 0;
}

uint64_t jb_sendq_item_bytes(const struct jb_sendq_item *item)
{
    return (uint64_t)item->head_bytes + item->middle_bytes + item->tail_bytes;
}

static void append(struct jb_sendq *q, struct jb_sendq_item *item)
{
    item->next = NULL;
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
    item->stanza = jb_stanza_ref(s);
    item->counted = true;
    append(q, item);
    return 0;
}

int jb_sendq_push_raw(struct jb_sendq *q, struct jb_str text)
{
    struct jb_sendq_item *item = new_item(q, text.n);

    if (!item)
        return JB_ENOMEM;
    memcpy(item->bytes, text.p, text.n);
    item->head_bytes = (uint32_t)text.n;
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

    jb_assert(item);
    uint32_t bytes = (uint32_t)jb_sendq_item_bytes(item);
    q->unsent = item->next;
    q->bytes_unsent -= bytes;
    if (item->counted)
        q->sent++;
    if (q->keep) {
        q->bytes_unacked += bytes;
        return;
    }
    jb_assert(q->first == item);
    if (item->counted)
        q->acked++;
    free_first(q);
}
