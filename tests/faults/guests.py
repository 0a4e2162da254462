# SPDX-License-Identifier: MIT
"""The crowd's guests: slow readers and writers, handshakes that stop, pings without end, and who sends.

All of them live in one process, as coroutines on raw sockets that do not read unless a guest wants to.
Each comes from an address of 127.0.0.0/8 that it shares with few others, so that what is tested is what
a guest does, and not how many there are of them at one address.
"""

import asyncio
import collections
import re
import socket
import ssl
import struct
import time
import xml.etree.ElementTree as ET

from client import CLOSE, FRAMING, PING, PONG, SIDS, SM, TEXT, Gone, Refused, Stream, frame, upgrade_request
from world import PASSWORD

DOMAIN = "localhost"
IP_BIND_ADDRESS_NO_PORT = 24  # of Linux; the module socket has no name for it
SMALL_BUFFER = 2048           # the kernel doubles it
SMALL_SEGMENT = 536           # keeps the server's kernel from buffering megabytes for a slow reader
AT_ONE_ADDRESS = 5
BULK_BYTES = 12000
PRESENCE = "<presence xmlns='jabber:client'/>"
PINGS_IN_ONE_GO = 100
TOO_LATE = "no login in time"  # we had too much to do; that others can log in is for the canary to say
ENDS = (Gone, OSError, asyncio.IncompleteReadError)


