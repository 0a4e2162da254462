#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`jabirud` as somebody careless uses it: what it says when it cannot start, the claim link, signals, a terminal."""

import concurrent.futures
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import unittest
import urllib.error
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "harness"), str(TESTS / "adversarial")]
from ports import Port  # noqa: E402
from server import Server  # noqa: E402
from xmpp import FRAMING, SASL, STREAM_ERRORS, Xmpp, b64, condition  # noqa: E402

JABIRUD = os.environ["JABIRUD"]
JABIRU = os.environ["JABIRU"]
FULL_BLOCK = "\u2588"


def run(*args, timeout=20, **more):
    return subprocess.run([JABIRUD, *args], capture_output=True, text=True, timeout=timeout, check=False, **more)


class Refusals(unittest.TestCase):
    """It says in one line why it does not start, and exits 1; wrong usage is 2."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="jabiru-cli-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, text=None):
        path = pathlib.Path(self.folder, name)
        if text is not None:
            path.write_text(text, encoding="utf-8")
        return str(path)

    def refused(self, words, *args, status=1):
        done = run(*args)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(words, done.stderr)
        return done.stderr

    def test_options(self):
        self.refused("usage: jabirud", "--nosuch", status=2)
        self.refused("what is `extra`?", "extra", status=2)
        for place in ("foo", "127.0.0.1", "1.2.3.4:99999", "localhost:80"):
            self.refused(f'--listen: "{place}" is not ADDRESS:PORT', "--listen", place)
        self.refused("did you mean `limits.stanza_bytes`?", "--explain", "limits.stanza_byte")
        self.refused("nosuch: cannot read: No such file", "--check", "nosuch")
        self.refused("not a file", "--check", self.folder)

    def test_a_mistake_in_the_file_has_a_place(self):
        for text, words in (
                ('listner "x" { }', ':1: unknown option `listner` at the top level (did you mean `listener`?)'),
                ('\nhost "h" { modules_off = { "pnig" } }', ':2: `modules_off`: unknown module "pnig" (did you mean'),
                ("reactors = 2\nreactors = 3", ":2: `reactors` is there twice")):
            file = self.path("bad.conf", text)
            self.assertIn(f"jabirud: {file}{words}", self.refused(file, "--check", file))
            self.refused(file, "--config", file, "--data", self.path("data"), "--listen", "127.0.0.1:0")

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            place = f"127.0.0.1:{other.getsockname()[1]}"
            said = self.refused("another program listens there", "--data", self.path("data"), "--listen", place)
        self.assertIn(place, said)
        self.assertIn("--listen", said)

    def test_two_servers_on_one_folder(self):
        with Server(JABIRUD, JABIRU) as server:
            said = self.refused("is in use by process", "--data", str(server.data), "--listen", "127.0.0.1:0")
            self.assertIn(str(server.pid), said)

    def test_a_folder_that_is_none(self):
        self.refused("Not a directory", "--data", self.path("file", "text"), "--listen", "127.0.0.1:0")
        self.refused("cannot make the data folder", "--data", self.path("a/b/c"), "--listen", "127.0.0.1:0")

    @unittest.skipUnless(os.getuid() == 0, "as root, who may give himself up")
    def test_a_folder_that_cannot_be_written(self):
        os.chmod(self.folder, 0o755)
        locked = self.path("locked")
        os.mkdir(locked, 0o555)
        done = run("--data", locked, "--listen", "127.0.0.1:0", user="nobody")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Permission denied", done.stderr)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([JABIRUD, "--explain"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


def post(link, body):
    """(status, answer)"""
    request = urllib.request.Request(link, data=body.encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(link):
    try:
        with urllib.request.urlopen(link, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def control(server, command, **args):
    """The result of a command on the control socket; None: refused."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(server.data / "control.sock"))
        s.sendall(json.dumps({"id": 1, "command": command, "args": args}).encode() + b"\n")
        return json.loads(s.makefile().readline()).get("result")


