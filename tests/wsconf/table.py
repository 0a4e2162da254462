# SPDX-License-Identifier: MIT
"""What a conformance case is, and the few ways in which cases are carried out.

A case is data: an id, a description and a function of one Session that returns OK or NON_STRICT
or raises Failed. Most are built by echoes(), fails() and closes() from a list of frames.

Ids and intent follow the published numbering of the Autobahn test suite, so that results can be
compared with other servers'; text, payloads and code are our own. Where that suite merely reports
(wrong close code, late detection) this table is stricter: see each builder.
"""

from dataclasses import dataclass
from typing import Callable

from wsclient import (CLOSE, Eof, Timeout, Violation, WsClient, accept_for, close_code,
                      close_payload, encode_frame)

OK, NON_STRICT = "OK", "NON-STRICT"
WHOLE, PER_FRAME = 0, "frame"  # how octets reach the wire; a number N means chops of N octets


class Failed(Exception):
    """The server under test did something else; the message says what."""


@dataclass(frozen=True)
class Options:
    url: str
    quick: bool = False
    timeout: float = 10.0

    def count(self, full, quick):
        return quick if self.quick else full


@dataclass(frozen=True)
class Case:
    id: str
    title: str
    run: Callable  # (Options) -> OK | NON_STRICT

    def key(self):
        return tuple(int(n) for n in self.id.split("."))


@dataclass(frozen=True)
class F:
    """One frame to send."""
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0

    def encode(self):
        return encode_frame(self.opcode, self.payload, self.fin, self.rsv)


def show(event):
    kind, payload = event
    if kind == "close":
        return "close %s" % close_code(payload)
    if kind in ("eof", "reset"):
        return kind
    return "%s %r%s" % (kind, payload[:24], "" if len(payload) <= 24 else "... (%d)" % len(payload))


class Session:
    """An upgraded connection and what has been seen on it."""

    def __init__(self, opts, extensions=None):
        self.opts = opts
        self.closed = False
        self.ws = WsClient(opts.url, timeout=opts.timeout)
        try:
            response = self.ws.upgrade(extensions=extensions)
            if response.status != 101:
                raise Failed("upgrade answered %d %r" % (response.status, response.body[:80]))
            if self.ws.header("sec-websocket-accept") != accept_for(self.ws.key):
                raise Failed("wrong Sec-WebSocket-Accept")
        except BaseException:
            self.ws.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ws.close()

    def send(self, frames, chop=WHOLE, tolerant=False):
        """Writes frames; `tolerant` when the server may already have hung up on us."""
        self.closed = self.closed or any(f.opcode == CLOSE for f in frames)
        try:
            if chop == PER_FRAME:
                for f in frames:
                    self.ws.wire.send(f.encode())
            else:
                self.ws.wire.send(b"".join(f.encode() for f in frames), chop)
        except Eof:
            if not tolerant:
                raise Failed("connection lost while sending") from None

    def event(self, timeout=None):
        """The next event; ("eof", b"") or ("reset", b"") at the end. Server pings are answered."""
        while True:
            try:
                got = self.ws.read_event(timeout)
            except Eof as e:
                return ("reset" if e.reset else "eof"), b""
            except Timeout:
                raise Failed("nothing came within the time limit") from None
            except Violation as e:
                raise Failed(str(e)) from None
            if got[0] != "ping":
                return got
            self.send([F(10, got[1])], tolerant=True)

    def expect(self, *wanted, timeout=None):
        for want in wanted:
            got = self.event(timeout)
            if got != want:
                raise Failed("expected %s, got %s" % (show(want), show(got)))

    def drain(self):
        """All events to the end of the stream. A Close is answered unless ours went first."""
        seen = []
        while True:
            got = self.event()
            seen.append(got)
            if got[0] in ("eof", "reset"):
                return seen
            if got[0] == "close" and not self.closed:
                self.send([F(CLOSE, got[1][:2])], tolerant=True)

    def close_cleanly(self, code=1000):
        """We close; the server must answer with the same code and then drop TCP, nothing else."""
        self.send([F(CLOSE, close_payload(code))])
        seen = self.drain()
        if [show(e) for e in seen] != ["close %d" % code, "eof"]:
            raise Failed("after our close %d: %s" % (code, ", ".join(map(show, seen))))
        return OK

    def judge_failure(self, before, codes):
        """The server must fail the connection with one of `codes` after the events `before`.

        OK: all of `before`, one Close with a right code, end. NON-STRICT: fewer of `before`, or TCP
        dropped without a Close. A wrong code, or any further event, fails.
        """
        seen = self.drain()
        closes = [e for e in seen if e[0] == "close"]
        data = [e for e in seen if e[0] not in ("close", "eof", "reset")]
        if list(before)[:len(data)] != data:
            raise Failed("unexpected: " + ", ".join(map(show, seen)))
        if len(closes) > 1 or (closes and seen.index(closes[0]) != len(data)):
            raise Failed("not silent after close: " + ", ".join(map(show, seen)))
        if closes and close_code(closes[0][1]) not in codes:
            raise Failed("closed with %s, not %s" % (close_code(closes[0][1]), codes))
        return OK if closes and len(data) == len(before) else NON_STRICT


def echoes(id, title, frames, events, chop=WHOLE):
    """Legal frames: exactly `events` come back, in order, then a clean close."""
    def run(opts):
        with Session(opts) as s:
            s.send(frames, chop)
            s.expect(*events)
            return s.close_cleanly()
    return Case(id, title, run)


def fails(id, title, frames, codes=(1002,), before=(), chop=WHOLE):
    """Illegal frames: the server fails the connection (see Session.judge_failure)."""
    def run(opts):
        with Session(opts) as s:
            s.send(frames, chop, tolerant=True)
            return s.judge_failure(before, codes)
    return Case(id, title, run)


def closes(id, title, frames, codes=(1000,), before=()):
    """A close handshake that we begin, maybe with more behind it: answered once, then silence."""
    def run(opts):
        with Session(opts) as s:
            s.send(frames, tolerant=True)
            verdict = s.judge_failure(before, codes)
            if verdict != OK:
                raise Failed("no close frame in answer to ours")
            return OK
    return Case(id, title, run)
