# SPDX-License-Identifier: MIT
"""The library against our own server over wss: SASL 2, Bind 2, FAST (XEP-0388, 0386, 0484) and resumption within them."""
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import tempfile
import unittest

from client import Client
from server import Server

BIN, CLI = os.environ["JABIRUD"], os.environ["JABIRU"]
CONFIG = 'listener "secure" {\n    tls = own\n}\nhost "localhost" { }\n'
QUICK = {"BACKOFF_LEAST_MS": 10, "BACKOFF_MOST_MS": 20}
FULL = r"^romeo@localhost/libjabiru/[\w-]{12} "


class Fast(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BIN, CLI, CONFIG).start()
        cls.server.import_users([("romeo@localhost", "secret"), ("juliet@localhost", "secret")])
        cls.url = f"wss://localhost:{cls.server.port}/xmpp-websocket"
        cls.held = tempfile.TemporaryDirectory(prefix="jabiru-fast-")
        cls.ca = pathlib.Path(cls.held.name) / "ca.pem"
        shutil.copy(next(path for path in cls.server.data.rglob("*.crt")), cls.ca)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.held.cleanup()

    def client(self, **options):
        return Client(URL=self.url, CA_FILE=self.ca, **{**QUICK, **options})

    def token(self, user="romeo"):
        with self.client() as c:
            c.do(f"connect {user}@localhost secret", "ok")
            c.expect("online")
            return c.do("token", r"[0-9a-f-]{36} HT-SHA-512-EXPR secret-token:\S+")

    def test_a_token_is_given_bound_to_the_channel(self):
        with self.client() as c:
            c.do("connect romeo@localhost secret", "ok")
            self.assertRegex(c.expect("online (.*)").group(1), FULL + "TLSv1.3 SCRAM-SHA-\d+-PLUS tls-exporter$")
            self.assertRegex(c.do("token"), "HT-SHA-512-EXPR secret-token:")

    def test_a_token_logs_in_without_a_password(self):
        token = self.token()
        with self.client(TOKEN=token) as c:
            c.do("connect romeo@localhost", "ok")
            self.assertRegex(c.expect("online (.*)").group(1), FULL + "TLSv1.3 HT-SHA-512-EXPR$")
            n = c.do("request get localhost <ping xmlns='urn:xmpp:ping'/>", r"\d+")
            c.expect(f"answer {n} ok")
            self.assertEqual(c.do("token"), token)

    def test_a_cut_line_is_mended_by_the_token_and_nothing_is_lost(self):
        with self.client() as romeo, self.client() as juliet:
            juliet.do("connect juliet@localhost secret", "ok")
            juliet.expect("presence .*to='juliet@localhost/")
            romeo.do("connect romeo@localhost secret", "ok")
            jid = romeo.expect(r"online (\S+)").group(1)
            for round in range(3):
                romeo.do("cut", "ok")
                number = romeo.do(f"message juliet@localhost said {round}", r"\d+")
                juliet.do(f"message {jid} heard {round}", r"\d+")
                self.assertEqual(romeo.expect(r"resumed (\S+) TLSv1.3 HT-SHA-512-EXPR$").group(1), jid)
                romeo.expect(f"heard {round}")
                romeo.expect(f"acked {number}")
                juliet.expect(f"said {round}")

    def test_a_session_that_is_not_resumed_gives_way_to_the_new_one(self):
        token = self.token()
        with self.client(TOKEN=token, RECONNECT=0) as first:
            first.do("connect romeo@localhost", "ok")
            first.expect("online")
            first.do("cut", "ok")
            first.expect("offline")
            with self.client(TOKEN=token) as second, self.client() as juliet:
                second.do("connect romeo@localhost", "ok")
                second.expect("presence .*to='romeo@localhost/")
                self.assertTrue(self.server.wait_for_log(r"its client begins anew"))
                juliet.do("connect juliet@localhost secret", "ok")
                juliet.expect("online")
                juliet.do("message romeo@localhost which of you", r"\d+")
                second.expect("which of you")

    def test_a_new_password_ends_the_token(self):
        token = self.token("juliet")
        self.server.admin("user", "passwd", "juliet@localhost", input="other\n")
        try:
            with self.client(TOKEN=token) as c:
                c.do("connect juliet@localhost", "ok")
                c.expect("offline password -1")
        finally:
            self.server.admin("user", "passwd", "juliet@localhost", input="secret\n")

    def control(self, command, **args):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.server.data / "control.sock"))
            s.sendall(json.dumps({"id": 1, "command": command, "args": args}).encode() + b"\n")
            answer = json.loads(s.makefile().readline())
        self.assertTrue(answer["ok"], answer)

    def test_a_full_disk_gives_no_token_but_lets_in(self):
        token = self.token()
        self.control("inject", arm="file_full:1+")
        try:
            with self.client() as c, self.client(TOKEN=token) as other:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online")
                self.assertEqual(c.do("token"), "")
                other.do("connect romeo@localhost", "ok")  # that it was used for the first time cannot be noted, and need not be
                other.expect("online .* HT-SHA-512-EXPR$")
        finally:
            self.control("inject", disarm="file_full")
        with self.client(TOKEN=token) as c:
            c.do("connect romeo@localhost", "ok")
            c.expect("online .* HT-SHA-512-EXPR$")

    def test_the_store_has_no_token(self):
        token = self.token().split()[-1].removeprefix("secret-token:")
        database = sqlite3.connect(f"file:{self.server.data}/jabiru.db?mode=ro", uri=True)
        self.addCleanup(database.close)
        dump = "\n".join(database.iterdump())
        self.assertNotIn(token, dump)
        self.assertNotIn(token.encode().hex().upper(), dump.upper())


if __name__ == "__main__":
    unittest.main()
