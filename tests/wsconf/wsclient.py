#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A raw WebSocket client for tests: it says what it is told to say, legal or not.

Nothing is checked on the way out and nothing is corrected on the way in; the tests judge. Only
read_event(), which reassembles messages, refuses what cannot be reassembled (Violation).
Three layers, usable alone:

    encode_frame, FrameReader   bytes <-> frames (RFC 6455 section 5.2)
    Wire                        a TCP or TLS socket with deadlines; it reads while it writes,
                                so a peer that answers before we have finished cannot deadlock us
    WsClient                    upgrade request with full control of every header line, frames,
                                and permessage-deflate (RFC 7692) when it was negotiated
"""

import base64
import hashlib
import random
import select
import socket
import ssl
import struct
import time
import zlib
from collections import deque, namedtuple
from urllib.parse import urlsplit

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DEFLATE_TAIL = b"\x00\x00\xff\xff"

Frame = namedtuple("Frame", "fin rsv opcode masked payload")
Response = namedtuple("Response", "status reason headers body head")


class Violation(Exception):
    """The peer sent frames that RFC 6455 forbids a server to send."""


class Timeout(Exception):
    """The peer did not do in time what was waited for."""


class Eof(Exception):
    """The peer closed its side; `reset` is True when it did so with a TCP reset."""

    def __init__(self, reset=False):
        super().__init__("connection reset" if reset else "end of stream")
        self.reset = reset


def apply_mask(data, key):
    """XOR with the 4-byte key. One big-integer XOR: 16 MiB take some 30 ms."""
    n = len(data)
    if n == 0:
        return b""
    pad = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(n, "little")


def encode_length(n, form=None):
    """The 7-bit field and the bytes behind it. `form` 7, 16 or 64 forces a (non-minimal) form."""
    if form is None:
        form = 7 if n < 126 else 16 if n < 65536 else 64
    if form == 7:
        return n, b""
    if form == 16:
        return 126, struct.pack("!H", n)
    return 127, struct.pack("!Q", n)


def encode_frame(opcode, payload=b"", fin=True, rsv=0, masked=True, key=None,
                 form=None, declared=None):
    """One frame. `declared` lies about the length; `rsv` is the three bits as a number 0..7."""
    if masked and key is None:
        key = random.getrandbits(32).to_bytes(4, "big")
    seven, extra = encode_length(len(payload) if declared is None else declared, form)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if masked else 0) | seven])
    if not masked:
        return head + extra + payload
    return head + extra + key + apply_mask(payload, key)


def close_payload(code=None, reason=b""):
    return b"" if code is None else struct.pack("!H", code) + reason


def close_code(payload):
    """The code in a Close frame's payload: a number, or None where there is none."""
    return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None


class FrameReader:
    """Pulls frames out of bytes as they arrive."""

    def __init__(self):
        self.buf = bytearray()

    def feed(self, data):
        self.buf += data

    def next(self):
        """The next whole frame, or None when more bytes are needed."""
        buf = self.buf
        if len(buf) < 2:
            return None
        size, at = buf[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buf) < at + width:
                return None
            size = int.from_bytes(buf[at:at + width], "big")
            at += width
        masked = bool(buf[1] & 0x80)
        at += 4 if masked else 0
        if len(buf) < at + size:
            return None
        payload = bytes(memoryview(buf)[at:at + size])
        if masked:
            payload = apply_mask(payload, bytes(buf[at - 4:at]))
        frame = Frame(bool(buf[0] & 0x80), buf[0] >> 4 & 7, buf[0] & 15, masked, payload)
        del buf[:at + size]
        return frame


class Deflate:
    """Both directions of permessage-deflate as the client sees them."""

    def __init__(self, params=None, level=6):
        params = params or {}
        self.level = level
        self.own_bits = int(params.get("client_max_window_bits") or 15)
        self.peer_bits = int(params.get("server_max_window_bits") or 15)
        self.own_reset = "client_no_context_takeover" in params
        self.peer_reset = "server_no_context_takeover" in params
        self.packer = self.unpacker = None

    def pack(self, data):
        if self.packer is None or self.own_reset:
            # zlib's raw deflate cannot do an 8-bit window; 9 bits is what it has.
            self.packer = zlib.compressobj(self.level, zlib.DEFLATED, -max(9, self.own_bits))
        out = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        return out[:-4]

    def unpack(self, data):
        """Inflates in the window that was agreed; zlib.error when the peer used a larger one."""
        if self.unpacker is None or self.peer_reset:
            self.unpacker = zlib.decompressobj(-max(9, self.peer_bits))
        return self.unpacker.decompress(data + DEFLATE_TAIL)


