# SPDX-License-Identifier: MIT
"""Rows: connections, users and what they own, storage, control."""

import contextlib
import errno
import json
import os
import signal
import socket
import time
from xml.sax.saxutils import quoteattr

import settings
from rows import counts, elsewhere, lasts
from server import eventually
from wsclient import Eof, Timeout
from xmpp import CLIENT, Closed, Fail, Xmpp, check, message, next_id

ROSTER = "jabber:iq:roster"


# --- connections ---

def taken(rig, n, source, login=False):
    """Opens n connections that stay; "over" when one of them is not taken."""
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            try:
                client = stack.enter_context(rig.connect(source=source))
                if login:
                    client.login("bob", settings.PASSWORD)
            except (Eof, Closed, ConnectionError):
                return "over"
        return "fine"


@counts("connections", 6, bound=5, reactors=1)  # the canary has one
def connections(rig, n):
    fds = rig.fds()
    got = taken(rig, n, None)
    eventually(lambda: rig.fds() <= fds, "the connections to be gone")
    return got


@counts("connections_per_address", 5, unauthenticated_per_address=5)
def connections_per_address(rig, n):
    return taken(rig, n, "127.0.6.%d" % n, login=True)


@counts("unauthenticated_per_address", 5)
def unauthenticated_per_address(rig, n):
    return taken(rig, n, "127.0.7.%d" % n)


@counts("accept_rate_per_address", 2, bound=8)
def accept_rate_per_address(rig, n):
    return taken(rig, n, "127.0.1.%d" % n)


# Newcomers are dropped at random long before the limit, so that no number of them is sure.
elsewhere("fast_tokens", "tests/plays/xep0484-fast.play", "6 of more clients than the limit allows")
elsewhere("unauthenticated", "tests/unit/server/test_gate.c", "unauthenticated")
elsewhere("address_table", "tests/unit/server/test_gate.c", "address_table")


# --- users ---

def fresh(rig, what):
    """A new account; its name."""
    name = next_id(what)
    rig.server.add_user(rig.bare(name), settings.PASSWORD)
    return name


def asked(client, iq):
    """Sends an iq; "fine" when it has a result, "over" when it is an error."""
    id = next_id("q")
    client.send(iq % id)
    answer = client.wait_for(lambda e: e.get("id") == id and e.tag == "{%s}iq" % CLIENT)
    return "fine" if answer.get("type") == "result" else "over"


def complains(client, texts, patience_s=0):
    """Sends all, then asks for a ping: "over" when an error came before its answer, or within the
    time after it that the store may take."""
    for text in texts:
        client.send(text)
    errors = [e for e in client.silent_until_ping(10) if e.get("type") == "error"]
    try:
        return "over" if errors or (patience_s and client.recv(patience_s).get("type") == "error") else "fine"
    except Timeout:
        return "fine"


@counts("resources", 3)
def resources(rig, n):
    name = fresh(rig, "res")
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            client = stack.enter_context(rig.connect())
            client.authenticate(name, settings.PASSWORD)
            try:
                client.bind()
            except (Fail, Closed):
                return "over"
        return "fine"


ITEM = "<iq xmlns='jabber:client' type='set' id='%%s'><query xmlns='jabber:iq:roster'>%s</query></iq>"


@counts("roster_items", 3)
def roster_items(rig, n):
    with rig.client(fresh(rig, "items")) as client:
        got = [asked(client, ITEM % ("<item jid='c%d@localhost'/>" % i)) for i in range(n)]
        check("over" not in got[:3], "refused below the limit: %s", got[:4])
        return "over" if "over" in got else "fine"


@counts("roster_groups", 2)
def roster_groups(rig, n):
    with rig.client(fresh(rig, "groups")) as client:
        groups = "".join("<group>g%d</group>" % i for i in range(n))
        return asked(client, ITEM % ("<item jid='c@localhost'>%s</item>" % groups))


@counts("roster_name_bytes", 64)
def roster_name_bytes(rig, n):
    with rig.client(fresh(rig, "names")) as client:
        return asked(client, ITEM % ("<item jid='c@localhost' name=%s/>" % quoteattr("n" * n)))


@counts("pending_subscriptions", 3)
def pending_subscriptions(rig, n):
    """Who asks hears nothing; whether he was noted is seen at whom he asked."""
    asked_one = fresh(rig, "popular")
    for _ in range(n):
        with rig.client(fresh(rig, "fan")) as fan:
            fan.send("<presence xmlns='jabber:client' type='subscribe' to='%s'/>" % rig.bare(asked_one))
            fan.silent_until_ping()
    with rig.client(asked_one) as client:
        client.send("<presence xmlns='jabber:client'/>")
        asking = [e for e in client.silent_until_ping(10) if e.get("type") == "subscribe"]
    check(len(asking) == min(n, 3), "%d of %d requests were kept", len(asking), n)
    return "fine" if len(asking) == n else "over"


