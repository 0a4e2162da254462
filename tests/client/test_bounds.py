# SPDX-License-Identifier: MIT
"""What the library promises of requests, of what waits, and of the time until it tries again."""
import shutil
import subprocess
import threading
import time
import unittest

from certs import Authority
from client import Client
from peer import BIND, SM, Peer

PING = "<ping xmlns='urn:xmpp:ping'/>"
FULL = "a configured limit is reached"
NOBODY = "ws://localhost:1/"
CLOCK_S = 0.001  # the library's clock has milliseconds


def hear(conn):
    conn.login()
    conn.until_closed()


class Requests(unittest.TestCase):
    def online(self, c):
        c.do("connect romeo@localhost secret", "ok")
        c.expect("online")

    def test_one_that_is_not_answered_in_time_is_over(self):
        """Told once, as a timeout and not before its time; the answer that comes too late is nobody's business."""
        def script(conn):
            conn.login()
            conn.recv_presence()
            query = conn.recv_like("<iq .*id=['\"](jb-[0-9]+)").group(1)
            conn.recv_like("<message ")
            conn.send(f"<iq xmlns='jabber:client' type='result' id='{query}'/>")
            conn.send("<message xmlns='jabber:client'><body>the end</body></message>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url, REQUEST_TIMEOUT_MS=300) as c:
            self.online(c)
            began = time.monotonic()
            n = c.do(f"request get - {PING}", r"\d+")
            c.expect(f"^answer {n} timeout$")
            self.assertGreaterEqual(time.monotonic() - began, 0.3 - CLOCK_S)
            c.do("message juliet@localhost now", r"\d+")
            c.expect("the end")
            self.assertEqual(sum(line.startswith("answer") for line in c.said()), 1)
            c.command("disconnect")
            c.expect("offline requested")

    def test_no_more_than_so_many_at_a_time(self):
        with Peer(hear) as peer, Client(URL=peer.url, REQUESTS=2, CLOSE_TIMEOUT_MS=200) as c:
            self.online(c)
            numbers = [c.do(f"request get - {PING}", r"\d+") for _ in range(2)]
            c.do(f"request get - {PING}", FULL)
            c.command("disconnect")
            self.assertEqual({c.expect(r"^answer (\d+) offline$").group(1) for _ in range(2)}, set(numbers))
            c.do(f"request get - {PING}", "not possible in this state")


class Roster(unittest.TestCase):
    def test_it_comes_also_when_the_line_breaks_before(self):
        """The session goes on, but the question was over with the connection: it is asked again."""
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256")
            conn.scram()
            if conn.number == 0:
                conn.bind(more=SM)
                conn.recv_like("^<enable ")
                conn.send("<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>")
                conn.recv_like("^<iq .*jabber:iq:roster")
                conn.recv_presence()
                return
            conn.open()
            conn.features(BIND, SM)
            conn.recv_like("^<resume .*previd='x'")
            conn.send("<resumed xmlns='urn:xmpp:sm:3' previd='x' h='2'/>")
            query = conn.recv_like("^<iq .*id='(jb-[0-9]+)'.*jabber:iq:roster").group(1)
            conn.send(f"<iq xmlns='jabber:client' type='result' id='{query}'><query xmlns='jabber:iq:roster'/></iq>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url, ROSTER=1, BACKOFF_LEAST_MS=10, CLOSE_TIMEOUT_MS=200) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.expect("offline lost")
            c.expect("resumed")
            c.expect("^roster whole ")
            c.command("disconnect")
            c.expect("offline requested")


class Waiting(unittest.TestCase):
    def test_no_more_messages_than_set(self):
        with Client(URL=NOBODY, QUEUE_MESSAGES=3, BACKOFF_LEAST_MS=60000) as c:
            c.do("connect romeo@localhost secret", "ok")
            for k in range(3):
                c.do(f"message juliet@localhost {k}", r"\d+")
            c.do("message juliet@localhost 3", FULL)
            c.do("send <presence/>", "not possible in this state")

    def test_no_more_bytes_than_set(self):
        with Client(URL=NOBODY, QUEUE_BYTES=4000, BACKOFF_LEAST_MS=60000) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.do("message juliet@localhost " + "x" * 3000, r"\d+")
            c.do("message juliet@localhost " + "x" * 3000, FULL)
            c.do("message juliet@localhost short", r"\d+")

    def test_another_accounts_messages_are_dropped(self):
        """What romeo said is not sent by juliet; he is told."""
        with Peer(lambda conn: (conn.login(jid="juliet@localhost/x"), conn.until_closed())) as peer, \
                Client(URL=NOBODY, BACKOFF_LEAST_MS=60000, CLOSE_TIMEOUT_MS=200) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline unreachable")
            number = c.do("message nurse@localhost of romeo", r"\d+")
            c.do("disconnect", "ok")
            c.expect("offline requested")
            c.do(f"text URL {peer.url}", "ok")
            c.do("connect juliet@localhost secret", "ok")
            c.expect(f"^dropped {number}$")
            c.expect("online juliet@localhost/x")
            c.command("disconnect")
            c.expect("offline requested")
            peer.check()


class Leaving(unittest.TestCase):
    def test_it_ends_also_when_the_line_breaks(self):
        """Who waits for the last acknowledgement before he goes does not come back because it cannot come."""
        def script(conn):
            conn.login(more=SM)
            conn.recv_like("^<enable ")
            conn.send("<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>")
            conn.recv_presence()
            while not conn.recv().startswith("<message "):
                pass  # it also asks for acknowledgements
            left.wait(20)
        left = threading.Event()
        with Peer(script) as peer, Client(URL=peer.url, CLOSE_TIMEOUT_MS=20000, BACKOFF_LEAST_MS=10) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.do("message juliet@localhost last words", r"\d+")
            c.do("disconnect", "ok")
            left.set()
            c.expect("^offline requested -1 ")
            c.do("over", "yes")
            self.assertEqual(len(peer.conns), 1)


class Again(unittest.TestCase):
    def waits(self, count, **options):
        """Milliseconds until the next attempt, as told of so many that failed."""
        with Client(URL=NOBODY, **options) as c:
            c.do("connect romeo@localhost secret", "ok")
            return [int(c.expect(r"offline unreachable (\d+)").group(1)) for _ in range(count)]

    def test_it_waits_twice_as_long_each_time_up_to_a_bound(self):
        waits = self.waits(6, BACKOFF_LEAST_MS=40, BACKOFF_MOST_MS=320)
        for wait, most in zip(waits, (40, 80, 160, 320, 320, 320)):
            self.assertTrue(most // 2 <= wait <= most, waits)

    def test_it_begins_anew_after_a_connection_that_lasted(self):
        """Three attempts fail, the fourth is let in: that alone makes nothing good, unless the program says so."""
        for steady, lasts, (least, most) in ((60000, False, (160, 320)), (0, False, (20, 40)), (200, True, (20, 40))):
            def script(conn):
                if conn.number < 3:
                    return
                conn.login()
                conn.recv_presence()
                if lasts:
                    conn.recv_like("^<iq ")
                    enough.wait(20)
            enough = threading.Event()
            with Peer(script) as peer, Client(URL=peer.url, BACKOFF_LEAST_MS=40, BACKOFF_MOST_MS=640, STEADY_MS=steady,
                                              REQUEST_TIMEOUT_MS=400) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online")
                if lasts:  # by the client's own clock it is online for longer than the time of a request
                    n = c.do(f"request get - {PING}", r"\d+")
                    c.expect(f"answer {n} timeout")
                    enough.set()
                wait = int(c.expect(r"offline lost (\d+)").group(1))
                self.assertTrue(least <= wait <= most, f"STEADY_MS={steady}: {wait}")

    def test_nobody_waits_as_long_as_the_others(self):
        """Of 33 equally likely times ten are the same once in 10^13 runs."""
        self.assertGreater(len(set(self.waits(10, BACKOFF_LEAST_MS=64, BACKOFF_MOST_MS=64))), 1)


class Trust(unittest.TestCase):
    def test_a_folder_of_authorities(self):
        authority, other = Authority(), Authority()
        for trusted, said in ((authority, "online"), (other, "offline certificate")):
            folder = trusted.folder / "trusted"
            folder.mkdir()
            shutil.copy(trusted.ca, folder)
            subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)
            with Peer(hear, tls=authority.context("x", "DNS:localhost")) as peer, \
                    Client(URL=peer.url, CA_DIR=folder, RECONNECT=0, CLOSE_TIMEOUT_MS=200) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect(said)
                c.command("disconnect")


if __name__ == "__main__":
    unittest.main()
