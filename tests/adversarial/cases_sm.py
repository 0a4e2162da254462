# SPDX-License-Identifier: MIT
"""F. Stream management: cases 59, 60 and 62 to 64. Case 61 needs a test build: tests/faults/deaths.py."""

import socket
import threading
import time

import settings
from cases_xml import is_message
from registry import case
from stats import distinguishable, sample
from wsclient import TEXT, encode_frame
from xmpp import (BIND, CLIENT, FRAMING, STANZA_ERRORS, STREAMS, Scram, Closed, Timeout, check, condition, message,
                  next_id, ping_iq)

SM = "urn:xmpp:sm:3"
AHEAD = 8  # stanzas of a session that may be on their way to the disk


def tag(name):
    return "{%s}%s" % (SM, name)


def enable(client, **more):
    """<enable/>; returns <enabled/>."""
    extra = "".join(" %s='%s'" % pair for pair in more.items())
    client.send("<enable xmlns='%s' resume='true'%s/>" % (SM, extra))
    answer = client.wait_for(lambda e: e.tag in (tag("enabled"), tag("failed")))
    check(answer.tag == tag("enabled"), "<enable%s/> was refused", extra)
    return answer


def resume(client, id, h=0):
    """The answer to <resume/> on an authenticated stream."""
    client.send("<resume xmlns='%s' previd='%s' h='%s'/>" % (SM, id, h))
    return client.wait_for(lambda e: e.tag in (tag("resumed"), tag("failed")))


def authenticated(rig, user):
    return rig.connect().authenticate(user, settings.PASSWORD)


def body(element):
    return "".join(element.itertext()) if is_message(element) else None


@case(59, "another account's session is as unknown as one that never was")
def case_59_foreign_id(rig):
    with rig.client("alice") as alice:
        id = enable(alice).get("id")
        ids = {id}
        with authenticated(rig, "bob") as bob:
            unknown = "x" * len(id)
            foreign, never = resume(bob, id), resume(bob, unknown)
            for answer in (foreign, never):
                check(answer.tag == tag("failed") and condition(answer, STANZA_ERRORS) == "item-not-found",
                      "a foreign id: %s", answer.tag)
                check(answer.get("h") is None, "a foreign id tells a counter")
            check(foreign.attrib == never.attrib and len(foreign) == len(never), "the answers differ")

            def timed(id):
                def once():
                    begun = time.perf_counter()
                    resume(bob, id)
                    return time.perf_counter() - begun
                return once
            count = int(1000 * rig.options.scale)
            apart = distinguishable(*sample((timed(id), timed(unknown)), count))
            check(apart is None, "foreign and unknown ids differ in time: %s", apart)
        alice.silent_until_ping()
        for _ in range(20):
            with rig.client("kim") as kim:
                ids.add(enable(kim).get("id"))
        check(len(ids) == 21 and min(map(len, ids)) >= 22, "128 bits do not fit into %s", min(ids, key=len))


BAD_COUNTS = ("-1", "4294967296", "abc", "", " 1", "1.0", "99999999999999999999")


def expect_count_refused(rig, how):
    """A message waits unacknowledged; the bad counter ends the stream; the message is not lost."""
    text = next_id("kept")
    with rig.client("alice") as alice, rig.client("bob") as bob:
        enable(bob)
        bob.presence()
        alice.send(message(rig.bare("bob"), text))
        bob.wait_for(lambda e: body(e) == text)
        bob.send(how)
        end = bob.expect_stream_error("undefined-condition", "bad-format", "invalid-xml", "policy-violation")
        errors = [e for e in end.elements if e.tag == "{%s}error" % STREAMS]
        with rig.client("bob") as back:
            back.presence()
            back.wait_for(lambda e: body(e) == text)
            back.silent_until_ping()
        return errors[0]


