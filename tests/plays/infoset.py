# SPDX-License-Identifier: MIT
"""XML as a play means it: what is written, what arrived, and whether the one describes the other."""

import re
import xml.etree.ElementTree as ET
from xml.parsers import expat

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
ERROR_TEXTS = {
    "{urn:ietf:params:xml:ns:xmpp-stanzas}text",
    "{urn:ietf:params:xml:ns:xmpp-streams}text",
    "{urn:ietf:params:xml:ns:xmpp-sasl}text",
}
WHATEVER = "..."
KINDS = {
    "any": r".+",
    "number": r"-?[0-9]+",
    "stamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
}
WILDCARD = re.compile(r"\{([a-z]+)(?: as ([a-z][a-z0-9_]*))?\}|\{([a-z][a-z0-9_]*)\}")
RANGE = re.compile(r"\{(-?[0-9]+) to (-?[0-9]+)\}")
XML_PREFIX = "{http://www.w3.org/XML/1998/namespace}"
# What the streams prefix means is agreed; everything else a play declares itself.
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
ARCHIVE_ID = re.compile("[0-9a-f]{16}")
WRAP = f"<play xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>", "</play>"


class BadXml(Exception):
    """What a play has written down is not XML."""


def split(text):
    """The elements written one after the other, each as the text it was written in."""
    opening, closing = (part.encode() for part in WRAP)
    source = opening + text.encode() + closing
    parser = expat.ParserCreate()
    depth, begin, found = 0, 0, []

    def on_start(_name, _attributes):
        nonlocal depth, begin
        if depth == 1:
            begin = parser.CurrentByteIndex
        depth += 1

    def on_end(_name):
        nonlocal depth
        depth -= 1
        if depth == 1:
            found.append((begin, parser.CurrentByteIndex))

    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    try:
        parser.Parse(source, True)
    except expat.ExpatError as error:
        raise BadXml(str(error)) from None
    return [source[a:element_end(source, a, b)].decode() for a, b in found]


def element_end(source, begin, end_tag):
    """Behind the element that starts at `begin`, whose end tag (if it has one) starts at `end_tag`."""
    quote = None
    for at in range(begin, len(source)):
        char = source[at:at + 1]
        if quote:
            quote = None if char == quote else quote
        elif char in (b"'", b'"'):
            quote = char
        elif char == b">":
            empty = source[at - 1:at] == b"/"
            return at + 1 if empty else source.index(b">", end_tag) + 1
    raise BadXml("an element without an end")


def written(text):
    """Elements of a play, parsed: jabber:client unless they say otherwise."""
    return [parse(piece) for piece in split(text)]


def parse(text):
    """One element, of a play or from the wire."""
    try:
        return ET.fromstring(WRAP[0] + text + WRAP[1])[0]
    except (ET.ParseError, IndexError) as error:
        raise BadXml(f"{error}: {text}") from None


def for_the_wire(text):
    """The same element with its namespace declared, as each WebSocket message must."""
    tag = re.match(r"<([^\s/>]+)((?:[^>'\"]|'[^']*'|\"[^\"]*\")*)", text)
    if "xmlns=" in tag.group(2) or ":" in tag.group(1):
        return text
    return text[:tag.end(1)] + f" xmlns='{CLIENT}'" + text[tag.end(1):]


def pattern(value, captured):
    """A regular expression for a written value; what was captured before stands for itself."""
    out, at = [], 0
    for found in WILDCARD.finditer(value):
        out.append(re.escape(value[at:found.start()]))
        at = found.end()
        kind, name = found.group(1) or found.group(3), found.group(2)
        if kind in captured:
            out.append(re.escape(captured[kind]))
        elif kind in KINDS and name in captured:
            out.append(re.escape(captured[name]))
        elif kind in KINDS:
            out.append(f"(?P<{name}>{KINDS[kind]})" if name else f"(?:{KINDS[kind]})")
        else:
            out.append(re.escape(found.group(0)))
    out.append(re.escape(value[at:]))
    return re.compile("".join(out), re.DOTALL)


def match_value(want, have, captured):
    """The captures with those of this value, or None."""
    span = RANGE.fullmatch(want)
    if span:
        inside = re.fullmatch(KINDS["number"], have) and int(span.group(1)) <= int(have) <= int(span.group(2))
        return captured if inside else None
    found = pattern(want, captured).fullmatch(have)
    if not found:
        return None
    return {**captured, **{k: v for k, v in found.groupdict().items() if v is not None}}


def text_of(element):
    return "".join([element.text or ""] + [child.tail or "" for child in element])


def without_archive_id(have, wanted, there):
    """The children without the one id that the archive of the receiver's account gives each message, unless the play
    wants an id of that account."""
    account = (have.get("to") or have.get("from", "")).partition("/")[0]
    ids = [child for child in there if child.tag == STANZA_ID and child.get("by") == account]
    if have.tag != f"{{{CLIENT}}}message" or any(w.tag == STANZA_ID and w.get("by") == account for w in wanted):
        return there
    if len(ids) != 1 or not ARCHIVE_ID.fullmatch(ids[0].get("id", "")):
        return there
    return [child for child in there if child is not ids[0]]


def match(want, have, captured):
    """Whether `have` is what `want` describes: the captures, or None.

    Attributes are a set, prefixes mean nothing, children may come in any order, an error's words are
    for people.  White space between children is nothing.
    """
    if want.tag != have.tag or set(want.attrib) != set(have.attrib):
        return None
    for name, value in want.attrib.items():
        captured = match_value(value, have.attrib[name], captured)
        if captured is None:
            return None
    if len(want) == 0 and (want.text or "").strip() == WHATEVER:
        return captured
    wanted = list(want)
    there = list(have)
    if not any(child.tag in ERROR_TEXTS for child in wanted):
        there = [child for child in there if child.tag not in ERROR_TEXTS]
    there = without_archive_id(have, wanted, there)
    more = text_of(want).strip() == WHATEVER
    if len(wanted) > len(there) or (len(wanted) < len(there) and not more):
        return None
    if more:
        return match_all(wanted, there, captured, more)
    if not wanted or text_of(want).strip():
        captured = match_value(text_of(want), text_of(have), captured)
        if captured is None:
            return None
    elif text_of(have).strip():
        return None
    return match_all(wanted, there, captured)


def match_all(wanted, there, captured, more=False):
    """Pairs each wanted element with another one that is there; `more` may be left over."""
    if not wanted:
        return captured if more or not there else None
    for at, candidate in enumerate(there):
        after = match(wanted[0], candidate, captured)
        if after is not None:
            after = match_all(wanted[1:], there[:at] + there[at + 1:], after, more)
        if after is not None:
            return after
    return None


def show(element):
    """An element for people: no prefixes, namespaces where they change."""
    return show_in(element, CLIENT)


def show_in(element, outer):
    space, _, name = element.tag.rpartition("}")
    space = space.lstrip("{")
    words = [name]
    if space != outer:
        words.append(f"xmlns='{space}'")
    for key, value in element.attrib.items():
        words.append(f"{key.replace(XML_PREFIX, 'xml:')}='{escape(value)}'")
    inner = escape(element.text or "") if not len(element) else "".join(show_in(child, space) for child in element)
    return f"<{' '.join(words)}>{inner}</{name}>" if inner else f"<{' '.join(words)}/>"


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")
