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

/* What to do with a message; what there is no memory to judge is not told. */
enum verdict { PASS, DROP, NO_MEMORY };

static enum verdict drop_if(bool wrong)
{
    return wrong ? DROP : PASS;
}

/* Results of an archive belong to a question that is open. */
static enum verdict judge_result(struct jb_client *c, const struct jb_stanza_head *h,
                                 const struct jb_doc *doc)
{
    uint16_t result = child(doc, 0, "result", "urn:xmpp:mam:2");
    struct jb_str query;

    if (!result)
        return PASS;
    if (jb__attr_of(doc, result, "queryid", &c->arena, &query) != 0)
        return NO_MEMORY;
    return drop_if(!jb__request_is_open(c, h, query));
}

static enum verdict judge_event(struct jb_client *c, const struct jb_stanza_head *h,
                                const struct jb_doc *doc)
{
    uint16_t event = child(doc, 0, "event", "http://jabber.org/protocol/pubsub#event");
    uint16_t items = event ? jb_node_first(doc, event) : 0;
    struct jb_str node;

    if (!items || is_from_account(c, h))
        return PASS;
    if (jb__attr_of(doc, items, "node", &c->arena, &node) != 0)
        return NO_MEMORY;
    return drop_if(is_private_node(node));
}

static enum verdict judge_sender(struct jb_client *c, const struct jb_stanza_head *h,
                                 const struct jb_doc *doc)
{
    if (child(doc, 0, NULL, "urn:xmpp:carbons:2") && !is_from_account(c, h) &&
        !child(doc, 0, "private", "urn:xmpp:carbons:2"))
        return DROP;
    enum verdict verdict = judge_result(c, h, doc);
    return verdict == PASS ? judge_event(c, h, doc) : verdict;
}

/* Who may vouch for a stanza-id: the own account, and a room for what is said in it. */
static bool is_trusted(const struct jb_client *c, const struct jb_stanza_head *h, struct jb_jid by)
{
    if (h->type == JB_TYPE_GROUPCHAT)
        return jb_jid_is_set(h->from) && jb_jid_eq(by, jb_jid_bare(h->from));
    return jb_jid_eq(by, jb_jid_bare(c->self));
}

/* What a <stanza-id/> says; without an address when that is none. */
static int read_stanza_id(struct jb_client *c, const struct jb_doc *doc, uint16_t node,
                          struct jb_str *id, struct jb_jid *by)
{
    struct jb_str text;
    int rc = jb__attr_of(doc, node, "id", &c->arena, id);

    if (rc == 0)
        rc = jb__attr_of(doc, node, "by", &c->arena, &text);
    if (rc == 0)
        rc = jb_jid_parse(text, &c->arena, by);
    if (rc != JB_EINVAL)
        return rc;
    *by = JB_JID_NONE;
    return 0;
}

static bool remember(struct jb_client *c, struct jb_str id, struct jb_jid by)
{
    struct jb_str who = jb_jid_str(by);
    uint64_t parts[2] = { jb__siphash(&c->seen_key, id.p, id.n),
                          jb__siphash(&c->seen_key, who.p, who.n) };
    uint64_t hash = jb__siphash(&c->seen_key, parts, sizeof parts);

    for (size_t k = 0; k < JB__SEEN; k++)
        if (c->seen[k] == hash)
            return false;
    c->seen[c->seen_next++ % JB__SEEN] = hash;
    return true;
}

/* After a crash a server sends again what it cannot know to have arrived, with the same id. */
static enum verdict judge_repetition(struct jb_client *c, const struct jb_stanza_head *h,
                                     const struct jb_doc *doc)
{
    struct jb_str id;
    struct jb_jid by;

    for (uint16_t k = jb_node_first(doc, 0); k; k = jb_node_next(doc, k)) {
        if (!jb_node_is(doc, k, "stanza-id", JB_NS_SID))
            continue;
        if (read_stanza_id(c, doc, k, &id, &by) != 0)
            return NO_MEMORY;
        if (id.n && is_trusted(c, h, by))
            return drop_if(!remember(c, id, by));
    }
    return PASS;
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

    enum verdict verdict = judge_sender(c, h, doc);
    if (verdict == PASS)
        verdict = judge_repetition(c, h, doc);
    if (verdict == NO_MEMORY)
        return give_up(c);
    if (verdict == DROP)
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