@case(60, "a counter that cannot be ends the stream, and loses nothing")
def case_60_counts(rig):
    for h in BAD_COUNTS:
        expect_count_refused(rig, "<a xmlns='%s' h='%s'/>" % (SM, h))
    expect_count_refused(rig, "<a xmlns='%s'/>" % SM)
    error = expect_count_refused(rig, "<a xmlns='%s' h='1000'/>" % SM)
    check(error.find(tag("handled-count-too-high")) is not None, "no handled-count-too-high")
    with rig.client("alice") as alice, rig.client("bob") as bob:
        enable(bob)
        bob.presence()
        for n in range(3):
            alice.send(message(bob.jid, "one of three"))
        for n in range(3):
            bob.wait_for(is_message)
        bob.send("<a xmlns='%s' h='2'/>" % SM)
        bob.send("<a xmlns='%s' h='1'/>" % SM)  # an older answer takes nothing back
        try:
            bob.silent_until_ping()
        except Closed as e:
            check(e.clean, "a lower counter: dropped without a close")
    for h in ("1000", *BAD_COUNTS):
        bad_resumption(rig, h)
    with rig.variant({"custody_stanzas": AHEAD, "conflict_policy": "replace"}) as few:
        ends_behind(few, "<a xmlns='%s' h='1000'/>" % SM, "undefined-condition")
        ends_behind(few, "<message", "not-well-formed")
        ends_behind(few, "<close xmlns='%s'/>" % FRAMING)
        replaced_meanwhile(few)
        taken_meanwhile(few)
    with rig.variant({"reactors": 4}) as several:
        ends_in_one_piece(several)
    with rig.variant({"store_timeout_ms": 100, "user_cache": 0}) as slow:
        unreadable(slow, "<resume xmlns='%s' previd='abcdefghijklmnopqrstuvwxyz' h='0'/>" % SM)
        unreadable(slow, "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='%s'/></iq>" % BIND)


def ends_behind(rig, words, *conditions):
    """Who is too far ahead of the disk is not read. What he says meanwhile ends his session as soon as it is."""
    with rig.client("alice") as alice, rig.client("bob") as bob:
        bob.presence()
        id = enable(alice).get("id")
        before = rig.limit_count("custody_stanzas")
        with rig.slow_disk():
            for n in range(2 * AHEAD):
                alice.send(message(bob.jid, "number %d" % n))
            alice.send(words)
            rig.wait_counted("custody_stanzas", before)
        for n in range(2 * AHEAD):
            got = body(bob.wait_for(is_message))
            check(got == "number %d" % n, "got %s, not number %d", got, n)
        end = alice.ending()
        check(end.framing_close and end.errors == list(conditions), "behind a slow disk %s: %s", words, end)
        if not conditions:
            return  # who says goodbye will not ask
        with authenticated(rig, "alice") as back:
            answer = resume(back, id)
            check(answer.get("h") == str(2 * AHEAD), "of %d that were stored he hears of %s", 2 * AHEAD,
                  answer.get("h"))


def ends_in_one_piece(rig):
    """The session ends while what it sent is on its way between reactors: all of it counts."""
    count = 9
    with rig.client("alice") as alice:
        id = enable(alice).get("id")
        texts = [message(rig.bare(("bob", "kim", "canary")[n % 3]), "number %d" % n) for n in range(count)]
        alice.ws.wire.send(b"".join(encode_frame(TEXT, text.encode()) for text in (*texts, "<message")))
        alice.expect_stream_error("not-well-formed")
        with authenticated(rig, "alice") as back:
            answer = resume(back, id)
            check(answer.get("h") == str(count), "of %d that were stored he hears of %s", count, answer.get("h"))


def unreadable(rig, words):
    """The store does not tell in time who asks, and what he had: he is not told that he had nothing."""
    scram = Scram("bob", settings.PASSWORD)
    with rig.client("alice") as alice, rig.opened() as bob:
        bob.scram_begin(scram, "SCRAM-SHA-1")
        with rig.slow_disk():
            while not rig.metric(r"\njabiru_store_waiting ([0-9]+)"):  # the first is being written, the next waits
                alice.send(message(alice.jid, "for the store to wait with"))
            bob.respond(scram.final())  # from here on he is read from the store
            bob.open()
            bob.send(words)
            time.sleep(0.3)  # longer than store_timeout_ms: a request that waited so long is not run
        bob.expect_stream_error("resource-constraint")


def replaced_meanwhile(rig):
    """The same, but the session ends before: what waited to be read finds none."""
    with rig.client("alice") as alice, rig.client("bob") as bob, authenticated(rig, "alice") as other:
        before = rig.limit_count("custody_stanzas")
        with rig.slow_disk():
            for n in range(2 * AHEAD):
                alice.send(message(bob.jid, "number %d" % n))
            rig.wait_counted("custody_stanzas", before)
            other.bind(alice.jid.partition("/")[2])
            alice.expect_stream_error("conflict")
        other.silent_until_ping()


