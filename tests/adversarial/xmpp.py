# SPDX-License-Identifier: MIT
"""A raw XMPP client over WebSocket (RFC 7395): it writes text, it reads elements, it judges little.

Elements are parsed by Python's expat, so every message of the server is also checked to be one
well-formed element.
"""

import base64
import hashlib
import hmac
import itertools
import os
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "wsconf"))
from wsclient import PONG, CLOSE, Eof, Timeout, WsClient, close_code, encode_frame  # noqa: E402

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAMS = "http://etherx.jabber.org/streams"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
SASL2, FAST = "urn:xmpp:sasl:2", "urn:xmpp:fast:0"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CLIENT = "jabber:client"
PING = "urn:xmpp:ping"

counter = itertools.count(1)


class Fail(AssertionError):
    """The server did not do what the case requires."""


def check(condition, message, *args):
    if not condition:
        raise Fail(message % args if args else message)


class Closed(Exception):
    """The WebSocket ended while an element was waited for."""

    def __init__(self, code, clean):
        super().__init__("closed with %s%s" % (code, "" if clean else ", no close frame"))
        self.code = code
        self.clean = clean


@dataclass
class Ending:
    """Everything from now to the end of a connection."""
    elements: list = field(default_factory=list)
    errors: list = field(default_factory=list)    # conditions of stream errors
    failures: list = field(default_factory=list)  # conditions of SASL failures
    framing_close: bool = False
    code: int = None
    close_frame: bool = False
    reset: bool = False

    def __str__(self):
        return "stream errors %s, SASL failures %s, <close/> %s, WebSocket close %s%s, %s" % (
            self.errors, self.failures, "seen" if self.framing_close else "missing",
            self.code if self.close_frame else "missing", ", TCP reset" if self.reset else "",
            [e.tag for e in self.elements])


def condition(parent, namespace):
    """The local name of the first child in `namespace`."""
    for child in parent:
        if child.tag.startswith("{%s}" % namespace) and not child.tag.endswith("}text"):
            return child.tag.split("}")[1]
    return None


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def next_id(prefix):
    """An id that no other stanza of this run has."""
    return "%s-%d" % (prefix, next(counter))


def attrs(**kw):
    return "".join(" %s=%s" % (k.rstrip("_"), quoteattr(v)) for k, v in kw.items() if v is not None)


def message(to, body, **kw):
    return "<message xmlns='jabber:client'%s><body>%s</body></message>" % (
        attrs(to=to, type="chat", **kw), escape(body))


def ping_iq(id, to=None):
    return "<iq xmlns='jabber:client' type='get'%s><ping xmlns='urn:xmpp:ping'/></iq>" % (
        attrs(id=id, to=to))


class Scram:
    """The client side of RFC 5802, with every part open to tampering."""

    def __init__(self, user, password, hash="sha1", gs2="n,,", nonce=None):
        self.user, self.password, self.hash, self.gs2 = user, password, hash, gs2
        self.nonce = nonce or b64(os.urandom(18))
        self.extra = ""

    def first(self):
        name = self.user.replace("=", "=3D").replace(",", "=2C")
        self.bare = "%sn=%s,r=%s" % (self.extra, name, self.nonce)
        return self.gs2 + self.bare

    def challenge(self, text):
        self.server_first = text
        parts = dict(p.split("=", 1) for p in text.split(",") if "=" in p)
        self.server_nonce = parts.get("r", "")
        self.salt = base64.b64decode(parts.get("s", ""))
        self.iterations = int(parts.get("i", "0"))
        return parts

    def digest(self, key, data):
        return hmac.new(key, data.encode(), self.hash).digest()

    def proof(self, without):
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), self.salt, self.iterations)
        stored = hashlib.new(self.hash, self.digest(salted, "Client Key")).digest()
        auth = ",".join((self.bare, self.server_first, without))
        key = self.digest(salted, "Client Key")
        sign = self.digest(stored, auth)
        self.server_signature = self.digest(self.digest(salted, "Server Key"), auth)
        return bytes(a ^ b for a, b in zip(key, sign))

    def final(self, binding=None, nonce=None, proof=None):
        without = "c=%s,r=%s" % (b64(self.gs2) if binding is None else binding,
                                 self.server_nonce if nonce is None else nonce)
        proof = self.proof(without) if proof is None else proof
        return "%s,p=%s" % (without, b64(proof))