class Claim(unittest.TestCase):
    def test_the_link_is_good_once(self):
        with Server(JABIRUD, JABIRU) as server:
            link = server.claim_link().replace("localhost", "127.0.0.1")
            self.assertRegex(link, r"/claim/[a-z0-9]{26}$")  # 128 bits
            for body, field in (("{", "form"), ("[]", "form"), ('{"username":"romeo"}', "form"),
                                ('{"username":"ro meo","password":"long enough"}', "username"),
                                ('{"username":"romeo","password":"short"}', "password")):
                status, answer = post(link, body)
                self.assertEqual((status, answer["field"]), (400, field), body)
                self.assertTrue(answer["error"])
            self.assertEqual(get(link), 200)
            status, answer = post(link, '{"username":"romeo","password":"long enough"}')
            self.assertEqual((status, answer["jid"]), (200, "romeo@localhost"))
            server.wait_for_log(r"account claimed address=127\.0\.0\.1:\d+ jid=romeo@localhost role=administrator")
            self.assertEqual(post(link, '{"username":"other","password":"long enough"}')[0], 410)
            self.assertEqual(get(link), 410)
            second = link[:link.index("/claim/")] + answer["second"]
            self.assertEqual(post(second, '{"username":"romeo","password":"long enough"}')[0], 409)
            self.assertEqual(post(second, '{"username":"juliet","password":"long enough"}')[0], 200)
            self.assertEqual(server.admin("user", "list"), "juliet@localhost\nromeo@localhost (admin)\n")
            server.restart()
            self.assertIsNone(server.stdout.wait_for(re.compile("/claim/"), 0.2))
            self.assertTrue(server.stdout.wait_for(re.compile(r"Chat at http://localhost:\d+/chat/"), 5))


    def test_a_server_that_is_busy_says_so(self):
        """The pool has room for one hash; a login of somebody else has it."""
        config = "reactors = 1\nscram_iterations = 1000000\nlimits { hash_jobs = 1 }\n"
        with Server(JABIRUD, JABIRU, config=config) as server:
            link = server.claim_link().replace("localhost", "127.0.0.1")
            answer = post(link, '{"username":"romeo","password":"long enough"}')[1]
            link = link[:link.index("/claim/")] + answer["second"]
            with Xmpp(server.url, timeout=20) as client:
                client.open()
                client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{b64(chr(0) + 'romeo' + chr(0) + 'long enough')}</auth>")
                status, answer = post(link, '{"username":"juliet","password":"long enough"}')
                self.assertEqual((status, answer["field"]), (503, "form"))
                self.assertIn("busy", answer["error"])
                self.assertEqual(client.recv().tag, f"{{{SASL}}}success")
            self.assertEqual(post(link, '{"username":"juliet","password":"long enough"}')[0], 200)

    def test_of_two_at_once_one_gets_the_account(self):
        with Server(JABIRUD, JABIRU) as server, concurrent.futures.ThreadPoolExecutor() as pool:
            link = server.claim_link().replace("localhost", "127.0.0.1")
            bodies = [f'{{"username":"{name}","password":"long enough"}}' for name in ("romeo", "juliet", "nurse")]
            statuses = [status for status, _ in pool.map(lambda body: post(link, body), bodies)]
            self.assertEqual(sorted(statuses), [200, 410, 410])
            self.assertEqual(len(server.admin("user", "list").splitlines()), 1)

    def test_a_store_that_is_full_says_so(self):
        with Server(JABIRUD, JABIRU) as server:
            link = server.claim_link().replace("localhost", "127.0.0.1")
            if control(server, "inject", arm="file_full:1+") is None:
                self.skipTest("no test build")
            status, answer = post(link, '{"username":"romeo","password":"long enough"}')
            self.assertEqual((status, answer["field"]), (503, "form"))
            self.assertIn("could not store", answer["error"])
            control(server, "inject", disarm="file_full")
            self.assertEqual(post(link, '{"username":"romeo","password":"long enough"}')[0], 200)

    def test_the_first_account_ends_the_first_link(self):
        """It makes an administrator: not of somebody who finds it in an old log."""
        with Server(JABIRUD, JABIRU) as server:
            link = server.claim_link().replace("localhost", "127.0.0.1")
            server.add_user("romeo@localhost", "secret")
            self.assertEqual(get(link), 410)
            status, answer = post(link, '{"username":"mallory","password":"long enough"}')
            self.assertEqual((status, answer["field"]), (410, "form"))
            self.assertEqual(server.admin("user", "list"), "romeo@localhost\n")


