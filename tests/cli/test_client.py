#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""jabiru as a client: chat, send, listen, ping, disco, raw, on jabirud and on others, over ws and wss."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "harness"), str(ROOT / "client")]
import parts  # noqa: E402
from server import COMPLAINTS, SANITIZER_DEFAULTS, Lines, Server, eventually  # noqa: E402
import test_peers  # noqa: E402
import test_sasl2  # noqa: E402
from certs import Authority  # noqa: E402
from peer import SM, Peer  # noqa: E402
from peers import Ejabberd, Prosody  # noqa: E402
from ports import Port  # noqa: E402
from terminal import Terminal  # noqa: E402

JABIRU, JABIRUD = os.environ["JABIRU"], os.environ["JABIRUD"]
WAIT_S = 60
COMMANDS = ("chat", "send", "listen", "ping", "disco", "raw")
HOSTILE = "\u009b31mred\u202egnp.exe\u2066x\u2028y"  # what XML allows of what terminals must not get
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Client(unittest.TestCase):
    """A folder of one's own, and commands with romeo's account."""

    def setUp(self):
        held = tempfile.TemporaryDirectory(prefix="jabiru-client-")
        self.addCleanup(held.cleanup)
        self.folder = pathlib.Path(held.name)
        self.env = {**SANITIZER_DEFAULTS, **{k: v for k, v in os.environ.items() if not k.startswith("JABIRU")},
                    "XDG_STATE_HOME": str(self.folder / "state"), "HOME": str(self.folder)}

    def copy_of(self, ca):
        """One that is made once: another command may be reading it."""
        copy = self.folder / "ca.pem"
        if not copy.exists():
            shutil.copy(ca, copy)
        return copy

    def account(self, who, **more):
        return {**self.env, "JABIRU_JID": f"{who}@localhost", "JABIRU_PASSWORD": "secret", **self.endpoint(), **more}

    def endpoint(self):
        return {}

    def run_it(self, *args, who="romeo", status=0, err=None, **more):
        env = more.pop("env", None) or self.account(who)
        done = subprocess.run([JABIRU, *args], capture_output=True, text=True, encoding="utf-8", timeout=WAIT_S, env=env,
                              **({"stdin": subprocess.DEVNULL} if "input" not in more and "stdin" not in more else {}),
                              **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertFalse([line for line in done.stderr.splitlines() if any(c in line for c in COMPLAINTS)], done.stderr)
        if err is not None:
            self.assertRegex(done.stderr, err)
        return done.stdout


class Running:
    """A command that goes on, with its output as lines."""

    def __init__(self, *args, env):
        self.process = subprocess.Popen([JABIRU, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, encoding="utf-8", env=env)
        self.out, self.err = Lines(self.process.stdout), Lines(self.process.stderr)

    def wait_for(self, pattern, where=None):
        match = (where or self.out).wait_for(re.compile(pattern), WAIT_S)
        assert match, f"no {pattern!r}: {self.out.all()} {self.err.all()}"
        return match

    def type(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self, number=None):
        if number:
            self.process.send_signal(number)
        elif not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(WAIT_S)
        self.out.join(WAIT_S)
        self.err.join(WAIT_S)
        bad = [line for line in self.err.all() if any(c in line for c in COMPLAINTS)]
        assert not bad, "\n".join(self.err.all())
        return status

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Everywhere:
    """What holds for any server; endpoint() says where it is."""

    def listening(self, *args, who="juliet"):
        listener = Running("listen", *args, env=self.account(who))
        listener.wait_for("listens", listener.err)
        return listener

    def test_a_message_from_arguments(self):
        with self.listening("--json") as juliet:
            self.run_it("send", "--to", "juliet@localhost", "But", "soft & <light>")
            line = json.loads(juliet.wait_for("^.*But soft.*$").group(0))
            self.assertEqual(juliet.end(signal.SIGINT), 0)
        self.assertEqual(line["body"], "But soft & <light>")
        self.assertEqual(line["from"].partition("/")[0], "romeo@localhost")
        self.assertEqual((line["name"], line["type"], line["to"]), ("message", "chat", "juliet@localhost"))
        self.assertEqual(line["element"]["ns"], "jabber:client")
        self.assertIn({"name": "body", "ns": "jabber:client", "text": "But soft & <light>"}, line["element"]["children"])

    def test_a_message_from_standard_input(self):
        with self.listening() as juliet:
            self.run_it("send", "--to", "juliet@localhost", input="two\nlines\n")
            line = juliet.wait_for("^.*two&#xa;lines</body>.*$").group(0)
            self.assertEqual(juliet.end(signal.SIGINT), 0)
        stanza = ET.fromstring(line)
        self.assertEqual(stanza.findtext("body"), "two\nlines")

    def test_ping(self):
        out = self.run_it("ping", "--count", "3", "--interval", "0.01")
        self.assertEqual(len(re.findall(r"^localhost: \d+\.\d\d ms$", out, re.M)), 3)
        least, mean, most = map(float, re.search(r"^3 sent, 3 answered, min/avg/max ([\d.]+)/([\d.]+)/([\d.]+) ms$",
                                                 out, re.M).groups())
        self.assertTrue(0 < least <= mean <= most)

    def test_disco(self):
        tree = json.loads(self.run_it("disco", "--json"))
        self.assertEqual(tree["jid"], "localhost")
        self.assertIn("im", [i["type"] for i in tree["identities"] if i["category"] == "server"])
        self.assertIn("http://jabber.org/protocol/disco#info", tree["features"])
        text = self.run_it("disco", "localhost", "--depth", "0")
        self.assertRegex(text, r"^localhost\n  is   server/im")
        self.assertIn("  has  http://jabber.org/protocol/disco#info\n", text)

    def test_raw(self):
        out = self.run_it("raw", input="<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>\n"
                                       "<iq type='get' id='r2' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.assertRegex(out, r"(?m)^<iq [^>]*id='r1'[^>]*>\n  <query xmlns='jabber:iq:roster'")
        self.assertRegex(out, r"(?m)^<iq [^>]*id='r2'[^>]*/>$")

    def test_chat_through_pipes(self):
        with Running("chat", "juliet@localhost", env=self.account("romeo")) as romeo, \
                Running("chat", env=self.account("juliet")) as juliet:
            # Before the server has her presence what is for her is kept, and perhaps for longer than until then.
            juliet.type("/to juliet@localhost\nis this on?\n/to romeo@localhost\n/list\n")
            juliet.wait_for(r"^\* 2  romeo@localhost$")
            juliet.wait_for(r"juliet@localhost: is this on\?$")
            romeo.type("hello\n//slash\n/bogus\n")
            juliet.wait_for(r"^\d\d:\d\d romeo@localhost: hello$")
            juliet.wait_for(r": /slash$")
            juliet.type("hello yourself\n")
            romeo.wait_for(r"^\d\d:\d\d juliet@localhost: hello yourself$")
            romeo.wait_for(r"no such command: /bogus")
            self.assertEqual((romeo.end(), juliet.end()), (0, 0))

    def roster_shows(self, chat, start):
        eventually(lambda: chat.type("/roster\n") or [line for line in chat.out.all() if line.startswith(start)],
                   start, WAIT_S, 0.2)

    def test_contacts(self):
        with Running("chat", env=self.account("romeo")) as romeo, Running("chat", env=self.account("juliet")) as juliet:
            romeo.type("/add juliet@localhost\n")
            juliet.wait_for("romeo@localhost wants to see when you are online")
            juliet.type("/accept romeo@localhost\n")
            romeo.wait_for("you see now when juliet@localhost is online")
            romeo.wait_for("juliet@localhost wants to see")
            romeo.type("/accept juliet@localhost\n")
            romeo.wait_for("-- juliet@localhost is online")
            juliet.wait_for("you see now when romeo@localhost is online")
            # Changes of the list come when the server has stored them, which may be behind the presence.
            self.roster_shows(romeo, "on  juliet@localhost")
            self.assertEqual(juliet.end(), 0)
            romeo.wait_for("-- juliet@localhost is offline")
            romeo.type("/remove juliet@localhost\n")
            self.assertEqual(romeo.end(), 0)

    def test_nobody_has_that_resource(self):
        for command in ("ping", "disco"):
            self.run_it(command, "juliet@localhost/nowhere", status=1)

    def test_a_wrong_password(self):
        for command in COMMANDS:
            args = {"send": ["--to", "juliet@localhost", "x"]}.get(command, [])
            self.run_it(command, *args, status=1, err="password", env=self.account("romeo", JABIRU_PASSWORD="wrong"))


class OnJabirud(Client):
    config, scheme = "", "ws"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(JABIRUD, JABIRU, config=cls.config).start()
        cls.server.import_users([(f"{name}@localhost", "secret") for name in ("romeo", "juliet", "nurse")])
        cls.url = f"{cls.scheme}://localhost:{cls.server.port}/xmpp-websocket"

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def endpoint(self):
        return {"JABIRU_URL": self.url}


class Plain(Everywhere, OnJabirud):
    def test_refusals_have_a_status(self):
        self.run_it("ping", "nobody@elsewhere.invalid", "--count", "1", status=1)
        self.run_it("ping", "@", status=2, err="not an address")
        self.run_it("disco", "nobody@elsewhere.invalid", status=1)
        self.run_it("disco", "@", status=2)
        self.run_it("send", "--to", "nobody@elsewhere.invalid", "x", status=1, err="remote-server-not-found")
        self.run_it("send", "--to", "@", "x", status=2)
        self.run_it("send", "x", status=2, err="--to")
        self.run_it("send", "--to", "juliet@localhost", status=2, err="nothing to send")
        self.run_it("send", "--to", "juliet@localhost", "a\x01b", status=2, err="control characters")
        self.run_it("send", "--to", "juliet@localhost", input="x" * 300000, status=1, err="longer than")
        self.run_it("raw", input="<nonsense/>\n", status=1, err="not sent")

    def test_usage(self):
        for args, why in ((["--password", "x"], "others could see"), (["--password=x"], "others could see"),
                          (["--depth", "1"], "not for"), (["--timeout", "x"], "wrong"), (["--url", "http://x/"], "--url"),
                          (["--nosuch"], "unrecognized"), (["--jid", "a@"], "not an address")):
            self.run_it("ping", *args, status=2, err=why)
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_JID"}
        self.run_it("ping", status=2, err="whose account", env=env)
        self.run_it("nosuch", status=2, err="^jabiru: unknown command `nosuch`;")
        self.run_it(status=2, err="usage")

    def test_help_has_an_example_and_the_statuses(self):
        overview = self.run_it("--help")
        for command in COMMANDS:
            page = self.run_it(command, "--help", env=self.env)
            self.assertRegex(page, rf"^usage: jabiru {command} ")
            self.assertIn("\nexample: ", page)
            self.assertIn("exit status: 0 done, 1 refused", page)
            self.assertRegex(overview, rf"(?m)^  {command} ")

    def test_the_password(self):
        file = self.folder / "password"
        file.write_text("secret\nmore\n")
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_PASSWORD"}
        self.run_it("ping", "--count", "1", "--password-file", str(file), env=env)
        self.run_it("ping", "--password-file", str(self.folder / "none"), env=env, status=3)
        # No terminal to ask on, and standard input is not for passwords.
        self.run_it("send", "--to", "juliet@localhost", input="secret\n", env=env, status=2, err="where is the password",
                    start_new_session=True)

    def test_nobody_there(self):
        with Port() as port:
            for command in COMMANDS:
                args = {"send": ["--to", "juliet@localhost", "x"]}.get(command, [])
                self.run_it(command, *args, "--url", f"ws://127.0.0.1:{port}/", status=3, err="refused")

    def test_a_server_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.run_it("send", "--to", "juliet@localhost", "x", "--timeout", "0.3", "--url",
                        f"ws://127.0.0.1:{silent.getsockname()[1]}/", status=3)

    def test_listening_ends(self):
        with self.listening("--count", "2") as juliet:
            for _ in range(3):
                self.run_it("send", "--to", "juliet@localhost", "x")
            self.assertEqual(juliet.process.wait(WAIT_S), 0)
            self.assertEqual((juliet.end(), len(juliet.out.all())), (0, 2))
        with self.listening() as juliet:
            self.assertEqual(juliet.end(signal.SIGINT), 0)
        self.run_it("listen", "--for", "0.1", who="nurse")

    def test_nobody_reads_what_is_listened_to(self):
        with self.listening() as juliet:
            os.dup2(os.open(os.devnull, os.O_RDONLY), juliet.process.stdout.fileno())
            for _ in range(3):
                self.run_it("send", "--to", "juliet@localhost", "x")
            self.assertEqual(juliet.process.wait(WAIT_S), 3)

    def test_streams_that_are_closed(self):
        for command, args in (("chat", ["juliet@localhost"]), ("raw", []), ("ping", ["--count", "1"])):
            line = f'exec "$0" {command} {" ".join(args)} <&-'
            done = subprocess.run(["sh", "-c", line, JABIRU], env=self.account("romeo"), capture_output=True, text=True,
                                  timeout=WAIT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run(["sh", "-c", 'exec "$0" ping --count 1 >/dev/full', JABIRU], env=self.account("romeo"),
                              capture_output=True, text=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 3)

    def test_hostile_text(self):
        """Neither a body nor a name brings a control character to whoever looks."""
        with self.listening("--json") as js, self.listening() as lines, \
                Running("chat", env=self.account("juliet")) as chat:
            chat.type("/list\n/to romeo@localhost\n/list\n")
            chat.wait_for(r"^\* 1")
            self.run_it("raw", input=f"<message to='juliet@localhost' type='chat'><body>{HOSTILE}&#10;10:00 nurse@localhost: "
                                     f"trust me</body><nick xmlns='http://jabber.org/protocol/nick'>{HOSTILE}</nick></message>\n")
            chat.wait_for("romeo@localhost: ")
            chat.wait_for("^      10:00 nurse@localhost: trust me$")
            self.assertEqual(chat.end(), 0)
            js.wait_for("trust me")
            lines.wait_for("trust me")
            self.assertEqual(js.end(signal.SIGINT), 0)
            self.assertEqual(lines.end(signal.SIGINT), 0)
        for seen in (js, lines, chat):
            self.assertFalse([line for line in seen.out.all() if HIDDEN.search(line)])
        bodies = [json.loads(line).get("body") for line in js.out.all()]
        self.assertTrue(any(b and b.startswith(HOSTILE) for b in bodies), bodies)
        self.assertIn("&#x9b;31mred&#x202e;", "".join(lines.out.all()))

    def test_hostile_names(self):
        self.run_it("raw", who="nurse", input="<iq type='set' id='s'><query xmlns='jabber:iq:roster'>"
                    f"<item jid='romeo@localhost' name='{HOSTILE}'/></query></iq>\n")
        with Running("chat", env=self.account("nurse")) as chat:
            self.roster_shows(chat, "off romeo@localhost  ")
            self.assertEqual(chat.end(), 0)
        self.assertFalse([line for line in chat.out.all() if HIDDEN.search(line)])

    def test_the_history(self):
        with Running("chat", "juliet@localhost", env=self.account("romeo")) as romeo:
            romeo.type("a backslash \\n, a tab \t.\n")
            self.assertEqual(romeo.end(), 0)
        folder = self.folder / "state/jabiru-chat"
        log = folder / "chat-romeo@localhost.log"
        self.assertEqual(stat.S_IMODE(log.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        self.assertRegex(log.read_text(), r"^\d{4}-\S+Z\t>\tjuliet@localhost\ta backslash \\\\n, a tab \\t\.\n$")
        log.chmod(0o644)
        with Running("chat", "juliet@localhost", env=self.account("romeo")) as romeo:
            romeo.wait_for(r"^\d\d:\d\d me: a backslash \\n, a tab  \.$")
            self.assertEqual(romeo.end(), 0)
        self.assertEqual(stat.S_IMODE(log.stat().st_mode), 0o600)

    def test_a_chat_without_a_place_for_its_history(self):
        file = self.folder / "state"
        file.write_text("")
        self.run_it("chat", "juliet@localhost", input="x\n", err="nothing is kept")


class Secure(Everywhere, OnJabirud):
    config, scheme = 'listener "test" {\n    tls = own\n}\n', "wss"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ca = next(path for path in cls.server.data.rglob("*") if path.suffix in (".crt", ".pem")
                      and "CERTIFICATE" in path.read_text())

    def endpoint(self):
        copy = self.copy_of(self.ca)
        return {"JABIRU_URL": self.url, "JABIRU_CA_FILE": str(copy)}

    def test_the_certificate_is_looked_at(self):
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_CA_FILE"}
        self.run_it("ping", env=env, status=3, err="certificate")
        self.run_it("ping", "--count", "1", "--ca-file", self.account("romeo")["JABIRU_CA_FILE"], env=env)
        self.run_it("ping", "--ca-file", str(self.folder / "none"), env=env, status=3)

    def test_a_token_sends_and_those_who_share_it_do_not_mind(self):
        file = self.folder / "token"
        send = ["send", "--to", "juliet@localhost", "hello", "--token-file", str(file)]
        self.run_it(*send)
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_PASSWORD"}
        with Running("listen", "--count", "2", "--token-file", str(file), env=env) as first:
            first.wait_for("listens", first.err)
            with self.listening("--count", "2") as juliet:
                self.run_it(*send, env=env, start_new_session=True)
                self.assertEqual(juliet.end(), 0)
            self.run_it("send", "--to", "romeo@localhost", "still there", who="juliet")
            first.wait_for("still there")
            self.assertEqual(first.end(), 0)
        self.assertRegex(file.read_text(), "^[0-9a-f-]{36} HT-SHA-512-EXPR secret-token:")


class Gone(Client):
    """Servers that go away; each test has its own."""

    def setUp(self):
        super().setUp()
        self.server = Server(JABIRUD, JABIRU).start()
        self.server.import_users([("romeo@localhost", "secret"), ("juliet@localhost", "secret")])
        self.addCleanup(self.server.abandon)

    def endpoint(self):
        return {"JABIRU_URL": f"ws://localhost:{self.server.port}/xmpp-websocket"}

    def test_during_a_chat(self):
        with Running("chat", "juliet@localhost", env=self.account("romeo")) as romeo:
            romeo.type("/list\nbefore\n")
            romeo.wait_for("^. 1")
            self.server.kill()
            romeo.wait_for("^-- offline: .*; next attempt in ")
            romeo.type("said meanwhile\n")
            self.server.start()
            romeo.wait_for("^-- online again")
            self.assertEqual(romeo.end(), 0)
        out = self.run_it("listen", "--for", "1", who="juliet")
        self.assertEqual(out.count("said meanwhile"), 1)

    def test_for_good(self):
        with Running("chat", "juliet@localhost", env=self.account("romeo")) as romeo:
            romeo.type("/list\n")
            romeo.wait_for("^. 1")
            self.server.kill()
            romeo.wait_for("^-- offline: ")
            romeo.type("into the void\n")
            self.assertEqual(romeo.end(), 3)
            self.assertIn("1 message is not acknowledged", romeo.err.all()[-1])

    def test_others(self):
        with Running("ping", "--count", "1000", "--interval", "0.05", env=self.account("romeo")) as ping, \
                Running("raw", "--for", "60", env=self.account("romeo")) as raw:
            ping.wait_for("localhost: ")
            raw.type("<iq type='get' id='q' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>\n")
            raw.wait_for("id='q'")
            self.server.kill()
            ping.wait_for(r"sent, \d+ answered, min/avg/max")
            self.assertEqual((ping.end(), raw.end()), (3, 3))


class Scripted(Client):
    """What a server that behaves does not do, or none of the others can."""

    def send_to(self, script, **expected):
        with Peer(script) as peer:
            env = {**self.env, "JABIRU_JID": "romeo@localhost", "JABIRU_PASSWORD": "secret", "JABIRU_URL": peer.url}
            self.run_it("send", "--to", "juliet@localhost", "x", "--timeout", "3", env=env, **expected)

    def test_sent_is_not_acknowledged(self):
        """That a WebSocket's ping is answered says nothing of the server behind it."""
        def script(conn):
            conn.login()
            conn.recv_like("^<message ")
            conn.until_closed()  # which answers the WebSocket's pings
        self.send_to(script, status=3, err="not acknowledged the message in time")

    def managed(self, *after):
        """A server with stream management, which says these when the message is there."""
        def script(conn):
            conn.login(more=SM)
            conn.recv_like("^<enable ")
            conn.send("<enabled xmlns='urn:xmpp:sm:3'/>")
            message = conn.recv_like("^<message .* id='([^']*)'").group(1)
            conn.recv_like("^<r ")
            for text in after:
                conn.send(text.format(id=message))
            said.extend(conn.until_closed())
        said = []
        return script, said

    def test_an_acknowledgement_is_enough(self):
        script, said = self.managed("<a xmlns='urn:xmpp:sm:3' h='1'/>")
        self.send_to(script)
        self.assertEqual([text for text in said if "<iq" in text or "ping" in text], [])

    def test_refused_and_acknowledged(self):
        script, _ = self.managed("<message xmlns='jabber:client' type='error' from='juliet@localhost' id='{id}'><error "
                                 "type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                                 "</message>", "<a xmlns='urn:xmpp:sm:3' h='1'/>")
        self.send_to(script, status=1, err="juliet@localhost: item-not-found")

    def test_an_acknowledgement_that_does_not_come(self):
        script, _ = self.managed("<a xmlns='urn:xmpp:sm:3' h='0'/>")
        self.send_to(script, status=3, err="not acknowledged the message in time")

    def test_without_stream_management_a_ping_is_the_answer(self):
        def script(conn):
            conn.login()
            conn.recv_like("^<message ")
            ping = conn.recv_like("^<iq .*id=['\"]([^'\"]*)['\"].*urn:xmpp:ping").group(1)
            conn.send(f"<iq xmlns='jabber:client' type='error' from='localhost' id='{ping}'/>")
            conn.until_closed()
        self.send_to(script)

    def test_closed_before_it_is_acknowledged(self):
        def script(conn):
            conn.login()
            conn.recv_like("^<message ")
            conn.sock.close()
        self.send_to(script, status=3)

    def test_another_stanzas_error_is_not_ours(self):
        def script(conn):
            conn.login()
            conn.recv_like("^<message ")
            conn.send("<message xmlns='jabber:client' type='error' id='other' from='juliet@localhost'><error type='cancel'>"
                      "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
            number = conn.recv_like("<iq [^>]*id='([^']*)'").group(1)
            conn.send(f"<iq xmlns='jabber:client' type='result' from='localhost' id='{number}'/>")
            conn.until_closed()
        self.send_to(script)

    def test_it_listens_when_the_server_has_its_presence(self):
        def script(conn):
            conn.login()
            conn.recv_presence()
            ping = conn.recv_like("^<iq .*id='([^']*)'.*urn:xmpp:ping").group(1)
            conn.send("<message xmlns='jabber:client'><body>early</body></message>")
            go_on.wait(WAIT_S)
            conn.send(f"<iq xmlns='jabber:client' type='result' from='localhost' id='{ping}'/>")
            conn.until_closed()
        go_on = threading.Event()
        with Peer(script) as peer:
            env = {**self.env, "JABIRU_JID": "romeo@localhost", "JABIRU_PASSWORD": "secret", "JABIRU_URL": peer.url}
            with Running("listen", env=env) as romeo:
                romeo.wait_for(">early<")
                self.assertEqual(romeo.err.all(), [])
                go_on.set()
                romeo.wait_for("^romeo@localhost/here listens$", romeo.err)
                self.assertEqual(romeo.end(signal.SIGINT), 0)

    def test_words_of_a_server_are_made_safe(self):
        def script(conn):
            conn.open()
            conn.send(f"<s:error xmlns:s='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                      f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{HOSTILE}</text></s:error>")
            conn.until_closed()
        with Peer(script) as peer:
            env = {**self.env, "JABIRU_JID": "romeo@localhost", "JABIRU_PASSWORD": "secret", "JABIRU_URL": peer.url}
            done = subprocess.run([JABIRU, "ping"], env=env, capture_output=True, text=True, timeout=WAIT_S, check=False)
        self.assertIn("31mred", done.stderr)
        self.assertIsNone(HIDDEN.search(done.stderr))

    def test_deep_elements(self):
        deep = 30  # the library takes 32
        xml = "<message xmlns='jabber:client'>" + "".join(f"<a{k}>" for k in range(deep)) + "end" + \
            "".join(f"</a{k}>" for k in reversed(range(deep))) + "</message>"

        def script(conn):
            conn.login()
            conn.recv_presence()
            conn.send(xml)
            conn.until_closed()
        for args in ([], ["--json"]):
            with Peer(script) as peer:
                env = {**self.env, "JABIRU_JID": "romeo@localhost", "JABIRU_PASSWORD": "secret", "JABIRU_URL": peer.url}
                out = self.run_it("listen", "--count", "1", *args, env=env)
            if args:
                element = json.loads(out)["element"]
                for k in range(deep):
                    (element,) = element["children"]
                    self.assertEqual(element["name"], f"a{k}")
                self.assertEqual(element["text"], "end")
            else:
                self.assertEqual(out, xml.replace(" xmlns='jabber:client'", "") + "\n")

    def test_a_token_stands_in_for_the_password(self):
        authority, server = Authority(), test_sasl2.Server(inline=test_sasl2.BIND + test_sasl2.fast("HT-SHA-256-NONE"))
        file = self.folder / "token"

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            if conn.number == 0:
                server.success(conn, server.scram(conn), server.given(), "romeo@localhost")
            else:
                assert server.recv_auth(conn)[0] == "HT-SHA-256-NONE"
                server.success(conn, test_sasl2.proof(test_sasl2.TOKEN, b"Responder"), server.given(), "romeo@localhost")
            conn.bind(again=False)  # who shares a token asks for a resource of his own
            number = conn.recv_like("<iq [^>]*id='([^']*)'").group(1)
            conn.send(f"<iq xmlns='jabber:client' type='result' from='localhost' id='{number}'/>")
            conn.until_closed()
        with Peer(script, tls=authority.context("localhost", "DNS:localhost")) as peer:
            env = {**self.env, "JABIRU_JID": "romeo@localhost", "JABIRU_URL": peer.url, "JABIRU_CA_FILE": str(authority.ca)}
            ping = ["ping", "--count", "1", "--token-file", str(file)]
            self.run_it(*ping, env={**env, "JABIRU_PASSWORD": "secret"})
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.assertIn(test_sasl2.TOKEN, file.read_text())
            self.run_it(*ping, env=env, start_new_session=True)  # no password, and no terminal to ask on
            file.write_text("nonsense\n")
            self.run_it(*ping, env=env, status=1, err="the token is of no use")
        file.write_text("\n")
        self.run_it(*ping, env=env, start_new_session=True, status=2, err="where is the password")


class OnOthers:
    """Other people's servers."""

    together = 30  # they take seconds to start
    notices = True  # as in test_peers.py

    @classmethod
    def setUpClass(cls):
        if not cls.kind.is_there():
            raise unittest.SkipTest("not installed")
        cls.server = cls.kind()
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def endpoint(self):
        return {"JABIRU_URL": self.server.url}


    def test_a_chat_across_a_cut_line(self):
        url = self.endpoint()["JABIRU_URL"]
        port = int(re.search(r":(\d+)/", url).group(1))
        line = test_peers.Line(port, self.notices)
        self.addCleanup(line.close)
        env = self.account("romeo", JABIRU_URL=url.replace(f":{port}/", f":{line.port}/"))
        with Running("chat", "juliet@localhost", env=env) as romeo, self.listening() as juliet:
            romeo.type("before\n")
            juliet.wait_for(">before<")
            line.cut()
            romeo.wait_for("^-- offline: .*; next attempt in ")
            romeo.type("said meanwhile\n")
            line.mend()
            romeo.wait_for("^-- online again")
            romeo.type("the end\n")
            juliet.wait_for(">the end<")
            self.assertEqual((romeo.end(), juliet.end(signal.SIGINT)), (0, 0))
        self.assertEqual([text for line in juliet.out.all() for text in re.findall("<body>(.*)</body>", line)],
                         ["before", "said meanwhile", "the end"])


class OnOthersOverTls(OnOthers):
    def endpoint(self):
        copy = self.copy_of(self.server.ca)
        return {"JABIRU_URL": self.server.secure_url, "JABIRU_CA_FILE": str(copy)}

    def test_the_certificate_is_looked_at(self):
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_CA_FILE"}
        self.run_it("ping", env=env, status=3, err="certificate")


class OnProsody(OnOthers, Everywhere, Client):
    kind = Prosody


class OnProsodyOverTls(OnOthersOverTls, Everywhere, Client):
    kind = Prosody


class OnEjabberd(OnOthers, Everywhere, Client):
    kind, notices = Ejabberd, False


class OnEjabberdOverTls(OnOthersOverTls, Everywhere, Client):
    kind, notices = Ejabberd, False


class OnTerminal(OnJabirud):
    def terminal(self, *args, who="romeo", columns=80, **more):
        return Terminal([JABIRU, *args], {**self.account(who), **more}, columns, edits=True)

    def test_the_password_is_asked_for_silently(self):
        env = {k: v for k, v in self.account("romeo").items() if k != "JABIRU_PASSWORD"}
        with Terminal([JABIRU, "ping", "--count", "1"], env) as t:
            t.wait_for("Password for romeo@localhost:")
            t.type("secret\n")
            self.assertEqual(t.end(), 0)
            self.assertNotIn("secret", t.screen())

    def test_what_comes_does_not_spoil_what_is_typed(self):
        with self.terminal("chat", "juliet@localhost") as t:
            t.wait_for("^juliet@localhost> $|^juliet@localhost>$")
            t.type("half a sente")
            t.wait_for("^juliet@localhost> half a sente$")
            self.run_it("send", "--to", "romeo@localhost", "psst", who="nurse")
            t.wait_for(r"^\[2\] \d\d:\d\d nurse@localhost: psst\njuliet@localhost> half a sente$")
            self.assertEqual(t.screen().count("half a sente"), 1)
            with Running("listen", "--count", "2", env=self.account("juliet")) as juliet:
                juliet.wait_for("listens", juliet.err)
                t.type("nce\n")
                juliet.wait_for("half a sentence</body>")
            t.type("/2\n")
            t.wait_for(r"^nurse@localhost>")
            t.type("\x04")
            self.assertEqual(t.end(), 0)

    def test_a_long_line(self):
        words = "0123456789 " * 12
        with self.terminal("chat", "juliet@localhost", columns=40) as t:
            t.wait_for("^juliet@localhost>")
            t.type(words)
            eventually(lambda: self.typed(t) == "juliet@localhost> " + words.rstrip(), "the line", WAIT_S)
            self.run_it("send", "--to", "romeo@localhost", "psst", who="nurse")
            t.wait_for("psst")
            t.type("!")
            eventually(lambda: self.typed(t) == "juliet@localhost> " + words + "!", "the line to be whole", WAIT_S)
            self.assertEqual(t.screen().count("juliet@localhost>"), 1)  # nothing is left of where it stood before
            t.type("\x15\x04")
            self.assertEqual(t.end(), 0)

    def typed(self, t):
        """What stands behind the prompt, over the rows of a screen of 40 columns (blanks at their ends count); nothing
        while it is drawn anew."""
        lines = t.lines()
        first = max((k for k, line in enumerate(lines) if line.startswith("juliet@localhost>")), default=len(lines))
        return "".join(line.ljust(40) for line in lines[first:]).rstrip()

    def test_history_of_what_was_typed(self):
        for k in (1, 2):
            with self.terminal("raw") as t:
                t.wait_for("^>")
                if k == 1:
                    t.type("<iq type='get' id='one' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>\n")
                else:
                    t.type("\x10")  # ^P
                    t.wait_for("^> <iq type='get' id='one'")
                    t.type("\n")
                t.wait_for(r"^<iq [^\n]*type='result'|^<iq [^\n]*id='one'[^\n]*result")
                t.type("\x04")
                self.assertEqual(t.end(), 0)
        file = self.folder / "state/jabiru-chat/raw-input"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)

    def test_interrupts(self):
        for command, prompt in (("chat", "^>"), ("raw", "^>")):
            with self.terminal(command) as t:
                t.wait_for(prompt)
                t.type("half a li")
                t.wait_for("half a li$")
                t.type("\x03")
                self.assertEqual(t.end(), 0)
            with self.terminal(command) as t:
                t.wait_for(prompt)
                t.signal(signal.SIGTERM)
                self.assertEqual(t.end(), 0)

    def test_stopping(self):
        with self.terminal("raw") as t:
            cooked = termios_flags(t)
            t.wait_for("^>")
            eventually(lambda: termios_flags(t) != cooked, "the terminal to be taken", WAIT_S)
            t.type("half")
            t.wait_for("^> half")
            t.type("\x1a")
            os.waitpid(t.pid, os.WUNTRACED)
            self.assertEqual(termios_flags(t), cooked)
            t.signal(signal.SIGCONT)
            eventually(lambda: termios_flags(t) != cooked, "the terminal to be taken again", WAIT_S)
            t.wait_for("^> half")
            t.type("\x15\x04")
            self.assertEqual(t.end(), 0)

    def test_colours_are_for_terminals(self):
        self.run_it("send", "--to", "juliet@localhost", "x")
        with self.terminal("listen", "--for", "1", who="juliet") as t:
            self.assertEqual(t.end(), 0)
            self.assertIn(b"\x1b[36mmessage", t.bytes)
        self.assertNotIn("\x1b", self.run_it("listen", "--for", "0.3", who="juliet"))

    def test_hostile_text(self):
        with self.terminal("chat") as t, self.terminal("raw") as console:
            t.wait_for("^>")
            console.wait_for("^>")
            console.type("<presence/>\n")
            self.run_it("raw", who="nurse", input=f"<message to='romeo@localhost' type='chat'><body>{HOSTILE}</body></message>\n")
            t.wait_for("nurse@localhost: .*31mred")  # the screen refuses control characters
            t.type("\x04")
            console.type("\x04")
            self.assertEqual((t.end(), console.end()), (0, 0))


def termios_flags(terminal):
    return terminal.attributes()[3]


if __name__ == "__main__":
    chosen = [argument for argument in sys.argv[1:] if argument != "-v"]
    sys.exit(parts.run([f"__main__.{name}" for name in chosen] or ["__main__"])[1] > 0)
