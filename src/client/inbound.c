/* SPDX-License-Identifier: MIT */
/* Stanzas that arrive: answers, requests, messages, presence.
 *
 * Some elements mean something only when the own account's server says them; from anybody else they
 * are forgeries, and the program never sees them (docs/adversarial.md, case 57). */
#include "client/client_impl.h"

#include <stdio.h>

/* There is no memory for what arrived: the connection is over, and where the session goes on the
 * server sends it again. */
static bool give_up(struct jb_client *c)
{
    c->untold = true;
    jb__link_fail_code(c, JB_ENOMEM, JB_REASON_MEMORY, "");
    return false;
}

/* Tells c->event with an element; false (and the connection is over) when out of memory. */
static bool tell(struct jb_client *c, const struct jb_doc *doc, uint16_t node)
{
    c->event.element = jb__element_new(doc, node, &c->arena);
    return c->event.element ? true : give_up(c);
}

/* RFC 6120 section 8.1.2.1: without `from`, or from the bare address, it is the own account. */
static bool is_from_account(const struct jb_client *c, const struct jb_stanza_head *h)
{
    return !h->from_malformed &&
           (!jb_jid_is_set(h->from) || jb_jid_eq(h->from, jb_jid_bare(c->self)));
}

/* The first child in a namespace; `name` NULL: any. */
static uint16_t child(const struct jb_doc *doc, uint16_t node, const char *name, const char *ns)
{
    for (uint16_t k = jb_node_first(doc, node); k; k = jb_node_next(doc, k))
        if (jb_str_eqz(jb_node_ns(doc, k), ns) && (!name || jb_str_eqz(jb_node_name(doc, k), name)))
            return k;
    return 0;
}

/* ---- requests of others ---- */

/* Answers a request; `refuse`: that nobody here does such things. */
static void answer(struct jb_client *c, const struct jb_stanza_head *h, bool refuse)
{
    const struct jb_fault fault = JB_FAULT(SERVICE_UNAVAILABLE, NULL);
    struct jb__buf buf;
    struct jb_xml x;

    jb__buf_init(&buf, &c->memory, jb__setting(c, JB_SETTING_STANZA_BYTES));
    jb_xml_begin(&x, &buf);
    jb_stanza_open(&x, JB_IQ, refuse ? "error" : "result", JB_JID_NONE, h->from, h->id);
    if (refuse)
        jb_fault_write(&x, &fault);
    jb_xml_close(&x);
    int rc = jb_xml_end(&x);
    if (rc == 0)
        rc = jb__outbox_send_xml(c, jb__buf_str(&buf));
    jb__buf_deinit(&buf);
    if (rc == JB_ENOMEM)
        give_up(c); /* what is full otherwise: a request that gets no answer, as on a lost line */
}

static bool on_request(struct jb_client *c, const struct jb_stanza_head *h,
                       const struct jb_doc *doc)
{
    uint16_t query = jb_node_child(doc, 0, "query", JB_NS_ROSTER);

    if (query && h->type == JB_TYPE_SET) { /* RFC 6121 section 2.1.6 */
        if (!is_from_account(c, h)) {
            answer(c, h, true);
            return false;
        }
        answer(c, h, false);
        c->event = (struct jb_event){ .kind = JB_EVENT_ROSTER };
        return c->stream_is_live && tell(c, doc, query);
    }
    if (h->type == JB_TYPE_GET && jb_node_child(doc, 0, "ping", JB_NS_PING)) {
        answer(c, h, false);
        return false;
    }
    if (!jb__setting(c, JB_SETTING_SERVE)) {
        answer(c, h, true);
        return false;
    }
    c->event = (struct jb_event){ .kind = JB_EVENT_STANZA };
    return tell(c, doc, 0);
}

/* ---- messages ---- */

/* Nodes that only their owner reads and writes: an event of somebody else's is a trick. */
static bool is_private_node(struct jb_str node)
{
    static const char *const nodes[] = { "storage:bookmarks", "urn:xmpp:bookmarks:1",
                                         "urn:xmpp:mds:displayed:0" };

    for (size_t k = 0; k < sizeof nodes / sizeof nodes[0]; k++)
        if (jb_str_eqz(node, nodes[k]))
            return true;
    return false;
}

