/* SPDX-License-Identifier: MIT */
/* Requests: an iq of ours waits in a list until its answer comes, its time is up, or the session
 * ends.  Each ends exactly once, and is told as ANSWER. */
#include "base/clock.h"
#include "base/utf8.h"
#include "client/client_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { ID_BYTES = 24 };

/* An id that says which request it is.  Others cannot answer for the one who was asked (the address
 * is checked), so it need not be a secret. */
static struct jb_str id_of(uint64_t number, char out[ID_BYTES])
{
    int n = snprintf(out, ID_BYTES, "jb-%" PRIu64, number);

    return jb_str(out, (size_t)n);
}

/* ---- asking ---- */

/* The queryid of a question to an archive (XEP-0313): what it finds carries it. */
static int read_query(struct jb_str payload, struct jb__arena *arena, struct jb_str *query)
{
    static const struct jb_xml_bounds bounds = {
        .depth = 32, .attributes = 64, .namespaces = 32, .elements = 4096, .name_bytes = 256
    };
    struct jb_doc doc;
    enum jb_xml_fault fault = jb_xml_parse(payload, &bounds, arena, &doc);

    *query = JB_STR_NONE;
    if (fault != JB_XML_OK)
        return fault == JB_XML_NO_MEMORY ? JB_ENOMEM : JB_EINVAL;
    if (!jb_str_eqz(jb_node_ns(&doc, 0), "urn:xmpp:mam:2") ||
        !jb_node_attr_raw(&doc, 0, "queryid", query) || query->n == 0)
        return 0;
    *query = jb_xml_attr_value(*query, arena);
    return query->p ? 0 : JB_ENOMEM;
}

static struct jb__request *new_request(struct jb_client *c, struct jb_jid to, struct jb_str query)
{
    const size_t n = jb_jid_is_set(to) ? jb_jid_str(to).n : 0;
    struct jb__request *r = jb_zalloc(&c->memory, sizeof *r + n + query.n);

    if (!r)
        return NULL;
    r->to = to;
    if (n) {
        memcpy(r->text, to.p, n);
        r->to.p = r->text;
    }
    if (query.n)
        memcpy(r->text + n, query.p, query.n);
    r->query = jb_str(r->text + n, query.n);
    r->number = ++c->numbers;
    r->deadline_ms = jb__clock_mono_ms() + jb__setting(c, JB_SETTING_REQUEST_TIMEOUT_MS);
    return r;
}

static int send_request(struct jb_client *c, const struct jb__request *r, const char *type,
                        struct jb_str payload)
{
    struct jb__buf buf;
    struct jb_xml x;
    char id[ID_BYTES];

    jb__buf_init(&buf, &c->memory, jb__setting(c, JB_SETTING_STANZA_BYTES));
    jb_xml_begin(&x, &buf);
    jb_stanza_open(&x, JB_IQ, type, JB_JID_NONE, r->to, id_of(r->number, id));
    jb_xml_raw(&x, payload);
    jb_xml_close(&x);
    int rc = jb_xml_end(&x);
    if (rc == 0)
        rc = jb__outbox_send_xml(c, jb__buf_str(&buf));
    jb__buf_deinit(&buf);
    return rc;
}

static bool is_type(const char *type)
{
    return strcmp(type, "get") == 0 || strcmp(type, "set") == 0;
}

/* Takes over `r`, also when it fails. */
static int begin(struct jb_client *c, const char *type, struct jb_str payload,
                 struct jb__request *r)
{
    int rc = send_request(c, r, type, payload);

    if (rc != 0) {
        jb_free(&c->memory, r);
        return rc;
    }
    r->next = c->requests;
    c->requests = r;
    c->request_count++;
    return 0;
}

int jb_client_request(struct jb_client *c, const char *type, const char *to, const char *payload,
                      uint64_t *number)
{
    struct jb__arena arena;
    struct jb_jid jid = JB_JID_NONE;
    struct jb__request *r = NULL;
    struct jb_str query;

    if (c->phase != JB__PHASE_ONLINE)
        return JB_ESTATE;
    if (!payload || !is_type(type) || !jb__utf8_valid(jb_strz(payload)) ||
        !jb__utf8_valid(jb_strz(to)))
        return JB_EINVAL;
    if (c->request_count >= jb__setting(c, JB_SETTING_REQUESTS))
        return JB_EFULL;
    jb__arena_init(&arena, &c->memory, c->arena.limit);
    int rc = read_query(jb_strz(payload), &arena, &query);
    if (rc == 0 && to)
        rc = jb_jid_parse(jb_strz(to), &arena, &jid);
    if (rc == 0)
        r = new_request(c, jid, query);
    if (rc == 0)
        rc = r ? begin(c, type, jb_strz(payload), r) : JB_ENOMEM;
    jb__arena_deinit(&arena);
    if (rc == 0 && number)
        *number = c->numbers;
    return rc;
}