class Xmpp:
    """One connection. Methods that name a step do that step and return the answer's element."""

    over = False  # the server has said goodbye

    def __init__(self, url, domain="localhost", source=None, timeout=5.0, tls=None, headers=(),
                 extensions=None, rcvbuf=None):
        self.domain, self.timeout = domain, timeout
        self.ws = WsClient(url, timeout=timeout, tls=tls, source=source, rcvbuf=rcvbuf)
        self.jid = None
        self.features = None
        try:
            lines = self.ws.default_headers("xmpp", extensions) + list(headers)
            response = self.ws.upgrade(headers=lines)
            check(response.status == 101, "upgrade answered %d %r", response.status, response.body)
        except BaseException:
            self.ws.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Who has a resource leaves in order: then what was sent to him counts as received."""
        if self.jid and kind is None and not self.over:
            try:
                self.send("<close xmlns='%s'/>" % FRAMING)
                self.wait_for(lambda e: e.tag == "{%s}close" % FRAMING, timeout=1.0)
            except (Closed, Fail, Eof, Timeout, OSError):
                pass
        self.ws.close()

    def close(self, **kw):
        self.ws.close(**kw)

    # -- elements ----------------------------------------------------------------------------

    def send(self, xml, **kw):
        try:
            self.ws.send_text(xml, **kw)
        except Eof:
            pass  # what the server said before it hung up is still to be read

    def text(self, timeout=None):
        """The next text message; Closed at the end, Timeout when none comes."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            try:
                kind, data = self.ws.read_event(max(0.0, deadline - time.monotonic()))
            except Eof as e:
                raise Closed(None, False) from e
            if kind == "ping":
                self.ws.wire.send(encode_frame(PONG, data))
            elif kind == "close":
                raise Closed(close_code(data), True)
            elif kind == "text":
                return data.decode()

    def recv(self, timeout=None):
        text = self.text(timeout)
        try:
            element = ET.fromstring(text)
            self.over = self.over or element.tag == "{%s}close" % FRAMING
            return element
        except ET.ParseError as e:
            raise Fail("the server sent what is not one element: %s in %r" % (e, text)) from None

    def wait_for(self, wanted, timeout=None):
        """The next element for which wanted(element) is true; others are passed over."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            element = self.recv(max(0.001, deadline - time.monotonic()))
            if wanted(element):
                return element

    def silent_until_ping(self, timeout=None):
        """What comes before the answer to a ping sent now: proves that nothing else is coming."""
        id, seen = next_id("marker"), []
        self.send(ping_iq(id, self.domain))
        while True:
            element = self.recv(timeout)
            if element.get("id") == id:
                return seen
            seen.append(element)

    def ending(self, timeout=None):
        """Reads to the end of the connection, which must come within the timeout."""
        end, deadline = Ending(), time.monotonic() + (timeout or self.timeout)
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                kind, data = self.ws.read_event(left)
            except Eof as e:
                end.reset = e.reset
                return end
            except Timeout:
                raise Fail("still open after %.1f s: %s" % (timeout or self.timeout, end)) from None
            self._note(end, kind, data)

    def _note(self, end, kind, data):
        if kind == "close":
            end.close_frame, end.code = True, close_code(data)
            try:
                self.ws.wire.send(encode_frame(CLOSE, data[:2]))
            except Eof:
                pass
        elif kind == "text":
            element = ET.fromstring(data)
            end.elements.append(element)
            if element.tag == "{%s}error" % STREAMS:
                end.errors.append(condition(element, STREAM_ERRORS))
            elif element.tag == "{%s}failure" % SASL:
                end.failures.append(condition(element, SASL))
            elif element.tag == "{%s}close" % FRAMING:
                end.framing_close = True

    def expect_stream_error(self, *conditions, timeout=None):
        """<stream:error>, then <close/>, then a close frame, then the end of TCP: RFC 7395 3.6."""
        end = self.ending(timeout)
        check(len(end.errors) == 1 and end.errors[0] in conditions,
              "wanted stream error %s; got %s", "/".join(conditions), end)
        tags = [e.tag for e in end.elements]
        check(tags[-2:] == ["{%s}error" % STREAMS, "{%s}close" % FRAMING],
              "after a stream error <close/> must follow and be last; got %s", end)
        check(end.close_frame, "no WebSocket close after the stream error; got %s", end)
        return end

    def expect_ws_close(self, *codes, timeout=None):
        """A close frame with one of `codes` and the end of TCP."""
        end = self.ending(timeout)
        check(end.close_frame and end.code in codes, "wanted WebSocket close %s; got %s",
              "/".join(map(str, codes)), end)
        return end

    # -- steps -------------------------------------------------------------------------------

    def open(self, to=None):
        self.send("<open xmlns='%s' version='1.0'%s/>" % (FRAMING, attrs(to=to or self.domain)))
        answer = self.recv()
        check(answer.tag == "{%s}open" % FRAMING, "wanted <open/>, got %s", answer.tag)
        self.features = self.recv()
        check(self.features.tag == "{%s}features" % STREAMS, "wanted features, got %s",
              self.features.tag)
        return self.features

    def mechanisms(self):
        return [m.text for m in self.features.iter("{%s}mechanism" % SASL)]

    def auth(self, mechanism, initial=None):
        """Sends <auth/>; returns the answer."""
        data = "" if initial is None else b64(initial) or "="
        self.send("<auth xmlns='%s'%s>%s</auth>" % (SASL, attrs(mechanism=mechanism), data))
        return self.recv()

    def respond(self, data):
        self.send("<response xmlns='%s'>%s</response>" % (SASL, b64(data)))
        return self.recv()

    def auth_plain(self, user, password, authzid=""):
        return self.auth("PLAIN", "%s\0%s\0%s" % (authzid, user, password))

    def one_round(self, mechanism, initial, inner):
        """SASL 2 (XEP-0388) in one message; `initial` is bytes."""
        self.send("<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>"
                  "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>%s</authenticate>"
                  % (SASL2, mechanism, base64.b64encode(initial).decode(), inner))
        return self.recv()

    def take_token(self, user, password):
        """A token for HT-SHA-256-NONE (XEP-0484)."""
        answer = self.one_round("PLAIN", ("\0%s\0%s" % (user, password)).encode(),
                                   "<request-token xmlns='%s' mechanism='HT-SHA-256-NONE'/>" % FAST)
        token = answer.find("{%s}token" % FAST)
        check(token is not None, "no token, but %s", answer.tag)
        return token.get("token")

    def auth_token(self, user, token):
        proof = hmac.digest(token.encode(), b"Initiator", "sha256")
        return self.one_round("HT-SHA-256-NONE", user.encode() + b"\0" + proof, "<fast xmlns='%s'/>" % FAST)

    def scram_begin(self, scram, mechanism):
        """The exchange up to the server's first message, which is returned as a dict."""
        answer = self.auth(mechanism, scram.first())
        check(answer.tag == "{%s}challenge" % SASL, "wanted a challenge, got %s (%s)", answer.tag,
              condition(answer, SASL))
        return scram.challenge(base64.b64decode(answer.text).decode())

    def auth_scram(self, user, password, hash="sha1"):
        mechanism = {"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[hash]
        scram = Scram(user, password, hash)
        self.scram_begin(scram, mechanism)
        answer = self.respond(scram.final())
        if answer.tag == "{%s}success" % SASL:
            verifier = base64.b64decode(answer.text or "").decode()
            check(verifier == "v=" + b64(scram.server_signature), "wrong server signature")
        return answer

    def bind(self, resource=None):
        inner = "<resource>%s</resource>" % escape(resource) if resource else ""
        self.send("<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='%s'>%s</bind></iq>"
                  % (BIND, inner))
        answer = self.recv()
        found = answer.find("{%s}bind/{%s}jid" % (BIND, BIND))
        check(found is not None, "bind failed: %s", ET.tostring(answer))
        self.jid = found.text
        return self.jid

    def authenticate(self, user, password, how="scram"):
        """open, SASL, open again; Fail when the credentials are not accepted."""
        self.open()
        answer = (self.auth_plain if how == "plain" else self.auth_scram)(user, password)
        check(answer.tag == "{%s}success" % SASL, "login of %s refused: %s", user,
              condition(answer, SASL))
        self.open()
        return self

    def login(self, user, password, resource=None, how="scram"):
        self.authenticate(user, password, how)
        self.bind(resource)
        return self

    def presence(self):
        self.send("<presence xmlns='jabber:client'/>")
        self.wait_for(lambda e: e.tag == "{%s}presence" % CLIENT
                      and e.get("from", "").lower() == self.jid.lower())
        return self
