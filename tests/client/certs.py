# SPDX-License-Identifier: MIT
"""A certificate authority of one's own, for a test."""
import base64
import hashlib
import pathlib
import ssl
import subprocess
import tempfile


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def self_signed(folder, name):
    """A server's ssl.SSLContext that nobody vouches for, and its key's pin (RFC 7469 section 2.4)."""
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
        "-out", str(cert), "-days", "30", "-subj", "/CN=nobody")
    info = subprocess.run(("openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"), check=True,
                          capture_output=True).stdout
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, base64.b64encode(hashlib.sha256(info).digest()).decode()


class Authority:
    def __init__(self):
        self.held = tempfile.TemporaryDirectory(prefix="jabiru-ca-")
        self.folder = pathlib.Path(self.held.name)
        self.ca = self.folder / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            str(self.folder / "ca.key"), "-out", str(self.ca), "-days", "30", "-subj", "/CN=Test authority")

    def issue(self, name, sans, days="30", subject="/CN=x"):
        """Files (certificate, key) for these names: "DNS:localhost,IP:127.0.0.1"; "" for none."""
        key, csr, cert, ext = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt", "ext"))
        run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(key),
            "-out", str(csr), "-subj", subject)
        ext.write_text(f"subjectAltName={sans}\n" if sans else "basicConstraints=CA:FALSE\n", encoding="ascii")
        run("openssl", "x509", "-req", "-in", str(csr), "-CA", str(self.ca), "-CAkey", str(self.folder / "ca.key"),
            "-CAcreateserial", "-out", str(cert), "-days", days, "-extfile", str(ext))
        return cert, key

    def context(self, name, sans, **more):
        """A server's ssl.SSLContext with such a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, sans, **more))
        return context
