# SPDX-License-Identifier: MIT
"""C. UTF-8, XML and smuggling: cases 20 to 33. Case 21 (every byte sequence) is a unit test."""

import random
import time
import xml.etree.ElementTree as ET

from registry import case
from xmpp import CLIENT, FRAMING, Closed, Fail, check, escape, message, ping_iq

from wsclient import TEXT, encode_frame

BAD_UTF8 = {"overlong 2": b"\xc0\x80", "overlong 3": b"\xe0\x80\x80",
            "overlong 4": b"\xf0\x80\x80\x80", "overlong solidus": b"\xc0\xaf",
            "surrogate": b"\xed\xa0\x80", "beyond": b"\xf4\x90\x80\x80",
            "lead before <": b"\xe2<", "lead before >": b"\xe2>", "lead before quote": b"\xe2\"",
            "lead before slash": b"\xf0\x9f/", "lone continuation": b"\x80", "ff": b"\xff",
            "cut in two": b"\xe2\x82"}


def is_message(element):
    return element.tag == "{%s}message" % CLIENT


def pair(rig):
    """alice and bob, logged in; bob is available."""
    bob = rig.client("bob")
    bob.presence()
    return rig.client("alice"), bob


def nothing_but_marker(rig, bob, marker="marker"):
    """A message sent now is the first that reaches bob: what was tried before was not delivered."""
    with rig.client("alice") as alice:
        alice.send(message(bob.jid, marker))
        got = bob.wait_for(is_message)
        check("".join(got.itertext()) == marker, "delivered: %s", ET.tostring(got))


def carry(alice, bob, inner, timeout=5.0):
    """Sends bob a message with `inner`; returns what arrives, but for the id that his archive adds."""
    alice.send("<message xmlns='jabber:client' to='%s' type='chat'>%s</message>"
               % (escape(bob.jid), inner))
    return without_archive_id(bob, bob.wait_for(is_message, timeout))


def without_archive_id(bob, got):
    ids = [e for e in got if e.tag == "{urn:xmpp:sid:0}stanza-id" and e.get("by") == bob.jid.partition("/")[0]]
    check(len(ids) == 1, "not one id of the archive: %s", ET.tostring(got))
    got.remove(ids[0])
    return got


def refuses(rig, what, text, conditions, logged_in):
    """A text message that must end the stream with one of `conditions`."""
    client = rig.client("alice") if logged_in else rig.opened()
    with client:
        client.send(text)
        try:
            return client.expect_stream_error(*conditions)
        except Fail as e:
            raise Fail("%s: %s" % (what, e)) from None


@case(20, "invalid UTF-8 never reaches the XML parser")
def case_20_utf8(rig):
    with rig.client("bob") as bob:
        bob.presence()
        for what, bad in BAD_UTF8.items():
            texts = (b"<message xmlns='jabber:client' to='%s'><body>x" + bad + b"</body></message>",
                     b"<message xmlns='jabber:client' to='%s' id='x" + bad + b"'><body/></message>",
                     b"<message xmlns='jabber:client' to='%s'><body/></message>" + bad)
            for text in texts:
                for logged_in in (False, True):
                    client = rig.client("alice") if logged_in else rig.opened()
                    with client:
                        client.send(text % bob.jid.encode())
                        try:
                            client.expect_ws_close(1007)
                        except Fail as e:
                            raise Fail("%s: %s" % (what, e)) from None
        with rig.connect() as client:  # the very first message
            client.send(b"<open xmlns='%s' to='\xed\xa0\x80'/>" % FRAMING.encode())
            client.expect_ws_close(1007)
        nothing_but_marker(rig, bob)


LAUGHS = ("<!DOCTYPE l [<!ENTITY a 'ha'>"
          + "".join("<!ENTITY %s '%s'>" % (chr(98 + i), ("&%s;" % chr(97 + i)) * 10)
                    for i in range(9)) + "]>")
