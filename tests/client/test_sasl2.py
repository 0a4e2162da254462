# SPDX-License-Identifier: MIT
"""SASL 2, Bind 2 and FAST (XEP-0388, 0386, 0484) against a scripted server."""
import base64
import hashlib
import hmac
import re
import time
import unittest

from certs import Authority
from client import Client
from peer import Peer

NS = "urn:xmpp:sasl:2"
TOKEN = "secret-token:of-theirs"
QUICK = {"BACKOFF_LEAST_MS": 10, "BACKOFF_MOST_MS": 20, "CLOSE_TIMEOUT_MS": 200}
BIND = ("<bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:sm:3'/></inline>"
        "</bind>")
SM = "<sm xmlns='urn:xmpp:sm:3'/>"


def fast(*mechanisms):
    return "<fast xmlns='urn:xmpp:fast:0'>" + "".join(f"<mechanism>{m}</mechanism>" for m in mechanisms) + "</fast>"


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def proof(token, who, binding=b""):
    return hmac.new(token.encode(), who + binding, hashlib.sha256).digest()


class Server:
    """The answers of one server; each connection goes on from the last one."""

    def __init__(self, inline=BIND + SM + fast("HT-SHA-256-NONE"), token=TOKEN):
        self.inline, self.token = inline, token
        self.auths = []  # the <authenticate/> elements that came

    def offer(self, conn, *mechanisms):
        conn.open()
        conn.features(f"<authentication xmlns='{NS}'>" + "".join(f"<mechanism>{m}</mechanism>" for m in mechanisms)
                      + f"<inline>{self.inline}</inline></authentication>",
                      "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>")

    def recv_auth(self, conn):
        text = conn.recv_like(rf"^<authenticate xmlns=.{NS}. ").string
        self.auths.append(text)
        return (re.search("mechanism='([^']*)'", text).group(1),
                base64.b64decode(re.search("<initial-response>([^<]*)<", text).group(1)).decode("latin1"))

    def scram(self, conn):
        mechanism, first = self.recv_auth(conn)
        assert mechanism == "SCRAM-SHA-256", mechanism
        bare = first.partition(",,")[2]
        nonce = re.search("r=([^,]*)", bare).group(1) + "theirs"
        challenge = f"r={nonce},s={base64.b64encode(b'salt').decode()},i=4096"
        conn.send(f"<challenge xmlns='{NS}'>{base64.b64encode(challenge.encode()).decode()}</challenge>")
        final = base64.b64decode(conn.recv_like(rf"^<response xmlns=.{NS}.>([^<]*)<").group(1)).decode()
        auth = f"{bare},{challenge},{final.rpartition(',p=')[0]}".encode()
        salted = hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 4096)
        key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
        return "v=" + base64.b64encode(hmac.new(key, auth, hashlib.sha256).digest()).decode()

    def success(self, conn, data, inner="", who="romeo@localhost/bound"):
        data = base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()
        conn.send(f"<success xmlns='{NS}'><additional-data>{data}</additional-data>"
                  f"<authorization-identifier>{who}</authorization-identifier>{inner}</success>")

    def given(self):
        return f"<token xmlns='urn:xmpp:fast:0' expiry='2036-01-01T00:00:00Z' token='{self.token}'/>"

    def bound(self, sm=True):
        return ("<bound xmlns='urn:xmpp:bind:0'>" + ("<enabled xmlns='urn:xmpp:sm:3' id='name' resume='true'/>" if sm else "")
                + "</bound>" + self.given())