def taken_meanwhile(rig):
    """The same, but the session is resumed elsewhere before, and is then on its way: the first that waits would
    begin another one."""
    with rig.client("alice") as alice, rig.client("bob") as bob, authenticated(rig, "alice") as other:
        id = enable(alice).get("id")
        before = rig.limit_count("custody_stanzas")
        with rig.slow_disk():
            for n in range(AHEAD):
                alice.send(message(bob.jid, "number %d" % n))
            alice.send("<enable xmlns='%s'/>" % SM)
            rig.wait_counted("custody_stanzas", before)
            other.send("<resume xmlns='%s' previd='%s' h='0'/>" % (SM, id))
            alice.expect_stream_error("conflict")
        answer = other.wait_for(lambda e: e.tag == tag("resumed"))
        check(answer.get("h") == str(AHEAD), "resumed with h='%s', not %d", answer.get("h"), AHEAD)
        other.silent_until_ping()


def bad_resumption(rig, h):
    """The session of the bad <resume/> must still be there for a good one."""
    client = rig.client("alice")
    id = enable(client).get("id")
    client.close(reset=True)
    with authenticated(rig, "alice") as thief:
        thief.send("<resume xmlns='%s' previd='%s' h='%s'/>" % (SM, id, h))
        thief.expect_stream_error("undefined-condition", "bad-format", "invalid-xml", "policy-violation")
    with authenticated(rig, "alice") as back:
        answer = resume(back, id)
        check(answer.tag == tag("resumed"), "after h='%s' the session is gone", h)
        back.silent_until_ping()


class Session:
    """A client's side of a session: it counts, and answers when it is asked, on whichever connection."""

    def __init__(self, client):
        self.id, self.handled = enable(client).get("id"), 0

    def wait_for(self, client, wanted, timeout=5.0):
        while True:
            element = client.recv(timeout)
            if element.tag == tag("r"):
                client.send("<a xmlns='%s' h='%d'/>" % (SM, self.handled))
            elif element.tag.startswith("{%s}" % CLIENT):
                self.handled += 1
                if wanted(element):
                    return element

    def lives_on(self, client):
        """Whether the connection has the session; what came on one that has not does not count."""
        id, before = next_id("alive"), self.handled
        try:
            client.send(ping_iq(id))
            self.wait_for(client, lambda e: e.get("id") == id, 1.0)
            return True
        except (Closed, Timeout):
            self.handled = before
            return False


@case(62, "of several resumptions one wins, and each stanza goes to one socket")
def case_62_races(rig):
    for _ in range(int(20 * rig.options.scale) or 1):
        with rig.client("alice") as alice, rig.client("bob") as old:
            session = Session(old)
            old.send("<presence xmlns='jabber:client'/>")
            session.wait_for(old, lambda e: e.get("from") == old.jid)
            clients = [authenticated(rig, "bob") for _ in range(4)]
            answers = race(clients, session)
            winners = [c for c, a in zip(clients, answers) if a is not None and session.lives_on(c)]
            check(len(winners) == 1, "%d of 4 connections have the session", len(winners))
            check(not session.lives_on(old), "the old connection goes on")
            text = next_id("once")
            alice.send(message(old.jid, text))
            session.wait_for(winners[0], lambda e: body(e) == text)
            winners[0].send("<a xmlns='%s' h='%d'/>" % (SM, session.handled))
            session.lives_on(winners[0])
            for client in clients:
                client.close()
    had_more_before(rig)


def had_more_before(rig):
    """He had all on a connection that was lost, and hardly anything of it on the next one, where he did not read: on
    the third he says what he has, and nothing comes again."""
    text, count = "x" * 10000, 60
    with rig.client("alice") as alice:
        def say(address, words):
            alice.send("<message xmlns='jabber:client' type='headline' to='%s'><body>%s</body></message>" % (address, words))
        with rig.client("bob") as bob:
            session = Session(bob)
            for n in range(count):
                say(bob.jid, "%d %s" % (n, text))
            for _ in range(count):
                bob.wait_for(is_message)
            address = bob.jid
            bob.close(reset=True)
        with rig.connect(rcvbuf=1024).authenticate("bob", settings.PASSWORD) as deaf:
            check(resume(deaf, session.id).tag == tag("resumed"), "it cannot be resumed")
            id = next_id("behind")
            alice.send(ping_iq(id, rig.bare("bob")))  # his account answers when all that can be sent is
            alice.wait_for(lambda e: e.get("id") == id)
            with authenticated(rig, "bob") as back:
                answer = resume(back, session.id, count)
                check(answer.tag == tag("resumed"), "who has all of it may not say so")
                say(address, "one more")
                got = body(back.wait_for(is_message))
                check(got == "one more", "%s came again", got[:5])


