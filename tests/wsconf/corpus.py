# SPDX-License-Identifier: MIT
"""Payloads for the compression groups, made from fixed seeds: the same bytes on every machine.

Five kinds, as different for a compressor as JSON, a grey picture, prose, HTML and a PDF are.
Text kinds are str and are sent as text messages, the others are bytes and go as binary.
"""

import random
from functools import lru_cache

SIZE = 1 << 20
SYLLABLES = ("ba", "ri", "ton", "sel", "m\u00fc", "ka", "lo", "den", "an", "e", "stra", "\u00dfe",
             "vi", "or", "ga", "th", "is", "ne", "und", "\u00f8r")


def word(rng):
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((1, 2, 2, 3, 4))))


def vocabulary(rng, size=3000):
    return [word(rng) for _ in range(size)]


def pick(rng, words):
    """Few words are frequent and most are rare, as in a natural language."""
    return words[int(len(words) * rng.random() ** 3)]


def fill_text(make):
    out, size = [], 0
    while size < SIZE:
        piece = make()
        out.append(piece)
        size += len(piece)
    return "".join(out)[:SIZE]


def sentence(rng, words):
    s = " ".join(pick(rng, words) for _ in range(rng.randint(4, 14)))
    return s[0].upper() + s[1:] + rng.choice((". ", ", ", "!\n", ".\n"))


def json_text():
    rng = random.Random(1)
    words = vocabulary(rng)
    return fill_text(lambda: '{"id": %d, "name": "%s", "score": %.3f, "tags": ["%s", "%s"]},\n' % (
        rng.randrange(1 << 30), pick(rng, words), rng.random() * 100, pick(rng, words),
        pick(rng, words)))


def picture():
    """A smooth grey surface with a little noise, 1024 x 1024, one octet each."""
    rng = random.Random(2)
    rows = []
    for y in range(1024):
        noise = rng.randbytes(1024)
        rows.append(bytes((x // 5 + y // 3 + (x * y >> 11) + (noise[x] & 3)) & 255
                          for x in range(1024)))
    return b"".join(rows)


def prose():
    rng = random.Random(3)
    words = vocabulary(rng)
    return fill_text(lambda: sentence(rng, words)).encode()[:SIZE]


def html_text():
    rng = random.Random(4)
    words = vocabulary(rng)
    tags = ("p", "li", "td", "h2", "blockquote", "span")

    def element():
        tag = rng.choice(tags)
        return '<%s class="c%d" id="%s-%d">%s</%s>\n' % (
            tag, rng.randrange(9), pick(rng, words), rng.randrange(9999), sentence(rng, words), tag)
    return fill_text(element)


def mixed():
    """Incompressible stretches between object tables, as in a PDF."""
    rng = random.Random(5)
    out = []
    for n in range(SIZE // 4096):
        table = "".join("%010d 00000 n \n" % rng.randrange(10 ** 8) for _ in range(40))
        head = "%d 0 obj << /Length 3200 >> stream\n" % n
        out.append(table.encode() + head.encode() + rng.randbytes(3400))
    return b"".join(out)[:SIZE]


KINDS = (("JSON", json_text), ("grey picture", picture), ("prose", prose), ("HTML", html_text),
         ("mixed document", mixed))


@lru_cache(maxsize=2)
def load(index):
    return KINDS[index][1]()


def pieces(data, size):
    """Endless consecutive slices, wrapping round; `size` counts characters for str."""
    at = 0
    while True:
        piece = data[at:at + size]
        if len(piece) < size:
            piece += data[:size - len(piece)]
        at = (at + size) % len(data)
        yield piece
