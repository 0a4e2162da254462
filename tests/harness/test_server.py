#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the harness notice what it is there to notice? Tried on stand-ins for jabirud that misbehave on purpose."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from server import Server, ServerError  # noqa: E402  pylint: disable=wrong-import-position

# A server that binds a port, announces it, and waits for SIGTERM; %s is what it does then.
STAND_IN = """#!{python}
import os, pathlib, signal, socket, sys
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
pathlib.Path(options["--data"]).mkdir(exist_ok=True)
host, port = options["--listen"].split(":")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
listener = socket.create_server((host, int(port)))
print("Begin at http://localhost:%d/claim/abc" % listener.getsockname()[1], flush=True)
print("info: listening on 127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
signal.sigwait([signal.SIGTERM])
{ending}
"""
CLI = """#!{python}
import pathlib, sys
data = pathlib.Path(sys.argv[sys.argv.index("--data") + 1])
if sys.argv[1:4] == ["admin", "user", "add"]:
    given = sys.argv[4] + " " + sys.stdin.read()
elif sys.argv[1:4] == ["admin", "user", "import"]:
    given = pathlib.Path(sys.argv[4]).read_text()
else:
    sys.exit("unknown command")
with open(data / "users", "a") as users:
    users.write(given)
"""


class ServerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="jabiru-harness-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.cli = self.script("jabiru", CLI.format(python=sys.executable))

    def script(self, name, text):
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o700)
        return file

    def stand_in(self, ending="sys.exit(0)"):
        return Server(self.script("jabirud", STAND_IN.format(python=sys.executable, ending=ending)), self.cli)

    def test_start_restart_stop(self):
        with self.stand_in() as server:
            port, first = server.port, server.pid
            self.assertEqual(server.url, f"ws://127.0.0.1:{port}/xmpp-websocket")
            self.assertEqual(server.claim_link(), f"http://localhost:{port}/claim/abc")
            server.restart()
            self.assertEqual(server.port, port)
            self.assertNotEqual(server.pid, first)
            self.assertEqual(len(server.log()), 2)
            self.assertGreater(server.rss, 1_000_000)
            self.assertGreater(server.pss, 0)
            folder = server.folder
        self.assertFalse(folder.exists())

    def test_users(self):
        with self.stand_in() as server:
            server.add_user("romeo@localhost", "a b")
            server.import_users([("juliet@localhost", "c"), ("nurse@localhost", "d")])
            self.assertEqual((server.data / "users").read_text(encoding="utf-8"),
                             "romeo@localhost a b\njuliet@localhost c\nnurse@localhost d\n")
            with self.assertRaisesRegex(ServerError, "unknown command"):
                server.admin("nonsense")

    def test_bad_status_is_noticed(self):
        with self.assertRaisesRegex(ServerError, "ended with status 3"):
            with self.stand_in("sys.exit(3)"):
                pass

    def test_sanitizers_are_noticed(self):
        for complaint in ("ERROR: AddressSanitizer: heap-use-after-free", "x.c:1:2: runtime error: overflow",
                          "==1==ERROR: LeakSanitizer: detected memory leaks", "WARNING: ThreadSanitizer: data race"):
            with self.subTest(complaint), self.assertRaisesRegex(ServerError, "a sanitizer complained"):
                with self.stand_in(f"print({complaint!r}, file=sys.stderr)"):
                    pass

    def test_a_server_that_dies_at_start_is_noticed_at_once(self):
        server = Server(self.script("jabirud", f"#!{sys.executable}\nimport sys\nsys.exit('no such option')\n"),
                        self.cli)
        with self.assertRaisesRegex(ServerError, "no such option"):
            server.start()
        server.abandon()


if __name__ == "__main__":
    unittest.main()
