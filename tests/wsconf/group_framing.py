# SPDX-License-Identifier: MIT
"""Groups 1 to 5: framing, pings and pongs, reserved bits, opcodes, fragmentation."""

from table import NON_STRICT, PER_FRAME, WHOLE, Case, F, Failed, Session, echoes, fails
from wsclient import BINARY, CLOSE, CONT, PING, PONG, TEXT

SIZES = (0, 125, 126, 127, 128, 65535, 65536)
HELLO = b"a small text"
BYTES = bytes([0, 255, 254, 253, 252, 251, 0, 255])
HOW = {WHOLE: "in one write", PER_FRAME: "frame by frame", 1: "octet by octet"}


def group1():
    for sub, name, opcode, unit in ((1, "text", TEXT, b"*"), (2, "binary", BINARY, b"\xfe")):
        for i, size in enumerate(SIZES, 1):
            data = unit * size
            yield echoes("1.%d.%d" % (sub, i), "%s message of %d octets" % (name, size),
                         [F(opcode, data)], [(name, data)])
        data = unit * 65536
        yield echoes("1.%d.8" % sub, "%s message of 65536 octets in chops of 997" % name,
                     [F(opcode, data)], [(name, data)], chop=997)


def group2():
    def ping(n, title, payload, chop=WHOLE):
        return echoes("2.%d" % n, title, [F(PING, payload)], [("pong", payload)], chop)

    yield ping(1, "empty ping", b"")
    yield ping(2, "ping with text", b"ping me")
    yield ping(3, "ping with octets that are not UTF-8", BYTES)
    yield ping(4, "ping with 125 octets, the most allowed", b"\xfe" * 125)
    yield fails("2.5", "ping with 126 octets", [F(PING, b"\xfe" * 126)])
    yield ping(6, "ping with 125 octets, octet by octet", b"\xfe" * 125, 1)
    yield echoes("2.7", "unasked empty pong is ignored", [F(PONG)], [])
    yield echoes("2.8", "unasked pong with payload is ignored", [F(PONG, b"unasked")], [])
    yield echoes("2.9", "unasked pong, then a ping", [F(PONG, b"unasked"), F(PING, b"asked")],
                 [("pong", b"asked")])
    yield ten_pings("2.10", WHOLE)
    yield ten_pings("2.11", 1)


def ten_pings(id, chop):
    """Ten pongs in order are OK. RFC 6455 section 5.5.3 lets a peer answer only the most recent of
    several pings: fewer pongs, in order and the last one among them, are NON-STRICT."""
    pings = [b"ping number %d" % i for i in range(10)]

    def run(opts):
        with Session(opts) as s:
            s.send([F(PING, p) for p in pings], chop)
            answered = []
            while pings[-1] not in answered:
                kind, payload = s.event()
                if kind != "pong":
                    raise Failed("%s after pongs %s" % (kind, answered))
                answered.append(payload)
            if answered != sorted(set(answered) & set(pings)):
                raise Failed("pongs: %s" % answered)
            verdict = s.close_cleanly()
            return verdict if answered == pings else NON_STRICT
    return Case(id, "ten pings, sent " + HOW[chop], run)


def group3():
    yield fails("3.1", "text with RSV 1", [F(TEXT, HELLO, rsv=1)])
    for n, rsv, chop in ((2, 2, WHOLE), (3, 3, PER_FRAME), (4, 4, 1)):
        yield fails("3.%d" % n, "text, text with RSV %d, ping, sent %s" % (rsv, HOW[chop]),
                    [F(TEXT, HELLO), F(TEXT, HELLO, rsv=rsv), F(PING)],
                    before=[("text", HELLO)], chop=chop)
    yield fails("3.5", "binary with RSV 5", [F(BINARY, BYTES, rsv=5)])
    yield fails("3.6", "ping with RSV 6", [F(PING, HELLO, rsv=6)])
    yield fails("3.7", "close with RSV 7", [F(CLOSE, rsv=7)])


def group4():
    for sub, first, name in ((1, 3, "non-control"), (2, 11, "control")):
        yield fails("4.%d.1" % sub, "reserved %s opcode %d" % (name, first), [F(first)])
        yield fails("4.%d.2" % sub, "reserved %s opcode %d with payload" % (name, first + 1),
                    [F(first + 1, b"payload")])
        for i, (payload, chop) in enumerate(((b"", WHOLE), (HELLO, WHOLE), (HELLO, 1)), 2):
            yield fails("4.%d.%d" % (sub, i + 1),
                        "text, reserved %s opcode %d%s, ping, sent %s"
                        % (name, first + i, " with payload" if payload else "", HOW[chop]),
                        [F(TEXT, HELLO), F(first + i, payload), F(PING)],
                        before=[("text", HELLO)], chop=chop)


def two_step(id, title, chop):
    """The first ping is answered while the message is still open; only then do we go on."""
    parts = [b"part %d, " % i for i in range(5)]

    def run(opts):
        with Session(opts) as s:
            s.send([F(TEXT, parts[0], fin=False), F(CONT, parts[1], fin=False),
                    F(PING, b"first")], chop)
            s.expect(("pong", b"first"))
            s.send([F(CONT, parts[2], fin=False), F(CONT, parts[3], fin=False),
                    F(PING, b"second"), F(CONT, parts[4])], chop)
            s.expect(("pong", b"second"), ("text", b"".join(parts)))
            return s.close_cleanly()
    return Case(id, title, run)


def group5():
    chops = (WHOLE, PER_FRAME, 1)
    for n, name, op in ((1, "ping", PING), (2, "pong", PONG)):
        yield fails("5.%d" % n, "%s in two fragments" % name,
                    [F(op, b"one", fin=False), F(CONT, b"two")])
    both = [F(TEXT, b"one", fin=False), F(CONT, b"two")]
    for n, chop in enumerate(chops, 3):
        yield echoes("5.%d" % n, "text in two fragments, sent " + HOW[chop], both,
                     [("text", b"onetwo")], chop)
    for n, chop in enumerate(chops, 6):
        yield echoes("5.%d" % n, "ping between two fragments, sent " + HOW[chop],
                     [both[0], F(PING, b"between"), both[1]],
                     [("pong", b"between"), ("text", b"onetwo")], chop)
    for base, fin in ((9, True), (12, False)):
        for n, chop in enumerate(chops, base):
            yield fails("5.%d" % n, "continuation (FIN %d) of nothing, then text, sent %s"
                        % (fin, HOW[chop]), [F(CONT, b"lost", fin=fin), F(TEXT, HELLO)],
                        chop=chop)
    yield fails("5.15", "fragmented text, continuation (FIN 0) of nothing, text",
                both + [F(CONT, b"three", fin=False), F(TEXT, b"four")],
                before=[("text", b"onetwo")])
    for n, fin in ((16, False), (17, True)):
        yield fails("5.%d" % n, "twice: continuation (FIN %d) of nothing, fragmented text" % fin,
                    [F(CONT, b"lost", fin=fin)] + both + [F(CONT, b"lost", fin=fin)] + both)
    yield fails("5.18", "second fragment has opcode text again",
                [F(TEXT, b"one", fin=False), F(TEXT, b"two")])
    yield two_step("5.19", "five fragments, two pings between, sent in two steps", WHOLE)
    yield two_step("5.20", "the same, sent frame by frame", PER_FRAME)


def cases():
    for group in (group1, group2, group3, group4, group5):
        yield from group()
