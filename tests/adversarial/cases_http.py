# SPDX-License-Identifier: MIT
"""A. The HTTP upgrade and the listener: cases 1 to 10."""

import os
import selectors
import socket
import struct
import subprocess
import tempfile
import threading
import time

import settings
from registry import case
from rig import self_signed
from xmpp import FRAMING, Closed, Eof, Fail, Timeout, Xmpp, b64, check, message

from wsclient import TEXT, encode_frame, new_key

GOOD = "https://good.example"


def upgrade_lines(rig, drop=(), **change):
    """The headers of a correct request as a list of lines, some dropped or changed."""
    headers = {"Host": "%s:%d" % (rig.host, rig.port), "Upgrade": "websocket",
               "Connection": "Upgrade", "Sec-WebSocket-Key": new_key(),
               "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "xmpp"}
    headers.update({k.replace("_", "-"): v for k, v in change.items()})
    return ["%s: %s" % (k, v) for k, v in headers.items() if k not in drop]


def request(rig, lines, first=None):
    first = first or "GET %s HTTP/1.1" % settings.WS_PATH
    return ("\r\n".join([first] + lines) + "\r\n\r\n").encode("latin-1")


def ask(rig, data, source=None):
    """(Response, ended): what one request is answered, and whether the server then hung up."""
    with rig.ws(source=source) as ws:
        ws.wire.send(data)
        response = ws.read_response(5.0)
        if response.status == 101:
            return response, False
        try:
            rest = ws.wire.wait_eof(3.0)
            check(b"HTTP/1." not in rest, "a second response followed the first")
            return response, True
        except Timeout:
            return response, False


def refused(rig, what, data, statuses, ends=True):
    """The request gets one of `statuses` and, where the connection is not safe to reuse, an end."""
    try:
        response, ended = ask(rig, data)
    except (Eof, Timeout) as e:
        raise Fail("%s: no answer (%s)" % (what, e)) from None
    check(response.status in statuses, "%s: answered %d, not %s", what, response.status, statuses)
    check(response.body.strip(), "%s: the %d has no body that says why", what, response.status)
    check(ended or not ends, "%s: the connection stays open after %d", what, response.status)
    return response


@case(1, "Origin is compared exactly with the allowlist", config={"origins": [GOOD]})
def case_01_origin(rig):
    for origin in ("https://evil.example", "null", GOOD + ".evil.example", "http://good.example",
                   GOOD + ":8443", "https://sub.good.example", GOOD + "@evil.example",
                   "https://good.exampl", GOOD + "/path"):
        response = refused(rig, "Origin " + origin, request(rig, upgrade_lines(rig, Origin=origin)),
                           (403,), ends=False)
        check(b"origins" in response.body, "the 403 does not name the option: %r", response.body)
    two = upgrade_lines(rig, Origin=GOOD) + ["Origin: https://evil.example"]
    refused(rig, "two Origin headers", request(rig, two), (400, 403))
    response, _ = ask(rig, request(rig, upgrade_lines(rig, Origin=GOOD)))
    check(response.status == 101, "the allowed origin is refused: %d", response.status)


@case(2, "no Origin is fine; credentials of the upgrade are nobody", config={"origins": [GOOD]})
def case_02_no_origin(rig):
    basic = "Basic " + b64("alice:" + settings.PASSWORD)
    headers = [("Authorization", basic), ("Cookie", "session=alice"),
               ("X-Forwarded-For", "127.0.0.1"), ("X-Remote-User", "alice")]
    with Xmpp(rig.url(), rig.domain, headers=headers) as client:
        client.open()
        offered = client.mechanisms()
        check(offered, "no SASL offered: somebody is logged in already")
        check(not {"EXTERNAL", "ANONYMOUS"} & set(offered), "offered unasked: %s", offered)
        client.send(message(rig.bare("bob"), "from nobody"))
        client.expect_stream_error("not-authorized")


@case(3, "the subprotocol must be xmpp, and only that is answered")
def case_03_subprotocol(rig):
    none = upgrade_lines(rig, drop=("Sec-WebSocket-Protocol",))
    response = refused(rig, "no subprotocol", request(rig, none), (400,))
    check(b"xmpp" in response.body, "the 400 does not name the subprotocol: %r", response.body)
    for offer in ("foo", "xmpp2, foo", "xmp"):
        refused(rig, "subprotocol " + offer,
                request(rig, upgrade_lines(rig, Sec_WebSocket_Protocol=offer)), (400,))
    for offer in ("foo, xmpp", "xmpp,foo", "xmpp"):
        with rig.ws() as ws:
            response = ws.upgrade(protocol=offer)
            check(response.status == 101, "offer %r: %d", offer, response.status)
            answer = ws.header("sec-websocket-protocol")
            check(answer == "xmpp", "offer %r is answered %r", offer, answer)


@case(4, "wrong version, key, host, HTTP version or method")
def case_04_bad_upgrade(rig):
    for version in ("12", "8", "0", "14", "13, 8", "abc"):
        data = request(rig, upgrade_lines(rig, Sec_WebSocket_Version=version))
        response = refused(rig, "version " + version, data, (426,) if version.isdigit()
                           else (400, 426), ends=False)
        if response.status == 426:
            check(dict(response.headers).get("sec-websocket-version") == "13",
                  "the 426 does not say Sec-WebSocket-Version: 13")
    for drop in ("Sec-WebSocket-Version", "Sec-WebSocket-Key", "Host", "Upgrade", "Connection"):
        refused(rig, "no " + drop, request(rig, upgrade_lines(rig, drop=(drop,))), (400, 426),
                ends=False)
    for key in ("", "abc", b64(b"x" * 15), b64(b"x" * 17), "!" * 24, b64(b"x" * 16)[:-2] + "= "):
        refused(rig, "key %r" % key, request(rig, upgrade_lines(rig, Sec_WebSocket_Key=key)),
                (400,), ends=False)
    two = upgrade_lines(rig) + ["Sec-WebSocket-Key: " + new_key()]
    refused(rig, "two keys", request(rig, two), (400,), ends=False)
    lines, path = upgrade_lines(rig), settings.WS_PATH
    for first in ("GET %s HTTP/1.0", "GET %s HTTP/0.9", "GET %s HTTP/2.0", "GET %s",
                  "get %s HTTP/1.1", "POST %s HTTP/1.1",
                  "PUT %s HTTP/1.1", "CONNECT %s HTTP/1.1", "GET  %s HTTP/1.1"):
        refused(rig, repr(first), request(rig, lines, first % path), (400, 405, 426, 501, 505),
                ends=False)


def filler(head, target):
    """A header line that makes the request exactly `target` bytes long."""
    name = "X-Fill: "
    return name + "f" * (target - len(head) - len(name) - 2)


def sized_request(rig, size):
    lines = upgrade_lines(rig)
    data = request(rig, lines + [filler(request(rig, lines), size)])
    assert len(data) == size
    return data


@case(5, "smuggling: lengths, bodies, stray bytes, folded lines; 8 KiB and 100 headers at most",
      counts=("http_head_bytes", "http_headers"))
def case_05_smuggling(rig):
    lines = upgrade_lines(rig)
    bad = {
        "two Content-Length": ["Content-Length: 0", "Content-Length: 5"],
        "Content-Length and Transfer-Encoding": ["Content-Length: 5",
                                                 "Transfer-Encoding: chunked"],
        "Transfer-Encoding alone": ["Transfer-Encoding: chunked"],
        "Content-Length with sign": ["Content-Length: +5"],
        "huge Content-Length": ["Content-Length: 99999999999999999999"],
        "bare CR": ["X-A: one\rX-B: two"],
        "NUL": ["X-A: one\0two"],
        "folded line": ["X-A: one\r\n two"],
        "space before colon": ["X-A : one"],
        "no colon": ["X-A one"],
        "empty name": [": one"],
        "control character in name": ["X\x01A: one"],
        "two Host": ["Host: other.example"],
    }
    for what, extra in bad.items():
        refused(rig, what, request(rig, lines + extra), (400, 411, 413))
    refused(rig, "body on GET", request(rig, lines + ["Content-Length: 5"]) + b"hello", (400, 413))
    refused(rig, "bare LF ends", request(rig, lines).replace(b"\r\n", b"\n"), (400,))
    refused(rig, "garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,))
    most = rig.limits["http_headers"]
    for count in (most - 1, most, most + 1):
        extra = ["X-%d: y" % i for i in range(count - len(lines))]
        if count > most:
            refused(rig, "%d headers" % count, request(rig, lines + extra), (431,))
        else:
            response, _ = ask(rig, request(rig, lines + extra))
            check(response.status == 101, "%d headers: %d", count, response.status)
    most = rig.limits["http_head_bytes"]
    for size in (most - 1, most):
        response, _ = ask(rig, sized_request(rig, size))
        check(response.status == 101, "head of %d bytes: %d", size, response.status)
    refused(rig, "head one byte too long", sized_request(rig, most + 1), (431,))
    refused(rig, "one endless line", b"GET /" + b"a" * (most * 4), (400, 414, 431))


def drip(rig, sockets, seconds, every):
    """Sends each socket one byte per `every` seconds; returns when each was closed, by index."""
    chosen, closed = selectors.DefaultSelector(), {}
    started = time.monotonic()
    for i, sock in enumerate(sockets):
        chosen.register(sock, selectors.EVENT_READ, i)
    next_drip = started + every
    while len(closed) < len(sockets) and time.monotonic() - started < seconds:
        for key, _ in chosen.select(max(0.0, next_drip - time.monotonic())):
            try:
                data = key.fileobj.recv(4096)
            except OSError:
                data = b""
            if not data:
                closed[key.data] = time.monotonic() - started
                chosen.unregister(key.fileobj)
        if time.monotonic() >= next_drip:
            for i, sock in enumerate(sockets):
                if i not in closed:
                    try:
                        sock.send(b"a")
                    except OSError:
                        pass
            next_drip += every
    return closed


def crowd(rig, count, first):
    """`count` connections from 100 loopback addresses, each having sent `first`."""
    sockets = []
    for i in range(count):
        sock = socket.socket()
        sock.bind(("127.0.1.%d" % (1 + i % 100), 0))
        sock.connect((rig.host, rig.port))
        sock.setblocking(False)
        sock.send(first)
        sockets.append(sock)
    return sockets


@case(6, "slowloris: 1,000 dripping sockets are closed in time, others log in meanwhile",
      config={"http_timeout_ms": 3000, "auth_timeout_ms": 4000}, slack_mib=8,
      counts=("http_timeout_ms", "auth_timeout_ms"))
def case_06_slowloris(rig):
    count, limit = int(1000 * rig.options.scale), rig.limits["http_timeout_ms"] / 1000
    sockets = crowd(rig, count, b"GET / HTTP/1.1\r\nX-Slow: ")
    waits, over = [], threading.Event()

    def logins():
        while not over.is_set():
            begun = time.monotonic()
            try:
                rig.client("bob", source="127.0.0.2").close()
                waits.append(time.monotonic() - begun)
            except (Closed, Fail, Timeout, Eof, OSError) as e:
                waits.append(float("inf"))
                waits.append(e)
                return
    thread = threading.Thread(target=logins)
    thread.start()
    try:
        closed = drip(rig, sockets, limit + 4.0, 0.5)
    finally:
        over.set()
        thread.join()
        for sock in sockets:
            sock.close()
    check(len(closed) == count, "%d of %d sockets still open after the deadline",
          count - len(closed), count)
    # The earliest may have been opened up to a second before the clock started.
    check(min(closed.values()) > limit * 0.5, "closed after only %.1f s", min(closed.values()))
    check(len(waits) >= 3 and max(w for w in waits if isinstance(w, float)) <= 1.0,
          "logins during the attack: %s", waits[-3:])
    auth_deadline(rig)
    crowding(rig)


def auth_deadline(rig):
    """Whatever was reached before a resource is bound, the connection ends at the deadline."""
    limit, begun = rig.limits["auth_timeout_ms"] / 1000, time.monotonic()
    stages = {"upgraded": rig.connect(timeout=limit + 3), "opened": rig.opened(timeout=limit + 3),
              "logged in": rig.connect(timeout=limit + 3).authenticate("bob", settings.PASSWORD)}
    with rig.client("bob") as bound:
        for what, client in stages.items():
            client.ending()
            took = time.monotonic() - begun
            check(limit * 0.7 < took < limit + 2, "%s: closed after %.1f s", what, took)
            client.close()
        bound.silent_until_ping()


def crowding(rig):
    """At most so many connections of one address wait for their login; others are not concerned."""
    with rig.variant({"unauthenticated_per_address": 5}) as other:
        held = [other.opened(source="127.0.0.31") for _ in range(5)]
        try:
            other.opened(source="127.0.0.31").close()
            check(False, "a sixth unauthenticated connection of one address is served")
        except (Closed, Eof, Timeout, OSError):
            pass
        except Fail as e:
            check("answered" in str(e), str(e))  # an HTTP refusal is as good as a closed socket
        other.client("bob", source="127.0.0.32").close()
        held.pop().close()
        deadline = time.monotonic() + 2.0
        while not try_login(other, settings.PASSWORD, "127.0.0.31"):
            check(time.monotonic() < deadline, "the place of a closed connection stays taken")
        for client in held:
            client.close()


def tls_options(directory):
    """Configuration of a listener with TLS of its own and a certificate made on the spot."""
    cert, key = self_signed(directory)
    return {"tls": "own", "tls_certificate": cert, "tls_key": key}


def half_hello():
    """The first 40 bytes of a ClientHello record that promises 500."""
    return b"\x16\x03\x01\x01\xf4\x01\x00\x01\xf0\x03\x03" + os.urandom(29)


@case(7, "half-open TLS handshakes are closed in time; renegotiation is refused", slack_mib=8)
def case_07_tls_handshakes(rig):
    count = int(1000 * rig.options.scale)
    with tempfile.TemporaryDirectory() as directory:
        with rig.variant({**tls_options(directory), "tls_timeout_ms": 3000}) as other:
            fds = other.fds()
            sockets = crowd(other, count, half_hello())
            closed = drip(other, sockets, 7.0, 60.0)
            for sock in sockets:
                sock.close()
            check(len(closed) == count, "%d half-open handshakes survive", count - len(closed))
            deadline = time.monotonic() + 3
            while other.fds() > fds + 2:
                check(time.monotonic() < deadline, "descriptors %d -> %d", fds, other.fds())
                time.sleep(0.05)
            renegotiate("%s:%d" % (other.host, other.port))
            other.client("alice").close()


def renegotiate(address):
    """s_client renegotiates when it reads R on a line of its own."""
    run = subprocess.run(["openssl", "s_client", "-connect", address, "-tls1_2"], input=b"R\n",
                         capture_output=True, timeout=20)
    out = run.stdout + run.stderr
    check(b"RENEGOTIATING" in out, "no TLS 1.2 session to renegotiate: %r", out[-200:])
    check(b"no renegotiation" in out or b"handshake failure" in out or run.returncode != 0,
          "renegotiation was granted")


def answered(rig, data):
    """The one response to a request, after which we have no more to say."""
    with rig.ws() as ws:
        ws.wire.send(data)
        response = ws.read_response(5.0)
        ws.wire.half_close()
        check(b"HTTP/1." not in ws.wire.wait_eof(3.0), "a second response followed the first")
        return response


@case(8, "paths that try to climb are 404; nothing administrative on the public listener")
def case_08_paths(rig):
    ws = settings.WS_PATH
    climbing = ["/..%2f", "/..%2f..%2fetc%2fpasswd", "/../../etc/passwd",
                "/%2e%2e/%2e%2e/etc/passwd", "/%252e%252e/",
                "//etc/passwd", "/;x=y", "/%u002e%u002e/", "/.%00/", "/.git/config",
                ws + "/../..%2f", ws + ";x=y", "/" + ws, ws + "%2f", ws + "/x", ws.upper(),
                "/..\\..\\", "/%c0%ae%c0%ae/"]
    private = ["/metrics", "/admin/", "/admin", "/api/", "/stats", "/debug", "/console", "/status"]
    for path in climbing + private:
        first = "GET %s HTTP/1.1" % path
        for lines in (["Host: %s" % rig.domain, "Connection: close"], upgrade_lines(rig)):
            try:
                response = answered(rig, request(rig, lines, first))
            except (Eof, Timeout) as e:
                raise Fail("%s: no answer (%s)" % (path, e)) from None
            check(response.status in (400, 404), "%s is answered %d", path, response.status)


def try_login(rig, password, source="127.0.0.1", headers=(), preface=b""):
    """True when the credentials were accepted, in whatever way they can be refused."""
    try:
        client = Xmpp.__new__(Xmpp)
        client.domain, client.timeout, client.jid = rig.domain, 5.0, None
        client.ws = rig.ws(source=source)
        with client:
            client.ws.wire.send(preface)
            lines = client.ws.default_headers("xmpp") + list(headers)
            if client.ws.upgrade(headers=lines).status != 101:
                return False
            client.open()
            how = client.auth_plain if "PLAIN" in client.mechanisms() else client.auth_scram
            return how("alice", password).tag.endswith("}success")
    except (Closed, Eof, Fail, Timeout, OSError):
        return False


def penalised(rig, **kw):
    """Fails logins until the server has had enough, then tries the right password."""
    for _ in range(rig.limits["auth_failures_per_address"] + 1):
        try_login(rig, "wrong", **kw)
    return not try_login(rig, settings.PASSWORD, **kw)


def forwarded(*addresses):
    return [("X-Forwarded-For", ", ".join(addresses))]


@case(9, "X-Forwarded-For and the PROXY protocol count only from a trusted proxy")
def case_09_forwarded(rig):
    few = {"auth_failures_per_address": 5}
    with rig.variant(few) as other:
        for i in range(7):
            try_login(other, "wrong", "127.0.0.9", forwarded("203.0.113.%d" % i))
        check(not try_login(other, settings.PASSWORD, "127.0.0.9", forwarded("203.0.113.99")),
              "an untrusted X-Forwarded-For evades the limit per address")
        check(try_login(other, settings.PASSWORD, "127.0.0.10", forwarded("127.0.0.9")),
              "an untrusted X-Forwarded-For brings the penalty of another address")
    with rig.variant({**few, "trusted_proxies": ["127.0.0.9"]}) as other:
        for i in range(7):
            try_login(other, "wrong", "127.0.0.9", forwarded("198.51.100.%d" % i, "203.0.113.7"))
        check(not try_login(other, settings.PASSWORD, "127.0.0.9",
                            forwarded("198.51.100.99", "203.0.113.7")),
              "not the rightmost untrusted address is counted")
        check(try_login(other, settings.PASSWORD, "127.0.0.9", forwarded("203.0.113.8")),
              "the proxy itself was penalised")
    with rig.variant({**few, "proxy_protocol": True, "trusted_proxies": ["127.0.0.9"]}) as other:
        proxy_protocol(other)


def proxy_v1(address):
    return b"PROXY TCP4 %s 127.0.0.1 40000 80\r\n" % address.encode()


def proxy_v2(address, length=None):
    body = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 80)
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11"
            + struct.pack("!H", len(body) if length is None else length) + body)


