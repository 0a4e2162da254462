/* SPDX-License-Identifier: MIT */
#include "cli/chat_people.h"

#include "base/alloc.h"

#include <stdio.h>

#define ROSTER_NS "jabber:iq:roster"

static const struct jb_allocator *const memory = &jb_allocator_abort;

static char *copy(const char *text)
{
    size_t n = strlen(text ? text : "") + 1;

    return memcpy(jb_alloc(memory, n), text ? text : "", n);
}

const char *chat_bare(const char *jid, char out[CHAT_BARE_BYTES])
{
    size_t n = strcspn(jid, "/");

    snprintf(out, CHAT_BARE_BYTES, "%.*s", (int)n, jid);
    return out;
}

/* -- Contacts --------------------------------------------------------------------------------- */

static void drop_contact(struct chat_people *p, size_t at)
{
    struct chat_contact *c = &p->contacts[at];

    jb_free(memory, c->jid);
    jb_free(memory, c->name);
    jb_free(memory, c->subscription);
    p->contact_count--;
    memmove(c, c + 1, (p->contact_count - at) * sizeof *c);
}

static size_t index_of(const struct chat_people *p, const char *bare)
{
    size_t k = 0;

    while (k < p->contact_count && strcmp(p->contacts[k].jid, bare) != 0)
        k++;
    return k;
}

static void take_item(struct chat_people *p, const struct jb_element *item)
{
    const char *jid = jb_element_attr(item, "jid"), *how = jb_element_attr(item, "subscription");

    if (!jid)
        return;
    size_t k = index_of(p, jid);
    if (k < p->contact_count)
        drop_contact(p, k);
    if ((how && strcmp(how, "remove") == 0) || p->contact_count == CHAT_CONTACTS)
        return;
    p->contacts[p->contact_count++] =
        (struct chat_contact){ copy(jid), copy(jb_element_attr(item, "name")),
                               copy(how ? how : "none") };
}

void chat_people_on_roster(struct chat_people *p, const struct jb_element *query, bool whole)
{
    if (!p->contacts)
        p->contacts = jb_alloc(memory, CHAT_CONTACTS * sizeof p->contacts[0]);
    while (whole && p->contact_count > 0)
        drop_contact(p, p->contact_count - 1);
    for (const struct jb_element *e = jb_element_first(query); e; e = jb_element_next(e))
        if (jb_element_is(e, "item", ROSTER_NS))
            take_item(p, e);
}

const struct chat_contact *chat_people_find(const struct chat_people *p, const char *bare)
{
    size_t k = index_of(p, bare);

    return k < p->contact_count ? &p->contacts[k] : NULL;
}

/* -- Presence --------------------------------------------------------------------------------- */

static void drop_presence(struct chat_people *p, size_t at)
{
    struct chat_presence *gone = &p->presences[at];

    jb_free(memory, gone->jid);
    jb_free(memory, gone->show);
    *gone = p->presences[--p->presence_count];
}

const char *chat_people_show(const struct chat_people *p, const char *bare)
{
    size_t n = strlen(bare);

    for (size_t k = 0; k < p->presence_count; k++) {
        const char *jid = p->presences[k].jid;
        if (strncmp(jid, bare, n) == 0 && (jid[n] == '/' || jid[n] == '\0'))
            return p->presences[k].show;
    }
    return NULL;
}

bool chat_people_on_presence(struct chat_people *p, const struct jb_element *e, bool *came,
                             char bare[CHAT_BARE_BYTES])
{
    const char *from = jb_element_attr(e, "from"), *type = jb_element_attr(e, "type");

    if (!from || (type && strcmp(type, "unavailable") != 0))
        return false;
    if (!p->presences)
        p->presences = jb_alloc(memory, CHAT_PRESENCES * sizeof p->presences[0]);
    chat_bare(from, bare);
    bool before = chat_people_show(p, bare) != NULL;
    for (size_t k = 0; k < p->presence_count; k++) {
        if (strcmp(p->presences[k].jid, from) == 0) {
            drop_presence(p, k);
            break;
        }
    }
    if (!type && p->presence_count < CHAT_PRESENCES)
        p->presences[p->presence_count++] =
            (struct chat_presence){ copy(from),
                                    copy(jb_element_text(jb_element_child(e, "show", NULL))) };
    *came = chat_people_show(p, bare) != NULL;
    return *came != before;
}

void chat_people_forget(struct chat_people *p)
{
    while (p->presence_count > 0)
        drop_presence(p, p->presence_count - 1);
}

void chat_people_deinit(struct chat_people *p)
{
    chat_people_forget(p);
    while (p->contact_count > 0)
        drop_contact(p, p->contact_count - 1);
    jb_free(memory, p->contacts);
    jb_free(memory, p->presences);
    *p = (struct chat_people){ 0 };
}
