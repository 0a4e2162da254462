#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""python3-nbxmpp (Gajim's library) over WebSocket, without a display: the story of lib/story.mjs in Python.

To be run with Debian's /usr/bin/python3, which has python3-nbxmpp and python3-gi.
"""

import os
import secrets
import sys
import time
import traceback
from xml.etree import ElementTree

try:
    import gi

    gi.require_version("Soup", "3.0")
    from gi.repository import GLib, Soup
    import nbxmpp.client
    from nbxmpp.client import Client
    from nbxmpp.const import ConnectionProtocol, ConnectionType
    from nbxmpp.errors import StanzaError
    from nbxmpp.protocol import JID, Message, NodeProcessed
    from nbxmpp.structs import StanzaHandler
    from nbxmpp.websocket import WebsocketConnection
except (ImportError, ValueError) as missing:
    print(f"# skipped: {missing}")
    sys.exit(77)

PATIENCE_S = 10
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAM = "http://etherx.jabber.org/streams"
SASL = ("urn:ietf:params:xml:ns:xmpp-sasl", "urn:xmpp:sasl:2")
SM = ("urn:xmpp:sm:3",)
# Which namespaces a first-level element may be in: whatever is not listed is a failure.
NAMESPACES = {
    "open": (FRAMING,), "close": (FRAMING,), "features": (STREAM,), "error": (STREAM,),
    "challenge": SASL, "success": SASL, "failure": SASL, "continue": SASL,
    "enabled": SM, "resumed": SM, "failed": SM, "r": SM, "a": SM,
    "iq": ("jabber:client",), "message": ("jabber:client",), "presence": ("jabber:client",),
}
# nbxmpp's own order: the strongest that is offered is taken.
SCRAMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1")
VERSION_NAME = 'Jabiru interop <driver> & "friends"'
AWKWARD = ("  <>&'\" ]]> &amp; &#x41; \ttab\nsecond line \U0001F600\U0001F469\u200D\U0001F680 "
           "e\u0301 \u05D0 end  ")
STATUS = 'back at 5 <soon> & "well" \U0001F41F'
GROUP = "Verona & <co>"


def setting(name):
    value = os.environ.get(name)
    if not value:
        print(f"{name} is not set", file=sys.stderr)
        sys.exit(2)
    return value


URL = setting("JABIRU_TEST_URL")
DOMAIN = setting("JABIRU_TEST_DOMAIN")
ACCOUNTS = {who: (setting(f"JABIRU_TEST_USER_{who.upper()}"), setting(f"JABIRU_TEST_PASS_{who.upper()}"))
            for who in "ab"}
BARE = {who: f"{user}@{DOMAIN}" for who, (user, _) in ACCOUNTS.items()}


class Late(AssertionError):
    """What was awaited did not come."""


def wait_until(condition, what, seconds=PATIENCE_S):
    """Runs the GLib loop until `condition()` is true; each event wakes it."""
    context = GLib.MainContext.default()
    expired = []
    timer = GLib.timeout_add(int(seconds * 1000), lambda: bool(expired.append(True)))
    try:
        while not condition():
            if expired:
                raise Late(f"waited {seconds} s for {what}")
            context.iteration(True)
    finally:
        if not expired:
            GLib.source_remove(timer)


class Connection:
    """The record of one WebSocket connection."""

    def __init__(self):
        self.protocol = None
        self.frames = []  # (who sent it, text, is it a text frame)
        self.close_code = None
        self.closed = False


CONNECTIONS = []


class RecordingConnection(WebsocketConnection):
    """nbxmpp's connection, noting every frame before nbxmpp sees it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.record = Connection()
        CONNECTIONS.append(self.record)

    def _on_connect(self, *args):
        super()._on_connect(*args)
        if self._websocket is not None:
            self.record.protocol = self._websocket.get_protocol()

    def _on_websocket_message(self, websocket, kind, message):
        text = message.get_data().decode()
        self.record.frames.append(("server", text, kind == Soup.WebsocketDataType.TEXT))
        super()._on_websocket_message(websocket, kind, message)

    def _on_websocket_closed(self, websocket):
        self.record.close_code = websocket.get_close_code()
        self.record.closed = True
        super()._on_websocket_closed(websocket)

    def send(self, stanza, now=False):
        self.record.frames.append(("client", str(stanza), True))
        super().send(stanza, now)


