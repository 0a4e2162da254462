# SPDX-License-Identifier: MIT
"""The servers that script/bench compares: each is started on loopback, on ports of its own, with fresh data.

    with Ejabberd(accounts=2000) as server:
        load(server.url, server.pids)

Accounts are user0, user1, ... of the host bench.example, all with one password. Whoever leaves the block stops the
server by its process id and removes its data. What each setting is for stands in the files beside this one.
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOMAIN = "bench.example"
PASSWORD = "secret"
FILES = 20000
START_S = 60
STOP_S = 20


class PeerError(RuntimeError):
    """A server does not start, or ended."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def package_version(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout or "not installed"


class Peer:
    """A server with a folder of its own. Subclasses say how it is configured and started."""

    name = ""
    title = ""
    user = None        # who runs it, when we are root
    auth = "scram-sha-1"
    rooms = False
    path = "/"

    def __init__(self, accounts=0):
        self.accounts = accounts
        self.port, self.tls_port = free_port(), free_port()
        self.folder = None
        self.processes = []

    # -- what subclasses say

    @classmethod
    def version(cls):
        return package_version(cls.name)

    def prepare(self):
        """Writes configuration and data into self.folder."""

    def commands(self):
        """The processes to start, in this order: (arguments, environment, port to wait for)."""
        raise NotImplementedError

    def after_start(self):
        """Accounts that only the running server can make."""

    # -- life

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}{self.path}"

    @property
    def tls_url(self):
        return f"wss://127.0.0.1:{self.tls_port}{self.path}"

    @property
    def pids(self):
        return ",".join(str(process.pid) for process in self.processes)

    def owner(self):
        return self.user if self.user and os.geteuid() == 0 else None

    def fill(self, template, **more):
        text = (HERE / template).read_text("utf-8")
        values = {"FOLDER": self.folder, "PORT": self.port, "TLS_PORT": self.tls_port, **more}
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        return text

    def make_certificate(self):
        key, cert = self.folder / "key.pem", self.folder / "crt.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", f"/CN={DOMAIN}", "-days", "30", "-keyout", key, "-out", cert],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.folder / "cert.pem").write_text(cert.read_text("ascii") + key.read_text("ascii"), "ascii")

    def give_away(self):
        if not self.owner():
            return
        entry = pwd.getpwnam(self.owner())
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"jabiru-bench-{self.name}-"))
        self.folder.chmod(0o711)  # whoever runs the server has to reach what is his
        self.prepare()
        self.give_away()
        for arguments, environment, port in self.commands():
            with open(self.folder / f"out{len(self.processes)}.log", "wb") as out:
                process = subprocess.Popen([str(a) for a in arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                           stdout=out, stderr=subprocess.STDOUT, user=self.owner(),
                                           env={**os.environ, "HOME": str(self.folder), **environment})
            self.processes.append(process)
            self.wait_for(port)
        self.after_start()
        time.sleep(1)  # what a server does after its start is not its answer to the load
        return self

    def wait_for(self, port):
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                raise PeerError(f"{self.title} does not start\n{self.log_end()}")
            time.sleep(0.05)

    def log_end(self):
        parts = []
        for log in sorted(self.folder.rglob("*.log")):
            lines = log.read_text("utf-8", "replace").splitlines()[-3000:]
            parts.append(f"--- {log.name}\n" + "\n".join(lines))
        return "\n".join(parts)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


class Floor(Peer):
    """bench/floor: framing and a relay, no XMPP. The least that anything can cost."""

    name, title, auth = "floor", "bare relay", "raw"

    def __init__(self, build, **kwargs):
        super().__init__(**kwargs)
        self.build = build

    @classmethod
    def version(cls):
        return "bench/floor.c"

    def commands(self):
        yield [self.build / "bench" / "floor", f"127.0.0.1:{self.port}"], {}, self.port


class Jabiru(Peer):
    name, title, path = "jabirud", "jabirud", "/xmpp-websocket"

    def __init__(self, build, contacts=0, reactors=None, storage="sqlite", **kwargs):
        super().__init__(**kwargs)
        self.build, self.contacts, self.reactors, self.storage = build, contacts, reactors, storage

    @classmethod
    def version(cls):
        done = subprocess.run(["git", "describe", "--always"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        return done.stdout.strip()

    def prepare(self):
        reactors = f"reactors = {self.reactors}\n" if self.reactors else ""
        (self.folder / "jabiru.conf").write_text(
            f"storage = {self.storage}\n{reactors}" + self.fill("jabiru.conf"), "utf-8")
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if self.accounts:
            subprocess.run([self.build / "bench" / "accounts", data, DOMAIN, str(self.accounts), PASSWORD,
                            str(self.contacts)], check=True)

    def commands(self):
        program = self.build / "src" / "modules" / "jabirud"
        yield [program, "--config", self.folder / "jabiru.conf", "--data", self.folder / "data"], {}, self.port


class Ejabberd(Peer):
    name, title, user, path, rooms = "ejabberd", "ejabberd", "ejabberd", "/ws", True

    def prepare(self):
        self.api_port = free_port()
        self.make_certificate()
        (self.folder / "ejabberd.yml").write_text(self.fill("ejabberd.yml", API_PORT=self.api_port), "utf-8")
        (self.folder / "spool").mkdir()

    def commands(self):
        # As ejabberdctl does, but without a node name (nobody talks to it) and without the busy waiting of idle
        # schedulers, which would count as processor time.
        libs = next(pathlib.Path("/usr/lib").glob("*/ejabberd-*")).parent
        yield (["erl", "+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none",
                "-noinput", "-mnesia", "dir", f'"{self.folder}/spool"', "-s", "ejabberd"],
               {"EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
                "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"), "ERL_LIBS": str(libs),
                "ERL_MAX_PORTS": "32000", "ERL_MAX_ETS_TABLES": "1400"}, self.api_port)
        self.wait_for(self.port)

    def after_start(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port)
        for i in range(self.accounts):
            body = json.dumps({"user": f"user{i}", "host": DOMAIN, "password": PASSWORD})
            connection.request("POST", "/api/register", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise PeerError(f"ejabberd does not register: {answer.status} {text!r}")
        connection.close()


class Prosody(Peer):
    name, title, user, path, rooms = "prosody", "Prosody", "prosody", "/xmpp-websocket", True

    def prepare(self):
        self.make_certificate()
        (self.folder / "prosody.cfg.lua").write_text(self.fill("prosody.cfg.lua"), "utf-8")
        folder = self.folder / "data" / DOMAIN.replace(".", "%2e") / "accounts"
        folder.mkdir(parents=True)
        # As internal_hashed stores them; one salt for all, as bench/accounts does.
        salt, rounds = base64.b64encode(os.urandom(16)).decode(), 10000
        salted = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt.encode(), rounds)
        client = hmac.digest(salted, b"Client Key", "sha1")
        stored, server = hashlib.sha1(client).hexdigest(), hmac.digest(salted, b"Server Key", "sha1").hex()
        record = (f'return {{\n\t["iteration_count"] = {rounds};\n\t["salt"] = "{salt}";\n'
                  f'\t["stored_key"] = "{stored}";\n\t["server_key"] = "{server}";\n}};\n')
        for i in range(self.accounts):
            (folder / f"user{i}.dat").write_text(record, "ascii")

    def commands(self):
        yield ["/usr/bin/prosody", "-F", "--config", self.folder / "prosody.cfg.lua"], {}, self.port


class Jabberd2(Peer):
    """Debian's own configuration files, with other addresses, files and host, and without its limit of stanzas."""

    name, title, user = "jabberd2", "jabberd2", "jabber"

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.router_port = free_port()

    def adapt(self, part):
        text = pathlib.Path(f"/etc/jabberd2/{part}.xml").read_text("utf-8")
        changes = [
            (r"<pidfile>[^<]*</pidfile>", f"<pidfile>{self.folder}/{part}.pid</pidfile>"),
            (r"<file>/var/log[^<]*</file>", f"<file>{self.folder}/{part}.log</file>"),
            (r"<ip>0\.0\.0\.0</ip>", "<ip>127.0.0.1</ip>"),
            (r"<port>5347</port>", f"<port>{self.router_port}</port>"),
            (r"<port>5222</port>", f"<port>{self.port}</port>"),
            (r"localhost\.localdomain", DOMAIN),
            (r" register-enable='mu'", ""),
            (r"<max_fds>\d+</max_fds>", f"<max_fds>{FILES}</max_fds>"),
            (r"<dbname>[^<]*</dbname>", f"<dbname>{self.folder}/sqlite.db</dbname>"),
            (r"/var/lib/jabberd2", str(self.folder)),
            (r"<stanzas>1000</stanzas>", "<stanzas>0</stanzas>"),
            (r"<!--\s*<websocket/>\s*-->", "<websocket/>"),
            (r"<!--\s*<auto-create/>\s*-->", "<auto-create/>"),
            (r"<sasl>\s*<plain/>", "<sasl><scram-sha-1/><plain/>"),
        ]
        for pattern, new in changes:
            text = re.sub(pattern, new, text)
        (self.folder / f"{part}.xml").write_text(text, "utf-8")

    def prepare(self):
        for part in ("router", "sm", "c2s"):
            self.adapt(part)
        setup = pathlib.Path("/usr/share/doc/jabberd2/db-setup.sqlite.gz")
        script = subprocess.run(["zcat", setup], stdout=subprocess.PIPE, text=True, check=True).stdout
        db = sqlite3.connect(self.folder / "sqlite.db")
        db.executescript(script)
        db.executemany("INSERT INTO authreg VALUES (?, ?, ?)",
                       [(f"user{i}", DOMAIN, PASSWORD) for i in range(self.accounts)])
        db.commit()
        db.close()

    def commands(self):
        for part, port in (("router", self.router_port), ("sm", self.router_port), ("c2s", self.port)):
            yield [f"/usr/sbin/jabberd2-{part}", "-c", self.folder / f"{part}.xml"], {}, port
            time.sleep(1 if part == "sm" else 0.2)  # until it has found the router
