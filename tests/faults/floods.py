# SPDX-License-Identifier: MIT
"""Guests that try ten times each rate of src/core/limits.h, and what the server has to do about it.

Each comes from an address of its own and has one `limit`. Its verdict(), asked when the crowd leaves,
says what it saw in words, and fails when that was not what the limit promises: no faster than the rate,
by not reading; or a refusal. That the server counted it is asked of its metrics.
"""

import asyncio
import base64
import time
import xml.etree.ElementTree as ET

from client import CLIENT, CLOSE, FRAMING, PING, PONG, SASL, TEXT, Gone, Stream, frame, upgrade_request
from guests import DOMAIN, ENDS, Guest, Session, WebSocket, Wire
from world import PASSWORD, check

TIMES = 10
SLACK = 1.2  # a rate is paid for with the clock of the server's tick


class Flood(Guest):
    block = 20
    limit = None
    burst_s = 0

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.rate = crowd.limits[self.limit]
        self.place = FLOODS.index(type(self))
        self.made = self.taken = 0      # tried, and served
        self.first = self.last = None   # when the flood began, and when the last was served

    def source(self):
        return f"127.{self.block}.{self.place}.{self.number + 1}"

    def served(self, n=1):
        self.taken += n
        self.last = time.monotonic()

    def start(self):
        self.first = self.first or time.monotonic()

    def most(self):
        """What burst and rate allow up to the last one that was served."""
        return (self.burst_s + (self.last or 0) - (self.first or 0)) * self.rate * SLACK + 1

    def verdict(self):
        check(self.taken > 0, f"{self.limit}: nothing at all was served")
        check(self.made > self.taken, f"{self.limit}: all of {self.made} were served: that was no flood")
        check(self.taken <= self.most(), f"{self.limit}: {self.taken} served where {self.most():.0f} are allowed")

    async def paced(self, rate):
        """Yields for ever, `rate` times a second; what cannot be sent in time is not made up for."""
        begun, n = time.monotonic(), 0
        while True:
            due = begun + n / rate
            now = time.monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            n += 1
            yield n


# ---- rates that hold by not reading ----


