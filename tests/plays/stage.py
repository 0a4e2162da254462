# SPDX-License-Identifier: MIT
"""Performs the lines of a scene against a running server."""

import base64
import hmac
import contextlib
import re
import sqlite3
import time

import infoset
from websocket import Gone, Late, WebSocket

PASSWORD = "thou art a secret"
DOMAIN = "localhost"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
ROSTER = "jabber:iq:roster"
SM = "urn:xmpp:sm:3"
STANZAS = {f"{{{infoset.CLIENT}}}{name}" for name in ("message", "presence", "iq")}
UNITS_MS = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000}
STEP_MS = 5000  # shorter than any interval of the server at which a client has to answer
ADDRESS = re.compile(rf"[A-Za-z0-9.]+@{DOMAIN}\b")
OPEN = f"<open xmlns='{FRAMING}' to='{DOMAIN}' version='1.0'/>"

# What has to be sent, in order, for each state of appendix A.1, as seen by the first of the two.
STATES = {
    "None": [],
    "None + Pending Out": ["> subscribe"],
    "None + Pending In": ["< subscribe"],
    "None + Pending Out+In": ["> subscribe", "< subscribe"],
    "To": ["> subscribe", "< subscribed"],
    "To + Pending In": ["> subscribe", "< subscribed", "< subscribe"],
    "From": ["< subscribe", "> subscribed"],
    "From + Pending Out": ["< subscribe", "> subscribed", "> subscribe"],
    "Both": ["> subscribe", "< subscribed", "< subscribe", "> subscribed"],
}


class Failure(Exception):
    """What happened is not what the play says."""


class Counts:
    """What a client with stream management counts; it outlives its connection."""

    def __init__(self, previd):
        self.id = previd
        self.said = 0    # stanzas sent
        self.heard = 0   # stanzas that have come
        self.acked = 0   # of those sent: what the server has told
        self.silent = False

    def hear(self, person, element):
        if element.tag in STANZAS:
            self.heard += 1
        elif element.tag == f"{{{SM}}}r" and not self.silent:
            person.send(f"<a xmlns='{SM}' h='{self.heard}'/>")
        elif element.tag == f"{{{SM}}}a":
            self.acked = int(element.get("h"))