int jb__request_roster(struct jb_client *c)
{
    struct jb__request *r = new_request(c, JB_JID_NONE, JB_STR_NONE);

    if (!r)
        return JB_ENOMEM;
    r->is_roster = true;
    return begin(c, "get", JB_STR("<query xmlns='jabber:iq:roster'/>"), r);
}

/* ---- answers ---- */

/* RFC 6120 section 8.1.2.1: the own account answers from its bare address, or from none. */
static bool is_from_asked(const struct jb_client *c, const struct jb__request *r,
                          const struct jb_stanza_head *h)
{
    if (h->from_malformed)
        return false;
    if (jb_jid_is_set(r->to))
        return jb_jid_is_set(h->from) && jb_jid_eq(h->from, r->to);
    return !jb_jid_is_set(h->from) || jb_jid_eq(h->from, jb_jid_bare(c->self)) ||
           jb_jid_eq(h->from, c->self);
}

static void unlink_request(struct jb_client *c, struct jb__request **link)
{
    struct jb__request *r = *link;

    *link = r->next;
    c->request_count--;
    jb_free(&c->memory, r);
}

bool jb__request_answered(struct jb_client *c, const struct jb_stanza_head *h)
{
    char id[ID_BYTES];

    for (const struct jb__request *r = c->requests; r; r = r->next) {
        if (r->over || !jb_str_eq(h->id, id_of(r->number, id)) || !is_from_asked(c, r, h))
            continue;
        c->event = (struct jb_event){
            .kind = r->is_roster ? JB_EVENT_ROSTER : JB_EVENT_ANSWER,
            .whole = r->is_roster,
            .number = r->number,
            .result = h->type == JB_TYPE_RESULT ? JB_RESULT_OK : JB_RESULT_ERROR,
        };
        return true;
    }
    return false;
}

void jb__request_end(struct jb_client *c, uint64_t number)
{
    struct jb__request **link = &c->requests;

    while (*link && (*link)->number != number)
        link = &(*link)->next;
    if (*link)
        unlink_request(c, link);
}

bool jb__request_is_open(const struct jb_client *c, const struct jb_stanza_head *h,
                         struct jb_str query)
{
    for (const struct jb__request *r = c->requests; r; r = r->next)
        if (!r->over && r->query.n && jb_str_eq(r->query, query) && is_from_asked(c, r, h))
            return true;
    return false;
}

static void end(struct jb__request *r, enum jb_result result)
{
    if (r->over)
        return;
    r->over = true;
    r->result = (uint8_t)result;
}

void jb__request_expire(struct jb_client *c, uint64_t now_ms)
{
    for (struct jb__request *r = c->requests; r; r = r->next)
        if (now_ms >= r->deadline_ms)
            end(r, JB_RESULT_TIMEOUT);
}

void jb__request_abandon(struct jb_client *c)
{
    for (struct jb__request *r = c->requests; r; r = r->next)
        end(r, JB_RESULT_OFFLINE);
}

bool jb__request_tell(struct jb_client *c)
{
    struct jb__request **link = &c->requests;

    while (*link && (!(*link)->over || (*link)->is_roster)) {
        if ((*link)->over)
            unlink_request(c, link); /* nobody but us asked */
        else
            link = &(*link)->next;
    }
    if (!*link)
        return false;
    c->event = (struct jb_event){ .kind = JB_EVENT_ANSWER,
                                  .number = (*link)->number,
                                  .result = (enum jb_result)(*link)->result };
    unlink_request(c, link);
    return true;
}

uint64_t jb__request_deadline(const struct jb_client *c)
{
    uint64_t first = UINT64_MAX;

    for (const struct jb__request *r = c->requests; r; r = r->next) {
        uint64_t due = r->over ? 0 : r->deadline_ms;
        first = due < first ? due : first;
    }
    return first;
}

void jb__request_free(struct jb_client *c)
{
    while (c->requests)
        unlink_request(c, &c->requests);
}
