# SPDX-License-Identifier: MIT
"""Rows: what waits, for a client that does not read, for a disk that is slow, for an acknowledgement."""

import contextlib
import socket
import sqlite3
import time
from xml.sax.saxutils import quoteattr

import settings
from cases_xml import sized_message
from rows import counts, elsewhere
from rows_users import fresh
from wsclient import PING, Timeout, encode_frame
from xmpp import CLIENT, SASL, STANZA_ERRORS, Closed, check, condition, message, next_id, ping_iq

SM = "urn:xmpp:sm:3"
SETTLED_S = 0.3        # what is due at once has happened by then
TALK = 2.0             # the figures of other threads come once a second
KERNEL = 128 * 1024    # no more than this waits in the kernel for a reader that is small


def has_text(text):
    return lambda e: "".join(e.itertext()) == text


def is_limited(rig, limit, before, arrives):
    """Waits for what comes when the limit does not bite ("fine"), or for the limit to be counted ("over")."""
    deadline = time.monotonic() + TALK
    while time.monotonic() < deadline:
        with contextlib.suppress(Timeout):
            if arrives():
                return "fine"
        if rig.limit_count(limit) > before:
            return "over"
    check(False, "it does not arrive, and %s is not counted", limit)


# --- for a client that does not read ---

def crowd(rig, idle, sender, n):
    """n bytes for who does not read; they are with his connection when this returns."""
    for size in [16000] * (n // 16000) + [n % 16000 or 16000]:
        sender.send(sized_message(idle.jid, max(size, 200)))
    id = next_id("through")
    sender.send(ping_iq(id, idle.jid.partition("/")[0]))  # his account answers behind all of it
    sender.wait_for(lambda e: e.get("id") == id, 30)


@counts("sendq_bytes", 65536, blur=KERNEL, stanza_bytes=20000)
def sendq_bytes(rig, n):
    """What he says himself is not read, until he reads."""
    before, text = rig.limit_count("sendq_bytes"), next_id("said")
    with rig.client(fresh(rig, "idle"), rcvbuf=1024) as idle, rig.client("alice") as alice:
        crowd(rig, idle, alice, n)
        idle.send(message(alice.jid, text))
        got = is_limited(rig, "sendq_bytes", before, lambda: has_text(text)(alice.recv(0.05)))
        idle.ws.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if got == "over":
            check(not any(map(has_text(text), alice.silent_until_ping())), "it was read all the same")
            idle.silent_until_ping(20)
            alice.wait_for(has_text(text))
        return got


@counts("sendq_hard_bytes", 131072, blur=KERNEL, sendq_bytes=65536, stanza_bytes=20000)
def sendq_hard_bytes(rig, n):
    """Who does not read is sent no more than this; his account is new, so that nothing waits for him."""
    before = rig.limit_count("sendq_hard_bytes")
    with rig.client(fresh(rig, "idle"), rcvbuf=1024) as idle, rig.client("alice") as alice:
        crowd(rig, idle, alice, n)
        idle.ws.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        try:
            idle.silent_until_ping(20)
            return "fine"
        except Closed:
            check(rig.limit_count("sendq_hard_bytes") >= before, "the figure went back")
            return "over"


# --- stream management ---

elsewhere("sm_queue_stanzas", "tests/adversarial/cases_sm.py", "sm_queue_stanzas")
elsewhere("sm_resume_ms", "tests/plays/xep0198-sm.play", "a client may wish a shorter time, and gets no longer one")


def enable(client, how=""):
    client.send("<enable xmlns='%s'%s/>" % (SM, how))
    return client.wait_for(lambda e: e.tag == "{%s}enabled" % SM)


def closes(client):
    """Whether it is closed, who answers pings of the WebSocket and sends no stanza."""
    client.ws.wire.send(encode_frame(PING, b"there?"))
    try:
        while True:
            client.text(SETTLED_S)
    except Timeout:
        return False
    except Closed:
        return True


@counts("sm_queue_bytes", 262144)
def sm_queue_bytes(rig, n):
    """Stanzas of n bytes altogether for somebody who acknowledges nothing."""
    with rig.client(fresh(rig, "silent")) as silent, rig.client("alice") as alice:
        enable(silent)
        try:
            left, more = n, 0
            while left > 0:
                size = 16000 if left > 33000 else left if left < 17000 else left // 2
                alice.send(sized_message(silent.jid, size - more))
                text = silent.text()
                while "<message" not in text:
                    text = silent.text()
                left -= len(text)
                more = more or len(text) - size  # what the server adds to each
        except Closed:
            return "over"
        check(left == 0, "%d bytes are missing", left)
        return "over" if closes(silent) else "fine"


@counts("sm_ask_stanzas", 5, bound=4, metric=False, reactors=1)
def sm_ask_stanzas(rig, n):
    """After so many he is asked, who has not said yet what he has."""
    with rig.client(fresh(rig, "asked")) as asked, rig.client("alice") as alice:
        enable(asked)
        for _ in range(n):
            alice.send("<presence xmlns='jabber:client' to='%s'/>" % asked.jid)
        alice.silent_until_ping()
        asked.ws.wire.send(encode_frame(PING, b"all?"))
        tags = []
        with contextlib.suppress(Timeout):
            while True:
                tags.append(asked.recv(SETTLED_S).tag)
        check(tags.count("{%s}presence" % CLIENT) == n, "got %s", tags)
        check(tags.count("{%s}r" % SM) <= 1, "asked again before there was an answer")
        return "over" if "{%s}r" % SM in tags else "fine"


def say_something(client):
    """A message that is stored, and counted in a session that can be resumed; the session's id."""
    id = enable(client, " resume='true'").get("id")
    client.send(message(client.jid, "to be stored"))
    client.send("<r xmlns='%s'/>" % SM)
    client.wait_for(lambda e: e.tag == "{%s}a" % SM)
    return id


def resumed(rig, name, id):
    """What <resume/> is answered."""
    with rig.connect() as client:
        client.authenticate(name, settings.PASSWORD)
        client.send("<resume xmlns='%s' previd=%s h='0'/>" % (SM, quoteattr(id)))
        return client.wait_for(lambda e: e.tag in ("{%s}resumed" % SM, "{%s}failed" % SM))


def make_older(rig, name, seconds):
    """The one counter that is kept for the account's sessions: four bytes, and eight that say when, in us."""
    where = "FROM kv WHERE owner = ? AND store = ?", (rig.bare(name).encode(), b"sm")
    with contextlib.closing(sqlite3.connect(rig.server.data / "jabiru.db")) as db, db:
        (value,), = db.execute("SELECT bytes " + where[0], where[1])
        at_us = int.from_bytes(value[4:], "big") - seconds * 1000000
        db.execute("UPDATE kv SET bytes = ? WHERE" + where[0].partition("WHERE")[2],
                   (value[:4] + at_us.to_bytes(8, "big"), *where[1]))


# In minutes. To the second it is tried in tests/plays/xep0198-sm.play, which can put the clock on.
@counts("sm_count_ms", 600000, bound=9, sm_resume_ms=10, user_cache=0)
def sm_count_ms(rig, n):
    """Who comes back too late is told how much of what he sent is stored, as long as that is known."""
    name = fresh(rig, "late")
    with rig.client(name) as client:
        id = say_something(client)
        client.close(reset=True)
    rig.server.wait_for_log("session was not resumed.*%s@" % name)
    make_older(rig, name, 60 * n)
    answer = resumed(rig, name, id)
    check(answer.tag == "{%s}failed" % SM, "it was resumed")
    check(answer.get("h") in ("1", None), "h is %s", answer.get("h"))
    return "over" if answer.get("h") is None else "fine"


@counts("sm_counts", 10)
def sm_counts(rig, n):
    """Of the oldest it is not known any more how much is stored of what they sent."""
    name, ids = fresh(rig, "restless"), []
    for _ in range(n):
        with rig.client(name) as client:
            ids.append(say_something(client))
            client.send("<unheard-of xmlns='jabber:client'/>")
            client.ending()
    with rig.client(name) as client:  # what is asked of the store now comes behind what was
        client.send("<iq xmlns='jabber:client' type='set' id='behind'><query xmlns='urn:xmpp:mam:2'/></iq>")
        client.wait_for(lambda e: e.get("id") == "behind")
    last = resumed(rig, name, ids[-1])
    check(last.get("h") == "1", "of the last one h is %s", last.get("h"))
    return "fine" if resumed(rig, name, ids[0]).get("h") == "1" else "over"


@counts("sm_hibernating", 2)
def sm_hibernating(rig, n):
    """The oldest that waits gives way, and cannot be resumed."""
    name, ids = fresh(rig, "sleeper"), []
    for _ in range(n):
        with rig.client(name) as client:
            ids.append(enable(client, " resume='true'").get("id"))
            client.close(reset=True)
        time.sleep(0.05)
    return "fine" if resumed(rig, name, ids[0]).tag == "{%s}resumed" % SM else "over"


# --- for a disk that is slow ---

@counts("custody_stanzas", 8, bound=7)
def custody_stanzas(rig, n):
    """The n-th message is not stored yet: what comes behind it is read, or waits for the disk."""
    before, id, texts = rig.limit_count("custody_stanzas"), next_id("behind"), [next_id("sent") for _ in range(n)]
    with rig.client(fresh(rig, "bob")) as bob, rig.client("alice") as alice:
        with rig.slow_disk():
            for text in texts:
                alice.send(message(bob.jid, text))
            alice.send(ping_iq(id, rig.domain))
            got = is_limited(rig, "custody_stanzas", before, lambda: alice.recv(0.05).get("id") == id)
        if got == "over":
            alice.wait_for(lambda e: e.get("id") == id)
        for text in texts:
            bob.wait_for(has_text(text))
        return got


def visitor(rig):
    """Somebody without an account."""
    client = rig.opened()
    answer = client.auth("ANONYMOUS", "")
    check(answer.tag == "{%s}success" % SASL, "a visitor is refused: %s", condition(answer, SASL))
    client.open()
    client.bind()
    return client


def is_refused(visitor, bob):
    """Whether a message of the visitor's comes back; otherwise bob has it."""
    text = next_id("visit")
    visitor.send(message(bob.jid, text))
    deadline = time.monotonic() + TALK
    while time.monotonic() < deadline:
        with contextlib.suppress(Timeout):
            answer = visitor.recv(0.02)
            error = answer.find("{%s}error" % CLIENT)
            check(error is not None and condition(error, STANZA_ERRORS) == "resource-constraint", "got %s", answer.tag)
            return True
        with contextlib.suppress(Timeout):
            bob.wait_for(has_text(text), 0.02)
            return False
    check(False, "a visitor's message neither arrives nor comes back")


def custodies_of(rig, bob, n):
    """bob sends n messages to himself, all of which are on their way to the disk when this returns."""
    for _ in range(n):
        bob.send(message(bob.jid, "kept"))
    bob.silent_until_ping()


VISITORS = 16  # all at bob's home: once in 65,536 times


@counts("custodies", 100, anonymous=True, custody_stanzas=100000, reactors=2)
def custodies(rig, n):
    """bob's thread has n - 1 stanzas on their way to the disk when somebody else's thread brings one more.

    Of that thread's stanzas nobody can be slowed down. Who lives there shows when the table is full.
    """
    with contextlib.ExitStack() as stack:
        bob = stack.enter_context(rig.client(fresh(rig, "bob")))
        crowd = [stack.enter_context(visitor(rig)) for _ in range(VISITORS)]
        with rig.slow_disk():
            custodies_of(rig, bob, 100)
            far = [one for one in crowd if is_refused(one, bob)]
            rig.canary.judge(1.0)
        check(far, "a full table refuses nobody's message")
        with rig.canary.lock:  # its messages may be of the same thread
            fresh(rig, "last")  # when it is there all before it is stored
            with rig.slow_disk():
                custodies_of(rig, bob, n - 1)
                return "over" if is_refused(far[0], bob) else "fine"


@counts("user_queue", 5, reactors=1)
def user_queue(rig, n):
    """Messages for somebody whom the store has not told of yet: who is too late has his back."""
    late = fresh(rig, "late")
    with rig.client("alice") as alice:
        with rig.slow_disk():
            alice.send(message(alice.jid, "for the store to wait with"))
            for _ in range(n):
                alice.send(message(rig.bare(late), "late"))
            errors = [e for e in alice.silent_until_ping() if e.get("type") == "error"]
        check(len(errors) == max(0, n - 5), "%d of %d came back", len(errors), n)
        alice.silent_until_ping()
    with rig.client(late) as client:
        client.presence()
        for _ in range(n - len(errors)):
            client.wait_for(has_text("late"))
    return "over" if errors else "fine"


@counts("user_cache", 5, reactors=1)
def user_cache(rig, n):
    """Somebody asks for n others; how many of them the server keeps in mind."""
    with rig.client("alice") as alice:
        for i in range(n):
            id = next_id("asks")
            alice.send(ping_iq(id, rig.bare("nobody%d" % i)))
            alice.wait_for(lambda e: e.get("id") == id)
        here, deadline = n + 2, time.monotonic() + TALK  # and the canary and alice
        while (kept := rig.metric(r"\njabiru_users_loaded ([0-9]+)")) != here:
            if kept == 5 + 2 and rig.limit_count("user_cache") > 0 and n > 5:
                return "over"
            check(time.monotonic() < deadline, "%d users are in memory", kept)
            time.sleep(0.02)
        return "fine"