class Slowed(Flood):
    """One session that sends too much, and reads what comes back."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.user = crowd.account()

    async def visit(self):
        session = await self.session(self.user)
        await session.bind()
        check(self.first is None, f"{self.limit}: the connection was closed")
        self.start()
        reading = asyncio.create_task(self.hear(session))
        try:
            await self.flood()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def hear(self, session):
        try:
            while True:
                self.on_answer(await session.ws.receive())
        except ENDS as end:
            self.crowd.tally[f"{self.limit}: {end}"] += 1


class StanzaFlood(Slowed):
    limit, burst_s = "stanza_rate", 4

    async def flood(self):
        ping = f"<iq xmlns='jabber:client' type='get' to='{DOMAIN}' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"
        async for _ in self.paced(TIMES * self.rate):
            self.made += 1
            await self.wire.send(frame(TEXT, ping.encode()))

    def on_answer(self, text):
        self.served("type='result'" in text.replace('"', "'"))


class InputFlood(Slowed):
    limit, burst_s = "input_rate", 8
    SIZE = 10000

    async def flood(self):
        text = (f"<message xmlns='jabber:client' type='headline' to='{self.user}@{DOMAIN}/r'>"
                f"<body>{'x' * self.SIZE}</body></message>")
        async for _ in self.paced(TIMES * self.rate / self.SIZE):
            self.made += self.SIZE
            await self.wire.send(frame(TEXT, text.encode()))

    def on_answer(self, text):
        self.served(len(text) if text.startswith("<message") else 0)


class EarlyFlood(Flood):
    """White space before <open/>; an answer to <open/> says that all of it was read."""

    limit, burst_s = "input_rate_preauth", 4
    SIZE, PIECES = 1024, 40

    async def visit(self):
        ws = await self.web_socket()
        begun = time.monotonic()
        self.start()
        await self.wire.send(frame(TEXT, b" " * self.SIZE) * self.PIECES)
        self.made += self.SIZE * self.PIECES
        ws.send(f"<open xmlns='{FRAMING}' to='{DOMAIN}' version='1.0'/>")
        self.crowd.tally["floods before login"] += 1
        await ws.receive()  # <open/>; behind it the features, or that the time for a login is over
        if "features" in await ws.receive():
            took = time.monotonic() - begun
            least = (self.SIZE * self.PIECES - self.burst_s * self.rate) / self.rate / SLACK
            check(took >= least, f"{self.limit}: answered after {took:.1f} s where {least:.1f} s are the least")
            self.served(self.SIZE * self.PIECES)
        raise Gone("enough")

    def verdict(self):
        """What was served came late enough, or visit() had failed; how much is cut off is another limit's.

        The rate is each connection's, and ten seconds' worth in one go is a flood however seldom it comes."""
        least = self.SIZE * self.PIECES
        check(self.made >= least > self.burst_s * self.rate * SLACK, f"{self.limit}: {self.made} octets are no flood")


class FrameFlood(Flood):
    """WebSocket pings by a client that reads: it is told why it has to go."""

    limit, burst_s = "ws_control_rate", 3

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.codes = []

    async def visit(self):
        ws = await self.web_socket()
        sending = asyncio.create_task(self.flood())
        answers = 0
        begun = time.monotonic()
        try:
            while True:
                opcode, payload = await ws.frame()
                answers += opcode == PONG
                if opcode == CLOSE:
                    self.codes.append(int.from_bytes(payload[:2], "big"))
                    return
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            allowed = (self.burst_s + time.monotonic() - begun) * self.rate * SLACK + 1
            check(answers <= allowed, f"{self.limit}: {answers} answers where {allowed:.0f} are allowed")

    async def flood(self):
        async for _ in self.paced(TIMES * self.rate):
            await self.wire.send(frame(PING, b"p"))

    def verdict(self):
        check(self.codes and set(self.codes) == {1008}, f"{self.limit}: closed with {self.codes or 'nothing'}")


# ---- who is not let in ----


class Door(Flood):
    """Many connections from its one address; `inside` are those that were let in and stay."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.inside = []
        self.tasks = set()

    async def connect(self):
        """Not one connection, but those that visit() makes."""

    async def knock(self):
        """A wire that was let in, an upgrade is answered, and stands in `inside`; or None."""
        wire = Wire(self.source())
        self.inside.append(wire)
        self.made += 1
        try:
            await wire.connect(self.crowd.host, self.crowd.port)
            wire.push(upgrade_request(self.crowd.port))
            await wire.head()
        except ENDS:
            self.leave(wire)
            return None
        self.served()
        return wire

    def leave(self, wire):
        wire.close()
        if wire in self.inside:
            self.inside.remove(wire)

    async def live(self):
        try:
            await super().live()
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            for wire in self.inside:
                wire.close()


class AcceptFlood(Door):
    """Comes and goes ten times too often."""

    limit, burst_s = "accept_rate_per_address", 4
    AT_ONCE = 15  # more would be refused for another limit: unauthenticated_per_address

    async def visit(self):
        self.start()
        async for _ in self.paced(TIMES * self.rate):
            if len(self.tasks) >= self.AT_ONCE:
                continue
            task = asyncio.create_task(self.come_and_go())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def come_and_go(self):
        wire = await self.knock()
        if wire:
            self.leave(wire)


class SilentFlood(Door):
    """Connections that upgrade and say no more, all at once; when those are ended it comes again."""

    limit = "unauthenticated_per_address"

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.let_in = []

    async def visit(self):
        let_in = await asyncio.gather(*(self.knock() for _ in range(TIMES * self.rate)))
        self.let_in.append(sum(wire is not None for wire in let_in))
        await asyncio.sleep(self.crowd.limits["auth_timeout_ms"] / 1000 + 1)
        while self.inside:
            self.inside.pop().close()

    def verdict(self):
        check(self.let_in and set(self.let_in) == {self.rate},
              f"{self.limit}: {self.let_in} were let in where {self.rate} may be")


