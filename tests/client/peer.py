# SPDX-License-Identifier: MIT
"""A scripted server: a WebSocket endpoint on loopback whose every word is the test's.

    def script(conn):
        conn.login()
        conn.send("<message .../>")
    with Peer(script) as peer:
        ... Client(URL=peer.url) ...
    peer.check()    # raises what the script raised

The script runs once for each connection, in a thread of its own."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import threading
import zlib

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STREAMS = "http://etherx.jabber.org/streams"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BIND = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"
WAIT_S = 20


class Closed(Exception):
    """The client ended the connection."""


class Conn:
    """One connection of a client, after its request's head was read."""

    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.head, self.rest = "", b""
        self.masks = []  # the masking keys the client used
        self.packed = []  # compressed messages it sent, as they were on the line

    # -- bytes

    def take(self, n):
        while len(self.rest) < n:
            more = self.sock.recv(65536)
            if not more:
                raise Closed
            self.rest += more
        got, self.rest = self.rest[:n], self.rest[n:]
        return got

    def read_head(self):
        while b"\r\n\r\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise Closed
            self.rest += more
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        self.head = head.decode("ascii")
        return self.head

    def field(self, name):
        found = re.search(rf"^{name}: *(.*)$", self.head, re.I | re.M)
        return found.group(1).strip() if found else None

    def upgrade(self, extensions=""):
        key = self.field("Sec-WebSocket-Key").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        self.sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: xmpp\r\n"
                           + (f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else "") + "\r\n").encode())

    # -- frames

    def recv_frame(self):
        first, second = self.take(2)
        n = second & 127
        if n == 126:
            n = struct.unpack(">H", self.take(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.take(8))[0]
        assert second & 128, "a client masks what it sends"
        mask = self.take(4)
        self.masks.append(mask)
        data = bytes(b ^ mask[k % 4] for k, b in enumerate(self.take(n)))
        if first & 64:
            self.packed.append(data)
            data = zlib.decompressobj(wbits=-15).decompress(data + b"\0\0\xff\xff")
        return first & 15, data

    def recv(self):
        """The next text; pings are answered."""
        while True:
            opcode, data = self.recv_frame()
            if opcode == 1:
                return data.decode("utf-8")
            if opcode == 9:
                self.frame(10, data)
            if opcode == 8:
                self.frame(8, data)
                raise Closed

    def frame(self, opcode, data, fin=True, rsv1=False):
        head = bytes([(128 if fin else 0) | (64 if rsv1 else 0) | opcode])
        if len(data) < 126:
            head += bytes([len(data)])
        elif len(data) < 65536:
            head += b"\x7e" + struct.pack(">H", len(data))
        else:
            head += b"\x7f" + struct.pack(">Q", len(data))
        self.sock.sendall(head + data)

    def send(self, text):
        self.frame(1, text.encode("utf-8"))

    def send_packed(self, text):
        packer = zlib.compressobj(wbits=-15)
        data = packer.compress(text.encode("utf-8")) + packer.flush(zlib.Z_SYNC_FLUSH)
        self.frame(1, data[:-4], rsv1=True)

    def recv_like(self, pattern):
        text = self.recv()
        match = re.search(pattern, text, re.S)
        assert match, f"expected {pattern!r}, not {text!r}"
        return match

    def until_closed(self):
        """Hears the client out; returns what it said."""
        said = []
        try:
            while True:
                said.append(self.recv())
        except (Closed, OSError):
            return said

    # -- a stream

    def open(self, domain="localhost"):
        self.recv_like(r"^<open [^>]*version=.1\.0.")
        self.send(f"<open xmlns='{FRAMING}' from='{domain}' id='i{self.number}' version='1.0'/>")

    def features(self, *inner):
        self.send(f"<f:features xmlns:f='{STREAMS}'>{''.join(inner)}</f:features>")

    def offer(self, *mechanisms, more=""):
        self.features(f"<mechanisms xmlns='{SASL}'>"
                      + "".join(f"<mechanism>{m}</mechanism>" for m in mechanisms) + "</mechanisms>", more)

    def sasl(self, name, text="", inner=""):
        data = base64.b64encode(text.encode()).decode() if text else ""
        self.send(f"<{name} xmlns='{SASL}'>{data}{inner}</{name}>")

    def recv_auth(self):
        match = self.recv_like(r"^<auth [^>]*mechanism=['\"]([^'\"]*)['\"][^>]*>([^<]*)<")
        return match.group(1), base64.b64decode(match.group(2)).decode()

    def recv_response(self):
        return base64.b64decode(self.recv_like(r"^<response [^>]*>([^<]*)<").group(1)).decode()

    def scram(self, password="secret", mechanism="SCRAM-SHA-256", iterations=4096, salt=b"pepper", extra="",
              signature=None, binding=b""):
        """The whole exchange; `signature` replaces ours."""
        name, first = self.recv_auth()
        assert name == mechanism, f"the client chose {name}"
        digest = {"1": "sha1", "256": "sha256", "512": "sha512"}[mechanism.replace("-PLUS", "").rsplit("-", 1)[1]]
        gs2, bare = re.fullmatch(r"([^,]*,[^,]*,)(.*)", first).groups()
        nonce = re.search(r"r=([^,]*)", bare).group(1) + base64.b64encode(os.urandom(12)).decode()
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={iterations}{extra}"
        self.sasl("challenge", challenge)
        final = self.recv_response()
        without, _, proof = final.rpartition(",p=")
        assert without == f"c={base64.b64encode(gs2.encode() + binding).decode()},r={nonce}", without
        auth = f"{bare},{challenge},{without}".encode()
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations)
        mac = lambda key, text: hmac.new(key, text, digest).digest()  # noqa: E731
        client_key = mac(salted, b"Client Key")
        stored = hashlib.new(digest, client_key).digest()
        shown = bytes(a ^ b for a, b in zip(base64.b64decode(proof), mac(stored, auth)))
        if hashlib.new(digest, shown).digest() != stored:
            self.sasl("failure", inner="<not-authorized/>")
            return gs2
        verifier = base64.b64encode(mac(mac(salted, b"Server Key"), auth)).decode()
        self.sasl("success", f"v={verifier}" if signature is None else signature)
        return gs2

    def bind(self, jid="romeo@localhost/here", more="", again=True):
        """`again`: the stream is opened again first, as after SASL 1."""
        if again:
            self.open()
        self.features(BIND, more)
        iq_id = self.recv_like(r"^<iq .*id=['\"]([^'\"]*)").group(1)
        self.send(f"<iq xmlns='jabber:client' type='result' id='{iq_id}'><bind "
                  f"xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{jid}</jid></bind></iq>")

    def login(self, **more):
        self.open()
        self.offer("SCRAM-SHA-256")
        self.scram()
        self.bind(**more)

    def recv_presence(self):
        self.recv_like("^<presence ")


class Peer:
    def __init__(self, script, tls=None, http=False):
        """`tls`: an ssl.SSLContext; `http`: the script answers the request's head itself."""
        self.script, self.tls, self.http = script, tls, http
        self.errors, self.threads, self.conns = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'wss' if tls else 'ws'}://localhost:{self.port}/xmpp"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(WAIT_S)
            thread = threading.Thread(target=self._serve, args=(sock, len(self.conns)), daemon=True)
            self.threads.append(thread)
            self.conns.append(None)
            thread.start()

    def _serve(self, sock, number):
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            conn = self.conns[number] = Conn(sock, number)
            conn.read_head()
            if not self.http:
                conn.upgrade()
            self.script(conn)
        except (Closed, ConnectionError, ssl.SSLError):
            pass
        except BaseException as error:  # noqa: B902 - told to the test by check()
            self.errors.append(error)
        finally:
            sock.close()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind, error, trace):
        self.listener.close()
        if kind is not None and self.errors:
            print("the script:", self.errors)
        if kind is None:
            self.check()

    def check(self):
        for thread in self.threads:
            thread.join(WAIT_S)
        if self.errors:
            raise self.errors[0]
