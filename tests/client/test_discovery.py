# SPDX-License-Identifier: MIT
"""Finding the endpoint of a domain: host-meta over HTTPS (XEP-0156, XEP-0487)."""
import json
import re
import unittest

from certs import Authority, self_signed
from client import Client
from peer import Peer

REL = "urn:xmpp:alt-connections:websocket"
QUICK = {"RECONNECT": 0, "CLOSE_TIMEOUT_MS": 200}


def hear(conn):
    conn.login()
    conn.until_closed()


def page(text, status="200 OK", more="", length=True):
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\n{more}" + (f"Content-Length: {len(body)}\r\n" if length else "")
    return head.encode() + b"\r\n" + body


NOT_FOUND = page("", "404 Not Found")


class Web:
    """A web server on TLS with some pages, {path: bytes of the answer}."""

    def __init__(self, tls, pages):
        self.pages, self.asked = pages, []
        self.peer = Peer(self.serve, tls=tls, http=True)

    def serve(self, conn):
        path = re.match(r"GET (\S+) HTTP/1\.0\r\n", conn.head).group(1)
        self.asked.append(path)
        conn.sock.sendall(self.pages.get(path, NOT_FOUND))


class Discovery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.domain = cls.authority.context("domain", "DNS:localhost")

    def run_client(self, json_page=NOT_FOUND, xml_page=NOT_FOUND, endpoint=None, web=None, more=(), **options):
        """What the client says in the end, and what was asked of the web server.  PORT in pages is the endpoint's."""
        with Peer(hear, tls=endpoint or self.domain) as peer:
            port = str(peer.port).encode()
            pages = {"/.well-known/host-meta.json": json_page.replace(b"PORT", port),
                     "/.well-known/host-meta": xml_page.replace(b"PORT", port),
                     **{k: v.replace(b"PORT", port) for k, v in dict(more).items()}}
            site = Web(web or self.domain, pages)
            self.site = site
            with site.peer, Client(DISCOVERY_PORT=site.peer.port, CA_FILE=self.authority.ca, **{**QUICK, **options}) as c:
                c.do("connect romeo@localhost secret", "ok")
                said = c.expect("(online|offline) (.*)").groups()
                c.command("disconnect")
                if said[0] == "online":
                    c.expect("offline requested")
            return said, site.asked

    def json(self, *links, **more):
        # The length is left out: the texts change.
        return page(json.dumps({"links": [{"rel": REL, **link} for link in links], **more}), length=False)

    def xml(self, *urls):
        links = "".join(f"<Link rel='{REL}' href='{url}'/>" for url in urls)
        return page(f"<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
                    f"<Link rel='other' href='wss://x/'/>{links}</XRD>\n", length=False)

    def test_json(self):
        said, asked = self.run_client(self.json({"href": "wss://localhost:PORT/x"}))
        self.assertEqual(said[0], "online")
        self.assertEqual(asked, ["/.well-known/host-meta.json"])

    def test_xml_when_there_is_no_json(self):
        for other in (NOT_FOUND, page("{"), page("[]"), self.json(), self.json({"href": "ws://localhost:PORT/"}),
                      self.json({"href": "https://localhost:PORT/"}), page("", "500 Oops"), b"x\r\n\r\n", b"",
                      page("x", more="Content-Type: text/html\r\n"), self.json({"href": 5}), self.json({"href": None})):
            said, asked = self.run_client(other, self.xml("wss://localhost:PORT/x"))
            self.assertEqual(said[0], "online", other)
            self.assertEqual(len(asked), 2)

    def test_nothing_is_a_reason(self):
        for xml in (NOT_FOUND, self.xml(), page("<a/>"), page("<!DOCTYPE a><a/>"), self.xml("ws://localhost:PORT/")):
            said, _ = self.run_client(xml_page=xml)
            self.assertRegex(" ".join(said), "^offline discovery -1 /.well-known/host-meta: ")

    def test_too_much_is_not_taken(self):
        said, asked = self.run_client(page("x" * 100000))
        self.assertRegex(" ".join(said), "^offline discovery")
        said, asked = self.run_client(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10000)
        self.assertRegex(" ".join(said), "^offline discovery")

    def test_case_58_the_web_server_is_the_domains(self):
        for sans in ("DNS:example.org", "IP:127.0.0.1"):
            said, asked = self.run_client(self.json({"href": "wss://localhost:PORT/"}),
                                          web=self.authority.context("web", sans))
            self.assertRegex(" ".join(said), "^offline certificate")
            self.assertEqual(asked, [])

    def test_case_58_the_endpoint_is_the_urls_or_the_domains(self):
        """Where the URL has an address instead of a name, only the domain counts."""
        for host, sans, good in (("x.localhost", "DNS:x.localhost", True), ("x.localhost", "DNS:localhost", True),
                                 ("x.localhost", "DNS:example.org", False), ("127.0.0.1", "DNS:localhost", True),
                                 ("127.0.0.1", "IP:127.0.0.1", False)):
            said, _ = self.run_client(self.json({"href": f"wss://{host}:PORT/"}),
                                      endpoint=self.authority.context("endpoint", sans))
            self.assertEqual(said[0], "online" if good else "offline", sans)

    def test_0487_addresses_and_name(self):
        link = {"href": "wss://nowhere.invalid:PORT/x", "ips": ["127.0.0.1"], "sni": "xmpp.example", "priority": 1, "weight": 1}
        for sans, good in (("DNS:xmpp.example", True), ("DNS:localhost", True), ("DNS:nowhere.invalid", False)):
            said, _ = self.run_client(self.json(link, xmpp={"ttl": 60}), endpoint=self.authority.context("sni", sans))
            self.assertEqual(said[0], "online" if good else "offline", sans)

    def test_0487_priorities(self):
        good = {"href": "wss://localhost:PORT/x", "ips": ["127.0.0.1"], "sni": "localhost", "priority": 5, "weight": 0}
        bad = {**good, "href": "wss://localhost:1/", "priority": 10, "weight": 60000}
        for links in ((good, bad), (bad, good)):
            said, _ = self.run_client(self.json(*links, xmpp={"ttl": 60}))
            self.assertEqual(said[0], "online")

    def test_0487_pinned_keys(self):
        endpoint, pin = self_signed(self.authority.folder, "pinned")
        _, other = self_signed(self.authority.folder, "other")
        link = {"href": "wss://localhost:PORT/x", "ips": ["127.0.0.1"], "sni": "localhost", "priority": 1, "weight": 1}
        for pins, good in (([pin], True), ([other, pin], True), ([other], False), ([], False), (pin, False)):
            said, _ = self.run_client(self.json(link, xmpp={"ttl": 60, "public-key-pins-sha-256": pins}), endpoint=endpoint)
            self.assertRegex(" ".join(said), "^online" if good else "^offline certificate", pins)
        said, _ = self.run_client(self.json(link, xmpp={"ttl": 60, "public-key-pins-sha-256": [other]}))
        self.assertEqual(said[0], "online", "a certificate that is valid needs no pin")

    def test_0487_a_pin_is_not_for_the_web_server(self):
        """Whoever has a key that was pinned once cannot say where the domain is."""
        pinned, pin = self_signed(self.authority.folder, "once")
        with Peer(hear, tls=pinned) as peer:
            link = {"href": peer.url, "ips": ["127.0.0.1"], "sni": "localhost", "priority": 1, "weight": 1}
            document = self.json(link, xmpp={"ttl": 60, "public-key-pins-sha-256": [pin]})
            good, bad = (Web(tls, {"/.well-known/host-meta.json": document}) for tls in (self.domain, pinned))
            with good.peer, bad.peer, Client(DISCOVERY_PORT=good.peer.port, CA_FILE=self.authority.ca, **QUICK) as c:
                for site, says in ((good, "online"), (bad, "offline certificate"), (good, "online")):
                    c.do(f"set DISCOVERY_PORT {site.peer.port}", "ok")
                    c.do("connect romeo@localhost secret", "ok")
                    c.expect(says)
                    if site is good:
                        c.command("disconnect")
                        c.expect("offline requested")

    def test_the_next_attempt_takes_the_next_endpoint(self):
        with Peer(hear, tls=self.domain) as peer:
            site = Web(self.domain, {"/.well-known/host-meta.json":
                                     self.json({"href": "wss://localhost:1/"}, {"href": peer.url})})
            with site.peer, Client(DISCOVERY_PORT=site.peer.port, CA_FILE=self.authority.ca, BACKOFF_LEAST_MS=10) as c:
                c.do("connect romeo@localhost secret", "ok")
                c.expect("offline unreachable")
                c.expect("online")
                c.command("disconnect")
                c.expect("offline requested")

    def test_redirections(self):
        to = self.json({"href": "wss://localhost:PORT/x"})
        for location, good in (("https://localhost:WEB/other", True), ("http://localhost:WEB/other", False),
                               ("wss://localhost:WEB/other", False), ("https://localhost:WEB/round", False), ("/other", False)):
            with Peer(hear, tls=self.domain) as peer:
                site = Web(self.domain, {})
                web = str(site.peer.port)
                site.pages.update({
                    "/.well-known/host-meta.json": page("", "301 Moved", f"Location: {location.replace('WEB', web)}\r\n"),
                    "/round": page("", "302 Found", f"Location: https://localhost:{web}/round\r\n"),
                    "/other": to.replace(b"PORT", str(peer.port).encode())})
                with site.peer, Client(DISCOVERY_PORT=web, CA_FILE=self.authority.ca, **QUICK) as c:
                    c.do("connect romeo@localhost secret", "ok")
                    c.expect("online" if good else "offline discovery")
                    c.command("disconnect")
                    if good:
                        c.expect("offline requested")
                self.assertLessEqual(site.asked.count("/round"), 3)


if __name__ == "__main__":
    unittest.main()