class SessionFlood(Door):
    """Sessions, ten of each account, as many as may come from one address, and then nine times as many."""

    limit = "connections_per_address"
    OF_AN_ACCOUNT = 10

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.users = [crowd.account() for _ in range(-(-self.rate // self.OF_AN_ACCOUNT))]

    async def visit(self):
        for n in range(self.rate):
            await self.enter(n)
        for _ in range((TIMES - 1) * self.rate):
            await self.knock()
        await asyncio.sleep(3600)

    async def enter(self, n):
        wire = Wire(self.source())
        self.inside.append(wire)
        await wire.connect(self.crowd.host, self.crowd.port)
        session = Session(await WebSocket.open(wire, self.crowd.port), self.users[n // self.OF_AN_ACCOUNT])
        await (await session.log_in()).bind(f"r{n}")
        self.made += 1
        self.served()

    def verdict(self):
        check(self.taken == self.rate < self.made, f"{self.limit}: {self.taken} of {self.made} were let in, "
              f"where {self.rate} may be")


class Guesser(Door):
    """Wrong passwords, as many on a connection as it can."""

    limit = "auth_failures_per_address"

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.victim = crowd.account()
        self.most_of_one = 0

    async def visit(self):
        while self.made < TIMES * self.rate:
            wire = Wire(self.source())
            try:
                await wire.connect(self.crowd.host, self.crowd.port)
                await self.guess(wire)
            except ENDS:
                self.made += 1
            finally:
                wire.close()
        await asyncio.sleep(3600)

    async def guess(self, wire):
        stream = Stream(await WebSocket.open(wire, self.crowd.port), DOMAIN)
        await stream.open()
        wrong = base64.b64encode(f"\0{self.victim}\0not {PASSWORD}".encode()).decode()
        for n in range(self.rate):
            stream.socket.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{wrong}</auth>")
            if (await stream.element()).tag != "{%s}failure" % SASL:
                raise Gone("no answer to a guess")
            self.most_of_one = max(self.most_of_one, n + 1)
            self.made += 1
            self.served()

    def verdict(self):
        attempts = self.crowd.limits["auth_attempts"]
        check(self.most_of_one == attempts, f"auth_attempts: {self.most_of_one} guesses on one connection")
        # The gate hears of the last failures while their connections are still open.
        check(self.rate < self.taken <= self.rate + 2 * attempts and self.made >= TIMES * self.rate,
              f"{self.limit}: {self.taken} of {self.made} guesses were answered where {self.rate} are the limit")


# ---- what is counted by the hour, or by the minute ----


class Stranger(Slowed):
    """Something to many whom it does not know, of which a few may go."""

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.errors = 0

    async def flood(self):
        for n in range(TIMES * self.rate):
            self.made += 1
            await self.wire.send(frame(TEXT, self.TO_ALL.format(f"stranger{n}@{DOMAIN}").encode()))
        await asyncio.sleep(3600)

    def on_answer(self, text):
        if ET.fromstring(text).get("type") == "error":
            self.errors += self.REFUSAL in text

    def verdict(self):
        check(self.errors == self.made - self.rate, f"{self.limit}: {self.errors} of {self.made} were refused")


class Subscriber(Stranger):
    limit = "subscribe_rate"
    TO_ALL = "<presence xmlns='jabber:client' type='subscribe' id='s' to='{}'/>"
    REFUSAL = "resource-constraint"


class Advertiser(Stranger):
    limit = "new_recipients_rate"
    TO_ALL = "<message xmlns='jabber:client' type='chat' id='s' to='{}'><body>Buy!</body></message>"
    REFUSAL = "policy-violation"  # RFC 6120 section 13.12


class Registrar(Door):
    limit = "registration_rate"

    async def visit(self):
        for n in range(TIMES * self.rate):
            wire = Wire(self.source())
            try:
                await wire.connect(self.crowd.host, self.crowd.port)
                await self.register(wire, f"new-{self.number}-{n}")
            finally:
                wire.close()
        await asyncio.sleep(3600)

    async def register(self, wire, name):
        stream = Stream(await WebSocket.open(wire, self.crowd.port), DOMAIN)
        await stream.open()
        stream.socket.send(f"<iq xmlns='{CLIENT}' type='set' id='r'><query xmlns='jabber:iq:register'><username>{name}"
                           f"</username><password>{PASSWORD}</password></query></iq>")
        self.made += 1
        self.served((await stream.element()).get("type") == "result")

    def verdict(self):
        check(self.taken == self.rate < self.made, f"{self.limit}: {self.taken} of {self.made} were registered")


FLOODS = [StanzaFlood, InputFlood, EarlyFlood, FrameFlood, AcceptFlood, SilentFlood, SessionFlood, Guesser,
          Subscriber, Advertiser, Registrar]
