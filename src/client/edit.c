/* SPDX-License-Identifier: MIT */
/* Who may change a message that was said before: whoever said it, and nobody who only knows its id
 * (docs/adversarial.md, case 57). */
#include "client/client_impl.h"

static bool is_message(const struct jb_element *e)
{
    const char *type = jb_element_attr(e, "type");

    return jb_element_is(e, "message", "jabber:client") && !(type && strcmp(type, "error") == 0);
}

static bool is_groupchat(const struct jb_element *message)
{
    const char *type = jb_element_attr(message, "type");

    return type && strcmp(type, "groupchat") == 0;
}

/* Without an address it is the own account (RFC 6120 section 8.1.2.1). */
static struct jb_str sender(const struct jb_client *c, const struct jb_element *message)
{
    const char *from = jb_element_attr(message, "from");

    return jb_strz(from ? from : jb_client_jid(c));
}

static struct jb_str bare(struct jb_str jid)
{
    const char *slash = jid.n ? memchr(jid.p, '/', jid.n) : NULL;

    return slash ? jb_str(jid.p, (size_t)(slash - jid.p)) : jid;
}

/* Said in a room, or through one to us alone: then the name in front of the slash is the room's,
 * and the one behind it may be somebody else's tomorrow. */
static bool is_through_room(const struct jb_element *message)
{
    return is_groupchat(message) ||
           jb_element_child(message, "x", "http://jabber.org/protocol/muc#user");
}

static const char *occupant(const struct jb_element *message)
{
    return jb_element_attr(jb_element_child(message, "occupant-id", "urn:xmpp:occupant-id:0"),
                           "id");
}

static bool is_same(const char *a, const char *b)
{
    return a && b && a[0] && strcmp(a, b) == 0;
}

static bool is_same_sender(const struct jb_client *c, const struct jb_element *edit,
                           const struct jb_element *earlier)
{
    if (is_through_room(edit) || is_through_room(earlier))
        return jb_str_eq(sender(c, edit), sender(c, earlier)) &&
               is_same(occupant(edit), occupant(earlier));
    return jb_str_eq(bare(sender(c, edit)), bare(sender(c, earlier)));
}

/* XEP-0425: a moderator's wish, which the room itself tells. */
static bool is_by_room(const struct jb_client *c, const struct jb_element *edit,
                       const struct jb_element *earlier)
{
    return is_groupchat(edit) && jb_element_child(edit, "retract", "urn:xmpp:message-retract:1") &&
           jb_str_eq(sender(c, edit), bare(sender(c, earlier)));
}

/* The room calls it so (XEP-0359). */
static bool has_stanza_id(const struct jb_element *message, struct jb_str room, const char *id)
{
    for (const struct jb_element *e = jb_element_first(message); e; e = jb_element_next(e))
        if (jb_element_is(e, "stanza-id", "urn:xmpp:sid:0") &&
            jb_str_eq(jb_strz(jb_element_attr(e, "by")), room) &&
            is_same(jb_element_attr(e, "id"), id))
            return true;
    return false;
}

/* The id in the edit is that of the earlier message. */
static bool is_meant(const struct jb_client *c, const struct jb_element *edit,
                     const struct jb_element *earlier)
{
    const struct jb_element *replace =
        jb_element_child(edit, "replace", "urn:xmpp:message-correct:0");
    const struct jb_element *retract =
        jb_element_child(edit, "retract", "urn:xmpp:message-retract:1");

    if (!replace && is_groupchat(edit))
        return has_stanza_id(earlier, bare(sender(c, earlier)), jb_element_attr(retract, "id"));
    return is_same(jb_element_attr(replace ? replace : retract, "id"),
                   jb_element_attr(earlier, "id"));
}

int jb_client_may_edit(const struct jb_client *c, const struct jb_element *edit,
                       const struct jb_element *earlier)
{
    return is_message(edit) && is_message(earlier) && is_groupchat(edit) == is_groupchat(earlier) &&
           is_meant(c, edit, earlier) &&
           (is_same_sender(c, edit, earlier) || is_by_room(c, edit, earlier));
}