class Sasl2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.tls = cls.authority.context("localhost", "DNS:localhost")

    def client(self, peer, **options):
        return Client(URL=peer.url, CA_FILE=self.authority.ca, **{**QUICK, **options})

    def test_all_in_one_round_then_a_token(self):
        server = Server()

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256", "PLAIN")
            if conn.number == 0:
                server.success(conn, server.scram(conn), server.bound())
                conn.recv_presence()
                conn.sock.close()
                return
            mechanism, first = server.recv_auth(conn)
            assert (mechanism, first) == ("HT-SHA-256-NONE", "romeo\0" + proof(TOKEN, b"Initiator").decode("latin1"))
            server.success(conn, proof(TOKEN, b"Responder"), "<resumed xmlns='urn:xmpp:sm:3' previd='name' h='1'/>")
            conn.until_closed()
        with Peer(script, tls=self.tls) as peer, self.client(peer) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online romeo@localhost/bound TLSv1.3 SCRAM-SHA-256$")
            c.expect("resumed romeo@localhost/bound TLSv1.3 HT-SHA-256-NONE$")
            self.assertRegex(c.do("token"), rf"^[0-9a-f-]{{36}} HT-SHA-256-NONE {TOKEN}$")
            c.command("disconnect")
            c.expect("offline requested")
        first, second = server.auths
        for wanted in ("<bind xmlns='urn:xmpp:bind:0'><tag>libjabiru</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>",
                       "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>", "<software>libjabiru</software>"):
            self.assertIn(wanted, first)
        self.assertRegex(second, "<resume xmlns='urn:xmpp:sm:3' previd='name' h='0'/>.*<fast xmlns='urn:xmpp:fast:0'/>")
        agent = re.compile("user-agent id='([^']*)'")
        self.assertEqual(agent.search(first).group(1), agent.search(second).group(1))

    def test_a_token_that_is_refused_gives_way_to_the_password(self):
        server = Server()

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            assert server.recv_auth(conn)[0] == "HT-SHA-256-NONE"
            conn.send(f"<failure xmlns='{NS}'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>")
            server.success(conn, server.scram(conn), server.bound())
            conn.until_closed()
        with Peer(script, tls=self.tls) as peer, \
                self.client(peer, TOKEN="01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE old") as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            self.assertIn(TOKEN, c.do("token"))
            c.command("disconnect")
        self.assertTrue(all("id='01234567-89ab-cdef-0123-456789abcdef'" in text for text in server.auths))

    def test_case_40_who_takes_a_token_must_know_it(self):
        for answer in (b"", b"x" * 32, proof("other", b"Responder"), proof(TOKEN, b"Initiator")):
            server = Server()

            def script(conn):
                server.offer(conn, "SCRAM-SHA-256")
                server.recv_auth(conn)
                server.success(conn, answer, server.bound())
                conn.until_closed()
            with Peer(script, tls=self.tls) as peer, \
                    self.client(peer, TOKEN=f"01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE {TOKEN}") as c:
                c.do("connect romeo@localhost", "ok")
                c.expect("offline server -1")

    def test_case_40_no_tokens_in_the_clear_or_without_their_binding(self):
        """Over ws, and for a binding that this channel does not have, the token stays at home."""
        server = Server()

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            server.success(conn, server.scram(conn), server.bound())
            conn.until_closed()
        with Peer(script) as peer, \
                self.client(peer, TOKEN=f"01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE {TOKEN}") as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.command("disconnect")
        self.assertNotIn("request-token", server.auths[0])

    def test_case_40_no_unbound_token_where_a_binding_is_pinned(self):
        """Neither asked for nor used: whoever sits in between could hand it on."""
        server = Server()

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            conn.until_closed()
        with Peer(script, tls=self.tls) as peer, \
                self.client(peer, TOKEN=f"01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE {TOKEN}",
                            MECHANISM="SCRAM-SHA-1-PLUS") as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline mechanism -1")
            self.assertTrue(peer.conns)
        bound = Server(BIND + SM + fast("HT-SHA-256-NONE", "HT-SHA-256-EXPR"))

        def exporter(conn):
            bound.offer(conn, "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
            bound.auths.append(conn.recv_like(rf"^<authenticate xmlns=.{NS}. ").string)
            conn.until_closed()
        with Peer(exporter, tls=self.tls) as peer, self.client(peer, MECHANISM="SCRAM-SHA-1-PLUS", RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            self.assertTrue(wait_until(lambda: bound.auths))
            c.command("disconnect")
            c.expect("offline requested")
        self.assertIn("mechanism='SCRAM-SHA-256-PLUS'", bound.auths[0])
        self.assertIn("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>", bound.auths[0])

    def test_one_round_can_be_turned_off(self):
        server, said = Server(), []

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            said.append(conn.recv_auth()[0])
            conn.until_closed()
        with Peer(script, tls=self.tls) as peer, self.client(peer, ONE_ROUND=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            self.assertTrue(wait_until(lambda: said))
            c.command("disconnect")
            c.expect("offline requested")
        self.assertEqual(said, ["PLAIN"])  # all that the server offers of the old way

    def test_tokens_can_be_turned_off(self):
        """None is asked for, none is used, and one that comes all the same is not kept."""
        server = Server()

        def script(conn):
            server.offer(conn, "SCRAM-SHA-256")
            server.success(conn, server.scram(conn), server.bound())
            conn.until_closed()
        old = "01234567-89ab-cdef-0123-456789abcdef HT-SHA-256-NONE old"
        with Peer(script, tls=self.tls) as peer, self.client(peer, TOKENS=0, TOKEN=old) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online .* SCRAM-SHA-256$")
            self.assertEqual(c.do("token"), old)
            c.command("disconnect")
            c.expect("offline requested")
        self.assertNotIn("request-token", server.auths[0])

    def test_the_old_way_to_bind_after_the_new_way_to_log_in(self):
        for inline, options in (("", {}), (BIND, {"RESOURCE": "mine"})):
            server = Server(inline)

            def script(conn):
                server.offer(conn, "SCRAM-SHA-256")
                server.success(conn, server.scram(conn), who="romeo@localhost")
                conn.features("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")
                iq_id = conn.recv_like(r"^<iq .*id=['\"]([^'\"]*)").group(1)
                conn.send(f"<iq xmlns='jabber:client' type='result' id='{iq_id}'><bind "
                          "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@localhost/mine</jid></bind></iq>")
                conn.until_closed()
            with Peer(script, tls=self.tls) as peer, self.client(peer, **options) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online romeo@localhost/mine ")
                c.command("disconnect")

    def test_case_96_lies_within_success(self):
        bound = "<bound xmlns='urn:xmpp:bind:0'/>"
        for who, inner, reason in (
                ("juliet@localhost/x", bound, "protocol"), ("romeo@localhost", bound, "protocol"), ("", bound, "protocol"),
                ("romeo@localhost/x", "<resumed xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "protocol")):
            server = Server()

            def script(conn):
                server.offer(conn, "SCRAM-SHA-256")
                server.success(conn, server.scram(conn), inner, who)
                conn.until_closed()
            with Peer(script, tls=self.tls) as peer, self.client(peer, RECONNECT=0) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect(f"offline {reason} -1")

    def test_case_96_out_of_turn(self):
        for words, reason in ((f"<success xmlns='{NS}'/>", "server"), (f"<challenge xmlns='{NS}'>!</challenge>", "protocol"),
                              (f"<continue xmlns='{NS}'/>", "mechanism"), (f"<what xmlns='{NS}'/>", "protocol"),
                              ("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "protocol"),
                              (f"<failure xmlns='{NS}'/>", "password")):
            server = Server()

            def script(conn):
                server.offer(conn, "SCRAM-SHA-256")
                server.recv_auth(conn)
                conn.send(words)
                conn.until_closed()
            with Peer(script, tls=self.tls) as peer, self.client(peer, RECONNECT=0) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect(f"offline {reason} -1")


if __name__ == "__main__":
    unittest.main()