def presences(n, kind=""):
    return ["<presence xmlns='jabber:client'%s to='p%d@localhost'/>" % (kind, i) for i in range(n)]


@counts("subscribe_rate", 3)
def subscribe_rate(rig, n):
    with rig.client(fresh(rig, "asker")) as client:
        return complains(client, presences(n, " type='subscribe'"))


@counts("new_recipients_rate", 5)
def new_recipients_rate(rig, n):
    """Of strangers who get a message; to the others it comes back."""
    told = [rig.bare(fresh(rig, "stranger")) for _ in range(n)]
    with rig.client(fresh(rig, "teller")) as client:
        return complains(client, [message(who, "buy this") for who in told])


@counts("directed_presences", 3)
def directed_presences(rig, n):
    with rig.client(fresh(rig, "shown")) as client:
        return complains(client, presences(n))


def offline(rig, texts):
    name = fresh(rig, "away")
    with rig.client("alice") as client:
        return complains(client, [t % rig.bare(name) for t in texts], 1.0)


@counts("offline_messages", 3)
def offline_messages(rig, n):
    return offline(rig, [message("%s", "kept")] * n)


elsewhere("offline_bytes", "tests/plays/xep0160-offline.play", "offline_bytes")
elsewhere("mam_page", "tests/plays/xep0313-mam.play", "mam_page")
elsewhere("mam_page_bytes", "tests/plays/xep0313-mam.play", "mam_page_bytes")
elsewhere("mam_count", "tests/plays/xep0313-mam.play", "mam_count")
elsewhere("mam_queries", "tests/adversarial/cases_archive.py", "mam_queries")


@counts("mam_prefs", 3)
def mam_prefs(rig, n):
    jids = "".join("<jid>p%d@localhost</jid>" % i for i in range(n))
    with rig.client(fresh(rig, "prefs")) as client:
        return asked(client, "<iq xmlns='jabber:client' type='set' id='%%s'><prefs xmlns='urn:xmpp:mam:2' "
                     "default='roster'><always>%s</always><never/></prefs></iq>" % jids)


@counts("registration_rate", 3, registration=True)
def registration_rate(rig, n):
    source, got = "127.0.5.%d" % n, "fine"
    for _ in range(n):
        with rig.opened(source=source) as client:
            name = next_id("new")
            client.send("<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'>"
                        "<username>%s</username><password>secret words</password></query></iq>" % name)
            answer = client.recv()
            if answer.get("type") != "result":
                got = "over"
    return got


# --- storage and control ---

for name in ("store_jobs", "store_timeout_ms", "store_batch", "store_unit_bytes"):
    elsewhere(name, "tests/unit/server/test_store_queue.c", name)


@counts("control_clients", 3)
def control_clients(rig, n):
    """The newest is sent away; those that were there are answered."""
    def connect():
        s = stack.enter_context(socket.socket(socket.AF_UNIX))
        s.settimeout(5)
        while s.connect_ex(str(rig.server.data / "control.sock")) == errno.EAGAIN:
            time.sleep(0.01)  # the server has not accepted those before yet
        return s

    def answers(s):
        try:
            s.sendall(json.dumps({"id": 1, "command": "stats", "args": {}}).encode() + b"\n")
            return s.recv(65536).startswith(b"{")
        except (ConnectionError, TimeoutError):
            return False
    with contextlib.ExitStack() as stack:
        sockets = [connect() for _ in range(n)]
        good = [answers(s) for s in sockets]
    check(all(good[:3]), "one of the first three was sent away: %s", good)
    time.sleep(0.1)  # the server notices that they are gone
    return "fine" if all(good) else "over"


@lasts("shutdown_timeout_ms", 150, metric=False)  # ten times that is below ws_close_timeout_ms
def shutdown_timeout_ms(rig):
    """On a server of its own, which a client keeps from stopping."""
    server = rig.start(settings.config_text(rig.overrides))
    try:
        with Xmpp(server.url, settings.DOMAIN) as stubborn:
            stubborn.open()
            begun = time.monotonic()
            os.kill(server.pid, signal.SIGTERM)
            server.process.wait(30)
            return time.monotonic() - begun
    finally:
        server.abandon()

