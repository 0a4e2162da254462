# SPDX-License-Identifier: MIT
"""Group 7: the close handshake."""

from table import NON_STRICT, OK, Case, F, Failed, Session, closes, echoes, fails, show
from wsclient import CLOSE, CONT, PING, TEXT, close_code, close_payload

VALID = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
NORMAL = F(CLOSE, close_payload(1000))


def bulk_then_close(opts):
    """Both messages echoed, or cut short by the close: the RFC allows either, but only in order."""
    big, small = b"0123456789abcdef" * 16384, b"small"
    with Session(opts) as s:
        s.send([F(TEXT, big), F(TEXT, small), NORMAL, F(PING)], tolerant=True)
        seen = s.drain()
    data = [e for e in seen if e[0] not in ("close", "eof", "reset")]
    if data != [("text", big), ("text", small)][:len(data)]:
        raise Failed("unexpected: " + ", ".join(map(show, seen)))
    codes = [close_code(e[1]) for e in seen if e[0] == "close"]
    if codes not in ([1000], []):
        raise Failed("closed with %s" % codes)
    return OK if len(data) == 2 and codes == [1000] else NON_STRICT


def out_of_range(id, code):
    """RFC 6455 gives codes from 5000 on no meaning. We want 1002; anything else is NON-STRICT."""
    def run(opts):
        with Session(opts) as s:
            s.send([F(CLOSE, close_payload(code))])
            seen = s.drain()
        codes = [close_code(e[1]) for e in seen if e[0] == "close"]
        if [e for e in seen if e[0] not in ("close", "eof", "reset")] or len(codes) > 1:
            raise Failed("unexpected: " + ", ".join(map(show, seen)))
        return OK if codes == [1002] else NON_STRICT
    return Case(id, "close code %d, beyond all ranges" % code, run)


def cases():
    hello = b"a message"
    yield echoes("7.1.1", "message, then close", [F(TEXT, hello)], [("text", hello)])
    yield closes("7.1.2", "two close frames", [NORMAL, F(CLOSE)])
    yield closes("7.1.3", "ping after close", [NORMAL, F(PING)])
    yield closes("7.1.4", "text after close", [NORMAL, F(TEXT, hello)])
    yield closes("7.1.5", "close between two fragments",
                 [F(TEXT, b"one", fin=False), NORMAL, F(CONT, b"two")])
    yield Case("7.1.6", "256 KiB message, message, close, ping", bulk_then_close)
    # An empty Close may be answered by an empty one or by 1000.
    yield closes("7.3.1", "close without payload", [F(CLOSE)], codes=(None, 1000))
    yield fails("7.3.2", "close with one octet", [F(CLOSE, b"a")])
    yield closes("7.3.3", "close with a code", [NORMAL])
    yield closes("7.3.4", "close with code and reason", [F(CLOSE, close_payload(1000, b"bye"))])
    yield closes("7.3.5", "close with a reason of 123 octets, the most allowed",
                 [F(CLOSE, close_payload(1000, b"*" * 123))])
    yield fails("7.3.6", "close with a reason of 124 octets",
                [F(CLOSE, close_payload(1000, b"*" * 124))])
    yield fails("7.5.1", "close reason is not UTF-8",
                [F(CLOSE, close_payload(1000, b"caf\xc3\xa9 \xed\xa0\x80 closed"))], (1002, 1007))
    for i, code in enumerate(VALID, 1):
        yield closes("7.7.%d" % i, "valid close code %d" % code,
                     [F(CLOSE, close_payload(code))], codes=(1000, code))
    for i, code in enumerate(INVALID, 1):
        yield fails("7.9.%d" % i, "invalid close code %d" % code, [F(CLOSE, close_payload(code))])
    yield out_of_range("7.13.1", 5000)
    yield out_of_range("7.13.2", 65535)
