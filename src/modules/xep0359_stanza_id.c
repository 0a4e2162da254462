/* SPDX-License-Identifier: MIT */
/* XEP-0359 Unique and Stable Stanza IDs: what only this server may say about a stanza is taken out
 * of what clients send; ids are given by whoever keeps a message (xep0160_offline). */
#include "modules/xep0359_stanza_id.h"

#include "modules/modules.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- ids ---- */

/* A permutation of 64 bits that nobody can follow without the secret: four rounds of Feistel with
 * a keyed hash (Luby and Rackoff). */
enum { ROUNDS = 4 };

static uint32_t mix(const struct server *server, uint8_t round, uint32_t half)
{
    struct jb__hash_key key;
    uint8_t block[] = { 's',
                        'i',
                        'd',
                        round,
                        (uint8_t)(half >> 24),
                        (uint8_t)(half >> 16),
                        (uint8_t)(half >> 8),
                        (uint8_t)half };

    _Static_assert(sizeof key <= SERVER_SECRET_BYTES, "the secret is long enough");
    memcpy(&key, server->secret, sizeof key);
    return (uint32_t)jb__siphash(&key, block, sizeof block);
}

void stanza_id_text(const struct server *server, int64_t log_id, char text[STANZA_ID_BYTES + 1])
{
    uint32_t left = (uint32_t)((uint64_t)log_id >> 32), right = (uint32_t)log_id;

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t next = left ^ mix(server, (uint8_t)round, right);
        left = right;
        right = next;
    }
    snprintf(text, STANZA_ID_BYTES + 1, "%08" PRIx32 "%08" PRIx32, left, right);
}

static bool read_hex(struct jb_str text, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return text.n == STANZA_ID_BYTES;
}

bool stanza_id_parse(const struct server *server, struct jb_str text, int64_t *log_id)
{
    uint64_t value;

    if (!read_hex(text, &value))
        return false;
    uint32_t left = (uint32_t)(value >> 32), right = (uint32_t)value;
    for (uint8_t round = ROUNDS; round > 0; round--) {
        uint32_t before = right ^ mix(server, (uint8_t)(round - 1), left);
        right = left;
        left = before;
    }
    *log_id = (int64_t)((uint64_t)left << 32 | right);
    return true;
}

void stanza_id_write(struct jb_xml *x, const struct server *server, struct jb_jid by,
                     int64_t log_id)
{
    char id[STANZA_ID_BYTES + 1];

    stanza_id_text(server, log_id, id);
    jb_xml_open(x, "stanza-id", JB_NS_SID);
    jb_xml_attr(x, "by", jb_jid_bare_str(by));
    jb_xml_attrz(x, "id", id);
    jb_xml_close(x);
}

/* ---- what a client may not say ---- */

/* The address in an attribute when it is one at a host of ours. */
static bool names_us(const struct conf *conf, const struct jb_draft *d, uint16_t child,
                     const char *attr, struct jb_jid *jid)
{
    struct jb_str text = jb_node_attr(d->doc, child, attr, d->arena);

    return text.n && jb_jid_parse(text, d->arena, jid) == 0 &&
           conf_find_host(conf, jb_jid_domain(*jid));
}

/* An id that one of our hosts or accounts is said to have given; a delay in the name of one, but
 * for the sender himself, who may have kept his message until now. */
static bool is_forged(const struct session *s, const struct jb_draft *d, uint16_t child)
{
    const struct conf *conf = s->user->reactor->conf;
    struct jb_jid jid;

    if (jb_node_is(d->doc, child, "stanza-id", JB_NS_SID))
        return names_us(conf, d, child, "by", &jid);
    if (jb_node_is(d->doc, child, "delay", JB_NS_DELAY) ||
        jb_node_is(d->doc, child, "x", JB_NS_OLD_DELAY)) /* XEP-0091, which clients still read */
        return names_us(conf, d, child, "from", &jid) && !jb_jid_eq_bare(jid, s->jid);
    return false;
}

static enum verdict on_stamp(struct session *s, struct jb_draft *d, struct jb_fault *fault)
{
    if (d->h.kind == JB_IQ)
        return NEXT;
    for (uint16_t c = jb_node_first(d->doc, 0); c; c = jb_node_next(d->doc, c)) {
        if (is_forged(s, d, c) && jb_draft_drop(d, c) != 0) {
            *fault = JB_FAULT(POLICY_VIOLATION, "too many elements that only the server may add");
            return REJECT;
        }
    }
    return NEXT;
}

/* Section 6: ids by an account can be believed. */
static enum verdict on_info(const struct host *host, struct user *u, struct jb_xml *x)
{
    (void)host;
    if (!u)
        return NEXT;
    jb_xml_open(x, "feature", JB_NS_NONE);
    jb_xml_attr(x, "var", jb_ns_uri(JB_NS_SID));
    jb_xml_close(x);
    return NEXT;
}

const struct module xep0359_stanza_id = {
    .name = "stanza_id",
    .title = "Unique and Stable Stanza IDs",
    .xep = 359,
    .features = { JB_NS_SID },
    .hooks = { .out_stamp = on_stamp, .disco_info = on_info },
};