nbxmpp.client.WebsocketConnection = RecordingConnection


class Session:
    """One logged-in account and what it received."""

    def __init__(self, user, password, resource):
        self.events = []
        self.state = None
        self.client = Client(log_context=user)
        self.client.set_domain(DOMAIN)
        self.client.set_username(user)
        self.client.set_resource(resource)
        self.client.set_password(password)
        self.client.set_custom_host(URL, ConnectionProtocol.WEBSOCKET, ConnectionType.PLAIN)
        for signal in ("connected", "disconnected", "connection-failed"):
            self.client.subscribe(signal, self._on_signal)
        # Priority 20 is after nbxmpp's own handlers, which fill in `properties`.
        self.client.register_handler(StanzaHandler(name="message", callback=self._on_message, priority=20))
        self.client.register_handler(StanzaHandler(name="presence", callback=self._on_presence, priority=20))
        self.client.register_handler(StanzaHandler(name="iq", callback=self._on_push, typ="set",
                                                   ns="jabber:iq:roster", priority=20))
        self.client.get_module("SoftwareVersion").set_software_version(VERSION_NAME, "1")

    @property
    def jid(self):
        return str(self.client.get_bound_jid())

    def _on_signal(self, _client, signal, *_args):
        self.state = signal

    def _on_message(self, _client, _stanza, properties):
        self.events.append({"kind": "message", "from": str(properties.from_), "body": properties.body,
                            "delay": properties.timestamp if properties.has_server_delay else None})

    def _on_presence(self, _client, _stanza, properties):
        self.events.append({"kind": "presence", "from": str(properties.jid), "type": properties.type.value,
                            "show": properties.show.value, "status": properties.status})

    def _on_push(self, _client, _stanza, properties):
        item = properties.roster.item
        self.events.append({"kind": "push", "jid": str(item.jid), "name": item.name,
                            "subscription": item.subscription, "groups": item.groups})
        raise NodeProcessed  # nbxmpp has answered the push; unmarked, it would send an error behind its result

    def expect(self, what, **wanted):
        """The first event with these values, one already here or one to come; handed out once."""
        def matching():
            return [event for event in self.events
                    if all(event.get(key) == value for key, value in wanted.items())]
        try:
            wait_until(matching, what)
        except Late as late:
            raise Late(f"{late}; last unexpected events: {self.events[-5:]}") from None
        event = matching()[0]
        self.events.remove(event)
        return event

    def login(self):
        self.client.connect()
        try:
            wait_until(lambda: self.state, "the login")
        except Late as late:
            frames = [f"{sender}: {text[:400]}" for sender, text, _ in CONNECTIONS[-1].frames[-8:]]
            raise Late("\n".join([str(late), *frames])) from None
        return self.state == "connected"

    def ask(self, what, request, *args):
        """Makes a request of one of nbxmpp's modules and waits for its answer."""
        answers = []

        def on_answer(task):  # a finished task forgets its result when its callbacks have run
            try:
                answers.append((task.finish(), None))
            except Exception as error:  # pylint: disable=broad-except
                answers.append((None, error))

        # Without nbxmpp's own timeout: a second request that has one while a first is pending gets a deadline in
        # the past (dispatcher.add_callback_for_id makes only the first absolute) and may fail within a second.
        request(*args, callback=on_answer)
        wait_until(lambda: answers, what)
        result, error = answers[0]
        if error:
            raise error
        return result

    def roster(self):
        # Without a version, so that the answer is always the whole roster.
        items = self.ask("the roster", self.client.get_module("Roster").request_roster).items or []
        return {str(item.jid): item for item in items}

    def roster_remove(self, jid):
        self.ask("roster remove", self.client.get_module("Roster").delete_item, JID.from_string(jid))

    def ping(self):
        self.ask("the ping", self.client.get_module("Ping").ping, JID.from_string(DOMAIN))

    def version(self, jid):
        module = self.client.get_module("SoftwareVersion")
        return self.ask(f"version of {jid}", module.request_software_version, JID.from_string(jid)).name

    def presence(self, jid=None, **values):
        self.client.get_module("BasePresence").send(jid=jid, **values)

    def message(self, to, body):
        self.client.send_stanza(Message(to=to, body=body, typ="chat"))

    def logout(self):
        self.client.disconnect()
        wait_until(lambda: self.state == "disconnected", "the logout")