RESTRICTED = {
    "doctype": "<!DOCTYPE a><message xmlns='jabber:client'/>",
    "doctype with entities": LAUGHS + "<message xmlns='jabber:client'><body>&j;</body></message>",
    "external entity": "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
                       "<message xmlns='jabber:client'><body>&x;</body></message>",
    "doctype in lower case": "<!doctype a><message xmlns='jabber:client'/>",
    "comment": "<message xmlns='jabber:client'><!-- c --><body/></message>",
    "comment before": "<!-- c --><message xmlns='jabber:client'/>",
    "processing instruction": "<message xmlns='jabber:client'><?php x ?></message>",
    "processing instruction before": "<?xml-stylesheet href='x'?><message xmlns='jabber:client'/>",
}


@case(22, "DTD, entities, comments and processing instructions end the stream at once")
def case_22_restricted(rig):
    allowed = ("restricted-xml", "not-well-formed")
    for what, text in RESTRICTED.items():
        # In lower case it is no DTD at all but broken markup.
        wanted = allowed if "lower" in what else allowed[:1]
        with rig.connect() as client:
            begun = time.monotonic()
            client.send(text)
            try:
                client.expect_stream_error(*wanted)
            except Fail as e:
                raise Fail("%s as first message: %s" % (what, e)) from None
            check(time.monotonic() - begun < 0.5, "%s: took longer than 0.5 s", what)
        refuses(rig, what + " after open", text, wanted, False)
        refuses(rig, what + " after login", text, wanted, True)


