# SPDX-License-Identifier: MIT
"""Group 6: UTF-8 in text messages. Byte sequences after Markus Kuhn's decoder stress test."""

from table import NON_STRICT, OK, Case, F, Failed, Session, echoes, fails
from wsclient import CONT, PING, TEXT, Timeout, encode_frame

GREEK = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()  # 11 octets: 2 + 3 + 2 + 2 + 2
LATIN = "W\u00f6rter, \u00e0 la carte: \u00df\u00fc\u00e4 \u00b5m \u20ac".encode()
EDITED = b"edited"


def is_utf8(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False


def raw(text):
    return [bytes.fromhex(h) for h in text.split()]


def octetwise(data):
    last = len(data) - 1
    return [F(TEXT if i == 0 else CONT, data[i:i + 1], fin=i == last)
            for i in range(len(data))]


def non_characters():
    """U+FFFE, U+FFFF and their like in each further plane: reserved for internal use, yet valid."""
    yield from ("\ufffe".encode(), "\uffff".encode())
    for plane in range(1, 17):
        for low in (0xFFFE, 0xFFFF):
            yield chr(plane << 16 | low).encode()


def lonely_starts():
    """Runs of lead octets, each followed by a space. The last lead of each run is not included."""
    for low, high in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD)):
        yield b"".join(bytes([lead, 0x20]) for lead in range(low, high))


CUT = raw("c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf")
HIGH, LOW = raw("eda080 edadbf edae80 edafbf"), raw("edb080 edbfbf")

# Third number of the id = position here. Whether a sequence is valid is decided by Python's own
# strict decoder, a reference that shares nothing with the server.
SEQUENCES = {
    5: ("valid sequences of each length",
        [("hello%sworld" % c).encode() for c in "\u0024\u00a2\u20ac\U00024b62"] + [GREEK]),
    6: ("prefixes of a valid string", [GREEK[:i] for i in range(1, len(GREEK) + 1)]),
    7: ("first code point of a length", raw("00 c280 e0a080 f0908080")),
    8: ("first sequence of five and six octets", raw("f888808080 fc8480808080")),
    9: ("last code point of a length", raw("7f dfbf efbfbf f48fbfbf")),
    10: ("last sequence of four, five and six octets", raw("f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf")),
    11: ("other boundaries", raw("ed9fbf ee8080 efbfbd f48fbfbf f4908080")),
    12: ("unexpected continuation octets",
         raw("80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf") + [bytes(range(0x80, 0xBF))]),
    13: ("lead octets followed by a space", list(lonely_starts())),
    14: ("last continuation octet missing", CUT),
    15: ("incomplete sequences in a row", [b"".join(CUT)]),
    16: ("impossible octets", raw("fe ff fefeffff")),
    17: ("overlong solidus", raw("c0af e080af f08080af f8808080af fc80808080af")),
    18: ("largest overlong sequences", raw("c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf")),
    19: ("overlong NUL", raw("c080 e08080 f0808080 f880808080 fc8080808080")),
    20: ("single surrogates", HIGH + raw("edb080 edbe80 edbfbf")),
    21: ("surrogate pairs", [h + low for h in HIGH for low in LOW]),
    22: ("non-characters, which are valid", list(non_characters())),
    23: ("specials, which are valid", [chr(c).encode() for c in range(0xFFF9, 0x10000)]),
}


def fail_fast_frames(n, title, first, second, third):
    """Three fragments; the second makes the text invalid and must be refused before the third.

    A ping answered after the first fragment proves that it was accepted.
    """
    def run(opts):
        with Session(opts) as s:
            s.send([F(TEXT, first, fin=False), F(PING, b"so far")])
            s.expect(("pong", b"so far"))
            s.send([F(CONT, second, fin=False)], tolerant=True)
            return finish(s, F(CONT, third).encode())
    return Case("6.4.%d" % n, title, run)


def fail_fast_chops(n, title, first, second, third):
    """The same inside one frame, where no ping fits: after the first chop nothing may come."""
    def run(opts):
        with Session(opts) as s:
            whole = encode_frame(TEXT, first + second + third)
            head = len(whole) - len(first + second + third)
            s.ws.wire.send(whole[:head + len(first)])
            try:
                frame = s.ws.read_frame(0.3)
                raise Failed("answered valid text with %r" % (frame,))
            except Timeout:
                pass
            s.ws.wire.send(whole[head + len(first):head + len(first + second)])
            return finish(s, whole[head + len(first + second):])
    return Case("6.4.%d" % n, title, run)


def finish(s, rest):
    """OK when the refusal is there within a second; else the rest is sent and must be refused."""
    verdict = OK
    try:
        s.ws.wire.read_more(1.0)
    except Timeout:
        verdict = NON_STRICT
        s.ws.wire.send(rest)
    judged = s.judge_failure((), (1007,))
    return verdict if judged == OK else NON_STRICT


def cases():
    yield echoes("6.1.1", "empty text", [F(TEXT)], [("text", b"")])
    yield echoes("6.1.2", "three empty fragments",
                 [F(TEXT, fin=False), F(CONT, fin=False), F(CONT)], [("text", b"")])
    yield echoes("6.1.3", "only the middle fragment has payload",
                 [F(TEXT, fin=False), F(CONT, b"middle", fin=False), F(CONT)],
                 [("text", b"middle")])
    yield echoes("6.2.1", "valid text in one frame", [F(TEXT, LATIN)], [("text", LATIN)])
    at = LATIN.index("\u00df".encode())
    yield echoes("6.2.2", "valid text in two, cut between code points",
                 [F(TEXT, LATIN[:at], fin=False), F(CONT, LATIN[at:])], [("text", LATIN)])
    yield echoes("6.2.3", "valid text in fragments of one octet", octetwise(LATIN),
                 [("text", LATIN)])
    yield echoes("6.2.4", "valid Greek text in fragments of one octet", octetwise(GREEK),
                 [("text", GREEK)])
    bad = GREEK + b"\xed\xa0\x80" + EDITED
    yield fails("6.3.1", "a surrogate inside text", [F(TEXT, bad)], (1007,))
    yield fails("6.3.2", "the same in fragments of one octet", octetwise(bad), (1007,))
    beyond = b"\xf4\x90\x80\x80"
    bad = GREEK + beyond + EDITED
    by_part = (GREEK, beyond, EDITED)
    by_octet = (bad[:12], bad[12:13], bad[13:])
    yield fail_fast_frames(1, "invalid in the second of three fragments", *by_part)
    yield fail_fast_frames(2, "second fragment is just the octet that spoils it", *by_octet)
    yield fail_fast_chops(3, "invalid in the second of three chops of a frame", *by_part)
    yield fail_fast_chops(4, "second chop is just the octet that spoils it", *by_octet)
    for sub, (title, items) in SEQUENCES.items():
        for i, data in enumerate(items, 1):
            shown = data.hex() if len(data) <= 16 else data[:16].hex() + ".."
            name = "%s: %s" % (title, shown)
            id = "6.%d.%d" % (sub, i)
            if is_utf8(data):
                yield echoes(id, name, [F(TEXT, data)], [("text", data)])
            else:
                yield fails(id, name, [F(TEXT, data)], (1007,))