static bool is_forged(struct jb_client *c, const struct jb_stanza_head *h, const struct jb_doc *doc)
{
    uint16_t result = child(doc, 0, "result", "urn:xmpp:mam:2");
    uint16_t event = child(doc, 0, "event", "http://jabber.org/protocol/pubsub#event");
    uint16_t items = event ? jb_node_first(doc, event) : 0;

    if (child(doc, 0, NULL, "urn:xmpp:carbons:2") && !is_from_account(c, h) &&
        !child(doc, 0, "private", "urn:xmpp:carbons:2"))
        return true;
    if (result && !jb__request_is_open(c, h, jb_node_attr(doc, result, "queryid", &c->arena)))
        return true;
    return items && !is_from_account(c, h) &&
           is_private_node(jb_node_attr(doc, items, "node", &c->arena));
}

/* Who may vouch for a stanza-id: the own account, and a room for what is said in it. */
static bool is_trusted(struct jb_client *c, const struct jb_stanza_head *h, struct jb_str by)
{
    struct jb_jid jid;

    if (jb_jid_parse(by, &c->arena, &jid) != 0)
        return false;
    if (h->type == JB_TYPE_GROUPCHAT)
        return jb_jid_is_set(h->from) && jb_jid_eq(jid, jb_jid_bare(h->from));
    return jb_jid_eq(jid, jb_jid_bare(c->self));
}

static bool remember(struct jb_client *c, struct jb_str id, struct jb_str by)
{
    uint64_t parts[2] = { jb__siphash(&c->seen_key, id.p, id.n),
                          jb__siphash(&c->seen_key, by.p, by.n) };
    uint64_t hash = jb__siphash(&c->seen_key, parts, sizeof parts);

    for (size_t k = 0; k < JB__SEEN; k++)
        if (c->seen[k] == hash)
            return false;
    c->seen[c->seen_next++ % JB__SEEN] = hash;
    return true;
}

/* After a crash a server sends again what it cannot know to have arrived, with the same id. */
static bool is_repeated(struct jb_client *c, const struct jb_stanza_head *h,
                        const struct jb_doc *doc)
{
    for (uint16_t k = jb_node_first(doc, 0); k; k = jb_node_next(doc, k)) {
        if (!jb_node_is(doc, k, "stanza-id", JB_NS_SID))
            continue;
        struct jb_str by = jb_node_attr(doc, k, "by", &c->arena);
        struct jb_str id = jb_node_attr(doc, k, "id", &c->arena);
        if (id.n && is_trusted(c, h, by))
            return !remember(c, id, by);
    }
    return false;
}

/* An answer to no question of ours is nobody's business. */
static bool on_answer(struct jb_client *c, const struct jb_stanza_head *h, const struct jb_doc *doc)
{
    if (!jb__request_answered(c, h)) {
        c->event = (struct jb_event){ .kind = JB_EVENT_STANZA };
        return jb__setting(c, JB_SETTING_STRAYS) && tell(c, doc, 0);
    }
    const uint64_t number = c->event.number;
    const bool is_roster = c->event.kind == JB_EVENT_ROSTER;
    bool told = false;
    if (is_roster) /* the program has not asked */
        c->event.number = 0;
    if (!is_roster || c->event.result == JB_RESULT_OK) { /* else this server keeps none */
        uint16_t query = is_roster ? jb_node_child(doc, 0, "query", JB_NS_ROSTER) : 0;
        told = tell(c, doc, query);
        if (!told)
            return false; /* the request is told as all that are open */
    }
    if (is_roster)
        c->lacks_roster = false;
    jb__request_end(c, number);
    return told;
}

static bool on_message(struct jb_client *c, const struct jb_stanza_head *h,
                       const struct jb_doc *doc)
{
    const uint32_t seen = c->seen_next;

    if (is_forged(c, h, doc) || is_repeated(c, h, doc))
        return false;
    c->event = (struct jb_event){ .kind = JB_EVENT_STANZA };
    if (tell(c, doc, 0))
        return true;
    if (c->seen_next != seen) { /* when it comes again, it is no repetition */
        c->seen_next = seen;
        c->seen[seen % JB__SEEN] = 0;
    }
    return false;
}

bool jb__inbound_on_stanza(struct jb_client *c, struct jb_stream_event *ev)
{
    const struct jb_stanza_head *h = &ev->draft.h;
    const struct jb_doc *doc = &ev->doc;

    if (h->kind == JB_IQ && (h->type == JB_TYPE_GET || h->type == JB_TYPE_SET))
        return on_request(c, h, doc);
    if (h->kind == JB_IQ)
        return on_answer(c, h, doc);
    if (h->kind == JB_MESSAGE)
        return on_message(c, h, doc);
    c->event = (struct jb_event){ .kind = JB_EVENT_PRESENCE };
    return tell(c, doc, 0);
}
