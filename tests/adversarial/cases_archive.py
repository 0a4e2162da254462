# SPDX-License-Identifier: MIT
"""G. Archives and result sets: cases 71 and 73."""

import pathlib
import re
import time
import xml.etree.ElementTree as ET

from cases_route import error_of
from registry import case
from wsclient import TEXT, encode_frame
from xmpp import CLIENT, check, escape, message, next_id

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAM = "urn:xmpp:mam:2"
RSM = "http://jabber.org/protocol/rsm"
DATA = "jabber:x:data"
INJECTED = "' OR 1=1--"


def query(id, fields="", rsm="", to=None, kind="set"):
    form = fields and ("<x xmlns='%s' type='submit'><field var='FORM_TYPE'><value>%s</value></field>"
                       "%s</x>" % (DATA, MAM, fields))
    page = rsm and "<set xmlns='%s'>%s</set>" % (RSM, rsm)
    where = " to='%s'" % to if to else ""
    return "<iq xmlns='%s' type='%s' id='%s'%s><query xmlns='%s'>%s%s</query></iq>" % (
        CLIENT, kind, id, where, MAM, form, page)


def field(name, value):
    return "<field var='%s'><value>%s</value></field>" % (name, escape(value))


def is_answer(element, id):
    return element.tag == "{%s}iq" % CLIENT and element.get("id") == id


def ask(client, *args, **kw):
    """The results and the answer of one query."""
    id, results = next_id("mam"), []
    client.send(query(id, *args, **kw))
    while True:
        element = client.recv()
        if is_answer(element, id):
            return results, element
        if element.find("{%s}result" % MAM) is not None:
            results.append(element)


def fill(rig, client, count):
    """`count` messages to somebody who is not there."""
    for i in range(count):
        client.send(message(rig.bare("kim"), "entry %d" % i))
    client.silent_until_ping()


# What a page may not be asked for by, and what each is answered with.
PAGES = {
    "item-not-found": ("<after>%s</after>" % escape(INJECTED),
                       "<before>%s</before>" % escape(INJECTED),
                       "<after>0</after>", "<before>0000000000000000</before>",
                       "<after>%s</after>" % ("f" * 16), "<after>%s</after>" % ("1" * 20000),
                       "<after>\U0001f600</after>", "<before>&#x27;;DROP TABLE log;--</before>"),
    "bad-request": ("<max>-1</max>", "<max>%s</max>" % escape(INJECTED), "<max>1e9</max>",
                    "<max>99999999999999999999</max>", "<max/>", "<max>0x10</max>",
                    "<index>%d</index>" % 10 ** 18, "<index>-1</index>",
                    "<index>%s</index>" % escape(INJECTED)),
    "feature-not-implemented": ("<index>0</index>", "<index>2147483647</index>"),
}
FIELDS = {
    "item-not-found": ("before-id", "after-id", "ids"),
    "bad-request": ("start", "end", "include-groupchat"),
    "jid-malformed": ("with",),
    "feature-not-implemented": ("full-text", INJECTED.replace("'", "&apos;")),
}


@case(71, "a page is asked for by ids and small numbers, or refused; no SQL is made of it")
def case_71_pages(rig):
    with rig.client("alice") as alice:
        fill(rig, alice, 3)
        for condition, pages in PAGES.items():
            for page in pages:
                results, answer = ask(alice, rsm=page)
                check(error_of(answer) == condition and not results, "%s: %s and %d results",
                      page[:60], error_of(answer), len(results))
        for condition, names in FIELDS.items():
            for name in names:
                results, answer = ask(alice, field(name, "/" + INJECTED))
                check(error_of(answer) == condition and not results, "%s: %s and %d results", name,
                      error_of(answer), len(results))
        results, answer = ask(alice)
        check(len(results) >= 3 and answer.get("type") == "result", "the archive is gone")
    check_no_sql_is_made()


def check_no_sql_is_made():
    """Every statement is a constant of sqlite_sql.h; nothing is prepared from other text."""
    made = re.compile(r"printf[^;]*\"[^\"]*\b(SELECT|INSERT|UPDATE|DELETE|PRAGMA)\b", re.S)
    for path in (ROOT / "src" / "store").glob("*.[ch]"):
        check(not made.search(path.read_text()), "%s makes SQL at run time", path.name)


REQUESTS = ("<query xmlns='urn:xmpp:mam:2'/>", "<metadata xmlns='urn:xmpp:mam:2'/>",
            "<prefs xmlns='urn:xmpp:mam:2' default='never'/>",
            "<query xmlns='urn:xmpp:mam:2'><set xmlns='%s'><max>1000000000</max></set></query>" % RSM)


def same_for_all(rig, alice):
    """Whether there is an archive cannot be told by whoever may not read it."""
    for payload in REQUESTS:
        for kind in ("get", "set"):
            answers = set()
            for name in ("bob", "nobody"):
                to, id = rig.bare(name), next_id("other")
                alice.send("<iq xmlns='jabber:client' type='%s' id='%s' to='%s'>%s</iq>" % (
                    kind, id, to, payload))
                answer = alice.wait_for(lambda e: is_answer(e, id))
                check(error_of(answer) in ("forbidden", "service-unavailable"), "%s %s of %s: %s",
                      kind, payload, name, error_of(answer))
                answers.add(ET.tostring(answer).decode().replace(to, "X").replace(id, "Y"))
            check(len(answers) == 1, "%s %s differs: %s", kind, payload, answers)


def at_once(client, count):
    """That many queries in one write; returns how each was answered, and how long the last took."""
    ids = [next_id("burst") for _ in range(count)]
    begun = time.monotonic()
    client.ws.wire.send(b"".join(encode_frame(TEXT, query(id).encode()) for id in ids))
    answers = {}
    while len(answers) < count:
        element = client.recv()
        if element.get("id") in ids:
            answers[element.get("id")] = error_of(element) or element.get("type")
    return list(answers.values()), time.monotonic() - begun


@case(73, "nobody reads another's archive; pages and queries in progress are bounded",
      counts=("mam_queries",))
def case_73_archive(rig):
    with rig.client("bob") as bob, rig.client("alice") as alice:
        fill(rig, bob, 5)
        same_for_all(rig, alice)
        fill(rig, alice, 250)
        for page in ("<max>1000000000</max>", "<max>2147483647</max><before/>", "<max>101</max>"):
            results, answer = ask(alice, rsm=page)
            check(len(results) == 100, "%s gave %d results", page, len(results))
            check(answer.find("{%s}fin" % MAM).get("complete") != "true", "%s is complete", page)
        answers, took = at_once(alice, 50)
        refused = answers.count("resource-constraint")
        check(refused + answers.count("result") == 50, "50 queries at once: %s", set(answers))
        check(1 <= answers.count("result") <= 10, "%d of 50 queries at once were answered",
              answers.count("result"))
        check(took < 2, "50 queries at once took %.1f s", took)
        results, answer = ask(alice, rsm="<max>1</max>")
        check(len(results) == 1 and answer.get("type") == "result", "no query is answered any more")
