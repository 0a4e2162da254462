# SPDX-License-Identifier: MIT
"""The library against our own server."""
import os
import re
import unittest

from client import Client
from server import Server

BIN, CLI = os.environ["JABIRUD"], os.environ["JABIRU"]


class JabirudTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(BIN, CLI).start()
        cls.server.import_users([("romeo@localhost", "secret"), ("juliet@localhost", "secret")])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def client(self, **options):
        return Client(URL=self.server.url, **options)

    def test_two_people_talk(self):
        with self.client() as romeo, self.client(RESOURCE="balcony") as juliet:
            romeo.do("connect romeo@localhost secret", "ok")
            juliet.do("connect juliet@localhost secret", "ok")
            self.assertRegex(romeo.expect("online (.*)").group(1), r"^romeo@localhost/\S+ plain SCRAM-SHA-\d+$")
            self.assertRegex(juliet.expect("online (.*)").group(1), r"^juliet@localhost/balcony ")
            juliet.expect("presence .*from='juliet@localhost/balcony'")  # before it her older sessions may get the message
            number = romeo.do("message juliet@localhost But soft, <what> & light", r"\d+")
            juliet.expect(r"stanza <\{jabber:client\}message type='chat' from='romeo@localhost/.*But soft, <what> & light")
            romeo.expect(f"acked {number} by server$")

    def test_without_stream_management_a_ping_tells(self):
        with self.client(RESUME=0) as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            number = romeo.do("message juliet@localhost hello", r"\d+")
            romeo.expect(f"acked {number} by ping$")

    def test_an_error_has_the_id_of_its_message(self):
        with self.client() as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            romeo.command("message nobody@elsewhere.example hello")
            given = romeo.expect("^id (.+)$").group(1)
            romeo.expect(rf"stanza <\{{jabber:client\}}message type='error' from='nobody@elsewhere.example'.* id='{given}'")

    def test_it_is_over_when_nothing_can_happen(self):
        with self.client() as romeo:
            romeo.do("over", "yes")
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.do("over", "no")
            romeo.expect("online")
            romeo.do("over", "no")
            romeo.do("disconnect", "ok")
            romeo.expect("offline requested")
            romeo.do("over", "yes")
        with self.client(BACKOFF_LEAST_MS=600000, BACKOFF_MOST_MS=600000) as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            romeo.do("cut", "ok")
            romeo.expect("offline lost")
            romeo.do("over", "no")

    def test_a_stanza_keeps_its_shape(self):
        with self.client() as romeo:
            romeo.do("connect romeo@localhost/self secret", "ok")
            romeo.expect("online")
            romeo.do("send <message to='romeo@localhost/self' id='m'><x xmlns='urn:x'><y>z</y></x></message>", r"\d+")
            romeo.expect(re.escape("id='m'><{urn:x}x><{urn:x}y>z</></>"))

    def test_requests_are_answered(self):
        with self.client() as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            n = romeo.do("request get localhost <ping xmlns='urn:xmpp:ping'/>", r"\d+")
            romeo.expect(f"answer {n} ok <.jabber:client.iq type='result' from='localhost'")
            n = romeo.do("request get localhost <nothing xmlns='urn:nothing'/>", r"\d+")
            romeo.expect(f"answer {n} error .*service-unavailable")
            n = romeo.do("request get - <query xmlns='jabber:iq:roster'/>", r"\d+")
            romeo.expect(f"answer {n} ok .*roster")
            romeo.do("request put - <ping xmlns='urn:xmpp:ping'/>", "malformed input")
            romeo.do("request get @ <ping xmlns='urn:xmpp:ping'/>", "malformed input")
            romeo.do("request get - <ping", "malformed input")

    def test_answers_to_what_was_sent_by_hand(self):
        with self.client(STRAYS=1) as romeo, self.client() as juliet:
            for client, jid in ((romeo, "romeo@localhost"), (juliet, "juliet@localhost")):
                client.do(f"connect {jid} secret", "ok")
                client.expect("online")
                client.do("send <iq type='get' id='own' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "ok")
                n = client.do("request get localhost <ping xmlns='urn:xmpp:ping'/>", r"\d+")
                client.expect(f"answer {n} ok")
            self.assertTrue([line for line in romeo.said() if line.startswith("stanza") and "id='own'" in line])
            self.assertFalse([line for line in juliet.said() if "id='own'" in line])

    def test_others_requests_are_refused_or_served(self):
        with self.client() as romeo, self.client(SERVE=1) as juliet:
            romeo.do("connect romeo@localhost/a secret", "ok")
            juliet.do("connect romeo@localhost/b secret", "ok")
            romeo.expect("online")
            juliet.expect("online")
            n = juliet.do("request get romeo@localhost/a <q xmlns='urn:q'/>", r"\d+")
            juliet.expect(f"answer {n} error .*service-unavailable")
            n = juliet.do("request get romeo@localhost/a <ping xmlns='urn:xmpp:ping'/>", r"\d+")
            juliet.expect(f"answer {n} ok")
            n = romeo.do("request get romeo@localhost/b <q xmlns='urn:q'/>", r"\d+")
            iq = juliet.expect(r"stanza <\{jabber:client\}iq type='get'.* id='([^']*)'").group(1)
            juliet.do(f"send <iq type='result' to='romeo@localhost/a' id='{iq}'/>", "ok")
            romeo.expect(f"answer {n} ok")

    def test_a_wrong_password_is_final(self):
        with self.client() as romeo:
            romeo.do("connect romeo@localhost wrong", "ok")
            romeo.expect(r"offline password -1 wrong password, or no such account \(not-authorized\)$")
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")

    def test_leaving_waits_for_what_was_sent(self):
        with self.client() as romeo, self.client() as juliet:
            juliet.do("connect juliet@localhost/window secret", "ok")
            juliet.expect("online")
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            number = romeo.do("message juliet@localhost/window parting is such sweet sorrow", r"\d+")
            romeo.do("disconnect")
            romeo.expect(f"acked {number}")
            romeo.expect("offline requested -1")
            juliet.expect("sweet sorrow")

    def test_what_is_said_offline_is_sent_once(self):
        with self.client() as romeo, self.client() as juliet:
            juliet.do("connect juliet@localhost/window secret", "ok")
            juliet.expect("online")
            romeo.do("send <message/>", "not possible in this state")
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            romeo.do("disconnect")
            romeo.expect("offline requested")
            romeo.do("send <presence/>", "not possible in this state")
            number = romeo.do("message juliet@localhost/window said while away", r"\d+")
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect(f"acked {number}")
            romeo.do("message juliet@localhost/window the end")
            juliet.expect("the end")
            self.assertEqual(sum("said while away" in line for line in juliet.said()), 1)

    def test_a_cut_line_is_mended(self):
        with self.client(BACKOFF_LEAST_MS=10) as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            romeo.do("cut", "ok")
            romeo.expect(r"offline lost \d+")
            romeo.expect("online|resumed")

    def test_a_name_without_an_address(self):
        with Client(URL="ws://nowhere.invalid/", RECONNECT=0) as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("offline name -1")

    def test_nobody_there(self):
        with Client(URL="ws://localhost:1/", RECONNECT=0) as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("offline unreachable -1 connect: Connection refused")

    def test_malformed_stanzas_are_refused(self):
        with self.client() as romeo:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("online")
            for bad in ("<message", "<a/>", "<message xmlns='urn:x'/>", "<message/><message/>", "text", "",
                        "<message>&entity;</message>", "<message><!-- --></message>", "<message a='1' a='2'/>", "<message to='@'/>",
                        "<presence to=''/>"):
                romeo.do("send " + bad, "malformed input")
            romeo.do("send <message>" + "x" * 300000 + "</message>", "a configured limit is reached")

    def test_the_roster_and_presence_are_told(self):
        with self.client(ROSTER=1) as romeo, self.client() as juliet:
            romeo.do("connect romeo@localhost secret", "ok")
            romeo.expect("^roster whole <.jabber:iq:roster.query>")
            romeo.do("request set - <query xmlns='jabber:iq:roster'><item jid='nurse@localhost' name='Nurse'/></query>")
            romeo.expect("roster change .*jid='nurse@localhost' name='Nurse'")
            juliet.do("connect juliet@localhost secret", "ok")
            juliet.expect("online (.*?) ")
            juliet.do("send <presence to='romeo@localhost' type='subscribe'/>", "ok")
            romeo.expect("presence <.jabber:client.presence type='subscribe' from='juliet@localhost'")


if __name__ == "__main__":
    unittest.main()
