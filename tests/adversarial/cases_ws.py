# SPDX-License-Identifier: MIT
"""B. WebSocket framing against the XMPP endpoint: cases 11 to 18."""

import os
import random
import subprocess
import sys
import time

import settings
from registry import case
from xmpp import Closed, Eof, Fail, Timeout, check, message, ping_iq

from wsclient import (BINARY, CLOSE, CONT, PING, TEXT, Deflate,
                      close_payload, encode_frame)

HERE = os.path.dirname(os.path.abspath(__file__))


def expect_close(rig, what, data, codes, logged_in=False, chop=0, timeout=5.0):
    """Writes raw bytes; the connection must end with one of `codes`."""
    client = rig.client("alice") if logged_in else rig.opened()
    with client:
        try:
            client.ws.wire.send(data, chop)
        except Eof:
            pass
        try:
            return client.expect_ws_close(*codes, timeout=timeout)
        except Fail as e:
            raise Fail("%s: %s" % (what, e)) from None


@case(11, "the whole conformance table of tests/wsconf", slack_mib=64)
def case_11_conformance(rig):
    run = subprocess.run([sys.executable, os.path.join(HERE, "..", "wsconf", "run.py"), "--quick",
                          "--url", rig.url(settings.ECHO_PATH)], capture_output=True, text=True,
                         timeout=300)
    lines = run.stdout.splitlines()
    bad = [line for line in lines if line.startswith("not ok")]
    check(run.returncode == 0 and not bad, "%s; %s", lines[-1:] or run.stderr[-200:], bad[:3])


@case(12, "unmasked frames, RSV bits, reserved opcodes, bad control frames, bad fragmentation")
def case_12_bad_frames(rig):
    iq = ping_iq("x", rig.domain).encode()
    bad = {"unmasked text": encode_frame(TEXT, iq, masked=False),
           "unmasked ping": encode_frame(PING, b"x", masked=False),
           "ping of 126": encode_frame(PING, b"x" * 126),
           "close of 126": encode_frame(CLOSE, close_payload(1000, b"x" * 124)),
           "fragmented ping": encode_frame(PING, b"x", fin=False) + encode_frame(CONT, b"y"),
           "fragmented close": encode_frame(CLOSE, b"", fin=False),
           "text inside a fragmented text": encode_frame(TEXT, b"<a", fin=False)
           + encode_frame(TEXT, iq),
           "continuation of nothing": encode_frame(CONT, iq)}
    for rsv in range(1, 8):
        bad["RSV %d" % rsv] = encode_frame(TEXT, iq, rsv=rsv)
        bad["RSV %d on ping" % rsv] = encode_frame(PING, b"x", rsv=rsv)
        bad["RSV %d on close" % rsv] = encode_frame(CLOSE, b"", rsv=rsv)
    for opcode in (*range(3, 8), *range(11, 16)):
        bad["opcode %d" % opcode] = encode_frame(opcode, b"")
    for what, data in bad.items():
        expect_close(rig, what, data, (1002,))
        expect_close(rig, what + ", octet by octet", data, (1002,), chop=1)
    for what in ("unmasked text", "RSV 4", "opcode 3", "fragmented ping"):
        expect_close(rig, what + " after login", bad[what], (1002,), logged_in=True)


@case(13, "absurd and non-minimal lengths are refused from the header alone")
def case_13_lengths(rig):
    before = rig.rss_kib()
    most = rig.limits["stanza_bytes"]
    for logged_in in (False, True):
        for n in (1 << 63, (1 << 64) - 1, (1 << 63) - 1, 1 << 40, (1 << 32) - 1, 1 << 31, most + 1):
            head = encode_frame(TEXT, b"", declared=n, form=64)
            expect_close(rig, "length %d" % n, head, (1002, 1009), logged_in, timeout=2.0)
    for form, n in ((16, 5), (16, 125), (64, 5), (64, 126), (64, 65535)):
        data = encode_frame(TEXT, b" " * n, form=form)
        expect_close(rig, "length %d in %d bits" % (n, form), data, (1002,))
    announced = encode_frame(TEXT, b"", declared=rig.limits["preauth_stanza_bytes"], form=16)
    clients = [rig.opened() for _ in range(100)]
    before = rig.rss_kib()
    for client in clients:
        client.ws.wire.send(announced)
    rig.canary.judge(1.0)  # the server has had a turn since: anything allocated shows
    grown = rig.rss_kib() - before
    for client in clients:
        client.close()
    check(grown <= 16 * 100 * rig.options.rss_factor,
          "100 announced frames cost %d KiB before a byte of them came", grown)