class Connection:
    """Somebody on the stage: one connection."""

    def __init__(self, stage, name, *address):
        self.stage = stage
        self.name = name
        self.socket = WebSocket(stage.server.connect(stage.seconds, *address), seconds=stage.seconds)
        self.silent = False  # reads nothing, not even pings, while time passes
        self.inbox = []   # arrived and not looked at yet
        self.jid = None   # full, once bound
        self.requests = 0
        self.counts = None   # of stream management, once enabled

    # -- the wire

    def send(self, text):
        self.stage.tell(f"{self.name} > {text}")
        if self.counts and infoset.parse(text).tag in STANZAS:
            self.counts.said += 1
        self.socket.send(text)

    def _arrived(self, text):
        self.stage.tell(f"{self.name} < {text}")
        element = infoset.parse(text)
        if self.counts:
            self.counts.hear(self, element)
        return element

    def take(self):
        """The next element off the wire that is not talk of stream management alone."""
        while True:
            element = self._arrived(self.socket.receive())
            if not (self.counts and element.tag in (f"{{{SM}}}r", f"{{{SM}}}a")):
                return element

    def next(self):
        """The next element, however long it takes within reason."""
        return self.inbox.pop(0) if self.inbox else self.take()

    def ask(self, iq, number=None):
        """Sends a request and gives the answer; what else comes goes to the inbox."""
        return self.answers({number or self.request(iq)})[0]

    def request(self, iq):
        self.requests += 1
        number = f"fence-{self.requests}"
        self.send(iq.replace("<iq ", f"<iq xmlns='{infoset.CLIENT}' id='{number}' ", 1))
        return number

    def answers(self, numbers):
        found, numbers = [], set(numbers)
        while numbers:
            element = self.take()
            if element.tag == f"{{{infoset.CLIENT}}}iq" and element.get("id") in numbers and \
                    element.get("type") in ("result", "error"):
                numbers.remove(element.get("id"))
                found.append(element)
            else:
                self.inbox.append(element)
        return found

    def pump(self):
        self.inbox += [self._arrived(text) for text in self.socket.pump()]

    def gone(self):
        return self.socket.gone is not None

    # -- negotiation

    def expect(self, name, namespace):
        element = self.next()
        if element.tag != f"{{{namespace}}}{name}":
            raise Failure(f"{self.name} expected <{name}/> while connecting, and got\n    {infoset.show(element)}")
        return element

    def open_stream(self):
        self.send(OPEN)
        self.expect("open", FRAMING)
        return self.expect("features", infoset.STREAMS)

    def try_password(self, user, password):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")

    def authenticate(self, user):
        self.try_password(user, PASSWORD)
        self.expect("success", SASL)

    def bind(self, resource):
        wish = f"<resource>{resource}</resource>" if resource else ""
        answer = self.ask(f"<iq type='set'><bind xmlns='{BIND}'>{wish}</bind></iq>")
        jid = answer.find(f"{{{BIND}}}bind/{{{BIND}}}jid")
        if jid is None:
            raise Failure(f"{self.name} was not given a resource:\n    {infoset.show(answer)}")
        self.jid = jid.text

    def log_in(self, jid):
        user, _, resource = jid.partition("/")
        self.open_stream()
        self.authenticate(user.partition("@")[0])
        self.open_stream()
        self.bind(resource)

    def enable(self):
        self.send(f"<enable xmlns='{SM}' resume='true'/>")
        enabled = self.expect("enabled", SM)
        self.counts = Counts(enabled.get("id"))

    def resume(self, user, counts):
        """Goes on where another connection was; what it had heard of and not answered is told."""
        self.open_stream()
        self.authenticate(user)
        self.open_stream()
        self.send(f"<resume xmlns='{SM}' previd='{counts.id}' h='{counts.heard}'/>")
        resumed = self.expect("resumed", SM)
        self.counts = counts
        if int(resumed.get("h")) != counts.said:
            raise Failure(f"{self.name} has said {counts.said} stanzas, and the server knows of {resumed.get('h')}")

    def roster(self):
        return self.ask(f"<iq type='get'><query xmlns='{ROSTER}'/></iq>")

    def end(self):
        """Ends the stream as it should be done, and keeps what came before."""
        self.send(f"<close xmlns='{FRAMING}'/>")
        try:
            while True:
                element = self.take()
                if element.tag == f"{{{FRAMING}}}close":
                    break
                self.inbox.append(element)
        except Gone:
            raise Failure(f"{self.name}'s <close/> was not answered") from None
        self.socket.close()