@case(23, "only the five entities and legal character references; CDATA is text")
def case_23_references(rig):
    for what in ("&foo;", "&AMP;", "&#0;", "&#x1;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#;",
                 "&#x;", "&#-1;", "&#4294967361;", "&#xffffffffffffffff41;", "&;", "&", "&amp",
                 "\x01", "]]>"):
        # An entity that only a DTD could declare may also be called a restricted feature.
        wanted = ("not-well-formed",) + (("restricted-xml",) if what in ("&foo;", "&AMP;") else ())
        for inner in ("<body>%s</body>", "<x a='%s'/>"):
            if what == "]]>" and "a=" in inner:
                continue  # legal in an attribute
            refuses(rig, inner % what, "<message xmlns='jabber:client'>%s</message>"
                    % (inner % what), wanted, True)
    alice, bob = pair(rig)
    with alice, bob:
        for raw, text in (("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
                          ("&#65;&#x1F600;&#x41;", "A\U0001f600A"),
                          ("<![CDATA[<a>&amp;]]>", "<a>&amp;"), ("a<![CDATA[]]>b", "ab"),
                          ("<![CDATA[]]]]><![CDATA[>]]>", "]]>"), ("&#9;&#10;&#13;", "\t\n\r")):
            got = carry(alice, bob, "<body>%s</body>" % raw)
            body = got.find("{%s}body" % CLIENT)
            check((body.text or "") == text, "%r arrives as %r", raw, body.text)


@case(24, "exactly one whole element per message, and nothing survives a message")
def case_24_one_element(rig):
    iq = ping_iq("x", rig.domain)
    bad = {"two roots": iq + iq, "half an element": iq[:-4], "only a start tag": "<message>",
           "text behind": iq + "x", "space before": " " + iq, "newline before": "\n" + iq,
           "text before": "x" + iq, "only text": "hello",
           "only an end tag": "</message>", "stream header": "<stream:stream to='localhost' "
           "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"}
    for what, text in bad.items():
        for logged_in in (False, True):
            refuses(rig, what, text, ("bad-format", "not-well-formed", "invalid-xml"), logged_in)
    for text in ("", " ", "\n\n"):  # white space alone may also be let pass, but changes nothing
        with rig.client("alice") as client:
            client.send(text)
            try:
                check(not client.silent_until_ping(), "%r is answered", text)
            except (Closed, Fail) as e:
                check("is answered" not in str(e), str(e))
    alice, bob = pair(rig)
    with alice, bob:
        # A prefix declared in one message is unknown in the next, RFC 7395 section 3.3.
        carry(alice, bob, "<p:x xmlns:p='urn:test'/>")
        alice.send("<message xmlns='jabber:client' to='%s'><p:x/></message>" % bob.jid)
        alice.expect_stream_error("not-well-formed", "bad-namespace-prefix")
        nothing_but_marker(rig, bob)


def random_tree(rng, depth=0):
    """Markup with every legal way of writing things that a relay could get wrong."""
    prefix = rng.choice(("", "", "p:"))
    name = prefix + rng.choice(("a", "b-c", "\u00e9l", "x.y", "_z"))
    parts = ["<" + name]
    if prefix:
        parts.append(" xmlns:p=%s" % rng.choice(("'urn:one'", '"urn:two&amp;x"')))
    elif rng.random() < 0.3 or depth == 0:
        parts.append(rng.choice((" xmlns='urn:three'", ' xmlns="urn:fo\'ur"', " xmlns=''")))
    values = ("plain", "&lt;&amp;&gt;", "&#x9;&#xA;", "caf\u00e9", "\u0645", " two  spaces ",
              "a&apos;b")
    for attribute in rng.sample(("k", "l", "xml:lang", "m.n"), rng.randint(0, 3)):
        parts.append(" %s=%s%s%s" % ((attribute,) + rng.choice(
            [(q, v, q) for v in values for q in "'\""])))
    inner = ["text", "&lt;", "<![CDATA[<&]]>", "\u2603", "\n", " ", "&#x10FFFF;", "]]&gt;"]
    children = [random_tree(rng, depth + 1) if depth < 4 and rng.random() < 0.5
                else rng.choice(inner) for _ in range(rng.randint(0, 4))]
    if not children and rng.random() < 0.5:
        return "".join(parts) + rng.choice(("/>", " />"))
    return "".join(parts) + ">" + "".join(children) + "</" + name + rng.choice((">", " >"))


def canonical(element):
    """A tree as nested tuples: two are equal when a namespace-aware reader sees no difference."""
    items = [element.tag, tuple(sorted(element.attrib.items())), element.text or ""]
    items += [(canonical(child), child.tail or "") for child in element]
    return tuple(items)


@case(25, "what is delivered parses to the very tree that was sent (300 random ones)")
def case_25_same_tree(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for seed in range(int(300 * rig.options.scale)):
            text = random_tree(random.Random(seed))
            sent = canonical(ET.fromstring("<m xmlns='jabber:client'>%s</m>" % text)[0])
            got = carry(alice, bob, text)
            check(len(got) >= 1 and canonical(got[0]) == sent, "seed %d: %s arrives as %s", seed,
                  text, ET.tostring(got, "unicode"))


@case(26, "a declared but unused prefix lends its namespace to nobody")
def case_26_unused_prefix(rig):
    muc = "http://jabber.org/protocol/muc#user"
    alice, bob = pair(rig)
    with alice, bob:
        got = carry(alice, bob, "<x xmlns:m='%s'><item affiliation='owner'/></x>" % muc)
        check([e.tag for e in got] == ["{%s}x" % CLIENT], "arrives as %s", ET.tostring(got))
        got = carry(alice, bob, "<m:x xmlns:m='urn:x'><item/></m:x>")
        check(got[0].tag == "{urn:x}x" and got[0][0].tag == "{%s}item" % CLIENT, "arrives as %s",
              ET.tostring(got))


NAMESPACES = {
    "undeclared prefix": "<q:x/>",
    "undeclared attribute prefix": "<x q:a='1'/>",
    "prefix xml rebound": "<x xmlns:xml='urn:x'/>",
    "another prefix for xml": "<x xmlns:y='http://www.w3.org/XML/1998/namespace'/>",
    "prefix xmlns bound": "<x xmlns:xmlns='urn:x'/>",
    "default is xml": "<x xmlns='http://www.w3.org/XML/1998/namespace'/>",
    "default is xmlns": "<x xmlns='http://www.w3.org/2000/xmlns/'/>",
    "prefix undeclared by empty": "<x xmlns:p=''/>",
    "declared twice": "<x xmlns:p='urn:x' xmlns:p='urn:y'/>",
    "same attribute twice": "<x a='1' a='2'/>",
    "same attribute by two prefixes": "<x xmlns:p='urn:x' xmlns:q='urn:x' p:a='1' q:a='2'/>",
    "two colons": "<a:b:c xmlns:a='urn:x'/>",
    "colon first": "<:a/>",
    "colon last": "<a: xmlns:a='urn:x'/>",
    "other end tag": "<p:x xmlns:p='urn:x'></x>",
    "digit first": "<1a/>",
    "no value": "<x a/>",
    "no quotes": "<x a=1/>",
    "less-than in a value": "<x a='<'/>",
    "no space between attributes": "<x a='1'b='2'/>",
    "space before the name": "< x/>",
}


@case(27, "namespaces are never confused")
def case_27_namespaces(rig):
    for what, inner in NAMESPACES.items():
        refuses(rig, what, "<message xmlns='jabber:client'>%s</message>" % inner,
                ("not-well-formed", "bad-namespace-prefix"), True)
    alice, bob = pair(rig)
    with alice, bob:
        for separator in ("&#10;", " ", "|", "}", ":"):
            odd_namespace(rig, bob, separator)


def odd_namespace(rig, bob, separator):
    """What an implementation may use to join namespace and name is refused or arrives intact."""
    with rig.client("alice") as alice:
        alice.send("<message xmlns='jabber:client' to='%s'><x xmlns='urn:a%sb'/><b xmlns='urn:a'/>"
                   "</message>" % (bob.jid, separator))
        alice.send(message(bob.jid, "marker"))
        got = bob_or_end(alice, bob)
        if got is not None:
            want = "{urn:a%sb}x" % separator.replace("&#10;", "\n")
            without_archive_id(bob, got)
            check([e.tag for e in got] == [want, "{urn:a}b"], "arrives as %s", ET.tostring(got))
            bob.wait_for(is_message)


def bob_or_end(alice, bob):
    """What reached bob; None when alice was refused as not-well-formed instead."""
    try:
        alice.silent_until_ping()
    except (Closed, Fail):
        return None
    return bob.wait_for(is_message)


def nested(depth):
    """A message whose elements are nested `depth` deep, the message itself counted."""
    return "<x>" * (depth - 1) + "</x>" * (depth - 1)


def inner_sized(kind, n):
    """The inside of a message that has exactly `n` of what is limited."""
    if kind == "xml_depth":
        return nested(n)
    if kind == "xml_attributes":
        return "<x%s/>" % "".join(" a%d='%d'" % (i, i) for i in range(n))
    if kind == "xml_namespaces":  # the default namespace of the message is one of them
        return "<x%s/>" % "".join(" xmlns:n%d='urn:%d'" % (i, i) for i in range(n - 1))
    if kind == "xml_elements":
        return "<x/>" * (n - 1)
    assert kind == "xml_name_bytes"
    return "<%s/>" % ("n" * n)


@case(28, "size, depth, attributes, declarations, elements and names at limit - 1, limit, + 1",
      slack_mib=8, counts=("xml_depth", "xml_attributes", "xml_namespaces", "xml_elements",
                           "xml_name_bytes", "stanza_bytes", "preauth_elements", "preauth_depth",
                           "preauth_stanza_bytes"))
def case_28_limits(rig):
    alice, bob = pair(rig)
    with alice, bob:
        for kind in ("xml_depth", "xml_attributes", "xml_namespaces", "xml_elements",
                     "xml_name_bytes"):
            most = rig.limits[kind]
            for n in (most - 1, most):
                got = carry(alice, bob, inner_sized(kind, n))
                check(len(got), "%s = %d: arrives as %s", kind, n, ET.tostring(got)[:200])
            text = "<message xmlns='jabber:client' to='%s'>%s</message>" % (
                bob.jid, inner_sized(kind, most + 1))
            refuses(rig, "%s = %d" % (kind, most + 1), text, ("policy-violation",), True)
        most = rig.limits["stanza_bytes"]
        for n in (most - 1, most):
            text = sized_message(bob.jid, n)
            alice.send(text)
            got = bob.wait_for(is_message)
            check(len(got[0].text) == text.count("b" * 10) * 10 or len(got[0].text) > most // 2,
                  "%d bytes arrive as %d", n, len(got[0].text))
        too_big(rig, "stanza of %d bytes" % (most + 1), sized_message(bob.jid, most + 1), True)
        nothing_but_marker(rig, bob)
    preauth_limits(rig)


def sized_message(to, size):
    head = "<message xmlns='jabber:client' to='%s'><body>" % to
    tail = "</body></message>"
    return head + "b" * (size - len(head) - len(tail)) + tail


def too_big(rig, what, text, logged_in):
    """Over the size: refused by the frame layer (1009) or as a policy violation."""
    client = rig.client("alice") if logged_in else rig.opened()
    with client:
        client.send(text)
        end = client.ending()
        check(end.close_frame and (end.code == 1009 or end.errors == ["policy-violation"]),
              "%s: %s", what, end)


def preauth_limits(rig):
    """At a limit the only complaint is that nobody has logged in; above it, the limit."""
    makers = {
        "preauth_elements": lambda n: "<iq xmlns='jabber:client' type='get' id='x'>%s</iq>"
        % ("<x/>" * (n - 1)),
        "preauth_depth": lambda n: "<iq xmlns='jabber:client' type='get' id='x'>%s</iq>"
        % nested(n),
    }
    for kind, make in makers.items():
        most = rig.limits[kind]
        for n in (most - 1, most):
            refuses(rig, "%s = %d" % (kind, n), make(n), ("not-authorized",), False)
        refuses(rig, "%s = %d" % (kind, most + 1), make(most + 1), ("policy-violation",), False)
    most = rig.limits["preauth_stanza_bytes"]
    for n in (most - 1, most):
        refuses(rig, "%d bytes before login" % n, sized_message("bob@localhost", n),
                ("not-authorized",), False)
    too_big(rig, "%d bytes before login" % (most + 1), sized_message("bob@localhost", most + 1),
            False)


def least_cpu(rig, actions, rounds):
    """The least processor time that the server spent on each of `actions`, which take turns, so
    that whatever else the machine does hits all alike."""
    least = [float("inf")] * len(actions)
    for _ in range(rounds):
        for i, action in enumerate(actions):
            begun = rig.cpu_s()
            action()
            least[i] = min(least[i], rig.cpu_s() - begun)
    return least


def assert_linear(rig, what, make, n, doublings=3, bound=2.3, rounds=25, tries=4):
    """Work doubled `doublings` times takes, from one to the next, `bound` times as long in the mean.

    make(n) is an action with input of size n. One doubling alone can lie: the sanitizers' allocator
    maps each block above 128 KiB anew, and its pages are filled by faults, a step that is none of
    ours. Noise gets more tries; work that is quadratic fails all of them.
    """
    small, large = make(n), make(n << doublings)
    ratios = []
    for _ in range(tries):
        one, many = least_cpu(rig, (small, large), rounds)
        ratios.append((many / max(one, 1e-6)) ** (1 / doublings))
        if ratios[-1] < bound:
            return
    raise Fail("%s: twice the input takes %s times as long" % (
        what, ", ".join("%.1f" % r for r in ratios)))


def relay(alice, bob, inner, chop=0):
    """A function that sends bob a message, one that no archive keeps, and waits for it."""
    text = "<message xmlns='jabber:client' to='%s'>%s<no-store xmlns='urn:xmpp:hints'/></message>" % (
        bob.jid, inner)
    data = encode_frame(TEXT, text.encode())

    def action():
        alice.ws.wire.send(data, chop)
        bob.text()
    return action


@case(29, "twice the input takes at most 2.3 times as long", slack_mib=8)
def case_29_linear(rig):
    def attributes(n):
        return "<x%s/>" % "".join(" a%d=''" % i for i in range(n))

    def declarations(n):
        return "<x%s/>" % "".join(" xmlns:p%d='urn:%d'" % (i, i) for i in range(n))
    inputs = {  # each up to one of the limits, or near it
        "elements": (500, lambda n: "<x/>" * n),
        "attribute bytes": (30000, lambda n: "<x a='%s'/>" % ("a" * n)),
        "text bytes": (30000, lambda n: "<body>%s</body>" % ("t" * n)),
        "references": (7500, lambda n: "<body>%s</body>" % ("&lt;" * n)),
        "CDATA sections": (2500, lambda n: "<body>%s</body>" % ("<![CDATA[]]>" * n)),
        "attributes": (8, lambda n: attributes(n) * 200),
        "declarations": (3, lambda n: declarations(n) * 200),
    }
    alice, bob = pair(rig)
    with alice, bob:
        for what, (n, make) in inputs.items():
            assert_linear(rig, what, lambda k, make=make: relay(alice, bob, make(k)), n)
        # How many octets a read finds together is up to the scheduler, hence the wider bound.
        assert_linear(rig, "one octet per write", lambda k: relay(alice, bob, "<body>%s</body>" % ("b" * k), 1), 10000,
                      doublings=1, bound=3.2, rounds=8)


@case(30, "a connection before login costs at most 64 KiB", slack_mib=16)
def case_30_preauth_memory(rig):
    count = int(200 * rig.options.scale)
    none = rig.rss_kib()
    clients = [rig.opened(source="127.0.1.%d" % (1 + i % 100)) for i in range(count)]
    idle = rig.rss_kib()
    most = rig.limits["preauth_stanza_bytes"]
    body = encode_frame(TEXT, ("<iq xmlns='jabber:client'>" + "<x/>" * 5000).encode()[:most])
    for client in clients:
        client.ws.wire.send(body[:-1])  # all but the last byte: the server has to hold it
    held = most * count // 1024
    deadline = time.monotonic() + 1.0
    while rig.rss_kib() - idle < held // 2 and time.monotonic() < deadline:
        rig.canary.judge(1.0)  # the server has read what we sent, or does not keep it at all
    each = (rig.rss_kib() - none) / count
    for client in clients:
        client.close()
    check(each <= 64 * rig.options.rss_factor, "%.0f KiB for each", each)


def colliding(count):
    """Distinct names that collide in the classic times-33 hash, in which "ar" weighs like "c0"."""
    bits = count.bit_length()
    return ["".join("ar" if i >> b & 1 else "c0" for b in range(bits)) for i in range(count)]


def spread(count):
    width = 2 * count.bit_length()
    return ["%0*x" % (width, random.Random(i).getrandbits(4 * width)) for i in range(count)]


@case(31, "names made to collide in a common hash cost no more than others", slack_mib=16)
def case_31_collisions(rig):
    with rig.client("alice") as alice:
        def send(names):
            for name in names:
                alice.send("<message xmlns='jabber:client' type='headline' to='%s@%s'/>"
                           % (name, rig.domain))
            alice.silent_until_ping(30.0)
        evil, plain = least_cpu(rig, (lambda: send(colliding(2000)), lambda: send(spread(2000))), 3)
        check(evil < plain * 2.3 + 0.05, "colliding %.2f s, others %.2f s", evil, plain)


@case(32, "100,000 levels deep with a stack of 128 KiB")
def case_32_small_stack(rig):
    with rig.variant(stack_kib=128) as other:
        alice, bob = pair(other)
        with alice, bob:
            carry(alice, bob, nested(other.limits["xml_depth"]))
            carry(alice, bob, "<body>%s</body>" % ("x" * 200000))
        for text in ("<a>" * 80000, "<a>" * 30000 + "</a>" * 30000, "<a b='" * 10000):
            with other.client("alice") as client:
                client.send(text)
                client.expect_stream_error("policy-violation", "not-well-formed")
        other.client("alice").close()


AWKWARD = ("it's", 'say "x"', "a<b>c", "a&b", "&amp;", "tab\there", "line\nbreak", "cr\rhere",
           "]]>", "\u00e9\u2603\U0001f600", "<script>", "'/><presence/><x a='", "%s%n", "a\u2028b")


@case(33, "id, from, to and lang with awkward characters come back as they were sent")
def case_33_escaping(rig):
    def reference(value):
        return escape(value, {"'": "&apos;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;",
                              "\r": "&#13;"})
    with rig.client("alice") as alice:
        for value in AWKWARD:
            quoted = reference(value)
            alice.send("<iq xmlns='jabber:client' type='get' to='%s' id='%s' xml:lang='%s'>"
                       "<x xmlns='urn:test' a='%s'>%s</x></iq>"
                       % (rig.domain, quoted, quoted, quoted, quoted))
            got = alice.recv()
            check(got.tag == "{%s}iq" % CLIENT and got.get("type") == "error", "%r: %s", value,
                  ET.tostring(got))
            check(got.get("id") == value, "id %r comes back as %r", value, got.get("id"))
            alice.send("<message xmlns='jabber:client' type='chat' to='nobody@%s/%s' id='%s'>"
                       "<body>x</body></message>" % (rig.domain, quoted, quoted))
            for got in alice.silent_until_ping():
                check(got.get("id") == value, "id %r comes back as %r", value, got.get("id"))