class Wire:
    """A socket, and what was read from it and not used."""

    def __init__(self, source, small=False):
        self.input = bytearray()
        self.taken = 0                # octets that the kernel has taken from us
        self.taken_at = time.monotonic()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if small:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        self.sock.bind((source, 0))

    async def connect(self, host, port):
        await asyncio.get_running_loop().sock_connect(self.sock, (host, port))

    async def send(self, data):
        """Waits for as long as the other side does not take it."""
        loop = asyncio.get_running_loop()
        view = memoryview(data)
        while view:
            try:
                n = self.sock.send(view)
            except BlockingIOError:
                await writable(loop, self.sock)
                continue
            self.taken += n
            self.taken_at = time.monotonic()
            view = view[n:]

    def push(self, data):
        """What is so little that it must fit."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent != len(data):
            raise Gone("no room for a few octets")

    async def more(self, most=65536):
        data = await asyncio.get_running_loop().sock_recv(self.sock, most)
        if not data:
            raise Gone("closed")
        self.input += data

    async def exactly(self, n):
        while len(self.input) < n:
            await self.more()
        data = bytes(self.input[:n])
        del self.input[:n]
        return data

    async def head(self):
        while b"\r\n\r\n" not in self.input:
            await self.more()
        end = self.input.index(b"\r\n\r\n") + 4
        return await self.exactly(end)

    def look(self, most):
        """What is there, without waiting; raises Gone at the end."""
        try:
            data = self.sock.recv(most)
        except BlockingIOError:
            return b""
        if not data:
            raise Gone("closed")
        return data

    async def until_end(self):
        try:
            while True:
                await self.more()
                self.input.clear()
        except ENDS:
            return

    def close(self):
        self.sock.close()


async def writable(loop, sock):
    ready = loop.create_future()
    loop.add_writer(sock, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(sock)


class WebSocket:
    """What client.Stream wants for a socket, on a Wire."""

    def __init__(self, wire):
        self.wire = wire

    @classmethod
    async def open(cls, wire, port):
        wire.push(upgrade_request(port))
        head = await wire.head()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Gone(head.split(b"\r\n")[0].decode("latin-1"))
        return cls(wire)

    def send(self, text):
        self.wire.push(frame(TEXT, text.encode()))

    async def receive(self):
        while True:
            opcode, payload = await self.frame()
            if opcode == TEXT:
                return payload.decode()
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise Gone(f"closed {code}")
            if opcode == PING:
                self.wire.push(frame(PONG, payload))

    async def frame(self):
        first, second = await self.wire.exactly(2)
        size = second & 127
        if size == 126:
            size, = struct.unpack("!H", await self.wire.exactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", await self.wire.exactly(8))
        return first & 15, await self.wire.exactly(size)


class Session:
    """A login, and what the guest does with it."""

    def __init__(self, ws, user):
        self.ws, self.wire, self.user = ws, ws.wire, user
        self.stream = Stream(ws, DOMAIN)
        self.sm_id = None

    async def log_in(self):
        try:
            await self.stream.authenticate(self.user, PASSWORD)
        except Refused as refused:
            if "connection-timeout" in str(refused):
                raise Gone(TOO_LATE) from None
            raise
        return self

    async def bind(self, resource="r"):
        self.ws.send("<iq xmlns='jabber:client' type='set' id='bind'><bind "
                     f"xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>")
        answer = await self.stream.element()
        if answer.get("type") != "result":
            raise Gone(ET.tostring(answer).decode())

    async def enable(self, max_s=600):
        self.ws.send(f"<enable xmlns='{SM}' resume='true' max='{max_s}'/>")
        answer = await self.stream.element()
        while answer.tag != "{%s}enabled" % SM:  # what others have sent already
            answer = await self.stream.element()
        self.sm_id = answer.get("id")

    async def resume(self, sm_id):
        """True when the session goes on. That we have none of it is no lie: nothing was read."""
        self.ws.send(f"<resume xmlns='{SM}' previd='{sm_id}' h='0'/>")
        answer = await self.stream.element()
        self.sm_id = sm_id if answer.tag == "{%s}resumed" % SM else None
        if self.sm_id is not None and answer.get("h") == "0":
            self.presence()  # the server has not read it: it does not read from who does not read
        return self.sm_id is not None

    def presence(self):
        self.ws.send(PRESENCE)


class Guest:
    """Comes, does what its kind does until it is thrown out, and comes again."""

    block = 0      # second octet of its address
    pause_s = 1.0  # before it comes again
    small = False  # buffers
    tls = False

    def __init__(self, crowd, number):
        self.crowd, self.number = crowd, number
        self.wire = None
        self.begun = 0.0

    def source(self):
        n = self.number // AT_ONE_ADDRESS
        return f"127.{self.block}.{n // 250}.{n % 250 + 1}"

    async def live(self):
        while True:
            self.begun = time.monotonic()
            await self.come_once()
            await asyncio.sleep(self.pause_s)

    async def come_once(self):
        try:
            await self.connect()
            await self.visit()
        except ENDS as end:
            self.thrown_out(end)
        finally:
            if self.wire:
                self.wire.close()

    async def connect(self):
        if self.wire:
            self.wire.close()
        self.wire = Wire(self.source(), self.small)
        await self.wire.connect(self.crowd.host, self.crowd.tls_port if self.tls else self.crowd.port)

    async def web_socket(self):
        return await WebSocket.open(self.wire, self.crowd.port)

    async def session(self, user):
        return await Session(await self.web_socket(), user).log_in()

    async def visit(self):
        raise NotImplementedError

    def thrown_out(self, _end):
        self.crowd.tally[type(self).__name__ + " ended"] += 1


# ---- slow readers ----


class SlowReader(Guest):
    """Logs in, and then takes one octet a second or none at all, but says now and then that it is there.

    Every second one has stream management; of these one half comes back and resumes, again without
    reading, and the other stays away, so that its session fills until it ends."""

    block, small = 10, True
    pause_s = 0.2  # later the session may have ended for what it was sent meanwhile

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.user = crowd.account()
        self.managed = number % 2 == 0
        self.octets = number // 2 % 2  # a second
        self.bulk = frame(TEXT, (f"<message xmlns='jabber:client' type='headline' to='{self.user}@{DOMAIN}/r'>"
                                 f"<body>{'x' * BULK_BYTES}</body></message>").encode())  # what others send it
        self.stays_away = self.octets == 1
        self.sm_id = None
        self.inside = False

    async def visit(self):
        session = await self.session(self.user)
        self.inside = True
        if self.sm_id is None or not await session.resume(self.sm_id):
            self.crowd.tally["sessions not there to be resumed"] += self.sm_id is not None
            await session.bind()
            if self.managed:
                await session.enable()
            session.presence()
        else:
            self.crowd.tally["resumed"] += 1
        self.sm_id = session.sm_id
        while True:
            if self.octets:
                await asyncio.sleep(1)
                self.wire.look(self.octets)
            else:
                await asyncio.sleep(0.2)
            self.say_that_one_lives()

    def say_that_one_lives(self):
        """A client that does not read does not see that it was closed either: but for this."""
        try:
            self.wire.sock.send(frame(PONG, b""))
        except BlockingIOError:
            pass  # the server does not read from who does not read

    def thrown_out(self, end):
        if not self.inside and str(end) != TOO_LATE:
            self.crowd.tally[f"reader refused: {end}"] += 1
            return
        if self.inside:
            self.crowd.tally["readers with management closed" if self.managed else "readers closed"] += 1
        self.inside = False

    async def live(self):
        if self.managed and self.stays_away:
            await self.come_once()
        else:
            await super().live()


class Sender(Guest):
    """Sends to the readers as fast as it may: much that is not kept, and now and then a message that is.

    It asks what was taken over, and remembers what was acknowledged."""

    block, pause_s = 11, 0.2
    KEPT = 10  # every so many

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.user = crowd.account()
        self.made = 0
        self.bulk = 0                       # how much of what is not kept the server has taken
        self.waiting = collections.deque()  # (number in the stream, token, reader)

    async def connect(self):
        await super().connect()
        # What our kernel took for a server that does not read would not be sent to anybody.
        self.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BULK_BYTES)

    async def visit(self):
        session = await self.session(self.user)
        await session.bind()
        await session.enable(2)  # it never comes back for what it was sent itself
        self.waiting.clear()
        self.bulk = 0
        reading = asyncio.create_task(self.hear(session))
        try:
            await self.talk()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def talk(self):
        readers = [guest for guest in self.crowd.guests if isinstance(guest, SlowReader)]
        sent = 0
        first = self.number * len(readers) // max(self.crowd.senders, 1)
        few = min(len(readers), self.crowd.limits["new_recipients_rate"])  # more would be refused
        readers = [readers[(first + n) % len(readers)] for n in range(few)]
        at = 0
        while True:
            at = (at + 1) % few
            sent += 1
            if sent % self.KEPT:
                await self.wire.send(readers[at].bulk)
            else:
                await self.send_kept(sent, f"{readers[at].user}@{DOMAIN}")

    async def send_kept(self, sent, reader):
        self.made += 1
        token = f"{self.user}@{DOMAIN}:{self.made}"
        self.waiting.append((sent, token, reader))
        text = (f"<message xmlns='jabber:client' type='chat' to='{reader}' id='{token}'><body>{token}</body>"
                f"<origin-id xmlns='{SIDS}' id='{token}'/></message>")
        await self.wire.send(frame(TEXT, text.encode()) + frame(TEXT, f"<r xmlns='{SM}'/>".encode()))

    async def hear(self, session):
        while True:
            text = await session.ws.receive()
            if text.startswith("<a "):
                h = int(re.search(r"\bh=['\"](\d+)", text).group(1))
                self.crowd.offered += (h - h // self.KEPT - self.bulk) * BULK_BYTES
                self.bulk = h - h // self.KEPT
                while self.waiting and self.waiting[0][0] <= h:
                    _, token, reader = self.waiting.popleft()
                    self.crowd.acknowledged[token] = reader
            elif text.startswith("<message") and "type='error'" in text.replace('"', "'"):
                self.crowd.refused.add(ET.fromstring(text).get("id"))


# ---- slow writers ----


class SlowWriter(Guest):
    """One octet a second: of an HTTP request, of a WebSocket frame, of the login, of a message."""

    block = 12
    STAGES = ("http", "message", "frame", "login", "message")

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.stage = self.STAGES[number % len(self.STAGES)]
        self.user = crowd.account() if self.stage == "message" else None

    async def visit(self):
        data = await getattr(self, "until_" + self.stage)()
        for octet in data:
            self.wire.push(bytes([octet]))
            await asyncio.sleep(1)
            if b"connection-timeout" in self.wire.look(65536):
                raise Gone("its time is over")

    async def until_http(self):
        return upgrade_request(self.crowd.port).replace(b"Upgrade:", b"X-Pad: " + b"p" * 4000 + b"\r\nUpgrade:", 1)

    async def until_frame(self):
        await self.web_socket()
        return frame(TEXT, b"<open xmlns='%s' to='localhost' version='1.0'" % FRAMING.encode() + b" " * 4000 + b"/>")

    async def until_login(self):
        ws = await self.web_socket()
        await Stream(ws, DOMAIN).open()
        return frame(TEXT, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + b"A" * 4000)

    async def until_message(self):
        session = await self.session(self.user)
        await session.bind()
        return frame(TEXT, f"<message xmlns='jabber:client' to='{self.user}@{DOMAIN}'><body>".encode() + b"s" * 4000)

    def thrown_out(self, _end):
        self.crowd.lives[self.stage].append(time.monotonic() - self.begun)


# ---- handshakes that stop ----


def client_hello():
    """As a client sends it, to the octet."""
    context = ssl.create_default_context()
    output = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), output, server_hostname=DOMAIN)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return output.read()


class HalfHandshake(Guest):
    """A ClientHello, or half of one, and then nothing."""

    block, tls, pause_s = 13, True, 0.1
    hello = client_hello()

    async def visit(self):
        self.wire.push(self.hello if self.number % 2 else self.hello[:len(self.hello) // 2])
        await self.wire.until_end()
        raise Gone("closed")

    def thrown_out(self, _end):
        self.crowd.lives["tls"].append(time.monotonic() - self.begun)


# ---- pings without end ----


class FramePinger(Guest):
    """WebSocket pings, before or after the login; the answers are not read."""

    block, small = 14, True

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.user = crowd.account() if number % 2 else None

    async def visit(self):
        if self.user:
            await (await self.session(self.user)).bind()
        else:
            await self.web_socket()
        pings = frame(PING, b"p" * 100) * PINGS_IN_ONE_GO
        while True:
            await self.wire.send(pings)

    def thrown_out(self, _end):
        self.crowd.tally["pingers closed"] += 1


class StanzaPinger(Guest):
    """XMPP pings whose answers are as long, and not read: the server stops reading, and closes nothing."""

    block, small = 15, True

    def __init__(self, crowd, number):
        super().__init__(crowd, number)
        self.user = crowd.account()
        self.pinging = False

    async def visit(self):
        await (await self.session(self.user)).bind()
        self.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BULK_BYTES)  # it is slow to read, not to send
        self.pinging = True
        ping = f"<iq xmlns='jabber:client' type='get' to='{DOMAIN}' id='{'p' * 2000}'><ping xmlns='urn:xmpp:ping'/></iq>"
        while True:
            await self.wire.send(frame(TEXT, ping.encode()) * 10)

    def is_blocked(self, seconds):
        """Nothing was taken from it for so long, and it is still connected."""
        return self.pinging and time.monotonic() - self.wire.taken_at >= seconds

    def thrown_out(self, end):
        self.pinging = False
        super().thrown_out(end)