class Stage:
    """What one scene needs; thrown away with it."""

    def __init__(self, server, suffix, seconds, trace):
        self.server = server
        self.suffix = suffix
        self.seconds = seconds
        self.trace = trace
        self.users = []
        self.strangers = set()  # other addresses that the play has written to
        self.nobodies = 0
        self.people = {}
        self.captured = {}
        self.counts = {}  # by name: of people whose connection is gone
        self.stopping = False

    # -- names: each performance has accounts of its own

    def localize(self, text):
        for user in self.users:
            text = re.sub(rf"\b{user}@{DOMAIN}\b", f"{user}{self.suffix}@{DOMAIN}", text)
        return text

    def plain(self, text):
        """For people: the names as the play has them."""
        return text.replace(f"{self.suffix}@{DOMAIN}", f"@{DOMAIN}")

    def account(self, user):
        return f"{user}{self.suffix}@{DOMAIN}"

    def tell(self, words):
        if self.trace:
            print("    " + self.plain(words))

    # -- performing

    def perform(self, line):
        for expression, method in LINES:
            found = expression.fullmatch(line.words)
            if found:
                method(self, line, *found.groups())
                return
        raise Failure("there is no such line in the language of plays (see tests/plays/README.md)")

    def person(self, name):
        if name not in self.people:
            raise Failure(f"{name} is not connected")
        return self.people[name]

    def enter(self, name, *address):
        old = self.people.get(name)
        if old:
            old.socket.socket.close()
        self.people[name] = Connection(self, name, *address)
        return self.people[name]

    def leave(self):
        for person in self.people.values():
            person.socket.socket.close()

    def given(self, _line, names):
        self.users += re.split(r", | and ", names)

    def connects(self, _line, name, jid):
        self.enter(name).log_in(self.localize(jid))

    def is_online(self, _line, name, jid):
        person = self.enter(name)
        person.log_in(self.localize(jid))
        person.roster()
        person.send(f"<presence xmlns='{infoset.CLIENT}'/>")
        self.settle()
        for other in self.people.values():
            other.inbox.clear()

    def opens_connection(self, _line, name):
        self.enter(name)

    def comes_from(self, _line, name, address):
        self.enter(name, address)

    def is_turned_away(self, _line, name, address):
        if name in self.people:
            self.go(name).socket.socket.close()
        try:
            Connection(self, name, address).socket.socket.close()
        except (Gone, BrokenPipeError):
            return
        raise Failure(f"{name} was let in")

    def opens_stream(self, _line, name):
        (self.people.get(name) or self.enter(name)).open_stream()

    def authenticates(self, _line, name, user):
        self.person(name).authenticate(self.account(user).partition("@")[0])

    def tries_password(self, _line, name, user):
        self.person(name).try_password(self.account(user).partition("@")[0], "a wrong secret")

    def sends(self, line, name):
        person = self.person(name)
        for element in infoset.split(self.filled(line)):
            person.send(infoset.for_the_wire(element))

    def sends_text(self, line, name):
        self.person(name).send(self.filled(line))

    def word(self, found):
        """What somebody says to prove who he is: {plain romeo}, {acting romeo}, {proof romeo token}."""
        how, user, token = found.groups()
        whole = self.account(user).encode()
        user = whole.partition(b"@")[0]
        if how != "proof":
            acting = whole if how == "acting" else b""
            return base64.b64encode(acting + b"\0" + user + b"\0" + PASSWORD.encode()).decode()
        key = self.captured.get(token, token).encode()
        return base64.b64encode(user + b"\0" + hmac.digest(key, b"Initiator", "sha256")).decode()

    def filled(self, line):
        """The block with what was captured in place."""
        def put(found):
            counts = getattr(self.people.get(line.words.split()[0]), "counts", None)
            if counts and found.group(1) in ("heard", "said"):
                return str(getattr(counts, found.group(1)))
            return self.captured.get(found.group(1), found.group(0))
        text = re.sub(r"\{(plain|acting|proof) (\w+)(?: (\w+))?\}", self.word, self.localize(line.text))
        text = re.sub(r"\{([a-z][a-z0-9_]*)\}", put, text)
        self.strangers.update(ADDRESS.findall(text))
        return text

    def wanted(self, line):
        elements = infoset.written(self.localize(line.text))
        if not elements:
            raise Failure("nothing is written below")
        return elements

    def receives(self, line, name):
        person = self.person(name)
        for want in self.wanted(line):
            have = self.take(person, [want])
            after = infoset.match(want, have, self.captured)
            if after is None:
                raise Failure(self.difference([want], [have]))
            self.captured = after

    def receives_in_any_order(self, line, name):
        person = self.person(name)
        wanted = self.wanted(line)
        have = []
        while len(have) < len(wanted):
            have.append(self.take(person, wanted))
        after = infoset.match_all(wanted, have, self.captured)
        if after is None:
            raise Failure(self.difference(wanted, have))
        self.captured = after

    def take(self, person, wanted):
        """The next element. A request for an acknowledgement, which comes when the server likes, only if it is wanted."""
        request = f"{{{SM}}}r"
        try:
            element = person.next()
            while element.tag == request and not any(want.tag == request for want in wanted):
                element = person.next()
            return element
        except Late:
            raise Failure(self.difference(wanted, []) + f"\n    (waited {self.seconds} s)") from None
        except Gone as gone:
            raise Failure(self.difference(wanted, []) + f"\n    ({gone})") from None

    def receives_among_others(self, line, name):
        person = self.settled(name)
        for want in self.wanted(line):
            for at, have in enumerate(person.inbox):
                after = infoset.match(want, have, self.captured)
                if after is not None:
                    self.captured = after
                    del person.inbox[at]
                    break
            else:
                raise Failure(self.difference([want], person.inbox))

    def receives_none_of(self, line, name):
        person = self.settled(name)
        for want in self.wanted(line):
            for have in person.inbox:
                if infoset.match(want, have, self.captured) is not None:
                    raise Failure("this was not to come:\n    " + self.plain(infoset.show(have)))

    def receives_nothing(self, _line, name):
        person = self.settled(name)
        if person.inbox:
            raise Failure("expected nothing, and there came\n    " +
                          "\n    ".join(self.plain(infoset.show(have)) for have in person.inbox))

    def ignores(self, _line, name):
        self.settled(name).inbox.clear()

    def disconnects(self, _line, name):
        self.person(name).end()
        self.people.pop(name)

    def breaks(self, _line, name):
        self.go(name).socket.abort()

    def closes_websocket(self, _line, name):
        self.go(name).socket.close()

    def go(self, name):
        person = self.people.pop(name)
        if person.counts:
            self.counts[name] = (person.counts, person.jid)
        return person

    def enables(self, _line, name):
        self.person(name).enable()

    def acknowledges_nothing(self, _line, name):
        self.person(name).counts.silent = True

    def resumes(self, _line, name, user):
        if name in self.people:
            self.go(name)  # the connection stays, as a lost network leaves it
        counts, jid = self.counts.pop(name)
        counts.silent = False
        person = self.enter(name)
        person.resume(self.account(user).partition("@")[0], counts)
        person.jid = jid

    def is_closed(self, _line, name):
        person = self.people.pop(name)
        try:
            left = person.inbox + [infoset.parse(text) for text in person.socket.wait_closed()]
        except Late:
            raise Failure(f"{name}'s connection is still open after {self.seconds} s") from None
        if person.counts:
            self.counts[name] = (person.counts, person.jid)
        if left:
            raise Failure("before the end there came\n    " +
                          "\n    ".join(self.plain(infoset.show(have)) for have in left))

    def falls_silent(self, _line, name):
        self.person(name).silent = True

    def wakes(self, _line, name):
        self.person(name).silent = False

    def time_passes(self, _line, number, unit):
        """In steps: in each everything that is due happens, and those who are awake answer the server's pings."""
        self.settle()
        left = int(number) * UNITS_MS[unit]
        while left > 0:
            step = min(left, STEP_MS)
            self.server.advance(step)
            left -= step
            for person in self.people.values():
                if not person.silent:
                    person.pump()
        self.settle()

    def clock_is_set(self, _line, number, unit, way):
        self.settle()
        self.server.set_clock(way, int(number) * UNITS_MS[unit])

    def is_told_to_stop(self, _line):
        self.server.process.terminate()
        self.stopping = True

    def restarts(self, _line, meanwhile=None):
        for name in list(self.people):
            self.go(name).socket.socket.close()
        if self.stopping:  # a second signal would be another story
            self.server.process.wait(self.seconds)
        self.stopping = False
        self.server.restart(meanwhile)

    def restarts_later(self, line, days):
        """No clock is put ahead: what is stored becomes older."""
        us = int(days) * 24 * 3600 * 1000000

        def age(path):
            with contextlib.closing(sqlite3.connect(path)) as database, database:
                database.execute("UPDATE log SET id = id - ?, stamp = stamp - ?", (us, us))
                database.execute("UPDATE space SET last = max(last - ?, 0)", (us,))
                cursors = "store = CAST('offline' AS BLOB) AND key = CAST('cursor' AS BLOB)"  # an id, 8 bytes
                for row, at in database.execute(f"SELECT owner, bytes FROM kv WHERE {cursors}").fetchall():
                    younger = (int.from_bytes(at, "big") - us).to_bytes(8, "big")
                    database.execute(f"UPDATE kv SET bytes = ? WHERE owner = ? AND {cursors}", (younger, row))
        self.restarts(line, age)

    def has_stored(self, _line, name, count):
        with contextlib.closing(sqlite3.connect(self.server.data / "jabiru.db")) as database:
            found = database.execute("SELECT count(*) FROM log JOIN space ON log.space = space.id WHERE owner = ?",
                                     (self.account(name).encode(),)).fetchone()[0]
        if found != int(count):
            raise Failure(f"{name} has {found} messages stored")

    # -- subscriptions

    def make_state(self, _line, first, second, state):
        pair = {">": (Connection(self, first), second), "<": (Connection(self, second), first)}
        for user, (person, _other) in (("first", pair[">"]), ("second", pair["<"])):
            person.log_in(self.account(person.name) + "/given-" + user)
        extra = {f" given {person.name}": person for person, _other in pair.values()}
        self.people.update(extra)
        for step in self.steps(state):
            person, other = pair[step[0]]
            person.send(f"<presence xmlns='{infoset.CLIENT}' to='{self.account(other)}' type='{step[2:]}'/>")
            self.settle()
        for name, person in extra.items():
            person.end()
            del self.people[name]

    @staticmethod
    def steps(state):
        if state not in STATES:
            raise Failure(f"unknown state {state!r}; there are {', '.join(STATES)}")
        return STATES[state]

    def check_state(self, _line, first, second, state):
        """Looks through a session of its own, whose traces are wiped off the stage afterwards."""
        self.steps(state)
        watcher = Connection(self, f" watching {first}")
        watcher.log_in(f"{self.account(first)}/watcher{time.monotonic_ns()}")
        self.people[watcher.name] = watcher
        roster = watcher.roster()
        watcher.send(f"<presence xmlns='{infoset.CLIENT}'><priority>-1</priority></presence>")
        self.settle()
        have = self.state_seen(roster, watcher.inbox, self.account(second))
        watcher.end()
        del self.people[watcher.name]
        self.settle()
        for person in self.people.values():
            person.inbox = [e for e in person.inbox if e.get("from") != watcher.jid]
        if have != state:
            raise Failure(f"{first}'s subscription to {second} is {have}")

    @staticmethod
    def state_seen(roster, inbox, contact):
        base, out = "None", False
        for item in roster.iter(f"{{{ROSTER}}}item"):
            if item.get("jid") == contact:
                base = item.get("subscription").capitalize()
                out = item.get("ask") == "subscribe"
        asked = any(e.tag == f"{{{infoset.CLIENT}}}presence" and e.get("type") == "subscribe" and
                    e.get("from") == contact for e in inbox)
        pending = "+".join(word for word, on in (("Out", out), ("In", asked)) if on)
        return base + (f" + Pending {pending}" if pending else "")

    # -- proving that nothing came

    def settle(self):
        """Returns when everything that follows from what was sent so far has arrived.

        Each connection asks the home of each account, of each address that the play has written to, and of an account
        that does not exist, for something that is always refused: the answer cannot overtake what the same connection
        sent before. The account that does not exist is another one each time, so that it must be looked for in the
        store, and what was stored before has been confirmed. What these stanzas set off at another
        account's home is behind them after the first round, and its consequences after the second. The last round
        fetches what is on its way to each connection.
        """
        bound = [person for person in self.people.values()
                 if person.jid and not person.gone() and not person.silent]
        accounts = {self.account(user) for user in self.users}
        homes = [*accounts, *(self.strangers - accounts)]
        try:
            for _ in range(2):
                self.nobodies += 1
                self.ask_all(bound, [*homes, f"nobody{self.nobodies}{self.suffix}@{DOMAIN}"])
            self.ask_all(bound, [DOMAIN])
        except Gone:
            pass  # told by what the play expects of that connection

    def settled(self, name):
        """That person, with all that has come in the inbox; one without a resource can only ping the WebSocket."""
        person = self.person(name)
        self.settle()
        if person.jid is None and not person.gone():
            person.inbox += [infoset.parse(text) for text in person.socket.ping()]
        return person

    def ask_all(self, people, addresses):
        pending = [(person, {person.request(f"<iq type='get' to='{address}'><fence xmlns='urn:example:fence'/></iq>")
                             for address in addresses}) for person in people]
        for person, numbers in pending:
            try:
                person.answers(numbers)
            except Gone:
                continue

    def difference(self, wanted, have):
        """What a failure shows: both sides, one below the other."""
        def lines(elements):
            return "\n".join("    " + self.plain(infoset.show(e)) for e in elements) or "    nothing"
        text = f"expected\n{lines(wanted)}\narrived\n{lines(have)}"
        if self.captured:
            text += "\ncaptured " + ", ".join(f"{k}={v}" for k, v in self.captured.items())
        return text


