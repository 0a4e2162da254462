/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked list: a node lives inside the object, the list owns nothing. */
#ifndef JB_BASE_LIST_H
#define JB_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct jb__list {
    struct jb__list *next;
    struct jb__list *prev;
};

/* The object that holds `node` as `member`. */
#define jb__container_of(node, type, member) \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void jb__list_init(struct jb__list *l)
{
    l->next = l->prev = l;
}

static inline bool jb__list_empty(const struct jb__list *l)
{
    return l->next == l;
}

/* Appends `node` behind the last one of `head`. */
static inline void jb__list_push(struct jb__list *head, struct jb__list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes `node` out of its list; it is left as an empty list, so taking it out twice is harmless. */
static inline void jb__list_remove(struct jb__list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    jb__list_init(node);
}

/* Walks a list; the body may remove `it`. */
#define jb__list_each(it, nxt, head)                                        \
    for (struct jb__list *it = (head)->next, *nxt = it->next; it != (head); \
         it = nxt, nxt = it->next)

#endif
