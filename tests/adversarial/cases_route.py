# SPDX-License-Identifier: MIT
"""E. Addresses and routing: cases 51 to 56."""

import time
import xml.etree.ElementTree as ET

from cases_xml import carry, is_message, pair
from registry import case
from stats import distinguishable, sample
from xmpp import (CLIENT, STANZA_ERRORS, Closed, Fail, check, condition, escape, message, next_id)


def error_of(element):
    """The condition of an error stanza, or None."""
    error = element.find("{%s}error" % CLIENT)
    return None if error is None else condition(error, STANZA_ERRORS)


@case(51, "a stanza never arrives with a from that the sender made up")
def case_51_from(rig):
    with rig.client("bob") as bob:
        bob.presence()
        for forged in (rig.bare("canary"), rig.domain, bob.jid, rig.bare("alice") + "/other", "",
                       "@", "evil.example", rig.bare("alice")):
            for kind in ("message", "presence", "iq"):
                with rig.client("alice") as alice:
                    alice.send("<%s xmlns='jabber:client' from='%s' to='%s' id='f' type='%s'>"
                               "<x xmlns='urn:test'/></%s>" % (
                                   kind, forged, bob.jid, {"message": "chat", "presence":
                                                           "probe", "iq": "get"}[kind], kind))
                    alice.send(message(bob.jid, "marker"))
                    judge_from(alice, bob, forged, kind)


def judge_from(alice, bob, forged, kind):
    """Delivered with the true address, or refused as invalid-from; both end in a known event."""
    seen = []
    try:
        alice.silent_until_ping()
        while "marker" not in "".join(seen[-1].itertext() if seen else ()):
            seen.append(bob.recv())
    except Closed as e:
        check(e.clean, "%s from %r: dropped without a close", kind, forged)
        bob.silent_until_ping()
    wrong = [e.get("from") for e in seen if e.get("from") not in (alice.jid, bob.jid)
             and e.get("from") is not None and e.get("from") != bob.jid.split("/")[0]]
    forged_seen = [e for e in seen if e.get("id") == "f" and e.get("from") not in
                   (alice.jid, None if kind == "iq" else alice.jid.split("/")[0])
                   and e.get("type") != "error"]
    check(not wrong and not forged_seen, "%s from %r arrives from %s", kind, forged, wrong)


SAME = ("BOB", "Bob", "\uff42\uff4f\uff42", "\uff22OB")            # case and width
SAME_OR_BAD = ("bo\u0062\u200d", "bo\u200bb", "b\u00adob", "\u2060bob")  # invisible characters
BAD = ("b ob", "b\u3000ob", "b&quot;ob", "b&amp;b", "b&apos;ob", "b:ob", "b&lt;ob", "b&gt;ob",
       "b@ob", "bo\u05d0b", "\u202ebob", "\u2168", "b\ufdfaob", "bo\U0001f600")
BAD_DOMAINS = ("xn--bob-", "loc alhost", "localhost..", "-localhost", "xn--abc-.example",
               "a" * 64 + ".x", "local\u200dhost", "\u202elocalhost", "[::1", "local_host@")


def sent_to(alice, bob, to):
    """'bob' when it reached him, else the condition of the error that came back."""
    tag = next_id("to")
    alice.send("<message xmlns='jabber:client' type='chat' id='%s' to='%s'><body>%s</body>"
               "</message>" % (tag, to, tag))
    back = [e for e in alice.silent_until_ping() if e.get("id") == tag]
    if back:
        return error_of(back[0])
    alice.send(message(bob.jid, "end " + tag))
    while True:
        text = "".join(bob.wait_for(is_message).itertext())
        if text == tag:
            bob.wait_for(lambda e: "".join(e.itertext()) == "end " + tag)
            return "bob"
        if text == "end " + tag:
            return None


