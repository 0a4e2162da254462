# SPDX-License-Identifier: MIT
"""The library against servers that mean it ill: the client's cases of docs/adversarial.md, by number."""
import base64
import hashlib
import threading
import time
import unittest

from certs import Authority
from client import Client
from peer import BIND, SASL, SM, STREAMS, Peer

QUICK = {"BACKOFF_LEAST_MS": 10, "BACKOFF_MOST_MS": 20, "CLOSE_TIMEOUT_MS": 200}


def hear(conn):
    conn.login()
    conn.until_closed()


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()

    def refused(self, script, reason, final=True, tls=None, **options):
        """Connects; the attempt must end for this reason; returns the words."""
        with Peer(script, tls=tls) as peer:
            options.setdefault("URL", peer.url)
            with Client(**QUICK, RECONNECT=0 if not final else 1, **options) as c:
                c.do("connect romeo@localhost secret", "ok")
                words = c.expect(rf"(?:offline) (?:{reason}) -1 (.*)").group(1)
                self.assertFalse(any(line.startswith("online") for line in c.said()))
        return words

    # -- 19: masking

    def test_case_19_every_frame_has_a_key_of_its_own(self):
        def script(conn):
            hear(conn)
            masks.extend(conn.masks)
        masks = []
        with Peer(script) as peer, Client(URL=peer.url, QUEUE_MESSAGES=100000, QUEUE_BYTES=100000000) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            for k in range(2000):
                c.command("send <presence/>")
            c.command("disconnect")
            c.expect("offline requested")
            peer.check()
        self.assertGreater(len(masks), 2000)
        # 2000 of 2^32: two are alike once in 2000 runs, and another two once in ten million.
        self.assertGreaterEqual(len(set(masks)), len(masks) - 1)
        ones = sum(bin(int.from_bytes(m, "big")).count("1") for m in masks)
        self.assertLess(abs(ones / (32 * len(masks)) - 0.5), 0.02)

    # -- what is not to be taken up

    def test_tls_within_the_stream_is_ignored(self):
        """RFC 7395 section 3.9."""
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256", more="<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>")
            conn.scram()
            conn.bind()
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.command("disconnect")
            c.expect("offline requested")
            peer.check()

    # -- 40: downgrades

    def offer(self, *mechanisms, more=""):
        def script(conn):
            conn.open()
            conn.offer(*mechanisms, more=more)
            conn.until_closed()
        return script

    def test_case_40_no_password_in_the_clear(self):
        self.refused(self.offer("PLAIN"), "mechanism")
        self.refused(self.offer(), "mechanism")
        self.refused(self.offer("DIGEST-MD5", "X-OAUTH2"), "mechanism")

    def test_case_40_pinned_strength(self):
        self.refused(self.offer("SCRAM-SHA-1", "PLAIN"), "mechanism", MECHANISM="SCRAM-SHA-256")
        self.refused(self.offer("SCRAM-SHA-256"), "mechanism", MECHANISM="SCRAM-SHA-1-PLUS")

    def test_case_40_no_step_down_to_plain(self):
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256", "PLAIN")
            self.assertEqual(conn.recv_auth()[0], "SCRAM-SHA-256")
            conn.sasl("failure", inner="<invalid-mechanism/>")
            self.assertFalse([t for t in conn.until_closed() if "<auth" in t])
        tls = self.authority.context("step", "DNS:localhost")
        self.refused(script, "mechanism", tls=tls, CA_FILE=self.authority.ca)

    def test_case_40_a_binding_is_not_given_up(self):
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", more="<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                       "<channel-binding type='tls-exporter'/></sasl-channel-binding>")
            name, first = conn.recv_auth()
            self.assertEqual(name, "SCRAM-SHA-256-PLUS")
            self.assertTrue(first.startswith("p=tls-exporter,,"))
            conn.sasl("failure", inner="<invalid-mechanism/>")
            self.assertFalse([t for t in conn.until_closed() if "<auth" in t])
        tls = self.authority.context("bound", "DNS:localhost")
        self.refused(script, "mechanism", tls=tls, CA_FILE=self.authority.ca)

    def test_case_40_who_strips_the_binding_is_told(self):
        """Offered no -PLUS on TLS, the client says that it could have: gs2 flag `y`."""
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256")
            self.assertEqual(conn.recv_auth()[1][:3], "y,,")
        tls = self.authority.context("strip", "DNS:localhost")
        self.refused(script, "lost", final=False, tls=tls, CA_FILE=self.authority.ca)

    def test_case_40_the_server_must_prove_itself(self):
        for signature in ("", "v=" + base64.b64encode(b"x" * 32).decode(), "e=no", "v="):
            def script(conn):
                conn.open()
                conn.offer("SCRAM-SHA-256")
                conn.scram(signature=signature)
                conn.until_closed()
            self.refused(script, "server")

    def test_case_40_success_without_an_exchange(self):
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256")
            conn.recv_auth()
            conn.sasl("success")
            conn.until_closed()
        self.refused(script, "server")

    def advertised(self, mechanisms, bindings=None):
        text = "\x1e".join(sorted(mechanisms))
        if bindings is not None:
            text += "\x1f" + "\x1e".join(sorted(bindings))
        return ",h=" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    def test_case_40_a_changed_list_is_noticed(self):
        """XEP-0474: the server says what it had advertised, somebody in between took something out."""
        def script(conn):
            conn.open()
            conn.offer("SCRAM-SHA-256")
            conn.scram(extra=self.advertised(["SCRAM-SHA-256", "SCRAM-SHA-512"]))
            conn.until_closed()
        self.assertIn("changed on its way", self.refused(script, "mechanism"))

    def test_case_40_a_list_that_arrived_whole(self):
        def script(conn):
            conn.open()
            conn.offer("X-OTHER", "SCRAM-SHA-256", "PLAIN", more="<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                       "<channel-binding type='tls-unique'/><channel-binding type='tls-exporter'/></sasl-channel-binding>")
            conn.scram(extra=",a=b" + self.advertised(["X-OTHER", "SCRAM-SHA-256", "PLAIN"],
                                                       ["tls-unique", "tls-exporter"]) + ",z=1")
            conn.bind()
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")

    # -- 41: hash iterations

    def test_case_41_iterations_out_of_bounds(self):
        for iterations in (1, 4095, 100001, 2**31 - 1, 2**32, -1, "x", ""):
            def script(conn):
                conn.open()
                conn.offer("SCRAM-SHA-256")
                name, first = conn.recv_auth()
                nonce = first.partition("r=")[2] + "more"
                conn.sasl("challenge", f"r={nonce},s=c2FsdA==,i={iterations}")
                self.assertFalse([t for t in conn.until_closed() if "<response" in t])
            began = time.monotonic()
            self.refused(script, "mechanism|protocol", final=False)
            self.assertLess(time.monotonic() - began, 5)

    def test_case_41_a_challenge_that_is_none(self):
        for challenge in ("", "r=", "x", "r=other,s=c2FsdA==,i=4096", "r={n},s=,i=4096", "r={n},s=!,i=4096",
                          "m=x,r={n}more,s=c2FsdA==,i=4096", "r={n},s=c2FsdA==,i=4096", "r={n}more,i=4096"):
            def script(conn):
                conn.open()
                conn.offer("SCRAM-SHA-256")
                nonce = conn.recv_auth()[1].partition("r=")[2]
                conn.sasl("challenge", challenge.replace("{n}", nonce))
                self.assertFalse([t for t in conn.until_closed() if "<response" in t])
            self.refused(script, "protocol", final=False)

    # -- 57: forgeries

    def test_case_57_forged_copies_pushes_and_results(self):
        carbon = ("<message xmlns='jabber:client' from='{f}'><received xmlns='urn:xmpp:carbons:2'><forwarded "
                  "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='juliet@localhost/x'><body>{w}</body>"
                  "</message></forwarded></received></message>")
        mam = ("<message xmlns='jabber:client'{f}><result xmlns='urn:xmpp:mam:2' queryid='{q}' id='1'><forwarded "
               "xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>{w}</body></message></forwarded></result>"
               "</message>")
        pep = ("<message xmlns='jabber:client' from='{f}'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
               "<items node='{n}'><item><x xmlns='urn:x'>{w}</x></item></items></event></message>")
        push = ("<iq xmlns='jabber:client' type='set' id='p'{f}><query xmlns='jabber:iq:roster'>"
                "<item jid='{w}@localhost'/></query></iq>")

        def script(conn):
            conn.login()
            conn.recv_presence()
            query = conn.recv_like("<iq .*id=['\"](jb-[0-9]+)").group(1)
            for who in ("mallory@localhost", "romeo@localhost.evil", "romeo@localhost/other", "localhost"):
                conn.send(carbon.format(f=who, w="forged"))
                conn.send(push.format(f=f" from='{who}'", w="forged"))
                conn.recv_like("type='error'")
            conn.send(mam.format(f=" from='mallory@localhost'", q="q1", w="forged"))
            conn.send(mam.format(f="", q="q2", w="forged"))
            conn.send(mam.format(f="", q="", w="forged"))
            conn.send(pep.format(f="mallory@localhost", n="urn:xmpp:bookmarks:1", w="forged"))
            conn.send(f"<iq xmlns='jabber:client' type='result' id='{query}' from='mallory@localhost'><forged xmlns='urn:x'/></iq>")
            conn.send(carbon.format(f="romeo@localhost", w="true carbon"))
            conn.send(mam.format(f="", q="q1", w="true result"))
            conn.send(pep.format(f="romeo@localhost", n="urn:xmpp:bookmarks:1", w="true bookmark"))
            conn.send(pep.format(f="juliet@localhost", n="urn:xmpp:avatar", w="true avatar"))
            conn.send(push.format(f="", w="truely"))
            conn.recv_like("type='result'")
            conn.send(f"<iq xmlns='jabber:client' type='result' id='{query}'><fin xmlns='urn:xmpp:mam:2'/></iq>")
            conn.send(mam.format(f="", q="q1", w="forged, for the question is answered"))
            conn.send("<message xmlns='jabber:client'><body>the end</body></message>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.do("request set - <query xmlns='urn:xmpp:mam:2' queryid='q1'/>", r"\d+")
            for wanted in ("true carbon", "true result", "true bookmark", "true avatar", "truely", "answer .*fin",
                           "the end"):
                c.expect(wanted)
            self.assertFalse([line for line in c.said() if "forged" in line])
            c.command("disconnect")

    def test_repetitions_are_dropped_by_trusted_ids_only(self):
        def message(by, body, kind="chat", who="juliet@localhost"):
            return (f"<message xmlns='jabber:client' type='{kind}' from='{who}/x'><body>{body}</body>"
                    f"<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='{by}'/></message>")

        def script(conn):
            conn.login()
            for text in (message("romeo@localhost", "once"), message("romeo@localhost", "once"),
                         message("juliet@localhost", "twice"), message("juliet@localhost", "twice"),
                         message("room@rooms", "room once", "groupchat", "room@rooms"),
                         message("room@rooms", "room once", "groupchat", "room@rooms"),
                         message("romeo@localhost", "once", "groupchat", "room@rooms"),
                         "<message xmlns='jabber:client'><body>the end</body></message>"):
                conn.send(text)
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("the end")
            said = "\n".join(c.said())
            self.assertEqual([said.count(w) for w in (">once", ">twice", ">room once")], [2, 2, 1])
            c.command("disconnect")

    # -- 58: certificates

    def connects(self, tls, **options):
        with Peer(hear, tls=tls) as peer:
            options.setdefault("URL", peer.url)
            with Client(**QUICK, RECONNECT=0, CA_FILE=self.authority.ca,
                        **{k: v.replace("PORT", str(peer.port)) for k, v in options.items()}) as c:
                c.do("connect romeo@localhost secret", "ok")
                said = c.expect("(online|offline) (.*)").groups()
                c.command("disconnect")
                return said

    def test_case_58_the_name_in_the_certificate(self):
        good = {"host": "DNS:localhost", "wild": "DNS:*.example,DNS:localhost", "more": "DNS:a.example,DNS:localhost"}
        bad = {"other": "DNS:example.org", "ip": "IP:127.0.0.1", "long": "DNS:localhost.example", "none": "",
               "wildall": "DNS:*", "part": "DNS:local*", "mail": "email:romeo@localhost", "uri": "URI:https://localhost"}
        for name, sans in good.items():
            self.assertEqual(self.connects(self.authority.context(name, sans))[0], "online", name)
        for name, sans in bad.items():
            said = self.connects(self.authority.context(name, sans, subject="/CN=localhost"))
            self.assertEqual((said[0], said[1].split()[0]), ("offline", "certificate"), name)

    def test_case_58_an_address_is_no_name(self):
        tls = self.authority.context("address", "IP:127.0.0.1")
        self.assertEqual(self.connects(tls, URL="wss://127.0.0.1:PORT/x")[0], "online")
        tls = self.authority.context("dns-address", "DNS:127.0.0.1", subject="/CN=127.0.0.1")
        self.assertIn("certificate", self.connects(tls, URL="wss://127.0.0.1:PORT/x")[1])

    def test_case_58_strangers_and_the_dead(self):
        stranger = Authority().context("x", "DNS:localhost")
        self.assertIn("certificate", self.connects(stranger)[1])
        expired = self.authority.context("expired", "DNS:localhost", days="-1")
        self.assertIn("certificate", self.connects(expired)[1])

    def test_case_58_channel_binding_holds(self):
        """What is bound is said in the end; the peer checks the data itself."""
        tls = self.authority.context("binding", "DNS:localhost")
        tls.maximum_version = __import__("ssl").TLSVersion.TLSv1_2

        def script(conn):
            der = __import__("ssl").PEM_cert_to_DER_cert((self.authority.folder / "binding.crt").read_text())
            conn.open()
            conn.offer("SCRAM-SHA-256-PLUS", more="<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"
                       "<channel-binding type='tls-server-end-point'/></sasl-channel-binding>")
            conn.scram(mechanism="SCRAM-SHA-256-PLUS", binding=hashlib.sha256(der).digest())
            conn.bind()
            conn.until_closed()
        with Peer(script, tls=tls) as peer, Client(URL=peer.url, CA_FILE=self.authority.ca) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online .* TLSv1.2 SCRAM-SHA-256-PLUS tls-server-end-point$")
            c.command("disconnect")

    # -- 96: anything a server can say

    def test_case_96_sent_elsewhere_three_times_at_most(self):
        def script(conn):
            conn.open()
            conn.send(f"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='{peer.url}'/>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url, **{**QUICK, "BACKOFF_LEAST_MS": 5000, "BACKOFF_MOST_MS": 5000}) as c:
            c.do("connect romeo@localhost secret", "ok")
            for _ in range(3):
                c.expect("offline closed 0")
            c.expect(r"offline redirect [1-9]\d+")
            self.assertEqual(len(peer.conns), 4)

    def test_sent_elsewhere_can_be_turned_off(self):
        def script(conn):
            conn.open()
            conn.send(f"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='{peer.url}'/>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url, **QUICK, REDIRECTS=0, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline redirect -1")
            self.assertEqual(len(peer.conns), 1)

    def test_case_96_sent_elsewhere_while_online(self):
        def first(conn):
            conn.login()
            conn.recv_presence()
            conn.send(f"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='{second.url}'/>")
            conn.until_closed()
        with Peer(first) as one, Peer(hear) as second, Client(URL=one.url) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.expect("offline closed 0")
            c.expect("online")
            self.assertEqual((len(one.conns), len(second.conns)), (1, 1))
            c.command("disconnect")

    def test_sent_elsewhere_now_and_then(self):
        """Three times in a row at most; a connection that lasted in between ends the row."""
        def script(conn):
            conn.login()
            conn.recv_presence()
            conn.send(f"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='{peer.url}'/>")
            conn.until_closed()
        for steady, said in ((0, ["closed 0"] * 5), (60000, ["closed 0"] * 3 + [r"redirect [1-9]\d*"])):
            with Peer(script) as peer, Client(URL=peer.url, **QUICK, STEADY_MS=steady) as c:
                c.do("connect romeo@localhost secret", "ok")
                for words in said:
                    c.expect("online")
                    c.expect(f"offline {words}")

    def test_case_96_never_to_where_it_is_less_safe(self):
        for uri in ("ws://localhost:1/", "http://localhost/", "https://localhost/bosh", "xmpp:localhost", "wss://", "",
                    "wss://user@localhost/", "wss://localhost/#x", "javascript:alert(1)"):
            def script(conn):
                conn.open()
                conn.send(f"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' see-other-uri='{uri}'/>")
                conn.until_closed()
            tls = self.authority.context("safe", "DNS:localhost")
            reason = "redirect" if uri else "closed"
            self.refused(script, reason, final=False, tls=tls, CA_FILE=self.authority.ca)

    def test_case_96_the_certificates_name_is_kept(self):
        """Sent to another host, the client still wants the certificate of the one it was told to trust."""
        def script(conn):
            conn.open()
            conn.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' "
                      f"see-other-uri='wss://127.0.0.1:{second.port}/'/>")
            conn.until_closed()
        one = self.authority.context("one", "DNS:localhost")
        two = self.authority.context("two", "IP:127.0.0.1,DNS:elsewhere.example")
        with Peer(script, tls=one) as first, Peer(hear, tls=two) as second, \
                Client(URL=first.url, CA_FILE=self.authority.ca) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline closed 0")
            c.expect("offline certificate")

    def test_case_96_a_sessions_location_is_not_followed(self):
        """XEP-0198 lets the server name any host to resume at; the one that is trusted is the one that was told."""
        def script(conn):
            if conn.number == 0:
                conn.login(more=SM)
                conn.recv_like("^<enable ")
                conn.send(f"<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true' location='127.0.0.1:{trap.port}'/>")
                conn.recv_presence()
            else:
                again.set()
                conn.until_closed()
        again = threading.Event()
        with Peer(hear) as trap, Peer(script) as peer, Client(URL=peer.url, **QUICK) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.expect("offline lost")
            self.assertTrue(again.wait(20))
            self.assertEqual(trap.conns, [])

    def test_case_96_out_of_turn(self):
        features = f"<f:features xmlns:f='{STREAMS}'>{BIND}{SM}</f:features>"
        iq = "<iq xmlns='jabber:client' type='result' id='bind'/>"
        for early in (features, iq, "<message xmlns='jabber:client'/>", f"<success xmlns='{SASL}'/>", "<a/>", "text",
                      "<r xmlns='urn:xmpp:sm:3'/>", "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", "<!-- -->",
                      f"<challenge xmlns='{SASL}'/>", "<!DOCTYPE a><a/>", "<enabled xmlns='urn:xmpp:sm:3'/>"):
            def script(conn):
                conn.send(early)
                conn.until_closed()
            self.refused(script, "protocol", final=False)

    def test_case_96_after_the_features(self):
        for late in (f"<success xmlns='{SASL}'/>", "<iq xmlns='jabber:client' type='result' id='bind'/>",
                     "<message xmlns='jabber:client' from='a@b'><body>x</body></message>",
                     "<enabled xmlns='urn:xmpp:sm:3'/>", f"<other xmlns='{SASL}'/>"):
            def script(conn):
                conn.open()
                conn.offer("SCRAM-SHA-256")
                conn.recv_auth()
                conn.send(late)
                conn.until_closed()
            self.refused(script, "protocol|server", final=False)

    def test_case_96_bound_to_somebody_elses_address(self):
        for jid in ("juliet@localhost/x", "romeo@localhost", "romeo@evil/x", "", "@", "romeo@localhost/" + "x" * 4000):
            self.refused(lambda conn: (conn.login(jid=jid), conn.until_closed()), "protocol", final=False)

    def test_case_96_stream_management_lies(self):
        lies = ("<a xmlns='urn:xmpp:sm:3' h='100'/>", "<a xmlns='urn:xmpp:sm:3' h='4294967295'/>",
                "<a xmlns='urn:xmpp:sm:3'/>", "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
                "<enabled xmlns='urn:xmpp:sm:3' id='again'/>", "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='x'/>")
        for lie in lies:
            def script(conn):
                conn.login(more=SM)
                conn.recv_like("<enable ")
                conn.send("<enabled xmlns='urn:xmpp:sm:3' id='x' resume='true'/>")
                conn.recv_presence()
                conn.send(lie)
                conn.until_closed()
            with Peer(script) as peer, Client(URL=peer.url, **QUICK, RECONNECT=0) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online")
                c.expect("offline protocol -1")

    def test_case_96_endless_input(self):
        def frames(conn):
            conn.login()
            while True:
                conn.frame(1, b"<message xmlns='jabber:client'>" + b"x" * 60000, fin=False)
                conn.frame(0, b"y" * 60000, fin=False)

        def head(conn):
            while True:
                conn.sock.sendall(b"X-Field: " + b"x" * 1000 + b"\r\n")
        with Peer(frames) as peer, Client(URL=peer.url, **QUICK, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline (protocol|lost) -1")
        with Peer(head, http=True) as peer, Client(URL=peer.url, **QUICK, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline endpoint -1")

    def test_case_96_a_billion_items(self):
        def script(conn):
            conn.login()
            conn.send("<message xmlns='jabber:client'>" + "<a/>" * 60000 + "</message>")
            conn.until_closed()
        with Peer(script) as peer, Client(URL=peer.url, **QUICK, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline protocol -1")

    def test_case_96_a_silent_server(self):
        def script(conn):
            conn.login()
            while True:
                conn.recv_frame()
        with Peer(lambda conn: time.sleep(2), http=True) as peer, Client(URL=peer.url, CONNECT_TIMEOUT_MS=300, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("offline timeout -1")
        with Peer(script) as peer, Client(URL=peer.url, PING_INTERVAL_MS=50, PING_TIMEOUT_MS=100, RECONNECT=0) as c:
            c.do("connect romeo@localhost secret", "ok")
            c.expect("online")
            c.expect("offline lost -1 the server went silent")

    def test_case_96_not_a_websocket(self):
        for answer in ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: wss://evil/\r\n\r\n", "SSH-2.0-x\r\n\r\n",
                       "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"):
            with Peer(lambda conn: conn.sock.sendall(answer.encode()), http=True) as peer, \
                    Client(URL=peer.url, RECONNECT=0) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("offline endpoint -1")

    def test_refused_logins_are_told(self):
        for inner, said in (("<not-authorized/>", r"password -1 wrong password, or no such account \(not-authorized\)$"),
                            ("<account-disabled/><text>ask <![CDATA[<me>]]></text>",
                             r"password -1 the account is disabled \(account-disabled: ask <me>\)$"),
                            ("<credentials-expired/>", r"password -1 the password has expired \(credentials-expired\)$"),
                            ("<other/>", r"password -1 the server does not take this address and password \(other\)$"),
                            ("", r"password -1 the server does not .* \(no reason given\)$"),
                            ("<temporary-auth-failure/>", r"error \d+ the server cannot check passwords for the moment ")):
            def script(conn):
                conn.open()
                conn.offer("SCRAM-SHA-256")
                conn.recv_auth()
                conn.sasl("failure", inner=inner)
                conn.until_closed()
            with Peer(script) as peer, Client(URL=peer.url, BACKOFF_LEAST_MS=60000) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("offline " + said)

    def test_stream_errors_are_told(self):
        def error(condition):
            return (f"<e:error xmlns:e='{STREAMS}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                    "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>as I please</text></e:error>")
        for condition, said in (("conflict", "replaced -1 conflict: as I please"),
                                ("system-shutdown", r"error \d+ system-shutdown: as I please"), ("see-other-host", r"error \d+")):
            def script(conn):
                conn.login()
                conn.send(error(condition))
                conn.until_closed()
            with Peer(script) as peer, Client(URL=peer.url, BACKOFF_LEAST_MS=60000) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("online")
                c.expect("offline " + said)


if __name__ == "__main__":
    unittest.main()