class Terminal(unittest.TestCase):
    """On a terminal the claim link is a picture, too, if there is room for one."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="jabiru-cli-")
        self.addCleanup(shutil.rmtree, self.folder)

    def seen(self, columns, term):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen([JABIRUD, "--data", self.folder, "--listen", "127.0.0.1:0"], stdout=slave,
                                   stderr=subprocess.PIPE, env={**os.environ, "TERM": term})
        os.close(slave)
        process.stderr.readline()  # it listens; and what is printed is printed before it is asked to stop
        text = b""
        while b"claim/" not in text and select.select([master], [], [], 20)[0]:
            text += os.read(master, 65536)
        process.send_signal(signal.SIGTERM)
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:
            pass  # the end of a terminal
        os.close(master)
        process.stderr.close()
        self.assertEqual(process.wait(20), 0)
        return text.decode()

    def test_the_picture(self):
        wide = self.seen(80, "xterm")
        rows = [line for line in wide.splitlines() if FULL_BLOCK in line]
        self.assertGreater(len(rows), 12)
        self.assertEqual({len(row) for row in rows}, {len(rows[0])})
        self.assertNotIn("\x1b", wide)  # no colours are needed
        self.assertNotIn(FULL_BLOCK, self.seen(len(rows[0]) - 1, "xterm"))
        self.assertIn(FULL_BLOCK, self.seen(0, "xterm"))
        self.assertNotIn(FULL_BLOCK, self.seen(80, "dumb"))


class Origins(unittest.TestCase):
    def test_each_host_has_a_list_of_its_own(self):
        hosts = "".join(f'host "{name}.example" {{ origins = {{ "https://{name}.page" }} }}\n' for name in "ab")
        with Server(JABIRUD, JABIRU, config=hosts) as server:
            own = f"http://127.0.0.1:{server.port}"
            for origin, name, good in (("https://a.page", "a.example", True), ("https://a.page", "b.example", False),
                                       ("https://b.page", "b.example", True), ("https://a.example", "b.example", True),
                                       (own, "a.example", True), (own, "b.example", True)):
                with Xmpp(server.url, domain=name, headers=[("Origin", origin)]) as client:
                    if good:
                        client.open()
                    else:
                        client.send(f"<open xmlns='{FRAMING}' version='1.0' to='{name}'/>")
                        client.expect_stream_error("policy-violation")


class Log(unittest.TestCase):
    def test_who_logs_in_from_where(self):
        with Server(JABIRUD, JABIRU) as server:
            server.add_user("romeo@localhost", "secret")
            with Xmpp(server.url) as client:
                client.login("romeo", "secret")
            server.wait_for_log(r"login address=127\.0\.0\.1:\d+ jid=romeo@localhost mechanism=SCRAM-SHA-1$")

    def test_who_resumes_from_where(self):
        sm = "xmlns='urn:xmpp:sm:3'"
        with Server(JABIRUD, JABIRU) as server:
            server.add_user("romeo@localhost", "secret")
            with Xmpp(server.url) as before, Xmpp(server.url) as after, Xmpp(server.url) as late:
                before.login("romeo", "secret")
                before.send(f"<enable {sm} resume='true'/>")
                previd = before.recv().get("id")
                for client, session in ((after, previd), (late, "nothing")):
                    client.authenticate("romeo", "secret")
                    client.send(f"<resume {sm} h='0' previd='{session}'/>")
                    client.recv()
                server.wait_for_log(r"session resumed address=127\.0\.0\.1:\d+ jid=romeo@localhost/")
                server.wait_for_log(r"no such session to resume\"? address=127\.0\.0\.1:\d+ jid=romeo@localhost")


class Sessions(unittest.TestCase):
    def test_the_path_is_shown_and_the_query_is_not(self):
        with Server(JABIRUD, JABIRU) as server:
            server.add_user("romeo@localhost", "secret")
            with Xmpp(server.url) as plain, Xmpp(server.url + "?token=hidden") as other:
                plain.login("romeo", "secret", resource="plain")
                other.login("romeo", "secret", resource="token")
                said = server.admin("sessions", "--json")
                self.assertNotIn("hidden", said)
                self.assertNotIn("hidden", server.admin("sessions"))
                shown = {s["jid"].split("/")[1]: (s["path"], s["has_query"]) for s in json.loads(said)["sessions"]}
        self.assertEqual(shown, {"plain": ("/xmpp-websocket", False), "token": ("/xmpp-websocket", True)})


class Drain(unittest.TestCase):
    def drained(self, config):
        """A server that has drained one session; what the session saw of it, and the server's health."""
        with Port() as metrics, \
                Server(JABIRUD, JABIRU, config=f'metrics_listen = "127.0.0.1:{metrics}"\n' + config) as server:
            server.add_user("romeo@localhost", "secret")
            with Xmpp(server.url) as client, Xmpp(server.url) as early:
                client.login("romeo", "secret")
                early.open()
                self.assertEqual(get(f"http://127.0.0.1:{metrics}/health"), 200)
                self.assertEqual(server.admin("drain").splitlines()[-1], "0 sessions left")
                self.assertTrue(early.ending(5).framing_close)
                self.assertEqual(get(f"http://127.0.0.1:{metrics}/health"), 503)
                with self.assertRaises(ConnectionRefusedError):
                    server.connect(5)
                server.wait_for_log('jid=romeo@localhost reason="the server is being drained"')
                return client.ending(5).elements[-1]

    def test_everybody_is_asked_to_leave(self):
        self.assertEqual(self.drained("").attrib, {})

    def test_elsewhere(self):
        last = self.drained('host "localhost" { see_other_uri = "wss://two.example/" }\n')
        self.assertEqual(last.attrib, {"see-other-uri": "wss://two.example/"})


