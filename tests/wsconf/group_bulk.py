# SPDX-License-Identifier: MIT
"""Groups 9 and 10: large messages, many fragments, many chops, many messages."""

from table import Case, F, Failed, Session
from wsclient import BINARY, TEXT

KIB, MIB = 1 << 10, 1 << 20
KINDS = ((TEXT, "text", "0123456789 caf\u00e9 ".encode()), (BINARY, "binary", bytes(range(251))))


def fill(unit, size, text):
    """`size` octets of repeated `unit`; text that is cut inside a code point ends in dots."""
    data = (unit * (size // len(unit) + 1))[:size]
    return data.decode(errors="ignore").encode().ljust(size, b".") if text else data


def bulk(id, title, opcode, size, fragment=0, chop=0):
    """One message out, the same back, within 100 s whatever its size."""
    def run(opts):
        name, unit = next((n, u) for op, n, u in KINDS if op == opcode)
        data = fill(unit, size, opcode == TEXT)
        with Session(opts) as s:
            s.ws.wire.timeout = 100
            s.ws.send_message(data, opcode, fragment=fragment, chop=chop)
            got = s.event(100)
            if got[0] != name or got[1] != data:
                raise Failed("echo differs: %s of %d octets" % (got[0], len(got[1])))
            return s.close_cleanly()
    return Case(id, title, run)


def many(id, title, opcode, size, seconds):
    """1,000 messages, each sent when the one before has come back."""
    def run(opts):
        name = "text" if opcode == TEXT else "binary"
        data = (b"*" if opcode == TEXT else b"\xfe") * size
        with Session(opts) as s:
            for _ in range(opts.count(1000, 100)):
                s.send([F(opcode, data)])
                s.expect((name, data), timeout=seconds)
            return s.close_cleanly()
    return Case(id, title, run)


def sizes(n):
    return "%d MiB" % (n // MIB) if n >= MIB else "%d KiB" % (n // KIB) if n >= KIB else str(n)


def cases():
    for sub, (opcode, name, _) in enumerate(KINDS, 1):
        for i, size in enumerate((64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
            yield bulk("9.%d.%d" % (sub, i), "%s message of %s" % (name, sizes(size)),
                       opcode, size)
    for sub, (opcode, name, _) in enumerate(KINDS, 3):
        for i in range(9):
            size = 64 << 2 * i
            yield bulk("9.%d.%d" % (sub, i + 1), "4 MiB of %s in fragments of %s"
                       % (name, sizes(size)), opcode, 4 * MIB, fragment=size)
    for sub, (opcode, name, _) in enumerate(KINDS, 5):
        for i in range(6):
            yield bulk("9.%d.%d" % (sub, i + 1), "1 MiB of %s in chops of %d octets"
                       % (name, 64 << i), opcode, MIB, chop=64 << i)
    for sub, (opcode, name, _) in enumerate(KINDS, 7):
        for i, (size, limit) in enumerate(((0, 60), (16, 60), (64, 60), (256, 120), (1024, 240),
                                           (4096, 480)), 1):
            yield many("9.%d.%d" % (sub, i), "1000 %s messages of %d octets, one by one"
                       % (name, size), opcode, size, limit)
    yield bulk("10.1.1", "64 KiB of text in fragments of 1300", TEXT, 64 * KIB, fragment=1300)
