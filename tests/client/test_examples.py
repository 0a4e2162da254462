# SPDX-License-Identifier: MIT
"""Each program of examples/ does what its page says, with our server and with others', over ws and wss."""
import os
import pathlib
import signal
import subprocess
import time
import unittest

import test_peers
from client import Client
from peer import Peer
from peers import Ejabberd, Prosody
from server import COMPLAINTS, SANITIZER_DEFAULTS, Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = pathlib.Path(os.environ["BUILD"]) / "examples"
WAIT_S = 60


class Everywhere:
    """What holds with any server; setUpClass says where it is, and which authorities to trust (None: no TLS)."""

    url = ca = password = None

    def start(self, name, jid, *more):
        ca = [str(self.ca)] if self.ca else [] if name == "echo_bot" else ["-"]
        return subprocess.Popen([FOLDER / name, jid, str(self.password), self.url, *ca, *more], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**SANITIZER_DEFAULTS, **os.environ})

    def finish(self, process, status=0):
        out, err = process.communicate(timeout=WAIT_S)
        self.assertEqual(process.returncode, status, out + err)
        self.assertFalse([c for c in COMPLAINTS if c in err], err)
        return out

    def juliet(self, jid="juliet@localhost/x"):
        c = Client(URL=self.url, **({"CA_FILE": self.ca} if self.ca else {}))
        c.do(f"connect {jid} secret", "ok")
        c.expect("online")
        return c

    def test_echo_bot(self):
        bot = self.start("echo_bot", "romeo@localhost/bot")
        self.assertIn("online as romeo@localhost/bot", bot.stderr.readline())
        with self.juliet() as c:
            c.do("message romeo@localhost/bot wherefore art thou?", r"\d+")
            c.expect("from='romeo@localhost/bot'.*wherefore art thou")
        bot.send_signal(signal.SIGTERM)
        self.finish(bot, -signal.SIGTERM)

    def test_sensor(self):
        with self.juliet() as c:
            sensor = self.start("sensor", "romeo@localhost/sensor", "juliet@localhost/x", "20", "25")
            for k in range(25):
                c.expect(r"type='headline'.*urn:example:reading:0.reading>\d+\.\d<")
            self.assertEqual(self.finish(sensor), "25 readings published, 25 arrived\n")

    def test_game(self):
        began = time.monotonic()
        players = [self.start("game", "romeo@localhost/game", "juliet@localhost/game", "75"),
                   self.start("game", "juliet@localhost/game", "romeo@localhost/game", "75")]
        said = [self.finish(p) for p in players]
        self.assertGreaterEqual(time.monotonic() - began, 75 / 30 - 0.2)
        self.assertEqual(said, [f"75 frames played, 75 of theirs heard, last at {75 * 3},{75 * 2}\n"] * 2)

    @unittest.skipUnless((FOLDER / "glib_greeter").exists(), "GLib is not installed")
    def test_glib_greeter(self):
        with self.juliet() as c:
            greeter = self.start("glib_greeter", "romeo@localhost/glib", "juliet@localhost/x")
            c.expect("hello from GLib")
            c.do("message romeo@localhost/glib well met", r"\d+")
            c.do("message romeo@localhost/glib bye", r"\d+")
            self.assertEqual(self.finish(greeter), "well met\nbye\n")

    def test_uv_monitor(self):
        monitor = self.start("uv_monitor", "romeo@localhost/uv", "localhost", "3")
        self.assertRegex(self.finish(monitor), r"^(localhost answered after \d+ ms\n){3}$")


class Examples(Everywhere, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(os.environ["JABIRUD"], os.environ["JABIRU"]).start()
        cls.server.import_users([(f"{name}@localhost", "secret") for name in ("romeo", "juliet")])
        cls.password = cls.server.folder / "password"
        cls.password.write_text("secret\n")
        cls.url = cls.server.url

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_every_example_has_a_page_and_runs_here(self):
        programs = {path.stem for path in (ROOT / "examples").glob("*.c")}
        self.assertEqual(programs, {path.stem for path in (ROOT / "docs/examples").glob("*.md")} - {"README"})
        text = pathlib.Path(__file__).read_text()
        self.assertEqual([p for p in programs if f'self.start("{p}"' not in text], [])

    def test_echo_bot_has_thirty_lines(self):
        lines = [line for line in (ROOT / "examples/echo_bot.c").read_text().split("\n") if line.strip() not in ("", "{", "}")]
        self.assertLessEqual(len(lines), 36)  # thirty, and the head

    def test_echo_bot_answers_no_errors(self):
        """Some servers send the whole message back in an error: with an answer the two would never end."""
        def script(conn):
            conn.login()
            conn.recv_presence()
            head = "<message xmlns='jabber:client' from='juliet@localhost/x'"
            conn.send(f"{head} type='error'><body>bounced</body><error type='cancel'><service-unavailable "
                      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
            conn.send(f"{head}><body>asked</body></message>")
            said.append(conn.recv_like("^<message .*<body>(.*)</body>").group(1))
            conn.until_closed()
        said = []
        with Peer(script) as peer:
            bot = subprocess.Popen([FOLDER / "echo_bot", "romeo@localhost", str(self.password), peer.url],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**SANITIZER_DEFAULTS, **os.environ})
            while not said and bot.poll() is None:
                time.sleep(0.01)
            bot.send_signal(signal.SIGTERM)
            self.finish(bot, -signal.SIGTERM)
        self.assertEqual(said, ["asked"])

    def test_sensor_while_the_server_is_away(self):
        """Readings go on; none is lost when the server comes back."""
        with self.juliet("juliet@localhost/y") as c:
            sensor = self.start("sensor", "romeo@localhost/sensor2", "juliet@localhost", "30", "60")
            c.expect("reading>")
            self.server.restart()
            self.assertEqual(self.finish(sensor), "60 readings published, 60 arrived\n")

    def test_wrong_use_is_explained(self):
        for name in ("sensor", "game", "uv_monitor"):
            done = subprocess.run([FOLDER / name], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)


class OnPeer(Everywhere):
    """On a server in the shape of others' (peers.py)."""

    together = 20  # they take seconds to start
    peer, secure = None, False

    @classmethod
    def setUpClass(cls):
        cls.running = cls.peer()
        cls.running.__enter__()
        cls.url, cls.ca = (cls.running.secure_url, cls.running.ca) if cls.secure else (cls.running.url, None)
        cls.password = cls.running.folder / "password"
        cls.password.write_text("secret\n")

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)


class OnJabirudOverTls(OnPeer, unittest.TestCase):
    peer, secure = test_peers.Jabirud, True


@unittest.skipUnless(Prosody.is_there(), "prosody is not installed")
class OnProsody(OnPeer, unittest.TestCase):
    peer = Prosody


@unittest.skipUnless(Prosody.is_there(), "prosody is not installed")
class OnProsodyOverTls(OnPeer, unittest.TestCase):
    peer, secure = Prosody, True


@unittest.skipUnless(Ejabberd.is_there(), "ejabberd is not installed")
class OnEjabberd(OnPeer, unittest.TestCase):
    peer = Ejabberd


@unittest.skipUnless(Ejabberd.is_there(), "ejabberd is not installed")
class OnEjabberdOverTls(OnPeer, unittest.TestCase):
    peer, secure = Ejabberd, True


if __name__ == "__main__":
    unittest.main()