@case(52, "each spelling of an address is one user or jid-malformed")
def case_52_precis(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for local in SAME:
            got = sent_to(alice, bob, "%s@%s" % (local, rig.domain))
            check(got == "bob", "%r: %s", local, got)
        for local in SAME_OR_BAD:
            got = sent_to(alice, bob, "%s@%s" % (local, rig.domain))
            check(got in ("bob", "jid-malformed"), "%r: %s", local, got)
        got = sent_to(alice, bob, "bob@" + rig.domain.upper())
        check(got == "bob", "upper-case domain: %s", got)
        for local in BAD:
            got = sent_to(alice, bob, "%s@%s" % (local, rig.domain))
            check(got == "jid-malformed", "%r: %s", local, got)
        for domain in BAD_DOMAINS:
            got = sent_to(alice, bob, "bob@" + domain)
            check(got == "jid-malformed", "domain %r: %s", domain, got)
        # U+212A KELVIN SIGN is either k or nothing, never a user of its own.
        got = sent_to(alice, bob, "\u212aim@" + rig.domain)
        own = sent_to(alice, bob, "kim@" + rig.domain)
        check(got in (own, "jid-malformed"), "kelvin: %s", got)


@case(53, "parts of 1,023 bytes are whole, of 1,024 refused, never cut")
def case_53_part_lengths(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for unit in ("a", "\u00e9", "\u4e2d", "\U00020000"):
            width = len(unit.encode())
            fits = "b" * (1023 % width) + unit * (1023 // width)
            over = fits + unit
            for part in ("%s@" + rig.domain, "bob@" + rig.domain + "/%s"):
                got = sent_to(alice, bob, part % fits)
                check(got != "jid-malformed", "1023 bytes of %r in %s refused", unit, part)
                got = sent_to(alice, bob, part % over)
                check(got == "jid-malformed", "%d bytes of %r in %s: %s", len(over.encode()), unit,
                      part, got)
    for unit in ("a", "\u00e9", "\u20ac"):
        size = len(unit.encode())
        fits = "b" * (1023 % size) + unit * (1023 // size)
        with rig.client("alice", fits) as client:
            check(client.jid == rig.bare("alice") + "/" + fits, "bound as %r", client.jid[:40])
        try:
            with rig.client("alice", fits + unit) as client:
                raise AssertionError("bound with %d bytes: ...%r" % (
                    len((fits + unit).encode()), client.jid[-10:]))
        except (Fail, Closed) as e:
            check("bound with" not in str(e), str(e))


@case(54, "answers that nobody asked for are dropped; errors are never answered")
def case_54_stray_answers(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for to in (None, rig.domain, rig.bare("alice"), rig.bare("nobody"), "unknown.example"):
            where = " to='%s'" % to if to else ""
            for kind in ("result", "error"):
                alice.send("<iq xmlns='jabber:client' type='%s' id='never-asked'%s>"
                           "<query xmlns='jabber:iq:roster'/></iq>" % (kind, where))
            if to:
                for name in ("message", "presence"):
                    alice.send("<%s xmlns='jabber:client' type='error' id='e'%s/>" % (name, where))
            seen = alice.silent_until_ping()
            check(not seen, "to %s: answered with %s", to, [ET.tostring(e) for e in seen][:2])
        for kind in ("result", "error"):  # to another user: relayed or dropped, never answered
            alice.send("<iq xmlns='jabber:client' type='%s' id='stray' to='%s'/>"
                       % (kind, escape(bob.jid)))
        check(not alice.silent_until_ping(), "a stray answer to a user is answered")
        for bad in ("<iq xmlns='jabber:client' type='get'/>",
                    "<iq xmlns='jabber:client' id='x'/>",
                    "<iq xmlns='jabber:client' type='nonsense' id='x'/>",
                    "<iq xmlns='jabber:client' type='get' id='x'/>",
                    "<iq xmlns='jabber:client' type='get' id='x'><a/><b/></iq>"):
            alice.send(bad)
            seen = alice.silent_until_ping()
            check([error_of(e) for e in seen] == ["bad-request"], "%s: %s", bad,
                  [ET.tostring(e) for e in seen])


def forged_children(rig, bob):
    by = (rig.domain, bob.jid.split("/")[0], bob.jid, rig.bare("alice"))
    for n in (1, 3):
        for who in by[:2]:
            yield "<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/>" % who * n
        yield "<delay xmlns='urn:xmpp:delay' from='%s' stamp='2001-01-01T00:00:00Z'/>" % by[0] * n
        yield "<x xmlns='jabber:x:delay' from='%s' stamp='20010101T00:00:00'/>" % by[0] * n


@case(55, "stanza-id and delay in our name are removed, every copy")
def case_55_forged_children(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for inner in forged_children(rig, bob):
            for text in (inner + "<body>text</body>", "<body>text</body>" + inner):
                got = carry(alice, bob, text)
                left = [ET.tostring(e) for e in got if "forged" in e.attrib.values()
                        or e.get("stamp", "").startswith("2001")]
                check(not left, "arrives with %s", left)
                check(got.find("{%s}body" % CLIENT).text == "text", "the body is gone")
        foreign = "<stanza-id xmlns='urn:xmpp:sid:0' by='room@muc.example' id='kept'/>"
        got = carry(alice, bob, foreign + "<body>text</body>")
        check("kept" in [e.get("id") for e in got], "a foreign stanza-id was removed too")


PROBES = {
    "message": "<message xmlns='jabber:client' to='%s' id='p'><body>x</body></message>",
    "headline": "<message xmlns='jabber:client' to='%s' id='p' type='headline'/>",
    "groupchat": "<message xmlns='jabber:client' to='%s' id='p' type='groupchat'/>",
    "probe": "<presence xmlns='jabber:client' to='%s' id='p' type='probe'/>",
    "presence": "<presence xmlns='jabber:client' to='%s' id='p'/>",
    "unsubscribe": "<presence xmlns='jabber:client' to='%s' id='p' type='unsubscribe'/>",
}
QUERIES = {
    "vcard": ("vCard", "vcard-temp"),
    "disco": ("query", "http://jabber.org/protocol/disco#info"),
    "items": ("query", "http://jabber.org/protocol/disco#items"),
    "version": ("query", "jabber:iq:version"),
    "last": ("query", "jabber:iq:last"),
    "ping": ("ping", "urn:xmpp:ping"),
    "roster": ("query", "jabber:iq:roster"),
    "register": ("query", "jabber:iq:register"),
    "unknown": ("x", "urn:test"),
}


def answers(client, text, who):
    """What a probe is answered, with the address asked replaced by a word."""
    client.send(text % who)
    # A request to the same address goes the same way, through the same queues, behind the probe.
    client.send("<iq xmlns='jabber:client' type='get' id='fence' to='%s'><x xmlns='urn:fence'/></iq>"
                % who)
    found = []
    while True:
        element = client.recv()
        if element.get("id") == "fence":
            return found + [ET.tostring(e).decode().replace(who, "WHO")
                            for e in client.silent_until_ping()]
        found.append(ET.tostring(element).decode().replace(who, "WHO"))


@case(56, "unknown and known but unsubscribed users cannot be told apart, also in time (n = 400)",
      # One thread: on which of several an address lives is seen in time, but says nothing of it.
      config={"reactors": 1}, slack_mib=8)
def case_56_enumeration(rig):
    probes = dict(PROBES)
    for name, (element, namespace) in QUERIES.items():
        for to in ("%s", "%s/resource"):
            probes[name + " to " + to] = (
                "<iq xmlns='jabber:client' type='get' id='p' to='%s'><%s xmlns='%s'/></iq>"
                % (to, element, namespace))
    # kim exists and never logs in here, bob is available, nobody does not exist.
    with rig.client("bob") as bob, rig.client("alice") as alice:
        bob.presence()
        for name, text in probes.items():
            seen = {user: answers(alice, text, rig.bare(user)) for user in ("nobody", "kim", "bob")}
            check(seen["nobody"] == seen["kim"] == seen["bob"], "%s: %s", name, seen)

        def asked(user):
            begun = time.monotonic()
            alice.send(probes["disco to %s"] % rig.bare(user))
            alice.recv()
            return time.monotonic() - begun
        why = distinguishable(*sample((lambda: asked("kim"), lambda: asked("nobody")),
                                      int(400 * rig.options.scale)))
        check(why is None, "known and unknown users differ: %s", why)
