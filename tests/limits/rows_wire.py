# SPDX-License-Identifier: MIT
"""Rows: HTTP, WebSocket, XML, and the login."""

import time

import settings
from cases_xml import inner_sized, nested, sized_message
from rows import counts, elsewhere, lasts, slows
from wsclient import CONT, PING, TEXT, Eof, encode_frame
from xmpp import BIND, SASL, Closed, Fail, Scram, check, condition, message


def status_of(wire):
    """The status of an HTTP answer."""
    return int(wire.read_until(b"\r\n\r\n").split(b" ", 2)[1])


def http(rig, head, body=b"", over=431):
    with rig.wire() as wire:
        wire.send(head + body)
        status = status_of(wire)
        check(status in (200, 302, 304, 400, 403, 404, 405, 410, 415, over), "status %d", status)
        return "over" if status == over else "fine"


@counts("http_head_bytes", 2048)
def http_head_bytes(rig, n):
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Pad: "
    return http(rig, head + b"p" * (n - len(head) - 4) + b"\r\n\r\n")


@counts("http_headers", 20, http_head_bytes=65536)
def http_headers(rig, n):
    extra = b"".join(b"X-%d: 1\r\n" % i for i in range(n - 1))
    return http(rig, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + extra + b"\r\n")


@counts("http_body_bytes", 2048)
def http_body_bytes(rig, n):
    head = b"POST /claim/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" \
           b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" % n
    return http(rig, head, b"a" * n, over=413)


def until_eof(wire):
    begun = time.monotonic()
    wire.wait_eof(20)
    return time.monotonic() - begun


@lasts("http_timeout_ms", 300)
def http_timeout_ms(rig):
    with rig.wire() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost:")
        return until_eof(wire)


@lasts("tls_timeout_ms", 300, tls="own")
def tls_timeout_ms(rig):
    with rig.wire() as wire:
        wire.send(b"\x16\x03\x01")
        return until_eof(wire)


@lasts("auth_timeout_ms", 400)
def auth_timeout_ms(rig):
    client = rig.opened()
    begun = time.monotonic()
    client.ending(20)
    return time.monotonic() - begun


# --- WebSocket ---

def echoed(client, text):
    """The message to oneself that has this body comes back: "fine"; the stream ends: "over"."""
    try:
        client.wait_for(lambda e: e.tag.endswith("}message") and "".join(e.itertext()) == text)
        return "fine"
    except Closed:
        return "over"


@counts("ws_fragments", 4)
def ws_fragments(rig, n):
    with rig.client("alice") as client:
        text = message(client.jid, "in pieces").encode()
        size = len(text) // n
        pieces = [text[i * size:(i + 1) * size] for i in range(n - 1)] + [text[(n - 1) * size:]]
        try:
            for i, piece in enumerate(pieces):
                client.ws.send_frame(TEXT if i == 0 else CONT, piece, fin=i == n - 1)
        except Eof:
            pass
        return echoed(client, "in pieces")


@counts("ws_control_rate", 10, bound=30)
def ws_control_rate(rig, n):
    with rig.client("alice") as client:
        try:
            client.ws.wire.send(encode_frame(PING, b"p") * n)
        except Eof:
            pass
        client.send(message(client.jid, "still here"))
        return echoed(client, "still here")


@lasts("ws_ping_interval_ms", 300, metric=False)
def ws_ping_interval_ms(rig):
    with rig.client("alice") as client:
        begun = time.monotonic()
        while client.ws.read_event(20)[0] != "ping":
            pass
        return time.monotonic() - begun


@lasts("ws_ping_timeout_ms", 300, ws_ping_interval_ms=0)
def ws_ping_timeout_ms(rig):
    client = rig.client("alice")
    begun = time.monotonic()
    until_eof(client.ws.wire)
    return time.monotonic() - begun


@lasts("ws_close_timeout_ms", 300, metric=False)
def ws_close_timeout_ms(rig):
    client = rig.client("alice")
    client.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
    begun = time.monotonic()
    try:
        while client.ws.read_event(20)[0] != "close":  # and not a word from us
            pass
        begun = time.monotonic()
        client.ws.wire.wait_eof(20)
    except Eof:
        pass
    return time.monotonic() - begun


elsewhere("deflate_threshold_bytes", "tests/unit/core/test_stream.c", "deflate_threshold_bytes")
elsewhere("deflate_inflaters", "tests/unit/core/test_deflate.c", "oldest")


# --- XML ---

def xml_row(name, value):
    @counts(name, value, far_metric=name != "xml_namespaces")  # each is an attribute, too
    def run(rig, n):
        with rig.client("alice") as client:
            client.send("<message xmlns='jabber:client' to='%s'>%s</message>" % (client.jid, inner_sized(name, n)))
            return echoed(client, "")


for xml_name, xml_value in (("xml_depth", 10), ("xml_attributes", 10), ("xml_namespaces", 10),
                            ("xml_elements", 80), ("xml_name_bytes", 64)):
    xml_row(xml_name, xml_value)