class Wire:
    """A connected socket. Every wait has a deadline and raises Timeout at it."""

    def __init__(self, host, port, timeout=10.0, tls=None, server_name=None, source=None,
                 rcvbuf=None):
        self.timeout = timeout
        self.inbox = bytearray()
        self.ended = None
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:  # and small segments: by them the peer's kernel reckons how much it keeps for us
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.sock.settimeout(timeout)
        try:
            if source:
                self.sock.bind((source, 0))
            self.sock.connect((host, port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self.sock = tls.wrap_socket(self.sock, server_hostname=server_name or host)
        except BaseException:
            self.sock.close()
            raise
        self.sock.setblocking(False)

    def fileno(self):
        return self.sock.fileno()

    def _pull(self):
        """Reads what is there; True when something came."""
        if self.ended is not None:
            return False
        got = False
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return got
            except (ConnectionError, ssl.SSLError, OSError) as e:
                self.ended = Eof(reset=isinstance(e, ConnectionResetError))
                return got
            if not data:
                self.ended = Eof()
                return got
            self.inbox += data
            got = True

    def _wait(self, deadline, write):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout()
        poll = select.poll()  # not select(): tests hold more than 1024 descriptors
        poll.register(self.sock, (select.POLLIN if self.ended is None else 0)
                      | (select.POLLOUT if write else 0))
        return bool(poll.poll(left * 1000 + 1))

    def send(self, data, chop=0, timeout=None):
        """Writes all of it, at most `chop` bytes per system call when chop is given."""
        deadline = time.monotonic() + (timeout or self.timeout)
        view, at = memoryview(data), 0
        while at < len(view):
            end = min(len(view), at + chop) if chop else min(len(view), at + (1 << 18))
            try:
                at += self.sock.send(view[at:end])
                continue
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                pass
            except (ConnectionError, ssl.SSLError, OSError):
                self._pull()
                raise Eof(reset=True) from None
            self._wait(deadline, True)
            self._pull()

    def read_more(self, timeout=None):
        """Waits until at least one more byte has come; Eof or Timeout otherwise."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self._pull():
            if self.ended is not None:
                raise self.ended
            self._wait(deadline, False)

    def take(self, n=None):
        n = len(self.inbox) if n is None else n
        out = bytes(self.inbox[:n])
        del self.inbox[:n]
        return out

    def read_until(self, mark, timeout=None, limit=1 << 20):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while mark not in self.inbox:
            if len(self.inbox) > limit:
                raise ValueError("no end mark within %d bytes" % limit)
            self.read_more(max(0.0, deadline - time.monotonic()))
        return self.take(self.inbox.index(mark) + len(mark))

    def read_exact(self, n, timeout=None):
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while len(self.inbox) < n:
            self.read_more(max(0.0, deadline - time.monotonic()))
        return self.take(n)

    def wait_eof(self, timeout=None):
        """Everything up to the end of the stream."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            while True:
                self.read_more(max(0.0, deadline - time.monotonic()))
        except Eof:
            return self.take()

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self, reset=False):
        try:
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.sock.close()
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def parse_extensions(value):
    """`a; p=1; q, b` -> [("a", {"p": "1", "q": None}), ("b", {})]"""
    out = []
    for item in value.split(","):
        parts = [p.strip() for p in item.split(";")]
        params = {}
        for p in parts[1:]:
            name, _, val = p.partition("=")
            params[name.strip()] = val.strip().strip('"') or None
        out.append((parts[0], params))
    return out


def accept_for(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def new_key():
    return base64.b64encode(random.getrandbits(128).to_bytes(16, "big")).decode()


class WsClient:
    """One WebSocket connection. `wire` is public: tests may write any bytes they like to it."""

    def __init__(self, url, timeout=10.0, tls=None, source=None, rcvbuf=None, connect=None):
        self.url = urlsplit(url)
        secure = self.url.scheme == "wss"
        if secure and tls is None:
            tls = unverified_tls()
        self.host = self.url.hostname
        self.port = self.url.port or (443 if secure else 80)
        host, port = connect or (self.host, self.port)
        self.wire = Wire(host, port, timeout, tls if secure else None, self.host, source, rcvbuf)
        self.reader = FrameReader()
        self.frames = deque()
        self.key = new_key()
        self.deflate = None
        self.partial = None
        self.response = None

    # -- upgrade ---------------------------------------------------------------------------

    def default_headers(self, protocol=None, extensions=None, origin=None):
        headers = [("Host", "%s:%d" % (self.host, self.port)), ("Upgrade", "websocket"),
                   ("Connection", "Upgrade"), ("Sec-WebSocket-Key", self.key),
                   ("Sec-WebSocket-Version", "13")]
        if protocol:
            headers.append(("Sec-WebSocket-Protocol", protocol))
        if extensions:
            headers.append(("Sec-WebSocket-Extensions", extensions))
        if origin:
            headers.append(("Origin", origin))
        return headers

    def build_request(self, headers, method="GET", path=None, version="HTTP/1.1"):
        target = (self.url.path or "/") + ("?" + self.url.query if self.url.query else "")
        lines = ["%s %s %s" % (method, path or target, version)]
        lines += ["%s: %s" % h for h in headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def read_response(self, timeout=None):
        head = self.wire.read_until(b"\r\n\r\n", timeout)
        lines = head.decode("latin-1").split("\r\n")
        parts = (lines[0].split(" ", 2) + ["", ""])[:3]
        headers = [(k.strip().lower(), v.strip())
                   for k, _, v in (line.partition(":") for line in lines[1:] if line)]
        length = dict(headers).get("content-length")
        status = int(parts[1]) if parts[1].isdigit() else 0
        body = b""
        if status != 101 and length and length.isdigit():
            body = self.wire.read_exact(int(length), timeout)
        elif status != 101:
            body = self.wire.wait_eof(timeout)
        self.response = Response(status, parts[2], headers, body, head)
        return self.response

    def header(self, name):
        values = [v for k, v in self.response.headers if k == name.lower()]
        return ", ".join(values) if values else None

    def upgrade(self, protocol=None, extensions=None, origin=None, headers=None, trailing=b""):
        """Sends the request (and `trailing` in the same write); returns the Response."""
        if headers is None:
            headers = self.default_headers(protocol, extensions, origin)
        self.wire.send(self.build_request(headers) + trailing)
        self.read_response()
        for name, params in parse_extensions(self.header("sec-websocket-extensions") or ""):
            if name == "permessage-deflate":
                self.deflate = Deflate(params)
        return self.response

    # -- frames ----------------------------------------------------------------------------

    def send_frame(self, opcode, payload=b"", chop=0, **kw):
        self.wire.send(encode_frame(opcode, payload, **kw), chop)

    def send_text(self, text, **kw):
        self.send_message(text.encode() if isinstance(text, str) else text, TEXT, **kw)

    def send_message(self, data, opcode=TEXT, fragment=0, compress=None, chop=0):
        """A message in fragments of `fragment` bytes, compressed when that was negotiated."""
        rsv = 0
        if self.deflate if compress is None else compress:
            data, rsv = self.deflate.pack(data), 4
        step = fragment or max(1, len(data))
        out = []
        for at in range(0, max(1, len(data)), step):
            piece = data[at:at + step]
            out.append(encode_frame(opcode if at == 0 else CONT, piece,
                                    fin=at + step >= len(data), rsv=rsv if at == 0 else 0))
        self.wire.send(b"".join(out), chop)

    def send_close(self, code=1000, reason=b""):
        self.send_frame(CLOSE, close_payload(code, reason))

    def read_frame(self, timeout=None):
        """The next frame exactly as it came. Frames that arrived before an end are handed out."""
        deadline = time.monotonic() + (self.wire.timeout if timeout is None else timeout)
        while True:
            if self.wire.inbox:
                self.reader.feed(self.wire.take())
            frame = self.reader.next()
            if frame is not None:
                return frame
            self.wire.read_more(max(0.0, deadline - time.monotonic()))

    def _judge(self, frame):
        control = frame.opcode in (CLOSE, PING, PONG)
        if frame.masked:
            raise Violation("masked frame from the server")
        if not control and frame.opcode > BINARY:
            raise Violation("opcode %d from the server" % frame.opcode)
        if control and (not frame.fin or len(frame.payload) > 125):
            raise Violation("fragmented or oversized control frame from the server")
        if frame.rsv and not (frame.rsv == 4 and self.deflate
                              and frame.opcode in (TEXT, BINARY)):
            raise Violation("RSV %d from the server" % frame.rsv)
        if not control and (frame.opcode == CONT) != (self.partial is not None):
            raise Violation("broken fragmentation from the server")

    def read_event(self, timeout=None):
        """(kind, payload): text, binary, ping, pong, close; data is reassembled and inflated."""
        names = {CLOSE: "close", PING: "ping", PONG: "pong"}
        deadline = time.monotonic() + (self.wire.timeout if timeout is None else timeout)
        while True:
            frame = self.read_frame(max(0.0, deadline - time.monotonic()))
            self._judge(frame)
            if frame.opcode in names:
                return names[frame.opcode], frame.payload
            if frame.opcode != CONT:
                self.partial = (frame.opcode, frame.rsv, [])
            opcode, rsv, parts = self.partial
            parts.append(frame.payload)
            if frame.fin:
                self.partial = None
                data = b"".join(parts)
                if rsv & 4 and self.deflate:
                    data = self.deflate.unpack(data)
                return ("text" if opcode == TEXT else "binary"), data

    def close(self, reset=False):
        self.wire.close(reset)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def unverified_tls(minimum=None, maximum=None):
    """A TLS context for tests against a self-signed certificate on loopback."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if minimum:
        ctx.minimum_version = minimum
    if maximum:
        ctx.maximum_version = maximum
    return ctx