WHO = r"([a-z][a-z0-9]*)"
JID = r"(\S+)"
LINES = [(re.compile(words), method) for words, method in (
    (r"given ([a-z]+(?:, [a-z]+)*(?: and [a-z]+)?)", Stage.given),
    (rf"given {WHO}'s subscription to {WHO} is (.+)", Stage.make_state),
    (rf"{WHO}'s subscription to {WHO} is (.+)", Stage.check_state),
    (rf"{WHO} connects as {JID}", Stage.connects),
    (rf"{WHO} is online as {JID}", Stage.is_online),
    (rf"{WHO} opens a connection", Stage.opens_connection),
    (rf"{WHO} opens a stream", Stage.opens_stream),
    (rf"{WHO} authenticates as {WHO}", Stage.authenticates),
    (rf"{WHO} tries a wrong password of {WHO}", Stage.tries_password),
    (rf"{WHO} sends:", Stage.sends),
    (rf"{WHO} sends text:", Stage.sends_text),
    (rf"{WHO} receives:", Stage.receives),
    (rf"{WHO} receives in any order:", Stage.receives_in_any_order),
    (rf"{WHO} receives among others:", Stage.receives_among_others),
    (rf"{WHO} receives none of:", Stage.receives_none_of),
    (rf"{WHO} receives nothing", Stage.receives_nothing),
    (rf"{WHO} ignores what came", Stage.ignores),
    (rf"{WHO} disconnects", Stage.disconnects),
    (rf"{WHO}'s connection breaks", Stage.breaks),
    (rf"{WHO} closes the WebSocket", Stage.closes_websocket),
    (rf"{WHO} enables stream management", Stage.enables),
    (rf"{WHO} acknowledges nothing", Stage.acknowledges_nothing),
    (rf"{WHO} resumes as {WHO}", Stage.resumes),
    (rf"{WHO}'s connection is closed", Stage.is_closed),
    (rf"{WHO} opens a connection from {JID}", Stage.comes_from),
    (rf"{WHO} is turned away at {JID}", Stage.is_turned_away),
    (rf"{WHO} falls silent", Stage.falls_silent),
    (rf"{WHO} wakes", Stage.wakes),
    (r"time passes: ([0-9]+) (ms|s|min|h)", Stage.time_passes),
    (r"the clock is set ([0-9]+) (ms|s|min|h) (back|ahead)", Stage.clock_is_set),
    (r"the server is told to stop", Stage.is_told_to_stop),
    (r"the server restarts", Stage.restarts),
    (r"the server restarts, (\d+) days later", Stage.restarts_later),
    (rf"{WHO} has (\d+) messages stored", Stage.has_stored),
)]