class Story:
    """The tests, in order; each works on what those before it have built."""

    def __init__(self):
        self.count = 0
        self.failed = 0
        self.token = secrets.token_hex(4)
        self.sessions = {}

    def test(self, description, body):
        self.count += 1
        try:
            detail = body()
            print(f"ok {self.count} - {description}" + (f" ({detail})" if detail else ""), flush=True)
        except Exception as error:  # pylint: disable=broad-except
            self.failed += 1
            print(f"not ok {self.count} - {description}")
            # The innermost line of this file; what lies deeper is nbxmpp's.
            own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == __file__][-1]
            for line in f"{type(error).__name__}: {error}\nline {own.lineno}: {own.line}".splitlines():
                print(f"# {line}", flush=True)

    def need(self, who):
        assert who in self.sessions, f"needs the session of {who}, whose login failed"
        return self.sessions[who]

    def run(self):
        print(f"# python3-nbxmpp against {URL}")
        both_ways = (("a", "b"), ("b", "a"))
        self.test("a wrong password is refused with not-authorized", self.wrong_password)
        for who, other in both_ways:
            self.test(f"login of {ACCOUNTS[who][0]}", lambda w=who, o=other: self.login(w, o))
        self.test("the strongest SCRAM that both sides know was used", self.mechanism)
        self.test("IQ ping to the server", self.ping)
        self.test("roster set with name and group is pushed", self.roster_set)
        self.test("roster get shows the contact", self.roster_get)
        for who, other in both_ways:
            self.test(f"subscription of {who} to {other}: asked and granted",
                      lambda w=who, o=other: self.subscribe(w, o))
        self.test("both are pushed subscription both, and both rosters say so", self.subscribed_both)
        for who, other in both_ways:
            self.test(f"presence of {who} with show and status reaches {other}",
                      lambda w=who, o=other: self.show_and_status(w, o))
        self.test("message a to b, full JID, awkward body exact",
                  lambda: self.deliver("a", "b", self.need("b").jid, AWKWARD + self.token))
        self.test("message b to a, bare JID, awkward body exact",
                  lambda: self.deliver("b", "a", BARE["a"], AWKWARD + self.token))
        self.test("message of 10 KB each way, body exact", self.ten_kilobytes)
        self.test("fifty messages keep their order", self.fifty)
        self.test("version of the server", lambda: self.need("a").version(DOMAIN))
        self.test("IQ between two full JIDs is answered, both ways", self.version_of_each_other)
        self.test("IQ to an unknown resource is answered service-unavailable", self.unknown_resource)
        self.test("logout of b is seen by a as unavailable presence", self.leave)
        self.test("message to the absent b arrives at the next login, with a delay stamp of the server",
                  self.offline_message)
        self.test("unsubscribe and unsubscribed: both are pushed subscription none", self.unsubscribe)
        self.test("roster remove leaves no entry on either side", self.roster_remove)
        self.test("logout of both", self.leave_both)
        self.test("subprotocol xmpp chosen, <open/> first", check_opened)
        self.test("each frame is text, parses alone and has its own namespace", check_frames)
        self.test("each stream ends with <close/> and a clean WebSocket close", check_closed)
        print(f"1..{self.count}")
        return 1 if self.failed else 0

    def wrong_password(self):
        session = Session(ACCOUNTS["a"][0], f"not-{ACCOUNTS['a'][1]}", "x")
        assert not session.login(), "was expected to be refused, but succeeded"
        assert session.client.get_error()[1] == "not-authorized", session.client.get_error()

    def login(self, who, other):
        self.sessions.pop(who, None)
        session = Session(*ACCOUNTS[who], f"{who}-{self.token}")
        assert session.login(), f"{session.state}: {session.client.get_error()}"
        self.sessions[who] = session
        assert session.jid.startswith(BARE[who] + "/"), session.jid
        if BARE[other] in session.roster():  # left by a broken earlier run
            session.roster_remove(BARE[other])
        session.presence()

    def mechanism(self):
        self.need("b")
        used, offered = mechanism_used()
        assert used == next((name for name in SCRAMS if name in offered), None), f"{used} of {offered}"
        return f"{used} of {', '.join(offered)}"

    def ping(self):
        for who in "ab":
            self.need(who).ping()
            self.need(who).events.clear()

    def contact_name(self):
        return f'Juliet <{self.token}> & "co"'

    def roster_set(self):
        session = self.need("a")
        session.ask("roster set", session.client.get_module("Roster").set_item,
                    JID.from_string(BARE["b"]), self.contact_name(), [GROUP])
        pushed = session.expect("the push of the new contact", kind="push", jid=BARE["b"])
        assert (pushed["name"], pushed["groups"], pushed["subscription"]) == \
            (self.contact_name(), {GROUP}, "none"), pushed

    def roster_get(self):
        item = self.need("a").roster()[BARE["b"]]
        assert (item.name, item.groups, item.subscription) == (self.contact_name(), {GROUP}, "none"), item

    def subscribe(self, asker, granter):
        self.need(asker).presence(BARE[granter], typ="subscribe")
        self.need(granter).expect("subscribe", kind="presence", type="subscribe", **{"from": BARE[asker]})
        self.need(granter).presence(BARE[asker], typ="subscribed")
        self.need(asker).expect("subscribed", kind="presence", type="subscribed", **{"from": BARE[granter]})
        self.need(asker).expect(f"presence of {granter}", kind="presence", type=None,
                                **{"from": self.need(granter).jid})

    def subscribed_both(self):
        for who, other in (("a", "b"), ("b", "a")):
            self.need(who).expect(f"the push of both to {who}", kind="push", jid=BARE[other],
                                  subscription="both")
            assert self.need(who).roster()[BARE[other]].subscription == "both"

    def show_and_status(self, who, other):
        status = f"{STATUS} {self.token}"
        self.need(who).presence(show="dnd", status=status)
        got = self.need(other).expect("show and status", kind="presence", status=status,
                                      **{"from": self.need(who).jid})
        assert got["show"] == "dnd", got

    def deliver(self, sender, receiver, to, body):
        self.need(sender).message(to, body)
        self.need(receiver).expect(f"message from {sender}", kind="message", body=body,
                                   **{"from": self.need(sender).jid})

    def ten_kilobytes(self):
        line = f'{self.token} The quick brown fox & the "lazy" <dog> \U0001F98A \u00E9\u00E8\n'
        body = line * (10_240 // len(line.encode()) + 1)
        self.deliver("a", "b", BARE["b"], body)
        self.deliver("b", "a", self.need("a").jid, body)

    def fifty(self):
        bodies = [f"{self.token} number {index}" for index in range(50)]
        for body in bodies:
            self.need("a").message(BARE["b"], body)
        self.need("b").expect("the last of fifty", kind="message", body=bodies[-1])
        got = [event["body"] for event in self.need("b").events if event["kind"] == "message"]
        assert got == bodies[:-1], got

    def version_of_each_other(self):
        for who, other in (("a", "b"), ("b", "a")):
            name = self.need(who).version(self.need(other).jid)
            assert name == VERSION_NAME, name

    def unknown_resource(self):
        try:
            self.need("a").version(f"{BARE['b']}/nobody-{self.token}")
        except StanzaError as error:
            assert error.condition == "service-unavailable", error
        else:
            raise AssertionError("was expected to be refused, but succeeded")

    def leave(self):
        session = self.need("b")
        jid = session.jid
        session.logout()
        del self.sessions["b"]
        self.need("a").expect("unavailable of b", kind="presence", type="unavailable", **{"from": jid})

    def offline_message(self):
        body = f"while you were away {self.token} {AWKWARD}"
        before = time.time()
        self.need("a").message(BARE["b"], body)
        self.need("a").ping()  # answered after the message was taken
        self.enter_again()
        got = self.need("b").expect("the offline message", kind="message", body=body)
        assert JID.from_string(got["from"]).bare == BARE["a"], got
        # nbxmpp believes only a stamp whose `from` is the server. Stamps may be cut to whole seconds.
        assert got["delay"] is not None, "the message has a delay stamp of the server"
        assert before - 1 <= got["delay"] <= time.time() + 1, got["delay"]

    def enter_again(self):
        session = Session(*ACCOUNTS["b"], f"b-{self.token}")
        assert session.login(), f"{session.state}: {session.client.get_error()}"
        self.sessions["b"] = session
        session.roster()
        session.presence()

    def unsubscribe(self):
        for kind in ("unsubscribe", "unsubscribed"):
            self.need("a").presence(BARE["b"], typ=kind)
        for kind in ("unsubscribe", "unsubscribed"):
            self.need("b").expect(kind, kind="presence", type=kind, **{"from": BARE["a"]})
        for who, other in (("a", "b"), ("b", "a")):
            self.need(who).expect("the push of none", kind="push", jid=BARE[other], subscription="none")

    def roster_remove(self):
        for who, other in (("a", "b"), ("b", "a")):
            self.need(who).roster_remove(BARE[other])
            self.need(who).expect("the push of remove", kind="push", jid=BARE[other], subscription="remove")
            assert BARE[other] not in self.need(who).roster()

    def leave_both(self):
        for who in "ab":
            self.need(who).logout()


def parse_alone(text):
    """Parses a frame as RFC 7395 wants it read: alone. Gives (namespace, name, element)."""
    try:
        element = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise AssertionError(f"{error} in frame {text[:300]}") from None
    namespace, _, name = element.tag.rpartition("}")
    return namespace[1:], name, element


def mechanism_used():
    """The mechanism of the newest connection and those offered to it, as they went over the wire."""
    offered, used = [], None
    for sender, text, _ in CONNECTIONS[-1].frames:
        _, name, element = parse_alone(text)
        if sender == "server":
            for child in element.iter():
                if child.tag.endswith("}mechanism") and child.text not in offered:
                    offered.append(child.text)
        elif name in ("auth", "authenticate"):
            used = used or element.get("mechanism")
    return used, offered


def check_opened():
    for connection in CONNECTIONS:
        assert connection.protocol == "xmpp", f"the subprotocol that the server chose: {connection.protocol}"
        opens = {sender: [text for who, text, _ in connection.frames if who == sender and text.startswith("<open ")]
                 for sender in ("server", "client")}
        first = next(text for sender, text, _ in connection.frames if sender == "server")
        assert first.startswith("<open "), first
        assert len(opens["server"]) == len(opens["client"]), opens
        namespace, _, element = parse_alone(first)
        assert namespace == FRAMING, first
        assert element.get("from") == DOMAIN and element.get("version") == "1.0" and element.get("id"), first
    return f"{len(CONNECTIONS)} connections"


def check_frames():
    checked = 0
    for connection in CONNECTIONS:
        for sender, text, is_text in connection.frames:
            if sender != "server":
                continue
            assert is_text, "the server sent a binary frame"
            assert text[0] == "<" and text[1] not in "?!", f"a frame begins with its element: {text[:100]}"
            namespace, name, _ = parse_alone(text)
            assert namespace in NAMESPACES.get(name, ()), f"{name} in namespace {namespace}: {text[:300]}"
            checked += 1
    return f"{checked} frames"


def check_closed():
    wait_until(lambda: all(connection.closed for connection in CONNECTIONS), "the close of every socket")
    for connection in CONNECTIONS:
        last = [text for sender, text, _ in connection.frames if sender == "server"][-1]
        assert last.startswith("<close "), f"the last frame of the server: {last}"
        assert connection.close_code not in (0, 1006), f"close code {connection.close_code}"
    return f"{len(CONNECTIONS)} streams, codes {' '.join(str(c.close_code) for c in CONNECTIONS)}"


if __name__ == "__main__":
    sys.exit(Story().run())