class Signals(unittest.TestCase):
    def test_reload(self):
        with Server(JABIRUD, JABIRU, config="websocket { deflate = false }\n") as server:
            server.config.write_text("websocket { deflate = true }\nreactors = 2\n", encoding="utf-8")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log(r"changed; in force now key=websocket\.deflate from=false to=true")
            server.wait_for_log(r"changed; needs a restart key=reactors")
            server.wait_for_log("configuration reloaded")
            server.config.write_text("websocket { deflat = true }\n", encoding="utf-8")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log(r"not reloaded; the old one stays in force.*did you mean `deflate`")

    def test_a_host_that_is_gone(self):
        one = 'host "localhost" { }\n'
        with Server(JABIRUD, JABIRU, config=one + 'host "two.example" { }\n') as server:
            server.add_user("romeo@two.example", "secret")
            server.add_user("juliet@localhost", "secret")
            with Xmpp(server.url, domain="two.example") as client, Xmpp(server.url) as other:
                client.login("romeo", "secret")
                other.login("juliet", "secret")
                server.config.write_text(one, encoding="utf-8")
                server.process.send_signal(signal.SIGHUP)
                server.wait_for_log("configuration reloaded")
                error = client.ending(5).elements[0]
                self.assertEqual(condition(error, STREAM_ERRORS), "host-gone")
                self.assertEqual(other.silent_until_ping(), [])

    def test_a_second_signal_does_not_kill(self):
        server = Server(JABIRUD, JABIRU).start()
        self.addCleanup(server.abandon)
        server.process.send_signal(signal.SIGINT)
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(20), 0)

    def test_while_a_password_is_hashed(self):
        with Server(JABIRUD, JABIRU) as server:
            users = server.folder / "users.txt"
            users.write_text("romeo@localhost secret\n", encoding="utf-8")
            server.admin("user", "import", "--iterations", "1000000", str(users))  # half a second and more
            with Xmpp(f"ws://{server.host}:{server.port}/xmpp-websocket") as client:
                client.open()
                client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{b64(chr(0) + 'romeo' + chr(0) + 'secret')}</auth>")
                server.admin("stats")  # what came before was read
                server.stop()


if __name__ == "__main__":
    unittest.main()
