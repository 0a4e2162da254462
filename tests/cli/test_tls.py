#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`jabirud` with TLS of its own: whose certificate, which version, what a reload changes, what SCRAM is bound to."""

import hashlib
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / folder) for folder in ("harness", "adversarial", "wsconf")]
from server import Server, give_to_server  # noqa: E402
from wsclient import CLOSE, encode_frame  # noqa: E402
from xmpp import SASL, Scram, Xmpp, b64  # noqa: E402

JABIRUD = os.environ["JABIRUD"]
JABIRU = os.environ["JABIRU"]
LISTENER = 'listener "test" { tls = "own" }\n'
REQUEST = b"GET /.well-known/host-meta HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (b"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           b"Sec-WebSocket-Protocol: xmpp\r\n\r\n")


def connect(server, name=None, newest=ssl.TLSVersion.TLSv1_3):
    """A TLS connection that asks for the host `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = newest
    return context.wrap_socket(server.connect(20), server_hostname=name)


def certificate(server, name=None):
    with connect(server, name) as connection:
        return connection.getpeercert(binary_form=True)


class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jabiru-tls-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o711)

    def make(self, host):
        """The host's files, made or made anew; the certificate in binary form."""
        cert, key = self.folder / f"{host}.crt", self.folder / f"{host}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={host}"],
                       check=True, capture_output=True)
        key.chmod(0o600)
        give_to_server(key)
        return ssl.PEM_cert_to_DER_cert(cert.read_text(encoding="ascii"))

    def host(self, name):
        return (f'host "{name}" {{ tls_certificate = "{self.folder}/{name}.crt" '
                f'tls_key = "{self.folder}/{name}.key" }}\n')

    def test_each_host_has_its_own(self):
        first, second = self.make("a.example"), self.make("b.example")
        config = LISTENER + self.host("a.example") + self.host("b.example")
        with Server(JABIRUD, JABIRU, config=config) as server:
            self.assertEqual(certificate(server, "a.example"), first)
            self.assertEqual(certificate(server, "B.example"), second)
            self.assertEqual(certificate(server, "c.example"), first)
            self.assertEqual(certificate(server), first)

    def test_a_host_that_is_added_gets_into_our_own_certificate(self):
        hosts = ('host "one.example" { }\n', 'host "two.example" { }\n')
        with Server(JABIRUD, JABIRU, config=LISTENER + hosts[0]) as server:
            def trusted(name):
                context = ssl.create_default_context(cafile=server.data / "tls" / "one.example.crt")
                context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN  # it is no authority
                try:
                    context.wrap_socket(server.connect(20), server_hostname=name).close()
                except ssl.SSLCertVerificationError:
                    return False
                return True

            self.assertEqual([trusted("one.example"), trusted("two.example")], [True, False])
            server.config.write_text(LISTENER + "".join(hosts), encoding="utf-8")
            server.admin("reload")
            server.wait_for_log("a self-signed certificate was made")
            self.assertEqual([trusted("one.example"), trusted("two.example")], [True, True])

    def test_a_reload_drops_nobody(self):
        old = self.make("localhost")
        with Server(JABIRUD, JABIRU, config=LISTENER + self.host("localhost")) as server:
            with connect(server, "localhost") as before:
                self.assertEqual(before.getpeercert(binary_form=True), old)
                new = self.make("localhost")
                self.assertNotEqual(new, old)
                self.assertEqual(certificate(server, "localhost"), old)
                server.admin("reload")
                self.assertEqual(certificate(server, "localhost"), new)
                before.sendall(REQUEST)
                self.assertTrue(before.recv(100).startswith(b"HTTP/1.1 200 "))

    def test_a_certificate_is_made_and_kept(self):
        with Server(JABIRUD, JABIRU, config=LISTENER) as server:
            made = certificate(server, "localhost")
            server.restart()
            self.assertEqual(certificate(server, "localhost"), made)

    def test_the_oldest_version(self):
        with Server(JABIRUD, JABIRU, config='tls_minimum = "1.3"\nlog { level = "debug" }\n' + LISTENER) as server:
            with self.assertRaises(ssl.SSLError):
                connect(server, "localhost", ssl.TLSVersion.TLSv1_2)
            server.wait_for_log(r"TLS handshake failed address=127\.0\.0\.1:\d+ why=")
            with connect(server, "localhost") as connection:
                self.assertEqual(connection.version(), "TLSv1.3")
            text = server.config.read_text(encoding="utf-8")
            server.config.write_text(text.replace('"1.3"', '"1.2"'), encoding="utf-8")
            server.admin("reload")
            with connect(server, "localhost", ssl.TLSVersion.TLSv1_2) as connection:
                self.assertEqual(connection.version(), "TLSv1.2")

    def test_nothing_older_than_1_2(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")  # else it does not even ask
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with Server(JABIRUD, JABIRU, config='log { level = "debug" }\n' + LISTENER) as server:
            with self.assertRaises(ssl.SSLError), context.wrap_socket(server.connect(20)):
                pass
            server.wait_for_log(r"TLS handshake failed address=127\.0\.0\.1:\d+ why=.*unsupported protocol")

    def test_its_end_is_told(self):
        """Behind the WebSocket's close comes close_notify: an end without it is an error of ssl's."""
        ours, theirs = encode_frame(CLOSE, b"\x03\xe8"), encode_frame(CLOSE, b"\x03\xe8", masked=False)
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with Server(JABIRUD, JABIRU, config=LISTENER) as server, connect(server, "localhost", newest) as connection:
                connection.suppress_ragged_eofs = False
                connection.sendall(UPGRADE + ours)
                got = b""
                while piece := connection.recv(4096):
                    got += piece
                self.assertTrue(got.startswith(b"HTTP/1.1 101 ") and got.endswith(theirs), got)

    def test_scram_is_bound_to_the_certificate(self):
        """tls-server-end-point, for all three hashes; tls-exporter is what tests/client has from a TLS 1.3 of ours."""
        cert = hashlib.sha256(self.make("localhost")).digest()
        with Server(JABIRUD, JABIRU, config=LISTENER + self.host("localhost")) as server:
            server.add_user("romeo@localhost", "secret")
            url = f"wss://{server.host}:{server.port}/xmpp-websocket"
            for name, digest in (("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-512", "sha512")):
                for binding, tag in ((cert, "success"), (bytes(32), "failure")):
                    with Xmpp(url) as client:
                        client.open()
                        self.assertIn(name + "-PLUS", client.mechanisms())
                        scram = Scram("romeo", "secret", digest, gs2="p=tls-server-end-point,,")
                        client.scram_begin(scram, name + "-PLUS")
                        answer = client.respond(scram.final(binding=b64(scram.gs2.encode() + binding)))
                        self.assertEqual(answer.tag, f"{{{SASL}}}{tag}")


if __name__ == "__main__":
    socket.setdefaulttimeout(20)
    unittest.main()