def fragmented(data, count):
    """`data` in `count` frames; where there are more frames than bytes the rest is empty."""
    step = max(1, -(-len(data) // count))
    pieces = [data[i * step:(i + 1) * step] for i in range(count)]
    return b"".join(encode_frame(TEXT if i == 0 else CONT, p, fin=i == count - 1)
                    for i, p in enumerate(pieces))


@case(14, "fragments: 32 are enough, empty ones count, sizes add up",
      counts=("ws_fragments", "stanza_bytes"))
def case_14_fragments(rig):
    most = rig.limits["ws_fragments"]
    with rig.client("alice") as client:
        for count in (2, most - 1, most):
            id = "fragments-%d" % count
            client.ws.wire.send(fragmented(ping_iq(id, rig.domain).encode(), count))
            client.wait_for(lambda e: e.get("id") == id)
    iq = ping_iq("x", rig.domain).encode()
    for logged_in in (False, True):
        expect_close(rig, "%d fragments" % (most + 1), fragmented(iq, most + 1), (1008, 1009),
                     logged_in)
    flood = encode_frame(TEXT, b"<", fin=False) + encode_frame(CONT, b"", fin=False) * 100000
    expect_close(rig, "100,000 empty fragments", flood, (1008, 1009))
    size = rig.limits["stanza_bytes"]
    quarter = size // 4
    data = encode_frame(TEXT, b"<" + b"a" * (quarter - 1), fin=False)
    data += encode_frame(CONT, b"a" * quarter, fin=False) * 3
    # The sum is at the limit now; the header of one more byte must be enough.
    data += encode_frame(CONT, b"", declared=1, fin=False)
    expect_close(rig, "fragments that sum to one byte too much", data, (1009,), logged_in=True)


@case(15, "ping flood by a peer that never reads", slack_mib=8, counts=("ws_control_rate",))
def case_15_ping_flood(rig):
    with rig.client("alice") as client:
        for i in range(5):
            client.ws.send_frame(PING, b"ping %d" % i)
        while client.ws.read_event()[1] != b"ping 4":
            pass  # earlier pongs may be coalesced into the last one, RFC 6455 section 5.5.3
    with rig.client("alice") as client:
        before = rig.rss_kib()
        blocked = False
        try:
            for _ in range(400):  # 20,000 pings, some 2.6 MB, as fast as the server takes them
                client.ws.wire.sock.setblocking(True)
                client.ws.wire.sock.settimeout(2.0)
                client.ws.wire.sock.sendall(encode_frame(PING, b"p" * 125) * 50)
        except TimeoutError:
            blocked = True
        except OSError:
            pass
        client.ws.wire.sock.setblocking(False)
        grown = rig.rss_kib() - before
        check(grown <= 2048 * rig.options.rss_factor, "the flood costs %d KiB", grown)
        end = client.ending(10.0)
        check(end.code in (1008, None), "closed with %s", end.code)
        check(not blocked, "the flood was never refused, only held up")


@case(16, "binary frames, bad close codes and reasons; nothing counts after close")
def case_16_close_codes(rig):
    expect_close(rig, "binary", encode_frame(BINARY, b"\0\1"), (1003,))
    expect_close(rig, "empty binary", encode_frame(BINARY, b""), (1003,))
    expect_close(rig, "binary after login", encode_frame(BINARY, b"<presence/>"), (1003,), True)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
        expect_close(rig, "code %d" % code, encode_frame(CLOSE, close_payload(code)), (1002,))
    expect_close(rig, "one octet", encode_frame(CLOSE, b"\x03"), (1002,))
    expect_close(rig, "reason is not UTF-8",
                 encode_frame(CLOSE, close_payload(1000, b"\xed\xa0\x80")), (1002, 1007))
    with rig.client("bob") as bob:
        bob.presence()
        with rig.client("alice") as alice:
            late = message(bob.jid, "after close").encode()
            alice.ws.wire.send(encode_frame(CLOSE, close_payload(1000)) + encode_frame(TEXT, late))
            alice.expect_ws_close(1000)
        with rig.client("alice") as alice:
            alice.send(message(bob.jid, "marker"))
            got = bob.wait_for(lambda e: e.tag.endswith("}message"))
            check("".join(got.itertext()) == "marker", "a message after close was delivered")


def bomb(mib):
    """`mib` MiB of one letter as one compressed text frame."""
    packed = Deflate(level=9).pack(b"<a>" + b"a" * (mib << 20))
    return encode_frame(TEXT, packed, rsv=4)


@case(17, "permessage-deflate is declined unless enabled; a bomb stops at the limit", slack_mib=8)
def case_17_deflate(rig):
    with rig.ws() as ws:
        response = ws.upgrade(protocol="xmpp", extensions="permessage-deflate")
        check(response.status == 101, "offer leads to %d", response.status)
        check(ws.header("sec-websocket-extensions") is None, "agreed to by default")
    expect_close(rig, "compressed frame without agreement", bomb(1), (1002,))
    with rig.variant({"deflate": True}) as other:
        deflate_bombs(other)


def deflate_bombs(rig):
    """Before login and after; small enough when packed that only their contents are too big."""
    for logged_in, mib in ((False, 1), (False, 12), (True, 1), (True, 64)):
        data = bomb(mib)
        limit = rig.limits["stanza_bytes" if logged_in else "preauth_stanza_bytes"]
        check(len(data) < limit, "%d MiB pack into %d bytes only", mib, len(data))
        with rig.connect(extensions="permessage-deflate") as client:
            check(client.ws.deflate is not None, "not agreed to although enabled")
            if logged_in:
                client.login("alice", settings.PASSWORD)
            rig.canary.judge(1.0)
            rig.reset_peak()
            before = rig.peak_kib()
            client.ws.wire.send(data)
            end = client.ending()
            check(end.code == 1009 or end.errors == ["policy-violation"], "%d MiB: %s", mib, end)
            grown = rig.peak_kib() - before
            allowed = (limit // 1024 + 64) * rig.options.rss_factor + 512
            check(grown <= allowed, "%d MiB bomb: peak RSS grew %d KiB", mib, grown)


def random_ending(rng, client):
    """One of the ways a connection can end, or two at once."""
    frames = [encode_frame(CLOSE, close_payload(1000)), encode_frame(PING, b"x"),
              encode_frame(TEXT, b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"),
              encode_frame(TEXT, b"<"), encode_frame(TEXT, ping_iq("r").encode()),
              encode_frame(BINARY, b""), encode_frame(3), b"\x81", b"\x88\x80"]
    wire = client.ws.wire
    try:
        wire.send(b"".join(rng.choices(frames, k=rng.randint(0, 4))))
        if rng.random() < 0.3:
            wire.half_close()
        if rng.random() < 0.3:
            wire.read_more(0.01)
    except (Eof, Timeout):
        pass
    client.close(reset=rng.random() < 0.4)


@case(18, "close races, random seeds for eight seconds", slack_mib=8)
def case_18_close_races(rig):
    deadline, seed = time.monotonic() + 8.0 * rig.options.scale, 0
    while time.monotonic() < deadline:
        seed += 1
        rng = random.Random(seed)
        stages = (rig.connect, rig.opened, lambda: rig.client("alice", "race"))
        clients = []
        for _ in range(rng.randint(1, 6)):
            try:
                clients.append(rng.choice(stages)())
            except (Fail, Closed):  # replaced by its twin with the same resource meanwhile
                pass
        rng.shuffle(clients)
        for client in clients:
            random_ending(rng, client)
        check(rig.alive(), "the server died at seed %d", seed)
