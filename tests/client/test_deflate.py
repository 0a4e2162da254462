# SPDX-License-Identifier: MIT
"""Compression of messages (RFC 7692): with our server, and with servers that mean it ill."""
import os
import select
import socket
import threading
import unittest
import zlib

from client import Client
from peer import Peer
from server import Server

BIN, CLI = os.environ["JABIRUD"], os.environ["JABIRU"]
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
QUICK = {"BACKOFF_LEAST_MS": 10, "BACKOFF_MOST_MS": 20, "CLOSE_TIMEOUT_MS": 200, "RECONNECT": 0}
LONG = "good night " * 1000


class Relay:
    """Passes bytes on between a client and a server, and counts them."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://localhost:{self.listener.getsockname()[1]}/xmpp-websocket"
        self.bytes = {"out": 0, "in": 0}
        threading.Thread(target=self._run, args=(port,), daemon=True).start()

    def _run(self, port):
        near, _ = self.listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            while True:
                for ready in select.select([near, far], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    self.bytes["out" if ready is near else "in"] += len(data)
                    (far if ready is near else near).sendall(data)


class WithJabirud(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = {}
        for deflate in (True, False):
            server = Server(BIN, CLI, config=f"websocket {{\n deflate = {str(deflate).lower()}\n}}\n").start()
            server.import_users([("romeo@localhost", "secret")])
            cls.servers[deflate] = server

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers.values():
            server.stop()

    def bytes_of_a_long_message(self, server_does, **options):
        """Out and in, of one message of 11,000 bytes to oneself."""
        relay = Relay(self.servers[server_does].port)
        with Client(URL=relay.url, **options) as romeo:
            romeo.do("connect romeo@localhost/self secret", "ok")
            romeo.expect("online")
            before = dict(relay.bytes)
            n = romeo.do(f"message romeo@localhost/self {LONG}", r"\d+")
            romeo.expect(LONG.strip())
            romeo.expect(f"acked {n}")
            return relay.bytes["out"] - before["out"], relay.bytes["in"] - before["in"]

    def test_both_sides_compress(self):
        for k in self.bytes_of_a_long_message(True, DEFLATE=1):
            self.assertLess(k, len(LONG) / 10)

    def test_not_when_it_is_not_asked_for(self):
        for server_does, options in ((True, {}), (True, {"DEFLATE": 0}), (False, {"DEFLATE": 1})):
            for k in self.bytes_of_a_long_message(server_does, **options):
                self.assertGreater(k, len(LONG))

    def test_a_session_goes_on_compressed(self):
        with Client(URL=self.servers[True].url, DEFLATE=1, BACKOFF_LEAST_MS=10) as romeo:
            romeo.do("connect romeo@localhost/self secret", "ok")
            romeo.expect("online")
            romeo.do("cut", "ok")
            romeo.expect("offline lost")
            romeo.expect("online|resumed")
            n = romeo.do(f"message romeo@localhost/self {LONG}", r"\d+")
            romeo.expect(LONG.strip())
            romeo.expect(f"acked {n}")


class Scripted(unittest.TestCase):
    def upgraded(self, script, extensions=AGREED):
        """A script behind a handshake that agrees to this."""
        def whole(conn):
            self.assertEqual(conn.field("Sec-WebSocket-Extensions"), AGREED)
            conn.upgrade(extensions)
            script(conn)
        return whole

    def ended(self, script, reason, extensions=AGREED, seconds=20):
        """Connects; the connection must end for this reason; returns the words."""
        with Peer(self.upgraded(script, extensions), http=True) as peer, \
                Client(URL=peer.url, DEFLATE=1, **QUICK) as c:
            c.do("connect romeo@localhost secret", "ok")
            return c.expect(f"offline {reason} -1 (.*)", seconds).group(1)

    # -- the handshake

    def test_answers_that_cannot_be_lived_with(self):
        for answer, words in (("permessage-deflate", "each message by itself"),
                              ("permessage-deflate; client_no_context_takeover", "each message by itself"),
                              (AGREED + "; client_max_window_bits=10", "limits our window"),
                              (AGREED + "; server_max_window_bits=16", "parameter"),
                              (AGREED + "; server_max_window_bits=0", "parameter"),
                              (AGREED + "; unknown", "parameter"), (AGREED + "; unknown=1", "parameter"),
                              (AGREED + "; server_no_context_takeover", "parameter"),
                              (AGREED + ", " + AGREED, "twice"), ("permessage-bzip2", "not offered"),
                              (AGREED + ", x-other", "not offered"), ("permessage-deflate;", "not a list")):
            said = []
            self.assertIn(words, self.ended(lambda conn: said.extend(conn.until_closed()), "endpoint", answer), answer)
            self.assertEqual(said, [], answer)  # nothing of the stream went out

    def test_agreed_to_without_an_offer(self):
        def script(conn):
            self.assertIsNone(conn.field("Sec-WebSocket-Extensions"))
            conn.upgrade(AGREED)
            conn.until_closed()
        with Peer(script, http=True) as peer, Client(URL=peer.url, **QUICK) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline endpoint -1 .*not offered")

    def test_answers_that_can(self):
        for answer in (AGREED, AGREED + "; server_max_window_bits=8", AGREED + '; server_max_window_bits="15"',
                       "permessage-deflate; server_no_context_takeover", ""):
            def script(conn):
                conn.login()
                conn.recv_presence()
                (conn.send_packed if answer else conn.send)(
                    "<message xmlns='jabber:client'><body>packed or not</body></message>")
                conn.until_closed()
            with Peer(self.upgraded(script, answer), http=True) as peer, Client(URL=peer.url, DEFLATE=1) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("packed or not")
                c.command("disconnect")

    # -- messages

    def test_long_messages_are_compressed_each_by_itself(self):
        def script(conn):
            conn.login()
            conn.recv_presence()
            del conn.packed[:]
            for k in range(3):  # each is inflated anew: none refers to the one before
                conn.recv_like(f"{k} good night good night")
            self.assertEqual(len(conn.packed), 3)
            self.assertLess(max(len(data) for data in conn.packed), 500)
            conn.recv_like("<body>short</body>")
            self.assertEqual(len(conn.packed), 3)
            conn.until_closed()
        with Peer(self.upgraded(script), http=True) as peer, Client(URL=peer.url, DEFLATE=1) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            for k in range(3):
                c.do(f"message juliet@localhost {k} {LONG}", r"\d+")
            c.do("message juliet@localhost short", r"\d+")
            c.command("disconnect")

    def test_a_message_in_fragments(self):
        text = f"<message xmlns='jabber:client'><body>{LONG}</body></message>".encode()
        packer = zlib.compressobj(wbits=-15)
        data = (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]

        def script(conn):
            conn.login()
            conn.frame(1, data[:1], fin=False, rsv1=True)
            for k in range(1, len(data) - 1, 20):
                conn.frame(0, data[k:min(k + 20, len(data) - 1)], fin=False)
                conn.frame(9, b"are you there")
            conn.frame(0, data[-1:])
            conn.until_closed()
        with Peer(self.upgraded(script), http=True) as peer, Client(URL=peer.url, DEFLATE=1) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect(LONG.strip())
            c.command("disconnect")

    # -- hostile ones

    def test_a_bomb(self):
        """100 MB of zeros in 100 kB: over the size of a stanza, nothing more is inflated."""
        packer = zlib.compressobj(9, wbits=-15)
        bomb = packer.compress(b"<message xmlns='jabber:client'>" + b" " * 100_000_000)
        bomb += packer.flush(zlib.Z_SYNC_FLUSH)

        def script(conn):
            conn.login()
            conn.frame(1, bomb[:-4], rsv1=True)
            conn.until_closed()
        self.assertLess(len(bomb), 200_000)
        self.assertIn("over the size limit", self.ended(script, "protocol"))

    def test_a_bomb_before_login(self):
        packer = zlib.compressobj(9, wbits=-15)
        bomb = packer.compress(b"<open" + b" " * 70_000) + packer.flush(zlib.Z_SYNC_FLUSH)

        def script(conn):
            conn.frame(1, bomb[:-4], rsv1=True)
            conn.until_closed()
        self.assertIn("over the size limit", self.ended(script, "protocol"))

    def test_compressed_without_an_agreement(self):
        def script(conn):
            conn.login()
            conn.send_packed("<message xmlns='jabber:client'/>")
            conn.until_closed()
        self.assertIn("reserved bit", self.ended(script, "protocol", extensions=""))
        with Peer(script) as peer, Client(URL=peer.url, **QUICK) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline protocol -1 .*reserved bit")

    def test_rubbish(self):
        head = b"<message xmlns='jabber:client'>"
        cut = zlib.compressobj(wbits=-15)
        cut = cut.compress(head * 20) + cut.flush(zlib.Z_FINISH)
        for rubbish in (b"\xff" * 40, b"\x06", b"\x00\x05\x00\xff\xffabc", cut[:10], b"\x01\x01\x00\xfe\xff\xff"):
            def script(conn):
                conn.login()
                conn.frame(1, rubbish, rsv1=True)
                conn.until_closed()
            self.assertTrue(self.ended(script, "protocol"), rubbish)

    def test_the_reserved_bit_where_it_may_not_be(self):
        for opcode, first in ((9, None), (8, None), (0, b"<mess")):
            def script(conn):
                conn.login()
                if first:
                    conn.frame(1, first, fin=False)
                conn.frame(opcode, b"", rsv1=True)
                conn.until_closed()
            self.assertIn("reserved bit", self.ended(script, "protocol"))


if __name__ == "__main__":
    unittest.main()
