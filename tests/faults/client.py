# SPDX-License-Identifier: MIT
"""Many clients in one process: XMPP over WebSocket with stream management (XEP-0198), on asyncio.

A client sends messages to others, comes back when its connection goes, resumes, and sends again what
the server has not taken over. Everything it says and sees goes into a log for checker.py. It does what
XEP-0198 and our documents ask of a client, and nothing that would hide a mistake of the server:

- what waits for an acknowledgement is kept; after <resumed h='N'/> or <failed h='N'/> what is behind
  N is sent again, with the id and origin-id it had;
- what arrives is counted, and an <r/> answered at once;
- a message that was here before (same sender and origin-id) is not shown again.
"""

import asyncio
import base64
import collections
import hashlib
import hmac
import os
import random
import struct
import time
import xml.etree.ElementTree as ET

from wsclient import encode_length

SM = "urn:xmpp:sm:3"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
SIDS = "urn:xmpp:sid:0"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
ASK_EVERY = 5  # stanzas
POSTPONED = "come back in a moment"  # what it says then, and the session is there later
CONNECT_S = 20
WRAP = 1 << 32


class Gone(Exception):
    """The connection has ended."""


class Refused(Exception):
    """The server said no where a client of good faith expects yes."""


# ---- WebSocket ----


def upgrade_request(port, path="/xmpp-websocket"):
    key = base64.b64encode(os.urandom(16)).decode()
    return (f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: xmpp\r\n\r\n").encode()


def frame(opcode, payload):
    """Masks are zero, which RFC 6455 does not forbid."""
    seven, more = encode_length(len(payload))
    return bytes([128 | opcode, 128 | seven]) + more + bytes(4) + payload


class Socket:
    """One text message is one element (RFC 7395)."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(upgrade_request(port))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            writer.close()
            raise Gone(head.split(b"\r\n")[0].decode("latin-1"))
        return cls(reader, writer)

    def _frame(self, opcode, payload):
        if not self.writer.is_closing():
            self.writer.write(frame(opcode, payload))

    def send(self, text):
        self._frame(TEXT, text.encode())

    async def receive(self):
        while True:
            first, second = await self.reader.readexactly(2)
            size = second & 127
            if size == 126:
                size, = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                size, = struct.unpack("!Q", await self.reader.readexactly(8))
            payload = await self.reader.readexactly(size)
            opcode = first & 15
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                self._frame(PONG, payload)
            elif opcode == CLOSE:
                raise Gone("closed")

    def abort(self):
        """As a lost network does it."""
        self.writer.transport.abort()

    async def close(self):
        self._frame(CLOSE, struct.pack("!H", 1000))
        self.writer.close()


# ---- logging in ----


class Scram:
    """SCRAM-SHA-256 or -1 without channel binding; what a password costs is paid once."""

    salted = {}

    def __init__(self, user, password, hash_name):
        self.user, self.password, self.hash = user, password, hash_name
        self.bare = f"n={user},r={base64.b64encode(os.urandom(15)).decode()}"

    def first(self):
        return "n,," + self.bare

    def _hmac(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def final(self, challenge):
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        key = (self.user, self.hash, parts["s"], parts["i"])
        if key not in Scram.salted:
            Scram.salted[key] = hashlib.pbkdf2_hmac(self.hash, self.password.encode(),
                                                    base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = self._hmac(Scram.salted[key], b"Client Key")
        without = f"c=biws,r={parts['r']}"
        auth = f"{self.bare},{challenge},{without}".encode()
        signature = self._hmac(hashlib.new(self.hash, client_key).digest(), auth)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{without},p={base64.b64encode(proof).decode()}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Stream:
    """From the socket to an authenticated stream with its features."""

    def __init__(self, socket, domain):
        self.socket, self.domain = socket, domain
        self.features = None

    async def element(self):
        return ET.fromstring(await self.socket.receive())

    async def expect(self, tag):
        element = await self.element()
        if element.tag != tag:
            raise Refused(f"wanted {tag}, got {ET.tostring(element).decode()}")
        return element

    async def open(self):
        self.socket.send(f"<open xmlns='{FRAMING}' to='{self.domain}' version='1.0'/>")
        await self.expect("{%s}open" % FRAMING)
        self.features = await self.expect("{%s}features" % STREAMS)

    async def authenticate(self, user, password):
        await self.open()
        offered = [m.text for m in self.features.iter("{%s}mechanism" % SASL)]
        mechanism = next(m for m in ("SCRAM-SHA-256", "SCRAM-SHA-1") if m in offered)
        scram = Scram(user, password, mechanism[6:].replace("-", "").lower())
        self.socket.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{b64(scram.first())}</auth>")
        challenge = await self.expect("{%s}challenge" % SASL)
        final = scram.final(base64.b64decode(challenge.text).decode())
        self.socket.send(f"<response xmlns='{SASL}'>{b64(final)}</response>")
        await self.expect("{%s}success" % SASL)
        await self.open()

    def offers_sm(self):
        return self.features.find("{%s}sm" % SM) is not None


# ---- a client ----


class Client:
    """One user with one session; `log` is what checker.py reads."""

    def __init__(self, host, port, user, password, domain="localhost", resource="r"):
        self.host, self.port, self.password, self.domain = host, port, password, domain
        self.user, self.resource = user, resource
        self.bare = f"{user}@{domain}"
        self.first = 0                  # where the counters begin: 0 but in a test of their wrapping
        self.log = []
        self.socket = None
        self.online = asyncio.Event()   # bound or resumed, and free to send
        self.sm_id = None
        self.handled = 0                # stanzas that came since stream management was enabled
        self.sent = 0                   # stanzas that went
        self.queue = collections.deque()  # (number, token, recipient, xml), not acknowledged
        self.number = 0                 # of the last message made
        self.seen = set()
        self.resumptions = self.failures = 0
        self.quiet = asyncio.Event()    # nothing waits for an acknowledgement
        self.quiet.set()
        self.stopping = False
        self.answers = {}               # id -> future
        self.refusals = []
        self.postponed = 0              # how often the server was too busy to tell what is there
        self.errors = []                # messages of type error that came back

    # -- sending

    def message_to(self, bare):
        self.number += 1
        token = f"{self.bare}:{self.number}"
        self._stanza(token, bare,
                     f"<message xmlns='jabber:client' type='chat' to='{bare}' id='{token}'><body>{token}</body>"
                     f"<origin-id xmlns='{SIDS}' id='{token}'/></message>")

    def _stanza(self, token, to, xml):
        self.sent += 1
        self.queue.append((self.sent, token, to, xml))
        self.quiet.clear()
        self.log.append(["sent", token, to])
        self.socket.send(xml)
        if self.sent % ASK_EVERY == 0:
            self.ask()

    async def request(self, xml, kind, seconds=10):
        """The answer to an iq of one's own account."""
        id = f"q{self.sent}"
        self.answers[id] = asyncio.get_running_loop().create_future()
        self._stanza(None, None, f"<iq xmlns='jabber:client' type='{kind}' id='{id}'>{xml}</iq>")
        return await asyncio.wait_for(self.answers[id], seconds)

    def ask(self):
        self.socket.send(f"<r xmlns='{SM}'/>")

    def _covered(self, h):
        """Forgets what the other side has taken over."""
        while self.queue and 0 <= (h - self.queue[0][0]) % WRAP < WRAP // 2:
            self.queue.popleft()
        if not self.queue:
            self.quiet.set()

    # -- connecting

    async def _resume(self, stream):
        """True when the session goes on."""
        stream.socket.send(f"<resume xmlns='{SM}' previd='{self.sm_id}' h='{self.handled % WRAP}'/>")
        answer = await stream.element()
        h = answer.get("h")
        if answer.tag == "{%s}resumed" % SM:
            self.log.append(["resumed", int(h)])
            self.resumptions += 1
            self._covered(int(h))
            self.sent = int(h)
            return True
        if answer.tag != "{%s}failed" % SM:
            raise Refused(f"in answer to <resume/>: {ET.tostring(answer).decode()}")
        self.log.append(["failed", None if h is None else int(h)])
        self.failures += 1
        self.sm_id = None
        if h is not None:
            self._covered(int(h))
        return False

    async def _bind(self, stream):
        stream.socket.send("<iq xmlns='jabber:client' type='set' id='bind'><bind "
                           "xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                           f"<resource>{self.resource}</resource></bind></iq>")
        answer = await stream.expect("{%s}iq" % CLIENT)
        if answer.get("type") != "result":
            raise Refused(f"bind: {ET.tostring(answer).decode()}")
        stream.socket.send(f"<enable xmlns='{SM}' resume='true'/>")
        enabled = await stream.expect("{%s}enabled" % SM)
        self.sm_id = enabled.get("id")
        self.handled = self.sent = self.first
        self.log.append(["enabled", self.sm_id, self.first])

    async def _connect(self):
        self.socket = await Socket.open(self.host, self.port)
        stream = Stream(self.socket, self.domain)
        await stream.authenticate(self.user, self.password)
        if not stream.offers_sm():
            raise Refused("the server does not offer stream management")
        resumed = self.sm_id is not None and await self._resume(stream)
        if not resumed:
            await self._bind(stream)
        self._send_again(resumed)
        self.online.set()

    def _send_again(self, resumed):
        """What was not acknowledged; in a new session the presence goes first and is a new one."""
        rest, self.queue = self.queue, collections.deque()
        if not resumed:
            self._stanza(None, None, "<presence xmlns='jabber:client'/>")
        for _, token, to, xml in rest:
            if resumed or token is not None:
                self._stanza(token, to, xml)
        if self.queue:
            self.ask()

    # -- receiving

    def _message(self, element):
        body = element.findtext("{%s}body" % CLIENT)
        if element.get("type") == "error":
            self.errors.append(ET.tostring(element).decode())
            self.log.append(["refused", element.get("id")])
            return
        if body is None:
            return
        sender = element.get("from")
        origin = element.find("{%s}origin-id" % SIDS)
        origin = None if origin is None else origin.get("id")
        stanza = next((e.get("id") for e in element.findall("{%s}stanza-id" % SIDS)
                       if e.get("by") == self.bare), None)
        self.log.append(["received", body, sender, origin, stanza])
        key = (sender.split("/")[0], origin)
        if origin is None or key not in self.seen:
            self.seen.add(key)
            self.log.append(["shown", body, key[0]])

    def _take(self, element):
        if element.tag == "{%s}a" % SM:
            self.log.append(["acked", int(element.get("h"))])
            self._covered(int(element.get("h")))
        elif element.tag == "{%s}r" % SM:
            self.socket.send(f"<a xmlns='{SM}' h='{self.handled % WRAP}'/>")
        elif element.tag in ("{%s}error" % STREAMS, "{%s}close" % FRAMING):
            raise Gone(ET.tostring(element).decode())
        else:
            self.handled += 1
            if element.tag == "{%s}message" % CLIENT:
                self._message(element)
            elif element.get("id") in self.answers:
                self.answers[element.get("id")].set_result(element)

    async def run(self):
        """Until stop(): connects, reads, connects again."""
        while not self.stopping:
            try:
                await asyncio.wait_for(self._connect(), CONNECT_S)
                while True:
                    self._take(ET.fromstring(await self.socket.receive()))
            except (Gone, OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                pass
            except Refused as refused:
                if POSTPONED in str(refused):
                    self.postponed += 1
                else:
                    self.refusals.append(str(refused))
            self.online.clear()
            if self.socket:
                self.socket.abort()
            if not self.stopping:
                await asyncio.sleep(random.uniform(0.02, 0.2))

    def drop(self):
        """The connection is lost, and nobody else hears of it."""
        if self.online.is_set():
            self.online.clear()
            self.socket.abort()

    def stop(self):
        """Ends as if the network was gone: what was not acknowledged stays so."""
        self.stopping = True
        if self.socket:
            self.socket.abort()


async def wait_for(condition, seconds, what):
    """Asks until true; a test that waits for ever says nothing."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        await asyncio.sleep(0.05)