def proxy_protocol(rig):
    for form, evil_address in ((proxy_v1, "203.0.113.31"), (proxy_v2, "203.0.113.32")):
        good = {"source": "127.0.0.9", "preface": form("203.0.113.21")}
        check(try_login(rig, settings.PASSWORD, **good), "%s refused", form.__name__)
        evil = {"source": "127.0.0.9", "preface": form(evil_address)}
        for _ in range(7):
            try_login(rig, "wrong", **evil)
        check(not try_login(rig, settings.PASSWORD, **evil), "%s: address not used", form.__name__)
        check(try_login(rig, settings.PASSWORD, **good), "%s: wrong address used", form.__name__)
    for what, preface in (("nothing", b""), ("endless v1", b"PROXY TCP4 " + b"1" * 200),
                          ("bad address", b"PROXY TCP4 999.1.1.1 127.0.0.1 1 2\r\n"),
                          ("v2 that lies", proxy_v2("203.0.113.21", 4)),
                          ("v2 of another version", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0")):
        check(not try_login(rig, settings.PASSWORD, source="127.0.0.9", preface=preface),
              "a connection from the proxy with %s is served", what)


@case(10, "bytes pipelined behind the upgrade request are parsed once, as frames")
def case_10_pipelined(rig):
    opening = "<open xmlns='%s' to='%s' version='1.0'/>" % (FRAMING, rig.domain)
    frame = encode_frame(TEXT, opening.encode())
    with rig.ws() as ws:
        check(ws.upgrade(protocol="xmpp", trailing=frame).status == 101, "upgrade refused")
        first, second = ws.read_event(), ws.read_event()
        check(b"<open" in first[1] and b"features" in second[1], "got %s, %s", first, second)
        try:
            check(False, "answered twice: %s", ws.read_event(0.3))
        except Timeout:
            pass
    with rig.ws() as ws:  # a second request behind the upgrade is a bad frame, not a request
        ws.wire.send(request(rig, upgrade_lines(rig)) * 2)
        check(ws.read_response().status == 101, "upgrade refused")
        rest = ws.wire.wait_eof(3.0)
        check(b"HTTP/1." not in rest, "the pipelined request was answered as HTTP")
    lines = upgrade_lines(rig, Sec_WebSocket_Version="8")
    refused(rig, "refused upgrade with frames behind", request(rig, lines) + frame, (426,))
