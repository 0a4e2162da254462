# SPDX-License-Identifier: MIT
"""Groups 12 and 13: permessage-deflate (RFC 7692) with five payload kinds and seven offers."""

import zlib

import corpus
from table import Case, Failed, Session
from wsclient import BINARY, TEXT, parse_extensions

# (message size, fragment size or 0)
SHAPES = ([(16 << 2 * i, 0) for i in range(5)] + [(8192 << i, 0) for i in range(5)]
          + [(8192 << i, 256) for i in range(5)] + [(131072, n) for n in (1024, 4096, 32768)])

# What a client asks of the server. The hint client_max_window_bits without a value says that we
# could obey a smaller window; 10 bits are asked for nowhere, as 9 and 15 are the ends.
PLAIN = "permessage-deflate; client_no_context_takeover; client_max_window_bits"
OFFERS = (
    ("nothing asked", (PLAIN,)),
    ("no context takeover", (PLAIN + "; server_no_context_takeover",)),
    ("window of 9 bits", (PLAIN + "; server_max_window_bits=9",)),
    ("window of 15 bits", (PLAIN + "; server_max_window_bits=15",)),
    ("no context takeover, 9 bits",
     (PLAIN + "; server_no_context_takeover; server_max_window_bits=9",)),
    ("no context takeover, 15 bits",
     (PLAIN + "; server_no_context_takeover; server_max_window_bits=15",)),
    ("three offers, in falling order of wishes",
     (PLAIN + "; server_no_context_takeover; server_max_window_bits=9",
      PLAIN + "; server_no_context_takeover", PLAIN)),
)
# The default offer of group 12: context is kept on both sides.
DEFAULT = ("permessage-deflate; client_max_window_bits",)


def check_answer(answer, offers):
    """RFC 7692 section 7.1: what a server may agree to, given what was offered."""
    agreed = parse_extensions(answer or "")
    if [name for name, _ in agreed] != ["permessage-deflate"]:
        raise Failed("extension not agreed: %r" % answer)
    params = agreed[0][1]
    known = {"server_no_context_takeover", "client_no_context_takeover",
             "server_max_window_bits", "client_max_window_bits"}
    if set(params) - known:
        raise Failed("unknown parameters: %r" % answer)
    for bits in (params[p] for p in params if p.endswith("bits")):
        if bits is None or not bits.isdigit() or not 8 <= int(bits) <= 15:
            raise Failed("bad window: %r" % answer)
    if not any(satisfies(params, parse_extensions(o)[0][1]) for o in offers):
        raise Failed("answer %r fits no offer" % answer)


def satisfies(params, offer):
    if "server_no_context_takeover" in offer and "server_no_context_takeover" not in params:
        return False
    wanted = offer.get("server_max_window_bits")
    if wanted and int(params.get("server_max_window_bits") or 15) > int(wanted):
        return False
    return "client_max_window_bits" in offer or "client_max_window_bits" not in params


def compressed(id, title, kind, shape, offers):
    size, fragment = shape

    def run(opts):
        data = corpus.load(kind)
        opcode, name = (TEXT, "text") if isinstance(data, str) else (BINARY, "binary")
        with Session(opts, ", ".join(offers)) as s:
            check_answer(s.ws.header("sec-websocket-extensions"), offers)
            s.ws.wire.timeout = 60
            pieces = corpus.pieces(data, size)
            for n in range(opts.count(1000, max(3, 40 * 1024 // size))):
                piece = next(pieces)
                piece = piece.encode() if opcode == TEXT else piece
                s.ws.send_message(piece, opcode, fragment=fragment)
                try:
                    got = s.event(60)
                except zlib.error as e:
                    raise Failed("message %d does not inflate: %s" % (n, e)) from None
                if got != (name, piece):
                    raise Failed("message %d differs: %s of %d octets" % (n, got[0], len(got[1])))
            return s.close_cleanly()
    return Case(id, title, run)


def shape_name(shape):
    size, fragment = shape
    return "1000 messages of %d%s" % (size, ", fragments of %d" % fragment if fragment else "")


def cases():
    for k, (name, _) in enumerate(corpus.KINDS):
        for i, shape in enumerate(SHAPES, 1):
            yield compressed("12.%d.%d" % (k + 1, i), "%s: %s" % (name, shape_name(shape)), k,
                             shape, DEFAULT)
    for k, (name, offers) in enumerate(OFFERS, 1):
        for i, shape in enumerate(SHAPES, 1):
            yield compressed("13.%d.%d" % (k, i), "%s: %s" % (name, shape_name(shape)), 0, shape,
                             offers)