@counts("stanza_bytes", 10000, preauth_stanza_bytes=10000)
def stanza_bytes(rig, n):
    with rig.client("alice") as client:
        text = sized_message(client.jid, n)
        client.send(text)
        return echoed(client, text[text.index("<body>") + 6:text.index("</body>")])


def before_login(rig, text):
    with rig.opened() as client:
        client.send(text)
        end = client.ending()
        if end.errors == ["not-authorized"]:
            return "fine"
        check(end.code == 1009 or end.errors == ["policy-violation"], "%s", end)
        return "over"


IQ = "<iq xmlns='jabber:client' type='get' id='x'>%s</iq>"


@counts("preauth_stanza_bytes", 10000)
def preauth_stanza_bytes(rig, n):
    return before_login(rig, sized_message("bob@localhost", n))


@counts("preauth_elements", 10)
def preauth_elements(rig, n):
    return before_login(rig, IQ % ("<x/>" * (n - 1)))


@counts("preauth_depth", 5)
def preauth_depth(rig, n):
    return before_login(rig, IQ % nested(n))


# --- the login ---

@counts("auth_attempts", 3, bound=2)  # the third failure ends it
def auth_attempts(rig, n):
    with rig.opened(source="127.0.0.21") as client:
        try:
            for _ in range(n):
                client.auth_plain("alice", "wrong")
            client.send("<auth xmlns='%s' mechanism='NONE'/>" % SASL)
            return "fine" if client.recv().tag == "{%s}failure" % SASL else "over"
        except Closed:
            return "over"


@counts("bind_attempts", 3, bound=2)  # the third refusal ends it
def bind_attempts(rig, n):
    refused = "<iq xmlns='jabber:client' type='set' id='b%d'><bind xmlns='%s'><resource>a&#x9;b</resource></bind></iq>"
    with rig.connect() as client:
        client.authenticate("alice", settings.PASSWORD)
        try:
            for i in range(n):
                client.send(refused % (i, BIND))
                check(client.recv().get("type") == "error", "a tab in a resource is taken")
            client.bind()
            return "fine"
        except (Closed, Fail):
            return "over"


@counts("auth_failures_per_address", 4, auth_attempts=1)
def auth_failures_per_address(rig, n):
    source = "127.0.3.%d" % n
    for _ in range(n):
        try:
            with rig.opened(source=source) as client:
                client.auth_plain("alice", "wrong")
        except (Eof, Closed, Fail):
            break
    for _ in range(10):  # another thread counts: give it a second, in which nothing else may change
        try:
            with rig.opened(source=source) as client:
                client.auth_plain("alice", settings.PASSWORD)
        except (Eof, Closed, Fail):
            return "over"
        time.sleep(0.1)
    return "fine"


@counts("sasl_message_bytes", 1024)
def sasl_message_bytes(rig, n):
    """What is too long is not looked at: malformed-request, instead of not-authorized."""
    with rig.opened() as client:
        answer = client.auth("PLAIN", "\0alice\0" + "p" * (n - 7))
        why = condition(answer, SASL)
        check(why in ("not-authorized", "malformed-request"), "got %s", why)
        return "fine" if why == "not-authorized" else "over"


@counts("sasl_nonce_bytes", 40)
def sasl_nonce_bytes(rig, n):
    with rig.opened() as client:
        scram = Scram("alice", settings.PASSWORD, nonce="n" * n)
        answer = client.auth("SCRAM-SHA-1", scram.first())
        return "fine" if answer.tag == "{%s}challenge" % SASL else "over"


elsewhere("scram_iterations_least", "tests/unit/core/test_sasl_client.c", "4096")
elsewhere("scram_iterations_most", "tests/unit/core/test_sasl_client.c", "100000")
elsewhere("hash_jobs", "tests/adversarial/cases_login.py", '"hash_jobs"')


# --- rates that hold by not reading ---

def seconds_of(client, texts):
    """How long until an answer to what was sent behind all of it."""
    begun = time.monotonic()
    for text in texts:
        client.send(text)
    client.silent_until_ping(60)
    return time.monotonic() - begun


@slows("stanza_rate", 200, burst=800)
def stanza_rate(rig, n):
    with rig.client("alice") as client:
        return seconds_of(client, ["<presence xmlns='jabber:client' to='x@localhost'/>"] * (n - 1))


@slows("input_rate", 16384, burst=8 * 16384)
def input_rate(rig, n):
    with rig.client("alice") as client:
        return seconds_of(client, [sized_message("nobody@localhost", 1024)] * (n // 1032))


@slows("input_rate_preauth", 2048, burst=4 * 2048)
def input_rate_preauth(rig, n):
    """White space before <open/> counts as well as anything."""
    with rig.connect() as client:
        begun = time.monotonic()
        for _ in range(n // 1032):
            client.send(" " * 1024)
        client.open()
        return time.monotonic() - begun