def race(clients, session):
    """All resume at once; <resumed/> or None for each."""
    answers = [None] * len(clients)
    start = threading.Barrier(len(clients))

    def run(n):
        start.wait()
        try:
            answer = resume(clients[n], session.id, session.handled)
            answers[n] = answer if answer.tag == tag("resumed") else None
        except (Closed, Timeout):
            pass
    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return answers


@case(63, "a client that never acknowledges is bounded, and may come back",
      config={"sm_queue_stanzas": 200}, counts=("sm_queue_stanzas",))
def case_63_never_acks(rig):
    with rig.client("alice") as alice, rig.client("bob") as bob:
        id = enable(bob).get("id")
        bob.presence()
        for n in range(150):
            alice.send(message(bob.jid, "number %d" % n, id="n%d" % n))
        alice.silent_until_ping()
        rss = rig.rss_kib()
        sent, is_open = 150, True
        while sent < 5000 and is_open:
            for _ in range(50):
                alice.send(message(bob.jid, "number %d" % sent, id="n%d" % sent))
                sent += 1
            alice.silent_until_ping()
            is_open = still_open(bob)
        check(not is_open, "5000 stanzas wait for an acknowledgement that never comes")
        grown = rig.rss_kib() - rss
        check(grown < 4096 * rig.options.rss_factor, "RSS grew by %d KiB", grown)
        with authenticated(rig, "bob") as back:
            answer = resume(back, id)
            check(answer.tag == tag("resumed"), "it may not come back")
            back.wait_for(lambda e: body(e) == "number 0")
    with rig.variant(SMALL_QUEUES) as small:
        heard_out(small)


SMALL_QUEUES = {"sm_queue_bytes": 256 * 1024, "sendq_bytes": 64 * 1024, "sendq_hard_bytes": 128 * 1024}


def heard_out(rig):
    """What came while a session waited may be more than may wait otherwise: it is not closed for that at once,
    though it reads slowly."""
    text, count = "x" * 10000, 40
    with rig.client("alice") as alice:
        with rig.client("bob") as bob:
            id, address = enable(bob).get("id"), bob.jid
            bob.close(reset=True)
        for n in range(count):
            alice.send(message(address, "%d %s" % (n, text)))
        alice.silent_until_ping()
        with rig.connect(rcvbuf=1024).authenticate("bob", settings.PASSWORD) as back:
            check(resume(back, id).tag == tag("resumed"), "it is gone")
            id = next_id("behind")
            alice.send(ping_iq(id, rig.bare("bob")))  # his account answers when all that can be sent is
            alice.wait_for(lambda e: e.get("id") == id)
            back.ws.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            for n in range(count):
                got = body(back.wait_for(is_message, 20))
                check(got.startswith("%d " % n), "%s came, not %d", got[:5], n)


def still_open(client):
    """Takes what has come, acknowledges nothing."""
    try:
        while True:
            client.recv(0.05)
    except Timeout:
        return True
    except Closed:
        return False


@case(64, "asking without end is charged like stanzas, and answered in few words")
def case_64_requests(rig):
    with rig.client("alice") as alice:
        enabled = enable(alice, max=10 ** 9)
        check(0 < int(enabled.get("max", "0")) <= 86400, "max is %s", enabled.get("max"))
    with rig.variant({"stanza_rate": 200}) as slow, slow.client("alice") as alice:
        enable(alice)
        alice.send(ping_iq("first", slow.domain))
        alice.wait_for(lambda e: e.get("id") == "first")
        begun = time.monotonic()
        count = 2000
        for _ in range(count):
            alice.send("<r xmlns='%s'/>" % SM)
        alice.send(ping_iq("last", slow.domain))
        answers = 0
        while True:
            element = alice.recv(120)
            answers += element.tag == tag("a")
            if element.get("id") == "last":
                break
        took = time.monotonic() - begun
        check(answers < count / 2, "%d answers to %d requests", answers, count)
        check(took > 5, "%d requests passed in %.1f s: they are not charged", count, took)
